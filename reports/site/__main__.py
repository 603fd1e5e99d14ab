"""`python -m reports.site runs=FOLDER out=FOLDER`: index.html over all runs, and a copy of each report."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from reports.aggregate import ReportError
from reports.command import helped
from reports.files import write_text
from reports.html import TEMPLATES, template
from reports.options import options
from reports.page.compose import page_text, policy
from reports.page.scale import interval
from reports.site.boards import Board, Run, boards, find_runs, reason
from reports.table import number

USAGE = "usage: python -m reports.site runs=FOLDER out=FOLDER"
STYLES = ("page.css", "scores.css", "site.css")
KEPT = (".mkv", ".webm")
"""Clips that a report links to; its pictures are inside it."""


def site_text(found: Sequence[Board], unreadable: Sequence[tuple[str, str]], runs: int) -> str:
    """index.html. Everything that comes from a run is escaped."""
    script = (TEMPLATES / "js" / "theme.js").read_text(encoding="utf-8")
    return template("site.html.j2").render(
        boards=found,
        unreadable=unreadable,
        runs=runs,
        number=number,
        interval=interval,
        address=address,
        style="\n".join((TEMPLATES / "css" / name).read_text(encoding="utf-8") for name in STYLES),
        script=script,
        policy=policy(script),
    )


def address(run: Run) -> str:
    """Where the report of a run lies in the site, as an address."""
    from urllib.parse import quote

    return quote(f"runs/{run.name}/report.html")


def write_site(folder: Path, out: Path) -> tuple[int, list[tuple[str, str]]]:
    """Write the site; how many runs it holds, and one line for each that could not be read."""
    found = find_runs(folder)
    kept, unreadable = [], list(found.unreadable)
    for run in found.runs:
        if out.resolve() in run.folder.resolve().parents:
            continue
        try:
            text = page_text(run.folder)
        except (ReportError, OSError) as error:
            unreadable.append((run.name, reason(error, run.folder)))
            continue
        place = out / "runs" / run.name
        write_text(place / "report.html", text)
        _copy_clips(run.folder / "clips", place / "clips")
        kept.append(run)
    write_text(out / "index.html", site_text(boards(kept), unreadable, len(kept)))
    return len(kept), unreadable


def _copy_clips(source: Path, target: Path) -> None:
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted(source.iterdir()):
            if path.suffix in KEPT:
                shutil.copyfile(path, target / path.name)


def main(arguments: Sequence[str]) -> int:
    """Write the site; 0, or 2 with one line on stderr. A run that cannot be read costs itself alone."""
    if helped(__doc__, arguments):
        return 0
    try:
        given = options(arguments, needed=("runs", "out"), allowed=(), usage=USAGE)
        count, unreadable = write_site(Path(given["runs"]), Path(given["out"]))
    except (ReportError, OSError) as error:
        print(f"reports: {error}", file=sys.stderr)
        return 2
    for name, why in unreadable:
        print(f"reports: {name} is left out: {why}", file=sys.stderr)
    print(f"{Path(given['out']) / 'index.html'}: {count} runs")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
