"""What a run says of itself, and how it asks a suite."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import torch.distributed as dist  # noqa: E402

from model.diffusion.levels import PATTERNS  # noqa: E402
from model.training import evaluate as evaluation  # noqa: E402
from model.training import loop as loop_module  # noqa: E402
from model.training import metrics, sources  # noqa: E402
from model.training.config import parse  # noqa: E402
from model.training.distributed import Process, joined  # noqa: E402
from model.training.loop import Loop, crossed  # noqa: E402
from simbench.errors import UserError  # noqa: E402
from tests.fake_card import PLACE, card  # noqa: E402
from tests.train_toys import Squares, options  # noqa: E402

pytestmark = pytest.mark.torch
CPU = Process(0, 1, torch.device("cpu"))


def test_losses_by_level_and_pattern() -> None:
    tally = metrics.Tally(torch.device("cpu"))
    frames = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    level = torch.tensor([[0.0, 0.05, 1.0], [0.0, 0.5, 0.5]])
    context = torch.tensor([[False, False, False], [True, False, False]])
    pattern = torch.tensor([PATTERNS.index("whole"), PATTERNS.index("context")])
    tally.add(frames, level, context, pattern)
    found = tally.read()
    assert found["loss"] == pytest.approx(17 / 5)
    assert found["loss_by_level"] == {"0": 1.5, "0.5": 5.5, "0.875": 3.0}
    assert found["loss_by_pattern"] == {"whole": 2.0, "context": 5.5}
    tally.add(frames, level, context, pattern)
    assert tally.read(lambda sums: sums * 2)["loss"] == pytest.approx(17 / 5), "means over all processes"


def test_lines_after_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 3}\n{"no step": 1}\n{"step": 2, "cut')
    metrics.Log(path, 2).write({"step": 4})
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"step": 1}, {"step": 4}]


def test_tensorboard_is_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match="pip install tensorboard"):
        metrics.Log(tmp_path / "metrics.jsonl", 0, tensorboard=True)
    seen: list[tuple[str, float, int]] = []
    board = SimpleNamespace(add_scalar=lambda *values: seen.append(values), flush=lambda: None)
    module = SimpleNamespace(SummaryWriter=lambda folder: board)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    log = metrics.Log(tmp_path / "metrics.jsonl", 0, tensorboard=True)
    log.write({"step": 5, "loss": 1.5, "by": {"0": 2.0, "none": None}})
    assert seen == [("loss", 1.5, 5), ("by/0", 2.0, 5)]


def test_progress_says_where_it_stands() -> None:
    stream = io.StringIO()
    with metrics.ticker(1.0, 3.0, stream=stream) as bar:
        bar.at(1.5, "step 3, loss 0.5")
        bar.at(2.0, "is too soon")
        bar.at(3.0, "step 9, loss 0.4")
    first, last = stream.getvalue().splitlines()
    assert first.startswith("1.5 of 3 TFLOP, step 3, loss 0.5, ") and first.endswith(" left")
    assert last.startswith("3 of 3 TFLOP, step 9")
    with metrics.ticker(0.0, 1.0, silent=True, stream=stream) as bar:
        bar.at(1.0, "nothing")
    assert "nothing" not in stream.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_a_bar_on_a_terminal() -> None:
    stream = Terminal()
    with metrics.ticker(0.0, 2.0, stream=stream) as bar:
        bar.at(1.0, "step 3")
    assert "TFLOP" in stream.getvalue() and "step 3" in stream.getvalue()


@pytest.mark.parametrize(
    ("name", "tflops"),
    [
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H100 NVL", 835),
        ("NVIDIA H200", 989),
        ("NVIDIA H200 NVL", 835),
        ("NVIDIA GH200 480GB", 989),
        ("NVIDIA B200", 2250),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA A100-PCIE-40GB", 312),
        ("NVIDIA A10G", 70),
        ("NVIDIA A10", 125),
        ("NVIDIA L40S", 362),
        ("NVIDIA L40", 181),
        ("NVIDIA L4", 121),
        ("NVIDIA GeForce RTX 4090", 165),
        ("NVIDIA GeForce RTX 3090", 71),
        ("NVIDIA GeForce RTX 4090 D", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA A100-SXM4-80GB MIG 1g.10gb", None),
        ("NVIDIA H20", None),
        ("AMD Instinct MI300X", None),
    ],
)
def test_the_peak_of_a_gpu_goes_by_its_name(
    name: str, tflops: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert metrics.sheet(name) == (None if tflops is None else tflops * 1e12)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    if tflops is not None:
        assert metrics.peak(torch.device("cuda"), torch.bfloat16) == tflops * 1e12


def test_peak_and_memory_are_measured() -> None:
    assert metrics.peak(torch.device("cpu"), torch.float32) > 1e8
    assert 0.01 < metrics.memory(torch.device("cpu")) < 1000


@pytest.mark.parametrize(
    ("before", "after", "every", "wanted"),
    [(0, 4.9, 5, False), (4.9, 5, 5, True), (5, 5.1, 5, False), (4, 16, 5, True), (9.99, 10.01, 5, True)],
)
def test_crossed(before: float, after: float, every: float, wanted: bool) -> None:
    assert crossed(before, after, every) is wanted


def test_devices_are_checked() -> None:
    with joined("cpu") as process:
        assert process.first and process.device == torch.device("cpu")
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="torch sees no CUDA device; use device=cpu"), joined("cuda"):
            pass
    with card():
        with joined("cuda") as process:
            assert process.device == PLACE
        with pytest.raises(UserError, match="device=cuda:1, but torch sees 1 CUDA devices"), joined("cuda:1"):
            pass


def test_processes_on_cards_wait_for_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(dist, "init_process_group", lambda kind, **how: asked.update(kind=kind, **how))
    monkeypatch.setattr(dist, "destroy_process_group", lambda: None)
    with card(), joined("auto") as process:
        assert process.world == 2 and asked["kind"] == "nccl" and asked["device_id"] == process.device
    # An evaluation of one hour, and the rendering of a pool, are waited for.
    assert asked["timeout"].total_seconds() > 2 * evaluation.LIMIT


def answering(monkeypatch: pytest.MonkeyPatch, rows: list[dict] | None, error: str = "") -> list[list[str]]:
    """Stand in for the process: it writes `rows`, or fails with `error`; the commands that came."""
    asked: list[list[str]] = []

    def run(command, **how):
        asked.append(command)
        if rows is not None:
            out = Path(next(w for w in command if w.startswith("out=")).removeprefix("out="))
            out.mkdir(parents=True, exist_ok=True)
            (out / "summary.json").write_text(json.dumps({"schema": 1, "rows": rows}))
        return SimpleNamespace(returncode=2 if rows is None else 0, stderr=error, stdout="")

    monkeypatch.setattr(evaluation.subprocess, "run", run)
    return asked


def test_a_suite_is_asked_in_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = {"suite": "permanence", "role": "subject", "score": 12.5, "low": 3, "high": 20, "ok": 32}
    asked = answering(monkeypatch, [subject, {"suite": "permanence", "role": "oracle", "score": 100}])
    found = evaluation.evaluate("suite=permanence cases=32", tmp_path / "model", tmp_path / "out")
    assert found == {"permanence": {"score": 12.5, "low": 3, "high": 20, "ok": 32, "planned": None}}
    assert asked[0][1:5] == ["-m", "simbench", "suite=permanence", "cases=32"]
    assert asked[0][5:7] == ["generator=model", f"generator.dir={tmp_path / 'model'}"]


def test_an_evaluation_that_fails_is_a_line_and_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(monkeypatch, None, "warning\nsimbench: suite=x is unknown\n")
    monkeypatch.setattr(sources, "given", lambda config: Squares())
    monkeypatch.setattr(loop_module, "peak", lambda device, dtype: 1e9)
    loop = Loop(parse(options(tmp_path, budget=1e-7, evaluate="suite=x")), CPU)
    loop.run()
    assert "evaluation failed: simbench: suite=x is unknown" in capsys.readouterr().err
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["evaluation"] == {"failed": "simbench: suite=x is unknown"}
    assert (tmp_path / "model" / "config.json").exists()


def test_an_evaluation_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command, **how):
        raise subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr(evaluation.subprocess, "run", run)
    assert "no answer within" in evaluation.evaluate("suite=x", tmp_path, tmp_path)["failed"]
