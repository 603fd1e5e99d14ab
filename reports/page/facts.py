"""Where a run comes from, and what went wrong in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.aggregate import Block, ReportError
from reports.files import read_json


@dataclass(frozen=True)
class Facts:
    """The command that repeats a run, and (name, value) lines of provenance."""

    command: str
    lines: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Failure:
    """Videos of one row that were not scored: how many of how many, and why."""

    suite: str
    generator: str
    lost: int
    planned: int
    counts: str
    reasons: Sequence[tuple[str, int]]


def read_facts(folder: Path) -> Facts:
    """What run.json says; empty where it was not kept. ReportError where it is damaged."""
    path = folder / "run.json"
    if not path.is_file():
        return Facts("", ())
    found = read_json(path)
    if not isinstance(found, dict):
        raise ReportError(f"{path} is no record of a run")
    runtime = found.get("runtime") or {}
    config = found.get("config") or {}
    packages = runtime.get("packages") or {}
    commit = str(runtime.get("commit") or "")
    lines = [
        ("date", str(runtime.get("date") or "")),
        ("generator", str(found.get("generator", ""))),
        ("options", _flat(config.get("generator"))),
        ("seed", str(config.get("seed", ""))),
        ("part", "" if found.get("shard") in (None, "0/1") else str(found["shard"])),
        ("suites", ", ".join(f"{k}@{v.get('version')}" for k, v in (found.get("suites") or {}).items())),
        ("simbench", str(runtime.get("simbench", ""))),
        ("commit", commit + (" with changes" if runtime.get("dirty") else "")),
        ("Python", str(runtime.get("python", ""))),
        ("packages", ", ".join(f"{k} {v}" for k, v in packages.items() if v is not None)),
        ("platform", str(runtime.get("platform", ""))),
        ("accelerator", str(runtime.get("accelerator") or "none")),
        ("cores", str(runtime.get("cores") or "")),
    ]
    return Facts(str(found.get("resume", "")), [(k, v) for k, v in lines if v])


def _flat(options: Any) -> str:
    """Options as they would be typed; Hydra's own and empty ones are left out."""
    if not isinstance(options, Mapping):
        return ""
    shown = {k: v for k, v in options.items() if k != "_convert_" and v not in ("", None)}
    return ", ".join(f"{'class' if k == '_target_' else k}={v}" for k, v in shown.items())


def failures(blocks: Sequence[Block]) -> list[Failure]:
    """Every row with videos that were not scored."""
    found = []
    for block in blocks:
        for row in block.rows:
            counts = {s: row[s] for s in ("missing", "invalid", "failed", "refused") if row[s]}
            if counts:
                text = ", ".join(f"{n} {status}" for status, n in counts.items())
                lost = sum(counts.values())
                reasons = list(row["reasons"].items())
                found.append(Failure(block.suite, row["generator"], lost, row["planned"], text, reasons))
    return found
