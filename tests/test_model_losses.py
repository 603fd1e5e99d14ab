"""python -m model.losses: pairs on the same clips and noise."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tiny_model

pytest.importorskip("torch")

from model import losses

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool whose camera moves, and three models."""
    from model.clips.commands import main as make

    folder = tmp_path_factory.mktemp("losses")
    words = ["pool", "mix=nano", "family=orbit", "clips=6", "frames=9", "seed=9"]
    assert make([*words, f"out={folder / 'held'}"]) == 0
    tiny_model.write(folder / "plain")
    tiny_model.write(folder / "apart", seed=1)
    with_codec_of(folder / "plain", folder / "apart", folder / "other")
    tiny_model.write(folder / "told", camera=True)
    tiny_model.write(folder / "deep", given_depth=True)
    assert make([*words, "depth=true", f"out={folder / 'with-depth'}"]) == 0
    return folder


def with_codec_of(codec: Path, rest: Path, folder: Path) -> None:
    """The model in `rest` with the VAE of another."""
    from model.checkpoint import read_model, save_model

    parts = {**read_model(rest).tensors, "vae": read_model(codec).tensors["vae"]}
    save_model(folder, read_model(rest).config, {k: v for k, v in parts.items() if v}, {"what": "random"})


def asked(place: Path, *names: str) -> losses.Options:
    """Options for models of `place`."""
    return losses.Options(tuple(place / name for name in names), place / "held", 6, 5)


def test_a_model_differs_from_itself_by_nothing_and_from_another(place: Path) -> None:
    first, again, other = (losses.losses(place / n, asked(place, n)) for n in ("plain", "plain", "other"))
    assert first.shape == (6,) and np.isfinite(first).all()
    assert np.array_equal(first, again) and not np.allclose(first, other)
    lines = losses.table(asked(place, "plain", "plain", "other")).splitlines()
    assert "+0.0000 (+0.0000 to +0.0000)" in lines[2] and "+0.0000 (" not in lines[3]
    assert "over 6 clips" in lines[0]


def test_a_model_with_a_camera_is_told_it(place: Path) -> None:
    assert np.isfinite(losses.losses(place / "told", asked(place, "told"))).all()


def test_a_model_with_depth_is_told_it_or_not(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = dataclasses.replace(asked(place, "deep"), data=place / "with-depth")
    told = losses.losses(place / "deep", options)
    untold = losses.losses(place / "deep", dataclasses.replace(options, told=False))
    assert np.isfinite([told, untold]).all() and not np.isclose(told, untold).any()
    assert np.array_equal(
        untold, losses.losses(place / "deep", dataclasses.replace(asked(place), told=False))
    )
    assert losses.main([f"dirs={place / 'deep'}", f"data={place / 'held'}"]) == 2
    said = capsys.readouterr().err
    assert "needs clips with their depth" in said and "give told=false" in said and said.count("\n") == 1
    assert losses.main([f"dirs={place / 'deep'}", f"data={place / 'held'}", "told=false"]) == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["data=x"], "dirs= is missing"),
        (["dirs=a", "data=b", "clips=one"], "clips=one is not a whole number of 2"),
        (["dirs=a", "data=b", "told=perhaps"], "told=perhaps is unknown"),
        (["dirs=a", "data=b", "colour=red"], "cannot use 'colour=red'"),
        (["dirs=nowhere", "data=nowhere"], "does not exist"),
    ],
)
def test_what_is_wrong_is_named(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert losses.main(words) == 2
    said = capsys.readouterr().err
    assert says in said and said.count("\n") == 1


def test_losses_in_other_latents_do_not_compare(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dirs = f"dirs={place / 'plain'},{place / 'apart'}"
    assert losses.main([dirs, f"data={place / 'held'}"]) == 2
    said = capsys.readouterr().err
    assert "have other VAEs, so that their losses do not compare" in said and said.count("\n") == 1


def test_one_clip_has_no_interval(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from model.clips.commands import main as make

    words = ["pool", f"out={tmp_path / 'one'}", "mix=nano", "family=orbit", "clips=1", "frames=9"]
    assert make(words) == 0
    capsys.readouterr()
    assert losses.main([f"dirs={place / 'plain'}", f"data={tmp_path / 'one'}"]) == 2
    assert "holds 1 clip; an interval needs 2 or more" in capsys.readouterr().err


def test_nothing_left_to_see(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert losses.main([f"dirs={place / 'plain'}", f"data={place / 'held'}", "given=9"]) == 2
    assert "leaves nothing of 9 frames" in capsys.readouterr().err
