"""Rotations as matrices, rotation vectors and unit quaternions, and the angle between two."""

from __future__ import annotations

import numpy as np

from simbench.metrics._shapes import shaped


def rotation_angles(rotations: np.ndarray) -> np.ndarray:
    """Angles [...] in degrees, 0 to 180, of rotation matrices [..., 3, 3].

    From sine and cosine together, so that small angles and half turns keep their digits (arccos of the trace
    alone loses half of them).
    """
    r = shaped("rotations", rotations, "... 3 3", {})
    sine = np.sqrt((_axial(r) ** 2).sum(axis=-1))
    return np.degrees(np.arctan2(sine, np.trace(r, axis1=-2, axis2=-1) - 1.0))


def quaternions(rotations: np.ndarray) -> np.ndarray:
    """Unit quaternions (x, y, z, w) [..., 4], w >= 0, no unit, of rotation matrices [..., 3, 3].

    Each of x, y, z and w could be taken from the diagonal; the largest is, and the rest from it (Shepperd
    1978).
    """
    r = shaped("rotations", rotations, "... 3 3", {})
    trace = np.trace(r, axis1=-2, axis2=-1)
    diagonal = np.diagonal(r, axis1=-2, axis2=-1)
    four = np.empty((*r.shape[:-2], 4, 4))
    four[..., 3, 3] = 1.0 + trace
    for i in range(3):
        four[..., i, i] = 1.0 + 2.0 * diagonal[..., i] - trace
        for j in range(i):
            four[..., i, j] = four[..., j, i] = r[..., i, j] + r[..., j, i]
    axial = _axial(r)
    four[..., 3, :3] = four[..., :3, 3] = axial
    best = np.argmax(np.diagonal(four, axis1=-2, axis2=-1), axis=-1)
    row = np.take_along_axis(four, best[..., None, None], axis=-2)[..., 0, :]
    row = row / np.sqrt((row**2).sum(axis=-1, keepdims=True))
    return np.where(row[..., 3:] < 0, -row, row)


def matrices(quaternions: np.ndarray) -> np.ndarray:
    """Rotation matrices [..., 3, 3] of quaternions (x, y, z, w) [..., 4] of any length but 0; no unit."""
    q = shaped("quaternions", quaternions, "... 4", {})
    x, y, z, w = np.moveaxis(q / np.sqrt((q**2).sum(axis=-1, keepdims=True)), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def rotation_vectors(rotations: np.ndarray) -> np.ndarray:
    """Axis times angle [..., 3], radians, 0 to pi long, of rotation matrices [..., 3, 3]."""
    q = quaternions(rotations)
    sine = np.sqrt((q[..., :3] ** 2).sum(axis=-1, keepdims=True))
    angle = 2.0 * np.arctan2(sine, q[..., 3:])
    return q[..., :3] * np.where(sine > 1e-12, angle / np.where(sine > 1e-12, sine, 1.0), 2.0)


def rotations_of(vectors: np.ndarray) -> np.ndarray:
    """Rotation matrices [..., 3, 3] of rotation vectors [..., 3], radians."""
    v = shaped("vectors", vectors, "... 3", {})
    angle = np.sqrt((v**2).sum(axis=-1, keepdims=True))
    part = np.sinc(angle / (2.0 * np.pi)) / 2.0
    return matrices(np.concatenate([part * v, np.cos(angle / 2.0)], axis=-1))


def _axial(r: np.ndarray) -> np.ndarray:
    """2 sin(angle) axis, [..., 3], of matrices."""
    return np.stack(
        [r[..., 2, 1] - r[..., 1, 2], r[..., 0, 2] - r[..., 2, 0], r[..., 1, 0] - r[..., 0, 1]], axis=-1
    )
