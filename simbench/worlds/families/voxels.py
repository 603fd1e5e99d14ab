"""voxels: a walk through a land of cubes, first person, that mines and places what it looks at.

The camera obeys a list of actions, each one slot long; an edit acts on the cell under the middle of
the view, so whoever knows the first frame and the actions knows the clip. Difficulty roughens the
land and adds edits and turns. Cells have an edge of one metre.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from simbench.worlds import palette
from simbench.worlds.scene import (
    Body,
    Camera,
    Curve,
    Event,
    Light,
    Scene,
    SetVoxel,
    Vec,
    constant,
    rest,
)

SIDE, TALL = 40, 18
SLOTS = 12
STEP = 0.75
TURN = 14.0
NOD = 21.0
EYE = 1.75
REACH = 9.0
GRASS, DIRT, STONE, SAND, WOOD, LEAVES = 1, 2, 3, 4, 5, 6
NAMES = {GRASS: "grass", DIRT: "dirt", STONE: "stone", SAND: "sand", WOOD: "wood", LEAVES: "leaf"}
MOVES = {
    "forward": (STEP, 0.0, 0.0),
    "back": (-STEP, 0.0, 0.0),
    "turn-left": (0.0, TURN, 0.0),
    "turn-right": (0.0, -TURN, 0.0),
    "look-up": (0.0, 0.0, NOD),
    "look-down": (0.0, 0.0, -NOD),
}
EDITS = ("mine", "place")


@dataclass(frozen=True)
class Walk:
    """Where the walker is at each slot's border [SLOTS + 1]: x, z in metres, yaw and pitch in degrees."""

    x: np.ndarray
    z: np.ndarray
    yaw: np.ndarray
    pitch: np.ndarray
    height: np.ndarray

    def at(self, slot: float) -> tuple[Vec, Vec]:
        """Eye and unit view direction at a (fractional) slot, grid frame: corner of cell (0, 0, 0) at 0."""
        grid = np.arange(len(self.x))
        x, y, z, yaw, pitch = (
            float(np.interp(slot, grid, v)) for v in (self.x, self.height, self.z, self.yaw, self.pitch)
        )
        a, b = math.radians(yaw), math.radians(pitch)
        return (x, y, z), (-math.sin(a) * math.cos(b), math.sin(b), -math.cos(a) * math.cos(b))


def build(
    seed: int,
    duration: float,
    look: str,
    difficulty: float,
    split: str = "train",
    actions: tuple[str, ...] | None = None,
) -> Scene:
    """A land of 40 x 18 x 40 cells and a walk of 12 actions, drawn or given."""
    palette.colours(split)
    rng = np.random.default_rng(seed)
    ground = _heights(rng, difficulty)
    commands = list(actions) if actions is not None else _commands(rng, difficulty)
    walk, grid = _start(rng, ground, commands)
    edits = _edits(rng, grid.copy(), walk, commands)
    slot = duration / max(len(commands), 1)
    centre = (SIDE / 2, 0.0, SIDE / 2)
    cells = tuple(tuple(tuple(column) for column in plane) for plane in grid.tolist())
    material = palette.surface((0.6, 0.6, 0.6), "noise", 0.25, look=look)
    land = Body("land", "voxels", constant(1.0, 1.0, 1.0), rest(0.0, TALL / 2, 0.0), material, voxels=cells)
    voxel_edits = tuple(replace(e, time=e.time * slot) for e, _ in edits)
    events = tuple(
        Event(kind, e.time * slot, ("land",), _shifted(tuple(c + 0.5 for c in e.cell), centre))
        for e, kind in edits
    )
    tags = {
        "objects": [],
        "camera": {"move": "walk", "amount": round(STEP * commands.count("forward"), 3), "unit": "metres"},
        "actions": [[round(i * slot, 9), command] for i, command in enumerate(commands)],
        "edits": [[kind, NAMES[_material(grid, edits, n)]] for n, (_, kind) in enumerate(edits)],
    }
    light = Light(constant(0.45, 0.9, 0.35), 0.45, fog=0.012)
    if look == "plain":
        light = Light(ambient=1.0, shadow=False, sky=(0.72, 0.82, 0.93), zenith=(0.72, 0.82, 0.93))
    return Scene(
        "voxels",
        seed,
        duration,
        _camera(walk, centre, duration, len(commands)),
        (land,),
        light,
        voxel_edits=voxel_edits,
        events=events,
        look=look,
        tags=tags,
    )


