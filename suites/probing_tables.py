"""Features and truths of clips as tables: a row for each clip and frame of the model, or place in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from simbench.errors import UserError
from simbench.generator import Features
from suites.probing_worlds import PLACED, STATES, Clip

GRID = 4
"""Frames are read through the means of GRID x GRID parts of the picture."""
MODELS = ("trained", "untrained")
PLAIN = ("latents", "pixels")


@dataclass(frozen=True)
class Shape:
    """F frames of the model of h x w tokens, of which the first `context` are given; `cells` [n] are the
    places, of h w, that are read one by one."""

    frames: int
    height: int
    width: int
    context: int
    cells: np.ndarray

    @staticmethod
    def of(answer: Features, clip: Clip, cells: int) -> Shape:
        """That of what a generator answered for one clip; `cells` places at random, the same for all.

        UserError for more places than there are tokens.
        """
        _, _, frames, height, width, _ = answer.blocks.shape
        if cells > height * width:
            raise UserError(
                f"probing.cells={cells} is more than the {height * width} tokens of a frame; use fewer"
            )
        each = (len(clip.video.frames) - 1) // (frames - 1)
        context = 1 + (len(clip.condition.given_frames) - 1) // each
        places = np.random.default_rng(0).permutation(height * width)[:cells]
        return Shape(frames, height, width, context, np.sort(places))


@dataclass(frozen=True)
class Table:
    """What is read from: `source`, a layer (0: the tokens that enter) and a noise level. `frames` float32
    [N, F, D] sums each frame up, `places` float32 [N, F, n, D] has the cells of a Shape."""

    source: str
    layer: int
    level: float
    frames: np.ndarray
    places: np.ndarray


def tables(
    answers: Sequence[Sequence[Features]], made: Sequence[Clip], levels: Sequence[float], shape: Shape
) -> Iterator[Table]:
    """Every source, layer and level, one after the other, so that they are not all in memory.

    Latents and pixels are those of the frame itself, and for level 1 those of the given frames, which is all
    that a model knows there.
    """
    for source, found in zip(MODELS, answers, strict=True):
        for number, level in enumerate(levels):
            for layer in range(found[0].blocks.shape[1]):
                yield _table(source, layer, level, [a.blocks[number, layer] for a in found], shape)
    plain = ([regrid(a.latents, shape) for a in answers[0]], [patches(c.video.frames, shape) for c in made])
    for source, rows in zip(PLAIN, plain, strict=True):
        yield _table(source, 0, 0.0, rows, shape)
        yield _table(source, 0, 1.0, [_told(row, shape.context) for row in rows], shape)


def _table(source: str, layer: int, level: float, tokens: Sequence[np.ndarray], shape: Shape) -> Table:
    frames = np.stack([pooled(t) for t in tokens])
    flat = [t.reshape(shape.frames, -1, t.shape[-1])[:, shape.cells] for t in tokens]
    return Table(source, layer, level, frames, np.stack(flat).astype(np.float32))


def pooled(tokens: np.ndarray) -> np.ndarray:
    """Means float32 [F, GRID GRID D] over parts of the picture of tokens [F, h, w, D]."""
    rows, columns = (np.array_split(np.arange(n), min(GRID, n)) for n in tokens.shape[1:3])
    parts = [
        tokens[:, a[0] : a[-1] + 1, b[0] : b[-1] + 1].astype(np.float32).mean((1, 2))
        for a in rows
        for b in columns
    ]
    return np.concatenate(parts, -1)


def regrid(latents: np.ndarray, shape: Shape) -> np.ndarray:
    """Latents [F, h', w', C] by token, float32 [F, h, w, D]: those of a token side by side."""
    frames, height, width, channels = latents.shape
    down, right = height // shape.height, width // shape.width
    cut = latents.reshape(frames, shape.height, down, shape.width, right, channels)
    return np.moveaxis(cut, 2, 3).reshape(frames, shape.height, shape.width, -1).astype(np.float32)


def patches(frames: np.ndarray, shape: Shape) -> np.ndarray:
    """Pixels by token, float32 [F, h, w, D] in [0, 1]; the first frame repeated, so that all have as many."""
    each = (len(frames) - 1) // (shape.frames - 1)
    padded = np.concatenate([frames[:1]] * (each - 1) + [frames])
    down, right = frames.shape[1] // shape.height, frames.shape[2] // shape.width
    cut = padded.reshape(shape.frames, each, shape.height, down, shape.width, right, 3)
    cut = np.moveaxis(cut, (2, 4), (1, 2))
    return cut.reshape(shape.frames, shape.height, shape.width, -1).astype(np.float32) / np.float32(255.0)


def _told(tokens: np.ndarray, context: int) -> np.ndarray:
    """Every frame as the given ones [F, h, w, context D]."""
    told = np.concatenate(list(tokens[:context]), -1)
    return np.broadcast_to(told, (len(tokens), *told.shape))


def truths(made: Sequence[Clip], shape: Shape) -> dict[str, np.ndarray]:
    """What is to be read, by name: float64 [N, F, K] of states and [N, F, n, K] of what has places. NaN where
    it is undefined, and in the given frames. What no clip has is absent."""
    found = {}
    for name in (n for n in STATES if any(n in clip.states for clip in made)):
        have = [clip.states.get(name) for clip in made]
        width = next(values.shape[-1] for values in have if values is not None)
        out = np.full((len(made), shape.frames, width), np.nan)
        for row, values in zip(out, have, strict=True):
            if values is not None:
                row[:] = by_frame(values, shape.frames)
        found[name] = out
    for name in PLACED:
        if not any(np.isfinite(clip.places[name]).any() for clip in made):
            continue
        found[name] = np.stack([_by_place(clip.places[name], shape) for clip in made])
    for values in found.values():
        values[:, : shape.context] = np.nan
    return found


def by_frame(values: np.ndarray, frames: int) -> np.ndarray:
    """States [T, K] by frame of the model [F, K]: the mean of those of its video frames that have one."""
    each = (len(values) - 1) // (frames - 1)
    whole = np.concatenate((np.full((each - 1, values.shape[1]), np.nan), values)).reshape(frames, each, -1)
    known = np.isfinite(whole)
    count = known.sum(1)
    total = np.where(known, whole, 0.0).sum(1)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _by_place(values: np.ndarray, shape: Shape) -> np.ndarray:
    """Values of pixels [T, H, W, K] by frame of the model and cell [F, n, K]: means over a token's pixels in
    its last video frame."""
    each = (len(values) - 1) // (shape.frames - 1)
    last = values[::each]
    down, right = last.shape[1] // shape.height, last.shape[2] // shape.width
    cut = last.reshape(shape.frames, shape.height, down, shape.width, right, -1).mean((2, 4))
    return cut.reshape(shape.frames, shape.height * shape.width, -1)[:, shape.cells]
