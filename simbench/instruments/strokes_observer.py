"""The observer of painted canvases: what a condition alone determines, for someone who knows the law.

It sees the given frames, the prompt, the commands and the cameras, and never the truth. Words tell the
colours, commands the brush's way; older strokes are straight, and their ends are fitted to the maps of paint
that the suite's own reader makes of the given frames. What comes between is left out: only what is there
afterwards is judged.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from simbench.case import Condition, Setting
from simbench.errors import UserError
from simbench.instruments import strokes
from simbench.video import Video
from simbench.worlds import palette
from simbench.worlds.families import canvas
from simbench.worlds.families.canvas import HALF, RADIUS, Layout
from simbench.worlds.scene import Scene

BEND = 0.05
"""Change of pace, metres per second, from which on a way has a corner: commands are rounded."""
MOST = 300
"""Pixels that a stroke is fitted to."""
CAP = 3600.0


def roll_out(condition: Condition, setting: Setting) -> Video:
    """The clip that the law and the condition determine."""
    if condition.poses is None or condition.intrinsics is None or condition.actions is None:
        raise UserError("a condition without poses and actions shows no painted canvas; use given=act")
    given = condition.given_frames
    layout = told(condition, setting)
    layout = min(
        (dataclasses.replace(layout, texture=name) for name in _textures(setting)),
        key=lambda one: float(
            np.abs(filmed(strokes.without(one, ()), condition, setting, [0])[0] - given[0]).mean()
        ),
    )
    layout = dataclasses.replace(layout, old=older(layout, condition, setting))
    later = range(len(given), condition.frames)
    drawn = filmed(canvas.stage(layout), condition, setting, later).astype(np.uint8)
    return Video(np.concatenate([given, drawn]), condition.fps)


def _textures(setting: Setting) -> tuple[str, ...]:
    return canvas.TEXTURES if setting.look != "plain" else canvas.TEXTURES[:1]


def told(condition: Condition, setting: Setting) -> Layout:
    """The layout as far as words and commands tell it; older strokes lie nowhere yet."""
    prompt, actions = condition.prompt, condition.actions or ()
    names = "|".join(palette.colours("all"))
    wall = re.search(rf"(?:on|of) (?:an? )?({'|'.join(canvas.WALLS)}) (?:wall|battens)", prompt)
    old = re.search(rf"with an? ({names}) and an? ({names}) stroke", prompt)
    brush = re.search(rf"An? ({names}) brush|in ({names})\.", prompt)
    line = tuple(
        (t / condition.fps, (2 * float(u) - 1.0) * HALF, (1.0 - 2 * float(v)) * HALF)
        for t, (word, *place) in enumerate(action.split() for action in actions)
        if word == "brush"
        for u, v in [place]
    )
    colours = old.groups() if old else ("red", "blue")
    return Layout(
        aspect=condition.width / condition.height,
        duration=(condition.frames - 1) / condition.fps,
        trial="",
        line=corners(line, canvas.END * (condition.frames - 1) / condition.fps),
        parts=(len(condition.given_frames) - 1) / condition.fps,
        old=tuple((0.0, 0.0, 0.0, 0.0, colour) for colour in colours),
        colour=(brush.group(1) or brush.group(2)) if brush else "green",
        wall=wall.group(1) if wall else "grey",
        board="brown",
        texture=canvas.TEXTURES[0],
        side=1,
        leave=0.0,
        back=0.1,
        look=setting.look,
        tool="cursor" if "A dark cursor" in prompt else "brush",
        surface="wall" if "A white wall" in prompt else "canvas",
    )


def filmed(scene: Scene, condition: Condition, setting: Setting, frames: Sequence[int]) -> np.ndarray:
    """int16 [F, H, W, 3]: a scene under the cameras of a condition."""
    assert condition.poses is not None
    return _drawn(scene, setting, condition.poses, frames)


def _drawn(scene: Scene, setting: Setting, poses: np.ndarray, frames: Sequence[int]) -> np.ndarray:
    from simbench.worlds.compile import compile_scene
    from simbench.worlds.film import SAMPLES
    from simbench.worlds.render import render

    clip = compile_scene(scene, len(poses), setting.fps, poses)
    drawn = render(clip, setting.width, setting.height, SAMPLES, only=list(frames), truth=False)
    return drawn.rgb.astype(np.int16)


def corners(places: Sequence[tuple[float, float, float]], end: float) -> canvas.Line:
    """The way through (time, x, y) of frames, with the corners of straight legs at an even pace put where
    they must lie between two frames, and on to its end."""
    keys = np.array(places)
    if len(keys) < 3:
        return tuple(places)
    pace = np.diff(keys[:, 1:], axis=0) / np.diff(keys[:, :1], axis=0)
    out = [places[0]]
    for i in range(len(pace)):
        if 0 < i < len(pace) - 1:
            turn, gap = pace[i - 1] - pace[i + 1], keys[i + 1, 0] - keys[i, 0]
            share = float(turn @ (pace[i] - pace[i + 1])) / max(float(turn @ turn), 1e-9)
            if np.hypot(*turn) > BEND and 0.02 < share < 0.98:
                x, y = (keys[i, 1:] + share * gap * pace[i - 1]).tolist()
                out.append((float(keys[i, 0] + share * gap), x, y))
        out.append(places[i + 1])
    left = end - float(keys[-1, 0])
    if left > 1e-6:
        x, y = (keys[-1, 1:] + left * pace[-1]).tolist()
        out.append((end, x, y))
    return tuple(out)


def older(layout: Layout, condition: Condition, setting: Setting) -> tuple[canvas.Old, ...]:
    """The older strokes [x0, y0, x1, y1, colour], fitted to what the given frames show of them."""
    assert condition.poses is not None and condition.intrinsics is not None
    k = len(condition.given_frames)
    seen = dataclasses.replace(layout, line=layout.line[:1])
    parts = (condition.given_frames, condition.poses[:k], condition.intrinsics[:k])
    return _older(seen, setting, *(np.ascontiguousarray(part).tobytes() for part in parts))


@lru_cache(maxsize=1)
def _older(
    layout: Layout, setting: Setting, frames: bytes, cameras: bytes, lenses: bytes
) -> tuple[canvas.Old, ...]:
    """The same for all cases of a scene, whose given frames are alike; the last is kept."""
    given = np.frombuffer(frames, np.uint8).reshape(-1, setting.height, setting.width, 3)
    poses, lens = (np.frombuffer(part).reshape(-1, n, n) for part, n in ((cameras, 4), (lenses, 3)))
    at = list(range(len(given)))
    plate = _drawn(strokes.without(layout, ()), setting, poses, at)
    view = strokes.view(layout, setting, poses, lens, plate)
    parts = strokes.read(view, given, at).parts.mean(axis=0)
    places = strokes.texels(parts.shape[0])
    rays = ground(poses, lens, setting)
    found = []
    for k, (*_, colour) in enumerate(layout.old):
        ends = _roughly(parts[..., 2 + k], places)
        found.append((*_finely(ends, given.astype(np.float32), rays, view.ink[0], view.ink[2 + k]), colour))
    return tuple(found)


def ground(poses: np.ndarray, lens: np.ndarray, setting: Setting) -> np.ndarray:
    """Places [T, H, W, S, 2] on the canvas's plane, metres, of S = 9 rays through every pixel."""
    height, width = setting.height, setting.width
    fine = (np.arange(3) + 0.5) / 3.0
    x = (np.arange(width)[:, None] + fine).reshape(1, 1, width, 1, 3)
    y = (np.arange(height)[:, None] + fine).reshape(1, height, 1, 3, 1)
    focal = (lens[:, :2, :2].sum(axis=2)).reshape(-1, 2, 1, 1, 1, 1)
    middle = lens[:, :2, 2].reshape(-1, 2, 1, 1, 1, 1)
    u, v = (x - middle[:, 0]) / focal[:, 0], (y - middle[:, 1]) / focal[:, 1]
    u, v = np.broadcast_arrays(u, v)
    way = np.stack([u, v, np.ones_like(u)], axis=-1).reshape(len(poses), height, width, 9, 3)
    way = np.einsum("tji,tuvsj->tuvsi", poses[:, :3, :3], way)
    eye = -np.einsum("tji,tj->ti", poses[:, :3, :3], poses[:, :3, 3])[:, None, None, None]
    far = eye[..., 2] / np.minimum(way[..., 2], -1e-6)
    return (eye - far[..., None] * way)[..., :2] - np.array([0.0, canvas.HIGH])


