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
from functools import partial

import numpy as np
import torch
from torch import Tensor

from model.augment import augmented
from model.data import Change, Sample, Source, chance, order, pick_caption
from model.grouping import per_latent, seen, times
from model.levels import PATTERNS, Levels, sample_levels
from model.train_config import TrainConfig
from simbench.errors import UserError

LEVELS, LATENT, DROPS = 1, 2, 3
"""What a generator of chance is for."""


@dataclass(frozen=True)
class Raw:
    """The share of one process in a batch of clips, on the CPU; shapes as in denoiser.Batch.

    `video` uint8 [B, T, 3, H, W]. `counted` is the number of frames with a loss in the whole batch.
    `clips` are the places of the clips in the source.
    """

    video: Tensor
    noise: Tensor
    levels: Levels
    seconds: Tensor
    counted: int
    clips: tuple[int, ...]
    weight: Tensor | None = None
    ids: Tensor | None = None
    actions: Tensor | None = None
    camera: Tensor | None = None
    mode: str = "bidirectional"


@dataclass(frozen=True)
class Place:
    """Which process this is, of how many."""

    rank: int = 0
    world: int = 1


def keyed(*key: int) -> torch.Generator:
    """A generator on the CPU whose draws are a function of the numbers in `key` alone."""
    word = np.random.SeedSequence(key).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(word >> 1))


