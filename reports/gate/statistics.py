"""Paired statistics over scenes, for one comparison or for many at once (the last axis is the scenes).

Student's t on the mean difference of scenes; where all scenes differ by one and the same amount, t would
divide by zero, and the exact sign test (Arbuthnot 1710) decides instead. Several metrics are tested
together by Holm (1979).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

POWER = 0.8
MOST_SCENES = 1_000_000
FLAT = 1e-9
"""Differences whose range is below this share of the largest are one number, rounded."""


@dataclass(frozen=True)
class Paired:
    """Mean and spread of differences over `count` scenes, each [...]. `flat`: all scenes differ by the same
    amount. `p` is two-sided; 1 where one scene says nothing."""

    mean: np.ndarray
    sd: np.ndarray
    p: np.ndarray
    flat: np.ndarray
    count: int


@dataclass(frozen=True)
class Bounds:
    """Two-sided interval of a mean difference, each [...]; NaN where too few scenes give none."""

    low: np.ndarray
    high: np.ndarray


def paired(differences: np.ndarray) -> Paired:
    """Test differences [..., scenes] against zero. ValueError without scenes."""
    from scipy.special import stdtr

    d = np.asarray(differences, np.float64)
    count = d.shape[-1]
    if count == 0:
        raise ValueError("no differences: a comparison needs at least one scene")
    mean = d.mean(-1)
    if count == 1:
        return Paired(mean, np.full_like(mean, np.nan), np.ones_like(mean), np.zeros(mean.shape, bool), 1)
    flat = np.ptp(d, axis=-1) <= FLAT * np.abs(d).max(-1)
    sd = np.where(flat, 0.0, d.std(-1, ddof=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(flat, 0.0, mean / (sd / np.sqrt(count)))
    sign = np.where(mean == 0, 1.0, sign_test(count))
    return Paired(mean, sd, np.where(flat, sign, 2 * stdtr(count - 1, -np.abs(t))), flat, count)


def sign_test(count: int) -> float:
    """Two-sided p when all of `count` scenes differ in one direction."""
    return 2 * 0.5**count


def bounds(found: Paired, level: np.ndarray | float) -> Bounds:
    """The interval that misses the true difference with probability `level`, two-sided; it excludes zero
    exactly where p <= level."""
    from scipy.special import stdtrit

    if found.count == 1:
        nothing = np.full_like(found.mean, np.nan)
        return Bounds(nothing, nothing)
    half = stdtrit(found.count - 1, 1 - np.asarray(level) / 2) * found.sd / np.sqrt(found.count)
    # Equal differences have no spread to make an interval of: a number where they are significant, else none.
    half = np.where(found.flat, np.where((found.p <= level) | (found.mean == 0), 0.0, np.nan), half)
    return Bounds(found.mean - half, found.mean + half)


def holm_levels(p: np.ndarray, alpha: float) -> np.ndarray:
    """The level at which Holm's procedure tests each of p [..., tests]: what it rejects has p <= level.

    Intervals at these levels exclude zero exactly where Holm rejects, so that the printed interval and the
    verdict cannot differ.
    """
    p = np.asarray(p, np.float64)
    tests = p.shape[-1]
    order = np.argsort(p, axis=-1, kind="stable")
    steps = alpha / (tests - np.arange(tests))
    passed = np.cumprod(np.take_along_axis(p, order, -1) <= steps, axis=-1)
    rejected = passed.sum(-1, keepdims=True)
    stopped = alpha / (tests - np.minimum(rejected, tests - 1))
    levels = np.empty_like(p)
    np.put_along_axis(levels, order, np.where(np.arange(tests) < rejected, steps, stopped), -1)
    return levels


def holm_adjusted(p: np.ndarray) -> np.ndarray:
    """Holm's adjusted p of p [..., tests]: rejected at alpha exactly where at most alpha."""
    p = np.asarray(p, np.float64)
    tests = p.shape[-1]
    order = np.argsort(p, axis=-1, kind="stable")
    raised = np.minimum(1.0, np.take_along_axis(p, order, -1) * (tests - np.arange(tests)))
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.maximum.accumulate(raised, axis=-1), -1)
    return adjusted


def smallest_difference(
    sd: np.ndarray | float, count: int, level: float = 0.05, power: float = POWER
) -> np.ndarray | None:
    """The true difference that a two-sided paired t test over `count` scenes finds with probability `power`
    when differences spread by `sd`; by the noncentral t distribution. None below two scenes."""
    from scipy.special import nctdtrinc, stdtrit

    if count < 2:
        return None
    critical = float(stdtrit(count - 1, 1 - level / 2))
    found: np.ndarray = float(nctdtrinc(count - 1, 1 - power, critical)) * np.asarray(sd) / np.sqrt(count)
    return found


def scenes_needed(distance: float, sd: float, level: float) -> int | None:
    """How many scenes show a difference of `distance` with 80 % power; None where no number does."""
    if distance <= 0:
        return None

    def shows(count: int) -> bool:
        """Whether `count` scenes are enough."""
        least = smallest_difference(sd, count, level)
        return least is not None and float(least) <= distance

    high = 2
    while not shows(high):
        high *= 2
        if high > MOST_SCENES:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high
