"""Layers of the video VAE: (2+1)D, causal in time, and nothing that looks across the picture or ahead.

Tensors are [B, T, C, H, W]. A layer that remembers takes its memory as an argument and returns the new one,
so that the same weights run over a whole clip or over chunks of it; None is the start of a video.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TAPS = 3
"""Frames that a temporal layer sees: two of the past and its own."""


def per_frame(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A layer of pictures applied to every frame of [B, T, C, H, W]."""
    return layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class ChannelNorm(nn.Module):
    """RMS norm over the channels of each pixel (Zhang and Sennrich 2019).

    A mean over space or time would tie a tile to the picture around it, and a frame to later frames.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W], the same."""
        scale = torch.rsqrt(x.float().square().mean(1, keepdim=True) + 1e-6).to(x.dtype)
        return x * scale * self.gain.to(x.dtype)[:, None, None]


class CausalMix(nn.Module):
    """Mixes a frame with the two before it, pixel by pixel: a 1x1 convolution over their channels.

    It begins as the identity. Before the first frame stands the first frame, so that an image is exactly
    frame 0 of a clip.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(TAPS * width, width, 1)
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)  # type: ignore[arg-type]
        with torch.no_grad():
            self.mix.weight[:, -width:, 0, 0] = torch.eye(width)

    def forward(self, x: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """[B, T, C, H, W] and the two frames before it, or None; the mixture and its last two inputs."""
        if before is None:
            before = x[:, :1].expand(-1, TAPS - 1, -1, -1, -1)
        joined = torch.cat([before, x], 1)
        frames = x.shape[1]
        taps = torch.cat([joined[:, i : i + frames] for i in range(TAPS)], 2)
        # A view would keep the whole chunk alive.
        return per_frame(self.mix, taps), joined[:, frames:].clone()


class Block(nn.Module):
    """Residual block: norm, SiLU, 3x3, causal mix, norm, SiLU, 3x3. It begins as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(ChannelNorm(width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1))
        self.time = CausalMix(width)
        last = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.leave = nn.Sequential(ChannelNorm(width), nn.SiLU(), last)

    def forward(self, x: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """[B, T, C, H, W] and the memory of its mix; the same shape and the new memory."""
        mixed, memory = self.time(per_frame(self.enter, x), before)
        return x + per_frame(self.leave, mixed), memory


class Down(nn.Module):
    """Halves space, time or both: neighbours become channels, then a 1x1 convolution.

    In time frame 0 is paired with itself and stays alone: 1 + 2m frames become 1 + m.
    """

    def __init__(self, width: int, out: int, space: bool, time: bool) -> None:
        super().__init__()
        self.space, self.time = space, time
        self.join = nn.Conv2d(width * (4 if space else 1) * (2 if time else 1), out, 1)

    def forward(self, x: Tensor, first: bool) -> Tensor:
        """[B, 1 + 2m or, after the first chunk, 2m, C, H, W]; half of it along the axes it halves."""
        if self.time:
            if first:
                x = torch.cat([x[:, :1], x], 1)
            x = x.unflatten(1, (-1, 2)).flatten(2, 3)
        if self.space:
            x = per_frame(lambda y: F.pixel_unshuffle(y, 2), x)
        return per_frame(self.join, x)


class Up(nn.Module):
    """The way back: a 1x1 convolution to more channels, which become neighbours. 1 + m become 1 + 2m."""

    def __init__(self, width: int, out: int, space: bool, time: bool) -> None:
        super().__init__()
        self.space, self.time = space, time
        self.split = nn.Conv2d(width, out * (4 if space else 1) * (2 if time else 1), 1)

    def forward(self, x: Tensor, first: bool) -> Tensor:
        """[B, T, C, H, W]; twice of it along the axes it doubles, without the first frame's twin."""
        x = per_frame(self.split, x)
        if self.space:
            x = per_frame(lambda y: F.pixel_shuffle(y, 2), x)
        if self.time:
            x = x.unflatten(2, (2, -1)).flatten(1, 2)
            x = x[:, 1:] if first else x
        return x
