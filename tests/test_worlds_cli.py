"""python -m simbench.worlds: what it writes, and one clear line for every bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from simbench.video import decode
from simbench.worlds import families, sheet
from simbench.worlds.__main__ import main
from simbench.worlds.scene import Scene

SMALL = ["size=32x24", "frames=5", "fps=5", "samples=1"]


def run(*words: str) -> int:
    return main([*words])


def test_mp4_shows_rgb_depth_and_instances(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "clip.mp4"
    assert run("family=orbit", "seed=3", f"out={out}", *SMALL) == 0
    video = decode(out)
    assert video.frames.shape == (5, 24, 96, 3)
    assert video.fps == pytest.approx(5.0)
    printed = capsys.readouterr().out
    assert str(out) in printed
    assert "The camera" in printed
    assert "5 frames of 32x24 at 5 fps: built and rendered in" in printed
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


def test_depth_false_leaves_rgb_alone_and_odd_sizes_are_padded(tmp_path: Path) -> None:
    out = tmp_path / "clip.mp4"
    assert run("family=paint", f"out={out}", *SMALL[1:], "size=33x25", "depth=false") == 0
    assert decode(out).frames.shape == (5, 26, 34, 3)


def test_folder_holds_the_clip_and_all_its_truth(tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    assert run("family=carve", "seed=1", f"out={out}/", "bites=3", *SMALL) == 0
    assert sorted(p.name for p in out.iterdir()) == [
        "caption.json",
        "depth.npz",
        "ids.npz",
        "rgb.mkv",
        "scene.json",
        "tracks.npz",
    ]
    scene = Scene.from_json((out / "scene.json").read_text())
    assert len(scene.carves) == 3
    from simbench.worlds.clip import make_clip

    clip = make_clip(scene, 32, 24, 5, 5.0, samples=1)
    assert (decode(out / "rgb.mkv").frames == clip.rgb).all()
    with np.load(out / "depth.npz", allow_pickle=False) as depth, np.load(out / "ids.npz") as ids:
        assert (depth["depth"] == clip.depth).all()
        assert (ids["ids"] == clip.ids).all()
        assert tuple(ids["names"]) == clip.names
    with np.load(out / "tracks.npz", allow_pickle=False) as tracks:
        assert (tracks["uv"] == clip.uv).all()
        assert (tracks["visible"] == clip.visible).all()
        assert (tracks["poses"] == clip.poses).all()
    words = json.loads((out / "caption.json").read_text())
    assert words["short"] == scene.caption.short
    assert words["structured"]["family"] == "carve"


def test_png_is_a_contact_sheet_and_replaces_an_old_file(tmp_path: Path) -> None:
    from PIL import Image

    out = tmp_path / "sheet.png"
    out.write_text("old")
    assert run("family=look-away", f"out={out}", *SMALL, "columns=3", "look=plain") == 0
    with Image.open(out) as image:
        assert image.size == (3 * 32 + 4 * sheet.GAP, 3 * 24 + 4 * sheet.GAP)


def test_all_families_fill_one_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    out = tmp_path / "all.png"
    assert run("family=all", f"out={out}", *SMALL, "depth=false", "colours=64", "columns=2") == 0
    with Image.open(out) as image:
        assert image.size[1] == len(families.names()) * (24 + sheet.GAP) + sheet.GAP
        assert len(image.convert("RGB").getcolors(10_000)) <= 64
    assert len(capsys.readouterr().out.splitlines()) == len(families.names()) + 2


def test_one_frame_is_enough(tmp_path: Path) -> None:
    out = tmp_path / "one.png"
    assert run("family=orbit", f"out={out}", "frames=1", "size=16", "samples=1") == 0
    assert out.exists()


def test_options_reach_the_family(tmp_path: Path) -> None:
    assert run("family=voxels", f"out={tmp_path}/a/", *SMALL, "actions=forward,turn-left") == 0
    scene = Scene.from_json((tmp_path / "a" / "scene.json").read_text())
    assert [command for _, command in scene.tags["actions"]] == ["forward", "turn-left"]
    assert run("family=occluder", f"out={tmp_path}/b/", *SMALL, "trial=stay", "hidden=false") == 0
    scene = Scene.from_json((tmp_path / "b" / "scene.json").read_text())
    assert "post" in [b.name for b in scene.bodies]


BAD = [
    (["family=orbitt", "out=a.png"], "family=orbitt is unknown; did you mean orbit?"),
    (["out=a.png"], "family= is missing; choose from"),
    (["family=orbit"], "out= is missing"),
    (["family=orbit", "out=a.png", "size=axb"], "size=axb is not a size; write 256 or WIDTHxHEIGHT"),
    (["family=orbit", "out=a.png", "size=2"], "size=2 is out of range; use 8 to 4096"),
    (["family=orbit", "out=a.png", "size=1x2x3"], "size=1x2x3 is not a size"),
    (["family=orbit", "out=a.png", "size=-32"], "size=-32 is not a size"),
    (["family=orbit", "out=a.png", "frames=-1"], "frames=-1 is out of range; use 1 to"),
    (["family=orbit", "out=a.png", "frames=3.5"], "frames=3.5 is not a whole number"),
    (["family=orbit", "out=a.png", "fps=0"], "fps=0 is out of range"),
    (["family=orbit", "out=a.png", "fps=nan"], "fps=nan is out of range"),
    (["family=orbit", "out=a.png", "samples=0"], "samples=0 is out of range"),
    (["family=orbit", "out=a.png", "seed=abc"], "seed=abc is not a whole number"),
    (["family=orbit", "out=a.png", "depth=perhaps"], "depth=perhaps is not true or false"),
    (["family=orbit", "out=a.png", "difficulty=2"], "difficulty=2 is out of range; use a number from 0 to 1"),
    (["family=orbit", "out=a.png", "look=fancy"], "look=fancy is unknown"),
    (["family=orbit", "out=a.png", "backend=gl", "size=8"], "backend"),
    (["family=all", "out=a.mp4"], "family=all makes a contact sheet, out=a.mp4 is none; end it in .png"),
    (["family=all", "out=a.png", "camera=truck"], "camera= is unknown"),
    (["family=orbit", "out=a.png", "colours=1"], "colours=1 is out of range"),
    (["family=orbit", "out=a.gif"], "end it in .mp4, .png or / for a folder"),
    (["family=orbit", "out=a.png", "sise=64"], "sise= is unknown; did you mean size?"),
    (["family=orbit", "out=a.png", "zzz=1"], "zzz= is unknown; known: family, out, seed"),
    (["family=orbit", "out=a.png", "seed"], "'seed' is not key=value"),
    (["family=orbit", "out=a.png", "seed=1", "seed=2"], "seed is given twice"),
    (["family=orbit", "out=a.png", "camera=fly"], "camera=fly is unknown"),
    (["family=carve", "out=a.png", "bites=many"], "bites=many is not a whole number"),
    (["family=orbit", "out=a.png", "stroke=wave"], "stroke= is unknown"),
    (["family=occluder", "out=a.png", "trial=fly"], "trial=fly"),
]


@pytest.mark.parametrize(("words", "message"), BAD, ids=lambda v: v if isinstance(v, str) else " ")
def test_bad_input_is_one_line_and_exit_code_2(
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_unwritable_out_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "taken.png").mkdir()
    for out in (f"{tmp_path}/file/a.png", f"{tmp_path}/file/", f"{tmp_path}/taken.png"):
        began = time.perf_counter()
        assert run("family=orbit", f"out={out}", "size=2048", "frames=500") == 2
        assert time.perf_counter() - began < 2.0
        err = capsys.readouterr().err
        assert "cannot be written" in err
        assert len(err.splitlines()) == 1


def test_nothing_given_prints_the_usage_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "family=orbit" in capsys.readouterr().out


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from simbench.worlds.__main__ import main; assert main(['--help']) == 0;"
        "heavy = {'torch', 'numba', 'cv2', 'av', 'scipy', 'hydra'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        seconds.append(time.perf_counter() - began)
        assert done.returncode == 0, done.stderr
        assert "look-away" in done.stdout
    assert min(seconds) < 1.5


def test_the_renderer_needs_neither_hydra_nor_a_video_library() -> None:
    code = (
        "import sys; sys.modules['av'] = sys.modules['hydra'] = sys.modules['omegaconf'] = None;"
        "from simbench.worlds import families; from simbench.worlds.clip import make_clip;"
        "assert make_clip(families.build('orbit', 0), 16, 16, 2, 2.0, samples=1).rgb.shape == (2, 16, 16, 3)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_module_runs_and_exits_with_its_code(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "simbench.worlds", "family=orbitt", "out=a.png"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=os.environ, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_depth_colours_order_near_to_far_and_leave_the_sky_black() -> None:
    depth = np.array([[[1.0, 2.0, 4.0, 8.0, 0.0]]], dtype=np.float32)
    brightness = sheet.colour_depth(depth)[0, 0].astype(int).sum(axis=1)
    assert (np.diff(brightness) < 0).all()
    assert brightness[-1] == 0
    assert not sheet.colour_depth(np.zeros((1, 2, 2), dtype=np.float32)).any()


def test_instance_colours_differ() -> None:
    ids = np.arange(-1, 20, dtype=np.int32).reshape(1, 1, -1)
    colours = sheet.colour_ids(ids)[0, 0].astype(int)
    assert (colours[0] == 0).all()
    gaps = np.abs(colours[:, None] - colours[None]).sum(axis=-1) + 1000 * np.eye(len(colours), dtype=int)
    assert gaps.min() >= 15


def test_a_contact_sheet_shows_the_first_and_the_last_frame() -> None:
    clip = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 6, 3), dtype=np.uint8)
    image = sheet.contact_sheet([clip, clip[:2]], columns=3)
    assert image.shape == (2 * (4 + sheet.GAP) + sheet.GAP, 3 * (6 + sheet.GAP) + sheet.GAP, 3)
    at = [sheet.GAP + i * (6 + sheet.GAP) for i in range(3)]
    assert [int(image[sheet.GAP, x, 0]) for x in at] == [0, 4, 9]
    lower = 2 * sheet.GAP + 4
    assert [int(image[lower, x, 0]) for x in at] == [0, 1, 255]


def test_fewer_colours_make_a_smaller_png(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    sheet.write_png(tmp_path / "all.png", noise)
    sheet.write_png(tmp_path / "few.png", noise, colours=16)
    assert (tmp_path / "few.png").stat().st_size < 0.5 * (tmp_path / "all.png").stat().st_size
