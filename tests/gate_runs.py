"""Runs written by hand, without a model: scores.csv, summary.json and run.json of given scene values."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reports.aggregate import COLUMNS, NEEDED

SETTING = "32x32x17@8 plain v2v d0.25"


def write_run(
    folder: Path,
    scenes: Sequence[float],
    *,
    suite: str = "toy",
    metric: str = "S_graded",
    version: int = 1,
    setting: str = SETTING,
    generator: str = "model",
    samples: int = 1,
    first: int = 0,
    space: str = "public",
    lost: Mapping[int, tuple[str, str]] | None = None,
    more: Mapping[str, Sequence[float]] | None = None,
    oracle: bool = True,
    fields: Mapping[str, Any] | None = None,
    noise: int = 0,
    world: int = 100,
    summary: bool = True,
) -> Path:
    """A run with one value per scene of `metric` and of those in `more`. `lost`: scene index to the status
    and reason of its video."""
    lost = lost or {}
    head = (suite, str(version), setting, "v2v")
    cases, aggregates = [], []
    for i, value in enumerate(scenes):
        scene = f"{space}-{first + i:04d}"
        for sample in range(samples):
            place = (*head, generator, "subject", scene, f"{suite}-{scene}-aa", str(world + i), str(sample))
            if i in lost:
                cases.append((*place, "", "", *lost[i]))
            else:
                cases.append((*place, "hit", repr(float(value) / 100), "ok", ""))
        for name, values in {metric: scenes, **(more or {})}.items():
            aggregates.append(
                (*head, generator, "subject", scene, "", "", "", name, repr(float(values[i])), "ok", "")
            )
        if oracle:
            aggregates.append((*head, "oracle", "oracle", scene, "", "", "", metric, "100.0", "ok", ""))
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "scores.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *cases, *aggregates])
    if summary:
        planned = len(scenes) * samples
        row = {
            **dict.fromkeys(NEEDED), "suite": suite, "version": version, "setting": setting, "given": "v2v",
            "generator": generator, "role": "subject", "scenes": len(scenes), "planned": planned,
            "ok": planned - len(lost), "metrics": {}, "reasons": {},
        }  # fmt: skip
        text = json.dumps({"schema": 1, "rows": [row] if len(scenes) else []})
        (folder / "summary.json").write_text(text)
    record = {
        "resume": f"python -m simbench out={folder.name}",
        "config": {"noise": noise},
        "suites": {suite: {"fields": fields or {"version": version}}},
        "runtime": {"commit": "abc"},
    }
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def values(count: int, seed: int = 1, mean: float = 70.0, sd: float = 15.0) -> np.ndarray:
    """Scene values of a base."""
    return np.random.default_rng(seed).normal(mean, sd, count)


def moved(base: np.ndarray, by: float, sd: float = 4.0, seed: int = 2) -> np.ndarray:
    """`base` with a mean difference of exactly `by` and a spread of `sd`."""
    noise = np.random.default_rng(seed).normal(0, 1, len(base))
    return base + by + sd * (noise - noise.mean()) / noise.std(ddof=1)
