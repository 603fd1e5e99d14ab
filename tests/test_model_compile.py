"""Compiled blocks: the steps of eager ones, a graph for each shape and no more, none of it on the clock."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from model.codec.vae import VAE  # noqa: E402
from model.diffusion.denoiser import Denoiser  # noqa: E402
from model.scaling.measure import _raw  # noqa: E402
from model.training import trainer as trainer_module  # noqa: E402
from model.training.config import TrainConfig, parse  # noqa: E402
from model.training.distributed import Process  # noqa: E402
from model.training.feed import Raw  # noqa: E402
from model.training.trainer import Trainer  # noqa: E402
from tests.train_toys import options  # noqa: E402

pytestmark = pytest.mark.torch
CPU = Process(0, 1, torch.device("cpu"))
TORCH_SAYS = ("ignore::DeprecationWarning", "ignore:The .grad attribute of a Tensor that is not a leaf")
SIZES = ((5, 16, 16), (5, 16, 24), (9, 16, 16), (1, 16, 16))


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """No graph and no limit of one test is left to the next."""
    with torch._dynamo.config.patch(recompile_limit=8):
        torch.compiler.reset()
        yield
    torch.compiler.reset()


def config(tmp_path: Path, **changes: Any) -> TrainConfig:
    """Little of what the recipe base has: both kinds of blocks, text in every second, camera, both orders."""
    told = {"patch": 2, "pattern": "fffg", "depth": 4, "text_width": 8, "camera": "true"}
    words = {f"model__dit__{key}": value for key, value in told.items()}
    text = {"kind": "hash", "width": 8, "depth": 1, "buckets": 16, "tokens": 16}
    words |= {f"model__text__{key}": value for key, value in text.items()}
    return parse(options(tmp_path, **words, loss__causal=0.25, **changes))


def trainer(asked: TrainConfig, compiled: bool) -> Trainer:
    return Trainer(asked, Denoiser(asked.model), VAE(asked.model.vae), CPU, compiled)


def batch(asked: TrainConfig, made: Trainer, size: tuple[int, int, int], mode: str = "bidirectional") -> Raw:
    return dataclasses.replace(_raw(asked, made.module, size), mode=mode)


@pytest.mark.slow
@pytest.mark.filterwarnings(*TORCH_SAYS)
@pytest.mark.parametrize("mode", ["bidirectional", "block_causal"])
def test_a_compiled_step_is_an_eager_one(mode: str, tmp_path: Path) -> None:
    found = []
    for compiled in (False, True):
        asked = config(tmp_path, optim__optimizer="adamw")
        made = trainer(asked, compiled)
        raw = batch(asked, made, SIZES[0], mode)
        made.train([raw])
        made.train([raw])
        found.append((made.tally.read()["loss"], made.norm, made.named["dit.enter.weight"].detach().clone()))
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-5)
    assert found[1][1] == pytest.approx(found[0][1], rel=1e-4)
    torch.testing.assert_close(found[1][2], found[0][2], rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings(*TORCH_SAYS)
def test_every_shape_is_compiled_once_and_none_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs: list[Any] = []

    def counted(graph: Any, _: Any) -> Any:
        """A compiler that compiles nothing."""
        graphs.append(graph)
        return graph

    real = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **kw: real(self, backend=counted, **kw))
    asked = config(tmp_path)
    made, seen = trainer(asked, True), []
    for size in SIZES * 2:
        for mode in ("bidirectional", "block_causal"):
            before = len(graphs)
            made.train([batch(asked, made, size, mode)])
            seen.append(len(graphs) - before)
    half = len(seen) // 2
    # Three kinds of blocks: in the frame with text and without, and over frames, which alone knows an order.
    assert seen[:half] == [3, 1] * len(SIZES) and not any(seen[half:])
    assert sum(seen) > 8 and 4 * sum(seen) <= trainer_module.SHAPES


def test_warming_changes_nothing(tmp_path: Path) -> None:
    asked = config(tmp_path)
    one, two = trainer(asked, False), trainer(asked, False)
    raw = batch(asked, one, SIZES[0])
    two.warm([raw])
    assert all(p.grad is None for p in two.named.values()) and two.step == two.flops == 0
    for made in (one, two):
        made.train([raw])
    assert one.tally.read() == two.tally.read() and one.norm == two.norm
    assert all(torch.equal(p, two.named[name]) for name, p in one.named.items())


@pytest.mark.parametrize(("causal", "orders"), [(0, 1), (0.5, 2), (1, 1)])
def test_warming_asks_for_the_orders_that_come(
    causal: float, orders: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = dataclasses.replace(
        config(tmp_path), loss=dataclasses.replace(config(tmp_path).loss, causal=causal)
    )
    made, modes = trainer(asked, False), []
    monkeypatch.setattr(made, "_backward", lambda batches, counted: modes.extend(b.mode for b in batches))
    made.warm([batch(asked, made, SIZES[0])])
    assert len(modes) == orders and modes[-1] == ("block_causal" if causal else "bidirectional")
