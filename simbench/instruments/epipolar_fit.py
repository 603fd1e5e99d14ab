"""Fundamental and essential matrices and homographies of matches with outliers, robust and refined.

OpenCV's answers are checked, not trusted: its estimators return None, empty arrays or several matrices on
top of each other. Thresholds are px throughout; with intrinsics the points go in as rays and the threshold
is divided by the focal length here, because the unit that OpenCV's overload with two cameras expects is
not one (issues 17551 and 17816 of its tracker).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from simbench.metrics.epipolar import fundamental, sampson
from simbench.metrics.reprojection import to_camera, triangulate

Error = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
TRIALS, CONFIDENCE = 5000, 0.9999
STARTS = (0.5, 1.0, 2.0)
"""Factors on the threshold that give an essential matrix each to start from: a short way sideways and a turn
look alike, so that the cost has more than one valley."""

ROUNDS = 3
"""Refinements: what agrees, and how well, is found anew after each."""


def homography(a: np.ndarray, b: np.ndarray, threshold: float) -> np.ndarray | None:
    """[3, 3] px that takes `a` [N, 2] px to `b` [N, 2] px within `threshold` px; None if there is none."""
    import cv2

    try:
        # In OpenCV's order: matches, method, threshold, mask, trials, confidence.
        found, _ = cv2.findHomography(a, b, cv2.USAC_MAGSAC, threshold, None, TRIALS, CONFIDENCE)
    except cv2.error:
        return None
    return _matrix(found)


def homography_error(plane: np.ndarray | None, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The larger distance [N] px of a match to where `plane` puts it, there and back; infinite without it."""
    if plane is None or abs(np.linalg.det(plane)) < 1e-12:
        return np.full(len(a), np.inf)
    there, back = carried(plane, a), carried(np.linalg.inv(plane), b)
    return np.fmax(np.hypot(*(there - b).T), np.hypot(*(back - a).T))


def carried(plane: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Where a homography [3, 3] px takes `uv` [N, 2] px; NaN at infinity."""
    full = np.concatenate([uv, np.ones((len(uv), 1))], axis=1) @ plane.T
    return full[:, :2] / np.where(np.abs(full[:, 2:]) > 1e-12, full[:, 2:], np.nan)


def refined_fundamental(a: np.ndarray, b: np.ndarray, threshold: float) -> np.ndarray | None:
    """Fundamental matrix [3, 3], px, Frobenius norm 1, of matches [N, 2] px; None if none was found.

    OpenCV 5.0's USAC stops at an assertion of its own (usac/estimator.cpp:418) for 1 in 150 sets of matches
    of a small step, and for nine in ten orders of them: there the older RANSAC is the start.
    """
    start = _fundamental(a, b, threshold)
    if start is None:
        return None
    for _ in range(ROUNDS):
        start = _refine_fundamental(start, a, b, threshold)
    return start


def _fundamental(a: np.ndarray, b: np.ndarray, threshold: float) -> np.ndarray | None:
    import cv2

    for method in (cv2.USAC_MAGSAC, cv2.FM_RANSAC):
        try:
            found, _ = cv2.findFundamentalMat(a, b, method, threshold, CONFIDENCE, TRIALS)
        except cv2.error:
            continue
        start = _matrix(found)
        if start is not None:
            return start
    return None


def refined_pose(
    a: np.ndarray,
    b: np.ndarray,
    cameras: tuple[np.ndarray, np.ndarray],
    threshold: float,
    f: np.ndarray | None = None,
) -> np.ndarray | None:
    """Pose [4, 4] of the second camera in the first's frame, the baseline of length 1, of matches [N, 2] px.

    Refined from the essential matrix of USAC_MAGSAC and, if given, from the one nearest to `f` [3, 3] px; the
    better one is kept. Of the four poses of a matrix the one with most points before both cameras. None if
    there is none.
    """
    import cv2

    rays = [_rays(p, k) for p, k in zip((a, b), cameras, strict=True)]
    reach = threshold / float(np.mean([k[i, i] for k in cameras for i in (0, 1)]))
    starts = [None if f is None else cameras[1].T @ f @ cameras[0]]
    for factor in STARTS:
        try:
            found, _ = cv2.findEssentialMat(
                rays[0], rays[1], np.eye(3), cv2.USAC_MAGSAC, CONFIDENCE, factor * reach, TRIALS
            )
        except cv2.error:
            continue
        starts.append(_matrix(found))
    poses = []
    for start in starts:
        near = np.zeros(len(a), bool) if start is None else sampson_or_far(start, *rays) < 2 * reach
        if start is not None and near.sum() >= 6:
            best = max(_poses(start), key=lambda p: _before(p, rays[0][near], rays[1][near]))
            for _ in range(ROUNDS):
                best = _refine_pose(best, a, b, cameras, threshold)
            poses.append(best)
    return min(poses, key=lambda p: _cost(fundamental_of(p, cameras), a, b, threshold), default=None)


def fundamental_of(pose: np.ndarray, cameras: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Fundamental matrix [3, 3], px, of a relative pose [4, 4]."""
    return fundamental(np.eye(4), pose, *cameras)


def sampson_or_far(f: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sampson distances [N], px; infinite where they are not defined."""
    return np.nan_to_num(sampson(f, a, b), nan=np.inf)


def turn_error(a: np.ndarray, b: np.ndarray, cameras: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Distances [N] px of `b` [N, 2] px to where a camera that only turned would see `a` [N, 2] px.

    The turn is the best one for the rays (Kabsch 1976).
    """
    first, second = (
        _unit(np.concatenate([_rays(p, k), np.ones((len(p), 1))], axis=1))
        for p, k in zip((a, b), cameras, strict=True)
    )
    u, _, v = np.linalg.svd(second.T @ first)
    turn = u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ v))]) @ v
    seen = first @ turn.T @ cameras[1].T
    ahead = np.where(seen[:, 2:] > 1e-9, seen[:, 2:], np.nan)
    return np.nan_to_num(np.hypot(*(seen[:, :2] / ahead - b).T), nan=np.inf)


