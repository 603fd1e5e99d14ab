"""Scores and intervals of all suites as positions on one scale, which holds zero and the oracle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.aggregate import Block
from reports.table import number

ROOM = 0.03
"""Share of the scale left free at either end."""


@dataclass(frozen=True)
class Scale:
    """From `left` to `right`, in points."""

    left: float
    right: float

    def at(self, value: float | None) -> float | None:
        """Where a score lies, in per cent from the left."""
        return None if value is None else round((value - self.left) / (self.right - self.left) * 100, 2)

    def ticks(self) -> list[tuple[int, float]]:
        """Round numbers on the scale and where they lie."""
        span = self.right - self.left
        step = next((s for s in (25, 50, 100, 200, 500, 1000) if span / s <= 8), max(1, int(span / 4)))
        first = int(-(-self.left // step)) * step
        found = range(first, int(self.right) + 1, step)
        return [(v, self.at(float(v)) or 0.0) for v in found]


@dataclass(frozen=True)
class Mark:
    """One row of the drawing: texts, and per cent from the left, None where undefined."""

    name: str
    role: str
    score: str
    interval: str
    x: float | None
    low: float | None
    high: float | None
    note: str


def scale_of(blocks: Sequence[Block]) -> Scale:
    """The scale that holds every score and interval of all blocks, 0 and 100."""
    values = [0.0, 100.0]
    for block in blocks:
        for row in block.rows:
            values += [row[key] for key in ("score", "low", "high") if row[key] is not None]
    room = (max(values) - min(values)) * ROOM
    return Scale(min(values) - room, max(values) + room)


def marks(scale: Scale, rows: Sequence[Mapping[str, Any]]) -> list[Mark]:
    """Every row of a block on the scale."""
    return [
        Mark(
            name=row["generator"],
            role=row["role"],
            score=number(row["score"]),
            interval=interval(row),
            x=scale.at(row["score"]),
            low=scale.at(row["low"]),
            high=scale.at(row["high"]),
            note="" if row.get("bound") is None else f"at most {row['bound']:g}",
        )
        for row in rows
    ]


def interval(row: Mapping[str, Any]) -> str:
    """`12.3 to 45.6`, or nothing where there is no interval."""
    return "" if row["low"] is None else f"{number(row['low'])} to {number(row['high'])}"
