"""Runs written by hand for the tests of papers: their files alone, without a suite or a model."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reports.aggregate import COLUMNS
from reports.figures.statistics import t_interval

SETTING = "32x32x5@8 plain v2v d0.25"
HOSTILE = 'a$b_{x}&%#~^\\end{document} [1] * é Ł 视频 µ --x "q" <i>'


def write_run(
    folder: Path,
    name: str = "box",
    level: float = 60.0,
    scenes: int = 36,
    status: str = "ok",
    setting: str = SETTING,
    version: int = 1,
    record: Mapping[str, Any] | None = None,
    cheats: int = 2,
) -> Path:
    """A run of suite `toy`: each scene has a hidden case and one in the open; `level` is the mean score."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(5)
    wave = rng.normal(0, 12, scenes)
    own = np.random.default_rng(int(level * 10)).normal(0, 3, scenes)
    people = [("subject", name, level, status), ("oracle", "oracle", 100.0, "ok")]
    people += [("observer", "observer", 97.0, "ok"), ("baseline", "still_one", 10.0, "ok")]
    people += [("cheat", f"cheat_{i}", -30.0 * i, "ok") for i in range(cheats)]
    lines: list[Sequence[object]] = []
    rows = []
    for role, who, mean, state in people:
        steady = role == "oracle"
        values = [mean + (0.0 if steady else wave[i] + own[i]) for i in range(scenes)]
        if state != "ok":
            values = [0.0] * scenes
        lines += case_lines(role, who, values, state, setting, version)
        rows.append(summary_row(role, who, values, state, setting, version))
    for role, who, _, _ in people:
        lines += scene_lines(rows, role, who, setting, version)
    with (folder / "scores.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(lines)
    plain = [{k: v for k, v in row.items() if k != "values"} for row in rows]
    (folder / "summary.json").write_text(json.dumps({"schema": 1, "rows": plain}))
    (folder / "run.json").write_text(json.dumps({"schema": 1, **(record or {})}))
    write_tags(folder, scenes)
    return folder


def case_lines(
    role: str, who: str, values: Sequence[float], state: str, setting: str, version: int
) -> list[Sequence[object]]:
    """One line for each case: hit 1 where the scene's value is above 50."""
    found: list[Sequence[object]] = []
    for i, value in enumerate(values):
        for case in (f"s{i:03d}-h", f"s{i:03d}-o"):
            head = ("toy", version, setting, "v2v", who, role, f"s{i:03d}", case, i, 0)
            if state == "ok":
                found.append((*head, "hit", float(value > 50), "ok", ""))
            else:
                found.append((*head, "", "", state, "ValueError: no"))
    return found


def scene_lines(
    rows: Sequence[Mapping[str, Any]], role: str, who: str, setting: str, version: int
) -> list[Sequence[object]]:
    """The aggregates of each scene."""
    values = next(row["values"] for row in rows if (row["role"], row["generator"]) == (role, who))
    head = ("toy", version, setting, "v2v", who, role)
    return [
        (*head, f"s{i:03d}", "", "", "", metric, float(v * share), "ok", "")
        for i, v in enumerate(values)
        for metric, share in (("S", 1.0), ("S_graded", 0.9))
    ]


def summary_row(
    role: str, who: str, values: Sequence[float], state: str, setting: str, version: int
) -> dict[str, Any]:
    """One row of summary.json."""
    count = len(values)
    mean, low, high = t_interval(values) if values else (None, None, None)
    graded = t_interval([0.9 * v for v in values]) if values else (None, None, None)
    metrics = {}
    if values:
        metrics = {
            "S": {"mean": mean, "low": low, "high": high, "scenes": count},
            "S_graded": {"mean": graded[0], "low": graded[1], "high": graded[2], "scenes": count},
        }
    return {
        "suite": "toy", "version": version, "setting": setting, "given": "v2v",
        "generator": who, "role": role,
        "exposure": "unknown" if role == "subject" else None, "score": mean, "low": low, "high": high,
        "scenes": count, "planned": 2 * count, "ok": 2 * count if state == "ok" else 0, "invalid": 0,
        "missing": 0, "failed": 0 if state == "ok" else 2 * count, "refused": 0,
        "bound": 5.0 if role == "cheat" else None, "mde": None, "kappa": None, "metrics": metrics,
        "reasons": {}, "values": values,
    }  # fmt: skip


def write_tags(folder: Path, scenes: int) -> None:
    """cases.csv: hiding lasts longer from scene to scene."""
    with (folder / "cases.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("suite", "scene", "case", "tag", "value"))
        for i in range(scenes):
            for kind in ("h", "o"):
                tags = {"hidden": kind == "h", "hide_s": 0.25, "show_s": 0.5 + 0.01 * i}
                writer.writerows(("toy", f"s{i:03d}", f"s{i:03d}-{kind}", t, v) for t, v in tags.items())


def write_clips(folder: Path, count: int = 36, traced: bool = True) -> None:
    """Strips and, where `traced`, numbers by frame: every third clip is wrong from frame 6 on."""
    from PIL import Image

    (folder / "clips").mkdir()
    clips = []
    for i in range(count):
        picks = [0, 2, 4, 6, 8]
        picture = np.full((2 * 18, len(picks) * 18, 3), 40 + i, np.uint8)
        Image.fromarray(picture).save(folder / "clips" / f"toy-{i:02d}.png")
        truth: list[float | None] = [1.0, 1.0, 0.5, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0]
        seen: list[float | None] = [*truth[:6], 0.0, 0.0, None] if i % 3 == 0 else list(truth)
        trace = {"seen": seen, "seen in truth": truth, "distance": [None, 0.0, 0.5, 1.0, 1.5, 0, 0, 0, 0]}
        clips.append(
            {
                "suite": "toy", "scene": f"s{i:03d}", "case": f"s{i:03d}-h",
                "why": "worst" if i < 1 else "random", "status": "ok", "reason": "", "distance": 1.0,
                "name": f"toy-{i:02d}", "fps": 8.0, "given": 2, "frames": 9,
                "picks": picks, "trace": trace if traced else {}, "tags": {"trial": "exit"},
            }
        )  # fmt: skip
    (folder / "clips" / "clips.json").write_text(json.dumps({"schema": 1, "clips": clips}))


def write_ladder(path: Path, holds: bool = True) -> Path:
    """A ladder.json of three cheats and two kinds of damage."""

    def row(name: str, score: float, **more: Any) -> dict[str, Any]:
        """One row."""
        return {"name": name, "score": score, "error": 1.0, "demand": "<= 5 + 3 se", "holds": True, **more}

    cheats = [row("vanish", 0.0), row("spray_all", -80.0), row("lucky", 12.0, holds=holds)]
    damage = [
        row(f"{kind} {x:g}", s, strength=x, unit="s")
        for kind in ("delay", "place")
        for x, s in ((0.0, 100.0), (0.5, 60.0), (1.0, 0.0))
    ]
    head = {"suite": "toy", "version": 1, "setting": SETTING, "scenes": 36, "seed": "7"}
    parts = {"cheats": {"rows": cheats}, "damage": {"rows": damage}}
    path.write_text(json.dumps({"head": head, "parts": parts}))
    return path
