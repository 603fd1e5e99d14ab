"""The runs that a paper is made from: read once, checked, and refused where they do not compare."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.aggregate import Line, ReportError, read_scores, read_summary, refuse_mixed
from reports.files import read_mapping

ROW_FIELDS = (
    "suite", "version", "setting", "given", "generator", "role", "exposure", "score", "low", "high", "scenes",
    "planned", "ok", "bound", "metrics",
)  # fmt: skip
TAG_COLUMNS = ["suite", "scene", "case", "tag", "value"]
ORACLES_AGREE = 0.05
"""Points by which the oracle of two runs may differ: it is one instrument on one set of scenes."""


class Skip(Exception):
    """What was asked cannot be drawn from these runs; the message says why."""


@dataclass(frozen=True)
class Run:
    """One run's files. `name` is how its subject is called in every table; `tags` is case -> tag -> value."""

    folder: Path
    name: str
    rows: tuple[Mapping[str, Any], ...]
    lines: tuple[Line, ...]
    record: Mapping[str, Any]
    tags: Mapping[str, Mapping[str, str]]
    clips: tuple[Mapping[str, Any], ...]

    def suites(self) -> list[str]:
        """Names of the suites, in the order of the run."""
        return list(dict.fromkeys(row["suite"] for row in self.rows))

    def subject(self, suite: str) -> Mapping[str, Any] | None:
        """The row of the generator that was asked."""
        return next((r for r in self.rows if r["suite"] == suite and r["role"] == "subject"), None)

    def scene_values(self, suite: str, role: str, generator: str) -> dict[str, dict[str, float]]:
        """metric -> scene -> value of a generator's aggregates."""
        found: dict[str, dict[str, float]] = {}
        for line in self.lines:
            mine = (line.suite, line.role, line.generator, line.case) == (suite, role, generator, "")
            if mine and line.value is not None:
                found.setdefault(line.metric, {})[line.scene] = line.value
        return found


def read_run(folder: Path, name: str | None = None) -> Run:
    """Read a run's folder. ReportError that names the file which is missing, cut off or mixed."""
    for file in ("scores.csv", "summary.json"):
        if not (folder / file).is_file():
            raise ReportError(f"{folder} is no folder of a run: it has no {file}")
    rows = _rows(folder / "summary.json")
    lines = _lines(folder / "scores.csv")
    refuse_mixed(lines)
    _whole(folder / "scores.csv", rows, lines)
    subjects = {row["generator"] for row in rows if row["role"] == "subject"}
    return Run(
        folder,
        name if name is not None else next(iter(sorted(subjects)), folder.name),
        tuple(rows),
        tuple(lines),
        _mapping(folder / "run.json"),
        _tags(folder / "cases.csv"),
        tuple(_clips(folder / "clips" / "clips.json")),
    )


def _rows(path: Path) -> list[Mapping[str, Any]]:
    try:
        rows = read_summary(path)
    except (KeyError, TypeError) as error:
        raise ReportError(f"{path} has no rows: {error}") from error
    for number, row in enumerate(rows):
        missing = [field for field in ROW_FIELDS if not isinstance(row, dict) or field not in row]
        if missing:
            raise ReportError(f"{path}: row {number} lacks {', '.join(missing)}; was the file cut off?")
    return rows


def _lines(path: Path) -> list[Line]:
    try:
        lines = read_scores(path)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ReportError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 2):
        # A line that ends early leaves its last columns out.
        if not isinstance(line.reason, str):
            raise ReportError(f"{path}:{number} is cut off; run the same command again")
    return lines


def _whole(path: Path, rows: Sequence[Mapping[str, Any]], lines: Sequence[Line]) -> None:
    """A file that was cut at the end of a line reads well: only the count of scenes tells."""
    counts: dict[tuple[str, str, str], int] = {}
    for line in lines:
        if line.metric == "S" and not line.case:
            key = (line.suite, line.role, line.generator)
            counts[key] = counts.get(key, 0) + 1
    for row in rows:
        wanted = row["metrics"].get("S", {}).get("scenes", 0)
        found = counts.get((row["suite"], row["role"], row["generator"]), 0)
        if found != wanted:
            raise ReportError(
                f"{path} is cut off or of another run: {row['generator']} has {found} scenes in it and"
                f" {wanted} in summary.json; run the same command again"
            )


def _mapping(path: Path) -> dict[str, Any]:
    return read_mapping(path) if path.is_file() else {}


def _clips(path: Path) -> list[Mapping[str, Any]]:
    clips = _mapping(path).get("clips", [])
    if not isinstance(clips, list) or any(
        not isinstance(c, dict) or not {"suite", "case", "name", "why"} <= set(c) for c in clips
    ):
        raise ReportError(f"{path} lists no clips of a run")
    return clips


