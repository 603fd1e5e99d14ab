"""Colour distance, noise and dense optical flow of a few frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from simbench.arrays import median, squared

WORKING_SIDE = 128
"""Flow is computed with the shorter side near this many px: sprites of 8 px are too small for its patches."""


@contextmanager
def one_thread() -> Iterator[None]:
    """OpenCV on one thread: the answer of its flow depends on the number of threads."""
    import cv2

    before = cv2.getNumThreads()
    # Setting the number that it has would still end its threads and start them anew, in a millisecond.
    if before != 1:
        cv2.setNumThreads(1)
    try:
        yield
    finally:
        if before != 1:
            cv2.setNumThreads(before)


def noise_level(frames: np.ndarray) -> float:
    """Sd of the noise in levels from frame differences (median absolute deviation: movers are outliers)."""
    if len(frames) < 2:
        return 0.0
    return float(median(np.abs(np.diff(frames, axis=0)).reshape(-1)) / 0.6745 / np.sqrt(2))


def _projections(frames: np.ndarray) -> np.ndarray:
    """uint8 [2, k, H, W]: the two colour directions in which the frames differ the most in time."""
    diff = np.diff(frames, axis=0).reshape(-1, 3)
    _, axes = np.linalg.eigh(diff.T @ diff + 1e-3 * np.eye(3))
    flat = frames @ axes[:, :0:-1]
    low = flat.min(axis=(0, 1, 2))
    span = max(float((flat.max(axis=(0, 1, 2)) - low).max()), 32.0)
    return np.moveaxis((flat - low) * (255.0 / span), -1, 0).astype(np.uint8)


def dense_flow(frames: np.ndarray) -> np.ndarray:
    """float32 [k, H, W, 2]: DIS flow (Kroeger et al. 2016) in pixels per frame, forward in time.

    Where two colour directions disagree the faster one counts: a mover without contrast in one of
    them seems to stand still there.
    """
    import cv2

    k, height, width = frames.shape[:3]
    scale = min(8.0, max(1.0, WORKING_SIDE / min(height, width)))
    scale = scale if min(height, width) < 2 * WORKING_SIDE else WORKING_SIDE / min(height, width)
    size = (max(16, round(width * scale)), max(16, round(height * scale)))
    gain = np.array([width / size[0], height / size[1]], np.float32)
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    out = np.zeros((k, height, width, 2), np.float32)
    for view in _projections(frames):
        large = [cv2.resize(f, size, interpolation=cv2.INTER_CUBIC) for f in view]
        for t in range(k):
            if t < k - 1:
                flow = dis.calc(large[t], large[t + 1], None)  # type: ignore[call-overload]
            else:
                flow = -dis.calc(large[t], large[t - 1], None)  # type: ignore[call-overload]
            flow = cv2.resize(flow, (width, height), interpolation=cv2.INTER_AREA) * gain
            faster = squared(flow) > squared(out[t])
            out[t][faster] = flow[faster]
    return out


def distance(a: np.ndarray, b: np.ndarray, noise: float) -> np.ndarray:
    """Colour distance in levels over the last axis, lightly blurred over the image when there is noise."""
    import cv2

    gap = np.sqrt(squared(a - b))
    if noise <= 1.0:
        return gap
    flat = gap.reshape(-1, *gap.shape[-2:])
    return np.stack([cv2.GaussianBlur(g, (3, 3), 0.6) for g in flat]).reshape(gap.shape)


def grow(mask: np.ndarray) -> np.ndarray:
    """bool [H, W]: `mask` and the eight neighbours of each of its pixels."""
    import cv2

    return cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def shrink(mask: np.ndarray) -> np.ndarray:
    """bool [H, W]: the pixels of `mask` whose eight neighbours are in it; outside the image nothing is."""
    import cv2

    kernel = np.ones((3, 3), np.uint8)
    return cv2.erode(mask.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0


def threshold(noise: float) -> float:
    """Colour distance in levels above which two pixels differ."""
    return max(10.0, 6.0 * noise)
