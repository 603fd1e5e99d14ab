"""Baselines that see the condition only: what a score must beat before it means anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simbench.case import Condition
from simbench.generators.rollout import hold, roll_out
from simbench.video import Video


def _answer(
    conditions: Sequence[Condition], predict: Callable[[Condition], np.ndarray]
) -> list[Video | None]:
    return [Video(predict(c), c.fps) for c in conditions]


@dataclass(frozen=True)
class CopyLast:
    """The given frames, then the last one for ever. The seed changes nothing."""

    capabilities: frozenset[str] = frozenset({"pool"})

    def __call__(self, conditions: Sequence[Condition], seeds: Sequence[int]) -> Sequence[Video | None]:
        """One video per condition; grey where no frame is given."""
        return _answer(conditions, hold)

    def identity(self) -> Mapping[str, Any]:
        """Class and version."""
        return {"class": "simbench.generators.baselines.CopyLast", "version": 1}


@dataclass(frozen=True)
class Frozen:
    """The given frames, then the first one for ever. The seed changes nothing."""

    capabilities: frozenset[str] = frozenset({"pool"})

    def __call__(self, conditions: Sequence[Condition], seeds: Sequence[int]) -> Sequence[Video | None]:
        """One video per condition; grey where no frame is given."""
        return _answer(conditions, self._predict)

    def identity(self) -> Mapping[str, Any]:
        """Class and version."""
        return {"class": "simbench.generators.baselines.Frozen", "version": 1}

    @staticmethod
    def _predict(condition: Condition) -> np.ndarray:
        out = hold(condition)
        given = len(condition.given_frames)
        if given > 0:
            out[given:] = out[0]
        return out


@dataclass(frozen=True)
class ConstantVelocity:
    """What moves goes on at constant velocity in front of everything, straight through walls, over a plate
    filled from the frames. The seed changes nothing."""

    capabilities: frozenset[str] = frozenset({"pool"})

    def __call__(self, conditions: Sequence[Condition], seeds: Sequence[int]) -> Sequence[Video | None]:
        """One video per condition; the last frame is held where fewer than two frames are given."""
        return _answer(conditions, lambda c: roll_out(c, highest=1, hide=False))

    def identity(self) -> Mapping[str, Any]:
        """Class and version."""
        return {"class": "simbench.generators.baselines.ConstantVelocity", "version": 1}
