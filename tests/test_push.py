"""The push suite: never and always are zero whatever is answered, and the reader reads."""

from __future__ import annotations

import dataclasses
import random
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import build
from judged import Ready, ready_for, row, rows, score_of

from simbench.case import Case
from simbench.errors import UserError
from simbench.instruments import push_observer
from simbench.instruments.push_reader import Seen
from simbench.references.nuisance import nuisances
from simbench.suite import CaseScore
from simbench.video import Video
from simbench.worlds.families import push
from simbench.worlds.families.push import Layout
from suites import reading
from suites.push import Push, judged, measure

SCENES = 4
CHEATS = sorted(build("suite", "push").cheats())
GOLDEN_VERSION = 1


def layout_of(one: Ready) -> Layout:
    """The table of a case."""
    return push.from_facts(one.case.truth.facts["layout"])


@pytest.fixture(scope="module")
def suite() -> Push:
    """The suite as the configuration gives it."""
    return build("suite", "push")


@pytest.fixture(scope="module")
def ready(suite: Push) -> list[Ready]:
    """All cases of the first scenes."""
    cases = [c for s in suite.scenes(SCENES, "public") for c in suite.cases(s)]
    return [ready_for(suite, case) for case in cases]


def answered(suite: Push, case: Case, places: np.ndarray) -> CaseScore:
    """What a perfect reader makes of an answer with the blocks at `places` [N, T, 2] in all frames."""
    layout, s = push.from_facts(case.truth.facts["layout"]), suite.setting
    frames = judged(layout, s)
    seen = Seen(places[:, frames], np.zeros((len(places), len(frames)), bool), 0.0)
    return row(case, measure(layout, frames, seen, s.fps))


def test_the_rod_moves_what_it_touches_as_far_as_it_reaches_and_leaves_it() -> None:
    rod = ((0.0, -0.4, 0.1), (1.0, 0.2, 0.1), (2.0, -0.4, 0.1))
    path = push.carried(rod, (0.0, 0.1), 0.1, 1)
    np.testing.assert_allclose(path, [(0.0, 0.0, 0.1), (0.5, 0.0, 0.1), (1.0, 0.3, 0.1)], atol=1e-12)
    mirrored = tuple((t, -x, y) for t, x, y in rod)
    assert push.carried(mirrored, (0.0, 0.1), 0.1, -1)[-1] == pytest.approx((1.0, -0.3, 0.1))
    beside = 0.1 + 0.1 + push.HEAD + 0.001
    assert push.carried(rod, (0.0, beside), 0.1, 1) == ((0.0, 0.0, beside),)
    assert push.carried(rod, (0.301, 0.1), 0.1, 1) == ((0.0, 0.301, 0.1),)


@pytest.mark.parametrize("seed", range(30))
def test_a_miss_moves_nothing_and_a_push_one_block(seed: int) -> None:
    for difficulty in (0.0, 1.0):
        made = {t: push.sample(seed, t, difficulty=difficulty) for t in push.TRIALS}
        assert [len(b.path) for b in made["miss"].blocks] == [1, 1]
        assert [len(b.path) > 1 for b in made["push"].blocks] == [True, False]
        assert made["push"].blocks[0].path == made["push"].would == made["miss"].would
        for layout in made.values():
            for block in layout.blocks:
                half = push.HALF[block.shape]
                assert all(abs(v) + half < 0.5 for _, x, y in block.path for v in (x, y))
            assert 0.25 < layout.contact / layout.duration < 0.5


@pytest.mark.parametrize("seed", range(20))
def test_no_answer_blind_to_touch_scores(suite: Push, seed: int) -> None:
    """Any places, the same for push and miss: the triangle inequality behind zero."""
    dice = np.random.default_rng(seed)
    cases = suite.cases(suite.scenes(seed % 6 + 1, "public")[-1])
    layout = push.from_facts(cases[0].truth.facts["layout"])
    homes = np.array([b.home for b in layout.blocks])[:, None]
    wild = homes + dice.normal(0.0, dice.uniform(0.01, 0.3), (2, suite.setting.frames, 2))
    wild[dice.random((2, suite.setting.frames)) < 0.2] = np.nan
    assert score_of(suite, [answered(suite, c, wild) for c in cases]) <= 1e-9
    times = np.arange(suite.setting.frames) / suite.setting.fps
    share = dice.random()
    some = homes + np.zeros((2, suite.setting.frames, 1))
    some[0] += share * (np.array([push.at(layout.would, t) for t in times]) - homes[0])
    assert score_of(suite, [answered(suite, c, some) for c in cases]) == pytest.approx(0.0, abs=1e-9)


