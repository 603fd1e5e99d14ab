"""What hides a layer: static parts of the plate, told from what the layer was seen in front of."""

from __future__ import annotations

import numpy as np

from simbench.arrays import squared
from simbench.generators.pixels import grow, threshold
from simbench.generators.plate import Plate

SAMPLES = 200
"""Colours kept of each side; what is rare on its side (a rail, a joint between bricks) does not decide."""

SHARE = 0.2
"""A pixel is as far from a side as from this share of its samples."""

TINT = np.array([[0.2, 1.0, -0.6], [0.2, -1.0, -0.6], [0.2, 0.0, 1.2]], np.float32)
"""RGB to lightness and two tints: what is in shadow keeps its tint, so lightness counts for less."""

THIN = 8
"""What is thinner than this part of the image (a rail, a post) hides only where it was seen to."""

FAR = 60.0
"""Levels beyond which a pixel is like neither side."""


def _gap(look: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """float32 [N]: distance in levels of each colour to the nearest `SHARE` of the samples."""
    samples = samples[:: max(1, len(samples) // SAMPLES)]
    squares = squared(look)[:, None] + squared(samples) - 2 * look @ samples.T
    nth = int(SHARE * len(samples))
    return np.sqrt(np.maximum(np.partition(squares, nth, axis=1)[:, nth], 0.0))


def _core(evidence: np.ndarray, free: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """bool [H, W]: the evidence and a little of what lies ahead of it, clear of the edge if enough is left.

    Edge pixels are mixtures with what is behind.
    """
    from scipy import ndimage

    unit = velocity / max(float(np.hypot(*velocity)), 1e-9)
    reach = max(2.0, min(evidence.shape) / 16)
    shifts = [(round(s * unit[1]), round(s * unit[0])) for s in np.arange(0, reach, 0.5)]
    core = np.any([ndimage.shift(evidence, s, order=0) for s in sorted(set(shifts))], axis=0) & ~free
    clear = core & ~grow(free)
    return clear if clear.sum() >= max(4, 0.25 * core.sum()) else core


def hiding(plate: Plate, evidence: np.ndarray, free: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """float32 [H, W]: the part of the plate that hides a layer, grown from where it was hidden.

    `evidence` and `free` bool [H, W]: where the layer should have been seen and was not, and where it
    was; `velocity` px per frame (x, y). A pixel belongs to what hides if it looks more like the one
    than like the other and hangs together with it.
    """
    import cv2
    from scipy import ndimage

    height, width = evidence.shape
    none = np.zeros(evidence.shape, np.float32)
    if evidence.sum() < 2 or not free.any():
        return none
    core = _core(evidence, free, velocity)
    blurred = cv2.GaussianBlur(plate.rgb, (0, 0), max(0.5, min(height, width) / 96))
    look = (blurred @ TINT).reshape(-1, 3)
    far = _gap(look, look[free.ravel()]).reshape(height, width)
    if not core.any() or far[core].max() <= threshold(plate.noise):
        return none
    core &= far > min(threshold(plate.noise), 0.5 * float(far[core].max()))
    near = _gap(look, look[core.ravel()]).reshape(height, width)
    thin = np.ones((max(3, min(height, width) // THIN),) * 2, bool)
    wide = max(1, min(height, width) // 24)
    like = ndimage.binary_opening((near < far) & (near < FAR) & ~free, thin) | core
    like = np.pad(like, wide)
    like = ndimage.binary_closing(like, np.ones((2 * wide + 1, 2 * wide + 1)))[wide:-wide, wide:-wide]
    labels, _ = ndimage.label(like & ~free)
    grown = (labels > 0) & np.isin(labels, np.unique(labels[core]))
    return (ndimage.binary_fill_holes(grown) & ~free).astype(np.float32)
