"""`flow`: a classical predictor, from the given frames alone. It knows no law of any suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from simbench.case import Condition
from simbench.generators.rollout import roll_out
from simbench.video import Video


@dataclass(frozen=True)
class Flow:
    """Segments moving layers by dense optical flow, fits constant velocity or acceleration, and rolls out:
    hidden behind what hid them, in sight again beyond it, at rest before a bar across their way.
    Deterministic; the seed changes nothing.

    Not zero-shot: its rule about bars and its thresholds were chosen while public scenes were looked at.
    """

    capabilities: frozenset[str] = frozenset({"pool"})
    exposure: ClassVar[str] = "worlds-train"

    def __call__(self, conditions: Sequence[Condition], seeds: Sequence[int]) -> Sequence[Video | None]:
        """One video per condition; the given frames come back as they were, grey where none is given."""
        return [Video(roll_out(c), c.fps) for c in conditions]

    def identity(self) -> Mapping[str, Any]:
        """Class and version."""
        return {"class": "simbench.generators.flow.Flow", "version": 2}
