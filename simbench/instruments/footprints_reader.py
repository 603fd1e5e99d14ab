"""Reads which prints are there: how much darker than the ground around it each spot is, in prints.

A frame is registered to the empty ground, the ground's colours are matched to the video's, and the mean
darkness in a disc at each spot, less that of the ground between, is compared with that of the prints in the
video's own given frames. Spots under a boot are not read. `stray` spots lie where no boot ever stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from simbench.arrays import channel_mean
from simbench.case import Setting
from simbench.instruments import decoder, registration
from simbench.instruments.push_reader import pixel
from simbench.worlds.families import footprints
from simbench.worlds.families.footprints import Layout
from simbench.worlds.film import render_scene

DARK = (0.5, 1.7)
"""A spot is a print where it is this many times as dark as the prints of the given frames."""
FAINT = 8.0
"""Grey levels: prints of the given frames that are paler cannot be told from the ground."""
CORE = 0.85
"""Share of a print's radius within which its darkness is read."""
CLEAR = 0.13
"""Stray spots are this far from all spots, short sides."""


@dataclass(frozen=True)
class Ground:
    """What the reader needs of a layout: the empty ground `plate` float32 [1, H, W, 3], `spots` [S, 2] and
    `strays` [N, 2] in short sides, `discs` float32 [S + N, H * W] of weights that sum to 1."""

    layout: Layout
    setting: Setting
    plate: np.ndarray
    spots: np.ndarray
    strays: np.ndarray
    discs: np.ndarray


@dataclass(frozen=True)
class Marks:
    """`present` bool [S, T] and `stray` bool [N, T]; `clear` bool [S, T] and `stray_clear` bool [N, T]: no
    boot is there in truth; `level` grey levels by which the video's prints are darker; `drift` of the camera.
    """

    present: np.ndarray
    stray: np.ndarray
    clear: np.ndarray
    stray_clear: np.ndarray
    level: float
    drift: float


def bare(layout: Layout) -> Layout:
    """The layout without what comes and goes: equal for all cases of a scene."""
    return replace(layout, covered=False)


@lru_cache(maxsize=2)
def ground(layout: Layout, setting: Setting) -> Ground:
    """Draw the empty ground of a `bare` layout once."""
    scene = footprints.stage(replace(layout, prints=()))
    kept = tuple(b for b in scene.bodies if b.role != "mover")
    plate = render_scene(scene.with_bodies(kept), setting, [0]).astype(np.float32)
    spots = np.array(layout.spots[: footprints.SEEN])
    grid = np.linspace(-0.4, 0.4, 9)
    wild = np.array([(x, y) for x in grid for y in grid])
    far = np.linalg.norm(wild[:, None] - spots[None], axis=-1).min(axis=1)
    strays = wild[far > CLEAR]
    discs = np.stack([_disc(p, setting) for p in np.concatenate([spots, strays])])
    return Ground(layout, setting, plate, spots, strays, discs.reshape(len(discs), -1))


def _disc(place: Sequence[float], setting: Setting) -> np.ndarray:
    x, y = pixel(place, setting)
    radius = CORE * footprints.PRINT * min(setting.width, setting.height)
    rows, columns = np.mgrid[: setting.height, : setting.width]
    share = np.clip(radius + 0.5 - np.hypot(columns - x, rows - y), 0.0, 1.0)
    return (share / share.sum()).astype(np.float32)


def read(bench: Ground, frames: np.ndarray, at: Sequence[int], context: int) -> Marks:
    """What is there in frames uint8 [T, H, W, 3], which are those numbered `at`; the prints in the first
    `context` of them, the given ones, say how dark a print is."""
    registered = registration.register(frames, bench.plate)
    matched = decoder.match_plate(registered.frames, bench.plate, registered.valid)
    dark = channel_mean(matched - registered.frames).reshape(len(frames), -1) @ bench.discs.T
    count, fps = len(bench.spots), bench.setting.fps
    clear, true = free(bench.layout, bench.spots, at, fps), told(bench.layout, at, bench.setting)
    between = free(bench.layout, bench.strays, at, fps)
    # What is darker all over is another light or another ground, and no print.
    dark = dark - np.array([[np.median(d[c])] for d, c in zip(dark[:, count:], between.T, strict=True)])
    known = dark.T[:count, :context][(clear & true)[:, :context]]
    level = float(np.median(known)) if len(known) else 0.0
    share = dark.T / max(level, FAINT)
    there = (share > DARK[0]) & (share < DARK[1])
    return Marks(
        there[:count],
        there[count:],
        clear,
        between,
        level,
        float(registered.drift.mean()),
    )


def free(layout: Layout, places: np.ndarray, at: Sequence[int], fps: float) -> np.ndarray:
    """Bool [N, T]: no boot is on a place [N, 2] in the frames numbered `at`."""
    out = np.ones((len(places), len(at)), bool)
    for t, frame in enumerate(at):
        for boot in footprints.boots(layout, frame / fps):
            out[:, t] &= np.hypot(*(places - np.array(boot)).T) > footprints.BOOT + footprints.PRINT
    return out


def told(layout: Layout, at: Sequence[int], setting: Setting) -> np.ndarray:
    """Bool [S, T]: a boot has stood on the spot by then."""
    times = np.array(at) / setting.fps
    tick = layout.duration / footprints.STEPS
    return times[None] >= tick * np.arange(footprints.SEEN)[:, None] - 1e-9
