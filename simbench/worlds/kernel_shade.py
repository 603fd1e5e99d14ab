"""Colour of a hit in the compiled backend: surface, pattern, light, haze."""

from __future__ import annotations

from simbench.worlds.kernel_base import F, inlined, jit
from simbench.worlds.kernel_march import carve_march, voxel_march

PLANE, SPHERE, BOX, CAPSULE, CYLINDER, VOXELS = range(6)
FLAT, CHECKER, STRIPE, NOISE, BRICK, DOTS = range(6)
MISS, NEAR, ZERO, HALF, ONE, TWO = F.MISS, F.NEAR, F.ZERO, F.HALF, F.ONE, F.TWO
GRAZE, SKIN, TEXELS = F.GRAZE, F.SKIN, F.TEXELS
VOXEL_A, VOXEL_B = F.VOXEL_A, F.VOXEL_B


@jit
def _normal(b, px, py, pz):
    """Outward normal of an uncarved body at a surface point, and the axis of its flat face (3: curved)."""
    if b.kind == PLANE:
        return ZERO, F.sign_of(b.oy), ZERO, 1
    if b.kind == SPHERE:
        return px / b.sx, py / b.sx, pz / b.sx, 3
    if b.kind == BOX:
        axis = F.box_face(px, py, pz, b.sx, b.sy, b.sz)
        nx = F.sign_of(px) if axis == 0 else ZERO
        ny = F.sign_of(py) if axis == 1 else ZERO
        nz = F.sign_of(pz) if axis == 2 else ZERO
        return nx, ny, nz, axis
    if b.kind == CAPSULE:
        end = F.lower(F.upper(py, -b.sy), b.sy)
        return px / b.sx, (py - end) / b.sx, pz / b.sx, 3
    if F.cylinder_capped(px, py, pz, b.sx, b.sy):
        return ZERO, F.sign_of(py), ZERO, 1
    return px / b.sx, ZERO, pz / b.sx, 3


@jit
def _painted(b, edits, f, px, py, pz, axis, sign):
    """The stroke that covers a point of a face in frame f, the latest painted one, or -1."""
    best, latest = -1, -1
    u = F.brick_u(px, pz, axis)
    v = F.brick_v(py, pz, axis)
    for s in range(b.stroke0, b.stroke1):
        face = edits.strokes[s]
        if face.axis != axis or face.sign != sign:
            continue
        i = F.floor((u - face.u) * face.density)
        j = F.floor((v - face.v) * face.density)
        if i >= ZERO and j >= ZERO and i < face.side and j < face.side:
            when = edits.painted[s, F.integer(j), F.integer(i)]
            if when <= f and when >= latest:
                latest = when
                best = s
    return best


@jit
def _weight(b, px, py, pz, axis, foot):
    """Weight of the second colour and tone of the first, for a body's texture at a point."""
    qx = HALF if axis == 0 else (px + b.tx) / b.scale
    qy = HALF if axis == 1 else (py + b.ty) / b.scale
    qz = HALF if axis == 2 else (pz + b.tz) / b.scale
    size = foot / b.scale
    if b.texture == CHECKER:
        return F.checker(qx, qy, qz, size), ONE
    if b.texture == STRIPE:
        return F.stripe(qx, qy, qz, size), ONE
    if b.texture == NOISE:
        return F.noise(qx, qy, qz, size), ONE
    if b.texture == BRICK:
        return F.brick(F.brick_u(qx, qz, axis), F.brick_v(qy, qz, axis), size)
    return F.dots(qx, qy, qz, size), ONE


@jit
def _voxel(b, px, py, pz, axis, ny, material, foot):
    """Weight of the second colour of a voxel's texel and the row of its material."""
    height = py / b.sx + F.real(b.ny) * HALF
    tone = F.texel_hash(px, py, pz, b.sx)
    return F.grain(tone, foot * TEXELS / b.sx), F.turf(material, axis, ny, height - F.floor(height), tone)


