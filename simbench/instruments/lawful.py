"""Judging a video by its own visible motion, where the condition leaves the motion open.

From the frames before the decisive moment the objects, the screen, the post and the speeds are read
as the generator drew them; the law is rolled out from there, and the rest of the video is compared with that.
A video that does not stage the trial it was asked for, or never reaches its decisive moment, is `undecided`.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from simbench.case import Setting
from simbench.instruments import observer, stage_reader
from simbench.instruments.bench import Bench, coverage_of, pixels_of
from simbench.instruments.hypotheses import Sprite
from simbench.worlds.families import occluder
from simbench.worlds.families.occluder import Layout

SHOWN = 0.2
"""Share of an object that must be in view for a frame to be read."""
READABLE = 3
"""Frames before the objects are hidden that are needed to know how they move."""


def staged(frames: np.ndarray, asked: Layout, setting: Setting) -> Bench | None:
    """What the law makes of a video's own beginning: the bench to judge it on, its setting's `context` being
    the number of frames that were read; None where it is undecided. `frames` uint8 [T, H, W, 3]."""
    video = frames.astype(np.float32)
    count = _approach(video, asked, setting)
    if count < READABLE:
        return None
    objects, seen, base = observer.read(video[:count], setting, asked if setting.given == "i2v" else None)
    if not _as_asked(seen, asked):
        return None
    by_colour = {lane.colour: (found, lane) for found, lane in zip(objects, seen.lanes, strict=True)}
    pairs = [by_colour[lane.colour] for lane in asked.lanes]
    lanes = tuple(
        dataclasses.replace(own, z=lane.z) for (_, own), lane in zip(pairs, asked.lanes, strict=True)
    )
    layout = dataclasses.replace(seen, lanes=lanes, look="plain", occluder=asked.occluder)
    if not layout.hidden:
        layout = dataclasses.replace(layout, screen=asked.screen, cup=asked.cup)
    setting = dataclasses.replace(setting, context=count)
    return _bench(layout, [found for found, _ in pairs], base, setting)


def _approach(video: np.ndarray, asked: Layout, setting: Setting) -> int:
    """Frames from the start in which every asked object is in view."""
    shares = stage_reader.colour_shares(video[: setting.frames - 3])
    count = setting.frames
    for lane in asked.lanes:
        if lane.colour not in shares:
            return 0
        area = shares[lane.colour].sum(axis=(1, 2))
        low = np.flatnonzero(area < SHOWN * area[0])
        count = min(count, int(low[0]) if len(low) else len(area))
    return count if asked.hidden else min(count, setting.context)


def _as_asked(seen: Layout, asked: Layout) -> bool:
    """Does the video show the objects, the screen and the post that were asked for, moving as asked?"""
    looks = {(lane.colour, lane.shape) for lane in seen.lanes}
    directions = {lane.colour: np.sign(lane.du) for lane in seen.lanes}
    return (
        looks == {(lane.colour, lane.shape) for lane in asked.lanes}
        and seen.hidden == asked.hidden
        and (seen.cup is None) == (asked.cup is None or not asked.hidden)
        and (seen.post is None) == (asked.post is None)
        and all(directions[lane.colour] == np.sign(lane.du) for lane in asked.lanes)
        and all(abs(lane.du) > 0.02 for lane in seen.lanes)
    )


def _bench(layout: Layout, objects: list[stage_reader.Seen], base: np.ndarray, setting: Setting) -> Bench:
    """The bench of a layout read from a video: everything composed in the video's own looks."""
    times = np.arange(setting.frames) / setting.fps
    frames = [observer.compose(layout, objects, base, t, setting) for t in times]
    plate = [observer.compose(layout, [], base, t, setting) for t in times]
    seen = np.stack([observer.visibility(layout, t, setting) for t in times])
    size = layout.diameter * setting.height
    outlines = tuple({s: stage_reader.silhouette(s, size) for s in occluder.SHAPES} for _ in objects)
    sprites = tuple(
        {s: Sprite(_mean_look(found.patch, outline), outline) for s, outline in outlines[i].items()}
        for i, found in enumerate(objects)
    )
    centres = pixels_of(
        np.array([[occluder.centre(layout, lane, t) for t in times] for lane in layout.lanes]), setting
    )
    shapes = [outlines[i][lane.shape] for i, lane in enumerate(layout.lanes)]
    return Bench(
        layout=layout,
        setting=setting,
        truth=np.stack(frames).astype(np.float32),
        plate=np.stack(plate).astype(np.float32),
        seen=seen,
        centres=centres,
        outlines=outlines,
        sprites=sprites,
        cover=coverage_of(shapes, centres, base.shape[:2]) * seen[None],
        diameter=size,
    )


def _mean_look(patch: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """Colours [h, w, 3] for a silhouette from a premultiplied patch: its own where solid, else their mean."""
    solid = patch[..., 3] > 0.95
    colour = patch[..., :3] / np.maximum(patch[..., 3:], 1e-3)
    mean = colour[solid].mean(axis=0) if solid.any() else colour.mean(axis=(0, 1))
    return np.where(solid[..., None], colour, mean).astype(np.float32)
