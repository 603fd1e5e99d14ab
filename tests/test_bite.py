"""The bite suite: zero is a construct that nothing blind to contact can pass, and the reader reads."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import numpy as np
import pytest
from conftest import build
from judged import Ready, ready_for, row, rows, score_of

from simbench.case import Case
from simbench.errors import UserError
from simbench.instruments import bite_observer, bite_reader
from simbench.instruments.bite_reader import Look
from simbench.references import bite as references
from simbench.references import nuisance
from simbench.suite import CaseScore
from simbench.video import Video
from simbench.worlds.families import bite
from simbench.worlds.families.bite import Layout
from suites.bite import Bite, Frames, measure

SCENES = 3
CHEATS = sorted(build("suite", "bite").cheats())


def layout_of(one: Ready) -> Layout:
    """The stage of a case."""
    return bite.from_facts(one.case.truth.facts["layout"])


@pytest.fixture(scope="module")
def suite() -> Bite:
    """The suite as the configuration gives it."""
    return build("suite", "bite")


@pytest.fixture(scope="module")
def ready(suite: Bite) -> list[Ready]:
    """The cases of one scene of each solid."""
    cases = [c for s in suite.scenes(SCENES, "public") for c in suite.cases(s)]
    return [ready_for(suite, case) for case in cases]


def answered(suite: Bite, case: Case, skin_of: Callable[[int, np.ndarray], np.ndarray]) -> CaseScore:
    """What a perfect reader makes of an answer that has `skin_of(frame, skin after 0.. bites)` left."""
    layout = bite.from_facts(case.truth.facts["layout"])
    pages = bite_reader.book(bite_reader.bare(layout), suite.setting)
    when = Frames.of(layout, suite.setting)
    looks = [Look(skin_of(t, pages.left)) for t in when.all]
    return row(case, measure(pages, when, layout.touch, looks))


def test_a_scene_is_crossed_and_its_conditions_differ_in_the_command_alone(suite: Bite) -> None:
    cases = suite.cases(suite.scenes(1, "public")[0])
    assert {c.tags["trial"] for c in cases} == {
        f"{what} {way}" for what in ("bitten", "missed") for way in bite.WAYS
    }
    first = cases[0].condition.given_frames
    assert all(np.array_equal(c.condition.given_frames, first) for c in cases)
    assert len({c.condition.actions for c in cases}) == 4
    for case in cases:
        assert case.condition.actions is not None
        assert sum(" snap " in action for action in case.condition.actions) == bite.BITES
        assert re.fullmatch(r"tool-public-0000-[0-9a-f]{8}", case.condition.name)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("touch", [True, False])
def test_the_tool_reaches_the_solid_in_its_bites_alone(seed: int, touch: bool) -> None:
    layout = bite.sample(seed, touch, difficulty=(seed % 5) / 4)
    times = np.linspace(0.0, layout.duration, 641).tolist()
    inside = [t for t in times if bite.struck(layout, bite.tool_at(layout, t))]
    assert bool(inside) is touch
    for t in inside:
        assert min(abs(t - snap) for snap in layout.times) < 0.06
    gaps = [bite.depth(layout, bite.tool_at(layout, t)) - layout.radius for t in layout.times]
    if not touch:
        assert gaps == pytest.approx([layout.gap] * bite.BITES, abs=1e-6)


@pytest.mark.parametrize("aspect", [1.0, 1.5, 0.67])
def test_places_in_the_image_are_places_on_the_tools_level(aspect: float) -> None:
    layout = bite.sample(4, aspect=aspect)
    heart = bite.centre_of(layout)
    for time in (0.0, *layout.times):
        point = tuple(p + q for p, q in zip(bite.tool_at(layout, time), heart, strict=True))
        u, v = bite.project(layout, point)
        assert 0.0 < u < 1.0 and 0.0 < v < 1.0
        assert bite.lifted(layout, u, v, point[1]) == pytest.approx(point)


@pytest.mark.parametrize("seed", range(10))
def test_no_answer_blind_to_contact_beats_the_whole_solid(suite: Bite, ready: list[Ready], seed: int) -> None:
    """The theorem behind zero: |A xor M| + |A xor whole| >= |M xor whole| for any A, the same in both."""
    cases = [r.case for r in ready if r.case.scene == ready[4 * (seed % SCENES)].case.scene]

    def skin(frame: int, left: np.ndarray) -> np.ndarray:
        """Some bites, at some time, and dirt."""
        dice = np.random.default_rng([seed, frame])
        dirt = dice.uniform(size=left.shape[1]) < 0.1 * (seed % 3)
        return np.where(dirt, 0.0, left[min(int(dice.integers(0, 3)), len(left) - 1)])

    scored = [answered(suite, case, skin) for case in cases]
    assert score_of(suite, scored) <= 1e-9
    whole = [answered(suite, case, lambda _, left: left[0]) for case in cases]
    assert score_of(suite, whole) == pytest.approx(0.0, abs=1e-12)
    always = [answered(suite, case, lambda _, left: left[-1]) for case in cases]
    assert score_of(suite, always) <= 0.0


def test_what_comes_back_was_never_gone(suite: Bite, ready: list[Ready]) -> None:
    """A solid that is whole in its last frame was never bitten, whatever it showed before."""
    for r in ready:
        layout = layout_of(r)
        last = suite.setting.frames - 1
        got = answered(
            suite, r.case, lambda t, left, end=last: left[0] if t == end else left[-1]
        )  # pixels that are free in the last frame alone count
        if layout.touch:
            assert got.measures["error_kept"] == pytest.approx(got.measures["whole_kept"], rel=0.02)
            assert got.measures["regrown"] > 0.1


def test_the_truth_is_read(suite: Bite, ready: list[Ready]) -> None:
    scored = rows(ready, suite.oracle)
    for name in ("S", "seen", "kept"):
        assert score_of(suite, scored, name) > 0.99, name
    for name in ("alarm", "regrowth", "count_error", "unreadable"):
        assert score_of(suite, scored, name) < 0.01, name
    assert all(r.measures["right"] == 1.0 for r in scored)


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_gains_nothing(suite: Bite, ready: list[Ready], name: str) -> None:
    assert score_of(suite, rows(ready, suite.cheats()[name])) <= 0.05


@pytest.mark.parametrize(
    ("name", "column", "least"),
    [
        ("bites_always", "alarm", 0.95),
        ("bites_early", "alarm", 0.95),
        ("regrows", "regrowth", 0.1),
        ("regrows_hidden", "regrowth", 0.1),
        ("untouched", "count_error", 0.95),
        ("swapped", "count_error", 1.9),
        ("bites_late", "kept", 0.95),
        ("other_solid", "seen", 0.95),
        ("noise", "unreadable", 0.99),
        ("blank", "unreadable", 0.99),
    ],
)
def test_columns_say_what_is_wrong(
    suite: Bite, ready: list[Ready], name: str, column: str, least: float
) -> None:
    assert score_of(suite, rows(ready, suite.cheats()[name]), column) >= least


def test_the_observer_knows_what_the_condition_tells(suite: Bite, ready: list[Ready]) -> None:
    assert score_of(suite, rows(ready, lambda case: suite.observer(case.condition))) > 0.95
    for r in ready:
        told = bite_observer.told(r.case.condition.prompt, suite.setting)
        assert (told.solid, told.colour, told.way) == (
            layout_of(r).solid,
            layout_of(r).colour,
            layout_of(r).way,
        )


@pytest.mark.parametrize("status", ["missing", "invalid", "failed", "refused"])
def test_what_is_lost_counts_as_whole(suite: Bite, ready: list[Ready], status: str) -> None:
    part = ready[:4]
    nothing = [row(r.case, {}, status) for r in part]
    assert score_of(suite, nothing) == pytest.approx(0.0, abs=1e-12)
    good = rows(part, suite.oracle)
    spoilt = [dataclasses.replace(good[0], status=status, measures={}), *good[1:]]
    assert score_of(suite, spoilt) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("name", ["blur", "noise", "gamma 1.6", "tint", "relight", "zoom 3 %", "shift 2 %"])
def test_a_nuisance_takes_no_bite(suite: Bite, ready: list[Ready], name: str) -> None:
    change = nuisance.nuisances(0.21 * 32, 32, 8.0)[name]
    scored = [row(r.case, r.score(Video(change(r.truth.frames), 8.0))) for r in ready]
    assert score_of(suite, scored) > 0.93


def test_damage_lowers_s(suite: Bite, ready: list[Ready]) -> None:
    part = ready[:4]
    for name, kind in suite.damages().items():
        levels = [kind.strengths[0], kind.strengths[-1]]
        clean, worst = (
            score_of(suite, rows(part, lambda case, k=level, d=kind: d.make(case, k))) for level in levels
        )
        assert worst < clean / 2, name
        assert np.array_equal(kind.make(part[0].case, 0.0).frames, part[0].truth.frames)


def test_the_prompt_says_the_command_and_never_what_comes_of_it(suite: Bite) -> None:
    for case in suite.cases(suite.scenes(2, "public")[1]):
        layout = bite.from_facts(case.truth.facts["layout"])
        words = case.condition.prompt
        assert not re.search(r"\b(reach|reaches|bite|bites|bitten|miss|misses|remains|lacks)\b", words)
        assert len(re.findall(r"at \d\.\d\d s", words)) == bite.BITES
        assert bite.prompt(layout, telling=True) != words


@pytest.mark.parametrize(("size", "look"), [((48, 32), "plain"), ((32, 48), "rich"), ((64, 64), "rich")])
def test_any_size_and_look_is_read(suite: Bite, size: tuple[int, int], look: str) -> None:
    setting = dataclasses.replace(suite.setting, width=size[0], height=size[1], look=look)
    other = dataclasses.replace(suite, setting=setting)
    cases = other.cases(suite.scenes(size[0] % 3 + 1, "public")[-1])
    assert score_of(other, [row(c, other.score(c, other.oracle(c))) for c in cases]) > 0.97
    seen = [row(c, other.score(c, other.observer(c.condition))) for c in cases]
    assert score_of(other, seen) > 0.9


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"width": 24}, "use size=32"),
        ({"given": "i2v"}, "use given=act"),
        ({"given": "v2v"}, "use given=act"),
        ({"context": 0}, "1 frame or more"),
        ({"context": 9}, "fewer given frames"),
        ({"frames": 9}, "more in all"),
    ],
)
def test_settings_that_cannot_be_asked_are_refused(suite: Bite, change: dict[str, object], hint: str) -> None:
    setting = dataclasses.replace(suite.setting, **change)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=hint):
        dataclasses.replace(suite, setting=setting)


@pytest.mark.parametrize(
    ("options", "hint"), [({"solid": "cow"}, "ball, cube"), ({"way": "curtain"}, "screen, turn")]
)
def test_worlds_that_cannot_be_are_refused(options: dict[str, str], hint: str) -> None:
    with pytest.raises(UserError, match=hint):
        bite.sample(0, **options)  # type: ignore[arg-type]


def test_turning_brings_the_table_back(suite: Bite, ready: list[Ready]) -> None:
    for r in ready:
        if layout_of(r).way == "turn" and not layout_of(r).touch:
            clip = references.truth(layout_of(r), suite.setting)
            story = references.story_of(r.case, suite.setting, suite.setting.context)
            assert np.array_equal(clip[story.back], clip[story.away - 1])
            assert not np.array_equal(clip[story.back - 2], clip[story.back])
