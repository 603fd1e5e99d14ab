"""Pairs of two runs: which scenes can be compared, what has no partner, and why a suite cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports.gate.reading import LOST, Part, Place, Run

NOT_COMPARABLE = "not comparable"
NO_BASELINE = "no baseline"
NOTHING = "nothing measured"


@dataclass(frozen=True)
class Pair:
    """One suite of two runs. `scenes`: those that both asked in the same way. `refusal`: why there is no
    number, and `kind` in one or two words; empty where there is one."""

    suite: str
    base: Part | None
    head: Part | None
    scenes: tuple[str, ...]
    only_base: tuple[Place, ...]
    only_head: tuple[Place, ...]
    kind: str = ""
    refusal: str = ""

    def metrics(self) -> tuple[str, ...]:
        """Metrics that scenes of both sides have."""
        if self.base is None or self.head is None:
            return ()
        sides = [{m for s in self.scenes for m in part.scenes[s]} for part in (self.base, self.head)]
        return tuple(sorted(sides[0] & sides[1]))

    def values(self, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """Values of a metric by scene on both sides [scenes], where both are defined."""
        assert self.base is not None and self.head is not None
        both = [s for s in self.scenes if metric in self.base.scenes[s] and metric in self.head.scenes[s]]
        return (
            np.array([self.base.scenes[s][metric] for s in both], np.float64),
            np.array([self.head.scenes[s][metric] for s in both], np.float64),
        )

    def lost(self) -> tuple[int, int]:
        """Missing, invalid and failed videos of base and of head."""
        sides = [0 if part is None else part.count(*LOST) for part in (self.base, self.head)]
        return sides[0], sides[1]


def pair_runs(base: Run, head: Run) -> list[Pair]:
    """Every suite of either run, those of head first."""
    suites = [*head.parts, *(s for s in base.parts if s not in head.parts)]
    return [pair_suite(base, head, suite) for suite in suites]


def pair_suite(base: Run, head: Run, suite: str) -> Pair:
    """One suite of two runs."""
    one, other = base.parts.get(suite), head.parts.get(suite)
    if one is None or other is None:
        kind, lacking = (NO_BASELINE, "base has no such suite") if one is None else (NOTHING, "head has none")
        return Pair(suite, one, other, (), (), (), kind, lacking)
    kind = NOT_COMPARABLE
    refusal = _differ(one, other) or _identities(base.record, head.record, suite, one.setting)
    only_base = tuple(sorted(set(one.videos) - set(other.videos)))
    only_head = tuple(sorted(set(other.videos) - set(one.videos)))
    # A scene of which the two runs asked something else is not the same measurement.
    unlike = {place[0] for place in (*only_base, *only_head)}
    common = tuple(sorted((set(one.scenes) & set(other.scenes)) - unlike))
    if not refusal:
        refusal = _unread(one, other)
        kind = NOTHING if refusal else NOT_COMPARABLE
    if not refusal and not common:
        refusal = _no_scene(one, other)
    return Pair(suite, one, other, common, only_base, only_head, kind if refusal else "", refusal)


def _differ(one: Part, other: Part) -> str:
    if one.version != other.version:
        return f"base is version {one.version}, head version {other.version}: run base again"
    if one.setting != other.setting:
        return f"base was asked as {one.setting}, head as {other.setting}"
    for case in sorted(set(one.seeds) & set(other.seeds)):
        if one.seeds[case] != other.seeds[case]:
            return f"case {case} is another world in base ({one.seeds[case]}) and head ({other.seeds[case]})"
    return ""


def _identities(base: Mapping[str, Any], head: Mapping[str, Any], suite: str, setting: str) -> str:
    """What differs in the suite's own parameters where both runs kept their run.json. Of a mapping by
    setting (the oracle's constants, say) only the entry of this setting matters."""
    sides = [((record.get("suites") or {}).get(suite) or {}).get("fields") for record in (base, head)]
    if not all(isinstance(side, dict) for side in sides):
        return ""
    one, other = ({k: _entry(v, setting) for k, v in (side or {}).items()} for side in sides)
    names = sorted(k for k in {*one, *other} if one.get(k) != other.get(k))
    return f"the suite itself differs ({', '.join(names)}): run base again" if names else ""


def _entry(value: Any, setting: str) -> Any:
    return value[setting] if isinstance(value, dict) and setting in value else value


def _unread(one: Part, other: Part) -> str:
    for name, part in (("base", one), ("head", other)):
        if part.count("ok") == 0:
            reasons = sorted({reason for _, reason in part.videos.values() if reason})
            why = f" ({reasons[0]})" if reasons else ""
            return f"none of the {len(part.videos)} videos of {name} could be scored{why}"
    return ""


def _no_scene(one: Part, other: Part) -> str:
    samples = [1 + max(place[2] for place in part.videos) for part in (one, other)]
    if samples[0] != samples[1]:
        return f"no scene matches: base has {samples[0]} samples of a case, head {samples[1]}"
    return "no scene of one is in the other: they were asked with another seed="
