"""Colour of a hit in the compiled backend: surface, pattern, light, haze."""

from __future__ import annotations

from simbench.worlds.kernel_base import F, jit
from simbench.worlds.kernel_march import carve_march, voxel_march

PLANE, SPHERE, BOX, CAPSULE, CYLINDER, VOXELS = range(6)
FLAT, CHECKER, STRIPE, NOISE, BRICK, DOTS = range(6)
MISS, NEAR, ZERO, HALF, ONE, TWO = F.MISS, F.NEAR, F.ZERO, F.HALF, F.ONE, F.TWO
GRAZE, SKIN, TEXELS = F.GRAZE, F.SKIN, F.TEXELS
VOXEL_A, VOXEL_B = F.VOXEL_A, F.VOXEL_B


@jit
def _normal(tb, f, n, px, py, pz):
    """Outward normal of an uncarved body at a surface point, and the axis of its flat face (3: curved)."""
    kind = tb.kind[n]
    sx, sy, sz = tb.size[f, n, 0], tb.size[f, n, 1], tb.size[f, n, 2]
    if kind == PLANE:
        return ZERO, F.sign_of(tb.eye[f, n, 1]), ZERO, 1
    if kind == SPHERE:
        return px / sx, py / sx, pz / sx, 3
    if kind == BOX:
        axis = F.box_face(px, py, pz, sx, sy, sz)
        nx = F.sign_of(px) if axis == 0 else ZERO
        ny = F.sign_of(py) if axis == 1 else ZERO
        nz = F.sign_of(pz) if axis == 2 else ZERO
        return nx, ny, nz, axis
    if kind == CAPSULE:
        end = F.lower(F.upper(py, -sy), sy)
        return px / sx, (py - end) / sx, pz / sx, 3
    if F.cylinder_capped(px, py, pz, sx, sy):
        return ZERO, F.sign_of(py), ZERO, 1
    return px / sx, ZERO, pz / sx, 3


@jit
def _painted(tb, f, n, px, py, pz, axis, sign):
    """The stroke that covers a point of a face in frame f, the latest painted one, or -1."""
    best, latest = -1, -1
    for s in range(tb.stroke_span[n, 0], tb.stroke_span[n, 1]):
        if tb.stroke_face[s, 0] != axis or F.real(tb.stroke_face[s, 1]) != sign:
            continue
        u = F.brick_u(px, pz, axis)
        v = F.brick_v(py, pz, axis)
        side = tb.stroke_frame.shape[1]
        i = F.floor((u - tb.stroke_map[s, 0]) * tb.stroke_map[s, 2])
        j = F.floor((v - tb.stroke_map[s, 1]) * tb.stroke_map[s, 2])
        if i < ZERO or j < ZERO or i >= tb.stroke_map[s, 3] or j >= tb.stroke_map[s, 3] or side == 0:
            continue
        when = tb.stroke_frame[s, F.integer(j), F.integer(i)]
        if when <= f and when >= latest:
            latest = when
            best = s
    return best


@jit
def _pattern(tb, f, n, px, py, pz, axis, foot):
    """Linear colour of a body's own material at a point."""
    texture, scale = tb.texture[n], tb.scale[n]
    r, g, b = tb.colour[f, n, 0], tb.colour[f, n, 1], tb.colour[f, n, 2]
    if texture == FLAT:
        return r, g, b
    qx = HALF if axis == 0 else (px + tb.offset[f, n, 0]) / scale
    qy = HALF if axis == 1 else (py + tb.offset[f, n, 1]) / scale
    qz = HALF if axis == 2 else (pz + tb.offset[f, n, 2]) / scale
    size = foot / scale
    tone = ONE
    if texture == CHECKER:
        w = F.checker(qx, qy, qz, size)
    elif texture == STRIPE:
        w = F.stripe(qx, qy, qz, size)
    elif texture == NOISE:
        w = F.noise(qx, qy, qz, size)
    elif texture == BRICK:
        w, tone = F.brick(F.brick_u(qx, qz, axis), F.brick_v(qy, qz, axis), size)
    else:
        w = F.dots(qx, qy, qz, size)
    r = F.mix(r * tone, tb.other[f, n, 0], w)
    g = F.mix(g * tone, tb.other[f, n, 1], w)
    b = F.mix(b * tone, tb.other[f, n, 2], w)
    return r, g, b


@jit
def _voxel(tb, f, n, px, py, pz, axis, ny, material, foot):
    """Linear colour of a voxel's texel."""
    edge = tb.size[f, n, 0]
    qy = py / edge + F.real(tb.grid_shape[n, 1]) * HALF
    tone = F.texel_hash(px, py, pz, edge)
    kind = F.turf(material, axis, ny, qy - F.floor(qy), tone)
    w = F.grain(tone, foot * TEXELS / edge)
    r = F.mix(VOXEL_A[kind, 0], VOXEL_B[kind, 0], w)
    g = F.mix(VOXEL_A[kind, 1], VOXEL_B[kind, 1], w)
    b = F.mix(VOXEL_A[kind, 2], VOXEL_B[kind, 2], w)
    return r, g, b


