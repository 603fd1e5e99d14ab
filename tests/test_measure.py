"""`python -m suites.measure`: pairs of clips by name, what is absent and why, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from picture_peers import texture

from simbench.metrics import motion, pictures
from simbench.stats import t_interval
from simbench.video import Video, encode, encode_preview
from suites import measure

CLIPS = {f"scene_{k}": texture(k, 5, 32, 40) for k in range(3)}


def noisy(clip: np.ndarray, seed: int = 0) -> np.ndarray:
    """The clip with noise of 10 grey levels, uint8."""
    noise = np.random.default_rng(seed).normal(0, 10, clip.shape)
    return np.clip(np.rint(clip + noise), 0, 255).astype(np.uint8)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Three pairs of lossless files."""
    for k, (name, clip) in enumerate(CLIPS.items()):
        encode(Video(noisy(clip, k), 8.0), tmp_path / "generated" / f"{name}.mkv")
        encode(Video(clip, 8.0), tmp_path / "real" / f"{name}.mkv")
    return tmp_path / "generated", tmp_path / "real"


def run(*arguments: str) -> dict[str, Any]:
    """The JSON of a command that succeeds."""
    (out,) = [Path(a.partition("=")[2]) for a in arguments if a.startswith("out=")]
    assert measure.main(arguments) == 0
    return json.loads(out.read_text())


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of a command that is refused."""
    capsys.readouterr()
    assert measure.main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.count("\n") == 1
    return shown.err


def test_pairs(folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    got = run(f"generated={folders[0]}", f"real={folders[1]}", f"out={tmp_path / 'deep' / 'r.json'}")
    assert [clip["name"] for clip in got["clips"]] == list(CLIPS)
    for k, (row, true) in enumerate(zip(got["clips"], CLIPS.values(), strict=True)):
        made = noisy(true, k)
        assert row["values"] == {
            "psnr_mean": pictures.psnr_mean(made, true, 255),
            "psnr_pooled": pictures.psnr_pooled(made, true, 255),
            "squared_error": float(pictures.squared_errors(made, true, 255).mean()),
            "ssim": pictures.ssim(made, true, 255),
            "flicker": motion.flicker(made, 255),
            "motion": motion.flow_magnitude(made, 255),
            "flicker_real": motion.flicker(true, 255),
            "motion_real": motion.flow_magnitude(true, 255),
        }
        assert (row["frames"], row["height"], row["width"], row["fps"]) == (5, 32, 40, 8.0)
        assert row["missing"]["lpips"].startswith("not measured: weights missing; add weights=alexnet")
    each = [row["values"]["ssim"] for row in got["clips"]]
    wanted = t_interval(each)
    assert got["mean"]["ssim"] == pytest.approx(
        {"mean": wanted.mean, "low": wanted.low, "high": wanted.high, "sd": wanted.sd, "count": 3}
    )
    assert "lpips" not in got["mean"]
    shown = capsys.readouterr().out
    assert f"{wanted.mean:.4f}" in shown and "scene_2" in shown
    assert "lpips: not measured: weights missing" in shown and "(3 of 3 clips)" in shown


def test_without_real_only_flicker_and_motion(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    got = run(f"generated={folders[0]}", f"out={tmp_path / 'r.json'}")
    assert all(set(row["values"]) == {"flicker", "motion"} for row in got["clips"])
    assert "without real=FOLDER" in capsys.readouterr().out


def test_what_is_undefined_is_absent(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = CLIPS["scene_0"].copy()
    encode(Video(clip, 8.0), folders[0] / "scene_0.mkv")
    clip = noisy(CLIPS["scene_1"])
    clip[0] = CLIPS["scene_1"][0]
    encode(Video(clip, 8.0), folders[0] / "scene_1.mkv")
    got = run(f"generated={folders[0]}", f"real={folders[1]}", f"out={tmp_path / 'r.json'}")
    same, first, usual = got["clips"]
    assert "psnr_mean" not in same["values"] and "psnr_pooled" not in same["values"]
    assert (
        same["missing"]["psnr_pooled"]
        == "undefined: 5 of 5 frames are identical (skip=N leaves given ones out)"
    )
    assert same["values"]["ssim"] == 1.0
    assert "psnr_mean" not in first["values"] and first["values"]["psnr_pooled"] > 20
    assert got["mean"]["psnr_mean"] == {
        "mean": usual["values"]["psnr_mean"],
        "low": None,
        "high": None,
        "sd": None,
        "count": 1,
    }
    errors = [row["values"]["squared_error"] for row in got["clips"]]
    assert errors[0] == 0.0 < min(errors[1:]) and got["mean"]["psnr_pooled"]["count"] == 2
    # The clip without error counts in the PSNR of all, which is that of one error.
    assert got["psnr"]["mean"] == pytest.approx(-10 * np.log10(np.mean(errors)))
    wide = t_interval(errors)
    assert got["psnr"]["low"] == pytest.approx(-10 * np.log10(wide.high)) and got["psnr"]["count"] == 3
    assert wide.low < 0 and got["psnr"]["high"] is None
    shown = capsys.readouterr().out
    run(f"generated={folders[1]}", f"real={folders[1]}", f"out={tmp_path / 'same.json'}")
    assert "those without error too: without end, no clip has any" in capsys.readouterr().out
    assert "psnr_mean: undefined: 1 of 5 frames are identical" in shown
    said = f"{got['psnr']['mean']:.2f} dB, 95 % interval {got['psnr']['low']:.2f} to without end"
    assert f"PSNR of one error over all 3 clips, those without error too: {said}" in shown
    got = run(f"generated={folders[0]}", f"real={folders[1]}", f"out={tmp_path / 'r.json'}", "skip=1")
    _, first, _ = got["clips"]
    assert first["values"]["psnr_mean"] == pictures.psnr_mean(clip[1:], CLIPS["scene_1"][1:], 255)
    assert first["frames"] == 4 and got["asked"]["skip"] == 1


def test_small_clips_are_measured_as_far_as_they_go(tmp_path: Path) -> None:
    for folder, seed in (("generated", 0), ("real", 1)):
        encode(Video(texture(seed, 2, 10, 10), 8.0), tmp_path / folder / "a.mkv")
    got = run(*(f"{f}={tmp_path / f}" for f in ("generated", "real")), f"out={tmp_path / 'r.json'}")
    (row,) = got["clips"]
    assert set(row["values"]) == {"psnr_mean", "psnr_pooled", "squared_error"}
    assert row["missing"]["ssim"] == "not measured: needs 11 px a side"
    assert row["missing"]["flicker_real"] == "not measured: needs 12 px a side"


def test_folders_of_frames_and_lossy_files(
    tmp_path: Path, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    big = {"a": texture(5, 5, 64, 64)}
    for t, frame in enumerate(big["a"]):
        (tmp_path / "frames" / "a").mkdir(parents=True, exist_ok=True)
        Image.fromarray(frame).save(tmp_path / "frames" / "a" / f"{t:03d}.png")
    encode_preview(Video(big["a"], 8.0), tmp_path / "lossy" / "a.mp4")
    got = run(f"generated={tmp_path / 'lossy'}", f"real={tmp_path / 'frames'}", f"out={tmp_path / 'r.json'}")
    (row,) = got["clips"]
    assert row["lossy"] == ["generated"] and "fps" not in row and row["values"]["psnr_mean"] > 20
    assert "1 of 1 clips come from lossy files" in capsys.readouterr().out


def test_clips_without_a_partner_are_named(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folders[1] / "scene_2.mkv").unlink()
    got = run(f"generated={folders[0]}", f"real={folders[1]}", f"out={tmp_path / 'r.json'}")
    assert len(got["clips"]) == 2
    assert "1 of 3 in generated have no partner and are left out: scene_2" in capsys.readouterr().out


@pytest.mark.torch
def test_lpips_with_weights(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    import lpips_stubs

    lpips_stubs.install(monkeypatch)
    sha256 = lpips_stubs.stub_weights(tmp_path / "trunk.pth")
    pair = (f"generated={folders[0]}", f"real={folders[1]}", f"weights={tmp_path / 'trunk.pth'}")
    got = run(*pair, f"sha256={sha256}", f"out={tmp_path / 'r.json'}")
    assert got["mean"]["lpips"]["count"] == 3 and got["mean"]["lpips"]["mean"] > 0
    assert got["asked"]["sha256"] == sha256


def test_what_cannot_be_compared_is_refused_in_one_line(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generated, real = (f"{n}={f}" for n, f in zip(("generated", "real"), folders, strict=True))
    for name, clip, fps, what in (
        ("size", CLIPS["scene_0"][:, :, :36], 8.0, "scene_0: generated is 40x32 px, real 36x32; scale"),
        ("length", CLIPS["scene_0"][:3], 8.0, "generated has 5 frames, real 3; cut both, or add frames=3"),
        ("rate", CLIPS["scene_0"], 12.0, "generated runs at 8 fps, real at 12; bring"),
    ):
        encode(Video(clip, fps), tmp_path / name / "scene_0.mkv")
        assert what in refused(capsys, generated, f"real={tmp_path / name}")
    assert measure.main([generated, f"real={tmp_path / 'length'}", "frames=3"]) == 0
    encode(Video(CLIPS["scene_0"], 8.0), tmp_path / "others" / "else.mkv")
    said = refused(capsys, generated, f"real={tmp_path / 'others'}")
    assert "no name is in both" in said and "scene_0, scene_1, scene_2" in said and "else" in said
    (tmp_path / "empty").mkdir()
    assert "holds no video" in refused(capsys, f"generated={tmp_path / 'empty'}")
    assert "generated=(none) is not a folder" in refused(capsys, real)
    assert "real=nowhere is not a folder" in refused(capsys, generated, "real=nowhere")
    assert "unknown option reel=x" in refused(capsys, generated, "reel=x")
    assert "scene_0.mkv has 5 frames and skip=5 leaves none" in refused(capsys, generated, "skip=5")
    assert "frames=-1 must be 0 or more" in refused(capsys, generated, "frames=-1")
    assert "scene_0.mkv has 5 frames, frames=6 asks for more" in refused(capsys, generated, "frames=6")
    assert f"out={folders[0]} is a folder; name a file" in refused(capsys, generated, f"out={folders[0]}")
    (folders[0] / "scene_0.mp4").write_bytes(b"")
    assert "holds scene_0 twice (scene_0.mkv, scene_0.mp4); keep one" in refused(capsys, generated)
    (folders[0] / "scene_0.mkv").unlink()
    assert "scene_0.mp4" in refused(capsys, generated)
    assert measure.main(["--help"]) == 0 and measure.main([]) == 2
