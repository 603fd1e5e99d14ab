"""What a tracker is told of one run: scores with their intervals, settings, provenance, files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.aggregate import ReportError, read_summary
from reports.export import made

FILES = ("report.html", "scores.csv", "summary.json", "run.json")
LONGEST = 80
"""Characters of a part of a name: MLflow takes 250 in all."""

COUNTS = ("planned", "ok", "invalid", "missing", "failed", "refused")
NOT_ALLOWED = re.compile(r"[^\w .:-]")
"""Signs that no tracker takes in a name (MLflow is the strictest)."""


@dataclass(frozen=True)
class TrackedRun:
    """`metrics` are named suite/generator/metric, with _low and _high for the ends of the 95 % interval;
    undefined ones are absent. `config` is flat, its names joined by dots. `files` are there."""

    name: str
    metrics: Mapping[str, float]
    config: Mapping[str, Any]
    files: tuple[Path, ...]
    folder: Path


def tracked(run: str, folder: Path) -> TrackedRun:
    """What trackers are told of the run in `folder`. ReportError where its summary.json is missing or
    damaged, or where two rows would have one name."""
    metrics: dict[str, float] = {}
    rows = read_summary(folder / "summary.json")
    for row in rows:
        head = "/".join(_name(row[key]) for key in ("suite", "generator"))
        if row["role"] == "cheat":
            head += " cheat"
        named = {key: {"mean": row[key]} for key in (*COUNTS, "kappa", "mde")} | dict(row["metrics"])
        for metric, found in named.items():
            for end, key in (("", "mean"), ("_low", "low"), ("_high", "high")):
                name = f"{head}/{_name(metric)}{end}"
                if found.get(key) is None:
                    continue
                if name in metrics:
                    raise ReportError(f"run={run}: two rows are called {name}; give one another label=")
                metrics[name] = float(found[key])
    record = made(folder)
    config = {
        "run": run,
        **flat("config", record.get("config", {})),
        **flat("runtime", record.get("runtime", {})),
    }
    for row in rows:
        config |= {f"{row['suite']}.{key}": row[key] for key in ("version", "setting", "given")}
        if row["role"] == "subject":
            config |= {
                f"{row['suite']}.generator": row["generator"],
                f"{row['suite']}.exposure": row["exposure"],
            }
    config["resume"] = record.get("resume", "")
    files = tuple(folder / name for name in FILES if (folder / name).is_file())
    return TrackedRun(run, metrics, config, files, folder)


def flat(prefix: str, value: Any) -> dict[str, Any]:
    """`{"a": {"b": 1}}` as `{"prefix.a.b": 1}`; lists as text."""
    if isinstance(value, Mapping):
        return {k: v for key, part in value.items() for k, v in flat(f"{prefix}.{_name(key)}", part).items()}
    return {prefix: value if value is None or isinstance(value, str | int | float | bool) else str(value)}


def _name(text: object) -> str:
    return NOT_ALLOWED.sub("_", str(text))[:LONGEST]


def short_name(run: str) -> str:
    """A run's name as part of a file's name: its path with other signs for separators."""
    return re.sub(r"[^\w.-]+", "_", run).strip("_.") or "run"
