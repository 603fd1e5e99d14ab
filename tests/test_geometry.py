"""The suite geometry: parallax between the best flat picture (0) and the truth (1), and its columns."""

from __future__ import annotations

import dataclasses
import re
from itertools import pairwise
from pathlib import Path

import judged
import numpy as np
import pytest
from conftest import build
from judged import LOST, Ready, made, raw, ready_for, row

from simbench.errors import UserError
from simbench.instruments.points import Found
from simbench.metrics.parallax import best_homography
from simbench.worlds import families
from simbench.worlds.compile import compile_scene
from simbench.worlds.truth import poses
from suites import geometry
from suites.geometry import MOVES, Geometry
from suites.naming import seed_of

FLOORED = ["frozen", "postcard", "relief", "half_speed", "blank", "noise"]
"""The ladder has all of them on 64 scenes."""


@pytest.fixture(scope="module")
def suite() -> Geometry:
    """The suite as the configuration gives it."""
    return build("suite", "geometry")


@pytest.fixture(scope="module")
def orbit(suite: Geometry) -> Ready:
    """The first public scene."""
    (case,) = suite.cases(suite.scenes(1, "public")[0])
    return ready_for(suite, case)


@pytest.mark.parametrize(
    ("change", "value", "remedy"),
    [
        ({"width": 64, "height": 64}, "size=64x64", "use size=128"),
        ({"height": 80}, "size=128x80", "use size=128"),
        ({"look": "plain"}, "look=plain", "use look=rich"),
        ({"given": "v2v"}, "given=v2v", "use given=cam"),
        ({"given": "i2v"}, "given=i2v", "use given=cam"),
        ({"context": 2}, "context=2", "context=3 or more"),
    ],
)
def test_settings_that_cannot_be_asked_are_refused(
    suite: Geometry, change: dict[str, object], value: str, remedy: str
) -> None:
    judged.check_refused(suite, change, value, remedy)


