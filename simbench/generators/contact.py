"""What stops a layer: a bar of the plate that stands across its way, also where the bar is hidden.

Two things anyone assumes of solid bodies and no law of any suite: a straight bar that goes out of sight
behind something goes on behind it (amodal completion; Kanizsa 1979), and what runs into a bar stops.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simbench.generators.layers import Layer
from simbench.generators.motion import Law
from simbench.generators.plate import Plate

CONTRAST = 70.0
"""Levels by which a bar differs from the usual colour of its rows."""

THIN = 0.75
"""Widest bar, as a share of the layer's width: what is wider is a wall, which hides and does not stop."""


@dataclass(frozen=True)
class Stopped:
    """A law that goes no further than `limit` px along `axis` (0: x, 1: y), in direction `sign`."""

    law: Law
    axis: int
    sign: float
    limit: float

    def at(self, t: float) -> np.ndarray:
        """float64 [2], px: where the law is, or where it was when it met the bar."""
        offset = self.law.at(t)
        if self.sign * (offset[self.axis] - self.limit) <= 0:
            return offset
        before, now = self.law.at(0.0), offset
        share = (self.limit - before[self.axis]) / (now[self.axis] - before[self.axis])
        return before + float(np.clip(share, 0.0, 1.0)) * (now - before)


def stopped(law: Law, layer: Layer, plate: Plate, hides: np.ndarray, last: int) -> Law | Stopped:
    """The law, or the law up to the first bar ahead of where the layer is at frame `last`.

    `hides` float32 [H, W] is what hides the layer. Only motion mostly along one axis can meet a bar.
    """
    velocity = law.velocity(last)
    axis = 0 if abs(velocity[0]) >= abs(velocity[1]) else 1
    if (
        layer.shade is not None
        or abs(velocity[axis]) < 0.05
        or abs(velocity[1 - axis]) > 0.3 * abs(velocity[axis])
    ):
        return law
    sign = float(np.sign(velocity[axis]))
    ys, xs = np.nonzero(layer.alpha > 0.5)
    along, across = (xs, ys) if axis == 0 else (ys, xs)
    offset = law.at(last)
    corner = layer.corner[axis], layer.corner[1 - axis]
    front = corner[0] + (along.max() + 1 if sign > 0 else along.min())
    rows = corner[1] + offset[1 - axis] + np.array([across.min(), across.max() + 1])
    image, hidden = (plate.rgb, hides) if axis == 0 else (plate.rgb.transpose(1, 0, 2), hides.T)
    width = float(along.max() - along.min() + 1)
    edges = [
        e for e in _bars(image, hidden > 0.5, rows, width, sign) if sign * (e - front - offset[axis]) > -0.5
    ]
    if not edges:
        return law
    return Stopped(law, axis, sign, min(edges, key=lambda e: sign * e) - front)


def _bars(image: np.ndarray, hidden: np.ndarray, rows: np.ndarray, width: float, sign: float) -> list[float]:
    """Near edges (px along the way) of bars that cross the rows or, hidden there, show right beyond."""
    # The last column of what hides is a mixture with what is behind: an edge, not a bar.
    wide = np.pad(hidden, ((0, 0), (1, 1)))
    hidden = hidden | wide[:, :-2] | wide[:, 2:]
    usual = np.median(image, axis=1, keepdims=True)
    off = np.linalg.norm(image - usual, axis=-1)
    odd = (off > CONTRAST) & ~hidden
    height = len(image)
    top, bottom = max(0, int(rows[0])), min(height, int(np.ceil(rows[1])))
    if top >= bottom:
        return []
    least = max(2, height // 16)
    crossing = np.zeros(image.shape[1], bool)
    for column in range(image.shape[1]):
        seen = odd[:, column]
        within = slice(top, bottom)
        free = ~hidden[within, column]
        if free.sum() > 0.5 * (bottom - top):
            crossing[column] = seen[within][free].mean() > 0.8
        else:
            covered = np.flatnonzero(hidden[:, column])
            above = seen[max(0, covered[0] - least - 1) : covered[0]].sum()
            below = seen[covered[-1] + 1 : covered[-1] + least + 2].sum()
            crossing[column] = max(above, below) >= least
    edges = np.diff(np.concatenate([[False], crossing, [False]]).astype(int))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [
        float(start if sign > 0 else end)
        for start, end in zip(starts, ends, strict=True)
        if end - start <= THIN * width
    ]
