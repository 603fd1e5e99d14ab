"""Our transformer beside those of diffusers: the same width, depth and tokens, called the same way."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from model.config import DiTConfig
from model.network.dit import DiT
from model.network.text import Text

TEXT, TEXT_WIDTH = 16, 256
NAMES = ("ours", "all global", "Wan", "Latte")

Call = Callable[[Tensor, Tensor], Tensor]
"""Latents [B, F, C, h, w] at one level [B] each -> as many."""


@dataclass(frozen=True)
class Size:
    """Latents of `channels` on `side` x `side`, cut in patches, and the transformer for them."""

    frames: int
    channels: int
    side: int
    patch: int
    width: int
    depth: int
    heads: int

    @property
    def tokens(self) -> int:
        """Tokens of one clip."""
        return self.frames * (self.side // self.patch) ** 2


SMALL, LARGE = Size(9, 16, 16, 2, 256, 4, 4), Size(9, 16, 32, 2, 256, 4, 4)
LEARNS = Size(5, 48, 8, 1, 64, 4, 1)
"""The size at which losses are compared: 17 frames of 32 px through the codec of nano."""


def config(size: Size, pattern: str = "fffg") -> DiTConfig:
    """Our transformer of that size, with text in every second block."""
    base = DiTConfig(text_width=TEXT_WIDTH, pattern=pattern)
    same = {name: getattr(size, name) for name in ("channels", "patch", "width", "depth", "heads")}
    return dataclasses.replace(base, **same)


def text(count: int) -> Tensor:
    """The same words for every clip [B, N, D]: all attend to text, none learns from it."""
    one = torch.randn(1, TEXT, TEXT_WIDTH, generator=torch.Generator().manual_seed(1))
    return one.expand(count, -1, -1)


def build(name: str, size: Size) -> tuple[nn.Module, Call]:
    """The transformer called `name` with new weights, and how it is called."""
    if name in ("ours", "all global"):
        return ours(size, "fffg" if name == "ours" else "g")
    return wan(size) if name == "Wan" else latte(size)


def ours(size: Size, pattern: str) -> tuple[nn.Module, Call]:
    """Blocks after `pattern`: f in a frame, g over all."""
    model = DiT(config(size, pattern))
    seconds = torch.arange(size.frames) / 2

    def call(latents: Tensor, level: Tensor) -> Tensor:
        """One level for all frames of a clip."""
        count = len(latents)
        words = text(count).to(latents)
        read = Text(words, torch.ones(count, TEXT, dtype=torch.bool, device=latents.device))
        spread = level[:, None].expand(-1, size.frames)
        return model(latents, spread, seconds.expand(count, -1).to(latents.device), text=read)

    return model, call


def wan(size: Size) -> tuple[nn.Module, Call]:
    """The transformer of Wan 2.1: every block over all tokens, text in every block."""
    from diffusers import WanTransformer3DModel

    model = WanTransformer3DModel(
        patch_size=(1, size.patch, size.patch),
        num_attention_heads=size.heads,
        attention_head_dim=size.width // size.heads,
        in_channels=size.channels,
        out_channels=size.channels,
        text_dim=TEXT_WIDTH,
        freq_dim=256,
        ffn_dim=4 * size.width,
        num_layers=size.depth,
    )
    return model, channels_first(model)


def latte(size: Size) -> tuple[nn.Module, Call]:
    """Latte; each of its layers is a block in space and one in time."""
    from diffusers import LatteTransformer3DModel

    model = LatteTransformer3DModel(
        num_attention_heads=size.heads,
        attention_head_dim=size.width // size.heads,
        in_channels=size.channels,
        out_channels=size.channels,
        num_layers=size.depth // 2,
        cross_attention_dim=size.width,
        attention_bias=True,
        sample_size=size.side,
        patch_size=size.patch,
        activation_fn="gelu-approximate",
        num_embeds_ada_norm=1000,
        norm_type="ada_norm_single",
        norm_elementwise_affine=False,
        norm_eps=1e-6,
        caption_channels=TEXT_WIDTH,
        video_length=size.frames,
    )
    return model, channels_first(model)


def channels_first(model: nn.Module) -> Call:
    """diffusers wants [B, C, F, h, w] and a time from 0 to 1000."""

    def call(latents: Tensor, level: Tensor) -> Tensor:
        """The prediction, in our order."""
        video = latents.transpose(1, 2).contiguous()
        words = text(len(latents)).to(latents)
        return model(video, 1000 * level, words, return_dict=False)[0].transpose(1, 2)

    return call


def step(call: Call, size: Size, count: int = 1, device: str = "cpu") -> None:
    """One forward and backward pass on noise."""
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(count, size.frames, size.channels, size.side, size.side, generator=generator)
    call(latents.to(device), torch.full((count,), 0.5, device=device)).square().mean().backward()


def peak(name: str, size: Size) -> float:
    """Bytes by which a training step raises the peak of resident memory, in a process of its own."""
    words = [sys.executable, "-m", "tests.model_peers", name, json.dumps(dataclasses.asdict(size))]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def resident(field: str) -> int:
    """VmRSS or VmHWM of this process, bytes (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def main(name: str, size: Size) -> None:
    """Print the peak of one step above what lies in memory before: code is warmed by a small step."""
    torch.set_num_threads(1)
    model, call = build(name, size)
    small = dataclasses.replace(size, side=4 * size.patch)
    step(build(name, small)[1], small)
    model.zero_grad()
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    step(call, size)
    print(resident("VmHWM") - before)


if __name__ == "__main__":
    main(sys.argv[1], Size(**json.loads(sys.argv[2])))
