"""`python -m reports.label run=RUN[,RUN2]`: label a run's clips blind, and hold its readers to the labels."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from reports.aggregate import ReportError
from reports.label.agree import Answer, read_answers, rows_of
from reports.label.clips import Asked, listing, to_label
from reports.label.labels import LabelErrors, checked, read_table, store, stored
from reports.label.page import write_page
from reports.label.sheet import write_sheets
from reports.label.words import block

USAGE = """usage: python -m reports.label run=RUN[,RUN2]                      write label.html for a browser
       python -m reports.label run=RUN[,RUN2] sheet=DIR [per=10]   write pictures and labels-empty.csv
       python -m reports.label run=RUN[,RUN2] labels=FILE [labeller=NAME]   store labels, print the agreement
       python -m reports.label run=RUN[,RUN2] agreement=true       print the agreement of what is stored
options: seed=0 (the random order), out=FILE (label.html in the first run's folder)"""
OPTIONS = ("run", "sheet", "per", "labels", "labeller", "agreement", "seed", "out")


def options(arguments: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE by name. ReportError for what is none, unknown, twice, empty, or does not go together."""
    found: dict[str, str] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or name not in OPTIONS:
            raise ReportError(f"{argument!r} is no option; there are {', '.join(OPTIONS)}")
        if name in found or not value.strip():
            raise ReportError(f"{name}= is given {'twice' if name in found else 'without a value'}")
        found[name] = value
    if "run" not in found:
        raise ReportError("run= is missing; give the out= folder of a run of simbench")
    does = [name for name in ("sheet", "labels", "agreement") if name in found]
    if len(does) > 1:
        raise ReportError(f"{' and '.join(f'{n}=' for n in does)} are two commands; give one of them")
    if found.get("agreement", "true") != "true":
        raise ReportError(f"agreement={found['agreement']}: only agreement=true says something")
    return found


def whole(found: Mapping[str, str], name: str, default: int) -> int:
    """An option that is a whole number from 0 on."""
    text = found.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ReportError(f"{name}={text} is no whole number from 0 on")
    return int(text)


def command(arguments: Sequence[str]) -> str:
    """Do what the arguments say; what to print."""
    found = options(arguments)
    folders = [Path(part) for part in found["run"].split(",") if part]
    for folder in folders:
        if not (folder / "scores.csv").is_file():
            raise ReportError(f"run={folder} has no scores.csv; give the out= folder of a run of simbench")
    if "agreement" in found:
        return _agreement(folders)
    clips = to_label(folders, whole(found, "seed", 0))
    if "labels" in found:
        return _take(folders, clips, Path(found["labels"]), found.get("labeller", ""))
    left = sum(len(listing(folder)) for folder in folders) - len(clips)
    beside = f"; {left} clips left out: not scored, or of a suite that asks nothing" if left else ""
    if "sheet" in found:
        count, table = write_sheets(clips, Path(found["sheet"]), whole(found, "per", 10))
        return f"{count} sheets of {len(clips)} clips in {found['sheet']}; fill in {table}{beside}"
    path = Path(found.get("out", folders[0] / "label.html"))
    size = write_page(clips, path)
    return f"{path}: {len(clips)} clips, {size / 1e6:.1f} MB; open it in a browser{beside}"


def _take(folders: Sequence[Path], clips: Sequence[Asked], path: Path, labeller: str) -> str:
    labels = checked(read_table(path), clips, labeller)
    for folder in folders:
        mine = [label for label in labels if label.run == folder.resolve().name]
        if mine:
            store(folder, mine)
    return _agreement(folders)


def _agreement(folders: Sequence[Path]) -> str:
    parts: list[str] = []
    every: list[Answer] = []
    total: dict[str, int] = {}
    labelled = [folder for folder in folders if stored(folder)]
    if not labelled:
        raise ReportError(f"no labels.csv in {', '.join(map(str, folders))}; give labels=FILE first")
    for folder in labelled:
        answers, stale = read_answers(folder)
        every += answers
        total = {who: total.get(who, 0) + stale.get(who, 0) for who in {*total, *stale}}
        parts += _blocks(folder.name, answers, stale)
    if len(labelled) > 1:
        parts += _blocks(f"{len(labelled)} runs together", every, total)
    return "\n\n".join(parts)


def _blocks(title: str, answers: Sequence[Answer], stale: Mapping[str, int]) -> list[str]:
    rows = rows_of(answers, stale)
    suites = list(dict.fromkeys(row.suite for row in rows))
    return [block(title, [r for r in rows if r.suite == s]) for s in suites] or [block(title, [])]


def main(arguments: Sequence[str]) -> int:
    """The command. 0: done, 2: it could not be, and one line for each reason."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    try:
        print(command(arguments))
    except LabelErrors as errors:
        for line in str(errors).splitlines():
            print(f"reports.label: {line}", file=sys.stderr)
        return 2
    except (ReportError, OSError) as error:
        print(f"reports.label: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
