"""`python -m reports.page run=FOLDER [other=FOLDER]`: write report.html anew from the files of a run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from reports.aggregate import ReportError
from reports.command import helped
from reports.options import options
from reports.page.compose import write_page

USAGE = "usage: python -m reports.page run=FOLDER [other=FOLDER]"


def main(arguments: Sequence[str]) -> int:
    """Write the page; 0, or 2 with one line on stderr."""
    if helped(__doc__, arguments):
        return 0
    try:
        given = options(arguments, needed=("run",), allowed=("other",), usage=USAGE)
        other = Path(given["other"]) if "other" in given else None
        write_page(Path(given["run"]), other)
    except (ReportError, OSError) as error:
        print(f"reports: {error}", file=sys.stderr)
        return 2
    print(Path(given["run"]) / "report.html")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
