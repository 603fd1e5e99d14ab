"""From runs and scenes to what can be said of growth: the law, its intervals, and where there is no law.

Intervals resample scenes, the same for all runs, and the deviations of training seeds from the mean of their
budget, pooled over budgets (both at once overstates what a run and a scene do together: Owen 2007, "The
pigeonhole bootstrap"). Each draw is widened by sqrt(df / chi2_df), so that few seeds give the width of
Student's t. Where every budget has one seed, the deviations from the curve stand for those of seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reports.scaling.power import LEAST_B, Law, fit

BUDGETS, FREE_BUDGETS, FREE_RANGE = 3, 6, 100.0
SAME = 1.05
"""Budgets within 5 % of each other are one."""
DRAWS = 1000
WIDEST = 5.0
"""An interval of b whose ends differ by more than this factor does not identify b."""
UNEXPLAINED, CHANCE = 0.25, 0.05
"""A law that leaves more than a quarter of how budgets differ is none, where seeds and scenes would leave as
much in less than 1 of 20 draws."""
HALF = 50.0


@dataclass(frozen=True)
class Points:
    """Errors of runs, E = 100 - S or a loss: `values` [R, scenes] at `compute` [R] FLOPs. `floor` [scenes] is
    the error of the observer, None where there is none. `relative`: errors spread with their size, as losses
    do."""

    names: tuple[str, ...]
    compute: np.ndarray
    values: np.ndarray
    floor: np.ndarray | None = None
    relative: bool = False


@dataclass(frozen=True)
class Range:
    """A value with its 95 % interval; `high` None where there is no upper end."""

    value: float
    low: float
    high: float | None


@dataclass(frozen=True)
class LeftOut:
    """b without one run."""

    name: str
    b: float


@dataclass(frozen=True)
class Fit:
    """What the runs say. `why` is empty, or says why b is `not identified`; `law` is drawn all the same.

    `free` tells whether E_inf was fitted. `half` is the compute that reaches S = 50, None where that is not
    identified or never reached (`half_why`). `draws` [draws] are the resampled laws.
    """

    law: Law
    draws: Law
    b: Range
    e_inf: Range
    free: bool
    seeds: bool
    why: str
    half: Range | None
    half_why: str
    left_out: tuple[LeftOut, ...]


def budgets(compute: np.ndarray) -> np.ndarray:
    """The number of the budget [R] of each run, from the smallest; runs within SAME of the first are one."""
    order = np.argsort(compute, kind="stable")
    found = np.zeros(len(compute), int)
    number, first = -1, 0.0
    for i in order:
        if number < 0 or compute[i] > first * SAME:
            number, first = number + 1, float(compute[i])
        found[i] = number
    return found


def free_floor(compute: np.ndarray) -> bool:
    """Whether there are enough budgets, and far enough apart, to fit E_inf. Whole steps miss a budget by a
    little, so that 100-fold is meant up to SAME."""
    spread = float(np.max(compute) / np.min(compute))
    return len(np.unique(budgets(compute))) >= FREE_BUDGETS and spread >= FREE_RANGE / SAME


def fitted(points: Points, seed: int = 0, draws: int = DRAWS) -> Fit:
    """The law through `points`. ValueError with fewer than BUDGETS budgets or values that are not finite."""
    group = budgets(points.compute)
    if len(np.unique(group)) < BUDGETS:
        raise ValueError(f"{len(np.unique(group))} budgets: a law needs {BUDGETS} or more")
    if not np.all(np.isfinite(points.values)):
        raise ValueError("an error is not finite")
    free = free_floor(points.compute)
    fixed = None if free else (0.0 if points.floor is None else float(points.floor.mean()))
    mean = points.values.mean(1)
    scale = _scale(points, group)
    law = fit(points.compute, mean, scale, fixed)
    rng = np.random.default_rng(seed)
    noise, floor, seeds = _noise(points, group, law, 3 if free else 2, rng, draws)
    resampled = fit(points.compute, law.at(points.compute) + noise, scale, None if free else floor)
    b = _range(float(law.b), resampled.b)
    why = _above(mean, group, scale, fixed) or _unidentified(law, resampled, b)
    why = why or _misfit(points, group, law, noise, resampled)
    half, half_why = _half(law, resampled, why, points.relative)
    return Fit(
        law=law,
        draws=resampled,
        b=b,
        e_inf=_range(float(law.e_inf), resampled.e_inf),
        free=free,
        seeds=seeds,
        why=why,
        half=half,
        half_why=half_why,
        left_out=_left_out(points, group, mean, scale, fixed),
    )


def _scale(points: Points, group: np.ndarray) -> np.ndarray:
    """In what residuals count: the standard error over scenes with the spread of seeds, never 0."""
    values, mean = points.values, points.values.mean(1)
    scenes = values.shape[1]
    own = values.var(1, ddof=1) / scenes if scenes > 1 else np.zeros(len(mean))
    pool = seed_pool(mean, group)
    least = max(1e-3 * float(np.ptp(mean)), 1e-6 * float(np.abs(mean).max()), 1e-9)
    if points.relative:
        return np.maximum(0.01 * np.abs(mean), least)
    spread = own + (0.0 if pool is None else float((pool**2).mean()))
    found: np.ndarray = np.maximum(np.sqrt(np.maximum(spread, np.median(spread) / 4)), least)
    return found


def seed_pool(mean: np.ndarray, group: np.ndarray) -> np.ndarray | None:
    """Deviations of runs from the mean of their budget, brought to the spread of seeds; None without two."""
    found: list[float] = []
    for number in np.unique(group):
        part = mean[group == number]
        if len(part) > 1:
            found += list((part - part.mean()) * np.sqrt(len(part) / (len(part) - 1)))
    return np.asarray(found) if found else None


def _sizes(mean: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The mean [R] over the seeds of each run's budget."""
    return _above_nothing(np.bincount(group, np.abs(mean)) / np.bincount(group))[group]


