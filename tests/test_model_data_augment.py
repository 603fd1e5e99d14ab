"""Colours and mirrors at batch time: pure, of one map a clip, and never with words that lie."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from model.actions import channel
from model.clips.augment import (
    Augment,
    ColourMap,
    augmented,
    draw_map,
    mirrored,
    named_colours,
    recoloured,
    swapped,
    true_words,
)
from model.clips.worlds import draw, named
from model.data import Sample
from simbench.worlds import palette
from simbench.worlds.scene import Caption

TINT = Augment(permute=0.0, tint=1.0, mirror=0.0)


@pytest.fixture(scope="module")
def walk() -> Sample:
    mix = dataclasses.replace(
        named("tiny"), families=("voxels",), width=24, height=16, frames=13, fps=6.0, samples=1
    )
    return draw(mix, 0, 1)


def test_same_chance_same_clip(walk: Sample) -> None:
    before = walk.video.copy()
    a, b = (augmented(walk, np.random.default_rng(3), Augment(1.0, 1.0, 1.0)) for _ in range(2))
    assert np.array_equal(a.video, b.video) and a.caption == b.caption
    assert not np.array_equal(a.video, walk.video) and np.array_equal(before, walk.video)
    assert augmented(walk, np.random.default_rng(3), Augment(0.0, 0.0, 0.0)) is walk


def test_bytes_and_floats_take_the_same_map(walk: Sample) -> None:
    for seed in range(8):
        colours = draw_map(np.random.default_rng(seed), Augment(0.5, 0.8))
        whole = recoloured(walk.video, colours)
        real = recoloured(walk.video.astype(np.float32) / 255.0, colours)
        assert whole.dtype == np.uint8 and real.dtype == np.float32
        assert np.abs(whole / 255.0 - real).max() < 0.51 / 255.0 + 1e-6


def test_matrices_keep_grey_and_are_mild() -> None:
    grey = np.full((1, 3), 0.5)
    for seed in range(50):
        colours = draw_map(np.random.default_rng(seed), TINT)
        np.testing.assert_allclose(np.sum(colours.matrix, axis=1), 1.0)
        bare = dataclasses.replace(colours, gain=(1.0, 1.0, 1.0), gamma=1.0)
        np.testing.assert_allclose(recoloured(grey, bare), grey, atol=1e-6)
        for rgb in palette.colours("train").values():
            changed = recoloured(np.array(rgb), colours)
            assert palette.distance(rgb, tuple(float(c) for c in changed)) < 0.16


def test_every_permutation_comes_up() -> None:
    found = {draw_map(np.random.default_rng(s), Augment(1.0, 0.0)).channels for s in range(80)}
    assert len(found) == 6
    red = np.array([[[255, 0, 0]]], np.uint8)
    assert recoloured(red, ColourMap((1, 2, 0))).tolist() == [[[0, 0, 255]]]


def test_words_stay_true_or_go(walk: Sample) -> None:
    words = Caption("A slate blue wall.", "A red ball and a dark grey wall.", '{"colour": "red"}')
    sample = dataclasses.replace(walk, caption=words)
    permuted = augmented(sample, np.random.default_rng(1), Augment(1.0, 0.0, 0.0))
    assert permuted.caption == Caption()
    kept = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        out = augmented(sample, rng, TINT)
        again = np.random.default_rng(seed)
        again.random()
        colours = draw_map(again, TINT)
        for before, after in zip(dataclasses.astuple(words), dataclasses.astuple(out.caption), strict=True):
            assert after in ("", before) and (after == before) == true_words(before, colours)
        kept += out.caption == words
    assert kept > 20
    assert true_words("A thing without a colour.", draw_map(np.random.default_rng(0), TINT))
    assert named_colours("a dark grey wall, a slate blue ball") == ["dark grey", "slate blue"]


def test_mirror_of_a_mirror_is_the_clip(walk: Sample) -> None:
    twice = mirrored(mirrored(walk))
    for name in ("video", "mask", "camera", "actions"):
        assert np.array_equal(getattr(twice, name), getattr(walk, name)), name
    assert twice.caption == walk.caption


def test_mirror_turns_the_other_way(walk: Sample) -> None:
    other = mirrored(walk)
    assert walk.actions is not None and other.actions is not None and walk.camera is not None
    left, right = channel("turn-left"), channel("turn-right")
    assert np.array_equal(walk.actions[:, left], other.actions[:, right])
    assert walk.actions[:, left].any() or walk.actions[:, right].any()
    assert np.array_equal(other.video[:, :, 0], walk.video[:, :, -1])
    # A point to the right of the first camera lands as far to the left in the mirrored one.
    point = np.array([0.7, 0.2, 3.0, 1.0])
    seen = walk.camera @ point
    mirror = np.array([-0.7, 0.2, 3.0, 1.0])
    assert other.camera is not None
    np.testing.assert_allclose(other.camera @ mirror, seen * [-1, 1, 1], atol=1e-5)


def test_words_of_a_mirror() -> None:
    assert swapped("Left of the leftover: turn-right") == "Right of the leftover: turn-left"
    structured = json.dumps(
        {
            "objects": [{"position": [1.0, 2.0, 3.0]}],
            "camera": {"move": "orbit", "amount": 30.0, "words": "The camera orbits to the right."},
        }
    )
    video = np.zeros((1, 2, 2, 3), np.uint8)
    facts = json.loads(mirrored(Sample(video, 8.0, Caption("", "", structured))).caption.structured)
    assert facts["objects"][0]["position"] == [-1.0, 2.0, 3.0]
    assert facts["camera"] == {"move": "orbit", "amount": -30.0, "words": "The camera orbits to the left."}
    for text in ("a left hand", "[1]", ""):
        out = mirrored(Sample(video, 8.0, Caption("", "", text))).caption.structured
        assert out == text.replace("left", "right")
