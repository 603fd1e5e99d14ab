"""How scores grow with compute, from the files of runs alone; docs/scaling.md says what is computed.

python -m reports.scaling runs=FOLDER[,FOLDER...] out=FOLDER [figures=true|false]

  runs=      folders of training runs: each holds run.json and the scores of its model, or is a folder of
             such folders
  out=       scaling.json, scaling.csv, scaling.md and the figures (panels, score, loss, profile,
             grid-SUITE, survival-SUITE, each .pdf, .png and .csv)
  figures=   false leaves the figures out (they need matplotlib: pip install -e '.[paper]')

Exit codes: 0 written, 2 trouble, 3 written, but nothing could be fitted
"""

from __future__ import annotations

import dataclasses
import io
import json
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reports.aggregate import ReportError
from reports.command import DONE, NOTHING, Answer, answered
from reports.figures.output import csv_text, write_figure
from reports.figures.source import Skip
from reports.figures.style import Drawn, slug, style
from reports.files import write_bytes, write_text
from reports.options import options
from reports.scaling.measure import LOSS, Series, series, slopes, usable
from reports.scaling.runs import folders, read_all
from reports.scaling.words import COLUMNS, NO_RUN, data, markdown, rows

USAGE = "python -m reports.scaling runs=FOLDER[,FOLDER...] out=FOLDER [figures=false]"
UNSCORED = "it has neither scores nor a loss; score it into its folder: out=RUN/scores"


@dataclass(frozen=True)
class Asked:
    """A command line."""

    runs: tuple[Path, ...]
    out: Path
    figures: bool

    @property
    def command(self) -> str:
        """The command that writes the same again."""
        words = [f"runs={','.join(str(run) for run in self.runs)}", f"out={self.out}"]
        words += [] if self.figures else ["figures=false"]
        return "python -m reports.scaling " + " ".join(shlex.quote(word) for word in words)


def asked(arguments: Sequence[str]) -> Asked:
    """The command line. ReportError for a wrong one."""
    found = options(arguments, ("runs", "out"), ("figures",), USAGE)
    drawn = found.get("figures", "true")
    if drawn not in ("true", "false"):
        raise ReportError(f"figures={drawn} is neither true nor false")
    given = [Path(part.strip()) for part in found["runs"].split(",") if part.strip()]
    return Asked(tuple(given), Path(found["out"]), drawn == "true")


def write(chosen: Asked) -> tuple[list[Series], list[str]]:
    """Everything that was asked; the curves, and what to say of it. Where no run can be used there are no
    curves, and the tables name each run with its reason. ReportError where runs do not compare."""
    runs, left = usable(read_all(list(folders(chosen.runs))))
    if not runs and not left:
        raise ReportError(f"runs= names no run; {USAGE}")
    found = series(runs)
    if not found:
        left |= {run.name: UNSCORED for run in runs}
    compared = slopes(found)
    said = [f"{name} is left out: {why}" for name, why in left.items()]
    not_drawn = figures(chosen, found) if chosen.figures and found else []
    record = data(found, left, compared, not_drawn, chosen.command)
    write_text(chosen.out / "scaling.json", json.dumps(record, indent=1, allow_nan=False) + "\n")
    write_text(chosen.out / "scaling.csv", csv_text(COLUMNS, rows(found)))
    write_text(chosen.out / "scaling.md", markdown(found, left, compared, chosen.command))
    return found, said + not_drawn


def lives(part: Series, name: str) -> Drawn:
    """How long clips stay right: a curve for one run of each budget, by budget."""
    from reports.figures.curves import survival
    from reports.scaling.grid import drawn_runs
    from reports.scaling.words import number

    runs = {f"{number(trained.flops)} FLOPs": (trained, run) for trained, run in drawn_runs(part)}
    drawn = survival([dataclasses.replace(run, name=label) for label, (_, run) in runs.items()], part.suite)
    # The legend has budgets, the table of its numbers has runs.
    rows = tuple((runs[str(row[0])][0].name, *row[1:]) for row in drawn.rows)
    return dataclasses.replace(drawn, name=f"survival-{name}", rows=rows)


def figures(chosen: Asked, found: Sequence[Series]) -> list[str]:
    """Write the figures; a line about each that cannot be drawn."""
    from reports.scaling import draw
    from reports.scaling.grid import grid
    from reports.scaling.panels import panels

    jobs: list[tuple[str, Callable[[], Drawn]]] = [
        ("panels", lambda: panels(found)),
        ("score", lambda: draw.scores(found)),
        ("loss", lambda: draw.loss(found)),
        ("profile", lambda: draw.profile(found)),
    ]
    for part in found:
        if part.metric != LOSS:
            name = slug(part.title)
            jobs.append((f"grid-{name}", lambda p=part, n=name: grid(p, f"grid-{n}")))  # type: ignore[misc]
            jobs.append((f"survival-{name}", lambda p=part, n=name: lives(p, n)))  # type: ignore[misc]
    said = []
    for name, make in jobs:
        with style():
            try:
                drawn = make()
            except Skip as reason:
                said.append(f"{name} left out: {reason}")
                continue
            said += [f"{name}: {drawn.note}"] if drawn.note else []
            write_figure(chosen.out, drawn, chosen.command)
            picture = io.BytesIO()
            drawn.figure.savefig(picture, format="png", dpi=150, metadata={"Software": None})
            write_bytes(chosen.out / f"{drawn.name}.png", picture.getvalue())
    return said


def answer(arguments: Sequence[str]) -> Answer:
    """Everything that a command line asks for. ReportError for a wrong one, or runs that do not compare."""
    chosen = asked(arguments)
    found, said = write(chosen)
    printed = (chosen.out / "scaling.md").read_text(encoding="utf-8")
    if any(part.fit is not None for part in found):
        return Answer(DONE, printed, tuple(said))
    reasons = "; ".join(dict.fromkeys(f"{part.title or 'loss'}: {part.why}" for part in found)) or NO_RUN
    return Answer(NOTHING, printed, (*said, f"nothing could be fitted: {reasons}"))


def main(arguments: Sequence[str]) -> int:
    """The command; see the head of this file."""
    return answered("reports.scaling", __doc__, arguments, answer)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
