"""precision=auto: bf16 or fp32, whichever is faster where a run begins, and the same from then on.

On a CPU without bf16 instructions fp32 is ten times faster; with them bf16 is, by nearly two.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

import torch

from model.training.config import TrainConfig
from model.training.distributed import Process

ROWS, WIDTH, REPEATS = 1024, 128, 5
"""Rows and columns of the products that are timed: those of a small model on a CPU."""


def settled(config: TrainConfig, before: Mapping[str, Any] | None, process: Process) -> TrainConfig:
    """`config` without precision=auto: what the run on disk has (`before`, its options), else `faster`.

    The first process decides for all, so that no two of them add up gradients of different kinds.
    """
    if config.precision != "auto":
        return config
    if before is not None:
        return dataclasses.replace(config, precision=before["precision"])
    half = process.first and faster(process.device) == "bf16"
    decided = process.summed(torch.tensor(float(half), device=process.device))
    return dataclasses.replace(config, precision="bf16" if decided > 0 else "fp32")


def faster(device: torch.device) -> str:
    """bf16 or fp32, by the time of the products that a block makes on `device`."""
    if device.type == "cuda":
        # Torch calls it supported also where it is done in fp32 and takes longer.
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    taken = {
        name: seconds(device, dtype) for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))
    }
    return min(taken, key=lambda name: taken[name])


def seconds(device: torch.device, dtype: torch.dtype) -> float:
    """Least time of a product [ROWS, WIDTH] x [WIDTH, 4 WIDTH] with its two gradients, after a first one."""
    left = torch.ones(ROWS, WIDTH, device=device, dtype=dtype, requires_grad=True)
    right = torch.ones(WIDTH, 4 * WIDTH, device=device, dtype=dtype, requires_grad=True)
    taken = []
    for _ in range(REPEATS + 1):
        begin = time.perf_counter()
        (left @ right).sum().backward()
        taken.append(time.perf_counter() - begin)
    return min(taken[1:])
