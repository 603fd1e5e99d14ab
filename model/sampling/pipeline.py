"""From given frames and words to a video: codec, text, sampler and codec again, for whole batches.

Given frames reach the model as clean latents. A codec of `temporal` = 4 frames to a latent has whole latents
for 1, 5, 9, ... frames: the longest such part of the given frames is the context. Given frames beyond it are
not seen by the model (half a group has no latent that it was trained on), and all given frames are put back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model.clips.depth import cells
from model.clips.items import latent_count, per_latent, times
from model.diffusion import flow
from model.diffusion.noise import keyed_noise
from model.diffusion.sampler import ORDERS, Given, Guidance, Told, sample
from model.diffusion.schedule import after, pyramid
from model.network.text import Text
from model.sampling.wishes import Wish, context_frames, problem
from simbench.errors import UserError

if TYPE_CHECKING:
    from model.checkpoint import Loaded

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Noise levels at which the loss of a video is taken."""


@dataclass(frozen=True)
class How:
    """What changes a video beside the weights, the wish and the seed; see schedule and sampler in
    model.diffusion.

    `chunk` = 0 makes all frames together, else `chunk` latent frames at a time, each `lag` steps (0: when it
    is done) after the one before. `context_level` is the noise on given latents.
    """

    steps: int = 8
    shift: float = 1.0
    guidance: float = 1.0
    order: str = "euler"
    chunk: int = 0
    lag: int = 0
    mode: str = "bidirectional"
    context_level: float = 0.0
    precision: str = "fp32"

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise UserError(f"precision={self.precision} is not one of {', '.join(PRECISIONS)}")
        if not 0 <= self.context_level <= 1:
            raise UserError(f"context_level={self.context_level:g} must be 0 to 1")
        if self.mode not in ("bidirectional", "block_causal"):
            raise UserError(f"mode={self.mode} is not one of bidirectional, block_causal")
        if self.order not in ORDERS:
            raise UserError(f"order={self.order} is not one of {', '.join(ORDERS)}")
        self.schedule(2, 0)

    def schedule(self, frames: int, given: int) -> np.ndarray:
        """Levels [K + 1, frames] after `given` clean latents. UserError for options out of range."""
        if self.chunk == 0:
            return after(self.steps, frames, given, self.shift)
        return pyramid(self.steps, frames, given, self.chunk, self.lag or self.steps, self.shift)


def pixels(frames: np.ndarray, device: str) -> Tensor:
    """float32 [B, T, 3, H, W] in [-1, 1] of uint8 [B, T, H, W, 3]."""
    return torch.from_numpy(frames.copy()).to(device).permute(0, 1, 4, 2, 3).float() / 127.5 - 1


def frames_of(video: Tensor) -> np.ndarray:
    """uint8 [B, T, H, W, 3] of float [B, T, 3, H, W] in [-1, 1]; what lies outside is cut off."""
    scaled = ((video.float() + 1) * 127.5).clamp(0, 255).round().to(torch.uint8)
    return np.ascontiguousarray(scaled.permute(0, 1, 3, 4, 2).cpu().numpy())


