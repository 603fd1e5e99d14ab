"""Binds the formulas to a backend's arithmetic, and stamps the sources that compiled code is made of."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from simbench.worlds import formulas, patterns

BASE = ("where", "sqrt", "floor", "integer", "real")


def stamp() -> str:
    """sha256 of every source a compiled kernel is made of: a changed formula must not meet an old cache."""
    h = hashlib.sha256()
    for name in ("formulas", "patterns", "binding", "kernel", "kernel_base", "kernel_march", "kernel_shade"):
        h.update((Path(__file__).parent / f"{name}.py").read_bytes())
    return h.hexdigest()


def bind(base: Mapping[str, Any], wrap: Callable[[Any], Any], number: Callable[[Any], Any]) -> Any:
    """A module of the same formulas over another arithmetic.

    `base` gives the functions named in BASE, `wrap` compiles a formula, `number` makes its constants.
    """
    # Compiled code found in the disk cache imports the module its functions say they come from.
    bound = types.ModuleType(formulas.__name__)
    scope = bound.__dict__
    for module in (formulas, patterns):
        for name, value in vars(module).items():
            if isinstance(value, np.float32):
                scope[name] = number(value)
            elif isinstance(value, np.ndarray | int):
                scope[name] = value
            elif isinstance(value, types.FunctionType) and value.__module__ == module.__name__:
                copy = types.FunctionType(value.__code__, scope, name)
                copy.__module__ = module.__name__
                scope[name] = wrap(copy)
    scope.update(base)
    return bound
