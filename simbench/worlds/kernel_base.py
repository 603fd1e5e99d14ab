"""The formulas as compiled scalar functions, without fast-math and without division checks."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from simbench.worlds import binding


def jit(function):
    """Compile on first use, into whatever calls it; Python itself never calls it."""
    options: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(error_model="numpy", nogil=True, **options)(function)


def inlined(function):
    """The same, always inlined: for what has one caller and too many arguments to pass per ray."""
    options: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(error_model="numpy", nogil=True, forceinline=True, **options)(function)


@jit
def _where(condition, a, b):
    return a if condition else b


@jit
def _sqrt(x):
    return np.sqrt(x)


@jit
def _floor(x):
    return np.floor(x)


@jit
def _integer(x):
    return np.int64(x)


@jit
def _real(x):
    return np.float32(x)


F = binding.bind(
    {"where": _where, "sqrt": _sqrt, "floor": _floor, "integer": _integer, "real": _real}, jit, np.float32
)
