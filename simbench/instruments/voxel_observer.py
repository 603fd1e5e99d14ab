"""The yard of the game `voxel`, rebuilt from the frames that are given.

The opening of every plan is published, so that the camera of each given frame is known. Floors are told by
the material that fits the pixels of a column best; things by drawing every kind of them, the near ones first,
two columns apart at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from simbench.arrays import channel_sum
from simbench.instruments import voxel_reader
from simbench.instruments.voxel_reader import Lens
from simbench.worlds.games import UNREAD, roll
from simbench.worlds.games import _voxel_land as land

if TYPE_CHECKING:
    from simbench.case import Condition, Setting
    from simbench.worlds.games.voxel import State, Voxel

THERE = 0.35
"""A thing is there where it leaves less than this share of what an empty column leaves unexplained."""
PIXELS = 5
SIZE = (56, 1)
"""Rows and rays per pixel of the pictures that are drawn."""
FREE = 3
"""Rings around the middle in which only what is straight ahead may stand, one cube high."""


def observe(game: Voxel, condition: Condition, setting: Setting) -> State | None:
    """The state of the last given frame; None where fewer than 5 are given or they are of another game."""
    from simbench.worlds.games._voxel_plans import opening
    from simbench.worlds.games.voxel import State

    frames = condition.given_frames
    if len(frames) < 5:
        return None
    stock = int(voxel_reader.read_bars(frames[-1:])[0])
    yard = land.bare()
    state = State(yard, land.MIDDLE, land.MIDDLE, 0, 1, max(stock, 0), yard)
    states = roll(game, state, (*opening(len(frames) - 1), "wait"))
    lens = voxel_reader.lens_of(frames, setting.look, *SIZE)
    shots = [voxel_reader.view(frame, lens).seen for frame in frames]
    views = {s.heading: (s, shot) for s, shot in zip(states, shots, strict=True)}
    for here, seen in views.values():
        yard = _things(lens, replace(here, yard=_floor(lens, replace(here, yard=yard), seen)), seen)
    for here, seen in views.values():
        yard = _floor(lens, replace(here, yard=yard), seen)
    last = replace(states[-1], yard=yard, first=yard)
    part = lens.picture(last).detail
    share = voxel_reader.explained(voxel_reader.view(frames[-1], lens), part[None])[0]
    return last if share >= voxel_reader.EXPLAINED and stock != UNREAD else None


def _rays(lens: Lens, here: State) -> np.ndarray:
    """Directions [h, w, 3] of the pixels of a view, of depth 1."""
    right, up, forward = (np.array(axis) for axis in land.axes(here.heading, here.nod))
    pitch = 2.0 * np.tan(np.radians(land.FOV / 2)) / lens.height
    u = (np.arange(lens.width) + 0.5 - lens.width / 2) * pitch
    v = (np.arange(lens.rows) + 0.5 - lens.height / 2) * pitch
    return np.asarray(forward + u[None, :, None] * right - v[:, None, None] * up)


def _columns(lens: Lens, here: State) -> np.ndarray:
    """The column i * SIDE + k whose floor each pixel [h, w] would show in a yard without things, -1: none."""
    rays = _rays(lens, here)
    down = rays[..., 1] < -1e-3
    far = np.where(down, -land.EYE / np.where(down, rays[..., 1], -1.0), 0.0)
    i = np.floor(here.x + 0.5 + far * rays[..., 0]).astype(int)
    k = np.floor(here.z + 0.5 + far * rays[..., 2]).astype(int)
    inside = down & (i > 0) & (i < land.SIDE - 1) & (k > 0) & (k < land.SIDE - 1)
    return np.where(inside, i * land.SIDE + k, -1)


def _floor(lens: Lens, here: State, seen: np.ndarray) -> str:
    """The yard of `here` with the floors that fit a view [h, w, 3] best."""
    columns = _columns(lens, here)
    cells = [(c // land.SIDE, land.FLOOR - 1, c % land.SIDE) for c in np.unique(columns[columns >= 0])]
    yards = []
    for material in land.FLOORS:
        yard = here.yard
        for cell in cells:
            yard = land.changed(yard, cell, material)
        yards.append(yard)
    pictures = lens.pictures([replace(here, yard=yard) for yard in yards])
    shows = (pictures.max(axis=0) - pictures.min(axis=0)).max(axis=-1) > 4.0
    off = np.stack([channel_sum(np.abs(picture - seen)) for picture in pictures])
    yard = here.yard
    for cell in cells:
        own = shows & (columns == cell[0] * land.SIDE + cell[2])
        bare = here.yard[land.at((cell[0], land.FLOOR, cell[2]))] == "0"
        if not bare or land.plain(cell[2]):
            yard = land.changed(yard, cell, land.GRASS)
        elif own.sum() >= 2:
            yard = land.changed(yard, cell, land.FLOORS[int(off[:, own].sum(axis=1).argmin())])
    return yard


def _things(lens: Lens, here: State, seen: np.ndarray) -> str:
    """The yard of `here` with the things of a view, ring after ring from the walker."""
    dx, dz = land.HEADINGS[here.heading]
    for ring in range(1, land.MIDDLE):
        kinds = [(m, h) for m in land.THINGS for h in ((1,) if ring <= FREE else (1, 2))]
        for parity in (0, 1):
            sides = [
                s for s in range(-land.MIDDLE + 1, land.MIDDLE) if s % 2 == parity and abs(s) <= ring + 1
            ]
            if ring <= FREE:
                sides = [0] if parity == 0 and ring < FREE and here.heading % 2 else []
            columns = [(here.x + ring * dx - s * dz, here.z + ring * dz + s * dx) for s in sides]
            columns = [c for c in columns if here.yard[land.at((c[0], land.FLOOR, c[1]))] == "0"]
            if not columns:
                continue
            yards = [_filled(here.yard, columns, *kind) for kind in kinds]
            pictures = lens.pictures([here, *(replace(here, yard=yard) for yard in yards)])
            for column in columns:
                best = _best(lens, here, column, pictures, seen)
                if best is not None:
                    here = replace(here, yard=_filled(here.yard, [column], *kinds[best]))
    return here.yard


def _filled(yard: str, columns: Sequence[tuple[int, int]], material: int, high: int) -> str:
    for i, k in columns:
        for j in range(high):
            yard = land.changed(yard, (i, land.FLOOR + j, k), material)
    return yard


def _best(
    lens: Lens, here: State, column: tuple[int, int], pictures: np.ndarray, seen: np.ndarray
) -> int | None:
    """Which of pictures[1:] shows what stands in a column, None for nothing; pictures[0] has it empty."""
    top, bottom, left, right = _window(lens, here, column)
    if bottom - top < 1 or right - left < 1:
        return None
    part, goal = pictures[:, top:bottom, left:right], seen[top:bottom, left:right]
    off = channel_sum(np.abs(part - goal))
    changes = channel_sum(np.abs(part[1:] - part[0])) > 12.0
    found: tuple[float, int] | None = None
    for n in range(len(part) - 1):
        own = changes[n]
        if own.sum() < PIXELS:
            continue
        share = float(off[n + 1][own].sum() / max(off[0][own].sum(), 1.0))
        gained = float(off[n + 1].sum())
        if share < THERE and (found is None or gained < found[0]):
            found = (gained, n)
    return None if found is None else found[1]


def _window(lens: Lens, here: State, column: tuple[int, int]) -> tuple[int, int, int, int]:
    """Rows and columns of pixels that a thing of two cubes may cover: top, bottom, left, right."""
    start = np.array(land.eye(here.x, here.z))
    corners = np.array(
        [(column[0] + a, land.FLOOR + 2 * b, column[1] + c) for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    )
    right, up, forward = (np.array(axis) for axis in land.axes(here.heading, here.nod))
    way = corners - start
    depth = np.maximum(way @ forward, 0.05)
    pitch = 2.0 * np.tan(np.radians(land.FOV / 2)) / lens.height
    u = way @ right / depth / pitch + lens.width / 2
    v = -(way @ up) / depth / pitch + lens.height / 2
    low, high = np.clip(np.floor(v.min()), 0, lens.rows), np.clip(np.ceil(v.max()), 0, lens.rows)
    west, east = np.clip(np.floor(u.min()), 0, lens.width), np.clip(np.ceil(u.max()), 0, lens.width)
    return int(low), int(high), int(west), int(east)
