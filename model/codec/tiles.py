"""Large pictures in tiles: overlapping squares, each with its own borders, blended linearly where they meet.

Convolutions make the result differ from the whole near seams, as far as a network sees; the linear path
alone sees one square and gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

from simbench.errors import UserError


def spans(length: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """(start, stop) of tiles of `tile` that cover `length`, neighbours sharing `overlap` or more."""
    if length <= tile:
        return [(0, length)]
    starts = [*range(0, length - tile, tile - overlap), length - tile]
    return [(start, start + tile) for start in starts]


def blended(work: Callable[[Tensor], Tensor], x: Tensor, tile: int, overlap: int, scale: float) -> Tensor:
    """`work` over tiles of the last two axes of `x`, joined. `tile` and `overlap` count in `x`.

    `scale` is how much longer the sides of what `work` returns are. UserError where tiles do not move on.
    """
    if not 0 <= overlap < tile:
        raise UserError(f"overlap={overlap} must be at least 0 and below tile={tile}")
    height, width = x.shape[-2:]
    total: Tensor | None = None
    weights: Tensor | None = None
    for (top, bottom), (left, right) in product(spans(height, tile, overlap), spans(width, tile, overlap)):
        part = work(x[..., top:bottom, left:right])
        if total is None or weights is None:
            full = [round(side * scale) for side in (height, width)]
            total = part.new_zeros(*part.shape[:-2], *full)
            weights = part.new_zeros(*full)
        rows, columns = (slice(round(a * scale), round(b * scale)) for a, b in ((top, bottom), (left, right)))
        ramp = round(overlap * scale)
        down = _ramp(part.shape[-2], ramp, top > 0, bottom < height)
        across = _ramp(part.shape[-1], ramp, left > 0, right < width)
        weight = (down[:, None] * across).to(part)
        total[..., rows, columns] += part * weight
        weights[rows, columns] += weight
    assert total is not None and weights is not None
    return total / weights


def _ramp(size: int, overlap: int, before: bool, after: bool) -> Tensor:
    """Weights [size]: 1, falling linearly over `overlap` towards a neighbour."""
    rising = torch.arange(1, size + 1) / (overlap + 1)
    ends = [rising] if before else []
    ends += [rising.flip(0)] if after else []
    return torch.stack([torch.ones(size), *ends]).amin(0)
