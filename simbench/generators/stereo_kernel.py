"""The inner loops of the plane sweep, compiled: path aggregation, local slopes, votes for planes, labels.

A view is what takes pixels of the key frame to another frame: `turn` = K' R K^-1 [3, 3] and `shift` = K' t
[3], so that (x, y) with inverse depth w is seen at (turn (x, y, 1) + shift w) divided by its last
coordinate; pixel centres lie at +0.5. A surface is (w, p, q, a, b, c): inverse depth w + p x + q y + a x^2 +
b x y + c y^2 with x and y counted from the middle of the image. Differences of colour are means over
channels, 0-255.
"""

from __future__ import annotations

import math

import numba
import numpy as np

REACH, STRIDE = 4, 2
TAPS = (2 * REACH // STRIDE + 1) ** 2
NEAR = 1e-6


def jit(function):
    """Compile on first use and keep the result on disk."""
    return numba.njit(error_model="numpy", nogil=True, cache=True)(function)


@jit
def supports(image, falloff):
    """Weights float32 [H, W, TAPS] of the window around every pixel, falling with distance in colour."""
    height, width = image.shape[0], image.shape[1]
    out = np.zeros((height, width, TAPS), np.float32)
    for y in range(height):
        for x in range(width):
            k = 0
            for dy in range(-REACH, REACH + 1, STRIDE):
                for dx in range(-REACH, REACH + 1, STRIDE):
                    yy, xx = y + dy, x + dx
                    if 0 <= yy < height and 0 <= xx < width:
                        gap = 0.0
                        for c in range(3):
                            gap += abs(image[yy, xx, c] - image[y, x, c])
                        far = (dx * dx + dy * dy) / (2.0 * REACH * REACH)
                        out[y, x, k] = math.exp(-gap / (3 * falloff) - far)
                    k += 1
    return out


@jit
def edges(image, falloff, least):
    """What a step right or down costs: float32 [2, H, W], 1 inside a colour, `least` across an edge."""
    height, width = image.shape[0], image.shape[1]
    out = np.zeros((2, height, width), np.float32)
    for y in range(height):
        for x in range(width):
            right, down = 0.0, 0.0
            for c in range(3):
                if x + 1 < width:
                    right += abs(image[y, x, c] - image[y, x + 1, c]) / 3
                if y + 1 < height:
                    down += abs(image[y, x, c] - image[y + 1, x, c]) / 3
            out[0, y, x] = least + (1 - least) * math.exp(-right / falloff)
            out[1, y, x] = least + (1 - least) * math.exp(-down / falloff)
    return out


@jit
def aggregate(cost, ease, small, large):
    """Semi-global sums [H, W, N] (Hirschmueller, PAMI 2008, section 2.2) of `cost` [H, W, N] along 4 paths.

    A change by one level costs `small`, by more `large` times `ease` [2, H, W] on top.
    """
    height, width, count = cost.shape
    total = np.zeros_like(cost)
    line = np.empty(count + 2, np.float32)
    for way in range(4):
        outer, inner = (height, width) if way < 2 else (width, height)
        for i in range(outer):
            line[:] = np.float32(1e9)
            for j in range(inner):
                step = j if way % 2 == 0 else inner - 1 - j
                y, x = (i, step) if way < 2 else (step, i)
                if j == 0:
                    for n in range(count):
                        line[n + 1] = cost[y, x, n]
                        total[y, x, n] += line[n + 1]
                    continue
                before = step - 1 if way % 2 == 0 else step
                gate = ease[0, y, before] if way < 2 else ease[1, before, x]
                best = line[1]
                for n in range(1, count):
                    best = min(best, line[n + 1])
                jump = np.float32(small + large * gate)
                last = line[0]
                for n in range(count):
                    here = line[n + 1]
                    low = min(min(here - best, jump), min(last, line[n + 2]) - best + np.float32(small))
                    last = here
                    line[n + 1] = cost[y, x, n] + low
                    total[y, x, n] += line[n + 1]
    return total


@jit
def slopes(inverse, weights, apart):
    """Local planes (w, p, q) [H, W, 3] by weighted least squares; values `apart` or more away do not
    count.
    """
    height, width = inverse.shape
    out = np.zeros((height, width, 3))
    for y in range(height):
        for x in range(width):
            k, sw, sx, sy, sxx, sxy, syy, sz, szx, szy = 0, 1e-9, 0.0, 0.0, 1e-6, 0.0, 1e-6, 0.0, 0.0, 0.0
            for dy in range(-REACH, REACH + 1, STRIDE):
                for dx in range(-REACH, REACH + 1, STRIDE):
                    weight = weights[y, x, k]
                    k += 1
                    if weight > 0 and abs(inverse[y + dy, x + dx] - inverse[y, x]) < apart:
                        z = inverse[y + dy, x + dx]
                        sw += weight
                        sx += weight * dx
                        sy += weight * dy
                        sxx += weight * dx * dx
                        sxy += weight * dx * dy
                        syy += weight * dy * dy
                        sz += weight * z
                        szx += weight * z * dx
                        szy += weight * z * dy
            cxx, cxy, cyy = sxx - sx * sx / sw + 0.05, sxy - sx * sy / sw, syy - sy * sy / sw + 0.05
            rx, ry = szx - sx * sz / sw, szy - sy * sz / sw
            det = cxx * cyy - cxy * cxy
            p, q = (cyy * rx - cxy * ry) / det, (cxx * ry - cxy * rx) / det
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = (sz - p * sx - q * sy) / sw, p, q
    return out


@jit
def votes(inverse, place, planes, tried, voters, tolerance, radius):
    """How many of the `voters` within `radius` px of each of the pixels `tried` lie on that pixel's plane,
    int64 [N].

    `inverse` [P] inverse depths at `place` [P, 2] from the middle of the image, `planes` [P, 3] (w, p, q)
    there.
    """
    out = np.zeros(len(tried), np.int64)
    for i in range(len(tried)):
        t = tried[i]
        x0, y0 = place[t, 0], place[t, 1]
        for v in voters:
            x, y = place[v, 0], place[v, 1]
            if abs(x - x0) < radius and abs(y - y0) < radius:
                off = inverse[v] - (planes[t, 0] + planes[t, 1] * x + planes[t, 2] * y)
                if abs(off) < tolerance:
                    out[i] += 1
    return out


@jit
def agreeing(inverse, place, plane, asked, middle, tolerance, radius):
    """Pixels bool [P] that are `asked` (bool [P]), within `radius` px of the pixel `middle`, and whose
    `inverse` depth [P] is less than `tolerance` off the `plane` (w, p, q) at their `place` [P, 2]."""
    out = np.zeros(len(inverse), np.bool_)
    for i in range(len(inverse)):
        if asked[i]:
            x, y = place[i, 0], place[i, 1]
            if abs(x - place[middle, 0]) < radius and abs(y - place[middle, 1]) < radius:
                out[i] = abs(inverse[i] - (plane[0] + plane[1] * x + plane[2] * y)) < tolerance
    return out


@jit
def labels(cost, ease, jump, rounds):
    """Labels int64 [H, W] of least `cost` [H, W, L] plus `jump` times `ease` wherever two neighbours differ.

    Max-product belief propagation, swept along rows and columns (Szeliski et al., PAMI 2008, section 3.3).
    """
    height, width, count = cost.shape
    belief = cost.copy()
    message = np.zeros((4, height, width, count), np.float32)
    for _ in range(rounds):
        for way in range(4):
            outer, inner = (height, width) if way < 2 else (width, height)
            for i in range(outer):
                for j in range(inner - 1):
                    step = j if way % 2 == 0 else inner - 1 - j
                    after = step + 1 if way % 2 == 0 else step - 1
                    first = min(step, after)
                    y, x, yy, xx = (i, step, i, after) if way < 2 else (step, i, after, i)
                    limit = np.float32(jump) * (ease[0, y, first] if way < 2 else ease[1, first, x])
                    back = way ^ 1
                    best = np.float32(1e9)
                    for n in range(count):
                        best = min(best, belief[y, x, n] - message[back, y, x, n])
                    for n in range(count):
                        told = min(belief[y, x, n] - message[back, y, x, n] - best, limit)
                        belief[yy, xx, n] += told - message[way, yy, xx, n]
                        message[way, yy, xx, n] = told
    out = np.empty((height, width), np.int64)
    for y in range(height):
        for x in range(width):
            out[y, x] = np.argmin(belief[y, x])
    return out
