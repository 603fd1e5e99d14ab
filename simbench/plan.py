"""The plan: which scenes and cases a run asks, known before any model is loaded."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simbench.case import Case
from simbench.errors import UserError

if TYPE_CHECKING:
    from simbench.engine import Engine
    from simbench.suite import Suite

KEEP_BYTES = 1 << 20
"""Cases of a scene whose conditions are larger than this are made again in the worker that needs them."""


@dataclass(frozen=True)
class PlannedCase:
    """A case without its pixels, with their digests."""

    id: str
    scene: str
    world_seed: int
    tags: Mapping[str, object]
    name: str
    condition_digest: str
    truth_digest: str


@dataclass(frozen=True)
class PlannedScene:
    """A scene of a suite. `kept` holds its whole cases where they are small."""

    suite: Suite
    scene: str
    cases: tuple[PlannedCase, ...]
    kept: tuple[Case, ...] | None

    def load(self) -> Sequence[Case]:
        """The whole cases, made again where they were not kept."""
        return self.kept if self.kept is not None else tuple(self.suite.cases(self.scene))


@dataclass(frozen=True)
class Shard:
    """Part `index` of `count` of the scenes."""

    index: int = 0
    count: int = 1

    def take(self, scenes: Sequence[str]) -> Sequence[str]:
        """Every `count`-th scene, from `index` on."""
        return scenes[self.index :: self.count]


def shard_of(option: str | None, environment: Mapping[str, str] = os.environ) -> Shard:
    """The shard that `shard=i/n` names, else the one of torchrun (RANK, WORLD_SIZE) or a SLURM array."""
    if option is not None:
        match = re.fullmatch(r"(\d+)/(\d+)", option)
        if not match or not int(match[1]) < int(match[2]):
            raise UserError(f"shard={option} must be i/n with 0 <= i < n, for example shard=0/4")
        return Shard(int(match[1]), int(match[2]))
    for index, count in (("RANK", "WORLD_SIZE"), ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT")):
        if index in environment and count in environment:
            i, n = int(environment[index]), int(environment[count])
            if n > 1:
                first = int(environment.get("SLURM_ARRAY_TASK_MIN", "0")) if index.startswith("SLURM") else 0
                return Shard((i - first) % n, n)
    return Shard()


@dataclass(frozen=True)
class SceneRequest:
    """One scene to plan: the item that goes to a worker."""

    suite: Suite
    scene: str


def plan_scene(request: SceneRequest) -> PlannedScene:
    """Make the cases of a scene and take their digests."""
    cases = tuple(request.suite.cases(request.scene))
    planned = tuple(
        PlannedCase(
            case.id,
            case.scene,
            case.world_seed,
            dict(case.tags),
            case.condition.name,
            case.condition.digest(),
            case.truth.digest(),
        )
        for case in cases
    )
    size = sum(case.condition.given_frames.nbytes for case in cases)
    return PlannedScene(request.suite, request.scene, planned, cases if size <= KEEP_BYTES else None)


def plan_suite(
    suite: Suite, scenes: int, seed: str, shard: Shard, engine: Engine
) -> tuple[PlannedScene, ...]:
    """The first `scenes` scenes of a seed space, this shard's part. UserError for ids that are not unique."""
    if scenes < 1:
        raise UserError(f"cases={scenes} measures nothing; use cases=1 or more")
    wanted = shard.take(suite.scenes(scenes, seed))
    made = {p.scene: p for p in engine.map(plan_scene, [SceneRequest(suite, s) for s in wanted])}
    planned = tuple(made[scene] for scene in dict.fromkeys(wanted))
    refuse_duplicates(suite.name, wanted, (case for scene in planned for case in scene.cases))
    return planned


def refuse_duplicates(suite: str, scenes: Sequence[str], cases: Iterable[PlannedCase]) -> None:
    """Raise UserError when two scenes, two cases or two conditions' names are the same."""
    cases = list(cases)
    for what, ids in (
        ("scene id", list(scenes)),
        ("case id", [case.id for case in cases]),
        ("condition name", [case.name for case in cases]),
    ):
        seen: set[str] = set()
        for name in ids:
            if name in seen:
                raise UserError(f"suite {suite} gives the {what} {name!r} twice; ids must be unique")
            seen.add(name)
    if not cases:
        raise UserError(f"suite {suite} gives no case; nothing can be measured")
