"""The truth as a generator: what a run prints of itself when nothing is lost, and how long it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simbench.case import Case, Condition
from simbench.errors import UserError
from simbench.video import Video

if TYPE_CHECKING:
    from simbench.suite import Suite


@dataclass(frozen=True)
class Oracle:
    """Answers with the suite's own truth. A condition does not hold it, so only the runner can ask, through
    `told`; no other generator is ever told."""

    capabilities: frozenset[str] = frozenset({"pool"})

    def __call__(self, conditions: Sequence[Condition], seeds: Sequence[int]) -> Sequence[Video | None]:
        """UserError: a condition alone says nothing of the truth."""
        raise UserError("generator=oracle answers within a run only: no condition holds the truth")

    def told(self, suite: Suite, cases: Sequence[Case]) -> Told:
        """What answers the conditions of `cases` of `suite`."""
        return Told(suite=suite, cases={case.condition.name: case for case in cases})

    def identity(self) -> Mapping[str, Any]:
        """Class and version; a stored video also depends on the digest of the truth (`generate.draws_of`)."""
        return {"class": "simbench.generators.oracle.Oracle", "version": 1}


@dataclass(frozen=True)
class Told(Oracle):
    """The oracle within one scene: `cases` by the names of their conditions."""

    suite: Suite | None = None
    cases: Mapping[str, Case] = field(default_factory=dict)

    def __call__(self, conditions: Sequence[Condition], seeds: Sequence[int]) -> Sequence[Video | None]:
        """The truth of each condition. The seed changes nothing."""
        assert self.suite is not None
        return [self.suite.oracle(self.cases[condition.name]) for condition in conditions]
