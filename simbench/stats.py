"""Statistics over scenes: the t interval, the smallest difference that could show, agreement of readers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A mean with its two-sided 95 % interval over `count` scenes; None where one scene gives no spread."""

    mean: float
    low: float | None
    high: float | None
    sd: float | None
    count: int


def t_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Student's t interval of the mean of scene values. ValueError without values."""
    from scipy.special import stdtrit

    count = len(values)
    if count == 0:
        raise ValueError("no values: an interval needs at least one scene")
    mean = math.fsum(values) / count
    if count == 1:
        return Interval(mean, None, None, None, 1)
    sd = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (count - 1))
    half = float(stdtrit(count - 1, 0.5 + level / 2)) * sd / math.sqrt(count)
    return Interval(mean, mean - half, mean + half, sd, count)


def smallest_difference(sd: float, count: int, power: float = 0.8, level: float = 0.95) -> float | None:
    """The difference from a fixed score that a two-sided t test over `count` scenes with spread `sd` finds
    with probability `power`. None below two scenes. Exact, by the noncentral t distribution."""
    from scipy.special import nctdtrinc, stdtrit

    if count < 2:
        return None
    critical = float(stdtrit(count - 1, 0.5 + level / 2))
    return float(nctdtrinc(count - 1, 1 - power, critical)) * sd / math.sqrt(count)


def kappa(both: float, first: float, second: float, neither: float) -> float | None:
    """Cohen's kappa (1960) of two yes/no readers from their counts: both yes, only the first, only the
    second, neither. None without readings, when chance alone explains full agreement, and when one reader
    never changes its answer while nine in ten readings agree: there kappa is 0 whatever the agreement
    (Feinstein and Cicchetti 1990)."""
    total = both + first + second + neither
    if total <= 0:
        return None
    observed = (both + neither) / total
    constant = {both + first, both + second} & {0.0, total}
    if constant and observed >= 0.9:
        return None
    yes = (both + first) * (both + second) / total**2
    chance = yes + (neither + first) * (neither + second) / total**2
    return None if chance >= 1 else (observed - chance) / (1 - chance)
