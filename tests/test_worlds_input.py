"""What cannot be drawn is refused in one line that names it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from worlds_scenes import ball, plain_scene

from simbench.errors import UserError
from simbench.worlds.clip import make_clip
from simbench.worlds.compile import compile_scene
from simbench.worlds.render import render
from simbench.worlds.scene import (
    Body,
    Camera,
    Carve,
    Curve,
    Light,
    Material,
    Paint,
    Scene,
    SetVoxel,
    constant,
    rest,
)

NAN = float("nan")


def body(**changes: Any) -> Body:
    return dataclasses.replace(ball("it", (0.0, 0.0, 0.0)), **changes)


def scene(**changes: Any) -> Scene:
    return dataclasses.replace(plain_scene(ball("it", (0.0, 0.0, 0.0))), **changes)


def material(**changes: Any) -> Material:
    return dataclasses.replace(Material(constant(1.0, 0.0, 0.0)), **changes)


BOX = body(kind="box")
GRID = body(kind="voxels", voxels=(((0, 1),),))
STROKE = ((0.0, 0.0, 0.0),)
BAD_SCENES = {
    "no bodies": scene(bodies=()),
    "called 'it'": scene(bodies=(body(), body())),
    "unknown kind": scene(bodies=(body(kind="cone"),)),
    "unknown texture": scene(bodies=(body(material=material(texture="lace")),)),
    "texture scale": scene(bodies=(body(material=material(scale=0.0)),)),
    "no motion": scene(bodies=(body(motion=()),)),
    "out of order": scene(
        bodies=(
            body(
                motion=(
                    *rest(0.0, 0.0, 0.0),
                    *dataclasses.replace(
                        body(), motion=tuple(dataclasses.replace(s, start=-1.0) for s in rest(0.0, 0.0, 0.0))
                    ).motion,
                )
            ),
        )
    ),
    "not finite": scene(bodies=(body(motion=rest(NAN, 0.0, 0.0)),)),
    "not finite in frame": scene(bodies=(body(material=material(colour=constant(0.0, NAN, 0.0))),)),
    "above 0 m": scene(bodies=(body(size=constant(0.1, 0.0, 0.1), kind="box"),)),
    "three equal radii": scene(bodies=(body(size=constant(0.1, 0.2, 0.1)),)),
    "fewer than 3": scene(bodies=(body(size=constant(0.1)),)),
    "ragged or empty": scene(bodies=(body(kind="voxels", voxels=(((1, 1), (1,)),)),)),
    "carries voxels": scene(bodies=(body(voxels=(((1,),),)),)),
    "not increasing": scene(bodies=(body(size=Curve((1.0, 0.0), ((0.1, 0.1, 0.1), (0.2, 0.2, 0.2)))),)),
    "size of body 'it': times are not": scene(
        bodies=(body(size=Curve((0.0, NAN), ((0.1, 0.1, 0.1), (0.2, 0.2, 0.2)))),)
    ),
    "1 times and 0 values": scene(bodies=(body(size=Curve((0.0,), ())),)),
    "inside body 'it'": scene(camera=Camera(constant(0.0, 0.0, 0.1), constant(0.0, 0.0, -1.0))),
    "eye to target has length 0": scene(camera=Camera(constant(0.0, 0.0, 4.0), constant(0.0, 0.0, 4.0))),
    "fov=0": scene(camera=Camera(constant(0.0, 0.0, 4.0), constant(0.0, 0.0, 0.0), 0.0)),
    "light direction has length 0": scene(light=Light(direction=constant(0.0, 0.0, 0.0))),
    "camera or light": scene(light=Light(ambient=NAN)),
    "carve of 'it', a capsule": scene(
        bodies=(body(kind="capsule"),), carves=(Carve("it", 0.0, (0.0, 0.0, 0.0), 0.1),)
    ),
    "carve names body 'no'": scene(carves=(Carve("no", 0.0, (0.0, 0.0, 0.0), 0.1),)),
    "not a ball": scene(carves=(Carve("it", 0.0, (0.0, 0.0, 0.0), -0.1),)),
    "paint of 'it', a sphere": scene(paints=(Paint("it", 0, 1, STROKE, 0.1, (0.0, 0.0, 0.0)),)),
    "paint face axis=3": scene(bodies=(BOX,), paints=(Paint("it", 3, 1, STROKE, 0.1, (0.0, 0.0, 0.0)),)),
    "paint on 'it'": scene(bodies=(BOX,), paints=(Paint("it", 0, 1, (), 0.1, (0.0, 0.0, 0.0)),)),
    "voxel edit of 'it'": scene(voxel_edits=(SetVoxel("it", 0.0, (0, 0, 0), 1),)),
    "outside the grid": scene(bodies=(GRID,), voxel_edits=(SetVoxel("it", 0.0, (0, 0, 2), 1),)),
    "sets material 9": scene(bodies=(GRID,), voxel_edits=(SetVoxel("it", 0.0, (0, 0, 1), 9),)),
}


@pytest.mark.parametrize("words", BAD_SCENES)
def test_bad_scenes_are_refused_in_one_line(words: str) -> None:
    with pytest.raises(UserError) as caught:
        compile_scene(BAD_SCENES[words], 4, 8.0)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"frames": 0}, "frames=0"),
        ({"fps": 0.0}, "fps=0.0"),
        ({"fps": NAN}, "fps=nan"),
        ({"width": 0}, "width=0"),
        ({"height": 9000}, "height=9000"),
        ({"samples": 17}, "samples=17"),
        ({"threads": 0}, "threads=0"),
        ({"backend": "opengl"}, "unknown backend 'opengl'"),
        ({"device": "cuda"}, "backend numba cannot run on device 'cuda'"),
        pytest.param({"backend": "torch", "device": "tpu"}, "unknown device 'tpu'", marks=pytest.mark.torch),
    ],
)
def test_bad_orders_are_refused_in_one_line(changes: dict[str, Any], words: str) -> None:
    order: dict[str, Any] = {"width": 8, "height": 8, "frames": 2, "fps": 8.0, **changes}
    with pytest.raises(UserError) as caught:
        make_clip(scene(), **order)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_frames_outside_the_clip_are_refused() -> None:
    clip = compile_scene(scene(), 2, 8.0)
    for frame in (-1, 2):
        with pytest.raises(UserError, match=f"frame {frame} is outside"):
            render(clip, 8, 8, only=[frame])


def test_a_missing_gpu_is_named() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("a GPU is here")
    with pytest.raises(UserError, match="'cuda' is not available"):
        make_clip(scene(), 8, 8, 1, 8.0, backend="torch", device="cuda")


def test_an_eye_in_a_voxel_is_refused_and_in_its_air_is_not() -> None:
    solid = body(kind="voxels", size=constant(1.0), voxels=(((0, 1),),))
    for z, fine in ((-0.5, True), (0.5, False)):
        eye = scene(bodies=(solid,), camera=Camera(constant(0.0, 0.0, z), constant(0.0, 0.0, -9.0)))
        if fine:
            compile_scene(eye, 1, 8.0)
        else:
            with pytest.raises(UserError, match="inside body 'it'"):
                compile_scene(eye, 1, 8.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[]", "scene is list"),
        ('{"family": "x"}', "lacks field"),
        ('{"family": "x", "wings": 2}', "unknown field 'wings'"),
        ('{"family": 3}', "lacks field"),
    ],
)
def test_foreign_json_is_refused(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        Scene.from_json(text)


def test_wrong_types_in_json_are_named_with_their_place() -> None:
    text = scene().to_json().replace('"seed":0', '"seed":"zero"')
    with pytest.raises(UserError, match=r"scene\.seed is 'zero', not int"):
        Scene.from_json(text)
    text = scene().to_json().replace('"fov":16.0', '"fov":"wide"')
    with pytest.raises(UserError, match=r"scene\.camera\.fov is 'wide', not a number"):
        Scene.from_json(text)
