"""What a run calls when its files are there: the page is written, the table is returned."""

from __future__ import annotations

from pathlib import Path

from reports.page import write_page
from reports.table import table_text


def write_report(folder: str) -> str:
    """Write report.html into `folder` and return the table and where everything lies."""
    table = table_text(Path(folder))
    write_page(Path(folder))
    return f"{table}\n\n{folder}: scores.csv, summary.json, report.html"
