"""From world points to pixels and back: reprojection errors, triangulation, and errors of depth.

Cameras are poses [T, 4, 4] (world to camera, m) and intrinsics [T, 3, 3] (px).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simbench.metrics._shapes import shaped
from simbench.metrics.trajectory import eyes

DELTA = 1.25
"""Ratio of two depths within which they are called alike (Eigen et al., NIPS 2014)."""


@dataclass(frozen=True)
class Warped:
    """What the first view says of each of its pixels [H, W] in the second: `expected` depth m and place `uv`
    [H, W, 2] px there, `sampled` the second view's own depth m at the nearest pixel, `valid` bool."""

    expected: np.ndarray
    sampled: np.ndarray
    uv: np.ndarray
    valid: np.ndarray


def to_camera(points: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """World points [T, P, 3] or, the same in all frames, [P, 3], m, in each camera's frame [T, P, 3] m."""
    p = shaped("poses", poses, "T 4 4", {})
    x = shaped("points", points, "... P 3", {})
    if x.ndim > 3 or (x.ndim == 3 and len(x) != len(p)):
        raise ValueError(f"points has shape {list(x.shape)}; give [{len(p)}, P, 3] or [P, 3]")
    return x @ np.swapaxes(p[:, :3, :3], 1, 2) + p[:, None, :3, 3]


def project(points: np.ndarray, poses: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Pixels [T, P, 2] of world `points` [T, P, 3] or [P, 3] m; NaN for what lies behind the eye.

    Cameras are `poses` [T, 4, 4] and `intrinsics` [T, 3, 3].
    """
    x = to_camera(points, poses)
    k = shaped("intrinsics", intrinsics, "T 3 3", {"T": len(x)})
    depth = np.where(x[..., 2:] > 0, x[..., 2:], np.nan)
    return ((x / depth) @ np.swapaxes(k, 1, 2))[..., :2]


def reprojection_error(
    points: np.ndarray, uv: np.ndarray, poses: np.ndarray, intrinsics: np.ndarray
) -> np.ndarray:
    """Distances [T, P] px between observed `uv` [T, P, 2] and `points` [T, P, 3] or [P, 3] m projected.

    Cameras are `poses` [T, 4, 4] and `intrinsics` [T, 3, 3]. NaN where a point lies behind the eye or was
    not observed.
    """
    shown = project(points, poses, intrinsics)
    seen = shaped("uv", uv, "T P 2", {"T": shown.shape[0], "P": shown.shape[1]})
    return np.sqrt(((shown - seen) ** 2).sum(axis=-1))


def triangulate(
    uv: np.ndarray, seen: np.ndarray, poses: np.ndarray, intrinsics: np.ndarray, steps: int = 10
) -> np.ndarray:
    """World points [P, 3] m from pixels `uv` [T, P, 2] where `seen` bool [T, P]; NaN with fewer than two
    views.

    Linear (direct linear transformation on rays, Hartley and Zisserman 12.2), then at most `steps` of
    Gauss-Newton on the squared reprojection error in px^2, each kept only where it lowers a point's error.
    """
    sizes: dict[str, int] = {}
    pixels, used = shaped("uv", uv, "T P 2", sizes), shaped("seen", seen, "T P", sizes, "bool")
    p, k = shaped("poses", poses, "T 4 4", sizes), shaped("intrinsics", intrinsics, "T 3 3", sizes)
    pixels = np.where(used[..., None], pixels, 0.0)
    out = _linear(pixels, used, p, k)
    cost, step = _newton(out, pixels, used, p, k)
    for _ in range(steps):
        trial = out + step
        lower, after = _newton(trial, pixels, used, p, k)
        better = lower < cost
        if not better.any():
            break
        out = np.where(better[:, None], trial, out)
        cost, step = np.where(better, lower, cost), np.where(better[:, None], after, step / 2)
    return np.where(used.sum(axis=0)[:, None] >= 2, out, np.nan)


def _linear(uv: np.ndarray, seen: np.ndarray, poses: np.ndarray, k: np.ndarray) -> np.ndarray:
    """The homogeneous least-squares point [P, 3] of all views; the null vector of each 4 x 4 normal matrix's
    SVD."""
    rays = np.concatenate([uv, np.ones((*uv.shape[:2], 1))], axis=-1) @ np.swapaxes(np.linalg.inv(k), 1, 2)
    rows = rays[..., :2, None] * poses[:, None, None, 2] - poses[:, None, :2]
    rows = np.where(seen[..., None, None], rows, 0.0)
    stacked = np.moveaxis(rows, 1, 0).reshape(uv.shape[1], 2 * len(uv), 4)
    # Each view's rows scaled to unit length: else views that look from afar weigh most.
    size = np.sqrt((stacked**2).sum(axis=-1, keepdims=True))
    stacked = stacked / np.where(size > 0, size, 1.0)
    null = np.linalg.svd(stacked, full_matrices=True)[2][:, -1]
    return null[:, :3] / np.where(np.abs(null[:, 3:]) > 1e-15, null[:, 3:], 1e-15)


def _newton(
    points: np.ndarray, uv: np.ndarray, seen: np.ndarray, poses: np.ndarray, k: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Squared reprojection error [P] px^2 (infinite behind an eye that sees the point) and the next step [P,
    3]."""
    x = points @ np.swapaxes(poses[:, :3, :3], 1, 2) + poses[:, None, :3, 3]
    behind = (x[..., 2] <= 0) & seen
    depth = np.where(x[..., 2:] > 0, x[..., 2:], 1.0)
    residual = ((x / depth) @ np.swapaxes(k, 1, 2))[..., :2] - uv
    residual = np.where(seen[..., None], residual, 0.0)
    slope = k[:, None, :2] / depth[..., None]
    slope = slope - ((k[:, None, :2] @ x[..., None]) / depth[..., None] ** 2) * np.array([0.0, 0.0, 1.0])
    jacobian = np.where(seen[..., None, None], slope @ poses[:, None, :3, :3], 0.0)
    normal = np.einsum("tpij,tpik->pjk", jacobian, jacobian)
    right = np.einsum("tpij,tpi->pj", jacobian, residual)
    ridge = 1e-12 * np.trace(normal, axis1=1, axis2=2)[:, None, None] + 1e-30
    step = -np.linalg.solve(normal + ridge * np.eye(3), right[..., None])[..., 0]
    cost = np.where(behind.any(axis=0), np.inf, (residual**2).sum(axis=(0, 2)))
    return cost, step


def baseline_angle(points: np.ndarray, seen: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """Largest angle [P] in degrees between two rays to each of `points` [P, 3] m, over the views that see it.

    `seen` bool [T, P], `poses` [T, 4, 4]. 0 with one view, NaN with none: triangulate only where it is large
    enough (about 2 degrees).
    """
    sizes: dict[str, int] = {}
    x = shaped("points", points, "P 3", sizes)
    used = shaped("seen", seen, "T P", sizes, "bool")
    p = shaped("poses", poses, "T 4 4", sizes)
    ray = x - eyes(p)[:, None]
    ray = ray / np.sqrt((ray**2).sum(axis=-1, keepdims=True))
    best = np.full(len(x), np.nan)
    for i in range(len(p)):
        # Half the chord, not the cosine: small angles keep their digits.
        chord = np.sqrt(((ray[i:] - ray[i]) ** 2).sum(axis=-1))
        angle = np.degrees(2.0 * np.arcsin(np.minimum(chord / 2.0, 1.0)))
        angle = np.where(used[i:] & used[i], angle, np.nan)
        best = np.fmax(best, np.fmax.reduce(angle, axis=0))
    return best


def absrel(made: np.ndarray, true: np.ndarray) -> float:
    """Mean of |made - true| / true of depths [N] m; no unit. NaN for none, or if one is NaN: what to leave
    out is the caller's to say. Not aligned in scale."""
    a, b = _pair(made, true)
    return float((np.abs(a - b) / b).mean()) if len(b) else float("nan")


def depth_error_median(made: np.ndarray, true: np.ndarray) -> float:
    """Median of |made - true| of depths [N] m, in m; NaN for none, or if one is NaN. Not aligned in scale."""
    a, b = _pair(made, true)
    return float(np.median(np.abs(a - b))) if len(b) else float("nan")


def depth_within(made: np.ndarray, true: np.ndarray, ratio: float = DELTA) -> float:
    """Share of depths [N] m with max(made / true, true / made) < `ratio`; no unit.

    What is NaN, 0 or negative is outside; NaN for no depth. Not aligned in scale.
    """
    a, b = _pair(made, true)
    good = (a > 0) & (a < ratio * b) & (b < ratio * a)
    return float(good.mean()) if len(b) else float("nan")


def _pair(made: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sizes: dict[str, int] = {}
    a, b = shaped("made", made, "N", sizes), shaped("true", true, "N", sizes)
    if not (b > 0).all():
        raise ValueError(f"true holds a depth of {b[~(b > 0)][0]:g} m; leave out what is not above 0")
    return a, b


def warp_first_to_second_nearest(
    first: np.ndarray, second: np.ndarray, poses: np.ndarray, intrinsics: np.ndarray, tolerance: float = 0.05
) -> Warped:
    """Depth maps [H, W] m (0 is sky) of two views held against each other, from the first into the second.

    Every pixel of the first is carried to the second by its depth, `poses` [2, 4, 4] and `intrinsics` [2, 3,
    3] (px), and meets there the nearest pixel of the second's depth map: no interpolation across edges.
    Valid is what has depth in both, falls inside, and is not hidden: the second's depth is not nearer than
    the expected by more than `tolerance` of it. That test also drops wrong depths of that sign, so look in
    both directions.
    """
    sizes: dict[str, int] = {}
    a, b = shaped("first", first, "H W", sizes), shaped("second", second, "H W", sizes)
    p, k = shaped("poses", poses, "2 4 4", {}), shaped("intrinsics", intrinsics, "2 3 3", {})
    height, width = a.shape
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    rays = np.stack([x, y, np.ones_like(x)], axis=-1) @ np.linalg.inv(k[0]).T
    world = (rays * a[..., None] - p[0, :3, 3]) @ p[0, :3, :3]
    there = world @ p[1, :3, :3].T + p[1, :3, 3]
    front = (a > 0) & (there[..., 2] > 0)
    depth = np.where(front, there[..., 2], np.nan)
    uv = ((there / depth[..., None]) @ k[1].T)[..., :2]
    inside = front & (uv >= 0).all(axis=-1) & (uv[..., 0] < width) & (uv[..., 1] < height)
    cell = np.where(inside[..., None], np.floor(uv), 0.0).astype(np.int64)
    sampled = np.where(inside, b[cell[..., 1], cell[..., 0]], np.nan)
    valid = inside & (sampled > 0) & (sampled >= (1.0 - tolerance) * np.where(front, depth, 0.0))
    return Warped(depth, sampled, uv, valid)
