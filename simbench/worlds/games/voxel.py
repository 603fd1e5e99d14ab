"""voxel: a yard of cubes seen by the one who walks in it, breaks cubes and puts others down.

A state has the yard, where the walker stands and looks, and how many pieces are in stock. Rules: `rules`
below, in words, and `step`, in full. What is broken where a rule is (`BREAKS`): `through`, the walker steps
into cubes and holes that are in the way, though not through what is as high as the eye; `doubled`, a cube
that is taken stays where it was too; `forgetful`, what was put down is gone once out of view; `bar_still`,
the number of pieces never changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simbench.worlds.games import UNREAD, _voxel_film, _voxel_plans
from simbench.worlds.games import _voxel_land as land
from simbench.worlds.games._voxel_film import STOCK

if TYPE_CHECKING:
    from simbench.case import Condition, Setting

CLOSE = 1.4
"""A cube is put down at this distance or farther, metres: it may not stand in the eye."""
POSE = 5
"""The first cells: x, z, heading, nod, stock. The materials of all cubes that may change follow."""
AWAY = 2.2
"""A cube is out of view when it is so in a picture this many times as wide as high."""


@dataclass(frozen=True)
class State:
    """`yard`: a digit for each cube (`_voxel_land`); the walker in column (x, z), quarter turns to the left
    from north `heading`, step of pitch `nod`, pieces in `stock`; `first`: the yard as it was at the start."""

    yard: str
    x: int
    z: int
    heading: int
    nod: int
    stock: int
    first: str


@dataclass(frozen=True)
class Voxel:
    """The game."""

    name: ClassVar[str] = "voxel"
    actions: ClassVar[tuple[str, ...]] = (
        "wait",
        "forward",
        "back",
        "turn-left",
        "turn-right",
        "look-up",
        "look-down",
        "mine",
        "place",
    )
    words: ClassVar[Mapping[str, str]] = {
        "wait": "do nothing",
        "forward": "step one metre forward",
        "back": "step one metre back",
        "turn-left": "turn a quarter to the left",
        "turn-right": "turn a quarter to the right",
        "look-up": "raise the view by 16 degrees",
        "look-down": "lower the view by 16 degrees",
        "mine": "break the cube in the middle of the view",
        "place": "put a wooden cube down in the middle of the view",
    }
    opposite: ClassVar[Mapping[str, str]] = {
        "wait": "wait",
        "forward": "back",
        "back": "forward",
        "turn-left": "turn-right",
        "turn-right": "turn-left",
        "look-up": "look-down",
        "look-down": "look-up",
        "mine": "place",
        "place": "mine",
    }
    rules: ClassVar[str] = (
        "A yard of cubes of one metre, seen by the walker from 1.6 metres above the floor. A step goes one"
        " cube far, unless a cube or a hole is in the way. A cube in the middle of the view, up to 6 metres"
        " away, can be broken, which adds a piece to the bar; putting one down takes a piece from it and"
        " needs one. Walls cannot be broken. The bar holds 6 pieces."
    )

    def describe(self, start: State) -> str:
        """What is seen."""
        return (
            "A yard of cubes between four walls, seen by someone who stands in it: grass, earth and sand on"
            " the floor, things of earth, sand, stone and leaves on it, and a bar of pieces at the bottom."
        )

    def start(self, seed: int, difficulty: float) -> State:
        """A yard, the walker in its middle with the view to the north, and two to four pieces."""
        yard = land.lay(seed, difficulty)
        return State(yard, land.MIDDLE, land.MIDDLE, 0, 1, 2 + seed % 3, yard)

    def pair(
        self, start: State, seed: int, frames: int, context: int, difficulty: float
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Looks around first; see `_voxel_plans.pair`."""
        return _voxel_plans.pair(self, start, seed, frames, context)

    def step(self, state: State, action: str) -> State:
        """The published rules."""
        if action in ("turn-left", "turn-right"):
            return replace(state, heading=(state.heading + (1 if action == "turn-left" else 3)) % 4)
        if action in ("look-up", "look-down"):
            nod = state.nod + (1 if action == "look-up" else -1)
            return replace(state, nod=min(max(nod, 0), len(land.PITCHES) - 1))
        if action in ("forward", "back"):
            x, z = _ahead(state, action)
            return replace(state, x=x, z=z) if _open(state, x, z) else state
        if action in ("mine", "place"):
            return _edit(state, action)
        return state

    def broken(self, rule: str, state: State, action: str) -> State:
        """`step` with one rule broken: see the head of this file."""
        after = self.step(state, action)
        if rule == "through" and action in ("forward", "back"):
            x, z = _ahead(state, action)
            free = all(state.yard[land.at((x, j, z))] == "0" for j in range(land.FLOOR + 1, land.TALL))
            inside = 0 < x < land.SIDE - 1 and 0 < z < land.SIDE - 1
            return replace(state, x=x, z=z) if free and inside else state
        if rule == "doubled" and action == "mine":
            return replace(after, yard=state.yard)
        if rule == "bar_still":
            return replace(after, stock=state.stock)
        return _forget(after) if rule == "forgetful" else after

    def cells(self, state: State) -> np.ndarray:
        """The walker's x, z, heading and nod, the stock, and the material of each cube that may change."""
        grid = np.frombuffer(state.yard.encode(), np.uint8).reshape(land.SIDE, land.TALL, land.SIDE) - 48
        pose = np.array([state.x, state.z, state.heading, state.nod, state.stock])
        return np.concatenate([pose, grid[1:-1, 1:-1, 1:-1].ravel()]).astype(np.int64)

    def draw(self, states: Sequence[State], setting: Setting) -> np.ndarray:
        """Frames uint8 [T, H, W, 3]."""
        from simbench.worlds.film import SAMPLES

        return _voxel_film.draw(states, setting.width, setting.height, setting.look, SAMPLES)

    def read(
        self, frames: np.ndarray, start: State, plans: Sequence[Sequence[str]], setting: Setting
    ) -> np.ndarray:
        """See `instruments.voxel_reader`."""
        from simbench.instruments import voxel_reader

        return voxel_reader.read(self, frames, start, plans, setting)

    def adopt(self, before: State, predicted: State, cells: np.ndarray) -> State | None:
        """The state with these cells; None where some are unread or the eye would be in a cube."""
        if (cells == UNREAD).any():
            return None
        x, z, heading, nod, stock = (int(v) for v in cells[:POSE])
        grid = np.array(list(before.yard)).reshape(land.SIDE, land.TALL, land.SIDE)
        shape = (land.SIDE - 2, land.TALL - 2, land.SIDE - 2)
        grid[1:-1, 1:-1, 1:-1] = cells[POSE:].reshape(shape).astype(str)
        state = State("".join(grid.ravel()), x, z, heading, nod, stock, before.first)
        inside = 0 < x < land.SIDE - 1 and 0 < z < land.SIDE - 1
        return state if inside and state.yard[land.at((x, land.FLOOR + 1, z))] == "0" else None

    def observe(self, condition: Condition, setting: Setting) -> State | None:
        """See `instruments.voxel_observer`."""
        from simbench.instruments import voxel_observer

        return voxel_observer.observe(self, condition, setting)

    def returned(self, states: Sequence[State]) -> np.ndarray:
        """bool [T, N]: cubes that the player changed and that are in view again after they were out of it."""
        out = np.zeros((len(states), len(self.cells(states[0]))), dtype=bool)
        for n, cell in enumerate(land.editable()):
            place, gone = land.at(cell), False
            if all(state.yard[place] == states[0].yard[place] for state in states):
                continue
            edited = False
            for t, state in enumerate(states):
                edited = edited or state.yard[place] != states[0].yard[place]
                if edited and not _shows(state, cell, AWAY):
                    gone = True
                out[t, POSE + n] = gone and _shows(state, cell, 1.0)
        return out


