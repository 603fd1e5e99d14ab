"""Where everything is in every frame: motions, curves and cameras sampled in float64.

Only Python's `math` and elementwise numpy are used and results are rounded to a 2^-20 grid, so that
the compiled clip has the same bits on every machine (np.sin differs between CPUs, BLAS reorders sums).
"""

from __future__ import annotations

import math

import numpy as np

from simbench.errors import UserError
from simbench.worlds.scene import Camera, Curve, Motion, Vec

GRID = float(2**20)
IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def on_grid(x: np.ndarray) -> np.ndarray:
    """Round float64 to multiples of 2^-20, so that a last-bit difference of libm vanishes."""
    return np.rint(x * GRID) / GRID


def sample_curve(curve: Curve, times: list[float]) -> np.ndarray:
    """Values [T, C] of a curve, or [1, C] when it is constant."""
    if len(curve.times) == 1:
        return np.array(curve.values, dtype=np.float64)
    return np.array([curve.at(t) for t in times], dtype=np.float64)


def rotation(turn: Vec) -> tuple[tuple[float, ...], ...]:
    """Matrix of a rotation vector (axis times angle, radians), by Rodrigues' formula."""
    x, y, z = turn
    angle = math.sqrt(x * x + y * y + z * z)
    if not angle > 0.0 or not math.isfinite(angle):
        return IDENTITY
    x, y, z = x / angle, y / angle, z / angle
    c, s = math.cos(angle), math.sin(angle)
    k = 1.0 - c
    return (
        (c + x * x * k, x * y * k - z * s, x * z * k + y * s),
        (y * x * k + z * s, c + y * y * k, y * z * k - x * s),
        (z * x * k - y * s, z * y * k + x * s, c + z * z * k),
    )


def _product(a: tuple[tuple[float, ...], ...], b: tuple[tuple[float, ...], ...]) -> list[list[float]]:
    return [[a[i][0] * b[0][j] + a[i][1] * b[1][j] + a[i][2] * b[2][j] for j in range(3)] for i in range(3)]


def sample_motion(motion: Motion, times: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Positions [T, 3] (or [1, 3] at rest) and body-to-world rotations [T, 3, 3] (or [1, 3, 3])."""
    only = motion[0]
    if len(motion) == 1 and not any(only.velocity) and not any(only.acceleration) and not any(only.spin):
        return np.array([only.position], dtype=np.float64), np.array([rotation(only.turn)])
    turns = [rotation(segment.turn) for segment in motion]
    positions, rotations = [], []
    at = 0
    for time in times:
        while at + 1 < len(motion) and motion[at + 1].start <= time:
            at += 1
        segment = motion[at]
        s = time - segment.start
        h = s * s / 2
        p, v, a, w = segment.position, segment.velocity, segment.acceleration, segment.spin
        positions.append((p[0] + v[0] * s + a[0] * h, p[1] + v[1] * s + a[1] * h, p[2] + v[2] * s + a[2] * h))
        turn = turns[at]
        spins = w[0] != 0.0 or w[1] != 0.0 or w[2] != 0.0
        rotations.append(_product(rotation((w[0] * s, w[1] * s, w[2] * s)), turn) if spins else turn)
    return np.array(positions, dtype=np.float64), np.array(rotations, dtype=np.float64)


def unit(v: np.ndarray, what: str) -> np.ndarray:
    """Vectors [..., 3] at length 1; UserError where one has no direction."""
    length = np.sqrt(v[..., 0] * v[..., 0] + v[..., 1] * v[..., 1] + v[..., 2] * v[..., 2])
    if not (length > 1e-9).all():
        raise UserError(f"{what} has length 0, so it has no direction; give a vector longer than 1e-9 m")
    return v / length[..., None]


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross product over the last axis, elementwise."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Dot product over the last axis in a fixed order (np.dot and einsum may fuse or reorder)."""
    p = a * b
    return p[..., 0] + p[..., 1] + p[..., 2]


def sample_camera(camera: Camera, times: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Eyes [T, 3] and axes [T, 3, 3], rows x right, y down, z forward in the world (OpenCV)."""
    eye = on_grid(sample_curve(camera.eye, times))
    target = on_grid(sample_curve(camera.target, times))
    eye, target = np.broadcast_arrays(eye, target)
    forward = unit(target - eye, "camera eye to target")
    up = np.zeros_like(forward)
    steep = np.abs(forward[:, 1]) > 0.9999
    up[:, 1] = np.where(steep, 0.0, 1.0)
    up[:, 2] = np.where(steep, -1.0, 0.0)
    right = unit(cross(forward, up), "camera right")
    down = cross(forward, right)
    axes = on_grid(np.stack([right, down, forward], axis=1))
    count = len(times)
    return np.broadcast_to(eye, (count, 3)).copy(), np.broadcast_to(axes, (count, 3, 3)).copy()
