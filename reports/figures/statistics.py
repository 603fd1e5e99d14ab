"""Statistics over scenes for tables and curves: t intervals, paired tests with Holm, bootstrap of curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

BOOTSTRAP_FROM = 32
"""Scenes below which a percentile bootstrap covers too little to be drawn."""

DRAWS = 2000


def t_interval(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Mean and two-sided 95 % Student t interval; no interval for a single value."""
    from scipy.special import stdtrit

    count = len(values)
    mean = math.fsum(values) / count
    if count < 2:
        return mean, None, None
    sd = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (count - 1))
    half = float(stdtrit(count - 1, 0.975)) * sd / math.sqrt(count)
    return mean, mean - half, mean + half


def paired_p(differences: Sequence[float]) -> float:
    """Two-sided p of a t test that the mean difference is 0; 1 where fewer than two scenes tell.

    Where every scene differs by the same amount there is no spread to divide by: the exact sign test.
    """
    from scipy.special import stdtr

    count = len(differences)
    if count < 2:
        return 1.0
    mean = math.fsum(differences) / count
    sd = math.sqrt(math.fsum((d - mean) ** 2 for d in differences) / (count - 1))
    if sd <= 1e-12 * max(1.0, abs(mean)):
        return 1.0 if abs(mean) <= 1e-12 else min(1.0, 2.0 ** (1 - count))
    return 2.0 * float(stdtr(count - 1, -abs(mean) / (sd / math.sqrt(count))))


def holm(ps: Sequence[float], level: float = 0.05) -> list[bool]:
    """Which of several hypotheses are rejected at a familywise level (Holm 1979)."""
    rejected = [False] * len(ps)
    for rank, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        if ps[i] > level / (len(ps) - rank):
            break
        rejected[i] = True
    return rejected


def best(values: Mapping[str, Mapping[str, float]], upwards: bool) -> set[str]:
    """Names whose scene values (name -> scene -> value) a paired test cannot tell from the best; with one
    name alone, or fewer than two common scenes, none: there is nothing that a test could say."""
    scenes = sorted(set.intersection(*(set(v) for v in values.values()))) if values else []
    if len(values) < 2 or len(scenes) < 2:
        return set()
    sign = 1.0 if upwards else -1.0
    means = {name: sign * math.fsum(v[s] for s in scenes) / len(scenes) for name, v in values.items()}
    top = max(sorted(means), key=lambda name: means[name])
    others = [name for name in sorted(values) if name != top]
    ps = [paired_p([values[top][s] - values[name][s] for s in scenes]) for name in others]
    return {top} | {name for name, worse in zip(others, holm(ps), strict=True) if not worse}


def bootstrap(
    sums: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Ratio of sums to counts per column and its 95 % percentile band, scenes resampled as wholes.

    `sums` and `counts` are [scenes, columns]. Without a band below BOOTSTRAP_FROM scenes; seeded, so that
    equal files give equal bands.
    """
    total = counts.sum(axis=0)
    centre = np.where(total > 0, sums.sum(axis=0) / np.maximum(total, 1e-12), np.nan)
    scenes = len(sums)
    if scenes < BOOTSTRAP_FROM:
        return centre, None, None
    generator = np.random.default_rng(0)
    weights = generator.multinomial(scenes, np.full(scenes, 1 / scenes), size=DRAWS).astype(float)
    below = weights @ counts
    drawn = np.where(below > 0, (weights @ sums) / np.maximum(below, 1e-12), centre)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return centre, low, high
