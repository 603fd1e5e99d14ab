"""Bodies that take more than one formula: carved solids and voxel grids."""

from __future__ import annotations

from simbench.worlds.kernel_base import F, jit

SPHERE, BOX = 1, 2
MISS, HALF, SKIN = F.MISS, F.HALF, F.SKIN


@jit
def _solid(kind, sx, sy, sz, ox, oy, oz, dx, dy, dz):
    if kind == SPHERE:
        return F.sphere_interval(ox, oy, oz, dx, dy, dz, sx * sx)
    if kind == BOX:
        return F.box_interval(ox, oy, oz, dx, dy, dz, sx, sy, sz)
    return F.cylinder_interval(ox, oy, oz, dx, dy, dz, sx * sx, sy)


@jit
def carve_march(tb, f, n, ox, oy, oz, dx, dy, dz, start):
    """Entry of a convex body minus balls, and the ball whose wall is met (-1: the outer surface).

    While the entry lies inside a ball it moves to that ball's exit; beyond the body there is no hit.
    """
    t, end = _solid(tb.kind[n], tb.size[f, n, 0], tb.size[f, n, 1], tb.size[f, n, 2], ox, oy, oz, dx, dy, dz)
    t = F.upper(t, start)
    wall = -1
    if t >= end:
        return MISS, wall
    first, last = tb.carve_span[n, 0], tb.carve_span[n, 1]
    for _ in range(last - first + 1):
        moved = False
        for s in range(first, last):
            if tb.carve_frame[s] > f:
                continue
            cx, cy, cz, r = tb.carve_ball[s, 0], tb.carve_ball[s, 1], tb.carve_ball[s, 2], tb.carve_ball[s, 3]
            a, b = F.sphere_interval(ox - cx, oy - cy, oz - cz, dx, dy, dz, r * r)
            if a <= t and t < b:
                t = b
                wall = s
                moved = True
        if not moved:
            break
    if t >= end:
        return MISS, wall
    return t, wall


@jit
def voxel_march(tb, f, n, ox, oy, oz, dx, dy, dz, start):
    """First solid cell along a ray: depth, entered axis (0-2), material (0: none).

    J. Amanatides and A. Woo, A fast voxel traversal algorithm for ray tracing, Eurographics 1987.
    """
    nx, ny, nz = tb.grid_shape[n, 0], tb.grid_shape[n, 1], tb.grid_shape[n, 2]
    edge, base = tb.size[f, n, 0], tb.grid_start[f, n]
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
    for _ in range(nx + ny + nz + 1):
        material = tb.cells[base + (i * ny + j) * nz + k]
        if material != 0:
            return t, axis, int(material)
        tx = F.cell_exit(i, ox, dx, edge, gx)
        ty = F.cell_exit(j, oy, dy, edge, gy)
        tz = F.cell_exit(k, oz, dz, edge, gz)
        axis = F.first_axis(tx, ty, tz)
        if axis == 0:
            t = F.upper(t, tx)
            i += 1 if dx > 0 else -1
        elif axis == 1:
            t = F.upper(t, ty)
            j += 1 if dy > 0 else -1
        else:
            t = F.upper(t, tz)
            k += 1 if dz > 0 else -1
        if i < 0 or j < 0 or k < 0 or i >= nx or j >= ny or k >= nz:
            break
    return MISS, axis, 0
