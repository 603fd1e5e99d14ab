"""The generator protocol: a model under test sees conditions and returns videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from simbench.case import Condition
from simbench.video import Video


@dataclass(frozen=True)
class Invalid:
    """In place of a video: something came back that cannot be scored. `reason` is one line."""

    reason: str


@dataclass(frozen=True)
class Features:
    """What a model makes of one video, for probes.

    `blocks` float32 [levels, layers, F, h, w, D], the tokens that enter and those after each layer, at each
    noise level asked; `latents` float32 [F, h', w', C], what its codec makes of the video. F frames of the
    model: the first stands for the first video frame, the others for equal shares of the rest, in order.
    """

    blocks: np.ndarray
    latents: np.ndarray


@dataclass(frozen=True)
class Refused:
    """In place of a video: the service declined to make one (a safety filter, say)."""

    reason: str


Answer = Video | Invalid | Refused | None
"""What a generator may return for one condition; None means missing."""


@runtime_checkable
class Generator(Protocol):
    """`__call__` answers a batch; a frame array that is not a Video, or None for "missing", is checked
    by the runner. Optional capabilities: "loss", "roundtrip", "features"
    (`features(conditions, videos, seeds, levels)` gives Features, and `untrained(seed)` the same network
    before training), "step", and "pool" (a
    stateless CPU generator that may run in worker processes), "samples" (takes `samples=`, the index of
    the draw asked for each condition: a generator that reads files cannot know it from a seed). An optional
    attribute `exposure` says whether it was trained on these worlds: zero-shot, worlds-train or unknown."""

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do beside answering."""
        ...

    def __call__(self, conditions: Sequence[Condition], seeds: Sequence[int]) -> Sequence[Answer]:
        """One video per condition: `frames` frames with the given ones included."""
        ...

    def identity(self) -> Mapping[str, Any]:
        """JSON-able: everything that changes what comes out (class, weights digest, options)."""
        ...
