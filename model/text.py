"""Text as a sequence of features."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Text:
    """Features [B, N, D] of N tokens, and which of them count as a bool [B, N]; at least one per row."""

    features: Tensor
    mask: Tensor
