"""The inner loops of seeing a frame with depth from elsewhere: cells into a z-buffer, and filling what is
left.

`turn` and `shift` as in `stereo_kernel`. Nearness is inverse depth in the camera that looks.
"""

from __future__ import annotations

import numpy as np

from simbench.generators.stereo_kernel import NEAR, jit

OVERLAP = 0.52
"""Half the side of a pixel's cell, px: a little more than half closes the cracks between neighbours."""


@jit
def _milder(before, here, after):
    """Slope of `here` between its neighbours: the milder of both sides, so that no cell leans over an
    edge.
    """
    a, b = here - before, after - here
    return a if abs(a) < abs(b) else b


@jit
def _triangle(u, v, near, x, y, a, b, c, source, buffer):
    """Rasterise the triangle of corners a, b, c into the z-buffer: source position where it is nearest."""
    height, width = buffer.shape
    area = (u[b] - u[a]) * (v[c] - v[a]) - (u[c] - u[a]) * (v[b] - v[a])
    if abs(area) < 1e-12:
        return
    left = max(int(np.floor(min(u[a], min(u[b], u[c])) - 0.5)), 0)
    right = min(int(np.ceil(max(u[a], max(u[b], u[c])) - 0.5)), width - 1)
    top = max(int(np.floor(min(v[a], min(v[b], v[c])) - 0.5)), 0)
    low = min(int(np.ceil(max(v[a], max(v[b], v[c])) - 0.5)), height - 1)
    for j in range(top, low + 1):
        for i in range(left, right + 1):
            px, py = i + 0.5, j + 0.5
            wb = ((px - u[a]) * (v[c] - v[a]) - (u[c] - u[a]) * (py - v[a])) / area
            wc = ((u[b] - u[a]) * (py - v[a]) - (px - u[a]) * (v[b] - v[a])) / area
            wa = 1.0 - wb - wc
            if wa >= -1e-9 and wb >= -1e-9 and wc >= -1e-9:
                depth = wa * near[a] + wb * near[b] + wc * near[c]
                if depth > buffer[j, i]:
                    buffer[j, i] = depth
                    source[j, i, 0] = wa * x[a] + wb * x[b] + wc * x[c]
                    source[j, i, 1] = wa * y[a] + wb * y[b] + wc * y[c]


@jit
def splat(inverse, turn, shift, source, buffer):
    """Every pixel of `inverse` [H, W] as a slanted cell: `source` [H', W', 2] positions in the key, `buffer`
    [H', W'] nearness, -1 where nothing lies."""
    height, width = inverse.shape
    u, v, near = np.empty(4), np.empty(4), np.empty(4)
    x, y = np.empty(4), np.empty(4)
    for row in range(height):
        for column in range(width):
            w = inverse[row, column]
            p = _milder(inverse[row, max(column - 1, 0)], w, inverse[row, min(column + 1, width - 1)])
            q = _milder(inverse[max(row - 1, 0), column], w, inverse[min(row + 1, height - 1), column])
            behind = False
            for k in range(4):
                dx = OVERLAP if k % 2 else -OVERLAP
                dy = OVERLAP if k >= 2 else -OVERLAP
                x[k], y[k] = column + 0.5 + dx, row + 0.5 + dy
                here = max(w + p * dx + q * dy, 0.0)
                z = turn[2, 0] * x[k] + turn[2, 1] * y[k] + turn[2, 2] + shift[2] * here
                if z < NEAR:
                    behind = True
                    break
                u[k] = (turn[0, 0] * x[k] + turn[0, 1] * y[k] + turn[0, 2] + shift[0] * here) / z
                v[k] = (turn[1, 0] * x[k] + turn[1, 1] * y[k] + turn[1, 2] + shift[1] * here) / z
                near[k] = here / z
            if not behind:
                _triangle(u, v, near, x, y, 0, 1, 2, source, buffer)
                _triangle(u, v, near, x, y, 1, 3, 2, source, buffer)


@jit
def fill(frame, buffer):
    """Colours of `frame` float32 [H, W, 3] where `buffer` is -1, from the far side of the hole along 8
    ways.
    """
    height, width = buffer.shape
    out = frame.copy()
    depth = buffer.copy()
    near, far, rows, columns = np.empty(8), np.empty(8), np.empty(8, np.int64), np.empty(8, np.int64)
    for y in range(height):
        for x in range(width):
            if buffer[y, x] >= 0:
                continue
            count, k = 0, 0
            for dy in range(-1, 2):
                for dx in range(-1, 2):
                    if dy == 0 and dx == 0:
                        continue
                    j, i, steps = y + dy, x + dx, 1
                    while 0 <= j < height and 0 <= i < width and buffer[j, i] < 0:
                        j, i, steps = j + dy, i + dx, steps + 1
                    if 0 <= j < height and 0 <= i < width:
                        near[count], far[count] = buffer[j, i], steps * np.sqrt(1.0 * dy * dy + dx * dx)
                        rows[count], columns[count] = j, i
                        count += 1
            if count == 0:
                continue
            closest = far[:count].min()
            least = 1e9
            for k in range(count):
                if far[k] <= 6 * closest:
                    least = min(least, near[k])
            total = 0.0
            for c in range(3):
                out[y, x, c] = 0.0
            for k in range(count):
                if far[k] <= 6 * closest and near[k] <= 1.15 * least + 1e-6:
                    weight = 1.0 / (far[k] * far[k])
                    total += weight
                    for c in range(3):
                        out[y, x, c] += weight * frame[rows[k], columns[k], c]
            for c in range(3):
                out[y, x, c] /= total
            depth[y, x] = least
    return out, depth
