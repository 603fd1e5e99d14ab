"""Attention inside a window of a frame against a mask over all pairs."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from model.config import DiTConfig  # noqa: E402
from model.network.attention import Dense, attention  # noqa: E402
from model.network.dit import DiT  # noqa: E402

pytestmark = pytest.mark.torch


def qkv(height: int, width: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 3, height * width, 2, 8, generator=generator) for _ in range(3)]


@pytest.mark.parametrize("window", [1, 3, 8, 11])
@pytest.mark.parametrize(("height", "width"), [(4, 4), (9, 20), (25, 3)])
def test_window_is_a_mask(height: int, width: int, window: int) -> None:
    parts = qkv(height, width)
    grid = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    y, x = (axis.reshape(-1) for axis in grid)
    near = ((y[:, None] - y).abs() <= window) & ((x[:, None] - x).abs() <= window)
    want = attention(*(p.flatten(0, 1) for p in parts), near).view(parts[0].shape)
    got = Dense(height, width, window=window).attend(*parts, kind="f")
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)


def test_window_is_exact_up_to_its_size() -> None:
    parts = qkv(6, 9)
    whole = Dense(6, 9).attend(*parts, kind="f")
    assert torch.equal(Dense(6, 9, window=8).attend(*parts, kind="f"), whole)
    assert not torch.equal(Dense(6, 9, window=7).attend(*parts, kind="f"), whole)


def test_window_leaves_attention_over_frames_alone() -> None:
    parts = qkv(4, 6)
    assert torch.equal(*(Dense(4, 6, window=w).attend(*parts, kind="g") for w in (0, 1)))


def test_far_tokens_have_no_gradient() -> None:
    model = DiT(DiTConfig(channels=2, width=16, depth=1, heads=1, pattern="f", window=2, nearest=False))
    torch.nn.init.ones_(model.leave.weight)
    noised = torch.randn(1, 1, 2, 12, 12, requires_grad=True)
    out = model(noised, torch.rand(1, 1), torch.zeros(1, 1))
    (grad,) = torch.autograd.grad(out[0, 0, 0, 5, 5], noised)
    seen = grad[0, 0].abs().amax(0) > 0
    assert seen[3:8, 3:8].all() and int(seen.sum()) == 25


@pytest.mark.slow
def test_a_picture_of_128_by_128_tokens_runs() -> None:
    model = DiT(DiTConfig(channels=4, width=32, depth=2, heads=1, pattern="f", window=16))
    with torch.no_grad():
        out = model(torch.randn(1, 1, 4, 128, 128), torch.rand(1, 1), torch.zeros(1, 1))
    assert out.shape == (1, 1, 4, 128, 128)
