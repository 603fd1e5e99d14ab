"""The regions that something moved over, and how it moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simbench.arrays import squared
from simbench.generators.pixels import distance, threshold

APART = 0.8
"""Cosine of the angle between two motions below which they belong to two things."""


@dataclass(frozen=True)
class Swept:
    """A region that something moved over: bool [H, W] and its median velocity in px per frame (x, y)."""

    region: np.ndarray
    velocity: np.ndarray


def segment(vector: np.ndarray) -> np.ndarray:
    """uint8 kernel, 1 on the segment from its centre to its centre + `vector` (x, y in px)."""
    reach = int(np.ceil(np.abs(vector).max())) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.uint8)
    steps = np.linspace(0.0, 1.0, 4 * reach + 1)
    kernel[np.rint(reach + steps * vector[1]).astype(int), np.rint(reach + steps * vector[0]).astype(int)] = 1
    return kernel


def _fill(mask: np.ndarray, radius: int) -> np.ndarray:
    """bool [H, W]: closed with `radius` px, holes filled."""
    from scipy import ndimage

    ball = ndimage.iterate_structure(ndimage.generate_binary_structure(2, 1), radius)
    padded = np.pad(mask, radius)
    closed = ndimage.binary_closing(padded, ball)[radius:-radius, radius:-radius]
    return ndimage.binary_fill_holes(closed)


def _close_along(region: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """`region` closed along its motion: what is covered all the time lies between its two ends."""
    import cv2

    reach = min(region.shape) // 3
    half = segment(velocity / np.hypot(*velocity) * (reach / 2))
    kernel = half | half[::-1, ::-1]
    padded = np.pad(region, reach).astype(np.uint8)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, kernel)
    return closed[reach:-reach, reach:-reach].astype(bool)


def _paced(frames: np.ndarray, region: np.ndarray, velocity: np.ndarray, noise: float) -> np.ndarray:
    """`velocity` with the speed at which the ends of the change travel over `region`.

    Of the two ends the faster one counts: what hides a mover stops an end, nothing speeds it up.
    """
    speed = float(np.hypot(*velocity))
    y, x = np.indices(region.shape)
    along = (x * velocity[0] + y * velocity[1]) / speed
    times, ends = [], []
    for t in range(len(frames) - 1):
        spot = region & (distance(frames[t], frames[t + 1], noise) > threshold(noise))
        if spot.sum() >= 3:
            times.append(t)
            ends.append(np.percentile(along[spot], (3, 97)))
    if len(times) < 3:
        return velocity
    pace = float(np.polyfit(times, np.array(ends), 1)[0].max())
    return velocity * float(np.clip(pace / speed, 0.9, 1.6))


def _split(region: np.ndarray, moving: np.ndarray, flow: np.ndarray) -> list[np.ndarray]:
    """bool [H, W] each: `region`, or its two parts if two things move over it in different directions.

    Two means of the flow vectors of its pixels, each at the time when it moves the most.
    """
    from scipy import ndimage

    weight = squared(flow) * moving
    total = weight.sum(0)
    use = region & (total > 0)
    if use.sum() < 12:
        return [region]
    mean = (flow * weight[..., None]).sum(0)[use] / total[use][:, None]
    axis = np.linalg.svd(mean - mean.mean(0), full_matrices=False)[2][0]
    along = mean @ axis
    ends = along <= np.percentile(along, 20), along >= np.percentile(along, 80)
    centres = np.stack([mean[end].mean(0) for end in ends])
    for _ in range(8):
        nearer = np.linalg.norm(mean[:, None] - centres, axis=-1).argmin(1)
        if nearer.min() == nearer.max():
            return [region]
        centres = np.stack([mean[nearer == c].mean(0) for c in (0, 1)])
    speeds = np.linalg.norm(centres, axis=1)
    cosine = float(centres[0] @ centres[1]) / max(float(speeds.prod()), 1e-9)
    if cosine > APART or speeds.min() < 0.3 * speeds.max() or np.bincount(nearer).min() < 0.2 * len(nearer):
        return [region]
    side = np.zeros(region.shape)
    side[use] = nearer * 2.0 - 1
    vote = ndimage.gaussian_filter(side, max(1.0, min(region.shape) / 32))
    return [region & (vote <= 0), region & (vote > 0)]


def swept_regions(frames: np.ndarray, flow: np.ndarray, noise: float) -> list[Swept]:
    """The connected regions in which anything ever changes, holes filled, and how they move."""
    from scipy import ndimage

    height, width = frames.shape[1:3]
    limit = threshold(noise)
    changed = distance(frames, frames[:1], noise).max(axis=0) > limit
    changed |= distance(frames, frames[-1:], noise).max(axis=0) > limit
    steps = distance(frames[1:], frames[:-1], noise) > limit
    steps = np.concatenate([steps, steps[-1:]])
    labels, count = ndimage.label(_fill(changed, max(1, min(height, width) // 24)), np.ones((3, 3)))
    speed = np.sqrt(squared(flow))
    out = []
    for whole in (labels == i for i in range(1, count + 1)):
        for region in _split(whole, steps & whole, flow):
            moving = steps & region
            if (region & changed).sum() < max(4, height * width / 500) or not moving.any():
                continue
            fast = moving & (speed >= np.percentile(speed[moving], 40))
            velocity = np.median(flow[fast], axis=0).astype(np.float64)
            if np.hypot(*velocity) > 0.15:
                velocity = _paced(frames, region, velocity, noise)
                other = whole & ~region
                out.append(Swept(_close_along(region, velocity) & ~other, velocity))
    return out
