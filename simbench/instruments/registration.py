"""Registration of every frame to the static scene before anything is read (decision: drift is a column).

The camera of the generated video may pan, roll and zoom a little; each frame gets the similarity that
brings its static parts onto the rendered plate. Direct, inverse-compositional alignment (Baker and
Matthews, Lucas-Kanade 20 years on, IJCV 2004, section 3.2) with a gain and an offset per channel and
Tukey weights, so that objects, whose place is not known, do not pull.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simbench.arrays import channel_mean, median


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


def register(
    frames: np.ndarray, plate: np.ndarray, iterations: int = 6, free: np.ndarray | None = None
) -> Registration:
    """Align `frames` uint8 [T, H, W, 3] to `plate` float32 [T or 1, H, W, 3], 0-255.

    `free` float32 [T, H, W]: a direction in which a frame may differ from its plate for another reason than
    the camera, such as a level that rises; it is fitted beside the camera, and left in the frame.

    Shifts below 0.1 px are left alone (interpolation would blur more than it mends); what would
    need more than 8 % of the width or zoom, or does not fit better than no shift, is left as it came.
    """
    video = frames.astype(np.float32)
    count, height, width = video.shape[:3]
    shift = np.zeros((count, 4))
    grey, grey_plate = channel_mean(video), channel_mean(plate.astype(np.float32))
    loose = ~_aligned(grey, grey_plate)
    if loose.any():
        part = grey_plate if len(grey_plate) == 1 else grey_plate[loose]
        spare = None if free is None else free[loose]
        shift[loose] = _coarse_to_fine(grey[loose], part, iterations, spare)
    rms = _displacement(shift, height, width)
    shift[(rms < 0.1) | (rms > 0.08 * width) | (np.abs(shift[:, 0]) > 0.08)] = 0.0
    if shift.any():
        shift = _keep_better(grey, _warp(grey, shift)[0], grey_plate, shift)
    aligned, valid = _warp(video, shift)
    return Registration(aligned, shift, _displacement(shift, height, width) / width, valid)


def _aligned(video: np.ndarray, plate: np.ndarray) -> np.ndarray:
    """Frames [T] whose static edges already lie on the plate's, to within rounding."""
    edges = _edges(plate)
    return median(np.abs(video - plate)[:, edges]) < 1.0


def _edges(plate: np.ndarray) -> np.ndarray:
    """Pixels bool [H, W] at which the plate has structure, and a sparse grid that sees flat areas."""
    gy, gx = np.gradient(plate, axis=(1, 2))
    edges = (np.hypot(gx, gy) > 2.0).any(axis=0)
    edges[::3, ::3] = True
    return edges


def _coarse_to_fine(
    video: np.ndarray, plate: np.ndarray, iterations: int, free: np.ndarray | None
) -> np.ndarray:
    shift = np.zeros((len(video), 4))
    for scale in (8, 4, 2):
        if min(video.shape[1:3]) // scale >= 48:
            unit = np.array([1.0, 1.0, 1 / scale, 1 / scale])
            small = None if free is None else _shrink(free, scale)
            start = shift * unit
            shift = _align(_shrink(video, scale), _shrink(plate, scale), start, iterations, small) / unit
    return _align(video, plate, shift, iterations, free)


def _shrink(video: np.ndarray, scale: int) -> np.ndarray:
    import cv2

    size = (video.shape[2] // scale, video.shape[1] // scale)
    return np.stack([cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in video])


def _displacement(shift: np.ndarray, height: int, width: int) -> np.ndarray:
    """Root mean square motion of pixels [T] under similarities [T, 4]."""
    spread = (height**2 + width**2) / 12
    return np.sqrt((shift[:, 0] ** 2 + shift[:, 1] ** 2) * spread + shift[:, 2] ** 2 + shift[:, 3] ** 2)


def matrix(shift: np.ndarray, height: int, width: int) -> np.ndarray:
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
        there = matrix(shift[t], height, width)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        out[t] = cv2.warpAffine(
            video[t], there, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        inside = cv2.warpAffine(np.ones((height, width), np.float32), there, (width, height), flags=flags)
        valid[t] = inside > 0.99
    return out, valid


def _jacobian(plate: np.ndarray) -> np.ndarray:
    """d plate / d similarity, [P, H, W, 4], with gradients by central differences."""
    gy, gx = np.gradient(plate, axis=(1, 2))
    height, width = plate.shape[1:3]
    x = (np.arange(width) - (width - 1) / 2)[None, None, :]
    y = (np.arange(height) - (height - 1) / 2)[None, :, None]
    return np.stack([gx * x + gy * y, gy * x - gx * y, gx, gy], axis=-1).astype(np.float32)


def _align(
    video: np.ndarray, plate: np.ndarray, shift: np.ndarray, iterations: int, free: np.ndarray | None
) -> np.ndarray:
    count = len(video)
    used = _edges(plate)
    jacobian = np.broadcast_to(_jacobian(plate)[:, used], (count, int(used.sum()), 4))
    if free is not None:
        jacobian = np.concatenate([jacobian, free[:, used, None]], axis=2)
    target = np.broadcast_to(plate[:, used], (count, int(used.sum())))
    shift = shift.copy()
    active = np.arange(count)
    for step in range(iterations):
        current, valid = _warp(video[active], shift[active])
        update = _solve(current[:, used], target[active], jacobian[active], valid[:, used], loose=step < 2)
        shift[active] -= update
        moved = _displacement(update, *video.shape[1:3])
        active = active[moved > 0.02]
        if len(active) == 0:
            break
    return shift


def _solve(
    current: np.ndarray, target: np.ndarray, jacobian: np.ndarray, seen: np.ndarray, loose: bool
) -> np.ndarray:
    """One weighted least-squares step: similarity [T, 4] besides a gain, an offset and what else `jacobian`
    [T, N, 4 or more] holds."""
    photometric = np.stack([target / 255.0, np.ones_like(target)], axis=-1)
    design = np.concatenate([jacobian, photometric], axis=2)
    residual = current - target
    weight = seen.astype(np.float32)
    for _ in range(2):
        weighted = (design * weight[:, :, None]).transpose(0, 2, 1)
        normal = (weighted @ design).astype(np.float64) + 1e-2 * np.eye(design.shape[2])
        right = (weighted @ residual[:, :, None]).astype(np.float64)
        solution = np.linalg.solve(normal, right)[:, :, 0]
        left = np.abs(residual - (design @ solution.astype(np.float32)[:, :, None])[:, :, 0])
        scale = np.maximum(2.0, 1.48 * median(left)[:, None])
        cut = (9.0 if loose else 5.0) * scale
        weight = np.where(left < cut, (1 - (left / cut) ** 2) ** 2, 0.0).astype(np.float32) * seen
    return solution[:, :4]


def _keep_better(video: np.ndarray, aligned: np.ndarray, plate: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Drop similarities that do not bring the static edges nearer to the plate's."""
    edges = _edges(plate)

    def distance(frames: np.ndarray) -> np.ndarray:
        """Mean distance [T] at the plate's edges, brightness aside, outliers capped."""
        off = (frames - plate)[:, edges]
        off = np.abs(off - median(off)[:, None])
        return np.minimum(off, 40.0).mean(axis=1)

    return np.where((distance(aligned) > distance(video))[:, None], 0.0, shift)
