"""The video VAE: causal in time, patches first, exact for images and for prefixes, streamed or whole.

Latent 0 is frame 0 alone and latent k > 0 is `temporal` frames, so T = 1 + temporal k; other lengths and
sizes are filled up by repeating the last frame, row or column, and trimmed again. Whole clips and streams
run the same code: a whole clip is a stream of one chunk.

The layout follows what the causal 4k + 1 autoencoders share (CV-VAE, Zhao et al. 2024; CogVideoX, Yang et
al. 2024), with convolutions factorised into space and time (R(2+1)D, Tran et al. 2018) and a linear path
under the network, which starts as a correction of nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.config import VAEConfig
from model.pca import PatchPCA
from model.vae_layers import Block, ChannelNorm, Down, Up, per_frame
from simbench.errors import UserError

LEAST_LOGVAR, MOST_LOGVAR = -20.0, 4.0
"""Bounds of the posterior's log-variance; the lower one is that of a codec without a network."""

FIRST_LOGVAR = -6.0
"""Log-variance that an untrained encoder gives: a deviation of 0.05 where pixels span 2."""

Memory = tuple[Tensor, ...]
"""What the temporal layers of one network saw last, in their order: [B, 2, C, h, w] each."""


@dataclass(frozen=True)
class Posterior:
    """A normal distribution of latents, not normalised. `mean` and `logvar` [B, F, C, h, w]."""

    mean: Tensor
    logvar: Tensor

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """One draw [B, F, C, h, w]."""
        noise = torch.randn(
            self.mean.shape, generator=generator, dtype=self.mean.dtype, device=self.mean.device
        )
        return self.mean + (0.5 * self.logvar).exp() * noise


@dataclass(frozen=True)
class Stream:
    """Where a stream stands. `waiting` are frames short of a group [B, n < temporal, 3, H, W], or None."""

    memory: Memory
    waiting: Tensor | None = None


class Encoder(nn.Module):
    """Pixels, shuffled into channels, to what is added to the linear latent and to its log-variance."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        widths, steps = _stages(config)
        self.patch = config.patch
        self.stem = nn.Conv2d(3 * config.patch**2, widths[0], 3, padding=1)
        self.stages = nn.ModuleList(_blocks(width, config.blocks) for width in widths)
        self.downs = nn.ModuleList(
            Down(a, b, *step) for a, b, step in zip(widths[:-1], widths[1:], steps, strict=True)
        )
        self.head = _head(widths[-1], 2 * config.channels, zero=config.linear)
        last = self.head[-1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        with torch.no_grad():
            last.bias[config.channels :] = FIRST_LOGVAR

    def forward(self, video: Tensor, memory: Memory | None) -> tuple[Tensor, Memory]:
        """[B, T, 3, H, W] (T = 1 + temporal k, later chunks temporal k) to [B, F, 2 C, h, w]."""
        x = per_frame(lambda y: self.stem(F.pixel_unshuffle(y, self.patch)), video)
        x, memory = _run(x, memory, self.stages, self.downs)
        return per_frame(self.head, x), memory


class Decoder(nn.Module):
    """Latents in units of their spread to what is added to the linear path's pixels."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        widths, steps = _stages(config)
        widths, steps = widths[::-1], steps[::-1]
        self.patch = config.patch
        self.stem = nn.Conv2d(config.channels, widths[0], 3, padding=1)
        self.stages = nn.ModuleList(_blocks(width, config.blocks + 1) for width in widths)
        self.ups = nn.ModuleList(
            Up(a, b, *step) for a, b, step in zip(widths[:-1], widths[1:], steps, strict=True)
        )
        self.head = _head(widths[-1], 3 * config.patch**2, zero=config.linear)

    def forward(self, latent: Tensor, memory: Memory | None) -> tuple[Tensor, Memory]:
        """[B, F, C, h, w] to [B, T, 3, H, W]."""
        x, memory = _run(per_frame(self.stem, latent), memory, self.stages, self.ups)
        return per_frame(lambda y: F.pixel_shuffle(self.head(y), self.patch), x), memory


