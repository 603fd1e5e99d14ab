"""The permanence suite: the truth is right, what is wrong is wrong, and what is missing counts as nothing."""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Callable

import numpy as np
import pytest
from conftest import build
from judged import LOST, Ready, check_refused, ready_for, row, rows, score_of, scored_once

from simbench.case import Case
from simbench.errors import UserError
from simbench.instruments import bench as benches
from simbench.suite import CaseScore
from simbench.video import Video
from simbench.worlds.families import occluder
from suites.permanence import Permanence, deciding

SCENES = 3
CHEATS = sorted(build("suite", "permanence").cheats())
GOLDEN_VERSION = 3

Scored = Callable[[str], list[CaseScore]]


@pytest.fixture(scope="module")
def suite() -> Permanence:
    """The suite as the configuration gives it."""
    return build("suite", "permanence")


@pytest.fixture(scope="module")
def ready(suite: Permanence) -> list[Ready]:
    """The hidden cases of the first scenes, one of each kind."""
    cases = [c for s in suite.scenes(SCENES, "public") for c in suite.cases(s) if c.tags["hidden"]]
    return [ready_for(suite, case) for case in cases]


@pytest.fixture(scope="module")
def scored(suite: Permanence, ready: list[Ready]) -> Scored:
    """Name of a reference -> its rows over all those cases."""
    return scored_once(suite, ready)


def test_the_truth_is_right_in_every_trial(suite: Permanence) -> None:
    kinds = set()
    for scene in suite.scenes(SCENES, "public"):
        for case in suite.cases(scene):
            measures = suite.score(case, suite.oracle(case))
            kinds.add((case.tags["trial"], case.tags["hidden"]))
            if case.tags["trial"] == "stay":
                assert measures["alarm"] == 0.0 and measures["presence"] < 0.1, case.id
            else:
                assert measures["hit"] == 1.0 and measures["graded"] > 0.9, case.id
                assert measures["distance"] < 0.05 and measures.get("delay", 0.0) < 0.02, case.id
            assert measures["drift"] == 0.0
    assert len(kinds) == 10


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_gains_nothing(suite: Permanence, scored: Scored, name: str) -> None:
    assert score_of(suite, scored(name)) <= 0.05
    assert score_of(suite, scored(name), "S_graded") <= 0.1


def test_what_hides_counts_and_what_is_open_is_told_apart(suite: Permanence) -> None:
    scene = suite.scenes(1, "public")[0]
    cases = suite.cases(scene)
    vanish, oracle = suite.cheats()["vanish"], suite.oracle
    scored = [row(c, suite.score(c, vanish(c) if c.tags["hidden"] else oracle(c))) for c in cases]
    found = suite.aggregate(scored)[scene]
    assert found["S"] == 0.0 and found["S_open"] == 1.0 and found["hiding_cost"] == 1.0


@pytest.mark.parametrize("level", [0, 255])
def test_videos_without_anything_in_them_are_read(ready: list[Ready], level: int) -> None:
    for r in ready:
        measures = r.score(Video(np.full_like(r.truth.frames, level), r.truth.fps))
        assert measures.get("hit", 0.0) == 0.0 and measures.get("alarm", 0.0) == 0.0
        assert all(np.isfinite(list(measures.values())))


def test_pixels_of_any_kind_give_finite_measures(ready: list[Ready]) -> None:
    rng = np.random.default_rng(3)
    for r in ready:
        wild = rng.integers(0, 256, r.truth.frames.shape, dtype=np.uint8)
        stripes = np.where(np.arange(wild.shape[2])[:, None] % 2, 255, 0).astype(np.uint8)
        for frames in (wild, np.broadcast_to(stripes, wild.shape).copy(), r.truth.frames[::-1].copy()):
            measures = r.score(Video(frames, r.truth.fps))
            assert np.isfinite(list(measures.values())).all()
            assert measures.get("hit", 0.0) == 0.0


