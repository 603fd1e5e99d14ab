"""Generate: ask the model for every video that the store does not have, and check what comes back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.border import Border, Raised, border
from simbench.case import Case, Condition
from simbench.errors import UserError
from simbench.generator import Generator, Invalid, Refused
from simbench.generators.oracle import Oracle
from simbench.keys import class_name, seed_for, video_key
from simbench.plan import PlannedCase, PlannedScene
from simbench.store import Store
from simbench.video import Video, VideoError, as_video, validate

if TYPE_CHECKING:
    from simbench.engine import Engine

ALIKE = 8
"""Equal failures in a row after which the rest is not tried."""


@dataclass(frozen=True)
class Outcome:
    """What became of one draw. `key` and `digest` are those of the stored video when `status` is ok."""

    case: str
    sample: int
    status: str
    reason: str = ""
    key: str = ""
    digest: str = ""
    seconds: float | None = None
    traceback: str = ""


@dataclass(frozen=True)
class Draw:
    """One video to make: a sample of a case, its seed and where it will be stored."""

    case: PlannedCase
    sample: int
    seed: int
    key: str


@dataclass(frozen=True)
class Wanted:
    """The draws of one scene that the store does not have."""

    scene: PlannedScene
    draws: tuple[Draw, ...]


@dataclass
class Failures:
    """Counts equal failures in a row, to stop a run in which everything fails for one reason."""

    last: str = ""
    row: int = 0

    def add(self, outcome: Outcome) -> None:
        """Take note of one outcome."""
        alike = outcome.status == "failed" and outcome.reason == self.last
        self.row = self.row + 1 if alike else int(outcome.status == "failed")
        self.last = outcome.reason if outcome.status == "failed" else ""

    @property
    def hopeless(self) -> bool:
        """Whether the rest would fail in the same way."""
        return self.row >= ALIKE


def draws_of(
    scene: PlannedScene, samples: int, identity: Mapping[str, Any], noise: int = 0
) -> tuple[Draw, ...]:
    """All draws of a scene for the generator of `identity`, with the seeds of `noise`. What the oracle
    answers depends on the truth, too."""
    setting = scene.suite.setting
    told = identity["class"] == class_name(Oracle())
    found = []
    for case in scene.cases:
        for sample in range(samples):
            seed = seed_for(case.world_seed, case.id, sample, noise)
            asked = case.condition_digest + (case.truth_digest if told else "")
            found.append(Draw(case, sample, seed, video_key(identity, setting, asked, seed)))
    return tuple(found)


def stored(draws: Sequence[Draw], store: Store) -> dict[str, Outcome]:
    """The outcomes of those draws that the store already has, by their keys."""
    found = {}
    for draw in draws:
        meta = store.meta(draw.key)
        if meta is not None:
            found[draw.key] = Outcome(draw.case.id, draw.sample, "ok", "", draw.key, meta.digest)
    return found


def ask(
    generator: Generator, conditions: Sequence[Condition], draws: Sequence[Draw], guard: Border
) -> list[Any]:
    """One answer or Raised for each draw. Out of memory halves the batch down to 1; any other exception in a
    batch is asked again one by one, so that it costs only the case that raised it."""
    seeds = [draw.seed for draw in draws]
    named: dict[str, Any] = {}
    if "samples" in generator.capabilities:
        named["samples"] = [draw.sample for draw in draws]
    answers = guard.call(generator, list(conditions), seeds, **named)
    if isinstance(answers, Raised):
        if len(draws) == 1:
            return [answers]
        half = len(draws) // 2 if answers.memory else 1
        found = []
        for start in range(0, len(draws), half):
            part = slice(start, start + half)
            found += ask(generator, conditions[part], draws[part], guard)
        return found
    if not isinstance(answers, list | tuple) or len(answers) != len(draws):
        count = len(answers) if isinstance(answers, list | tuple) else type(answers).__name__
        return [Invalid(f"asked for {len(draws)} videos in a list, got {count}")] * len(draws)
    return list(answers)


def settle(answer: Any, draw: Draw, condition: Condition, store: Store, seconds: float) -> Outcome:
    """Check one answer and store it; what cannot be scored becomes a status with its reason."""
    place = (draw.case.id, draw.sample)
    if answer is None:
        return Outcome(*place, "missing", "the generator returned no video")
    if isinstance(answer, Raised):
        reason = f"out of memory at batch=1: {answer.reason}" if answer.memory else answer.reason
        return Outcome(*place, "failed", reason, traceback=answer.traceback)
    if isinstance(answer, Refused):
        return Outcome(*place, "refused", answer.reason)
    if isinstance(answer, Invalid):
        return Outcome(*place, "invalid", answer.reason)
    if isinstance(answer, np.ndarray):
        try:
            answer = as_video(answer, condition.fps)
        except VideoError as error:
            return Outcome(*place, "invalid", error.reason)
    if not isinstance(answer, Video) or not isinstance(answer.frames, np.ndarray):
        return Outcome(*place, "invalid", f"expected a Video or an array, got {type(answer).__name__}")
    problem = validate(answer, condition)
    if problem is None and answer.frames.dtype != np.uint8:
        answer = as_video(answer.frames, answer.fps)
    if problem is not None:
        return Outcome(*place, "invalid", problem)
    meta = store.put_video(draw.key, answer, seconds)
    return Outcome(*place, "ok", "", draw.key, meta.digest, seconds)


def answer_batch(
    generator: Generator, cases: Mapping[str, Case], draws: Sequence[Draw], store: Store, guard: Border
) -> list[Outcome]:
    """Ask for `draws` together and settle each."""
    conditions = [cases[draw.case.id].condition for draw in draws]
    started = time.perf_counter()
    answers = ask(generator, conditions, draws, guard)
    each = (time.perf_counter() - started) / len(draws)
    return [
        settle(answer, draw, condition, store, each)
        for answer, draw, condition in zip(answers, draws, conditions, strict=True)
    ]


@dataclass(frozen=True)
class GenerateTask:
    """One scene for a worker: a stateless generator, what to make, where to put it."""

    generator: Generator
    wanted: Wanted
    store: Store


def generate_scene(task: GenerateTask) -> list[Outcome]:
    """Make the missing videos of one scene in this process, one at a time."""
    cases = {case.id: case for case in task.wanted.scene.load()}
    generator = task.generator
    if isinstance(generator, Oracle):
        generator = generator.told(task.wanted.scene.suite, tuple(cases.values()))
    with border() as guard:
        return [
            outcome
            for draw in task.wanted.draws
            for outcome in answer_batch(generator, cases, [draw], task.store, guard)
        ]


def batches(wanted: Sequence[Wanted], size: int) -> Iterator[tuple[dict[str, Case], list[Draw]]]:
    """Draws in batches of `size` across scenes, with the cases they belong to."""
    cases: dict[str, Case] = {}
    batch: list[Draw] = []
    for part in wanted:
        loaded = {case.id: case for case in part.scene.load()}
        for draw in part.draws:
            cases[draw.case.id] = loaded[draw.case.id]
            batch.append(draw)
            if len(batch) == size:
                yield cases, batch
                cases, batch = {}, []
    if batch:
        yield cases, batch


def generate(
    generator: Generator,
    wanted: Sequence[Wanted],
    store: Store,
    engine: Engine,
    batch: int,
    done: Callable[[Outcome], None],
) -> list[Outcome]:
    """Make all wanted videos; `done` hears of each. Stops after ALIKE equal failures in a row, and the rest
    fails with the same reason."""
    if batch < 1:
        raise UserError(f"batch={batch} must be 1 or more")
    outcomes: list[Outcome] = []
    failures = Failures()

    def take(new: Sequence[Outcome]) -> bool:
        """Note new outcomes; whether the rest is hopeless."""
        for outcome in new:
            outcomes.append(outcome)
            failures.add(outcome)
            done(outcome)
        return failures.hopeless

    if "pool" in generator.capabilities:
        tasks = [GenerateTask(generator, part, store) for part in wanted]
        parts = engine.map(generate_scene, tasks)
        any(take(part) for part in parts)
    else:
        with border() as guard:
            for cases, draws in batches(wanted, batch):
                if take(answer_batch(generator, cases, draws, store, guard)):
                    break
    return outcomes + _not_tried(wanted, outcomes, failures, done)


def _not_tried(
    wanted: Sequence[Wanted], outcomes: Sequence[Outcome], failures: Failures, done: Callable[[Outcome], None]
) -> list[Outcome]:
    tried = {(o.case, o.sample) for o in outcomes}
    left = [d for part in wanted for d in part.draws if (d.case.id, d.sample) not in tried]
    rest = [Outcome(d.case.id, d.sample, "failed", failures.last) for d in left]
    for outcome in rest:
        done(outcome)
    return rest


def reasons(outcomes: Sequence[Outcome]) -> Counter[str]:
    """How often each reason stands among those that are not ok."""
    return Counter(f"{o.status}: {o.reason}" for o in outcomes if o.status != "ok")
