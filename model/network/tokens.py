"""Latents as tokens: patches of one frame, row by row, and back."""

from __future__ import annotations

from torch import Tensor

from simbench.errors import UserError


def patches(latent: Tensor, patch: int) -> Tensor:
    """Tokens [B, F, S, C * patch * patch] of latents [B, F, C, h, w]. UserError if sides do not divide."""
    batch, frames, channels, height, width = latent.shape
    if height % patch or width % patch:
        raise UserError(
            f"latents of {height}x{width} do not divide into patches of {patch}; choose sizes that are"
            f" multiples of {patch} latents"
        )
    grid = latent.view(batch, frames, channels, height // patch, patch, width // patch, patch)
    return grid.permute(0, 1, 3, 5, 2, 4, 6).reshape(batch, frames, -1, channels * patch * patch)


def unpatched(tokens: Tensor, patch: int, height: int, width: int) -> Tensor:
    """Latents [B, F, C, height, width] of tokens: the inverse of `patches`."""
    batch, frames = tokens.shape[:2]
    grid = tokens.view(batch, frames, height // patch, width // patch, -1, patch, patch)
    return grid.permute(0, 1, 4, 2, 5, 3, 6).reshape(batch, frames, -1, height, width)
