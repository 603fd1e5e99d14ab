"""The six things of the process stage, each drawn from the path of its state alone.

Places are metres with one image height to a metre at z = 0; `x` is the thing's own place. Parts that
change are movers, the rest is static.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from simbench.worlds import palette
from simbench.worlds.families._process_law import JUMP, Layout, Path, phases
from simbench.worlds.scene import Body, Curve, Material, Motion, Segment, Vec, constant, rest

TABLE = -0.36
DARK: Vec = (0.13, 0.13, 0.15)
STEEL: Vec = (0.45, 0.47, 0.50)
PALE: Vec = (0.93, 0.93, 0.91)
GREEN: Vec = (0.16, 0.50, 0.18)
LAMPS: tuple[tuple[Vec, Vec], ...] = (
    ((0.98, 0.16, 0.12), (0.26, 0.07, 0.07)),
    ((0.12, 0.76, 0.24), (0.06, 0.20, 0.09)),
    ((1.00, 0.76, 0.08), (0.27, 0.21, 0.06)),
)
"""Lit and unlit colours of the red, green and amber lamp: the order in which they follow."""
QUARTER: Vec = (math.pi / 2, 0.0, 0.0)


def things(layout: Layout) -> list[Body]:
    """All bodies of the layout's thing; the first is what it is named after."""
    return MAKERS[layout.process](layout)


def box(
    name: str, centre: Vec, half: Vec, material: Material, role: str = "static", turn: Vec = (0.0, 0.0, 0.0)
) -> Body:
    """A box at rest."""
    return Body(name, "box", constant(*half), rest(*centre, turn=turn), material, role)


def _round(name: str, centre: Vec, radius: float, half: float, material: Material, turn: Vec) -> Body:
    return Body(name, "cylinder", constant(radius, half, radius), rest(*centre, turn=turn), material)


def _flat(colour: Vec) -> Material:
    return Material(constant(*colour))


def _coat(layout: Layout, texture: str, scale: float) -> Material:
    """The paint of the part that changes: one colour, in look rich with a darker pattern."""
    colour = palette.colours("all")[layout.colour]
    if layout.look == "plain":
        return _flat(colour)
    darker = constant(*(0.72 * c for c in colour))
    return Material(constant(*colour), darker, texture, scale, specular=0.25)


def _moved(path: Path, place: Callable[[float], Vec], turn: Vec = (0.0, 0.0, 0.0)) -> Motion:
    """Motion through the places of a path's states; `place` is linear in the state."""
    out = []
    for (t0, a), (t1, b) in pairwise(path):
        p, q, span = place(a), place(b), t1 - t0
        speed = ((q[0] - p[0]) / span, (q[1] - p[1]) / span, (q[2] - p[2]) / span)
        out.append(Segment(t0, p, speed, turn=turn))
    return (*out, Segment(path[-1][0], place(path[-1][1]), turn=turn))


def _sized(path: Path, size: Callable[[float], Vec]) -> Curve:
    return Curve(tuple(t for t, _ in path), tuple(size(s) for _, s in path))


def _ball(layout: Layout) -> list[Body]:
    x, radius, top = layout.place, 0.125, -0.17
    level = top + radius

    def place(state: float) -> Vec:
        """Centre of the ball."""
        return (x + 0.56 * (state - 0.5), level, 0.0)

    motion = []
    for (t0, a), (t1, b) in pairwise(layout.path):
        angle, speed = -0.56 * a / radius, 0.56 * (b - a) / (t1 - t0)
        motion.append(
            Segment(t0, place(a), (speed, 0.0, 0.0), turn=(0.0, 0.0, angle), spin=(0.0, 0.0, -speed / radius))
        )
    end, last = layout.path[-1]
    motion.append(Segment(end, place(last), turn=(0.0, 0.0, -0.56 * last / radius)))
    coat = _coat(layout, "checker", 0.1)
    out = [Body("ball", "sphere", constant(radius, radius, radius), tuple(motion), coat, "mover")]
    out.append(box("rail", (x, top - 0.025, 0.0), (0.41, 0.025, 0.07), _flat(STEEL)))
    for name, way in (("left", -1), ("right", 1)):
        out.append(box(f"{name} stop", (x + 0.405 * way, -0.12, 0.0), (0.012, 0.075, 0.07), _flat(DARK)))
        leg = (x + 0.3 * way, (top - 0.05 + TABLE) / 2, 0.0)
        out.append(box(f"{name} leg", leg, (0.02, (top - 0.05 - TABLE) / 2, 0.05), _flat(STEEL)))
    return out