class VAE(nn.Module):
    """See the module. Buffers `mean` and `std` [2, C]: of latents of frame 0, and of all others.

    Raises UserError for options that fit no network.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        _check(config)
        self.config = config
        self.linear = PatchPCA(config.spatial, config.temporal, config.channels) if config.linear else None
        self.encoder = Encoder(config) if config.widths else None
        self.decoder = Decoder(config) if config.widths else None
        self.register_buffer("mean", torch.zeros(2, config.channels))
        self.register_buffer("std", torch.ones(2, config.channels))
        self.mean: Tensor
        self.std: Tensor

    def encode(self, video: Tensor) -> Posterior:
        """Pixels [B, T, 3, H, W] in [-1, 1], any T >= 1 and any size, to latents of 1 + ceil((T - 1) /
        temporal) frames and sides divided by `config.spatial`, rounded up. Not normalised."""
        return self.encode_stream(video, None, last=True)[0]

    def decode(
        self, latent: Tensor, frames: int | None = None, size: tuple[int, int] | None = None
    ) -> Tensor:
        """Latents [B, F, C, h, w], not normalised, to pixels [B, T, 3, H, W], about in [-1, 1].

        `frames` and `size` (height, width) of the true clip trim what encoding had filled up.
        """
        video, _ = self.decode_stream(latent, None)
        frames = video.shape[1] if frames is None else frames
        height, width = video.shape[3:] if size is None else size
        full = tuple(video.shape[i] for i in (1, 3, 4))
        if frames > full[0] or height > full[1] or width > full[2]:
            raise UserError(
                f"latents of {full[0]} frames of {full[2]}x{full[1]} px cannot give {frames} of"
                f" {width}x{height}; ask for no more"
            )
        return video[:, :frames, :, :height, :width]

    def encode_stream(
        self, video: Tensor, state: Stream | None, last: bool = False
    ) -> tuple[Posterior, Stream]:
        """The next frames [B, T, 3, H, W] of a video, T >= 0 and any; `state` is None at its start.

        Returns the latents that are complete (none perhaps) and the state to go on with. `last` says that
        the video ends here: an incomplete group is filled up with its last frame.
        """
        video = pad_sides(_checked(video), self.config.spatial)
        if state is not None and state.waiting is not None:
            video = torch.cat([state.waiting, video], 1)
        first = state is None
        count = video.shape[1]
        if first and count == 0:
            raise UserError("a video of no frames cannot be encoded; give at least one")
        missing = -(count - first) % self.config.temporal
        if missing and last:
            video = torch.cat([video, video[:, -1:].expand(-1, missing, -1, -1, -1)], 1)
            missing = 0
        ready = video.shape[1] if missing == 0 else count - (self.config.temporal - missing)
        memory = None if state is None else state.memory
        waiting = video[:, ready:].clone() if ready < video.shape[1] else None
        posterior, memory = self._encode(video[:, :ready], memory)
        return posterior, Stream(memory, waiting)

    def decode_stream(self, latent: Tensor, state: Stream | None) -> tuple[Tensor, Stream]:
        """The next latents [B, F >= 1, C, h, w] of a video; `state` is None at its start.

        Returns their frames, 1 for the first latent and `temporal` for each other, and the new state.
        """
        channels = self.config.channels
        if latent.ndim != 5 or latent.shape[2] != channels or latent.shape[1] == 0:
            raise UserError(
                f"latents of shape {list(latent.shape)} are not [B, F >= 1, {channels}, h, w];"
                " encode with the same model"
            )
        first = state is None
        video: Tensor | None = None
        memory: Memory = ()
        if self.linear is not None:
            video = self.linear.decode(latent, first)
        if self.decoder is not None:
            scaled = latent
            if self.linear is not None:
                scaled = latent / self.linear.scales(latent.shape[1], first)
            more, memory = self.decoder(scaled, None if state is None else state.memory)
            video = more if video is None else video + more
        assert video is not None
        return video, Stream(memory)

    def normalise(self, latent: Tensor, start: int = 0) -> Tensor:
        """(latent - mean) / std with the statistics of frame 0 and of later frames; [B, F, C, h, w].

        `start` is the place of the first of these latent frames in its video.
        """
        mean, std = self._statistics(latent, start)
        return (latent - mean) / std

    def denormalise(self, latent: Tensor, start: int = 0) -> Tensor:
        """The inverse of `normalise`."""
        mean, std = self._statistics(latent, start)
        return latent * std + mean

    def _statistics(self, latent: Tensor, start: int) -> tuple[Tensor, Tensor]:
        rows = [int(start + i > 0) for i in range(latent.shape[1])]
        return self.mean[rows][:, :, None, None], self.std[rows][:, :, None, None]

    def _encode(self, video: Tensor, memory: Memory | None) -> tuple[Posterior, Memory]:
        """Complete groups only; `memory` is None at the start."""
        if video.shape[1] == 0:
            assert memory is not None
            sides = [side // self.config.spatial for side in video.shape[3:]]
            none = video.new_zeros(len(video), 0, self.config.channels, *sides)
            return Posterior(none, none), memory
        first = memory is None
        base: Tensor | None = None
        if self.linear is not None:
            base = self.linear.encode(video, first)
        if self.encoder is None:
            assert base is not None
            return Posterior(base, torch.full_like(base, LEAST_LOGVAR)), ()
        out, memory = self.encoder(video, memory)
        mean, logvar = out.chunk(2, 2)
        mean = mean if base is None else base + mean
        return Posterior(mean, logvar.clamp(LEAST_LOGVAR, MOST_LOGVAR)), memory


def pad_sides(video: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column until both sides are multiples; [B, T, C, H, W]."""
    height, width = video.shape[3:]
    down, right = -height % multiple, -width % multiple
    if not (down or right):
        return video
    return per_frame(lambda y: F.pad(y, (0, right, 0, down), mode="replicate"), video)


