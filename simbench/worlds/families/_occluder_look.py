"""The looks of the occluder stage: a layout becomes a scene of textured bodies."""

from __future__ import annotations

import math
import random

from simbench.worlds import palette
from simbench.worlds.families._occluder_law import (
    BACKDROPS,
    POST,
    POST_SHOWS,
    RAIL,
    SCREEN_Z,
    SCREENS,
    SUN,
    TEST_COLOURS,
    Lane,
    Layout,
    eye_of,
    hide_times,
    lane_name,
    place,
    shrink,
    stop_time,
)
from simbench.worlds.scene import Body, Camera, Event, Light, Material, Scene, Segment, Vec, constant, rest


def rgb(colour: str) -> Vec:
    """sRGB in [0, 1] of a colour name."""
    return palette.colours("all")[colour]


def stage(layout: Layout) -> Scene:
    """The scene of a layout."""
    bodies = [*_surround(layout)]
    for i, lane in enumerate(layout.lanes):
        bodies.append(_rail(layout, lane, i))
    if layout.post is not None:
        bodies.append(_post(layout))
    for i, lane in enumerate(layout.lanes):
        bodies.append(_mover(layout, lane, i))
    if layout.hidden:
        bodies.extend(_screen(layout) if layout.cup is None else [_cup(layout)])
    eye = eye_of(layout)
    plain = layout.look == "plain"
    fov = math.degrees(2 * math.atan(0.5 / math.hypot(eye[1], eye[2])))
    light = Light(shadow=False, ambient=1.0) if plain else Light(direction=constant(*SUN))
    return Scene(
        family="occluder",
        seed=layout.texture_seed,
        duration=layout.duration,
        camera=Camera(constant(*eye), constant(0.0, 0.0, 0.0), fov),
        bodies=tuple(bodies),
        light=light,
        events=_events(layout),
        look=layout.look,
    )


def _surround(layout: Layout) -> list[Body]:
    colour = BACKDROPS[layout.backdrop]
    if layout.look == "plain":
        material = Material(constant(*colour))
        return [_box("backdrop", (0.0, 0.0, -0.8), (4.0 * layout.aspect, 4.0, 0.05), material)]
    rng = random.Random(f"{layout.texture_seed}:surround")
    shift = constant(rng.random(), rng.random(), rng.random())
    lighter = tuple(min(1.0, 1.12 * c) for c in colour)
    wall = Material(constant(*colour), constant(*lighter), rng.choice(("brick", "noise")), 0.14, offset=shift)
    floor = Material(constant(0.62, 0.64, 0.67), constant(0.84, 0.84, 0.83), "checker", 0.3, offset=shift)
    base = place(layout, 0.0, -0.40, -0.5)[1]
    height = place(layout, 0.0, 0.44, -0.5)[1] - base
    return [
        Body("ground", "plane", constant(1.0, 1.0, 1.0), rest(0.0, base, 0.0), floor),
        _box("backdrop", (0.0, base + height / 2, -0.55), (4.0 * layout.aspect, height / 2, 0.05), wall),
    ]


def _box(
    name: str, centre: Vec, half: Vec, material: Material, role: str = "static", angle: float = 0.0
) -> Body:
    return Body(name, "box", constant(*half), rest(*centre, turn=(0.0, 0.0, angle)), material, role)


def _rail(layout: Layout, lane: Lane, index: int) -> Body:
    angle = math.atan2(lane.dv, lane.du)
    if lane.du < 0:
        angle -= math.pi
    below = layout.diameter / 2 + 0.016
    u = lane.u + below * math.sin(angle)
    v = lane.v - below * math.cos(angle)
    z = lane.z - 0.04
    return _box(
        f"rail {index}",
        place(layout, u, v, z),
        (3.0 * layout.aspect, 0.016, 0.03),
        Material(constant(*RAIL), specular=0.0 if layout.look == "plain" else 0.3),
        angle=angle,
    )


def _post(layout: Layout) -> Body:
    assert layout.post is not None
    left, right = layout.post
    low, high = _post_span(layout)
    x0, y0, _ = place(layout, left, low, 0.0)
    x1, y1, _ = place(layout, right, high, 0.0)
    return _box(
        "post",
        ((x0 + x1) / 2, (y0 + y1) / 2, 0.0),
        ((x1 - x0) / 2, (y1 - y0) / 2, 0.05),
        Material(constant(*POST)),
        "cue",
    )


