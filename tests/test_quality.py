"""How clips look beside the truth: the truth is 1.00 times its own distance, and nothing is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import build

from simbench.errors import UserError
from suites import measure, quality, quality_page
from suites.quality_rows import TRUTH, Clip, across_halves, averages, distances, scaled_states

pytestmark = pytest.mark.torch
SHORT = ["suite=permanence", "scenes=4", "workers=1", "space=random-motion,states"]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, dict[str, Any]]]:
    """The page and, by clips, the rows of a small run."""
    folder = tmp_path_factory.mktemp("quality")
    (folder / "card.md").write_text("<!-- quality -->\n<!-- /quality -->\n")
    out = folder / "quality.json"
    asked = [*SHORT, "generator=flow,oracle", f"card={folder / 'card.md'}", f"out={out}"]
    assert quality.main(asked) == 0
    rows = json.loads(out.read_text())["rows"]
    return (folder / "card.md").read_text(), {row["clips"]: row for row in rows}


def metric(row: dict[str, Any], name: str) -> float:
    """The mean of a metric."""
    return float(row["metrics"][name]["mean"])


def far(row: dict[str, Any]) -> float:
    """The Frechet distance."""
    return float(row["distances"]["random-motion"]["frechet"])


def test_columns_see_what_they_are_for(found: tuple[str, dict[str, dict[str, Any]]]) -> None:
    rows = found[1]
    assert far(rows["flow"]) < far(rows["copy_last"]) and far(rows["flow"]) < far(rows["truth, shuffled"])
    for name in ("copy_last", "frozen"):
        assert metric(rows[name], "motion") < 0.01 < 0.1 < metric(rows["truth"], "motion")
        assert metric(rows[name], "ssim") < metric(rows["flow"], "ssim")
    assert metric(rows["truth, noise"], "flicker") > 5 * metric(rows["truth"], "flicker")
    assert metric(rows["truth, noise"], "psnr_pooled") == pytest.approx(20 * np.log10(255 / 8), abs=0.4)
    # Blind: a picture out of order looks as right to SSIM as one that stands still, or better.
    assert metric(rows["truth, shuffled"], "ssim") > metric(rows["frozen"], "ssim")


def test_states_see_what_happens_and_not_how_it_looks(found: tuple[str, dict[str, dict[str, Any]]]) -> None:
    times = {name: row["distances"]["states"]["frechet"] for name, row in found[1].items()}
    times = {name: value / times["truth"] for name, value in times.items()}
    assert max(times["truth, noise"], times["truth, blurred"]) < 2
    assert times == {name: row["distances"]["states"]["times"] for name, row in found[1].items()}
    assert min(times["truth, shuffled"], times["frozen"], times["copy_last"]) > 5


def test_the_page_holds_every_row_and_every_scene(found: tuple[str, dict[str, dict[str, Any]]]) -> None:
    page, rows = found
    suite = build("suite", "permanence")
    cases = sum(len(suite.cases(scene)) for scene in suite.scenes(4, "public"))
    assert set(rows) == {"truth", "flow", "oracle", *quality.BASELINES, *quality.SPOILT}
    for name, row in rows.items():
        assert row["count"] == cases and row["scenes"] == 4
        assert f"| {name} | {row['answered']}/{cases} | " in page
        assert f"| {name} | {far(row):.3g} | {row['distances']['random-motion']['times']:.2f} |" in page
        assert row["distances"]["random-motion"]["floor"] == far(rows["truth"])
        kernel = row["distances"]["random-motion"]["kernel"]
        assert kernel["low"] <= kernel["value"] <= kernel["high"]
    assert f"| truth | {far(rows['truth']):.3g} | 1.00 | – | 0 |" in page
    assert page.count("LPIPS: not measured: weights missing; add lpips=alexnet-owt-7be5be79.pth") == 1
    assert f"oracle: {cases} of {cases} clips not answered, their last given frame held instead: " in page


def test_what_is_not_answered_is_counted_and_held(found: tuple[str, dict[str, dict[str, Any]]]) -> None:
    # No condition tells the oracle enough, so that as a generator it answers nothing here.
    lost, held = found[1]["oracle"], found[1]["copy_last"]
    assert lost["answered"] == 0 and "within a run only" in next(iter(lost["reasons"]))
    assert sum(lost["reasons"].values()) == lost["count"]
    assert lost["metrics"] == held["metrics"] and lost["distances"] == held["distances"]


def test_lpips_is_measured_with_its_trunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import lpips_stubs

    lpips_stubs.install(monkeypatch)
    trunk = tmp_path / "trunk.pth"
    given = {"lpips": str(trunk), "lpips_sha256": lpips_stubs.stub_weights(trunk)}
    chosen = quality.Options(**given)
    quality._check_lpips(chosen)
    true = np.random.default_rng(3).integers(0, 200, (3, 32, 32, 3), np.uint8)
    values, missing = quality._values("made", true + np.uint8(9), true, quality._pairs(chosen))
    assert values["lpips"] > 0 and "lpips" not in missing
    values, missing = quality._values("made", true, true, measure.Options())
    assert "lpips" not in values and missing["lpips"].startswith("not measured: weights missing; add lpips=")
    with pytest.raises(UserError, match=r"lpips=.*trunk.pth: weights=.* has sha256"):
        quality._check_lpips(quality.Options(**{**given, "lpips_sha256": ""}))


def test_states_weigh_by_their_spread_in_the_truth() -> None:
    def told(who: str, *states: float) -> Clip:
        """A clip of which only its states matter."""
        return Clip(who, "a", np.zeros((1, 8, 8, 3), np.uint8), {}, {}, "", np.array(states))

    truth = [told(TRUTH, 10.0, 0.1, 7.0), told(TRUTH, 30.0, 0.3, 7.0)]
    found = scaled_states({TRUTH: truth, "made": [told("made", 50.0, 0.5, 9.0)]})
    np.testing.assert_allclose(found[TRUTH], [[1.0, 1.0, 7.0], [3.0, 3.0, 7.0]])
    np.testing.assert_allclose(found["made"], [[5.0, 5.0, 9.0]])


def test_sets_are_compared_across_scenes() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(200, 3))
    scenes = np.arange(200) // 2
    first = scenes % 2 == 0
    itself = distances(truth, truth, scenes, first, 1)
    fresh = distances(truth, rng.normal(size=(200, 3)), scenes, first, 1)
    assert 0 < itself["frechet"] < 0.5 and fresh["frechet"] == pytest.approx(itself["frechet"], abs=0.2)
    assert fresh["kernel"]["low"] < 0 < fresh["kernel"]["high"]
    moved = distances(truth, truth + [2.0, 0.0, 0.0], scenes, first, 1)
    assert moved["frechet"] == pytest.approx(4.0, abs=0.8)
    assert moved["kernel"]["low"] > fresh["kernel"]["high"]
    assert moved["limit"]["straight"] and abs(moved["limit"]["value"] - 4.0) < 0.8
    assert itself["limit"]["low"] <= 0 <= itself["limit"]["high"]
    assert fresh["frechet"] != itself["frechet"] == across_halves(truth, truth, first, 1)
    few = scenes < 14
    assert distances(truth[few], truth[few], scenes[few], first[few], 1)["limit"] is None


def test_a_curve_without_end_is_said_to_be_bent() -> None:
    rng = np.random.default_rng(1)
    truth, scenes = rng.normal(size=(96, 300)), np.arange(96) // 2
    row = {"clips": "made", "distances": {"a": distances(truth, truth + 1, scenes, scenes % 2 == 0, 1)}}
    row["distances"]["a"]["times"] = None
    bent = quality_page._sets(row)[2]
    assert bent.endswith("] bent") and not row["distances"]["a"]["limit"]["straight"]


def test_rounding_is_shown_as_nothing() -> None:
    tiny = {"value": 8.9e-16, "low": -1e-15, "high": 9e-16, "straight": False}
    far = {"frechet": 8.9e-16, "times": None, "limit": tiny, "kernel": tiny}
    assert quality_page._sets({"clips": "made", "distances": {"a": far}}) == [
        "0",
        "–",
        "0 [0, 0]",
        "0 [0, 0]",
    ]
    small = {"frechet": 0.00039, "times": 1.0, "limit": {**tiny, "value": 2.1e-5}, "kernel": tiny}
    assert quality_page._sets({"clips": "made", "distances": {"a": small}})[:3] == [
        "0.00039",
        "1.00",
        "2.1e-05 [0, 0] bent",
    ]


def clip_of(scene: str, error: float) -> Clip:
    """A clip with a squared error, and the PSNR that this gives it."""
    values = {"squared_error": error, "ssim": 1.0 - error}
    if error > 0:
        values["psnr_pooled"] = -10 * np.log10(error)
    missing = {} if error > 0 else {"psnr_pooled": "undefined: identical"}
    return Clip("made", scene, np.zeros((1, 8, 8, 3), np.uint8), values, missing, "", np.zeros(0))


def test_an_exact_clip_is_counted_and_lowers_no_error_alone() -> None:
    errors = {"one": (0.01, 0.0), "two": (0.01, 0.1)}
    clips = [clip_of(scene, error) for scene, pair in errors.items() for error in pair]
    found = averages(clips)
    by_clip, ssim = found["psnr_pooled"], found["ssim"]
    assert (by_clip["clips"], by_clip["of"], by_clip["count"]) == (3, 4, 2)
    assert by_clip["mean"] == pytest.approx((20 + (20 + 10) / 2) / 2)
    assert (ssim["clips"], ssim["of"]) == (4, 4)
    # One error for all of them: (0.01 + 0 + 0.01 + 0.1) / 4, to which the exact clip belongs.
    assert found["psnr"]["mean"] == pytest.approx(-10 * np.log10(0.03))
    assert (found["psnr"]["clips"], found["psnr"]["of"]) == (4, 4)
    assert found["psnr"]["low"] < found["psnr"]["mean"] and found["psnr"]["high"] is None
    cells = quality_page._pictures({"answered": 4, "count": 4, "metrics": found})
    assert cells[1].startswith("15.2 [") and cells[1].endswith(", ∞]")
    assert cells[2].startswith("17.5 ± ") and cells[2].endswith(" (3/4 clips)")
    assert "clips" not in cells[3]


def test_what_is_exact_in_every_clip_says_so() -> None:
    found = averages([clip_of(scene, 0.0) for scene in ("one", "two")])
    cells = quality_page._pictures({"answered": 2, "count": 2, "metrics": found})
    assert cells[1:3] == ["exact", "exact"]
    json.dumps(found, allow_nan=False)


def test_the_error_of_the_set_is_that_of_all_its_pixels() -> None:
    """Through the command's own measures: scenes of one size, so that means of means are means."""
    rng = np.random.default_rng(2)
    true = rng.integers(0, 200, (4, 3, 32, 32, 3), np.uint8)
    made = true + np.array([0, 3, 9, 27], np.uint8)[:, None, None, None, None]
    clips = []
    for k, (a, b) in enumerate(zip(made, true, strict=True)):
        values, missing = quality._values("made", a, b, measure.Options())
        clips.append(Clip("made", f"{k // 2}", a, values, missing, "", np.zeros(0)))
    found = averages(clips)
    assert found["psnr"]["mean"] == pytest.approx(20 * np.log10(255) - 10 * np.log10((9 + 81 + 729) / 4))
    assert (found["psnr_pooled"]["clips"], found["psnr_pooled"]["of"]) == (3, 4)


