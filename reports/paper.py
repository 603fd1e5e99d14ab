"""Tables and figures for a paper from the folders of runs.

    python -m reports.paper run=RUN[,RUN...] out=DIR [names=A,B] [ladder=FILE[,FILE]] [only=NAME,NAME]
                            [x=A:1e9,B:4e9] [xlabel=TEXT] [metric=hit] [sheet=FILE.png]

NAME is one of leaderboard, rows, tables (both), forest, ladder, age, survival, scaling, strips. Every figure
is NAME.pdf with NAME.csv, every table NAME.tex with NAME.csv; example.tex takes them all in. What the runs
cannot show is left out and said. Exit codes: 0 something was written, 2 trouble, 3 nothing could be drawn.
"""

from __future__ import annotations

import difflib
import math
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reports.aggregate import ReportError
from reports.command import DONE, NOTHING, Answer, answered
from reports.figures import curves, example, forest, ladder, scaling, strips, tables
from reports.figures.output import write_figure
from reports.figures.source import Run, Skip, read_runs
from reports.figures.style import Drawn, slug, style
from reports.files import write_bytes

OPTIONS = ("run", "out", "names", "ladder", "only", "x", "xlabel", "metric", "sheet")
TABLES = ("leaderboard", "rows")
FIGURES = ("forest", "ladder", "age", "survival", "scaling", "strips")


@dataclass(frozen=True)
class Asked:
    """The command line, read."""

    runs: tuple[str, ...]
    out: Path
    command: str
    names: tuple[str, ...] = ()
    ladders: tuple[str, ...] = ()
    only: tuple[str, ...] = (*TABLES, *FIGURES)
    x: Mapping[str, float] = field(default_factory=dict)
    xlabel: str = ""
    metric: str = "hit"
    sheet: str = ""


