"""The paint suite: zero is a construct that nothing blind to the command can pass, and paint is read."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from conftest import build
from judged import Ready, row, rows, score_of

from simbench.case import Case, Condition
from simbench.errors import UserError
from simbench.export import full_prompt, load_condition
from simbench.instruments import strokes, strokes_judge, strokes_observer
from simbench.references import strokes as references
from simbench.video import Video
from simbench.worlds.families import canvas
from suites.paint import Paint

SCENES = 2
CHEATS = sorted(build("suite", "paint").cheats())


@dataclass(frozen=True)
class Booked(Ready):
    """A case ready to be judged, and what is known of it."""

    book: strokes_judge.Book


def booked(suite: Paint, case: Case) -> Booked:
    """A case of the suite."""
    layout, twin = (canvas.from_facts(case.truth.facts[k]) for k in ("layout", "twin"))
    known = strokes_judge.book(layout, twin, suite.setting)
    return Booked(case, suite.scorer(case), suite.oracle(case), known)


@pytest.fixture(scope="module")
def suite() -> Paint:
    """The suite as the configuration gives it."""
    return build("suite", "paint")


@pytest.fixture(scope="module")
def ready(suite: Paint) -> list[Booked]:
    """The cases of a few scenes."""
    cases = [c for s in suite.scenes(SCENES, "public") for c in suite.cases(s)]
    return [booked(suite, case) for case in cases]


def spoilt(suite: Paint, ready: Sequence[Booked], name: str, metric: str = "S") -> float:
    """A metric of a cheat."""
    return score_of(suite, rows(ready, suite.cheats()[name]), metric)


def test_the_command_alone_tells_which_way_the_brush_goes(suite: Paint) -> None:
    for scene in suite.scenes(4, "public"):
        for trial in canvas.TRIALS:
            a, b = (c for c in suite.cases(scene) if c.tags["trial"] == trial)
            assert np.array_equal(a.condition.given_frames, b.condition.given_frames)
            assert a.condition.poses is not None and b.condition.poses is not None
            assert np.array_equal(a.condition.poses, b.condition.poses)
            assert a.condition.actions is not None and b.condition.actions is not None
            k = suite.setting.context
            assert a.condition.actions[:k] == b.condition.actions[:k]
            assert a.condition.actions[k:] != b.condition.actions[k:]
            told = [re.sub(r"It goes on painting[^.]*\.", "", c.condition.prompt) for c in (a, b)]
            assert told[0] == told[1]


def test_nothing_that_comes_between_shows_in_the_given_frames(suite: Paint) -> None:
    for scene in suite.scenes(4, "public"):
        given = [c.condition.given_frames for c in suite.cases(scene)]
        assert all(np.array_equal(given[0], other) for other in given)


@pytest.mark.parametrize("seed", range(8))
def test_no_answer_blind_to_the_command_beats_the_canvas_kept_as_it_was(
    suite: Paint, ready: list[Booked], seed: int
) -> None:
    """Any map of paint, the same for both ways: the theorem behind zero."""
    rng = np.random.default_rng(seed)
    for a, b in zip(ready[::2], ready[1::2], strict=True):
        mixed = rng.uniform()
        guess = rng.dirichlet(np.full(a.book.true.shape[-1], 0.3), a.book.true.shape[:3])
        guess = mixed * a.book.true + (1 - mixed) * (b.book.true if seed % 2 else guess)
        wrong = sum(float(strokes_judge.weigh(one.book, guess).sum()) for one in (a, b))
        hold = sum(float(strokes_judge.weigh(one.book, one.book.held).sum()) for one in (a, b))
        assert np.array_equal(a.book.weight, b.book.weight)
        assert wrong >= hold * (1 - 0.01)


def test_more_is_given_than_painted(suite: Paint) -> None:
    """So that who loses all given paint in one trial loses what the other trial gains."""
    for scene in suite.scenes(6, "public"):
        for case in suite.cases(scene):
            assert strokes_judge.GIVEN * case.tags["old"] > 1.2 * case.tags["hold"]


def test_the_truth_is_read(suite: Paint, ready: list[Booked]) -> None:
    scored = rows(ready, suite.oracle)
    for name, value in (
        ("S", 1.0),
        ("J", 1.0),
        ("kept", 1.0),
        ("kept_1s", 1.0),
        ("kept_2s", 1.0),
        ("causal", 1.0),
        ("spill", 0.0),
        ("right", 1.0),
    ):
        assert score_of(suite, scored, name) == pytest.approx(value, abs=0.02), name
    assert score_of(suite, scored, "unreadable") == 0.0
    assert score_of(suite, scored, "half_life") == 2.0


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_gains_nothing(suite: Paint, ready: list[Booked], name: str) -> None:
    assert spoilt(suite, ready, name) <= 0.05


def test_no_new_paint_is_zero_by_construction(suite: Paint, ready: list[Booked]) -> None:
    assert spoilt(suite, ready, "no_new_paint") == pytest.approx(0.0, abs=0.01)
    assert spoilt(suite, ready, "no_new_paint", "kept") == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("name", ["noise", "blank", "never_returns"])
def test_what_shows_no_canvas_is_unreadable_and_counts_as_kept(
    suite: Paint, ready: list[Booked], name: str
) -> None:
    assert spoilt(suite, ready, name, "unreadable") > 0.9
    assert spoilt(suite, ready, name) == pytest.approx(0.0, abs=0.05)


def test_each_metric_falls_for_what_it_names(suite: Paint, ready: list[Booked]) -> None:
    assert spoilt(suite, ready, "wiped", "kept") < 0.2
    assert spoilt(suite, ready, "fade", "half_life") < 0.6
    assert spoilt(suite, ready, "new_gone", "kept_1s") < 0.7 < spoilt(suite, ready, "new_gone", "kept_2s")
    assert spoilt(suite, ready, "wiped", "kept_2s") < 0.2 and spoilt(suite, ready, "late", "kept_2s") > 0.9
    assert spoilt(suite, ready, "late", "causal") < 0.3
    assert spoilt(suite, ready, "mirrored_paint", "spill") > 0.08
    assert spoilt(suite, ready, "no_new_paint", "J") < 0.8


def test_paint_that_comes_late_counts_as_wrong_though_it_lies_right(
    suite: Paint, ready: list[Booked]
) -> None:
    one = ready[0]
    story = references.story_of(one.case, suite.setting)
    measures = one.score(Video(references.late(story, 1.0), suite.setting.fps))
    assert measures["lawful"] < 0.3 * measures["came"]
    assert measures["wrong"] >= 0.95 * measures["hold"]


def test_the_observer_knows_what_the_condition_tells(suite: Paint, ready: list[Booked]) -> None:
    assert score_of(suite, rows(ready, lambda case: suite.observer(case.condition))) > 0.9


def test_the_observer_finds_strokes_and_corners(suite: Paint, ready: list[Booked]) -> None:
    for one in ready[::2]:
        layout = canvas.from_facts(one.case.truth.facts["layout"])
        told = strokes_observer.told(one.case.condition, suite.setting)
        assert (told.colour, told.wall) == (layout.colour, layout.wall)
        for time in np.linspace(0.0, 1.85, 40):
            assert canvas.tip(told, time) == pytest.approx(canvas.tip(layout, time), abs=0.01)
        for mine, true in zip(
            strokes_observer.older(told, one.case.condition, suite.setting), layout.old, strict=True
        ):
            ends = [np.array(v[:4]).reshape(2, 2) for v in (mine, true)]
            off = min(np.abs(ends[0] - e).max() for e in (ends[1], ends[1][::-1]))
            assert off < 0.04 and mine[4] == true[4]


@pytest.mark.parametrize("status", ["missing", "invalid", "failed", "refused"])
def test_what_is_lost_counts_as_kept_as_it_was(suite: Paint, ready: list[Booked], status: str) -> None:
    part = ready[:4]
    nothing = suite.aggregate([row(r.case, {}, status) for r in part])
    assert [v["S"] for v in nothing.values()] == [0.0]
    half = [row(r.case, {}, status) for r in part[:2]] + rows(part[2:], suite.oracle)
    assert 0.4 < score_of(suite, half) < 0.6


def test_paint_of_known_shares_is_told_apart() -> None:
    ink = np.array([[227, 227, 222], [222, 31, 33], [31, 69, 224]], np.float32)
    for share, read in ((0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (0.05, 0.0), (0.95, 1.0)):
        found = strokes.compose(ink[0] + share * (ink[2] - ink[0]), ink)
        assert found == pytest.approx([1 - read, 0.0, read, 0.0], abs=0.01)
    assert strokes.compose(np.array([0.0, 255.0, 0.0], np.float32), ink)[-1] == 1.0


def test_texels_lie_where_the_camera_puts_them(suite: Paint, ready: list[Booked]) -> None:
    """The canvas's brown frame begins where texels end: found in pixels, not by the projection."""
    condition = ready[0].case.condition
    assert condition.poses is not None and condition.intrinsics is not None
    uv = strokes.project(condition.poses, condition.intrinsics, 21)
    frame = condition.given_frames[0].astype(int)
    middle = round(float(uv[0, 10, 10, 1]))
    bright = np.flatnonzero(frame[middle].min(axis=-1) > 190)
    assert abs(bright[0] - uv[0, 10, 0, 0]) < 1.6 and abs(bright[-1] - uv[0, 10, -1, 0]) < 1.6


