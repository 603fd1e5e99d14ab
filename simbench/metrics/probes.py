"""Linear probes: how much of a quantity can be read from features by a ridge regression on other scenes.

Alain and Bengio, 1610.01644; the control with shuffled labels after Hewitt and Liang, 1909.03368.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simbench.metrics._shapes import shaped

PENALTIES = 10.0 ** np.arange(-4.0, 4.5)
"""Ridge penalties, in shares of the mean eigenvalue of the standardised features."""

BEYOND = 1.0
"""Deviations by which a feature of a held-out scene may leave the range of the fitted ones; more is cut."""


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
    groups: np.ndarray | None = None,
    folds: int = 5,
    seed: int = 0,
) -> Probed:
    """Ridge regression of `targets` [N, K] on `features` [N, D], cross-validated by `scenes` int [N].

    Rows of each of `strata` int [N] (None: one) have weights and a mean of their own, so that what a frame's
    number alone tells counts for nothing. Rows of each of `groups` int [N] (None: one) within a stratum share
    its weights but have a mean of their own, of features and of targets, so that to know the group alone
    counts for nothing either (the within estimator of panel data). Columns of targets (any unit) count alike,
    by their variance within groups in a stratum. R2 (no unit) is 1 - the sum of squared errors / the sum of
    squared distances from the mean, both on held-out scenes with the means of the others; it is negative for
    what is worse than those means. Features are standardised, and cut BEYOND the range that the fitted scenes
    have. The penalty is chosen on a quarter of the scenes that are fitted. The interval is that of the ratio,
    linearised by scene (Student t). Strata in which the targets never vary are left out, of `scenes` and
    `rows` as well.
    ValueError for fewer than `folds` scenes in a stratum, shapes that differ, numbers that are not finite,
    and targets that never vary.
    """
    width = np.shape(targets)[-1] if np.ndim(targets) else 0
    return probe_blocks(features, targets, np.zeros(width, int), scenes, strata, groups, folds, seed)[0]


def probe_blocks(
    features: np.ndarray,
    targets: np.ndarray,
    blocks: np.ndarray,
    scenes: np.ndarray,
    strata: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    folds: int = 5,
    seed: int = 0,
) -> list[Probed]:
    """`probe` of several targets of the same rows of `features` [N, D] and `scenes` int [N], side by side in
    `targets` [N, K] (any unit): R2 (no unit) and the rest for each of the numbers in `blocks` int [K], in
    their order, at hardly more than the cost of one.

    ValueError as of `probe`, and where the columns of a block never vary.
    """
    sizes: dict[str, int] = {}
    x = _finite("features", shaped("features", features, "N D", sizes))
    values = _finite("targets", shaped("targets", targets, "N K", sizes))
    names, place = np.unique(shaped("blocks", blocks, "K", sizes, "int"), return_inverse=True)
    whose = shaped("scenes", scenes, "N", sizes, "int")
    parts, kinds = (
        np.zeros(len(whose), int) if given is None else shaped(name, given, "N", sizes, "int")
        for name, given in (("strata", strata), ("groups", groups))
    )
    wrong, spread, read = (np.zeros((len(names), len(whose)), kind) for kind in (float, float, bool))
    largest = np.array([np.abs(values[:, place == block]).max() for block in range(len(names))])[place]
    for stratum in np.unique(parts):
        rows = np.flatnonzero(parts == stratum)
        every = np.ones(len(rows), bool)
        scale = (values[rows] - _means(values[rows], kinds[rows], every)).std(0)
        kept = scale > 1e-9 * np.maximum(largest, 1e-12)
        # What does not vary is 0 throughout, and so are its errors.
        y = np.where(kept, (values[rows] - values[rows].mean(0)) / np.where(kept, scale, 1.0), 0.0)
        made, mean = _held_out(x[rows], y, place, whose[rows], kinds[rows], folds, seed)
        for block in range(len(names)):
            own = place == block
            wrong[block, rows] = ((made - y)[:, own] ** 2).sum(1)
            spread[block, rows] = ((mean - y)[:, own] ** 2).sum(1)
            read[block, rows] = kept[own].any()
    if not spread.any(1).all():
        raise ValueError("the targets never vary, so there is nothing to read")
    return [_ratio(w[r], s[r], whose[r]) for w, s, r in zip(wrong, spread, read, strict=True)]


def _finite(name: str, values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        count = int((~np.isfinite(values)).sum())
        raise ValueError(f"{count} of {values.size} {name} are not finite; leave their rows out")
    return values


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
    x: np.ndarray,
    y: np.ndarray,
    blocks: np.ndarray,
    scenes: np.ndarray,
    groups: np.ndarray,
    folds: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions for every row from the other folds, and the means of its group in those. Each of `blocks`
    (0, 1, ..., by column) has a penalty of its own."""
    own = blocks[:, None] == np.arange(blocks.max() + 1)
    fold = split(scenes, folds, seed)
    made, mean = np.empty_like(y), np.empty_like(y)
    for k in range(folds):
        fitted, held = fold != k, fold == k
        inner = np.zeros(len(x), bool)
        inner[fitted] = split(scenes[fitted], 4, seed + 1) == 0
        outer = fitted & ~inner
        tried = _predicted(x, y, groups, outer, inner, PENALTIES[:, None])[0]
        errors = ((tried - y[inner]) ** 2).sum(1) @ own
        best = PENALTIES[errors.argmin(0)][blocks]
        found, mean[held] = _predicted(x, y, groups, fitted, held, best[None])
        made[held] = found[0]
    return made, mean