def latent_frames(frames: int, temporal: int) -> int:
    """Latent frames of a video of `frames` frames: 1 + ceil((frames - 1) / temporal)."""
    return 1 + -(-(frames - 1) // temporal)


def _checked(video: Tensor) -> Tensor:
    if video.ndim != 5 or video.shape[2] != 3 or 0 in video.shape[3:]:
        raise UserError(f"a video of shape {list(video.shape)} is not [B, T, 3, H, W]; put channels third")
    if not video.is_floating_point():
        raise UserError(f"pixels of type {video.dtype} are not in [-1, 1]; divide uint8 by 127.5, less 1")
    return video


def _check(config: VAEConfig) -> None:
    if config.temporal not in (1, 2, 4):
        raise UserError(f"vae.temporal={config.temporal} is not 1, 2 or 4")
    if min(config.patch, config.channels, *config.widths) < 1:
        raise UserError("vae.patch, vae.channels and vae.widths must be 1 or more")
    if not config.widths and not config.linear:
        raise UserError("a VAE without widths and without the linear path is nothing; set vae.linear=true")
    if config.blocks < 0:
        raise UserError(f"vae.blocks={config.blocks} is below 0")


def _stages(config: VAEConfig) -> tuple[list[int], list[tuple[bool, bool]]]:
    """Width of each stage, and what the step after it halves: (space, time). At least one stage; the last
    width is repeated until time is halved often enough."""
    halvings = config.temporal.bit_length() - 1
    count = max(len(config.widths), halvings + 1)
    widths = [*config.widths, *([config.widths[-1]] * (count - len(config.widths)))]
    return widths, [(i < len(config.widths) - 1, i < halvings) for i in range(count - 1)]


def _blocks(width: int, count: int) -> nn.ModuleList:
    return nn.ModuleList(Block(width) for _ in range(count))


def _head(width: int, out: int, zero: bool) -> nn.Sequential:
    last = nn.Conv2d(width, out, 3, padding=1)
    if zero:
        nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    return nn.Sequential(ChannelNorm(width), nn.SiLU(), last)


def _run(
    x: Tensor, memory: Memory | None, stages: nn.ModuleList, steps: nn.ModuleList
) -> tuple[Tensor, Memory]:
    """Stages of blocks with a step between them; a memory per block, in order."""
    first = memory is None
    old = iter(() if memory is None else memory)
    new = []
    for i, stage in enumerate(stages):
        assert isinstance(stage, nn.ModuleList)
        for block in stage:
            x, after = block(x, next(old, None))
            new.append(after)
        if i < len(steps):
            x = steps[i](x, first)
    return x, tuple(new)
