"""Named colours, textures and shapes, and which of them no training clip ever shows.

Movers take saturated colours whose hues stay apart; the stage takes muted ones, so that an object
never melts into its surround. `split="test"` names what only tests show, `"train"` the rest.
Colours are sRGB in [0, 1].
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simbench.errors import UserError
from simbench.worlds.scene import Material, Vec, constant

SPLITS = ("train", "test", "all")

_COLOURS: dict[str, dict[str, Vec]] = {
    "train": {
        "red": (0.87, 0.12, 0.13),
        "orange": (0.97, 0.49, 0.05),
        "yellow": (0.97, 0.84, 0.10),
        "green": (0.13, 0.62, 0.20),
        "cyan": (0.10, 0.74, 0.88),
        "blue": (0.12, 0.27, 0.88),
        "purple": (0.52, 0.16, 0.78),
        "pink": (0.97, 0.40, 0.70),
    },
    "test": {
        "lime": (0.60, 0.90, 0.10),
        "turquoise": (0.05, 0.86, 0.64),
        "lavender": (0.66, 0.52, 0.99),
        "magenta": (0.86, 0.04, 0.76),
    },
}

_STAGE: dict[str, dict[str, Vec]] = {
    "train": {
        "white": (0.89, 0.89, 0.87),
        "grey": (0.62, 0.64, 0.67),
        "dark grey": (0.36, 0.38, 0.41),
        "sand": (0.82, 0.75, 0.62),
        "tan": (0.70, 0.58, 0.46),
        "brown": (0.50, 0.37, 0.28),
        "terracotta": (0.68, 0.45, 0.37),
        "sage": (0.58, 0.64, 0.54),
        "slate blue": (0.48, 0.58, 0.67),
    },
    "test": {
        "mauve": (0.62, 0.53, 0.62),
        "olive": (0.52, 0.51, 0.37),
    },
}

_TEXTURES: dict[str, tuple[str, ...]] = {
    "train": ("flat", "checker", "stripe", "noise", "brick"),
    "test": ("dots",),
}


@dataclass(frozen=True)
class Shape:
    """A named solid: `kind` of body and its half extents as multiples of a base size."""

    name: str
    kind: str
    proportions: Vec

    def half_extents(self, size: float) -> Vec:
        """Half extents in metres for a base size in metres."""
        x, y, z = self.proportions
        return (x * size, y * size, z * size)


_SHAPES: dict[str, tuple[Shape, ...]] = {
    "train": (
        Shape("ball", "sphere", (1.0, 1.0, 1.0)),
        Shape("cube", "box", (0.85, 0.85, 0.85)),
        Shape("cylinder", "cylinder", (0.72, 0.95, 0.72)),
        Shape("block", "box", (1.15, 0.6, 0.75)),
        Shape("pillar", "box", (0.5, 1.45, 0.5)),
    ),
    "test": (
        Shape("capsule", "capsule", (0.48, 0.62, 0.48)),
        Shape("disc", "cylinder", (1.05, 0.32, 1.05)),
    ),
}


def _splits(split: str) -> tuple[str, ...]:
    if split not in SPLITS:
        raise UserError(f"split={split} is unknown; use one of {', '.join(SPLITS)}")
    return ("train", "test") if split == "all" else (split,)


def colours(split: str = "train") -> dict[str, Vec]:
    """Saturated colours for movers and objects, name -> sRGB."""
    return {name: rgb for part in _splits(split) for name, rgb in _COLOURS[part].items()}


def rgb(name: str) -> Vec:
    """sRGB of a named colour of either split, mover or stage."""
    named = {**stage_colours("all"), **colours("all")}
    if name not in named:
        raise UserError(f"colour={name} is unknown; use one of {', '.join(named)}")
    return named[name]


def stage_colours(split: str = "train") -> dict[str, Vec]:
    """Muted colours for floors, walls and tables, name -> sRGB."""
    return {name: rgb for part in _splits(split) for name, rgb in _STAGE[part].items()}


def textures(split: str = "train") -> tuple[str, ...]:
    """Texture names."""
    return tuple(name for part in _splits(split) for name in _TEXTURES[part])


def shapes(split: str = "train") -> tuple[Shape, ...]:
    """Shapes."""
    return tuple(shape for part in _splits(split) for shape in _SHAPES[part])


def shape(name: str) -> Shape:
    """The shape called `name`, of either split."""
    for candidate in shapes("all"):
        if candidate.name == name:
            return candidate
    raise UserError(f"shape={name} is unknown; use one of {', '.join(s.name for s in shapes('all'))}")


def pick_colours(rng: random.Random, count: int, split: str = "train") -> list[str]:
    """`count` colour names: all different until the split has been used up, then again from the start."""
    names = list(colours(split))
    picked: list[str] = []
    while len(picked) < count:
        rng.shuffle(names)
        picked += names
    return picked[:count]


def tint(colour: Vec, amount: float) -> Vec:
    """`colour` mixed with white (`amount` > 0) or black (< 0); |amount| <= 1 is the share."""
    goal, share = (1.0, amount) if amount > 0 else (0.0, -amount)
    r, g, b = (c + share * (goal - c) for c in colour)
    return (r, g, b)


def surface(
    colour: Vec,
    texture: str = "flat",
    scale: float = 0.1,
    other: Vec | None = None,
    specular: float = 0.0,
    look: str = "rich",
) -> Material:
    """A material; in look plain always flat and matt. `other` defaults to a paler `colour`."""
    if look == "plain":
        return Material(constant(*colour), constant(*colour))
    second = tint(colour, 0.55) if other is None else other
    return Material(constant(*colour), constant(*second), texture, scale, specular=specular)


_LMS = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)
"""Linear sRGB to cones, and their cube roots to Oklab."""


@lru_cache(maxsize=1024)
def _lightness_axes(colour: Vec) -> tuple[float, float, float]:
    """Oklab of an sRGB colour (Ottosson 2020)."""
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    long, middle, short = (sum(w * x for w, x in zip(row, (r, g, b), strict=True)) ** (1 / 3) for row in _LMS)
    first, second, third = (
        sum(w * x for w, x in zip(row, (long, middle, short), strict=True)) for row in _LAB
    )
    return first, second, third


def distance(first: Vec, second: Vec) -> float:
    """How far apart two sRGB colours look: Euclidean in Oklab, black to white is 1."""
    a, b = _lightness_axes(first), _lightness_axes(second)
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5


@lru_cache(maxsize=1)
def _words() -> dict[str, Vec]:
    """Every colour that has a word, stage colours included."""
    named = {**stage_colours("all"), **colours("all")}
    return {**named, "black": (0.05, 0.05, 0.05), "cream": (0.95, 0.9, 0.75)}


@lru_cache(maxsize=1024)
def colour_word(colour: Vec) -> str:
    """Name of the nearest named colour, stage colours included."""
    named = _words()
    return min(named, key=lambda name: distance(named[name], colour))


def colour_words(found: np.ndarray) -> list[str]:
    """The same for an array [N, 3] of sRGB in [0, 1]."""
    light = np.where(found <= 0.04045, found / 12.92, ((found + 0.055) / 1.055) ** 2.4)
    axes = np.cbrt(light @ np.array(_LMS).T) @ np.array(_LAB).T
    names, known = _known()
    return [names[i] for i in np.square(axes[:, None] - known).sum(-1).argmin(1)]


@lru_cache(maxsize=1)
def _known() -> tuple[tuple[str, ...], np.ndarray]:
    """The words and their Oklab [M, 3]."""
    axes = np.array([_lightness_axes(rgb) for rgb in _words().values()])
    axes.flags.writeable = False
    return tuple(_words()), axes
