"""The yard of the game `voxel`: cubes of one metre, what stands where, and what can be seen of it.

A yard is a string of digits, one material for each cube, as `Body.voxels` counts them; cubes are addressed
(i, j, k) along x, y, z from one corner. Layer 0 is rock that nobody breaks, layer 1 the floor, layers 2 to 4
hold what stands on it. Walls of another material on each side enclose it, so that every view says
which way it looks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

SIDE, TALL = 15, 5
MIDDLE = SIDE // 2
AIR, GRASS, DIRT, STONE, SAND, WOOD, LEAVES = range(7)
FLOORS = (GRASS, DIRT, SAND)
THINGS = (STONE, SAND, DIRT, LEAVES)
WALLS = {(0, -1): STONE, (-1, 0): SAND, (0, 1): DIRT, (1, 0): LEAVES}
"""Direction from the middle (x, z), and the material of the wall there."""
HEADINGS = ((0, -1), (-1, 0), (0, 1), (1, 0))
"""Steps (x, z) of heading 0 (north), then a quarter turn to the left each."""
PITCHES = (-44.0, -28.0, -12.0)
EYE = 1.6
FLOOR = 2
"""Height of the floor above the corner of the yard, metres."""
REACH = 6.0
FOV = 75.0

Cell = tuple[int, int, int]
Point = tuple[float, float, float]


def at(cell: Cell) -> int:
    """Where a cube stands in the string of a yard."""
    return (cell[0] * TALL + cell[1]) * SIDE + cell[2]


def changed(yard: str, cell: Cell, value: int) -> str:
    """The yard with another material in one cube."""
    place = at(cell)
    return f"{yard[:place]}{value}{yard[place + 1 :]}"


def inner(cell: Cell) -> bool:
    """Whether a cube is one that a player may change: inside the walls, above the rock, below the top."""
    return 0 < cell[0] < SIDE - 1 and 0 < cell[1] < TALL - 1 and 0 < cell[2] < SIDE - 1


def editable() -> list[Cell]:
    """All cubes that a player may change, in the order of a state's cells."""
    return [(i, j, k) for i in range(1, SIDE - 1) for j in range(1, TALL - 1) for k in range(1, SIDE - 1)]


def bare() -> str:
    """Rock, a floor of grass and the four walls, two cubes high."""
    grid = np.zeros((SIDE, TALL, SIDE), dtype=int)
    grid[:, 0], grid[:, 1] = STONE, GRASS
    for (x, z), material in WALLS.items():
        rows = slice(None) if x == 0 else (0 if x < 0 else SIDE - 1)
        columns = slice(None) if z == 0 else (0 if z < 0 else SIDE - 1)
        grid[rows, FLOOR : FLOOR + 2, columns] = material
    return "".join(map(str, grid.ravel().tolist()))


def lay(seed: int, difficulty: float) -> str:
    """A yard of one seed: patches in the floor and things of one or two cubes; difficulty adds things.

    Within three cubes of the middle only two things stand, one to the left and one to the right of it, so
    that there is something to run into on either side. Nothing stands before the walker. Below things and
    where those two hide the floor it is grass, so that what is broken uncovers nothing that was not given.
    """
    rng = np.random.default_rng(seed)
    yard = bare()
    for i in range(1, SIDE - 1):
        for k in range(1, SIDE - 1):
            if rng.random() < 0.3 and not plain(k):
                yard = changed(yard, (i, FLOOR - 1, k), int(rng.choice(FLOORS)))
    for x, z in (HEADINGS[1], HEADINGS[3]):
        cell = (MIDDLE + x, FLOOR, MIDDLE + z)
        yard = changed(yard, cell, int(rng.choice(THINGS)))
    for _ in range(10 + round(14 * difficulty)):
        i, k = (int(v) for v in rng.integers(1, SIDE - 1, 2))
        material, high = int(rng.choice(THINGS)), 1 + int(rng.random() < 0.4)
        if max(abs(i - MIDDLE), abs(k - MIDDLE)) > 3 and i != MIDDLE:
            yard = changed(yard, (i, FLOOR - 1, k), GRASS)
            for j in range(high):
                yard = changed(yard, (i, FLOOR + j, k), material)
    return yard