def test_what_is_spoilt_begins_after_the_given_frames() -> None:
    frames = np.random.default_rng(1).integers(0, 256, (9, 32, 32, 3), np.uint8)
    for spoil in quality.SPOILT.values():
        made = spoil(frames, 4, 7)
        assert made.shape == frames.shape and np.array_equal(made[:4], frames[:4])
        assert not np.array_equal(made[4:], frames[4:]) and np.array_equal(made, spoil(frames, 4, 7))
    later = quality.shuffled(frames, 4, 7)[4:]
    assert sorted(map(bytes, later)) == sorted(map(bytes, frames[4:]))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("scenes=3", "scenes=3 is too few for a set; use scenes=4 or more"),
        ("suite=nothing", "suite=nothing is not one of"),
        ("generator=nothing", "generator=nothing is not one of"),
        ("space=vision", "space=vision is unknown"),
        ("space=states,vision", "space=vision is unknown"),
        ("space=i3d", "space=i3d: not measured: weights missing; give weights=FILE.safetensors"),
        ("space=,", "space= names none"),
        ("frames=13", "clips of 13 frames, protocol=simbench takes 16; add frames=17"),
        ("card=nowhere.md", "nowhere.md is no page"),
        ("protocol=mine", "protocol=mine"),
        ("suite=,", "suite=, names none; use suite=permanence"),
        ("lpips=no.pth", "lpips=no.pth: weights=no.pth is no file; LPIPS needs alexnet-owt-7be5be79.pth of"),
        ("speed=2", "unknown option speed=2"),
    ],
)
def test_bad_input_is_one_line(
    asked: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert quality.main([*SHORT, asked]) == 2
    said = capsys.readouterr().err.strip()
    assert words in said and len(said.splitlines()) == 1
