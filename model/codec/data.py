"""Videos for training a VAE: a pool or one array, some held back, cut to the lengths that it must take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.data import Sample, Source, chance, samples
from simbench.errors import UserError

WHOLE = 0.7
"""Share of clips of full length; the others lack 1 to 3 frames, so that every length modulo 4 is seen."""


@dataclass(frozen=True)
class Array:
    """Clips uint8 [N, T, H, W, 3] in one file, read where they lie. See `model.data.Source`."""

    videos: np.ndarray

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.videos)

    def sample(self, index: int) -> Sample:
        """Clip `index`, at a rate that no one asks for."""
        return Sample(np.array(self.videos[index]), 1.0)


@dataclass(frozen=True)
class Part:
    """Clips `start` to `stop` of another source."""

    source: Source
    start: int
    stop: int

    def __len__(self) -> int:
        """Number of clips."""
        return self.stop - self.start

    def sample(self, index: int) -> Sample:
        """Clip `index` of the part."""
        return self.source.sample(self.start + index)


def opened(path: Path, size: str = "", frames: int = 0) -> Source:
    """A pool, a .npy of clips, or a folder of videos cut to `size` (64 or 96x64) and `frames` (0: all).

    UserError for what is none of them.
    """
    if path.is_dir():
        if (path / "pool.json").exists() or (path / "index.json").exists():
            from model.clips.pool import Pool

            return Pool(path)
        from model.clips.folder import Folder, Options
        from simbench.settings import parse_size

        return Folder(path, Options(parse_size(size) if size else None, frames=frames or None))
    if path.suffix != ".npy":
        raise UserError(
            f"data={path} is no pool, no folder of videos and no .npy;"
            " make a pool with python -m model.data pool"
        )
    try:
        videos = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f"data={path} cannot be read ({error}); name an array uint8 [N, T, H, W, 3]"
        ) from error
    if videos.dtype != np.uint8 or videos.ndim != 5 or videos.shape[4] != 3:
        raise UserError(
            f"data={path} is {videos.dtype} {list(videos.shape)}; it must be uint8 [N, T, H, W, 3]"
        )
    return Array(videos)


def divided(source: Source, held: int) -> tuple[Part, Part]:
    """Clips to train on and the last `held`. UserError where none would be left."""
    total = len(source)
    if total <= held:
        raise UserError(
            f"{total} clips with held={held} leave none to train on; use more clips or a lower held="
        )
    return Part(source, 0, total - held), Part(source, total - held, total)


def videos(source: Source, count: int) -> Iterator[np.ndarray]:
    """The first `count` clips, uint8 [T, H, W, 3]; fewer where there are fewer."""
    for index in range(min(count, len(source))):
        yield source.sample(index).video


def cut(clips: list[np.ndarray], images: float, rng: np.random.Generator) -> np.ndarray:
    """One batch uint8 [B, t, H, W, 3] of clips of one size: all single frames (share `images`), all whole,
    or all 1 to 3 frames shorter, each from a place of its own."""
    frames = min(len(clip) for clip in clips)
    length = 1
    if rng.random() >= images and frames > 1:
        length = frames if rng.random() < WHOLE else max(2, frames - int(rng.integers(1, 4)))
    starts = [int(rng.integers(0, len(clip) - length + 1)) for clip in clips]
    return np.stack([clip[s : s + length] for clip, s in zip(clips, starts, strict=True)])


def batch(source: Source, seed: int, step: int, size: int, images: float) -> np.ndarray:
    """Batch `step`, uint8 [size, t, H, W, 3]: a function of its arguments alone."""
    clips = [sample.video for sample in samples(source, seed, step, size)]
    if len({clip.shape[1:] for clip in clips}) > 1:
        raise UserError("the clips differ in size; cut them to one with clip_size=")
    # Slot `size` is that of no sample: chance that the whole batch shares.
    return cut(clips, images, chance(seed, step, size))