@dataclass(frozen=True)
class Pipeline:
    """A loaded model and how it samples. Wishes of one call are alike in size, length and given frames.

    A video does not depend on its neighbours. How sums are ordered in a matrix product or a convolution may
    depend on the size of the whole, so the transformer always works on `batch` clips at a time, a short batch
    filled up by repeating its last, and codec and text on one. (Where widths are no multiple of 32, `batch`
    above 1 can still round by place: the ends of arrays are computed without vector instructions.)
    """

    loaded: Loaded
    how: How
    device: str = "cpu"
    batch: int = 1

    @torch.no_grad()
    def make(self, wishes: Sequence[Wish], stepped: Callable[[], None] = lambda: None) -> list[np.ndarray]:
        """A video uint8 [T, H, W, 3] for each wish, its given frames as they were. `stepped` is called after
        each row of a schedule. UserError for what `problem` names."""
        for wish in wishes:
            reason = problem(self.loaded, wish)
            if reason is not None:
                raise UserError(reason)
        return [
            video
            for start in range(0, len(wishes), self.batch)
            for video in self._batch(wishes[start : start + self.batch], stepped)
        ]

    def rows(self, wish: Wish) -> int:
        """Rows of the schedule of one wish, for a progress bar."""
        return len(self._schedule(wish)[0]) - 1

    @torch.no_grad()
    def losses(self, wishes: Sequence[Wish], videos: Sequence[np.ndarray]) -> np.ndarray:
        """Mean squared error of the velocity at LEVELS: float64 [B, LEVELS, F - n] of at most `batch` videos
        uint8 [T, H, W, 3], without their n context latents. The noise is that of the seeds."""
        filled = self._filled(wishes)
        latent = self._latents(videos, len(filled))
        given = self._context_latents(wishes[0])
        context = (torch.arange(latent.shape[1], device=self.device) < given).expand(latent.shape[:2])
        noise, told, found = self._noise(filled), self._told(filled), []
        for value in LEVELS:
            level = torch.where(context, 0.0, value)
            noised = flow.noised(latent, noise, level)
            rest = {**told.commands, "mode": told.mode}
            made = self._denoise(noised, level, told.seconds, context=context, text=told.text, **rest)
            predict = self.loaded.config.dit.predict
            found.append(flow.loss(made, latent, noise, level, context, predict, "v").frames[:, given:])
        return torch.stack(found, 1)[: len(wishes)].double().cpu().numpy()

    @torch.no_grad()
    def features(self, wish: Wish, video: np.ndarray, levels: Sequence[float]) -> np.ndarray:
        """What the tokens are after entering and after each block, float32 [levels, 1 + depth, F, h, w, D],
        where `video` uint8 [T, H, W, 3] is noised to each level behind the given frames, which stay clean.

        At level 1 nothing of the video is left but what was given. The noise is that of the seed."""
        dit, (told, noise) = self.loaded.dit, (self._told([wish]), self._noise([wish]))
        latent = self._latents([video], 1)
        given = self._context_latents(wish)
        context = (torch.arange(latent.shape[1], device=self.device) < given).expand(latent.shape[:2])
        seen: list[Tensor] = []
        hooks = [
            dit.stack[0].register_forward_pre_hook(lambda block, inputs: seen.append(inputs[0])),
            *(b.register_forward_hook(lambda block, inputs, made: seen.append(made)) for b in dit.stack),
        ]
        try:
            for value in levels:
                level = torch.where(context, 0.0, float(value))
                rest = {**told.commands, "mode": told.mode}
                noised = flow.noised(latent, noise, level)
                self._denoise(noised, level, told.seconds, context=context, text=told.text, **rest)
        finally:
            for hook in hooks:
                hook.remove()
        patch = self.loaded.config.dit.patch
        sides = latent.shape[1], latent.shape[3] // patch, latent.shape[4] // patch
        rows = torch.stack([x[0].float() for x in seen]).reshape(len(levels), len(dit.stack) + 1, *sides, -1)
        return rows.cpu().numpy()

    @torch.no_grad()
    def latents(self, video: np.ndarray) -> np.ndarray:
        """Normalised latents of a video uint8 [T, H, W, 3], float32 [F, h, w, C]."""
        return self._latents([video], 1)[0].permute(0, 2, 3, 1).float().cpu().numpy()

    @torch.no_grad()
    def roundtrip(self, frames: np.ndarray) -> np.ndarray:
        """A video uint8 [T, H, W, 3] encoded and decoded, of the same shape."""
        vae = self.loaded.vae
        video = vae.decode(vae.encode(pixels(frames[None], self.device)).mean, len(frames), frames.shape[1:3])
        return frames_of(video)[0]

    def _batch(self, wishes: Sequence[Wish], stepped: Callable[[], None]) -> list[np.ndarray]:
        first = wishes[0]
        if len(first.given) == first.frames:
            return [wish.given.copy() for wish in wishes]
        filled = self._filled(wishes)
        noise = self._noise(filled)
        levels, given = self._schedule(first)
        shown = None
        if given:
            count = context_frames(len(first.given), self._temporal)
            clean = torch.zeros_like(noise)
            clean[:, :given] = self._latents([wish.given[:count] for wish in wishes], len(filled))
            shown = Given(clean, torch.arange(len(levels[0])) < given, self.how.context_level)
        latent = sample(
            self._denoise,
            noise,
            levels,
            self._told(filled),
            shown,
            Guidance(self.how.guidance),
            self.loaded.config.dit.predict,
            self.how.order,
            stepped,
        )
        vae = self.loaded.vae
        videos = []
        for one, wish in zip(vae.denormalise(latent), wishes, strict=False):
            video = frames_of(vae.decode(one[None], frames=wish.frames))[0]
            video[: len(wish.given)] = wish.given
            videos.append(video)
        return videos

    @property
    def _temporal(self) -> int:
        return self.loaded.config.vae.temporal

    def _denoise(self, noised: Tensor, *told: Any, **more: Any) -> Tensor:
        return self.loaded.dit(noised.to(PRECISIONS[self.how.precision]), *told, **more)

    def _filled(self, wishes: Sequence[Wish]) -> list[Wish]:
        return [*wishes, *[wishes[-1]] * (self.batch - len(wishes))]

    def _latents(self, videos: Sequence[np.ndarray], count: int) -> Tensor:
        """Normalised latents [count, F, C, h, w] of videos uint8 [T, H, W, 3], the last repeated."""
        vae = self.loaded.vae
        found = [vae.encode(pixels(video[None], self.device)).mean for video in videos]
        return vae.normalise(torch.cat(found + found[-1:] * (count - len(found))))

    def _context_latents(self, wish: Wish) -> int:
        count = context_frames(len(wish.given), self._temporal)
        return latent_count(count, self._temporal) if count else 0

    def _schedule(self, wish: Wish) -> tuple[np.ndarray, int]:
        """Levels [K + 1, F] for one wish and how many latents are context."""
        given = self._context_latents(wish)
        return self.how.schedule(latent_count(wish.frames, self._temporal), given), given

    def _noise(self, wishes: Sequence[Wish]) -> Tensor:
        vae, wish = self.loaded.config.vae, wishes[0]
        sides = wish.height // vae.spatial, wish.width // vae.spatial
        shape = (latent_count(wish.frames, vae.temporal), vae.channels, *sides)
        return torch.from_numpy(np.stack([keyed_noise(w.seed, shape) for w in wishes])).to(self.device)

    def _told(self, wishes: Sequence[Wish]) -> Told:
        temporal = self._temporal
        seconds = np.stack([times(w.frames, w.fps, temporal) for w in wishes])
        rows = {}
        for name in ("actions", "camera"):
            values = [getattr(wish, name) for wish in wishes]
            if values[0] is not None:
                stacked = np.stack([per_latent(v, temporal) for v in values])
                rows[name] = torch.from_numpy(stacked).to(self.device)
        depths = [wish.depth for wish in wishes if wish.depth is not None]
        if depths:
            grid = tuple(side // self.loaded.config.vae.spatial for side in depths[0].shape[1:])
            stacked = np.stack([per_latent(cells(depth, *grid), temporal) for depth in depths])
            rows["depth"] = torch.from_numpy(stacked).to(self.device)
        text = self._text([w.prompt for w in wishes])
        null = self._text([""] * len(wishes)) if self.how.guidance != 1 else None
        return Told(torch.from_numpy(seconds).to(self.device), text, null, mode=self.how.mode, **rows)

    def _text(self, prompts: Sequence[str]) -> Text | None:
        """The features of each prompt, read alone and filled up to one length: see the class."""
        encoder = self.loaded.text
        if encoder is None:
            return None
        read = {p: encoder(encoder.tokens([p]).to(self.device)) for p in dict.fromkeys(prompts)}
        length = max(self.loaded.config.text.tokens, *(text.mask.shape[1] for text in read.values()))
        found = [read[prompt] for prompt in prompts]
        return Text(
            torch.cat([F.pad(t.features, (0, 0, 0, length - t.mask.shape[1])) for t in found]),
            torch.cat([F.pad(t.mask, (0, length - t.mask.shape[1])) for t in found]),
        )
