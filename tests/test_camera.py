"""camera: what a path scores, by hand and through the instrument; who may not score; what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from conftest import build
from judged import LOST, Ready, check_refused, made, ready_for, row

from simbench.case import Case
from simbench.export import export_cases, load_condition
from simbench.instruments.course import MOST, Course, measures
from simbench.instruments.points import Found
from simbench.references import camera as references
from simbench.video import Video
from simbench.worlds.paths import MOVES, share
from simbench.worlds.shoots import TRIALS, plan
from suites.camera import Camera

FRAMES, GIVEN, DEPTH = 17, 6, 3.0


def poses(turn: np.ndarray, way: np.ndarray) -> np.ndarray:
    """World to camera [T, 4, 4], turned by `turn` [T] degrees about y, at `way` [T] m along x."""
    out = np.tile(np.eye(4), (len(turn), 1, 1))
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    out[:, 0, 0], out[:, 0, 2], out[:, 2, 0], out[:, 2, 2] = c, -s, s, c
    out[:, :3, 3] = -out[:, :3, 0] * way[:, None]
    return out


def path(profile: str) -> np.ndarray:
    return np.array([share(profile, t / (FRAMES - 1)) for t in range(FRAMES)])


def found(way: np.ndarray, registered: np.ndarray | None = None) -> Found:
    seen = np.ones(len(way), bool) if registered is None else registered
    cameras = np.where(seen[:, None, None], way, np.nan)
    nothing = np.zeros((len(way), 0))
    return Found(cameras, seen, np.zeros((len(way), 0, 2)), nothing.astype(bool), seen.astype(float))


def course(profile: str, turn: float, way: float) -> Course:
    return Course(poses(turn * path(profile), way * path(profile)), DEPTH, GIVEN)


@pytest.mark.parametrize("profile", ["through", "there and back"])
@pytest.mark.parametrize(("turn", "way"), [(30.0, 0.0), (0.0, 0.8), (30.0, 1.2)])
def test_still_is_zero_truth_is_one_and_half_is_half(profile: str, turn: float, way: float) -> None:
    asked = course(profile, turn, way)
    shares = path(profile)
    start = shares[GIVEN - 1]
    for factor, score in ((1.0, 1.0), (0.5, 0.5), (0.0, 0.0), (-1.0, -1.0)):
        gone = np.where(np.arange(FRAMES) < GIVEN, shares, start + factor * (shares - start))
        got = measures(asked, found(poses(turn * gone, way * gone)))
        for name in ("course", "place", "motion"):
            assert got[name] == pytest.approx(score, abs=1e-3)
        assert got["registered"] == 1.0
    assert got["gain"] < 1.0


@pytest.mark.parametrize("profile", ["through", "there and back"])
def test_who_stands_still_anywhere_is_at_most_zero(profile: str) -> None:
    asked = course(profile, 30.0, 0.8)
    shares = path(profile)
    for stand in (0.0, 0.3, 0.5, 0.65, 1.0):
        gone = np.where(np.arange(FRAMES) < GIVEN, shares, stand)
        got = measures(asked, found(poses(30.0 * gone, 0.8 * gone)))
        assert got["course"] <= 1e-9, stand
    again = np.concatenate([shares[:GIVEN], shares[: FRAMES - GIVEN]])
    behind = measures(asked, found(poses(30.0 * again, 0.8 * again)))
    assert profile == "there and back" or (behind["motion"] > 0.9 and behind["course"] < 0.05)


def test_amplitude_and_likeness_are_told_apart() -> None:
    asked = course("through", 0.0, 1.0)
    half = measures(asked, found(poses(0 * path("through"), 0.5 * path("through"))))
    assert half["gain"] == pytest.approx(0.5) and half["likeness"] == pytest.approx(1.0)
    other = measures(asked, found(poses(20 * path("through"), 0 * path("through"))))
    assert abs(other["gain"]) < 1e-6 and abs(other["likeness"]) < 1e-6
    assert other["turn_error"] == pytest.approx(20 * path("through")[GIVEN:].mean())


def test_a_lost_frame_costs_what_standing_still_costs_or_its_mean() -> None:
    asked = course("there and back", 30.0, 0.0)
    held = asked.held()
    mean = held[GIVEN:].mean()
    lost = np.arange(FRAMES) < GIVEN
    errors = asked.errors(found(asked.poses, lost))
    assert np.allclose(errors[GIVEN:], np.maximum(held, mean)[GIVEN:])
    place = pytest.approx(1 - np.maximum(held, mean)[GIVEN:].mean() / mean)
    assert measures(asked, found(asked.poses, lost)) == {
        "course": place,
        "place": place,
        "motion": 0.0,
        "registered": 0.0,
    }
    one = np.arange(FRAMES) != GIVEN
    assert 0.8 < measures(asked, found(asked.poses, one))["course"] < 1.0


def test_twitch_and_fly_off_are_worse_than_standing_still() -> None:
    asked = course("through", 0.0, 0.8)
    start = path("through")[GIVEN - 1]
    twitch = np.where(np.arange(FRAMES) < GIVEN, path("through"), start)
    twitch[GIVEN] = 1.0
    assert measures(asked, found(poses(0 * twitch, 0.8 * twitch)))["course"] < 0
    late = np.clip((np.arange(FRAMES) - GIVEN + 1) / (FRAMES - GIVEN), 0, 1)
    off = measures(asked, found(poses(50 * late, 0.8 * path("through"))))
    assert off["course"] < -1
    assert asked.errors(found(poses(170 * late, 0 * late))).max() == MOST


def test_plans_take_turns_and_keep_in_range() -> None:
    for trial in TRIALS:
        planned = [plan(100 + i, i, trial, 0.25) for i in range(12)]
        moves = {p.move for p in planned}
        assert moves == ({"yaw", "tilt"} if trial == "turn" else set(MOVES)) or trial == "travel"
        assert {p.profile for p in planned} == {"there and back" if trial == "return" else "through"}
        assert {np.sign(p.amount) for p in planned} == {1.0, -1.0}
    assert {plan(i, i, "travel", 0.25).move for i in range(4)} == {"orbit", "truck", "crane", "dolly"}
    assert plan(5, 0, "turn", 0.25) == plan(5, 0, "turn", 0.25)
    assert abs(plan(5, 0, "turn", 1.0).amount) > abs(plan(5, 0, "turn", 0.0).amount)


@pytest.fixture(scope="module")
def suite() -> Camera:
    """The suite as the configuration gives it."""
    return build("suite", "camera")


@pytest.fixture(scope="module")
def cases(suite: Camera) -> list[Case]:
    """A turn, a way and a return in the same yard."""
    return [suite.case(suite.scenes(1, "7")[0], trial) for trial in TRIALS]


def test_trials_and_moves_take_turns(suite: Camera) -> None:
    made = [case for scene in suite.scenes(12, "7") for case in suite.cases(scene)]
    assert [case.tags["trial"] for case in made] == list(TRIALS) * 4
    assert {case.tags["move"] for case in made if case.tags["trial"] == "travel"} == {
        "orbit",
        "truck",
        "crane",
        "dolly",
    }


@pytest.fixture(scope="module")
def ready(suite: Camera, cases: list[Case]) -> list[Ready]:
    return [ready_for(suite, case) for case in cases]


def test_the_truth_is_found_and_followed(ready: list[Ready]) -> None:
    for one in ready:
        got = one.score(one.truth)
        assert got["registered"] == 1.0 and got["course"] > 0.9
        assert got["gain"] == pytest.approx(1.0, abs=0.05) and got["likeness"] > 0.99
        assert got["turn_error"] < 0.2 and got["way_error"] < 0.06


def test_who_stands_turns_back_or_leaves_does_not_score(suite: Camera, ready: list[Ready]) -> None:
    three = {name: ready for name in ("frozen", "opposite", "fly_off")}
    two = {name: ready[1:] for name in ("twitch", "mirrored", "halfway", "noise")}
    scores = {
        name: [made(suite, one, name)["course"] for one in part] for name, part in {**three, **two}.items()
    }
    assert max(max(part) for part in scores.values()) < 0.05, scores
    assert np.mean(scores["opposite"]) == pytest.approx(-1.0, abs=0.1)
    assert np.mean(scores["fly_off"]) < -1
    half = [Video(references.amplitude(suite.shoot(one.case), 0.5), 8.0) for one in ready]
    halves = [one.score(video)["course"] for one, video in zip(ready, half, strict=True)]
    assert np.mean(halves) == pytest.approx(0.5, abs=0.06)


def test_a_case_says_its_command_and_keeps_what_follows(suite: Camera, cases: list[Case]) -> None:
    assert [case.tags["trial"] for case in cases] == list(TRIALS)
    for case in cases:
        condition = case.condition
        assert condition.poses is not None and condition.intrinsics is not None
        assert f"{abs(case.truth.facts['amount']):.0f} degrees" in condition.prompt or "%" in condition.prompt
        comes_back = np.array_equal(condition.poses[0], condition.poses[-1])
        assert comes_back == (case.tags["trial"] == "return")
        assert ("comes back" in condition.prompt) == comes_back


def test_a_command_survives_export_to_the_last_digit(suite: Camera, tmp_path: Path) -> None:
    export_cases(suite, suite.scenes(3, "7"), tmp_path)
    for case in (case for scene in suite.scenes(3, "7") for case in suite.cases(scene)):
        back = load_condition(tmp_path / case.condition.name)
        assert back.digest() == case.condition.digest()


@pytest.mark.parametrize("status", LOST)
def test_what_is_missing_stands_still(suite: Camera, cases: list[Case], status: str) -> None:
    rows = [row(case, {}, status) for case in cases]
    values = suite.aggregate(rows)[cases[0].scene]
    assert values["S"] == 0.0 and values["registered"] == 0.0
    rows[0] = dataclasses.replace(rows[0], status="ok", measures={"course": 0.9, "registered": 1.0})
    values = suite.aggregate(rows)[cases[0].scene]
    assert values["S"] == pytest.approx(0.3) and values["S_turn"] == 0.9 and values["S_travel"] == 0.0


def test_a_trace_has_a_number_or_none_for_every_frame(suite: Camera, cases: list[Case]) -> None:
    got = suite.trace(cases[0], suite.cheats()["noise"](cases[0]))
    assert {len(line) for line in got.values()} == {suite.setting.frames}
    assert got["error (excursions)"][-1] is None and got["standing still"][-1] > 0.1


def test_a_black_video_has_no_camera(ready: list[Ready]) -> None:
    one = ready[0]
    got = one.score(Video(np.zeros_like(one.truth.frames), one.truth.fps))
    assert got["registered"] == 0.0 and all(np.isfinite(v) for v in got.values())


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"width": 64, "height": 64}, "size=128"),
        ({"look": "plain"}, "look=rich"),
        ({"given": "i2v"}, "given=cam"),
        ({"context": 9}, "context=9"),
    ],
)
def test_what_cannot_be_asked_is_refused(suite: Camera, change: dict[str, object], word: str) -> None:
    check_refused(suite, change, word)
