"""Damage of growing strength for occluder worlds: the truth, spoilt in one way from the moment of hiding on.

Strength 0 is the truth itself. Damage acts on what comes out; while an object is hidden nothing shows.
All but `return` leave stay trials as they are, so that each kind spoils one thing.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simbench.case import Case, Setting
from simbench.instruments.bench import render_layout
from simbench.references import occlusion
from simbench.suite import Damage
from simbench.video import Video
from simbench.worlds.families import occluder
from simbench.worlds.families.occluder import Lane, Layout
from simbench.worlds.film import render_scene
from simbench.worlds.scene import Curve, Scene

Spoil = Callable[[Layout, Setting, int, int, float], np.ndarray]
"""(layout, setting, context, case seed, strength) -> frames uint8 [T, H, W, 3]."""


@dataclass(frozen=True)
class Kind:
    """One kind of damage: what it does, its `unit`, and its strengths from none to most."""

    spoil: Spoil
    unit: str
    strengths: tuple[float, ...]


def _by_frame(
    setting: Setting, keys: Sequence[Hashable], scene_of: Callable[[Hashable], Scene]
) -> np.ndarray:
    """Frames [T, H, W, 3] of which each shows the scene of its key; equal keys are rendered together."""
    out = np.zeros((setting.frames, setting.height, setting.width, 3), np.uint8)
    for key in dict.fromkeys(keys):
        frames = [t for t, other in enumerate(keys) if other == key]
        out[frames] = render_scene(scene_of(key), setting, frames)
    return out


def _emerging(layout: Layout, setting: Setting, context: int, index: int) -> int:
    """The first frame in which the edge of an object may show again."""
    lane = layout.lanes[index]
    _, half_out = occluder.hide_times(layout, lane)
    lead = half_out if layout.cup is not None else half_out - layout.diameter / 2 / abs(lane.du)
    return max(context, int(np.ceil(lead * setting.fps - 1e-9)))


def _out(layout: Layout, setting: Setting, context: int) -> list[tuple[bool, ...]]:
    """For each frame, which objects are coming or have come out."""
    starts = [_emerging(layout, setting, context, i) for i in range(len(layout.lanes))]
    return [tuple(t >= start for start in starts) for t in range(setting.frames)]


def _with_lanes(layout: Layout, lanes: Sequence[Lane]) -> Scene:
    """The stage of `layout` with its objects on other `lanes`; the rails stay where they are."""
    scene = occluder.stage(layout)
    moved = {b.name: b for b in occluder.stage(dataclasses.replace(layout, lanes=tuple(lanes))).movers()}
    return scene.with_bodies(tuple(moved.get(body.name, body) for body in scene.bodies))


def _movers_changed(scene: Scene, change: Callable[[int, Curve], Curve]) -> Scene:
    movers = [body.name for body in scene.movers()]
    return scene.with_bodies(
        tuple(
            dataclasses.replace(body, size=change(movers.index(body.name), body.size))
            if body.role == "mover"
            else body
            for body in scene.bodies
        )
    )


def place(layout: Layout, setting: Setting, context: int, seed: int, strength: float) -> np.ndarray:
    """Comes out `strength` diameters off: at another height, or, from under a cup, further along."""
    if layout.post is not None:
        return render_layout(layout, setting)
    step = strength * layout.diameter
    last = (setting.frames - 1) / setting.fps

    def scene_of(out: Hashable) -> Scene:
        """The stage with those lanes moved off that are drawn so."""
        assert isinstance(out, tuple)
        lanes = []
        for lane, moved in zip(layout.lanes, out, strict=True):
            if moved and layout.cup is not None:
                middle = occluder.centre(layout, lane, 0.7 * last)[0]
                lane = dataclasses.replace(lane, u=lane.u - step if middle > 0 else lane.u + step)
            elif moved:
                lane = dataclasses.replace(lane, v=lane.v - step if lane.v > 0 else lane.v + step)
            lanes.append(lane)
        return _with_lanes(layout, lanes)

    return _by_frame(setting, _out(layout, setting, context), scene_of)


def delay(layout: Layout, setting: Setting, context: int, seed: int, strength: float) -> np.ndarray:
    """Comes out `strength` seconds late: it waits where it is first wholly hidden."""
    if layout.post is not None:
        return render_layout(layout, setting)
    if layout.cup is not None:
        reveal = occluder.hide_times(layout, layout.lanes[0])[1] + strength
        hide = occluder.hide_times(layout, layout.lanes[0])[0]
        lost = [strength > 0 and hide <= t / setting.fps < reveal for t in range(setting.frames)]
        scene = occluder.stage(layout)
        empty = scene.with_bodies(tuple(b for b in scene.bodies if b.role != "mover"))
        return _by_frame(setting, lost, lambda gone: empty if gone else scene)
    hides = [max(occluder.hide_times(layout, lane)[0], context / setting.fps) for lane in layout.lanes]
    times = np.arange(setting.frames) / setting.fps
    waits = [tuple(float(min(max(t - hide, 0.0), strength)) for hide in hides) for t in times]

    def scene_of(wait: Hashable) -> Scene:
        """The stage with each lane late by its own seconds."""
        assert isinstance(wait, tuple)
        pairs = zip(layout.lanes, wait, strict=True)
        return _with_lanes(
            layout,
            [dataclasses.replace(lane, u=lane.u - lane.du * w, v=lane.v - lane.dv * w) for lane, w in pairs],
        )

    return _by_frame(setting, waits, scene_of)


def fading(layout: Layout, setting: Setting, context: int, seed: int, strength: float) -> np.ndarray:
    """Comes out see-through: `strength` is what it lacks of full opacity."""
    return occlusion.faint(layout, setting, context, seed, opacity=1.0 - strength)


def colour(layout: Layout, setting: Setting, context: int, seed: int, strength: float) -> np.ndarray:
    """Comes out with `strength` of another mover's colour mixed into its own."""
    truth = render_layout(layout, setting).astype(np.float32)
    other = occlusion.colour_swap(layout, setting, context, seed)
    return np.rint((1.0 - strength) * truth + strength * other).astype(np.uint8)


