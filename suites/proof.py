"""What the proofs (`suites.calibrate`, `.ladder`, `.exploit`, ...) share: options, candidates, scores."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from simbench.errors import UserError
from simbench.summary import READERS

if TYPE_CHECKING:
    import numpy as np

    from simbench.border import Border
    from simbench.case import Case
    from simbench.generator import Generator
    from simbench.suite import CaseScore, Damage, Measures, Proven, Suite
    from simbench.video import Video

PARTS = ("anchors", "cheats", "damage", "nuisance")
GENERATORS = ("flow", "constant_velocity", "copy_last", "frozen")
HEADLINES = ("S", "S_graded")
"""Metrics whose oracle is 1 in theory. Every suite gives S; S_graded only where S is made of yes and no."""

NEEDS = ("columns", "damages", "nuisances", "baselines")

Chosen = TypeVar("Chosen")


def options(kind: type[Chosen], arguments: Sequence[str]) -> Chosen:
    """A dataclass of options from `key=value` arguments, those with a dot into `own`. UserError names what is
    unknown or out of form."""
    from simbench.settings import did_you_mean

    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for argument in arguments:
        key, sign, value = argument.partition("=")
        if sign and "." in key and "own" in fields:
            values["own"] = (*values.get("own", ()), (key, value))
            continue
        if not sign or key not in fields:
            raise UserError(
                f"unknown option {argument}; options are {', '.join(fields)}{did_you_mean(key, list(fields))}"
            )
        form = str(fields[key].type)
        try:
            values[key] = int(value) if form == "int" else float(value) if "float" in form else value
        except ValueError as error:
            raise UserError(f"{argument} is not a number; use for example {key}=1") from error
        if values[key] != values[key]:
            raise UserError(f"{argument} is not a number; use for example {key}=1")
        if key == "workers" and values[key] < 0:
            raise UserError(f"{argument} is below 0; use workers=1, or workers=0 for one on each core")
        if key == "seed" and form == "int" and values[key] < 0:
            raise UserError(f"{argument} is below 0; seeds are whole numbers from 0 on")
    return kind(**values)


def ended(name: str, work: Callable[[], int | None]) -> int:
    """The exit code of a command: what `work` returns, 0 for None; 2 and one line for a UserError, and for a
    file that cannot be read or written."""
    try:
        return work() or 0
    except UserError as error:
        print(f"suites.{name}: {error}", file=sys.stderr)
    except OSError as error:
        if error.filename is None:
            raise
        print(f"suites.{name}: {error.filename}: {error.strerror}; name another path", file=sys.stderr)
    return 2


@dataclass
class Asked:
    """Options of a setting that the proofs share. None: the suite's own default. `own`: what only one suite
    knows, with its name before it as on the runner's command line: digital.world=pong."""

    suite: str = "permanence"
    size: str | None = None
    look: str | None = None
    given: str | None = None
    prompt: str | None = None
    difficulty: float | None = None
    frames: int = 0
    fps: float = 0.0
    context: int = 0
    workers: int = 0
    own: tuple[tuple[str, str], ...] = ()


def build_suite(asked: Asked) -> Proven:
    """The suite of `conf/suite` at the setting asked for."""
    import yaml

    from simbench import assemble
    from simbench.config import RunConfig
    from simbench.overrides import CONF
    from simbench.settings import one_of

    known = sorted(path.stem for path in (CONF / "suite").glob("*.yaml"))
    path = CONF / "suite" / f"{one_of('suite', asked.suite, known)}.yaml"
    node = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key, value in asked.own:
        suite_name, _, option = key.partition(".")
        if suite_name != asked.suite or option not in node or option in (*assemble.OTHERS, "oracle_raw"):
            raise UserError(f"{key}={value} is no option of suite={asked.suite}; its yaml is {path}")
        node[option] = yaml.safe_load(value)
    config = RunConfig(
        size=asked.size,
        look=asked.look,
        given=asked.given,
        prompt=asked.prompt,
        difficulty=asked.difficulty,
        frames=asked.frames or None,
        fps=asked.fps or None,
        context=asked.context or None,
    )
    suite = assemble.build_suite(asked.suite, node, config)
    lacking = [name for name in NEEDS if not hasattr(suite, name)]
    if lacking:
        raise UserError(
            f"suite={asked.suite} lacks {', '.join(lacking)}; add what simbench.suite.Proven asks for"
        )
    return cast("Proven", suite)


