"""Nothing drops out silently: every way to fail has its status, its reason and its exit code."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import toy
import toys

from simbench import exits, files
from simbench.case import Case
from simbench.errors import UserError
from simbench.suite import CaseScore
from simbench.worlds.scene import Scene

BAD = [
    ("none", "missing", "the generator returned no video"),
    ("refused", "refused", "not allowed"),
    ("text", "invalid", "expected a Video or an array, got str"),
    ("nan", "invalid", "1 NaN frames, first at t=3"),
    ("inf", "invalid", "1 NaN frames, first at t=3"),
    ("beyond", "invalid", "float frames must lie in [0, 1], got -1 to"),
    ("short", "invalid", "expected 5x32x32 at 8 fps, got 4x32x32 at 8 fps"),
    ("small", "invalid", "expected 5x32x32 at 8 fps, got 5x16x16 at 8 fps"),
    ("fast", "invalid", "expected 5x32x32 at 8 fps, got 5x32x32 at 16 fps"),
    ("raises", "failed", "ValueError: I cannot"),
    ("leaves", "failed", "SystemExit: 3"),
    ("no memory at all", "failed", "out of memory at batch=1: MemoryError: no room"),
    ("one too few", "invalid", "asked for 4 videos in a list, got 3"),
    ("a number", "invalid", "asked for 4 videos in a list, got int"),
]


@pytest.mark.parametrize(("mode", "status", "reason"), BAD, ids=[b[0] for b in BAD])
def test_what_comes_back_wrong(tmp_path: Path, mode: str, status: str, reason: str) -> None:
    assert toy.go(tmp_path, toy.Box(mode), scenes=2) == exits.INCOMPLETE
    lines = toy.subject_lines(tmp_path)
    assert [(line["status"], line["metric"], line["value"]) for line in lines] == [(status, "", "")] * 4
    assert all(line["reason"].startswith(reason) for line in lines), lines[0]["reason"]
    row = json.loads((tmp_path / "out" / "summary.json").read_text())["rows"][0]
    assert (row["planned"], row["ok"], row[status], row["score"]) == (4, 0, 4, 0.0)


@pytest.mark.parametrize("mode", ["floats", "float video"])
def test_floats_are_taken(tmp_path: Path, mode: str) -> None:
    assert toy.go(tmp_path, toy.Box(mode)) == exits.OK
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["rows"][0]["score"] == 100


@pytest.mark.parametrize("pool", [False, True])
def test_an_exception_costs_its_own_case_alone(tmp_path: Path, pool: bool) -> None:
    box = toy.Box("raises on a", pool)
    assert toy.go(tmp_path, box) == exits.INCOMPLETE
    assert toy.go(tmp_path, box, max_incomplete=1) == exits.OK
    statuses = [line["status"] for line in toy.subject_lines(tmp_path)]
    assert statuses == ["failed", "ok", "ok", "ok", "ok", "ok"]
    assert "I cannot" in (tmp_path / "out" / "failures.txt").read_text()
    row = json.loads((tmp_path / "out" / "summary.json").read_text())["rows"][0]
    assert row["score"] == pytest.approx(100 * 5 / 6), "a failed case counts as zero"
    assert row["reasons"] == {"failed: ValueError: I cannot": 1}


def test_out_of_memory_halves_the_batch(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert toy.go(tmp_path, toy.Box("memory", log=str(log)), batch=4, scenes=2) == exits.OK
    assert log.read_text().split("\n")[1:-1] == [f"asked {n}" for n in (4, 2, 1, 1, 2, 1, 1)]


def test_failures_all_alike_stop_the_run(tmp_path: Path) -> None:
    log = tmp_path / "log"
    box = toy.Box("raises", log=str(log))
    assert toy.go(tmp_path, box, batch=1, scenes=40) == exits.INCOMPLETE
    assert log.read_text().count("asked") == 8
    lines = toy.subject_lines(tmp_path)
    assert len(lines) == 80
    assert {line["reason"] for line in lines} == {"ValueError: I cannot"}


def test_different_failures_do_not_stop_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    toy.go(tmp_path, toy.Box("raises by name", log=str(log)), batch=1, scenes=6)
    assert log.read_text().count("asked") == 12


def test_failed_videos_are_asked_again_by_the_next_run(tmp_path: Path) -> None:
    assert toy.go(tmp_path, toy.Box("raises")) == exits.INCOMPLETE
    mended = toy.Box("raises")
    object.__setattr__(mended, "answer", lambda c, s: mended.frames(c))
    assert toy.go(tmp_path, mended) == exits.OK


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_a_damaged_store_heals_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    toy.go(tmp_path)
    first = toy.scores(tmp_path)
    for path in (tmp_path / "store").glob("video/*/*/video.mkv"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2 :] = (
            b"" if damage == "truncated" else bytes(b ^ 0xFF for b in data[len(data) // 2 :])
        )
        path.write_bytes(data)
    shutil.rmtree(tmp_path / "store" / "score")
    capsys.readouterr()
    assert toy.go(tmp_path) == exits.OK
    said = capsys.readouterr().err
    assert ("damaged: made again" if damage == "flipped" else "generated 6 videos") in said
    assert toy.scores(tmp_path) == first


def full(*_: object, **__: object) -> None:
    """A disk without room."""
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_stops_with_one_line_and_a_valid_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(UserError, match="disk full"):
        toy.go(tmp_path)
    monkeypatch.undo()
    assert toy.go(tmp_path) == exits.OK


def test_a_disk_that_is_too_small_is_found_before_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    log = tmp_path / "log"
    with pytest.raises(UserError, match=r"disk too small at .*: 0\.1 MB needed for 6 videos, 0\.0 MB free"):
        toy.go(tmp_path, toy.Box(log=str(log)))
    assert "asked" not in log.read_text()
    monkeypatch.undo()


@pytest.mark.parametrize("option", ["out", "store"])
def test_folders_that_cannot_be_written_are_found_first(tmp_path: Path, option: str) -> None:
    (tmp_path / option).write_text("a file, not a folder")
    with pytest.raises(UserError, match=f"cannot write to {option}="):
        toy.go(tmp_path)


def test_a_metric_that_is_no_number_is_named(tmp_path: Path) -> None:
    suite = toys.Toy(fault="nan")
    assert toy.go(tmp_path, toy.Box("noise"), suites=(suite,)) == exits.INCOMPLETE
    line = toy.subject_lines(tmp_path)[0]
    assert (line["status"], line["reason"]) == ("failed", "metric 'hit' is nan; it must be finite or absent")
    assert b"nan," not in toy.scores(tmp_path).replace(b"is nan;", b"")


def test_an_instrument_that_raises_costs_its_case(tmp_path: Path) -> None:
    suite = toys.Toy(fault="raises")
    toy.go(tmp_path, suites=(suite,))
    assert b"failed,scoring: ValueError: black" in toy.scores(tmp_path), "the observer's black video"
    assert {line["status"] for line in toy.subject_lines(tmp_path)} == {"ok"}


def test_an_aggregate_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Broken(toys.Toy):
        def aggregate(self, rows: Sequence[CaseScore]) -> dict[str, dict[str, float]]:
            return {row.scene: {"S": float("inf")} for row in rows}

    with pytest.raises(ValueError, match=r"aggregate gave S=inf for public-0"):
        toy.go(tmp_path, suites=(Broken(),))


def test_double_ids_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"case id .* twice; ids must be unique"):
        toy.go(tmp_path, suites=(toys.Toy(fault="one id"),))

    @dataclass(frozen=True)
    class Twice(toys.Toy):
        def scenes(self, count: int, seed: str) -> list[str]:
            return ["public-0", "public-0"]

    with pytest.raises(UserError, match="scene id 'public-0' twice"):
        toy.go(tmp_path, suites=(Twice(),))


def test_a_suite_without_cases_measures_nothing(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Empty(toys.Toy):
        def cases(self, scene: str) -> list[Case]:
            return []

    with pytest.raises(UserError, match="gives no case; nothing can be measured"):
        toy.go(tmp_path, suites=(Empty(),))
    for changes, text in (
        ({"scenes": 0}, "cases=0"),
        ({"samples": 0}, "samples=0"),
        ({"batch": 0}, "batch=0"),
    ):
        with pytest.raises(UserError, match=text):
            toy.go(tmp_path, **changes)


def test_identities_that_are_no_json_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be part of a key"):
        toy.go(tmp_path, toy.Box(token=Scene))  # type: ignore[arg-type]


def test_a_worker_that_dies_is_told(tmp_path: Path) -> None:
    with toy.local(1) as engine, pytest.raises(UserError, match=r"a worker process died.*workers=1"):
        list(engine.map(die, [1]))


def die(item: int) -> None:
    """End this process as the kernel's memory killer does."""
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)
