"""The whole way for a model that lives elsewhere: export, make files with ffmpeg, check them, score them."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import ffmpeg_files as ff
import pytest

from simbench.case import Case, Setting

SETTING = ("suite=permanence", "size=64", "cases=1")


def python(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python ARGUMENTS` with one thread."""
    place = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    root = Path(__file__).resolve().parent.parent
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=place, cwd=root, timeout=280)


def cases() -> list[Case]:
    """The cases that the command exports."""
    from suites.permanence import Permanence

    suite = Permanence(setting=Setting(width=64, height=64))
    return [case for scene in suite.scenes(1, "public") for case in suite.cases(scene)]


@pytest.mark.slow
@ff.needs_ffmpeg
def test_there_and_back(tmp_path: Path) -> None:
    from suites.permanence import Permanence

    suite = Permanence(setting=Setting(width=64, height=64))
    out, back, run = (tmp_path / name for name in ("out", "back", "run"))
    done = python(tmp_path, "-m", "simbench", *SETTING, "mode=export", f"out={out}")
    assert done.returncode == 0, done.stderr
    with (out / "cases.csv").open() as file:
        rows = {row["case"]: row for row in csv.DictReader(file)}
    made = {case.condition.name: suite.oracle(case).frames for case in cases()}
    assert set(made) == set(rows)

    back.mkdir()
    for name, frames in made.items():
        ff.make(back / rows[name]["file name"].replace(".mp4", ".mkv"), frames, *ff.LOSSLESS)
    done = python(tmp_path, "-m", "simbench.check", f"dir={back}", f"cases={out}")
    assert (done.returncode, done.stdout) == (0, f"{len(made)} of {len(made)} are well, 0 missing, 0 off\n")

    asked = ("generator=videos", f"generator.dir={back}", f"store={tmp_path / 'store'}", f"out={run}")
    done = python(tmp_path, "-m", "simbench", *SETTING, *asked)
    assert done.returncode == 0, done.stdout + done.stderr
    with (run / "scores.csv").open() as file:
        found = [r for r in csv.DictReader(file) if r["role"] in ("subject", "oracle")]
    score = {(r["role"], r["case"], r["metric"]): r["value"] for r in found if r["value"]}
    subject = {key[1:]: value for key, value in score.items() if key[0] == "subject"}
    oracle = {key[1:]: value for key, value in score.items() if key[0] == "oracle"}
    assert subject
    assert subject == oracle, "the truth sent out and back without loss reads as the truth"

    (back / sorted(back.iterdir())[0].name).unlink()
    assert python(tmp_path, "-m", "simbench.check", f"dir={back}", f"cases={out}").returncode == 3
    done = python(tmp_path, "-m", "simbench", *SETTING, *asked)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "1 missing" in done.stdout