def _cost(f: np.ndarray, a: np.ndarray, b: np.ndarray, threshold: float) -> float:
    """Sum of log(1 + (d / s)^2) of the Sampson distances d, s a fifth of `threshold`: many small errors with
    some large ones are better than all of them middling. What is beyond the threshold counts as there."""
    far = np.minimum(sampson_or_far(f, a, b), threshold)
    return float(np.log1p((5.0 * far / threshold) ** 2).sum())


def _scale(f: np.ndarray, a: np.ndarray, b: np.ndarray, threshold: float) -> float:
    """Standard deviation of the errors by their median, px, from a twentieth of `threshold` to half of it."""
    middle = 1.4826 * float(np.median(sampson_or_far(f, a, b)))
    return min(max(middle, threshold / 20), threshold / 2)


def _matrix(found: object) -> np.ndarray | None:
    """The first 3 x 3 of what OpenCV returned; None unless it is there and finite."""
    out = None if found is None else np.asarray(found, dtype=np.float64)
    if out is None or out.ndim != 2 or out.shape[0] < 3 or out.shape[1] != 3 or not np.isfinite(out).all():
        return None
    return out[:3] if np.abs(out[:3]).max() > 0 else None


def _rays(uv: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """Image points [N, 2] at focal length 1."""
    full = np.concatenate([uv, np.ones((len(uv), 1))], axis=1) @ np.linalg.inv(camera).T
    return full[:, :2] / full[:, 2:]


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _normaliser(uv: np.ndarray) -> np.ndarray:
    """Hartley's similarity: centroid at 0, mean distance the root of 2."""
    middle = uv.mean(axis=0)
    scale = np.sqrt(2.0) / max(float(np.hypot(*(uv - middle).T).mean()), 1e-9)
    return np.array([[scale, 0.0, -scale * middle[0]], [0.0, scale, -scale * middle[1]], [0.0, 0.0, 1.0]])


def _refine_fundamental(start: np.ndarray, a: np.ndarray, b: np.ndarray, threshold: float) -> np.ndarray:
    """Robust least squares (Cauchy) of the signed Sampson distances of what agrees, over U diag(1, s, 0) V.

    That has 7 parameters: those of both rotations, and s (Bartoli and Sturm, PAMI 2004).
    """
    from scipy.optimize import least_squares
    from scipy.spatial.transform import Rotation

    ta, tb = _normaliser(a), _normaliser(b)
    u, s, v = np.linalg.svd(np.linalg.inv(tb).T @ start @ np.linalg.inv(ta))
    near = sampson_or_far(start, a, b) < 2 * threshold
    if near.sum() < 8 or s[0] <= 0:
        return start / np.linalg.norm(start)

    def matrix(x: np.ndarray) -> np.ndarray:
        """The fundamental matrix, px, of 7 parameters about the start."""
        left, right = Rotation.from_rotvec(x[:3]).as_matrix(), Rotation.from_rotvec(x[3:6]).as_matrix()
        middle = (u @ left) @ np.diag([1.0, s[1] / s[0] + x[6], 0.0]) @ (right @ v)
        out = tb.T @ middle @ ta
        return out / np.linalg.norm(out)

    found = least_squares(
        lambda x: _signed(matrix(x), a[near], b[near]),
        np.zeros(7),
        loss="cauchy",
        f_scale=_scale(start, a[near], b[near], threshold),
    )
    return matrix(found.x)


def _refine_pose(
    start: np.ndarray, a: np.ndarray, b: np.ndarray, cameras: tuple[np.ndarray, np.ndarray], threshold: float
) -> np.ndarray:
    """The same, over the 5 parameters of a relative pose [4, 4] with a baseline of length 1."""
    from scipy.optimize import least_squares
    from scipy.spatial.transform import Rotation

    near = sampson_or_far(fundamental_of(start, cameras), a, b) < 2 * threshold
    if near.sum() < 6:
        return start
    # Two directions across the baseline: it moves on the sphere.
    across = np.linalg.svd(start[None, :3, 3])[2][1:]

    def pose(x: np.ndarray) -> np.ndarray:
        """The pose of 5 parameters about the start."""
        out = np.eye(4)
        out[:3, :3] = Rotation.from_rotvec(x[:3]).as_matrix() @ start[:3, :3]
        shift = start[:3, 3] + x[3:] @ across
        out[:3, 3] = shift / np.linalg.norm(shift)
        return out

    found = least_squares(
        lambda x: _signed(fundamental_of(pose(x), cameras), a[near], b[near]),
        np.zeros(5),
        loss="cauchy",
        f_scale=_scale(fundamental_of(start, cameras), a[near], b[near], threshold),
    )
    return pose(found.x)


def _signed(f: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sampson distances [N] px with their sign: smooth through 0, where the root is not."""
    one, two = (np.concatenate([p, np.ones((len(p), 1))], axis=1) for p in (a, b))
    there, back = one @ f.T, two @ f
    below = np.sqrt((there[:, :2] ** 2).sum(axis=1) + (back[:, :2] ** 2).sum(axis=1))
    return (there * two).sum(axis=1) / np.maximum(below, 1e-12)


def _poses(essential: np.ndarray) -> list[np.ndarray]:
    """The four relative poses [4, 4] of an essential matrix (Hartley and Zisserman 9.6.2)."""
    u, _, v = np.linalg.svd(essential)
    u, v = u * np.sign(np.linalg.det(u)), v * np.sign(np.linalg.det(v))
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    out = []
    for turn in (u @ quarter @ v, u @ quarter.T @ v):
        for sign in (1.0, -1.0):
            pose = np.eye(4)
            pose[:3, :3], pose[:3, 3] = turn, sign * u[:, 2]
            out.append(pose)
    return out


def _before(pose: np.ndarray, first: np.ndarray, second: np.ndarray) -> int:
    """How many matches of rays [N, 2] lie before both cameras."""
    uv, poses = np.stack([first, second]), np.stack([np.eye(4), pose])
    points = triangulate(uv, np.ones(uv.shape[:2], bool), poses, np.tile(np.eye(3), (2, 1, 1)), steps=0)
    return int((to_camera(points, poses)[..., 2] > 0).all(axis=0).sum())
