"""Cameras and points that the tests of the measures share; no renderer."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation


def camera_path(seed: int, frames: int = 9) -> np.ndarray:
    """Poses [T, 4, 4], world to camera, that swing around the origin from about 5 m away, looking near it."""
    rng = np.random.default_rng(seed)
    steps = np.linspace(0.0, 1.0, frames)
    yaw = rng.uniform(-1, 1) + rng.uniform(0.4, 0.8) * rng.choice([-1, 1]) * steps
    turn = Rotation.from_euler(
        "yxz", np.stack([yaw, 0.2 + 0.1 * np.sin(3 * steps), 0.1 * np.cos(4 * steps)], -1)
    )
    poses = np.tile(np.eye(4), (frames, 1, 1))
    poses[:, :3, :3] = turn.as_matrix()
    poses[:, :3, 3] = rng.normal(0, 0.2, 3) + np.outer(steps, rng.normal(0, 0.2, 3)) + [0, 0, 5.0]
    return poses


def intrinsics_of(frames: int, focal: float = 150.0, width: float = 128.0) -> np.ndarray:
    """[T, 3, 3] px of a square image."""
    k = np.array([[focal, 0.0, width / 2], [0.0, focal, width / 2], [0.0, 0.0, 1.0]])
    return np.tile(k, (frames, 1, 1))


def cloud(seed: int, count: int = 60) -> np.ndarray:
    """World points [P, 3] m within 1.5 m of the origin."""
    return np.random.default_rng(seed + 1000).uniform(-1.5, 1.5, (count, 3))


def moved(poses: np.ndarray, turn: np.ndarray, shift: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """The same path in a world that is scaled, turned and moved: x -> scale * turn @ x + shift."""
    out = poses.copy()
    out[:, :3, :3] = poses[:, :3, :3] @ turn.T
    eyes = -np.einsum("tji,tj->ti", poses[:, :3, :3], poses[:, :3, 3])
    new = scale * eyes @ turn.T + shift
    out[:, :3, 3] = -np.einsum("tij,tj->ti", out[:, :3, :3], new)
    return out
