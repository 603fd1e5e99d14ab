"""Where rays meet bodies, over whole clips at once: the readable twin of the compiled kernels."""

from __future__ import annotations

from typing import Any

import torch

from simbench.worlds.torch_base import Batch, Body, F

PLANE, SPHERE, BOX, CAPSULE, CYLINDER, VOXELS = range(6)
Vector = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def direction(b: Body, us: torch.Tensor, vs: torch.Tensor) -> Vector:
    """Directions of unit depth in a body's frame, in the compiled kernels' order of sums."""
    return (b.zx + vs * b.yx) + us * b.xx, (b.zy + vs * b.yy) + us * b.xy, (b.zz + vs * b.yz) + us * b.xz


def along(b: Body, t: torch.Tensor, d: Vector) -> Vector:
    """Points at depth t."""
    return b.ox + t * d[0], b.oy + t * d[1], b.oz + t * d[2]


def entry(batch: Batch, b: Body, o: Vector, d: Vector, frame: torch.Tensor, start: float) -> torch.Tensor:
    """Depth at which rays meet a body, MISS where they do not."""
    kind = int(b.fixed["kind"])
    if kind == VOXELS:
        return voxel_march(batch, b, o, d, start)[0]
    if b.edited:
        return carve_march(batch, b, o, d, frame, start)[0]
    if kind == PLANE:
        return F.plane_entry(o[1], d[1])
    if kind == SPHERE:
        return F.sphere_entry(*o, *d, b.sx * b.sx)
    if kind == BOX:
        return F.box_entry(*o, *d, b.sx, b.sy, b.sz)
    if kind == CAPSULE:
        return F.capsule_entry(*o, *d, b.sx * b.sx, b.sy)
    return F.cylinder_entry(*o, *d, b.sx * b.sx, b.sy)


def _solid(b: Body, o: Vector, d: Vector) -> tuple[torch.Tensor, torch.Tensor]:
    kind = int(b.fixed["kind"])
    if kind == SPHERE:
        return F.sphere_interval(*o, *d, b.sx * b.sx)
    if kind == BOX:
        return F.box_interval(*o, *d, b.sx, b.sy, b.sz)
    return F.cylinder_interval(*o, *d, b.sx * b.sx, b.sy)


def carve_march(
    batch: Batch, b: Body, o: Vector, d: Vector, frame: torch.Tensor, start: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Entry of a convex body minus balls and the ball whose wall is met (-1: the outer surface)."""
    t, end = _solid(b, o, d)
    t = F.upper(t, start)
    wall = torch.full_like(t, -1, dtype=torch.int64)
    first, last = int(b.fixed["carve0"]), int(b.fixed["carve1"])
    for _ in range(last - first + 1):
        before = t
        for s in range(first, last):
            ball = batch.clip.tables.carves[s]
            x, y, z = float(ball["x"]), float(ball["y"]), float(ball["z"])
            near, out = F.sphere_interval(
                o[0] - x, o[1] - y, o[2] - z, *d, float(ball["radius"] * ball["radius"])
            )
            inside = (frame >= int(ball["frame"])) & (near <= t) & (t < out)
            t = torch.where(inside, out, t)
            wall = torch.where(inside, s, wall)
        if t.device.type == "cpu" and torch.equal(before, t):
            break
    return torch.where(t >= end, F.MISS, t), wall


def voxel_march(
    batch: Batch, b: Body, o: Vector, d: Vector, start: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """First solid cell along each ray: depth, entered axis (0-2), material (0: none)."""
    shape = [int(b.fixed[name]) for name in ("nx", "ny", "nz")]
    edge, half = b.sx, [n * 0.5 for n in shape]
    h = [g * edge for g in half]
    t, end = F.box_interval(*o, *d, *h)
    axis = F.last_axis(*(F.slab_entry(o[a], d[a], h[a]) for a in range(3)))
    t = F.upper(t, start)
    cell = [F.cell_of(o[a] + t * d[a], edge, half[a], shape[a]) for a in range(3)]
    alive = t < end
    t = torch.where(alive, t, F.MISS)
    found = torch.zeros_like(axis)
    for _ in range(sum(shape) + 1):
        inside = alive
        for a in range(3):
            inside = inside & (cell[a] >= 0) & (cell[a] < shape[a])
        t = torch.where(alive & ~inside, F.MISS, t)
        at = b.start + (cell[0] * shape[1] + cell[1]) * shape[2] + cell[2]
        material = batch.cells[torch.where(inside, at, 0)].to(torch.int64)
        solid = inside & (material != 0)
        found = torch.where(solid, material, found)
        alive = inside & ~solid
        if t.device.type == "cpu" and not bool(alive.any()):
            break
        exits = [F.cell_exit(cell[a], o[a], d[a], edge, half[a]) for a in range(3)]
        chosen = F.first_axis(*exits)
        axis = torch.where(alive, chosen, axis)
        for a in range(3):
            step = alive & (chosen == a)
            t = torch.where(step, F.upper(t, exits[a]), t)
            cell[a] = torch.where(step, cell[a] + F.cell_step(d[a]), cell[a])
    return torch.where(found > 0, t, F.MISS), axis, found


def hits(batch: Batch, us: torch.Tensor, vs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Nearest hits [F, H, W] of rays us [., ., W], vs [., H, .]: depth (0 for sky) and body (-1 for sky)."""
    count = len(batch.numbers)
    shape = torch.broadcast_shapes((count, 1, 1), us.shape, vs.shape)
    t = torch.full(shape, F.MISS, dtype=torch.float32, device=us.device)
    ids = torch.full(shape, -1, dtype=torch.int32, device=us.device)
    frame = batch.numbers.view(-1, 1, 1)
    for n in range(len(batch.clip.tables.kind)):
        b = batch.body(n, _per_frame)
        d = [x.expand(shape) for x in direction(b, us, vs)]
        o = [x.expand(shape) for x in (b.ox, b.oy, b.oz)]
        near = entry(batch, b, _vector(o), _vector(d), frame, F.NEAR)
        closer = (near > F.NEAR) & (near < t) & (b.drawn > 0)
        ids = torch.where(closer, n, ids)
        t = torch.where(closer, near, t)
    return torch.where(t < F.MISS, t, 0.0), ids


def lit(batch: Batch, us: torch.Tensor, vs: torch.Tensor, t: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """1 where the light reaches a hit, 0 where a body stands in its way."""
    bright = torch.ones_like(t)
    frame = batch.numbers.view(-1, 1, 1)
    for c in range(len(batch.clip.tables.kind)):
        b = batch.body(c, _per_frame)
        if int(b.fixed["kind"]) == PLANE:
            continue
        p = along(b, t, direction(b, us, vs))
        sun = [x.expand(t.shape) for x in (b.lx, b.ly, b.lz)]
        near = entry(batch, b, p, _vector(sun), frame, F.TOUCH)
        dark = (near > -F.TOUCH) & (near < F.MISS) & (b.drawn > 0)
        if not b.edited:
            dark = dark & (ids != c)
        bright = torch.where(dark, 0.0, bright)
    return bright


def _per_frame(x: torch.Tensor) -> torch.Tensor:
    return x.view(-1, 1, 1)


def _vector(x: list[Any]) -> Vector:
    return x[0], x[1], x[2]
