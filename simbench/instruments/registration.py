"""Registration of every frame to the static scene before anything is read (decision: drift is a column).

The camera of the generated video may pan, roll and zoom a little; each frame gets the similarity that
brings its static parts onto the rendered plate. Direct, inverse-compositional alignment (Baker and
Matthews, Lucas-Kanade 20 years on, IJCV 2004, section 3.2) with a gain and an offset per channel and
Tukey weights, so that objects, whose place is not known, do not pull.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Registration:
    """`frames` float32 [T, H, W, 3], 0-255, on the plate's grid; `shift` float64 [T, 4]: zoom - 1,
    roll (radians) and translation (x, y; pixels) of the generated camera; `drift` float64 [T] root mean
    square displacement of the image's pixels as a fraction of its width; `valid` bool [T, H, W]: seen.
    """

    frames: np.ndarray
    shift: np.ndarray
    drift: np.ndarray
    valid: np.ndarray


def register(frames: np.ndarray, plate: np.ndarray, iterations: int = 6) -> Registration:
    """Align `frames` uint8 [T, H, W, 3] to `plate` float32 [T or 1, H, W, 3], 0-255.

    Shifts below 0.1 px are left alone (interpolation would blur more than it mends); what would
    need more than 8 % of the width or zoom, or does not fit better than no shift, is left as it came.
    """
    video = frames.astype(np.float32)
    count, height, width = video.shape[:3]
    shift = np.zeros((count, 4))
    levels = [s for s in (8, 4, 2) if min(height, width) // s >= 48]
    for scale in levels:
        small, small_plate = _shrink(video, scale), _shrink(plate.astype(np.float32), scale)
        part = shift * np.array([1.0, 1.0, 1 / scale, 1 / scale])
        part = _align(small, small_plate, part, iterations)
        shift = part * np.array([1.0, 1.0, scale, scale])
    shift = _align(video, plate.astype(np.float32), shift, iterations)
    rms = _displacement(shift, height, width)
    shift[(rms < 0.1) | (rms > 0.08 * width) | (np.abs(shift[:, 0]) > 0.08)] = 0.0
    aligned, valid = _warp(video, shift)
    shift = _keep_better(video, aligned, plate, shift)
    aligned, valid = _warp(video, shift)
    return Registration(aligned, shift, _displacement(shift, height, width) / width, valid)


def _shrink(video: np.ndarray, scale: int) -> np.ndarray:
    import cv2

    size = (video.shape[2] // scale, video.shape[1] // scale)
    return np.stack([cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in video])


def _displacement(shift: np.ndarray, height: int, width: int) -> np.ndarray:
    """Root mean square motion of pixels [T] under similarities [T, 4]."""
    spread = (height**2 + width**2) / 12
    return np.sqrt((shift[:, 0] ** 2 + shift[:, 1] ** 2) * spread + shift[:, 2] ** 2 + shift[:, 3] ** 2)


def _matrix(shift: np.ndarray, height: int, width: int) -> np.ndarray:
    """2 x 3 map from plate pixels to frame pixels for one similarity (about the image's centre)."""
    zoom, roll, dx, dy = shift
    cx, cy = (width - 1) / 2, (height - 1) / 2
    a, b = 1.0 + zoom, roll
    return np.array([[a, -b, cx + dx - a * cx + b * cy], [b, a, cy + dy - b * cx - a * cy]])


def _warp(video: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    import cv2

    count, height, width = video.shape[:3]
    out = video.copy()
    valid = np.ones((count, height, width), dtype=bool)
    for t in np.flatnonzero(np.any(shift != 0.0, axis=1)):
        matrix = _matrix(shift[t], height, width)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        out[t] = cv2.warpAffine(
            video[t], matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        inside = cv2.warpAffine(np.ones((height, width), np.float32), matrix, (width, height), flags=flags)
        valid[t] = inside > 0.99
    return out, valid


def _jacobian(plate: np.ndarray) -> np.ndarray:
    """d plate / d similarity, [P, H * W * 3, 4], with gradients by central differences."""
    gy, gx = np.gradient(plate, axis=(1, 2))
    height, width = plate.shape[1:3]
    x = (np.arange(width) - (width - 1) / 2)[None, None, :, None]
    y = (np.arange(height) - (height - 1) / 2)[None, :, None, None]
    columns = (gx * x + gy * y, gy * x - gx * y, gx, gy)
    return np.stack([c.reshape(len(plate), -1) for c in columns], axis=-1).astype(np.float32)


def _align(video: np.ndarray, plate: np.ndarray, shift: np.ndarray, iterations: int) -> np.ndarray:
    count = len(video)
    jacobian = np.broadcast_to(_jacobian(plate), (count, plate[0].size, 4))
    target = np.broadcast_to(plate.reshape(len(plate), -1), (count, plate[0].size))
    shift = shift.copy()
    active = np.arange(count)
    for step in range(iterations):
        current, valid = _warp(video[active], shift[active])
        update = _solve(current, target[active], jacobian[active], valid, loose=step < 2)
        shift[active] -= update
        moved = _displacement(update, *video.shape[1:3])
        active = active[moved > 0.02]
        if len(active) == 0:
            break
    return shift


def _solve(
    current: np.ndarray, target: np.ndarray, jacobian: np.ndarray, valid: np.ndarray, loose: bool
) -> np.ndarray:
    """One weighted least-squares step: similarity [T, 4] besides a gain and an offset per channel."""
    count, size = target.shape
    flat = current.reshape(count, -1)
    channel = np.arange(size) % 3
    seen = np.repeat(valid.reshape(count, -1), 3, axis=1)
    photometric = np.zeros((count, size, 6), np.float32)
    for c in range(3):
        photometric[:, channel == c, c] = target[:, channel == c] / 255.0
        photometric[:, channel == c, 3 + c] = 1.0
    design = np.concatenate([jacobian, photometric], axis=2)
    residual = flat - target
    weight = seen.astype(np.float32)
    for _ in range(2):
        weighted = design * weight[:, :, None]
        normal = np.einsum("tni,tnj->tij", weighted, design, optimize=True)
        normal += 1e-2 * np.eye(10, dtype=np.float32)
        right = np.einsum("tni,tn->ti", weighted, residual, optimize=True)
        solution = np.linalg.solve(normal.astype(np.float64), right.astype(np.float64)[:, :, None])[:, :, 0]
        left = np.abs(residual - np.einsum("tni,ti->tn", design, solution.astype(np.float32)))
        scale = np.maximum(2.0, 1.48 * np.median(left, axis=1, keepdims=True))
        cut = (9.0 if loose else 5.0) * scale
        weight = np.where(left < cut, (1 - (left / cut) ** 2) ** 2, 0.0).astype(np.float32) * seen
    return solution[:, :4]


def _keep_better(video: np.ndarray, aligned: np.ndarray, plate: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Drop similarities that do not lower the median absolute difference to the plate."""
    before = np.median(np.abs(video - plate).reshape(len(video), -1), axis=1)
    after = np.median(np.abs(aligned - plate).reshape(len(video), -1), axis=1)
    mean_before = np.minimum(np.abs(video - plate), 40).reshape(len(video), -1).mean(axis=1)
    mean_after = np.minimum(np.abs(aligned - plate), 40).reshape(len(video), -1).mean(axis=1)
    worse = (after > before + 0.5) | (mean_after > mean_before)
    return np.where(worse[:, None], 0.0, shift)