class Feed:
    """Batches of `source` for one process. `tokens` turns captions into ids where the model has text."""

    def __init__(
        self,
        source: Source,
        config: TrainConfig,
        place: Place = Place(),
        tokens: Callable[[list[str]], Tensor] | None = None,
    ) -> None:
        limit = config.data.clips or len(source)
        self.total = min(len(source), limit) - config.data.held
        if self.total < 1:
            raise UserError(
                f"{min(len(source), limit)} clips, of which data.held={config.data.held} are kept for"
                " validation; give more clips or hold fewer"
            )
        if config.batch % place.world:
            raise UserError(f"batch={config.batch} does not divide over {place.world} processes")
        self._source, self._config, self._place = source, config, place
        self._tokens = tokens
        self._change: Change = partial(augmented, options=config.data.augment)

    def batch(self, step: int) -> Raw:
        """This process's share of the batch of `step` (0 is the first)."""
        config, share = self._config, self._config.batch // self._place.world
        slots = range(self._place.rank * share, (self._place.rank + 1) * share)
        clips = [int(i) for i in order(config.seed, step, config.batch, self.total)[slots.start : slots.stop]]
        samples = [self._source.sample(i) for i in clips]
        pairs = zip(samples, slots, strict=True)
        samples = [self._change(s, chance(config.seed, step, slot)) for s, slot in pairs]
        video = stacked(samples)
        frames = len(times(video.shape[1], 1.0, config.model.vae.temporal))
        levels = sample_levels(config.batch, frames, config.levels, keyed(config.seed, step, LEVELS))
        mine = Levels(*(t[slots.start : slots.stop] for t in vars(levels).values()))
        raw = Raw(
            video,
            self._noise(video, frames, [(config.seed, step, LATENT, slot) for slot in slots]),
            mine,
            self._seconds(samples),
            int((~levels.context).sum()),
            tuple(clips),
            self._weight(samples),
        )
        return self._told(raw, samples, step, slots)

    def held(self) -> Raw:
        """The clips that are never trained on, all of them, with noise and levels that no option moves.

        The first half is asked for all frames, the second for those after a given prefix; in each half the
        levels lie evenly from 0 to 1.
        """
        count = self._config.data.held
        clips = range(self.total, self.total + count)
        samples = [self._source.sample(i) for i in clips]
        video = stacked(samples)
        frames = len(times(video.shape[1], 1.0, self._config.model.vae.temporal))
        noise = self._noise(video, frames, [(0, LATENT, i) for i in range(count)])
        levels = even_levels(count, frames)
        raw = Raw(video, noise, levels, self._seconds(samples), int((~levels.context).sum()), tuple(clips))
        captions = [s.caption.short for s in samples]
        return self._with_commands(raw, samples, captions, [False] * count)

    def stream(self, step: int) -> Stream:
        """Batches from `step` on, prepared ahead in a thread."""
        return Stream(self.batch, step, self._config.data.ahead)

    def _noise(self, video: Tensor, frames: int, keys: list[tuple[int, ...]]) -> Tensor:
        vae = self._config.model.vae
        sides = [-(-side // vae.spatial) for side in video.shape[3:]]
        return torch.stack([torch.randn(frames, vae.channels, *sides, generator=keyed(*k)) for k in keys])

    def _seconds(self, samples: Sequence[Sample]) -> Tensor:
        temporal = self._config.model.vae.temporal
        return torch.from_numpy(np.stack([times(len(s.video), s.fps, temporal) for s in samples]))

    def _weight(self, samples: Sequence[Sample]) -> Tensor | None:
        extra, vae = self._config.loss.objects, self._config.model.vae
        if extra == 0.0:
            return None
        shown = []
        for sample in samples:
            mask = np.zeros(sample.video.shape[:3], np.uint8) if sample.mask is None else sample.mask
            shown.append(seen(mask, vae.temporal, vae.spatial))
        return 1.0 + extra * torch.from_numpy(np.stack(shown)).float()[:, :, None]

    def _told(self, raw: Raw, samples: Sequence[Sample], step: int, slots: range) -> Raw:
        """`raw` with captions and commands, some of them withheld, and the order of attention."""
        loss, seed = self._config.loss, self._config.seed
        causal = float(torch.rand((), generator=keyed(seed, step, DROPS))) < loss.causal
        raw = replace(raw, mode="block_causal" if causal else "bidirectional")
        captions, without = [], []
        for sample, slot in zip(samples, slots, strict=True):
            rng = chance(seed, step, slot + (1 << 20))
            silent, blind = rng.random() < loss.text, rng.random() < loss.commands
            captions.append("" if silent else pick_caption(sample.caption, rng))
            without.append(blind)
        return self._with_commands(raw, samples, captions, without)

    def _with_commands(
        self, raw: Raw, samples: Sequence[Sample], captions: list[str], without: list[bool]
    ) -> Raw:
        dit = self._config.model.dit
        ids = None if self._tokens is None else self._tokens(captions)
        actions = camera = None
        if dit.actions:
            actions = _commands([s.actions for s in samples], without, raw, dit.actions, dit.temporal)
        if dit.camera:
            poses = [None if s.camera is None else s.camera.reshape(len(s.camera), 12) for s in samples]
            camera = _commands(poses, without, raw, 12, dit.temporal)
        return replace(raw, ids=ids, actions=actions, camera=camera)


def _commands(
    values: Sequence[np.ndarray | None], without: Sequence[bool], raw: Raw, width: int, temporal: int
) -> Tensor:
    """float32 [B, F, temporal, width]; NaN for a clip that has none or is to do without."""
    frames = raw.video.shape[1]
    absent = np.full((frames, width), np.nan, np.float32)
    rows = []
    for value, blind in zip(values, without, strict=True):
        if value is not None and value.shape[1] != width:
            raise UserError(f"clips have {value.shape[1]} channels of action, model.dit.actions={width}")
        rows.append(per_latent(absent if value is None or blind else value, temporal))
    return torch.from_numpy(np.stack(rows))


def stacked(samples: Sequence[Sample]) -> Tensor:
    """uint8 [B, T, 3, H, W]. UserError when the clips differ in size or length."""
    shapes = {s.video.shape for s in samples}
    if len(shapes) > 1:
        first, second = sorted(shapes)[:2]
        raise UserError(
            f"clips of {first[0]} frames of {first[2]}x{first[1]} px and of {second[0]} frames of"
            f" {second[2]}x{second[1]} px do not make one batch; give clips of one size"
        )
    return torch.from_numpy(np.stack([s.video for s in samples])).movedim(-1, -3).contiguous()


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


class Stream(Iterator[Raw]):
    """Results of `make(step)`, step by step, from a thread that is `ahead` of the reader by a few.

    An exception in the thread is raised where the batch is asked for. `waited` is the time in seconds that
    the reader has lost so far.
    """

    def __init__(self, make: Callable[[int], Raw], step: int, ahead: int) -> None:
        self.waited = 0.0
        self._make = make
        self._thread = ThreadPoolExecutor(1, "feed")
        self._coming = deque(self._thread.submit(make, step + i) for i in range(ahead))
        self._next = step + ahead

    def __next__(self) -> Raw:
        self._coming.append(self._thread.submit(self._make, self._next))
        self._next += 1
        began = time.perf_counter()
        found = self._coming.popleft().result()
        self.waited += time.perf_counter() - began
        return found

    def close(self) -> None:
        """End the thread; what it has prepared is dropped."""
        self._thread.shutdown(wait=True, cancel_futures=True)
