"""What a suite is: it makes cases, reads videos and knows who must not score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from simbench.case import Case, Condition, Setting
from simbench.video import Video

Measures = dict[str, float]
Reference = Callable[[Case], Video]
"""Truth -> video. Only the runner calls it: the oracle and every scripted cheat."""


@dataclass(frozen=True)
class Bound:
    """What a cheat may score at the most: `at_most` points, or None with the `reason` it does not apply."""

    at_most: float | None
    reason: str = ""


@dataclass(frozen=True)
class CaseScore:
    """What scoring one video of one case gave. `status`: ok, invalid, missing, failed, refused."""

    case: str
    scene: str
    world_seed: int
    tags: Mapping[str, Any]
    sample: int
    status: str
    reason: str
    measures: Measures


class Suite(Protocol):
    """One ability. Instances are frozen dataclasses built by Hydra and must pickle.

    A class may name modules in `preload` (ClassVar): what all its workers need, such as `simbench.warm`.
    It may have a method `trace(case, video) -> Mapping[str, Sequence[float | None]]`: by name one number for
    each frame of the video, None where undefined. It is drawn under the frames of the clips that a report
    shows, asked for those alone, and is never part of a score.
    """

    name: str
    version: int
    setting: Setting

    def scenes(self, count: int, seed: str) -> Sequence[str]:
        """Ids of the first `count` scenes of a seed space (`public`, an integer, or `calibration`)."""
        ...

    def cases(self, scene: str) -> Sequence[Case]:
        """All cases of one scene, deterministic, order fixed."""
        ...

    def scorer(self, case: Case) -> Callable[[Video], Measures]:
        """Prepare the instruments for one case once; the result reads any number of videos."""
        ...

    def aggregate(self, rows: Sequence[CaseScore]) -> Mapping[str, Mapping[str, float]]:
        """scene id -> {metric: raw value} for one generator; what is not ok counts as zero scores.
        Undefined values are absent, never NaN."""
        ...

    def calibrated(self, metric: str, raw: float) -> float:
        """S = 100 (raw - zero) / (oracle - zero) for headline metrics; others unchanged."""
        ...

    def oracle(self, case: Case) -> Video:
        """The truth itself, rendered."""
        ...

    def observer(self, condition: Condition) -> Video:
        """Reads the condition with the suite's instrument, fits the known law, rolls it out."""
        ...

    def cheats(self) -> Mapping[str, Reference]:
        """Scripted bad generators by name."""
        ...

    def bounds(self) -> Mapping[str, Bound]:
        """For every cheat what it may score."""
        ...


def preload(suites: Sequence[Suite]) -> tuple[str, ...]:
    """The modules that the workers of `suites` have in common, in order, each once."""
    return tuple(dict.fromkeys(name for suite in suites for name in getattr(suite, "preload", ())))
