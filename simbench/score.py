"""Score: read every video of a scene with the suite's instruments, references and baselines included."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.border import Border, Raised, border
from simbench.case import Case
from simbench.generate import Outcome
from simbench.generator import Generator, Invalid, Refused
from simbench.keys import generator_identity, score_file_key, score_key, seed_for, sha, suite_identity
from simbench.plan import PlannedCase, PlannedScene
from simbench.store import Store
from simbench.video import Video, VideoError, as_video, validate

if TYPE_CHECKING:
    from simbench.engine import Engine
    from simbench.suite import Suite

DAMAGED = "damaged"
"""Status of a stored video whose pixels are not those that were stored: it is made and read again."""


@dataclass(frozen=True)
class Row:
    """One video that was read, or was to be read: the unit of scores.csv before it is spread by metric."""

    role: str
    generator: str
    case: str
    sample: int
    status: str
    reason: str
    measures: Mapping[str, float]
    traceback: str = ""


@dataclass(frozen=True)
class Anchors:
    """What is read beside the subject: oracle and observer, cheats by name, baselines by name."""

    oracle: bool = True
    observer: bool = True
    cheats: tuple[str, ...] = ()
    baselines: Mapping[str, Generator] | None = None


@dataclass(frozen=True)
class Subject:
    """The generator under test: its name and the key of its identity."""

    name: str
    key: str


@dataclass(frozen=True)
class ScoreTask:
    """One scene for a worker."""

    scene: PlannedScene
    subject: Subject | None
    outcomes: tuple[Outcome, ...]
    anchors: Anchors
    store: Store
    rescore: bool


@dataclass(frozen=True)
class SceneScore:
    """All rows of one scene, the keys of stored videos that turned out damaged, and how many videos were read
    now, not known from the store."""

    scene: str
    rows: tuple[Row, ...]
    damaged: tuple[str, ...]
    read: int


@dataclass(frozen=True)
class Reading:
    """One thing to read: `who` is its part of the key, `make` gives the video when it is needed."""

    role: str
    generator: str
    case: PlannedCase
    sample: int
    who: str
    make: Callable[[Border, Case], Any]

    def entry(self) -> str:
        """Its key in a file of scores."""
        case = self.case
        return score_key(case.id, case.condition_digest, case.truth_digest, self.who)


def score_scene(task: ScoreTask) -> SceneScore:
    """Rows of one scene: from the store where they are known, else read now and stored.

    All videos of a case are read before the next case, so that only one case's references are in memory.
    """
    order = {case.id: i for i, case in enumerate(task.scene.cases)}
    files = _files(task)
    todo = [(key, reading) for key, file in files.items() for reading in file.readings]
    new: dict[str, dict[str, Any]] = {key: {} for key in files}
    rows: list[Row] = []
    damaged: list[str] = []
    read = 0
    with border() as guard:
        reader = SceneReader(task.scene, guard)
        for key, reading in sorted(todo, key=lambda item: order[item[1].case.id]):
            entry, known = reading.entry(), files[key].kept
            row = _row(reading, known[entry]) if entry in known else reader.read(reading)
            read += entry not in known
            if row.status == DAMAGED:
                damaged.append(row.reason)
                continue
            if entry not in known and row.status == "ok":
                new[key][entry] = {"status": row.status, "reason": row.reason, "measures": dict(row.measures)}
            rows.append(row)
    for key, entries in new.items():
        if entries:
            task.store.put_scores(key, {**task.store.scores(key), **entries})
    rows += [
        Row("subject", task.subject.name, o.case, o.sample, o.status, o.reason, {}, o.traceback)
        for o in task.outcomes
        if task.subject is not None and o.status != "ok"
    ]
    return SceneScore(task.scene.scene, tuple(rows), tuple(damaged), read)


def unread(task: ScoreTask) -> int:
    """How many videos of a scene `score_scene` would have to read: those whose scores the store has not."""
    return sum(r.entry() not in file.kept for file in _files(task).values() for r in file.readings)


@dataclass(frozen=True)
class ScoreFile:
    """What one file of scores is to hold, and what it holds already and is good for."""

    readings: tuple[Reading, ...]
    kept: Mapping[str, Any]


def _files(task: ScoreTask) -> dict[str, ScoreFile]:
    suite = suite_identity(task.scene.suite)
    found = {}
    for group, readings in groups(task):
        key = score_file_key(suite, task.scene.scene, group)
        found[key] = ScoreFile(tuple(readings), {} if task.rescore else task.store.scores(key))
    return found


def groups(task: ScoreTask) -> Iterator[tuple[str, list[Reading]]]:
    """What to read in one scene, by the file that its scores are kept in."""
    by_id = {case.id: case for case in task.scene.cases}
    if task.subject is not None:
        name = task.subject.name
        yield (
            task.subject.key,
            [
                Reading(
                    "subject", name, by_id[o.case], o.sample, o.digest, partial(_stored, task.store, o.key)
                )
                for o in task.outcomes
                if o.status == "ok"
            ],
        )
    suite, cases = task.scene.suite, task.scene.cases
    references: list[Reading] = []
    for wanted, role, make in (
        (task.anchors.oracle, "oracle", _oracle),
        (task.anchors.observer, "observer", _observer),
    ):
        if wanted:
            references += [Reading(role, role, case, 0, role, partial(make, suite)) for case in cases]
    if task.anchors.cheats:
        for name in task.anchors.cheats:
            references += [
                Reading("cheat", name, case, 0, f"cheat {name}", partial(_cheat, suite, name))
                for case in cases
            ]
    for name, generator in (task.anchors.baselines or {}).items():
        who = sha(dict(generator_identity(generator)))
        references += [Reading("baseline", name, case, 0, who, partial(_answer, generator)) for case in cases]
    yield "anchors", references


def _stored(store: Store, key: str, guard: Border, case: Case) -> Any:
    video = store.get_video(key)
    return Damaged(key) if video is None else video


def _oracle(suite: Suite, guard: Border, case: Case) -> Any:
    return guard.call(suite.oracle, case)


def _observer(suite: Suite, guard: Border, case: Case) -> Any:
    return guard.call(suite.observer, case.condition)


def _cheat(suite: Suite, name: str, guard: Border, case: Case) -> Any:
    return guard.call(suite.cheats()[name], case)


def _answer(generator: Generator, guard: Border, case: Case) -> Any:
    answers = guard.call(generator, [case.condition], [seed_for(case.world_seed, case.id, 0)])
    return answers if isinstance(answers, Raised) else answers[0]


@dataclass(frozen=True)
class Damaged:
    """In place of a video: the store's copy is not what was stored."""

    key: str


