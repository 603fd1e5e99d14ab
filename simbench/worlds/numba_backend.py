"""Runs the compiled kernels over frame ranges on plain threads: they hold no lock and share no pixel."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from simbench.worlds import bounds, kernel, still
from simbench.worlds.compile import CompiledClip
from simbench.worlds.raster import Frames, raster


def render(
    compiled: CompiledClip,
    width: int,
    height: int,
    samples: int,
    threads: int,
    chosen: list[int],
    truth: bool,
) -> Frames:
    """See `simbench.worlds.render.render`."""
    count, tb = len(chosen), compiled.tables
    frames = np.array(chosen, dtype=np.int64)
    edits = kernel.Edits(tb.carves, tb.strokes, tb.painted, tb.cells)
    fine = raster(width, height, samples, compiled.tangent)
    pitch = np.float32(fine.pitch)
    body_uv = bounds.body_rects(compiled)[frames]
    rects = bounds.pixel_rects(body_uv, width, height, samples, fine.pitch)
    casts = rects
    shadow = bool((tb.frames["shadow"] > 0).any())
    if shadow:
        shadow_uv = bounds.shadow_rects(compiled)[frames]
        casts = bounds.pixel_rects(shadow_uv, width, height, samples, fine.pitch)
    moving = still.moving(compiled, frames)
    parts = still.windows(moving, (rects, casts) if shadow else (rects,), width, height, samples)
    rgb = np.empty((count, height, width, 3), dtype=np.uint8)
    kept = count if truth else 0
    depth = np.empty((kept, height, width), dtype=np.float32)
    ids = np.empty((kept, height, width), dtype=np.int32)
    # One ray per pixel goes through its centre, so that colour and truth are one pass.
    once = depth[: kept if samples == 1 else 0], ids[: kept if samples == 1 else 0]

    def colour(windows: np.ndarray, hits: np.ndarray, shades: np.ndarray, a: int, b: int) -> None:
        """Colours of frames a to b."""
        us, vs, lit = fine.us, fine.vs, (hits, shades)
        kernel.draw(
            tb.bodies, tb.frames, edits, frames, windows, a, b, us, vs, samples, pitch, *lit, rgb, *once
        )

    _cover(colour, parts, moving, (rects, casts), (rgb, *once), threads)
    if samples == 1 or not truth:
        return Frames(rgb, depth, ids)
    centre = raster(width, height, 1, compiled.tangent)
    us = np.tile(centre.us, (count, 1))
    vs = np.tile(centre.vs, (count, 1))
    single = bounds.pixel_rects(body_uv, width, height, 1, fine.pitch)
    parts = still.windows(moving, (single,), width, height, 1)

    def facts(windows: np.ndarray, hits: np.ndarray, a: int, b: int) -> None:
        """Depth and ids of frames a to b."""
        kernel.probe(tb.bodies, edits, frames, windows, a, b, us, vs, hits, depth, ids)

    _cover(facts, parts, moving, (single,), (depth, ids), threads)
    return Frames(rgb, depth, ids)


def _cover(
    work: Callable[..., None],
    parts: still.Windows,
    moving: np.ndarray,
    rects: tuple[np.ndarray, ...],
    arrays: tuple[np.ndarray, ...],
    threads: int,
) -> None:
    """Draw the first frame without what moves, copy it to all, and draw what moves over it."""
    if len(parts.plate):
        bare = tuple(np.where(moving[None, :, None], np.int32(0), r[:1]) for r in rects)
        work(parts.plate, *bare, 0, 1)
        for array in arrays:
            array[1:] = array[:1]
    _spread(lambda a, b: work(parts.rest, *rects, a, b), len(parts.rest), threads)


def trace(
    compiled: CompiledClip, uv: np.ndarray, chosen: list[int], depth: np.ndarray, ids: np.ndarray
) -> None:
    """See `simbench.worlds.render.trace`: fills `depth` and `ids` [T, P]. A ray is an image of one pixel."""
    tb = compiled.tables
    edits = kernel.Edits(tb.carves, tb.strokes, tb.painted, tb.cells)
    points = uv.shape[1]
    frames = np.repeat(np.array(chosen, dtype=np.int64), points)
    us = np.ascontiguousarray(uv[chosen, :, 0]).reshape(-1, 1)
    vs = np.ascontiguousarray(uv[chosen, :, 1]).reshape(-1, 1)
    rects = np.zeros((len(frames), len(tb.kind), 4), dtype=np.int32)
    rects[..., 1] = rects[..., 3] = tb.drawn[frames]
    t = np.empty((len(frames), 1, 1), dtype=np.float32)
    n = np.empty((len(frames), 1, 1), dtype=np.int32)
    rays = still.whole(len(frames), 1, 1)
    kernel.probe(tb.bodies, edits, frames, rays, 0, len(frames), us, vs, rects, t, n)
    depth[chosen] = t.reshape(len(chosen), points)
    ids[chosen] = n.reshape(len(chosen), points)


def _spread(work: Callable[[int, int], None], count: int, threads: int) -> None:
    """Run `work(first, last)` over `count` frames on up to `threads` threads."""
    threads = min(threads, count)
    if threads <= 1:
        work(0, count)
        return
    cuts = [count * i // threads for i in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        for job in [pool.submit(work, a, b) for a, b in pairwise(cuts)]:
            job.result()
