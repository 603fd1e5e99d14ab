"""The VAE: an image is frame 0, a prefix of a clip encodes to a prefix, and chunks make the whole."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import Tensor  # noqa: E402

from model.codec import pca  # noqa: E402
from model.codec.vae import VAE, Stream, latent_frames  # noqa: E402
from model.config import VAEConfig  # noqa: E402
from simbench.errors import UserError  # noqa: E402

pytestmark = pytest.mark.torch

CONFIGS = {
    "linear": VAEConfig(patch=4, widths=(), channels=12),
    "flat": VAEConfig(patch=2, widths=(8,), blocks=1, channels=6, temporal=4),
    "deep": VAEConfig(patch=2, widths=(6, 8, 8), blocks=1, channels=5, temporal=2),
    "still": VAEConfig(patch=4, widths=(8,), blocks=0, channels=6, temporal=1, linear=False),
    "learned": VAEConfig(patch=2, widths=(8, 8), blocks=1, channels=4, temporal=4, linear=False),
}


def made(name: str, seed: int = 0) -> VAE:
    """A VAE in double precision whose every parameter is random: nothing is at its zero start."""
    generator = torch.Generator().manual_seed(seed)
    vae = VAE(CONFIGS[name]).double().eval()
    for tensor in [*vae.parameters(), *vae.buffers()]:
        tensor.data = 0.3 * torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
    vae.std.abs_().add_(0.5)
    return vae.requires_grad_(False)


def clip(frames: int, height: int = 16, width: int = 16, batch: int = 1, seed: int = 1) -> Tensor:
    """Random pixels [B, T, 3, H, W]."""
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(batch, frames, 3, height, width, generator=generator, dtype=torch.float64) - 1


def chunks(total: int, sizes: list[int]) -> list[slice]:
    """Slices of the given sizes that cover `total`, the last as long as is left."""
    out, at = [], 0
    for size in sizes:
        out.append(slice(at, min(at + size, total)))
        at += size
    return [*out, slice(min(at, total), total)]


@pytest.mark.parametrize("name", CONFIGS)
def test_an_image_is_frame_0_of_a_clip(name: str) -> None:
    vae, video = made(name), clip(9)
    whole, image = vae.encode(video), vae.encode(video[:, :1])
    torch.testing.assert_close(whole.mean[:, :1], image.mean)
    torch.testing.assert_close(whole.logvar[:, :1], image.logvar)
    torch.testing.assert_close(vae.decode(whole.mean)[:, :1], vae.decode(image.mean))


@pytest.mark.parametrize("name", CONFIGS)
def test_a_prefix_encodes_to_a_prefix(name: str) -> None:
    vae, video = made(name), clip(13)
    whole, part = vae.encode(video), vae.encode(video[:, :9])
    count = latent_frames(9, vae.config.temporal)
    torch.testing.assert_close(whole.mean[:, :count], part.mean)
    torch.testing.assert_close(vae.decode(whole.mean)[:, :9], vae.decode(part.mean))


@pytest.mark.parametrize("name", CONFIGS)
def test_no_latent_and_no_frame_knows_what_comes_later(name: str) -> None:
    vae, temporal = made(name), CONFIGS[name].temporal
    video = clip(9).requires_grad_()
    latent = vae.encode(video).mean
    latent[:, 1].square().sum().backward()
    assert video.grad is not None
    reached = video.grad.abs().amax((0, 2, 3, 4)) > 0
    assert not reached[1 + temporal :].any() and reached[1 : 1 + temporal].all()
    latent = latent.detach().requires_grad_()
    vae.decode(latent)[:, 1 : 1 + temporal].square().sum().backward()
    assert latent.grad is not None
    reached = latent.grad.abs().amax((0, 2, 3, 4)) > 0
    assert reached[1] and not reached[2:].any()


@pytest.mark.parametrize("name", CONFIGS)
@settings(max_examples=8, deadline=None)
@given(frames=st.integers(1, 14), sizes=st.lists(st.integers(1, 6), max_size=6))
def test_chunks_of_any_length_encode_as_the_whole(name: str, frames: int, sizes: list[int]) -> None:
    vae, video = made(name), clip(frames, 8, 8)
    state: Stream | None = None
    means = []
    parts = chunks(frames, sizes)
    for i, part in enumerate(parts):
        posterior, state = vae.encode_stream(video[:, part], state, last=i == len(parts) - 1)
        means.append(posterior.mean)
    torch.testing.assert_close(torch.cat(means, 1), vae.encode(video).mean)


@pytest.mark.parametrize("name", CONFIGS)
@settings(max_examples=8, deadline=None)
@given(count=st.integers(1, 6), sizes=st.lists(st.integers(1, 3), max_size=4))
def test_chunks_of_any_length_decode_as_the_whole(name: str, count: int, sizes: list[int]) -> None:
    vae = made(name)
    latent = vae.encode(clip(1 + vae.config.temporal * (count - 1), 8, 8)).mean
    state: Stream | None = None
    videos = []
    for part in chunks(count, sizes):
        if part.start < part.stop:
            video, state = vae.decode_stream(latent[:, part], state)
            videos.append(video)
    torch.testing.assert_close(torch.cat(videos, 1), vae.decode(latent))


@pytest.mark.parametrize("name", ["linear", "deep"])
def test_the_state_of_a_stream_does_not_grow(name: str) -> None:
    vae, state, sizes = made(name), None, []
    for i in range(6):
        _, state = vae.encode_stream(clip(8 + (i == 0), 8, 8), state)
        held = [*state.memory] + ([] if state.waiting is None else [state.waiting])
        sizes.append(sum(t.untyped_storage().nbytes() for t in held))
    assert len(set(sizes)) == 1


@pytest.mark.parametrize("frames", range(1, 41))
def test_any_length_comes_back(frames: int) -> None:
    vae, video = made("flat"), clip(frames, 4, 4)
    latent = vae.encode(video).mean
    assert latent.shape[1] == latent_frames(frames, 4)
    assert vae.decode(latent, frames).shape == video.shape


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (16, 17), (31, 8)])
@pytest.mark.parametrize("name", CONFIGS)
def test_any_size_comes_back(name: str, size: tuple[int, int]) -> None:
    vae, video = made(name), clip(5, *size)
    latent = vae.encode(video).mean
    assert latent.shape[3:] == tuple(-(-s // vae.config.spatial) for s in size)
    assert vae.decode(latent, 5, size).shape == video.shape


@pytest.mark.parametrize("name", CONFIGS)
def test_normalise_undoes_and_has_two_sets(name: str) -> None:
    vae, latent = made(name), made(name).encode(clip(9)).mean
    torch.testing.assert_close(vae.denormalise(vae.normalise(latent)), latent)
    torch.testing.assert_close(vae.normalise(latent)[:, 1:], vae.normalise(latent[:, 1:], start=1))
    again = vae.normalise(latent)[:, 0]
    torch.testing.assert_close(again, (latent[:, 0] - vae.mean[0][:, None, None]) / vae.std[0][:, None, None])


def test_a_fresh_network_changes_nothing_under_it() -> None:
    config = VAEConfig(patch=4, widths=(8,), channels=12)
    vae, bare = VAE(config), VAE(CONFIGS["linear"])
    video = clip(9).float()
    torch.testing.assert_close(vae.encode(video).mean, bare.encode(video).mean)
    latent = vae.encode(video).mean
    torch.testing.assert_close(vae.decode(latent), bare.decode(latent))


def test_components_of_all_channels_lose_nothing_and_fewer_lose_least() -> None:
    generator = np.random.default_rng(0)
    coarse = generator.normal(size=(80, 3, 2, 2, 3)).repeat(2, 2).repeat(2, 3)
    clips = np.clip(127 + 40 * coarse + 9 * generator.normal(size=(80, 3, 4, 4, 3)), 0, 255).astype(np.uint8)
    errors = []
    for channels in (24, 6, 3):
        linear = pca.PatchPCA(2, 2, channels)
        assert pca.fit(linear, clips) == 80
        batch = torch.from_numpy(clips).permute(0, 1, 4, 2, 3).float() / 127.5 - 1
        latent = linear.encode(batch, True)
        errors.append(float((linear.decode(latent, True) - batch)[:, 1:].square().mean()))
        flat = latent[:, 1:].transpose(1, 2).flatten(2).transpose(0, 1).flatten(1)
        torch.testing.assert_close(flat.std(1, correction=0), linear.spread[1], atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(
            torch.cov(flat).triu(1), torch.zeros(channels, channels), atol=1e-4, rtol=0
        )
    assert errors[0] < 1e-9 and errors[0] < errors[1] < errors[2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temporal": 3}, "vae.temporal=3 is not 1, 2 or 4"),
        ({"channels": 0}, "must be 1 or more"),
        ({"widths": (8, 0)}, "must be 1 or more"),
        ({"widths": (), "linear": False}, "set vae.linear=true"),
        ({"blocks": -1}, "vae.blocks=-1"),
    ],
)
def test_options_that_make_no_network(options: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        VAE(VAEConfig(**options))


def test_what_cannot_be_encoded_or_decoded() -> None:
    vae = made("flat")
    with pytest.raises(UserError, match="put channels third"):
        vae.encode(clip(5).transpose(2, 4))
    with pytest.raises(UserError, match="divide uint8"):
        vae.encode(clip(5).to(torch.uint8))
    with pytest.raises(UserError, match="give at least one"):
        vae.encode(clip(5)[:, :0])
    with pytest.raises(UserError, match="encode with the same model"):
        vae.decode(clip(5))
    with pytest.raises(UserError, match="cannot give 9 of 16x16"):
        vae.decode(vae.encode(clip(5)).mean, 9)


@pytest.mark.parametrize("shape", [(6, 8, 8, 3), (5, 9, 8, 3), (5, 8, 9, 3)])
def test_clips_that_fit_no_components(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="does not fit the components"):
        pca.fit(pca.PatchPCA(4, 4, 8), [np.zeros(shape, np.uint8)])
    with pytest.raises(UserError, match="no frame after the first"):
        pca.fit(pca.PatchPCA(4, 4, 8), [np.zeros((1, 8, 8, 3), np.uint8)])
