"""Reads where the blocks of a push table are: registered, colours matched, every block unmixed and found.

A block's colours are those it has in the given frames of the video itself. A block is `lost` in a frame where
no region of its colours is as large, as round and as solid as it was, or where two are (`doubled`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from simbench.case import Setting
from simbench.instruments import decoder, registration
from simbench.instruments.bench import coverage_of
from simbench.instruments.decoder import Detection
from simbench.instruments.stage_reader import silhouette
from simbench.worlds.families import push
from simbench.worlds.families.push import Layout
from simbench.worlds.film import render_scene

AREA = (0.55, 1.7)
STRETCH = 1.55
OPACITY = 0.7
TWICE = 0.35
"""Share of a block's area from which a second region of its colours counts as the block once more."""


@dataclass(frozen=True)
class Table:
    """What the reader needs of a layout: the empty table `plate` float32 [1, H, W, 3], the outlines of the
    blocks and the places (x, y) in pixels at which they stand in the given frames."""

    layout: Layout
    setting: Setting
    plate: np.ndarray
    outlines: tuple[np.ndarray, ...]
    homes: tuple[tuple[float, float], ...]

    @property
    def unit(self) -> float:
        """Pixels per short side."""
        return float(min(self.setting.width, self.setting.height))


@dataclass(frozen=True)
class Seen:
    """`places` float64 [N, T, 2] in short sides from the centre, NaN where a block is lost; `doubled` bool
    [N, T]; `drift` mean displacement of the camera as a share of the width."""

    places: np.ndarray
    doubled: np.ndarray
    drift: float


def bare(layout: Layout) -> Layout:
    """The layout without all that moves: equal for all cases of a scene."""
    still = push.moved(layout, [(b.path[0],) for b in layout.blocks])
    return replace(
        still,
        rod=((0.0, 0.0, 0.0),),
        would=((0.0, 0.0, 0.0),),
        trial="push",
        covered=False,
    )


@lru_cache(maxsize=2)
def table(layout: Layout, setting: Setting) -> Table:
    """Draw the empty table of a `bare` layout once."""
    scene = push.stage(layout)
    kept = tuple(b for b in scene.bodies if b.role != "mover" and not b.name.startswith("rod"))
    plate = render_scene(scene.with_bodies(kept), setting, [0]).astype(np.float32)
    size = push.SIZE * min(setting.width, setting.height)
    outlines = tuple(silhouette({"cylinder": "ball"}.get(b.shape, b.shape), size) for b in layout.blocks)
    homes = tuple(pixel(b.home, setting) for b in layout.blocks)
    return Table(layout, setting, plate, outlines, homes)


def pixel(place: Sequence[float], setting: Setting) -> tuple[float, float]:
    """A place in short sides from the centre as a pixel (x, y)."""
    unit = min(setting.width, setting.height)
    return place[0] * unit + (setting.width - 1) / 2, (setting.height - 1) / 2 - place[1] * unit


def read(bench: Table, frames: np.ndarray, context: int) -> Seen:
    """Where each block is in frames uint8 [T, H, W, 3], of which the first `context` are the given ones."""
    registered = registration.register(frames, bench.plate)
    ground = decoder.match_plate(registered.frames, bench.plate, registered.valid)
    shape = frames.shape[1:3]
    still = [[home] * context for home in bench.homes]
    cover = coverage_of(bench.outlines, still, shape)  # type: ignore[arg-type]
    palette = decoder.learn_palette(registered.frames[:context], ground, cover)
    share = decoder.unmix(registered.frames, ground, palette, registered.valid)
    count = len(frames)
    places = np.full((len(bench.homes), count, 2), np.nan)
    doubled = np.zeros((len(bench.homes), count), bool)
    unit = bench.unit
    for i, outline in enumerate(bench.outlines):
        size = float(outline.sum())
        for t in range(count):
            found = decoder.detect(share[i, t], i, size)
            one, twice = _one(found, size)
            doubled[i, t] = twice
            if one is not None:
                places[i, t] = (
                    (one.x - (shape[1] - 1) / 2) / unit,
                    ((shape[0] - 1) / 2 - one.y) / unit,
                )
    # What the reader is off in the given frames, by the softness of a rim, it is off everywhere.
    for i, block in enumerate(bench.layout.blocks):
        first = places[i, :context]
        if not np.isnan(first).any():
            places[i] += np.array(block.home) - first.mean(axis=0)
    return Seen(places, doubled, float(registered.drift.mean()))


def _one(found: Sequence[Detection], size: float) -> tuple[Detection | None, bool]:
    """The region that is the block, or None; and whether there is another."""
    solid = [d for d in found if d.area >= TWICE * size and d.opacity > 0.5]
    if len(solid) != 1:
        return None, len(solid) > 1
    one = solid[0]
    whole = AREA[0] <= one.area / size <= AREA[1] and one.elongation <= STRETCH and one.opacity > OPACITY
    return (one if whole else None), False
