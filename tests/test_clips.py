"""What a run keeps to look at: exact frames, small videos, and numbers by frame that never touch a score."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
import toys
from PIL import Image

from simbench.case import Case, Setting
from simbench.pictures import EXACT, WIDEST, picks, sheet
from simbench.video import Video, decode
from suites.permanence import Permanence


@dataclass(frozen=True)
class Traced(toys.Toy):
    """The toy suite with a trace, and faults in it on demand."""

    trace_fault: str = ""

    def trace(self, case: Case, video: Video) -> Mapping[str, Sequence[float | None]]:
        """Mean brightness of each frame; undefined in the first."""
        if self.trace_fault == "raises":
            raise ValueError("no eyes")
        values: list[float | None] = [float(frame.mean()) for frame in video.frames]
        values[0] = float("nan") if self.trace_fault == "nan" else None
        return {"brightness": values[1:] if self.trace_fault == "short" else values}


def listing(folder: Path) -> list[dict[str, Any]]:
    """The entries of a run's clips.json."""
    found: list[dict[str, Any]] = json.loads((folder / "out" / "clips" / "clips.json").read_text())["clips"]
    return found


def frames_of(path: Path, entry: Mapping[str, Any]) -> np.ndarray:
    """The frames in a sheet, uint8 [T, H, W, 3]."""
    with Image.open(path) as image:
        picture = np.asarray(image.convert("RGB"))
    height, width, columns = entry["sheet_height"], entry["sheet_width"], entry["columns"]
    places = [divmod(t, columns) for t in range(entry["frames"])]
    return np.stack([picture[r * height :, c * width :][:height, :width] for r, c in places])


def test_files_hold_truth_and_answer(tmp_path: Path) -> None:
    toy.go(tmp_path, clips=1)
    clips = tmp_path / "out" / "clips"
    entry = listing(tmp_path)[0]
    for kind in ("truth", "made"):
        exact = decode(clips / f"{entry['name']}-{kind}.mkv")
        assert exact.fps == entry["fps"] == 8
        assert exact.frames.shape == (entry["frames"], entry["height"], entry["width"], 3) == (5, 32, 32, 3)
        assert np.array_equal(frames_of(clips / f"{entry['name']}-{kind}.webp", entry), exact.frames)
        assert len(np.unique(exact.frames.reshape(-1, 3), axis=0)) >= 3, "not blank"
    small = decode(clips / f"{entry['name']}.webm")
    assert small.frames.shape == (5, 64, 130, 3)
    assert np.abs(small.frames[-1][:, :64].astype(float) - small.frames[-1][:, 66:]).mean() < 4
    assert (entry["made"], entry["given"], entry["exact"], entry["picks"]) == (True, 2, True, [0, 1, 2, 3, 4])


def test_what_was_not_made_has_no_file(tmp_path: Path) -> None:
    toy.go(tmp_path, toy.Box("raises on a"), clips=1, max_incomplete=1)
    entry = listing(tmp_path)[0]
    assert (entry["status"], entry["made"], entry["trace"]) == ("failed", False, {})
    made = sorted(p.name for p in (tmp_path / "out" / "clips").glob(f"{entry['name']}*"))
    name = entry["name"]
    assert made == [f"{name}-truth.mkv", f"{name}-truth.webp", f"{name}.png", f"{name}.webm"]


def test_large_clips_are_shown_reduced_and_long_ones_in_rows(tmp_path: Path) -> None:
    large = sheet(np.zeros((3, 4 * EXACT, 5 * EXACT, 3), np.uint8))
    assert (large.width, large.height, large.exact) == (5 * EXACT // 4, EXACT, False)
    frames = np.random.default_rng(0).integers(0, 256, (300, 4, 96, 3), dtype=np.uint8)
    found = sheet(frames)
    assert found.columns == WIDEST // 96 < 300
    path = tmp_path / "sheet.webp"
    path.write_bytes(found.data)
    entry = {"sheet_height": 4, "sheet_width": 96, "columns": found.columns, "frames": 300}
    assert np.array_equal(frames_of(path, entry), frames)


def test_a_strip_shows_first_and_last() -> None:
    assert picks(3) == [0, 1, 2]
    assert picks(17) == [0, 2, 4, 6, 8, 10, 12, 14, 16]


def test_a_suite_without_a_trace_shows_none(tmp_path: Path) -> None:
    toy.go(tmp_path, clips=1)
    assert [(e["trace"], e["trace_reason"]) for e in listing(tmp_path)] == [({}, "")] * 2


def test_a_trace_has_a_number_for_each_frame(tmp_path: Path) -> None:
    toy.go(tmp_path, suites=(Traced(),), clips=1)
    values = listing(tmp_path)[0]["trace"]["brightness"]
    assert len(values) == 5
    assert values[0] is None
    assert all(v > 0 for v in values[1:])


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("raises", "ValueError: no eyes"), ("short", "trace 'brightness' has 4 numbers for 5 frames")],
)
def test_a_trace_that_fails_costs_itself_alone(tmp_path: Path, fault: str, reason: str) -> None:
    assert toy.go(tmp_path, suites=(Traced(trace_fault=fault),), clips=1) == 0
    assert [(e["trace"], e["trace_reason"]) for e in listing(tmp_path)] == [({}, reason)] * 2
    assert (tmp_path / "out" / "clips" / f"{listing(tmp_path)[0]['name']}-made.mkv").is_file()


def test_an_undefined_number_is_null(tmp_path: Path) -> None:
    toy.go(tmp_path, suites=(Traced(trace_fault="nan"),), clips=1)
    assert listing(tmp_path)[0]["trace"]["brightness"][0] is None


def test_a_trace_moves_no_score(tmp_path: Path) -> None:
    for name, suite in (("with", Traced()), ("without", toys.Toy())):
        toy.go(tmp_path / name, suites=(suite,), clips=1)
    assert toy.scores(tmp_path / "with") == toy.scores(tmp_path / "without")


@pytest.mark.parametrize("given", ["v2v", "i2v"])
def test_permanence_tells_by_frame_what_is_seen_and_how_far_off(given: str) -> None:
    suite = Permanence(setting=Setting(given=given, context=5))
    case = next(
        c for c in suite.cases("public-0001") if c.tags == {**c.tags, "trial": "exit", "hidden": True}
    )
    truth = suite.oracle(case)
    own = suite.trace(case, truth)
    assert {len(values) for values in own.values()} == {len(truth.frames)}
    assert max(v for v in own["distance"] if v is not None) < (0.01 if given == "v2v" else 0.2)
    if given == "i2v":
        return
    assert own["seen"] == own["seen in truth"]
    assert min(own["seen"]) == 0.0, "it is hidden for a while"
    gone = suite.trace(case, suite.cheats()["vanish"](case))
    out = [t for t, share in enumerate(own["seen"]) if share > 0.5 and t > own["seen"].index(0.0)]
    assert out
    assert all(gone["seen"][t] == 0 and gone["distance"][t] is None for t in out)
    assert all(gone["seen in truth"][t] > 0.5 for t in out)


def test_permanence_traces_nothing_where_nothing_was_staged() -> None:
    suite = Permanence(setting=Setting(given="i2v", context=5))
    case = suite.cases("public-0001")[0]
    assert suite.trace(case, Video(np.zeros_like(suite.oracle(case).frames), 8.0)) == {}
