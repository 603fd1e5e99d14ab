"""Positions and velocities of a red and a blue ball on white, out of the picture alone.

The reading of PhyWorld (arXiv 2411.02385) is a colour threshold and the centroid of what is above it. Here
the threshold finds the ball, and the centroid is weighted by colour, so that its edge counts as far as it is
covered: on the truth at 32 px the velocity is then read to some hundredths of a m/s.
"""

from __future__ import annotations

import math

import numpy as np

from simbench.errors import UserError
from simbench.worlds.balls import OTHER_RADII, VIEW

LEVEL = 0.4
"""Colour above which a pixel belongs to a ball; a covered pixel has 1."""
LEAST = 0.25 * math.pi * OTHER_RADII[0][0] ** 2
"""m^2 of colour below which there is no ball: a quarter of the smallest one there is."""
EDGE = 1.5
"""Pixels around what LEVEL finds that still count."""
WORST = 10.0
"""m/s: what a missing ball counts, and the most that any error counts."""


def colour(frames: np.ndarray) -> np.ndarray:
    """How much each pixel of uint8 [T, H, W, 3] is covered by red and by blue, float64 [T, 2, H, W]: the
    difference of the red and the blue channel, so that white, grey and black are 0."""
    if frames.ndim != 4 or frames.shape[3] != 3:
        raise ValueError(f"frames must be [T, H, W, 3], not {list(frames.shape)}")
    apart = (frames[..., 0].astype(float) - frames[..., 2]) / 255.0
    return np.stack([np.maximum(apart, 0.0), np.maximum(-apart, 0.0)], axis=1)


def positions(frames: np.ndarray, count: int) -> np.ndarray:
    """Centres in metres, float64 [T, count, 2], of the red ball and (`count` 2) the blue one in square frames
    uint8 [T, S, S, 3]; NaN where there is none. Two blobs of one colour have their centroid between them."""
    cover = colour(frames)[:, :count]
    size = cover.shape[-1]
    if cover.shape[2] != size:
        raise ValueError(f"frames must be square, not {size}x{cover.shape[2]}")
    pixel = VIEW / size
    grid = (np.arange(size) + 0.5) * pixel
    core = np.where(cover >= LEVEL, cover, 0.0)
    mass = core.sum((2, 3))
    found = mass * pixel**2 >= LEAST
    first = _centroid(core, np.where(found, mass, 1.0), grid)
    reach = np.sqrt(mass / math.pi) * pixel + EDGE * pixel
    far = np.hypot(grid - first[..., 0, None, None], grid[:, None] - first[..., 1, None, None])
    near = np.where(far <= reach[..., None, None], cover, 0.0)
    weight = near.sum((2, 3))
    found &= weight > 0
    centre = _centroid(near, np.where(found, weight, 1.0), grid)
    return np.where(found[..., None], centre, np.nan)


def _centroid(weight: np.ndarray, total: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """[T, N, 2] (x, y) of weights [T, N, H, W]."""
    x, y = weight.sum(2) @ grid / total, weight.sum(3) @ grid / total
    return np.stack([x, y], axis=-1)


def judged_pairs(shown: np.ndarray, given: int) -> np.ndarray:
    """bool [T - 1, N]: pairs of successive frames that end after the first `given` frames, in both of which
    the true ball is wholly in view (`shown` bool [T, N]). UserError where there is none."""
    both = shown[1:] & shown[:-1]
    both[: given - 1] = False
    if not both.any():
        raise UserError(f"no ball is in view in two frames after the {given} given ones; use longer clips")
    return both


def velocity_errors(read: np.ndarray, true: np.ndarray, pairs: np.ndarray, fps: float) -> np.ndarray:
    """|v - v_true| in m/s, float64 [K], of `pairs` of frames (bool [T - 1, N]).

    Velocities are differences of positions [T, N, 2] (m) at `fps`, of `read` and `true` alike. A pair in
    which no ball is read (NaN) counts WORST, and nothing counts more.
    """
    apart = np.linalg.norm(np.diff(read, axis=0) - np.diff(true, axis=0), axis=-1) * fps
    return np.asarray(np.where(np.isnan(apart), WORST, np.minimum(apart, WORST))[pairs])
