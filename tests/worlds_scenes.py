"""Random scenes with every kind, texture and edit, for the tests of the renderer."""

from __future__ import annotations

import math
import random

from simbench.worlds.scene import (
    KINDS,
    TEXTURES,
    Body,
    Camera,
    Carve,
    Curve,
    Light,
    Material,
    Paint,
    Scene,
    Segment,
    SetVoxel,
    Vec,
    constant,
    rest,
)

TIMES = tuple(i / 8 for i in range(17))


def material(rng: random.Random, texture: str) -> Material:
    """Random colours, scale and shine; now and then an animated colour and a drifting pattern."""

    def colour() -> Vec:
        return rng.random(), rng.random(), rng.random()

    first = Curve((0.0, 1.0), (colour(), colour())) if rng.random() < 0.3 else constant(*colour())
    offset = Curve((0.0, 2.0), ((0.0, 0.0, 0.0), colour())) if rng.random() < 0.3 else constant(0.0, 0.0, 0.0)
    return Material(
        colour=first,
        other=constant(*colour()),
        texture=texture,
        scale=rng.uniform(0.05, 0.4),
        inner=colour(),
        specular=rng.choice((0.0, 0.5)),
        offset=offset,
    )


def solid(rng: random.Random, name: str, kind: str, texture: str) -> Body:
    """A body that flies and spins somewhere in or near the view, sometimes behind the eye."""

    def about(size: float) -> Vec:
        return rng.uniform(-size, size), rng.uniform(-size, size), rng.uniform(-size, size)

    r = rng.uniform(0.1, 0.5)
    size = (r, r, r) if kind == "sphere" else (r, rng.uniform(0.1, 0.6), r if kind != "box" else 0.3)
    x, _, z = about(1.8)
    if rng.random() < 0.1:
        x, z = 0.0, 6.0
    motion = (
        Segment(0.0, (x, rng.uniform(0.0, 1.2), z), about(0.3), about(0.2), about(3.0), about(2.0)),
        Segment(1.0, (x, rng.uniform(0.0, 1.2), z), about(0.3), turn=about(3.0)),
    )
    grown = Curve((0.0, 2.0), (size, tuple(1.3 * s for s in size))) if rng.random() < 0.3 else constant(*size)
    appears = rng.choice((0.0, 0.0, 0.5))
    return Body(name, kind, grown, motion, material(rng, texture), "mover", appears, rng.choice((1e9, 1.5)))


def voxel_body(rng: random.Random) -> Body:
    """A small terrain with holes."""
    shape = (6, 4, 5)
    cells = tuple(
        tuple(
            tuple(rng.choice((0, 1, 2, 3, 4, 5, 6)) if j < 3 else 0 for _ in range(shape[2]))
            for j in range(4)
        )
        for _ in range(shape[0])
    )
    motion = rest(rng.uniform(-1.5, 1.5), 0.4, rng.uniform(-1.0, 1.0), (0.0, rng.uniform(-3.0, 3.0), 0.0))
    return Body("terrain", "voxels", constant(0.2), motion, material(rng, "flat"), voxels=cells)


def random_scene(seed: int) -> Scene:
    """A ground, a wall, two bodies of each solid kind, voxels, carves, strokes and voxel edits."""
    rng = random.Random(seed)
    wall_size, wall_at = constant(2.5, 1.0, 0.1), rest(0.0, 1.0, -2.2, (0.0, 0.2, 0.0))
    bodies = [
        Body("ground", "plane", constant(1.0), rest(0.0, 0.0, 0.0), material(rng, rng.choice(TEXTURES))),
        Body("wall", "box", wall_size, wall_at, material(rng, rng.choice(TEXTURES))),
    ]
    for kind in ("sphere", "box", "capsule", "cylinder"):
        for i in range(2):
            bodies.append(solid(rng, f"{kind}{i}", kind, TEXTURES[(seed + len(bodies)) % len(TEXTURES)]))
    bodies.append(voxel_body(rng))
    carves = tuple(
        Carve(f"{kind}0", rng.uniform(-0.1, 1.5), tuple(rng.uniform(-0.3, 0.3) for _ in range(3)), 0.25)
        for kind in ("sphere", "box", "cylinder")
        for _ in range(3)
    )
    strokes = tuple((i * 0.1, -1.0 + 0.12 * i, 0.5 * math.sin(0.5 * i)) for i in range(18))
    paints = (
        Paint("wall", 2, 1, strokes, 0.15, (0.2, 0.7, 0.3)),
        Paint("wall", 2, 1, ((0.2, -0.5, 0.0), (1.2, 0.8, 0.2)), 0.1, (0.1, 0.1, 0.8)),
        Paint("box1", 0, -1, ((0.0, 0.0, 0.0),), 0.1, (0.9, 0.9, 0.1)),
    )
    edits = (SetVoxel("terrain", 0.5, (3, 3, 2), 5), SetVoxel("terrain", 1.0, (3, 3, 2), 0))
    turn = rng.uniform(0.0, 6.0)
    path = tuple((4.0 * math.sin(turn + 0.05 * i), 1.6, 4.0 * math.cos(turn + 0.05 * i)) for i in range(17))
    camera = Camera(Curve(TIMES, path), constant(0.0, 0.4, 0.0), rng.uniform(30.0, 70.0))
    light = Light(
        direction=Curve((0.0, 2.0), ((0.5, 0.8, 0.4), (-0.4, 0.6, 0.5))),
        ambient=rng.uniform(0.2, 0.6),
        shadow=seed % 4 != 3,
        fog=rng.choice((0.0, 0.08)),
    )
    return Scene("random", seed, 2.0, camera, tuple(bodies), light, carves, paints, edits)


