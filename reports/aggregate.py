"""Read the files of a run: scores.csv line by line, summary.json row by row, and refuse what is mixed."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COLUMNS = (
    "suite", "version", "setting", "given", "generator", "role", "scene", "case", "world_seed", "sample",
    "metric", "value", "status", "reason",
)  # fmt: skip
NEEDED = (
    "suite", "version", "setting", "given", "generator", "role", "exposure", "score", "low", "high", "scenes",
    "planned", "ok", "invalid", "missing", "failed", "refused", "bound", "mde", "kappa", "metrics", "reasons",
)  # fmt: skip
ROLE_ORDER = ("oracle", "observer", "subject", "baseline", "zero", "cheat")


class ReportError(ValueError):
    """Files that cannot make one table; one line says which and why."""


@dataclass(frozen=True)
class Line:
    """One line of scores.csv. `case` is empty for the aggregate of a scene, `value` None where not ok."""

    suite: str
    version: int
    setting: str
    given: str
    generator: str
    role: str
    scene: str
    case: str
    sample: int | None
    metric: str
    value: float | None
    status: str
    reason: str
    world_seed: int | None = None


@dataclass(frozen=True)
class Block:
    """One suite of a table: rows of summary.json in the order in which they are shown."""

    suite: str
    version: int
    setting: str
    rows: tuple[Mapping[str, Any], ...]

    def row(self, role: str) -> Mapping[str, Any] | None:
        """The first row of a role, if there is one."""
        return next((row for row in self.rows if row["role"] == role), None)


def read_scores(path: Path) -> list[Line]:
    """All lines of a scores.csv. ReportError for none, other columns or values that are no numbers."""
    try:
        return _lines(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ReportError(
            f"{path} does not exist; give the out= folder of a run that ended with a table"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ReportError(f"{path} is damaged: {error}") from error


def _lines(path: Path) -> list[Line]:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ReportError(
                f"{path} is no scores.csv: its columns are {', '.join(reader.fieldnames or ())}"
            )
        return [_line(path, number, fields) for number, fields in enumerate(reader, 2)]


def _line(path: Path, number: int, fields: Mapping[str, str]) -> Line:
    if None in fields or None in fields.values():
        raise ReportError(f"{path}:{number} is damaged: it has not {len(COLUMNS)} fields")
    try:
        return Line(
            suite=fields["suite"],
            version=int(fields["version"]),
            setting=fields["setting"],
            given=fields["given"],
            generator=fields["generator"],
            role=fields["role"],
            scene=fields["scene"],
            case=fields["case"],
            sample=int(fields["sample"]) if fields["sample"] else None,
            metric=fields["metric"],
            value=float(fields["value"]) if fields["value"] else None,
            status=fields["status"],
            reason=fields["reason"],
            world_seed=int(fields["world_seed"]) if fields["world_seed"] else None,
        )
    except (TypeError, ValueError) as error:
        raise ReportError(f"{path}:{number} is damaged: {error}") from error


def refuse_mixed(lines: Sequence[Line]) -> None:
    """ReportError when a table would hold two models, two versions of a suite, or one value twice."""
    for suite in sorted({line.suite for line in lines}):
        part = [line for line in lines if line.suite == suite]
        for what, found in (
            ("subjects", {line.generator for line in part if line.role == "subject"}),
            ("versions", {str(line.version) for line in part}),
            ("settings", {line.setting for line in part}),
        ):
            if len(found) > 1:
                raise ReportError(
                    f"{suite}: one table cannot hold {len(found)} {what} ({', '.join(sorted(found))});"
                    " compare two runs instead of joining their files"
                )
    places: set[tuple[object, ...]] = set()
    for line in lines:
        place = (line.suite, line.role, line.generator, line.scene, line.case, line.sample, line.metric)
        if place in places:
            raise ReportError(f"{line.suite}: {line.generator} has {line.metric} of {line.case} twice")
        places.add(place)


def read_summary(path: Path) -> list[Mapping[str, Any]]:
    """The rows of a summary.json. ReportError for another schema."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReportError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict) or found.get("schema") != 1:
        raise ReportError(f"{path} is no summary.json of schema 1")
    rows = found.get("rows")
    if not isinstance(rows, list):
        raise ReportError(f"{path} is damaged: it has no rows")
    for row in rows:
        missing = [key for key in NEEDED if not isinstance(row, dict) or key not in row]
        if missing:
            raise ReportError(f"{path} is damaged: a row has no {missing[0]!r}")
    return list(rows)


def blocks(rows: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Rows by suite, each with the row of zero, best informed first."""
    found = []
    for suite in dict.fromkeys(row["suite"] for row in rows):
        part = [row for row in rows if row["suite"] == suite]
        shown = sorted([*part, zero_row(part[0])], key=_position)
        found.append(Block(suite, part[0]["version"], part[0]["setting"], tuple(shown)))
    return found


def zero_row(like: Mapping[str, Any]) -> dict[str, Any]:
    """Zero is a construct of the suite, exact by definition: no video was made for it."""
    empty = dict.fromkeys(("low", "high", "mde", "kappa", "bound", "exposure"))
    counts = dict.fromkeys(("planned", "ok", "invalid", "missing", "failed", "refused"), 0)
    place = {key: like[key] for key in ("suite", "version", "setting", "given", "scenes")}
    named = {
        "generator": "zero (by construction)",
        "role": "zero",
        "score": 0.0,
        "metrics": {},
        "reasons": {},
    }
    return {**place, **empty, **counts, **named}


def _position(row: Mapping[str, Any]) -> tuple[int, float, str]:
    score = row["score"] if row["score"] is not None else float("-inf")
    return (
        ROLE_ORDER.index(row["role"]),
        -score if row["role"] in ("baseline", "cheat") else 0.0,
        row["generator"],
    )
