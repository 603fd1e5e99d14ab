"""The rendered truth of one scene: pixels and everything a scorer may ask about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from simbench.worlds.scene import Event, Scene


@dataclass(frozen=True)
class Clip:
    """T frames of H x W pixels. Cameras are OpenCV: x right, y down, z forward, pixel centres at +0.5.

    `rgb` uint8 [T, H, W, 3] sRGB; `depth` float32 [T, H, W] metres along the optical axis, 0 = sky;
    `ids` int32 [T, H, W] index into `names`, -1 = sky (both traced through pixel centres);
    `intrinsics` float64 [T, 3, 3] pixels; `poses` float64 [T, 4, 4] world to camera;
    `points` float64 [T, P, 3] world metres of points fixed to bodies, `uv` float64 [T, P, 2] their
    pixels, `visible` bool [T, P], `point_body` int32 [P]; `centres` float64 [T, N, 2] pixels of the
    bodies' centres and `positions` float64 [T, N, 3] of the same in the world.
    """

    rgb: np.ndarray
    depth: np.ndarray
    ids: np.ndarray
    intrinsics: np.ndarray
    poses: np.ndarray
    points: np.ndarray
    uv: np.ndarray
    visible: np.ndarray
    point_body: np.ndarray
    centres: np.ndarray
    positions: np.ndarray
    names: tuple[str, ...]
    events: tuple[Event, ...]
    fps: float


def make_clip(
    scene: Scene,
    width: int,
    height: int,
    frames: int,
    fps: float,
    samples: int = 2,
    backend: str = "numba",
    threads: int = 1,
    device: str = "cpu",
) -> Clip:
    """Render `scene` with all its truth. `samples` x `samples` rays per pixel for colour.

    `backend` numba or torch (the same bytes on CPU), `device` for torch only. UserError names what
    cannot be drawn. `centres` are NaN for a body behind the eye.
    """
    from simbench.worlds import truth
    from simbench.worlds.compile import compile_scene
    from simbench.worlds.render import render

    compiled = compile_scene(scene, frames, fps)
    drawn = render(compiled, width, height, samples, backend, threads, device)
    tracks = truth.tracks(compiled, width, height, backend)
    return Clip(
        rgb=drawn.rgb,
        depth=drawn.depth,
        ids=drawn.ids,
        intrinsics=truth.intrinsics(compiled, width, height),
        poses=truth.poses(compiled),
        points=tracks.points,
        uv=tracks.uv,
        visible=tracks.visible,
        point_body=tracks.body,
        centres=truth.project(compiled, compiled.positions, width, height),
        positions=compiled.positions,
        names=tuple(body.name for body in scene.bodies),
        events=scene.events,
        fps=fps,
    )