@pytest.mark.parametrize("asked", ["size=64", "given=v2v", "context=2"])
def test_the_command_line_says_so_and_ends_with_2(
    asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    judged.check_command_refuses("geometry", asked, capsys)


def test_the_truth_is_read(suite: Geometry, orbit: Ready) -> None:
    found = orbit.score(orbit.truth)
    assert 0.95 < found["fidelity"] <= 1.0
    assert found["lost"] == 0.0 and found["registered"] == 1.0
    assert min(found[name] for name in ("aj", "delta_avg", "oa")) > 0.98
    assert found["absrel"] < 0.01 and found["reproj_px"] < 0.4 and found["depth_m"] < 0.03
    assert suite.calibrated("S", 0.9) == pytest.approx(90.0, abs=5.0) and suite.calibrated("aj", 0.9) == 0.9
    assert set(suite.columns) <= set(suite.aggregate([row(orbit.case, found)])[orbit.case.scene])


def test_every_way_of_the_camera_has_parallax_and_is_read(suite: Geometry) -> None:
    trials = []
    for scene in suite.scenes(3, "5"):
        (case,) = suite.cases(scene)
        trials.append(case.tags["trial"])
        shown = suite.trace(case, suite.oracle(case))
        made, flat = (np.array(shown[name][suite.setting.context :], float) for name in shown)
        # The instrument's own error is a small share of what the best homography misses.
        assert flat[-4:].mean() > 2.0 and made.mean() < 0.06 * flat.mean()
    assert trials == list(MOVES)


def test_a_world_that_fixes_no_camera_is_drawn_anew(suite: Geometry) -> None:
    for number, anew in ((0, False), (43, True)):
        scene = suite.scenes(number + 1, "public")[number]
        (case,) = suite.cases(scene)
        first = seed_of(suite.name, scene)
        assert case.world_seed in range(first, first + geometry.DRAWS)
        assert (case.world_seed != first) == anew
        assert suite.finder(case).truth.seen.sum(axis=1).min() >= geometry.FEW
        found = suite.score(case, suite.oracle(case))
        assert found["registered"] == 1.0 and found["fidelity"] > 0.9


def test_the_best_homography_is_exactly_zero(suite: Geometry, orbit: Ready) -> None:
    find = suite.finder(orbit.case)
    truth, start = find.truth, suite.setting.context - 1
    uv = truth.uv.copy()
    for t in range(start + 1, suite.setting.frames):
        seen = truth.seen[t] & truth.seen[start]
        uv[t, seen] = best_homography(truth.uv[start, seen], truth.uv[t, seen])
    count = suite.setting.frames
    flat = Found(truth.poses, np.ones(count, bool), uv, truth.seen, np.ones(count))
    assert suite._measures(orbit.case, find, flat)["fidelity"] == pytest.approx(0.0, abs=1e-12)
    exact = dataclasses.replace(flat, uv=truth.uv)
    assert suite._measures(orbit.case, find, exact)["fidelity"] == pytest.approx(1.0, abs=1e-12)
    nothing = dataclasses.replace(flat, uv=np.full_like(uv, np.nan), found=np.zeros_like(truth.seen))
    lost = suite._measures(orbit.case, find, nothing)
    assert lost["fidelity"] < -1.0 and lost["lost"] == 1.0 and lost["absrel"] == 1.0 and lost["aj"] == 0.0
    assert "reproj_px" not in lost and "depth_m" not in lost


@pytest.mark.parametrize("name", FLOORED)
def test_a_cheat_gains_nothing(suite: Geometry, orbit: Ready, name: str) -> None:
    bound = suite.bounds()[name].at_most
    assert bound is not None and bound <= 5.0
    assert raw(suite, orbit.case, made(suite, orbit, name)) <= bound / 100.0


@pytest.mark.parametrize("status", LOST)
def test_what_is_lost_is_exactly_zero(suite: Geometry, orbit: Ready, status: str) -> None:
    found = judged.lost(suite, orbit.case, status)
    assert found["S"] == 0.0 and found["registered"] == 0.0
    assert found["lost"] == 1.0 and found["absrel"] == 1.0


def test_depth_is_told_apart_from_the_camera(suite: Geometry, orbit: Ready) -> None:
    """Half the speed: the wrong camera, the right world. The columns of depth are for that."""
    slow = made(suite, orbit, "half_speed")
    assert slow["fidelity"] < -0.5 and slow["aj"] < 0.3
    assert slow["absrel"] < 0.02 and slow["reproj_px"] < 0.4 and slow["lost"] == 0.0
    still = made(suite, orbit, "frozen")
    assert still["absrel"] == 1.0 and "depth_m" not in still
    flat = made(suite, orbit, "postcard")
    assert flat["absrel"] > 5 * slow["absrel"] and flat["reproj_px"] > 0.8


def test_another_framing_and_noise_cost_little(suite: Geometry, orbit: Ready) -> None:
    judged.check_costs_little(suite, orbit, ("noise", "zoom 3 %"))


def test_damage_starts_at_the_truth_and_lowers_s(suite: Geometry, orbit: Ready) -> None:
    judged.check_damage(suite, orbit, "relief", (0.0, 0.25, 1.0))


def test_a_trace_is_the_score_by_frame(suite: Geometry, orbit: Ready) -> None:
    slow = suite.cheats()["half_speed"](orbit.case)
    shown = suite.trace(orbit.case, slow)
    assert list(shown) == ["distance (px)", "best homography (px)"]
    s = suite.setting
    for values in shown.values():
        assert len(values) == s.frames and all(v is None for v in values[: s.context])
        assert all(v is not None and v >= 0.0 for v in values[s.context :])
    truth = suite.finder(orbit.case).truth
    counts = (truth.seen & truth.seen[s.context - 1]).sum(axis=1)[s.context :]
    sums = [float((np.array(v[s.context :], float) * counts).sum()) for v in shown.values()]
    assert 1 - sums[0] / sums[1] == pytest.approx(orbit.score(slow)["fidelity"], abs=1e-9)


def test_a_condition_carries_the_true_camera(suite: Geometry, orbit: Ready) -> None:
    s, condition = suite.setting, orbit.case.condition
    judged.check_true_camera(suite, orbit.case)
    np.testing.assert_array_equal(condition.given_frames, orbit.truth.frames[: s.context])
    assert re.fullmatch(r"geometry-public-0000-[0-9a-f]{8}", condition.name)


def test_more_cases_take_no_more_memory(suite: Geometry) -> None:
    judged.check_keeps_one(suite, (geometry.filmed, geometry._finder, geometry._plane))


def turns(**options: object) -> np.ndarray:
    """Degrees between neighbouring cameras of an orbit, [16]."""
    scene = families.build("orbit", 3, 2.0, "rich", camera="orbit", **options)
    axes = poses(compile_scene(scene, 17, 8.0))[:, :3, :3]
    return np.degrees([np.arccos(np.clip((np.trace(a @ b.T) - 1) / 2, -1, 1)) for a, b in pairwise(axes)])


def test_an_even_pace_is_even_and_the_extent_a_factor() -> None:
    even, eased = turns(pace="even"), turns(pace="eased")
    assert np.ptp(even) < 0.02 * even.mean() and eased[0] < 0.3 * eased.max()
    assert even.sum() == pytest.approx(eased.sum(), rel=0.01)
    assert turns(pace="even", extent=0.5).sum() == pytest.approx(0.5 * even.sum(), rel=0.02)
    with pytest.raises(UserError, match="pace=fast is unknown; use one of eased, even"):
        families.build("orbit", 3, 2.0, "rich", pace="fast")


def test_no_object_is_bare_where_depth_must_be_seen() -> None:
    for bare in (True, False):
        shown = [families.build("orbit", seed, 2.0, "rich", bare=bare) for seed in range(4)]
        patterns = [b.material.texture for w in shown for b in w.bodies if b.name in w.tags["objects"]]
        assert len(patterns) >= 32 and ("flat" in patterns) is bare