def _post_span(layout: Layout) -> tuple[float, float]:
    """Lowest and highest v of the post: it shows POST_SHOWS beyond the screen, up or (curtain) down."""
    _, _, bottom, top = layout.screen
    if layout.occluder == "curtain":
        return bottom - POST_SHOWS, 0.45
    return -0.46 if layout.look == "rich" else -0.7, top + POST_SHOWS


def _mover(layout: Layout, lane: Lane, index: int) -> Body:
    radius = layout.diameter / 2 * shrink(lane.z)
    kind = "sphere" if lane.shape == "ball" else "box"
    half = {"ball": radius, "cube": 0.92 * radius, "diamond": 0.7 * radius}[lane.shape]
    turn: Vec = (0.0, 0.0, math.pi / 4) if lane.shape == "diamond" else (0.0, 0.0, 0.0)
    first = place(layout, lane.u, lane.v, lane.z)
    later = place(layout, lane.u + lane.du, lane.v + lane.dv, lane.z)
    velocity = (later[0] - first[0], later[1] - first[1], 0.0)
    motion = [Segment(0.0, first, velocity, turn=turn)]
    stop = stop_time(layout, lane)
    if stop is not None:
        x, y, z = first
        motion.append(Segment(stop, (x + velocity[0] * stop, y + velocity[1] * stop, z), turn=turn))
    return Body(
        lane_name(layout, index),
        kind,
        constant(half, half, half),
        tuple(motion),
        _paint_of(layout, lane, index),
        "mover",
    )


def _paint_of(layout: Layout, lane: Lane, index: int) -> Material:
    colour = rgb(lane.colour)
    if layout.look == "plain":
        return Material(constant(*colour))
    rng = random.Random(f"{layout.texture_seed}:{index}")
    darker = tuple(0.62 * c for c in colour)
    # Dots are a test-only texture, so they go with the test-only colours.
    texture = "dots" if lane.colour in TEST_COLOURS else rng.choice(("checker", "stripe"))
    return Material(constant(*colour), constant(*darker), texture, 0.35 * layout.diameter, specular=0.35)


def _screen(layout: Layout) -> list[Body]:
    left, right, bottom, top = layout.screen
    colour = SCREENS[layout.screen_colour]
    x0, y0, _ = place(layout, left, bottom, SCREEN_Z)
    x1, y1, _ = place(layout, right, top, SCREEN_Z)
    centre = ((x0 + x1) / 2, (y0 + y1) / 2, SCREEN_Z)
    half = ((x1 - x0) / 2, (y1 - y0) / 2, 0.03)
    material = Material(constant(*colour))
    if layout.look != "plain":
        lighter = constant(*(min(1.0, 1.3 * c) for c in colour))
        texture = {"wall": "brick", "curtain": "stripe", "tunnel": "noise"}[layout.occluder]
        material = Material(constant(*colour), lighter, texture, 0.09)
    bodies = [_box(layout.occluder, centre, half, material, "occluder")]
    if layout.occluder == "tunnel":
        rim = Material(constant(*(0.75 * c for c in colour)))
        for side, x in (("left", x0 + 0.015), ("right", x1 - 0.015)):
            body = _box(
                f"{side} rim", (x, centre[1], SCREEN_Z + 0.005), (0.015, half[1], 0.031), rim, "occluder"
            )
            bodies.append(body)
    return bodies


def _cup(layout: Layout) -> Body:
    cup = layout.cup
    assert cup is not None
    lane = layout.lanes[0]
    start = place(layout, lane.u, cup.v, lane.z)
    later = place(layout, lane.u + lane.du, cup.v - cup.speed, lane.z)
    v = (later[0] - start[0], later[1] - start[1], 0.0)
    touch = tuple(p + d * cup.touch for p, d in zip(start, v, strict=True))
    half = layout.diameter / 2
    motion = (
        Segment(0.0, start, v),
        Segment(cup.touch, (touch[0], touch[1], touch[2]), (v[0], -v[1], 0.0)),
    )
    size = constant(half + 0.025, half + 0.02, half + 0.03)
    return Body("cup", "box", size, motion, Material(constant(*SCREENS[layout.screen_colour])), "occluder")


def _events(layout: Layout) -> tuple[Event, ...]:
    events = []
    for i, lane in enumerate(layout.lanes):
        name = lane_name(layout, i)
        hide, show = hide_times(layout, lane)
        stop = stop_time(layout, lane)
        if layout.hidden:
            events.append(Event("hide", hide, (name, layout.occluder if layout.cup is None else "cup")))
            if stop is None:
                events.append(Event("show", show, (name,)))
        if stop is not None:
            events.append(Event("contact", stop, (name, "post"), impulse=abs(lane.du)))
    return tuple(sorted(events, key=lambda e: e.time))
