"""Frames seen from other cameras: what one frame with depth shows, what others add, and a quiet rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Sight:
    """What is known of a frame to be drawn: `colour` float32 [H, W, 3], `nearness` float64 [H, W] inverse
    depth in its own camera, -1 where nothing is known."""

    colour: np.ndarray
    nearness: np.ndarray


def nothing(height: int, width: int) -> Sight:
    """A frame of which nothing is known."""
    return Sight(np.zeros((height, width, 3), np.float32), np.full((height, width), -1.0))


def rotated(image: np.ndarray, turn: np.ndarray, height: int, width: int) -> Sight:
    """`image` float32 [h, w, 3], infinitely far away, under the homography `turn` [3, 3]: exact."""
    back = np.linalg.inv(turn)
    y, x = np.mgrid[:height, :width] + 0.5
    rays = np.stack([x, y, np.ones_like(x)], -1) @ back.T
    source = rays[..., :2] / np.where(np.abs(rays[..., 2:]) < 1e-9, 1e-9, rays[..., 2:])
    ahead = rays[..., 2] > 0
    return _sampled(image, source, np.where(ahead, 0.0, -1.0))


def moved(image: np.ndarray, inverse: np.ndarray, turn: np.ndarray, shift: np.ndarray, size: tuple) -> Sight:
    """`image` [h, w, 3] with inverse depths `inverse` [h, w] drawn at `size` (H, W) behind `turn` and
    `shift`.
    """
    from simbench.generators import warp_kernel

    if not inverse.any() or not shift.any():
        return rotated(image, turn, *size)
    source, buffer = np.zeros((*size, 2)), np.full(size, -1.0)
    warp_kernel.splat(inverse, turn, shift, source, buffer)
    return _sampled(image, source, buffer)


def _sampled(image: np.ndarray, source: np.ndarray, nearness: np.ndarray) -> Sight:
    """Colours at `source` [H, W, 2] (centres at +0.5), cubic; unknown outside the image."""
    import cv2

    height, width = image.shape[:2]
    inside = (source >= 0).all(-1) & (source[..., 0] <= width) & (source[..., 1] <= height)
    at = np.where(inside[..., None], source - 0.5, 0.0).astype(np.float32)
    colour = cv2.remap(image, at[..., 0], at[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return Sight(colour, np.where(inside, nearness, -1.0))


def over(first: Sight, second: Sight) -> Sight:
    """`first`, and where it knows nothing `second`."""
    lacks = first.nearness < 0
    colour = np.where(lacks[..., None], second.colour, first.colour)
    return Sight(colour, np.where(lacks, second.nearness, first.nearness))


def finished(sight: Sight, before: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3]: holes filled from their far side and smoothed; where nothing at all is known, the mean
    colour of the frame `before`."""
    import cv2

    from simbench.generators import warp_kernel

    holes = sight.nearness < 0
    if holes.all():
        return np.broadcast_to(np.rint(before.mean(axis=(0, 1))), before.shape).astype(np.uint8)
    colour = sight.colour
    if holes.any():
        colour, _ = warp_kernel.fill(np.ascontiguousarray(colour), sight.nearness)
        soft = cv2.blur(colour, (3, 3))
        colour = np.where(holes[..., None], soft, colour)
    return np.clip(np.rint(colour), 0, 255).astype(np.uint8)
