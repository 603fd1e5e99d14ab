"""`random` and `random-motion`: networks of 3-D convolutions that nobody trained, from a fixed seed.

They need no weights, so they always run. What they find between two sets is a distance in some space, never
the Frechet video distance, and it is not called so. Every kernel of the first layer sums to 0, over space and
time (`random`), without which the brightness of a clip hides all else, or over time for each pixel
(`random-motion`), so that only what changes is seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from simbench.features.protocols import resized
from simbench.features.space import checked

if TYPE_CHECKING:
    import torch

SIDE = 64
"""Pixels a side that every picture is brought to."""
WIDTHS = (16, 32, 64)
BATCH = 8


@dataclass(frozen=True)
class Random:
    """Three layers of 3x3x3 convolutions, stride 2 in space and, but for the first, in time; each followed by
    a rectifier. The features are the means of every channel of every layer over space and time."""

    seed: int = 0
    name: str = "random"
    least_frames: int = 3
    motion: ClassVar[bool] = False

    def identity(self) -> Mapping[str, Any]:
        """Class, seed, size and the digest of the weights."""
        digest = hashlib.sha256(b"".join(w.tobytes() for w in layers(self.seed, self.motion))).hexdigest()
        return {"class": self.name, "seed": self.seed, "side": SIDE, "weights": digest}

    def features(self, clips: np.ndarray) -> np.ndarray:
        """float32 [N, 112] of clips uint8 [N, T, H, W, 3], stretched to 64 x 64 px."""
        import torch

        clips = checked(clips, self.name, self.least_frames)
        kernels = [torch.tensor(w) for w in layers(self.seed, self.motion)]
        found = []
        with torch.inference_mode():
            for i in range(0, len(clips), BATCH):
                x = resized(clips[i : i + BATCH], SIDE, SIDE, True, True) / np.float32(127.5) - np.float32(1)
                video = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 4, 1, 2, 3)))
                found.append(_means(video, kernels))
        return np.concatenate(found)


@dataclass(frozen=True)
class RandomMotion(Random):
    """The same, blind to what stands still."""

    name: str = "random-motion"
    motion: ClassVar[bool] = True


def _means(x: torch.Tensor, kernels: list[torch.Tensor]) -> np.ndarray:
    from torch.nn import functional

    means = []
    for depth, kernel in enumerate(kernels):
        # No padding in time at first: the step from 0 to the first frame would be a change.
        first = depth == 0
        stride, padding = ((1, 2, 2), (0, 1, 1)) if first else ((2, 2, 2), (1, 1, 1))
        x = functional.relu(functional.conv3d(x, kernel, stride=stride, padding=padding))
        means.append(x.mean(dim=(2, 3, 4)))
    return np.concatenate([m.numpy() for m in means], axis=1)


@lru_cache(maxsize=4)
def layers(seed: int, motion: bool) -> tuple[np.ndarray, ...]:
    """float32 [out, in, 3, 3, 3] of each layer, uniform with the variance 2 / inputs (He et al. 2015), those
    of the first less their mean, over time alone for `motion`.

    Made from the raw bits of PCG64, which NumPy keeps for ever; its distributions may change.
    """
    bits = np.random.PCG64(seed)
    found = []
    for before, after in zip((3, *WIDTHS), WIDTHS, strict=False):
        count = after * before * 27
        unit = (bits.random_raw(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        wide = ((2 * unit - 1) * np.sqrt(6.0 / (before * 27))).reshape(after, before, 3, 3, 3)
        if before == 3:
            wide -= wide.mean(axis=2 if motion else (1, 2, 3, 4), keepdims=True)
        weights = wide.astype(np.float32)
        weights.flags.writeable = False
        found.append(weights)
    return tuple(found)
