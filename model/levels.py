"""Which noise level each frame of a training clip gets: a mixture of patterns, in one function.

Levels that are independent from frame to frame are what streaming needs and what synchronous generation
suffers from (Self-Flow, arXiv 2603.06507), so most clips have one level or two; the rest teach the
model what it is asked for later: going on from given frames, filling in, streaming.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from simbench.errors import UserError

PATTERNS = ("whole", "pair", "context", "ramp", "independent")
PLACES = ("prefix", "suffix", "both", "scattered")


@dataclass(frozen=True)
class Mixture:
    """Shares of the patterns and of the places of context (need not sum to 1), and the spread of levels.

    `whole`: one level for all frames. `pair`: two levels, on a random subset of the frames and on the rest.
    `context`: some frames clean, one level for the others. `ramp`: levels that rise with the frame.
    `independent`: a level for each frame. A frame's level follows a logit-normal of `mean` and `sd` (Esser et
    al. 2024, arXiv 2403.03206) with a uniform part `floor`, moved towards noise by `shift`.
    """

    whole: float = 0.4
    pair: float = 0.2
    context: float = 0.25
    ramp: float = 0.1
    independent: float = 0.05
    prefix: float = 0.6
    suffix: float = 0.15
    both: float = 0.15
    scattered: float = 0.1
    sizes: tuple[int, ...] = (1, 1, 2, 3)
    """Given latent frames at an end, drawn with equal chance; a size named twice is drawn twice as often."""
    context_level: float = 0.1
    """Context has a level drawn from 0 to this."""
    mean: float = 0.8
    sd: float = 0.8
    floor: float = 0.1
    shift: float = 1.0

    def __post_init__(self) -> None:
        for name in (*PATTERNS, *PLACES, "sd", "floor", "context_level"):
            if not getattr(self, name) >= 0:
                raise UserError(f"levels.{name}={getattr(self, name):g} must be 0 or more")
        for names in (PATTERNS, PLACES):
            if not sum(getattr(self, name) for name in names) > 0:
                raise UserError(f"one of levels.{', levels.'.join(names)} must be above 0")
        if not self.sizes or min(self.sizes) < 1:
            raise UserError(f"levels.sizes={list(self.sizes)} must name numbers of frames, each 1 or more")
        if not (self.shift > 0 and self.floor <= 1 and self.context_level <= 1):
            raise UserError("levels.shift must be above 0, levels.floor and levels.context_level at most 1")


NANO = Mixture(whole=0.2, pair=0.0, context=0.7, ramp=0.0, prefix=1.0, suffix=0.0, both=0.0, scattered=0.0,
               sizes=(1, 2, 3), independent=0.1, context_level=0.0)  # fmt: skip
"""For the smallest model, which is only asked to go on from 1, 5 or 9 frames."""


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
