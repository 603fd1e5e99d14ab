"""Bodies that take more than one formula: carved solids and voxel grids. `b` is a record of BODY."""

from __future__ import annotations

import numpy as np

from simbench.worlds.kernel_base import F, jit

SPHERE, BOX = 1, 2
MISS, HALF = F.MISS, F.HALF


@jit
def _solid(b, ox, oy, oz, dx, dy, dz):
    if b.kind == SPHERE:
        return F.sphere_interval(ox, oy, oz, dx, dy, dz, b.sx * b.sx)
    if b.kind == BOX:
        return F.box_interval(ox, oy, oz, dx, dy, dz, b.sx, b.sy, b.sz)
    return F.cylinder_interval(ox, oy, oz, dx, dy, dz, b.sx * b.sx, b.sy)


@jit
def carve_march(b, carves, f, ox, oy, oz, dx, dy, dz, start):
    """Entry of a convex body minus balls, and the ball whose wall is met (-1: the outer surface).

    While the entry lies inside a ball it moves to that ball's exit; beyond the body there is no hit.
    """
    t, end = _solid(b, ox, oy, oz, dx, dy, dz)
    t = F.upper(t, start)
    wall = np.int64(-1)
    if t >= end:
        return MISS, wall
    for _ in range(b.carve1 - b.carve0 + 1):
        moved = False
        for s in range(b.carve0, b.carve1):
            ball = carves[s]
            if ball.frame <= f:
                near, exit = F.sphere_interval(
                    ox - ball.x, oy - ball.y, oz - ball.z, dx, dy, dz, ball.radius * ball.radius
                )
                if near <= t and t < exit:
                    t = exit
                    wall = np.int64(s)
                    moved = True
        if not moved:
            break
    if t >= end:
        return MISS, wall
    return t, wall


@jit
def voxel_march(b, cells, ox, oy, oz, dx, dy, dz, start):
    """First solid cell along a ray: depth, entered axis (0-2), material (0: none).

    J. Amanatides and A. Woo, A fast voxel traversal algorithm for ray tracing, Eurographics 1987.
    """
    nx, ny, nz = np.int64(b.nx), np.int64(b.ny), np.int64(b.nz)
    edge = b.sx
    gx, gy, gz = F.real(nx) * HALF, F.real(ny) * HALF, F.real(nz) * HALF
    hx, hy, hz = gx * edge, gy * edge, gz * edge
    t, end = F.box_interval(ox, oy, oz, dx, dy, dz, hx, hy, hz)
    axis = F.last_axis(F.slab_entry(ox, dx, hx), F.slab_entry(oy, dy, hy), F.slab_entry(oz, dz, hz))
    t = F.upper(t, start)
    if t >= end:
        return MISS, axis, 0
    i = F.cell_of(ox + t * dx, edge, gx, nx)
    j = F.cell_of(oy + t * dy, edge, gy, ny)
    k = F.cell_of(oz + t * dz, edge, gz, nz)
    tx = F.cell_exit(i, ox, dx, edge, gx)
    ty = F.cell_exit(j, oy, dy, edge, gy)
    tz = F.cell_exit(k, oz, dz, edge, gz)
    while True:
        material = np.int64(cells[b.start + (i * ny + j) * nz + k])
        if material != 0:
            return t, axis, material
        axis = F.first_axis(tx, ty, tz)
        if axis == 0:
            t = F.upper(t, tx)
            i += F.cell_step(dx)
            tx = F.cell_exit(i, ox, dx, edge, gx)
        elif axis == 1:
            t = F.upper(t, ty)
            j += F.cell_step(dy)
            ty = F.cell_exit(j, oy, dy, edge, gy)
        else:
            t = F.upper(t, tz)
            k += F.cell_step(dz)
            tz = F.cell_exit(k, oz, dz, edge, gz)
        if i < 0 or j < 0 or k < 0 or i >= nx or j >= ny or k >= nz:
            return MISS, axis, 0
