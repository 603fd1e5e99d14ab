"""The compiled CPU backend: one row of rays at a time, in loops that the compiler vectorises.

Every hit and every shadow is one pass over the part of a row its body can touch (`bounds`), so rays
miss most bodies for free. The arithmetic is that of `formulas`, bound to numba without fast-math.
Only `draw` and `probe` are cached on disk; `stamp` puts all sources into the key of that cache.
"""

from __future__ import annotations

import numba
import numpy as np

from simbench.worlds import formulas, kernel_shade
from simbench.worlds.kernel_base import F, jit
from simbench.worlds.kernel_march import carve_march, voxel_march

PLANE, SPHERE, BOX, CAPSULE, CYLINDER, VOXELS = range(6)
MISS, NEAR, TOUCH, ZERO, HALF, ONE = F.MISS, F.NEAR, F.TOUCH, F.ZERO, F.HALF, F.ONE
BYTE = np.float32(255.0)


@jit
def _primitive(kind, sx, sy, sz, ox, oy, oz, dx, dy, dz):
    """Entry of a body that is neither carved nor made of voxels."""
    if kind == PLANE:
        return F.plane_entry(oy, dy)
    if kind == SPHERE:
        return F.sphere_entry(ox, oy, oz, dx, dy, dz, sx * sx)
    if kind == BOX:
        return F.box_entry(ox, oy, oz, dx, dy, dz, sx, sy, sz)
    if kind == CAPSULE:
        return F.capsule_entry(ox, oy, oz, dx, dy, dz, sx * sx, sy)
    return F.cylinder_entry(ox, oy, oz, dx, dy, dz, sx * sx, sy)


@jit
def _entries(tb, f, n, u, v, out):
    """Depth at which each ray of a row piece meets body n, MISS where it does not."""
    o, size, kind = tb.eye[f, n], tb.size[f, n], tb.kind[n]
    ox, oy, oz, sx, sy, sz = o[0], o[1], o[2], size[0], size[1], size[2]
    ax = tb.ez[f, n, 0] + v * tb.ey[f, n, 0]
    ay = tb.ez[f, n, 1] + v * tb.ey[f, n, 1]
    az = tb.ez[f, n, 2] + v * tb.ey[f, n, 2]
    bx, by, bz = tb.ex[f, n, 0], tb.ex[f, n, 1], tb.ex[f, n, 2]
    if kind == VOXELS:
        for x in range(u.size):
            w = u[x]
            out[x] = voxel_march(tb, f, n, ox, oy, oz, ax + w * bx, ay + w * by, az + w * bz, NEAR)[0]
    elif tb.carve_span[n, 1] > tb.carve_span[n, 0]:
        for x in range(u.size):
            w = u[x]
            out[x] = carve_march(tb, f, n, ox, oy, oz, ax + w * bx, ay + w * by, az + w * bz, NEAR)[0]
    elif kind == PLANE:
        for x in range(u.size):
            out[x] = F.plane_entry(oy, ay + u[x] * by)
    elif kind == SPHERE:
        r2 = sx * sx
        for x in range(u.size):
            w = u[x]
            out[x] = F.sphere_entry(ox, oy, oz, ax + w * bx, ay + w * by, az + w * bz, r2)
    elif kind == BOX:
        for x in range(u.size):
            w = u[x]
            out[x] = F.box_entry(ox, oy, oz, ax + w * bx, ay + w * by, az + w * bz, sx, sy, sz)
    elif kind == CAPSULE:
        r2 = sx * sx
        for x in range(u.size):
            w = u[x]
            out[x] = F.capsule_entry(ox, oy, oz, ax + w * bx, ay + w * by, az + w * bz, r2, sy)
    else:
        r2 = sx * sx
        for x in range(u.size):
            w = u[x]
            out[x] = F.cylinder_entry(ox, oy, oz, ax + w * bx, ay + w * by, az + w * bz, r2, sy)


@jit
def _hits(tb, f, u, v, y, rects, t, ids, out):
    """Nearest hit of every ray of a row: depth (MISS for sky) and body (-1 for sky)."""
    t[:] = MISS
    ids[:] = -1
    for n in range(tb.kind.size):
        x0, x1 = rects[n, 0], rects[n, 1]
        if y < rects[n, 2] or y >= rects[n, 3] or x0 >= x1:
            continue
        piece, near, who = out[x0:x1], t[x0:x1], ids[x0:x1]
        _entries(tb, f, n, u[x0:x1], v, piece)
        for x in range(piece.size):
            closer = piece[x] > NEAR and piece[x] < near[x]
            who[x] = n if closer else who[x]
            near[x] = piece[x] if closer else near[x]


