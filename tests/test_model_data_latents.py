"""Latents on disk: what the VAE gave, in order, from one VAE only."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from model.clips import latents
from model.clips.latents import Latents, covering, half, write_latents
from model.clips.worlds import draw, named
from model.data import Sample
from simbench.errors import UserError
from simbench.worlds.scene import Caption


class Few:
    """Samples of two sizes, some with actions and masks."""

    def __init__(self, count: int = 7) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def sample(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        side, frames = (8, 5) if index % 3 else (16, 1)
        video = rng.integers(0, 256, (frames, side, side, 3), dtype=np.uint8)
        actions = rng.random((frames, 8), np.float32) if index % 2 else None
        mask = rng.integers(0, 2, (frames, side, side), dtype=np.uint8) if index % 3 else None
        return Sample(video, 8.0, Caption(str(index)), actions, None, mask, {"seed": index})


def encode(video: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A stand-in of a VAE: block means in space, first frames of blocks in time."""
    batch, frames, _, height, width = video.shape
    blocks = video.reshape(batch, frames, 3, height // 4, 4, width // 4, 4).mean(axis=(4, 6))
    kept = blocks[:, [0, *range(1, frames, 4)]]
    return kept, -kept


def check_same(a: latents.Latent, b: latents.Latent) -> None:
    for field in dataclasses.fields(a):
        np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name), field.name)


def test_latents_are_what_the_vae_gives(tmp_path: Path) -> None:
    source = Few()
    assert write_latents(tmp_path, source, encode, "vae") == 7
    read = Latents(tmp_path, "vae")
    assert len(read) == 7
    for i in range(7):
        latent, sample = read.latent(i), source.sample(i)
        video = np.moveaxis(sample.video, -1, 1)[None] / 127.5 - 1.0
        mean, logvar = encode(video.astype(np.float32))
        np.testing.assert_allclose(latent.mean, mean[0], atol=1e-3)
        np.testing.assert_allclose(latent.logvar, logvar[0], atol=1e-3)
        assert latent.mean.dtype == np.float16
        assert (latent.frames, latent.size, latent.fps) == (len(sample.video), sample.size, 8.0)
        assert latent.caption == sample.caption and latent.facts == sample.facts
        assert (latent.actions is None) == (sample.actions is None) and latent.camera is None
        if sample.actions is not None:
            assert np.array_equal(latent.actions, sample.actions)
        assert (latent.mask is None) == (sample.mask is None)
    with pytest.raises(IndexError):
        read.latent(7)


def test_interrupted_encoding_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latents, "SHARD", 3)
    calls = 0

    def breaks(video: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise KeyboardInterrupt
        return encode(video)

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    write_latents(whole, Few(), encode, "vae")
    with pytest.raises(KeyboardInterrupt):
        write_latents(broken, Few(), breaks, "vae")
    with pytest.raises(UserError, match="no finished latents; run"):
        Latents(broken, "vae")
    assert write_latents(broken, Few(), encode, "vae") == 4
    assert all(f.read_bytes() == (broken / f.name).read_bytes() for f in whole.iterdir())
    check_same(Latents(whole, "vae").latent(5), Latents(broken, "vae").latent(5))


def test_another_vae_or_source_is_refused(tmp_path: Path) -> None:
    write_latents(tmp_path, Few(), encode, "a" * 64)
    with pytest.raises(UserError, match="encoded by the VAE aaaaaaaaaaaa, the model has bbbbbbbbbbbb"):
        Latents(tmp_path, "b" * 64)
    for source, digest in ((Few(), "b" * 64), (Few(5), "a" * 64)):
        with pytest.raises(UserError, match="another latents"):
            write_latents(tmp_path, source, encode, digest)
    with pytest.raises(UserError, match="nothing to encode"):
        write_latents(tmp_path / "empty", Few(0), encode, "a")
    (tmp_path / "index.json").write_text(json.dumps([]))
    with pytest.raises(UserError, match="not of format"):
        Latents(tmp_path, "a" * 64)


def test_latents_that_float16_cannot_hold() -> None:
    for value in (1e6, np.nan, -np.inf):
        with pytest.raises(UserError, match="latents of sample 4"):
            half(np.array([0.0, value], np.float32), 4)


def test_covering_keeps_the_share_of_moving_pixels() -> None:
    mask = np.zeros((6, 8, 12), np.uint8)
    mask[0, :4, :4] = 3
    mask[1:5, 4:, 8:] = 1
    mask[5] = 1
    share = covering(mask, 2, 3, 4)
    assert share[0].tolist() == [[255, 0, 0], [0, 0, 0]]
    assert share[1].tolist() == [[0, 0, 0], [0, 0, 255]]
    assert (share[2] == 255).all()
    assert covering(mask[:1], 2, 3, 4).tolist() == share[:1].tolist()


def test_pool_clips_carry_their_masks(tmp_path: Path) -> None:
    mix = dataclasses.replace(named("nano"), width=16, height=16, frames=5, samples=1)

    class One(Few):
        def sample(self, index: int) -> Sample:
            return draw(mix, 0, index)

    write_latents(tmp_path, One(2), encode, "vae")
    latent = Latents(tmp_path, "vae").latent(0)
    assert latent.mask is not None and latent.mask.shape == (2, 4, 4) and latent.mask.max() > 0
    assert latent.camera is not None and latent.camera.shape == (5, 3, 4)
