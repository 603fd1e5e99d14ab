"""The footprints suite: prints kept, ahead, everywhere or together are zero, and the reader reads."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from conftest import build
from judged import Ready, ready_for, row, rows, score_of

from simbench.case import Case
from simbench.errors import UserError
from simbench.instruments import footprints_reader as reader
from simbench.instruments.footprints_reader import Marks
from simbench.references.nuisance import nuisances
from simbench.suite import CaseScore
from simbench.video import Video
from simbench.worlds.families import footprints
from suites.footprints import Footprints, judged, measure

SCENES = 3
CHEATS = sorted(build("suite", "footprints").cheats())


@pytest.fixture(scope="module")
def suite() -> Footprints:
    """The suite as the configuration gives it."""
    return build("suite", "footprints")


@pytest.fixture(scope="module")
def ready(suite: Footprints) -> list[Ready]:
    """All cases of the first scenes."""
    cases = [c for s in suite.scenes(SCENES, "public") for c in suite.cases(s)]
    return [ready_for(suite, case) for case in cases]


def answered(suite: Footprints, case: Case, present: np.ndarray) -> CaseScore:
    """What a perfect reader makes of prints `present` bool [S, T] in all frames."""
    layout = footprints.from_facts(case.truth.facts["layout"])
    frames = judged(layout, suite.setting)
    clear = reader.free(layout, np.array(layout.spots[: footprints.SEEN]), frames, suite.setting.fps)
    nothing = np.zeros((1, len(frames)), bool)
    marks = Marks(present[:, frames] & clear, nothing, clear, ~nothing, 60.0, 0.0)
    return row(case, measure(layout, frames, marks, suite.setting))


@pytest.mark.parametrize("seed", range(12))
def test_prints_that_come_together_or_never_change_do_not_score(suite: Footprints, seed: int) -> None:
    dice = np.random.default_rng(seed)
    cases = suite.cases(suite.scenes(1 + seed % 4, "public")[-1])
    shape = (footprints.SEEN, suite.setting.frames)
    always = np.broadcast_to(dice.random((shape[0], 1)) < dice.random(), shape)
    together = np.broadcast_to(dice.random((1, shape[1])) < 0.5, shape)
    for present in (always, together, np.zeros(shape, bool), np.ones(shape, bool)):
        assert score_of(suite, [answered(suite, c, present) for c in cases]) <= 1e-9


def test_the_truth_is_read(suite: Footprints, ready: list[Ready]) -> None:
    scored = rows(ready, suite.oracle)
    assert score_of(suite, scored) > 0.97 and score_of(suite, scored, "level") > 40.0
    assert all(r.measures["right"] == 1.0 for r in scored)


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_gains_nothing(suite: Footprints, ready: list[Ready], name: str) -> None:
    assert score_of(suite, rows(ready, suite.cheats()[name])) <= 0.05


def test_each_column_sees_its_cheat(suite: Footprints, ready: list[Ready]) -> None:
    made = {
        n: rows(ready, suite.cheats()[n]) for n in ("trampled", "reversed_order", "forgets_covered", "hold")
    }
    assert (
        score_of(suite, made["trampled"], "spill") > 1.0 and score_of(suite, made["trampled"], "found") == 1.0
    )
    assert score_of(suite, made["reversed_order"], "order") < -0.5
    assert score_of(suite, made["forgets_covered"], "kept") == 0.0
    assert score_of(suite, made["forgets_covered"], "found") == 1.0
    assert score_of(suite, made["hold"], "found") == 0.0 and score_of(suite, made["hold"]) == 0.0


def test_the_observer_knows_what_the_condition_tells(suite: Footprints, ready: list[Ready]) -> None:
    assert score_of(suite, rows(ready, lambda case: suite.observer(case.condition))) > 0.95


@pytest.mark.parametrize("status", ["missing", "invalid", "failed", "refused"])
def test_what_is_lost_counts_as_the_prints_given(suite: Footprints, ready: list[Ready], status: str) -> None:
    part = ready[:2]
    assert score_of(suite, [row(r.case, {}, status) for r in part]) == pytest.approx(0.0, abs=1e-12)
    good = rows(part, suite.oracle)
    for k in range(2):
        spoilt = [dataclasses.replace(g, status=status) if i == k else g for i, g in enumerate(good)]
        assert score_of(suite, spoilt) <= 0.0


@pytest.mark.parametrize("name", ["blur", "noise", "gamma 1.6", "tint", "relight", "zoom 3 %", "shift 2 %"])
def test_a_nuisance_moves_no_print(suite: Footprints, ready: list[Ready], name: str) -> None:
    change = nuisances(2 * footprints.PRINT * 64, 64, 8.0)[name]
    assert score_of(suite, rows(ready, lambda case: Video(change(suite.oracle(case).frames), 8.0))) > 0.95


def test_damage_lowers_s(suite: Footprints, ready: list[Ready]) -> None:
    part = ready[:2]
    for name, kind in suite.damages().items():
        levels = [
            score_of(suite, rows(part, lambda case, k=level, d=kind: d.make(case, k)))
            for level in kind.strengths[::5]
        ]
        assert kind.strengths[0] == 0.0 and len(kind.strengths) == 6
        assert levels[1] < levels[0] / 2, name
        assert np.array_equal(kind.make(part[0].case, 0.0).frames, part[0].truth.frames)


def test_prompts_tell_the_steps_and_no_print(suite: Footprints) -> None:
    for case in suite.cases(suite.scenes(1, "public")[0]):
        assert re.fullmatch(r"footprints-public-\d{4}-[0-9a-f]{8}", case.condition.name)
        assert "step at 0 s" in case.condition.prompt and "print" not in case.condition.prompt
        assert ("panel" in case.condition.prompt) is bool(case.tags["covered"])


def test_both_boots_stand_on_their_spots_at_each_step() -> None:
    layout = footprints.sample(5)
    for k in range(1, footprints.SEEN):
        places = footprints.boots(layout, k * layout.duration / footprints.STEPS)
        assert places[k % 2] == pytest.approx(layout.spots[k])
        assert places[1 - k % 2] == pytest.approx(layout.spots[k - 1])


@pytest.mark.parametrize("size", [(96, 64), (64, 96)])
@pytest.mark.parametrize("look", ["plain", "rich"])
def test_any_size_and_look_is_read(suite: Footprints, size: tuple[int, int], look: str) -> None:
    setting = dataclasses.replace(suite.setting, width=size[0], height=size[1], look=look)
    other = dataclasses.replace(suite, setting=setting)
    cases = other.cases(suite.scenes(3, "public")[-1])
    assert score_of(other, [row(c, other.score(c, other.oracle(c))) for c in cases]) > 0.95
    assert score_of(other, [row(c, other.score(c, other.observer(c.condition))) for c in cases]) > 0.9


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"width": 32}, "size=64"),
        ({"given": "i2v"}, "given=act"),
        ({"given": "v2v"}, "given=act"),
        ({"given": "t2v"}, "given=act"),
        ({"context": 1}, "context=3"),
        ({"context": 9}, "context=3"),
        ({"frames": 20}, "frames=17"),
    ],
)
def test_settings_that_cannot_be_asked_are_refused(
    suite: Footprints, change: dict[str, object], hint: str
) -> None:
    setting = dataclasses.replace(suite.setting, **change)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=hint):
        dataclasses.replace(suite, setting=setting)


GOLDEN = {
    "oracle": 1.000000000,
    "reversed_order": -1.500000000,
    "scattered": -0.095238095,
    "mirrored": -0.228571429,
}
"""Raw S over the first scenes, by reference, of version 1."""


def test_scores_are_pinned_by_the_suites_version(suite: Footprints, ready: list[Ready]) -> None:
    assert suite.version == 1, "a new version needs new golden scores"
    for name, golden in GOLDEN.items():
        make = suite.oracle if name == "oracle" else suite.cheats()[name]
        assert score_of(suite, rows(ready, make)) == pytest.approx(golden, abs=1e-6), name