def _predicted(
    x: np.ndarray,
    y: np.ndarray,
    groups: np.ndarray,
    fitted: np.ndarray,
    asked: np.ndarray,
    penalties: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions [P, M, K] for rows `asked` by `penalties` [P, K or 1], and the means of their groups in
    `fitted`."""
    centred, mean = x - _means(x, groups, fitted), _means(y, groups, fitted)
    offset = _ridge(centred[fitted], (y - mean)[fitted], centred[asked], penalties)
    return offset + mean[asked], mean[asked]


def _means(values: np.ndarray, groups: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """For every row of `values` [N, D] the mean of its group's rows that are `fitted`; that of all of these
    where its group has none."""
    names, place = np.unique(groups, return_inverse=True)
    out = np.broadcast_to(values[fitted].mean(0), values.shape).copy()
    for number in range(len(names)):
        here = place == number
        if (here & fitted).any():
            out[here] = values[here & fitted].mean(0)
    return out


def _ridge(x: np.ndarray, y: np.ndarray, asked: np.ndarray, penalties: np.ndarray) -> np.ndarray:
    """Predictions [P, M, K] for rows `asked` by `penalties` [P, K or 1]; features are standardised on `x`."""
    centre, middle = x.mean(0), y.mean(0)
    scale = x.std(0)
    scale = np.where(scale > 1e-9 * max(float(scale.max()), 1e-12), scale, np.inf)
    a, b = (x - centre) / scale, y - middle
    # What one fitted scene barely lit has a tiny deviation, and was 1000 of them elsewhere: R2 of -21.
    wanted = np.clip((asked - centre) / scale, a.min(0) - BEYOND, a.max(0) + BEYOND)
    whole = len(x) * max(int(np.isfinite(scale).sum()), 1)
    if a.shape[1] > len(a):
        values, vectors = np.linalg.eigh(a @ a.T)
        left, right = (wanted @ a.T) @ vectors, vectors.T @ b
    else:
        values, vectors = np.linalg.eigh(a.T @ a)
        left, right = wanted @ vectors, vectors.T @ (a.T @ b)
    shares = penalties * whole / min(a.shape)
    eigen = np.maximum(values, 0.0)[:, None]
    return np.stack([left @ (right / (eigen + share)) for share in shares]) + middle


def _ratio(wrong: np.ndarray, spread: np.ndarray, scenes: np.ndarray) -> Probed:
    from scipy.stats import t

    names, place = np.unique(scenes, return_inverse=True)
    errors, sums = np.bincount(place, wrong), np.bincount(place, spread)
    ratio = errors.sum() / sums.sum()
    shifts = (errors - ratio * sums) / sums.mean()
    half = float(t.ppf(0.975, len(names) - 1)) * float(shifts.std(ddof=1)) / np.sqrt(len(names))
    r2 = 1.0 - float(ratio)
    return Probed(r2, r2 - float(half), r2 + float(half), len(names), len(scenes))
