"""Training data: what one sample is, how samples become batches, and the command line.

The order of batches is a pure function of (seed, step): whoever goes on at step N reads the bytes that
a run without a break would have read.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from simbench.errors import UserError
from simbench.worlds.scene import Caption

CAPTION_SHARES = (0.5, 0.3, 0.2)
"""How often the short, the long and the structured caption of a clip is read."""


@dataclass(frozen=True)
class Sample:
    """One clip with what is known about it.

    `video` uint8 [T, H, W, 3] sRGB at `fps`; an image is T = 1. `actions` float32 [T, A], the command in
    force when a frame is shown; `camera` float32 [T, 3, 4], OpenCV, takes points of the first frame's
    camera (metres) to that of each frame; `mask` uint8 [T, H, W]: 0, or 1 + the number of the moving
    object seen through the pixel's centre; `depth` float16 [T, H, W], metres along the optical axis, 0 for
    the sky. None where the source does not know. `facts` says where the
    clip comes from (family, seed, ...) as plain data.
    """

    video: np.ndarray
    fps: float
    caption: Caption = Caption()
    actions: np.ndarray | None = None
    camera: np.ndarray | None = None
    mask: np.ndarray | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    depth: np.ndarray | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return int(self.video.shape[2]), int(self.video.shape[1])


class Source(Protocol):
    """A fixed list of samples: a pool, or a folder of videos."""

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def sample(self, index: int) -> Sample:
        """Sample `index`, the same bytes at every call."""
        ...


Change = Callable[[Sample, np.random.Generator], Sample]


def pick_caption(caption: Caption, rng: np.random.Generator) -> str:
    """One of the three captions, drawn with CAPTION_SHARES; the first that is not empty for an empty one."""
    texts = (caption.short, caption.long, caption.structured)
    chosen = texts[int(rng.choice(3, p=CAPTION_SHARES))]
    return chosen or next((text for text in texts if text), "")


def chance(seed: int, step: int, slot: int) -> np.random.Generator:
    """The generator of sample `slot` of batch `step`; a function of its arguments alone."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, step, slot))))


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, total: int) -> np.ndarray:
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, epoch))))
    order = rng.permutation(total)
    order.flags.writeable = False
    return order


def order(seed: int, step: int, batch: int, total: int) -> np.ndarray:
    """Indices int64 [batch] of batch `step`: epochs in a new random order each, joined without a gap.

    Every sample is read once an epoch; a batch may hold the end of one epoch and the start of the next.
    """
    if total < 1:
        raise UserError("the data set is empty; give it at least one clip")
    places = np.arange(step * batch, (step + 1) * batch)
    return np.array([_permutation(seed, int(p) // total, total)[int(p) % total] for p in places])


def samples(source: Source, seed: int, step: int, batch: int, change: Change | None = None) -> list[Sample]:
    """Batch `step` of `source`, each sample passed through `change` with its own generator of chance."""
    picked = [source.sample(int(i)) for i in order(seed, step, batch, len(source))]
    if change is None:
        return picked
    return [change(s, chance(seed, step, slot)) for slot, s in enumerate(picked)]


def batches(
    source: Source, seed: int, batch: int, step: int = 0, change: Change | None = None
) -> Iterator[list[Sample]]:
    """Endless batches from `step` on; (seed, step) is all the state there is."""
    while True:
        yield samples(source, seed, step, batch, change)
        step += 1


def pixels(videos: Sequence[np.ndarray]) -> np.ndarray:
    """Videos uint8 [T, H, W, 3] of one size as float32 [B, T, 3, H, W] in [-1, 1]."""
    stacked = np.stack([np.moveaxis(video, -1, -3) for video in videos])
    return stacked.astype(np.float32) * np.float32(2.0 / 255.0) - np.float32(1.0)


if __name__ == "__main__":
    from model.clips.commands import main

    sys.exit(main(sys.argv[1:]))