def file_name(asked: Asked, word: str) -> str:
    """What the files of a proof are called: `word` for the default suite, `word-NAME` for any other, and what
    it is told besides: `ladder-digital-voxel`."""
    return block_name(asked, word if asked.suite == Asked.suite else f"{word}-{asked.suite}")


def block_name(asked: Asked, word: str) -> str:
    """The block of a card for a proof: `word`, and what the suite is told besides: `ladder-voxel`, and
    `ladder-cut` for cut=true."""
    told = (key.partition(".")[2] if value == "true" else value for key, value in asked.own)
    return "-".join((word, *told))


def cases_of(suite: Suite, scene: str) -> list[Case]:
    """The cases of a scene without visible twins: what S is made of."""
    return [case for case in suite.cases(scene) if case.tags.get("hidden", True)]


@dataclass(frozen=True)
class Task:
    """One scene for a worker, and which parts to score."""

    suite: Proven
    scene: str
    parts: tuple[str, ...]


Scores = dict[str, dict[str, list["CaseScore"]]]
"""part -> candidate -> case scores."""

Candidate = Callable[["Case"], Any]
"""case -> video; what a generator gives may be anything else, which counts as zero scores."""


def score_scene(task: Task) -> tuple[str, Scores, float]:
    """The scene, every candidate of the wanted parts in it, and the seconds of one core that it took.

    Equal videos of a case are read once.
    """
    from simbench.border import border

    began = time.process_time()
    out: Scores = {part: {} for part in task.parts}
    with border() as guard:
        generators = _generators(task.suite, guard) if "anchors" in task.parts else {}
        for case in cases_of(task.suite, task.scene):
            score = once(task.suite.scorer(case))
            for part in task.parts:
                for name, make in candidates(task.suite, part, case, generators).items():
                    out[part].setdefault(name, []).append(_read(case, make(case), score))
    return task.scene, out, time.process_time() - began


def once(score: Callable[[Video], Measures]) -> Callable[[Video], Measures]:
    """A scorer that reads equal videos once."""
    known: dict[str, Measures] = {}

    def read(video: Video) -> Measures:
        """The measures of a video."""
        digest = video.digest()
        if digest not in known:
            known[digest] = score(video)
        return known[digest]

    return read


def _read(case: Case, video: Any, score: Callable[[Video], Measures]) -> CaseScore:
    from simbench.suite import CaseScore

    reason = unanswered(video, case)
    status, measures = ("failed", {}) if reason else ("ok", score(video))
    return CaseScore(case.id, case.scene, case.world_seed, case.tags, 0, status, reason, measures)


def candidates(
    suite: Proven, part: str, case: Case, generators: Mapping[str, Candidate]
) -> Mapping[str, Candidate]:
    """What a part of the proof scores in one case."""
    if part == "oracle":
        return {"oracle": suite.oracle}
    if part == "observer":
        return {"observer": lambda c: suite.observer(c.condition)}
    if part == "anchors":
        return {
            **candidates(suite, "oracle", case, generators),
            **candidates(suite, "observer", case, generators),
            **generators,
        }
    if part == "cheats":
        return suite.cheats()
    if part == "damage":
        return {
            f"{name} {strength:g}": _damaged(kind, strength)
            for name, kind in suite.damages().items()
            for strength in kind.strengths
        }
    if part == "nuisance":
        return _nuisance(suite, case)
    raise UserError(f"part={part} is not one of all, {', '.join(PARTS)}")


def unanswered(video: Any, case: Case) -> str:
    """Why what a candidate gave cannot be read: one line, empty when it can."""
    from simbench.border import Raised
    from simbench.generator import Invalid, Refused
    from simbench.video import Video, validate

    if isinstance(video, Raised | Invalid | Refused):
        return video.reason
    if not isinstance(video, Video):
        return "no video was returned"
    return validate(video, case.condition) or ""


def _generators(suite: Proven, guard: Border) -> dict[str, Candidate]:
    """The baselines, and what else the suite sets a bound for. What one of them raises is its answer."""
    return {name: answering(name, guard) for name in dict.fromkeys((*GENERATORS, *suite.baselines()))}


def answering(name: str, guard: Border) -> Candidate:
    """The clips of the generator called `name`; what it raises is its answer."""
    generator = generator_named(name)

    def make(case: Case) -> Any:
        """The generator's clip of a case."""
        return guard.call(lambda: generator([case.condition], [case.world_seed])[0])

    return make


