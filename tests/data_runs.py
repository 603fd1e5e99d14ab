"""Runs of the toy suite for the tests of what leaves a run."""

from __future__ import annotations

import csv
from pathlib import Path

import toy

ODD = 'größe, "7" 🙂'
"""A reason and a label as a user may have them."""


def two_runs(folder: Path) -> tuple[Path, Path]:
    """folder/outputs/a, with a failing case and pictures, and folder/outputs/b, with another label."""
    found = []
    for name, box, more in (
        ("a", toy.Box("raises on a"), {"cheats": "cheat_3", "clips": 1}),
        ("b", toy.Box(), {"name": ODD}),
    ):
        out = folder / "outputs" / name
        toy.go(folder, box, out=out, max_incomplete=9, **more)
        found.append(out)
    return found[0], found[1]


def lines(folder: Path) -> list[dict[str, str]]:
    """The lines of a run's scores.csv, as they are."""
    with (folder / "scores.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
