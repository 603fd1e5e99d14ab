"""Scores of runs as one table for other tools, or as runs of a tracker; docs/data.md has the schema.

python -m reports.data run=RUN[,RUN...] out=FILE.parquet|FILE.csv
python -m reports.data run=RUN[,RUN...] to=wandb|tensorboard|mlflow out=FOLDER [project=simbench]
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reports.aggregate import ReportError
from reports.export import write_csv, write_parquet
from reports.rows import Rows, read_rows
from reports.trackers.run import TrackedRun, tracked

OPTIONS = ("run", "out", "to", "project")
FILES: dict[str, Callable[[Rows, Path], None]] = {"csv": write_csv, "parquet": write_parquet}
TRACKERS = ("wandb", "tensorboard", "mlflow")
USAGE = """python -m reports.data OPTION=VALUE ...    scores of runs for other tools; nothing is sent anywhere

  run=RUN[,RUN...]   folders of runs, or their scores.csv
  out=FILE           .parquet (pip install -e '.[data]') or .csv: all rows as one table (docs/data.md)
  to=TRACKER         wandb, tensorboard or mlflow, each an extra of that name; then out= is a folder
  project=simbench   W&B project or MLflow experiment

Exit codes: 0 written, 2 trouble"""


@dataclass(frozen=True)
class Asked:
    """What a command line asks for."""

    runs: tuple[str, ...]
    out: Path
    to: str
    project: str


def parse(arguments: Sequence[str]) -> Asked:
    """The options of a command line. ReportError, with the nearest right name, for a wrong one."""
    given: dict[str, str] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals:
            raise ReportError(f"{argument!r} is not an option; options are key=value, see --help")
        if key not in OPTIONS:
            raise ReportError(f"unknown option {key}; options are {', '.join(OPTIONS)}{_meant(key, OPTIONS)}")
        if key in given:
            raise ReportError(f"{key}= is given twice; several runs are one list: run=A,B")
        given[key] = value
    for key in ("run", "out"):
        if not given.get(key):
            raise ReportError(f"{key}= is missing; for example run=outputs/a,outputs/b out=scores.parquet")
    out = Path(given["out"])
    suffix = out.suffix.lower().lstrip(".")
    to = given.get("to", suffix)
    every = (*FILES, *TRACKERS)
    if "to" in given and to not in every:
        raise ReportError(f"to={to} is not one of {', '.join(every)}{_meant(to, every)}")
    if to in TRACKERS and (out.is_file() or suffix in FILES):
        raise ReportError(f"out={out} is a file, and to={to} writes a folder; choose another out=")
    if to in FILES and suffix != to:
        raise ReportError(f"out={out} does not end in .{to}; name the file so, or leave out to=")
    if to not in every:
        raise ReportError(f"out={out} ends neither in .parquet nor in .csv; for a tracker add to=wandb, say")
    return Asked(_runs(given["run"]), out, to, given.get("project") or "simbench")


def _meant(value: str, choices: Sequence[str]) -> str:
    close = difflib.get_close_matches(value, choices, 1, 0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _runs(value: str) -> tuple[str, ...]:
    """Runs by comma; a folder whose own name has a comma is one run."""
    parts = [value] if Path(value).exists() else value.split(",")
    return tuple(part.strip().rstrip("/") or part for part in parts if part.strip())


def write(asked: Asked) -> list[str]:
    """Write what was asked; a line about each thing written. ReportError, OSError."""
    rows = read_rows(asked.runs)
    if asked.to in FILES:
        FILES[asked.to](rows, asked.out)
        return [f"{asked.out}: {len(rows)} rows of {len(rows.sources)} run{'s' * (len(rows.sources) > 1)}"]
    found = [tracked(name, folder) for name, folder in rows.sources.items()]
    return [f"{_tracker(asked.to)(run, asked)}: {len(run.metrics)} metrics of {run.name}" for run in found]


def _tracker(name: str) -> Callable[[TrackedRun, Asked], Path]:
    """Writes one run for a tracker; its module is imported only here."""
    from reports.trackers import mlflow, tensorboard, wandb

    writers: dict[str, Callable[[TrackedRun, Asked], Path]] = {
        "wandb": lambda run, asked: wandb.write(run, asked.out, asked.project),
        "mlflow": lambda run, asked: mlflow.write(run, asked.out, asked.project),
        "tensorboard": lambda run, asked: tensorboard.write(run, asked.out),
    }
    return writers[name]


def main(arguments: Sequence[str]) -> int:
    """Run `python -m reports.data`; the exit code."""
    if any(argument in ("--help", "-h") for argument in arguments):
        print(USAGE)
        return 0
    try:
        print("\n".join(write(parse(arguments))))
    except (ReportError, OSError) as error:
        print(f"reports: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
