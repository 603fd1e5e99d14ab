"""The table of a run as a piece of HTML for a notebook: no script, no address, its own small style.

Text takes the colour of the page around it, and every drawn colour has a contrast of 3 : 1 or more on white
and on near-black, so that light and dark notebooks show the same piece.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.aggregate import Block, blocks, read_scores, read_summary, refuse_mixed
from reports.html import template
from reports.table import cells, notes

WIDTH = 160
"""Width of the drawn intervals, px."""

COLOURS = {"subject": "#1f86d1", "oracle": "#16916f", "observer": "#16916f"}


@dataclass(frozen=True)
class Bar:
    """One row of the table, and its interval as a picture."""

    cells: Sequence[str]
    role: str
    image: str


@dataclass(frozen=True)
class Piece:
    """One suite. `scale` is the picture above the intervals."""

    title: str
    head: Sequence[str]
    scale: str
    bars: Sequence[Bar]
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
        Bar(shown, row["role"], _interval(row, at)) for shown, row in zip(table[1:], block.rows, strict=True)
    ]
    scenes = max(row["scenes"] for row in block.rows)
    title = f"{block.suite}@{block.version}  {block.setting}  {scenes} scenes"
    return Piece(title, table[0], _scale(at(0.0) or 0.0, at(100.0) or 0.0), bars, notes(block))


def _interval(row: Mapping[str, Any], at: Callable[[float | None], float | None]) -> str:
    """A row's interval and score between the lines of 0 and 100; nothing where undefined."""
    colour, radius = COLOURS.get(row["role"], "#878c93"), 5 if row["role"] == "subject" else 4
    drawn = [f'<path d="M{at(v)} 0V22" stroke="#888" stroke-opacity=".5"/>' for v in (0.0, 100.0)]
    if row["low"] is not None:
        line = f'd="M{at(row["low"])} 11H{at(row["high"])}" stroke="{colour}" stroke-width="3"'
        drawn.append(f'<path {line} stroke-linecap="round"/>')
    if row["score"] is not None:
        drawn.append(f'<circle cx="{at(row["score"])}" cy="11" r="{radius}" fill="{colour}"/>')
    return _picture(22, "".join(drawn))


def _scale(zero: float, hundred: float) -> str:
    end, place = ("end", WIDTH) if hundred > WIDTH - 14 else ("middle", hundred)
    words = f'<text x="{zero}" y="12" text-anchor="middle">0</text>'
    words += f'<text x="{place}" y="12" text-anchor="{end}">100</text>'
    return _picture(16, f'<g font-family="sans-serif" font-size="11" fill="#808080">{words}</g>')


def _picture(height: int, drawn: str) -> str:
    """A picture as the address of an <img>: notebooks drop inline SVG, which could hold a script."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}">'
    return "data:image/svg+xml;base64," + base64.b64encode(f"{head}{drawn}</svg>".encode()).decode()


def inline_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The piece for rows of summary.json. Everything that comes from a run is escaped."""
    pieces = [piece(block) for block in blocks(rows)]
    return template("inline.html.j2").render(pieces=pieces, width=WIDTH)


def inline_html(folder: str) -> str:
    """The piece for a run's folder. ReportError when its files are missing, damaged or mixed."""
    refuse_mixed(read_scores(Path(folder) / "scores.csv"))
    return inline_text(read_summary(Path(folder) / "summary.json"))
