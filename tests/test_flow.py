"""The classical predictor on scenes drawn here: where, when and as what things come out again."""

from __future__ import annotations

import time

import numpy as np
import pytest
from slides import Slide, Stage, condition, place, random_stage, render

from simbench.generators.flow import Flow
from simbench.generators.motion import fit

FRAMES = 17


def predict(frames: np.ndarray, total: int = FRAMES, given: int = 5) -> np.ndarray:
    (video,) = Flow()([condition(frames, total, given)], [0])
    assert video is not None
    return video.frames


def sight(frame: np.ndarray, colour: tuple[int, int, int]) -> tuple[float, np.ndarray]:
    """How many pixels show `colour` and their centre (x, y) in px."""
    gap = np.sqrt(((frame.astype(float) - colour) ** 2).sum(-1))
    weight = np.clip(1 - gap / 90, 0, 1)
    y, x = np.indices(weight.shape)
    total = max(weight.sum(), 1e-9)
    return weight.sum(), np.array([(weight * x).sum(), (weight * y).sum()]) / total + 0.5


def out_again(areas: np.ndarray, full: float) -> int | None:
    """First frame after the least was seen in which half of `full` is in sight."""
    least = 5 + int(np.argmin(areas[5:]))
    late = np.nonzero(areas[least:] > 0.5 * full)[0]
    return least + int(late[0]) if len(late) else None


def outcome(seed: int, noise: float, size: int = 32) -> tuple[float, int | None, int | None, float]:
    """Distance in the last frame (px), frame of exit true and predicted, most seen too much (a share)."""
    stage = random_stage(seed, size)
    truth = render(stage, FRAMES, noise, seed)
    guess = predict(truth)
    colour = stage.slides[0].colour
    seen = [sight(f, colour) for f in truth]
    said = [sight(f, colour) for f in guess]
    areas, answers = np.array([a for a, _ in seen]), np.array([a for a, _ in said])
    far = float(np.hypot(*(seen[-1][1] - said[-1][1]))) if answers[-1] > 0.3 * areas[0] else np.inf
    excess = float((answers - areas)[5:].max() / areas[0])
    return far, out_again(areas, areas[0]), out_again(answers, areas[0]), excess


def test_things_come_out_where_and_when_they_should_and_hide_in_between() -> None:
    results = [outcome(seed, 2.0 * (seed % 2)) for seed in range(40)]
    right = [
        far < 1.0 and late is not None and said is not None and abs(late - said) <= 1
        for far, late, said, _ in results
    ]
    assert np.mean(right) >= 0.8
    assert np.median([far for far, *_ in results]) < 0.5
    assert np.mean([excess < 0.25 for *_, excess in results]) >= 0.9


@pytest.mark.slow
def test_larger_scenes_too() -> None:
    results = [outcome(seed, 2.0 * (seed % 2), 96) for seed in range(40)]
    assert np.mean([far < 3.0 for far, *_ in results]) >= 0.9


def test_without_a_wall_things_go_on_in_the_open() -> None:
    stage = random_stage(4, wall=False)
    truth = render(stage, FRAMES)
    guess = predict(truth)
    for t in range(5, FRAMES):
        area, centre = sight(guess[t], stage.slides[0].colour)
        assert area > 0.5 * sight(truth[0], stage.slides[0].colour)[0]
        assert np.hypot(*(centre - place(stage.slides[0], t))) < 1.0


def test_two_things_keep_their_own_lanes_and_colours() -> None:
    red = Slide((7.0, 10.0), (1.3, 0.0), 3.5, "disc", (205, 60, 50))
    blue = Slide((26.0, 24.0), (-1.4, 0.0), 3.5, "square", (50, 90, 200))
    stage = Stage((red, blue), (12.0, 3.0, 21.0, 31.0))
    truth = render(stage, FRAMES, 1.0)
    guess = predict(truth)
    for slide in stage.slides:
        area, centre = sight(guess[-1], slide.colour)
        assert area > 0.5 * sight(truth[0], slide.colour)[0]
        assert np.hypot(*(centre - sight(truth[-1], slide.colour)[1])) < 1.0


def test_what_has_not_reached_the_wall_is_hidden_by_what_hid_another() -> None:
    first = Slide((8.0, 10.0), (1.4, 0.0), 3.5, "disc", (205, 60, 50))
    later = Slide((5.0, 23.0), (1.0, 0.0), 3.0, "disc", (50, 90, 200))
    stage = Stage((first, later), (13.0, 3.0, 24.0, 31.0))
    truth = render(stage, FRAMES)
    guess = predict(truth)
    t = 13
    assert sight(truth[t], later.colour)[0] < 1.0
    assert sight(guess[t], later.colour)[0] < 4.0


