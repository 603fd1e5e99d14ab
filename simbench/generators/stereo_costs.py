"""What it costs pixels of the key frame to lie at an inverse depth, and which way they fit better; compiled.

Views, surfaces and differences of colour are those of `stereo_kernel`. `buffers` [V, h, w] hold the
nearness of what lies foremost in each view; [V, 1, 1] of zeros hide nothing. Pixels are taken by the CHUNK,
and what is done to them is done in loops without jumps, which the compiler puts into wide registers.
"""

from __future__ import annotations

import math

import numpy as np

from simbench.generators.stereo_kernel import NEAR, jit

CHUNK = 256
"""Pixels whose lines of numbers lie in the nearest cache together."""
SLACK = 0.05
"""By how much nearer something must be to hide what lies behind it."""
BEHIND, HIDDEN = 0.5, 9.0
"""What a pixel pays for being hidden in all views but one, and in all."""
UNSEEN = 1e30

X, Y, W, Z, U, V, RIGHT, DOWN, COUNT, TOTAL, KEPT, COLOUR = range(12)
"""Lines of a chunk: place in the key, inverse depth, depth factor and place in a view, the way from a pixel
of it to the next, views that show it, sum of the differences kept and their number, and three colours."""


@jit
def _lines():
    """Numbers of a chunk [lines, CHUNK], offsets into an image, what is seen, and how often it is hidden."""
    lines = np.empty((COLOUR + 3, CHUNK))
    return lines, np.empty(CHUNK, np.uint32), np.empty(CHUNK, np.bool_), np.empty(CHUNK)


@jit
def _take(key, spots, lines):
    """Places and colours of the pixels `spots` [M] of the key, counted row by row, into the lines."""
    width = key.shape[1]
    for k in range(len(spots)):
        y, x = spots[k] // width, spots[k] % width
        lines[X, k], lines[Y, k] = x + 0.5, y + 0.5
        for c in range(3):
            lines[COLOUR + c, k] = key[y, x, c]


@jit
def _see(turn, shift, m, lines):
    """Where a view sees the first m pixels, into Z, U and V."""
    px, py, w, z = lines[X], lines[Y], lines[W], lines[Z]
    a, b, c, d = turn[2, 0], turn[2, 1], turn[2, 2], shift[2]
    for k in range(m):
        z[k] = a * px[k] + b * py[k] + c + d * w[k]
    for row in range(2):
        a, b, c, d = turn[row, 0], turn[row, 1], turn[row, 2], shift[row]
        out = lines[U + row]
        for k in range(m):
            out[k] = (a * px[k] + b * py[k] + c + d * w[k]) / z[k]


@jit
def _corners(height, width, m, lines, at, ok):
    """The offset `at` of the upper left of the four pixels between which each of m pixels is seen, RIGHT and
    DOWN from there, and whether it is seen."""
    z, u, v, right, down = lines[Z], lines[U], lines[V], lines[RIGHT], lines[DOWN]
    for k in range(m):
        x, y = u[k] - 0.5, v[k] - 0.5
        # & and not `and`, which would jump.
        seen = (z[k] >= NEAR) & (x >= -0.25) & (y >= -0.25) & (x <= width - 0.75) & (y <= height - 0.75)
        x = min(max(x, 0.0), width - 1.001) if seen else 0.0
        y = min(max(y, 0.0), height - 1.001) if seen else 0.0
        i, j = np.int32(x), np.int32(y)
        ok[k] = seen
        at[k] = 3 * (j * np.int32(width) + i)
        right[k], down[k] = x - i, y - j


@jit
def _hide(buffer, height, width, m, lines, ok, hidden):
    """Take away from what is seen what lies behind the `buffer` of a view, and count it in `hidden`."""
    z, u, v, w = lines[Z], lines[U], lines[V], lines[W]
    across, down = buffer.shape[1] / width, buffer.shape[0] / height
    for k in range(m):
        if ok[k]:
            # Half a pixel off and on again: as the seen place was checked.
            x, y = u[k] - 0.5 + 0.5, v[k] - 0.5 + 0.5
            if buffer[int(y * down), int(x * across)] > w[k] / z[k] * (1 + SLACK):
                ok[k] = False
                hidden[k] += 1


