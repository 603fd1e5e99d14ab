"""Speed and memory of training steps beside the transformers of diffusers, as ratios in the same run."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from model.config import DiTConfig  # noqa: E402
from model.network.dit import DiT  # noqa: E402
from model.network.flops import Shape, training_flops  # noqa: E402
from model.network.text import Text  # noqa: E402

pytestmark = [pytest.mark.benchmark, pytest.mark.torch, pytest.mark.timeout(1800)]

FRAMES, CHANNELS, TEXT, TEXT_WIDTH, RUNS = 9, 16, 16, 256, 2
OURS = DiTConfig(
    channels=CHANNELS,
    patch=2,
    width=256,
    depth=4,
    heads=4,
    pattern="fffg",
    text_width=TEXT_WIDTH,
)

Step = Callable[[], Tensor]


def inputs(side: int) -> tuple[Tensor, Tensor]:
    """Latents [B, F, C, h, w] and text [B, N, D]."""
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, FRAMES, CHANNELS, side, side, generator=generator)
    return latents, torch.randn(1, TEXT, TEXT_WIDTH, generator=generator)


def ours(side: int, pattern: str = "fffg") -> tuple[torch.nn.Module, Step]:
    """A model with blocks after `pattern`, and its forward pass."""
    model = DiT(dataclasses.replace(OURS, pattern=pattern))
    latents, text = inputs(side)
    level, seconds = torch.rand(1, FRAMES), torch.arange(FRAMES).expand(1, -1) / 2
    read = Text(text, torch.ones(1, TEXT, dtype=torch.bool))
    return model, lambda: model(latents, level, seconds, text=read)


def wan(side: int) -> tuple[torch.nn.Module, Step]:
    """The transformer of Wan 2.1 with our width, depth and tokens."""
    from diffusers import WanTransformer3DModel

    model = WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=OURS.heads,
        attention_head_dim=OURS.width // OURS.heads,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        text_dim=TEXT_WIDTH,
        freq_dim=256,
        ffn_dim=4 * OURS.width,
        num_layers=OURS.depth,
    )
    latents, text = inputs(side)
    video, time_of = latents.transpose(1, 2).contiguous(), torch.full((1,), 500)
    return model, lambda: model(video, time_of, text, return_dict=False)[0]


def latte(side: int) -> tuple[torch.nn.Module, Step]:
    """Latte with our width and tokens; each of its layers is a block in space and one in time."""
    from diffusers import LatteTransformer3DModel

    model = LatteTransformer3DModel(
        num_attention_heads=OURS.heads,
        attention_head_dim=OURS.width // OURS.heads,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        num_layers=OURS.depth // 2,
        cross_attention_dim=OURS.width,
        attention_bias=True,
        sample_size=side,
        patch_size=2,
        activation_fn="gelu-approximate",
        num_embeds_ada_norm=1000,
        norm_type="ada_norm_single",
        norm_elementwise_affine=False,
        norm_eps=1e-6,
        caption_channels=TEXT_WIDTH,
        video_length=FRAMES,
    )
    latents, text = inputs(side)
    video, time_of = latents.transpose(1, 2).contiguous(), torch.full((1,), 500)
    return model, lambda: model(video, time_of, text, return_dict=False)[0]


def seconds_of(steps: dict[str, Step]) -> dict[str, float]:
    """Processor seconds of forward and backward, interleaved so that a busy machine slows all alike."""
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for run in range(RUNS + 1):
        for name, step in steps.items():
            begin = time.process_time()
            step().square().mean().backward()
            if run > 0:
                taken[name].append(time.process_time() - begin)
    return {name: statistics.median(times) for name, times in taken.items()}


def held(step: Step) -> int:
    """Bytes that a forward pass keeps for the backward pass, weights left out: the peak of a step."""
    storages: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        out = step()
    total = sum(storages.values())
    del out
    return total


@pytest.mark.parametrize(
    ("side", "bars"),
    [
        (16, {"Wan": 0.8, "Latte": 0.5, "all global": 0.9}),
        (32, {"Wan": 1.1, "Latte": 0.5, "all global": 1.1}),
    ],
)
def test_training_step_beside_diffusers(side: int, bars: dict[str, float]) -> None:
    """Latte never looks along space and time at once, which is cheaper, and a lesser model."""
    pytest.importorskip("diffusers", reason="diffusers is not installed: pip install '.[bench]'")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    made = {"ours": ours(side), "all global": ours(side, "g"), "Wan": wan(side), "Latte": latte(side)}
    times = seconds_of({name: step for name, (_, step) in made.items()})
    torch.set_num_threads(threads)
    tokens = FRAMES * (side // 2) ** 2
    for name, (module, step) in made.items():
        size = sum(p.numel() for p in module.parameters()) / 1e6
        rate, memory = tokens / times[name], held(step) / 1e6
        print(f"\n{tokens} tokens, {name}: {size:.1f}M, {rate:.0f} tokens/s, {memory:.0f} MB", end="")
    flops = training_flops(OURS, Shape(FRAMES, side, side, TEXT))
    print(f"\nours: {flops / times['ours'] / 1e9:.0f} GFLOP/s")
    for name, bar in bars.items():
        assert times[name] > bar * times["ours"], f"{times[name] / times['ours']:.2f} times {name}"
