"""Laws fitted to where a layer was: at rest, constant velocity or constant acceleration, nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIGMA = 0.08
"""Sd of a measured place in px below which the fit does not believe itself."""

STRICT = 12.0
"""By how much the F ratio must speak for a term of higher order: with five frames, wrong terms run away."""


@dataclass(frozen=True)
class Law:
    """Offset (x, y) in px at frame t: `terms` float64 [order + 1, 2] of a polynomial in t."""

    terms: np.ndarray

    def at(self, t: float) -> np.ndarray:
        """float64 [2], px."""
        return sum((c * t**i for i, c in enumerate(self.terms)), np.zeros(2))

    def velocity(self, t: float) -> np.ndarray:
        """float64 [2], px per frame."""
        return sum((i * c * t ** (i - 1) for i, c in enumerate(self.terms) if i > 0), np.zeros(2))


def _polynomial(times: np.ndarray, places: np.ndarray, weights: np.ndarray, order: int) -> tuple[Law, float]:
    design = np.vander(times, order + 1, increasing=True).astype(np.float64)
    root = np.sqrt(weights)[:, None]
    terms = np.linalg.lstsq(design * root, places * root, rcond=None)[0]
    error = float((weights[:, None] * (design @ terms - places) ** 2).sum())
    return Law(terms), error / max(float(weights.mean()), 1e-9)


def fit(offsets: np.ndarray, shown: np.ndarray, least: float, highest: int = 2) -> Law:
    """The law of `offsets` float64 [k, 2] px, each worth what it has `shown` (share of the area, [k]).

    Frames that show less than `least` do not count. A higher order must earn its place.
    """
    use = shown >= least
    times = np.nonzero(use)[0].astype(np.float64)
    places, weights = offsets[use], np.clip(shown[use], 0, 1) ** 2
    order = min(1, len(times) - 1)
    law, error = _polynomial(times, places, weights, order)
    if highest >= 2 and len(times) >= 5:
        bent, less = _polynomial(times, places, weights, 2)
        freedom = 2 * len(times) - 6
        floor = freedom * SIGMA**2
        if (error - less) / 2 > STRICT * max(less, floor) / freedom:
            return bent
    return law
