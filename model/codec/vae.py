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

from model.codec import tiles
from model.codec.layers import per_frame
from model.codec.networks import Decoder, Encoder, Memory
from model.codec.pca import PatchPCA
from model.config import VAEConfig
from simbench.errors import UserError

LEAST_LOGVAR, MOST_LOGVAR = -20.0, 4.0
"""Bounds of the posterior's log-variance; the lower one is that of a codec without a network."""


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
        return trimmed(self.decode_stream(latent, None)[0], frames, size)

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

    def encode_tiled(self, video: Tensor, tile: int = 512, overlap: int = 128) -> Posterior:
        """`encode` in squares of `tile` px that share `overlap` px; both are multiples of `spatial`."""
        spatial = self._tiling(tile, overlap)

        def work(part: Tensor) -> Tensor:
            """One tile."""
            posterior = self.encode(part)
            return torch.cat([posterior.mean, posterior.logvar], 2)

        both = tiles.blended(work, pad_sides(_checked(video), spatial), tile, overlap, 1 / spatial)
        return Posterior(*both.chunk(2, 2))

    def decode_tiled(
        self,
        latent: Tensor,
        frames: int | None = None,
        size: tuple[int, int] | None = None,
        tile: int = 512,
        overlap: int = 128,
    ) -> Tensor:
        """`decode` in squares of `tile` px that share `overlap` px; both are multiples of `spatial`."""
        spatial = self._tiling(tile, overlap)
        video = tiles.blended(self.decode, latent, tile // spatial, overlap // spatial, spatial)
        return trimmed(video, frames, size)

    def _tiling(self, tile: int, overlap: int) -> int:
        spatial = self.config.spatial
        if tile % spatial or overlap % spatial:
            raise UserError(f"tile={tile} and overlap={overlap} must be multiples of {spatial} px")
        return spatial

    def normalise(self, latent: Tensor, start: int = 0) -> Tensor:
        """(latent - mean) / std with the statistics of frame 0 and of later frames; [B, F, C, h, w].

        `start` is the place of the first of these latent frames in its video.
        """
        mean, std = self.statistics(latent.shape[1], start)
        return (latent - mean) / std

    def denormalise(self, latent: Tensor, start: int = 0) -> Tensor:
        """The inverse of `normalise`."""
        mean, std = self.statistics(latent.shape[1], start)
        return latent * std + mean

    def statistics(self, count: int, start: int = 0) -> tuple[Tensor, Tensor]:
        """Mean and deviation of `count` latent frames from `start` on: [count, C, 1, 1] each."""
        first = min(count, int(start == 0))
        # By an index that lies on the processor a GPU would be waited for, in every step.
        rows = (
            torch.cat([x[:1].expand(first, -1), x[1:].expand(count - first, -1)])
            for x in (self.mean, self.std)
        )
        mean, std = (x[:, :, None, None] for x in rows)
        return mean, std

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


def trimmed(video: Tensor, frames: int | None, size: tuple[int, int] | None) -> Tensor:
    """The first `frames` frames and `size` (height, width) of [B, T, C, H, W]; None keeps all."""
    full = (video.shape[1], *video.shape[3:])
    frames, height, width = (full[0] if frames is None else frames, *(full[1:] if size is None else size))
    if frames > full[0] or height > full[1] or width > full[2]:
        raise UserError(
            f"latents of {full[0]} frames of {full[2]}x{full[1]} px cannot give {frames} of {width}x{height};"
            " ask for no more"
        )
    return video[:, :frames, :, :height, :width]


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