def growth(layout: Layout, setting: Setting, context: int, seed: int, strength: float) -> np.ndarray:
    """Comes out 1 + `strength` times as large."""
    if layout.post is not None:
        return render_layout(layout, setting)
    scene = occluder.stage(layout)

    def scene_of(out: Hashable) -> Scene:
        """The stage with those movers grown that are drawn so."""
        assert isinstance(out, tuple)

        def grown(index: int, size: Curve) -> Curve:
            """The size of a mover, larger if it is drawn so."""
            factor = 1.0 + strength if out[index] else 1.0
            return Curve(size.times, tuple(tuple(factor * v for v in value) for value in size.values))

        return _movers_changed(scene, grown)

    return _by_frame(setting, _out(layout, setting, context), scene_of)


def loss(layout: Layout, setting: Setting, context: int, seed: int, strength: float) -> np.ndarray:
    """Each object is gone for good with probability `strength`."""
    scene = occluder.stage(layout)
    lost = _drawn(scene, seed, "loss", strength)
    out = render_layout(layout, setting)
    if lost:
        start = min(_emerging(layout, setting, context, i) for i in range(len(layout.lanes)))
        left = scene.with_bodies(tuple(b for b in scene.bodies if b.name not in lost))
        out[start:] = render_scene(left, setting, range(start, setting.frames))
    return out


def comeback(layout: Layout, setting: Setting, context: int, seed: int, strength: float) -> np.ndarray:
    """Each object that a post stops comes out all the same with probability `strength`."""
    scene = occluder.stage(layout)
    free = {b.name: b for b in occluder.stage(dataclasses.replace(layout, post=None)).movers()}
    passing = _drawn(scene, seed, "return", strength)
    bodies = tuple(free[b.name] if b.name in passing else b for b in scene.bodies)
    return render_scene(scene.with_bodies(bodies), setting)


def _drawn(scene: Scene, seed: int, word: str, probability: float) -> set[str]:
    """Names of the movers that are drawn; what is drawn at one probability is drawn at any larger one."""
    trial = ",".join(sorted(b.name for b in scene.bodies if b.role in ("cue", "occluder")))
    rng = random.Random(f"{word}:{seed}:{trial}:{[b.motion[0].position for b in scene.movers()]}")
    return {b.name for b in scene.movers() if rng.random() < probability}


KINDS: Mapping[str, Kind] = {
    "place": Kind(place, "diameters", (0.0, 0.5, 0.75, 1.0, 1.5, 2.5)),
    "delay": Kind(delay, "s", (0.0, 0.1, 0.15, 0.2, 0.4, 1.0)),
    "opacity": Kind(fading, "lost", (0.0, 0.15, 0.3, 0.4, 0.6, 1.0)),
    "colour": Kind(colour, "of another's", (0.0, 0.05, 0.1, 0.2, 0.5, 1.0)),
    "growth": Kind(growth, "sizes more", (0.0, 0.15, 0.35, 0.7, 1.2, 2.0)),
    "loss": Kind(loss, "in probability", (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
    "return": Kind(comeback, "in probability", (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
}


def damages(setting: Setting, context: int) -> Mapping[str, Damage]:
    """Every kind of damage for cases at a setting with `context` given frames."""

    def damage(kind: Kind) -> Damage:
        """One kind, as the proofs ask for it."""

        def make(case: Case, strength: float) -> Video:
            """The damaged clip of a case."""
            layout = occluder.from_facts(case.truth.facts["layout"])
            return Video(kind.spoil(layout, setting, context, case.world_seed, strength), setting.fps)

        return Damage(make, kind.unit, kind.strengths)

    return {name: damage(kind) for name, kind in KINDS.items()}
