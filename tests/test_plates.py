"""The plates suite: what never changes is zero, the clip is the truth byte for byte, footage is checked."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, build
from judged import LOST, Ready, check_damage, check_refused, made, ready_for, row, rows, score_of

from simbench.case import Case
from simbench.cli import main
from simbench.errors import UserError
from simbench.instruments import plates_course as course
from simbench.instruments import plates_reader as reader
from simbench.instruments import plates_source as source
from simbench.instruments.plates_movers import grown, moved_on, moving
from simbench.references.nuisance import codec, move, nuisances
from simbench.suite import CaseScore
from simbench.video import Video, decode, encode
from suites.plates import Plates, followed, measure

SCENES = 2
FOOTAGE = ROOT / "tests" / "data" / "plates"
CHEATS = sorted(build("suite", "plates").cheats())


@pytest.fixture(scope="module")
def suite() -> Plates:
    """The suite as the configuration gives it."""
    return build("suite", "plates")


@pytest.fixture(scope="module")
def ready(suite: Plates) -> list[Ready]:
    """All cases of the first scenes."""
    cases = [c for s in suite.scenes(SCENES, "public") for c in suite.cases(s)]
    return [ready_for(suite, case) for case in cases]


def layout_of(case: Case) -> course.Layout:
    """The layout behind a case."""
    return course.from_facts(case.truth.facts["layout"])


@pytest.mark.parametrize("seed", range(4))
def test_a_picture_that_never_changes_is_zero(suite: Plates, ready: list[Ready], seed: int) -> None:
    dice = np.random.default_rng(seed)

    def still(case: Case) -> Video:
        """The given frames, then one picture: frames of the truth in random tiles, faded and brightened."""
        truth = suite.oracle(case).frames
        picks = np.kron(dice.integers(0, len(truth), (4, 4)), np.ones((16, 16), int))
        picture = np.take_along_axis(truth, picks[None, ..., None], axis=0)[0]
        picture = np.clip(picture * dice.uniform(0.5, 1.2) + dice.uniform(-20, 20), 0, 255)
        truth[suite.setting.context :] = picture.astype(np.uint8)
        return Video(truth, suite.setting.fps)

    scored = rows(ready, still)
    assert score_of(suite, scored) <= 1e-9
    assert [r.measures["S"] for r in scored if r.case == ready[1].case.id] == [pytest.approx(0.0, abs=1e-12)]


def test_the_truth_is_read(suite: Plates, ready: list[Ready]) -> None:
    scored = rows(ready, suite.oracle)
    assert score_of(suite, scored) > 0.99 and score_of(suite, scored, "moved_on") > 0.97
    assert score_of(suite, scored, "drift") < 0.3


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_gains_nothing(suite: Plates, ready: list[Ready], name: str) -> None:
    bound, score = suite.bounds()[name], score_of(suite, rows(ready, suite.cheats()[name]))
    # The two without a bound remember: they show that there is nothing else in S.
    assert score > 0.95 if bound.at_most is None else score <= 0.05


def test_each_column_sees_its_cheat(suite: Plates, ready: list[Ready]) -> None:
    for one in ready:
        held, blink, away = (made(suite, one, n) for n in ("hold", "blink", "never_returns"))
        assert held["shown"] == held["stale"] == 1.0 and held["path"] == 0.0
        assert held["moved_on"] == pytest.approx(0.0, abs=0.01)
        assert blink["shown"] == 1.0 and blink["stale"] == blink["path"] == 0.0
        assert away["shown"] == 0.0 and away["path"] > 0.4 and "drift" not in away
        assert made(suite, one, "still_world")["moved_on"] == pytest.approx(0.0, abs=0.02)
        assert made(suite, one, "early")["stale"] > 0.8
        assert made(suite, one, "negative")["moved_on"] < 0.0


def test_the_observer_remembers(suite: Plates, ready: list[Ready]) -> None:
    assert score_of(suite, rows(ready, lambda case: suite.observer(case.condition))) > 0.95


@pytest.mark.parametrize("seed", range(4))
def test_a_picture_that_changes_only_as_a_whole_is_zero(suite: Plates, ready: list[Ready], seed: int) -> None:
    dice = np.random.default_rng(seed)

    def flips(case: Case) -> Video:
        """The last given frame, whole in every frame: as it is, grey, negative, pushed aside or upside down;
        as it is again once the view should be back."""
        frames = suite.oracle(case).frames
        last = frames[suite.setting.context - 1]
        kinds = (last, np.full_like(last, 128), 255 - last, np.roll(last, (7, 9), (0, 1)), last[::-1])
        for t in range(suite.setting.context, len(frames)):
            frames[t] = last if t in course.returned(suite.setting) else kinds[dice.integers(len(kinds))]
        return Video(frames, suite.setting.fps)

    scored = rows(ready, flips)
    assert all(r.measures["shown"] == 1.0 and r.measures["stale"] < 0.8 for r in scored)
    assert score_of(suite, scored) <= 0.05


def test_path_needs_both_what_is_in_view_and_what_has_left(suite: Plates, ready: list[Ready]) -> None:
    bench = suite.bench(layout_of(ready[0].case))
    assert bench.parting and all(t >= suite.setting.context for t in bench.parting)
    right = reader.Found(bench.visible, np.zeros_like(bench.gone), np.zeros(2), None)
    lingers = dataclasses.replace(right, stale=bench.gone)
    lost = dataclasses.replace(right, shown=np.zeros_like(bench.visible))
    assert followed(bench, right) == 1.0
    assert followed(bench, lingers) == followed(bench, lost) == 0.0


def test_a_part_that_no_frame_parts_is_not_asked(
    suite: Plates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip(tmp_path / "a.mkv")
    other = dataclasses.replace(suite, folder=str(tmp_path))
    assert all(ready.parting for _, ready in other.chosen("public-0000"))
    monkeypatch.setattr(reader.Bench, "parting", ())
    with pytest.raises(UserError, match=r"a\.mkv has 0 still points"):
        other.chosen("public-0000")


@pytest.mark.parametrize("status", LOST)
def test_what_is_lost_counts_zero(suite: Plates, ready: list[Ready], status: str) -> None:
    found = suite.aggregate([row(r.case, {}, status) for r in ready[:2]])[ready[0].case.scene]
    assert found == {"S": 0.0, "shown": 0.0, "path": 0.0, "stale": 0.0, "moved_on": 0.0}
    half = [rows(ready[:1], suite.oracle)[0], row(ready[1].case, {}, status)]
    assert score_of(suite, half) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("name", ["blur", "noise", "gamma 1.6", "tint", "relight", "zoom 3 %", "shift 2 %"])
def test_a_restyle_costs_little(suite: Plates, ready: list[Ready], name: str) -> None:
    change = nuisances(2 * source.RADIUS * 64, 64, 8.0)[name]
    assert score_of(suite, rows(ready, lambda case: Video(change(suite.oracle(case).frames), 8.0))) > 0.95


def test_a_codec_does_the_same_each_time(ready: list[Ready]) -> None:
    frames = ready[0].truth.frames
    first = codec(frames, 8.0, 18)
    assert all(np.array_equal(codec(frames, 8.0, 18), first) for _ in range(12))


@pytest.mark.parametrize(
    ("name", "strengths"),
    [("shift", (0.02, 0.06)), ("forgotten", (0.0, 0.2, 1.0)), ("late", (0.0, 0.25, 0.75))],
)
def test_damage_lowers_s(suite: Plates, ready: list[Ready], name: str, strengths: tuple[float, ...]) -> None:
    check_damage(suite, ready[0], name, strengths)


def test_the_truth_is_the_clip_byte_for_byte(suite: Plates, ready: list[Ready]) -> None:
    for one in ready:
        layout = layout_of(one.case)
        plate = suite.plate(layout).frames
        x, y = layout.corner
        for t in [*range(suite.setting.context), *course.returned(suite.setting)]:
            assert np.array_equal(one.truth.frames[t], plate[t, y : y + 64, x : x + 64])
        away = int(np.argmax(course.shares(suite.setting)))
        if layout.trial == "pan":
            x, y = layout.far
            assert np.array_equal(one.truth.frames[away], plate[away, y : y + 64, x : x + 64])
        else:
            assert np.array_equal(
                np.unique(one.truth.frames[away]), np.unique(reader.panel(layout.seed, suite.setting))
            )


@pytest.mark.parametrize("side", course.SIDES)
@pytest.mark.parametrize("trial", course.TRIALS)
def test_commands_say_where_the_view_and_the_panel_are(suite: Plates, side: str, trial: str) -> None:
    setting = dataclasses.replace(suite.setting, width=96, height=64)
    layout = course.Layout(5, trial, (77, 202), (106, 3), (0, 13), side)
    shift, panel, told_side = course.told(course.actions(layout, setting), 96, 64)
    assert np.array_equal(shift, course.corners(layout, setting) - np.array(layout.corner))
    assert np.array_equal(panel, course.covered(layout, setting)) and (trial == "pan" or told_side == side)
    assert panel.max() == (0 if trial == "pan" else 96 if side in ("left", "right") else 64)


def test_the_poses_turn_as_the_view_moves(ready: list[Ready]) -> None:
    for one in ready:
        condition, layout = one.case.condition, layout_of(one.case)
        moved = course.corners(layout, dataclasses.replace(build("suite", "plates").setting)) - layout.corner
        grid = np.array([[x, y, 1.0] for x in (0, 32, 64) for y in (0, 32, 64)])
        for pose, lens, shift in zip(condition.poses, condition.intrinsics, moved, strict=True):
            seen = grid @ (lens @ pose[:3, :3] @ np.linalg.inv(lens)).T
            off = seen[:, :2] / seen[:, 2:] - (grid[:, :2] - shift)
            assert np.abs(off).max() < 1.5 and np.hypot(*off[4]) < 0.6


def test_prompts_tell_the_way_and_not_what_is_there(suite: Plates, ready: list[Ready]) -> None:
    for one in ready:
        layout, condition = layout_of(one.case), one.case.condition
        assert re.fullmatch(r"plates-public-\d{4}-[0-9a-f]{8}", condition.name)
        other = dataclasses.replace(layout, seed=layout.seed + 1, clip="x.mp4", digest="y")
        assert course.prompt(other, suite.setting) == condition.prompt
        assert course.actions(other, suite.setting) == condition.actions
        assert ("panel" in condition.prompt) is (layout.trial == "panel")
    assert "moved on" in course.prompt(layout, suite.setting, telling=True)
    first, second = ready[0].case.condition, ready[1].case.condition
    assert np.array_equal(first.given_frames, second.given_frames) and first.actions != second.actions


@pytest.mark.parametrize("size", [(96, 64), (64, 96), (128, 128)])
def test_any_size_is_read(suite: Plates, size: tuple[int, int]) -> None:
    setting = dataclasses.replace(suite.setting, width=size[0], height=size[1])
    other = dataclasses.replace(suite, setting=setting)
    cases = other.cases("public-0001")
    assert score_of(other, [row(c, other.score(c, other.oracle(c))) for c in cases]) > 0.97
    assert score_of(other, [row(c, other.score(c, other.observer(c.condition))) for c in cases]) > 0.9
    assert score_of(other, [row(c, other.score(c, other.cheats()["hold"](c))) for c in cases]) <= 1e-9


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"width": 32}, "size=64"),
        ({"given": "cam"}, "given=act"),
        ({"given": "v2v"}, "given=act"),
        ({"look": "plain"}, "look=rich"),
        ({"frames": 9}, "frames=13"),
        ({"context": 1}, "context=4"),
        ({"context": 9}, "context=4"),
    ],
)
def test_settings_that_cannot_be_asked_are_refused(
    suite: Plates, change: dict[str, object], hint: str
) -> None:
    check_refused(suite, change, hint)


def drawn(kind: str, grain: float = 0.0) -> tuple[course.Layout, source.Plate]:
    """The panel case of a plate of 135x77 px: `weave`, alike every 4 px, or `noise`; with `grain` in time."""
    import cv2

    dice = np.random.default_rng(3)
    y, x = np.mgrid[:77, :135]
    ground = dice.uniform(0, 255, (4, 4, 3))[y % 4, x % 4]
    if kind == "noise":
        ground = 128 + 3 * (cv2.GaussianBlur(dice.uniform(0, 255, (77, 135, 3)), (0, 0), 1.2) - 128)
    frames = np.clip(ground + dice.normal(0.0, grain, (17, 77, 135, 3)), 0, 255).astype(np.uint8)
    layout = course.Layout(4, "panel", (77, 135), (3, 5), (71, 5), "left")
    return layout, source.Plate(frames, np.median(frames, axis=0).astype(np.uint8))


def test_what_looks_alike_every_few_pixels_is_not_asked(suite: Plates) -> None:
    found = {kind: reader.bench(*drawn(kind), suite.setting, 4) for kind in ("weave", "noise")}
    assert len(found["weave"].home) == 0 and len(found["noise"].home) >= reader.PLENTY


def test_a_still_picture_of_grainy_footage_is_zero_to_the_last_patch(suite: Plates) -> None:
    bench = reader.bench(*drawn("noise", grain=2.0), suite.setting, 4)
    other = np.random.default_rng(5).integers(0, 255, (64, 64, 3))
    for weight in np.linspace(0.3, 0.9, 13):
        video = bench.truth.copy()
        video[4:] = (weight * video[3] + (1 - weight) * other).astype(np.uint8)
        found = measure(bench, video)
        assert found["shown"] == pytest.approx(found["stale"], abs=1e-12) and abs(found["S"]) < 1e-12


def test_places_count_from_where_the_given_frames_lie(suite: Plates, ready: list[Ready]) -> None:
    scored = rows(ready, lambda case: Video(move(suite.oracle(case).frames, x=0.04), 8.0))
    assert score_of(suite, scored) > 0.8 and score_of(suite, scored, "drift") < 0.5


def moves(speed: Callable[[int], float]) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [17, 64, 64, 3] of a square, `speed(t)` px from its start, and its mask."""
    dice = np.random.default_rng(1)
    ground = dice.integers(60, 120, (64, 64, 1)).repeat(3, axis=2).astype(np.uint8)
    frames, mask = np.repeat(ground[None], 17, axis=0), np.zeros((17, 64, 64), np.uint8)
    for t in range(17):
        x = round(4 + speed(t))
        frames[t, 30:38, x : x + 8], mask[t, 30:38, x : x + 8] = (250, 40, 40), 1
    return frames, mask