@jit
def _differ(image, width, m, lines, at, ok, cap, gap):
    """Differences of colour between m pixels and a view, `image` [H W 3] with rows of `width` pixels, at most
    `cap`; UNSEEN where it is not seen."""
    right, down = lines[RIGHT], lines[DOWN]
    after, below = np.uint32(3), np.uint32(3 * width)
    gap[:m] = 0.0
    for c in range(3):
        colour, first = lines[COLOUR + c], np.uint32(c)
        for k in range(m):
            a, b, i = right[k], down[k], at[k] + first
            value = (1 - a) * (1 - b) * image[i] + a * (1 - b) * image[i + after]
            value += (1 - a) * b * image[i + below] + a * b * image[i + below + after]
            gap[k] += abs(value - colour[k])
    for k in range(m):
        gap[k] = min(gap[k] / 3, cap) if ok[k] else UNSEEN


@jit
def _best(gaps, share, m, lines, hidden, out):
    """Mean of the least `share` of the `gaps` [V, M] of each pixel, and what it pays for being hidden; -1 if
    no view shows it."""
    views = len(gaps)
    count, total, kept = lines[COUNT], lines[TOTAL], lines[KEPT]
    count[:m] = 0.0
    total[:m] = 0.0
    kept[:m] = 0.0
    for s in range(views):
        gap = gaps[s]
        for k in range(m):
            count[k] += 1.0 if gap[k] < UNSEEN else 0.0
    for first in range(math.ceil(views * share)):
        for s in range(views - 1, first, -1):
            better, worse = gaps[s - 1], gaps[s]
            for k in range(m):
                low, high = min(better[k], worse[k]), max(better[k], worse[k])
                better[k], worse[k] = low, high
        # The fewest views of which the share is more than `first`.
        least = 1
        while math.ceil(least * share) <= first:
            least += 1
        gap = gaps[first]
        for k in range(m):
            total[k] += gap[k] if count[k] >= least else 0.0
            kept[k] += 1.0 if count[k] >= least else 0.0
    for k in range(m):
        none = HIDDEN if hidden[k] > 0 else -1.0
        out[k] = total[k] / kept[k] + (hidden[k] * BEHIND) / views if count[k] > 0 else none


@jit
def _costs(images, turns, shifts, buffers, m, cap, share, chunk, gaps, out):
    """Costs of the m pixels of a chunk at its inverse depths: `gaps` [V, CHUNK] is room for differences."""
    lines, at, ok, hidden = chunk
    views, height, width = images.shape[0], images.shape[1], images.shape[2]
    hidden[:m] = 0.0
    # Behind infinity, by rounding, a pixel is hidden by nothing at all.
    hides = buffers.shape[1] > 1 or lines[W, :m].min() < 0
    for s in range(views):
        _see(turns[s], shifts[s], m, lines)
        _corners(height, width, m, lines, at, ok)
        if hides:
            _hide(buffers[s], height, width, m, lines, ok, hidden)
        _differ(images[s].ravel(), width, m, lines, at, ok, cap, gaps[s])
    _best(gaps, share, m, lines, hidden, out)