def test_the_truth_is_read(suite: Push, ready: list[Ready]) -> None:
    scored = rows(ready, suite.oracle)
    assert score_of(suite, scored) > 0.97
    assert score_of(suite, scored, "alarm") < 0.01
    assert score_of(suite, scored, "lost") == 0.0
    assert all(r.measures["right"] == 1.0 for r in scored)


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_gains_nothing(suite: Push, ready: list[Ready], name: str) -> None:
    assert score_of(suite, rows(ready, suite.cheats()[name])) <= 0.05


def test_each_part_of_the_score_sees_its_cheat(suite: Push, ready: list[Ready]) -> None:
    made = {
        name: rows(ready, suite.cheats()[name]) for name in ("always", "home_covered", "doubled", "noise")
    }
    assert score_of(suite, made["always"], "kept") > 0.95 and score_of(suite, made["always"], "alarm") > 0.95
    assert score_of(suite, made["home_covered"], "S_open") > 0.95
    assert score_of(suite, made["home_covered"], "S_covered") == pytest.approx(0.0, abs=0.02)
    assert score_of(suite, made["doubled"], "lost") > 0.15
    assert score_of(suite, made["noise"], "unreadable") == 1.0 and score_of(suite, made["noise"]) == 0.0


def test_the_observer_knows_what_the_condition_tells(suite: Push, ready: list[Ready]) -> None:
    assert score_of(suite, rows(ready, lambda case: suite.observer(case.condition))) > 0.9


def test_the_actions_tell_all_of_the_rods_way(suite: Push, ready: list[Ready]) -> None:
    for r in ready:
        told = push_observer.told(r.case.condition.actions or (), suite.setting)
        for time in np.linspace(0.0, layout_of(r).duration, 41):
            assert push.at(told, time) == pytest.approx(push.at(layout_of(r).rod, time), abs=1e-3)


@pytest.mark.parametrize("status", ["missing", "invalid", "failed", "refused"])
def test_who_answers_only_one_of_a_pair_gains_nothing(suite: Push, ready: list[Ready], status: str) -> None:
    part = [r for r in ready if r.case.scene == ready[0].case.scene]
    assert score_of(suite, [row(r.case, {}, status) for r in part]) == pytest.approx(0.0, abs=1e-12)
    good = rows(part, suite.oracle)
    for trial in ("push", "miss", "push, covered", "miss, covered"):
        spoilt = [
            dataclasses.replace(g, status=status, measures={}) if g.tags["trial"] == trial else g
            for g in good
        ]
        assert score_of(suite, spoilt) <= 0.0, trial


@pytest.mark.parametrize("name", ["blur", "noise", "gamma 1.6", "tint", "relight", "zoom 3 %", "shift 2 %"])
def test_a_nuisance_moves_no_block(suite: Push, ready: list[Ready], name: str) -> None:
    change = nuisances(push.SIZE * 32, 32, 8.0)[name]
    spoilt = rows(ready, lambda case: Video(change(suite.oracle(case).frames), 8.0))
    assert score_of(suite, spoilt) > score_of(suite, rows(ready, suite.oracle)) - 0.05
    assert score_of(suite, spoilt, "lost") == 0.0
    if name in ("zoom 3 %", "shift 2 %"):
        assert score_of(suite, spoilt, "drift") > 0.008


def test_damage_lowers_s(suite: Push, ready: list[Ready]) -> None:
    part = ready[:8]
    for name, kind in suite.damages().items():
        assert kind.strengths[0] == 0.0 and len(kind.strengths) == 6
        clean, some, worst = (
            score_of(suite, rows(part, lambda case, k=level, d=kind: d.make(case, k)))
            for level in (kind.strengths[0], kind.strengths[3], kind.strengths[-1])
        )
        assert worst < clean / 2 and worst <= some < clean, name
        assert np.array_equal(kind.make(part[0].case, 0.0).frames, part[0].truth.frames)


