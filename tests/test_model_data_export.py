"""Training sets for others and the command line."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.actions import encode
from model.clips.commands import main
from model.clips.export import export
from model.clips.folder import Folder
from model.clips.worlds import FIRST_SEED, draw, named, rendered
from simbench.errors import UserError
from simbench.video import decode

MIX = dataclasses.replace(
    named("tiny"), families=("voxels", "occluder"), width=32, height=24, frames=5, samples=1
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    assert export(folder, MIX, 4, seed=2, depth="npz", video="mkv") == 4
    return folder


def test_export_holds_what_was_rendered(exported: Path) -> None:
    lines = [json.loads(line) for line in (exported / "captions.jsonl").read_text().splitlines()]
    assert len(lines) == 4 and {line["family"] for line in lines} == {"voxels", "occluder"}
    for index, line in enumerate(lines):
        sample, made = draw(MIX, 2, index), rendered(MIX, 2, index)
        video = decode(exported / line["file"])
        assert video.fps == MIX.fps and np.array_equal(video.frames, sample.video)
        with np.load(exported / line["depth"]) as file:
            assert np.array_equal(file["depth"], made.frames.depth)
        with np.load(exported / line["mask"]) as file:
            assert np.array_equal(file["mask"], sample.mask)
        camera = json.loads((exported / line["camera"]).read_text())
        poses = np.array(camera["poses"])
        assert sample.camera is not None
        np.testing.assert_allclose((poses @ np.linalg.inv(poses[0]))[:, :3], sample.camera, atol=1e-5)
        assert np.array(camera["intrinsics"]).shape == (5, 3, 3)
        assert ("actions" in line) == (line["family"] == "voxels") == (sample.actions is not None)
        if "actions" in line:
            told = json.loads((exported / line["actions"]).read_text())
            assert np.array_equal(encode(told["actions"]), sample.actions)
        assert line["seed"] == sample.facts["seed"] >= FIRST_SEED
        assert line["short"] == sample.caption.short


def test_export_says_what_it_is(exported: Path) -> None:
    text = (exported / "README.txt").read_text()
    for word in ("Apache License", "worlds-train", "depth/000000.npz", "4 clips"):
        assert word in text
    facts = json.loads((exported / "provenance.json").read_text())
    assert facts["seed"] == 2 and facts["first_world"] == FIRST_SEED + (2 << 32) and facts["split"] == "train"
    assert facts["made_with"]["simbench"]


def test_export_is_a_folder_to_train_on(exported: Path) -> None:
    found = Folder(exported)
    assert len(found) == 4 and found.sample(0).caption == draw(MIX, 2, 0).caption
    assert found.report() == "4 videos and 0 images, 4 clips"


def test_export_goes_on(exported: Path) -> None:
    before = {f: f.read_bytes() for f in exported.rglob("*") if f.is_file()}
    (exported / "lines" / "000001.json").unlink()
    assert export(exported, MIX, 4, seed=2, depth="npz", video="mkv") == 1
    assert {f: f.read_bytes() for f in exported.rglob("*") if f.is_file()} == before
    with pytest.raises(UserError, match="another export"):
        export(exported, MIX, 4, seed=3, depth="npz")


def test_depth_images(tmp_path: Path) -> None:
    mix = dataclasses.replace(MIX, families=("orbit",))
    export(tmp_path, mix, 1, depth="png")
    frames, depth = rendered(mix, 0, 0).frames.rgb, rendered(mix, 0, 0).frames.depth
    video = decode(tmp_path / "videos" / "000000.mp4").frames
    assert video.shape == frames.shape and np.abs(video.astype(float) - frames).mean() < 12
    for t in (0, 4):
        image = np.asarray(Image.open(tmp_path / "depth" / "000000" / f"{t:03d}.png"))
        np.testing.assert_allclose(image / 1000.0, np.minimum(depth[t], 65.535), atol=0.00051)
    assert len(Folder(tmp_path)) == 1


def test_exports_that_cannot_be(tmp_path: Path) -> None:
    for clips, depth, video, said in (
        (0, "none", "mp4", "clips=0"),
        (1, "exr", "mp4", "depth=exr"),
        (1, "none", "gif", "video=gif"),
    ):
        with pytest.raises(UserError, match=said):
            export(tmp_path, MIX, clips, depth=depth, video=video)


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["size=16", "frames=5", "samples=1"]
    assert main(["pool", f"out={tmp_path}/pool", "clips=2", *small, "variety.board=0"]) == 0
    assert "2 clips in" in capsys.readouterr().out
    assert main(["pool", f"out={tmp_path}/pool", "clips=2", *small, "variety.board=0"]) == 0
    assert "0 made now" in capsys.readouterr().out
    words = ["clips=1", "size=32x24", "family=paint", "look=plain", "depth=none", "fps=4"]
    assert main(["export", f"out={tmp_path}/set", *words, "frames=5", "samples=1"]) == 0
    assert main(["check", f"dir={tmp_path}/set", "size=16", "frames=3", "fps=4"]) == 0
    assert "1 videos and 0 images, 2 clips" in capsys.readouterr().out
    assert main(["--help"]) == 0 and main([]) == 2
    assert "python -m model.data pool" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("pol out=x", "'pol' is no command"),
        ("pool clips=3", "out= is missing"),
        ("pool out=OUT", "clips= is missing"),
        ("pool out=OUT clips=x", "clips=x is not a whole number"),
        ("pool out=OUT clips=1 seed=1048576", "seed=1048576 is not a whole number from 0"),
        ("pool out=OUT clips=1 clip=2", "clip= is unknown; did you mean clips?"),
        ("pool out=OUT clips=1 variety.bord=0", "did you mean variety.board?"),
        ("pool out=OUT clips=1 zzz.z=0", "see python -m model.data --help"),
        ("pool out=OUT clips=1 variety=0", "variety= is unknown"),
        ("pool out=OUT clips=1 fps=fast", "fps=fast is not a value"),
        ("pool out=OUT clips=1 fps=0", "fps=0 is out of range"),
        ("pool out=OUT clips=1 frames=2.5", "frames=2.5 must be of type int"),
        ("pool out=OUT clips=1 variety.board=2", "variety.board=2 is out of range"),
        ("pool out=OUT clips=1 turn=181", "turn=181 is out of range; use 0 to 180"),
        ("pool out=OUT clips=1 occluder.trials=[1,2]", "not five weights"),
        ("pool out=OUT clips=1 look=grim", "look=grim is unknown"),
        ("pool out=OUT clips=1 mix=big", "mix=big is unknown"),
        ("pool out=OUT clips=1 family=orbits", "did you mean orbit?"),
        ("pool out=OUT clips=1 size=4", "outside 8 to"),
        ("pool out=OUT clips=1 clips=2", "given twice"),
        ("pool out=OUT clips", "is not key=value"),
        ("check", "dir= is missing"),
        ("check dir=OUT", "no videos or images"),
        ("check dir=OUT fps=x", "fps=x is not a number"),
        ("check dir=OUT sise=64", "did you mean size?"),
    ],
)
def test_wrong_words_get_one_line(
    words: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.replace("OUT", str(tmp_path)).split()) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and error.startswith("model.data: ")


def test_the_module_runs_and_loads_nothing_heavy_for_help() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "model.data", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "pool" in done.stdout
    loaded = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert not loaded & {"torch", "numba", "av", "cv2", "hydra", "scipy"}