@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_still_scenes_stay_still(noise: float) -> None:
    stage = Stage((Slide((16.0, 16.0), (0.0, 0.0), 4.0, "disc", (205, 60, 50)),), None)
    clip = render(stage, 5, noise, 1)
    guess = predict(clip)
    assert all(np.array_equal(f, guess[5]) for f in guess[6:])
    assert np.abs(guess[5].astype(float) - clip.astype(float).mean(0)).max() < 3 * max(noise, 0.5)


def test_a_fade_that_does_not_move_is_left_alone() -> None:
    clip = np.full((5, 32, 32, 3), 120, np.uint8)
    clip[:, 10:16, 10:16] = np.array([0, 60, 120, 180, 240], np.uint8)[:, None, None, None]
    guess = predict(clip)
    assert guess.shape == (FRAMES, 32, 32, 3)
    assert np.array_equal(guess[:, :8], np.full((FRAMES, 8, 32, 3), 120, np.uint8))


def test_a_panning_camera_pans_on() -> None:
    rng = np.random.default_rng(0)
    coarse = rng.uniform(40, 220, (16, 30, 3))
    wide = np.kron(coarse, np.ones((4, 4, 1)))
    wide = (wide + np.roll(wide, 1, 0) + np.roll(wide, 1, 1) + np.roll(wide, 2, 1)) / 4
    clip = np.stack([wide[:, 2 * t : 2 * t + 64] for t in range(10)]).astype(np.uint8)
    guess = predict(clip, 10)
    known = slice(0, 50)
    for t in range(5, 10):
        moved = np.abs(guess[t, :, known].astype(float) - clip[t, :, known]).mean()
        held = np.abs(clip[4, :, known].astype(float) - clip[t, :, known]).mean()
        assert moved < 0.5 * held


def test_answers_do_not_depend_on_threads_or_name_or_prompt() -> None:
    import dataclasses

    import cv2

    told = condition(render(random_stage(3), 5, 2.0, 3), FRAMES)
    other = dataclasses.replace(told, name="else", prompt="a ball comes back")
    before = cv2.getNumThreads()
    try:
        digests = set()
        for threads in (1, 2):
            cv2.setNumThreads(threads)
            for asked in (told, other):
                (video,) = Flow()([asked], [threads])
                assert video is not None
                digests.add(video.digest())
            assert cv2.getNumThreads() == threads
    finally:
        cv2.setNumThreads(before)
    assert len(digests) == 1


def test_the_condition_is_not_written_to() -> None:
    clip = render(random_stage(1), 5)
    kept = clip.copy()
    clip.setflags(write=False)
    predict(clip)
    assert np.array_equal(clip, kept)


def test_laws_are_as_simple_as_the_places_allow() -> None:
    times = np.arange(6.0)[:, None]
    shown = np.ones(6)
    rng = np.random.default_rng(0)
    straight = 3.0 + times * np.array([1.3, -0.4]) + rng.normal(0, 0.05, (6, 2))
    bent = straight + times**2 * np.array([0.0, 0.3])
    assert len(fit(straight, shown, 0.1).terms) == 2
    law = fit(bent, shown, 0.1)
    assert len(law.terms) == 3
    assert law.terms[2] == pytest.approx([0.0, 0.3], abs=0.05)
    assert law.velocity(2.0) == pytest.approx([1.3, -0.4 + 1.2], abs=0.2)
    assert len(fit(bent, shown, 0.1, highest=1).terms) == 2


def test_places_that_show_too_little_do_not_count() -> None:
    offsets = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [9.0, 9.0]])
    law = fit(offsets, np.array([1.0, 1.0, 0.8, 0.05]), 0.12)
    assert law.at(10) == pytest.approx([10.0, 0.0], abs=1e-6)


@pytest.mark.benchmark
def test_it_is_cheap() -> None:
    """Ratio against the plain number of DIS flows that the reading needs, in the same run."""
    import cv2

    told = [condition(render(random_stage(s), 5, 2.0, s), FRAMES) for s in range(20)]
    Flow()(told[:1], [0])
    start = time.process_time()
    Flow()(told, [0] * 20)
    ours = (time.process_time() - start) / 20
    grey = cv2.resize(told[0].given_frames[0].mean(-1).astype(np.uint8), (128, 128))
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    start = time.process_time()
    for _ in range(20):
        dis.calc(grey, np.roll(grey, 4, 1), None)
    one = (time.process_time() - start) / 20
    print(f"flow {ours * 1e3:.1f} ms per clip, one DIS flow {one * 1e3:.1f} ms")
    assert ours < 40 * one