def _above_nothing(sizes: np.ndarray) -> np.ndarray:
    """Sizes [G] to divide by: a loss of 0 has no spread relative to itself."""
    found: np.ndarray = np.maximum(sizes, 1e-9 * max(float(sizes.max()), 1e-300))
    return found


def _noise(
    points: Points, group: np.ndarray, law: Law, numbers: int, rng: np.random.Generator, draws: int
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Deviations of runs [draws, R], the observer's error [draws], and whether seeds were seen apart."""
    values, mean = points.values, points.values.mean(1)
    runs, scenes = values.shape
    # Losses keep their spread relative to the size of their budget's mean.
    size = _sizes(mean, group) if points.relative else np.ones(runs)
    weights = scene_weights(scenes, rng, draws)
    noise, floor = weights @ values.T, np.zeros(draws)
    if points.floor is not None:
        floor += points.floor.mean() + weights @ points.floor
    pool = seed_pool(mean / size, group)
    seeds = pool is not None
    if pool is None:
        pool = (mean - law.at(points.compute)) / size * np.sqrt(runs / (runs - numbers))
        df = runs - numbers
    else:
        df = len(pool) - len({int(g) for g in group if (group == g).sum() > 1})
    drawn = rng.choice(pool, size=(draws, runs)) * student(df, rng, draws)[:, None]
    return noise + drawn * size, floor, seeds


def scene_weights(scenes: int, rng: np.random.Generator, draws: int) -> np.ndarray:
    """What resampled scenes add to a mean over them: [draws, scenes], to be multiplied by values; 0 for one
    scene, of which nothing can be resampled."""
    if scenes < 2:
        return np.zeros((draws, scenes))
    weights = rng.multinomial(scenes, np.full(scenes, 1 / scenes), size=draws) / scenes - 1 / scenes
    wide = np.sqrt(scenes / (scenes - 1)) * student(scenes - 1, rng, draws)
    found: np.ndarray = weights * wide[:, None]
    return found


def student(df: int, rng: np.random.Generator, draws: int) -> np.ndarray:
    """What widens normal draws to Student's t of `df` degrees."""
    found: np.ndarray = np.sqrt(df / rng.chisquare(df, draws))
    return found


def _range(value: float, draws: np.ndarray) -> Range:
    low, high = np.quantile(draws, [0.025, 0.975], method="inverted_cdf")
    return Range(value, float(low), float(high) if np.isfinite(high) else None)


def _above(mean: np.ndarray, group: np.ndarray, scale: np.ndarray, fixed: float | None) -> str:
    """Whether a budget is better than the E_inf that is fixed, by more than its noise: then that is none."""
    if fixed is None:
        return ""
    for number in np.unique(group):
        mine = group == number
        best = float(mean[mine].mean())
        if best < fixed - 2 * float(scale[mine].max()):
            return (
                f"E is {best:.3g} at a budget, below the E_inf that is fixed to the observer's, {fixed:.3g}"
            )
    return ""


def _unidentified(law: Law, draws: Law, b: Range) -> str:
    """Why b is no number; empty where it is one."""
    if float(law.a) <= 0:
        return "the error does not fall with compute"
    if float(law.b) <= LEAST_B * 1.01:
        return "the error hardly falls with compute: by less than 3 % per decade"
    if bool(law.bound()):
        return f"the best b, {b.value:.3g}, is where the search ends"
    stuck = float(draws.bound().mean())
    if stuck > 0.025:
        return f"{stuck:.0%} of the resampled fits end where the search ends or do not fall"
    if b.high is not None and b.high > WIDEST * b.low:
        return f"b lies between {b.low:.2g} and {b.high:.2g}, more than a factor of {WIDEST:g} apart"
    return ""


def _misfit(points: Points, group: np.ndarray, law: Law, noise: np.ndarray, draws: Law) -> str:
    """Why the budgets follow no power law: one that went up and down again has a best b as well. Only seeds
    of one budget can tell: without them what the curve leaves counts as theirs."""
    compute, mean, count = points.compute, points.values.mean(1), np.bincount(group)
    size = np.ones(len(count))
    if points.relative:
        size = _above_nothing(np.abs(np.bincount(group, mean) / count))
    share_of = (group[:, None] == np.arange(len(count))) / (count * size)

    def squares(off: np.ndarray) -> np.ndarray:
        """Sum over runs of the squares of the means [..., R] of their budgets."""
        total: np.ndarray = (count * (off @ share_of) ** 2).sum(-1)
        return total

    left, differ = float(squares(mean - law.at(compute))), float(squares(mean - mean.mean()))
    usual = squares(law.at(compute) + noise - draws.at(compute))
    if left <= UNEXPLAINED * differ or float((usual >= left).mean()) > CHANCE:
        return ""
    share = f"{left / differ:.0%}" if left < differ else "all"
    return (
        f"the budgets follow no power law: the best one leaves {share} of how they differ, more than seeds"
        " and scenes do"
    )


def _half(law: Law, draws: Law, why: str, relative: bool) -> tuple[Range | None, str]:
    """Compute that reaches S = 50."""
    if relative:
        return None, "a loss has no S"
    if why:
        return None, "b is not identified"
    value = float(law.reached(HALF))
    if not np.isfinite(value):
        return None, f"never: E_inf is {float(law.e_inf):.1f}, so S stays below {HALF:g}"
    return _range(value, draws.reached(HALF)), ""


def _left_out(
    points: Points, group: np.ndarray, mean: np.ndarray, scale: np.ndarray, fixed: float | None
) -> tuple[LeftOut, ...]:
    """b without each run in turn, where two budgets, or four for a free E_inf, are left."""
    found = []
    for i, name in enumerate(points.names):
        rest = np.arange(len(mean)) != i
        if len(np.unique(group[rest])) >= (2 if fixed is not None else 4):
            law = fit(points.compute[rest], mean[rest], scale[rest], fixed)
            found.append(LeftOut(name, float(law.b)))
    return tuple(found)


def most_moved(found: Fit) -> LeftOut | None:
    """The run whose absence moves b the most, as a factor."""
    b = float(found.law.b)
    rest: Sequence[LeftOut] = found.left_out
    return max(rest, key=lambda part: abs(np.log(part.b / b)), default=None)