def test_only_a_lawful_motion_is_asked() -> None:
    back = list(range(12, 17))
    even, turning, slow = (
        moves(f)[1] for f in (lambda t: 2.5 * t, lambda t: 2.5 * min(t, 6), lambda t: 0.3 * t)
    )
    assert len(moving(even, back, 4)) == 5
    assert len(moving(turning, back, 4)) == len(moving(slow, back, 4)) == 0
    assert len(moving(np.zeros_like(even), back, 4)) == 0


def test_moved_on_is_one_for_the_truth_and_zero_for_what_is_held() -> None:
    truth, mask = moves(lambda t: 2.5 * t)
    back, places = tuple(range(12, 17)), np.zeros((17, 0, 2))
    still = ~grown(mask.any(axis=0))
    bench = reader.Bench(
        truth, truth[..., 0], places[0], places, places[..., 0] > 0, places[..., 0] > 0, back,
        moving(mask, back, 4), still, np.zeros(2), 4,
    )  # fmt: skip
    held, dim = truth.copy(), (0.6 * truth + 20).astype(np.uint8)
    held[4:] = held[3]
    assert moved_on(bench, truth, np.zeros(2)) == pytest.approx(1.0)
    assert moved_on(bench, held, np.zeros(2)) == pytest.approx(0.0, abs=0.01)
    assert moved_on(bench, dim, np.zeros(2)) > 0.95
    gone, double = truth.copy(), truth.copy()
    gone[4:] = np.where(mask[4:, ..., None] > 0, 90, truth[4:])
    double[4:] = np.where(mask[3][None, ..., None] > 0, truth[3], truth[4:])
    assert max(moved_on(bench, other, np.zeros(2)) for other in (gone, double)) < 0.15
    shifted = np.roll(truth, (2, 1), axis=(1, 2))
    lies_off = moved_on(bench, shifted, np.zeros(2))
    assert moved_on(bench, shifted, np.array([1.0, 2.0])) > max(0.8, lies_off + 0.2)


