"""The hidden suite: zero is a construct that nothing blind to the rate can pass, and the reader reads."""

from __future__ import annotations

import dataclasses
import functools
import random
import re
from collections.abc import Callable

import numpy as np
import pytest
from conftest import build
from judged import LOST, Ready, check_refused, ready_for, row, rows, score_of, scored_once

from simbench.case import Case
from simbench.errors import UserError
from simbench.instruments import process_observer, state_reader
from simbench.references import nuisance
from simbench.references import process as references
from simbench.suite import CaseScore, Measures
from simbench.video import Video
from simbench.worlds.families import process
from simbench.worlds.families.process import Layout
from suites.hidden import Hidden, measure, returned

SCENES = 6
CHEATS = sorted(build("suite", "hidden").cheats())
GOLDEN_VERSION = 1

Scored = Callable[[str], list[CaseScore]]


@pytest.fixture(scope="module")
def suite() -> Hidden:
    """The suite as the configuration gives it."""
    return build("suite", "hidden")


@pytest.fixture(scope="module")
def ready(suite: Hidden) -> list[Ready]:
    """The hidden cases of one scene of each process."""
    cases = [c for s in suite.scenes(SCENES, "public") for c in suite.cases(s) if c.tags["hidden"]]
    return [ready_for(suite, case) for case in cases]


@pytest.fixture(scope="module")
def halves(suite: Hidden, ready: list[Ready]) -> list[Scored]:
    """Name of a reference -> its rows over the cases of every second scene: three processes each."""
    scenes = list(dict.fromkeys(r.case.scene for r in ready))
    return [scored_once(suite, [r for r in ready if r.case.scene in scenes[i::2]]) for i in (0, 1)]


@pytest.fixture(scope="module")
def scored(halves: list[Scored]) -> Scored:
    """Name of a reference -> its rows over all those cases."""
    return lambda name: [row for half in halves for row in half(name)]


def layout_of(case: Case) -> Layout:
    """The stage of a case."""
    return process.from_facts(case.truth.facts["layout"])


def answered(layout: Layout, suite: Hidden, state_of: Callable[[float], float]) -> Measures:
    """What a perfect reader makes of an answer that has `state_of` each time."""
    frames = returned(layout, suite.setting)
    looks = [state_reader.Look(state_of(t / suite.setting.fps)) for t in frames]
    return measure(layout, frames, looks, suite.setting.fps)


