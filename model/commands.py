"""What a viewer does, as the model is told it: a row of numbers for each video frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simbench.errors import UserError


def grouped(values: np.ndarray, temporal: int, latent_frames: int) -> np.ndarray:
    """float32 [latent_frames, temporal, A] of `values` [T, A], one row for each video frame.

    The first latent is one frame and the last may be short of frames; their missing rows repeat the first and
    the last one, as the codec fills up the video.
    """
    rows = np.arange(latent_frames * temporal) - (temporal - 1)
    picked = np.asarray(values, dtype=np.float32)[np.clip(rows, 0, len(values) - 1)]
    return picked.reshape(latent_frames, temporal, -1)


def one_hot(actions: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """float32 [T, len(names)] with a 1 for the action of each frame. UserError names an unknown one."""
    for action in actions:
        if action not in names:
            raise UserError(f"action {action!r} is unknown; choose from {', '.join(names)}")
    return np.array([[float(action == name) for name in names] for action in actions], dtype=np.float32)


def camera_rows(poses: np.ndarray) -> np.ndarray:
    """float32 [T, 12] of `poses` [T, 4, 4], world to camera (OpenCV): each camera against the first.

    A row is the 3x4 matrix that takes points of the first frame's camera (metres) to that of its frame."""
    poses = np.asarray(poses, dtype=np.float64)
    relative = poses @ np.linalg.inv(poses[0])
    relative[0] = np.eye(4)
    return relative[:, :3].reshape(len(poses), 12).astype(np.float32)
