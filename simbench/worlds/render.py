"""Pixels, depth and identities of a compiled clip, by either backend with the same bytes on CPU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simbench.errors import UserError
from simbench.worlds.compile import CompiledClip
from simbench.worlds.raster import Frames

BACKENDS = ("numba", "torch")
MAX_SIDE = 8192
MAX_SAMPLES = 16


def render(
    compiled: CompiledClip,
    width: int,
    height: int,
    samples: int = 2,
    backend: str = "numba",
    threads: int = 1,
    device: str = "cpu",
    only: Sequence[int] | None = None,
    truth: bool = True,
) -> Frames:
    """Render all frames of `compiled`, or those in `only`, with `samples` x `samples` rays per pixel.

    `truth=False` skips depth and ids. Threads and chunks never change a byte.
    """
    _check(width, height, samples, backend, threads)
    chosen = list(range(compiled.frames)) if only is None else [int(f) for f in only]
    for f in chosen:
        if not 0 <= f < compiled.frames:
            raise UserError(f"frame {f} is outside 0..{compiled.frames - 1}; choose frames of the clip")
    if backend == "torch":
        from simbench.worlds import torch_backend

        return torch_backend.render(compiled, width, height, samples, threads, device, chosen, truth)
    if device != "cpu":
        raise UserError(f"backend numba cannot run on device {device!r}; use backend='torch' or device='cpu'")
    from simbench.worlds import numba_backend

    return numba_backend.render(compiled, width, height, samples, threads, chosen, truth)


def trace(
    compiled: CompiledClip, uv: np.ndarray, backend: str = "numba", only: Sequence[int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Depth and body of single rays: `uv` float32 [T, P, 2] tangents gives float32 and int32 [T, P].

    Frames outside `only` stay 0 and -1.
    """
    _check(1, 1, 1, backend, 1)
    chosen = list(range(compiled.frames)) if only is None else [int(f) for f in only]
    depth = np.zeros(uv.shape[:2], dtype=np.float32)
    ids = np.full(uv.shape[:2], -1, dtype=np.int32)
    if backend == "torch":
        from simbench.worlds import torch_backend

        torch_backend.trace(compiled, uv, chosen, depth, ids)
    else:
        from simbench.worlds import numba_backend

        numba_backend.trace(compiled, uv, chosen, depth, ids)
    return depth, ids


def _check(width: int, height: int, samples: int, backend: str, threads: int) -> None:
    for name, value, limit in (
        ("width", width, MAX_SIDE),
        ("height", height, MAX_SIDE),
        ("samples", samples, MAX_SAMPLES),
        ("threads", threads, 1024),
    ):
        if not 1 <= value <= limit:
            raise UserError(f"{name}={value} is outside 1..{limit}; choose a whole number inside")
    if backend not in BACKENDS:
        raise UserError(f"unknown backend {backend!r}; choose from {', '.join(BACKENDS)}")


__all__ = ["Frames", "render", "trace"]
