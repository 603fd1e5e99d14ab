"""The looks of the canvas: a layout becomes a scene with wall, canvas, strokes, brush and passer-by."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from simbench.worlds import palette
from simbench.worlds.families._canvas_law import (
    AFAR,
    HALF,
    HIGH,
    LIFTED,
    RADIUS,
    Layout,
    across,
    eye,
    fov,
    split_at,
    target,
)
from simbench.worlds.families._stage import filmed, glide, upright_to
from simbench.worlds.scene import (
    Body,
    Event,
    Light,
    Material,
    Motion,
    Paint,
    Scene,
    Segment,
    Vec,
    constant,
    rest,
)

WALLS = ("grey", "sand", "sage", "slate blue")
TEXTURES = ("brick", "noise")
BOARDS = ("brown", "dark grey", "olive")
LATER = 1e-3
"""Seconds after the ways parted at which there is paint of the second part."""
WHITE: Vec = palette.rgb("white")
BOARD_Z = 0.8
LEAN: Vec = (0.5, -0.75, 0.433)
"""Where the brush's handle points."""


def stage(layout: Layout) -> Scene:
    """The scene of a layout."""
    plain = layout.look == "plain"
    marks = (layout.leave, layout.back)
    camera = filmed(
        lambda t: eye(layout, t), lambda t: target(layout, t), layout.duration, fov(layout), marks
    )
    bodies = [*_surround(layout), *_brush(layout)]
    if layout.trial == "passer":
        bodies.append(_board(layout))
    moves = {"move": "truck", "amount": 1.1 * layout.side, "unit": "m"}
    return Scene(
        family="canvas",
        seed=layout.texture_seed,
        duration=layout.duration,
        camera=camera,
        bodies=tuple(bodies),
        light=Light(ambient=1.0, shadow=False) if plain else Light(constant(-0.25, 1.0, 0.6)),
        paints=paints(layout),
        events=_events(layout),
        look=layout.look,
        tags={
            "objects": ["brush"],
            "joined": [["brush", "handle"]] if layout.tool == "brush" else [],
            "camera": moves,
        },
    )


def stroke(line: Sequence[tuple[float, float, float]], colour: str) -> Paint:
    """Paint of a named colour on the canvas along (time, x, y)."""
    return Paint("canvas", 2, 1, tuple(line), RADIUS, palette.rgb(colour))


def old_paints(layout: Layout) -> tuple[Paint, ...]:
    """The strokes that are there from the start."""
    return tuple(stroke(((0.0, x0, y0), (0.0, x1, y1)), colour) for x0, y0, x1, y1, colour in layout.old)


def paints(layout: Layout) -> tuple[Paint, ...]:
    """Older strokes, then the brush's in two parts: a stroke's grid spans all of it, and no pixel before the
    ways part may tell which comes."""
    before, after = split_at(layout.line, layout.parts)
    if after and before:
        (time, x, y), *rest = after
        after = ((time + LATER, x, y), *rest)
    parts = [stroke(line, layout.colour) for line in (before, after) if line]
    return (*old_paints(layout), *parts)


def _box(name: str, centre: Vec, half: Vec, material: Material) -> Body:
    return Body(name, "box", constant(*half), rest(*centre), material)


def _surround(layout: Layout) -> list[Body]:
    """Floor, wall with battens that go on to the sides, and the canvas in its frame; or the wall itself as a
    canvas, which bears that name, with a coloured foot and battens where the frame would be."""
    wall = palette.rgb(layout.wall)
    dark = palette.tint(wall, -0.35)
    wide = 4.0 * max(1.0, layout.aspect)
    coat = palette.surface(wall, layout.texture, 0.3, palette.tint(wall, 0.3), look=layout.look)
    tiles = palette.rgb("tan")
    floor = palette.surface(tiles, "checker", 0.4, palette.tint(tiles, 0.4), look=layout.look)
    frame = palette.surface(palette.rgb("brown"), look="plain")
    edge = HALF + 0.06
    ground = Body("floor", "plane", constant(1, 1, 1), rest(0.0, 0.0, 0.0), floor)
    if layout.surface == "wall":
        white = palette.surface(WHITE, look="plain")
        low = 0.5 * (HIGH - edge)
        foot = _box("foot", (0.0, low, 0.0), (wide, low, 0.005), coat)
        return [ground, _box("canvas", (0.0, HIGH, -0.1), (wide, HIGH, 0.1), white), foot, *_square(dark)]
    bodies = [
        ground,
        _box("wall", (0.0, 2.0, -0.2), (wide, 2.0, 0.1), coat),
        _box("frame", (0.0, HIGH, -0.06), (edge, edge, 0.04), frame),
        _box("canvas", (0.0, HIGH, -0.02), (HALF, HALF, 0.02), palette.surface(WHITE, look="plain")),
    ]
    step = 1.15 * max(1.0, layout.aspect)
    for k in range(-3, 4):
        if k:
            where = f"batten {'left' if k < 0 else 'right'} {abs(k)}"
            bodies.append(
                _box(where, (k * step, 2.0, -0.08), (0.04, 2.0, 0.02), palette.surface(dark, look="plain"))
            )
    return bodies


