"""A source of tiny clips and a run that takes seconds, for the tests of training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from model.data import Sample
from simbench.worlds.scene import Caption


class Squares:
    """Clips of 5 frames of 8x8 px, or of `side`: a square of a random colour that moves to the right."""

    def __init__(self, count: int = 40, broken: bool = False, side: int = 8) -> None:
        self._count, self._broken, self._side = count, broken, side

    def __len__(self) -> int:
        return self._count

    def sample(self, index: int) -> Sample:
        if self._broken:
            raise OSError("the disk is gone")
        rng = np.random.default_rng(index)
        video = np.full((5, self._side, self._side, 3), 30, np.uint8)
        mask = np.zeros((5, self._side, self._side), np.uint8)
        colour, y = rng.integers(60, 255, 3), int(rng.integers(0, 5))
        for t in range(5):
            video[t, y : y + 3, t : t + 3] = colour
            mask[t, y : y + 3, t : t + 3] = 1
        actions = np.eye(2, dtype=np.float32)[[0, 0, 1, 1, 1]]
        camera = np.tile(np.eye(3, 4, dtype=np.float32), (5, 1, 1))
        return Sample(video, 8.0, Caption("a square", "a square moves", "{}"), actions, camera, mask)


WORK = 0.05
"""TFLOP that a toy run counts as its budget: some steps."""


def options(out: Path, **changes: Any) -> list[str]:
    """Words of a command line for a toy run; `changes` replace dots by two underscores."""
    words = {
        "out": str(out),
        "model.vae.patch": 4,
        "model.vae.widths": "[]",
        "model.vae.channels": 6,
        "model.dit.channels": 6,
        "model.dit.width": 12,
        "model.dit.depth": 1,
        "model.dit.heads": 1,
        "model.dit.rank": 2,
        "data.path": "toy",
        "data.held": 8,
        "batch": 4,
        "compile": "false",
        "precision": "fp32",
        "device": "cpu",
        "log_every": 2,
    }
    words |= {key.replace("__", "."): value for key, value in changes.items()}
    return [f"{key}={value}" for key, value in words.items()]
