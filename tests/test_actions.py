"""Commands as channels: what the suites say is read, numbers come back, a mirror is a mirror."""

import dataclasses

import numpy as np
import pytest

from model.actions import AXES, CHANNELS, KNOTS, WORDS, channel, encode, mirrored
from model.clips.worlds import commands, draw, draw_scene, named
from simbench.errors import UserError

INTERACTIVE = ("bite", "canvas", "footprints", "push")


def coordinate(row: np.ndarray, axis: str) -> float:
    """The number that the knots of an axis hold."""
    first = channel(f"{axis} 0")
    return float(row[first : first + len(KNOTS)] @ KNOTS)


def test_a_word_has_one_channel_of_its_own() -> None:
    rows = encode(WORDS)
    assert rows.shape == (len(WORDS), len(CHANNELS)) and rows.dtype == np.float32
    assert np.array_equal(rows[:, : len(WORDS)], np.eye(len(WORDS), dtype=np.float32))
    assert not rows[:, len(WORDS) :].any()


def test_numbers_come_back() -> None:
    (row,) = encode(["tool 0.343 0.337 snap screen 0.71"])
    assert [round(coordinate(row, axis), 4) for axis in ("x", "y", "screen")] == [0.343, 0.337, 0.71]
    assert row[channel("tool")] == row[channel("snap")] == 1.0
    (row,) = encode(
        ["rod tip at 31.2 % from the left, 50.0 % from the top; panel from the top over 30 % of the table"]
    )
    assert [round(coordinate(row, axis), 4) for axis in ("x", "y")] == [0.312, 0.5]
    assert row[channel("panel top")] == np.float32(0.3) and row[channel("rod")] == 1.0
    (row,) = encode(
        ["boots at 1.0 % from the left, 2.0 % from the top and at 103.0 % from the left, 4.0 % from the top"]
    )
    assert [round(coordinate(row, axis), 4) for axis in ("x", "y", "x2", "y2")] == [0.01, 0.02, 1.03, 0.04]
    (row,) = encode(["tool 0.1 0.1 open table 90"])
    assert abs(row[channel("table sine")] - 1.0) < 1e-6 and abs(row[channel("table cosine")]) < 1e-6
    assert row[channel("snap")] == 0.0


def test_what_is_outside_counts_as_at_the_end() -> None:
    (row,) = encode(["brush 3.0 -2.0"])
    assert (coordinate(row, "x"), round(coordinate(row, "y"), 4)) == (KNOTS[-1], -0.1)


@pytest.mark.parametrize("action", ["jump", "brush 0.1", "tool 0.1 0.2 snap", "Forward", ""])
def test_an_unknown_command_is_named(action: str) -> None:
    with pytest.raises(UserError, match="is unknown to models of this package, which are told forward"):
        encode(["wait", action])


def test_twice_mirrored_is_as_before_and_once_is_the_other_side() -> None:
    rows = encode(
        [*WORDS, "tool 0.343 0.337 snap screen 1.04", "tool 0.2 0.3 open table -72", "brush 0.4 0.5"]
    )
    other = mirrored(rows)
    assert np.allclose(mirrored(other), rows)
    assert other[WORDS.index("turn-left"), channel("turn-right")] == 1.0
    assert other[WORDS.index("left"), channel("right")] == 1.0
    tool, table = other[len(WORDS)], other[len(WORDS) + 1]
    assert [round(coordinate(tool, axis), 4) for axis in ("x", "y", "screen")] == [0.657, 0.337, -0.04]
    assert table[channel("table sine")] > 0 and round(coordinate(table, "x"), 4) == 0.8
    assert len(AXES) * len(KNOTS) + len(WORDS) + 9 == len(CHANNELS)


@pytest.mark.parametrize("family", INTERACTIVE)
def test_training_clips_have_the_commands_that_their_suite_gives(family: str) -> None:
    mix = dataclasses.replace(named("acts"), families=(family,))
    scene = draw_scene(mix, 0, 3)
    told = commands(scene, mix.frames, mix.fps)
    assert told is not None and len(told) == mix.frames and len(set(told)) > 3
    sample = draw(mix, 0, 3)
    assert sample.actions is not None and np.array_equal(sample.actions, encode(told))


def test_commands_go_with_the_picture() -> None:
    """Where a rod's tip is told to be, what is white ends in that row of that frame, to 1.5 px."""
    mix = dataclasses.replace(named("acts"), families=("push",), width=64, height=64)
    for index in range(4):
        sample = draw(mix, 0, index)
        assert sample.actions is not None
        from_left = coordinate(sample.actions[0], "x") < 0.5
        for t in range(3, 9):
            x, y = (coordinate(sample.actions[t], axis) for axis in ("x", "y"))
            white = np.flatnonzero(sample.video[t, int(y * 64)].min(-1) > 180)
            end = white.max() + 1 if from_left else white.min()
            assert abs(end - x * 64) < 1.5, (index, t)


def test_a_still_is_a_frame_of_its_clip() -> None:
    mix = named("acts")
    places = set()
    for index in range(12):
        clip, image = draw(mix, 0, index), draw(dataclasses.replace(mix, still=True), 0, index)
        assert clip.mask is not None and image.mask is not None
        pairs = zip(clip.video, clip.mask, strict=True)
        same = [np.array_equal(image.video[0], f) and np.array_equal(image.mask[0], m) for f, m in pairs]
        assert any(same)
        places.add(same.index(True))
        assert image.video.shape == (1, 32, 32, 3) and image.actions is None
        assert image.camera is not None and np.array_equal(
            image.camera, np.eye(4, dtype=np.float32)[None, :3]
        )
    assert len(places) > 4, "from anywhere in the clip"
