"""A game as any other scene: a picture on a flat screen, with the same `Clip` of truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simbench.case import Setting
from simbench.worlds.clip import Clip
from simbench.worlds.games import Game, State, table
from simbench.worlds.scene import Body, Camera, Material, Scene, constant, rest

DISTANCE = 1.0
"""Metres from the eye to the screen, which is one metre high."""


def scene(game: str, seed: int, setting: Setting, actions: Sequence[str]) -> Scene:
    """The screen that a game is shown on, and when which action is taken."""
    aspect = setting.width / setting.height
    screen = Body(
        "screen",
        "box",
        constant(aspect / 2, 0.5, 0.01),
        rest(0.0, 0.0, -0.01),
        Material(constant(0.0, 0.0, 0.0)),
    )
    told = [[t / setting.fps, action] for t, action in enumerate(actions)]
    fov = float(np.degrees(2 * np.arctan(0.5 / DISTANCE)))
    camera = Camera(constant(0.0, 0.0, DISTANCE), constant(0.0, 0.0, 0.0), fov)
    seconds = (setting.frames - 1) / setting.fps
    return Scene(
        f"digital-{game}", seed, seconds, camera, (screen,), look=setting.look, tags={"actions": told}
    )


def clip(game: Game, states: Sequence[State], setting: Setting) -> Clip:
    """The truth of a game on its screen: `ids` are the cells' values (a square board in the middle, 0 beside
    it), all at the screen's depth; nothing is tracked."""
    frames, (height, width) = len(states), (setting.height, setting.width)
    focal = height * DISTANCE
    camera = np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    pose = np.diag([1.0, -1.0, -1.0, 1.0])
    pose[2, 3] = DISTANCE
    shown = table(game, states)
    return Clip(
        rgb=game.draw(states, setting),
        depth=np.full((frames, height, width), DISTANCE, np.float32),
        ids=_spread(shown, setting),
        intrinsics=np.tile(camera, (frames, 1, 1)),
        poses=np.tile(pose, (frames, 1, 1)),
        points=np.zeros((frames, 0, 3)),
        uv=np.zeros((frames, 0, 2)),
        visible=np.zeros((frames, 0), bool),
        point_body=np.zeros(0, np.int32),
        centres=np.zeros((frames, 0, 2)),
        positions=np.zeros((frames, 0, 3)),
        names=tuple(f"cell value {k}" for k in range(int(shown.max()) + 1)),
        events=(),
        fps=setting.fps,
    )


def _spread(cells: np.ndarray, setting: Setting) -> np.ndarray:
    """Cells [T, n * n] over the pixels of the board int32 [T, H, W]; all 0 where they are no square board."""
    out = np.zeros((len(cells), setting.height, setting.width), np.int32)
    tiles = round(cells.shape[1] ** 0.5)
    if tiles * tiles != cells.shape[1]:
        return out
    side = min(setting.width, setting.height)
    place = np.arange(side) * tiles // side
    y, x = (setting.height - side) // 2, (setting.width - side) // 2
    board = cells.reshape(-1, tiles, tiles)
    out[:, y : y + side, x : x + side] = board[:, place][:, :, place]
    return out
