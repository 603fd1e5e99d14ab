"""What a run says of itself: lines of metrics.jsonl, losses by noise level and pattern, speed, progress."""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO

import torch
from torch import Tensor

from model.diffusion.levels import PATTERNS
from simbench.errors import UserError
from simbench.files import write_text
from simbench.progress import EVERY, duration

BINS = 8
PEAKS = {
    "B200": 2250e12, "H200 NVL": 835e12, "H200": 989e12, "GH200": 989e12, "H100 PCIe": 756e12,
    "H100 NVL": 835e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L40": 181e12, "L4": 121e12,
    "A10G": 70e12, "A10": 125e12, "RTX 4090": 165e12, "RTX 3090": 71e12,
}  # fmt: skip
"""Dense bf16 FLOP/s of GPUs from NVIDIA's data sheets, without sparsity, by words of the names that torch has
for them; H100 and H200 alone are the SXM boards. The first that fits counts."""
OTHER_BOARDS = re.compile(r"Laptop|Max-Q|MIG| D\b")
"""Parts and slower boards of the same name."""


class Tally:
    """Sums of losses over some steps, kept on the device so that no step waits for them."""

    def __init__(self, device: torch.device) -> None:
        self._sums = torch.zeros(2, BINS + len(PATTERNS), device=device)
        self._total = torch.zeros(2, device=device)

    @torch.no_grad()
    def add(self, frames: Tensor, level: Tensor, context: Tensor, pattern: Tensor) -> None:
        """Take in the losses [B, F] of frames at `level`, all but those of `context`; `pattern` is [B]."""
        counted = (~context).float()
        bins = (level * BINS).long().clamp(0, BINS - 1)
        kinds = BINS + pattern[:, None].expand_as(bins)
        for place in (bins, kinds):
            self._sums[0].index_add_(0, place.flatten(), (frames.float() * counted).flatten())
            self._sums[1].index_add_(0, place.flatten(), counted.flatten())
        self._total += torch.stack([(frames.float() * counted).sum(), counted.sum()])

    def read(self, summed: Callable[[Tensor], Tensor] = lambda t: t) -> dict[str, Any]:
        """Means, and back to nothing. `summed` adds up over processes. A bin without frames is left out."""
        sums, counts = summed(torch.cat([self._sums, self._total[:, None]], 1)).tolist()
        self._sums.zero_()
        self._total.zero_()
        means = [s / c if c else None for s, c in zip(sums, counts, strict=True)]
        edges = {f"{i / BINS:g}": m for i, m in enumerate(means[:BINS]) if m is not None}
        kinds = dict(zip(PATTERNS, means[BINS:-1], strict=True))
        return {
            "loss": means[-1],
            "loss_by_level": edges,
            "loss_by_pattern": {k: m for k, m in kinds.items() if m is not None},
        }


class Log:
    """Appends to metrics.jsonl. What a stopped run wrote after its last checkpoint is dropped first."""

    def __init__(self, path: Path, step: int, tensorboard: bool = False) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        kept = [line for line in lines if _step(line) <= step]
        write_text(path, "".join(f"{line}\n" for line in kept))
        self._board = _board(path.parent) if tensorboard else None

    def write(self, entry: Mapping[str, Any]) -> None:
        """One line; `entry` holds `step`."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        if self._board is not None:
            for name, value in _numbers(entry):
                self._board.add_scalar(name, value, entry["step"])
            self._board.flush()


def _step(line: str) -> float:
    """The step of a line; a line that a killed run left half written counts as after everything."""
    try:
        return float(json.loads(line)["step"])
    except (json.JSONDecodeError, KeyError, TypeError):
        return float("inf")


def _board(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UserError("tensorboard=true needs the package: pip install tensorboard") from error
    return SummaryWriter(str(folder / "tensorboard"))  # type: ignore[no-untyped-call]


def _numbers(entry: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, float]]:
    for name, value in entry.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{where}{name}/")
        elif isinstance(value, int | float) and name != "step":
            yield f"{where}{name}", float(value)


def sheet(name: str) -> float | None:
    """Dense bf16 FLOP/s of the GPU that torch calls `name`; None where PEAKS does not know it."""
    if OTHER_BOARDS.search(name):
        return None
    return next((value for known, value in PEAKS.items() if re.search(rf"\b{known}\b", name)), None)


def peak(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s that MFU is a share of: the data sheet's for a GPU in PEAKS in bf16, else a measured matmul."""
    if device.type == "cuda" and dtype == torch.bfloat16:
        known = sheet(torch.cuda.get_device_name(device))
        if known is not None:
            return known
    size = 8192 if device.type == "cuda" else 1024
    a = torch.ones(size, size, dtype=dtype, device=device)
    best = float("inf")
    for _ in range(6):
        began = time.perf_counter()
        (a @ a)[0, 0].item()
        best = min(best, time.perf_counter() - began)
    return 2.0 * size**3 / best


def memory(device: torch.device) -> float:
    """Peak memory in GB: of the GPU, else of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return used * (1 if sys.platform == "darwin" else 1024) / 1e9


class Ticker(Protocol):
    """Hears how far the run is."""

    def at(self, tflop: float, text: str) -> None:
        """`tflop` is done in all; `text` is what to say of it."""
        ...


class _Lines:
    def __init__(self, start: float, stop: float, stream: TextIO) -> None:
        self._start, self._stop, self._stream = start, stop, stream
        self._began, self._said = time.monotonic(), float("-inf")

    def at(self, tflop: float, text: str) -> None:
        """See Ticker."""
        now = time.monotonic()
        if now - self._said < EVERY and tflop < self._stop:
            return
        self._said = now
        done = tflop - self._start
        left = (now - self._began) / done * max(0.0, self._stop - tflop) if done > 0 else 0.0
        line = f"{tflop:.3g} of {self._stop:.3g} TFLOP, {text}, {duration(left)} left"
        print(line, file=self._stream, flush=True)


class _Rich:
    def __init__(self, bar: Any, task: int) -> None:
        self._bar, self._task = bar, task

    def at(self, tflop: float, text: str) -> None:
        """See Ticker."""
        self._bar.update(self._task, completed=tflop, description=text)


class _Silent:
    def at(self, tflop: float, text: str) -> None:
        """See Ticker."""


@contextmanager
def ticker(start: float, stop: float, silent: bool = False, stream: TextIO | None = None) -> Iterator[Ticker]:
    """Progress from `start` to `stop` TFLOP: a bar on a terminal, else a plain line every few seconds."""
    if silent:
        yield _Silent()
        return
    stream = sys.stderr if stream is None else stream
    if not stream.isatty():
        yield _Lines(start, stop, stream)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        TextColumn("{task.completed:.2f} of {task.total:.2f} TFLOP"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(file=stream)) as bar:
        task = bar.add_task("", total=stop)
        bar.update(task, completed=start)
        yield _Rich(bar, task)
