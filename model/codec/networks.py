"""Encoder and decoder of the video VAE: stages of blocks with a step in space, in time or in both between."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.codec.layers import Block, ChannelNorm, Down, Up, per_frame
from model.config import VAEConfig

FIRST_LOGVAR = -6.0
"""Log-variance that an untrained encoder gives: a deviation of 0.05 where pixels span 2."""

Memory = tuple[Tensor, ...]
"""What the temporal layers of one network saw last, in their order: [B, 2, C, h, w] each."""


class Encoder(nn.Module):
    """Pixels, shuffled into channels, to what is added to the linear latent and to its log-variance."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        widths, steps = stages(config)
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
        widths, steps = stages(config)
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


def stages(config: VAEConfig) -> tuple[list[int], list[tuple[bool, bool]]]:
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
