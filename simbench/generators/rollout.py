"""The future of a condition by compositing: a static plate, and layers that go on as they went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simbench.case import Condition
from simbench.generators.camera import camera_step, carry_on

if TYPE_CHECKING:
    from simbench.generators.contact import Stopped
    from simbench.generators.layers import Layer
    from simbench.generators.motion import Law
    from simbench.generators.plate import Plate

GREY = 127
"""Level of every pixel where no frame is given."""

MOST = 24
"""Given frames that are read: the last ones."""


def hold(condition: Condition) -> np.ndarray:
    """uint8 [T, H, W, 3]: the given frames, then the last one repeated; grey without any."""
    shape = (condition.frames, condition.height, condition.width, 3)
    out = np.full(shape, GREY, np.uint8)
    given = condition.given_frames[: condition.frames]
    if len(given) > 0:
        out[: len(given)] = given
        out[len(given) :] = given[-1]
    return out


@dataclass(frozen=True)
class Scenery:
    """What was read: the plate, and for each layer its law and the float32 [H, W] that hides it."""

    plate: Plate
    layers: tuple[tuple[Layer, Law | Stopped, np.ndarray], ...]


def read(given: np.ndarray, highest: int = 2, hide: bool = True) -> Scenery:
    """`given` uint8 [k, H, W, 3], k >= 2, to a plate and layers with laws of order `highest` at the most
    and, with `hide`, what hides them."""
    from simbench.generators.contact import stopped
    from simbench.generators.layers import SEEN, expected, read_layers, settle
    from simbench.generators.motion import fit
    from simbench.generators.occlusion import hiding

    plate, layers = read_layers(given)
    laws = [fit(layer.offsets, layer.shown, SEEN, highest) for layer in layers]
    hides = [np.zeros(given.shape[1:3], np.float32) for _ in layers]
    if hide:
        for i, (layer, law) in enumerate(zip(layers, laws, strict=True)):
            track = np.stack([law.at(t) for t in range(len(given))])
            missing = expected(layer, track, given.shape[1:3]) - layer.seen > 0.5
            hides[i] = hiding(plate, missing, layer.seen > 0.9, law.velocity(len(given) - 1))
            laws[i] = settle(layer, law, hides[i])
        hides = [_inherited(layer, own, hides) for layer, own in zip(layers, hides, strict=True)]
        last = len(given) - 1
        held = [stopped(law, x, plate, h, last) for law, x, h in zip(laws, layers, hides, strict=True)]
        return Scenery(plate, tuple(zip(layers, held, hides, strict=True)))
    return Scenery(plate, tuple(zip(layers, laws, hides, strict=True)))


def _inherited(layer: Layer, own: np.ndarray, hides: list[np.ndarray]) -> np.ndarray:
    """float32 [H, W]: what hid others hides a layer, too, if nothing hid that one yet and it never passed
    in front of it; a shadow falls on what lies behind."""
    if own.any() and layer.shade is None:
        return own
    all_ = np.max(hides, axis=0)
    before = float((layer.seen * all_).sum()) > 0.05 * float(layer.alpha.sum())
    return own if before else all_


def paint(canvas: np.ndarray, layer: Layer, offset: np.ndarray, hides: np.ndarray) -> np.ndarray:
    """float32 [H, W, 3]: `canvas` with the layer over it at `offset` px except for what hides it."""
    from simbench.generators.layers import place

    shape = (canvas.shape[0], canvas.shape[1])
    seen = (1.0 - hides)[..., None]
    share = place(layer.alpha, layer.corner, offset, shape)[..., None] * seen
    if layer.shade is not None:
        return canvas * (1 - share * (1 - layer.shade))
    ink = place(layer.colour * layer.alpha[..., None], layer.corner, offset, shape)
    return canvas * (1 - share) + ink * seen


def roll_out(condition: Condition, highest: int = 2, hide: bool = True) -> np.ndarray:
    """uint8 [T, H, W, 3]: the given frames and what follows from them; held with fewer than two given."""
    out = hold(condition)
    start = min(len(condition.given_frames), condition.frames)
    given = condition.given_frames[:start][-MOST:]
    if len(given) < 2 or start == condition.frames:
        return out
    step = camera_step(given)
    if step is not None:
        out[start:] = carry_on(given[-1], step, condition.frames - start)
        return out
    scenery = read(given, highest, hide)
    for t in range(start, condition.frames):
        canvas = scenery.plate.rgb
        for layer, law, hides in sorted(scenery.layers, key=lambda part: part[0].shade is None):
            canvas = paint(canvas, layer, law.at(t - start + len(given)), hides)
        out[t] = np.clip(np.rint(canvas), 0, 255).astype(np.uint8)
    return out
