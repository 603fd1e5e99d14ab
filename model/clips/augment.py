"""Variety at batch time: a clip in other colours, a clip in a mirror; its words change with it or go.

One map serves all frames of a clip. Colours that only tests show may come out of it: a model trained
with it has met them as colours, though never as worlds, and its card has to say so.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from model.actions import CHANNELS
from model.actions import mirrored as mirrored_actions
from model.data import Sample
from simbench.worlds import palette
from simbench.worlds.scene import Caption

GREYS = np.arange(256, dtype=np.float32) / np.float32(255.0)
FLIPS = ("orbit", "truck", "look-away")
"""Camera moves whose signed amount changes sign in a mirror."""


@dataclass(frozen=True)
class Augment:
    """Probabilities of a permutation of the channels, a mild change of colour, and a mirror; and how mild:
    largest hue turn in degrees, and how far saturation, gain and gamma stray from 1 (as ratios)."""

    permute: float = 0.5
    tint: float = 0.5
    mirror: float = 0.5
    hue: float = 12.0
    saturation: float = 0.25
    gain: float = 0.1
    gamma: float = 0.2


@dataclass(frozen=True)
class ColourMap:
    """y = matrix (gain x^gamma)[channels] for sRGB x in [0, 1], cut to [0, 1]; grey keeps its hue under
    the matrix, whose rows add up to 1."""

    channels: tuple[int, int, int] = (0, 1, 2)
    matrix: tuple[tuple[float, float, float], ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gamma: float = 1.0

    @property
    def permutes(self) -> bool:
        """Whether it exchanges channels."""
        return self.channels != (0, 1, 2)


def draw_map(rng: np.random.Generator, options: Augment) -> ColourMap:
    """A random map; the identity where chance chooses neither a permutation nor a tint."""
    channels = (0, 1, 2)
    if rng.random() < options.permute:
        first, second, third = (int(c) for c in rng.permutation(3))
        channels = (first, second, third)
    if rng.random() >= options.tint:
        return ColourMap(channels)
    turn = math.radians(rng.uniform(-options.hue, options.hue))
    gain = tuple(float(g) for g in _ratio(rng, options.gain, 3))
    matrix = _matrix(turn, float(_ratio(rng, options.saturation, 1)[0]))
    return ColourMap(channels, matrix, (gain[0], gain[1], gain[2]), float(_ratio(rng, options.gamma, 1)[0]))


def _ratio(rng: np.random.Generator, spread: float, count: int) -> np.ndarray:
    """Factors between 1 / (1 + spread) and 1 + spread, even in their logarithm."""
    return np.exp(rng.uniform(-1.0, 1.0, count) * math.log1p(spread))


def _matrix(turn: float, saturation: float) -> tuple[tuple[float, float, float], ...]:
    """A turn about the grey axis by `turn` radians (Rodrigues) times a stretch away from it."""
    cos, sin = math.cos(turn), math.sin(turn) / math.sqrt(3.0)
    rows = []
    for i in range(3):
        row = [(1.0 - cos) / 3.0] * 3
        row[i] += cos
        row[(i + 1) % 3] -= sin
        row[(i + 2) % 3] += sin
        rows.append(tuple(saturation * r + (1.0 - saturation) / 3.0 for r in row))
    return tuple((r[0], r[1], r[2]) for r in rows)


def recoloured(video: np.ndarray, colours: ColourMap) -> np.ndarray:
    """`video` [..., 3], uint8 or float in [0, 1], through one map; of the same type."""
    if colours == ColourMap(colours.channels):
        return np.ascontiguousarray(video[..., list(colours.channels)])
    bent = []
    for c in colours.channels:
        gain, gamma = np.float32(colours.gain[c]), np.float32(colours.gamma)
        if video.dtype == np.uint8:
            bent.append(np.take(gain * GREYS**gamma, video[..., c]))
        else:
            bent.append(gain * video[..., c].astype(np.float32) ** gamma)
    out = np.empty(video.shape, video.dtype)
    total, term = (np.empty(video.shape[:-1], np.float32) for _ in range(2))
    for i, row in enumerate(colours.matrix):
        # Sums written out: a matrix product may round in another order on another machine. In place: half the
        # time of a feed goes into this.
        np.multiply(bent[0], np.float32(row[0]), out=total)
        for share, part in zip(row[1:], bent[1:], strict=True):
            total += np.multiply(part, np.float32(share), out=term)
        np.clip(total, 0.0, 1.0, out=total)
        out[..., i] = np.rint(total * np.float32(255.0)) if video.dtype == np.uint8 else total
    return out


def true_words(text: str, colours: ColourMap) -> bool:
    """Whether every colour that `text` names is still called that after the map. Never after a permutation:
    names would have to change, and could become those of colours that only tests name."""
    if colours.permutes:
        return False
    return _kept(tuple(named_colours(text)), colours)


def named_colours(text: str) -> list[str]:
    """Names of the palette that occur in `text`, longest first, each counted once."""
    return sorted(set(_pattern().findall(text)))


@lru_cache(maxsize=1)
def _pattern() -> re.Pattern[str]:
    names = sorted({**palette.stage_colours("all"), **palette.colours("all")}, key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(names)})\b")


def _kept(names: tuple[str, ...], colours: ColourMap) -> bool:
    """Whether each of these colours is still called so. One array for all: a feed asks it of every clip."""
    if not names:
        return True
    found = recoloured(np.array([palette.rgb(name) for name in names]), colours)
    return palette.colour_words(found) == list(names)


def mirrored(sample: Sample) -> Sample:
    """The sample with left and right exchanged: pixels, mask, depth, camera, actions and words."""
    camera = None if sample.camera is None else mirrored_camera(sample.camera)
    actions = sample.actions
    if actions is not None and actions.shape[-1] == len(CHANNELS):
        actions = mirrored_actions(actions)
    words = sample.caption
    return dataclasses.replace(
        sample,
        video=_turned(sample.video),
        mask=None if sample.mask is None else np.ascontiguousarray(sample.mask[:, :, ::-1]),
        depth=None if sample.depth is None else np.ascontiguousarray(sample.depth[:, :, ::-1]),
        camera=camera,
        actions=actions,
        caption=Caption(swapped(words.short), swapped(words.long), _structured(words.structured)),
    )


def _turned(video: np.ndarray) -> np.ndarray:
    """[T, H, W, 3] with its columns in reverse; by whole pixels, which is twice as fast as by bytes."""
    pixels = np.ascontiguousarray(video).view(np.dtype((np.void, video.itemsize * 3)))
    return np.ascontiguousarray(pixels[:, :, ::-1]).view(video.dtype).reshape(video.shape)


def mirrored_camera(camera: np.ndarray) -> np.ndarray:
    """The camera [T, 3, 4] (see `Sample.camera`) that turns and moves to the other side."""
    flip = np.diag([-1.0, 1.0, 1.0]).astype(camera.dtype)
    return np.concatenate([flip @ camera[..., :3] @ flip, flip @ camera[..., 3:]], axis=-1)


def swapped(text: str) -> str:
    """`text` with the words left and right exchanged."""
    other = {"left": "right", "right": "left", "Left": "Right", "Right": "Left"}
    return re.sub(r"\b(left|right|Left|Right)\b", lambda m: other[m[0]], text)


def _structured(text: str) -> str:
    """The structured caption of a mirrored world: x of every place and the camera's sideways moves negated.

    Words of another form, which a user may have written, only have left and right exchanged.
    """
    try:
        facts = json.loads(swapped(text))
    except json.JSONDecodeError:
        return swapped(text)
    if not isinstance(facts, dict):
        return swapped(text)
    for thing in facts.get("objects", ()):
        if isinstance(thing, dict) and isinstance(thing.get("position"), list) and thing["position"]:
            thing["position"][0] = -thing["position"][0]
    camera = facts.get("camera")
    if isinstance(camera, dict) and camera.get("move") in FLIPS:
        camera["amount"] = -camera["amount"]
    return json.dumps(facts, sort_keys=True)


def augmented(sample: Sample, rng: np.random.Generator, options: Augment) -> Sample:
    """`sample` in other colours and perhaps mirrored, as chance has it; a caption that would lie is emptied.

    Bind `options` with functools.partial to get a `model.data.Change`.
    """
    mirror = rng.random() < options.mirror
    colours = draw_map(rng, options)
    if mirror:
        sample = mirrored(sample)
    if colours == ColourMap():
        return sample
    words = sample.caption
    texts = (words.short, words.long, words.structured)
    # What one asks of all three together costs a third, and is what almost every clip needs.
    lasts = true_words(" ".join(texts), colours)
    kept = [text if lasts or true_words(text, colours) else "" for text in texts]
    return dataclasses.replace(sample, video=recoloured(sample.video, colours), caption=Caption(*kept))
