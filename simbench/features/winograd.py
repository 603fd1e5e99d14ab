"""Convolutions of I3D by Winograd's short ones, for one core of a processor, in float32.

A 3 x 3 x 3 convolution is done for tiles of 4 x 4 pixels and 2 or 4 moments at once: F(4, 3) along height and
width and F(2, 3) or F(4, 3) along time, nested (Lavin and Gray, Fast Algorithms for Convolutional Neural
Networks, CVPR 2016, section 4.1). That takes 4.5 or 3.4 products an output and channel, where there are 27.
The 7 x 7 x 7 one at every second pixel becomes one of 4 x 4 at each, of the four phases of the pixels and
seven moments as 84 channels, by F(4, 4): 3.1 products where there were 16. Points lie where they round least
(`simbench.features.toom`); weights are transformed in float64, once, and take 5 to 8 times their memory.
"""

from __future__ import annotations

import numpy as np

from simbench.features import winograd_kernel as kernel
from simbench.features.lanes import LANES
from simbench.features.toom import POINTS, matrices

ROOM, STEM_ROOM = 32 * 2**20, 3 * 2**19
"""Bytes for the tiles that are worked on at a time, about the last cache of a processor; for those of the
first convolution, which are read seven times over, about the cache of a core."""


def padded(channels: int) -> int:
    """The next multiple of 16: channels of a convolution come and go in vectors."""
    return -(-channels // LANES) * LANES


def _wide(weights: np.ndarray) -> np.ndarray:
    """float32 [..., K, C] with zeros to multiples of 16."""
    missing = [(0, padded(n) - n) for n in weights.shape[-2:]]
    return np.ascontiguousarray(np.pad(weights, [(0, 0)] * (weights.ndim - 2) + missing), dtype=np.float32)


class Room:
    """One thread's memory for tiles on both sides of a product, used over and over: fresh pages cost time."""

    def __init__(self) -> None:
        self.floats = np.empty(ROOM // 4, np.float32)
        self.scratch = np.empty(6**3 * LANES, np.float32)

    def blocks(self, tiles: int, each: int, most: int = ROOM) -> list[tuple[int, int]]:
        """First and number of tiles, of `each` floats, in parts of like size and at most `most` bytes; of one
        tile where that is more."""
        if each > len(self.floats):
            self.floats = np.empty(each, np.float32)
        fitting = max(1, most // 4 // each)
        count = -(-tiles // -(-tiles // fitting))
        return [(first, min(count, tiles - first)) for first in range(0, tiles, count)]

    def take(self, *shapes: tuple[int, ...]) -> list[np.ndarray]:
        """Arrays of these shapes, side by side."""
        found, at = [], 0
        for shape in shapes:
            size = int(np.prod(shape))
            found.append(self.floats[at : at + size].reshape(shape))
            at += size
        return found


class Convolution:
    """A convolution with weights [C', C, 3, 3, 3] and bias [C'], padded with 0, then a rectifier.

    `moments` is how many moments a tile makes, 2 or 4.
    """

    def __init__(self, weights: np.ndarray, bias: np.ndarray, moments: int) -> None:
        self.moments = moments
        points = (POINTS[moments + 2], POINTS[6], POINTS[6])
        t, h, w = (matrices(len(p) - 1, 3, p)[1].astype(np.float64) for p in points)
        taps = weights.astype(np.float64).transpose(2, 3, 4, 1, 0).reshape(27, -1)
        found = np.kron(np.kron(t, h), w) @ taps
        self.weights = _wide(found.reshape(len(found), weights.shape[1], weights.shape[0]))
        self.bias = bias.astype(np.float32)

    def __call__(self, x: np.ndarray, at: int, bias: np.ndarray, y: np.ndarray, to: int, room: Room) -> None:
        """Of channels `at`... of `x` [N, T, H, W, S], to which `bias` (a multiple of 16) is added before they
        are rectified, to channels `to`... of `y` of that size."""
        long, (tall, wide) = -(-x.shape[1] // self.moments), (-(-s // kernel.SIDE) for s in x.shape[2:4])
        points, before, after = self.weights.shape
        source, target = x.reshape(-1), y.reshape(-1)
        for first, count in room.blocks(len(x) * long * tall * wide, points * (before + after)):
            seen, made = room.take((points, count, before), (points, count, after))
            part = (first, count, self.moments)
            kernel.into(source, x.shape, at, bias, part, seen.reshape(-1), room.scratch)
            np.matmul(seen, self.weights, out=made)
            kernel.back(made.reshape(-1), after, part, self.bias, target, y.shape, to, room.scratch)


class Stem:
    """The first convolution: 7 x 7 x 7 at every second moment, row and column, weights [C', 3, 7, 7, 7]."""

    def __init__(self, weights: np.ndarray, bias: np.ndarray) -> None:
        after = len(weights)
        phased = np.zeros((after, 3, 7, 8, 8))
        phased[..., :7, :7] = weights
        # Tap 2 a + r of a row is tap a of phase r. Channels run over frames, phases of rows and of columns,
        # colours, as `phases` lays them.
        taps = phased.reshape(after, 3, 7, 4, 2, 4, 2).transpose(3, 5, 2, 4, 6, 1, 0).reshape(16, -1)
        short = matrices(4, 4, POINTS[7])[1].astype(np.float64)
        found = (np.kron(short, short) @ taps).reshape(49, 84, after)
        self.weights = np.ascontiguousarray(_wide(found)[:, :84])
        self.bias = bias.astype(np.float32)

    def __call__(self, x: np.ndarray, room: Room) -> np.ndarray:
        """[N, T, H, W, 3] to [N, ceil(T / 2), ..., C'], rectified."""
        size = [-(-s // 2) for s in x.shape[1:4]]
        before = [max(0, (s - 1) * 2 + 7 - old) // 2 for s, old in zip(size, x.shape[1:4], strict=True)]
        frames = -(-(2 * (size[0] - 1) + 7) // 4) * 4
        rows, columns = (-(-s // kernel.SIDE) for s in size[1:])
        short = np.empty((len(x), rows * 4 + 3, columns * 4 + 3, frames, 2, 2, 3), np.float32)
        kernel.phases(x, tuple(before), short)
        after, channels = self.weights.shape[2], frames * 12
        y = np.empty((len(x), *size, len(self.bias)), np.float32)
        source, shape, target = short.reshape(-1), (*short.shape[1:3], channels), y.reshape(-1)
        for first, count in room.blocks(len(x) * rows * columns, 49 * (channels + after), STEM_ROOM):
            seen, made = room.take((49, count, channels), (49, count, after))
            part = (first, count)
            kernel.into_stem(source, shape, part, seen.reshape(-1), room.scratch)
            for t in range(size[0]):
                # Neighbouring moments share five of seven frames: what they see overlaps in memory.
                np.matmul(seen[:, :, 24 * t : 24 * t + 84], self.weights, out=made)
                kernel.back_stem(made.reshape(-1), after, part, t, self.bias, target, y.shape, room.scratch)
        return y