@inlined
def _hit(b, edits, f, t, u, v, far, pitch, ambient, lit):
    """Linear colour of one hit; `far` is the length of the ray's direction."""
    dx = b.zx + v * b.yx + u * b.xx
    dy = b.zy + v * b.yy + u * b.xy
    dz = b.zz + v * b.yz + u * b.xz
    px, py, pz = b.ox + t * dx, b.oy + t * dy, b.oz + t * dz
    wall, material = -1, 0
    if b.kind == VOXELS:
        _, axis, material = voxel_march(b, edits.cells, b.ox, b.oy, b.oz, dx, dy, dz, NEAR)
        nx = -F.sign_of(dx) if axis == 0 else ZERO
        ny = -F.sign_of(dy) if axis == 1 else ZERO
        nz = -F.sign_of(dz) if axis == 2 else ZERO
    else:
        nx, ny, nz, axis = _normal(b, px, py, pz)
        if b.carve1 > b.carve0:
            _, wall = carve_march(b, edits.carves, f, b.ox, b.oy, b.oz, dx, dy, dz, NEAR)
            if wall >= 0:
                ball = edits.carves[wall]
                nx = (ball.x - px) / ball.radius
                ny = (ball.y - py) / ball.radius
                nz = (ball.z - pz) / ball.radius
    foot = ZERO
    if material > 0 or b.texture != FLAT:
        foot = t * pitch / F.sqrt(F.upper(-(nx * dx + ny * dy + nz * dz) / far, GRAZE))
    r, g, c = b.r0, b.g0, b.b0
    if wall >= 0:
        r, g, c = b.r2, b.g2, b.b2
    elif material > 0:
        k = b.sx * SKIN
        w, row = _voxel(b, px - nx * k, py - ny * k, pz - nz * k, axis, ny, material, foot)
        r = F.mix(VOXEL_A[row, 0], VOXEL_B[row, 0], w)
        g = F.mix(VOXEL_A[row, 1], VOXEL_B[row, 1], w)
        c = F.mix(VOXEL_A[row, 2], VOXEL_B[row, 2], w)
    elif b.texture != FLAT:
        w, tone = _weight(b, px, py, pz, axis, foot)
        r, g, c = F.mix(r * tone, b.r1, w), F.mix(g * tone, b.g1, w), F.mix(c * tone, b.b1, w)
    if wall < 0 and b.stroke1 > b.stroke0:
        s = _painted(b, edits, f, px, py, pz, axis, nx + ny + nz)
        if s >= 0:
            r, g, c = edits.strokes[s].r, edits.strokes[s].g, edits.strokes[s].b
    lambert = F.upper(nx * b.lx + ny * b.ly + nz * b.lz, ZERO)
    shade = F.daylight(ambient, lambert, lit, nx * b.ux + ny * b.uy + nz * b.uz)
    shine = ZERO
    if b.specular > ZERO and lambert > ZERO and wall < 0:
        hx, hy, hz = b.lx - dx / far, b.ly - dy / far, b.lz - dz / far
        nh = nx * hx + ny * hy + nz * hz
        shine = b.specular * lit * F.highlight(nh, hx * hx + hy * hy + hz * hz)
    return r * shade + shine, g * shade + shine, c * shade + shine


@jit
def _sky(frame, us, v, x0, x1, out):
    """Linear colour of the sky in columns x0 to x1."""
    for x in range(x0, x1):
        u = us[x]
        w = F.sky_weight((frame.rz + v * frame.ry + u * frame.rx) / F.sqrt(ONE + v * v + u * u))
        out[0, x] = F.mix(frame.r0, frame.r1, w)
        out[1, x] = F.mix(frame.g0, frame.g1, w)
        out[2, x] = F.mix(frame.b0, frame.b1, w)


@jit
def _run(b, frame, edits, f, us, v, pitch, t, lit, x0, x1, out):
    """Linear colour of columns x0 to x1, which all show the body b."""
    fog2, ambient = frame.fog2, frame.ambient
    for x in range(x0, x1):
        u = us[x]
        length2 = ONE + v * v + u * u
        r, g, c = _hit(b, edits, f, t[x], u, v, F.sqrt(length2), pitch, ambient, lit[x])
        if fog2 > ZERO:
            w = F.haze(fog2, t[x] * t[x] * length2)
            r, g, c = F.mix(r, frame.r0, w), F.mix(g, frame.g0, w), F.mix(c, frame.b0, w)
        out[0, x] = r
        out[1, x] = g
        out[2, x] = c


@jit
def row(bodies, frame, edits, f, us, v, pitch, t, ids, lit, a, z, out):
    """Linear colour [3, W] of rays a to z of a row, one run of equal bodies after the other."""
    x0 = a
    while x0 < z:
        n = ids[x0]
        x1 = x0 + 1
        while x1 < z and ids[x1] == n:
            x1 += 1
        if n < 0:
            _sky(frame, us, v, x0, x1, out)
        else:
            _run(bodies[n], frame, edits, f, us, v, pitch, t, lit, x0, x1, out)
        x0 = x1
