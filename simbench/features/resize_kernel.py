"""The compiled loop of `protocols.resized`: few pixels make one, and a matrix product would sum all."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def resize(x, rows, tall, columns, wide, out):
    """`out` [N, H', W', 3] of `x` [N, H, W, 3], float32.

    Row i is the sum of tall[i, k] times row rows[i] + k, then column j of wide[j, k] times column
    columns[j] + k.
    """
    width = x.shape[2]
    line = np.empty(width * 3, np.float32)
    for n in range(len(x)):
        for i in range(out.shape[1]):
            line[:] = 0
            for k in range(tall.shape[1]):
                share, row = tall[i, k], x[n, rows[i] + k].reshape(-1)
                for c in range(width * 3):
                    line[c] += share * row[c]
            for j in range(out.shape[2]):
                red, green, blue = np.float32(0), np.float32(0), np.float32(0)
                for k in range(wide.shape[1]):
                    share, at = wide[j, k], (columns[j] + k) * 3
                    red += share * line[at]
                    green += share * line[at + 1]
                    blue += share * line[at + 2]
                out[n, i, j, 0], out[n, i, j, 1], out[n, i, j, 2] = red, green, blue
