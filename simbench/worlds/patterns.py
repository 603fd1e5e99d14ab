"""The arithmetic of colour, under the rules of `formulas`: hashes, noise, textures, light and haze.

Textures are solid: x, y, z are in cells of the pattern, and `foot` is how many cells a pixel covers, so
that edges soften and contrast fades before they could shimmer.
"""

from __future__ import annotations

import numpy as np

from simbench.worlds.formulas import (
    HALF,
    ONE,
    THREE,
    TINY,
    TWO,
    ZERO,
    clamp01,
    f32,
    floor,
    integer,
    lower,
    real,
    sqrt,
    upper,
    where,
)

SKYLIGHT = f32(0.35)
LEVEL = f32(0.25)
FADE_FROM, FADE_SPAN = f32(1.25), f32(1.0)
GRAZE = f32(0.03)
EDGE = f32(0.004)
DOT_RADIUS = f32(0.33)
MORTAR = f32(0.06)
UNIT16 = f32(1.0 / 65536.0)
BRICK_TONE, BRICK_SPAN = f32(0.72), f32(0.5)
OCTAVE_A, OCTAVE_B = f32(0.65), f32(0.35)
OCTAVE_STEP, OCTAVE_SHIFT = f32(2.03), f32(17.25)
DIAGONAL = f32(0.70710678)
TEXELS = f32(8.0)
RIM, RAGGED = f32(0.7), f32(0.15)
SKIN = f32(0.01)
MASK32 = 0xFFFFFFFF

VOXEL_A = np.array(
    [
        [0, 0, 0],
        [0.12, 0.32, 0.07],
        [0.18, 0.10, 0.05],
        [0.16, 0.16, 0.17],
        [0.62, 0.53, 0.31],
        [0.12, 0.07, 0.03],
        [0.03, 0.13, 0.03],
    ],
    dtype=np.float32,
)
VOXEL_B = np.array(
    [
        [0, 0, 0],
        [0.27, 0.52, 0.17],
        [0.32, 0.20, 0.12],
        [0.34, 0.34, 0.35],
        [0.82, 0.74, 0.50],
        [0.27, 0.17, 0.09],
        [0.10, 0.30, 0.09],
    ],
    dtype=np.float32,
)


def hash3(x, y, z):
    """16 random bits of a lattice point as a number in [0, 1). Integers wrap at 64 bits everywhere."""
    h = (x * 374761393 + y * 668265263 + z * 2147483629) & MASK32
    h = ((h ^ (h >> 13)) * 1274126177) & MASK32
    h = h ^ (h >> 16)
    return real(h & 65535) * UNIT16


def mix(a, b, w):
    """From a to b by weight w; exactly a where b equals a."""
    return a + w * (b - a)


def smooth(x):
    """Smoothstep of [0, 1]."""
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
    m = lower(ONE, lower(f, ONE - f) / upper(HALF * foot, EDGE))
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
    inside = clamp01(HALF + edge / upper(foot, EDGE))
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
    joint = clamp01(HALF + (MORTAR - edge) / upper(foot, EDGE))
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
