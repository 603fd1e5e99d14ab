"""The arithmetic of one ray, written once for every backend.

Only + - * / sqrt floor, comparison and selection in float32, in a fixed order: whatever runs these
functions (numpy, a compiled kernel, torch) gets the same bits. A backend binds them to its own
`where`, `sqrt`, `floor`, `integer` and `real` with `bind`. A body is met in its own frame: `o` is the
eye and `d` the direction with unit depth, so every distance t is a depth along the optical axis.
"""

from __future__ import annotations

import hashlib
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

f32 = np.float32

ZERO, HALF, ONE, TWO, THREE = f32(0.0), f32(0.5), f32(1.0), f32(2.0), f32(3.0)
MISS = f32(1e30)
NEAR = f32(1e-3)
HORIZON = f32(500.0)
TINY = f32(1e-12)
TOUCH = f32(1e-3)
DIAGONAL = f32(0.70710678)
SKYLIGHT = f32(0.35)
LEVEL = f32(0.25)
FADE_FROM, FADE_SPAN = f32(1.25), f32(1.0)
GRAZE = f32(0.03)
DOT_RADIUS = f32(0.33)
MORTAR = f32(0.06)
UNIT16 = f32(1.0 / 65536.0)
BRICK_TONE, BRICK_SPAN = f32(0.72), f32(0.5)
OCTAVE_A, OCTAVE_B = f32(0.65), f32(0.35)
OCTAVE_STEP, OCTAVE_SHIFT = f32(2.03), f32(17.25)
TEXELS = f32(8.0)
RIM, RAGGED = f32(0.7), f32(0.15)
SKIN = f32(0.01)
MASK32 = 0xFFFFFFFF


VOXEL_A = f32([[0, 0, 0], [0.12, 0.32, 0.07], [0.18, 0.10, 0.05], [0.16, 0.16, 0.17], [0.62, 0.53, 0.31], [0.12, 0.07, 0.03], [0.03, 0.13, 0.03]])
VOXEL_B = f32([[0, 0, 0], [0.27, 0.52, 0.17], [0.32, 0.20, 0.12], [0.34, 0.34, 0.35], [0.82, 0.74, 0.50], [0.27, 0.17, 0.09], [0.10, 0.30, 0.09]])


def where(condition: Any, a: Any, b: Any) -> Any:
    """`a` where the condition holds, else `b`."""
    return np.where(condition, a, b)


def sqrt(x: Any) -> Any:
    """Correctly rounded square root."""
    return np.sqrt(x)


def floor(x: Any) -> Any:
    """Largest integer not above x, still a float."""
    return np.floor(x)


def integer(x: Any) -> Any:
    """A whole float as int64."""
    return np.asarray(x).astype(np.int64)


def real(x: Any) -> Any:
    """An integer as float32."""
    return np.asarray(x).astype(np.float32)


def lower(a: Any, b: Any) -> Any:
    return where(a < b, a, b)


def upper(a: Any, b: Any) -> Any:
    return where(a > b, a, b)


def clamp01(x: Any) -> Any:
    return lower(upper(x, ZERO), ONE)


def steer(d: Any) -> Any:
    """A direction component that may be divided by."""
    return where(abs(d) < TINY, TINY, d)


def sphere_interval(ox, oy, oz, dx, dy, dz, r2):
    """Entry and exit of a sphere around the origin, from the closest point: no cancellation far away.

    E. Haines et al., Precision improvements for ray/sphere intersection, Ray Tracing Gems (2019).
    """
    a = dx * dx + dy * dy + dz * dz
    tc = -(ox * dx + oy * dy + oz * dz) / a
    qx = ox + tc * dx
    qy = oy + tc * dy
    qz = oz + tc * dz
    h = r2 - (qx * qx + qy * qy + qz * qz)
    s = sqrt(upper(h, ZERO) / a)
    return where(h < ZERO, MISS, tc - s), where(h < ZERO, -MISS, tc + s)


