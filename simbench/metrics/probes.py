"""Linear probes: how much of a quantity can be read from features by a ridge regression on other scenes.

Alain and Bengio, 1610.01644; the control with shuffled labels after Hewitt and Liang, 1909.03368.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simbench.metrics._shapes import shaped

PENALTIES = 10.0 ** np.arange(-4.0, 4.5)
"""Ridge penalties, in shares of the mean eigenvalue of the standardised features."""


@dataclass(frozen=True)
class Probed:
    """R2 (no unit) on scenes that were not fitted, with its two-sided 95 % interval over scenes; how many."""

    r2: float
    low: float
    high: float
    scenes: int
    rows: int


def probe(
    features: np.ndarray,
    targets: np.ndarray,
    scenes: np.ndarray,
    strata: np.ndarray | None = None,
    folds: int = 5,
    seed: int = 0,
) -> Probed:
    """Ridge regression of `targets` [N, K] on `features` [N, D], cross-validated by `scenes` int [N].

    Rows of each of `strata` int [N] (None: one) have weights and a mean of their own, so that what a frame's
    number alone tells counts for nothing. Columns of targets (any unit) count alike, by their variance in a
    stratum. R2 (no unit) is 1 - the sum of squared errors / the sum of squared distances from the mean, both
    on held-out scenes with the mean of the others; it is negative for what is worse than that mean. The
    penalty is chosen on a quarter of the scenes that are fitted. The interval is that of the ratio,
    linearised by scene (Student t).
    ValueError for fewer than `folds` scenes in a stratum, shapes that differ, and targets that never vary.
    """
    sizes: dict[str, int] = {}
    x = shaped("features", features, "N D", sizes)
    values = shaped("targets", targets, "N K", sizes)
    whose = shaped("scenes", scenes, "N", sizes, "int")
    parts = np.zeros(len(whose), int) if strata is None else shaped("strata", strata, "N", sizes, "int")
    wrong, spread = np.zeros(len(whose)), np.zeros(len(whose))
    for stratum in np.unique(parts):
        rows = np.flatnonzero(parts == stratum)
        scale = values[rows].std(0)
        kept = scale > 1e-9 * max(float(np.abs(values).max()), 1e-12)
        if not kept.any():
            continue
        y = values[rows][:, kept] / scale[kept]
        made, mean = _held_out(x[rows], y, whose[rows], folds, seed)
        wrong[rows], spread[rows] = ((made - y) ** 2).sum(1), ((mean - y) ** 2).sum(1)
    if not spread.any():
        raise ValueError("the targets never vary, so there is nothing to read")
    return _ratio(wrong, spread, whose)


def split(scenes: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold int [N] (no unit) of each row of `scenes` int [N]: all rows of a scene are in one.

    ValueError where scenes are fewer than folds.
    """
    scenes = shaped("scenes", scenes, "N", {}, "int")
    names = np.unique(scenes)
    if len(names) < folds:
        raise ValueError(f"{len(names)} scenes are fewer than {folds} folds; use more scenes")
    order = np.random.default_rng(seed).permutation(len(names))
    return (order % folds)[np.searchsorted(names, scenes)]


def _held_out(
    x: np.ndarray, y: np.ndarray, scenes: np.ndarray, folds: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions for every row from the other folds, and the means of those."""
    fold = split(scenes, folds, seed)
    made, mean = np.empty_like(y), np.empty_like(y)
    for k in range(folds):
        fitted, held = fold != k, fold == k
        inner = split(scenes[fitted], 4, seed + 1) == 0
        tried = _ridge(x[fitted][~inner], y[fitted][~inner], x[fitted][inner], PENALTIES)
        errors = ((tried - y[fitted][inner]) ** 2).sum((1, 2))
        best = PENALTIES[[int(errors.argmin())]]
        made[held] = _ridge(x[fitted], y[fitted], x[held], best)[0]
        mean[held] = y[fitted].mean(0)
    return made, mean


def _ridge(x: np.ndarray, y: np.ndarray, asked: np.ndarray, penalties: np.ndarray) -> np.ndarray:
    """Predictions [P, M, K] for rows `asked` by each penalty; features are standardised on `x`."""
    centre, middle = x.mean(0), y.mean(0)
    scale = x.std(0)
    scale = np.where(scale > 1e-9 * max(float(scale.max()), 1e-12), scale, np.inf)
    a, b, wanted = (x - centre) / scale, y - middle, (asked - centre) / scale
    whole = len(x) * max(int(np.isfinite(scale).sum()), 1)
    if a.shape[1] > len(a):
        values, vectors = np.linalg.eigh(a @ a.T)
        left, right = (wanted @ a.T) @ vectors, vectors.T @ b
    else:
        values, vectors = np.linalg.eigh(a.T @ a)
        left, right = wanted @ vectors, vectors.T @ (a.T @ b)
    shares = penalties * whole / min(a.shape)
    return (
        np.stack([left @ (right / (np.maximum(values, 0.0) + share)[:, None]) for share in shares]) + middle
    )


def _ratio(wrong: np.ndarray, spread: np.ndarray, scenes: np.ndarray) -> Probed:
    from scipy.stats import t

    names, place = np.unique(scenes, return_inverse=True)
    errors, sums = np.bincount(place, wrong), np.bincount(place, spread)
    ratio = errors.sum() / sums.sum()
    shifts = (errors - ratio * sums) / sums.mean()
    half = float(t.ppf(0.975, len(names) - 1)) * float(shifts.std(ddof=1)) / np.sqrt(len(names))
    r2 = 1.0 - float(ratio)
    return Probed(r2, r2 - float(half), r2 + float(half), len(names), len(scenes))
