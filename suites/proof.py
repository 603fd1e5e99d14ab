"""What the proofs (`suites.calibrate`, `.ladder`, `.exploit`) share: options, candidates, scores by scene."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from simbench.errors import UserError

if TYPE_CHECKING:
    from simbench.case import Case
    from simbench.suite import CaseScore, Reference, Suite

PARTS = ("anchors", "cheats", "damage", "nuisance")
GENERATORS = ("flow", "constant_velocity", "copy_last", "frozen")
READERS = ("agree_11", "agree_10", "agree_01", "agree_00")

Chosen = TypeVar("Chosen")


def options(kind: type[Chosen], arguments: Sequence[str]) -> Chosen:
    """A dataclass of options from `key=value` arguments. UserError names what is unknown or out of form."""
    from simbench.settings import did_you_mean

    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for argument in arguments:
        key, sign, value = argument.partition("=")
        if not sign or key not in fields:
            raise UserError(
                f"unknown option {argument}; options are {', '.join(fields)}{did_you_mean(key, list(fields))}"
            )
        form = str(fields[key].type)
        try:
            values[key] = int(value) if form == "int" else float(value) if "float" in form else value
        except ValueError as error:
            raise UserError(f"{argument} is not a number; use for example {key}=1") from error
    return kind(**values)


@dataclass
class Asked:
    """Options of a setting that the proofs share. None: the suite's own default."""

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


def build_suite(asked: Asked) -> Suite:
    """The suite of `conf/suite` at the setting asked for."""
    import yaml

    from simbench import assemble
    from simbench.config import RunConfig
    from simbench.overrides import CONF
    from simbench.settings import one_of

    known = sorted(path.stem for path in (CONF / "suite").glob("*.yaml"))
    path = CONF / "suite" / f"{one_of('suite', asked.suite, known)}.yaml"
    node = yaml.safe_load(path.read_text(encoding="utf-8"))
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
    return assemble.build_suite(asked.suite, node, config)


@dataclass(frozen=True)
class Task:
    """One scene for a worker: which parts to score, and whether the open twins are scored too."""

    suite: Suite
    scene: str
    parts: tuple[str, ...]
    twins: bool = False
    count: int = 1


Scores = dict[str, dict[str, list["CaseScore"]]]
"""part -> candidate -> case scores."""


def score_scene(task: Task) -> Scores:
    """Every candidate of the wanted parts in one scene. Equal videos are read once."""
    from simbench.suite import CaseScore

    out: Scores = {part: {} for part in task.parts}
    for case in task.suite.cases(task.scene):
        if not task.twins and not case.tags["hidden"]:
            continue
        score = task.suite.scorer(case)
        known: dict[str, Any] = {}
        for part in task.parts:
            for name, make in candidates(task.suite, part, case).items():
                video = make(case)
                digest = video.digest()
                if digest not in known:
                    known[digest] = score(video)
                row = CaseScore(case.id, case.scene, case.world_seed, case.tags, 0, "ok", "", known[digest])
                out[part].setdefault(name, []).append(row)
    return out


def candidates(suite: Suite, part: str, case: Case) -> Mapping[str, Reference]:
    """What a part of the proof scores in one case."""
    if part == "anchors":
        return {
            "oracle": suite.oracle,
            "observer": lambda c: suite.observer(c.condition),
            **{name: _generator(name) for name in GENERATORS},
        }
    if part == "cheats":
        return suite.cheats()
    if part == "damage":
        return _damage(suite)
    if part == "nuisance":
        return _nuisance(suite, case)
    if part == "oracle":
        return {"oracle": suite.oracle}
    raise UserError(f"part={part} is not one of all, {', '.join(PARTS)}")


def _generator(name: str) -> Reference:
    import yaml

    from simbench import assemble
    from simbench.overrides import CONF

    node = yaml.safe_load((CONF / "generator" / f"{name}.yaml").read_text(encoding="utf-8"))
    generator = assemble.load(node)

    def make(case: Case) -> Any:
        """The generator's clip of a case."""
        return generator([case.condition], [case.world_seed])[0]

    return make


def _damage(suite: Suite) -> Mapping[str, Reference]:
    from simbench.references import damage

    context = len_context(suite)
    return {
        f"{name} {strength:g}": damage.reference(kind, strength, suite.setting, context)
        for name, kind in damage.KINDS.items()
        for strength in kind.strengths
    }


def _nuisance(suite: Suite, case: Case) -> Mapping[str, Reference]:
    from simbench.references.nuisance import nuisances
    from simbench.video import Video

    setting = suite.setting
    diameter = case.truth.facts["layout"]["diameter"] * setting.height
    clean = suite.oracle(case)

    def spoilt(change: Callable[..., Any]) -> Reference:
        """The reference that shows the clean clip through one nuisance."""
        return lambda _: Video(change(clean.frames), setting.fps)

    found = nuisances(diameter, min(setting.width, setting.height), setting.fps)
    return {"none": lambda _: clean, **{name: spoilt(change) for name, change in found.items()}}


def len_context(suite: Suite) -> int:
    """Frames that are given at the suite's setting."""
    return {"i2v": 1, "t2v": 0}.get(suite.setting.given, suite.setting.context)


def gather(
    suite: Suite, scenes: Sequence[str], parts: tuple[str, ...], workers: int, twins: bool = False
) -> Scores:
    """Scores of many scenes, in worker processes; progress goes to the terminal."""
    from simbench.engine import open_engine
    from simbench.suite import preload

    tasks = [Task(suite, scene, parts, twins) for scene in scenes]
    found: dict[str, Scores] = {}
    with open_engine("local", workers, preload([suite])) as engine:
        for done, result in enumerate(engine.map(score_scene, tasks), 1):
            first = next(rows for names in result.values() for rows in names.values())
            found[first[0].scene] = result
            print(f"\r{done}/{len(tasks)} scenes", end="" if done < len(tasks) else "\n", flush=True)
    out: Scores = {part: {} for part in parts}
    for scene in scenes:
        for part, names in found[scene].items():
            for name, rows in names.items():
                out[part].setdefault(name, []).extend(rows)
    return out


@dataclass(frozen=True)
class Line:
    """One candidate over scenes: mean score and standard error, the scene scores, and mean raw measures."""

    name: str
    score: float
    error: float
    graded: float
    graded_error: float
    scenes: tuple[float, ...]
    means: Mapping[str, float]
    readers: tuple[float, ...]


def line(suite: Suite, name: str, rows: Sequence[CaseScore]) -> Line:
    """The scores of one candidate."""
    found = suite.aggregate(rows)
    values: dict[str, list[float]] = {}
    for scene in found.values():
        for metric, value in scene.items():
            values.setdefault(metric, []).append(value)
    heads = {m: [suite.calibrated(m, v) for v in values[m]] for m in ("S", "S_graded")}
    means = {m: math.fsum(v) / len(v) for m, v in values.items() if m not in READERS}
    return Line(
        name,
        mean(heads["S"]),
        standard_error(heads["S"]),
        mean(heads["S_graded"]),
        standard_error(heads["S_graded"]),
        tuple(heads["S"]),
        means,
        tuple(math.fsum(values.get(m, [0.0])) for m in READERS),
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
