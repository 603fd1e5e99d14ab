"""The rows of scores.csv of one or more runs as columns, checked against schema/scores.schema.json."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.aggregate import COLUMNS, ReportError, read_summary

SCHEMA = Path(__file__).parent / "schema" / "scores.schema.json"
AGAIN = "run the command that its run.json names as resume again"


@dataclass(frozen=True)
class Column:
    """One column as the schema has it. `allowed` is empty where any value will do."""

    name: str
    kind: str
    null: bool
    allowed: frozenset[str]
    low: float
    high: float
    about: str


@dataclass(frozen=True)
class Rows:
    """Columns of equal length, None where undefined. `sources` are the folders of the runs by their name."""

    columns: Mapping[str, Sequence[Any]]
    sources: Mapping[str, Path]

    def __len__(self) -> int:
        return len(self.columns["run"])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for values in zip(*self.columns.values(), strict=True):
            yield dict(zip(self.columns, values, strict=True))


def schema_text() -> str:
    """The schema as it lies on disk."""
    return SCHEMA.read_text(encoding="utf-8")


def schema_version() -> int:
    """Raised when a column is added, removed or means something else."""
    return int(json.loads(schema_text())["version"])


def schema_columns() -> tuple[Column, ...]:
    """The columns in their order."""
    found = []
    for name, node in json.loads(schema_text())["properties"].items():
        types = [node["type"]] if isinstance(node["type"], str) else node["type"]
        found.append(
            Column(
                name,
                types[0],
                "null" in types,
                frozenset(node.get("enum", ())),
                node.get("minimum", -math.inf),
                node.get("maximum", math.inf),
                node["description"],
            )
        )
    return tuple(found)


def read_rows(runs: Sequence[str]) -> Rows:
    """All rows of `runs`, each a run's folder or its scores.csv, in the order given.

    ReportError for a run that is missing, empty, damaged, cut off, of other columns, or given twice.
    """
    columns = schema_columns()
    found: dict[str, list[Any]] = {column.name: [] for column in columns}
    sources: dict[str, Path] = {}
    for run in runs:
        path = scores_path(run)
        if path.parent.resolve() in [p.resolve() for p in sources.values()]:
            raise ReportError(f"run={run} is given twice; its rows would count twice")
        part = _read(path, run, columns)
        _whole(path, part)
        for name, values in part.items():
            found[name] += values
        sources[run] = path.parent
    return Rows(found, sources)


def scores_path(run: str) -> Path:
    """The scores.csv that `run` names. ReportError when there is none."""
    path = Path(run)
    path = path if path.name == "scores.csv" else path / "scores.csv"
    if not path.is_file():
        where = "there is no such folder" if not path.parent.is_dir() else "the folder has no scores.csv"
        raise ReportError(f"run={run}: {where}; give the out= folder of a run that ended with a table")
    return path


def _read(path: Path, run: str, columns: Sequence[Column]) -> dict[str, list[Any]]:
    converters = [_converter(column) for column in columns[1:]]
    parts: list[list[Any]] = [[] for _ in converters]
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ReportError(f"{path} is damaged: byte {error.start} is no UTF-8; {AGAIN}") from error
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = tuple(next(lines, ()))
        if header != COLUMNS:
            raise ReportError(_other_columns(path, header))
        for fields in lines:
            if len(fields) != len(converters):
                raise ValueError(f"{len(fields)} fields instead of {len(converters)}")
            for part, convert, field in zip(parts, converters, fields, strict=True):
                part.append(convert(field))
    except ReportError:
        raise
    except (csv.Error, ValueError) as error:
        raise ReportError(f"{path}:{lines.line_num} is damaged: {error}; {AGAIN}") from error
    if not parts[0]:
        raise ReportError(f"{path} has no rows: nothing was measured")
    if not text.endswith("\n"):
        raise ReportError(f"{path} is cut off in its last line; {AGAIN}")
    return {"run": [run] * len(parts[0]), **dict(zip(header, parts, strict=True))}


def _other_columns(path: Path, header: Sequence[str]) -> str:
    missing = [name for name in COLUMNS if name not in header]
    unknown = [name for name in header if name not in COLUMNS]
    said = [f"it lacks {', '.join(missing)}"] if missing else []
    said += [f"it has {', '.join(unknown) or 'an empty header'} beside them"] if unknown or not header else []
    return (
        f"{path} is no scores.csv of schema {schema_version()}:"
        f" {' and '.join(said) or 'its order is another'}; read it with the version of simbench that wrote it"
    )


def _converter(column: Column) -> Callable[[str], Any]:
    """From a field's text to its value. ValueError names the column for what the schema forbids."""

    def convert(field: str) -> Any:
        """One field; equal texts share one object."""
        if field == "":
            if not column.null:
                raise ValueError(f"{column.name} is empty")
            return None
        if column.kind == "string":
            if column.allowed and field not in column.allowed:
                raise ValueError(f"{column.name} {field!r} is not one of {', '.join(sorted(column.allowed))}")
            return shared.setdefault(field, field)
        try:
            value: float = int(field) if column.kind == "integer" else float(field)
        except ValueError:
            raise ValueError(f"{column.name} {field!r} is no number") from None
        if not math.isfinite(value) or not column.low <= value <= column.high:
            raise ValueError(f"{column.name} {field!r} is out of range")
        return value

    shared: dict[str, str] = {}
    return convert


def _whole(path: Path, part: Mapping[str, Sequence[Any]]) -> None:
    """ReportError when rows are missing that summary.json beside it counted: a file cut at the end of a line
    reads well."""
    beside = path.with_name("summary.json")
    if not beside.is_file():
        return
    who = list(zip(part["suite"], part["role"], part["generator"], strict=True))
    videos = {
        (*key, case, sample)
        for key, case, sample in zip(who, part["case"], part["sample"], strict=True)
        if case is not None
    }
    asked = Counter(video[:3] for video in videos)
    scenes = Counter(
        (*key, metric)
        for key, metric, case in zip(who, part["metric"], part["case"], strict=True)
        if case is None
    )
    for row in read_summary(beside):
        key = (row["suite"], row["role"], row["generator"])
        counts = {"videos": (asked[key], row["planned"])}
        counts |= {f"scenes of {m}": (scenes[*key, m], v["scenes"]) for m, v in row["metrics"].items()}
        for what, (have, wanted) in counts.items():
            if have != wanted:
                raise ReportError(
                    f"{path} is cut off: {have} of {wanted} {what} of {row['generator']} in"
                    f" {row['suite']}; {AGAIN}"
                )
