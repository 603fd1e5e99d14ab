"""Schedules: what level each frame has after each step of sampling, as a plain array `levels` [K + 1, F].

Row 0 is where sampling starts and the last row, all zeros, where it ends. Every way of making a video is such
an array: all frames together, given frames first, one chunk after the other, chunks in flight.
"""

from __future__ import annotations

import numpy as np

from simbench.errors import UserError


def falling(steps: int, shift: float = 1.0, start: float = 1.0) -> np.ndarray:
    """float64 [steps + 1] from `start` to 0, evenly spaced and then shifted: s t / (1 + (s - 1) t).

    A shift above 1 spends more steps near noise, where a large picture decides what it shows (Esser et al.
    2024, arXiv 2403.03206). UserError for fewer than 1 step, a shift of 0 or less, or a start outside (0, 1].
    """
    if steps < 1:
        raise UserError(f"steps={steps} must be 1 or more")
    if not shift > 0:
        raise UserError(f"shift={shift:g} must be above 0")
    if not 0 < start <= 1:
        raise UserError(f"start={start:g} must be above 0 and at most 1")
    even = np.linspace(start, 0, steps + 1)
    return np.asarray(shift * even / (1 + (shift - 1) * even))


def together(steps: int, frames: int, shift: float = 1.0, start: float = 1.0) -> np.ndarray:
    """[steps + 1, frames]: all frames fall together. `start` < 1 begins from a noised video, not noise."""
    return np.repeat(falling(steps, shift, start)[:, None], frames, 1)


def after(steps: int, frames: int, given: int, shift: float = 1.0) -> np.ndarray:
    """[steps + 1, frames]: the first `given` frames are clean throughout, the others fall together.

    One image is `given` = 1. UserError when nothing would be left to make."""
    if not 0 <= given < frames:
        raise UserError(f"{given} given latent frames of {frames} leave nothing to make; ask for more frames")
    levels = together(steps, frames, shift)
    levels[:, :given] = 0
    return levels


def pyramid(
    steps: int, frames: int, given: int = 0, chunk: int = 1, lag: int | None = None, shift: float = 1.0
) -> np.ndarray:
    """[rows, frames]: after `given` clean frames, each chunk of `chunk` frames starts `lag` rows after the
    one before it. `lag` = `steps` (the default) finishes a chunk before the next begins (autoregressive);
    less keeps several in flight (Teng et al. 2025, arXiv 2505.13211); 0 is `after`.
    """
    if not 0 <= given < frames:
        raise UserError(f"{given} given latent frames of {frames} leave nothing to make; ask for more frames")
    lag = steps if lag is None else lag
    if chunk < 1 or lag < 0:
        raise UserError(f"chunk={chunk} must be 1 or more and lag={lag} 0 or more")
    chunks = np.maximum(np.arange(frames) - given, 0) // chunk
    rows = steps + lag * int(chunks[-1]) + 1
    place = np.clip(np.arange(rows)[:, None] - lag * chunks[None], 0, steps)
    levels = falling(steps, shift)[place]
    levels[:, :given] = 0
    return np.asarray(levels)