def test_other_footage_is_another_setting(suite: Plates, tmp_path: Path) -> None:
    clip = (FOOTAGE / "crane.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(clip)
    made = [dataclasses.replace(suite, folder=str(place)) for place in (FOOTAGE, tmp_path)]
    (tmp_path / "a.mp4").write_bytes(clip + b"x")
    made.append(dataclasses.replace(suite, folder=str(tmp_path)))
    names = [one.setting.name() for one in (suite, *made)]
    assert len(set(names)) == 4 and all(name.startswith(f"{names[0]} footage=") for name in names[1:])
    assert dataclasses.replace(made[-1], rate=30.0).setting.name() == names[-1]


def test_footage_is_cut_and_shrunk_and_nothing_else(suite: Plates) -> None:
    other = dataclasses.replace(suite, folder=str(FOOTAGE))
    cases = other.cases("public-0000")
    layout = layout_of(cases[0])
    assert (
        layout.clip == "crane.mp4" and cases[0].truth.digest() != suite.cases("public-0000")[0].truth.digest()
    )
    from simbench.resample import resized

    read = decode(FOOTAGE / "crane.mp4")
    at = [round(layout.start + t * read.fps / 8.0) for t in range(17)]
    plate = resized(read.frames[at], layout.shape[1], layout.shape[0])
    x, y = layout.corner
    assert np.array_equal(other.oracle(cases[1]).frames[-1], plate[-1, y : y + 64, x : x + 64])
    assert score_of(other, [row(c, other.score(c, other.oracle(c))) for c in cases]) > 0.97
    assert score_of(other, [row(c, other.score(c, other.cheats()["hold"](c))) for c in cases]) <= 1e-9
    assert not cases[0].tags["moves"]


def clip(
    place: Path, shape: tuple[int, int] = (80, 144), frames: int = 18, drift: int = 0, fps: float = 8.0
) -> None:
    """A lossless clip of blurred noise that drifts `drift` px a frame to the left."""
    import cv2

    dice = np.random.default_rng(0)
    wide = cv2.GaussianBlur(dice.uniform(0, 255, (shape[0], shape[1] + drift * frames, 3)), (0, 0), 1.2)
    wide = np.clip(128 + 3 * (wide - 128), 0, 255).astype(np.uint8)
    encode(Video(np.stack([wide[:, drift * t : drift * t + shape[1]] for t in range(frames)]), fps), place)


BAD = {
    "missing": (lambda place: place.rmdir(), "is not a folder"),
    "empty": (lambda place: None, "holds no clip"),
    "short": (lambda place: clip(place / "a.mkv", frames=9), "9 frames at 8 fps, 17 are needed"),
    "slow": (lambda place: clip(place / "a.mkv", fps=4.0), "use fps=4"),
    "small": (lambda place: clip(place / "a.mkv", shape=(60, 100)), "100x60 px, size=64x64 needs 135x77"),
    "unreadable": (lambda place: (place / "a.mp4").write_bytes(b"no clip"), "a.mp4: cannot be decoded"),
    "no frames": (lambda place: (place / "shots").mkdir(), "shots/: no png or jpg frames"),
    "moving": (lambda place: clip(place / "a.mkv", drift=3), "still points with texture"),
}


@pytest.mark.parametrize("kind", sorted(BAD))
def test_footage_that_cannot_be_asked_is_refused_by_name(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "my clips, all=mine"
    place.mkdir()
    spoil, said = BAD[kind]
    spoil(place)
    options = ["mode=plan", "cases=1", "engine=inline", f"store={tmp_path / 'store'}"]
    assert main(["suite=plates", f"plates.folder={place}", *options]) == 2
    error = capsys.readouterr().err
    assert said in error and str(place) in error and error.count("\n") <= 1 and "Traceback" not in error


def test_a_clip_that_stands_still_is_asked_and_its_change_noticed(suite: Plates, tmp_path: Path) -> None:
    clip(tmp_path / "b.mkv", frames=20)
    other = dataclasses.replace(suite, folder=str(tmp_path))
    (case, _) = other.cases("public-0000")
    assert other.score(case, other.oracle(case))["S"] > 0.97
    (tmp_path / "b.mkv").unlink()
    clip(tmp_path / "b.mkv", shape=(90, 160), frames=20)
    source.footage.cache_clear()
    with pytest.raises(UserError, match=r"b\.mkv has changed"):
        other.oracle(case)


def test_caches_keep_few_plates(suite: Plates) -> None:
    for scene in suite.scenes(3, "6"):
        suite.chosen(scene)
    assert source._made.cache_info().currsize <= 4 and source.footage.cache_info().maxsize == 1


def test_the_trace_follows_the_points(suite: Plates, ready: list[Ready]) -> None:
    traced = suite.trace(ready[0].case, ready[0].truth)
    assert traced["points shown"] == traced["points in view"] and traced["points in view"][-1] == 1.0
    assert traced["points in view"][:4] == [None] * 4 and min(traced["points in view"][4:]) == 0.0


GOLDEN = {"oracle": 1.0, "ghost": 0.0}
"""Raw S over the first scenes, by reference, of version 2."""


def test_scores_are_pinned_by_the_suites_version(suite: Plates, ready: list[Ready]) -> None:
    assert suite.version == 2, "a new version needs new golden scores"
    for name, golden in GOLDEN.items():
        make = suite.oracle if name == "oracle" else suite.cheats()[name]
        scored: list[CaseScore] = rows(ready, make)
        assert score_of(suite, scored) == pytest.approx(golden, abs=1e-6), name
