"""The camera of one picture of a known world, from points found in it."""

from __future__ import annotations

import numpy as np

REACH_PX = 2.0
"""Reprojection error, px in an image 128 px high, up to which a point agrees with a camera."""

ROUNDS = 10
SURE = 0.8
"""Share of agreeing points with which RANSAC is not asked."""

HOPELESS = 0.3
"""Share of agreeing points below which an answer of RANSAC is not refined."""


def solve(
    points: np.ndarray, uv: np.ndarray, camera: np.ndarray, start: np.ndarray, reach: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """World to camera [4, 4] and the points that agree, bool [N], of `points` [N, 3] seen at `uv` [N, 2] px.

    Robust refinement from `start` [4, 4] and, unless nearly all points agree then, from the answer of
    USAC_MAGSAC; the camera on which more points agree wins. None: fewer than 6 points.
    """
    if len(points) < 6:
        return None
    here = refine(points, uv, camera, start, reach)
    agree = errors(points, uv, camera, here) < reach
    if agree.mean() > SURE:
        return here, agree
    first = _magsac(points, uv, camera, reach)
    if first is not None and (errors(points, uv, camera, first) < 2 * reach).mean() >= HOPELESS:
        there = refine(points, uv, camera, first, reach)
        agree_there = errors(points, uv, camera, there) < reach
        if agree_there.sum() > agree.sum():
            return there, agree_there
    return here, agree


def _magsac(points: np.ndarray, uv: np.ndarray, camera: np.ndarray, reach: float) -> np.ndarray | None:
    import cv2

    options = cv2.UsacParams()
    options.score, options.threshold = cv2.SCORE_METHOD_MAGSAC, reach
    options.maxIterations, options.confidence, options.randomGeneratorState = 150, 0.99, 0
    options.loMethod, options.sampler = cv2.LOCAL_OPTIM_NULL, cv2.SAMPLING_UNIFORM
    try:
        good, _, turn, shift, _ = cv2.solvePnPRansac(points, uv, camera, np.zeros(5), params=options)
    except cv2.error:
        return None
    if not good or not np.isfinite(turn).all() or not np.isfinite(shift).all():
        return None
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = cv2.Rodrigues(turn)[0], shift.ravel()
    return pose


def errors(points: np.ndarray, uv: np.ndarray, camera: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Reprojection errors [N], px; infinite behind the eye."""
    local = points @ pose[:3, :3].T + pose[:3, 3]
    ahead = local[:, 2] > 1e-6
    z = np.where(ahead, local[:, 2], 1.0)
    made = local[:, :2] / z[:, None] * np.array([camera[0, 0], camera[1, 1]]) + camera[:2, 2]
    return np.where(ahead, np.hypot(*(made - uv).T), np.inf)


def refine(
    points: np.ndarray, uv: np.ndarray, camera: np.ndarray, pose: np.ndarray, reach: float
) -> np.ndarray:
    """Gauss-Newton on the reprojection errors with Tukey weights whose reach shrinks to 2 x `reach`."""
    from simbench.instruments import pose_kernel

    x, places, k, first = (np.ascontiguousarray(a, np.float64) for a in (points, uv, camera, pose))
    return np.asarray(pose_kernel.refine(x, places, k, first, float(reach), ROUNDS))
