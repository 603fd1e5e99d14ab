"""Runs for tests of the page: files as a run writes them, of any size, without running anything."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reports.aggregate import COLUMNS
from simbench.pictures import sheet

HOSTILE = (
    "<script>window.hit=1</script>",
    "</script><img src=x onerror=window.hit=1>",
    "\"'><b onmouseover=window.hit=1>",
    "<!--<script>",
    "{{ 7 * 7 }}",
    "‮drawkcab ‏שלום مرحبا",
    "日本語 🎈 é",
    "\u2028line\u2029",
)
"""Texts that must be seen as they are."""


def row(**changes: Any) -> dict[str, Any]:
    """A row of summary.json."""
    base = {
        "suite": "toy", "version": 1, "setting": "32x32x5@8 plain", "given": "v2v", "generator": "box",
        "role": "subject", "exposure": "unknown", "score": 40.0, "low": 30.0, "high": 50.0, "scenes": 2,
        "planned": 4, "ok": 4, "invalid": 0, "missing": 0, "failed": 0, "refused": 0, "bound": None,
        "mde": 9.0, "kappa": None, "reasons": {},
        "metrics": {"S": {"mean": 40.0, "low": 30.0, "high": 50.0, "scenes": 2}},
    }  # fmt: skip
    return {**base, **changes}


def case_line(
    head: dict[str, Any], case: str, metric: str, value: float | None, reason: str = ""
) -> list[Any]:
    """One line of scores.csv about a video; without a value it failed for `reason`."""
    status = "ok" if value is not None else "failed"
    shown = "" if value is None else repr(value)
    place = [head["suite"], head["version"], head["setting"], head["given"], head["generator"], head["role"]]
    return [*place, f"scene-{case}", case, 7, 0, metric if value is not None else "", shown, status, reason]


def write_run(
    folder: Path,
    rows: Sequence[dict[str, Any]],
    lines: Sequence[list[Any]],
    clips: Sequence[dict[str, Any]] = (),
    resume: str = "python -m simbench suite=toy",
) -> Path:
    """The files of a run."""
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    with (folder / "scores.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(lines)
    (folder / "summary.json").write_text(json.dumps({"schema": 1, "rows": list(rows)}))
    record = {"schema": 1, "resume": resume, "generator": "box", "config": {"seed": "public"}, "runtime": {}}
    (folder / "run.json").write_text(json.dumps(record))
    if clips:
        (folder / "clips" / "clips.json").write_text(json.dumps({"schema": 1, "clips": list(clips)}))
    return folder


def clip(folder: Path, name: str, case: str, made: bool = True, **changes: Any) -> dict[str, Any]:
    """An entry of clips.json, its sheets written: frame t of truth is grey 20 t, the answer 10 t darker."""
    frames = np.repeat(np.arange(5, dtype=np.uint8)[:, None, None, None] * 20 + 60, 8, axis=1)
    frames = np.broadcast_to(frames, (5, 8, 1, 1)).repeat(8, 2).repeat(3, 3)
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    (folder / "clips" / f"{name}-truth.webp").write_bytes(sheet(frames).data)
    if made:
        darker = frames - (np.arange(5, dtype=np.uint8) * 10)[:, None, None, None]
        (folder / "clips" / f"{name}-made.webp").write_bytes(sheet(darker).data)
    base = {
        "suite": "toy", "scene": "s", "case": case, "sample": 0, "why": "worst", "distance": 1.5,
        "status": "ok" if made else "failed", "reason": "" if made else "ValueError: no", "name": name,
        "tags": {"trial": "left", "hidden": True}, "prompt": "A square.",
        "frames": 5, "height": 8, "width": 8, "fps": 8.0, "given": 2,
        "made": made, "picks": [0, 1, 2, 3, 4], "trace_reason": "", "columns": 5, "sheet_width": 8,
        "sheet_height": 8, "exact": True,
        "trace": {"seen": [1, 0.5, 0, 0, 1], "seen in truth": [1, 1, 0, 0, 1],
                  "far": [None, 0.2, None, 1, 2]},
    }  # fmt: skip
    return {**base, **changes}


def small_run(folder: Path, cases: int = 4, **changes: Any) -> Path:
    """A run of a few cases with an oracle, a failure among the answers, and two clips."""
    lost = {"ok": cases - 1, "failed": 1, "reasons": {"failed: ValueError: no": 1}}
    subject = row(planned=cases, **{**lost, **changes})
    oracle = row(
        planned=cases, ok=cases, generator="oracle", role="oracle", score=100.0, low=99.0, high=101.0
    )
    oracle |= {key: subject[key] for key in ("suite", "version", "setting", "given")}
    lines = []
    for i in range(cases):
        lines.append(case_line(oracle, f"case-{i}", "hit", 1.0))
        value = None if i == 0 else i / cases
        lines.append(case_line(subject, f"case-{i}", "hit", value, "ValueError: no" if i == 0 else ""))
    suite = str(subject["suite"])
    clips = [
        clip(folder, f"toy-{i:02d}", f"case-{i}", made=i > 0, suite=suite, why="worst" if i < 2 else "random")
        for i in range(min(3, cases))
    ]
    return write_run(folder, [subject, oracle], lines, clips)


def large_run(folder: Path, count: int) -> Path:
    """A run of `count` videos with two measures each."""
    subject = row(planned=count, ok=count)
    lines = []
    for i in range(count):
        case = f"permanence-public-{i:06d}-{i * 2654435761 % 2**32:08x}"
        lines.append(case_line(subject, case, "hit", float(i % 2)))
        lines.append(case_line(subject, case, "distance", (i * 7919 % 100_003) / 1000))
    return write_run(folder, [subject], lines)
