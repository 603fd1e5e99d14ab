"""Runs the compiled kernels over frame ranges on plain threads: they hold no lock and share no pixel."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from simbench.worlds import bounds, kernel
from simbench.worlds.compile import CompiledClip
from simbench.worlds.render import Frames, raster


def render(
    compiled: CompiledClip, width: int, height: int, samples: int, threads: int, chosen: list[int], truth: bool
) -> Frames:
    """See `simbench.worlds.render.render`."""
    count = len(chosen)
    frames = np.array(chosen, dtype=np.int64)
    fine = raster(width, height, samples, compiled.tangent)
    body_uv = bounds.body_rects(compiled)[frames]
    rects = bounds.pixel_rects(body_uv, width, height, samples, fine.pitch)
    casts = rects
    if compiled.tables.light[1] > 0:
        casts = bounds.pixel_rects(
            bounds.shadow_rects(compiled)[frames], width, height, samples, fine.pitch
        )
    rgb = np.empty((count, height, width, 3), dtype=np.uint8)
    tb, pitch = compiled.tables, np.float32(fine.pitch)

    def colour(first: int, last: int) -> None:
        kernel.draw(tb, frames, first, last, fine.us, fine.vs, samples, pitch, rects, casts, rgb)

    _spread(colour, count, threads)
    if not truth:
        none = (0, height, width)
        return Frames(rgb, np.empty(none, dtype=np.float32), np.empty(none, dtype=np.int32))
    centre = raster(width, height, 1, compiled.tangent)
    single = bounds.pixel_rects(body_uv, width, height, 1, fine.pitch)
    depth = np.empty((count, height, width), dtype=np.float32)
    ids = np.empty((count, height, width), dtype=np.int32)

    def facts(first: int, last: int) -> None:
        kernel.probe(tb, frames, first, last, centre.us, centre.vs, single, depth, ids)

    _spread(facts, count, threads)
    return Frames(rgb, depth, ids)


def trace(compiled: CompiledClip, uv: np.ndarray, chosen: list[int], depth: np.ndarray, ids: np.ndarray) -> None:
    """See `simbench.worlds.render.trace`: fills `depth` and `ids` [T, P]."""
    frames = np.array(chosen, dtype=np.int64)
    us, vs = np.ascontiguousarray(uv[..., 0]), np.ascontiguousarray(uv[..., 1])
    kernel.touch(compiled.tables, frames, us, vs, depth, ids)


def _spread(work: Callable[[int, int], None], count: int, threads: int) -> None:
    """Run `work(first, last)` over `count` frames on up to `threads` threads."""
    threads = min(threads, count)
    if threads <= 1:
        work(0, count)
        return
    cuts = [count * i // threads for i in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        for job in [pool.submit(work, a, b) for a, b in zip(cuts, cuts[1:], strict=False)]:
            job.result()
