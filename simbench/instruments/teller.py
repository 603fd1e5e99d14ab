"""The observer for conditions that show no motion: from one image and words, or from words alone.

The words leave the speed open, so it picks one that reaches the decisive moment; everything else is the
law. It inverts `occluder.prompt`.
"""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np

from simbench.case import Condition, Setting
from simbench.errors import UserError
from simbench.instruments import observer, stage_reader
from simbench.video import Video
from simbench.worlds.families import occluder
from simbench.worlds.families.occluder import Cup, Lane, Layout

OUT = 0.7
"""When objects come out, as a share of the clip."""
LANE = re.compile(
    r"A ([a-z]+) (ball|cube|diamond) on a rail( that climbs| that falls)? in the (upper|lower|middle) part"
    r" slides to the (right|left)\."
)


def read_prompt(prompt: str, setting: Setting) -> Layout:
    """The layout that the words of `occluder.prompt` tell, places filled in."""
    found = LANE.findall(prompt)
    if not found:
        raise UserError(f"prompt {prompt[:60]!r} does not name an object on a rail")
    diameter = max(0.14, 8.0 / setting.height)
    aspect = setting.width / setting.height
    screen_word = re.search(r"A (brown|dark grey|olive) (wall|curtain|tunnel) stands", prompt)
    cup_word = re.search(r"A (brown|dark grey|olive) cup moving", prompt)
    backdrop = re.search(r"A plain (\w+) backdrop", prompt)
    kind = screen_word.group(2) if screen_word else "wall"
    span = aspect * (1 - 2 * occluder.MARGIN) - diameter
    width = diameter + 0.08
    lanes = _lanes(found, kind, span, diameter, bool(cup_word))
    edge = 0.5 - occluder.POST_SHOWS - 0.02
    heights = [lane.v for lane in lanes]
    reach = diameter / 2 + 0.035
    low, high = {
        "wall": (-0.8, edge),
        "curtain": (-edge, 0.8),
        "tunnel": (min(heights) - reach, max(heights) + reach),
    }[kind]
    sign = math.copysign(1.0, lanes[0].du)
    post = None
    if "post" in prompt:
        far = sign * (width / 2 - 0.004)
        near = far - sign * 0.06
        post = (min(near, far), max(near, far))
    colour = (screen_word or cup_word).group(1) if (screen_word or cup_word) else "brown"  # type: ignore[union-attr]
    layout = Layout(
        aspect=aspect,
        duration=(setting.frames - 1) / setting.fps,
        diameter=diameter,
        lanes=lanes,
        occluder=kind,
        screen=(-width / 2, width / 2, low, high),
        post=post,
        hidden=bool(screen_word or cup_word),
        backdrop=backdrop.group(1) if backdrop else "grey",
        screen_colour=colour,
        look=setting.look,
    )
    layout = paced(layout)
    return dataclasses.replace(layout, cup=_new_cup(layout)) if cup_word else layout


def _lanes(
    found: list[tuple[str, ...]], kind: str, span: float, diameter: float, carried: bool
) -> tuple[Lane, ...]:
    top, bottom = 0.5 - occluder.MARGIN - occluder.POST_SHOWS - diameter / 2 + 0.04, -0.5 + occluder.MARGIN
    bottom += diameter / 2
    if kind == "curtain":
        top, bottom = -bottom, -top
    if carried:
        top = bottom = bottom + 0.03
    order = sorted(range(len(found)), key=lambda i: ("lower", "middle", "upper").index(found[i][3]))
    lanes: list[Lane | None] = [None] * len(found)
    for rank, i in enumerate(order):
        colour, shape, slope, height, side = found[i]
        if len(found) > 1:
            v = bottom + (top - bottom) * rank / (len(found) - 1)
        else:
            v = {"lower": bottom, "middle": (top + bottom) / 2, "upper": top}[height]
        sign = 1.0 if side == "right" else -1.0
        tilt = {"": 0.0, " that climbs": 1.0, " that falls": -1.0}[slope]
        depth = 0.55 * diameter * (1 if i == 0 else -1) if slope else 0.0
        lanes[i] = Lane(colour, shape, -sign * span / 2, v, sign * 0.3, 0.3 * tilt, depth)
    return tuple(lane for lane in lanes if lane is not None)


def paced(layout: Layout) -> Layout:
    """The layout with a speed that brings every object out in time, slopes meeting the other lane."""
    lanes = []
    for lane in layout.lanes:
        sign = math.copysign(1.0, lane.du)
        far = layout.screen[1] if sign > 0 else -layout.screen[0]
        reach = far - sign * lane.u
        speed = sign * reach / (OUT * layout.duration)
        others = [other.v for other in layout.lanes if other is not lane]
        slope = 0.0
        if lane.dv and others:
            span = layout.aspect * (1 - 2 * occluder.MARGIN) - layout.diameter
            slope = (others[0] - lane.v) * abs(speed) / span
        lanes.append(dataclasses.replace(lane, du=speed, dv=slope))
    return dataclasses.replace(layout, lanes=tuple(lanes))


def _new_cup(layout: Layout, v: float | None = None) -> Cup:
    """A cup over the first object that touches its rail a little before half time."""
    lane = layout.lanes[0]
    touch = 0.45 * layout.duration
    drop = layout.diameter + 0.09 if v is None else max(0.05, v - lane.v)
    return Cup(lane.v + drop, drop / touch, touch)


def roll_out(condition: Condition, setting: Setting) -> Video:
    """A clip of the law as told: rendered from words, or composed from the one given image."""
    told = read_prompt(condition.prompt, setting)
    if len(condition.given_frames) == 0:
        from simbench.instruments.bench import render_layout

        return Video(render_layout(told, setting), condition.fps)
    given = condition.given_frames.astype(np.float32)
    objects, seen, base = observer.read(given, setting)
    words = {lane.colour: lane for lane in told.lanes}
    lanes = tuple(
        dataclasses.replace(lane, du=words[lane.colour].du, dv=words[lane.colour].dv)
        if lane.colour in words
        else lane
        for lane in seen.lanes
    )
    span = told.aspect * (1 - 2 * occluder.MARGIN) - told.diameter
    if told.cup is not None and lanes:
        base, height = stage_reader.lift_cup(given[0], setting)
        lanes = tuple(
            dataclasses.replace(x, du=math.copysign(0.5 * span / told.duration, x.du)) for x in lanes
        )
        layout = dataclasses.replace(seen, lanes=lanes, hidden=True)
        layout = dataclasses.replace(layout, cup=_new_cup(layout, height))
    else:
        screen = seen.screen if seen.hidden else told.screen
        layout = paced(dataclasses.replace(seen, lanes=lanes, screen=screen))
    frames = [*condition.given_frames]
    for t in range(len(frames), condition.frames):
        frames.append(observer.compose(layout, objects, base, t / condition.fps, setting))
    return Video(np.stack(frames), condition.fps)