def _tags(path: Path) -> dict[str, dict[str, str]]:
    if not path.is_file():
        return {}
    found: dict[str, dict[str, str]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames != TAG_COLUMNS:
                raise ReportError(f"{path} is no cases.csv: its columns are {reader.fieldnames}")
            for number, row in enumerate(reader, 2):
                if row["value"] is None:
                    raise ReportError(f"{path}:{number} is cut off")
                found.setdefault(row["case"], {})[row["tag"]] = row["value"]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ReportError(f"{path} cannot be read: {error}") from error
    return found


def read_runs(folders: Sequence[str], names: Sequence[str] = ()) -> list[Run]:
    """Read several runs that can stand in one table. ReportError for names that say two things or runs that
    do not compare."""
    if names and len(names) != len(folders):
        raise ReportError(f"names= has {len(names)} names for {len(folders)} runs; give one each")
    runs = [read_run(Path(folder), names[i].strip() if names else None) for i, folder in enumerate(folders)]
    seen = [run.name for run in runs]
    for name in seen:
        if seen.count(name) > 1:
            raise ReportError(f"two runs are called {name!r}; tell them apart with names=A,B")
    for suite in dict.fromkeys(suite for run in runs for suite in run.suites()):
        refuse_incomparable(suite, [run for run in runs if suite in run.suites()])
    return runs


def refuse_incomparable(suite: str, runs: Sequence[Run]) -> None:
    """ReportError where runs asked one suite in other versions, settings or scenes: never one table."""
    first = runs[0]
    for run in runs[1:]:
        for what in ("version", "setting", "given"):
            a, b = _of(first, suite)[what], _of(run, suite)[what]
            if a != b:
                raise ReportError(
                    f"{suite}: {first.folder} and {run.folder} do not compare: {what} {a} and {b};"
                    " make a paper of each"
                )
        a, b = _scenes(first, suite), _scenes(run, suite)
        if a != b:
            raise ReportError(
                f"{suite}: {first.folder} and {run.folder} do not compare: {len(a)} and {len(b)} scenes, of"
                f" which {len(a & b)} are common; run both with the same seed= and cases="
            )
        a, b = _oracle(first, suite), _oracle(run, suite)
        if a is not None and b is not None and abs(a - b) > ORACLES_AGREE:
            raise ReportError(
                f"{suite}: {first.folder} and {run.folder} do not compare: their oracles read {a:.2f} and"
                f" {b:.2f} on the same scenes, so the instrument is not the same"
            )


def _of(run: Run, suite: str) -> Mapping[str, Any]:
    return next(row for row in run.rows if row["suite"] == suite)


def _scenes(run: Run, suite: str) -> set[str]:
    return {line.scene for line in run.lines if line.suite == suite}


def _oracle(run: Run, suite: str) -> float | None:
    return next((r["score"] for r in run.rows if r["suite"] == suite and r["role"] == "oracle"), None)


@dataclass(frozen=True)
class Entry:
    """One row of a figure or a table: what a generator reached, and the run that says so."""

    name: str
    role: str
    row: Mapping[str, Any]
    run: Run


ANCHOR_ORDER = ("oracle", "observer", "baseline", "cheat")


def entries(runs: Sequence[Run], suite: str) -> tuple[list[Entry], list[Entry]]:
    """The subjects of all runs, best first, and the other rows, each from the first run that has it."""
    asked = [run for run in runs if suite in run.suites()]
    subjects = [
        Entry(run.name, "subject", row, run)
        for run in asked
        for row in run.rows
        if row["suite"] == suite and row["role"] == "subject"
    ]
    known = {(e.row["generator"], e.row["score"]) for e in subjects}
    others: dict[tuple[str, str], Entry] = {}
    for run in asked:
        for row in run.rows:
            # A baseline that is also asked as a subject would stand there twice.
            again = row["role"] == "subject" or (row["generator"], row["score"]) in known
            if row["suite"] == suite and not again:
                key = (row["role"], row["generator"])
                others.setdefault(key, Entry(row["generator"], row["role"], row, run))

    def place(entry: Entry) -> tuple[int, float, str]:
        """Oracle and observer first, then by score."""
        rank = ANCHOR_ORDER.index(entry.role) if entry.role in ANCHOR_ORDER else len(ANCHOR_ORDER)
        score = entry.row["score"]
        return rank, -(score if score is not None else float("-inf")), entry.name

    return sorted(subjects, key=place), sorted(others.values(), key=place)
