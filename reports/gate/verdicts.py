"""What the difference of one metric means: the words, and how many more scenes would settle it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reports.gate.statistics import (
    Bounds,
    Paired,
    bounds,
    holm_adjusted,
    holm_levels,
    paired,
    scenes_needed,
    sign_test,
    smallest_difference,
)

REGRESSED = "regressed"
NO_WORSE = "no worse"
IMPROVED = "improved"
INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Judged:
    """One metric of one comparison. Differences are head less base in the metric's own unit, whichever
    direction is better; `margin` is how much worse is still no matter. `level`: 1 - level is the interval's
    coverage. `smallest`: the difference that so many scenes show with 80 % power, None where none of
    them differs from another; `more`: scenes that are
    lacking for a verdict, None where no number would do."""

    metric: str
    base: float
    head: float
    difference: float
    low: float | None
    high: float | None
    sd: float | None
    scenes: int
    p: float
    adjusted: float
    level: float
    margin: float
    lower_is_better: bool
    verdict: str
    note: str
    smallest: float | None
    more: int | None


@dataclass(frozen=True)
class Asked:
    """One metric to judge: paired scene values of both sides [scenes], in one order. `noise`: the spread of
    differences between two runs of the unchanged base, where it was measured."""

    metric: str
    base: np.ndarray
    head: np.ndarray
    margin: float = 0.0
    lower_is_better: bool = False
    noise: float | None = None


def verdict_of(found: Paired, interval: Bounds, margin: np.ndarray | float) -> np.ndarray:
    """The verdict on differences whose positive direction is better, as text [...]."""
    low, high = interval.low, interval.high
    with np.errstate(invalid="ignore"):
        worse = (high < 0) & (found.mean <= -np.asarray(margin))
        better = low > 0
        near = (low > -np.asarray(margin)) | (found.flat & (found.mean == 0))
    return np.select([worse, better, near], [REGRESSED, IMPROVED, NO_WORSE], INCONCLUSIVE)


def judge(asked: Sequence[Asked], alpha: float) -> list[Judged]:
    """Judge several metrics together, so that with all of them unchanged a false `regressed` or `improved`
    among them stays as rare as with one."""
    if not asked:
        return []
    found = [paired((a.base - a.head) if a.lower_is_better else (a.head - a.base)) for a in asked]
    p = np.array([float(f.p) for f in found])
    levels, adjusted = holm_levels(p, alpha), holm_adjusted(p)
    return [
        _judged(a, f, float(level), float(fixed))
        for a, f, level, fixed in zip(asked, found, levels, adjusted, strict=True)
    ]


def _judged(asked: Asked, found: Paired, level: float, adjusted: float) -> Judged:
    interval = bounds(found, level)
    verdict = str(verdict_of(found, interval, asked.margin))
    mean, low, high = float(found.mean), float(interval.low), float(interval.high)
    sd = None if found.count == 1 else float(found.sd)
    worse = high < 0 and verdict != REGRESSED
    # Scenes that all differ by one and the same amount have no spread that says what they would show.
    own = None if bool(found.flat) else sd
    spread = own if asked.noise is None else asked.noise
    smallest = None if spread is None else smallest_difference(spread, found.count, level)
    sign = -1.0 if asked.lower_is_better else 1.0
    ends = sorted((sign * low, sign * high))
    return Judged(
        metric=asked.metric,
        base=float(np.mean(asked.base)),
        head=float(np.mean(asked.head)),
        difference=sign * mean if mean else 0.0,
        low=None if math.isnan(low) else ends[0],
        high=None if math.isnan(low) else ends[1],
        sd=sd,
        scenes=found.count,
        p=float(found.p),
        adjusted=adjusted,
        level=level,
        margin=asked.margin,
        lower_is_better=asked.lower_is_better,
        verdict=verdict,
        note="worse, within margin" if worse else "",
        smallest=None if smallest is None else float(smallest),
        more=_more(found, level, asked.margin) if verdict == INCONCLUSIVE else None,
    )


def _more(found: Paired, level: float, margin: float) -> int | None:
    """Scenes that are lacking for a verdict if difference and spread stay as they look now."""
    if found.count == 1:
        return None
    mean = float(found.mean)
    if bool(found.flat):
        count = found.count
        while sign_test(count) > level:
            count += 1
        return count - found.count
    # Inside the margin the verdict to come is `no worse`, beyond it `regressed`.
    distance = mean + margin if mean > -margin else -mean
    needed = scenes_needed(distance, float(found.sd), level)
    return None if needed is None else max(1, needed - found.count)


def gravest(words: Sequence[str]) -> str:
    """One word for several metrics; `no worse` where there are none."""
    order = (REGRESSED, INCONCLUSIVE, IMPROVED, NO_WORSE)
    return next((word for word in order if word in words), NO_WORSE)


def margin_for(margins: Mapping[str, float], suite: str, metric: str) -> float:
    """The margin of `suite.metric`, else of `metric`, else the one for all (`*`), else 0."""
    for key in (f"{suite}.{metric}", metric, "*"):
        if key in margins:
            return float(margins[key])
    return 0.0
