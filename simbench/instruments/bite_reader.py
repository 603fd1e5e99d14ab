"""How much of a solid's skin is left: the share of each pixel that still shows the whole solid.

A frame is registered to the stage with the whole solid; its brightness is brought to that of the stage by one
curve per channel (gain, gamma, a ramp across the image) that is fitted to all that agrees with it. Then
each pixel is unmixed in linear light between the skin that was there and what can show where it is gone: the
table and floor behind, the inner colour, or some of both. Bites at the rim and into the face count alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from simbench.arrays import squared
from simbench.case import Setting
from simbench.instruments.registration import register
from simbench.worlds.families import bite
from simbench.worlds.families.bite import Hole, Layout
from simbench.worlds.film import render_scene
from simbench.worlds.scene import Body, Light, Material, Scene, Vec, constant

REASONS = ("flat", "unlike")
STRANGE = 0.2
"""How far (of 1, sRGB) a pixel may be from skin, and from what can show where it is gone."""
UNLIKE = 0.3
"""Largest share of strange pixels in a frame that is read."""
LOW, HIGH = 0.25, 0.75
"""Shares of skin that count as none and as all: blur and grain move what lies between alone."""
EDGE = 0.12
NEVER = 1e6


@dataclass(frozen=True)
class Book:
    """One stage. `whole` float32 [H, W, 3] the stage with the whole solid, linear light; `goals` [C, N, 3]
    what can show in the N pixels of the solid (`inside` [H, W]) where skin is gone; `left` [K + 1, N] skin
    after 0 to K bites, 0 to 1; `free` bool [T, N] what is judged: no tool there, whether it bites or misses,
    and no edge of a bite; `plate` [1, H, W, 3] the stage, 0-255.
    """

    whole: np.ndarray
    goals: np.ndarray
    inside: np.ndarray
    left: np.ndarray
    free: np.ndarray
    plate: np.ndarray


@dataclass(frozen=True)
class Look:
    """Skin left in one frame [N], or None and the reason."""

    left: np.ndarray | None
    reason: str = ""


def bare(layout: Layout) -> Layout:
    """The layout without what differs between the cases of a scene."""
    return replace(layout, touch=True, way="screen", side=1)


def still(
    layout: Layout,
    eaten: Sequence[tuple[float, Hole]],
    without: Sequence[str],
    way: Sequence[tuple[float, Vec]] | None = None,
) -> Scene:
    """The stage before anything hides it, without some bodies; `way` as `bite.stage` takes it."""
    later = replace(layout, way="screen", leave=NEVER, gone=NEVER + 1, come=NEVER + 2, back=NEVER + 3)
    scene = bite.stage(later, eaten, way)
    dropped = {"screen", *without}
    carves = tuple(c for c in scene.carves if c.body not in dropped)
    kept = tuple(b for b in scene.bodies if b.name not in dropped)
    return replace(scene.with_bodies(kept), carves=carves, events=())


def coverage(scene: Scene, name: str, setting: Setting, frames: Sequence[int]) -> np.ndarray:
    """Share of each pixel [T, H, W] in which the skin of the body `name` shows."""
    dark, bright = constant(0.0, 0.0, 0.0), constant(1.0, 1.0, 1.0)

    def painted(body: Body) -> Body:
        """The body in plain black, or white if it is the one."""
        colour = bright if body.name == name else dark
        return replace(body, material=Material(colour, colour, inner=(0.0, 0.0, 0.0)))

    black = scene.with_bodies(tuple(painted(b) for b in scene.bodies))
    night = Light(ambient=1.0, shadow=False, sky=(0.0, 0.0, 0.0), zenith=(0.0, 0.0, 0.0))
    flat = replace(black, look="plain", light=night)
    shown = render_scene(flat, setting, frames).astype(np.float32)
    return np.asarray((shown[..., 1] / 255.0) ** 2)


def ramp(share: np.ndarray) -> np.ndarray:
    """Shares of skin, with what is almost none and almost all made so."""
    return np.clip((share - LOW) / (HIGH - LOW), 0.0, 1.0)


@lru_cache(maxsize=2)
def book(layout: Layout, setting: Setting) -> Book:
    """The pictures and masks of a stage; give it `bare` layouts, which the cases of a scene share."""
    solid = f"soft-{layout.solid}"
    holes = [hole for _, hole in bite.holes(layout)]
    steps = [(float(k + 1), hole) for k, hole in enumerate(holes)]
    clip = replace(setting, frames=len(holes) + 1, fps=1.0)
    scene = still(layout, steps, ["tool"])
    left = coverage(scene, solid, clip, range(len(holes) + 1))
    whole = render_scene(scene, clip, [0])[0].astype(np.float32)
    behind = render_scene(still(layout, (), ["tool", solid]), clip, [0])[0].astype(np.float32)
    inside = left[0] > 0.98
    tool = np.zeros((setting.frames, int(inside.sum())), bool)
    for touch in (True, False):
        shown = still(replace(layout, touch=touch), (), [])
        # Where the solid hides the tool nothing of it shows: drawn without, as if it were glass.
        glass = shown.with_bodies(tuple(b for b in shown.bodies if b.name == "tool"))
        tool |= coverage(glass, "tool", setting, range(setting.frames))[:, inside] > 0.01
    goals = _goals((behind / 255.0)[inside] ** 2, layout.look != "plain")
    sure = _sure(left, layout.radius * pixels_per_metre(setting))[inside]
    return Book((whole / 255.0) ** 2, goals, inside, ramp(left[:, inside]), ~tool & sure, whole[None])


def pixels_per_metre(setting: Setting) -> float:
    """How large a metre is in the image where the solid stands, pixels."""
    from simbench.worlds.families._bite_look import VIEW

    return min(setting.width, setting.height) / VIEW


def _sure(left: np.ndarray, radius: float) -> np.ndarray:
    """Pixels [H, W] that no edge of solid or bite is near to, before or after any (`left` [K + 1, H, W]).

    A band of about `EDGE` bite radii (pixels) is left out, as published masks leave their borders void: there
    sharpness, not matter, decides what is seen.
    """
    import cv2

    sigma = EDGE * radius / 0.84  # a blurred edge is within 0.2 to 0.8 over 0.84 deviations to either side
    soft = np.stack([cv2.GaussianBlur(mask, (0, 0), sigma) for mask in left])
    return np.asarray(((soft < 0.2) | (soft > 0.8)).all(axis=0))


def _goals(behind: np.ndarray, shaded: bool) -> np.ndarray:
    """What may show where skin is gone, linear light [C, N, 3]."""
    from simbench.worlds.families._bite_look import INNER

    inner = np.array(INNER, np.float32) ** 2
    lights = (0.55, 0.7, 0.85, 1.0) if shaded else (1.0,)
    made = [behind]
    for light in lights:
        made += [0.5 * behind + 0.5 * light * inner, np.broadcast_to(light * inner, behind.shape)]
    return np.stack(made).astype(np.float32)


def read(pages: Book, frames: np.ndarray, times: Sequence[int]) -> list[Look]:
    """Skin left in each frame uint8 [T, H, W, 3]; frame t of them is number `times[t]` of the clip."""
    if len(frames) == 0:
        return []
    flat = frames.reshape(len(frames), -1).std(axis=1) < 4.0
    toned = _toned(register(frames, pages.plate).frames / 255.0, np.sqrt(pages.whole))
    seen = np.clip(toned[:, pages.inside], 0.0, 1.3)
    skin = pages.whole[pages.inside]
    off = seen**2 - skin
    best = np.full(seen.shape[:2], np.inf, np.float32)
    pure = _apart(seen, np.sqrt(skin))
    share = np.zeros(seen.shape[:2], np.float32)
    for goal in pages.goals:
        way = goal - skin
        along = np.clip((off * way).sum(-1) / np.maximum((way * way).sum(-1), 1e-4), 0.0, 1.0)
        miss = _apart(seen, np.sqrt(skin + along[..., None] * way))
        pure = np.minimum(pure, _apart(seen, np.sqrt(goal)))
        share = np.where(miss < best, along, share)
        best = np.minimum(best, miss)
    free = pages.free[list(times)]
    strange = ((pure > STRANGE) & free).sum(axis=1) / np.maximum(free.sum(axis=1), 1)
    left = ramp(1.0 - share)
    return [
        Look(None, "flat") if flat[t] else Look(None, "unlike") if strange[t] > UNLIKE else Look(left[t])
        for t in range(len(frames))
    ]


def _apart(colours: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(squared(colours - others)))


def _toned(frames: np.ndarray, plate: np.ndarray) -> np.ndarray:
    """Frames [T, H, W, 3] (0 to 1) in the brightness of `plate` [H, W, 3].

    log frame = a_channel + g log plate + b x, by reweighted least squares (Tukey's weights; dark pixels,
    whose logarithm is noise, weigh less), drawn towards no change.
    """
    count, width = len(frames), frames.shape[2]
    x = np.broadcast_to(np.linspace(-1, 1, width)[None, :, None], plate.shape).ravel()
    known = np.log(np.maximum(plate, 0.03)).ravel()
    design = np.zeros((known.size, 5))
    for c in range(3):
        design[c::3, c] = 1.0
    design[:, 3], design[:, 4] = known, x
    goal = np.log(np.maximum(frames, 0.03)).reshape(count, -1)
    pairs = (design[:, :, None] * design[:, None, :]).reshape(-1, 25)
    trust = np.broadcast_to(np.maximum(plate, 0.03).ravel() ** 2, goal.shape)
    start = np.array([0.0, 0.0, 0.0, 1.0, 0.0])
    pull = np.diag([1.0, 1.0, 1.0, 4.0, 4.0])
    found = np.repeat(start[None], count, axis=0)
    weight = trust
    for step in range(8):
        normal = (weight @ pairs).reshape(count, 5, 5) + pull
        right = (weight * goal) @ design + pull @ start
        found = np.linalg.solve(normal, right[..., None])[..., 0]
        rest = np.abs(goal - found @ design.T)
        cut = (1.0, 0.7, 0.5, 0.35)[min(step, 3)]
        weight = trust * np.where(rest < cut, (1 - (rest / cut) ** 2) ** 2, 0.0)
    gamma = np.clip(found[:, 3], 0.4, 2.5)[:, None]
    back = (goal - found @ design.T + found[:, 3:4] * known) / gamma
    return np.asarray(np.exp(back).reshape(frames.shape), np.float32)