def plain_scene(*bodies: Body, fov: float = 16.0, light: Light | None = None) -> Scene:
    """Bodies around the origin seen from 4 m along z, without shading."""
    flat = Light(ambient=1.0, shadow=False, sky=(0.2, 0.4, 0.6), zenith=(0.2, 0.4, 0.6))
    camera = Camera(constant(0.0, 0.0, 4.0), constant(0.0, 0.0, 0.0), fov)
    return Scene("plain", 0, 2.0, camera, bodies, flat if light is None else light)


def ball(
    name: str, at: Vec, radius: float = 0.2, colour: Vec = (0.8, 0.2, 0.1), kind: str = "sphere"
) -> Body:
    """A flat-coloured body at rest."""
    return Body(name, kind, constant(radius, radius, radius), rest(*at), Material(constant(*colour)))


def bench_scene(frames: int = 8) -> Scene:
    """The speed test: a ground, two walls and ten primitives, checkered, shaded, under a moving eye."""
    shapes = {
        "sphere": ((0.4, 0.4, 0.4), 0.4),
        "box": ((0.3, 0.3, 0.3), 0.3),
        "cylinder": ((0.22, 0.4, 0.22), 0.4),
        "capsule": ((0.15, 0.35, 0.15), 0.5),
    }

    def checks(r: float, g: float, b: float, scale: float) -> Material:
        return Material(constant(r, g, b), constant(0.6 * r, 0.6 * g, 0.6 * b), "checker", scale)

    bodies = [
        Body("ground", "plane", constant(1.0), rest(0.0, 0.0, 0.0), checks(0.88, 0.88, 0.86, 1.0)),
        Body("back", "box", constant(5.0, 1.5, 0.1), rest(0.0, 1.5, -5.0), checks(0.5, 0.64, 0.72, 0.4)),
        Body("side", "box", constant(0.1, 1.5, 4.0), rest(5.0, 1.5, -1.0), checks(0.72, 0.5, 0.42, 0.4)),
    ]
    kinds = ("sphere", "box", "cylinder", "capsule", "sphere") * 2
    for i, kind in enumerate(kinds):
        size, y = shapes[kind]
        angle, ring = 2.4 * i, 0.6 + 0.25 * i
        at = (ring * math.cos(angle), y, 0.8 * ring * math.sin(angle))
        motion = (Segment(0.0, at, (0.1 * math.sin(i), 0.0, 0.1), turn=(0.0, angle, 0.0)),)
        colour = checks(0.4 + 0.05 * i, 0.9 - 0.07 * i, 0.3 + 0.06 * (i % 5), 0.2)
        bodies.append(Body(f"{kind}{i}", kind, constant(*size), motion, colour, "mover"))
    times = tuple(i / 8 for i in range(frames))
    turn = 0.7 / frames
    path = tuple((6 * math.sin(turn * i), 2.2, 6 * math.cos(turn * i)) for i in range(frames))
    camera = Camera(Curve(times, path) if frames > 1 else constant(*path[0]), constant(0.0, 0.5, 0.0))
    return Scene("bench", 0, frames / 8, camera, tuple(bodies))


__all__ = ["KINDS", "TEXTURES", "ball", "bench_scene", "plain_scene", "random_scene"]
