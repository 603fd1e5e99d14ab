"""suite=scaling: every run of a folder scored on the same cases and noise seeds, then fitted and drawn.

    python -m simbench suite=scaling scaling.runs=ladder scaling.suites=permanence,hidden cases=32

Scores go to RUN/scores/SUITE (scores-in/ and scores-out/ for scaling.group=in and out), with the distances of
the clips to the truth in quality.json; tables and figures, by `python -m reports.scaling`, go to out=. What
the store holds is not done again. docs/scaling.md says what a run is and what is computed.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simbench import exits
from simbench.errors import UserError
from simbench.settings import one_of

if TYPE_CHECKING:
    from simbench.engine import Engine
    from simbench.run import Request
    from simbench.study import Call
    from simbench.suite import Suite

REPORT = "reports.scaling.__main__.main"
"""What fits and draws. Named by a string: reports stand alone."""
GROUPS = ("all", "in", "out")


@dataclass(frozen=True)
class Place:
    """A run's folder, its name, and what answers for it: a generator's name and the folder that it reads, or
    the reason why nothing does."""

    folder: Path
    name: str
    generator: str
    reads: Path
    why: str = ""


@dataclass(frozen=True)
class Scaling:
    """Options of the study; conf/study/scaling.yaml says what each is."""

    runs: str = ""
    suites: str = "permanence"
    group: str = "all"
    space: str = "worlds"
    weights: str = ""
    sha256: str = ""
    figures: bool = True

    def run(self, call: Call) -> int:
        """Score, fit, draw: 0 written, 3 where nothing could be fitted or a run is incomplete."""
        one_of("scaling.group", self.group, GROUPS)
        suites = call.suites(self.suites, "scaling.suites")
        if not self.runs and not call.planned:
            raise UserError("scaling.runs= is missing; name a folder of runs, each with run.json and model/")
        places = found(self.runs, call.planned)
        _announce(places, suites, call)
        if call.planned:
            return exits.OK
        with call.engine(suites) as engine:
            codes = [self._scored(place, suites, call, engine) for place in places if not place.why]
        if call.request.shard.count > 1:
            _say("this part is done; after all parts the same line without shard= reads the store and draws")
            return exits.worst(codes or [exits.OK])
        return exits.worst([*codes, self._drawn(call.request.out)])

    def _scored(self, place: Place, suites: Sequence[Suite], call: Call, engine: Engine) -> int:
        """Score one run on all suites, a folder each; the exit code of the gravest."""
        from simbench.run import run
        from suites.scaling_clips import Sets, write_quality

        request = _request(place, call)
        generator = request.load()
        folder = place.folder / ("scores" if self.group == "all" else f"scores-{self.group}")
        part = request.shard.count > 1
        if part:
            folder = request.out / f"shard-{request.shard.index}" / place.name
        codes = []
        for suite in suites:
            _refuse_older(folder, suite)
            mine = dataclasses.replace(
                request, suites=(suite,), out=folder / suite.name, load=lambda: generator
            )
            _say(f"{place.name}: {suite.name}")
            # The table of all runs is the one to print.
            codes.append(run(mine, engine, lambda out: call.table(out)[:0]))
            if self.space and not part:
                write_quality(Sets(suite, self.space, self.weights, self.sha256), mine, generator, engine)
        return exits.worst(codes)

    def _drawn(self, out: Path) -> int:
        from simbench.assemble import build

        words = [f"runs={self.runs}", f"out={out}", f"figures={str(self.figures).lower()}"]
        return int(build({"_target_": REPORT}, arguments=words))


def found(runs: str, planned: bool) -> list[Place]:
    """The runs that `runs` names: folders by comma, each a run itself or a folder of runs. UserError where
    there are none, unless this is only `planned`."""
    places: list[Place] = []
    for folder in [Path(part.strip()) for part in runs.split(",") if part.strip()]:
        inside = sorted(path.parent for path in folder.glob("*/run.json"))
        mine = [folder] if (folder / "run.json").is_file() else inside
        if not mine and not planned:
            raise UserError(
                f"scaling.runs={folder}: no run.json in it or in a folder of it; see docs/scaling.md"
            )
        places += [_place(run) for run in mine]
    names = [place.name for place in places]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"two runs are called {name!r}; name one otherwise in its run.json")
    return places


def _place(folder: Path) -> Place:
    record = _record(folder / "run.json")
    name = str(record.get("name", folder.resolve().name))
    reads = folder / str(record.get("checkpoint", "model"))
    if "scores" in record:
        return Place(folder, name, "", reads, "its run.json names its scores; they are taken as they are")
    if record.get("diverged") is True:
        return Place(folder, name, "", reads, "it diverged, as its run.json says")
    if reads.is_dir():
        return Place(folder, name, "model", reads)
    if (folder / "videos").is_dir():
        return Place(folder, name, "videos", folder / "videos")
    return Place(folder, name, "", reads, f"its model is missing: {reads} (or a folder videos/) is not there")


def _record(path: Path) -> Mapping[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not isinstance(record, dict):
        raise UserError(f"{path} holds no object; docs/scaling.md shows one")
    return record


def _announce(places: Sequence[Place], suites: Sequence[Suite], call: Call) -> None:
    asked = " ".join(f"{suite.name}@{suite.version} {suite.setting.name()}" for suite in suites)
    _say(f"{len(places)} runs on {asked}, {call.request.scenes} scenes, noise {call.request.noise}")
    for place in places:
        _say(f"  {place.name}: {'not scored: ' + place.why if place.why else place.reads}")
    _say(f"resume with: {call.request.resume}")


def _request(place: Place, call: Call) -> Request:
    """The request that asks one run: the chosen generator's options with the run's folder, or its videos."""
    from simbench.assemble import load
    from simbench.overrides import options

    chosen: Mapping[str, Any] = call.request.options
    if place.generator == "videos":
        chosen = options(call.folders, "generator")["videos"].content
    if "dir" not in chosen:
        raise UserError(
            f"generator={call.request.name} has no dir=, the folder of a model; use generator=model"
        )
    told = {**chosen, "dir": str(place.reads.resolve())}
    config = {**call.request.config, "generator": told}
    return dataclasses.replace(
        call.request, name=place.name, options=told, load=lambda: load(told), config=config
    )


def _refuse_older(folder: Path, suite: Suite) -> None:
    """UserError where a call of its own left scores of `suite` that the report would find beside ours."""
    path = folder / "summary.json"
    if path.is_file() and any(row.get("suite") == suite.name for row in _record(path).get("rows", ())):
        raise UserError(
            f"{folder} holds scores of {suite.name} from a call of its own; move them away, or leave"
            f" {suite.name} out of scaling.suites="
        )


def _say(text: str) -> None:
    from simbench.run import say

    say(text)
