"""Moving layers read from the given frames: a sprite, where it was in each frame, and what hid it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simbench.arrays import gradient
from simbench.generators.motion import Law
from simbench.generators.pixels import grow, one_thread
from simbench.generators.plate import Plate, read_plate, refine
from simbench.generators.sweep import Swept
from simbench.generators.tracks import Chain, chains

CUT = 0.985
"""A layer that shows less than this share of its area is partly behind something."""

SEEN = 0.12
"""A layer that shows less than this share is not used to measure where it is."""


@dataclass(frozen=True)
class Layer:
    """`colour` float32 [h, w, 3] levels and `alpha` float32 [h, w]: the sprite in the frame where it is
    seen best, its corner at `corner` (x, y) px. `offsets` float64 [k, 2] (x, y) px moves it to frame t,
    `shown` float64 [k] is the share of its area that frame t shows, `mattes` float32 [k, H, W] what it
    covered of each pixel and `seen` float32 [H, W] the most of them.
    A shadow has a `shade`: the factor by which it darkens what it falls on."""

    colour: np.ndarray
    alpha: np.ndarray
    corner: tuple[int, int]
    offsets: np.ndarray
    shown: np.ndarray
    mattes: np.ndarray
    seen: np.ndarray
    shade: float | None = None


def place(
    sprite: np.ndarray, corner: tuple[int, int], offset: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """float32 [H, W(, C)]: `sprite` on an empty canvas of `shape`, moved by `offset` (x, y) px, bilinear."""
    import cv2

    out = np.zeros((*shape, *sprite.shape[2:]), np.float32)
    x, y = corner[0] + float(offset[0]), corner[1] + float(offset[1])
    left, top = int(np.floor(x)), int(np.floor(y))
    move = np.array([[1, 0, x - left], [0, 1, y - top]], np.float32)
    size = (sprite.shape[1] + 1, sprite.shape[0] + 1)
    moved = cv2.warpAffine(sprite, move, size, flags=cv2.INTER_LINEAR, borderValue=0)
    y0, y1 = max(top, 0), min(top + size[1], shape[0])
    x0, x1 = max(left, 0), min(left + size[0], shape[1])
    if y0 < y1 and x0 < x1:
        out[y0:y1, x0:x1] = moved[y0 - top : y1 - top, x0 - left : x1 - left]
    return out


def _register(
    alpha: np.ndarray, corner: tuple[int, int], matte: np.ndarray, free: np.ndarray, guess: np.ndarray
) -> np.ndarray:
    """The offset (x, y) px at which the sprite, seen through `free` in [0, 1], explains `matte` best
    (Gauss-Newton, Lucas and Kanade 1981)."""
    offset = guess.astype(np.float64)
    slope = np.empty((*matte.shape, 2), np.float32)
    pull = 1e-3 * np.eye(2)
    for _ in range(12):
        moved = place(alpha, corner, offset, (matte.shape[0], matte.shape[1]))
        gy, gx = gradient(moved)
        np.multiply(gx, free, out=slope[..., 0])
        np.multiply(gy, free, out=slope[..., 1])
        flat = slope.reshape(-1, 2)
        error = (moved * free - matte).reshape(-1)
        step = np.linalg.solve(flat.T @ flat + pull, flat.T @ error)
        step = np.minimum(np.maximum(step, -0.8), 0.8)
        offset = offset + step
        if max(abs(step[0]), abs(step[1])) < 1e-3:
            break
    return offset


def _sprite(frame: np.ndarray, matte: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Colour, alpha and corner: the box around a matte, edge pixels in the colour of the nearest full one."""
    from scipy import ndimage

    rows, columns = np.nonzero(matte.any(axis=1))[0], np.nonzero(matte.any(axis=0))[0]
    y0, y1 = max(rows[0] - 1, 0), rows[-1] + 2
    x0, x1 = max(columns[0] - 1, 0), columns[-1] + 2
    alpha = matte[y0:y1, x0:x1]
    full = alpha > 0.95
    full = full if full.any() else alpha >= alpha.max()
    near = ndimage.distance_transform_edt(~full, return_distances=False, return_indices=True)
    return frame[y0:y1, x0:x1][near[0], near[1]].astype(np.float32), alpha.copy(), (int(x0), int(y0))


def _shade(frame: np.ndarray, plate: np.ndarray, matte: np.ndarray) -> float | None:
    """The factor by which a layer darkens the plate, if that is all it does and it does so everywhere."""
    inside = matte > 0.9
    if not inside.any():
        return None
    ratio = (frame[inside].astype(np.float64) + 1) / (plate[inside] + 1)
    grey = ratio.mean(axis=1)
    tinted = float(np.median(np.abs(ratio - grey[:, None])))
    low, middle, high = np.percentile(grey, (10, 50, 90))
    return float(middle) if tinted < 0.05 and 0.3 < middle < 0.95 and high - low < 0.25 else None


