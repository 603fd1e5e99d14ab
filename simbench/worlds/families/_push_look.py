"""The looks of the push table: a layout becomes a scene seen from above, the viewer along z."""

from __future__ import annotations

import math
import random
from itertools import pairwise

from simbench.worlds import palette
from simbench.worlds.families._occluder_law import SCREENS as PANELS
from simbench.worlds.families._push_law import HALF, HEAD, Block, Layout, Path
from simbench.worlds.scene import (
    Body,
    Camera,
    Event,
    Light,
    Material,
    Motion,
    Scene,
    Segment,
    Vec,
    constant,
    rest,
)

__all__ = ["PANELS", "ROD", "SURFACES", "stage"]

SURFACES: dict[str, Vec] = {
    "tan": (0.70, 0.58, 0.46),
    "grey": (0.60, 0.62, 0.65),
    "sage": (0.58, 0.64, 0.54),
}
ROD: Vec = (0.95, 0.95, 0.94)
"""Paler than any table, so that no mixture of table and block looks like it."""
TOP = 0.06
"""Height of the blocks: low, so that hardly any side of them shows."""
EYE = 8.0
QUARTER: Vec = (math.pi / 2, 0.0, 0.0)
PANEL_HALF = 0.49
SEAMS = (-0.36, 0.04, 0.40)


def stage(layout: Layout) -> Scene:
    """The scene of a layout."""
    height = layout.view[1]
    # The tops of the blocks are as large as told.
    fov = math.degrees(2 * math.atan(0.5 * height / (EYE - TOP)))
    bodies = [*_table(layout), *(_block(layout, b) for b in layout.blocks), *_rod(layout)]
    if layout.covered:
        bodies.append(_panel(layout))
    plain = layout.look == "plain"
    return Scene(
        family="push",
        seed=layout.texture_seed,
        duration=layout.duration,
        camera=Camera(constant(0.0, 0.0, EYE), constant(0.0, 0.0, 0.0), fov),
        bodies=tuple(bodies),
        light=Light(shadow=False, ambient=1.0) if plain else Light(direction=constant(-0.35, 0.45, 1.0)),
        events=_events(layout),
        look=layout.look,
        tags={"objects": [name_of(b) for b in layout.blocks]},
    )


def name_of(block: Block) -> str:
    """What a block's body is called."""
    return f"{block.colour} {block.shape}"


def _box(name: str, centre: Vec, half: Vec, material: Material) -> Body:
    return Body(name, "box", constant(*half), rest(*centre), material)


def _table(layout: Layout) -> list[Body]:
    """The table, its rim and its seams: edges that tell how an image lies."""
    colour = SURFACES[layout.surface]
    rng = random.Random(f"push table:{layout.texture_seed}")
    top, dark = Material(constant(*colour)), Material(constant(*(0.68 * c for c in colour)))
    if layout.look != "plain":
        shift = constant(rng.random(), rng.random(), rng.random())
        grain = constant(*(0.86 * c for c in colour))
        top = Material(constant(*colour), grain, rng.choice(("stripe", "noise")), 0.11, offset=shift)
    width, height = layout.view
    bodies = [_box("table", (0.0, 0.0, -0.5), (2.0 * width, 2.0 * height, 0.5), top)]
    for way, name in ((-1, "lower"), (1, "upper")):
        bodies.append(_box(f"{name} mark", (0.0, way * 0.478 * height, 0.0), (2 * width, 0.012, 0.002), dark))
    for k, place in enumerate(SEAMS):
        bodies.append(_box(f"{k} mark", (place * width, 0.0, 0.0), (0.01, 2 * height, 0.001), dark))
    return bodies


def _block(layout: Layout, block: Block) -> Body:
    colour, half = palette.colours("all")[block.colour], HALF[block.shape]
    material = Material(constant(*colour))
    if layout.look != "plain":
        darker = constant(*(0.8 * c for c in colour))
        material = Material(constant(*colour), darker, "checker", 0.11, specular=0.1)
    kind, size, turn = ("box", (half, half, TOP / 2), (0.0, 0.0, 0.0))
    if block.shape == "cylinder":
        kind, size, turn = ("cylinder", (half, TOP / 2, half), QUARTER)
    return Body(name_of(block), kind, constant(*size), along(block.path, TOP / 2, turn), material, "mover")


def along(path: Path, z: float, turn: Vec = (0.0, 0.0, 0.0), off: tuple[float, float] = (0.0, 0.0)) -> Motion:
    """Motion along a path at height `z`, `off` beside it."""
    out = []
    for (t0, x0, y0), (t1, x1, y1) in pairwise(path):
        if t1 > t0:
            speed = ((x1 - x0) / (t1 - t0), (y1 - y0) / (t1 - t0), 0.0)
            out.append(Segment(t0, (x0 + off[0], y0 + off[1], z), speed, turn=turn))
    t, x, y = path[-1]
    return (*out, Segment(t, (x + off[0], y + off[1], z), turn=turn))


def _rod(layout: Layout) -> list[Body]:
    """A head and a thin bar behind it that goes on beyond the edge of the view."""
    coat, long = Material(constant(*ROD)), 0.5 * layout.view[0] + 0.6
    parts = (("rod", 0.03, HEAD, 0.03), ("rod bar", long, 0.022, 0.06 + long))
    return [
        Body(
            name,
            "box",
            constant(length, wide, TOP / 2),
            along(layout.rod, TOP / 2, off=(-layout.side * back, 0.0)),
            coat,
        )
        for name, length, wide, back in parts
    ]


def _panel(layout: Layout) -> Body:
    """A panel that waits beyond the edge of the view, slides over the table and back."""
    height = layout.view[1]
    wait, over = layout.drop * (0.5 * height + PANEL_HALF + 0.05), 0.0
    stops = ((0.0, wait), (layout.leave, wait), (layout.gone, over), (layout.come, over), (layout.back, wait))
    colour = PANELS[layout.panel]
    material = Material(constant(*colour))
    if layout.look != "plain":
        material = Material(constant(*colour), constant(*(0.85 * c for c in colour)), "stripe", 0.09)
    motion = along(tuple((t, 0.0, y) for t, y in stops), 0.2)
    return Body("panel", "box", constant(PANEL_HALF, PANEL_HALF, 0.02), motion, material, "occluder")


def _events(layout: Layout) -> tuple[Event, ...]:
    block = layout.blocks[0]
    events = []
    if len(block.path) > 1:
        x, y = block.path[1][1:]
        events.append(Event("contact", block.path[1][0], ("rod", name_of(block)), (x, y, TOP)))
        events.append(Event("stop", block.path[2][0], (name_of(block),), (*block.path[2][1:], TOP)))
    if layout.covered:
        events.append(Event("hide", layout.gone, (name_of(block), "panel")))
        events.append(Event("show", layout.back, (name_of(block),)))
    return tuple(events)
