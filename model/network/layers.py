"""Layers of the transformer: fp32 weights, activations of the caller's type, norms and modulation in fp32."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.config import DiTConfig
from model.network.attention import Layout
from model.network.rotary import rotate

Keys = tuple[Tensor, Tensor]
"""Keys and values [B, N, heads, head] of a text."""


class Linear(nn.Linear):
    """Linear map whose fp32 weights take the type of the activations (nanochat's stand-in for autocast)."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] to [..., out]."""
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.linear(x, self.weight.to(x.dtype), bias)


def initialise(module: nn.Module, generator: torch.Generator | None) -> None:
    """Draw all linear weights below `module` from U(-1, 1) / sqrt(inputs), torch's default; biases are 0."""
    for part in module.modules():
        if isinstance(part, Linear):
            bound = part.in_features**-0.5
            nn.init.uniform_(part.weight, -bound, bound, generator=generator)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def norm(x: Tensor) -> Tensor:
    """RMS norm over the last axis without weights, in fp32."""
    return F.rms_norm(x.float(), x.shape[-1:], eps=1e-6)


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Norm of x, scaled and shifted in fp32, of the type of x."""
    return (norm(x) * (1 + scale) + shift).to(x.dtype)


def waves(x: Tensor, count: int, longest: float = 10_000.0) -> Tensor:
    """Cosines and sines [..., count] of x [...] at count / 2 rates from 1 to 1 / longest (fp32)."""
    steps = torch.arange(count // 2, device=x.device, dtype=torch.float32) / (count // 2)
    angle = x.float()[..., None] * longest**-steps
    return torch.cat((angle.cos(), angle.sin()), dim=-1)


class Attention(nn.Module):
    """Self-attention with normed queries and keys, rotary positions, and a gain per head."""

    def __init__(self, width: int, heads: int, gain: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(width, 3 * width, bias=False)
        self.out = Linear(width, width, bias=False)
        self.gain = nn.Parameter(torch.full((heads, 1), gain))

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], layout: Layout, kind: str) -> Tensor:
        """Tokens [..., D] to tokens [..., D]."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(-3)
        q, k = rotate(norm(q) * self.gain, *turn).to(x.dtype), rotate(norm(k), *turn).to(x.dtype)
        return self.out(layout.attend(q, k, v, kind).flatten(-2))


class CrossAttention(nn.Module):
    """Attention to text, behind a gate that starts shut."""

    def __init__(self, width: int, heads: int, text: int, gain: float) -> None:
        super().__init__()
        self.heads = heads
        self.q = Linear(width, width, bias=False)
        self.kv = Linear(text, 2 * width, bias=False)
        self.out = Linear(width, width, bias=False)
        self.gain = nn.Parameter(torch.full((heads, 1), gain))
        self.gate = nn.Parameter(torch.zeros(width))

    def keys(self, features: Tensor) -> Keys:
        """Keys and values [B, N, heads, head] of text [B, N, D], the same at every step of a sampler."""
        k, v = self.kv(norm(features).to(features.dtype)).unflatten(-1, (2, self.heads, -1)).unbind(-3)
        return norm(k).to(features.dtype), v

    def forward(self, x: Tensor, read: Keys, seen: Any, layout: Layout) -> Tensor:
        """Tokens [..., D] to what is added to them."""
        q = self.q(norm(x).to(x.dtype)).unflatten(-1, (self.heads, -1))
        q = (norm(q) * self.gain).to(x.dtype)
        return self.out(layout.cross(q, *read, seen).flatten(-2)) * self.gate.to(x.dtype)


class Feed(nn.Module):
    """SwiGLU (Shazeer, 2002.05202)."""

    def __init__(self, width: int, ratio: float) -> None:
        super().__init__()
        hidden = feed_width(width, ratio)
        self.up = Linear(width, 2 * hidden, bias=False)
        self.down = Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] to [..., D]."""
        gate, value = self.up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * value)


def feed_width(width: int, ratio: float) -> int:
    """Hidden channels of a feed-forward layer, a multiple of 16."""
    return 16 * max(1, round(width * ratio / 16))


class Block(nn.Module):
    """Attention, cross-attention where there is text, and a feed-forward layer, modulated per frame."""

    def __init__(self, config: DiTConfig, index: int) -> None:
        super().__init__()
        width = config.width
        self.kind = config.pattern[index % len(config.pattern)]
        self.attention = Attention(width, config.heads, config.gain)
        crosses = config.text_width > 0 and index % config.cross_every == 0
        self.cross = CrossAttention(width, config.heads, config.text_width, config.gain) if crosses else None
        self.feed = Feed(width, config.mlp)
        self.table = nn.Parameter(torch.zeros(6, width))
        self.table.data[[2, 5]] = config.gate_init
        self.down = Linear(width, config.rank, bias=False)
        self.up = Linear(config.rank, 6 * width, bias=False)

    def forward(
        self,
        x: Tensor,
        condition: Tensor,
        shared: Tensor,
        turn: tuple[Tensor, Tensor],
        layout: Layout,
        read: Keys | None = None,
        seen: Any = None,
    ) -> Tensor:
        """Tokens [..., D] to tokens; condition [..., D] and shared [..., 6, D] are per frame, fp32.

        `read` are the keys and values of the text, `seen` is what the layout made of its mask.
        """
        frames = shared + self.up(self.down(condition)).unflatten(-1, (6, -1)) + self.table
        shift, scale, gate, shift2, scale2, gate2 = (layout.spread(m) for m in frames.unbind(-2))
        x = x + (gate * self.attention(modulated(x, shift, scale), turn, layout, self.kind)).to(x.dtype)
        if self.cross is not None and read is not None:
            x = x + self.cross(x, read, seen, layout)
        return x + (gate2 * self.feed(modulated(x, shift2, scale2))).to(x.dtype)
