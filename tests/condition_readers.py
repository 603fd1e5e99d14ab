"""Readers of what a generated video shows, from its pixels alone: objects as told, turns, and motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simbench.instruments.decoder import paste
from simbench.instruments.stage_reader import colour_shares, silhouette
from simbench.instruments.teller import LANE
from simbench.worlds.families import occluder

DIAMETER = 8.0
"""Of the objects of mix=words, pixels."""
REACH = 16
"""Widest shift that is looked for, pixels."""


@dataclass(frozen=True, order=True)
class Thing:
    """One object: what a prompt names of it."""

    colour: str
    shape: str
    side: str


def told(prompt: str) -> list[Thing]:
    """The objects that a prompt of the occluder family names, sorted."""
    return sorted(Thing(colour, shape, side) for colour, shape, _, _, side in LANE.findall(prompt))


def shown(video: np.ndarray) -> list[Thing]:
    """The objects in a video uint8 [T, H, W, 3], sorted: coloured regions of the first frame, each with the
    outline that fits it best there and the side to which its centre goes."""
    frames = video.astype(np.float32)
    found = []
    for colour, share in colour_shares(frames).items():
        mass = share.sum((1, 2))
        x, y = (_centre(share, axis) for axis in (2, 1))
        # What leaves the picture shrinks towards its edge, where its centre stands still.
        last = int(np.flatnonzero(mass >= 0.5 * mass[0])[-1])
        side = "right" if x[last] > x[0] else "left"
        found.append(Thing(colour, _shape(share[0], float(x[0]), float(y[0])), side))
    return sorted(found)


def _centre(share: np.ndarray, axis: int) -> np.ndarray:
    places = np.arange(share.shape[axis])
    along = share.sum(axis=3 - axis)
    return (along * places).sum(1) / np.maximum(along.sum(1), 1e-6)


def _shape(share: np.ndarray, x: float, y: float) -> str:
    near = [(x + dx, y + dy) for dx in (-0.5, 0.0, 0.5) for dy in (-0.5, 0.0, 0.5)]

    def off(shape: str) -> float:
        placed = paste(silhouette(shape, DIAMETER), near, share.shape)
        return float(((placed - share) ** 2).sum(axis=(1, 2)).min())

    return min(occluder.SHAPES, key=off)


ASPECTS = {
    "all": lambda things: tuple(things),
    "colour": lambda things: sorted(t.colour for t in things),
    "shape": lambda things: sorted((t.colour, t.shape) for t in things),
    "side": lambda things: sorted((t.colour, t.side) for t in things),
    "count": len,
}
"""What is compared: shapes and sides of objects are those of the colour that the prompt gives them."""


def agreement(wanted: Sequence[list[Thing]], seen: Sequence[list[Thing]], aspect: str) -> tuple[float, float]:
    """Share of videos that show what their own prompt says of one aspect, and what another's does: the mean
    over all ways to hand each video the prompt a fixed number of places on."""
    key = ASPECTS[aspect]
    count = len(wanted)
    hits = np.array([[key(w) == key(s) for s in seen] for w in wanted])
    return float(np.trace(hits)) / count, float(hits.sum() - np.trace(hits)) / (count * (count - 1))


def shift(before: np.ndarray, after: np.ndarray) -> int:
    """How many pixels the picture [H, W, 3] goes to the right from one frame to another: the shift of least
    mean absolute difference where the two overlap, -REACH to REACH."""
    one, two = before.astype(np.float32), after.astype(np.float32)
    width = one.shape[1]

    def off(by: int) -> float:
        a, b = one[:, max(0, -by) : width - max(0, by)], two[:, max(0, by) : width + min(0, by)]
        return float(np.abs(a - b).mean())

    return min(range(-REACH, REACH + 1), key=lambda by: (off(by), abs(by)))


def motion(videos: Sequence[np.ndarray], given: int) -> float:
    """Mean absolute difference between neighbouring frames [T, H, W, 3], those after `given` frames."""
    steps = [np.abs(np.diff(v[max(0, given - 1) :].astype(np.float32), axis=0)).mean() for v in videos]
    return float(np.mean(steps))
