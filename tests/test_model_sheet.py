"""`python -m model.sheet` and `python -m model.halve`: what they write, and a line for each wrong input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_model
from PIL import Image

pytest.importorskip("torch")

import torch

from model import halve, sheet
from model.checkpoint import load_model, read_model
from model.training.config import TrainConfig, without_folders

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.write(tmp_path_factory.mktemp("model") / "told", camera=True)


def test_a_sheet_shows_truth_model_and_the_opposite_turn(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sheet.png"
    words = ["mix=yaw", f"dir={folder}", f"out={out}", "steps=1", "cases=3", "columns=3", "scale=1"]
    assert sheet.main(words) == 0, capsys.readouterr().err
    height, width = np.asarray(Image.open(out)).shape[:2]
    assert width == 2 * (3 * 36 + 4) + 8
    # Two cases on the left: print over three rows of 32 pixels each.
    assert height > 2 * (3 * 36 + 4)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["mix=jaw"], "mix=jaw is unknown; use nano, acts, camera, tiny, words, yaw, phyworld or weighed"),
        (["given=9"], "given=9 is not 0 to 8"),
        (["out=sheet.gif"], "out=sheet.gif is no picture; end it in .png"),
        (["steps=0"], "steps=0 must be 1 or more"),
        (["given=0"], "this model has no text, and no frame is given"),
        (["dir=nowhere"], "checkpoint nowhere does not exist"),
        (["guidence=2"], "did you mean guidance?"),
        (["mix="], "mix= is missing; see python -m model.sheet --help"),
    ],
)
def test_wrong_words_of_a_sheet(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    given = {"mix": "yaw", "dir": str(folder), "out": str(tmp_path / "a.png"), "cases": "1"}
    given |= dict(word.split("=") for word in words)
    assert sheet.main([f"{key}={value}" for key, value in given.items()]) == 2
    printed = capsys.readouterr()
    assert says in printed.err and printed.err.count("\n") == 1 and printed.out == ""


def test_half_the_bytes_and_nearly_the_same_weights(folder: Path, tmp_path: Path) -> None:
    assert halve.main([f"dir={folder}", f"out={tmp_path / 'half'}"]) == 0
    whole, half = load_model(folder), load_model(tmp_path / "half")
    assert all(p.dtype == torch.float32 for p in half.dit.parameters())
    for one, other in zip(whole.dit.parameters(), half.dit.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=2**-8, atol=0.0)
    for one, other in zip(whole.vae.parameters(), half.vae.parameters(), strict=True):
        assert torch.equal(one, other)
    origin = read_model(tmp_path / "half").provenance
    assert origin["rounded"] == "bfloat16"
    files = [f / "model.safetensors" for f in (tmp_path / "half", folder)]
    assert files[0].stat().st_size < 0.6 * files[1].stat().st_size


def test_what_is_given_away_knows_no_folders() -> None:
    told = without_folders(TrainConfig(out="a/run", vae="b/vae.safetensors", init="c/model"))
    assert (told.out, told.vae, told.init) == ("run", "vae.safetensors", "model")


def test_wrong_words_of_halve(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, says in (
        ([f"dir={folder}", f"out={folder}"], "is the model itself"),
        ([f"dir={folder}"], "out= is missing"),
        ([f"dir={folder / 'none'}", "out=x"], "does not exist"),
    ):
        assert halve.main(words) == 2
        assert says in capsys.readouterr().err
