"""Scripted cheats and damage for occluder worlds: they know the truth and spoil it in one way each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from simbench.case import Case, Setting
from simbench.instruments.bench import render_layout
from simbench.suite import Reference
from simbench.video import Video
from simbench.worlds.families import occluder
from simbench.worlds.families.occluder import Lane, Layout
from simbench.worlds.film import render_scene

Edit = Callable[[Layout, Setting, int, int], np.ndarray]
"""(layout, setting, context, case seed) -> frames uint8 [T, H, W, 3] with the given ones as they were."""


def _hidden_frame(layout: Layout, setting: Setting, context: int) -> int:
    """The frame from which a cheat acts: all objects are hidden, or would be if there were a screen."""
    hide = max(occluder.hide_times(layout, lane)[0] for lane in layout.lanes)
    return max(context, int(np.ceil(hide * setting.fps)))


def _after(layout: Layout, setting: Setting, context: int, other: Layout) -> np.ndarray:
    """Truth until the objects are hidden; from then on the same stage with another layout's objects."""
    out = render_layout(layout, setting)
    start = _hidden_frame(layout, setting, context)
    still = [b for b in occluder.stage(layout).bodies if b.role != "mover"]
    scene = occluder.stage(layout).with_bodies((*still, *occluder.stage(other).movers()))
    out[start:] = render_scene(scene, setting, range(start, setting.frames))
    return out


def _relane(layout: Layout, change: Callable[[int, Lane], Lane]) -> Layout:
    return dataclasses.replace(layout, lanes=tuple(change(i, lane) for i, lane in enumerate(layout.lanes)))


def _gone(layout: Layout, setting: Setting) -> np.ndarray:
    """The stage without its objects, uint8 [T, H, W, 3]."""
    scene = occluder.stage(layout)
    return render_scene(scene.with_bodies(tuple(b for b in scene.bodies if b.role != "mover")), setting)


def vanish(layout: Layout, setting: Setting, context: int, seed: int) -> np.ndarray:
    """What is hidden is gone."""
    out = render_layout(layout, setting)
    start = _hidden_frame(layout, setting, context)
    out[start:] = _gone(layout, setting)[start:]
    return out


def always_reappear(layout: Layout, setting: Setting, context: int, seed: int) -> np.ndarray:
    """Everything comes out, post or not: through the post."""
    free = {b.name: b for b in occluder.stage(dataclasses.replace(layout, post=None)).movers()}
    scene = occluder.stage(layout)
    bodies = tuple(free.get(b.name, b) for b in scene.bodies)
    return render_scene(scene.with_bodies(bodies), setting)


def colour_swap(layout: Layout, setting: Setting, context: int, seed: int) -> np.ndarray:
    """Comes out in another colour."""
    names = occluder.COLOURS
    used = [lane.colour for lane in layout.lanes]
    spare = [name for name in names if name not in used]

    def change(i: int, lane: Lane) -> Lane:
        """A lane in another colour."""
        other = used[(i + 1) % len(used)] if len(used) > 1 else spare[seed % len(spare)]
        return dataclasses.replace(lane, colour=other)

    return _after(layout, setting, context, _relane(layout, change))


def shape_swap(layout: Layout, setting: Setting, context: int, seed: int) -> np.ndarray:
    """Comes out in another shape."""
    shapes = occluder.SHAPES

    def change(i: int, lane: Lane) -> Lane:
        """A lane with another shape."""
        return dataclasses.replace(lane, shape=shapes[(shapes.index(lane.shape) + 1 + seed % 2) % 3])

    return _after(layout, setting, context, _relane(layout, change))


def teleport(layout: Layout, setting: Setting, context: int, seed: int) -> np.ndarray:
    """Comes out at another height."""

    def change(i: int, lane: Lane) -> Lane:
        """A lane at another height."""
        step = 1.5 * layout.diameter
        return dataclasses.replace(lane, v=lane.v - step if lane.v > 0 else lane.v + step)

    return _after(layout, setting, context, _relane(layout, change))


