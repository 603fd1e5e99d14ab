"""Noise that belongs to a place: the value at (seed, frame, y, x, channel) is a hash of these numbers alone.

A larger picture or a longer clip of the same seed therefore starts from the same noise where they overlap,
and neither the batch nor the device has a say.
"""

from __future__ import annotations

import numpy as np

WORD = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mixed(word: np.ndarray) -> np.ndarray:
    """uint64 of any shape scrambled one to one: the finaliser of SplitMix64 (Steele et al., OOPSLA 2014)."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


def keyed_noise(seed: int, shape: tuple[int, int, int, int], first: int = 0) -> np.ndarray:
    """Standard normal float32 of `shape` [F, C, h, w]; frame 0 of it is frame `first` of the clip.

    `seed` is any integer, counted modulo 2^64. Each coordinate is one round of `mixed`; the 64 bits at the
    end are two uniforms for the transform of Box & Muller (1958), so that no value exceeds 6.7 in size.
    """
    frames, channels, height, width = shape
    word = mixed(np.array([(seed + GOLDEN) & WORD], dtype=np.uint64)).reshape(1, 1, 1, 1)
    for axis, length, start in ((0, frames, first), (2, height, 0), (3, width, 0), (1, channels, 0)):
        count = np.arange(start + 1, start + length + 1, dtype=np.uint64) * np.uint64(GOLDEN)
        word = mixed(word + count.reshape([-1 if a == axis else 1 for a in range(4)]))
    high = ((word >> np.uint64(32)).astype(np.float64) + 0.5) / 2**32
    low = ((word & np.uint64(0xFFFFFFFF)).astype(np.float64) + 0.5) / 2**32
    return (np.sqrt(-2 * np.log(high)) * np.cos(2 * np.pi * low)).astype(np.float32)
