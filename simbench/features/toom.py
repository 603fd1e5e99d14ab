"""The matrices of short convolutions by Cook and Toom, which Winograd's are, in exact fractions.

`size` outputs of a correlation with `taps` weights take n = size + taps - 1 products instead of size * taps:
y = A^T ((G g) * (B^T d)). Weights and data are evaluated as polynomials at n - 1 points and at infinity,
multiplied there, and brought back (Lavin and Gray, CVPR 2016, section 5; Blahut, Fast Algorithms for Signal
Processing, 2010, chapter 5).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

POINTS = {
    4: (Fraction(0), Fraction(1), Fraction(-1)),
    6: (Fraction(0), Fraction(5, 8), Fraction(-5, 8), Fraction(3, 2), Fraction(-3, 2)),
    7: (Fraction(1, 4), Fraction(-1, 4), Fraction(3, 4), Fraction(-3, 4), Fraction(3, 2), Fraction(-3, 2)),
}
"""Finite points, by the number of products. The usual 0, +-1, +-2 leave three times the rounding error of
these in three dimensions; with these, A and B are exact in float32."""


def matrices(size: int, taps: int, points: Sequence[Fraction]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A^T [size, n], G [n, taps] and B^T [n, n] as fractions; ValueError without n - 1 different points."""
    n = size + taps - 1
    if len(set(points)) != n - 1 or len(points) != n - 1:
        raise ValueError(f"{size} outputs of {taps} taps need {n - 1} different points, not {list(points)}")
    others = [[b for b in points if b != a] for a in points]
    scales = [math.prod(a - b for b in rest) for a, rest in zip(points, others, strict=True)]
    back = [[a**i for a in points] + [Fraction(int(i == size - 1))] for i in range(size)]
    weights = [[a**k / scale for k in range(taps)] for a, scale in zip(points, scales, strict=True)]
    weights.append([Fraction(int(k == taps - 1)) for k in range(taps)])
    into = [[*_product(rest), Fraction(0)] for rest in others] + [_product(points)]
    return np.array(back), np.array(weights), np.array(into)


def _product(roots: Sequence[Fraction]) -> list[Fraction]:
    """Coefficients, lowest first, of the product of x - root."""
    found = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *found], [*(root * c for c in found), Fraction(0)]
        found = [a - b for a, b in zip(shifted, scaled, strict=True)]
    return found