def _shifted(point: tuple[float, ...], centre: Vec) -> Vec:
    return (point[0] - centre[0], point[1] - centre[1], point[2] - centre[2])


def _material(grid: np.ndarray, edits: list[tuple[SetVoxel, str]], index: int) -> int:
    """What edit `index` takes away or puts down."""
    edit, kind = edits[index]
    if kind == "place":
        return edit.value
    earlier = [e.value for e, _ in edits[:index] if e.cell == edit.cell]
    return earlier[-1] if earlier else int(grid[edit.cell])


def _noise(rng: np.random.Generator, pitch: float) -> np.ndarray:
    """Smooth noise in [-1, 1] over the plan, [SIDE, SIDE], with hills `pitch` cells apart."""
    knots = rng.uniform(-1.0, 1.0, (math.ceil(SIDE / pitch) + 2,) * 2)
    at = np.arange(SIDE) / pitch
    whole = at.astype(int)
    w = (at - whole) ** 2 * (3.0 - 2.0 * (at - whole))
    rows = knots[whole] * (1.0 - w)[:, None] + knots[whole + 1] * w[:, None]
    return np.asarray(rows[:, whole] * (1.0 - w) + rows[:, whole + 1] * w)


def _heights(rng: np.random.Generator, difficulty: float) -> np.ndarray:
    """Cells of ground per column, int [SIDE, SIDE]: rolling land inside a rim of hills."""
    swell = (1.4 + 1.4 * difficulty) * _noise(rng, 9.0) + 0.7 * _noise(rng, 4.0)
    edge = np.abs(np.arange(SIDE) - (SIDE - 1) / 2) / (SIDE / 2)
    rim = np.maximum(edge[:, None], edge[None, :])
    ramp = np.clip((rim - 0.62) / 0.38, 0.0, 1.0) ** 2
    return np.clip(np.rint(5.0 + swell + 4.5 * ramp), 2, TALL - 7).astype(int)


def _filled(rng: np.random.Generator, ground: np.ndarray) -> np.ndarray:
    """The land without trees, uint8 [SIDE, TALL, SIDE]."""
    y = np.arange(TALL)[None, :, None]
    top = ground[:, None, :]
    beach = (ground <= np.quantile(ground, 0.3))[:, None, :]
    grid = np.where(y < top - 3, STONE, np.where(y < top, DIRT, 0))
    grid = np.where(y == top - 1, np.where(beach, SAND, GRASS), grid)
    rocks = (_noise(rng, 3.0) > 0.72)[:, None, :]
    return np.where((y == top - 1) & rocks, STONE, grid).astype(np.uint8)


def _plant(rng: np.random.Generator, grid: np.ndarray, ground: np.ndarray, walk: Walk, count: int) -> None:
    """Trees on grass, off the walker's way and apart from each other, half of them ahead of the walk."""
    places: list[tuple[int, int]] = []
    yaw = math.radians(float(walk.yaw[0]))
    for attempt in range(400):
        if len(places) == count:
            return
        if attempt % 2 == 0:
            far, bearing = rng.uniform(5.0, 13.0), yaw + math.radians(rng.uniform(-32.0, 32.0))
            x, z = int(walk.x[0] - far * math.sin(bearing)), int(walk.z[0] - far * math.cos(bearing))
        else:
            x, z = (int(v) for v in rng.integers(4, SIDE - 4, 2))
        if not (3 <= x < SIDE - 3 and 3 <= z < SIDE - 3):
            continue
        clear = np.hypot(walk.x - x - 0.5, walk.z - z - 0.5).min() > 4.2
        apart = all(abs(x - a) + abs(z - b) > 5 for a, b in places)
        top = int(ground[x, z])
        if clear and apart and grid[x, top - 1, z] == GRASS and top + 7 <= TALL:
            _tree(rng, grid, x, top, z)
            places.append((x, z))


