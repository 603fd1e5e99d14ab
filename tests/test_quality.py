"""How clips look beside the truth: the truth is 1.00 times its own distance, and nothing is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import build

from suites import quality

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
    assert min(times["truth, shuffled"], times["frozen"], times["copy_last"]) > 5


def test_the_page_holds_every_row_and_every_scene(found: tuple[str, dict[str, dict[str, Any]]]) -> None:
    page, rows = found
    suite = build("suite", "permanence")
    cases = sum(len(suite.cases(scene)) for scene in suite.scenes(4, "public"))
    assert set(rows) == {"truth", "flow", "oracle", *quality.BASELINES, *quality.SPOILT}
    for name, row in rows.items():
        assert row["count"] == cases and row["scenes"] == 4
        assert f"| {name} | {row['answered']}/{cases} | {far(row):.3g} |" in page
    truth = page.split("| truth |")[1].splitlines()[0]
    assert " | 1.00 | " in truth and "LPIPS: not measured: weights missing" in page


def test_what_is_not_answered_is_counted_and_held(found: tuple[str, dict[str, dict[str, Any]]]) -> None:
    # No condition tells the oracle enough, so that as a generator it answers nothing here.
    lost, held = found[1]["oracle"], found[1]["copy_last"]
    assert lost["answered"] == 0 and "within a run only" in lost["reasons"][0]
    assert lost["metrics"] == held["metrics"] and lost["distances"] == held["distances"]


def test_sets_are_compared_across_scenes() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(200, 3))
    first = np.arange(200) % 2 == 0
    itself = quality.distances(truth, truth, first, 1)
    fresh = quality.distances(truth, rng.normal(size=(200, 3)), first, 1)
    assert 0 < itself["frechet"] < 0.5 and fresh["frechet"] == pytest.approx(itself["frechet"], abs=0.2)
    moved = quality.distances(truth, truth + [2.0, 0.0, 0.0], first, 1)
    assert moved["frechet"] == pytest.approx(4.0, abs=0.8)
    assert moved["kernel"] > 5 * abs(itself["kernel"])


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
        ("space=i3d", "space=i3d: weights missing"),
        ("space=,", "space= names none"),
        ("frames=13", "clips of 13 frames, protocol=simbench takes 16; add frames=17"),
        ("card=nowhere.md", "nowhere.md is no page"),
        ("protocol=mine", "protocol=mine"),
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