def sphere_entry(ox, oy, oz, dx, dy, dz, r2):
    t0, _ = sphere_interval(ox, oy, oz, dx, dy, dz, r2)
    return t0


def box_interval(ox, oy, oz, dx, dy, dz, hx, hy, hz):
    """Entry and exit of a box: the latest of the slab entries, the earliest of the exits."""
    ix = ONE / steer(dx)
    iy = ONE / steer(dy)
    iz = ONE / steer(dz)
    ax = (-hx - ox) * ix
    bx = (hx - ox) * ix
    ay = (-hy - oy) * iy
    by = (hy - oy) * iy
    az = (-hz - oz) * iz
    bz = (hz - oz) * iz
    t0 = upper(upper(lower(ax, bx), lower(ay, by)), lower(az, bz))
    t1 = lower(lower(upper(ax, bx), upper(ay, by)), upper(az, bz))
    return where(t0 > t1, MISS, t0), where(t0 > t1, -MISS, t1)


def box_entry(ox, oy, oz, dx, dy, dz, hx, hy, hz):
    t0, _ = box_interval(ox, oy, oz, dx, dy, dz, hx, hy, hz)
    return t0


def tube_interval(ox, oz, dx, dz, r2):
    """Entry and exit of an infinite cylinder along y."""
    a = upper(dx * dx + dz * dz, TINY)
    tc = -(ox * dx + oz * dz) / a
    qx = ox + tc * dx
    qz = oz + tc * dz
    h = r2 - (qx * qx + qz * qz)
    s = sqrt(upper(h, ZERO) / a)
    return where(h < ZERO, MISS, tc - s), where(h < ZERO, -MISS, tc + s)


def cylinder_interval(ox, oy, oz, dx, dy, dz, r2, hy):
    """Entry and exit of a capped cylinder along y."""
    a0, a1 = tube_interval(ox, oz, dx, dz, r2)
    iy = ONE / steer(dy)
    ay = (-hy - oy) * iy
    by = (hy - oy) * iy
    t0 = upper(a0, lower(ay, by))
    t1 = lower(a1, upper(ay, by))
    return where(t0 > t1, MISS, t0), where(t0 > t1, -MISS, t1)


def cylinder_entry(ox, oy, oz, dx, dy, dz, r2, hy):
    t0, _ = cylinder_interval(ox, oy, oz, dx, dy, dz, r2, hy)
    return t0


def capsule_entry(ox, oy, oz, dx, dy, dz, r2, hy):
    """Entry of a capsule along y: a ray that enters the tube beyond an end must meet that end's cap."""
    a0, _ = tube_interval(ox, oz, dx, dz, r2)
    y = oy + where(a0 < MISS, a0, ZERO) * dy
    end = where(y > ZERO, hy, -hy)
    cap = sphere_entry(ox, oy - end, oz, dx, dy, dz, r2)
    t = where(abs(y) > hy, cap, a0)
    return where(a0 < MISS, t, MISS)


def plane_entry(oy, dy):
    """Depth of the plane y = 0, seen from both sides; beyond the horizon there is sky."""
    t = -oy / steer(dy)
    return where((t > NEAR) & (t < HORIZON), t, MISS)


def box_face(px, py, pz, hx, hy, hz):
    """The axis whose face a surface point lies on."""
    ex = abs(px) - hx
    ey = abs(py) - hy
    ez = abs(pz) - hz
    return where((ex >= ey) & (ex >= ez), 0, where(ey >= ez, 1, 2))


def cylinder_capped(px, py, pz, r, hy):
    """True where a surface point of a cylinder lies on a cap."""
    side = (px * px + pz * pz - r * r) / (TWO * r)
    return abs(py) - hy > side


def sign_of(x):
    return where(x < ZERO, -ONE, ONE)


def hash3(x, y, z):
    """16 random bits of a lattice point as a number in [0, 1). Integers wrap at 64 bits everywhere."""
    h = (x * 374761393 + y * 668265263 + z * 2147483629) & MASK32
    h = ((h ^ (h >> 13)) * 1274126177) & MASK32
    h = h ^ (h >> 16)
    return real(h & 65535) * UNIT16


