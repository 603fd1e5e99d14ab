"""The inner loops of the plane sweep, compiled: path aggregation, local slopes, costs of planes, labels.

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
SLACK = 0.05
"""By how much nearer something must be to hide what lies behind it."""
BEHIND, HIDDEN = 0.5, 9.0
"""What a pixel pays for being hidden in all views but one, and in all."""


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
def _cost(images, key, turns, shifts, buffers, y, x, w, cap, share, seen):
    """Mean difference over the best `share` of the views that show (x, y) at inverse depth w; -1 if none
    does.
    """
    views, height, width = images.shape[0], images.shape[1], images.shape[2]
    px, py = x + 0.5, y + 0.5
    count, hidden = 0, 0
    across, down = buffers.shape[2] / width, buffers.shape[1] / height
    for s in range(views):
        z = turns[s, 2, 0] * px + turns[s, 2, 1] * py + turns[s, 2, 2] + shifts[s, 2] * w
        if z < NEAR:
            continue
        u = (turns[s, 0, 0] * px + turns[s, 0, 1] * py + turns[s, 0, 2] + shifts[s, 0] * w) / z - 0.5
        v = (turns[s, 1, 0] * px + turns[s, 1, 1] * py + turns[s, 1, 2] + shifts[s, 1] * w) / z - 0.5
        if not (u >= -0.25 and v >= -0.25 and u <= width - 0.75 and v <= height - 0.75):
            continue
        if buffers[s, int((v + 0.5) * down), int((u + 0.5) * across)] > w / z * (1 + SLACK):
            hidden += 1
            continue
        u, v = min(max(u, 0.0), width - 1.001), min(max(v, 0.0), height - 1.001)
        i, j = int(u), int(v)
        a, b = u - i, v - j
        aa, ab, ba, bb = (1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b
        gap = 0.0
        for c in range(3):
            value = aa * images[s, j, i, c] + ab * images[s, j, i + 1, c]
            value += ba * images[s, j + 1, i, c] + bb * images[s, j + 1, i + 1, c]
            gap += abs(value - key[y, x, c])
        gap = min(gap / 3, cap)
        # Insertion sort: there are a handful of views.
        k = count
        while k > 0 and seen[k - 1] > gap:
            seen[k] = seen[k - 1]
            k -= 1
        seen[k] = gap
        count += 1
    if count == 0:
        return HIDDEN if hidden > 0 else -1.0
    keep = math.ceil(count * share)
    total = 0.0
    for k in range(keep):
        total += seen[k]
    return total / keep + (hidden * BEHIND) / views


@jit
def map_costs(images, key, turns, shifts, buffers, inverse, cap, share):
    """Cost float32 [H, W] of one map of inverse depths; -1 where no view shows it."""
    height, width = key.shape[0], key.shape[1]
    seen = np.empty(len(images))
    out = np.empty((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            out[y, x] = _cost(images, key, turns, shifts, buffers, y, x, inverse[y, x], cap, share, seen)
    return out


@jit
def level_costs(images, key, turns, shifts, buffers, levels, cap, share):
    """Costs float32 [H, W, N] of inverse depths `levels` [N]; unseen costs `cap`."""
    height, width = key.shape[0], key.shape[1]
    seen = np.empty(len(images))
    out = np.empty((height, width, len(levels)), np.float32)
    for y in range(height):
        for x in range(width):
            for n in range(len(levels)):
                cost = _cost(images, key, turns, shifts, buffers, y, x, levels[n], cap, share, seen)
                out[y, x, n] = cost if cost >= 0 else cap
    return out


@jit
def value(surface, x, y):
    """Inverse depth of a surface at (x, y) from the middle of the image."""
    flat = surface[0] + surface[1] * x + surface[2] * y
    return flat + surface[3] * x * x + surface[4] * x * y + surface[5] * y * y


@jit
def surface_costs(images, key, turns, shifts, buffers, surfaces, allowed, cap, share, never):
    """Costs float32 [H, W, L] of surfaces [L, 6], `never` where not `allowed` [L, H, W] or behind infinity.

    Where no view shows a surface it costs one more than the cheapest that is shown: neighbours decide.
    """
    count, height, width = allowed.shape
    seen = np.empty(len(images))
    out = np.empty((height, width, count), np.float32)
    for y in range(height):
        for x in range(width):
            low = never
            for n in range(count):
                out[y, x, n] = never
                if allowed[n, y, x]:
                    w = value(surfaces[n], x - (width - 1) / 2, y - (height - 1) / 2)
                    if w >= -1e-6:
                        out[y, x, n] = _cost(images, key, turns, shifts, buffers, y, x, w, cap, share, seen)
                        if out[y, x, n] >= 0:
                            low = min(low, out[y, x, n])
            for n in range(count):
                if out[y, x, n] < 0:
                    out[y, x, n] = (low if low < never else 0.0) + 1.0
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


@jit
def normal_equations(images, key, turns, shifts, buffers, inverse, owner, caps, centre, size):
    """Gauss-Newton for each of L owners: [L, 6, 6] and [L, 6] for a change of inverse depth by a quadric.

    Its terms are 1, x, y, x^2, xy, y^2 with x, y from `centre` [L, 2] in units of `size` [L]; `owner` [H, W]
    is -1 where nothing is fitted. Differences are weighed down from 0 at the truth to nothing at `caps` [L]
    (Tukey).
    """
    views, height, width = images.shape[0], images.shape[1], images.shape[2]
    rows, columns = key.shape[0], key.shape[1]
    count = len(caps)
    across, down = buffers.shape[2] / width, buffers.shape[1] / height
    left, right = np.zeros((count, 6, 6)), np.zeros((count, 6))
    base = np.empty(6)
    for y in range(rows):
        for x in range(columns):
            n = owner[y, x]
            if n < 0:
                continue
            px, py, w, cap = x + 0.5, y + 0.5, inverse[y, x], caps[n]
            weight, pull = 0.0, 0.0
            for s in range(views):
                z = turns[s, 2, 0] * px + turns[s, 2, 1] * py + turns[s, 2, 2] + shifts[s, 2] * w
                if z < NEAR:
                    continue
                uu = (turns[s, 0, 0] * px + turns[s, 0, 1] * py + turns[s, 0, 2] + shifts[s, 0] * w) / z
                vv = (turns[s, 1, 0] * px + turns[s, 1, 1] * py + turns[s, 1, 2] + shifts[s, 1] * w) / z
                u, v = uu - 0.5, vv - 0.5
                if not (u >= 1 and v >= 1 and u < width - 2 and v < height - 2):
                    continue
                if buffers[s, int(vv * down), int(uu * across)] > w / z * (1 + SLACK):
                    continue
                du, dv = (shifts[s, 0] - uu * shifts[s, 2]) / z, (shifts[s, 1] - vv * shifts[s, 2]) / z
                i, j = int(u), int(v)
                a, b = u - i, v - j
                gap, one, two = 0.0, 0.0, 0.0
                for c in range(3):
                    p00, p01 = images[s, j, i, c], images[s, j, i + 1, c]
                    p10, p11 = images[s, j + 1, i, c], images[s, j + 1, i + 1, c]
                    top, low = p00 * (1 - a) + p01 * a, p10 * (1 - a) + p11 * a
                    off = top * (1 - b) + low * b - key[y, x, c]
                    gx = (p01 - p00) * (1 - b) + (p11 - p10) * b
                    gy = low - top
                    along = gx * du + gy * dv
                    gap += abs(off) / 3
                    one += along * along
                    two += along * off
                if gap < cap:
                    trust = (1 - (gap / cap) ** 2) ** 2
                    weight += trust * one
                    pull += trust * two
            if weight > 0:
                bx, by = (x - centre[n, 0]) / size[n], (y - centre[n, 1]) / size[n]
                base[0], base[1], base[2] = 1.0, bx, by
                base[3], base[4], base[5] = bx * bx, bx * by, by * by
                for k in range(6):
                    right[n, k] += pull * base[k]
                    for m in range(6):
                        left[n, k, m] += weight * base[k] * base[m]
    return left, right
