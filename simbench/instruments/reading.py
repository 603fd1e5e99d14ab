"""A video, read: registered, colour-matched, every object found in every frame by the state decoder."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from simbench.arrays import median
from simbench.instruments import decoder, hypotheses, registration
from simbench.instruments.bench import Bench
from simbench.instruments.decoder import Detection
from simbench.instruments.hypotheses import Sprite

TOLERANCE_S = 0.15
"""Seconds by which an object may be early or late, where frames are closer than that."""


@dataclass(frozen=True)
class Window:
    """Frames that decide: `after` [N] the frames in which each object should be out again, `hidden` [N] the
    first frame in which it is wholly hidden, `quiet` those in which a stopped object must not be seen,
    `shown` [N] the first frame in which the second reader finds it again in truth (`expect`), `tolerance`
    seconds by which an object may be early or late."""

    after: tuple[tuple[int, ...], ...]
    hidden: tuple[int, ...]
    quiet: tuple[int, ...]
    shown: tuple[int, ...] = ()
    tolerance: float = TOLERANCE_S


@dataclass(frozen=True)
class Reading:
    """A video, read: `found` [N][T] detections per object and frame; `drift` mean displacement of the
    camera as a share of the width; `aligned` float32 [T, H, W, 3] on the plate's grid, of which `valid`
    bool [T, H, W] was seen; `size` [N] area in pixels in full view; `known` [N] the object was found before
    it was hidden; `plate` and `sprites` (per object and shape) are the re-rendered ones in the video's
    colours; `noise` is the standard deviation of the frames before hiding."""

    found: tuple[tuple[tuple[Detection, ...], ...], ...]
    drift: float
    aligned: np.ndarray
    valid: np.ndarray
    size: np.ndarray
    known: np.ndarray
    plate: np.ndarray
    sprites: tuple[dict[str, Sprite], ...]
    noise: float


def read(bench: Bench, frames: np.ndarray, context: int) -> Reading:
    """Register, match colours and find every object in every frame. `frames` uint8 [T, H, W, 3]."""
    registered = registration.register(frames, bench.plate)
    ground = decoder.match_plate(registered.frames, bench.plate, registered.valid)
    shown = slice(0, max(1, context))
    cover = bench.cover[:, shown]
    start = ground if len(ground) == 1 else ground[shown]
    palette = decoder.learn_palette(registered.frames[shown], start, cover)
    share = decoder.unmix(registered.frames, ground, palette, registered.valid)
    found = tuple(_found(cover, i, float(palette.size[i])) for i, cover in enumerate(share))
    drift = float(registered.drift.mean())
    noise = min(12.0, 1.48 * float(median(np.abs(registered.frames[shown] - start).reshape(-1))))
    tint = hypotheses.match_colours(bench.truth[shown], registered.frames[shown])
    sprites = tuple(
        {n: dataclasses.replace(s, colour=hypotheses.recolour(s.colour, tint)) for n, s in looks.items()}
        for looks in bench.sprites
    )
    return Reading(
        found=found,
        drift=drift,
        aligned=registered.frames,
        valid=registered.valid,
        size=palette.size,
        known=palette.found,
        plate=hypotheses.recolour(bench.plate, tint),
        sprites=sprites,
        noise=noise,
    )


def _found(cover: np.ndarray, index: int, size: float) -> tuple[tuple[Detection, ...], ...]:
    """Detections of one object in every frame of its coverage [T, H, W]; what stands still is read once."""
    out: list[tuple[Detection, ...]] = []
    for t, frame in enumerate(cover):
        again = t > 0 and np.array_equal(frame, cover[t - 1])
        out.append(out[-1] if again else tuple(decoder.detect(frame, index, size)))
    return tuple(out)