def generator_named(name: str) -> Generator:
    """The generator of `conf/generator` at its own options. UserError for a name that is not there."""
    import yaml

    from simbench import assemble
    from simbench.overrides import CONF
    from simbench.settings import one_of

    known = sorted(path.stem for path in (CONF / "generator").glob("*.yaml"))
    path = CONF / "generator" / f"{one_of('generator', name, known)}.yaml"
    return assemble.load(yaml.safe_load(path.read_text(encoding="utf-8")))


def _damaged(kind: Damage, strength: float) -> Candidate:
    return lambda case: kind.make(case, strength)


def _nuisance(suite: Proven, case: Case) -> Mapping[str, Candidate]:
    from simbench.video import Video

    clean = suite.oracle(case)

    def spoilt(change: Callable[[np.ndarray], np.ndarray]) -> Candidate:
        """The clean clip through one nuisance."""
        return lambda _: Video(change(clean.frames), suite.setting.fps)

    found = suite.nuisances(case)
    return {"none": lambda _: clean, **{name: spoilt(change) for name, change in found.items()}}


def len_context(suite: Suite) -> int:
    """Frames that are given at the suite's setting."""
    return {"i2v": 1, "t2v": 0}.get(suite.setting.given, suite.setting.context)


def gather(suite: Proven, scenes: Sequence[str], parts: tuple[str, ...], workers: int) -> Scores:
    """Scores of many scenes, in worker processes."""
    from simbench.engine import open_engine
    from simbench.progress import progress
    from simbench.suite import preload

    tasks = [Task(suite, scene, parts) for scene in scenes]
    found: dict[str, Scores] = {}
    seconds = 0.0
    with (
        open_engine("local", workers, preload([suite])) as engine,
        progress("scenes", len(tasks)) as shown,
    ):
        for scene, result, took in engine.map(score_scene, tasks):
            found[scene] = result
            seconds += took
            shown.step()
    print(f"{len(tasks)} scenes, {seconds / len(tasks):.2f} s of one core each")
    out: Scores = {part: {} for part in parts}
    for scene in scenes:
        for part, names in found[scene].items():
            for name, rows in names.items():
                out[part].setdefault(name, []).extend(rows)
    return out


@dataclass(frozen=True)
class Line:
    """One candidate over scenes: mean score and standard error, the same of S_graded where the suite gives
    it, the scene scores, mean raw measures, the readers' counts, and why cases were not answered."""

    name: str
    score: float
    error: float
    graded: float | None
    graded_error: float | None
    scenes: tuple[float, ...]
    means: Mapping[str, float]
    readers: tuple[float, ...]
    failed: str = ""


def line(suite: Suite, name: str, rows: Sequence[CaseScore]) -> Line:
    """The scores of one candidate."""
    found = suite.aggregate(rows)
    values: dict[str, list[float]] = {}
    for scene in found.values():
        for metric, value in scene.items():
            values.setdefault(metric, []).append(value)
    heads = {m: [suite.calibrated(m, v) for v in values[m]] for m in HEADLINES if m in values}
    graded = heads.get("S_graded")
    reasons = [row.reason for row in rows if row.status != "ok"]
    return Line(
        name,
        mean(heads["S"]),
        standard_error(heads["S"]),
        None if graded is None else mean(graded),
        None if graded is None else standard_error(graded),
        tuple(heads["S"]),
        {m: mean(v) for m, v in values.items() if m not in READERS},
        tuple(math.fsum(values.get(m, [0.0])) for m in READERS),
        f"{len(reasons)} of {len(rows)} not answered: {reasons[0]}" if reasons else "",
    )


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean."""
    return math.fsum(values) / len(values)


def standard_error(values: Sequence[float]) -> float:
    """Standard error of the mean over scenes; 0 for one scene."""
    if len(values) < 2:
        return 0.0
    middle = mean(values)
    return math.sqrt(math.fsum((v - middle) ** 2 for v in values) / (len(values) - 1) / len(values))


def agreement(lines: Sequence[Line]) -> float | None:
    """Cohen's kappa of the two readers over all judgements of some candidates."""
    from simbench.stats import kappa

    both, first, second, neither = (math.fsum(item.readers[i] for item in lines) for i in range(4))
    return kappa(both, first, second, neither)


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, atomically."""
    from simbench.files import write_text

    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