@jit
def map_costs(images, key, turns, shifts, buffers, inverse, asked, cap, share):
    """Cost float32 [H, W] of one map of inverse depths where it is `asked` (bool [H, W]), 0 elsewhere; -1
    where no view shows it."""
    height, width = key.shape[0], key.shape[1]
    chunk, gaps, costs = _lines(), np.empty((len(images), CHUNK)), np.empty(CHUNK)
    spots = np.flatnonzero(asked)
    out = np.zeros((height, width), np.float32)
    for start in range(0, len(spots), CHUNK):
        part = spots[start : start + CHUNK]
        _take(key, part, chunk[0])
        for k in range(len(part)):
            chunk[0][W, k] = inverse[part[k] // width, part[k] % width]
        _costs(images, turns, shifts, buffers, len(part), cap, share, chunk, gaps, costs)
        for k in range(len(part)):
            out[part[k] // width, part[k] % width] = costs[k]
    return out


@jit
def level_costs(images, key, turns, shifts, buffers, levels, cap, share):
    """Costs float32 [H, W, N] of inverse depths `levels` [N]; unseen costs `cap`."""
    height, width = key.shape[0], key.shape[1]
    chunk, gaps, costs = _lines(), np.empty((len(images), CHUNK)), np.empty(CHUNK)
    out = np.empty((height * width, len(levels)), np.float32)
    for start in range(0, height * width, CHUNK):
        m = min(CHUNK, height * width - start)
        _take(key, np.arange(start, start + m), chunk[0])
        for n in range(len(levels)):
            chunk[0][W] = levels[n]
            _costs(images, turns, shifts, buffers, m, cap, share, chunk, gaps, costs)
            for k in range(m):
                out[start + k, n] = costs[k] if costs[k] >= 0 else cap
    return out.reshape(height, width, len(levels))


@jit
def value(surface, x, y):
    """Inverse depth of a surface at (x, y) from the middle of the image."""
    flat = surface[0] + surface[1] * x + surface[2] * y
    return flat + surface[3] * x * x + surface[4] * x * y + surface[5] * y * y


@jit
def heights(surfaces, owner):
    """Inverse depth [H, W] where pixel (y, x) lies on surface `owner` [H, W] of `surfaces` [L, 6]."""
    height, width = owner.shape
    out = np.empty((height, width))
    for y in range(height):
        for x in range(width):
            out[y, x] = value(surfaces[owner[y, x]], x - (width - 1) / 2, y - (height - 1) / 2)
    return out


@jit
def surface_costs(images, key, turns, shifts, buffers, surfaces, allowed, cap, share, never):
    """Costs float32 [H, W, L] of surfaces [L, 6], `never` where not `allowed` [L, H, W] or behind infinity.

    Where no view shows a surface it costs one more than the cheapest that is shown: neighbours decide.
    """
    count, height, width = allowed.shape
    chunk, gaps, costs = _lines(), np.empty((len(images), CHUNK)), np.empty(CHUNK)
    spots, inverse = np.empty(height * width, np.int64), np.empty(height * width)
    out = np.full((height * width, count), np.float32(never))
    for n in range(count):
        total = 0
        for y in range(height):
            for x in range(width):
                if allowed[n, y, x]:
                    w = value(surfaces[n], x - (width - 1) / 2, y - (height - 1) / 2)
                    if w >= -1e-6:
                        spots[total], inverse[total] = y * width + x, w
                        total += 1
        for start in range(0, total, CHUNK):
            m = min(CHUNK, total - start)
            part = spots[start : start + m]
            _take(key, part, chunk[0])
            chunk[0][W, :m] = inverse[start : start + m]
            _costs(images, turns, shifts, buffers, m, cap, share, chunk, gaps, costs)
            for k in range(m):
                out[part[k], n] = costs[k]
    for p in range(height * width):
        low = never
        for n in range(count):
            if out[p, n] >= 0:
                low = min(low, out[p, n])
        for n in range(count):
            if out[p, n] < 0:
                out[p, n] = (low if low < never else 0.0) + 1.0
    return out.reshape(height, width, count)


@jit
def medians(values, owner, count, otherwise):
    """Median [L] of `values` float32 [H, W] over what each of `count` owners owns; `otherwise` of nothing."""
    starts = np.zeros(count + 1, np.int64)
    for y in range(owner.shape[0]):
        for x in range(owner.shape[1]):
            if owner[y, x] >= 0:
                starts[owner[y, x] + 1] += 1
    starts = np.cumsum(starts)
    ends = starts[:-1].copy()
    parts = np.empty(starts[-1], np.float32)
    for y in range(owner.shape[0]):
        for x in range(owner.shape[1]):
            n = owner[y, x]
            if n >= 0:
                parts[ends[n]] = values[y, x]
                ends[n] += 1
    out = np.full(count, np.float64(otherwise))
    for n in range(count):
        part = np.sort(parts[starts[n] : starts[n + 1]])
        if len(part) > 0:
            out[n] = (part[(len(part) - 1) // 2] + part[len(part) // 2]) / np.float32(2)
    return out


@jit
def _pull(image, shift, buffer, m, lines, caps, weight, pull):
    """Add to `weight` and `pull` [M] what one view says of the first m pixels: the squared slope of the
    colours along inverse depth, and that times how far off they are, both weighed by trust."""
    height, width = image.shape[0], image.shape[1]
    z, u, v, w = lines[Z], lines[U], lines[V], lines[W]
    across, down = buffer.shape[1] / width, buffer.shape[0] / height
    for k in range(m):
        x, y = u[k] - 0.5, v[k] - 0.5
        if z[k] < NEAR or not (x >= 1 and y >= 1 and x < width - 2 and y < height - 2):
            continue
        if buffer[int(v[k] * down), int(u[k] * across)] > w[k] / z[k] * (1 + SLACK):
            continue
        du, dv = (shift[0] - u[k] * shift[2]) / z[k], (shift[1] - v[k] * shift[2]) / z[k]
        i, j = int(x), int(y)
        a, b = x - i, y - j
        gap, one, two = 0.0, 0.0, 0.0
        for c in range(3):
            p00, p01 = image[j, i, c], image[j, i + 1, c]
            p10, p11 = image[j + 1, i, c], image[j + 1, i + 1, c]
            top, low = p00 * (1 - a) + p01 * a, p10 * (1 - a) + p11 * a
            off = top * (1 - b) + low * b - lines[COLOUR + c, k]
            along = ((p01 - p00) * (1 - b) + (p11 - p10) * b) * du + (low - top) * dv
            gap += abs(off) / 3
            one += along * along
            two += along * off
        if gap < caps[k]:
            trust = (1 - (gap / caps[k]) ** 2) ** 2
            weight[k] += trust * one
            pull[k] += trust * two


@jit
def normal_equations(images, key, turns, shifts, buffers, inverse, owner, caps, centre, size):
    """Gauss-Newton for each of L owners: [L, 6, 6] and [L, 6] for a change of inverse depth by a quadric.

    Its terms are 1, x, y, x^2, xy, y^2 with x, y from `centre` [L, 2] in units of `size` [L]; `owner` [H, W]
    is -1 where nothing is fitted. Differences are weighed down from 0 at the truth to nothing at `caps` [L]
    (Tukey).
    """
    width, lines = key.shape[1], _lines()[0]
    limits, weight, pull = np.empty(CHUNK), np.empty(CHUNK), np.empty(CHUNK)
    left, right, base = np.zeros((len(caps), 6, 6)), np.zeros((len(caps), 6)), np.empty(6)
    spots = np.flatnonzero(owner >= 0)
    for start in range(0, len(spots), CHUNK):
        part = spots[start : start + CHUNK]
        _take(key, part, lines)
        for k in range(len(part)):
            y, x = part[k] // width, part[k] % width
            lines[W, k], limits[k] = inverse[y, x], caps[owner[y, x]]
        weight[:] = 0.0
        pull[:] = 0.0
        for s in range(len(images)):
            _see(turns[s], shifts[s], len(part), lines)
            _pull(images[s], shifts[s], buffers[s], len(part), lines, limits, weight, pull)
        for k in range(len(part)):
            if weight[k] > 0:
                y, x = part[k] // width, part[k] % width
                n = owner[y, x]
                bx, by = (x - centre[n, 0]) / size[n], (y - centre[n, 1]) / size[n]
                base[0], base[1], base[2] = 1.0, bx, by
                base[3], base[4], base[5] = bx * bx, bx * by, by * by
                for i in range(6):
                    right[n, i] += pull[k] * base[i]
                    for j in range(6):
                        left[n, i, j] += weight[k] * base[i] * base[j]
    return left, right
