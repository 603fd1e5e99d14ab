"""A run: plan, generate, score, write. Each step skips what the store has, so any run can be resumed."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simbench import exits
from simbench.errors import UserError
from simbench.files import megabytes, nearest, require_writable, write_text
from simbench.generate import Outcome, Wanted, draws_of, generate, reasons, stored
from simbench.generator import Generator
from simbench.keys import generator_identity, sha, suite_identity
from simbench.plan import PlannedScene, Shard, plan_suite
from simbench.progress import duration, progress
from simbench.score import Anchors, SceneScore, ScoreTask, Subject, score, unread
from simbench.scores import Measured, csv_text, tags_text
from simbench.store import Store
from simbench.summary import summary, summary_text

if TYPE_CHECKING:
    from simbench.engine import Engine
    from simbench.suite import Suite

UNKNOWN_TIME = "not known before this suite and generator have run once"

COMPRESSED = 0.7
"""Largest share of its raw bytes that a stored clip was seen to take (FFV1 on noise-like looks)."""


@dataclass(frozen=True)
class Request:
    """Everything a run needs. `load` builds the generator; `options` are what it is built from. `plan` is
    that of an earlier run of the same suites and scenes; None: it is made."""

    suites: tuple[Suite, ...]
    name: str
    options: Mapping[str, Any]
    load: Callable[[], Generator]
    anchors: Anchors
    cheats: str
    out: Path
    store: Store
    scenes: int
    samples: int
    seed: str
    noise: int
    shard: Shard
    batch: int
    workers: int
    mode: str
    max_incomplete: int
    rescore: bool
    clips: int
    exposure: str | None
    resume: str
    config: Mapping[str, Any]
    plan: Plan | None = None


@dataclass(frozen=True)
class Plan:
    """The planned scenes of every suite, and what is known before a model is loaded."""

    scenes: Mapping[str, tuple[PlannedScene, ...]]


@dataclass
class Results:
    """What a run has gathered."""

    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    measured: list[Measured] = field(default_factory=list)
    exposure: str = "unknown"


def say(text: str) -> None:
    """One line to the person who waits: on stderr, so that stdout holds the table alone."""
    print(text, file=sys.stderr, flush=True)


def make_plan(request: Request, engine: Engine) -> Plan:
    """Plan every suite. UserError for suites of one name or ids that are not unique."""
    names = [suite.name for suite in request.suites]
    if len(set(names)) != len(names):
        raise UserError(f"two suites have one name: {', '.join(names)}")
    if request.samples < 1:
        raise UserError(f"samples={request.samples} measures nothing; use samples=1 or more")
    scenes = {
        suite.name: plan_suite(suite, request.scenes, request.seed, request.shard, engine)
        for suite in request.suites
    }
    return Plan(scenes)


def announce(request: Request, plan: Plan) -> None:
    """Print scenes, cases, what is stored and how long the rest takes; UserError if the disk is too small."""
    known = request.store.known(sha(dict(request.options)))
    missing = 0
    unknown_scores: dict[str, int] = {}
    for suite in request.suites:
        scenes = plan.scenes[suite.name]
        cases = sum(len(scene.cases) for scene in scenes)
        part = f", shard {request.shard.index}/{request.shard.count}" if request.shard.count > 1 else ""
        have = {scene.scene: _stored(request, scene, known) for scene in scenes}
        found, total = sum(map(len, have.values())), cases * request.samples
        missing += total - found
        subject = Subject(request.name, sha(dict(known["identity"]))) if known else None
        tasks = score_tasks(request, suite, scenes, have, subject)
        unknown_scores[suite.name] = total - found + sum(map(unread, tasks))
        say(
            f"{suite.name}@{suite.version} {suite.setting.name()}: {len(scenes)} scenes, {cases} cases x"
            f" {request.samples} samples{part}; {found} of {total} videos stored"
        )
    _refuse_small_disk(request, missing)
    say(f"time left: {_time_left(request, known, missing, unknown_scores)}")
    say(f"resume with: {request.resume}")


def _stored(request: Request, scene: PlannedScene, known: Mapping[str, Any]) -> tuple[Outcome, ...]:
    if not known:
        return ()
    draws = draws_of(scene, request.samples, known["identity"], request.noise)
    return tuple(stored(draws, request.store).values())


def _time_left(
    request: Request, known: Mapping[str, Any], missing: int, unknown_scores: Mapping[str, int]
) -> str:
    """From what a video and a reading took on the average of all runs before."""
    seconds = 0.0
    if missing and request.mode != "score":
        if known.get("seconds") is None:
            return UNKNOWN_TIME
        seconds += missing * float(known["seconds"])
    for suite in request.suites:
        left = unknown_scores[suite.name]
        if left and request.mode != "generate":
            reading = request.store.known(sha(dict(suite_identity(suite))))
            if not reading.get("readings"):
                return UNKNOWN_TIME
            seconds += left * float(reading["reading_seconds"]) / int(reading["readings"])
    return f"about {duration(seconds)}"


def _refuse_small_disk(request: Request, missing: int) -> None:
    largest = max(s.setting.frames * s.setting.height * s.setting.width * 3 for s in request.suites)
    needed = int(missing * largest * COMPRESSED)
    free = shutil.disk_usage(nearest(request.store.root)).free
    if needed > free:
        raise UserError(
            f"disk too small at {request.store.root}: {megabytes(needed)} needed for {missing} videos,"
            f" {megabytes(free)} free; choose another store= or fewer cases="
        )


def make_videos(
    request: Request, scenes: Sequence[PlannedScene], generator: Generator, engine: Engine
) -> list[Outcome]:
    """The outcome of every draw of one suite: stored, made now, or why there is none."""
    identity = generator_identity(generator)
    found: list[Outcome] = []
    wanted: list[Wanted] = []
    for scene in scenes:
        draws = draws_of(scene, request.samples, identity, request.noise)
        have = stored(draws, request.store)
        found += have.values()
        left = tuple(draw for draw in draws if draw.key not in have)
        if left and request.mode == "score":
            found += [Outcome(d.case.id, d.sample, "missing", "not generated yet (mode=score)") for d in left]
        elif left:
            wanted.append(Wanted(scene, left))
    return found + (_generate(request, wanted, generator, engine) if wanted else [])


def _generate(
    request: Request, wanted: Sequence[Wanted], generator: Generator, engine: Engine
) -> list[Outcome]:
    total = sum(len(part.draws) for part in wanted)
    started = time.perf_counter()
    with progress("generate", total) as bar:
        made = generate(generator, wanted, request.store, engine, request.batch, lambda outcome: bar.step())
    took = time.perf_counter() - started
    say(f"generated {total} videos in {duration(took)}")
    for reason, count in reasons(made).most_common(3):
        say(f"  {count} x {reason}")
    if any(o.status == "ok" for o in made):
        facts = {"identity": dict(generator_identity(generator)), "seconds": round(took / total, 6)}
        request.store.learn(sha(dict(request.options)), facts)
    return made


def score_suite(
    request: Request, suite: Suite, plan: Plan, results: Results, subject: Subject | None, engine: Engine
) -> tuple[Measured, list[str]]:
    """Score all scenes of one suite; also the keys of stored videos that turned out damaged."""
    scenes = plan.scenes[suite.name]
    by_case: dict[str, list[Outcome]] = {}
    for outcome in results.outcomes[suite.name]:
        by_case.setdefault(outcome.case, []).append(outcome)
    have = {s.scene: [o for case in s.cases for o in by_case.get(case.id, ())] for s in scenes}
    tasks = score_tasks(request, suite, scenes, have, subject)
    started = time.perf_counter()
    with progress(f"score {suite.name}", len(tasks)) as bar:
        found: dict[str, SceneScore] = score(tasks, engine, lambda result: bar.step())
    took = time.perf_counter() - started
    _learn_reading(request.store, suite, took, sum(result.read for result in found.values()))
    say(f"scored {suite.name} in {duration(took)}")
    damaged = [key for result in found.values() for key in result.damaged]
    return Measured(suite, scenes, {s.scene: found[s.scene].rows for s in scenes}), damaged


def score_tasks(
    request: Request,
    suite: Suite,
    scenes: Sequence[PlannedScene],
    outcomes: Mapping[str, Sequence[Outcome]],
    subject: Subject | None,
) -> list[ScoreTask]:
    """What is to be read in each scene of a suite: the `outcomes` by scene, and the anchors asked for."""
    cheats = _cheats(suite, request.cheats)
    anchors = Anchors(request.anchors.oracle, request.anchors.observer, cheats, request.anchors.baselines)
    return [
        ScoreTask(s, subject, tuple(outcomes[s.scene]), anchors, request.store, request.rescore)
        for s in scenes
    ]


def _learn_reading(store: Store, suite: Suite, took: float, read: int) -> None:
    """Sums over runs: one that reads little, and waits for its workers to start, hardly counts."""
    if read:
        key = sha(dict(suite_identity(suite)))
        known = store.known(key)
        seconds = float(known.get("reading_seconds", 0.0)) + took
        store.learn(key, {"reading_seconds": round(seconds, 6), "readings": known.get("readings", 0) + read})


def _cheats(suite: Suite, wanted: str) -> tuple[str, ...]:
    from simbench.settings import one_of

    if wanted == "none":
        return ()
    names = sorted(suite.cheats())
    if wanted == "all":
        return tuple(names)
    return tuple(one_of("cheats", name.strip(), names) for name in wanted.split(","))


def run(request: Request, engine: Engine, report: Callable[[Path], str]) -> int:
    """Do what `request.mode` says; the exit code. Tables go to stdout, everything else to stderr."""
    require_writable(request.out, "out")
    swept = request.store.open()
    if swept:
        say(f"removed {swept} unfinished files of an earlier run from {request.store.root}")
    plan = make_plan(request, engine) if request.plan is None else request.plan
    if request.mode == "export":
        return _export(request, plan)
    announce(request, plan)
    if request.mode == "plan":
        return exits.OK
    generator = request.load()
    results = Results(exposure=_exposure(request, generator))
    for name, scenes in plan.scenes.items():
        results.outcomes[name] = make_videos(request, scenes, generator, engine)
    if request.mode == "generate":
        return _exit_code(request, results)
    _score_all(request, plan, results, generator, engine)
    _write(request, results)
    if request.clips > 0:
        from simbench.clips import write_clips

        write_clips(results.measured, results.outcomes, request.store, request.out, request.clips, engine)
    table = report(request.out)
    if table:
        print(table, flush=True)
    return _exit_code(request, results)


def _exposure(request: Request, generator: Generator) -> str:
    """What the command line says, else what the generator says of itself."""
    from simbench.config import EXPOSURES
    from simbench.settings import one_of

    said = request.exposure if request.exposure is not None else getattr(generator, "exposure", "unknown")
    return one_of("exposure", said, EXPOSURES)


def _score_all(request: Request, plan: Plan, results: Results, generator: Generator, engine: Engine) -> None:
    subject = Subject(request.name, sha(dict(generator_identity(generator))))
    for suite in request.suites:
        measured, damaged = score_suite(request, suite, plan, results, subject, engine)
        if damaged:
            say(f"{len(damaged)} stored videos were damaged: made again")
            for key in damaged:
                request.store.drop_video(key)
            results.outcomes[suite.name] = make_videos(request, plan.scenes[suite.name], generator, engine)
            measured, damaged = score_suite(request, suite, plan, results, subject, engine)
            if damaged:
                raise UserError(f"{request.store.root} damages what is written to it; choose another store=")
        results.measured.append(measured)


def _write(request: Request, results: Results) -> None:
    from simbench.provenance import provenance

    write_text(request.out / "scores.csv", csv_text(results.measured))
    write_text(request.out / "cases.csv", tags_text(results.measured))
    found = summary(results.measured, {request.name: results.exposure})
    write_text(request.out / "summary.json", summary_text(found))
    record = {
        "schema": 1,
        "resume": request.resume,
        "config": dict(request.config),
        "generator": request.name,
        "shard": f"{request.shard.index}/{request.shard.count}",
        "suites": {s.name: dict(suite_identity(s)) for s in request.suites},
        "runtime": {"batch": request.batch, "workers": request.workers, **provenance()},
    }
    write_text(request.out / "run.json", json.dumps(record, indent=1, sort_keys=True, default=str) + "\n")
    raised = [row for m in results.measured for rows in m.rows.values() for row in rows if row.traceback]
    if raised:
        text = "\n".join(f"{r.role} {r.generator}, case {r.case}:\n{r.traceback}" for r in raised[:20])
        write_text(request.out / "failures.txt", text)
        say(f"what was raised stands in {request.out / 'failures.txt'}")


def _export(request: Request, plan: Plan) -> int:
    from simbench.export import export_cases

    for suite in request.suites:
        out = request.out if len(request.suites) == 1 else request.out / suite.name
        scenes = [scene.scene for scene in plan.scenes[suite.name]]
        made = export_cases(suite, scenes, out)
        print(f"{made.cases} cases of {suite.name} in {made.folder}; see README.txt there", flush=True)
    return exits.OK


def _exit_code(request: Request, results: Results) -> int:
    every = [o for part in results.outcomes.values() for o in part]
    rows = [r for m in results.measured for part in m.rows.values() for r in part if r.role == "subject"]
    statuses = [r.status for r in rows] if results.measured else [o.status for o in every]
    lost = sum(status in ("missing", "invalid", "failed") for status in statuses)
    if statuses.count("ok") == 0:
        say("nothing measured: no video of the generator could be scored")
        return exits.INCOMPLETE
    if lost > request.max_incomplete:
        say(
            f"incomplete: {lost} of {len(statuses)} videos are missing, invalid or failed"
            f" (max_incomplete={request.max_incomplete}); they score as zero"
        )
        return exits.INCOMPLETE
    return exits.OK