def _apart(places: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Distance [...] of places [..., 2] from the straight line between two ends [4], metres."""
    way = ends[2:] - ends[:2]
    x, y = places[..., 0] - ends[0], places[..., 1] - ends[1]
    along = np.clip((x * way[0] + y * way[1]) / max(float(way @ way), 1e-9), 0.0, 1.0)
    return np.hypot(x - along * way[0], y - along * way[1])


def _roughly(share: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The ends [4] of a straight stroke from the moments of its share [N, N] of texels at `places`."""
    total = float(share.sum())
    if total < 1.0:
        return np.array([2 * HALF, 0.0, 2 * HALF, 0.0])
    middle = (share[..., None] * places).sum(axis=(0, 1)) / total
    off = places - middle
    spread = np.einsum("uv,uvi,uvj->ij", share, off, off) / total
    power, ways = np.linalg.eigh(spread)
    # A stroke of radius r and half length a spreads by about r^2 / 4 + a^2 / 3 along itself.
    half = float(np.sqrt(max(3.0 * (power[1] - RADIUS**2 / 4.0), 1e-4)))
    return np.concatenate([middle - half * ways[:, 1], middle + half * ways[:, 1]])


def _finely(
    ends: np.ndarray, level: np.ndarray, rays: np.ndarray, white: np.ndarray, ink: np.ndarray
) -> tuple[float, float, float, float]:
    """The ends near `ends` with which a stroke drawn in pixels looks most like frames [T, H, W, 3]."""
    from scipy.optimize import minimize

    close = _apart(rays[..., 4, :], ends) < RADIUS + 0.1
    close &= (np.abs(rays[..., 4, :]) < strokes.INSIDE).all(axis=-1)
    at = np.flatnonzero(close)[:: max(1, int(close.sum()) // MOST)]
    if len(at) < 8:
        return tuple(ends.tolist())  # type: ignore[return-value]
    seen, places = level.reshape(-1, 3)[at], rays.reshape(-1, 9, 2)[at]
    step = max(float(np.abs(places[:, 1, 0] - places[:, 0, 0]).mean()), 1e-4)

    def misfit(now: np.ndarray) -> float:
        """Squares of what is off, capped: a brush may hide some. Light adds up, its root is seen."""
        cover = np.clip(0.5 + (RADIUS - _apart(places, now)) / step, 0.0, 1.0).mean(axis=1)[:, None]
        drawn = np.sqrt(cover * ink**2 + (1.0 - cover) * white**2)
        return float(np.minimum(((drawn - seen) ** 2).sum(axis=1), CAP).sum())

    simplex = ends + np.concatenate([np.zeros((1, 4)), 0.03 * np.eye(4)])
    options = {"initial_simplex": simplex, "xatol": 2e-4, "fatol": 1.0, "maxfev": 160}
    best = minimize(misfit, ends, method="Nelder-Mead", options=options).x
    return tuple(best.tolist())  # type: ignore[return-value]
