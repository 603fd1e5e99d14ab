"""The generator protocol: a model under test sees conditions and returns videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from simbench.case import Condition
from simbench.video import Video


@runtime_checkable
class Generator(Protocol):
    """`__call__` answers a batch; a frame array that is not a Video, or None for "missing", is checked
    by the runner. Optional capabilities: "loss", "roundtrip", "features", "step", and "pool" (a
    stateless CPU generator that may run in worker processes)."""

    capabilities: frozenset[str]

    def __call__(self, conditions: Sequence[Condition], seeds: Sequence[int]) -> Sequence[Video | None]:
        """One video per condition: `frames` frames with the given ones included."""
        ...

    def identity(self) -> Mapping[str, Any]:
        """JSON-able: everything that changes what comes out (class, weights digest, options)."""
        ...