def test_text_only_models_are_told_the_way_in_words(suite: Paint, ready: list[Booked]) -> None:
    told = full_prompt(ready[0].case.condition)
    assert "It goes on painting to" in told and re.search(r"brush 0\.\d+ 0\.\d+", told)


def test_an_exported_condition_comes_back_with_poses_and_actions(
    suite: Paint, ready: list[Booked], tmp_path
) -> None:
    from simbench.export import export_cases

    condition: Condition = ready[0].case.condition
    export_cases(suite, [ready[0].case.scene], tmp_path)
    back = load_condition(tmp_path / condition.name)
    assert back.digest() == condition.digest()


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"width": 24}, "32"),
        ({"given": "i2v"}, "use given=act"),
        ({"given": "v2v"}, "use given=act"),
        ({"given": "t2v"}, "use given=act"),
        ({"given": "cam"}, "use given=act"),
        ({"context": 1}, "context=2"),
        ({"context": 8}, "given frames"),
        ({"frames": 5, "context": 2}, "frames=13"),
    ],
)
def test_settings_that_cannot_be_asked_are_refused(
    suite: Paint, change: dict[str, object], hint: str
) -> None:
    setting = dataclasses.replace(suite.setting, **change)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=re.escape(hint)):
        dataclasses.replace(suite, setting=setting)


