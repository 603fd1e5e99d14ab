"""The VAE on disk, its statistics, and the round trip of a video."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from model.codec.files import frames_of, load, pixels, psnr, roundtrip, save  # noqa: E402
from model.codec.fit import fit_linear, measure  # noqa: E402
from model.codec.vae import VAE  # noqa: E402
from model.config import VAEConfig  # noqa: E402
from simbench.errors import UserError  # noqa: E402

pytestmark = pytest.mark.torch


def clips(count: int = 12, frames: int = 5, size: int = 16) -> list[np.ndarray]:
    """Coloured squares that move over noise: uint8 [T, size, size, 3]."""
    generator = np.random.default_rng(0)
    out = []
    for _ in range(count):
        video = generator.integers(90, 120, (frames, size, size, 3)).astype(np.uint8)
        colour, x, y = generator.integers(0, 256, 3), *generator.integers(0, size - 6, 2)
        for t in range(frames):
            video[t, y : y + 5, min(x + t, size - 5) : min(x + t, size - 5) + 5] = colour
        out.append(video)
    return out


def fitted(**options: object) -> VAE:
    """A small linear VAE, fitted and measured."""
    vae = VAE(VAEConfig(**{"patch": 4, "widths": (), "channels": 24, **options}))
    fit_linear(vae, clips())
    measure(vae, clips())
    return vae


@pytest.mark.parametrize("widths", [(), (8,)])
def test_a_file_gives_back_the_same_vae(tmp_path: Path, widths: tuple[int, ...]) -> None:
    vae = fitted(widths=widths)
    save(tmp_path / "vae.safetensors", vae, {"clips": 12})
    again = load(tmp_path / "vae.safetensors")
    assert again.config == vae.config
    for name, tensor in vae.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    assert (roundtrip(again, clips()[0]) == roundtrip(vae, clips()[0])).all()


def test_normalised_latents_of_the_clips_have_mean_0_and_deviation_1_in_both_sets() -> None:
    vae = fitted(channels=52)
    latent = vae.normalise(torch.cat([vae.encode(pixels(c)[None]).mean for c in clips()]))
    for part in (latent[:, :1], latent[:, 1:]):
        flat = part.transpose(0, 2).flatten(1)
        torch.testing.assert_close(flat.mean(1), torch.zeros(52), atol=1e-4, rtol=0)
        varies = flat.std(1) > 1e-3
        torch.testing.assert_close(
            flat.std(1, correction=0)[varies], torch.ones(52)[varies], atol=1e-2, rtol=0
        )
    # A square of one frame has 48 numbers; the last four channels carry nothing and stay exactly 0.
    assert not latent[:, :1, 48:].any() and latent[:, 1:, 48:].any()


def test_whiten_0_keeps_the_proportions_of_the_channels() -> None:
    plain, white = fitted(whiten=0.0), fitted()
    assert plain.std.amax(1).allclose(plain.std.amin(1))
    torch.testing.assert_close(plain.std[:, 0], white.std.square().mean(1).sqrt(), rtol=1e-3, atol=0)


@pytest.mark.parametrize("shape", [(1, 16, 16), (7, 13, 18)])
def test_roundtrip_takes_any_video_and_keeps_it(shape: tuple[int, int, int]) -> None:
    frames = np.tile(clips()[0][:, :, :, :], (2, 1, 2, 1))[: shape[0], : shape[1], : shape[2]]
    vae = fitted(channels=192)
    back = roundtrip(vae, frames)
    assert back.shape == frames.shape and back.dtype == np.uint8
    # 192 channels are all numbers of a group of 4 frames of 4x4 px: only rounding is left.
    assert np.abs(back.astype(int) - frames).max() <= 1


def test_pixels_and_psnr() -> None:
    frames = clips(1)[0]
    assert (frames_of(pixels(frames)) == frames).all()
    assert psnr(frames, frames) == float("inf")
    assert psnr(np.zeros((4, 4), np.uint8), np.full((4, 4), 255, np.uint8)) == 0.0
    assert psnr(np.zeros((4, 4), np.uint8), np.full((4, 4), 51, np.uint8)) == pytest.approx(13.979, abs=1e-3)


def test_files_that_are_no_vae(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "vae.safetensors"
    with pytest.raises(UserError, match=r"does not exist; name a file"):
        load(path)
    path.write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(UserError, match="pickled weights are not read"):
        load(path)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="no options of a VAE"):
        load(path)
    save_file({"x": torch.zeros(1)}, path, {"config": '{"patch": 4, "width": 3}'})
    with pytest.raises(UserError, match=r"unknown option vae.width; did you mean widths"):
        load(path)
    save_file({"x": torch.zeros(1)}, path, {"config": '{"patch": 4}'})
    with pytest.raises(UserError, match="does not fit its own options"):
        load(path)


def test_what_cannot_be_measured() -> None:
    learned = VAE(VAEConfig(patch=4, widths=(8,), channels=4, linear=False))
    with pytest.raises(UserError, match=r"set vae.linear=true"):
        fit_linear(learned, clips())
    with pytest.raises(UserError, match="clips of 2 frames or more"):
        measure(learned, [clips()[0][:1]])
