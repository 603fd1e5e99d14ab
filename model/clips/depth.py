"""Depth as a model is told it: relative inverse depth, averaged to the grid of the latents.

Inverse, because what is near matters and the sky, infinitely far, is a number (as in MiDaS, Ranftl et al.,
1907.01341). Relative to the clip's own mean, because pictures do not tell metres: a world and its copy of
twice the size look the same and give the same numbers, though a depth that changes over a clip still does.
MiDaS takes a shift away too, since its depths have none in common; here 0 is the sky in every clip.
"""

from __future__ import annotations

import numpy as np

FARTHEST = 65504.0
"""The largest number of float16, in metres."""
NO_DEPTH = (
    "model.dit.given_depth=true needs clips with their depth, and these have none; make the pool with"
    " python -m model.data pool depth=true, or leave given_depth out"
)
"""What is said where depth is told and not there."""


def halved(depth: np.ndarray) -> np.ndarray:
    """Depth in metres as float16, which is how samples hold it: to one part in 2000."""
    return np.minimum(depth, FARTHEST).astype(np.float16)


def relative(depth: np.ndarray) -> np.ndarray:
    """float32 of the shape of `depth` [T, H, W] (metres along the axis, 0 is the sky): inverse depth over its
    mean over all pixels of the clip that are no sky, less 1. The sky is -1."""
    metres = depth.astype(np.float32)
    seen = metres > 0
    inverse = np.divide(1.0, metres, out=np.zeros_like(metres), where=seen)
    mean = float(inverse.sum(dtype=np.float64)) / max(int(seen.sum()), 1)
    return inverse / np.float32(mean or 1.0) - np.float32(1.0)


def cells(depth: np.ndarray, height: int, width: int) -> np.ndarray:
    """float32 [T, height, width]: `relative` depth averaged over the pixels of each latent."""
    rows = np.linspace(0, depth.shape[1], height + 1).astype(int)
    columns = np.linspace(0, depth.shape[2], width + 1).astype(int)
    area = (np.diff(rows)[:, None] * np.diff(columns)[None]).astype(np.float32)
    summed = np.add.reduceat(np.add.reduceat(relative(depth), rows[:-1], 1), columns[:-1], 2)
    return np.asarray(summed / area)