class SceneReader:
    """Reads videos of one scene, case after case; what reads a case is prepared once, when first needed."""

    def __init__(self, scene: PlannedScene, guard: Border) -> None:
        self._scene = scene
        self._guard = guard
        self._cases: dict[str, Case] = {}
        self._scorer_case, self._scorer_found = "", None

    def read(self, reading: Reading) -> Row:
        """Make the video of `reading`, check it and measure it."""
        video = reading.make(self._guard, self.case(reading.case.id))
        if isinstance(video, Damaged):
            return self._row(reading, DAMAGED, video.key)
        if isinstance(video, Raised):
            return self._row(reading, "failed", video.reason, video.traceback)
        if isinstance(video, Invalid | Refused):
            status = "invalid" if isinstance(video, Invalid) else "refused"
            return self._row(reading, status, video.reason)
        if video is None:
            return self._row(reading, "missing", "no video was returned")
        if isinstance(video, np.ndarray):
            try:
                video = as_video(video, self.case(reading.case.id).condition.fps)
            except VideoError as error:
                return self._row(reading, "invalid", error.reason)
        problem = validate(video, self.case(reading.case.id).condition)
        if problem is not None:
            return self._row(reading, "invalid", problem)
        return self._measured(reading, video)

    def _measured(self, reading: Reading, video: Video) -> Row:
        scorer = self._scorer(reading.case.id)
        measures = scorer if isinstance(scorer, Raised) else self._guard.call(scorer, video)
        if isinstance(measures, Raised):
            return self._row(reading, "failed", f"scoring: {measures.reason}", measures.traceback)
        bad = unusable(measures)
        if bad is not None:
            return self._row(reading, "failed", bad)
        return self._row(reading, "ok", "", measures={k: float(v) for k, v in sorted(measures.items())})

    def case(self, case: str) -> Case:
        """The whole case of an id."""
        if not self._cases:
            self._cases = {c.id: c for c in self._scene.load()}
        return self._cases[case]

    def _scorer(self, case: str) -> Any:
        if case != self._scorer_case:
            self._scorer_found = self._guard.call(self._scene.suite.scorer, self.case(case))
            self._scorer_case = case
        return self._scorer_found

    @staticmethod
    def _row(
        reading: Reading,
        status: str,
        reason: str,
        traceback: str = "",
        measures: Mapping[str, float] | None = None,
    ) -> Row:
        place = (reading.role, reading.generator, reading.case.id, reading.sample)
        return Row(*place, status, reason, measures or {}, traceback)


def _row(reading: Reading, entry: Mapping[str, Any]) -> Row:
    place = (reading.role, reading.generator, reading.case.id, reading.sample)
    return Row(*place, entry["status"], entry["reason"], dict(entry["measures"]))


def unusable(measures: Any) -> str | None:
    """Why measures cannot stand in a table: not a mapping of names to finite numbers. None when they can."""
    if not isinstance(measures, Mapping) or not measures:
        return f"scoring: expected measures by name, got {measures!r:.80}"
    for name, value in measures.items():
        if not isinstance(value, int | float | np.number) or not math.isfinite(float(value)):
            return f"metric {name!r} is {value!r:.40}; it must be finite or absent"
    return None


def score(
    tasks: Iterable[ScoreTask], engine: Engine, done: Callable[[SceneScore], None]
) -> dict[str, SceneScore]:
    """Score scenes, in any order; `done` hears of each."""
    found = {}
    for result in engine.map(score_scene, list(tasks)):
        found[result.scene] = result
        done(result)
    return found
