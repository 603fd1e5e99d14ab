"""The compiled CPU backend: one row of rays at a time, in loops that the compiler vectorises.

Every hit and every shadow is one pass over the part of a row its body can touch (`bounds`), so rays
miss most bodies for free. The arithmetic is that of `formulas`, bound to numba without fast-math.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from simbench.worlds import binding, kernel_shade
from simbench.worlds.kernel_base import F, jit
from simbench.worlds.kernel_march import carve_march, voxel_march

PLANE, SPHERE, BOX, CAPSULE, CYLINDER, VOXELS = range(6)
MISS, NEAR, TOUCH, ZERO, HALF, ONE = F.MISS, F.NEAR, F.TOUCH, F.ZERO, F.HALF, F.ONE
BYTE = np.float32(255.0)


class Edits(NamedTuple):
    """The tables of compile.Tables that only edited bodies read."""

    carves: np.ndarray
    strokes: np.ndarray
    painted: np.ndarray
    cells: np.ndarray


@jit
def _entries(b, edits, f, us, v, out):
    """Depth at which each ray of a row piece meets a body, MISS where it does not."""
    ox, oy, oz, sx, sy, sz, kind = b.ox, b.oy, b.oz, b.sx, b.sy, b.sz, b.kind
    ax, ay, az = b.zx + v * b.yx, b.zy + v * b.yy, b.zz + v * b.yz
    bx, by, bz = b.xx, b.xy, b.xz
    r2 = sx * sx
    if kind == VOXELS or b.carve1 > b.carve0:
        for x in range(us.size):
            u = us[x]
            dx, dy, dz = ax + u * bx, ay + u * by, az + u * bz
            if kind == VOXELS:
                out[x] = voxel_march(b, edits.cells, ox, oy, oz, dx, dy, dz, NEAR)[0]
            else:
                out[x] = carve_march(b, edits.carves, f, ox, oy, oz, dx, dy, dz, NEAR)[0]
    elif kind == PLANE:
        for x in range(us.size):
            out[x] = F.plane_entry(oy, ay + us[x] * by)
    elif kind == SPHERE:
        for x in range(us.size):
            u = us[x]
            out[x] = F.sphere_entry(ox, oy, oz, ax + u * bx, ay + u * by, az + u * bz, r2)
    elif kind == BOX:
        for x in range(us.size):
            u = us[x]
            out[x] = F.box_entry(ox, oy, oz, ax + u * bx, ay + u * by, az + u * bz, sx, sy, sz)
    elif kind == CAPSULE:
        for x in range(us.size):
            u = us[x]
            out[x] = F.capsule_entry(ox, oy, oz, ax + u * bx, ay + u * by, az + u * bz, r2, sy)
    else:
        for x in range(us.size):
            u = us[x]
            out[x] = F.cylinder_entry(ox, oy, oz, ax + u * bx, ay + u * by, az + u * bz, r2, sy)


@jit
def _blocked(b, edits, f, us, v, t, out):
    """Depth along the light at which a body stands in the way of each hit, MISS where it does not."""
    ox, oy, oz, sx, sy, sz, kind = b.ox, b.oy, b.oz, b.sx, b.sy, b.sz, b.kind
    ax, ay, az = b.zx + v * b.yx, b.zy + v * b.yy, b.zz + v * b.yz
    bx, by, bz = b.xx, b.xy, b.xz
    lx, ly, lz = b.lx, b.ly, b.lz
    r2 = sx * sx
    if kind == VOXELS or b.carve1 > b.carve0:
        for x in range(us.size):
            u, s = us[x], t[x]
            px, py, pz = ox + s * (ax + u * bx), oy + s * (ay + u * by), oz + s * (az + u * bz)
            if kind == VOXELS:
                out[x] = voxel_march(b, edits.cells, px, py, pz, lx, ly, lz, TOUCH)[0]
            else:
                out[x] = carve_march(b, edits.carves, f, px, py, pz, lx, ly, lz, TOUCH)[0]
    elif kind == SPHERE:
        for x in range(us.size):
            u, s = us[x], t[x]
            px, py, pz = ox + s * (ax + u * bx), oy + s * (ay + u * by), oz + s * (az + u * bz)
            out[x] = F.sphere_entry(px, py, pz, lx, ly, lz, r2)
    elif kind == BOX:
        for x in range(us.size):
            u, s = us[x], t[x]
            px, py, pz = ox + s * (ax + u * bx), oy + s * (ay + u * by), oz + s * (az + u * bz)
            out[x] = F.box_entry(px, py, pz, lx, ly, lz, sx, sy, sz)
    elif kind == CAPSULE:
        for x in range(us.size):
            u, s = us[x], t[x]
            px, py, pz = ox + s * (ax + u * bx), oy + s * (ay + u * by), oz + s * (az + u * bz)
            out[x] = F.capsule_entry(px, py, pz, lx, ly, lz, r2, sy)
    else:
        for x in range(us.size):
            u, s = us[x], t[x]
            px, py, pz = ox + s * (ax + u * bx), oy + s * (ay + u * by), oz + s * (az + u * bz)
            out[x] = F.cylinder_entry(px, py, pz, lx, ly, lz, r2, sy)


@jit
def _hits(bodies, edits, f, us, v, y, a, z, rects, t, ids, out):
    """Nearest hit of rays a to z of a row: depth (0 for sky) and body (-1 for sky)."""
    for x in range(a, z):
        t[x] = MISS
        ids[x] = -1
    for n in range(bodies.size):
        x0, x1 = max(rects[n, 0], a), min(rects[n, 1], z)
        if y < rects[n, 2] or y >= rects[n, 3] or x0 >= x1:
            continue
        piece, near, who = out[x0:x1], t[x0:x1], ids[x0:x1]
        _entries(bodies[n], edits, f, us[x0:x1], v, piece)
        for x in range(piece.size):
            closer = piece[x] > NEAR and piece[x] < near[x]
            who[x] = n if closer else who[x]
            near[x] = piece[x] if closer else near[x]
    for x in range(a, z):
        t[x] = t[x] if t[x] < MISS else ZERO


@jit
def _shadows(bodies, edits, f, us, v, y, a, z, rects, t, ids, lit, out):
    """1 where the light reaches hits a to z of a row, 0 where a body stands in its way."""
    for x in range(a, z):
        lit[x] = ONE
    for c in range(bodies.size):
        x0, x1 = max(rects[c, 0], a), min(rects[c, 1], z)
        if y < rects[c, 2] or y >= rects[c, 3] or x0 >= x1:
            continue
        b = bodies[c]
        own = np.int32(-2 if b.kind == VOXELS or b.carve1 > b.carve0 else c)
        piece, bright, who = out[x0:x1], lit[x0:x1], ids[x0:x1]
        _blocked(b, edits, f, us[x0:x1], v, t[x0:x1], piece)
        for x in range(piece.size):
            dark = piece[x] > -TOUCH and piece[x] < MISS and who[x] != own
            bright[x] = ZERO if dark else bright[x]


def _make_draw(stamp):
    """An entry point whose disk cache is keyed by `stamp`: numba itself watches one source file only."""

    @numba.njit(cache=True, nogil=True, error_model="numpy")
    def draw(
        bodies,
        frames,
        edits,
        chosen,
        windows,
        first,
        last,
        us,
        vs,
        samples,
        pitch,
        rects,
        casts,
        rgb,
        depth,
        ids,
    ):
        """Colour of windows[first:last] into rgb: the mean linear light of samples x samples rays, then
        the transfer curve. A window (i, x0, x1, y0, y1) holds pixels of rgb[i], which shows frame
        chosen[i]. Depth and ids are kept where their arrays have frames."""
        _ = stamp
        wide = us.size
        width = wide // samples
        t, out, lit = np.empty(wide, np.float32), np.empty(wide, np.float32), np.ones(wide, np.float32)
        who = np.empty(wide, np.int32)
        row, total = np.empty((3, wide), np.float32), np.empty((3, width), np.float32)
        share = ONE / np.float32(samples * samples)
        for w in range(first, last):
            i, left, right = windows[w, 0], windows[w, 1], windows[w, 2]
            f, a, z = chosen[i], left * samples, right * samples
            for yo in range(windows[w, 3], windows[w, 4]):
                total[:, left:right] = ZERO
                for y in range(yo * samples, (yo + 1) * samples):
                    _hits(bodies[f], edits, f, us, vs[y], y, a, z, rects[i], t, who, out)
                    if frames[f].shadow > ZERO:
                        _shadows(bodies[f], edits, f, us, vs[y], y, a, z, casts[i], t, who, lit, out)
                    kernel_shade.row(bodies[f], frames[f], edits, f, us, vs[y], pitch, t, who, lit, a, z, row)
                    if depth.shape[0] > 0:
                        for x in range(a, z):
                            depth[i, y, x] = t[x]
                            ids[i, y, x] = who[x]
                    for c in range(3):
                        for sx in range(samples):
                            for x in range(left, right):
                                total[c, x] += row[c, x * samples + sx]
                for c in range(3):
                    for x in range(left, right):
                        value = np.floor(np.sqrt(total[c, x] * share) * BYTE + HALF)
                        rgb[i, yo, x, c] = np.uint8(value if value < BYTE else BYTE)

    return draw


def _make_probe(stamp):
    """See _make_draw."""

    @numba.njit(cache=True, nogil=True, error_model="numpy")
    def probe(bodies, edits, chosen, windows, first, last, us, vs, rects, depth, ids):
        """Depth (0 for sky) and body of the rays us x vs of windows[first:last]; see draw.

        us [F, W] and vs [F, H] differ from frame to frame; depth and ids are [F, H, W].
        """
        _ = stamp
        out = np.empty(us.shape[1], np.float32)
        for w in range(first, last):
            i, a, z = windows[w, 0], windows[w, 1], windows[w, 2]
            f = chosen[i]
            for y in range(windows[w, 3], windows[w, 4]):
                _hits(bodies[f], edits, f, us[i], vs[i, y], y, a, z, rects[i], depth[i, y], ids[i, y], out)

    return probe


draw, probe = _make_draw(binding.stamp()), _make_probe(binding.stamp())