def _tree(rng: np.random.Generator, grid: np.ndarray, x: int, base: int, z: int) -> None:
    trunk = int(rng.integers(3, 5))
    for level, reach in ((trunk - 1, 2), (trunk, 2), (trunk + 1, 1), (trunk + 2, 1)):
        y = base + level
        if y >= TALL:
            continue
        for dx in range(-reach, reach + 1):
            for dz in range(-reach, reach + 1):
                corner = abs(dx) == reach and abs(dz) == reach
                if grid[x + dx, y, z + dz] == 0 and not (corner and (level > trunk or rng.random() < 0.5)):
                    grid[x + dx, y, z + dz] = LEAVES
    grid[x, base : base + trunk + 1, z] = WOOD


def _commands(rng: np.random.Generator, difficulty: float) -> list[str]:
    """A walk, a look down, edits with turns between them, and a walk on: SLOTS commands."""
    turn = str(rng.choice(["turn-left", "turn-right"]))
    other = "turn-right" if turn == "turn-left" else "turn-left"
    count = 2 + round(3 * difficulty)
    first = str(rng.choice(EDITS))
    second = EDITS[1 - EDITS.index(first)]
    middle = [(first, second)[i % 2] for i in range(count)]
    for i in range(1, min(count, 1 + round(2 * difficulty)) + 1):
        middle.insert(2 * i - 1, turn if i % 2 else other)
    middle = middle[:7]
    lead = ["forward", str(rng.choice([turn, "forward"])), "look-down"]
    tail = ["look-up"]
    while len(lead) + len(middle) + len(tail) < SLOTS:
        tail.append(str(rng.choice(["forward", turn, other])))
    return [*lead, *middle, *tail]


def _start(rng: np.random.Generator, ground: np.ndarray, commands: list[str]) -> tuple[Walk, np.ndarray]:
    """A start from which the whole walk is open: on the land, with nothing close before the eye."""
    bare = _filled(rng, ground)
    best: tuple[float, Walk] | None = None
    for _ in range(80):
        x, z = rng.uniform(11.0, SIDE - 11.0, 2)
        walk = _follow(ground, commands, float(x), float(z), float(rng.uniform(-180.0, 180.0)))
        space = _openness(bare, walk, commands)
        if best is None or space > best[0]:
            best = (space, walk)
        if space > 2.4:
            break
    assert best is not None
    grid = bare.copy()
    _plant(rng, grid, ground, best[1], int(rng.integers(6, 10)))
    return best[1], grid


