"""The benchmark scene as a Warp kernel (Warp compiles functions from their source file)."""

import warp as wp

MISS = wp.constant(1.0e30)


@wp.func
def entry(kind: int, s: wp.vec3, o: wp.vec3, d: wp.vec3) -> float:
    if kind == 0:
        t = -o[1] / d[1]
        return wp.where(t > 1.0e-3 and t < 500.0, t, MISS)
    if kind == 1:
        a, b = wp.dot(d, d), wp.dot(o, d)
        h = b * b - a * (wp.dot(o, o) - s[0] * s[0])
        return wp.where(h < 0.0, MISS, (-b - wp.sqrt(wp.max(h, 0.0))) / a)
    if kind == 2:
        i = wp.vec3(1.0 / d[0], 1.0 / d[1], 1.0 / d[2])
        lo, hi = wp.cw_mul(-s - o, i), wp.cw_mul(s - o, i)
        near, far = wp.min(lo, hi), wp.max(lo, hi)
        t0 = wp.max(wp.max(near[0], near[1]), near[2])
        t1 = wp.min(wp.min(far[0], far[1]), far[2])
        return wp.where(t0 > t1, MISS, t0)
    a = wp.max(d[0] * d[0] + d[2] * d[2], 1.0e-12)
    b = o[0] * d[0] + o[2] * d[2]
    h = b * b - a * (o[0] * o[0] + o[2] * o[2] - s[0] * s[0])
    if h < 0.0:
        return MISS
    root = wp.sqrt(h)
    side = (-b - root) / a
    y = o[1] + side * d[1]
    if kind == 3:
        if wp.abs(y) <= s[1]:
            return side
        c = wp.vec3(o[0], o[1] - wp.where(y > 0.0, s[1], -s[1]), o[2])
        a2, b2 = wp.dot(d, d), wp.dot(c, d)
        h2 = b2 * b2 - a2 * (wp.dot(c, c) - s[0] * s[0])
        return wp.where(h2 < 0.0, MISS, (-b2 - wp.sqrt(wp.max(h2, 0.0))) / a2)
    lo1, hi1 = (-s[1] - o[1]) / d[1], (s[1] - o[1]) / d[1]
    t2, t3 = wp.max(side, wp.min(lo1, hi1)), wp.min((-b + root) / a, wp.max(lo1, hi1))
    return wp.where(t2 > t3, MISS, t2)


@wp.func
def outward(kind: int, s: wp.vec3, p: wp.vec3) -> wp.vec3:
    if kind == 0:
        return wp.vec3(0.0, 1.0, 0.0)
    if kind == 1:
        return p / s[0]
    if kind == 2:
        x, y, z = wp.abs(p[0]) - s[0], wp.abs(p[1]) - s[1], wp.abs(p[2]) - s[2]
        if x >= y and x >= z:
            return wp.vec3(wp.sign(p[0]), 0.0, 0.0)
        if y >= z:
            return wp.vec3(0.0, wp.sign(p[1]), 0.0)
        return wp.vec3(0.0, 0.0, wp.sign(p[2]))
    if kind == 3:
        return wp.vec3(p[0], p[1] - wp.clamp(p[1], -s[1], s[1]), p[2]) / s[0]
    if wp.abs(p[1]) - s[1] > -1.0e-4:
        return wp.vec3(0.0, wp.sign(p[1]), 0.0)
    return wp.vec3(p[0] / s[0], 0.0, p[2] / s[0])


@wp.kernel
def draw(
    kind: wp.array(dtype=wp.int32),
    size: wp.array(dtype=wp.vec3),
    place: wp.array(dtype=wp.vec3),
    turn: wp.array(dtype=wp.mat33),
    colour: wp.array(dtype=wp.vec3),
    eye: wp.vec3,
    axes: wp.mat33,
    sun: wp.vec3,
    pitch: float,
    rgb: wp.array2d(dtype=wp.vec3),
    depth: wp.array2d(dtype=wp.float32),
    ids: wp.array2d(dtype=wp.int32),
):
    i, j = wp.tid()
    half = 0.5 * float(rgb.shape[0])
    local = wp.vec3((float(j) + 0.5 - half) * pitch, (float(i) + 0.5 - half) * pitch, 1.0)
    way = wp.transpose(axes) * local
    best, who = float(MISS), int(-1)  # noqa: RUF046, UP018 (Warp needs variables, not constants)
    for n in range(kind.shape[0]):
        back = wp.transpose(turn[n])
        t = entry(kind[n], size[n], back * (eye - place[n]), back * way)
        if t > 1.0e-3 and t < best:
            best, who = t, n
    ids[i, j] = who
    if who < 0:
        depth[i, j] = 0.0
        rgb[i, j] = wp.vec3(0.5, 0.6, 0.8)
        return
    depth[i, j] = best
    point = eye + best * way
    back = wp.transpose(turn[who])
    inside = back * (point - place[who])
    normal = turn[who] * outward(kind[who], size[who], inside)
    lit = float(1.0)  # noqa: UP018
    for n in range(kind.shape[0]):
        if n != who and kind[n] != 0:
            other = wp.transpose(turn[n])
            t = entry(kind[n], size[n], other * (point - place[n]), other * sun)
            if t > -1.0e-3 and t < MISS:
                lit = 0.0
    cells = wp.floor(inside[0] * 5.0) + wp.floor(inside[1] * 5.0) + wp.floor(inside[2] * 5.0)
    odd = cells - 2.0 * wp.floor(cells * 0.5)
    shade = 0.45 + 0.55 * wp.max(wp.dot(normal, sun), 0.0) * lit
    rgb[i, j] = colour[who] * (1.0 - 0.4 * odd) * shade
