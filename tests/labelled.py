"""Runs made by hand, with clips that ask: what the labels' tests read."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import toys

from reports.aggregate import COLUMNS
from simbench.case import Case
from simbench.pictures import sheet
from simbench.suite import Question


@dataclass(frozen=True)
class Made:
    """One video of a hand-made run; `value` None: it was not scored. `shown` False: no clip of it."""

    scene: str
    case: str
    asks: str = "hit"
    value: float | None = 1.0
    second: float | None = None
    worst: bool = False
    shown: bool = True
    question: str = "Is it there?"


@dataclass(frozen=True)
class Asking(toys.Toy):
    """The toy suite with a question, which raises for the right side on demand."""

    mute: bool = False

    def question(self, case: Case) -> Question:
        """See Suite."""
        if self.mute and case.truth.facts["side"] == "right":
            raise ValueError("no words")
        return Question("Is the square where it belongs?", "hit", True, (3, 4))


def pair(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Truth and answer uint8 [5, 32, 32, 3] that differ from those of every other number, noisy."""
    rng = np.random.default_rng(number)
    truth, made = rng.integers(0, 256, (2, 5, 32, 32, 3), dtype=np.uint8)
    return truth, made


def make_run(folder: Path, rows: Sequence[Made], suite: str = "toy") -> Path:
    """A run's folder with scores.csv and clips."""
    (folder / "clips").mkdir(parents=True)
    lines: list[list[object]] = []
    clips = []
    for i, row in enumerate(rows):
        place = (suite, 1, "32x32x5@8 plain v2v d0.25", "v2v", "box", "subject", row.scene, row.case, 7, 0)
        if row.value is None:
            lines.append([*place, "", "", "failed", "it raised"])
        else:
            lines.append([*place, row.asks, row.value, "ok", ""])
        if row.second is not None:
            lines.append([*place, f"{row.asks}_nearest", row.second, "ok", ""])
        if row.shown:
            truth, made = (sheet(frames) for frames in pair(i))
            (folder / "clips" / f"{suite}-{i:02d}-truth.webp").write_bytes(truth.data)
            (folder / "clips" / f"{suite}-{i:02d}-made.webp").write_bytes(made.data)
            asked = {"question": row.question, "asks": row.asks, "every": row.asks == "hit", "marked": [3, 4]}
            clips.append(
                {
                    "suite": suite, "case": row.case, "why": "worst" if row.worst else "random",
                    "status": "ok", "reason": "", "distance": 1.5, "name": f"{suite}-{i:02d}", "given": 2,
                    "asked": asked, "tags": {}, "frames": 5, "height": 32, "width": 32, "fps": 8.0,
                    "made": True, "trace": {}, "columns": made.columns, "sheet_width": made.width,
                    "sheet_height": made.height, "exact": made.exact,
                }
            )  # fmt: skip
    with (folder / "scores.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *lines])
    (folder / "clips" / "clips.json").write_text(json.dumps({"schema": 1, "clips": clips}))
    return folder
