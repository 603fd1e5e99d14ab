"""From clips to what a step needs, in a thread beside the model; a pure function of (seed, step).

All chance of a clip is keyed by (seed, step, its place in the whole batch), so that neither the number of
processes nor a stop in between changes what is drawn.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.clips.augment import augmented
from model.clips.depth import NO_DEPTH
from model.clips.items import Item, item
from model.clips.latents import Latents
from model.data import Source, chance, order, pick_caption
from model.diffusion.levels import PATTERNS, Levels, sample_levels
from model.training.config import TrainConfig
from simbench.errors import UserError

LEVELS, LATENT, DROPS = 1, 2, 3
"""What a generator of chance is for."""


@dataclass(frozen=True)
class Raw:
    """Clips of one size on the CPU: the share of one process in a batch, or part of it; B of them.

    `video` uint8 [B, T, H, W, 3] or `latent` float16 [B, F, C, h, w]; the rest as in denoiser.Batch.
    `shape` is [F, C, h, w]; `clips` are the places of the clips in the source; `keys` what their noise is
    drawn from (`noise`), on the device that trains: a GPU is faster at it than the thread.
    """

    video: Tensor | None
    latent: Tensor | None
    keys: tuple[tuple[int, ...], ...]
    shape: tuple[int, int, int, int]
    levels: Levels
    seconds: Tensor
    clips: tuple[int, ...]
    weight: Tensor | None = None
    ids: Tensor | None = None
    actions: Tensor | None = None
    camera: Tensor | None = None
    depth: Tensor | None = None
    mode: str = "bidirectional"

    def pinned(self) -> Raw:
        """The same in memory from which a GPU copies while the processor goes on."""
        whole: dict[str, Any] = {k: v.pin_memory() for k, v in vars(self).items() if isinstance(v, Tensor)}
        parts = {name: value.pin_memory() for name, value in vars(self.levels).items()}
        return replace(self, **whole, levels=Levels(**parts))

    @property
    def counted(self) -> int:
        """Frames with a loss."""
        return int((~self.levels.context).sum())


@dataclass(frozen=True)
class Place:
    """Which process this is, of how many."""

    rank: int = 0
    world: int = 1


@dataclass(frozen=True)
class Told:
    """What is told of a clip: its caption, empty for none, and whether its commands are withheld."""

    caption: str
    blind: bool = False


def keyed(*key: int, device: torch.device = torch.device("cpu")) -> torch.Generator:
    """A generator whose draws are a function of the numbers in `key`, and of the kind of `device`."""
    return torch.Generator(device).manual_seed(_word(key))


def _word(key: tuple[int, ...]) -> int:
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1)


def noise(raw: Raw, device: torch.device) -> Tensor:
    """The noise [B, F, C, h, w] of the clips of `raw`: of each what `keyed` draws."""
    drawn = torch.empty(len(raw.keys), *raw.shape, device=device)
    # One generator, seeded anew: a GPU waits while hundreds are made.
    generator = torch.Generator(device)
    for row, key in zip(drawn, raw.keys, strict=True):
        row.normal_(generator=generator.manual_seed(_word(key)))
    return drawn


class Feed:
    """Batches of `source` for one process. `tokens` turns captions into ids where the model has text."""

    def __init__(
        self,
        source: Source | Latents,
        config: TrainConfig,
        place: Place = Place(),
        tokens: Callable[[Sequence[str]], Tensor] | None = None,
    ) -> None:
        limit = min(len(source), config.data.clips or len(source))
        self.total = limit - config.data.held
        if self.total < 1:
            raise UserError(
                f"{limit} clips, of which data.held={config.data.held} are kept for validation; give more"
                " clips or hold fewer"
            )
        if config.batch % place.world:
            raise UserError(f"batch={config.batch} does not divide over {place.world} processes")
        self._source, self._config, self._place = source, config, place
        self._tokens = tokens

    def batch(self, step: int) -> list[Raw]:
        """This process's share of the batch of `step` (0 is the first), by size of the clips."""
        config, share = self._config, self._config.batch // self._place.world
        slots = range(self._place.rank * share, (self._place.rank + 1) * share)
        every = order(config.seed, step, config.batch, self.total)
        clips = [int(i) for i in every[slots.start : slots.stop]]
        chances = [chance(config.seed, step, slot) for slot in slots]
        items = [self._item(i, rng) for i, rng in zip(clips, chances, strict=True)]
        told = [self._told(it, rng) for it, rng in zip(items, chances, strict=True)]
        causal = float(torch.rand((), generator=keyed(config.seed, step, DROPS))) < config.loss.causal
        keys = [(config.seed, step, LATENT, slot) for slot in slots]

        def levels(frames: int) -> Levels:
            """Levels of the whole batch, for clips of `frames` latent frames."""
            # Stratified over the whole batch; of it the rows of this process.
            drawn = sample_levels(config.batch, frames, config.levels, keyed(config.seed, step, LEVELS))
            return picked(drawn, list(slots))

        groups = self._grouped(clips, items, told, keys, levels)
        return [replace(raw, mode="block_causal" if causal else "bidirectional") for raw in groups]

    def held(self) -> list[Raw]:
        """The clips that are never trained on, all of them, with noise and levels that no option moves.

        The first half is asked for all frames, the second for those after a given prefix; in each half the
        levels lie evenly from 0 to 1.
        """
        count = self._config.data.held
        clips = list(range(self.total, self.total + count))
        items = [self._item(i, None) for i in clips]
        told = [Told(it.caption.short) for it in items]
        keys = [(0, LATENT, i) for i in range(count)]
        return self._grouped(clips, items, told, keys, lambda frames: even_levels(count, frames))

    def stream(self, step: int, pin: bool = False) -> Stream:
        """Batches from `step` on, prepared ahead in threads; for a GPU in pinned memory."""

        def make(step: int) -> list[Raw]:
            """The batch of `step`."""
            raws = self.batch(step)
            return [raw.pinned() for raw in raws] if pin else raws

        return Stream(make, step, self._config.data.ahead, self._config.data.threads)

    def _item(self, index: int, rng: np.random.Generator | None) -> Item:
        """Clip `index`, varied by `rng`; stored latents stay as they are."""
        vae = self._config.model.vae
        if isinstance(self._source, Latents):
            return item(self._source.latent(index), vae)
        sample = self._source.sample(index)
        return item(sample if rng is None else augmented(sample, rng, self._config.data.augment), vae)

    def _told(self, clip: Item, rng: np.random.Generator) -> Told:
        silent, blind = rng.random() < self._config.loss.text, rng.random() < self._config.loss.commands
        return Told("" if silent else pick_caption(clip.caption, rng), blind)

    def _grouped(
        self,
        clips: Sequence[int],
        items: Sequence[Item],
        told: Sequence[Told],
        keys: Sequence[tuple[int, ...]],
        levels: Callable[[int], Levels],
    ) -> list[Raw]:
        """One Raw for each size, in the order in which sizes come."""
        ids = None if self._tokens is None else self._tokens([t.caption for t in told])
        sizes: dict[tuple[int, ...], list[int]] = {}
        for row, it in enumerate(items):
            pixels = it.shape if it.video is None else it.video.shape
            sizes.setdefault(pixels, []).append(row)
        channels = self._config.model.vae.channels
        groups = []
        for rows in sizes.values():
            mine = [items[row] for row in rows]
            frames, height, width = mine[0].shape
            raw = Raw(
                video=_stacked([it.video for it in mine]),
                latent=_stacked([it.latent for it in mine]),
                keys=tuple(keys[row] for row in rows),
                shape=(frames, channels, height, width),
                levels=picked(levels(frames), rows),
                seconds=torch.from_numpy(np.stack([it.seconds for it in mine])),
                clips=tuple(clips[row] for row in rows),
                weight=self._weight(mine),
                ids=None if ids is None else ids[rows],
            )
            groups.append(self._with_commands(raw, mine, [told[row].blind for row in rows]))
        return groups

    def _weight(self, items: Sequence[Item]) -> Tensor | None:
        extra = self._config.loss.objects
        if extra == 0.0:
            return None
        shown = [np.zeros(it.shape, bool) if it.seen is None else it.seen for it in items]
        return 1.0 + extra * torch.from_numpy(np.stack(shown)).float()[:, :, None]

    def _with_commands(self, raw: Raw, items: Sequence[Item], blind: Sequence[bool]) -> Raw:
        """`raw` with actions, camera and depth where the model takes them; NaN where they are not known or
        told. UserError where it takes depth and a clip has none."""
        dit, pairs = self._config.model.dit, list(zip(items, blind, strict=True))
        found: dict[str, Any] = {}
        for name, width in (("actions", dit.actions), ("camera", 12 * dit.camera)):
            rows = []
            for it, hidden in pairs:
                value = getattr(it, name)
                if width and value is not None and value.shape[2] != width:
                    raise UserError(
                        f"clips have {value.shape[2]} channels of {name}, the model takes {width}; set"
                        f" model.dit.{name}"
                    )
                absent = np.full((it.shape[0], dit.temporal, width), np.nan, np.float32)
                rows.append(absent if value is None or hidden else value)
            if width:
                found[name] = torch.from_numpy(np.stack(rows))
        if dit.given_depth:
            planes = [np.full_like(known_depth(it), np.nan) if b else known_depth(it) for it, b in pairs]
            found["depth"] = torch.from_numpy(np.stack(planes))
        return replace(raw, **found)


