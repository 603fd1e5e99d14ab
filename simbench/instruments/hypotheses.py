"""The second reader: which re-rendered hypothesis is nearest to a frame?

A hypothesis is the plate with one object's re-rendered appearance (its sprite) at some place, in front
of or behind the occluder, or nowhere. The squared distance of a frame to every placement is found at
once by correlation. It shares neither segmentation nor colour model with the state decoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


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
    for c in range(3):
        x = rendered[..., c].reshape(-1).astype(np.float64) / 255.0
        y = frames[..., c].reshape(-1).astype(np.float64)
        design = np.stack([np.ones_like(x), x, x * x], axis=1)
        weight = np.ones_like(x)
        for _ in range(3):
            normal = (design * weight[:, None]).T @ design + 1e-3 * len(x) * np.eye(3)
            delta = np.linalg.solve(normal, (design * weight[:, None]).T @ (y - 255.0 * x))
            left = np.abs(y - 255.0 * x - design @ delta)
            weight = 1.0 / np.maximum(left, 4.0)
        fit[c] = delta
    return fit


def recolour(image: np.ndarray, fit: np.ndarray) -> np.ndarray:
    """An image [..., 3] in the colours that `match_colours` found."""
    x = image / 255.0
    return (image + fit[:, 0] + fit[:, 1] * x + fit[:, 2] * x * x).astype(np.float32)


@dataclass(frozen=True)
class Field:
    """What `search` needs of plate, sprite and screen alone: `energy` float32 [H, W] of the sprite centred
    at each pixel, and `able` bool [H, W]: enough of it could be seen there."""

    energy: np.ndarray
    able: np.ndarray


def field(plate: np.ndarray, sprite: Sprite, seen: np.ndarray) -> Field:
    """|Q|^2 with Q = cover (colour - plate) seen for every placement of a sprite (see `search`)."""
    square = sprite.cover**2
    seen_plate = seen[..., None] * plate
    energy = _correlate(seen, square * (sprite.colour**2).sum(axis=-1))
    energy += _correlate((seen_plate * plate).sum(axis=-1), square)
    for c in range(3):
        energy -= 2 * _correlate(seen_plate[..., c], square * sprite.colour[..., c])
    share = _correlate(seen, sprite.cover) / max(float(sprite.cover.sum()), 1e-6)
    return Field(energy, (share > 0.35) & (energy > 0.1 * _full_energy(sprite, plate)))


def search(
    frame: np.ndarray, plate: np.ndarray, sprite: Sprite, seen: np.ndarray, known: Field | None = None
) -> Hypotheses:
    """Distance of one frame to every placement of a sprite.

    `frame`, `plate` float32 [H, W, 3]; `seen` float32 [H, W]: 0 where the occluder hides it (all ones:
    drawn in front). With Q = cover (colour - plate) seen, explained = (|d|^2 - |d - Q|^2) / |Q|^2 for
    d = frame - plate. `known` is the `field` of the same plate, sprite and screen.
    """
    ground = field(plate, sprite, seen) if known is None else known
    seen_difference = seen[..., None] * (frame - plate)
    gain = -2 * _correlate((seen_difference * plate).sum(axis=-1), sprite.cover)
    for c in range(3):
        gain += 2 * _correlate(seen_difference[..., c], sprite.cover * sprite.colour[..., c])
    explained = np.where(ground.able, (gain - ground.energy) / np.maximum(ground.energy, 1e-3), -np.inf)
    return Hypotheses(explained.astype(np.float32), ground.energy)


def hopeless(frame: np.ndarray, plate: np.ndarray, sprite: Sprite, explained: float) -> bool:
    """Is the frame so near to the plate that no placement can explain that much of the sprite's energy?

    explained = e needs 2 d.Q >= (1 + e) |Q|^2, so |d| >= (1 + e) |Q| / 2 by Cauchy and Schwarz, and
    `search` looks at no |Q|^2 below a tenth of the whole.
    """
    distance = float(((frame - plate) ** 2).sum())
    return distance < 0.1 * _full_energy(sprite, plate) * (1.0 + explained) ** 2 / 4.0


def _full_energy(sprite: Sprite, plate: np.ndarray) -> float:
    """|Q|^2 of a sprite in full view on the plate's mean colour."""
    off = sprite.colour - plate.mean(axis=(0, 1))
    return float((sprite.cover**2 * (off**2).sum(axis=-1)).sum())


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
    view, ground, visible = frame[window], plate[window], seen[window]
    usable = free[window].astype(np.float32)
    count = 3 * float(usable.sum())
    before = float((usable[..., None] * (view - ground) ** 2).sum())
    out = {}
    for name, sprite in sprites.items():
        patch = np.dstack([sprite.colour * sprite.cover[..., None], sprite.cover])
        steps = [(x + dx, y + dy) for dy in (-0.5, 0.0, 0.5) for dx in (-0.5, 0.0, 0.5)]
        placed = np.stack([paste(patch, px - x0, py - y0, visible.shape) for px, py in steps])
        changes = visible[..., None] * (placed[..., :3] - placed[..., 3:] * ground)
        after = (usable[..., None] * (view - ground - changes) ** 2).sum(axis=(1, 2, 3))
        rests = np.maximum(0.0, after - count * noise**2)
        i = int(np.argmin(rests))
        rest = float(rests[i])
        energy = max(float((changes[i] ** 2).sum()), 1e-3)
        explained = (before - float(after[i])) / energy
        image = plate.copy()
        image[window] += changes[i]
        out[name] = Placement(*steps[i], explained, rest / energy, rest, image)
    return out
