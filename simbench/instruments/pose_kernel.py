"""The inner loop of `pose.refine`, compiled: a few hundred of these solve every video."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def turned(turn: np.ndarray, shift: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """`pose` [4, 4] followed by a rotation vector (axis times angle, radians) and a shift, [3] each."""
    angle = np.sqrt(turn[0] ** 2 + turn[1] ** 2 + turn[2] ** 2)
    c, s, k = np.cos(angle), 1.0, 0.5
    if angle > 1e-9:
        s, k = np.sin(angle) / angle, (1.0 - np.cos(angle)) / (angle * angle)
    x, y, z = turn[0], turn[1], turn[2]
    matrix = np.array(
        [
            [c + k * x * x, k * x * y - s * z, k * x * z + s * y],
            [k * x * y + s * z, c + k * y * y, k * y * z - s * x],
            [k * x * z - s * y, k * y * z + s * x, c + k * z * z],
        ]
    )
    out = np.eye(4)
    for i in range(3):
        for j in range(4):
            total = 0.0
            for m in range(3):
                total += matrix[i, m] * pose[m, j]
            out[i, j] = total + (shift[i] if j == 3 else 0.0)
    return out


@njit(cache=True)
def solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """x [N] of `matrix` [N, N] x = `right` [N], symmetric and positive, by Cholesky's decomposition."""
    n = len(right)
    low = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j]
            for m in range(j):
                total -= low[i, m] * low[j, m]
            low[i, j] = np.sqrt(max(total, 1e-18)) if i == j else total / low[j, j]
    x = right.copy()
    for i in range(n):
        for m in range(i):
            x[i] -= low[i, m] * x[m]
        x[i] /= low[i, i]
    for i in range(n - 1, -1, -1):
        for m in range(i + 1, n):
            x[i] -= low[m, i] * x[m]
        x[i] /= low[i, i]
    return x


@njit(cache=True)
def normal_equations(
    points: np.ndarray, uv: np.ndarray, camera: np.ndarray, pose: np.ndarray, cut: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """Normal matrix [6, 6], right side [6] and the number of points with a weight, for one Gauss-Newton step
    of the pose [4, 4] on points [N, 3] seen at uv [N, 2] px; Tukey weights that end at `cut` px."""
    normal, right, used = np.zeros((6, 6)), np.zeros(6), 0
    across, down = np.zeros(6), np.zeros(6)
    fx, fy = camera[0, 0], camera[1, 1]
    for n in range(len(points)):
        px, py, pz = points[n, 0], points[n, 1], points[n, 2]
        x = pose[0, 0] * px + pose[0, 1] * py + pose[0, 2] * pz + pose[0, 3]
        y = pose[1, 0] * px + pose[1, 1] * py + pose[1, 2] * pz + pose[1, 3]
        z = pose[2, 0] * px + pose[2, 1] * py + pose[2, 2] * pz + pose[2, 3]
        if z <= 1e-3:
            continue
        du, dv = x / z * fx + camera[0, 2] - uv[n, 0], y / z * fy + camera[1, 2] - uv[n, 1]
        away = np.sqrt(du * du + dv * dv)
        if away >= cut:
            continue
        used += 1
        weight = (1.0 - (away / cut) ** 2) ** 2
        a, b = fx / z, -x * fx / (z * z)
        c, d = fy / z, -y * fy / (z * z)
        across[0], across[1], across[2], across[3], across[5] = b * y, a * z - b * x, -a * y, a, b
        down[0], down[1], down[2], down[4], down[5] = d * y - c * z, -d * x, c * x, c, d
        for i in range(6):
            right[i] += weight * (across[i] * du + down[i] * dv)
            for j in range(6):
                normal[i, j] += weight * (across[i] * across[j] + down[i] * down[j])
    return normal, right, used


@njit(cache=True)
def refine(
    points: np.ndarray, uv: np.ndarray, camera: np.ndarray, start: np.ndarray, reach: float, rounds: int
) -> np.ndarray:
    """See `pose.refine`; all float64 and contiguous."""
    pose = start.copy()
    for step in range(rounds):
        cut = 2.0 * reach * max(1.0, 4.0 * 0.5**step)
        normal, right, used = normal_equations(points, uv, camera, pose, cut)
        if used < 6:
            return pose
        for i in range(6):
            normal[i, i] += 1e-9
        update = -solved(normal, right)
        pose = turned(update[:3], update[3:], pose)
        if np.abs(update).max() < 1e-5 and step >= 3:
            break
    return pose
