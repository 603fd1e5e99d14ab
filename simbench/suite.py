"""What a suite is: it makes cases, reads videos and knows who must not score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from simbench.case import Case, Condition, Setting
from simbench.video import Video

Measures = dict[str, float]
Reference = Callable[[Case], Video]
"""Truth -> video. Only the runner calls it: the oracle and every scripted cheat."""


@dataclass(frozen=True)
class Bound:
    """What a cheat or a baseline may score.

    A cheat: `at_most` points, or None with the `reason` it does not apply. Only a baseline may also have to
    score more than `above` points, and less than the anchor called `below` (oracle or observer).
    """

    at_most: float | None
    reason: str = ""
    above: float | None = None
    below: str = ""


@dataclass(frozen=True)
class Damage:
    """One way to spoil the truth. `make(case, strength)` gives the clip, the given frames as they were;
    `strengths`, in `unit`, rise from 0.0, which is the truth byte for byte."""

    make: Callable[[Case, float], Video]
    unit: str
    strengths: tuple[float, ...]


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


@dataclass(frozen=True)
class Question:
    """What a person is asked about one clip, to be answered yes or no without knowing any score.

    Yes says what the measure `asks` says by 1 (`every`, for measures that are shares: all of it) or by
    anything above 0 (not `every`). `frames` decide, where the truth says which; they are marked.
    """

    text: str
    asks: str
    every: bool = True
    frames: tuple[int, ...] = ()


class Suite(Protocol):
    """One ability. Instances are frozen dataclasses built by Hydra and must pickle.

    A class may name modules in `preload` (ClassVar): what all its workers need, such as `simbench.warm`.
    It may have a method `trace(case, video) -> Mapping[str, Sequence[float | None]]`: by name one number for
    each frame of the video, None where undefined. It is drawn under the frames of the clips that a report
    shows, asked for those alone, and is never part of a score.
    It may have `question(case) -> Question`: what a person is asked who labels its clips (`reports.label`);
    a second reader's answer to the same question is the measure `<asks>_nearest`.
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


class Proven(Suite, Protocol):
    """What `suites.ladder`, `.calibrate`, `.sheet` and `.exploit` need of a suite beside what a run does.

    The cases of a scene have a tag `trial` (str) and, only where a case has an open twin, `hidden` (bool):
    the proofs leave out those whose tag is False. It may have a method `policies() -> Policies` with a policy
    space of its own (`simbench.references.policies`).
    """

    columns: ClassVar[tuple[str, ...]]
    """Raw metrics of `aggregate` that ladders print beside S."""

    def damages(self) -> Mapping[str, Damage]:
        """At least four kinds by name, six strengths each: S falls with the strength, and the last level
        is below half of the first."""
        ...

    def nuisances(self, case: Case) -> Mapping[str, Callable[[np.ndarray], np.ndarray]]:
        """What must not cost a good video its score: frames uint8 [T, H, W, 3] to frames, by names that are
        the same for every case. Mostly `simbench.references.nuisance.nuisances`, less what the suite
        itself measures."""
        ...

    def baselines(self) -> Mapping[str, Bound]:
        """What the baselines (frozen, copy_last, constant_velocity, flow, or another generator) may score;
        one that is left out must only stay below the oracle."""
        ...


def asked(suite: Suite, case: Case) -> dict[str, Any]:
    """What clips.json says for those who label; nothing where the suite has no question."""
    if not hasattr(suite, "question"):
        return {}
    question: Question = suite.question(case)
    return {
        "question": question.text,
        "asks": question.asks,
        "every": question.every,
        "marked": list(question.frames),
    }


def preload(suites: Sequence[Suite]) -> tuple[str, ...]:
    """The modules that the workers of `suites` have in common, in order, each once."""
    return tuple(dict.fromkeys(name for suite in suites for name in getattr(suite, "preload", ())))
