"""Two processes on one CPU compute what one does with the whole batch: weights repeated, and shared out; and
when one of them is killed, the run goes on to the same end."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from model.training.tensors import read_shards  # noqa: E402
from tests.train_toys import Squares, options  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.slow]
STEPS = 10
ROOT = Path(__file__).resolve().parent.parent
EQUAL = 1e-5
"""What rounding may make of a tensor of weights, as a share of its norm."""


def train(rank: int, world: int, port: int, words: list[str], dies: bool = False) -> None:
    """One process of a run; what torchrun would set is set here. With `dies` the first is killed as soon as
    it has written a state, before anything else is written of it."""
    import os
    import signal

    from model.training import loop, resume, sources
    from model.training.config import parse
    from model.training.distributed import joined

    environment = {"RANK": rank, "WORLD_SIZE": world, "LOCAL_RANK": rank, "MASTER_PORT": port}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", **{k: str(v) for k, v in environment.items()}}
    torch.set_num_threads(1)
    sources.given = lambda config: Squares()  # type: ignore[assignment]
    loop.peak = lambda device, dtype: 1e9  # type: ignore[assignment]
    save = resume.save_state

    def save_and_die(*given, **more):
        """The state is whole, the process gone."""
        save(*given, **more)
        os.kill(os.getpid(), signal.SIGKILL)

    if dies:
        resume.save_state = save_and_die
    config = parse(words)
    with joined(config.device) as process:
        loop.Loop(config, process).run()


def run(world: int, words: list[str], dies: bool = False) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(train, (world, port, words, dies), nprocs=world, join=True)


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
        # Moments of what is nearly zero are rounding; weights and their averages are not.
        torch.testing.assert_close(wanted[name], found[name], rtol=2e-3, atol=2e-5, msg=name)
        far = (wanted[name].double() - found[name].double()).norm() / wanted[name].double().norm()
        assert name.startswith("optim.") or far <= EQUAL or not wanted[name].any(), f"{name}: {far:.1e}"


def test_the_weights_that_are_compared_have_moved(alone: Path, tmp_path: Path) -> None:
    run(1, words(tmp_path, part=1e-12))
    first, last = tensors(tmp_path), tensors(alone)
    moved = [n for n in last if not n.startswith("optim.") and last[n].is_floating_point() and last[n].any()]
    ratios = [float((last[n] - first[n]).double().norm() / last[n].double().norm()) for n in moved]
    assert sum(ratio > 100 * EQUAL for ratio in ratios) > 0.8 * len(ratios)


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


@pytest.mark.parametrize("changes", [{}, {"shard_above": 10}], ids=["weights-repeated", "weights-shared-out"])
def test_a_killed_run_of_two_processes_goes_on(tmp_path: Path, alone: Path, changes: dict) -> None:
    mine = words(tmp_path, checkpoint_every=4e-7, **changes)
    with pytest.raises(torch.multiprocessing.ProcessExitedException, match="SIGKILL"):
        run(2, mine, dies=True)
    state = json.loads((tmp_path / (tmp_path / "latest").read_text().strip() / "state.json").read_text())
    assert not (tmp_path / "run.json").exists() and "sha256" in state
    run(2, mine)
    assert_same(alone, tmp_path)


def test_torchrun_trains_on_a_folder_of_clips(tmp_path: Path) -> None:
    from simbench.video import Video, encode

    for index in range(16):
        encode(Video(Squares().sample(index).video, 8.0), tmp_path / "clips" / f"{index:02d}.mkv")
    out = tmp_path / "run"
    asked = options(out, data__path=tmp_path / "clips", data__held=4, budget=2e-6)
    line = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "-m", "model.train", *asked]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    record = json.loads((out / "run.json").read_text())
    assert record["processes"] == 2 and record["flops"] >= 2e6 and record["mfu"] > 0
    assert done.stderr.count("model.train: done") + done.stdout.count("model.train: done") == 1
