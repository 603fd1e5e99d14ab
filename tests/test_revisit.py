"""The suite revisit: what was seen must be there again on return, and only then."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import judged
import numpy as np
import pytest
from conftest import build
from judged import LOST, made, raw, ready_for

from simbench.case import Setting
from simbench.cli import main
from simbench.instruments import again
from simbench.instruments.points import Found
from simbench.suite import Measures
from simbench.worlds import families, walks
from simbench.worlds.compile import compile_scene
from simbench.worlds.film import render_scene
from simbench.worlds.truth import poses
from simbench.worlds.walks import WALKS, Walk
from suites.revisit import Revisit

SETTING = Setting(width=128, height=128, look="rich", given="cam", context=4)


@dataclass(frozen=True)
class Ready(judged.Ready):
    """A case ready to be judged, and what it asks."""

    asked: again.Ask


@pytest.fixture(scope="module")
def suite() -> Revisit:
    """The suite as the configuration gives it."""
    return build("suite", "revisit")


@pytest.fixture(scope="module")
def ready(suite: Revisit) -> dict[str, Ready]:
    """Away and back, and once around, by name."""
    found = {}
    for scene in suite.scenes(2, "public"):
        (case,) = suite.cases(scene)
        one = ready_for(suite, case)
        found[case.tags["trial"]] = Ready(case, one.score, one.truth, again.ask(suite.walk(case)))
    return found


@pytest.mark.parametrize(
    ("change", "value", "remedy"),
    [
        ({"width": 48, "height": 48}, "size=48x48", "use size=128"),
        ({"look": "plain"}, "look=plain", "use look=rich"),
        ({"given": "i2v"}, "given=i2v", "use given=cam"),
        ({"frames": 9, "context": 2}, "frames=9", "use frames=13 or more"),
        ({"context": 6}, "context=6", "use context=4 or less"),
        ({"width": 384}, "size=384x128", "use size=128 or difficulty=1"),
    ],
)
def test_settings_that_cannot_be_asked_are_refused(
    suite: Revisit, change: dict[str, object], value: str, remedy: str
) -> None:
    judged.check_refused(suite, change, value, remedy)


@pytest.mark.parametrize("asked", ["size=48", "given=v2v", "context=6"])
def test_the_command_line_says_so_and_ends_with_2(
    asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    judged.check_command_refuses("revisit", asked, capsys)


@pytest.mark.parametrize("kind", WALKS)
def test_the_truth_is_read(suite: Revisit, ready: dict[str, Ready], kind: str) -> None:
    found = ready[kind].score(ready[kind].truth)
    assert raw(suite, ready[kind].case, found) > 0.95
    assert found["away"] == 0.0 and found["return_px"] < 0.5 and found["aj_path"] > 0.95
    assert suite.calibrated("S", 0.9) == pytest.approx(90.0, abs=5.0)


@pytest.mark.parametrize("index", [0, 1])
def test_cuts_are_asked_alike(index: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cut = build("suite", "revisit", cut=True)
    assert cut.setting.name() == f"{build('suite', 'revisit').setting.name()} cut=true", "never compared"
    (case,) = cut.cases(cut.scenes(2, "public")[index])
    clip = cut.oracle(case).frames
    steps = np.abs(np.diff(clip.astype(float), axis=0)).mean(axis=(1, 2, 3))
    jumps = 2 if case.tags["trial"] == "back" else 3
    assert (steps > 5.0).sum() == jumps and (steps == 0.0).sum() == len(steps) - jumps
    assert np.array_equal(clip[0], clip[-1]) and "cuts" in case.condition.prompt
    assert raw(cut, case, cut.score(case, cut.oracle(case))) > 0.95
    assert raw(cut, case, cut.score(case, cut.cheats()["frozen"](case))) <= 0.0
    assert raw(cut, case, cut.score(case, cut.cheats()["never_returns"](case))) <= 0.05


def test_the_command_line_takes_cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["suite=revisit", "revisit.cut=true", "mode=plan", "cases=1", "engine=inline"]
    assert main([*asked, f"out={tmp_path / 'out'}", f"store={tmp_path / 'store'}"]) == 0


@pytest.mark.parametrize("kind", WALKS)
def test_standing_still_and_never_returning_are_both_zero_or_less(
    suite: Revisit, ready: dict[str, Ready], kind: str
) -> None:
    one = ready[kind]
    gone = made(suite, one, "never_returns")
    assert gone["aj_return"] == 0.0 and raw(suite, one.case, gone) == pytest.approx(0.0, abs=0.03)
    still = made(suite, one, "frozen")
    assert still["aj_return"] == 0.0 and still["away"] == 1.0
    assert raw(suite, one.case, still) == -1.0
    for cheat in ("blank", "mirrored"):
        assert raw(suite, one.case, made(suite, one, cheat)) <= 0.05, cheat


@pytest.mark.parametrize("status", LOST)
def test_what_is_lost_is_exactly_zero(suite: Revisit, ready: dict[str, Ready], status: str) -> None:
    found = judged.lost(suite, ready["back"].case, status)
    assert found["S"] == 0.0 and found["aj_return"] == 0.0 and found["return_px"] == again.LOST_PX


def pretended(asked: again.Ask, shown: np.ndarray) -> Measures:
    """What is measured of a video that shows the landmarks `shown` bool [T, N] at their true places."""
    truth, count = asked.find.truth, len(asked.find.truth.poses)
    everywhere = np.where(np.isfinite(truth.uv), truth.uv, 64.0)
    uv = np.where(shown[..., None], everywhere, np.nan)
    found = Found(truth.poses, np.ones(count, bool), uv, shown, np.ones(count))
    # Pictures without any detail: nothing shines through, and the landmarks alone decide.
    return again.judge(asked, found, np.full((count, 128, 128, 3), 128, np.uint8))


@pytest.mark.parametrize("kind", WALKS)
def test_a_landmark_that_never_left_earns_nothing(suite: Revisit, ready: dict[str, Ready], kind: str) -> None:
    asked, case = ready[kind].asked, ready[kind].case
    seen = asked.find.truth.seen
    exact = pretended(asked, seen)
    assert raw(suite, case, exact) == pytest.approx(1.0) and exact["away"] == 0.0
    stays = seen.copy()
    stays[asked.away] = True
    assert pretended(asked, stays)["aj_return"] == 0.0 and raw(suite, case, pretended(asked, stays)) == -1.0
    half = seen.copy()
    half[np.ix_(asked.away, np.arange(seen.shape[1]) % 2 == 0)] = True
    some = pretended(asked, half)
    assert some["aj_return"] == pytest.approx(0.5, abs=0.02) and some["away"] == pytest.approx(0.5, abs=0.02)
    assert raw(suite, case, some) == pytest.approx(0.0, abs=0.03)


@pytest.mark.parametrize("kind", WALKS)
def test_a_first_view_that_shines_through_is_seen(ready: dict[str, Ready], kind: str) -> None:
    asked, frames = ready[kind].asked, ready[kind].truth.frames
    assert asked.away.sum() >= 5 and asked.back.sum() >= 3
    assert not again.shining(asked, frames)[asked.away].any()
    mixed = np.rint(0.5 * frames + 0.5 * frames[:1]).astype(np.uint8)
    assert again.shining(asked, mixed)[asked.away].min() > 0.5
    still = np.repeat(frames[:1], len(frames), axis=0)
    assert again.shining(asked, still)[asked.away].min() == pytest.approx(1.0, abs=0.05)


def test_only_a_way_there_and_back_passes_places_twice(suite: Revisit, ready: dict[str, Ready]) -> None:
    loop, back = ready["loop"], ready["back"]
    assert "twice" not in loop.score(loop.truth)
    assert back.score(back.truth)["twice"] > 0.95
    other = made(suite, back, "elsewhere")["twice"]
    assert other < 0.8
    # A blind spot, said on the card: what never changes agrees with itself.
    assert made(suite, back, "frozen")["twice"] > 0.95


def test_another_framing_and_noise_cost_little(suite: Revisit, ready: dict[str, Ready]) -> None:
    judged.check_costs_little(suite, ready["back"], ("noise", "shift 2 %"))


def test_damage_starts_at_the_truth_and_lowers_s(suite: Revisit, ready: dict[str, Ready]) -> None:
    judged.check_damage(suite, ready["back"], "turn", (0.0, 2.0, 8.0))


def test_a_trace_counts_landmarks(suite: Revisit, ready: dict[str, Ready]) -> None:
    one = ready["back"]
    shown = suite.trace(one.case, one.truth)
    assert list(shown) == ["landmarks shown", "landmarks in view"]
    assert all(len(values) == suite.setting.frames for values in shown.values())
    np.testing.assert_allclose(*shown.values(), atol=0.05)
    assert set(np.array(shown["landmarks in view"])[one.asked.away]) == {0.0}


@pytest.mark.parametrize("kind", WALKS)
def test_a_condition_carries_the_true_camera(suite: Revisit, ready: dict[str, Ready], kind: str) -> None:
    judged.check_true_camera(suite, ready[kind].case)


def test_more_cases_take_no_more_memory(suite: Revisit) -> None:
    judged.check_keeps_one(suite, (walks.visit, again.ask))


@pytest.mark.parametrize("kind", WALKS)
@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_walk_ends_at_its_first_pose(kind: str, cut: bool, seed: int) -> None:
    walk = Walk(seed, kind, cut, SETTING)
    world = walks.yard(seed, SETTING)
    yaw = walks.yaws(walk, float(world.tags["camera"]["amount"]))
    way = poses(compile_scene(walks.turned(world, yaw, SETTING), SETTING.frames, SETTING.fps))
    np.testing.assert_allclose(way[-1], way[0], atol=1e-6)
    np.testing.assert_allclose(way[: SETTING.context], np.tile(way[0], (SETTING.context, 1, 1)), atol=1e-6)
    eyes = -np.einsum("tji,tj->ti", way[:, :3, :3], way[:, :3, 3])
    np.testing.assert_allclose(eyes, np.tile(eyes[0], (SETTING.frames, 1)), atol=1e-5)
    ahead = way[:, 2, :3] * [1.0, 0.0, 1.0]
    cosines = ahead @ ahead[0] / np.linalg.norm(ahead, axis=1) / np.linalg.norm(ahead[0])
    np.testing.assert_allclose(cosines, np.cos(np.radians(yaw)), atol=1e-5)
    assert cosines.min() < math.cos(math.radians(70.0))
    assert abs(yaw[-1]) == pytest.approx(360.0 if kind == "loop" and not cut else 0.0)


@pytest.mark.parametrize(("kind", "word"), [("back", "turns back"), ("loop", "once around")])
def test_the_prompt_is_the_command(kind: str, word: str) -> None:
    for yaw, side in ((np.array([0.0, 95.0, 0.0]), "left"), (np.array([0.0, -95.0, 0.0]), "right")):
        told = walks.prompt(Walk(0, kind, False, SETTING), yaw)
        assert word in told and f"95 degrees to the {side}" in told
    assert "cuts to" in walks.prompt(Walk(0, kind, True, SETTING), np.array([0.0, 95.0, 0.0]))


def test_marks_are_painted_on_inner_faces_and_can_be_seen() -> None:
    world = families.build("look-away", 5, 2.0, "rich", marks=3)
    bare = families.build("look-away", 5, 2.0, "rich")
    assert world.bodies == bare.bodies and not bare.paints
    walls = {b.name: b.motion[0].position for b in world.bodies if b.name.startswith("wall-")}
    assert sorted(p.body for p in world.paints) == sorted(3 * list(walls))
    for paint in world.paints:
        # The camera stands in the middle of the yard, at (0, height, 0).
        assert paint.sign * walls[paint.body][paint.axis] < -4.0
        assert all(time == 0.0 for time, _, _ in paint.stroke)
    around = np.arange(SETTING.frames) * 360.0 / (SETTING.frames - 1)
    clips = [render_scene(walks.turned(w, around, SETTING), SETTING) for w in (world, bare)]
    changed = (np.abs(clips[0].astype(int) - clips[1]).max(axis=-1) > 24).mean(axis=(1, 2))
    # Every quarter of the way round shows some of them.
    assert changed.reshape(-1)[:16].reshape(4, 4).max(axis=1).min() > 0.005