def read_layer(frames: np.ndarray, plate: Plate, chain: Chain) -> Layer:
    """Sprite, offsets and what hid it, of one chain. Frames that show too little take the velocity's word."""
    areas = chain.mattes.sum(axis=(1, 2))
    best = int(np.argmax(areas))
    colour, alpha, corner = _sprite(frames[best], chain.mattes[best])
    shown = areas / areas[best]
    seen = chain.mattes.max(axis=0)
    offsets = np.zeros((len(frames), 2))
    everywhere = np.ones_like(seen)
    for direction in (1, -1):
        velocity = chain.velocity * direction
        t = best + direction
        while 0 <= t < len(frames):
            guess = offsets[t - direction] + velocity
            offsets[t] = guess
            if shown[t] > SEEN:
                free = seen if shown[t] < CUT else everywhere
                offsets[t] = _register(alpha, corner, chain.mattes[t], free, guess)
                velocity = (offsets[t] - offsets[best]) / abs(t - best)
            t += direction
    shade = _shade(frames[best], plate.rgb, chain.mattes[best])
    return Layer(colour, alpha, corner, offsets, shown, chain.mattes, seen, shade)


def expected(layer: Layer, offsets: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """float32 [H, W]: the most that the layer would cover of each pixel at `offsets` if nothing hid it."""
    return np.max([place(layer.alpha, layer.corner, o, shape) for o in offsets], axis=0)


def settle(layer: Layer, law: Law, hides: np.ndarray, rounds: int = 3) -> Law:
    """`law` fitted again, to all frames at once, now that it is known what hides the layer.

    Gauss-Newton on the difference between the mattes and the sprite moved by the law, where nothing
    hides it; the edge of what hides is left out.
    """
    shape = hides.shape
    wall = hides > 0.5
    free = ~wall & ~(grow(wall) & (layer.seen < 0.9))
    terms = law.terms
    order, floor = len(terms), 1e-2 * float(layer.alpha.sum())
    for _ in range(rounds):
        left = np.eye(2 * order) * 1e-6
        right = np.zeros(2 * order)
        for t, matte in enumerate(layer.mattes):
            moved = place(layer.alpha, layer.corner, Law(terms).at(t), shape)
            gy, gx = gradient(moved)
            slope = np.stack([gx[free], gy[free]])
            powers = np.power(float(t), np.arange(order))
            left += np.kron(np.outer(powers, powers), slope @ slope.T)
            right += np.kron(powers, slope @ (moved - matte)[free])
        if np.linalg.eigvalsh(left).min() < 1e-4 * floor:
            return law
        terms = terms + np.clip(np.linalg.solve(left, right).reshape(order, 2), -0.5, 0.5)
    return Law(terms) if np.abs(terms - law.terms).max() < 1.5 else law


def read_layers(frames: np.ndarray) -> tuple[Plate, tuple[Layer, ...]]:
    """The plate and all moving layers of `frames` uint8 [k, H, W, 3], k >= 2.

    Read twice: once the layers are known, so is in which frames each pixel of the plate is free.
    """
    return _read(frames.tobytes(), frames.shape)


@lru_cache(maxsize=1)
def _read(pixels: bytes, shape: tuple[int, int, int, int]) -> tuple[Plate, tuple[Layer, ...]]:
    """The last answer is kept: two baselines read the same frames, one after the other."""
    frames = np.frombuffer(pixels, np.uint8).reshape(shape)
    plate = read_plate(frames)
    with one_thread():
        layers = tuple(read_layer(frames, plate, c) for c in chains(frames, plate))
        if layers:
            plate = refine(frames, plate, *_forecast(layers, shape[:3]))
            layers = tuple(read_layer(frames, plate, c) for c in chains(frames, plate))
    return plate, layers


def _forecast(
    layers: tuple[Layer, ...], shape: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray, list[Swept], np.ndarray]:
    """Where any layer may be, with a margin of a pixel, bool [k, H, W]; its colour there or -1, [k, H, W, 3];
    the path of each layer; and bool [H, W] where a layer always is, with a margin across its motion only:
    along it stands what hides it."""
    from scipy import ndimage

    covered = np.zeros(shape, bool)
    inks = np.full((*shape, 3), -1, np.float32)
    paths, stuck = [], np.zeros(shape[1:], bool)
    for layer in layers:
        area = (shape[1], shape[2])
        own = np.stack([place(layer.alpha, layer.corner, o, area) > 0.02 for o in layer.offsets])
        here = np.stack([grow(o) for o in own])
        covered |= here
        for t, offset in enumerate(layer.offsets):
            ink = place(layer.colour + 1, layer.corner, np.rint(offset), area)
            inks[t] = np.where(ink > 0, ink - 1, inks[t])
        velocity = layer.offsets[-1] - layer.offsets[0]
        across = np.ones((3, 1)) if abs(velocity[0]) > abs(velocity[1]) else np.ones((1, 3))
        stuck |= ndimage.binary_dilation(own[layer.shown >= CUT].all(axis=0), across) & here.all(axis=0)
        if np.hypot(*velocity) > 0:
            paths.append(Swept(np.asarray(here.any(axis=0)), velocity))
    return covered, inks, paths, stuck