def duplicate(layout: Layout, setting: Setting, context: int, seed: int) -> np.ndarray:
    """Comes out twice."""

    def copy(lane: Lane) -> Lane:
        """A second lane beside one."""
        step = 1.3 * layout.diameter
        return dataclasses.replace(lane, v=lane.v - step if lane.v > 0 else lane.v + step)

    other = dataclasses.replace(layout, lanes=layout.lanes + tuple(copy(lane) for lane in layout.lanes))
    return _after(layout, setting, context, other)


def streak(layout: Layout, setting: Setting, context: int, seed: int, length: float = 2.5) -> np.ndarray:
    """Comes out smeared along its path, `length` diameters long."""
    count = max(1, int(np.ceil(4 * length)))
    lanes = []
    for lane in layout.lanes:
        for k in range(count + 1):
            shift = -np.sign(lane.du) * length * layout.diameter * (k / count - 0.5)
            lanes.append(dataclasses.replace(lane, u=lane.u + float(shift)))
    return _after(layout, setting, context, dataclasses.replace(layout, lanes=tuple(lanes)))


def posterior_mean(layout: Layout, setting: Setting, context: int, seed: int) -> np.ndarray:
    """The average of many futures: other speeds, and never coming out."""
    out = render_layout(layout, setting).astype(np.float32)
    start = _hidden_frame(layout, setting, context)
    futures = [_gone(layout, setting)[start:].astype(np.float32)]
    for factor in (0.6, 0.8, 1.0, 1.25, 1.6):

        def change(i: int, lane: Lane, factor: float = factor) -> Lane:
            """A lane at another speed from the moment of hiding on."""
            when = start / setting.fps
            u = lane.u + lane.du * when * (1 - factor)
            v = lane.v + lane.dv * when * (1 - factor)
            return dataclasses.replace(lane, u=u, v=v, du=lane.du * factor, dv=lane.dv * factor)

        other = _relane(layout, change)
        futures.append(render_layout(other, setting, range(start, setting.frames)).astype(np.float32))
    out[start:] = np.mean(futures, axis=0)
    return np.rint(out).astype(np.uint8)


def faint(layout: Layout, setting: Setting, context: int, seed: int, opacity: float = 0.5) -> np.ndarray:
    """Comes out see-through: the cheat `ghost`, and damage by opacity."""
    truth = render_layout(layout, setting).astype(np.float32)
    start = _hidden_frame(layout, setting, context)
    gone = _gone(layout, setting)[start:]
    truth[start:] = opacity * truth[start:] + (1 - opacity) * gone
    return np.rint(truth).astype(np.uint8)


def outline(layout: Layout, setting: Setting, context: int, seed: int) -> np.ndarray:
    """Comes out as an empty contour."""
    import cv2

    truth = render_layout(layout, setting)
    gone = _gone(layout, setting)
    start = _hidden_frame(layout, setting, context)
    rim = max(1, round(0.12 * layout.diameter * setting.height))
    kernel = np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)
    for t in range(start, setting.frames):
        body = (np.abs(truth[t].astype(int) - gone[t]).max(axis=-1) > 30).astype(np.uint8)
        inside = cv2.erode(body, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0).astype(bool)
        truth[t][inside] = gone[t][inside]
    return truth


def fade(layout: Layout, setting: Setting, context: int, seed: int) -> np.ndarray:
    """Comes out and dissolves within a third of a second."""
    truth = render_layout(layout, setting).astype(np.float32)
    gone = _gone(layout, setting).astype(np.float32)
    start = _hidden_frame(layout, setting, context)
    show = min(occluder.hide_times(layout, lane)[1] for lane in layout.lanes)
    for t in range(start, setting.frames):
        keep = float(np.clip(0.65 - (t / setting.fps - show) / 0.35, 0.0, 1.0))
        truth[t] = keep * truth[t] + (1 - keep) * gone[t]
    return np.rint(truth).astype(np.uint8)


def noise(layout: Layout, setting: Setting, context: int, seed: int) -> np.ndarray:
    """Independent noise after the given frames."""
    out = render_layout(layout, setting)
    rng = np.random.default_rng(seed)
    out[context:] = rng.integers(0, 256, out[context:].shape, dtype=np.uint8)
    return out