def test_every_process_and_every_way_comes_up(suite: Hidden) -> None:
    seen = set()
    for scene in suite.scenes(18, "public"):
        index = int(scene.rsplit("-", 1)[1])
        name = process.PROCESSES[index % 6]
        ways = process.ways(name)
        seen.add((name, ways[(index + index // 6) % len(ways)]))
    assert {name for name, _ in seen} == set(process.PROCESSES)
    assert {way for _, way in seen} == set(process.WAYS)
    assert not {(name, "dark") for name in process.LUMINOUS} & seen


def test_a_family_meets_where_it_is_hidden_and_zero_is_a_median_of_its_rates(suite: Hidden) -> None:
    for scene in suite.scenes(12, "public"):
        cases = [c for c in suite.cases(scene) if c.tags["hidden"]]
        layouts = [layout_of(c) for c in cases]
        states = [process.state_at(lay.path, lay.gone) for lay in layouts]
        assert states == pytest.approx([states[0]] * 4, abs=1e-9)
        rates = [process.rate_of(lay) for lay in layouts]
        assert sum(r > 0 for r in rates) == 2 and sum(r <= 0 for r in rates) == 2
        assert len({(lay.leave, lay.gone, lay.come, lay.back) for lay in layouts}) == 1
        for lay in layouts:
            if lay.process not in process.CIRCULAR:
                assert all(0.0 <= s <= 1.0 for _, s in lay.path), scene


@pytest.mark.parametrize("seed", range(20))
def test_no_answer_blind_to_the_rate_beats_the_state_kept_still(suite: Hidden, seed: int) -> None:
    """Any function of time alone, the same for all cases of a scene: the theorem behind zero."""
    dice = random.Random(seed)
    scene = suite.scenes(seed % 6 + 1, "public")[-1]
    cases = [c for c in suite.cases(scene) if c.tags["hidden"]]
    layouts = [layout_of(c) for c in cases]
    held = process.state_at(layouts[0].path, layouts[0].gone)
    steps = {t: dice.uniform(-0.4, 0.4) for t in range(suite.setting.frames)}
    fps = suite.setting.fps
    wild = [
        row(c, answered(lay, suite, lambda t: held + steps[round(t * fps)]))
        for c, lay in zip(cases, layouts, strict=True)
    ]
    rate = dice.uniform(-0.4, 0.4)
    steady = [
        row(c, answered(lay, suite, lambda t: held + rate * (t - layouts[0].gone)))
        for c, lay in zip(cases, layouts, strict=True)
    ]
    still = [row(c, answered(lay, suite, lambda t: held)) for c, lay in zip(cases, layouts, strict=True)]
    assert score_of(suite, wild) <= 1e-9
    assert score_of(suite, steady) <= 1e-9
    assert score_of(suite, still) == pytest.approx(0.0, abs=1e-12)


def test_half_the_rate_is_half_the_score_and_slope(suite: Hidden) -> None:
    cases = [c for c in suite.cases(suite.scenes(1, "public")[0]) if c.tags["hidden"]]
    scored = []
    for case in cases:
        lay = layout_of(case)
        held = process.state_at(lay.path, lay.gone)
        half = process.steady(held, 0.5 * process.rate_of(lay), lay.gone, lay.duration)
        scored.append(row(case, answered(lay, suite, functools.partial(process.state_at, half))))
    assert score_of(suite, scored) == pytest.approx(0.5)
    assert score_of(suite, scored, "slope") == pytest.approx(0.5)


def test_the_truth_is_read(suite: Hidden, scored: Scored) -> None:
    found = scored("oracle")
    for name, least in (("S", 0.96), ("slope", 0.97), ("S_return", 0.94)):
        assert score_of(suite, found, name) > least, name
    assert score_of(suite, found, "unreadable") == 0.0
    assert score_of(suite, found, "state_error") < 0.006
    assert all(r.measures["right"] == 1.0 for r in found)


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_gains_nothing(suite: Hidden, halves: list[Scored], name: str) -> None:
    assert score_of(suite, halves[CHEATS.index(name) % 2](name)) <= 0.05


@pytest.mark.parametrize(
    "name", ["vanish", "never_returns", "noise", "blank", "other_process", "faint", "ghost"]
)
def test_what_shows_no_state_is_unreadable_and_counts_as_kept_still(
    suite: Hidden, scored: Scored, name: str
) -> None:
    moving = [r for r in scored(name) if r.tags["trial"] not in ("still", "still too")]
    lost = sum(sum(r.measures[why] for why in state_reader.REASONS) for r in moving)
    frames = sum(float(r.tags["returned"]) for r in moving)
    assert lost / frames > (0.6 if name == "ghost" else 0.9), name
    assert abs(score_of(suite, scored(name))) < 0.05


def test_the_observer_knows_what_the_condition_tells(suite: Hidden, ready: list[Ready]) -> None:
    assert score_of(suite, rows(ready, lambda case: suite.observer(case.condition))) > 0.88


def test_the_observer_finds_its_words(suite: Hidden, ready: list[Ready]) -> None:
    for r in ready:
        told = process_observer.told(r.case.condition.prompt, suite.setting)
        layout = layout_of(r.case)
        assert (told.process, told.colour, told.backdrop) == (layout.process, layout.colour, layout.backdrop)


def test_hiding_costs_who_stops_when_blind(suite: Hidden) -> None:
    scene = suite.scenes(1, "public")[0]
    hold = suite.cheats()["hold"]
    scored = [
        row(c, suite.score(c, hold(c) if c.tags["hidden"] else suite.oracle(c))) for c in suite.cases(scene)
    ]
    found = suite.aggregate(scored)[scene]
    assert found["S"] == pytest.approx(0.0, abs=0.03) and found["hiding_cost"] > 0.9
    assert found["slope"] == pytest.approx(0.0, abs=0.03)


@pytest.mark.parametrize("status", LOST)
def test_what_is_lost_counts_as_kept_still(suite: Hidden, ready: list[Ready], status: str) -> None:
    part = [r for r in ready if r.case.scene == ready[0].case.scene]
    nothing = [row(r.case, {}, status) for r in part]
    assert score_of(suite, nothing) == pytest.approx(0.0, abs=1e-12)
    good = rows(part, suite.oracle)
    holds = [float(r.tags["hold"]) for r in good]
    spoilt = [dataclasses.replace(good[0], status=status, measures={}), *good[1:]]
    share = holds[0] / sum(holds)
    assert score_of(suite, spoilt) == pytest.approx(score_of(suite, good) - share, abs=0.03)


@pytest.mark.parametrize("name", ["noise", "gamma 1.6", "tint", "relight", "zoom 3 %"])
def test_a_nuisance_moves_no_state(suite: Hidden, ready: list[Ready], name: str) -> None:
    part = ready[::4]
    change = nuisance.nuisances(8.0, 32, 8.0)[name]
    for r in part:
        measures = r.score(Video(change(r.truth.frames), 8.0))
        assert measures["readable"] == r.case.tags["returned"], r.case.tags["process"]
        assert measures["error"] / measures["readable"] < 0.02, r.case.tags["process"]


def test_damage_lowers_s(suite: Hidden, ready: list[Ready]) -> None:
    part = [r for r in ready if r.case.scene == ready[0].case.scene]
    for name, kind in suite.damages().items():
        assert kind.strengths[0] == 0.0 and len(kind.strengths) == 6
        clean, worst = (
            score_of(suite, rows(part, lambda case, k=level, d=kind: d.make(case, k)))
            for level in (kind.strengths[0], kind.strengths[-1])
        )
        assert worst < clean / 2, name
        same = kind.make(part[0].case, 0.0)
        assert np.array_equal(same.frames, part[0].truth.frames)


def test_case_names_tell_nothing(suite: Hidden) -> None:
    for case in suite.cases(suite.scenes(1, "public")[0]):
        assert re.fullmatch(r"unseen-public-0000-[0-9a-f]{8}", case.condition.name)


def test_another_rate_changes_no_prompt(suite: Hidden) -> None:
    for scene in suite.scenes(6, "public"):
        told = {c.condition.prompt for c in suite.cases(scene) if c.tags["hidden"]}
        assert len(told) == 1


def test_what_will_hide_it_shows_in_the_last_given_frame_and_nothing_hides_it_before(suite: Hidden) -> None:
    for scene in suite.scenes(6, "public"):
        cases = suite.cases(scene)
        for one, open_twin in zip(cases[::2], cases[1::2], strict=True):
            last = one.condition.given_frames[-1], open_twin.condition.given_frames[-1]
            assert not np.array_equal(*last)
            if one.tags["way"] != "curtain":
                assert np.array_equal(one.condition.given_frames[:-1], open_twin.condition.given_frames[:-1])


@pytest.mark.parametrize("way", process.WAYS)
def test_nothing_is_seen_between_gone_and_come(suite: Hidden, way: str) -> None:
    layout = process.sample(5, process="ball", way=way)
    shown = references.truth(layout, suite.setting)
    scene = process.stage(layout)
    empty = scene.with_bodies(tuple(b for b in scene.bodies if b.role != "mover"))
    frames = [t for t in range(17) if layout.gone <= t / 8 <= layout.come]
    bare = state_reader.render_scene(empty, suite.setting, frames)
    assert len(frames) >= 4
    assert np.array_equal(shown[frames], bare)


@pytest.mark.parametrize("size", [(48, 32), (32, 48), (64, 64)])
@pytest.mark.parametrize("look", ["plain", "rich"])
def test_any_size_and_look_is_read(suite: Hidden, size: tuple[int, int], look: str) -> None:
    setting = dataclasses.replace(suite.setting, width=size[0], height=size[1], look=look)
    other = dataclasses.replace(suite, setting=setting)
    scene = suite.scenes(size[0] % 5 + 1, "public")[-1]
    scored = [row(c, other.score(c, other.oracle(c))) for c in other.cases(scene) if c.tags["hidden"]]
    assert score_of(other, scored) > 0.9


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"width": 24}, "32"),
        ({"given": "i2v"}, "v2v"),
        ({"given": "t2v"}, "v2v"),
        ({"context": 3}, "4 frames"),
        ({"context": 9}, "more frames"),
    ],
)
def test_settings_that_cannot_be_asked_are_refused(
    suite: Hidden, change: dict[str, object], hint: str
) -> None:
    check_refused(suite, change, hint)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"case": 4}, "0..3"),
        ({"process": "cow"}, "ball, clock"),
        ({"way": "dark", "process": "candle"}, "curtain"),
        ({"leave": 0.6}, "fewer given frames"),
    ],
)
def test_worlds_that_cannot_be_are_refused(options: dict[str, object], hint: str) -> None:
    with pytest.raises(UserError, match=re.escape(hint)):
        process.sample(0, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", process.PROCESSES)
def test_a_state_looks_the_same_on_any_path(name: str) -> None:
    """The reader's pictures, drawn in a sweep, are those of the law: no rate shows in a single frame."""
    setting = build("suite", "hidden").setting
    for look in ("plain", "rich"):
        layout = process.sample(3, 1, False, look=look, process=name)
        clip = references.truth(layout, dataclasses.replace(setting, look=look))
        states = [process.state_at(layout.path, t / 8) for t in (2, 9)]
        drawn = state_reader.render_states(layout, states, setting)
        assert np.abs(drawn.astype(int) - clip[[2, 9]]).max() <= 12, name


GOLDEN = {
    "oracle": 0.981144880,
    "reset": -0.391102007,
    "jump_to_end": -2.897842755,
    "ghost": -0.025334316,
}
"""Raw S over the first scenes, by reference, of GOLDEN_VERSION."""


def test_scores_are_pinned_by_the_suites_version(suite: Hidden, scored: Scored) -> None:
    assert suite.version == GOLDEN_VERSION, "a new version needs new golden scores"
    for name, golden in GOLDEN.items():
        assert score_of(suite, scored(name)) == pytest.approx(golden, abs=1e-6), name
