"""Which noise level each frame of a training clip gets: a mixture of patterns, in one function.

Levels that are independent from frame to frame are what streaming needs and what synchronous generation
suffers from (Self-Flow, arXiv 2603.06507), so most clips have one level or two; the rest teach the
model what it is asked for later: going on from given frames, filling in, streaming.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from model.diffusion.mixture import NANO, PATTERNS, PLACES, Mixture

__all__ = ["NANO", "PATTERNS", "PLACES", "Levels", "Mixture", "sample_levels"]


@dataclass(frozen=True)
class Levels:
    """`level` float32 [B, F], 1 = noise; `context` bool [B, F]; `pattern` int64 [B], a place in PATTERNS."""

    level: Tensor
    context: Tensor
    pattern: Tensor


def shifted(level: Tensor, shift: float) -> Tensor:
    """Levels in [0, 1] moved towards noise (shift > 1) or away: s t / (1 + (s - 1) t)."""
    return shift * level / (1 + (shift - 1) * level)


def quantile(share: Tensor, mixture: Mixture) -> Tensor:
    """The level below which `share` of the levels of each part lie; uniform shares give the mixture's spread.

    The lowest `floor` of the shares draw from the uniform part, the rest from the logit-normal.
    """
    normal = torch.special.ndtri(
        ((share - mixture.floor) / max(1 - mixture.floor, 1e-6)).clamp(1e-6, 1 - 1e-6)
    )
    spread = torch.sigmoid(mixture.mean + mixture.sd * normal)
    uniform = share / max(mixture.floor, 1e-6)
    return shifted(torch.where(share < mixture.floor, uniform, spread), mixture.shift).float()


def stratified(batch: int, columns: int, generator: Generator) -> Tensor:
    """float64 [batch, columns] in [0, 1): each column has one number in each of `batch` equal strata."""
    order = torch.rand(batch, columns, generator=generator).argsort(0)
    return (order + torch.rand(batch, columns, generator=generator, dtype=torch.float64)) / batch


def _chosen(share: Tensor, weights: list[float]) -> Tensor:
    """int64 like `share`: which part of the cumulated `weights` each share in [0, 1) falls into."""
    edges = torch.tensor(weights, dtype=torch.float64).cumsum(0)
    return torch.searchsorted(edges / edges[-1], share.contiguous(), right=True).clamp(max=len(weights) - 1)


def _context(frames: int, draws: Tensor, mixture: Mixture, generator: Generator) -> Tensor:
    """bool [B, F]: the given frames of each clip. At least one is given and at least one is not."""
    place = _chosen(draws[:, 0], [getattr(mixture, name) for name in PLACES])[:, None]
    sizes = torch.tensor(mixture.sizes)
    size = sizes[(draws[:, 1] * len(sizes)).long()].clamp(max=frames - 1)[:, None]
    index = torch.arange(frames)[None]
    before, after = index < size, index >= frames - size
    # Both ends need a frame between them; with less room the far end gives way.
    head = size.clamp(max=max(1, frames - 2))
    ends = (index < head) | (index >= frames - torch.minimum(size, frames - 1 - head))
    few = 1 + (draws[:, 2:3] * max(1, frames // 2)).long()
    rank = torch.rand(len(draws), frames, generator=generator).argsort(1).argsort(1)
    return torch.stack([before, after, ends, rank < few]).gather(0, place[None].expand(1, -1, frames))[0]


def sample_levels(batch: int, frames: int, mixture: Mixture, generator: Generator) -> Levels:
    """Levels, context and pattern of `batch` clips of `frames` latent frames, on the CPU.

    Stratified over the batch: patterns come in their shares to within one clip, and each frame's levels
    cover their spread evenly (Kingma et al. 2021, arXiv 2107.00630, I.1). A single frame is always `whole`.
    """
    pick, first, second, given = stratified(batch, 4, generator).T
    pattern = _chosen(pick, [getattr(mixture, name) for name in PATTERNS])
    if frames == 1:
        pattern = torch.zeros_like(pattern)
    one = quantile(first, mixture)[:, None].expand(-1, frames)
    other = quantile(second, mixture)[:, None].expand(-1, frames)
    share = torch.rand(batch, 1, generator=generator)
    subset = torch.rand(batch, frames, generator=generator) < share
    independent = quantile(stratified(batch, frames, generator), mixture)
    context = torch.zeros(batch, frames, dtype=torch.bool)
    if frames > 1:
        context = _context(frames, stratified(batch, 3, generator), mixture, generator)
        context &= (pattern == PATTERNS.index("context"))[:, None]
    clean = (given.float() * mixture.context_level)[:, None].expand(-1, frames)
    kinds = [one, torch.where(subset, one, other), torch.where(context, clean, one)]
    kinds += [independent.sort(1).values, independent]
    level = torch.stack(kinds).gather(0, pattern[None, :, None].expand(1, -1, frames))[0]
    return Levels(level, context, pattern)