def _openness(grid: np.ndarray, walk: Walk, commands: list[str]) -> float:
    """Metres to the nearest thing that fills the view; 0 where an edit would find nothing in reach."""
    near = REACH
    for i in range(2 * len(commands) + 1):
        eye, way = walk.at(i / 2)
        for drop in (0.0, 0.2):
            hit = _ahead(grid, eye, (way[0], way[1] - drop, way[2]))
            near = near if hit is None else min(near, hit[2])
        if i % 2 and commands[i // 2] in EDITS and _ahead(grid, eye, way) is None:
            return 0.0
    return near


def _follow(ground: np.ndarray, commands: list[str], x: float, z: float, yaw: float) -> Walk:
    rows = [(x, z, yaw, -8.0)]
    for command in commands:
        ahead, left, up = MOVES.get(command, (0.0, 0.0, 0.0))
        x, z, yaw, pitch = rows[-1]
        a = math.radians(yaw)
        rows.append((x - ahead * math.sin(a), z - ahead * math.cos(a), yaw + left, pitch + up))
    xs, zs, yaws, pitches = (np.array(column) for column in zip(*rows, strict=True))
    levels = [_level(ground, float(a), float(b)) for a, b in zip(xs, zs, strict=True)]
    padded = np.array([levels[0], *levels, levels[-1]])
    smooth = np.maximum.reduce([padded[:-2], padded[1:-1], padded[2:]])
    smooth = np.array([smooth[0], *smooth, smooth[-1]])
    smooth = (smooth[:-2] + smooth[1:-1] + smooth[2:]) / 3.0
    return Walk(xs, zs, yaws, pitches, smooth + EYE)


def _level(ground: np.ndarray, x: float, z: float) -> float:
    """The highest ground within one metre, so that no step cuts into the view."""
    i, k = int(x), int(z)
    return float(ground[max(i - 1, 0) : i + 2, max(k - 1, 0) : k + 2].max())


def _ahead(
    grid: np.ndarray, eye: Vec, way: Vec
) -> tuple[tuple[int, int, int], tuple[int, int, int], float] | None:
    """The first solid cell along a ray, the free cell before it and the distance; None beyond REACH.

    J. Amanatides and A. Woo, A fast voxel traversal algorithm for ray tracing, Eurographics 1987.
    """
    cell = [math.floor(e) for e in eye]
    step = [1 if w > 0 else -1 for w in way]
    span = [abs(1.0 / w) if w else math.inf for w in way]
    nxt = [
        ((c + 1 - e) if s > 0 else (e - c)) * d if d < math.inf else math.inf
        for c, e, s, d in zip(cell, eye, step, span, strict=True)
    ]
    scale = math.hypot(*way)
    while True:
        axis = min(range(3), key=lambda a: nxt[a])
        distance = nxt[axis] * scale
        before = (cell[0], cell[1], cell[2])
        cell[axis] += step[axis]
        nxt[axis] += span[axis]
        if distance > REACH or not all(0 <= c < n for c, n in zip(cell, grid.shape, strict=True)):
            return None
        if grid[cell[0], cell[1], cell[2]]:
            return (cell[0], cell[1], cell[2]), before, distance


def _edits(
    rng: np.random.Generator, grid: np.ndarray, walk: Walk, commands: list[str]
) -> list[tuple[SetVoxel, str]]:
    """One edit in the middle of each mine or place slot; times in slots. Changes `grid` as it goes."""
    edits: list[tuple[SetVoxel, str]] = []
    for i, command in enumerate(commands):
        if command not in EDITS:
            continue
        hit = _ahead(grid, *walk.at(i + 0.5))
        if hit is None:
            continue
        solid, free, distance = hit
        stuff = [m for m in (STONE, WOOD, SAND, GRASS) if m != grid[solid]]
        value = 0 if command == "mine" else int(rng.choice(stuff[:3]))
        cell = solid if command == "mine" else free
        if command == "place" and distance < 1.8:
            continue
        edits.append((SetVoxel("land", i + 0.5, cell, value), command))
        grid[cell] = value
    return edits


def _camera(walk: Walk, centre: Vec, duration: float, count: int) -> Camera:
    """Keys at every slot border and within turns, where a straight line would cut the arc."""
    slots = [i / 4 for i in range(4 * max(count, 1) + 1)]
    poses = [walk.at(s) for s in slots]
    eyes = [_shifted(eye, centre) for eye, _ in poses]
    targets = [(e[0] + d[0], e[1] + d[1], e[2] + d[2]) for e, (_, d) in zip(eyes, poses, strict=True)]
    times = tuple(s * duration / max(count, 1) for s in slots)
    return Camera(Curve(times, tuple(eyes)), Curve(times, tuple(targets)), 62.0)