def _clock(layout: Layout) -> list[Body]:
    x, y, reach = layout.place, 0.02, 0.145
    motion: list[Segment] = []
    for (t0, a), (t1, b) in pairwise(layout.path):
        count = max(1, math.ceil(abs(b - a) * 120)) if t1 - t0 > 4 * JUMP else 1
        for k in range(count):
            s, e = a + (b - a) * k / count, a + (b - a) * (k + 1) / count
            span = (t1 - t0) / count
            p, q = (_on_dial(x, y, reach, state) for state in (s, e))
            speed = ((q[0] - p[0]) / span, (q[1] - p[1]) / span, 0.0)
            turn, spin = (0.0, 0.0, -math.tau * s), (0.0, 0.0, -math.tau * (e - s) / span)
            motion.append(Segment(t0 + k * span, p, speed, turn=turn, spin=spin))
    end, last = layout.path[-1]
    motion.append(Segment(end, _on_dial(x, y, reach, last), turn=(0.0, 0.0, -math.tau * last)))
    coat = _coat(layout, "flat", 0.1)
    hand = Body("hand", "cylinder", constant(0.036, 0.165, 0.036), tuple(motion), coat, "mover")
    out = [hand, _round("hub", (x, y, 0.08), 0.05, 0.03, _flat(DARK), QUARTER)]
    out.append(_round("dial", (x, y, 0.0), 0.345, 0.04, _flat(PALE), QUARTER))
    out.append(_round("rim", (x, y, -0.02), 0.38, 0.04, _flat(STEEL), QUARTER))
    out.append(box("foot", (x, TABLE + 0.01, 0.0), (0.16, 0.03, 0.1), _flat(STEEL)))
    for k in range(4):
        spot = _on_dial(x, y, 0.29, k / 4)
        half = (0.022, 0.045, 0.01) if k == 0 else (0.015, 0.03, 0.01)
        at = (spot[0], spot[1], 0.035)
        out.append(box(f"mark {3 * k or 12}", at, half, _flat(DARK), turn=(0.0, 0.0, -math.tau * k / 4)))
    return out


def _on_dial(x: float, y: float, radius: float, state: float) -> Vec:
    """Where `radius` from the centre of the dial the hand points at `state` turns, clockwise from 12."""
    return (x + radius * math.sin(math.tau * state), y + radius * math.cos(math.tau * state), 0.06)


def _tank(layout: Layout) -> list[Body]:
    x, floor, radius = layout.place, TABLE + 0.03, 0.2
    # Turned by an eighth, so that its upper edges slope: a level one would be drawn in thirds of a pixel.
    side = (radius - 0.004) / math.sqrt(2)
    half = _sized(layout.path, lambda s: (side, 0.025 + 0.27 * s, side))
    motion = _moved(layout.path, lambda s: (x, floor + 0.025 + 0.27 * s, 0.0), (0.0, math.pi / 4, 0.0))
    liquid = Body("liquid", "box", half, motion, _coat(layout, "noise", 0.12), "mover")
    swim = _moved(layout.path, lambda s: (x + 0.06, floor + 0.05 + 0.54 * s, 0.19))
    float_ = Body("float", "sphere", constant(0.06, 0.06, 0.06), swim, _flat(PALE), "mover")
    glass: Vec = (0.70, 0.80, 0.86)
    out = [
        liquid,
        float_,
        _round("bottom", (x, TABLE + 0.015, 0.0), radius + 0.03, 0.015, _flat(STEEL), (0, 0, 0)),
    ]
    out.append(box("tank", (x, floor + 0.32, -0.1), (radius, 0.32, 0.01), _flat(glass)))
    for name, way in (("left", -1), ("right", 1)):
        at = (x + way * (radius + 0.012), floor + 0.32, 0.0)
        out.append(box(f"{name} side", at, (0.012, 0.32, 0.1), _flat(STEEL)))
    out.append(box("spout", (x - 0.02, 0.375, 0.0), (0.024, 0.045, 0.03), _flat(DARK)))
    out.append(box("tap", (x - 0.1, 0.41, 0.0), (0.1, 0.024, 0.03), _flat(DARK)))
    return out


def _candle(layout: Layout) -> list[Body]:
    x, floor = layout.place, TABLE + 0.05

    def top(state: float) -> float:
        """Height of the wax's upper end: lower, the more is burnt."""
        return floor + 0.6 - 0.54 * state

    size = _sized(layout.path, lambda s: (0.105, (top(s) - floor) / 2, 0.105))
    motion = _moved(layout.path, lambda s: (x, (top(s) + floor) / 2, 0.0))
    wax = Body("candle", "cylinder", size, motion, _coat(layout, "stripe", 0.09), "mover")
    parts = [wax]
    for name, kind, half, lift, colour in (
        ("wick", "cylinder", (0.014, 0.03, 0.014), 0.03, DARK),
        ("flame", "sphere", (0.05, 0.05, 0.05), 0.09, (1.0, 0.72, 0.10)),
        ("tip of the flame", "sphere", (0.032, 0.032, 0.032), 0.142, (1.0, 0.72, 0.10)),
        ("inner flame", "sphere", (0.026, 0.026, 0.026), 0.09, (1.0, 0.97, 0.72)),
    ):
        ahead = 0.04 if name == "inner flame" else 0.0

        def place(state: float, lift: float = lift, ahead: float = ahead) -> Vec:
            """Where a part of the flame is above the wax."""
            return (x, top(state) + lift, ahead)

        parts.append(Body(name, kind, constant(*half), _moved(layout.path, place), _flat(colour), "mover"))
    dish = _round("dish", (x, TABLE + 0.025, 0.0), 0.185, 0.025, _flat(STEEL), (0, 0, 0))
    return [*parts, dish]


