"""Policies for occluder worlds that never look at the cue: what to bring back, when, where and how.

A policy sees neither the future nor the post: what it does follows from its parameters, from what kind of
screen and how many objects the given frames show, and from dice. It renders with the world's own machinery,
so nothing but its decisions is blind.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simbench.case import Case, Setting
from simbench.references.policies import Play, Policies
from simbench.video import Video
from simbench.worlds.families import occluder
from simbench.worlds.families.occluder import Lane, Layout
from simbench.worlds.film import render_scene
from simbench.worlds.scene import Curve

SPACE: Mapping[str, tuple[float, float]] = {
    "one": (0.0, 1.0),
    "several": (0.0, 1.0),
    "crossing": (0.0, 1.0),
    "cup": (0.0, 1.0),
    "delay": (-0.4, 0.4),
    "along": (-1.0, 1.0),
    "across": (-1.0, 1.0),
    "size": (0.6, 1.6),
    "opacity": (0.3, 1.0),
    "streak": (0.0, 2.0),
    "shown": (0.0, 1.0),
    "phase": (0.0, 1.0),
    "hold": (0.0, 1.0),
    "reset": (0.0, 1.0),
}
"""Parameters and their ranges: probabilities of coming back for one object, several, crossing rails and a
cup; seconds late; diameters off along and across the rail; size, opacity; length of a streak in diameters;
share of frames in which it is shown and which ones; probabilities to hold the last given frame or to start
again instead. A negative half of `hold` and `reset` is cut off, so that most policies do neither."""


CHANCES = ("one", "several", "crossing", "cup")


def policies(setting: Setting, context: int) -> Policies:
    """The policies for cases at a setting with `context` given frames."""
    pure = {**dict.fromkeys(SPACE, 0.0), "size": 1.0, "opacity": 1.0, "shown": 1.0}

    def prepare(case: Case) -> Play:
        """The policies of one case, on its stage."""
        stage = stage_of(case, setting, context)
        return lambda values, dice: Video(play(stage, setting, values, dice), setting.fps)

    return Policies(SPACE, prepare, pure, CHANCES)


@dataclass(frozen=True)
class Stage:
    """What a policy may draw of one case: the clip as if no post stood in the way up to the hiding, the
    empty stage uint8 [T, H, W, 3], and the first frame `start` in which all is hidden."""

    layout: Layout
    before: np.ndarray
    empty: np.ndarray
    start: int


def stage_of(case: Case, setting: Setting, context: int) -> Stage:
    """The stage of a case. The post is drawn, as it is in the given frames, and stops nothing."""
    layout = occluder.from_facts(case.truth.facts["layout"])
    scene = occluder.stage(layout)
    empty = render_scene(scene.with_bodies(tuple(b for b in scene.bodies if b.role != "mover")), setting)
    hide = max(occluder.hide_times(layout, lane)[0] for lane in layout.lanes)
    start = max(context, int(np.ceil(hide * setting.fps)))
    return Stage(layout, _passing(layout, layout, setting, 1.0), empty, start)


def _passing(layout: Layout, moved: Layout, setting: Setting, size: float) -> np.ndarray:
    """Frames in which the objects of `moved` pass through everything on the stage of `layout`."""
    free = occluder.stage(dataclasses.replace(moved, post=None))
    scene = occluder.stage(layout)
    movers = tuple(
        dataclasses.replace(b, size=Curve((0.0,), (tuple(size * v for v in b.size.values[0]),)))
        for b in free.movers()
    )
    bodies = (*(b for b in scene.bodies if b.role != "mover"), *movers)
    return render_scene(scene.with_bodies(bodies), setting)


def play(stage: Stage, setting: Setting, policy: Mapping[str, float], dice: random.Random) -> np.ndarray:
    """Frames uint8 [T, H, W, 3] that a policy makes."""
    out = stage.before.copy()
    start = stage.start
    if dice.random() < policy["hold"] - 0.5:
        out[start:] = out[start - 1]
        return out
    if dice.random() < policy["reset"] - 0.5:
        out[start:] = out[: len(out) - start]
        return out
    layout = stage.layout
    kind = "cup" if layout.cup is not None else "crossing" if layout.lanes[0].dv else "several"
    chance = policy["one" if kind == "several" and len(layout.lanes) == 1 else kind]
    back = [lane for lane in layout.lanes if dice.random() < chance]
    out[start:] = stage.empty[start:]
    if not back:
        return out
    moved = dataclasses.replace(layout, lanes=tuple(_copies(layout, back, policy)))
    clip = _passing(layout, moved, setting, policy["size"])[start:].astype(np.float32)
    empty = stage.empty[start:].astype(np.float32)
    mixed = np.rint(policy["opacity"] * clip + (1.0 - policy["opacity"]) * empty).astype(np.uint8)
    count = max(1, round(policy["shown"] * len(mixed)))
    first = round(policy["phase"] * (len(mixed) - count))
    out[start + first : start + first + count] = mixed[first : first + count]
    return out


def _copies(layout: Layout, lanes: Sequence[Lane], policy: Mapping[str, float]) -> list[Lane]:
    """The lanes at their shifted places, several along the path when smeared."""
    count = 1 if policy["streak"] < 0.25 else 1 + int(np.ceil(3 * policy["streak"]))
    out = []
    for lane in lanes:
        sign = 1.0 if lane.du > 0 else -1.0
        for k in range(count):
            smear = 0.0 if count == 1 else policy["streak"] * (k / (count - 1) - 0.5)
            u = lane.u - lane.du * policy["delay"] + sign * layout.diameter * (policy["along"] + smear)
            v = lane.v - lane.dv * policy["delay"] + layout.diameter * policy["across"]
            out.append(dataclasses.replace(lane, u=u, v=v))
    return out
