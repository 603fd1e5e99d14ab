"""The observer: what a condition alone determines, for someone who knows the law.

It sees the given frames, never the truth: it reads objects by their saturated colours, the screen, the
post and the cup by their muted ones, fits the free parameters of the occluder law (place, velocity,
edges) and rolls the law out. Where it falls short of the oracle, a case cannot be answered.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from simbench.case import Condition, Setting
from simbench.instruments.decoder import paste
from simbench.instruments.stage_reader import (
    CupTrack,
    Seen,
    colour_shares,
    empty_stage,
    find_cup,
    find_object,
    find_post,
    find_screen,
)
from simbench.video import Video
from simbench.worlds.families import occluder
from simbench.worlds.families.occluder import Cup, Lane, Layout


def roll_out(condition: Condition, setting: Setting) -> Video:
    """The clip that the law and the condition determine."""
    if len(condition.given_frames) < 3:
        from simbench.instruments import teller

        return teller.roll_out(condition, setting)
    given = condition.given_frames.astype(np.float32)
    objects, layout, base = read(given, setting)
    frames = [*condition.given_frames]
    for t in range(len(given), condition.frames):
        frames.append(compose(layout, objects, base, t / condition.fps, setting))
    return Video(np.stack(frames), condition.fps)


def read(
    given: np.ndarray, setting: Setting, known: Layout | None = None
) -> tuple[list[Seen], Layout, np.ndarray]:
    """Objects, layout and the empty stage float32 [H, W, 3] from frames float32 [K, H, W, 3], 0-255.

    Where the first frame was given, the place of its screen is `known` and need not be read.
    """
    diameter = max(0.14, 8.0 / setting.height)
    shares = colour_shares(given)
    taken = np.max(list(shares.values()), axis=0) if shares else np.zeros(given.shape[:3], np.float32)
    cup, cup_mask = find_cup(given, shares, taken, diameter, setting)
    base, painted = empty_stage(given, np.maximum(taken, cup_mask))
    screen = None if cup else find_screen(base, painted, diameter, setting)
    if screen is not None and known is not None and known.cup is None:
        screen = known.screen
    seen = 1.0 - cup_mask
    if screen is not None:
        seen = seen * (1.0 - _rectangle(screen, setting))[None]
    objects = [
        found
        for colour, share in shares.items()
        if (found := find_object(colour, share, given, seen, diameter * setting.height, setting.fps))
    ]
    lanes = tuple(_lane(o, setting) for o in objects)
    post = find_post(base, setting) if cup is None else None
    occluded = (0.0, 0.0, -0.5, 0.5) if screen is None else screen
    layout = Layout(
        aspect=setting.width / setting.height,
        duration=(setting.frames - 1) / setting.fps,
        diameter=diameter,
        lanes=lanes,
        screen=occluded,
        post=post,
        cup=_touching(cup, lanes) if cup and lanes else None,
        hidden=screen is not None or cup is not None,
        look=setting.look,
    )
    return objects, layout, base


def _touching(cup: CupTrack, lanes: tuple[Lane, ...]) -> Cup:
    """The law of the cup: it lifts again when it is level with the object."""
    return Cup(cup.v, cup.speed, (cup.v - lanes[0].v) / cup.speed)


def _lane(found: Seen, setting: Setting) -> Lane:
    x, y, dx, dy = found.track
    u = (x - (setting.width - 1) / 2) / setting.height
    v = ((setting.height - 1) / 2 - y) / setting.height
    speed = dx / setting.height
    speed = math.copysign(max(abs(speed), 1e-3), speed)
    return Lane(found.colour, found.shape, u, v, speed, -dy / setting.height)


def compose(
    layout: Layout, objects: list[Seen], base: np.ndarray, time: float, setting: Setting
) -> np.ndarray:
    """One frame of the rolled-out law, uint8 [H, W, 3]."""
    image = base.copy()
    height, width = image.shape[:2]
    flat = dataclasses.replace(layout, look="plain")
    moving = layout.hidden and layout.cup is not None and bool(layout.lanes)
    seen = visibility(layout, time, setting)
    for found, lane in zip(objects, layout.lanes, strict=False):
        u, v = occluder.centre(flat, lane, time)
        x = u * height + (width - 1) / 2
        y = (height - 1) / 2 - v * height
        placed = paste(found.patch, [(x, y)], image.shape)[0] * (1.0 if moving else seen[..., None])
        image = image * (1.0 - placed[..., 3:]) + placed[..., :3]
    if moving:
        colour = np.array(occluder.SCREENS["dark grey"], np.float32) * 255.0
        image = image * seen[..., None] + (1.0 - seen[..., None]) * colour
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def visibility(layout: Layout, time: float, setting: Setting) -> np.ndarray:
    """Share [H, W] of each pixel before which no screen or cup stands at `time`."""
    if not layout.hidden:
        return np.ones((setting.height, setting.width), np.float32)
    if layout.cup is None or not layout.lanes:
        return 1.0 - _rectangle(layout.screen, setting)
    cup, lane = layout.cup, layout.lanes[0]
    v = cup.v - cup.speed * time if time < cup.touch else cup.v + cup.speed * (time - 2 * cup.touch)
    u = lane.u + lane.du * time
    half = layout.diameter / 2
    return 1.0 - _rectangle((u - half - 0.025, u + half + 0.025, v - half - 0.02, v + half + 0.02), setting)


def _rectangle(edges: tuple[float, float, float, float], setting: Setting) -> np.ndarray:
    """Soft coverage [H, W] of a rectangle (left, right, bottom, top) in the image plane."""
    left, right, bottom, top = edges
    xs = (np.arange(setting.width + 1) - setting.width / 2) / setting.height
    ys = 0.5 - np.arange(setting.height + 1) / setting.height
    across = np.clip(np.minimum(xs[1:], right) - np.maximum(xs[:-1], left), 0.0, None) * setting.height
    down = np.clip(np.minimum(ys[:-1], top) - np.maximum(ys[1:], bottom), 0.0, None) * setting.height
    return (down[:, None] * across[None, :]).astype(np.float32)