def _plant(layout: Layout) -> list[Body]:
    x, soil = layout.place, TABLE + 0.19

    def tall(state: float) -> float:
        """Length of the stem."""
        return 0.08 + 0.46 * state

    stem = Body(
        "stem",
        "box",
        _sized(layout.path, lambda s: (0.02, tall(s) / 2, 0.02)),
        _moved(layout.path, lambda s: (x, soil + tall(s) / 2, 0.0)),
        _flat(GREEN),
        "mover",
    )
    way = _moved(layout.path, lambda s: (x, soil + tall(s), 0.03))
    flower = Body(
        "flower", "sphere", constant(0.085, 0.085, 0.085), way, _coat(layout, "dots", 0.06), "mover"
    )
    eye = _moved(layout.path, lambda s: (x, soil + tall(s), 0.1))
    heart = Body("heart", "sphere", constant(0.035, 0.035, 0.035), eye, _flat((0.98, 0.86, 0.2)), "mover")
    parts = [flower, stem, heart]
    for i, (share, side) in enumerate(((0.4, -1), (0.62, 1))):

        def place(state: float, share: float = share, side: int = side) -> Vec:
            """Where a leaf sits on the stem."""
            return (x + side * 0.085, soil + share * tall(state) + 0.03, 0.0)

        leaf = _moved(layout.path, place, (0.0, 0.0, side * 0.6))
        parts.append(Body(f"leaf {i}", "box", constant(0.08, 0.03, 0.01), leaf, _flat(GREEN), "mover"))
    clay: Vec = (0.68, 0.45, 0.37)
    pot = _round("pot", (x, TABLE + 0.085, 0.0), 0.13, 0.085, _flat(clay), (0, 0, 0))
    rim = _round("pot rim", (x, TABLE + 0.165, 0.0), 0.16, 0.03, _flat((0.60, 0.38, 0.30)), (0, 0, 0))
    return [*parts, pot, rim]


def _lights(layout: Layout) -> list[Body]:
    x, y, z = layout.place - 0.07, 0.06, 0.07
    pieces = phases(layout.path)
    lamps = []
    for i, (name, (lit, unlit)) in enumerate(zip(("red", "green", "amber"), LAMPS, strict=True)):
        at = (x, y + (0.215, -0.215, 0.0)[i], z)
        keys: list[tuple[float, Vec]] = []
        for t0, t1, a, b in pieces:
            colour = lit if math.floor(1.5 * (a + b)) % 3 == i else unlit
            keys += [(t0, colour), (t1 - JUMP / 4, colour)]
        body = _round(f"{name} lamp", at, 0.088, 0.02, Material(_keyed(keys)), QUARTER)
        lamps.append(Body(body.name, body.kind, body.size, body.motion, body.material, "mover"))
    right, low, length = x + 0.215, y - 0.29, 0.58
    sizes: list[tuple[float, Vec]] = []
    motion = []
    for t0, t1, a, b in pieces:
        phase = math.floor(1.5 * (a + b))
        p, q = (max(0.004, 0.5 * length * (1 - (3 * s - phase))) for s in (a, b))
        sizes += [(t0, (0.04, p, 0.02)), (t1 - JUMP / 4, (0.04, q, 0.02))]
        motion.append(Segment(t0, (right, low + p, z), (0.0, (q - p) / (t1 - t0), 0.0)))
        last = (right, low + q, z)
    motion.append(Segment(pieces[-1][1], last))
    bar = Body("bar", "box", _keyed(sizes), tuple(motion), _coat(layout, "flat", 0.1), "mover")
    case = box("traffic light", (x, y, 0.0), (0.13, 0.34, 0.06), _flat(DARK))
    slot = box("slot", (right, y, 0.0), (0.062, 0.315, 0.06), _flat(DARK))
    down = (y - 0.34 - TABLE) / 2
    post = box("pole", (x, TABLE + down, -0.02), (0.03, down + 0.01, 0.03), _flat(STEEL))
    return [bar, *lamps, case, slot, post]


def _keyed(keys: list[tuple[float, Vec]]) -> Curve:
    return Curve(tuple(t for t, _ in keys), tuple(v for _, v in keys))


MAKERS: dict[str, Callable[[Layout], list[Body]]] = {
    "ball": _ball,
    "clock": _clock,
    "tank": _tank,
    "candle": _candle,
    "plant": _plant,
    "lights": _lights,
}
