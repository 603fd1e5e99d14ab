"""Products with a small constant matrix for sixteen channels at once, as vector instructions.

A compiler that sees loops over channels cannot know that what it stores is not what it still has to load, and
keeps to one number at a time. So the instructions are written out for LLVM: all loads, then sums, then all
stores, for vectors of 16 float32, which it cuts to what the processor has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES = 16
VECTOR = ir.VectorType(ir.FloatType(), LANES)
LOOSE = ("contract", "reassoc", "nsz")
"""What LLVM may do with sums: fuse with products and reorder. NaN and infinity stay what they are."""


def multiplied(matrix: np.ndarray, rectified: str = "") -> Any:
    """A function for compiled code: (source, at, step, target, to, step) for flat float32 arrays.

    Vectors lie at source[at + k * step], k = 0 ..., of which all are read before one is written. Where
    `rectified` is "before" or "after" the product, a bias, flat, and where it begins follow: it is added
    there, and all below 0 becomes 0.
    """
    coefficients = np.array(matrix, dtype=np.float64)
    whole = types.intp

    def _emit(context: Any, builder: Any, signature: Any, given: Sequence[Any]) -> Any:
        start, end, *bias = (
            context.make_array(signature.args[k])(context, builder, given[k]).data
            for k in range(0, len(given), 3)
        )
        x = [_load(builder, _place(builder, start, given[1:3], k)) for k in range(coefficients.shape[1])]
        added = _load(builder, builder.gep(bias[0], [given[7]])) if bias else None
        if rectified == "before":
            x = [_rectified(builder, value, added) for value in x]
        for k, value in enumerate(_values(builder, coefficients, x)):
            made = _rectified(builder, value, added) if rectified == "after" else value
            place = _place(builder, end, given[4:6], k)
            builder.store(made, builder.bitcast(place, VECTOR.as_pointer()), align=4)
        return context.get_dummy_value()

    def _plain(_: Any, source: Any, at: Any, step: Any, target: Any, to: Any, stride: Any) -> Any:
        return types.void(source, whole, whole, target, whole, whole), _emit

    def _biased(
        _: Any, source: Any, at: Any, step: Any, target: Any, to: Any, stride: Any, bias: Any, where: Any
    ) -> Any:
        return types.void(source, whole, whole, target, whole, whole, bias, whole), _emit

    return intrinsic(_biased if rectified else _plain)


def _load(builder: Any, place: Any) -> Any:
    """The vector at an address, which may be any multiple of 4."""
    return builder.load(builder.bitcast(place, VECTOR.as_pointer()), align=4)


def _rectified(builder: Any, value: Any, bias: Any) -> Any:
    """The larger of 0 and `value` + `bias`; NaN stays."""
    total, zero = builder.fadd(value, bias, flags=LOOSE), ir.Constant(VECTOR, [0.0] * LANES)
    return builder.select(builder.fcmp_ordered("<", total, zero), zero, total)


def _place(builder: Any, base: Any, where: Sequence[Any], k: int) -> Any:
    """Address of vector `k`; `where` is the offset of the first and the step between two."""
    offset = builder.add(where[0], builder.mul(where[1], ir.Constant(where[1].type, k)))
    return builder.gep(base, [offset])


def _values(builder: Any, matrix: np.ndarray, x: Sequence[Any]) -> list[Any]:
    """The rows of `matrix` times `x`. Points come as a, -a: what the two share is summed once.

    In a wide matrix such a pair is two columns, in a square one two rows, equal but for signs.
    """
    x, matrix = list(x), matrix.copy()
    if len(matrix) < len(x):
        for k in _pairs(matrix.T):
            x[k], x[k + 1] = (
                builder.fadd(x[k], x[k + 1], flags=LOOSE),
                builder.fsub(x[k], x[k + 1], flags=LOOSE),
            )
            a, b = matrix[:, k].copy(), matrix[:, k + 1].copy()
            matrix[:, k], matrix[:, k + 1] = (a + b) / 2, (a - b) / 2
        return [_sum(builder, row, x) for row in matrix]
    found = {}
    for k in _pairs(matrix):
        even, odd = (_sum(builder, (matrix[k] + sign * matrix[k + 1]) / 2, x) for sign in (1, -1))
        found[k], found[k + 1] = builder.fadd(even, odd, flags=LOOSE), builder.fsub(even, odd, flags=LOOSE)
    return [found[k] if k in found else _sum(builder, row, x) for k, row in enumerate(matrix)]


def _pairs(rows: np.ndarray) -> list[int]:
    """Each k where rows k and k + 1 are equal but for signs, and neither is in a pair before."""
    found: list[int] = []
    for k in range(len(rows) - 1):
        free = not found or found[-1] < k - 1
        if free and np.array_equal(abs(rows[k]), abs(rows[k + 1])) and (rows[k] != rows[k + 1]).any():
            found.append(k)
    return found


def _sum(builder: Any, row: np.ndarray, x: Sequence[Any]) -> Any:
    """The sum of row[k] * x[k]."""
    total = None
    for k in sorted(np.flatnonzero(row).tolist(), key=lambda k: abs(row[k]) != 1):
        if total is None or abs(row[k]) != 1:
            factor = ir.Constant(VECTOR, [float(row[k])] * LANES)
            part = x[k] if row[k] == 1 else builder.fmul(x[k], factor, flags=LOOSE)
            total = part if total is None else builder.fadd(total, part, flags=LOOSE)
        else:
            total = (builder.fadd if row[k] == 1 else builder.fsub)(total, x[k], flags=LOOSE)
    return ir.Constant(VECTOR, [0.0] * LANES) if total is None else total