def test_exit_and_stay_differ_in_the_post_alone_until_it_stops_them(suite: Permanence) -> None:
    seen = 0
    for scene in suite.scenes(8, "public"):
        cases = {(c.tags["trial"], c.tags["hidden"]): c for c in suite.cases(scene)}
        for hidden in (True, False):
            passing, stopped = (cases[kind, hidden] for kind in ("exit", "stay"))
            layout = occluder.from_facts(stopped.truth.facts["layout"])
            stop = min(t for lane in layout.lanes if (t := occluder.stop_time(layout, lane)) is not None)
            last = int(np.floor(stop * suite.setting.fps))
            if hidden:
                last = max(last, suite.setting.context - 1)
            post = _plate(suite, passing) != _plate(suite, stopped)
            assert post.any()
            differs = suite.oracle(passing).frames[: last + 1] != suite.oracle(stopped).frames[: last + 1]
            assert not differs[:, ~post.any(axis=-1)].any(), stopped.id
            seen += last >= suite.setting.context - 1
            after = suite.oracle(passing).frames[-4:] != suite.oracle(stopped).frames[-4:]
            assert after[:, ~post.any(axis=-1)].any(), "the trials do not differ at all"
    assert seen


def _plate(suite: Permanence, case: Case) -> np.ndarray:
    scene = case.truth.scene
    empty = scene.with_bodies(tuple(b for b in scene.bodies if b.role != "mover"))
    return benches.render_scene(empty, suite.setting, [0])[0]


def test_another_future_changes_no_prompt(suite: Permanence) -> None:
    seen = 0
    for scene in suite.scenes(6, "public"):
        for case in suite.cases(scene):
            layout = occluder.from_facts(case.truth.facts["layout"])
            others = [dataclasses.replace(layout, duration=2 * layout.duration)]
            if layout.post is not None:
                near, far = layout.post
                others.append(dataclasses.replace(layout, post=(near + 0.01, far + 0.01)))
            if layout.cup is not None and layout.hidden:
                later = dataclasses.replace(layout.cup, touch=layout.cup.touch + 0.3)
                others.append(dataclasses.replace(layout, cup=later))
            for other in others:
                changed = occluder.stage(other).events != occluder.stage(layout).events
                seen += changed
                assert occluder.prompt(other) == case.condition.prompt
    assert seen > 6


def test_a_telling_prompt_is_another_setting(suite: Permanence) -> None:
    telling = dataclasses.replace(suite, setting=dataclasses.replace(suite.setting, prompt="telling"))
    assert telling.setting.name() != suite.setting.name()
    scene = suite.scenes(1, "public")[0]
    pairs = zip(suite.cases(scene), telling.cases(scene), strict=True)
    assert all(a.condition.prompt != b.condition.prompt for a, b in pairs)


def test_names_tell_nothing(suite: Permanence) -> None:
    order = set()
    for scene in suite.scenes(12, "public"):
        cases = suite.cases(scene)
        for case in cases:
            assert re.fullmatch(rf"permanence-{scene}-[0-9a-f]{{8}}", case.condition.name)
        by_name = sorted(cases, key=lambda c: c.condition.name)
        order.add(tuple((c.tags["trial"] == "stay", c.tags["hidden"]) for c in by_name))
    assert len(order) > 6, "the order of names follows the trials"


@pytest.mark.parametrize("lost", ["exit", "stay", "both"])
@pytest.mark.parametrize("status", LOST)
def test_a_lost_trial_counts_as_zero(suite: Permanence, ready: list[Ready], lost: str, status: str) -> None:
    part = [r for r in ready if r.case.scene == ready[0].case.scene]
    good = [row(r.case, r.score(r.truth)) for r in part]
    assert suite.aggregate(good)[part[0].case.scene]["S"] == 1.0
    spoilt = [
        dataclasses.replace(g, status=status, measures={})
        if g.tags["trial"] == lost or (lost == "both" and g.tags["trial"] != "two")
        else g
        for g in good
    ]
    assert suite.aggregate(spoilt)[part[0].case.scene]["S"] == 0.0