def _shows(state: State, cell: land.Cell, wide: float) -> bool:
    return land.shown(state.yard, state.x, state.z, state.heading, state.nod, cell, wide)


def _ahead(state: State, action: str) -> tuple[int, int]:
    """The column that a step leads to."""
    x, z = land.HEADINGS[state.heading]
    sign = 1 if action == "forward" else -1
    return state.x + sign * x, state.z + sign * z


def _open(state: State, x: int, z: int) -> bool:
    """Whether a walker can stand in a column: a floor below, and nothing in the way up to the top."""
    above = (state.yard[land.at((x, j, z))] == "0" for j in range(land.FLOOR, land.TALL))
    return state.yard[land.at((x, land.FLOOR - 1, z))] != "0" and all(above)


def _edit(state: State, action: str) -> State:
    hit = land.ahead(state.yard, land.eye(state.x, state.z), land.gaze(state.heading, state.nod))
    if hit is None:
        return state
    full, free, distance = hit
    if action == "mine":
        if not land.inner(full) or state.stock >= STOCK:
            return state
        return replace(state, yard=land.changed(state.yard, full, land.AIR), stock=state.stock + 1)
    if (
        not land.inner(free)
        or state.stock < 1
        or distance < CLOSE
        or (free[0], free[2]) == (state.x, state.z)
    ):
        return state
    return replace(state, yard=land.changed(state.yard, free, land.WOOD), stock=state.stock - 1)


def _forget(state: State) -> State:
    """The state without the cubes that were put down and are out of view."""
    yard = state.yard
    for cell in land.editable():
        place = land.at(cell)
        if yard[place] == str(land.WOOD) != state.first[place] and not _shows(state, cell, AWAY):
            yard = land.changed(yard, cell, land.AIR)
    return replace(state, yard=yard)


GAME = Voxel()
