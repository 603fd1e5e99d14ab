"""Precision, recall and Cohen's kappa of two who answer yes or no, with intervals clustered by scene.

Clips of one scene are alike, so that scenes and not clips are what varies: the interval is the
delete-one-scene jackknife (Miller 1974) with Student's t, cut off at the ends of the scale. What is not
defined is None, never NaN and never 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

LEVEL = 0.95


@dataclass(frozen=True)
class Table:
    """How often both say yes, only the reader, only the person, neither; weighted counts may be broken."""

    both: float = 0.0
    reader: float = 0.0
    person: float = 0.0
    neither: float = 0.0

    def __add__(self, other: Table) -> Table:
        """Counts of both together."""
        return Table(
            self.both + other.both,
            self.reader + other.reader,
            self.person + other.person,
            self.neither + other.neither,
        )

    @property
    def total(self) -> float:
        """All answers."""
        return self.both + self.reader + self.person + self.neither


@dataclass(frozen=True)
class Estimate:
    """A value with its two-sided 95 % interval; None where undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None


def precision(table: Table) -> float | None:
    """Of what the reader calls yes, the share that the person calls yes."""
    said = table.both + table.reader
    return table.both / said if said > 0 else None


def recall(table: Table) -> float | None:
    """Of what the person calls yes, the share that the reader calls yes."""
    there = table.both + table.person
    return table.both / there if there > 0 else None


def kappa(table: Table) -> float | None:
    """Cohen's kappa (1960). None without answers, when chance alone explains full agreement, and when one
    side never changes its answer while nine in ten agree: there kappa is 0 whatever the agreement
    (Feinstein and Cicchetti 1990)."""
    total = table.total
    if total <= 0:
        return None
    observed = (table.both + table.neither) / total
    reader, person = (table.both + table.reader) / total, (table.both + table.person) / total
    if {reader, person} & {0.0, 1.0} and observed >= 0.9:
        return None
    chance = reader * person + (1 - reader) * (1 - person)
    return None if chance >= 1 else (observed - chance) / (1 - chance)


def estimate(scenes: Mapping[str, Table], measure: Callable[[Table], float | None]) -> Estimate:
    """`measure` of all scenes together and its interval over scenes.

    Shares of 0 and 1 have no spread to measure: there the interval is the exact binomial one (Clopper and
    Pearson 1934) with a scene for one trial. Kappa has none there.
    """
    # Scenes in which nothing is measured (no yes, for precision) say nothing of its spread.
    used = [t for t in scenes.values() if (t.total > 0 if measure is kappa else measure(t) is not None)]
    whole = _sum(used)
    value = measure(whole)
    if value is None or len(used) < 2:
        return Estimate(value)
    if measure is not kappa and value in (0.0, 1.0):
        edge = ((1 - LEVEL) / 2) ** (1 / len(used))
        return Estimate(value, edge, 1.0) if value == 1.0 else Estimate(value, 0.0, 1 - edge)
    without = [measure(_sum([*used[:i], *used[i + 1 :]])) for i in range(len(used))]
    known = [v for v in without if v is not None]
    if len(known) < len(used):
        return Estimate(value)
    count, mean = len(known), math.fsum(known) / len(known)
    error = math.sqrt((count - 1) / count * math.fsum((v - mean) ** 2 for v in known))
    if error == 0.0:
        return Estimate(value)
    half = _t(count - 1) * error
    floor = -1.0 if measure is kappa else 0.0
    return Estimate(value, max(floor, value - half), min(1.0, value + half))


def _sum(tables: list[Table]) -> Table:
    whole = Table()
    for table in tables:
        whole = whole + table
    return whole


def _t(freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + LEVEL / 2))