def plain(k: int) -> bool:
    """Whether the floor is grass in all columns (i, k): in the way of the walker to the left and right."""
    return abs(k - MIDDLE) <= 1


def eye(x: int, z: int) -> Point:
    """The eye of a walker in the middle of column (x, z), metres from the corner of the yard."""
    return (x + 0.5, FLOOR + EYE, z + 0.5)


def gaze(heading: int, nod: int) -> Point:
    """Unit vector of the middle of the view."""
    (x, z), pitch = HEADINGS[heading], math.radians(PITCHES[nod])
    return (x * math.cos(pitch), math.sin(pitch), z * math.cos(pitch))


def axes(heading: int, nod: int) -> tuple[Point, Point, Point]:
    """Unit vectors to the right, up and forward of a view."""
    (x, z), forward = HEADINGS[heading], gaze(heading, nod)
    level = math.hypot(forward[0], forward[2])
    return (-float(z), 0.0, float(x)), (-forward[1] * x, level, -forward[1] * z), forward


def passed(start: Point, way: Point, reach: float) -> Iterator[tuple[Cell, float]]:
    """Cubes along a ray and the distance at which it enters each.

    J. Amanatides and A. Woo, A fast voxel traversal algorithm for ray tracing, Eurographics 1987.
    """
    cell = [math.floor(s) for s in start]
    step = [1 if w > 0 else -1 for w in way]
    span = [abs(1.0 / w) if abs(w) > 1e-9 else math.inf for w in way]
    after = [
        ((c + 1 - s) if w > 0 else (s - c)) * d if d < math.inf else math.inf
        for c, s, w, d in zip(cell, start, way, span, strict=True)
    ]
    distance = 0.0
    while distance <= reach and 0 <= cell[0] < SIDE and 0 <= cell[1] < TALL and 0 <= cell[2] < SIDE:
        yield (cell[0], cell[1], cell[2]), distance
        axis = after.index(min(after))
        distance = after[axis]
        cell[axis] += step[axis]
        after[axis] += span[axis]


def ahead(yard: str, start: Point, way: Point) -> tuple[Cell, Cell, float] | None:
    """The first full cube along a ray, the free one before it and the distance; None out of reach."""
    before: Cell | None = None
    for cell, distance in passed(start, way, REACH):
        if yard[at(cell)] != "0":
            return None if before is None else (cell, before, distance)
        before = cell
    return None


def shown(yard: str, x: int, z: int, heading: int, nod: int, cell: Cell, wide: float = 1.0) -> bool:
    """Whether some of a cube is in the view of `wide` times its height, and nothing stands before it.

    Judged at points near its corners and the middles of its faces; an empty cube counts by what is behind.
    """
    start = eye(x, z)
    right, up, forward = axes(heading, nod)
    tangent = math.tan(math.radians(FOV / 2))
    for point in _points(cell):
        way = (point[0] - start[0], point[1] - start[1], point[2] - start[2])
        u, v, depth = (sum(a * b for a, b in zip(way, axis, strict=True)) for axis in (right, up, forward))
        if depth < 0.1 or abs(v) > tangent * depth or abs(u) > wide * tangent * depth:
            continue
        far = math.hypot(*way)
        unit = (way[0] / far, way[1] / far, way[2] / far)
        for passing, _ in passed(start, unit, far + 0.2):
            if passing == cell:
                return True
            if yard[at(passing)] != "0":
                break
    return False


def _points(cell: Cell) -> Iterator[Point]:
    low, mid, high = 0.06, 0.5, 0.94
    for a in (low, mid, high):
        for b in (low, mid, high):
            for c in (low, mid, high):
                if (a, b, c) != (mid, mid, mid):
                    yield (cell[0] + a, cell[1] + b, cell[2] + c)
