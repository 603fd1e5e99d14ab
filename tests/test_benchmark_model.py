"""Speed and memory of training steps beside the transformers of diffusers, as ratios in the same run."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from model.config import DiTConfig
from model.dit import DiT
from model.flops import Shape, training_flops
from model.text import Text

pytestmark = [pytest.mark.benchmark, pytest.mark.torch]

BATCH, FRAMES, SIDE, CHANNELS, TEXT, TEXT_WIDTH, RUNS = 2, 5, 16, 16, 16, 256, 3
OURS = DiTConfig(
    channels=CHANNELS,
    patch=2,
    width=256,
    depth=4,
    heads=4,
    pattern="fffg",
    text_width=TEXT_WIDTH,
    cross_every=1,
)
"""Cross-attention in each block, as the peers have it."""

Step = Callable[[], Tensor]


def inputs() -> tuple[Tensor, Tensor]:
    """Latents [B, F, C, h, w] and text [B, N, D]."""
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(BATCH, FRAMES, CHANNELS, SIDE, SIDE, generator=generator)
    return latents, torch.randn(BATCH, TEXT, TEXT_WIDTH, generator=generator)


def ours(pattern: str) -> tuple[torch.nn.Module, Step]:
    """A model with blocks after `pattern`, and its forward pass."""
    model = DiT(dataclasses.replace(OURS, pattern=pattern))
    latents, text = inputs()
    level, seconds = torch.rand(BATCH, FRAMES), torch.arange(FRAMES).expand(BATCH, -1) / 2
    read = Text(text, torch.ones(BATCH, TEXT, dtype=torch.bool))
    return model, lambda: model(latents, level, seconds, text=read)


def wan() -> tuple[torch.nn.Module, Step]:
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
    latents, text = inputs()
    video, time_of = latents.transpose(1, 2).contiguous(), torch.full((BATCH,), 500)
    return model, lambda: model(video, time_of, text, return_dict=False)[0]


def latte() -> tuple[torch.nn.Module, Step]:
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
        sample_size=SIDE,
        patch_size=2,
        activation_fn="gelu-approximate",
        num_embeds_ada_norm=1000,
        norm_type="ada_norm_single",
        norm_elementwise_affine=False,
        norm_eps=1e-6,
        caption_channels=TEXT_WIDTH,
        video_length=FRAMES,
    )
    latents, text = inputs()
    video, time_of = latents.transpose(1, 2).contiguous(), torch.full((BATCH,), 500)
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


def test_training_step_beside_diffusers() -> None:
    pytest.importorskip(
        "diffusers", reason="diffusers is not installed: pip install 'simbench-worlds[bench]'"
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    made = {"ours": ours("fffg"), "ours, all global": ours("g"), "Wan": wan(), "Latte": latte()}
    times = seconds_of({name: step for name, (_, step) in made.items()})
    torch.set_num_threads(threads)
    tokens = BATCH * FRAMES * (SIDE // 2) ** 2
    memory = {name: held(step) for name, (_, step) in made.items()}
    for name, (module, _) in made.items():
        size = sum(p.numel() for p in module.parameters()) / 1e6
        print(
            f"\n{name}: {size:.1f}M, {tokens / times[name]:.0f} tokens/s, {memory[name] / 1e6:.0f} MB", end=""
        )
    flops = BATCH * training_flops(OURS, Shape(FRAMES, SIDE, SIDE, TEXT))
    print(f"\nours: {flops / times['ours'] / 1e9:.0f} GFLOP/s")
    for peer in ("Wan", "Latte"):
        assert times["ours"] < times[peer], f"slower than {peer}"
        assert memory["ours"] < memory[peer], f"larger than {peer}"
