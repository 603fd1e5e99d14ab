"""The observer of bite worlds: what a condition alone determines, for someone who knows the law.

It sees the given frames, the commands and the prompt, which names the solid and its colour. It tries
where the solid stands, how it is turned and how large the tool is, follows the commanded way, and takes out
what the tool holds wherever it snaps and reaches the solid. What changes is drawn into the last given frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

import numpy as np

from simbench.arrays import channel_max
from simbench.case import Condition, Setting
from simbench.instruments.bite_reader import still
from simbench.video import Video
from simbench.worlds.families import bite
from simbench.worlds.families.bite import Hole, Layout
from simbench.worlds.film import render_scene
from simbench.worlds.scene import Vec

Stops = tuple[tuple[float, Vec], ...]
REACH = 0.035
"""How far (metres) the tool must be seen to reach in: half of the nearest miss."""


def roll_out(condition: Condition, setting: Setting) -> Video:
    """The clip that the law and the condition determine."""
    assert condition.actions is not None
    given = condition.given_frames
    layout = _fitted(told(condition.prompt, setting), given[0].tobytes(), setting, condition.actions[0])
    layout = hiding(layout, condition.actions, condition.fps)
    way = stops(layout, condition.actions, condition.fps)
    eaten = bitten(layout, way, condition.actions)
    clip = render_scene(bite.stage(layout, eaten, way), setting).astype(np.float32)
    first = len(given) - 1
    moved = channel_max(np.abs(clip[first:] - clip[first])) > 5.0
    out = np.where(moved[..., None], clip[first:], given[first]).astype(np.uint8)
    return Video(np.concatenate([given, out[1:]]), condition.fps)


def told(prompt: str, setting: Setting) -> Layout:
    """The layout as far as the words of a prompt tell it: the solid, its colour, what hides it."""
    thing = prompt.split(", soft")[0].split()
    colour = thing[-2] if thing[-2] in bite.colours() else "red"
    return Layout(
        solid=thing[-1] if thing[-1] in bite.SIZES else "ball",
        aspect=setting.width / setting.height,
        duration=(setting.frames - 1) / setting.fps,
        times=(),
        angles=(),
        way="turn" if "table turns" in prompt else "screen",
        side=-1 if "from the left before" in prompt else 1,
        colour=colour,
        look=setting.look,
    )


def tool_place(layout: Layout, action: str) -> Vec:
    """Where a command puts the tool, metres from the solid's centre."""
    u, v = (float(word) for word in action.split()[1:3])
    heart = bite.centre_of(layout)
    x, y, z = bite.lifted(layout, u, v, heart[1] + bite.height_of(layout))
    return (x - heart[0], y - heart[1], z - heart[2])


def stops(layout: Layout, actions: Iterable[str], fps: float) -> Stops:
    """The tool's way through the commands of all frames."""
    return tuple((t / fps, tool_place(layout, action)) for t, action in enumerate(actions))


def bitten(layout: Layout, way: Stops, actions: Iterable[str]) -> tuple[tuple[float, Hole], ...]:
    """What the law takes out of the solid, and when: the ball of each snap that reaches it."""
    found = []
    for (time, place), action in zip(way, actions, strict=True):
        if " snap " in f"{action} " and bite.struck(layout, place, REACH):
            found.append((time, (*place, layout.radius)))
    return tuple(found)


def hiding(layout: Layout, actions: tuple[str, ...], fps: float) -> Layout:
    """The layout with the times at which the commanded screen or table starts, is there and is back."""
    value = np.array([float(re.split(r"screen |table ", action)[1]) for action in actions])
    at = np.flatnonzero(np.abs(np.diff(value)) > 1e-6)
    if len(at) == 0:
        return replace(layout, leave=1e6, gone=1e6 + 1, come=1e6 + 2, back=1e6 + 3)
    leave, back = at[0] / fps, (at[-1] + 1) / fps
    third = (back - leave) / 3
    return replace(layout, leave=leave, gone=leave + third, come=back - third, back=back)


@lru_cache(maxsize=1)
def _fitted_once(layout: Layout, picture: bytes, setting: Setting, action: str) -> tuple[float, float, float]:
    """Place, yaw and radius with which the stage looks most like the first given frame; coarse to fine."""
    seen = np.frombuffer(picture, np.uint8).reshape(setting.height, setting.width, 3).astype(np.float32)

    def misfit(values: tuple[float, float, float]) -> float:
        """How far the stage with these values is from the frame, outliers capped."""
        place, yaw, radius = values
        tried = replace(layout, place=place, yaw=yaw, radius=radius)
        at = tool_place(tried, action)
        scene = still(tried, (), ["nothing"], way=((0.0, at), (1.0, at)))
        shown = render_scene(scene, replace(setting, frames=1), [0])[0]
        return float(np.minimum(channel_max(np.abs(shown - seen)), 60.0).mean())

    best = (0.0, 0.0, 0.33)
    yaw_steps = np.arange(-7, 8) * 0.1 if layout.solid == "cube" else np.zeros(1)
    rounds = (
        (np.arange(-4, 5) * 0.03, yaw_steps, np.arange(-2, 3) * 0.02),
        (np.arange(-2, 3) * 0.01, np.arange(-3, 4) * 0.03, np.arange(-2, 3) * 0.007),
        (np.arange(-1, 2) * 0.004, np.arange(-2, 3) * 0.01, np.zeros(1)),
    )
    for steps in rounds:
        for axis in (0, 1, 2):
            if axis == 1 and layout.solid != "cube":
                continue
            tried = [
                (
                    best[0] + (step if axis == 0 else 0.0),
                    best[1] + (step if axis == 1 else 0.0),
                    best[2] + (step if axis == 2 else 0.0),
                )
                for step in steps[axis].tolist()
            ]
            best = min(tried, key=misfit)
    return best


def _fitted(layout: Layout, picture: bytes, setting: Setting, action: str) -> Layout:
    """The layout with what the first given frame tells of it; cases of a scene share that frame."""
    shared = replace(layout, way="screen", side=1)
    first = " ".join(action.split()[:4])
    place, yaw, radius = _fitted_once(shared, picture, setting, first)
    return replace(layout, place=place, yaw=yaw, radius=radius)
