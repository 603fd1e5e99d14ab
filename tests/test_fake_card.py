"""Training and sampling of every recipe on a pretended GPU: the numbers of the CPU, no tensor left behind,
and in a step no wait but that for the gradient's norm. On a real one tests/test_model_gpu.py runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from model import train  # noqa: E402
from model.codec.vae import VAE  # noqa: E402
from model.generator import opened  # noqa: E402
from model.network import conditions  # noqa: E402
from model.sampling.pipeline import How  # noqa: E402
from model.sampling.wishes import Wish  # noqa: E402
from model.training import loop as loop_module  # noqa: E402
from model.training import sources  # noqa: E402
from model.training.config import TrainConfig, parse  # noqa: E402
from model.training.distributed import Process  # noqa: E402
from model.training.feed import Feed  # noqa: E402
from model.training.loop import Loop  # noqa: E402
from tests.fake_card import NAME, PLACE, card  # noqa: E402
from tests.train_toys import Squares  # noqa: E402

pytestmark = pytest.mark.torch
PRESETS = Path(__file__).resolve().parent.parent / "conf" / "model"
RECIPES = sorted(path.stem for path in PRESETS.glob("*.json"))
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def squares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "given", lambda config: Squares(side=16))
    # In fp32 the peak is measured, by products that are too large for a CPU.
    monkeypatch.setattr(loop_module, "peak", lambda device, dtype: 1e12)


def small(recipe: str, out: Path, **changes: Any) -> list[str]:
    """Words for a recipe with all that it is told, and little of everything."""
    full = parse([f"config={PRESETS / f'{recipe}.json'}"]).model
    words = {
        "config": PRESETS / f"{recipe}.json",
        "out": out,
        "model.dit.width": 12 * full.dit.heads,
        "model.dit.depth": min(full.dit.depth, 4),
        "model.dit.rank": 2,
        "model.dit.channels": 48,
        "model.vae.channels": 48,
        "model.dit.actions": 2 if full.dit.actions else 0,
        "model.dit.text_width": 16 if full.dit.text_width else 0,
        "model.text.width": 16,
        "model.text.buckets": 64,
        "data.path": "toy",
        "data.held": 8,
        "data.threads": 1,
        "batch": 4,
        "precision": "fp32",
        "compile": "false",
        "log_every": 1,
    }
    words |= {key.replace("__", "."): value for key, value in changes.items()}
    return [f"{key}={value}" for key, value in words.items()]


def stepped(config: TrainConfig, place: torch.device, steps: int = 3) -> tuple[Loop, dict[str, Any]]:
    """A run that has made some steps and was checked on held-out clips."""
    loop = Loop(config, Process(0, 1, place))
    for step in range(steps):
        loop.trainer.train(loop.feed.batch(step))
    return loop, loop.trainer.validate(loop.held)


@pytest.mark.parametrize("recipe", RECIPES)
def test_steps_checks_and_states_are_those_of_the_cpu(recipe: str, tmp_path: Path) -> None:
    wanted, error = stepped(parse(small(recipe, tmp_path / "cpu")), CPU)
    state = wanted.trainer.state()
    with card() as machine:
        found, same_error = stepped(parse(small(recipe, tmp_path / "card")), PLACE)
        assert {p.device for p in found.trainer.named.values()} == {PLACE}
        averages = found.trainer.ema.averages[0.05].values()
        assert {tensor.device for tensor in averages} == {PLACE}
        machine.waits.clear()
        found.trainer.train(found.feed.batch(3))
        assert machine.waits == ["training/trainer.py:train: aten._local_scalar_dense.default"]
        found._checkpoint()
        later = Loop(found.config, Process(0, 1, PLACE))
        assert later.trainer.step == 4
        again, moments = later.trainer.state(), later.trainer.optimizers[-1].state
        assert {m.device for one in moments.values() for m in one.values()} == {PLACE}
        found.trainer.train(found.feed.batch(4))
        later.trainer.train(later.feed.batch(4))
        straight, resumed = found.trainer.state(), later.trainer.state()
    assert same_error == error
    wanted.trainer.train(wanted.feed.batch(3))
    after = wanted.trainer.state()
    for one, two in ((after, again), (straight, resumed)):
        assert one is not None and two is not None and one.tensors.keys() == two.tensors.keys()
        assert all(torch.equal(one.tensors[name], two.tensors[name]) for name in one.tensors)
    assert state is not None and any(not torch.equal(state.tensors[n], t) for n, t in after.tensors.items())


@pytest.mark.parametrize("recipe", RECIPES)
def test_samples_are_those_of_the_cpu(recipe: str, tmp_path: Path) -> None:
    loop, _ = stepped(parse(small(recipe, tmp_path)), CPU, 1)
    loop._checkpoint()
    dit = loop.config.model.dit
    clip = Squares(side=16).sample(1)
    wish = Wish(
        given=clip.video[:1],
        prompt="a square" if dit.text_width else "",
        width=16,
        height=16,
        frames=5,
        fps=8.0,
        seed=3,
        actions=clip.actions if dit.actions else None,
        camera=clip.camera.reshape(5, 12) if dit.camera and clip.camera is not None else None,
    )
    how = How(steps=2, order="heun", guidance=2.0 if dit.text_width else 1.0, chunk=1)
    expected = opened(tmp_path / "model", how, "cpu").make([wish])[0]
    with card() as machine:
        pipeline = opened(tmp_path / "model", how, "cuda")
        found = pipeline.make([wish])[0]
        losses = pipeline.losses([wish], [clip.video])
    assert np.array_equal(found, expected)
    assert np.isfinite(losses).all()
    assert any("frames_of" in at for at in machine.waits), "a clip that never came back from the card"


def test_the_command_line_on_a_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[torch.nn.Module] = []
    pins: list[bool] = []
    stream = Feed.stream

    def noted(feed: Feed, step: int, pin: bool = False) -> Any:
        pins.append(pin)
        return stream(feed, step, pin)

    monkeypatch.setattr(Feed, "stream", noted)
    words = small("tiny", tmp_path, device="auto", precision="auto", compile="auto", budget=1e-4)
    with card(compiled) as machine:
        assert train.main(words) == 0, capsys.readouterr().err
    assert pins == [True] and machine.products == ["high"], "what is fp32 beside bf16 may use TF32"
    assert len(compiled) == 4, "every block of a run on a card is compiled"
    accounts = json.loads((tmp_path / "run.json").read_text())
    assert accounts["device"] == NAME and 0 < accounts["mfu"] < 1
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    rows = [line for line in lines if "mfu" in line]
    assert rows and all(0 < row["mfu"] < 1 and row["memory_gb"] > 1 for row in rows)
    assert json.loads((tmp_path / "config.json").read_text())["precision"] == "bf16"


def test_what_the_threads_prepare_is_pinned(tmp_path: Path) -> None:
    with card() as machine:
        loop = Loop(parse(small("tiny", tmp_path)), Process(0, 1, PLACE))
        for pin, copies in ((True, 0), (False, 9)):
            stream = loop.feed.stream(0, pin=pin)
            machine.waits.clear()
            machine.slow = 0
            loop.trainer.train(next(stream))
            stream.close()
            assert machine.slow == copies and not any("copy" in at for at in machine.waits)


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(
            (conditions, "from_still", lambda camera: camera - torch.eye(3, 4).flatten()), id="still"
        ),
        pytest.param((VAE, "normalise", lambda self, latent: latent * torch.ones(1, 2, 48, 4, 4)), id="vae"),
    ],
)
def test_a_tensor_made_without_a_device_is_found(
    broken: tuple[Any, str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(*broken)
    config = parse(small("yaw", tmp_path))
    with card(), pytest.raises(RuntimeError, match=r"expected all tensors .* cuda .* cpu"):
        stepped(config, PLACE, 1)


def test_a_wait_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def waiting(camera: torch.Tensor) -> torch.Tensor:
        return camera * float(camera.isnan().any())

    monkeypatch.setattr(conditions, "from_still", waiting)
    with card() as machine:
        loop, _ = stepped(parse(small("yaw", tmp_path)), PLACE, 1)
        machine.waits.clear()
        loop.trainer.train(loop.feed.batch(1))
    assert sum("conditions.py:forward: aten._local_scalar_dense" in at for at in machine.waits) == 1