@pytest.mark.parametrize(
    ("options", "hint"),
    [({"trial": "cow"}, "passer, away"), ({"branch": 2}, "0 or 1"), ({"parts": 0.6}, "34")],
)
def test_worlds_that_cannot_be_are_refused(options: dict[str, object], hint: str) -> None:
    with pytest.raises(UserError, match=hint):
        canvas.sample(0, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("size", "look"), [((48, 32), "plain"), ((32, 48), "rich"), ((64, 64), "rich")])
def test_any_size_and_look_is_read(suite: Paint, size: tuple[int, int], look: str) -> None:
    setting = dataclasses.replace(suite.setting, width=size[0], height=size[1], look=look)
    other = dataclasses.replace(suite, setting=setting)
    cases = other.cases(suite.scenes(1, "public")[0])
    part = [booked(other, c) for c in cases]
    assert score_of(other, rows(part, other.oracle)) > 0.95
    assert score_of(other, rows(part, lambda c: other.observer(c.condition))) > 0.88
    assert spoilt(other, part, "no_new_paint") == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize(("tool", "surface"), [("cursor", "canvas"), ("brush", "wall"), ("cursor", "wall")])
def test_other_tools_and_surfaces_are_read(suite: Paint, tool: str, surface: str) -> None:
    other = dataclasses.replace(suite, tool=tool, surface=surface)
    part = [booked(other, c) for c in other.cases(suite.scenes(1, "public")[0])]
    assert score_of(other, rows(part, other.oracle)) > 0.98
    assert score_of(other, rows(part, lambda c: other.observer(c.condition))) > 0.9
    assert spoilt(other, part, "no_new_paint") == pytest.approx(0.0, abs=0.02)
    for name in ("wiped", "passer_wipes"):
        # A surface so bare that it cannot be known again would be kept as it was, and lose nothing.
        assert spoilt(other, part, name, "unreadable") == 0.0
        assert spoilt(other, part, name) < -0.2
    said = part[0].case.condition.prompt
    assert (f" {surface} " in said or f" {surface}." in said) and f" {tool} paints on the {surface}" in said