def test_a_lost_extra_trial_costs_its_share(suite: Permanence, ready: list[Ready]) -> None:
    part = [r for r in ready if r.case.scene == ready[0].case.scene]
    good = [row(r.case, r.score(r.truth)) for r in part]
    spoilt = [
        dataclasses.replace(g, status="missing", measures={}) if g.tags["trial"] == "two" else g for g in good
    ]
    assert suite.aggregate(spoilt)[part[0].case.scene]["S"] == 0.5


def test_who_only_tells_kinds_of_trials_apart_gains_nothing(suite: Permanence, ready: list[Ready]) -> None:
    vanish = suite.cheats()["vanish"]

    def by_kind(case: Case) -> Video:
        return suite.oracle(case) if case.tags["trial"] in ("two", "swap", "container") else vanish(case)

    assert score_of(suite, rows(ready, by_kind)) <= 0.0


def test_the_order_of_rows_and_samples_changes_nothing(suite: Permanence, ready: list[Ready]) -> None:
    vanish = suite.cheats()["vanish"]
    scored = [row(r.case, r.score(r.truth), sample=0) for r in ready]
    scored += [row(r.case, r.score(vanish(r.case)), sample=1) for r in ready]
    swapped = [dataclasses.replace(s, sample=1 - s.sample) for s in scored]
    random.Random(5).shuffle(swapped)
    before, after = suite.aggregate(scored), suite.aggregate(swapped)
    assert before.keys() == after.keys()
    for scene, values in before.items():
        assert values["S"] == pytest.approx(0.5, abs=1e-9)
        for metric, value in values.items():
            assert after[scene][metric] == pytest.approx(value, abs=1e-12)


def test_calibration_is_the_only_step_to_points(suite: Permanence) -> None:
    name = suite.setting.name()
    table = {name: {"S": 0.95, "S_graded": 0.9}}
    pinned = dataclasses.replace(suite, oracle_raw=table)
    assert pinned.calibrated("S", 0.95) == pytest.approx(100.0)
    assert pinned.calibrated("S_graded", -0.45) == pytest.approx(-50.0)
    assert pinned.calibrated("S", 0.0) == 0.0
    assert pinned.calibrated("idf1", 0.5) == 0.5


@pytest.mark.parametrize(
    ("change", "hint"),
    [({"width": 24}, "32"), ({"given": "act"}, "v2v"), ({"context": 2}, "4 frames")],
)
def test_settings_that_cannot_be_asked_are_refused(
    suite: Permanence, change: dict[str, object], hint: str
) -> None:
    check_refused(suite, change, hint)


def test_a_clip_with_nothing_left_to_judge_is_refused(suite: Permanence) -> None:
    case = next(c for c in suite.cases(suite.scenes(1, "public")[0]) if c.tags["trial"] == "exit")
    layout = occluder.from_facts(case.truth.facts["layout"])
    short = dataclasses.replace(suite.setting, frames=8)
    assert deciding(layout, suite.setting) is not None
    assert deciding(layout, short) is None
    with pytest.raises(UserError, match="use more frames"):
        dataclasses.replace(suite, setting=short).scorer(case)


GOLDEN: dict[str, tuple[float, float]] = {
    "oracle": (1.000000000, 1.000000000),
    "shape_swap": (0.000000000, 0.000000000),
    "duplicate": (-0.500000000, -0.482066980),
    "outline": (0.000000000, 0.107798859),
    "posterior_mean": (0.000000000, 0.002930356),
    "late": (0.000000000, 0.000000000),
}
"""Raw S and S_graded over the first two public scenes, by reference, of GOLDEN_VERSION."""


def test_scores_are_pinned_by_the_suites_version(suite: Permanence, scored: Scored) -> None:
    assert suite.version == GOLDEN_VERSION, "a new version needs new golden scores"
    first = set(suite.scenes(2, "public"))
    for name, golden in GOLDEN.items():
        part = [r for r in scored(name) if r.scene in first]
        found = score_of(suite, part), score_of(suite, part, "S_graded")
        assert found == pytest.approx(golden, abs=1e-6), name
