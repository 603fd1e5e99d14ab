"""The shapes that an argument may have, checked where it comes in."""

from __future__ import annotations

from typing import Any

import numpy as np

KINDS = {"float": "fiu", "bool": "b", "int": "iu"}


def shaped(name: str, array: Any, shape: str, sizes: dict[str, int], kind: str = "float") -> np.ndarray:
    """`array` as float64, bool or int64 of `shape`; ValueError names the argument that differs.

    `shape` has one word per axis: a number, a letter (bound in `sizes` by the first argument that uses it and
    the same in all others), or first "..." for any leading axes.
    """
    out = np.asarray(array)
    words = shape.split()
    tail = words[1:] if words[0] == "..." else words
    if out.dtype.kind not in KINDS[kind]:
        raise ValueError(f"{name} holds {out.dtype}; give {kind} [{', '.join(words)}]")
    axes = out.shape[out.ndim - len(tail) :] if out.ndim >= len(tail) else ()
    exact = out.ndim == len(words) or words[0] == "..."
    fits = exact and len(axes) == len(tail)
    for word, size in zip(tail, axes, strict=False):
        wanted = int(word) if word.isdigit() else sizes.setdefault(word, size)
        fits = fits and size == wanted
    if not fits:
        known = ", ".join(str(sizes.get(w, w)) for w in words)
        raise ValueError(f"{name} has shape {list(out.shape)}; give [{known}] ({shape})")
    types = {"float": np.float64, "bool": np.bool_, "int": np.int64}
    return out.astype(types[kind], copy=False)