def test_the_trace_follows_the_block(suite: Push, ready: list[Ready]) -> None:
    found = suite.trace(ready[0].case, ready[0].truth)
    read, true = found["pushed"], found["truth"]
    assert len(read) == suite.setting.frames and max(v or 0.0 for v in true) > 0.2
    assert all(r is not None and abs(r - t) < 0.02 for r, t in zip(read, true, strict=True) if t is not None)


def test_prompts_tell_the_rods_way_and_no_outcome(suite: Push) -> None:
    for scene in suite.scenes(4, "public"):
        for case in suite.cases(scene):
            assert re.fullmatch(r"push-public-\d{4}-[0-9a-f]{8}", case.condition.name)
            words = case.condition.prompt
            assert "tip is at" in words and not re.search(r"push|miss|touch|move", words)
            assert ("panel" in words) is bool(case.tags["covered"])
            assert len(case.condition.actions or ()) == suite.setting.frames


def test_colours_of_a_table_are_not_alike() -> None:
    drawn = {tuple(b.colour for b in push.sample(seed).blocks) for seed in range(200)}
    assert drawn <= set(push.pairs()) and len(drawn) > 20
    assert all({"blue", "purple"} != {*p} for p in drawn)
    assert not any(push.test_only(push.sample(s, split="train")) for s in range(60))


@pytest.mark.parametrize("size", [(48, 32), (32, 48), (64, 64)])
@pytest.mark.parametrize("look", ["plain", "rich"])
def test_any_size_and_look_is_read(suite: Push, size: tuple[int, int], look: str) -> None:
    setting = dataclasses.replace(suite.setting, width=size[0], height=size[1], look=look)
    other = dataclasses.replace(suite, setting=setting)
    cases = other.cases(suite.scenes(random.Random(str(size)).randint(1, 5), "public")[-1])
    assert score_of(other, [row(c, other.score(c, other.oracle(c))) for c in cases]) > 0.95
    seen = [row(c, other.score(c, other.observer(c.condition))) for c in cases]
    assert score_of(other, seen) > 0.85


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"width": 24}, "32"),
        ({"given": "i2v"}, "given=act"),
        ({"given": "v2v"}, "given=act"),
        ({"given": "t2v"}, "given=act"),
        ({"context": 0}, "context=3"),
        ({"context": 9}, "fewer given frames"),
        ({"frames": 5}, "more frames"),
    ],
)
def test_settings_that_cannot_be_asked_are_refused(suite: Push, change: dict[str, object], hint: str) -> None:
    setting = dataclasses.replace(suite.setting, **change)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=hint):
        dataclasses.replace(suite, setting=setting)


def test_an_unknown_trial_is_refused() -> None:
    with pytest.raises(UserError, match="push, miss"):
        push.sample(0, "shove")


GOLDEN = {
    "oracle": 0.992236007,
    "slide_on": -0.001230424,
    "wild": -1.591862834,
    "opposite": -1.000274783,
}
"""Raw S over the first scenes, by reference, of GOLDEN_VERSION."""


def test_scores_are_pinned_by_the_suites_version(suite: Push, ready: list[Ready]) -> None:
    assert suite.version == GOLDEN_VERSION, "a new version needs new golden scores"
    for name, golden in GOLDEN.items():
        make = suite.oracle if name == "oracle" else suite.cheats()[name]
        assert score_of(suite, rows(ready, make)) == pytest.approx(golden, abs=1e-6), name


def test_the_table_of_the_instrument_has_a_line_for_each_nuisance(suite: Push, tmp_path: Path) -> None:
    page = tmp_path / "card.md"
    page.write_text("<!-- instrument -->\n<!-- /instrument -->\n")
    assert reading.main(["suite=push", "scenes=1", f"card={page}"]) == 0
    lines = [line for line in page.read_text().splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0] for line in lines[1:3]] == ["| none", "| blur"]
    assert len(lines) == 2 + len(suite.nuisances(suite.cases(suite.scenes(1, "public")[0])[0]))
    assert reading.main(["suite=push", "card=" + str(tmp_path / "none.md")]) == 2
