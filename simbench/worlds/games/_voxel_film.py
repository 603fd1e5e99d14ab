"""Pictures of the game `voxel`: the yard from the walker's eye, over it the bar with what is in stock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from simbench.worlds.games import _voxel_land as land
from simbench.worlds.scene import Body, Camera, Curve, Light, Material, Scene, SetVoxel, Vec, constant, rest

if TYPE_CHECKING:
    from simbench.worlds.compile import CompiledClip
    from simbench.worlds.games.voxel import State

STOCK = 6
"""Places in the bar."""
BAR = 0.11
"""Its height, a share of the picture's."""
DARK, EMPTY, FULL, RIM = (18, 18, 22), (62, 62, 70), (238, 196, 92), (236, 236, 240)


def scene(states: Sequence[State], fps: float, look: str) -> Scene:
    """The yard of all states, filmed by the walker: state t is shown at t / fps seconds."""
    first = np.array(list(states[0].yard), dtype=np.uint8)
    yard = first.reshape(land.SIDE, land.TALL, land.SIDE).tolist()
    voxels = tuple(tuple(tuple(column) for column in plane) for plane in yard)
    material = Material(constant(0.6, 0.6, 0.6), constant(0.6, 0.6, 0.6))
    middle = (land.SIDE / 2, 0.0, land.SIDE / 2)
    body = Body(
        "yard", "voxels", constant(1.0, 1.0, 1.0), rest(0.0, land.TALL / 2, 0.0), material, voxels=voxels
    )
    times = tuple(t / fps for t in range(len(states)))
    eyes, targets = [], []
    for state in states:
        eye, way = land.eye(state.x, state.z), land.gaze(state.heading, state.nod)
        eyes.append(_less(eye, middle))
        targets.append(_less((eye[0] + way[0], eye[1] + way[1], eye[2] + way[2]), middle))
    light = Light(constant(0.45, 0.9, 0.35), 0.45)
    if look == "plain":
        light = Light(constant(0.45, 0.9, 0.35), 0.6, shadow=False, zenith=(0.72, 0.82, 0.93))
    return Scene(
        "voxels",
        0,
        max(len(states) / fps, 0.01),
        Camera(Curve(times, tuple(eyes)), Curve(times, tuple(targets)), land.FOV),
        (body,),
        light,
        voxel_edits=tuple(_edits(states, fps)),
        look=look,
    )


def _less(point: Vec, middle: Vec) -> Vec:
    return (point[0] - middle[0], point[1] - middle[1], point[2] - middle[2])


def _edits(states: Sequence[State], fps: float) -> list[SetVoxel]:
    """What changes from each state to the next."""
    edits, before = [], states[0].yard
    for t, state in enumerate(states):
        if state.yard != before:
            for place in [p for p in range(len(before)) if before[p] != state.yard[p]]:
                cell = (place // (land.TALL * land.SIDE), place // land.SIDE % land.TALL, place % land.SIDE)
                edits.append(SetVoxel("yard", t / fps, cell, int(state.yard[place])))
            before = state.yard
    return edits


def film(states: Sequence[State], width: int, height: int, look: str, samples: int) -> np.ndarray:
    """The yard without the bar, uint8 [T, height, width, 3]. No state may have the eye in a cube."""
    from simbench.worlds.render import render

    return render(compiled(states, look), width, height, samples, truth=False).rgb


def compiled(states: Sequence[State], look: str) -> CompiledClip:
    """What `compile_scene` makes of `scene(states)` at 8 fps, put together from the frames of all views: a
    compilation for each picture took as long as to draw it."""
    views = _views(look)
    at = np.array([_view(state) for state in states])
    yards = {yard: k for k, yard in enumerate(dict.fromkeys(state.yard for state in states))}
    bodies = views.tables.bodies[at]
    bodies["start"][:, 0] = [yards[state.yard] * len(state.yard) for state in states]
    cells = np.frombuffer("".join(yards).encode(), np.uint8) - np.uint8(ord("0"))
    tables = views.tables._replace(bodies=bodies, frames=views.tables.frames[at], cells=cells)
    return replace(
        views,
        tables=tables,
        positions=views.positions[at],
        rotations=views.rotations[at],
        sun=views.sun[at],
        eyes=views.eyes[at],
        axes=views.axes[at],
    )


def _view(state: State) -> int:
    """The frame of `_views` that looks as a state does."""
    column = state.x * land.SIDE + state.z
    return (column * len(land.HEADINGS) + state.heading) * len(land.PITCHES) + state.nod


@lru_cache(maxsize=2)
def _views(look: str) -> CompiledClip:
    """Every place, heading and pitch in a yard that has nothing the eye could be in."""
    from simbench.worlds.compile import compile_scene
    from simbench.worlds.games.voxel import State

    yard = "0" * len(land.bare())
    side, turns, nods = range(land.SIDE), range(len(land.HEADINGS)), range(len(land.PITCHES))
    states = [State(yard, *place, 0, yard) for place in product(side, side, turns, nods)]
    return compile_scene(scene(states, 8.0, look), len(states), 8.0)


def bar_height(height: int) -> int:
    """Rows of the bar in a picture of `height` rows."""
    return max(4, round(BAR * height))


def bar(stock: int, width: int, height: int) -> np.ndarray:
    """The bar, uint8 [rows, width, 3]: a bright rim above, and a place for each piece in stock."""
    rows = bar_height(height)
    fine = 4
    image = np.empty((rows * fine, width * fine, 3), dtype=np.float32)
    image[:] = DARK
    rim = max(1, round(rows / 6)) * fine
    image[:rim] = RIM
    pitch = width * fine / STOCK
    side = 0.62 * min(pitch, rows * fine - rim)
    top = rim + (rows * fine - rim - side) / 2
    for n in range(STOCK):
        left = (n + 0.5) * pitch - side / 2
        piece = image[round(top) : round(top + side), round(left) : round(left + side)]
        piece[:] = FULL if n < stock else EMPTY
    return np.rint(image.reshape(rows, fine, width, fine, 3).mean(axis=(1, 3))).astype(np.uint8)


def draw(states: Sequence[State], width: int, height: int, look: str, samples: int) -> np.ndarray:
    """Frames uint8 [T, height, width, 3] with the bar."""
    frames = film(states, width, height, look, samples)
    rows = bar_height(height)
    for frame, state in zip(frames, states, strict=True):
        frame[height - rows :] = bar(state.stock, width, height)
    return frames
