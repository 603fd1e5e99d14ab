"""Which tokens attend to which: layouts of tokens, with attention inside frames, over frames, and to text.

A layout knows how its tokens lie in memory and nothing of the network; the network knows nothing of masks.
In a causal layout, frame f sees the frames up to f. That is done by giving a query no later keys, not by
a mask over all pairs: half the work, and a gradient to later frames cannot exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


class Layout(Protocol):
    """Tokens [..., D], frames [..., D] and how they belong together."""

    def spread(self, frames: Tensor) -> Tensor:
        """Per frame values so that they broadcast against the tokens."""
        ...

    def attend(self, q: Tensor, k: Tensor, v: Tensor, kind: str) -> Tensor:
        """Attention of tokens [..., heads, head]: `f` inside each frame, `g` over the frames of a clip."""
        ...

    def cross(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        """Attention of the tokens of a clip to k, v [B, N, heads, head] of its text, where mask [B, N]."""
        ...


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Softmax attention of q [B, Q, heads, head] to k, v [B, K, ...]; mask broadcasts to [B, heads, Q, K]."""
    out = F.scaled_dot_product_attention(
        q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=mask
    )
    return out.transpose(1, 2)


@dataclass(frozen=True)
class Dense:
    """Clips of one size: tokens [B, F, S, ...], frames [B, F, ...]."""

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
            return attention(*(x.flatten(0, 1) for x in (q, k, v))).view(q.shape)
        if not self.causal:
            return attention(*(x.flatten(1, 2) for x in (q, k, v))).view(q.shape)
        past = range(1, q.shape[1] + 1)
        seen = [attention(q[:, f - 1], k[:, :f].flatten(1, 2), v[:, :f].flatten(1, 2)) for f in past]
        return torch.stack(seen, dim=1)

    def cross(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        """See Layout; q is [B, F, S, heads, head]."""
        return attention(q.flatten(1, 2), k, v, mask[:, None, None]).view(q.shape)
