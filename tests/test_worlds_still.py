"""Drawing only what moves gives the bytes of drawing everything."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from simbench.worlds import families, still
from simbench.worlds.compile import compile_scene
from simbench.worlds.families import occluder
from simbench.worlds.raster import Frames
from simbench.worlds.render import render
from simbench.worlds.scene import Camera, Scene, constant


def held(scene: Scene) -> Scene:
    """The scene with its camera where it starts."""
    camera = scene.camera
    return dataclasses.replace(
        scene, camera=Camera(constant(*camera.eye.at(0.0)), constant(*camera.target.at(0.0)), camera.fov)
    )


def stages() -> list[tuple[str, Scene]]:
    found = [
        (f"{look} {trial} {hidden}", occluder.stage(occluder.sample(7, trial, hidden, 2.0, look, 0.6)))
        for look in ("plain", "rich")
        for trial in occluder.TRIALS
        for hidden in (True, False)
    ]
    for name in families.names():
        for look in ("plain", "rich"):
            scene = families.build(name, 3, look=look)
            found += [(f"{name} {look}", scene), (f"{name} {look} held", held(scene))]
    return found


def check_equal(a: Frames, b: Frames) -> None:
    for name in ("rgb", "depth", "ids"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), name)


@pytest.mark.parametrize(("name", "scene"), stages(), ids=[name for name, _ in stages()])
def test_windows_change_no_byte(name: str, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = compile_scene(scene, 9, 4.0)
    asked = [
        (samples, truth, only) for samples in (1, 2) for truth in (True, False) for only in (None, [5, 2])
    ]
    quick = [render(compiled, 40, 24, s, truth=t, only=o) for s, t, o in asked]
    threaded = render(compiled, 40, 24, 2, threads=3)
    monkeypatch.setattr(still, "GAIN", -1.0)
    slow = [render(compiled, 40, 24, s, truth=t, only=o) for s, t, o in asked]
    for a, b in zip(quick, slow, strict=True):
        check_equal(a, b)
    check_equal(threaded, slow[4])


def test_a_still_camera_has_a_plate_and_a_moving_one_none() -> None:
    for scene, expected in ((occluder.stage(occluder.sample(7)), 1), (families.build("orbit", 3), 0)):
        compiled = compile_scene(scene, 9, 4.0)
        moves = still.moving(compiled, np.arange(9))
        rects = np.zeros((9, len(moves), 4), np.int32)
        rects[..., 1::2] = 48 if expected == 0 else 12
        assert len(still.windows(moves, (rects,), 16, 16, 3).plate) == expected
        assert moves.any() and (moves.all() or expected == 1)


def test_a_scene_in_which_nothing_moves_is_drawn_once() -> None:
    scene = held(families.build("orbit", 3))
    compiled = compile_scene(scene, 5, 4.0)
    moves = still.moving(compiled, np.arange(5))
    parts = still.windows(moves, (np.zeros((5, len(moves), 4), np.int32),), 16, 16, 1)
    assert not moves.any() and len(parts.plate) == 1 and len(parts.rest) == 0
    frames = render(compiled, 16, 16).rgb
    assert (frames == frames[0]).all()
