"""The formulas over tensors, and the tables of a clip as tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from simbench.worlds import binding
from simbench.worlds.compile import CompiledClip


def _where(condition: torch.Tensor, a: Any, b: Any) -> torch.Tensor:
    if isinstance(a, float) and isinstance(b, float):
        a = torch.full((), a, dtype=torch.float32, device=condition.device)
    return torch.where(condition, a, b)


def _sqrt(x: torch.Tensor) -> torch.Tensor:
    """torch.sqrt on CPU is a last bit off for 17 % of float32 values (MKL); numpy's is exact."""
    return torch.from_numpy(np.sqrt(x.numpy())) if x.device.type == "cpu" else torch.sqrt(x)


def _integer(x: torch.Tensor) -> torch.Tensor:
    return x.to(torch.int64)


def _real(x: Any) -> Any:
    return x.to(torch.float32) if isinstance(x, torch.Tensor) else float(x)


F = binding.bind(
    {"where": _where, "sqrt": _sqrt, "floor": torch.floor, "integer": _integer, "real": _real},
    lambda function: function,
    float,
)


@dataclass(frozen=True)
class Body:
    """Body n of some frames: `b.sx` is field sx of BODY, shaped by `pick` from [F] to what it meets.

    `fixed` holds what never changes over time: kind, texture and the spans of edits.
    """

    fields: dict[str, torch.Tensor]
    fixed: Any
    n: int
    pick: Callable[[torch.Tensor], torch.Tensor]

    def __getattr__(self, name: str) -> torch.Tensor:
        return self.pick(self.fields[name][:, self.n])

    @property
    def edited(self) -> bool:
        """True where its own shape may shade it."""
        return bool(self.fixed["carve1"] > self.fixed["carve0"]) or int(self.fixed["kind"]) == 5


@dataclass(frozen=True)
class Batch:
    """Tables of some frames of a clip on a device; `numbers` int64 [F] are the frames."""

    fields: dict[str, torch.Tensor]
    frames: dict[str, torch.Tensor]
    painted: torch.Tensor
    cells: torch.Tensor
    numbers: torch.Tensor
    clip: CompiledClip

    def body(self, n: int, pick: Callable[[torch.Tensor], torch.Tensor]) -> Body:
        """Body n with its fields shaped by `pick`."""
        return Body(self.fields, self.clip.tables.bodies[0, n], n, pick)


def batch(clip: CompiledClip, chosen: list[int], device: torch.device) -> Batch:
    """Frames `chosen` of a clip as tensors; whole numbers become int64."""
    tb = clip.tables

    def load(table: np.ndarray) -> dict[str, torch.Tensor]:
        """The columns of a table on the device."""
        out = {}
        for name in table.dtype.names or ():
            column = np.ascontiguousarray(table[name][chosen])
            column = column.astype(np.int64) if column.dtype.kind == "i" else column
            out[name] = torch.from_numpy(column).to(device)
        return out

    painted = torch.from_numpy(tb.painted).to(device)
    cells = torch.from_numpy(tb.cells).to(device)
    numbers = torch.tensor(chosen, dtype=torch.int64, device=device)
    return Batch(load(tb.bodies), load(tb.frames), painted, cells, numbers, clip)
