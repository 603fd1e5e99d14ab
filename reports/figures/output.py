"""Write what was made: whole or not at all, the same bytes for the same files, the command inside."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from reports.figures.style import Drawn
from reports.files import write_bytes


def csv_text(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Numbers by repr, an empty cell where something is not defined."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(["" if v is None else repr(v) if isinstance(v, float) else v for v in row])
    return text.getvalue()


def pdf_bytes(drawn: Drawn, command: str) -> bytes:
    """The figure as PDF: no date in it, so that equal numbers give equal bytes."""
    buffer = io.BytesIO()
    drawn.figure.savefig(
        buffer,
        format="pdf",
        metadata={
            "Title": drawn.name,
            "Subject": command,
            "Keywords": f"simbench; made by: {command}",
            "Creator": "simbench reports",
            "CreationDate": None,
        },
    )
    return buffer.getvalue()


def write_figure(folder: Path, drawn: Drawn, command: str) -> list[str]:
    """NAME.pdf and NAME.csv; their names."""
    write_bytes(folder / f"{drawn.name}.pdf", pdf_bytes(drawn, command))
    write_bytes(folder / f"{drawn.name}.csv", csv_text(drawn.columns, drawn.rows).encode())
    return [f"{drawn.name}.pdf", f"{drawn.name}.csv"]
