"""Words for scenes: complete for training, blind to the future for prompts."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from simbench.worlds import families, palette
from simbench.worlds.captions import (
    caption,
    colour_word,
    describe_body,
    describe_visible,
    objects,
    shape_word,
)
from simbench.worlds.scene import Body, Caption, Event, Paint, Scene, constant, rest

OPENING = ("A", "An", "Two", "Three", "Four", "Five", "Six")


def thing(name: str, kind: str, colour: str, texture: str = "flat", half: object = (0.3, 0.3, 0.3)) -> Body:
    material = palette.surface(palette.rgb(colour), texture)
    return Body(name, kind, constant(*half), rest(0.0, 0.3, 0.0), material)  # type: ignore[misc]


def room() -> Scene:
    scene = families.build("orbit", 0)
    bodies = (
        thing("floor", "plane", "grey", "checker"),
        thing("wall", "box", "terracotta", "brick", (3.0, 1.0, 0.1)),
        thing("one", "sphere", "red"),
        thing("two", "box", "blue"),
    )
    return dataclasses.replace(scene, bodies=bodies, tags={})


def test_a_room_in_one_sentence() -> None:
    text = describe_visible(room(), 0.0, ["one", "two", "floor", "wall"])
    assert text == "A red ball and a blue cube on a grey checkered floor in front of a terracotta brick wall."


def test_only_what_is_seen_is_named() -> None:
    scene = room()
    assert describe_visible(scene, 0.0, ["two"]) == "A blue cube."
    assert describe_visible(scene, 0.0, ["floor"]) == "A grey checkered floor."
    assert describe_visible(scene, 0.0, []) == "An empty view under the sky."
    assert describe_visible(scene, 0.0, ["nobody"]) == "An empty view under the sky."


def test_equal_things_are_counted() -> None:
    scene = dataclasses.replace(room(), bodies=tuple(thing(n, "sphere", "orange") for n in "abc"))
    assert describe_visible(scene, 0.0, list("abc")) == "Three orange balls."
    assert describe_visible(scene, 0.0, ["a"]) == "An orange ball."


def test_a_body_that_has_vanished_is_not_described() -> None:
    gone = dataclasses.replace(thing("a", "sphere", "red"), vanishes=1.0)
    late = dataclasses.replace(thing("b", "sphere", "blue"), appears=1.0)
    scene = dataclasses.replace(room(), bodies=(gone, late))
    assert describe_visible(scene, 0.5, ["a", "b"]) == "A red ball."
    assert describe_visible(scene, 1.5, ["a", "b"]) == "A blue ball."


def test_paint_is_named_once_it_is_on_the_wall() -> None:
    stroke = Paint("wall", 2, 1, ((1.0, 0.0, 0.0), (2.0, 1.0, 0.0)), 0.1, palette.rgb("green"))
    scene = dataclasses.replace(room(), paints=(stroke,))
    assert "stroke" not in describe_visible(scene, 0.5, ["wall"])
    assert describe_visible(scene, 1.5, ["wall"]) == "A terracotta brick wall with a green stroke."


@pytest.mark.parametrize("name", families.names())
def test_prompts_do_not_know_the_future(name: str) -> None:
    for seed in range(6):
        scene = families.build(name, seed, look="plain" if seed % 2 else "rich")
        names = [b.name for b in scene.bodies]
        stilled = tuple(dataclasses.replace(b, motion=b.motion[:1]) for b in scene.bodies)
        other = dataclasses.replace(
            scene,
            bodies=stilled,
            events=(Event("bite", 1.0, (names[0], names[0])),),
            caption=Caption("x", "y", "{}"),
            carves=(),
            voxel_edits=(),
            paints=tuple(dataclasses.replace(p, stroke=((9.0, 0.0, 0.0),)) for p in scene.paints),
            tags={},
        )
        text = describe_visible(scene, 0.0, names)
        assert text == describe_visible(other, 0.0, names)
        assert text.endswith(".")
        assert text.split()[0] in OPENING


@pytest.mark.parametrize("name", families.names())
@pytest.mark.parametrize("look", families.LOOKS)
def test_captions_name_every_mover_and_object(name: str, look: str) -> None:
    for seed in range(12):
        scene = families.build(name, seed, look=look, difficulty=(seed % 5) / 4)
        for body in (*scene.movers(), *objects(scene)):
            colour = colour_word(tuple(body.material.colour.at(0.0)))  # type: ignore[arg-type]
            words = describe_body(body)
            assert colour in words
            assert shape_word(body) in words
            plural = f"{words}s"
            assert words in scene.caption.long or plural in scene.caption.long
        assert scene.caption == caption(scene)
        assert scene.caption.short
        assert "  " not in scene.caption.long
        assert scene.caption.long[0].isupper()


@pytest.mark.parametrize("name", families.names())
def test_structured_captions_are_json_about_the_scene(name: str) -> None:
    for seed in range(6):
        scene = families.build(name, seed)
        data = json.loads(scene.caption.structured)
        assert data["family"] == name
        assert [o["name"] for o in data["objects"]] == [b.name for b in objects(scene)]
        assert {o["colour"] for o in data["objects"]} <= {
            *palette.colours("all"),
            *palette.stage_colours("all"),
        }
        assert len(data["events"]) == len(scene.events)
        assert data["camera"]["words"].startswith("The camera")


def test_captions_tell_what_happens_and_how_the_camera_moves() -> None:
    assert "paints a stroke on" in families.build("paint", 1).caption.short
    assert "takes a bite out of" in families.build("carve", 1).caption.short
    assert "4 times" in families.build("carve", 1, bites=4).caption.long
    walk = families.build("voxels", 1, actions=("look-down", "mine", "place")).caption.long
    assert "block is mined; then" in walk
    assert "The camera turns left and back again." in families.build("look-away", 1, angle=90.0).caption.long
    assert (
        "The camera turns right and back again." in families.build("look-away", 1, angle=-90.0).caption.long
    )
    assert "goes behind" in families.build("occluder", 1).caption.short


def test_every_named_colour_is_its_own_nearest() -> None:
    for name, rgb in {**palette.colours("all"), **palette.stage_colours("all")}.items():
        assert colour_word(rgb) == name
    assert colour_word((0.0, 0.0, 0.0)) == "black"
    assert colour_word((1.0, 1.0, 1.0)) == "white"


@pytest.mark.parametrize("shape", palette.shapes("all"), ids=lambda s: s.name)
def test_shapes_are_known_by_their_form(shape: palette.Shape) -> None:
    body = thing("x", shape.kind, "red", half=shape.half_extents(0.4))
    assert shape_word(body) == shape.name
    assert describe_body(body, article=True) == f"a red {shape.name}"


def test_words_of_many_colours_are_those_of_each() -> None:
    found = np.random.default_rng(0).random((200, 3))
    assert palette.colour_words(found) == [colour_word((r, g, b)) for r, g, b in found.tolist()]
    assert len(set(palette.colour_words(found))) > 10
