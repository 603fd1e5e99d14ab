"""Runs as leaderboards: one for each suite, version, setting and given, which are never mixed."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.aggregate import ROLE_ORDER, ReportError, read_summary
from reports.files import read_json

SHOWN = ("subject", "oracle", "observer", "baseline")
"""Roles that stand in a leaderboard; cheats are tests of the instrument."""

Key = tuple[str, int, str, str]


@dataclass(frozen=True)
class Run:
    """One run: where it lies, its name in the site, when it was made, the rows of its summary."""

    folder: Path
    name: str
    date: str
    command: str
    rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Entry:
    """One row of a leaderboard: the first run that holds it, and how many more hold the same."""

    row: Mapping[str, Any]
    run: Run
    again: int


@dataclass(frozen=True)
class Board:
    """One suite, version, setting and given; `others` are versions and settings that it is not comparable
    with. `told` says which one it is where another board has the same suite and version."""

    suite: str
    version: int
    setting: str
    given: str
    entries: Sequence[Entry]
    others: Sequence[str]
    told: str = ""


@dataclass(frozen=True)
class Found:
    """The runs below a folder, and one line for each that cannot be read."""

    runs: Sequence[Run]
    unreadable: Sequence[tuple[str, str]]


def find_runs(folder: Path) -> Found:
    """Every folder below `folder` (or itself) that holds a scores.csv or a summary.json."""
    if not folder.is_dir():
        raise ReportError(f"runs={folder} is no folder")
    places = sorted({p.parent for name in ("summary.json", "scores.csv") for p in folder.rglob(name)})
    runs, unreadable = [], []
    for place in places:
        name = str(place.relative_to(folder)) if place != folder else folder.resolve().name
        try:
            runs.append(_run(place, name))
        except (ReportError, OSError) as error:
            unreadable.append((name, reason(error, place)))
    return Found(runs, unreadable)


def reason(error: Exception, place: Path) -> str:
    """One line, without the folder that a site's readers do not have."""
    return " ".join(str(error).replace(f"{place}/", "").split())


def _run(place: Path, name: str) -> Run:
    rows = read_summary(place / "summary.json")
    record = read_json(place / "run.json") if (place / "run.json").is_file() else {}
    if not isinstance(record, dict):
        raise ReportError(f"{place / 'run.json'} is no record of a run")
    runtime = record.get("runtime")
    date = str(runtime.get("date") or "") if isinstance(runtime, dict) else ""
    return Run(place, name, date or _day(place / "summary.json"), str(record.get("resume", "")), rows)


def _day(path: Path) -> str:
    """The day on which a file was written: older runs did not note theirs."""
    return datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC).date().isoformat()


def boards(runs: Sequence[Run]) -> list[Board]:
    """All leaderboards, suites by name, the newest version first."""
    found: dict[Key, dict[tuple[object, ...], Entry]] = {}
    for run in runs:
        for row in run.rows:
            if row["role"] in SHOWN:
                key = (str(row["suite"]), int(row["version"]), str(row["setting"]), str(row["given"]))
                entries = found.setdefault(key, {})
                same = identity(row)
                before = entries.get(same)
                entries[same] = Entry(row, run, 0) if before is None else _again(before)
    keys = sorted(found, key=lambda key: (key[0], -key[1], key[2], key[3]))
    return [
        Board(*key, ranked(list(found[key].values())), others(key, keys), told(key, keys)) for key in keys
    ]


def identity(row: Mapping[str, Any]) -> tuple[object, ...]:
    """What makes two rows one: anchors are read anew in each run and say the same over equal scenes."""
    return tuple(row[k] for k in ("generator", "role", "score", "low", "high", "planned", "ok"))


def _again(entry: Entry) -> Entry:
    return Entry(entry.row, entry.run, entry.again + 1)


def ranked(entries: Sequence[Entry]) -> list[Entry]:
    """By score; undefined last; equal scores with the better informed row first."""

    def place(entry: Entry) -> tuple[float, int, str, str]:
        """Sorts high scores first."""
        score = entry.row["score"]
        high = float("inf") if score is None else -float(score)
        return (high, ROLE_ORDER.index(entry.row["role"]), str(entry.row["generator"]), entry.run.name)

    return sorted(entries, key=place)


def others(key: Key, keys: Sequence[Key]) -> list[str]:
    """Other versions and settings of the suite, by name."""
    return [f"@{k[1]} {k[2]}, {k[3]}" for k in keys if k[0] == key[0] and k != key]


def told(key: Key, keys: Sequence[Key]) -> str:
    """The setting where another board has the suite and version, with its given where that has both; else
    nothing."""
    same = [k for k in keys if k[:2] == key[:2] and k != key]
    if not same:
        return ""
    return f"{key[2]}, {key[3]}" if any(k[2] == key[2] for k in same) else key[2]