@jit
def _blocked(tb, f, c, u, v, t, out):
    """Depth along the light at which body c stands in its way, MISS where it does not."""
    o, size, sun, kind = tb.eye[f, c], tb.size[f, c], tb.sun[f, c], tb.kind[c]
    ox, oy, oz, sx, sy, sz = o[0], o[1], o[2], size[0], size[1], size[2]
    lx, ly, lz = sun[0], sun[1], sun[2]
    ax = tb.ez[f, c, 0] + v * tb.ey[f, c, 0]
    ay = tb.ez[f, c, 1] + v * tb.ey[f, c, 1]
    az = tb.ez[f, c, 2] + v * tb.ey[f, c, 2]
    bx, by, bz = tb.ex[f, c, 0], tb.ex[f, c, 1], tb.ex[f, c, 2]
    carved = tb.carve_span[c, 1] > tb.carve_span[c, 0]
    if kind == VOXELS or carved:
        for x in range(u.size):
            w, s = u[x], t[x]
            px, py, pz = ox + s * (ax + w * bx), oy + s * (ay + w * by), oz + s * (az + w * bz)
            out[x] = MISS
            if s < MISS:
                if carved:
                    out[x] = carve_march(tb, f, c, px, py, pz, lx, ly, lz, TOUCH)[0]
                else:
                    out[x] = voxel_march(tb, f, c, px, py, pz, lx, ly, lz, TOUCH)[0]
    elif kind == SPHERE:
        r2 = sx * sx
        for x in range(u.size):
            w, s = u[x], t[x]
            px, py, pz = ox + s * (ax + w * bx), oy + s * (ay + w * by), oz + s * (az + w * bz)
            out[x] = F.sphere_entry(px, py, pz, lx, ly, lz, r2)
    elif kind == BOX:
        for x in range(u.size):
            w, s = u[x], t[x]
            px, py, pz = ox + s * (ax + w * bx), oy + s * (ay + w * by), oz + s * (az + w * bz)
            out[x] = F.box_entry(px, py, pz, lx, ly, lz, sx, sy, sz)
    elif kind == CAPSULE:
        r2 = sx * sx
        for x in range(u.size):
            w, s = u[x], t[x]
            px, py, pz = ox + s * (ax + w * bx), oy + s * (ay + w * by), oz + s * (az + w * bz)
            out[x] = F.capsule_entry(px, py, pz, lx, ly, lz, r2, sy)
    else:
        r2 = sx * sx
        for x in range(u.size):
            w, s = u[x], t[x]
            px, py, pz = ox + s * (ax + w * bx), oy + s * (ay + w * by), oz + s * (az + w * bz)
            out[x] = F.cylinder_entry(px, py, pz, lx, ly, lz, r2, sy)


@jit
def _shadows(tb, f, u, v, y, rects, t, ids, lit, out):
    """1 where the light reaches a hit, 0 where a body stands in its way."""
    lit[:] = ONE
    for c in range(tb.kind.size):
        x0, x1 = rects[c, 0], rects[c, 1]
        if y < rects[c, 2] or y >= rects[c, 3] or x0 >= x1:
            continue
        own = tb.kind[c] == VOXELS or tb.carve_span[c, 1] > tb.carve_span[c, 0]
        piece, bright, who = out[x0:x1], lit[x0:x1], ids[x0:x1]
        _blocked(tb, f, c, u[x0:x1], v, t[x0:x1], piece)
        for x in range(piece.size):
            dark = piece[x] > -TOUCH and piece[x] < MISS and (own or who[x] != c)
            bright[x] = ZERO if dark else bright[x]


@jit
def _frame(tb, f, us, vs, samples, pitch, rects, casts, rgb):
    """One frame of colour: average linear light over samples x samples rays, then the transfer curve."""
    wide = us.size
    width = wide // samples
    t, out, lit = np.empty(wide, np.float32), np.empty(wide, np.float32), np.ones(wide, np.float32)
    ids = np.empty(wide, np.int32)
    row = np.empty((3, wide), np.float32)
    total = np.empty((3, width), np.float32)
    share = ONE / np.float32(samples * samples)
    for yo in range(vs.size // samples):
        total[:] = ZERO
        for sy in range(samples):
            y = yo * samples + sy
            v = vs[y]
            _hits(tb, f, us, v, y, rects, t, ids, out)
            if tb.light[1] > ZERO:
                _shadows(tb, f, us, v, y, casts, t, ids, lit, out)
            kernel_shade.row(tb, f, us, v, pitch, t, ids, lit, row)
            for c in range(3):
                for sx in range(samples):
                    for x in range(width):
                        total[c, x] += row[c, x * samples + sx]
        for c in range(3):
            for x in range(width):
                value = np.floor(np.sqrt(total[c, x] * share) * BYTE + HALF)
                rgb[yo, x, c] = np.uint8(value if value < BYTE else BYTE)


def _make_entries(stamp):
    """Entry points whose disk cache is keyed by `stamp`: numba itself watches one source file only."""

    @numba.njit(cache=True, nogil=True, error_model="numpy")
    def draw(tb, chosen, first, last, us, vs, samples, pitch, rects, casts, rgb):
        """Colour of frames chosen[first:last] into rgb[first:last]."""
        if len(stamp) > 0:
            for i in range(first, last):
                _frame(tb, chosen[i], us, vs, samples, pitch, rects[i], casts[i], rgb[i])

    @numba.njit(cache=True, nogil=True, error_model="numpy")
    def probe(tb, chosen, first, last, us, vs, rects, depth, ids):
        """Depth (0 for sky) and body of rays through given points, frames chosen[first:last]."""
        if len(stamp) > 0:
            out = np.empty(us.size, np.float32)
            for i in range(first, last):
                for y in range(vs.size):
                    t = depth[i, y]
                    _hits(tb, chosen[i], us, vs[y], y, rects[i], t, ids[i, y], out)
                    for x in range(t.size):
                        t[x] = t[x] if t[x] < MISS else ZERO

    @numba.njit(cache=True, nogil=True, error_model="numpy")
    def touch(tb, chosen, us, vs, depth, ids):
        """Depth and body of single rays us, vs [T, P] of the chosen frames."""
        if len(stamp) > 0:
            out = np.empty(1, np.float32)
            rects = np.zeros((tb.kind.size, 4), np.int32)
            for f in chosen:
                for n in range(tb.kind.size):
                    rects[n, 1] = tb.drawn[f, n]
                    rects[n, 3] = tb.drawn[f, n]
                for p in range(us.shape[1]):
                    t = depth[f, p : p + 1]
                    _hits(tb, f, us[f, p : p + 1], vs[f, p], 0, rects, t, ids[f, p : p + 1], out)
                    t[0] = t[0] if t[0] < MISS else ZERO

    return draw, probe, touch


draw, probe, touch = _make_entries(formulas.stamp())
