"""The second reader: which re-rendered hypothesis is nearest to a frame?

A hypothesis is the plate with one object's re-rendered appearance (its sprite) at some place, in front
of or behind the occluder, or nowhere. The squared distance of a frame to every placement is found at
once by correlation. It shares neither segmentation nor colour model with the state decoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from simbench.arrays import channel_sum, squared, weighted_fit


@dataclass(frozen=True)
class Sprite:
    """Re-rendered appearance: `colour` float32 [h, w, 3] 0-255, `cover` float32 [h, w]; odd sizes."""

    colour: np.ndarray
    cover: np.ndarray


@dataclass(frozen=True)
class Placement:
    """The best place of a sprite: centre (x, y) pixels, `explained` share of the sprite's energy that
    placing it takes away from the frame's distance to the plate (1: exactly this, 0 or less: not
    here), `left`, what remains around it as a share of the same energy, and `rest`, the same in
    squared grey levels, comparable between sprites; `image` [H, W, 3] is the hypothesis itself."""

    x: float
    y: float
    explained: float
    left: float
    rest: float
    image: np.ndarray


@dataclass(frozen=True)
class Hypotheses:
    """`explained` float32 [H, W] for a sprite centred at each pixel, -inf where less than a third of it
    could be seen; `energy` float32 [H, W] the sprite's energy there."""

    explained: np.ndarray
    energy: np.ndarray


