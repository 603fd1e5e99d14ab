"""A moving camera, read from dense flow: then the frame as a whole goes on as it went."""

from __future__ import annotations

import numpy as np

from simbench.arrays import channel_mean, gradient
from simbench.generators.pixels import dense_flow, distance, one_thread, threshold

LEAST = 0.4
"""Mean motion of the image corners, px per frame, below which the camera stands still."""

AGREED = 0.6
"""Share of the textured pixels that must follow one similarity for it to be the camera's."""


def camera_step(given: np.ndarray) -> np.ndarray | None:
    """float64 [2, 3]: the similarity that takes pixels (x, y) of the last frame one frame on, None when the
    camera stands still. `given` uint8 [k, H, W, 3], k >= 2."""
    import cv2

    pixels = given[-2:].astype(np.float32)
    gy, gx = gradient(channel_mean(pixels[-1]))
    strength = np.hypot(gx, gy)
    y, x = np.nonzero(strength >= np.percentile(strength, 70))
    changed = distance(pixels[-1], pixels[0], 0.0)[y, x] > threshold(0.0)
    if len(y) < 16 or changed.mean() < 0.5:
        return None
    source = np.stack([x, y], -1).astype(np.float32)
    reach = max(0.4, min(given.shape[1:3]) / 128)
    with one_thread():
        target = source + dense_flow(pixels)[-1][y, x]
        step, inliers = cv2.estimateAffinePartial2D(
            source, target, method=cv2.RANSAC, ransacReprojThreshold=reach
        )
    if step is None or inliers.mean() < AGREED:
        return None
    height, width = given.shape[1:3]
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], np.float64)
    moved = np.hypot(*(corners @ step.T - corners[:, :2]).T)
    return step if moved.mean() > LEAST else None


def carry_on(last: np.ndarray, step: np.ndarray, count: int) -> np.ndarray:
    """uint8 [count, H, W, 3]: `last` moved by `step` again and again, its border repeated outwards."""
    import cv2

    full = np.vstack([step, [0.0, 0.0, 1.0]])
    power = np.eye(3)
    size = (last.shape[1], last.shape[0])
    out = np.empty((count, *last.shape), np.uint8)
    for i in range(count):
        power = full @ power
        out[i] = cv2.warpAffine(last, power[:2], size, borderMode=cv2.BORDER_REPLICATE)
    return out
