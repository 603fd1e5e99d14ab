"""A GPU does what a CPU does: samples, losses, steps; compiled as eager. The same tests run on the CPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from model.codec.vae import VAE  # noqa: E402
from model.config import DiTConfig, VAEConfig  # noqa: E402
from model.diffusion.denoiser import Denoiser  # noqa: E402
from model.generator import opened  # noqa: E402
from model.network.dit import DiT  # noqa: E402
from model.sampling.pipeline import How  # noqa: E402
from model.sampling.wishes import Wish  # noqa: E402
from model.training import sources  # noqa: E402
from model.training import trainer as trainer_module  # noqa: E402
from model.training.config import parse  # noqa: E402
from model.training.distributed import Process, joined  # noqa: E402
from model.training.feed import noise  # noqa: E402
from model.training.loop import Loop, example  # noqa: E402
from tests.train_toys import Squares, options  # noqa: E402

NANO = Path(__file__).resolve().parent.parent / "model" / "weights" / "nano"
# What libraries of a machine with a GPU warn of is no failure of these tests.
CUDA = pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.filterwarnings("default")])
DEVICES = [pytest.param("cpu", id="cpu"), CUDA]
pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def there(request: pytest.FixtureRequest) -> None:
    if request.node.callspec.params["device"] == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device")


def dit(pattern: str = "fg") -> DiT:
    """A transformer none of whose weights is at its zero start."""
    model = DiT(DiTConfig(channels=4, width=64, depth=2, heads=2, pattern=pattern))
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model


def inputs(device: str) -> tuple[torch.Tensor, ...]:
    """Latents [2, 3, 4, 6, 6], levels and seconds [2, 3]."""
    generator = torch.Generator().manual_seed(0)
    latents, level = torch.randn(2, 3, 4, 6, 6, generator=generator), torch.rand(2, 3, generator=generator)
    return latents.to(device), level.to(device), (torch.arange(3.0) / 2).expand(2, -1).to(device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("mode", ["bidirectional", "block_causal"])
def test_predictions_are_those_of_the_cpu(device: str, mode: str) -> None:
    model = dit()
    expected = model(*inputs("cpu"), mode=mode)
    got = model.to(device)(*inputs(device), mode=mode).cpu()
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("device", DEVICES)
def test_the_codec_is_that_of_the_cpu(device: str) -> None:
    torch.manual_seed(0)
    vae = VAE(VAEConfig(patch=4, widths=(16, 16), channels=4)).eval()
    clip = torch.rand(1, 9, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        expected = vae.decode(vae.encode(clip).mean, 9)
        got = vae.to(device).decode(vae.to(device).encode(clip.to(device)).mean, 9).cpu()
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("device", DEVICES)
def test_samples_are_those_of_the_cpu(device: str) -> None:
    given = np.random.default_rng(0).integers(0, 255, (5, 32, 32, 3), dtype=np.uint8)
    wish = Wish(given, "", 32, 32, 9, 8.0, 3)
    expected = opened(NANO, How(steps=2), "cpu").make([wish])[0]
    got = opened(NANO, How(steps=2), device).make([wish])[0]
    assert np.abs(got.astype(int) - expected.astype(int)).max() <= 2


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore:The .grad attribute of a Tensor that is not a leaf"
)
@pytest.mark.parametrize("device", DEVICES)
def test_compiled_blocks_predict_what_eager_ones_do(device: str) -> None:
    model = dit().to(device)
    expected = model(*inputs(device))
    for block in model.blocks:
        block.compile(dynamic=False)
    got = model(*inputs(device))
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-4)
    got.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def begun(
    out: Path, device: str, monkeypatch: pytest.MonkeyPatch, steps: int, part: float = 1e9, **changes: Any
) -> Loop:
    """A toy run on `device` to its end after `steps` steps, or to that of a part of `part` steps."""
    monkeypatch.setattr(sources, "given", lambda config: Squares())
    module = Denoiser(parse(options(out)).model)
    one = 4 * module.work(example(parse(options(out)), module, (5, 8, 8))) / 1e12
    words = options(out, budget=one * steps, part=one * part, device=device, **changes)
    with joined(device) as process:
        loop = Loop(parse(words), process)
        loop.run()
    return loop


@pytest.mark.parametrize("device", DEVICES)
def test_a_run_in_parts_ends_where_an_unbroken_one_does(
    device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(tmp_path / "parts", device, monkeypatch, 8, part=3)
    parts = begun(tmp_path / "parts", device, monkeypatch, 8)
    straight = begun(tmp_path / "straight", device, monkeypatch, 8)
    one, two = parts.trainer.state(), straight.trainer.state()
    assert one is not None and two is not None and one.facts["step"] == two.facts["step"] == 8
    assert one.tensors.keys() == two.tensors.keys()
    # Sums of a GPU that are made in no fixed order may differ in their last digits.
    for name, tensor in one.tensors.items():
        apart = (tensor - two.tensors[name]).float().norm()
        assert apart <= (0 if device == "cpu" else 1e-3) * tensor.float().norm(), name


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore:The .grad attribute of a Tensor that is not a leaf"
)
@pytest.mark.parametrize("device", DEVICES)
def test_a_compiled_run_in_bf16_writes_its_share_of_the_peak(
    device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(tmp_path, device, monkeypatch, 8, precision="bf16", compile="true")
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    rows = [line for line in lines if "mfu" in line]
    assert [row["step"] for row in rows] == [2, 4, 6, 8]
    assert all(0 < row["mfu"] < 1 and row["memory_gb"] > 0 and row["tokens_per_s"] > 0 for row in rows)
    accounts = json.loads((tmp_path / "run.json").read_text())
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    assert accounts["device"] == name and 0 < accounts["mfu"] < 1


@pytest.mark.parametrize("device", DEVICES)
def test_steps_are_those_of_the_cpu(device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "given", lambda config: Squares())
    # A generator of a GPU draws other numbers than one of the CPU.
    cpu = torch.device("cpu")
    monkeypatch.setattr(trainer_module, "noise", lambda raw, place: noise(raw, cpu).to(place))
    losses = []
    for place in ("cpu", device):
        config = parse(options(tmp_path / str(len(losses)), optim__optimizer="adamw"))
        loop = Loop(config, Process(0, 1, torch.device(place)))
        for step in range(3):
            loop.trainer.train(loop.feed.batch(step))
        losses.append(loop.trainer.tally.read()["loss"])
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