def match_colours(rendered: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Coefficients [3, 3] of one quadratic per channel from rendered to generated colours, least squares
    over frames [K, H, W, 3] on which both agree in content; both 0-255."""
    fit = np.zeros((3, 3))
    if np.array_equal(rendered, frames):
        return fit
    for c in range(3):
        x = rendered[..., c].reshape(-1).astype(np.float64) / 255.0
        y = frames[..., c].reshape(-1).astype(np.float64)
        design = np.stack([np.ones_like(x), x, x * x], axis=1)
        weight = np.ones_like(x)
        off = y - 255.0 * x
        for _ in range(3):
            fit[c] = weighted_fit(design, off, weight, 1e-3 * len(x) * np.eye(3))
            weight = 1.0 / np.maximum(np.abs(off - design @ fit[c]), 4.0)
    return fit


def recolour(image: np.ndarray, fit: np.ndarray) -> np.ndarray:
    """An image [..., 3] in the colours that `match_colours` found."""
    x = image / 255.0
    return (image + fit[:, 0] + fit[:, 1] * x + fit[:, 2] * x * x).astype(np.float32)


@dataclass(frozen=True)
class Field:
    """What `search` needs of plate, sprite and screen alone: `energy` float32 [H, W] of the sprite centred
    at each pixel, `able` bool [H, W] where enough of it could be seen, and `cover` float32 [h, w] and `ink`
    float32 [3, h, w] (cover times colour), without empty margins."""

    energy: np.ndarray
    able: np.ndarray
    cover: np.ndarray
    ink: np.ndarray


def field(plate: np.ndarray, sprite: Sprite, seen: np.ndarray) -> Field:
    """|Q|^2 with Q = cover (colour - plate) seen for every placement of a sprite (see `search`)."""
    core = _core(sprite)
    square = core.cover**2
    seen_plate = seen[..., None] * plate
    energy = _correlate(seen, square * squared(core.colour))
    energy += _correlate(channel_sum(seen_plate * plate), square)
    for c in range(3):
        energy -= 2 * _correlate(seen_plate[..., c], square * core.colour[..., c])
    share = _correlate(seen, core.cover) / max(float(core.cover.sum()), 1e-6)
    able = (share > 0.35) & (energy > 0.1 * full_energy(sprite, plate))
    return Field(energy, able, core.cover, np.moveaxis(core.cover[..., None] * core.colour, -1, 0))


def _core(sprite: Sprite) -> Sprite:
    """The sprite without its empty margins, which cost as much to correlate as the rest; odd in size."""
    half = np.array(sprite.cover.shape) // 2
    reach = np.abs(np.argwhere(sprite.cover > 0) - half).max(initial=0)
    rows, columns = (slice(max(0, h - reach), h + reach + 1) for h in half)
    return Sprite(sprite.colour[rows, columns], np.ascontiguousarray(sprite.cover[rows, columns]))


def search(frame: np.ndarray, plate: np.ndarray, seen: np.ndarray, ground: Field) -> Hypotheses:
    """Distance of one frame to every placement of a sprite.

    `frame`, `plate` float32 [H, W, 3]; `seen` float32 [H, W]: 0 where the occluder hides it (all ones:
    drawn in front). With Q = cover (colour - plate) seen, explained = (|d|^2 - |d - Q|^2) / |Q|^2 for
    d = frame - plate. `ground` is the `field` of the same plate and screen, and of the sprite.
    """
    seen_difference = seen[..., None] * (frame - plate)
    gain = -2 * _correlate(channel_sum(seen_difference * plate), ground.cover)
    for c in range(3):
        gain += 2 * _correlate(seen_difference[..., c], ground.ink[c])
    explained = np.where(ground.able, (gain - ground.energy) / np.maximum(ground.energy, 1e-3), -np.inf)
    return Hypotheses(explained.astype(np.float32), ground.energy)


def hopeless(frame: np.ndarray, plate: np.ndarray, energy: float, explained: float) -> bool:
    """Is the frame so near to the plate that no placement can explain that much of a sprite's full `energy`?

    explained = e needs 2 d.Q >= (1 + e) |Q|^2, so |d| >= (1 + e) |Q| / 2 by Cauchy and Schwarz, and
    `search` looks at no |Q|^2 below a tenth of the whole.
    """
    off = (frame - plate).reshape(-1)
    distance = float(off @ off)
    return distance < 0.1 * energy * (1.0 + explained) ** 2 / 4.0


def full_energy(sprite: Sprite, plate: np.ndarray) -> float:
    """|Q|^2 of a sprite in full view on the plate's mean colour."""
    off = sprite.colour - plate.mean(axis=(0, 1))
    return float((sprite.cover**2 * squared(off)).sum())


def _correlate(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.filter2D(image, cv2.CV_32F, kernel, borderType=cv2.BORDER_CONSTANT)


def refine(
    frame: np.ndarray,
    plate: np.ndarray,
    sprites: Mapping[str, Sprite],
    seen: np.ndarray,
    free: np.ndarray,
    x: int,
    y: int,
    noise: float,
) -> dict[str, Placement]:
    """Sub-pixel placement of rival sprites around (x, y): name -> best Placement.

    `free` bool [H, W] excludes pixels where other objects may be; `noise` is the standard deviation of
    the frame's noise, whose energy is taken off what is left.
    """
    from simbench.instruments.decoder import paste

    size = max(s.cover.shape[0] for s in sprites.values())
    y0, x0 = max(0, y - size), max(0, x - size)
    window = (slice(y0, y + size + 1), slice(x0, x + size + 1))
    ground, visible, usable = plate[window], _triple(seen[window]), _triple(free[window])
    off = usable * (frame[window] - ground)
    count, before = float(usable.sum()), float((off**2).sum())
    steps = [(x + dx, y + dy) for dy in (-0.5, 0.0, 0.5) for dx in (-0.5, 0.0, 0.5)]
    places = [(px - x0, py - y0) for px, py in steps]
    out = {}
    for name, sprite in sprites.items():
        cover = _triple(sprite.cover)
        ink = paste(sprite.colour * cover, places, visible.shape)
        changes = visible * (ink - paste(cover, places, visible.shape) * ground)
        after = ((off - usable * changes) ** 2).reshape(len(steps), -1).sum(axis=1)
        rests = np.maximum(0.0, after - count * noise**2)
        i = int(np.argmin(rests))
        rest = float(rests[i])
        energy = max(float((changes[i] ** 2).sum()), 1e-3)
        explained = (before - float(after[i])) / energy
        image = plate.copy()
        image[window] += changes[i]
        out[name] = Placement(*steps[i], explained, rest / energy, rest, image)
    return out


def _triple(image: np.ndarray) -> np.ndarray:
    """[H, W] as float32 [H, W, 3], written out: numpy multiplies equal shapes several times as fast."""
    return np.repeat(image[..., None].astype(np.float32), 3, axis=-1)
