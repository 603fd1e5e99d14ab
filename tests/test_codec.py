"""What codecs do to clips, and what suites make of it."""

from __future__ import annotations

import dataclasses
import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import build

from simbench import codecs
from simbench.codecs import H264, codec_named
from simbench.errors import UserError
from simbench.suite import CaseScore
from suites import codec as command

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    """The truth of a case of permanence."""
    suite = build("suite", "permanence")
    return suite.oracle(suite.cases("public-0000")[0]).frames


def saved(folder: Path, kind: str) -> Path:
    """A tiny untrained autoencoder of diffusers."""
    import torch

    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    ways = {
        "AutoencoderKL": {"block_out_channels": (8,), "norm_num_groups": 2, "latent_channels": 4},
        "AutoencoderKLWan": {"base_dim": 8, "z_dim": 4, "num_res_blocks": 1},
        "AutoencoderTiny": {"encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8),
                            "num_encoder_blocks": (1, 1), "num_decoder_blocks": (1, 1)},
    }  # fmt: skip
    getattr(diffusers, kind)(**ways[kind]).save_pretrained(folder)
    return folder


def spoilt(first: np.ndarray, second: np.ndarray) -> float:
    """Mean squared difference."""
    return float(np.square(first.astype(float) - second).mean())


def test_h264_loses_more_by_its_factor(clip: np.ndarray) -> None:
    lost = [spoilt(codec_named(f"h264:{crf}").roundtrip(clip, 8.0), clip) for crf in (0, 18, 30, 51)]
    assert lost == sorted(lost) and 0 < lost[0] < 0.1 * lost[-1]


def test_h264_says_which_ffmpeg_and_x264_it_is() -> None:
    import av

    found = codec_named("h264:18").identity()
    assert (found["codec"], found["crf"]) == ("h264", 18)
    assert found["pixels"] == "yuv420p" and found["options"]["preset"] == "medium"
    assert found["ffmpeg"] == av.ffmpeg_version_info
    assert re.fullmatch(r"\d+( r\d+ \w+)?", found["x264"])


def test_a_card_knows_no_machine() -> None:
    names = ["model", "model:/data/runs/nano", "diffusers:/data/Wan/vae/", "h264:18"]
    assert [command._shown(name) for name in names] == ["model", "model:nano", "diffusers:vae", "h264:18"]


def test_the_models_own_codec_is_that_of_the_generator(clip: np.ndarray) -> None:
    from simbench.video import Video

    own, generator = codec_named("model"), build("generator", "model")
    back = own.roundtrip(clip, 8.0)
    assert np.array_equal(back, generator.roundtrip(Video(clip, 8.0)).frames)
    assert back.shape == clip.shape and 0 < spoilt(back, clip) < 100
    assert json.dumps(own.identity()["weights"]) == json.dumps(generator.identity()["weights"])


@pytest.mark.parametrize("kind", ["AutoencoderKL", "AutoencoderKLWan", "AutoencoderTiny"])
def test_any_autoencoder_of_diffusers_gives_every_frame_back(
    kind: str, tmp_path: Path, clip: np.ndarray
) -> None:
    made = codec_named(f"diffusers:{saved(tmp_path / 'vae', kind)}")
    odd = np.ascontiguousarray(clip[:6, :30, :26])
    back = made.roundtrip(odd, 8.0)
    assert back.shape == odd.shape and back.dtype == np.uint8
    again = pickle.loads(pickle.dumps(made)).roundtrip(odd, 8.0)
    assert np.array_equal(back, again)
    found = made.identity()
    assert found["options"]["_class_name"] == kind and len(next(iter(found["weights"].values()))) == 64
    turned = made.roundtrip(odd[::-1].copy(), 8.0)[::-1]
    # An image VAE sees each frame alone; a causal video VAE knows which came first.
    assert np.array_equal(turned, back) == (kind != "AutoencoderKLWan")


def test_what_is_filled_up_repeats_the_edge() -> None:
    frames = np.arange(6 * 30 * 26 * 3, dtype=np.uint8).reshape(6, 30, 26, 3)
    filled = codecs._filled(frames, codecs.TEMPORAL)
    assert filled.shape == (9, 32, 32, 3)
    assert np.array_equal(filled[:6, :30, :26], frames) and np.array_equal(filled[8], filled[5])
    assert (filled[:, 30:] == filled[:, 29:30]).all() and (filled[:, :, 26:] == filled[:, :, 25:26]).all()
    assert codecs._filled(filled, codecs.TEMPORAL).shape == filled.shape


