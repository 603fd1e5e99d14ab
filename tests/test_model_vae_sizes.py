"""Tiles, named sizes and the count of operations of the VAE."""

from __future__ import annotations

from itertools import pairwise

import pytest

torch = pytest.importorskip("torch")

from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from model.codec.flops import flops  # noqa: E402
from model.codec.presets import PRESETS, preset  # noqa: E402
from model.codec.tiles import blended, spans  # noqa: E402
from model.codec.vae import VAE  # noqa: E402
from model.config import VAEConfig  # noqa: E402
from simbench.errors import UserError  # noqa: E402

pytestmark = pytest.mark.torch


def drawn(config: VAEConfig) -> VAE:
    """A VAE with random weights everywhere, as a trained one has them."""
    generator = torch.Generator().manual_seed(0)
    vae = VAE(config).double().requires_grad_(False)
    for tensor in vae.parameters():
        scale = 0.7 / max(tensor[0].numel(), 1) ** 0.5
        tensor += scale * torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
    return vae


def clip(frames: int, height: int, width: int) -> torch.Tensor:
    """Pixels [1, T, 3, H, W] with a slope and some noise."""
    generator = torch.Generator().manual_seed(1)
    slope = torch.linspace(-0.5, 0.5, width, dtype=torch.float64)
    return slope + 0.2 * torch.randn(1, frames, 3, height, width, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("length", "tile", "overlap"), [(5, 8, 2), (8, 8, 2), (20, 8, 2), (21, 8, 7), (9, 8, 0)]
)
def test_spans_cover_all_and_share_what_they_must(length: int, tile: int, overlap: int) -> None:
    found = spans(length, tile, overlap)
    assert found[0][0] == 0 and found[-1][1] == length
    assert all(stop - start == min(tile, length) for start, stop in found)
    assert all(a[1] - b[0] >= overlap and b[0] > a[0] for a, b in pairwise(found))


def test_blending_what_was_not_changed_changes_nothing() -> None:
    x = clip(2, 21, 34)
    torch.testing.assert_close(blended(lambda y: y, x, 8, 3, 1), x)
    twice = blended(lambda y: y.repeat_interleave(2, -1).repeat_interleave(2, -2), x, 8, 3, 2)
    torch.testing.assert_close(twice, x.repeat_interleave(2, -1).repeat_interleave(2, -2))


def test_blending_runs_linearly_from_one_tile_to_the_next() -> None:
    calls = iter(range(2))
    mixed = blended(lambda y: torch.full_like(y, next(calls)), torch.zeros(1, 12), 8, 4, 1)
    torch.testing.assert_close(mixed[0], torch.tensor([0, 0, 0, 0, 0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1]))


def test_tiles_of_the_linear_codec_are_the_whole() -> None:
    vae = drawn(VAEConfig(patch=4, widths=(), channels=20))
    video = clip(5, 37, 50)
    whole, tiled = vae.encode(video), vae.encode_tiled(video, 16, 8)
    torch.testing.assert_close(tiled.mean, whole.mean)
    torch.testing.assert_close(tiled.logvar, whole.logvar)
    decoded = vae.decode_tiled(whole.mean, 5, (37, 50), 16, 8)
    torch.testing.assert_close(decoded, vae.decode(whole.mean, 5, (37, 50)))


def test_tiles_of_a_network_are_close_to_the_whole_and_closer_with_more_overlap() -> None:
    vae, video = drawn(VAEConfig(patch=2, widths=(8, 8), channels=6)), clip(1, 96, 96)
    whole = vae.encode(video).mean
    back = vae.decode(whole)
    errors = []
    for overlap in (8, 32):
        latent = vae.encode_tiled(video, 64, overlap).mean
        pixels = vae.decode_tiled(whole, tile=64, overlap=overlap)
        errors.append([float((a - b).abs().mean() / b.std()) for a, b in ((latent, whole), (pixels, back))])
    narrow, wide = errors
    assert max(wide) < 0.02 and wide[0] < narrow[0] and wide[1] < narrow[1], errors


@pytest.mark.parametrize(
    ("tile", "overlap", "words"), [(30, 8, "multiples of 4 px"), (16, 16, "below tile=")]
)
def test_tiles_that_do_not_work(tile: int, overlap: int, words: str) -> None:
    vae = drawn(VAEConfig(patch=4, widths=(), channels=8))
    with pytest.raises(UserError, match=words):
        vae.encode_tiled(clip(1, 32, 32), tile, overlap)


@pytest.mark.parametrize(
    "config",
    [
        VAEConfig(patch=4, widths=(), channels=48),
        VAEConfig(patch=4, widths=(16,), blocks=1, channels=8),
        VAEConfig(patch=2, widths=(8, 12), blocks=2, channels=6, temporal=2, linear=False),
        VAEConfig(patch=2, widths=(8, 12, 16), blocks=1, channels=6, temporal=4),
        VAEConfig(patch=4, widths=(8, 16), blocks=0, channels=6, temporal=1),
    ],
)
@pytest.mark.parametrize("shape", [(1, 16, 16), (9, 24, 40), (6, 17, 16)])
def test_the_count_of_operations_is_torchs(config: VAEConfig, shape: tuple[int, int, int]) -> None:
    vae, video = VAE(config).requires_grad_(False), clip(*shape).float()
    counts = []
    with FlopCounterMode(display=False) as counter:
        latent = vae.encode(video).mean
    counts.append(counter.get_total_flops())
    with FlopCounterMode(display=False) as counter:
        vae.decode(latent)
    counts.append(counter.get_total_flops())
    found = flops(config, *shape)
    assert [found.encode, found.decode] == pytest.approx(counts, rel=1e-9)
    assert found.training == 3 * sum(counts)


@pytest.mark.parametrize("size", [f"{p}{f}" for p in PRESETS for f in ("", "-f4", "-f8", "-f16")])
def test_sizes_have_the_factor_that_they_name(size: str) -> None:
    config = preset(size)
    assert config.temporal == 4
    if "-f" in size:
        assert config.spatial == int(size.partition("-f")[2])
    with torch.device("meta"):
        parameters = sum(p.numel() for p in VAE(config).parameters())
    assert (parameters == 0) is size.startswith("nano")


def test_sizes_grow() -> None:
    with torch.device("meta"):
        counts = [sum(p.numel() for p in VAE(c).parameters()) for c in PRESETS.values()]
    assert counts == sorted(counts) and counts[-1] > 1e8


def test_sizes_that_do_not_exist() -> None:
    with pytest.raises(UserError, match="did you mean small"):
        preset("smal")
    with pytest.raises(UserError, match=r"did you mean base-f\d"):
        preset("base-f12")