def known_depth(clip: Item) -> np.ndarray:
    """The depth of a clip as planes [F, temporal, h, w]. UserError where it has none."""
    if clip.depth is None:
        raise UserError(NO_DEPTH)
    return clip.depth


def picked(levels: Levels, rows: Sequence[int]) -> Levels:
    """The levels of the clips `rows`."""
    index = list(rows)
    return Levels(levels.level[index], levels.context[index], levels.pattern[index])


def even_levels(count: int, frames: int) -> Levels:
    """Levels for validation: see Feed.held. Of more than two frames the prefix has two, else one."""
    half = (count + 1) // 2
    prefix = torch.arange(count) >= half
    level = torch.cat([(torch.arange(n) + 0.5) / max(n, 1) for n in (half, count - half)])
    given = 0 if frames == 1 else 1 + (frames > 2)
    context = prefix[:, None] & (torch.arange(frames) < given)[None]
    every = torch.where(context, 0.0, level[:, None].expand(-1, frames))
    names = [PATTERNS.index("context") if p else PATTERNS.index("whole") for p in prefix.tolist()]
    return Levels(every, context, torch.tensor(names))


def _stacked(arrays: Sequence[np.ndarray | None]) -> Tensor | None:
    present = [a for a in arrays if a is not None]
    return torch.from_numpy(np.stack(present)) if present else None


class Stream(Iterator[list[Raw]]):
    """Results of `make(step)`, step by step, from threads that are `ahead` of the reader by a few.

    An exception in the thread is raised where the batch is asked for. `waited` is the time in seconds that
    the reader has lost so far.
    """

    def __init__(self, make: Callable[[int], list[Raw]], step: int, ahead: int, threads: int = 1) -> None:
        self.waited = 0.0
        self._make = make
        self._thread = ThreadPoolExecutor(threads, "feed")
        self._coming = deque(self._thread.submit(make, step + i) for i in range(ahead))
        self._next = step + ahead

    def __next__(self) -> list[Raw]:
        self._coming.append(self._thread.submit(self._make, self._next))
        self._next += 1
        began = time.perf_counter()
        found = self._coming.popleft().result()
        self.waited += time.perf_counter() - began
        return found

    def close(self) -> None:
        """End the threads; what they have prepared is dropped."""
        self._thread.shutdown(wait=True, cancel_futures=True)
