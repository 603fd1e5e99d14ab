"""What a training step of the recipe base keeps in memory, counted on tensors that have none."""

from __future__ import annotations

import dataclasses
import weakref
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from torch import Tensor  # noqa: E402
from torch._subclasses import FakeTensorMode  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

from model.codec.vae import VAE  # noqa: E402
from model.diffusion.denoiser import Denoiser  # noqa: E402
from model.network import attention, text  # noqa: E402
from model.scaling.measure import _raw  # noqa: E402
from model.training import feed, optim  # noqa: E402
from model.training.config import TrainConfig, parse  # noqa: E402
from model.training.distributed import Process  # noqa: E402
from model.training.loop import example  # noqa: E402
from model.training.trainer import Trainer  # noqa: E402

pytestmark = pytest.mark.torch
PRESETS = Path(__file__).resolve().parent.parent / "conf" / "model"
CPU = Process(0, 1, torch.device("cpu"))
CARD = 80e9


class Living(TorchDispatchMode):
    """Bytes of all storages that operations have made and that somebody still holds, and their peak."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    def see(self, tensor: Tensor) -> None:
        """Count the memory of `tensor` until it is dropped."""
        memory = tensor.untyped_storage()
        key, size = memory._cdata, memory.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(memory, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The operation, and what it made."""
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self.see(tensor)
        return made


def fused(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Attention as on a card: a CPU in bf16 would hold the scores of short clips."""
    return F.scaled_dot_product_attention(*(x.transpose(1, 2) for x in (q, k, v)), attn_mask=mask).transpose(
        1, 2
    )


def bytes_of_a_step(config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """What is kept from step to step, and the peak of a step."""
    for module in (attention, text):
        monkeypatch.setattr(module, "attention", fused)
    # All is on one device, the gradient has no value, and noise needs no seed.
    monkeypatch.setattr(torch.nn.Module, "to", lambda module, device: module)
    monkeypatch.setattr(feed.Raw, "counted", property(lambda raw: 1))
    monkeypatch.setattr(optim, "gradient_norm", lambda params: 1.0)
    monkeypatch.setattr(feed, "_word", lambda key: 0)
    with torch.device("meta"):
        module = Denoiser(config.model)
    real = _raw(config, module, (17, 64, 64))
    with FakeTensorMode(allow_non_fake_inputs=True) as mode, Living() as living:
        trainer = Trainer(config, Denoiser(config.model), VAE(config.model.vae), CPU, compiled=False)

        def fake(values: Any) -> dict[str, Any]:
            """Its tensors without memory."""
            return {k: mode.from_tensor(v) for k, v in vars(values).items() if isinstance(v, Tensor)}

        levels = dataclasses.replace(real.levels, **fake(real.levels))
        raw = dataclasses.replace(real, **fake(real), levels=levels)
        trainer.train([raw])
        kept, living.peak = living.now, living.now
        trainer.train([raw])
        return kept, living.peak


def base(batch: int, micro: int = 0, width: int = 768) -> TrainConfig:
    words = [
        f"config={PRESETS / 'base.json'}",
        f"batch={batch}",
        f"micro={micro}",
        f"model.dit.width={width}",
    ]
    return parse([*words, "precision=bf16", "compile=false", "device=cpu"])


@pytest.mark.slow
@pytest.mark.parametrize("micro", [256, 128, 64])
def test_a_step_of_base_fits_on_a_card(micro: int, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, peak = bytes_of_a_step(base(256, micro), monkeypatch)
    print(f"\nbase, 256 clips, micro={micro}: {kept / 1e9:.2f} GB kept, {peak / 1e9:.1f} GB at the peak")
    params = 113e6
    # Weights, their average, moments of one or two kinds: 16 bytes to a parameter and less.
    assert 12 * params < kept < 18 * params
    assert peak < CARD or micro == 256


def test_the_page_says_what_base_is() -> None:
    page = (PRESETS.parent.parent / "docs" / "model.md").read_text()
    config = base(256)
    with torch.device("meta"):
        module = Denoiser(config.model)
    clip = example(config, module, (17, 64, 64))
    share = config.loss.causal
    orders = (("bidirectional", 1 - share), ("block_causal", share))
    work = sum(part * module.work(dataclasses.replace(clip, mode=mode)) for mode, part in orders)
    said = (
        f"{sum(p.numel() for p in module.parameters()) / 1e6:.0f}M parameters",
        f"{work / 1e9:.1f} GFLOP to a clip of {module.tokens(clip)} tokens",
        f"{256 * work / 1e12:.1f} TFLOP to a batch of 256",
        f"At 200 TFLOP/s base would take\n{200e12 / work:,.0f} clips/s",
    )
    assert [words for words in said if words not in page] == []


@pytest.mark.slow
def test_memory_grows_with_what_is_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [bytes_of_a_step(base(64, micro, width=96), monkeypatch) for micro in (16, 32, 64)]
    kept = [k for k, _ in found]
    held = [peak - k for k, peak in found]
    assert max(kept) < 1.01 * min(kept)
    # Beside what grows there are the gradients.
    assert (held[2] - held[1]) / (held[1] - held[0]) == pytest.approx(2, rel=0.05)


def test_what_is_dropped_is_counted_no_more() -> None:
    with FakeTensorMode(), Living() as living:
        first, second = torch.zeros(1000), torch.ones(500)
        view = first[10:]
        assert living.now == living.peak == 6000
        del first
        assert living.now == 6000, "a view holds the memory"
        del view
        third = second + 1
        assert living.now == 4000 and living.peak == 6000 and third.shape == (500,)