def mix(a, b, w):
    return a + w * (b - a)


def smooth(x):
    return x * x * (THREE - TWO * x)


def value_noise(x, y, z):
    """Trilinear value noise in [0, 1), smoothed."""
    fx = floor(x)
    fy = floor(y)
    fz = floor(z)
    wx = smooth(x - fx)
    wy = smooth(y - fy)
    wz = smooth(z - fz)
    ix = integer(fx)
    iy = integer(fy)
    iz = integer(fz)
    a = mix(hash3(ix, iy, iz), hash3(ix + 1, iy, iz), wx)
    b = mix(hash3(ix, iy + 1, iz), hash3(ix + 1, iy + 1, iz), wx)
    c = mix(hash3(ix, iy, iz + 1), hash3(ix + 1, iy, iz + 1), wx)
    d = mix(hash3(ix, iy + 1, iz + 1), hash3(ix + 1, iy + 1, iz + 1), wx)
    return mix(mix(a, b, wy), mix(c, d, wy), wz)


def fade(foot):
    """Contrast left when a pixel covers `foot` cells: all below 1/4, none above 5/4."""
    return clamp01((FADE_FROM - foot) / FADE_SPAN)


def wave(x, foot):
    """A square wave of cells of width 1 in [-1, 1] whose edges are as soft as the footprint."""
    cell = floor(x)
    f = x - cell
    odd = cell - TWO * floor(cell * HALF)
    m = lower(ONE, lower(f, ONE - f) / upper(HALF * foot, GRAZE))
    return where(odd > HALF, -m, m)


def checker(x, y, z, foot):
    """Weight of the second colour."""
    s = wave(x, foot) * wave(y, foot) * wave(z, foot)
    return HALF - HALF * s * fade(foot)


def stripe(x, y, z, foot):
    """Weight of the second colour: bands across the diagonal, one cell wide."""
    return HALF - HALF * wave((x + y + z) * DIAGONAL, foot) * fade(foot)


def noise(x, y, z, foot):
    """Weight of the second colour: two octaves of value noise."""
    a = value_noise(x, y, z) - HALF
    b = value_noise(x * OCTAVE_STEP + OCTAVE_SHIFT, y * OCTAVE_STEP, z * OCTAVE_STEP) - HALF
    return clamp01(HALF + (a * OCTAVE_A + b * OCTAVE_B * fade(foot * TWO)) * TWO * fade(foot))


def dots(x, y, z, foot):
    """Weight of the second colour: one ball per cell."""
    fx = x - floor(x) - HALF
    fy = y - floor(y) - HALF
    fz = z - floor(z) - HALF
    edge = DOT_RADIUS - sqrt(fx * fx + fy * fy + fz * fz)
    inside = clamp01(HALF + edge / upper(foot, GRAZE))
    return inside * fade(foot)


def brick(u, v, foot):
    """Weight of the mortar and tone of the brick: courses one cell high, bricks two cells long."""
    row = floor(v)
    odd = row - TWO * floor(row * HALF)
    s = u * HALF + odd * HALF
    column = floor(s)
    fu = (s - column) * TWO
    fv = v - row
    edge = lower(lower(fu, TWO - fu), lower(fv, ONE - fv))
    joint = clamp01(HALF + (MORTAR - edge) / upper(foot, GRAZE))
    tone = hash3(integer(column), integer(row), 7)
    return joint * fade(foot), ONE + (BRICK_TONE + BRICK_SPAN * tone - ONE) * fade(foot)


def daylight(ambient, lambert, lit, up):
    """Light on a surface: the ambient share, a little brighter from above, and the sun. 1 at ambient 1."""
    rest = ONE - ambient
    return ambient * (ONE + rest * SKYLIGHT * (up - LEVEL)) + rest * lambert * lit


