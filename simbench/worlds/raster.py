"""What a rendering is made of (rays) and what it gives back (frames)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Frames:
    """`rgb` uint8 [T, H, W, 3] sRGB, `depth` float32 [T, H, W] metres along the optical axis (0 = sky),
    `ids` int32 [T, H, W] index into the scene's bodies (-1 = sky). Depth and ids go through pixel
    centres; both are empty [0, H, W] when truth was not asked for.
    """

    rgb: np.ndarray
    depth: np.ndarray
    ids: np.ndarray


@dataclass(frozen=True)
class Raster:
    """Rays of an image: `us` [W s] and `vs` [H s] tangents of their columns and rows, `pitch` of a pixel."""

    us: np.ndarray
    vs: np.ndarray
    pitch: float


def raster(width: int, height: int, samples: int, tangent: float) -> Raster:
    """Samples x samples rays per pixel, evenly spaced; the field of view is vertical."""
    pitch = 2.0 * tangent / height
    us = ((np.arange(width * samples) + 0.5) / samples - width / 2.0) * pitch
    vs = ((np.arange(height * samples) + 0.5) / samples - height / 2.0) * pitch
    return Raster(us.astype(np.float32), vs.astype(np.float32), pitch)