@jit
def _hit(tb, f, n, t, u, v, far, pitch, lit):
    """Linear colour of one hit; `far` is the length of the ray's direction."""
    ox, oy, oz = tb.eye[f, n, 0], tb.eye[f, n, 1], tb.eye[f, n, 2]
    dx = tb.ez[f, n, 0] + v * tb.ey[f, n, 0] + u * tb.ex[f, n, 0]
    dy = tb.ez[f, n, 1] + v * tb.ey[f, n, 1] + u * tb.ex[f, n, 1]
    dz = tb.ez[f, n, 2] + v * tb.ey[f, n, 2] + u * tb.ex[f, n, 2]
    px, py, pz = ox + t * dx, oy + t * dy, oz + t * dz
    foot = t * pitch
    lx, ly, lz = tb.sun[f, n, 0], tb.sun[f, n, 1], tb.sun[f, n, 2]
    wall, material = -1, 0
    if tb.kind[n] == VOXELS:
        _, axis, material = voxel_march(tb, f, n, ox, oy, oz, dx, dy, dz, NEAR)
        nx = -F.sign_of(dx) if axis == 0 else ZERO
        ny = -F.sign_of(dy) if axis == 1 else ZERO
        nz = -F.sign_of(dz) if axis == 2 else ZERO
    else:
        if tb.carve_span[n, 1] > tb.carve_span[n, 0]:
            _, wall = carve_march(tb, f, n, ox, oy, oz, dx, dy, dz, NEAR)
        if wall >= 0:
            k = tb.carve_ball[wall, 3]
            nx = (tb.carve_ball[wall, 0] - px) / k
            ny = (tb.carve_ball[wall, 1] - py) / k
            nz = (tb.carve_ball[wall, 2] - pz) / k
            axis = 3
        else:
            nx, ny, nz, axis = _normal(tb, f, n, px, py, pz)
    facing = F.upper(-(nx * dx + ny * dy + nz * dz) / far, GRAZE)
    broad = foot / F.sqrt(facing)
    if material > 0:
        depth = tb.size[f, n, 0] * SKIN
        sx, sy, sz = px - nx * depth, py - ny * depth, pz - nz * depth
        r, g, b = _voxel(tb, f, n, sx, sy, sz, axis, ny, material, broad)
    elif wall >= 0:
        r, g, b = tb.inner[n, 0], tb.inner[n, 1], tb.inner[n, 2]
    else:
        r, g, b = _pattern(tb, f, n, px, py, pz, axis, broad)
        if tb.stroke_span[n, 1] > tb.stroke_span[n, 0]:
            s = _painted(tb, f, n, px, py, pz, axis, nx + ny + nz)
            if s >= 0:
                r, g, b = tb.stroke_colour[s, 0], tb.stroke_colour[s, 1], tb.stroke_colour[s, 2]
    lambert = F.upper(nx * lx + ny * ly + nz * lz, ZERO)
    up = nx * tb.up[f, n, 0] + ny * tb.up[f, n, 1] + nz * tb.up[f, n, 2]
    shade = F.daylight(tb.light[0], lambert, lit, up)
    shine = ZERO
    if tb.specular[n] > ZERO and lambert > ZERO and wall < 0:
        hx, hy, hz = lx - dx / far, ly - dy / far, lz - dz / far
        nh = nx * hx + ny * hy + nz * hz
        shine = tb.specular[n] * lit * F.highlight(nh, hx * hx + hy * hy + hz * hz)
    return r * shade + shine, g * shade + shine, b * shade + shine


@jit
def row(tb, f, us, v, pitch, t, ids, lit, out):
    """Linear colour [3, W] of a row of rays."""
    fog = tb.light[2]
    s, z = tb.sky[0], tb.sky[1]
    rx, ry, rz = tb.rise[f, 0], tb.rise[f, 1], tb.rise[f, 2]
    for x in range(us.size):
        u = us[x]
        length2 = ONE + v * v + u * u
        far = F.sqrt(length2)
        n = ids[x]
        if n < 0:
            w = F.sky_weight((rz + v * ry + u * rx) / far)
            out[0, x] = F.mix(s[0], z[0], w)
            out[1, x] = F.mix(s[1], z[1], w)
            out[2, x] = F.mix(s[2], z[2], w)
            continue
        r, g, b = _hit(tb, f, n, t[x], u, v, far, pitch, lit[x])
        if fog > ZERO:
            w = F.haze(fog, t[x] * t[x] * length2)
            r, g, b = F.mix(r, s[0], w), F.mix(g, s[1], w), F.mix(b, s[2], w)
        out[0, x] = r
        out[1, x] = g
        out[2, x] = b
