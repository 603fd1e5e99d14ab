"""quality.json beside scores: how far the clips of a run are from the truth as sets, in a feature space."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.aggregate import ReportError
from reports.files import read_json
from reports.scaling.measure import Series

FILE = "quality.json"
FIRST = "FVD"
"""The label that is shown before any other; I3D's alone."""
SAME = ("suite", "version", "setting", "scenes", "samples", "seed", "noise", "protocol", "spaces")
NUMBERS = ("value", "low", "high", "floor_value", "clips", "answered", "scenes")


@dataclass(frozen=True)
class Distance:
    """One run's distance with its 95 % interval over scenes, in squared units of the features."""

    run: str
    flops: float
    value: float
    low: float
    high: float
    scenes: int


@dataclass(frozen=True)
class Distances:
    """Those of all runs of a series that have one: `label` is `FVD` or `frechet[SPACE]`, `floor` the distance
    of the truth to itself. Without any `label` is empty and `why` says why."""

    label: str
    found: tuple[Distance, ...]
    floor: float | None
    why: str = ""


def distances(part: Series) -> Distances:
    """Of the runs of `part`. ReportError for a file that cannot be read, or two that do not compare."""
    read: list[tuple[int, Mapping[str, Any]]] = []
    for i, run in enumerate(part.scored):
        if (run.folder / FILE).is_file():
            record = checked(run.folder / FILE)
            if record["suite"] == part.suite:
                read.append((i, record))
    why = next((str(w) for _, r in read for w in r["not_measured"].values()), "")
    read = [(i, record) for i, record in read if record["rows"]]
    if not read:
        return Distances("", (), None, why)
    first = read[0]
    for i, record in read[1:]:
        for what in SAME:
            if record[what] != first[1][what]:
                names = part.runs[first[0]].name, part.runs[i].name
                raise ReportError(
                    f"{part.suite}: distances of {names[0]} and {names[1]} do not compare: other {what};"
                    " measure both with one python -m simbench suite=scaling"
                )
    labels = list(dict.fromkeys(row["label"] for row in first[1]["rows"]))
    label = FIRST if FIRST in labels else labels[0]
    rows = [(i, next(row for row in r["rows"] if row["label"] == label)) for i, r in read]
    found = tuple(
        Distance(
            part.runs[i].name, float(part.points.compute[i]), row["value"], row["low"], row["high"],
            int(row["scenes"]),
        )
        for i, row in rows
    )  # fmt: skip
    return Distances(label, found, float(rows[0][1]["floor_value"]))


def checked(path: Path) -> Mapping[str, Any]:
    """A quality.json. ReportError names the field that is missing or no number."""
    record = read_json(path)
    if not isinstance(record, dict) or record.get("schema") != 1:
        raise ReportError(f"{path} is no {FILE} of schema 1; python -m simbench suite=scaling writes it")
    for field in (*SAME, "rows", "not_measured"):
        if field not in record:
            raise ReportError(f"{path} lacks {field}; was it cut off?")
    for row in record["rows"]:
        for field in NUMBERS:
            value = row.get(field)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ReportError(f"{path}: {field} is {value!r}, no number")
        if not row["low"] <= row["value"] <= row["high"]:
            raise ReportError(f"{path}: {row['value']} lies outside of {row['low']} to {row['high']}")
        if not isinstance(row.get("label"), str):
            raise ReportError(f"{path}: a row has no label")
    return record