def blank(layout: Layout, setting: Setting, context: int, seed: int) -> np.ndarray:
    """Grey after the given frames."""
    out = render_layout(layout, setting)
    out[context:] = 128
    return out


def spray(layout: Layout, setting: Setting, context: int, seed: int) -> np.ndarray:
    """Objects everywhere, so that one is always near."""
    rng = np.random.default_rng(seed)
    lanes = []
    for _ in range(12):
        for lane in layout.lanes:
            u, v = (rng.uniform(-0.45, 0.45, 2) * (layout.aspect, 1.0)).tolist()
            lanes.append(dataclasses.replace(lane, u=u, v=v, du=1e-3, dv=0.0, z=0.5))
    crowd = dataclasses.replace(layout, lanes=tuple(lanes), post=None)
    return _after(layout, setting, context, crowd)


def reset(layout: Layout, setting: Setting, context: int, seed: int) -> np.ndarray:
    """Starts again from the first frame once the objects are hidden."""
    out = render_layout(layout, setting)
    start = _hidden_frame(layout, setting, context)
    out[start:] = out[: setting.frames - start]
    return out


def reversed_time(layout: Layout, setting: Setting, context: int, seed: int) -> np.ndarray:
    """What follows the given frames runs backwards."""
    out = render_layout(layout, setting)
    out[context:] = out[context:][::-1].copy()
    return out


def bounce_back(layout: Layout, setting: Setting, context: int, seed: int) -> np.ndarray:
    """Comes out on the side on which it went in."""
    when = (_hidden_frame(layout, setting, context)) / setting.fps

    def change(i: int, lane: Lane) -> Lane:
        """A lane that turns round behind the screen."""
        u, v = lane.u + 2 * lane.du * when, lane.v + 2 * lane.dv * when
        return dataclasses.replace(lane, u=u, v=v, du=-lane.du, dv=-lane.dv)

    return _after(layout, setting, context, dataclasses.replace(_relane(layout, change), post=None))


def late(layout: Layout, setting: Setting, context: int, seed: int, seconds: float = 0.6) -> np.ndarray:
    """Comes out `seconds` too late, after waiting out of sight."""
    truth = render_layout(layout, setting)
    gone = _gone(layout, setting)
    start = _hidden_frame(layout, setting, context)
    wait = round(seconds * setting.fps)
    out = truth.copy()
    for t in range(start, setting.frames):
        out[t] = truth[t - wait] if t - wait >= start else gone[t]
    return out


def in_front(layout: Layout, setting: Setting, context: int, seed: int) -> np.ndarray:
    """Passes before the screen and through the post: nothing ever hides anything."""
    out = always_reappear(layout, setting, context, seed)
    open_layout = dataclasses.replace(layout, hidden=False)
    shown = always_reappear(open_layout, setting, context, seed).astype(int)
    empty = _gone(open_layout, setting)
    mask = np.abs(shown - empty).max(axis=-1) > 40
    mask[:context] = False
    out[mask] = shown[mask]
    return out


CHEATS: Mapping[str, Edit] = {
    "vanish": vanish,
    "always_reappear": always_reappear,
    "colour_swap": colour_swap,
    "shape_swap": shape_swap,
    "teleport": teleport,
    "duplicate": duplicate,
    "streak": streak,
    "posterior_mean": posterior_mean,
    "ghost": faint,
    "outline": outline,
    "fade": fade,
    "noise": noise,
    "blank": blank,
    "spray": spray,
    "reset": reset,
    "reversed": reversed_time,
    "bounce_back": bounce_back,
    "late": late,
    "in_front": in_front,
}


def reference(edit: Edit, setting: Setting, context: int) -> Reference:
    """An edit as a reference of a suite."""

    def make(case: Case) -> Video:
        """The cheat's clip of a case."""
        layout = occluder.from_facts(case.truth.facts["layout"])
        return Video(edit(layout, setting, context, case.world_seed), setting.fps)

    return make


def cheats(setting: Setting, context: int) -> dict[str, Reference]:
    """All cheats by name."""
    return {name: reference(edit, setting, context) for name, edit in CHEATS.items()}