def _square(colour: Vec) -> list[Body]:
    """Flat battens on a wall, around what would be a canvas."""
    # As wide as a frame: a wall without its strokes would else be too bare to be known again.
    coat, at, thick = palette.surface(colour, look="plain"), HALF + 0.05, 0.05
    sides = (("right", at, 0.0), ("left", -at, 0.0), ("upper", 0.0, at), ("lower", 0.0, -at))
    return [
        _box(
            f"batten {name}",
            (x, HIGH + y, 0.0),
            (thick if x else at + thick, thick if y else at + thick, 0.01),
            coat,
        )
        for name, x, y in sides
    ]


def _brush(layout: Layout) -> list[Body]:
    """Bristles of the paint's colour, which touch the canvas while they paint, and a dark handle; or a flat
    dark cursor, which shows nothing of the paint's colour."""
    line = layout.line
    reach = layout.duration * (LIFTED - 0.94)
    t1, x1, y1 = line[-1]
    away = (x1 * 1.3, HIGH + y1 * 1.3, 0.42)
    motion: Motion = tuple(
        Segment(ta, (xa, HIGH + ya, 0.0), ((xb - xa) / (tb - ta), (yb - ya) / (tb - ta), 0.0))
        for (ta, xa, ya), (tb, xb, yb) in pairwise(line)
    )
    motion += glide([(t1, (x1, HIGH + y1, 0.0)), (t1 + reach, away)])

    def carried(offset: Vec, turn: Vec = (0.0, 0.0, 0.0)) -> Motion:
        """The brush's way, moved by an offset and turned."""
        return tuple(
            Segment(
                s.start,
                (s.position[0] + offset[0], s.position[1] + offset[1], s.position[2] + offset[2]),
                s.velocity,
                s.acceleration,
                turn,
            )
            for s in motion
        )

    hairs = palette.surface(palette.rgb(layout.colour), look="plain")
    wood = palette.surface((0.2, 0.17, 0.16), look="plain")
    grip = (0.26 * LEAN[0], 0.26 * LEAN[1], 0.06 + 0.26 * LEAN[2])
    if layout.tool == "cursor":
        point = (0.06, 0.06, 0.01)
        return [Body("brush", "box", constant(*point), carried((0.0, 0.0, 0.02)), wood, role="mover")]
    return [
        Body("brush", "box", constant(0.05, 0.05, 0.05), carried((0.0, 0.0, 0.05)), hairs, role="mover"),
        Body("handle", "cylinder", constant(0.03, 0.2, 0.03), carried(grip, upright_to(LEAN)), wood),
    ]


def _board(layout: Layout) -> Body:
    """What a passer-by carries: as high as the image, nearly as wide as the canvas, from one side out to
    the other."""
    nearer = (AFAR - BOARD_Z) / AFAR
    half = nearer * HALF
    far = nearer * (across(layout) + 0.2) + 0.2 + half
    start = (-layout.side * far, HIGH, BOARD_Z)
    speed = 2.0 * layout.side * far / (layout.back - layout.leave)
    motion = (
        Segment(0.0, start),
        Segment(layout.leave, start, (speed, 0.0, 0.0)),
        Segment(layout.back, (layout.side * far, HIGH, BOARD_Z)),
    )
    colour = palette.rgb(layout.board)
    coat = palette.surface(colour, "stripe", 0.2, palette.tint(colour, 0.2), look=layout.look)
    high = 1.2 / min(layout.aspect, 1.0)
    # Outside of the view it is not there, so that no shadow of it falls on the canvas.
    return Body(
        "board", "box", constant(half, high, 0.03), motion, coat, "occluder", layout.leave, layout.back
    )


def _events(layout: Layout) -> tuple[Event, ...]:
    t0, x0, y0 = layout.line[0]
    end, x1, y1 = layout.line[-1]
    middle = 0.5 * (layout.leave + layout.back)
    names = ("hide", "show") if layout.trial == "passer" else ("away", "back")
    bodies = (("canvas", "board"), ("canvas",)) if layout.trial == "passer" else ((), ())
    return (
        Event("paint", t0, ("brush", "canvas"), (x0, HIGH + y0, 0.0)),
        Event(names[0], middle, bodies[0]),
        Event(names[1], layout.back, bodies[1]),
        Event("stop", end, ("brush",), (x1, HIGH + y1, 0.0)),
    )
