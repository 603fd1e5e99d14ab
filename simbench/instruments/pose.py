"""The camera of one picture of a known world, from points found in it."""

from __future__ import annotations

import numpy as np

REACH_PX = 2.0
"""Reprojection error, px in an image 128 px high, up to which a point agrees with a camera."""

ROUNDS = 10
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
    if agree.mean() > 0.9:
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
    import cv2

    focal = np.array([camera[0, 0], camera[1, 1]])
    for step in range(ROUNDS):
        cut = 2.0 * reach * max(1.0, 4.0 * 0.5**step)
        local = points @ pose[:3, :3].T + pose[:3, 3]
        z = np.maximum(local[:, 2], 1e-3)
        residual = local[:, :2] / z[:, None] * focal + camera[:2, 2] - uv
        away = np.hypot(*residual.T)
        weight = np.where((away < cut) & (local[:, 2] > 1e-3), (1 - (away / cut) ** 2) ** 2, 0.0)
        if (weight > 0).sum() < 6:
            return pose
        across = np.zeros((len(points), 2, 3))
        across[:, 0, 0], across[:, 1, 1] = focal[0] / z, focal[1] / z
        across[:, :, 2] = -local[:, :2] * focal / z[:, None] ** 2
        turn = np.zeros((len(points), 3, 3))
        x, y, w = local.T
        turn[:, 0, 1], turn[:, 0, 2] = w, -y
        turn[:, 1, 0], turn[:, 1, 2] = -w, x
        turn[:, 2, 0], turn[:, 2, 1] = y, -x
        design = np.concatenate([across @ turn, across], axis=2).reshape(-1, 6)
        heavy = np.repeat(weight, 2)[:, None]
        normal = design.T @ (heavy * design) + 1e-9 * np.eye(6)
        update = -np.linalg.solve(normal, design.T @ (heavy[:, 0] * residual.ravel()))
        change = np.eye(4)
        change[:3, :3], change[:3, 3] = cv2.Rodrigues(update[:3])[0], update[3:]
        pose = change @ pose
        if np.abs(update).max() < 1e-5 and step >= 3:
            break
    return pose