def broken(folder: Path, what: str) -> Path:
    """A folder in which something is wrong."""
    folder.mkdir()
    if what != "empty":
        texts = {"no json": "[", "a list": "[]"}
        (folder / "config.json").write_text(texts.get(what, json.dumps({"_class_name": what})))
    if what != "unweighted":
        (folder / "a.safetensors").write_bytes(b"no weights")
    return folder


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("empty", "holds no config.json; name the folder of a diffusers VAE"),
        ("unweighted", "holds no safetensors; pickled weights are not read"),
        ("UNet2DModel", "_class_name='UNet2DModel'; name the folder of an autoencoder"),
        ("AutoencoderOfNobody", "name the folder of an autoencoder"),
        ("AutoencoderKL", "cannot be read as AutoencoderKL"),
        ("no json", "config.json cannot be read"),
        ("a list", "config.json holds no mapping; save the VAE anew"),
    ],
)
def test_folders_that_hold_no_autoencoder(
    what: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], clip: np.ndarray
) -> None:
    pytest.importorskip("diffusers")
    folder = broken(tmp_path / "vae", what)
    with pytest.raises(UserError, match=words):
        codec_named(f"diffusers:{folder}").roundtrip(clip, 8.0)
    assert command.main([f"codec=diffusers:{folder}", "scenes=1", "workers=1"]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["codec=h265:3"], "codec=h265:3 is none; use model, model:FOLDER, h264:CRF or diffusers:FOLDER"),
        (["codec=h264:52"], "must be h264:0 (best) to h264:51 (worst)"),
        (["codec=h264:"], "must be h264:0 (best)"),
        (["codec=,"], "names none; use codec=model"),
        (["codec=diffusers:"], "is none; use model"),
        (["codec=model:nowhere"], "nowhere"),
        (["scenes=0"], "scenes=0 measures nothing"),
        (["suite=nothing"], "suite=nothing"),
        (["card=nowhere.md"], "nowhere.md is no page"),
        (["out=."], "out=. is a folder; name a file"),
        (["codec=h264:20", "space=vision"], "space=vision is unknown"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert command.main(["scenes=2", "workers=1", *arguments]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert words in said[-1] and "Traceback" not in "".join(said)


def test_odd_sizes_are_refused_by_h264(clip: np.ndarray) -> None:
    with pytest.raises(UserError, match="takes even sizes, the clips are 31x32"):
        codec_named("h264:20").roundtrip(clip[:, :, :31], 8.0)


class Exact(H264):
    """A codec that loses nothing."""

    def roundtrip(self, frames: np.ndarray, fps: float) -> np.ndarray:
        """The frames."""
        return frames.copy()


class Black(H264):
    """A codec that loses everything."""

    def roundtrip(self, frames: np.ndarray, fps: float) -> np.ndarray:
        """No light."""
        return np.zeros_like(frames)


def test_what_is_exact_costs_nothing_and_what_is_black_costs_all() -> None:
    suite = build("suite", "permanence")
    chosen = command.Options(scenes=2, workers=1, space="random")
    exact, black = command.measured(suite, [Exact("exact", 0), Black("black", 0)], chosen)
    assert exact["psnr_clips"] == 0 and black["psnr_clips"] == black["clips"]
    assert exact["cost"] == 0.0 and exact["cost_se"] == 0.0 and exact["psnr"] is None
    assert exact["ssim"] == pytest.approx(1.0) and exact["score"] == exact["truth"] > 99
    assert exact["frechet"]["random"]["distance"] == pytest.approx(0.0, abs=1e-6)
    assert black["score"] == pytest.approx(0.0) and black["cost"] == pytest.approx(black["truth"])
    assert (
        black["psnr"] < 15
        and black["frechet"]["random"]["distance"] > 1.0 * black["frechet"]["random"]["floor"]
    )
    page = command.markdown([exact, black], chosen)
    assert "| exact | 100.0 | 100.0 | 0.0 ± 0.0 | exact | 1.000 | 0 |" in page.replace("1e-16", "0")


def test_the_floor_parts_scenes_and_not_the_clips_of_one(clip: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    shown = rng.integers(0, 256, (4, *clip[:5].shape), dtype=np.uint8)

    def passed(scene: int) -> command.Passed:
        """One clip of a scene, of which all clips are alike."""
        row = CaseScore("a", f"s{scene}", 0, {}, 0, "ok", "", {})
        return command.Passed("", row, shown[scene], None, None)

    chosen = command.Options(space="random")
    four = [passed(i // 2) for i in range(8)]
    assert command.frechets(four, four, chosen)["random"]["floor"] > 1e-5
    # Halves of one scene's clips would differ by nothing.
    assert command.frechets(four[:2] * 2, four[:2] * 2, chosen) == {}
    assert command.frechets(four[:4], four[:4], chosen)["random"]["floor"] > 1e-6


def test_clips_that_come_back_exactly_are_counted() -> None:
    suite, chosen = build("suite", "permanence"), command.Options(space="")
    scene = suite.scenes(1, "1005")[0]
    passed = command.pass_scene(command.Task(suite, scene, (Black("black", 0),)))
    truth, back = ([one for one in passed if one.codec == name] for name in ("", "black"))
    some = [dataclasses.replace(one, psnr=None if k == 0 else 30.0) for k, one in enumerate(back)]
    row = command._row(suite, "black", truth, some, chosen)
    assert (row["psnr"], row["psnr_clips"], row["clips"]) == (30.0, len(back) - 1, len(back))
    assert f"| 30.0 ({len(back) - 1}/{len(back)} clips) |" in command.markdown([row], chosen)
    assert row["scenes"] == 1 and f"| {row['cost']:.1f} | 30.0" in command.markdown([row], chosen)
    assert f"| {row['cost']:.1f} ± 0.0 | 30.0" in command.markdown([{**row, "scenes": 2}], chosen)


def test_the_command_writes_its_page_and_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, out = tmp_path / "card.md", tmp_path / "codec.json"
    page.write_text("<!-- codec -->\n<!-- /codec -->\n")
    asked = ["codec=model,h264:40", "scenes=2", "workers=1", "space=random", f"card={page}", f"out={out}"]
    assert command.main(asked) == 0
    lines = [text for text in page.read_text().splitlines() if text.startswith("| permanence")]
    assert [text.split(" | ")[1] for text in lines] == ["model", "h264:40"]
    assert lines[0] in capsys.readouterr().out
    found = json.loads(out.read_text())
    assert set(found["codecs"]) == {"model", "h264:40"} and "weights" in found["codecs"]["model"]
    assert found["rows"][1]["cost"] > 20 > abs(found["rows"][0]["cost"])
