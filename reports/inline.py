"""The table of a run as a piece of HTML for a notebook: no script, no address, its own small style.

Text takes the colour of the page around it, and every drawn colour has a contrast of 3 : 1 or more on white
and on near-black, so that light and dark notebooks show the same piece.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.aggregate import Block, blocks, read_scores, read_summary, refuse_mixed
from reports.page import TEMPLATE
from reports.table import cells, notes

WIDTH = 220
"""Width of the drawn intervals, px."""


@dataclass(frozen=True)
class Bar:
    """One row of the table with its interval as pixels from the left, None where undefined."""

    cells: Sequence[str]
    role: str
    x: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Piece:
    """One suite. `zero` and `hundred` are where the scale's two fixed points lie."""

    title: str
    head: Sequence[str]
    bars: Sequence[Bar]
    zero: float
    hundred: float
    notes: Sequence[str]


def piece(block: Block) -> Piece:
    """Place every row of a block on one scale, which holds 0, 100 and every interval."""
    values = [0.0, 100.0]
    for row in block.rows:
        values += [row[key] for key in ("score", "low", "high") if row[key] is not None]
    left, right = min(values), max(values)

    def at(value: float | None) -> float | None:
        """Where a score lies, px; 6 px at each end are for the marks."""
        return None if value is None else round(6 + (value - left) / (right - left) * (WIDTH - 12), 1)

    table = cells(block)
    bars = [
        Bar(shown, row["role"], at(row["score"]), at(row["low"]), at(row["high"]))
        for shown, row in zip(table[1:], block.rows, strict=True)
    ]
    scenes = max(row["scenes"] for row in block.rows)
    title = f"{block.suite}@{block.version}  {block.setting}  {scenes} scenes"
    return Piece(title, table[0], bars, at(0.0) or 0.0, at(100.0) or 0.0, notes(block))


def inline_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The piece for rows of summary.json. Everything that comes from a run is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    pieces = [piece(block) for block in blocks(rows)]
    return environment.get_template("inline.html.j2").render(pieces=pieces, width=WIDTH)


def inline_html(folder: str) -> str:
    """The piece for a run's folder. ReportError when its files are missing, damaged or mixed."""
    refuse_mixed(read_scores(Path(folder) / "scores.csv"))
    return inline_text(read_summary(Path(folder) / "summary.json"))
