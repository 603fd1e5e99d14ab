"""Two processes on one CPU compute what one does with the whole batch: weights repeated, and shared out."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from model.training.tensors import read_shards  # noqa: E402
from tests.train_toys import Squares, options  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.slow]
STEPS = 4


def train(rank: int, world: int, port: int, words: list[str]) -> None:
    """One process of a run; what torchrun would set is set here."""
    import os

    from model.training import loop, sources
    from model.training.config import parse
    from model.training.distributed import joined

    environment = {"RANK": rank, "WORLD_SIZE": world, "LOCAL_RANK": rank, "MASTER_PORT": port}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", **{k: str(v) for k, v in environment.items()}}
    torch.set_num_threads(1)
    sources.given = lambda config: Squares()  # type: ignore[assignment]
    loop.peak = lambda device, dtype: 1e9  # type: ignore[assignment]
    config = parse(words)
    with joined(config.device) as process:
        loop.Loop(config, process).run()


def run(world: int, words: list[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(train, (world, port, words), nprocs=world, join=True)


def tensors(out: Path) -> dict[str, torch.Tensor]:
    folder = out / (out / "latest").read_text().strip()
    return read_shards(folder, json.loads((folder / "state.json").read_text())["sha256"])


def lines(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def words(out: Path, **changes) -> list[str]:
    from model.diffusion.denoiser import Denoiser
    from model.training.config import parse
    from model.training.loop import example

    config = parse(options(out))
    module = Denoiser(config.model)
    one = 4 * module.work(example(config, module, (5, 8, 8))) / 1e12
    return options(out, budget=one * STEPS, model__dit__depth=2, **changes)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process that the others are measured by."""
    out = tmp_path_factory.mktemp("alone") / "run"
    run(1, words(out))
    return out


def assert_same(one: Path, two: Path) -> None:
    wanted, found = tensors(one), tensors(two)
    assert wanted.keys() == found.keys()
    for name in wanted:
        torch.testing.assert_close(wanted[name], found[name], rtol=2e-3, atol=2e-5, msg=name)


@pytest.mark.parametrize(
    "changes", [{"micro": 1}, {"shard_above": 10}], ids=["weights-repeated", "weights-shared-out"]
)
def test_two_processes_equal_one_with_the_whole_batch(tmp_path: Path, alone: Path, changes: dict) -> None:
    run(2, words(tmp_path, **changes))
    assert_same(alone, tmp_path)
    both = [
        [json.loads(x) for x in (o / "metrics.jsonl").read_text().splitlines()] for o in (alone, tmp_path)
    ]
    for line, found in zip(*both, strict=True):
        assert found["step"] == line["step"] and found["tflop"] == pytest.approx(line["tflop"])
        if "loss" in line:
            assert found["loss"] == pytest.approx(line["loss"], rel=1e-4)
        else:
            assert found["validation"]["error"] == pytest.approx(line["validation"]["error"], rel=1e-3)


def test_a_run_goes_on_with_another_number_of_processes(tmp_path: Path, alone: Path) -> None:
    run(2, words(tmp_path, shard_above=10, part=1e-7))
    first = (tmp_path / "latest").read_text()
    run(1, words(tmp_path))
    assert first != (tmp_path / "latest").read_text()
    assert_same(alone, tmp_path)
