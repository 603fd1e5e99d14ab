"""One run for a comparison: its subject's scenes and cases, read from scores.csv and checked for damage."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.aggregate import Line, ReportError, read_scores, read_summary, refuse_mixed
from reports.files import read_mapping

STATUSES = ("ok", "invalid", "missing", "failed", "refused")
LOST = ("invalid", "missing", "failed")
"""What makes a run incomplete. A refusal is an answer of a service, and is shown."""

READERS = ("agree_11", "agree_10", "agree_01", "agree_00")
"""Counts of how two readers agree: no measure of a model."""

Place = tuple[str, str, int]
"""Scene, case, sample: one planned video."""


@dataclass(frozen=True)
class Part:
    """The subject of one run in one suite. `scenes`: metric values of each scene as the suite aggregated
    them, zero-scores of what is lost included. `videos`: status and reason of every planned video;
    `measures`: what was read of those that are ok."""

    suite: str
    version: int
    setting: str
    generator: str
    scenes: Mapping[str, Mapping[str, float]]
    videos: Mapping[Place, tuple[str, str]]
    measures: Mapping[Place, Mapping[str, float]]
    seeds: Mapping[str, int | None]

    def count(self, *statuses: str) -> int:
        """How many planned videos have one of `statuses`."""
        return sum(status in statuses for status, _ in self.videos.values())


@dataclass(frozen=True)
class Run:
    """One run: where it lies and what its subject did in each suite. `record` is its run.json, or empty."""

    path: Path
    parts: Mapping[str, Part]
    record: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return self.path if self.path.is_dir() else self.path.parent

    @property
    def generator(self) -> str:
        """The name of its subject."""
        return " / ".join(dict.fromkeys(part.generator for part in self.parts.values())) or "nothing"

    @property
    def command(self) -> str:
        """The command that made it; empty where run.json was not kept."""
        return str(self.record.get("resume", ""))


def scores_of(path: Path) -> Path:
    """The scores.csv of a run's folder, or the file itself."""
    return path / "scores.csv" if path.is_dir() else path


def read_run(path: Path, option: str) -> Run:
    """A run's folder or its scores.csv. ReportError that names the file that is missing or damaged."""
    scores = scores_of(path)
    if not scores.is_file():
        raise ReportError(f"{option}={path}: there is no {scores.name} there; give a run's folder")
    lines = [line for line in _lines(scores) if line.role == "subject"]
    refuse_mixed(lines)
    parts = {suite: _part(scores, suite, lines) for suite in dict.fromkeys(line.suite for line in lines)}
    folder = scores.parent
    _refuse_cut(scores, folder / "summary.json", parts)
    return Run(path, parts, _record(folder / "run.json"))


def _lines(path: Path) -> list[Line]:
    try:
        with path.open("rb") as file:
            if file.seek(0, 2) == 0:
                raise ReportError(f"{path} is empty: it was cut off; run the same command again")
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                raise ReportError(f"{path} ends within a line: it was cut off; run the same command again")
        lines = read_scores(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ReportError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 2):
        broken = _broken(line)
        if broken:
            raise ReportError(f"{path}:{number} is damaged: {broken}")
    return lines


def _broken(line: Line) -> str:
    if line.status not in STATUSES:
        return f"its status is {line.status!r}"
    if line.value is not None and not math.isfinite(line.value):
        return f"{line.metric} is {line.value}"
    if line.status == "ok" and (line.value is None or not line.metric):
        return "it is ok but has no value"
    if line.case and line.sample is None:
        return "its case has no sample"
    return ""


def _part(path: Path, suite: str, lines: Sequence[Line]) -> Part:
    mine = [line for line in lines if line.suite == suite]
    scenes: dict[str, dict[str, float]] = {}
    videos: dict[Place, tuple[str, str]] = {}
    measures: dict[Place, dict[str, float]] = {}
    seeds: dict[str, int | None] = {}
    for line in mine:
        if line.case and line.sample is not None:
            place = (line.scene, line.case, line.sample)
            videos[place] = (line.status, line.reason)
            seeds[line.case] = line.world_seed
            if line.value is not None:
                measures.setdefault(place, {})[line.metric] = line.value
        elif line.value is not None:
            scenes.setdefault(line.scene, {})[line.metric] = line.value
    for scene in dict.fromkeys(place[0] for place in videos):
        if scene not in scenes:
            raise ReportError(f"{path} has cases of {suite} {scene} but not what they make: it was cut off")
    head = mine[0]
    return Part(suite, head.version, head.setting, head.generator, scenes, videos, measures, seeds)


def _refuse_cut(path: Path, summary: Path, parts: Mapping[str, Part]) -> None:
    """A file that was cut between two lines can only be told by the summary beside it."""
    if not summary.is_file():
        return
    for row in read_summary(summary):
        if row.get("role") != "subject":
            continue
        part = parts.get(str(row["suite"]))
        found = 0 if part is None else len(part.videos)
        if found != row["planned"]:
            raise ReportError(
                f"{path} has {found} videos of {row['suite']}, summary.json beside it says {row['planned']}:"
                " one of them was cut off or is of another run"
            )


def _record(path: Path) -> Mapping[str, Any]:
    return read_mapping(path, "run.json") if path.is_file() else {}