def highlight(nh, h2):
    """Blinn's highlight (cos^2)^16 = cos^32 of the half vector's angle, by squaring."""
    c = lower(nh * nh / upper(h2, TINY), ONE)
    c2 = c * c
    c4 = c2 * c2
    c8 = c4 * c4
    return where(nh > ZERO, c8 * c8, ZERO)


def haze(fog2, distance2):
    """Share of the horizon's colour at a distance: half at 1 / fog."""
    d = fog2 * distance2
    return d / (ONE + d)


def sky_weight(e):
    """Share of the zenith's colour at the sine `e` of the elevation: a bright band at the horizon."""
    e = clamp01(e)
    return e * (TWO - e)


def brick_u(x, z, axis):
    """Horizontal brick coordinate on the face of an axis (3: a curved side)."""
    return where(axis == 0, z, where(axis == 3, x + z, x))


def brick_v(y, z, axis):
    """Vertical brick coordinate on the face of an axis."""
    return where(axis == 1, z, y)


def cell_of(p, edge, half, count):
    """Cell index along one axis of a point in a grid centred on the origin, kept inside the grid."""
    i = integer(floor(p / edge + half))
    i = where(i < 0, 0, i)
    return where(i > count - 1, count - 1, i)


def cell_exit(i, o, d, edge, half):
    """Depth at which a ray leaves cell `i` along one axis."""
    s = steer(d)
    bound = (real(i) + where(s > ZERO, ONE, ZERO) - half) * edge
    return (bound - o) / s


def cell_step(d):
    """Which neighbour a ray enters along one axis."""
    return where(steer(d) > ZERO, 1, -1)


def first_axis(tx, ty, tz):
    """The axis with the smallest value, the first of equals."""
    return where((tx <= ty) & (tx <= tz), 0, where(ty <= tz, 1, 2))


def last_axis(tx, ty, tz):
    """The axis with the largest value, the first of equals."""
    return where((tx >= ty) & (tx >= tz), 0, where(ty >= tz, 1, 2))


def slab_entry(o, d, h):
    """Where a ray enters the slab [-h, h] of one axis."""
    i = ONE / steer(d)
    return lower((-h - o) * i, (h - o) * i)


def texel_hash(px, py, pz, edge):
    """Random tone of the texel a point of a voxel lies in."""
    k = TEXELS / edge
    return hash3(integer(floor(px * k)), integer(floor(py * k)), integer(floor(pz * k)))


def turf(material, axis, ny, height, tone):
    """Grass shows its own colour on top and as a ragged rim on the sides; below it is dirt."""
    rim = (axis != 1) & (height > RIM + RAGGED * tone)
    top = (axis == 1) & (ny > ZERO)
    return where(material == 1, where(rim | top, 1, 2), material)


def grain(tone, foot):
    """Weight of a voxel material's second colour."""
    return HALF + (tone - HALF) * fade(foot)


def stamp() -> str:
    """sha256 of every source a compiled kernel is made of: a changed formula must not meet an old cache."""
    h = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("kernel*.py")) + [Path(__file__)]:
        h.update(path.read_bytes())
    return h.hexdigest()


BASE = ("where", "sqrt", "floor", "integer", "real")


def bind(base: Mapping[str, Any], wrap: Callable[[Any], Any], number: Callable[[Any], Any]) -> Any:
    """These formulas over another arithmetic: `base` gives BASE, `wrap` compiles, `number` makes constants."""
    scope: dict[str, Any] = {}
    for name, value in globals().items():
        if isinstance(value, np.float32):
            scope[name] = number(value)
    scope |= {"MASK32": MASK32, "VOXEL_A": VOXEL_A, "VOXEL_B": VOXEL_B}
    scope.update(base)
    for name, value in globals().items():
        if isinstance(value, types.FunctionType) and value.__module__ == __name__ and name not in (*BASE, "bind", "stamp"):
            scope[name] = wrap(types.FunctionType(value.__code__, scope, name))
    module = types.ModuleType("formulas")
    module.__dict__.update(scope)
    return module
