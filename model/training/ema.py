"""Averages of the weights whose length grows with the run, so that one setting fits every budget.

A constant decay of 0.9999 averages over ten thousand steps: in a run of two thousand it is mostly the
initial weights. A power function (Karras et al. 2024, EDM2, arXiv:2312.02696, section 3.1) weighs step
s of t by (s / t)^gamma, so that the average always covers the same share of the run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from simbench.errors import UserError


def width(gamma: float) -> float:
    """Standard deviation of the profile s^gamma on [0, 1], as a share of the run (EDM2, section 3.1).

    It is that of a beta distribution with parameters gamma + 1 and 1.
    """
    return math.sqrt((gamma + 1) / ((gamma + 2) ** 2 * (gamma + 3)))


def exponent(sigma: float) -> float:
    """The gamma whose profile has width `sigma`, a share of the run: 6.94 for 0.10, 16.97 for 0.05.

    Raises UserError outside (0, 0.28]: the flat average has 0.2887.
    """
    if not 0 < sigma <= 0.28:
        raise UserError(f"ema={sigma:g} must lie above 0 and at most 0.28; 0.05 and 0.10 are usual")
    low, high = 0.0, 1.0
    while width(high) > sigma:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if width(middle) > sigma else (low, middle)
    return (low + high) / 2


def decay(step: int, gamma: float) -> float:
    """Weight of the old average at `step` = 1, 2, ...: (1 - 1 / step)^(gamma + 1); 0 at step 1."""
    return float((1 - 1 / step) ** (gamma + 1))


class EMA:
    """One averaged copy of named parameters per width in `sigmas`; the copies keep dtype and sharding."""

    def __init__(self, named: Iterable[tuple[str, Tensor]], sigmas: tuple[float, ...] = (0.05,)) -> None:
        live = {name: p.detach() for name, p in named}
        self._gammas = {sigma: exponent(sigma) for sigma in sigmas}
        self.averages = {sigma: {n: p.clone() for n, p in live.items()} for sigma in sigmas}

    @torch.no_grad()
    def update(self, named: Iterable[tuple[str, Tensor]], step: int) -> None:
        """Take in the weights after `step` (the first is 1)."""
        live = [p.detach() for _, p in named]
        for sigma, gamma in self._gammas.items():
            torch._foreach_lerp_(list(self.averages[sigma].values()), live, 1 - decay(step, gamma))

    def state(self) -> dict[str, Tensor]:
        """All averages by `SIGMA.NAME`."""
        return {f"{s:g}.{n}": p for s, average in self.averages.items() for n, p in average.items()}

    @contextmanager
    def applied(self, named: Mapping[str, Tensor], sigma: float | None = None) -> Iterator[None]:
        """The average (the first unless `sigma` says which) in place of the weights, for the block."""
        average = self.averages[next(iter(self.averages)) if sigma is None else sigma]
        kept = {name: named[name].detach().clone() for name in average}
        try:
            _copy(average, named)
            yield
        finally:
            _copy(kept, named)


@torch.no_grad()
def _copy(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    for name, value in source.items():
        target[name].detach().copy_(value)
