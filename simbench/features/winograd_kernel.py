"""The compiled loops of `simbench.features.winograd`: everything but the products of matrices.

Pictures are float32 [N, T, H, W, C], channels last, handed over flat with their size. A tile is what makes
4 x 4 outputs of 2 or 4 moments. Sixteen channels of a tile at a time pass through `scratch`, which
stays in the first cache. Compiled when first called, in some seconds, and kept on disk by numba, which
watches this file alone: touch it after a change to `lanes` or `toom`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from simbench.features.lanes import LANES, LOOSE, multiplied
from simbench.features.toom import POINTS, matrices

OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": set(LOOSE)}
SIDE = 4
"""Outputs of a tile along height and width."""

_BACK_2, _, _INTO_2 = matrices(2, 3, POINTS[4])
_BACK_4, _, _INTO_4 = matrices(4, 3, POINTS[6])
_BACK_7, _, _INTO_7 = matrices(4, 4, POINTS[7])
into_2, into_4, into_7 = multiplied(_INTO_2), multiplied(_INTO_4), multiplied(_INTO_7)
back_2, back_4, back_7 = multiplied(_BACK_2), multiplied(_BACK_4), multiplied(_BACK_7)
one_rectified = multiplied(np.ones((1, 1)), "before")
into_rectified = multiplied(_INTO_4, "before")
back_4_rectified, back_7_rectified = multiplied(_BACK_4, "after"), multiplied(_BACK_7, "after")


@njit(forceinline=True, **OPTIONS)
def origin(tile, size, moments):
    """Clip, moment, row and column of the first output of a tile; tiles of `size` run along columns first."""
    wide, tall, long = -(-size[3] // SIDE), -(-size[2] // SIDE), -(-size[1] // moments)
    column, tile = tile % wide, tile // wide
    row, tile = tile % tall, tile // tall
    return tile // long, tile % long * moments, row * SIDE, column * SIDE


@njit(forceinline=True, **OPTIONS)
def gather(x, size, place, at, bias, c, scratch, to):
    """Six vectors of a row of `x` + `bias`, rectified, from `place` on, 0 outside, and B^T of them."""
    clip, t, h, column = place
    zero = np.float32(0)
    start = (((clip * size[1] + t) * size[2] + h) * size[3] + column) * size[4] + at + c
    if t < 0 or t >= size[1] or h < 0 or h >= size[2]:
        for k in range(6 * LANES):
            scratch[to + k] = zero
    elif column >= 0 and column + 6 <= size[3]:
        into_rectified(x, start, size[4], scratch, to, LANES, bias, c)
    else:
        for w in range(6):
            here, there = to + w * LANES, start + w * size[4]
            if column + w >= 0 and column + w < size[3]:
                one_rectified(x, there, 0, scratch, here, 0, bias, c)
            else:
                for k in range(LANES):
                    scratch[here + k] = zero
        into_4(scratch, to, LANES, scratch, to, LANES)


@njit(**OPTIONS)
def into(x, size, at, bias, part, out, scratch):
    """B^T of `count` tiles along three axes: [points, count, C] of channels `at` to `at` + C of `x`.

    C = len(bias), a multiple of 16. What is read is rectified after `bias` is added. `part` is the first
    tile, the number of tiles, and the moments that one makes, 2 or 4.
    """
    first, count, moments = part
    channels, seen = len(bias), moments + 2
    step = count * channels
    for k in range(count):
        clip, moment, row, column = origin(first + k, size, moments)
        for c in range(0, channels, LANES):
            for t in range(seen):
                start = t * 36 * LANES
                for h in range(6):
                    place = (clip, moment - 1 + t, row - 1 + h, column - 1)
                    gather(x, size, place, at, bias, c, scratch, start + h * 6 * LANES)
                for w in range(6):
                    here = start + w * LANES
                    into_4(scratch, here, 6 * LANES, scratch, here, 6 * LANES)
            to = k * channels + c
            if moments == 2:
                for p in range(36):
                    into_2(scratch, p * LANES, 36 * LANES, out, to + p * step, 36 * step)
            else:
                for p in range(36):
                    into_4(scratch, p * LANES, 36 * LANES, out, to + p * step, 36 * step)


# What it is given as functions has no name on disk, so it is kept with those that call it.
@njit(forceinline=True, **{**OPTIONS, "cache": False})
def row_of(plain, rectified, scratch, here, bias, c, y, to, size, column):
    """Outputs of one row of a tile, `bias` added, rectified, to `y` from `to` on: those that it has room for.

    `plain` and `rectified` are A^T of one axis, as made by `multiplied`.
    """
    width, rest = min(SIDE, size[3] - column), min(LANES, len(bias) - c)
    if width == SIDE and rest == LANES:
        rectified(scratch, here, LANES, y, to, size[4], bias, c)
        return
    plain(scratch, here, LANES, scratch, here, LANES)
    zero = np.float32(0)
    for w in range(width):
        for k in range(rest):
            y[to + w * size[4] + k] = max(scratch[here + w * LANES + k] + bias[c + k], zero)


@njit(**OPTIONS)
def back(found, channels, part, bias, y, size, at, scratch):
    """A^T of `found` [points, count, channels] along three axes, to channels from `at` on of `y`, as many as
    `bias` has; `part` as in `into`."""
    first, count, moments = part
    step = count * channels
    for k in range(count):
        clip, moment, row, column = origin(first + k, size, moments)
        for c in range(0, channels, LANES):
            start = k * channels + c
            if moments == 2:
                for p in range(36):
                    back_2(found, start + p * step, 36 * step, scratch, p * LANES, 36 * LANES)
            else:
                for p in range(36):
                    back_4(found, start + p * step, 36 * step, scratch, p * LANES, 36 * LANES)
            for t in range(min(moments, size[1] - moment)):
                for w in range(6):
                    here = (t * 36 + w) * LANES
                    back_4(scratch, here, 6 * LANES, scratch, here, 6 * LANES)
                for h in range(min(SIDE, size[2] - row)):
                    here = (t * 36 + h * 6) * LANES
                    to = ((clip * size[1] + moment + t) * size[2] + row + h) * size[3] + column
                    to = to * size[4] + at + c
                    row_of(back_4, back_4_rectified, scratch, here, bias, c, y, to, size, column)


@njit(**OPTIONS)
def phases(x, before, out):
    """[N, H', W', F, 2, 2, 3] of pictures [N, T, H, W, 3]: two rows and two columns of pixels side by side.

    `before` is how many moments, rows and columns of 0 come first; so much follows as `out` has room for.
    """
    n, tall, wide, frames = out.shape[:4]
    for clip in range(n):
        for h in range(tall):
            for f in range(frames):
                t = f - before[0]
                for odd in range(2):
                    row = 2 * h + odd - before[1]
                    inside = 0 <= t < x.shape[1] and 0 <= row < x.shape[2]
                    for w in range(wide):
                        for k in range(2):
                            column = 2 * w + k - before[2]
                            for c in range(3):
                                value = np.float32(0)
                                if inside and 0 <= column < x.shape[3]:
                                    value = x[clip, t, row, column, c]
                                out[clip, h, w, f, odd, k, c] = value


@njit(**OPTIONS)
def into_stem(x, size, part, out, scratch):
    """B^T of some tiles along height and width: [49, count, C] of `x` [N, H, W, C], flat, `size` = (H, W, C).

    `part` is the first tile and the number of tiles.
    """
    first, count = part
    tall, wide, channels = size[0], size[1], size[2]
    rows, columns = (tall - 3) // SIDE, (wide - 3) // SIDE
    step = count * channels
    for k in range(count):
        tile = first + k
        column, tile = tile % columns * SIDE, tile // columns
        row, clip = tile % rows * SIDE, tile // rows
        start = ((clip * tall + row) * wide + column) * channels
        for c in range(0, channels, LANES):
            for h in range(7):
                here = start + h * wide * channels + c
                into_7(x, here, channels, scratch, h * 7 * LANES, LANES)
            for w in range(7):
                to = k * channels + c + w * step
                into_7(scratch, w * LANES, 7 * LANES, out, to, 7 * step)


@njit(**OPTIONS)
def back_stem(found, channels, part, moment, bias, y, size, scratch):
    """A^T of `found` [49, count, channels] along height and width, to moment `moment` of `y`."""
    first, count = part
    step = count * channels
    for k in range(count):
        clip, _, row, column = origin(first + k, (size[0], 1, size[2], size[3]), 1)
        for c in range(0, channels, LANES):
            for w in range(7):
                start = k * channels + c + w * step
                back_7(found, start, 7 * step, scratch, w * LANES, 7 * LANES)
            for h in range(min(SIDE, size[2] - row)):
                here = h * 7 * LANES
                to = (((clip * size[1] + moment) * size[2] + row + h) * size[3] + column) * size[4] + c
                row_of(back_7, back_7_rectified, scratch, here, bias, c, y, to, size, column)


@njit(**OPTIONS)
def finish(x, at, bias, y, to):
    """Channels `at` to `at` + len(bias) of `x` [P, C] + `bias`, rectified, to `y` [P, C'] from `to` on."""
    zero = np.float32(0)
    for p in range(len(x)):
        source, target = x[p, at : at + len(bias)], y[p, to : to + len(bias)]
        for c in range(len(bias)):
            target[c] = max(source[c] + bias[c], zero)


@njit(**OPTIONS)
def pool(x, kernel, stride, before, y, line):
    """Maxima of `x` [N, T, H, W, C], none below 0, to `y`; `before` is how far each window begins outside.

    First over time and rows into `line` [W * C], then along it.
    """
    long, tall, wide, channels = x.shape[1:]
    for n in range(len(y)):
        for i in range(y.shape[1]):
            time = i * stride[0] - before[0]
            for j in range(y.shape[2]):
                high = j * stride[1] - before[1]
                line[:] = 0
                for t in range(max(0, time), min(long, time + kernel[0])):
                    for h in range(max(0, high), min(tall, high + kernel[1])):
                        row = x[n, t, h].reshape(-1)
                        for c in range(wide * channels):
                            line[c] = max(line[c], row[c])
                for k in range(y.shape[3]):
                    first = k * stride[2] - before[2]
                    target = y[n, i, j, k]
                    target[:] = 0
                    for w in range(max(0, first), min(wide, first + kernel[2])):
                        part = line[w * channels : (w + 1) * channels]
                        for c in range(channels):
                            target[c] = max(target[c], part[c])
