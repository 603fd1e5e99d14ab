"""What belongs to video frames, told by latent frame: times, actions, cameras, where objects are seen."""

from __future__ import annotations

import numpy as np


def times(frames: int, fps: float, temporal: int) -> np.ndarray:
    """Seconds float32 [F] of the last video frame of each latent frame of a clip of `frames` at `fps`."""
    latent = 1 + -(-(frames - 1) // temporal)
    return (np.arange(latent) * (temporal / fps)).astype(np.float32)


def per_latent(values: np.ndarray, temporal: int) -> np.ndarray:
    """[T, ...] of video frames as [F, temporal, ...] of latent frames.

    Latent 0 is frame 0 alone, whose value stands in all its places; a last group that is not full repeats
    the last frame, as the VAE does.
    """
    frames = len(values)
    latent = 1 + -(-(frames - 1) // temporal)
    index = np.arange((latent - 1) * temporal + 1).clip(max=frames - 1)
    index = np.concatenate([np.zeros(temporal - 1, np.int64), index])
    return values[index].reshape(latent, temporal, *values.shape[1:])


def seen(mask: np.ndarray, temporal: int, spatial: int) -> np.ndarray:
    """bool [F, h, w]: whether an object (mask uint8 [T, H, W] above 0) is seen in the pixels of a latent."""
    grouped = per_latent(mask > 0, temporal).any(1)
    height, width = grouped.shape[1:]
    padded = np.pad(grouped, [(0, 0), (0, -height % spatial), (0, -width % spatial)], mode="edge")
    cells = padded.reshape(len(padded), padded.shape[1] // spatial, spatial, -1, spatial)
    return np.asarray(cells.any((2, 4)))
