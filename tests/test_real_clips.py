"""The real clips of tests/data: `wild` tells them from their spoilt versions; `plates` over them."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import build
from judged import row, score_of

from simbench.cli import main
from simbench.instruments.wild import Reader, read, reduced
from simbench.instruments.wild_blind import BY_NAME, holds
from simbench.instruments.wild_versions import versions
from simbench.video import decode
from suites import wild_table

DATA = Path(__file__).resolve().parent / "data"
CLIPS = sorted(p for p in DATA.glob("*/*.mp4"))
READER = Reader(side=180, frames=33, gap=4, pairs=3)
SPOILT = ("shuffled", "wobbled", "breathing", "noisy")


def test_each_clip_is_small_and_its_source_and_licence_are_said() -> None:
    said = (DATA / "README.md").read_text() + (DATA / "plates" / "README.md").read_text()
    assert len(CLIPS) == 4
    for path in CLIPS:
        assert path.stat().st_size <= 150_000, path.name
        assert f"{path.parent.name}/{path.name}" in said
        frames = decode(path).frames
        assert len(frames) >= 33 and min(frames.shape[1:3]) >= 150 and frames.std() > 20


def test_wild_tells_a_real_clip_from_its_spoilt_versions() -> None:
    """All that is declared of shuffle, wobble, zoom and noise in any scene. Of shallow ones it is demanded of
    both clips together, with all pairs, below: three pairs of one are too few."""
    clip = reduced(decode(DATA / "wild" / "box.mp4").frames, READER.side)
    made = versions(clip, 0, READER.gap)
    readings = {version: read(made[version], READER).readings() for version in ("original", *SPOILT)}
    for version in SPOILT:
        for measure in wild_table.JUDGED:
            lead = readings["original"][measure].gated - readings[version][measure].gated
            said = BY_NAME[measure].declared(version)
            assert holds(BY_NAME[measure], version, lead), f"{measure}: {said} {version}: {lead:+.3f}"


@pytest.mark.slow
def test_all_that_is_declared_holds_on_the_real_clips(capsys: pytest.CaptureFixture[str]) -> None:
    assert wild_table.main([f"folder={DATA / 'wild'}", "scene=shallow", "frames=33", "gap=4"]) == 0, (
        capsys.readouterr().out
    )


@pytest.mark.parametrize("name", ["box", "telescope"])
def test_plates_refuses_what_moves_by_itself_in_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    shutil.copy(DATA / "wild" / f"{name}.mp4", tmp_path / "clips")
    options = ["mode=plan", "cases=1", "engine=inline", f"store={tmp_path / 'store'}"]
    assert main(["suite=plates", f"plates.folder={tmp_path / 'clips'}", *options]) == 2
    error = capsys.readouterr().err
    assert f"{name}.mp4 has" in error and "still points with texture" in error and error.count("\n") == 1


@pytest.mark.parametrize("name", ["plates", "tree"])
def test_plates_reads_the_truth_of_real_footage(name: str) -> None:
    suite = dataclasses.replace(build("suite", "plates"), folder=str(DATA / name))
    cases = [case for scene in ("public-0000", "public-0001") for case in suite.cases(scene)]
    found = {"oracle": suite.oracle} | {cheat: suite.cheats()[cheat] for cheat in ("hold", "reset")}
    scores = {
        who: score_of(suite, [row(c, suite.score(c, made(c))) for c in cases]) for who, made in found.items()
    }
    assert scores["oracle"] > 0.95 and np.isclose([scores["hold"], scores["reset"]], 0.0, atol=1e-9).all(), (
        scores
    )
