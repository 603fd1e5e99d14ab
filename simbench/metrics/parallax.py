"""Parallax against the best homography: what a flat picture could do, moved as well as it can be, is zero."""

from __future__ import annotations

import numpy as np

from simbench.metrics._shapes import shaped

ROUNDS = 15


def best_homography(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """`source` [N, 2] px moved by the homography with the least sum of distances to `target` [N, 2] px.

    Least squares to start with (direct linear transform, Hartley and Zisserman, section 4.1, normalised),
    then reweighted towards the sum of distances. With fewer than 5 points any motion is a homography and
    `target` comes back.
    """
    sizes: dict[str, int] = {}
    source, target = shaped("source", source, "N 2", sizes), shaped("target", target, "N 2", sizes)
    if len(source) < 5:
        return target.copy()
    middle, spread = source.mean(axis=0), max(float(source.std()), 1e-9)
    x = np.column_stack([(source - middle) / spread, np.ones(len(source))])
    goal = (target - middle) / spread
    matrix = _linear(x, goal)
    best = _apply(matrix, x)
    for _ in range(ROUNDS):
        made = _apply(matrix, x)
        if np.hypot(*(made - goal).T).sum() < np.hypot(*(best - goal).T).sum():
            best = made
        matrix = _step(matrix, x, goal)
    return best * spread + middle


def _linear(x: np.ndarray, goal: np.ndarray) -> np.ndarray:
    rows = np.zeros((2 * len(x), 9))
    rows[::2, :3], rows[1::2, 3:6] = x, x
    rows[::2, 6:], rows[1::2, 6:] = -x * goal[:, :1], -x * goal[:, 1:]
    matrix = np.linalg.svd(rows, full_matrices=False)[2][-1].reshape(3, 3)
    return matrix / (matrix[2, 2] if abs(matrix[2, 2]) > 1e-12 else 1e-12)


def _apply(matrix: np.ndarray, x: np.ndarray) -> np.ndarray:
    made = x @ matrix.T
    scale = np.where(np.abs(made[:, 2]) > 1e-9, made[:, 2], 1e-9)
    return made[:, :2] / scale[:, None]


def _step(matrix: np.ndarray, x: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """One Gauss-Newton step on distances, each weighted by its inverse."""
    made = _apply(matrix, x)
    residual = made - goal
    over = x / np.where(np.abs(x @ matrix[2]) > 1e-9, x @ matrix[2], 1e-9)[:, None]
    design = np.zeros((len(x), 2, 8))
    design[:, 0, :3], design[:, 1, 3:6] = over, over
    design[:, :, 6:] = -made[:, :, None] * over[:, None, :2]
    weight = np.repeat((residual**2).sum(axis=1) + 1e-6, 2) ** -0.25
    change = np.linalg.lstsq(design.reshape(-1, 8) * weight[:, None], -residual.ravel() * weight, rcond=None)[
        0
    ]
    return np.asarray(matrix + np.append(change, 0.0).reshape(3, 3))


def flattened(true: np.ndarray, start: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Where the best homography of each frame takes the points, float64 [T, N, 2] px, NaN where not `seen`.

    `true` [T, N, 2] px; `start` [N, 2] px where the homography starts from; `seen` bool [T, N]: points that
    count.
    """
    sizes: dict[str, int] = {}
    true, start = shaped("true", true, "T N 2", sizes), shaped("start", start, "N 2", sizes)
    seen = shaped("seen", seen, "T N", sizes, "bool")
    out = np.full(true.shape, np.nan)
    for t, which in enumerate(seen):
        if which.any():
            out[t, which] = best_homography(start[which], true[t, which])
    return out


def capped_distance(made: np.ndarray, true: np.ndarray, seen: np.ndarray, cap: float) -> np.ndarray:
    """Summed distances per frame, float64 [T] px, between `made` and `true` [T, N, 2] px over the points
    `seen` bool [T, N]. None is above `cap` px, and a point without a place (NaN) costs `cap`."""
    sizes: dict[str, int] = {}
    made, true = shaped("made", made, "T N 2", sizes), shaped("true", true, "T N 2", sizes)
    seen = shaped("seen", seen, "T N", sizes, "bool")
    off = np.sqrt(((made - true) ** 2).sum(axis=-1))
    return np.where(seen, np.where(np.isfinite(off), np.minimum(off, cap), cap), 0.0).sum(axis=1)


def parallax_errors(
    found: np.ndarray, true: np.ndarray, start: np.ndarray, seen: np.ndarray, cap: float
) -> tuple[np.ndarray, np.ndarray]:
    """`capped_distance` per frame, float64 [T] px each: of the points `found` [T, N, 2] px (NaN where a point
    was not found) and of what `flattened` makes of `true` [T, N, 2] px from `start` [N, 2] px; `seen` bool
    [T, N]. Parallax fidelity is 1 - sum of the first / sum of the second.
    """
    plane = flattened(true, start, seen)
    return capped_distance(found, true, seen, cap), capped_distance(plane, true, seen, cap)
