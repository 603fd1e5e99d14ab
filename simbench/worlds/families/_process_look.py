"""The looks of the process stage: a layout becomes a scene with its surround, its thing and what hides it."""

from __future__ import annotations

import dataclasses
import math
import random

from simbench.worlds.families._process_law import Layout, rate_of
from simbench.worlds.families._process_things import TABLE, box, things
from simbench.worlds.families._stage import ease, filmed, glide
from simbench.worlds.scene import Body, Camera, Curve, Event, Light, Material, Scene, Vec, constant

BACKDROPS: dict[str, Vec] = {
    "grey": (0.66, 0.68, 0.71),
    "sand": (0.80, 0.74, 0.63),
    "sage": (0.60, 0.67, 0.56),
}
CURTAINS: dict[str, Vec] = {
    "brown": (0.46, 0.35, 0.28),
    "dark grey": (0.34, 0.36, 0.39),
    "olive": (0.45, 0.46, 0.34),
}
HALF_WIDTH = {"ball": 0.42, "clock": 0.39, "tank": 0.26, "candle": 0.19, "plant": 0.22, "lights": 0.27}
"""What a thing takes to either side of its place, image heights."""
EYE: Vec = (0.0, 1.3, 8.0)
CURTAIN_Z = 0.55
WALL_Z = -0.8


def stage(layout: Layout) -> Scene:
    """The scene of a layout."""
    reach = math.hypot(EYE[1], EYE[2])
    fov = math.degrees(2 * math.atan(0.5 / reach))
    made = things(layout)
    bodies = [*_surround(layout), *made]
    if layout.hidden and layout.way == "curtain":
        bodies.append(_curtain(layout))
    if layout.way == "dark":
        bodies = [_dimmed(body, layout) for body in bodies]
    away = layout.hidden and layout.way == "away"
    plain = layout.look == "plain"
    tags: dict[str, object] = {"objects": [made[0].name]}
    if away:
        amount = round(math.degrees(_turn(layout)) * layout.side, 3)
        tags["camera"] = {"move": "look-away", "amount": amount, "unit": "degrees"}
    return Scene(
        family="process",
        seed=layout.texture_seed,
        duration=layout.duration,
        camera=_turning(layout, fov) if away else Camera(constant(*EYE), constant(0.0, 0.0, 0.0), fov),
        bodies=tuple(bodies),
        light=Light(shadow=False, ambient=1.0) if plain else Light(direction=constant(-0.25, 1.0, 0.6)),
        events=_events(layout, made[0].name),
        look=layout.look,
        tags=tags,
    )


def _surround(layout: Layout) -> list[Body]:
    """Wall, table and upright battens; the battens go on to the sides, for a camera that turns."""
    colour = BACKDROPS[layout.backdrop]
    dark: Vec = (0.72 * colour[0], 0.72 * colour[1], 0.72 * colour[2])
    wood: Vec = (0.60, 0.47, 0.36)
    rng = random.Random(f"process surround:{layout.texture_seed}")
    wall, table = Material(constant(*colour)), Material(constant(*wood))
    if layout.look != "plain":
        shift = constant(rng.random(), rng.random(), rng.random())
        lighter = constant(*(min(1.0, 1.1 * c) for c in colour))
        wall = Material(constant(*colour), lighter, rng.choice(("brick", "noise")), 0.12, offset=shift)
        grain = constant(*(0.82 * c for c in wood))
        table = Material(constant(*wood), grain, "stripe", 0.11, offset=shift)
    wide = 4.0 * max(1.0, layout.aspect)
    bodies = [
        box("wall", (0.0, 0.0, WALL_Z), (wide, 4.0, 0.05), wall),
        box("table", (0.0, TABLE - 0.3, -0.15), (wide, 0.3, 0.6), table),
    ]
    step = 0.98 * layout.aspect
    for k in range(-3, 3):
        x = (k + 0.5) * step
        material = Material(constant(*dark))
        bodies.append(
            box(f"batten {'left' if x < 0 else 'right'} {int(abs(k + 0.5))}", (x, 0.6, WALL_Z + 0.06),
                (0.025, 1.2, 0.03), material)
        )  # fmt: skip
    return bodies


def _curtain(layout: Layout) -> Body:
    """A panel that waits just beside the thing, slides before it and back."""
    scale = (EYE[2] - CURTAIN_Z) / EYE[2]
    half = (HALF_WIDTH[layout.process] + 0.05) * scale
    before = layout.place * scale
    beside = before + layout.side * (2 * half + 0.01)
    y = EYE[1] * (1 - scale)
    stops = [
        (t, (x, y, CURTAIN_Z))
        for t, x in (
            (0.0, beside),
            (layout.leave, beside),
            (layout.gone, before),
            (layout.come, before),
            (layout.back, beside),
        )
    ]
    colour = CURTAINS[layout.curtain]
    material = Material(constant(*colour))
    if layout.look != "plain":
        lighter = constant(*(min(1.0, 1.25 * c) for c in colour))
        material = Material(constant(*colour), lighter, "stripe", 0.09)
    return Body("curtain", "box", constant(half, 0.9, 0.02), glide(stops), material, "occluder")


def _dimmed(body: Body, layout: Layout) -> Body:
    """The body in light that goes out and on again; without gloss, which no colour dims, in the twin too."""
    material = dataclasses.replace(body.material, specular=0.0)
    if layout.hidden:
        keys = ((layout.leave, 1.0), (layout.gone, 0.0), (layout.come, 0.0), (layout.back, 1.0))
        light = Curve(tuple(t for t, _ in keys), tuple((level,) for _, level in keys))
        material = dataclasses.replace(
            material, colour=_product(material.colour, light), other=_product(material.other, light)
        )
    return dataclasses.replace(body, material=material)


def _product(colour: Curve, light: Curve) -> Curve:
    times = tuple(sorted({*colour.times, *light.times}))
    values = (tuple(c * light.at(t)[0] for c in colour.at(t)[:3]) for t in times)
    return Curve(times, tuple(values))


def _turn(layout: Layout) -> float:
    """How far the camera turns until the thing is out of view, radians."""
    return math.atan((0.5 * layout.aspect + abs(layout.place) + HALF_WIDTH[layout.process] + 0.15) / EYE[2])


def _turning(layout: Layout, fov: float) -> Camera:
    full = _turn(layout) * layout.side
    closing, opening = layout.gone - layout.leave, layout.back - layout.come

    def target(time: float) -> Vec:
        """Where the camera looks at a time."""
        share = ease((time - layout.leave) / closing) - ease((time - layout.come) / opening)
        yaw = full * share
        return (EYE[0] - EYE[2] * math.sin(yaw), 0.0, EYE[2] - EYE[2] * math.cos(yaw))

    marks = (layout.leave, layout.gone, layout.come, layout.back)
    return filmed(lambda _: EYE, target, layout.duration, fov, marks)


def _events(layout: Layout, name: str) -> tuple[Event, ...]:
    events = []
    if layout.hidden and layout.way == "curtain":
        events = [Event("hide", layout.gone, (name, "curtain")), Event("show", layout.back, (name,))]
    elif layout.hidden:
        kinds = {"dark": ("dark", "light"), "away": ("away", "back")}[layout.way]
        events = [Event(kinds[0], layout.gone, ()), Event(kinds[1], layout.back, ())]
    if rate_of(layout) == 0:
        events.append(Event("still", 0.0, (name,)))
    return tuple(sorted(events, key=lambda e: e.time))
