"""How much a clip moves and how much it flickers, from the clip alone. Neither is good or bad by itself.

A frozen clip has no flicker and no motion: flicker is to be read beside motion, never alone. Clips are
[T, H, W, C] with `data_range` from black to white, as in `pictures`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from simbench.metrics._clips import clip

SMALLEST = 12
"""Shorter side, px, below which the flow has no scale to start from."""

RETURN_PX = 1.0
"""A pixel whose way there and back ends farther than this from its start, px, was hidden or misread."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""


def change(frames: np.ndarray, data_range: float) -> float:
    """Mean |difference| of frames that follow each other in `frames` [T, H, W, C], as a share of the range
    (no unit).

    It mixes motion, flicker, fades and noise; VBench (Huang et al., CVPR 2024) prints 1 minus this as
    "temporal flickering" and asks it of still scenes only. NaN below two frames.
    """
    clips = clip("frames", frames, data_range, {})
    if len(clips) < 2:
        return float("nan")
    steps = [np.abs(np.subtract(b, a, dtype=np.float64)).mean() for a, b in pairwise(clips)]
    return float(np.mean(steps)) / data_range


def flow_magnitude(frames: np.ndarray, data_range: float) -> float:
    """Mean length of optical flow over pixels and steps of `frames` [T, H, W, C], px a frame.

    Dense inverse search (Kroeger et al., ECCV 2016; OpenCV's medium preset) on grey frames of at least 12
    px a side. Things and camera alike; aperture, plain walls and blur make it smaller than the true
    motion, cuts and noise on plain walls larger. Steps above about a tenth of the side read far too small.
    NaN below two frames.
    """
    grey = _grey(clip("frames", frames, data_range, {}), data_range)
    steps = [np.sqrt((_flow(a, b) ** 2).sum(axis=-1)).mean() for a, b in pairwise(grey)]
    return float(np.mean(steps)) if steps else float("nan")


def flicker(frames: np.ndarray, data_range: float) -> float:
    """Change from frame to frame and back that motion does not explain, in `frames` [T, H, W, C], as a
    share of the range (no unit).

    For each inner frame: half of |I_t - (I_t-1 + I_t+1) / 2|, the neighbours brought onto it along the
    flow of `flow_magnitude`, mean over channels and over the pixels that both flows return to within 1
    px; then the mean over frames. So brightness that alternates by +-a reads a, and a steady fade or
    motion reads 0. The warping error of Lai et al. (ECCV 2018) with the occlusion test of Ruder et al.
    (GCPR 2016), as a second difference, for the first one takes a fade for flicker.

    Blind to what is slower than some frames, to what has no return (things that pop up or vanish), and to
    what a frozen or blurred clip lacks, which reads 0. Fine texture that moves by parts of a pixel reads
    more than 0 (interpolation): read it beside that of the truth. NaN below three frames, or if no pixel
    returns.
    """
    clips = clip("frames", frames, data_range, {})
    grey = _grey(clips, data_range)
    values, before = [], None
    for t in range(len(clips) - 1):
        after = _flow(grey[t], grey[t + 1]), _flow(grey[t + 1], grey[t])
        if before is not None:
            earlier, one = _brought(clips[t - 1], before[1], before[0])
            later, two = _brought(clips[t + 1], *after)
            seen = one & two
            if seen.any():
                rest = np.abs(clips[t].astype(np.float64) - (earlier + later) / 2)
                values.append(rest[seen].mean() / 2)
        before = after
    return float(np.mean(values)) / data_range if values else float("nan")


def _grey(clips: np.ndarray, data_range: float) -> list[np.ndarray]:
    """Frames as uint8 [H, W], which is what the flow takes; all channels alike if they are not three."""
    if min(clips.shape[1:3]) < SMALLEST:
        raise ValueError(f"frames has shape {list(clips.shape)}; flow needs at least {SMALLEST} px a side")
    channels = clips.shape[-1]
    weights = np.array(LUMA if channels == 3 else [1 / channels] * channels) * (255.0 / data_range)
    return [np.rint(frame @ weights).astype(np.uint8) for frame in clips]


def _flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """[H, W, 2] px: where each pixel of `first` is in `second`, relative to its place."""
    import cv2

    solver = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    start: Any = None
    return np.asarray(solver.calc(first, second, start), np.float64)


def _brought(picture: np.ndarray, there: np.ndarray, back: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`picture` [H, W, C] at the places that `there` points to, and which of them lie inside and return."""
    import cv2

    height, width = there.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float64)
    to_x, to_y = x + there[..., 0], y + there[..., 1]
    maps = to_x.astype(np.float32), to_y.astype(np.float32)
    inside = (to_x >= 0) & (to_x <= width - 1) & (to_y >= 0) & (to_y <= height - 1)
    back_there = cv2.remap(back, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    missed = ((there + back_there) ** 2).sum(axis=-1)
    values = picture.astype(np.float64)
    warped = cv2.remap(values, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return warped.reshape(picture.shape), inside & (missed <= RETURN_PX**2)
