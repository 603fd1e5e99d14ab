"""The formula for FLOPs against torch's counter."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from model.config import DiTConfig  # noqa: E402
from model.network.dit import DiT  # noqa: E402
from model.network.flops import Shape, forward_flops, neighbours, pairs, training_flops  # noqa: E402
from model.network.text import Text  # noqa: E402

pytestmark = pytest.mark.torch

CONFIGS = {
    "global": DiTConfig(channels=48, width=64, depth=2, heads=2, nearest=False),
    "nearest": DiTConfig(channels=8, width=48, depth=2, heads=2),
    "patches": DiTConfig(channels=8, width=32, depth=4, heads=2, patch=2, pattern="fffg"),
    "text": DiTConfig(channels=8, width=32, depth=3, heads=2, pattern="fg", text_width=24),
    "commands": DiTConfig(channels=4, width=32, depth=1, heads=2, actions=5, camera=True, rank=8),
    # Few blocks and wide patches, so that the channel of depth is a tenth of the work.
    "depth": DiTConfig(channels=2, width=8, depth=1, heads=1, patch=2, mlp=1, rank=1, given_depth=True),
}


def counted(config: DiTConfig, shape: Shape, mode: str) -> int:
    """FLOPs of a forward and a backward pass, by torch's counter of matrix products."""
    model = DiT(config)
    frames = shape.frames
    noised = torch.zeros(1, frames, config.channels, shape.height, shape.width)
    text = None
    if config.text_width:
        text = Text(
            torch.zeros(1, shape.text, config.text_width, requires_grad=True), torch.ones(1, shape.text) > 0
        )
    actions = torch.zeros(1, frames, config.temporal, config.actions) if config.actions else None
    camera = torch.zeros(1, frames, config.temporal, 12) if config.camera else None
    depth = None
    if config.given_depth:
        depth = torch.zeros(1, frames, config.temporal, shape.height, shape.width)
    counter = FlopCounterMode(display=False)
    # The plain kernel: a fused one computes the scores twice, which is work but no model FLOPs.
    with counter, sdpa_kernel(SDPBackend.MATH):
        level, seconds = torch.rand(1, frames), torch.arange(frames)[None] / 2
        out = model(noised, level, seconds, None, text, actions, camera, depth=depth, mode=mode)
        out.sum().backward()
    return counter.get_total_flops()


@pytest.mark.parametrize("mode", ["bidirectional", "block_causal"])
@pytest.mark.parametrize("shape", [Shape(1, 4, 4, 7), Shape(5, 8, 4, 16)], ids=str)
@pytest.mark.parametrize("name", CONFIGS)
def test_formula_is_within_two_percent_of_the_counter(name: str, shape: Shape, mode: str) -> None:
    config = CONFIGS[name]
    want = counted(config, shape, mode)
    assert training_flops(config, shape, mode) == pytest.approx(want, rel=0.02)


def test_training_is_about_three_forward_passes() -> None:
    config, shape = CONFIGS["global"], Shape(5, 8, 8)
    assert 2.8 < training_flops(config, shape) / forward_flops(config, shape) < 3


@pytest.mark.parametrize("window", [1, 2, 5, 9])
def test_pairs_in_a_window_are_those_of_a_mask(window: int) -> None:
    y, x = (axis.reshape(-1) for axis in torch.meshgrid(torch.arange(6), torch.arange(4), indexing="ij"))
    near = ((y[:, None] - y).abs() <= window) & ((x[:, None] - x).abs() <= window)
    config = DiTConfig(pattern="f", window=window)
    assert pairs(config, 0, Shape(3, 6, 4), "bidirectional") == 3 * int(near.sum())
    assert neighbours(4, window) == sum(abs(i - j) <= window for i in range(4) for j in range(4))
