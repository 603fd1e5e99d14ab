"""The arithmetic of one ray, written once for every backend.

Only + - * / sqrt floor, comparison and selection in float32, in a fixed order: whatever runs these
functions (numpy, a compiled kernel, torch) gets the same bits. A backend binds them and those of
`patterns` to its own `where`, `sqrt`, `floor`, `integer` and `real` with `binding.bind`. A body is met
in its own frame: `o` is the eye and `d` the direction with unit depth, so every distance t is a depth
along the optical axis.
"""

from __future__ import annotations

from typing import Any

import numpy as np

f32 = np.float32

ZERO, HALF, ONE, TWO, THREE = f32(0.0), f32(0.5), f32(1.0), f32(2.0), f32(3.0)
MISS = f32(1e30)
NEAR = f32(1e-3)
HORIZON = f32(500.0)
TINY = f32(1e-12)
TOUCH = f32(1e-3)


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
    """The smaller of two."""
    return where(a < b, a, b)


def upper(a: Any, b: Any) -> Any:
    """The larger of two."""
    return where(a > b, a, b)


def clamp01(x: Any) -> Any:
    """Kept within [0, 1]."""
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
    """Entry of a sphere around the origin."""
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
    """Entry of a box around the origin."""
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
    """Entry of a capped cylinder along y."""
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
    """1 or -1; 1 at zero."""
    return where(x < ZERO, -ONE, ONE)


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
