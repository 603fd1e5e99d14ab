"""Clips as arguments: one, or two of one shape, with values that lie in a range that the caller names.

Frames are taken as they are and made float64 one at a time: a long clip of 720p as a whole would take
gigabytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from simbench.metrics._shapes import KINDS


def clip(name: str, array: Any, data_range: float, sizes: dict[str, int]) -> np.ndarray:
    """`array` [T, H, W, C] as given; ValueError names what differs in shape, type or range.

    `sizes` binds T, H, W, C by the first clip that uses it. Values below 0 or above `data_range` are refused,
    and so are fractions that never exceed 1 under a larger range: they are a picture of another range.
    """
    out = np.asarray(array)
    if out.dtype.kind not in KINDS["float"]:
        raise ValueError(f"{name} holds {out.dtype}; give numbers [T, H, W, C]")
    words = ("T", "H", "W", "C")
    fits = out.ndim == 4 and out.size > 0
    if fits:
        fits = all(sizes.setdefault(word, size) == size for word, size in zip(words, out.shape, strict=True))
    if not fits:
        known = ", ".join(str(sizes.get(word, word)) for word in words)
        raise ValueError(f"{name} has shape {list(out.shape)}; give [{known}] (T H W C), none of them 0")
    if not (np.isfinite(data_range) and data_range > 0):
        raise ValueError(f"data_range={data_range} must be above 0; 255 for uint8, 1 for floats in [0, 1]")
    low, high = float(out.min()), float(out.max())
    if not (low >= 0 and high <= data_range):
        raise ValueError(f"{name} holds {low:.4g} to {high:.4g}; give 0..{data_range:g} (data_range)")
    if out.dtype.kind == "f" and data_range > 1 and 0 < high <= 1:
        raise ValueError(
            f"{name} holds {low:.4g} to {high:.4g} under data_range={data_range:g}; give 1 for [0, 1]"
        )
    return out


def pair(made: Any, true: Any, data_range: float) -> tuple[np.ndarray, np.ndarray]:
    """Two clips of one shape [T, H, W, C], each as `clip`."""
    sizes: dict[str, int] = {}
    return clip("made", made, data_range, sizes), clip("true", true, data_range, sizes)