@dataclass
class Written:
    """What has been written and what has not."""

    files: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    figures: list[tuple[str, float]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


def asked(arguments: Sequence[str]) -> Asked:
    """Read `key=value` words. ReportError for words that are not understood."""
    words: dict[str, str] = {}
    for word in arguments:
        key, equals, value = word.partition("=")
        if not equals or key not in OPTIONS:
            near = difflib.get_close_matches(key, OPTIONS, 1)
            hint = f"; did you mean {near[0]}=?" if near else f"; options: {', '.join(OPTIONS)}"
            raise ReportError(f"{word} is no option{hint}")
        if key in words:
            raise ReportError(f"{key}= is given twice")
        words[key] = value
    if not words.get("out"):
        raise ReportError("out= is missing: the folder that the files go to")
    if not words.get("run") and not words.get("ladder"):
        raise ReportError("run= is missing: the folders of one or more runs, with commas between them")
    return Asked(
        runs=_list(words.get("run", "")),
        out=Path(words["out"]),
        command="python -m reports.paper " + shlex.join(arguments),
        names=_list(words.get("names", "")),
        ladders=_list(words.get("ladder", "")),
        only=_only(words.get("only", "")),
        x=_places(words.get("x", "")),
        xlabel=words.get("xlabel", ""),
        metric=words.get("metric", "hit"),
        sheet=words.get("sheet", ""),
    )


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _only(text: str) -> tuple[str, ...]:
    if not text:
        return (*TABLES, *FIGURES)
    wanted: list[str] = []
    for name in _list(text):
        if name not in (*TABLES, *FIGURES, "tables"):
            near = difflib.get_close_matches(name, [*TABLES, *FIGURES], 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ReportError(f"only={name} is not one of tables, {', '.join((*TABLES, *FIGURES))}{hint}")
        wanted += TABLES if name == "tables" else [name]
    return tuple(wanted)


def _places(text: str) -> dict[str, float]:
    found = {}
    for part in _list(text):
        name, _, value = part.rpartition(":")
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not name or not (math.isfinite(number) and number > 0):
            raise ReportError(f"x={part} is not NAME:VALUE with a value above 0, for example x=nano:1.2e9")
        found[name] = number
    return found


def _slugs(runs: Sequence[Run]) -> dict[str, str]:
    found: dict[str, str] = {}
    for run in runs:
        base = slug(run.name)
        found[run.name] = base if base not in found.values() else f"{base}-{len(found) + 1}"
    return found


def write_tables(asked: Asked, runs: Sequence[Run], suites: Sequence[str], written: Written) -> None:
    """The leaderboard of each suite and the rows of each run."""
    names = _slugs(runs)
    jobs: list[tuple[str, Callable[[], tables.Table]]] = []
    for suite in suites if "leaderboard" in asked.only else ():
        jobs.append(
            (f"leaderboard of {suite}", lambda s=suite: tables.leaderboard(runs, s, asked.command))  # type: ignore[misc]
        )
    for run in runs if "rows" in asked.only else ():
        for suite in run.suites():
            name = f"rows-{slug(suite)}-{names[run.name]}"
            jobs.append(
                (name, lambda r=run, s=suite, n=name: tables.rows(r, s, n, asked.command))  # type: ignore[misc]
            )
    for what, make in jobs:
        try:
            table = make()
        except Skip as reason:
            written.said.append(f"{what} left out: {reason}")
            continue
        write_bytes(asked.out / f"{table.name}.tex", table.tex.encode())
        write_bytes(asked.out / f"{table.name}.csv", table.csv.encode())
        written.files += [f"{table.name}.tex", f"{table.name}.csv"]
        written.tables.append(table.name)
        if table.note:
            written.said.append(f"{table.name}: {table.note}")


def figures(
    asked: Asked, runs: Sequence[Run], suites: Sequence[str]
) -> Iterator[tuple[str, Callable[[], Drawn]]]:
    """What is to be drawn, by name."""
    for suite in suites:
        if "forest" in asked.only:
            yield f"forest of {suite}", lambda s=suite: forest.forest(runs, s)  # type: ignore[misc]
        if "age" in asked.only:
            yield f"age of {suite}", lambda s=suite: curves.age(runs, s, asked.metric)  # type: ignore[misc]
        if "survival" in asked.only:
            yield f"survival of {suite}", lambda s=suite: curves.survival(runs, s)  # type: ignore[misc]
    if "ladder" in asked.only:
        yield "ladder", lambda: _ladder(asked)
    if "scaling" in asked.only:
        yield "scaling", lambda: scaling.scaling(runs, asked.x, asked.xlabel)
    names = _slugs(runs)
    for run in runs if "strips" in asked.only else ():
        for suite in run.suites():
            name = f"strips-{slug(suite)}-{names[run.name]}"
            yield name, lambda r=run, s=suite, n=name: strips.strips(r, s, n)  # type: ignore[misc]


def _ladder(asked: Asked) -> Drawn:
    if not asked.ladders:
        raise Skip("give ladder=FILE.json, which python -m suites.ladder writes")
    found = ladder.matrix([ladder.read_ladder(Path(path)) for path in asked.ladders])
    if found is None:
        raise Skip(f"{', '.join(asked.ladders)} hold neither cheats nor damage")
    return found


def write_figures(asked: Asked, runs: Sequence[Run], suites: Sequence[str], written: Written) -> None:
    """Draw and write what can be drawn."""
    with style():
        for what, make in figures(asked, runs, suites):
            try:
                drawn = make()
            except Skip as reason:
                written.said.append(f"{what} left out: {reason}")
                continue
            written.files += write_figure(asked.out, drawn, asked.command)
            written.figures.append((drawn.name, float(drawn.figure.get_figwidth())))
            if drawn.note:
                written.said.append(f"{drawn.name}: {drawn.note}")


def write_paper(asked: Asked) -> Written:
    """Everything that was asked. ReportError where files cannot be used."""
    runs = read_runs(asked.runs, asked.names)
    suites = list(dict.fromkeys(suite for run in runs for suite in run.suites()))
    written = Written()
    if any(name in FIGURES for name in asked.only):
        write_figures(asked, runs, suites, written)
    write_tables(asked, runs, suites, written)
    if written.files:
        text = example.document(written.tables, written.figures, asked.command)
        write_bytes(asked.out / "example.tex", text.encode())
        written.files.append("example.tex")
    if asked.sheet and written.files:
        example.sheet(asked.out, Path(asked.sheet))
    return written


def answer(arguments: Sequence[str]) -> Answer:
    """Everything that a command line asks for. ReportError for a wrong one, or files that cannot be used."""
    chosen = asked(arguments)
    written = write_paper(chosen)
    if not written.files:
        return Answer(NOTHING, "", (*written.said, "nothing could be drawn from these files"))
    return Answer(DONE, f"{chosen.out}: {', '.join(written.files)}\n", tuple(written.said))


def main(arguments: Sequence[str]) -> int:
    """The command; see the head of this file."""
    return answered("reports.paper", __doc__, arguments, answer)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