def test_tools_and_surfaces_take_turns_and_are_another_setting(suite: Paint) -> None:
    both = dataclasses.replace(suite, tool="brush+cursor", surface="canvas+wall")
    scenes = suite.scenes(5, "public")
    facts = [both.cases(scene)[0].truth.facts["layout"] for scene in scenes]
    seen = [(layout["tool"], layout["surface"]) for layout in facts]
    assert seen == [("brush", "canvas"), ("brush", "wall"), ("cursor", "canvas"), ("cursor", "wall"), seen[0]]
    assert suite.setting.option == ""
    assert both.setting.name() == f"{suite.setting.name()} tool=brush+cursor surface=canvas+wall"
    assert {c.id for c in both.cases(scenes[0])}.isdisjoint(c.id for c in suite.cases(scenes[0]))
    for option, value, hint in (
        ("tool", "crayon", "brush, cursor"),
        ("surface", "canvas+sky", "canvas, wall"),
    ):
        with pytest.raises(UserError, match=f"{option}=.* is unknown; use one of {hint}"):
            dataclasses.replace(suite, **{option: value})


def test_the_ways_are_mirror_images_that_part_after_the_given_frames() -> None:
    for seed in range(8):
        a, b = (canvas.sample(seed, branch=k) for k in (0, 1))
        for time in np.linspace(0.0, 2.0, 33):
            (xa, ya), (xb, yb) = canvas.tip(a, time), canvas.tip(b, time)
            if time <= a.parts:
                assert (xa, ya) == (xb, yb)
            assert np.hypot(xa, ya) == pytest.approx(np.hypot(xb, yb))
            assert max(abs(xa), abs(ya)) + canvas.RADIUS < canvas.HALF


def test_the_canvas_leaves_the_view_and_is_whole_again(suite: Paint, ready: list[Booked]) -> None:
    for one in ready:
        gone = ~one.book.seen.any(axis=(1, 2))
        assert gone.any() if one.case.tags["trial"] == "away" else not gone.all()
        covered = one.book.seen[6:11].all(axis=0)
        assert not covered.any(), "a part is never hidden"
        assert one.book.view.inside[list(one.book.judged)].all()


GOLDEN_VERSION = 1
GOLDEN = {"oracle": 0.999810042, "late": 0.035198845, "anywhere": -1.394765837, "reset": -0.364320837}
"""Raw S over the first scenes, by reference, of GOLDEN_VERSION."""


def test_scores_are_pinned_by_the_suites_version(suite: Paint, ready: list[Booked]) -> None:
    assert suite.version == GOLDEN_VERSION, "a new version needs new golden scores"
    for name, golden in GOLDEN.items():
        make = suite.oracle if name == "oracle" else suite.cheats()[name]
        assert score_of(suite, rows(ready, make)) == pytest.approx(golden, abs=1e-6), name
