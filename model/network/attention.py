"""Which tokens attend to which: layouts of tokens, with attention inside frames, over frames, and to text.

A layout knows how its tokens lie in memory and nothing of the network; the network knows nothing of masks.
In a causal layout frame f sees the frames up to f, and no later key is ever shown to it: half the work of a
mask over all pairs, and a gradient to later frames cannot exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

SHORT = 1024
"""Most keys whose scores are held in memory."""


class Layout(Protocol):
    """Tokens [..., D], frames [..., D] and how they belong together."""

    def spread(self, frames: Tensor) -> Tensor:
        """Values per frame so that they broadcast against the tokens."""
        ...

    def attend(self, q: Tensor, k: Tensor, v: Tensor, kind: str) -> Tensor:
        """Attention of tokens [..., heads, head]: `f` inside each frame, `g` over the frames of a clip."""
        ...

    def readable(self, mask: Tensor) -> Any:
        """What `cross` needs of the mask [B, N] of the texts, made once for all blocks."""
        ...

    def cross(self, q: Tensor, k: Tensor, v: Tensor, seen: Any) -> Tensor:
        """Attention of the tokens of a clip to k, v [B, N, heads, head] of its text."""
        ...


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Softmax attention of q [B, Q, heads, head] to k, v [B, K, ...]; mask broadcasts to [B, heads, Q, K]."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    if mask is None and q.device.type == "cpu" and q.dtype == torch.bfloat16 and k.shape[2] <= SHORT:
        out = products(q.contiguous(), k.contiguous(), v.contiguous())
    else:
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return out.transpose(1, 2)


def products(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The same by two matrix products: compiled, twice as fast as the fused kernel of CPUs in bfloat16.

    Those multiply bfloat16 in tiles, which the products use in full; the softmax sums in fp32.
    """
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    return scores.softmax(-1) @ v


@dataclass(frozen=True)
class Dense:
    """Clips of one size: tokens [B, F, height * width, ...], frames [B, F, ...]."""

    height: int
    width: int
    causal: bool = False
    window: int = 0

    def spread(self, frames: Tensor) -> Tensor:
        """[B, F, D] to [B, F, 1, D]."""
        return frames[:, :, None]

    def attend(self, q: Tensor, k: Tensor, v: Tensor, kind: str) -> Tensor:
        """See Layout; q, k, v are [B, F, S, heads, head]."""
        if kind == "f":
            inside = attention if self._sees_all() else self._windowed
            return inside(*(x.flatten(0, 1) for x in (q, k, v))).view(q.shape)
        if not self.causal:
            return attention(*(x.flatten(1, 2) for x in (q, k, v))).view(q.shape)
        past = range(1, q.shape[1] + 1)
        seen = [attention(q[:, f - 1], k[:, :f].flatten(1, 2), v[:, :f].flatten(1, 2)) for f in past]
        return torch.stack(seen, dim=1)

    def readable(self, mask: Tensor) -> Tensor:
        """The mask, over heads and queries."""
        return mask[:, None, None]

    def cross(self, q: Tensor, k: Tensor, v: Tensor, seen: Tensor) -> Tensor:
        """See Layout; q is [B, F, S, heads, head]."""
        return attention(q.flatten(1, 2), k, v, seen).view(q.shape)

    def _sees_all(self) -> bool:
        return self.window == 0 or self.window >= max(self.height, self.width) - 1

    def _windowed(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention of each token to those at most `window` rows and columns away, tile by tile.

        Memory grows with the picture and not with its square: a tile of queries sees a slab of keys.
        """
        q, k, v = (x.unflatten(1, (self.height, self.width)) for x in (q, k, v))
        tile = max(8, self.window)
        rows = [
            torch.cat([self._tile(q, k, v, y, x, tile) for x in range(0, self.width, tile)], dim=2)
            for y in range(0, self.height, tile)
        ]
        return torch.cat(rows, dim=1).flatten(1, 2)

    def _tile(self, q: Tensor, k: Tensor, v: Tensor, top: int, left: int, tile: int) -> Tensor:
        q = q[:, top : top + tile, left : left + tile]
        above, before = max(0, top - self.window), max(0, left - self.window)
        reach = (slice(above, top + tile + self.window), slice(before, left + tile + self.window))
        k, v = k[:, reach[0], reach[1]], v[:, reach[0], reach[1]]
        near = (
            self._near(q.shape[1], k.shape[1], top - above, q.device)[:, None, :, None]
            & self._near(q.shape[2], k.shape[2], left - before, q.device)[None, :, None, :]
        )
        mask = near.flatten(2).flatten(0, 1)
        return attention(q.flatten(1, 2), k.flatten(1, 2), v.flatten(1, 2), mask).view(q.shape)

    def _near(self, queries: int, keys: int, offset: int, device: torch.device) -> Tensor:
        here = torch.arange(queries, device=device) + offset
        return (here[:, None] - torch.arange(keys, device=device)).abs() <= self.window


@dataclass(frozen=True)
class Segments:
    """Clips of different sizes one after another: tokens [N, ...], frames [M, ...].

    `shapes` are the clips as (frames, rows, columns) of tokens, `frame` [N] is the frame of each token.
    Tokens behind the last clip are padding. This is the reference: each clip is attended to as Dense.
    """

    shapes: tuple[tuple[int, int, int], ...]
    frame: Tensor
    causal: bool = False
    window: int = 0

    def spread(self, frames: Tensor) -> Tensor:
        """[M, D] to [N, D]."""
        return frames[self.frame]

    def attend(self, q: Tensor, k: Tensor, v: Tensor, kind: str) -> Tensor:
        """See Layout; q, k, v are [N, heads, head]."""
        parts, start = [], 0
        for (frames, height, width), same in groupby(self.shapes):
            count = len(list(same))
            size = (count, frames, height * width)
            stop = start + count * frames * height * width
            dense = Dense(height, width, self.causal, self.window)
            own = [x[start:stop].unflatten(0, size) for x in (q, k, v)]
            parts.append(dense.attend(own[0], own[1], own[2], kind).flatten(0, 2))
            start = stop
        return self._padded(parts, q, start)

    def readable(self, mask: Tensor) -> Tensor:
        """The mask, over heads and queries."""
        return mask[:, None, None]

    def cross(self, q: Tensor, k: Tensor, v: Tensor, seen: Tensor) -> Tensor:
        """See Layout; q is [N, heads, head] and row i of the text belongs to clip i."""
        parts, start = [], 0
        for clip, (frames, height, width) in enumerate(self.shapes):
            stop, row = start + frames * height * width, slice(clip, clip + 1)
            part = attention(q[None, start:stop], k[row], v[row], seen[row])
            parts.append(part[0])
            start = stop
        return self._padded(parts, q, start)

    @staticmethod
    def _padded(parts: list[Tensor], q: Tensor, stop: int) -> Tensor:
        return torch.cat([*parts, torch.zeros_like(q[stop:])])
