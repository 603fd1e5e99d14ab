"""Baselines: what they show, that they are deterministic and that they cope with any condition."""

from __future__ import annotations

import numpy as np
import pytest
from slides import condition, place, random_stage, render

from simbench.generator import Generator
from simbench.generators.baselines import ConstantVelocity, CopyLast, Frozen
from simbench.generators.flow import Flow

ALL = (CopyLast(), Frozen(), ConstantVelocity(), Flow())


def test_copy_last_and_frozen_show_the_last_and_the_first_frame() -> None:
    clip = render(random_stage(0), 5)
    told = condition(clip, 9)
    (copied,) = CopyLast()([told], [0])
    (frozen,) = Frozen()([told], [0])
    assert copied is not None
    assert frozen is not None
    assert np.array_equal(copied.frames[:5], clip)
    assert np.array_equal(frozen.frames[:5], clip)
    assert all(np.array_equal(f, clip[4]) for f in copied.frames[5:])
    assert all(np.array_equal(f, clip[0]) for f in frozen.frames[5:])
    assert not np.array_equal(clip[0], clip[4])


@pytest.mark.parametrize("seed", range(6))
def test_constant_velocity_goes_straight_through_the_wall_in_front_of_it(seed: int) -> None:
    stage = random_stage(seed)
    slide = stage.slides[0]
    (video,) = ConstantVelocity()([condition(render(stage, 5), 14)], [0])
    assert video is not None
    assert stage.wall is not None
    crossed = 0
    for t in range(5, 14):
        centre = place(slide, t)
        if not stage.wall[0] < centre[0] < stage.wall[2]:
            continue
        crossed += 1
        x, y = (int(v) for v in np.floor(centre))
        # A row off the rail: its colour may show through a sprite that is a pixel off.
        near = video.frames[t, y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3).astype(float)
        gap = np.abs(near - slide.colour).sum(-1).min()
        assert gap < 60, f"frame {t}: nothing of colour {slide.colour} near {centre}"
    assert crossed >= 3


@pytest.mark.parametrize("generator", ALL, ids=lambda g: type(g).__name__)
def test_protocol_and_identity(generator: Generator) -> None:
    assert isinstance(generator, Generator)
    assert generator.capabilities == frozenset({"pool"})
    assert dict(generator.identity())["class"].endswith(type(generator).__name__)


@pytest.mark.parametrize("generator", ALL, ids=lambda g: type(g).__name__)
@pytest.mark.parametrize("given", [0, 1, 2, 5, 9])
@pytest.mark.parametrize("shape", [(32, 32), (33, 47), (31, 64)])
def test_any_condition_gets_all_frames_with_the_given_ones_first(
    generator: Generator, given: int, shape: tuple[int, int]
) -> None:
    rng = np.random.default_rng(given)
    clip = render(random_stage(2, 64), 9, 1.0)[:, : shape[0], : shape[1]]
    clip = np.ascontiguousarray(clip) if given != 2 else rng.integers(0, 256, clip.shape, dtype=np.uint8)
    (video,) = generator([condition(clip, 8, given)], [3])
    assert video is not None
    assert video.frames.shape == (8, *shape, 3)
    assert video.frames.dtype == np.uint8
    assert video.fps == 8.0
    assert np.array_equal(video.frames[: min(given, 8)], clip[: min(given, 8)])
    if given == 0:
        assert video.frames.std() == 0
    if given == 1:
        assert all(np.array_equal(f, clip[0]) for f in video.frames)


@pytest.mark.parametrize("generator", ALL, ids=lambda g: type(g).__name__)
def test_neither_batch_nor_order_nor_seed_changes_an_answer(generator: Generator) -> None:
    told = [condition(render(random_stage(s), 5, 2.0, s), 12) for s in range(3)]
    together = generator(told, [0, 1, 2])
    backwards = generator(told[::-1], [7, 7, 7])[::-1]
    for one, other in zip(together, backwards, strict=True):
        assert one is not None
        assert other is not None
        assert one.digest() == other.digest()
