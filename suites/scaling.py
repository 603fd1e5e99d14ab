"""suite=scaling: every run of a folder scored on the same cases and noise seeds, then fitted and drawn.

    python -m simbench suite=scaling scaling.runs=ladder scaling.suites=permanence,hidden cases=32

Scores go to RUN/scores/SUITE (scores-in/ and scores-out/ for scaling.group=in and out), with the distances of
the clips to the truth in quality.json; tables and figures, by `python -m reports.scaling`, go to out=. What
the store holds is not done again. docs/scaling.md says what a run is and what is computed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simbench import exits
from simbench.errors import UserError
from simbench.files import read_mapping
from simbench.settings import one_of

if TYPE_CHECKING:
    from simbench.engine import Engine
    from simbench.generator import Generator
    from simbench.run import Plan, Request
    from simbench.study import Call
    from simbench.suite import Suite

REPORT = "reports.scaling.__main__.main"
"""What fits and draws. Named by a string: reports stand alone."""
CHECK = "reports.scaling.runs.wrong"
"""What that will refuse of a run.json, known before hours of scoring."""
GROUPS = ("all", "in", "out")


@dataclass(frozen=True)
class Place:
    """A run's folder, its name, and what answers for it: a generator's name and the folder that it reads, or
    the reason why nothing does. `lost`: something should."""

    folder: Path
    name: str
    generator: str
    reads: Path
    why: str = ""
    lost: bool = False


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
        _check(places)
        if self.space:
            self._check_space(call.planned)
        _announce(places, suites, call)
        if call.planned:
            return exits.OK
        for place in places:
            _refuse_older(self._scores(place), suites)
        codes: list[int] = []
        failed = {p.name: p.why for p in places if p.lost and not self._has(p, suites)}
        asked = [place for place in places if not place.why]
        plans: dict[str, Plan] = {}
        with call.engine(suites) as engine:
            for place in asked:
                request = _request(place, call)
                try:
                    generator, identity = _loaded(request)
                except UserError as error:
                    # One model that is damaged or gone does not cost the others their scores.
                    failed[place.name] = " ".join(str(error).split())
                    _say(f"{place.name}: not scored: {failed[place.name]}")
                    continue
                _learn(request, identity)
                codes.append(self._scored(place, suites, call, request, generator, engine, plans))
        if asked and not codes:
            raise UserError(f"no run could be asked: {_listed(failed)}")
        if failed:
            codes.append(exits.INCOMPLETE)
        if call.request.shard.count > 1:
            _say("this part is done; after all parts the same line without shard= reads the store and draws")
        else:
            codes.append(self._drawn(call.request.out))
        if failed:
            _say(f"incomplete: {len(failed)} of {len(places)} runs could not be asked: {_listed(failed)}")
        return exits.worst([exits.OK, *codes])

    def _scored(
        self,
        place: Place,
        suites: Sequence[Suite],
        call: Call,
        request: Request,
        generator: Generator,
        engine: Engine,
        plans: dict[str, Plan],
    ) -> int:
        """Score one run on all suites, a folder each; the exit code of the gravest. `plans` of suites are
        made for the first run and are those of all."""
        from simbench.run import make_plan, run
        from suites.scaling_clips import Sets, write_quality

        folder = self._scores(place)
        part = request.shard.count > 1
        if part:
            folder = request.out / f"shard-{request.shard.index}" / place.name
        codes = []
        for suite in suites:
            mine = dataclasses.replace(
                request, suites=(suite,), out=folder / suite.name, load=lambda: generator
            )
            _say(f"{place.name}: {suite.name}")
            if suite.name not in plans:
                plans[suite.name] = make_plan(mine, engine)
            mine = dataclasses.replace(mine, plan=plans[suite.name])
            # The table of all runs is the one to print.
            codes.append(run(mine, engine, lambda out: call.table(out)[:0]))
            if self.space and not part:
                write_quality(Sets(suite, self.space, self.weights, self.sha256), mine, generator, engine)
        return exits.worst(codes)

    def _check_space(self, planned: bool) -> None:
        """UserError for feature spaces that there are not, or that their weights do not fit, known before
        hours of scoring. A plan opens none of them."""
        from simbench.features.space import SPACES
        from suites.distances import opened

        wanted = [name.strip() for name in self.space.split(",") if name.strip()]
        for name in wanted:
            one_of("scaling.space", name, tuple(SPACES))
        if not planned:
            opened(wanted, {"weights": self.weights, "sha256": self.sha256})

    def _has(self, place: Place, suites: Sequence[Suite]) -> bool:
        """Whether an earlier call scored this run on all of `suites`."""
        return all((self._scores(place) / suite.name / "summary.json").is_file() for suite in suites)

    def _scores(self, place: Place) -> Path:
        return place.folder / ("scores" if self.group == "all" else f"scores-{self.group}")

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
    record = read_mapping(folder / "run.json", "docs/scaling.md shows one")
    name = str(record.get("name", folder.resolve().name))
    reads = folder / str(record.get("checkpoint", "model"))
    if "scores" in record:
        return Place(folder, name, "", reads, "its run.json names its scores; they are taken as they are")
    if record.get("diverged") is True:
        return Place(folder, name, "", reads, "it diverged, as its run.json says")
    if "flops" not in record:
        return Place(folder, name, "", reads, 'its run.json has no "flops", so it has no place on the axis')
    films = folder / str(record.get("videos", "videos"))
    if "videos" in record and not films.is_dir():
        return Place(folder, name, "", films, f"its videos are missing: {films} is not there", lost=True)
    if "videos" in record or (films.is_dir() and not reads.is_dir()):
        return Place(folder, name, "videos", films)
    if reads.is_dir():
        return Place(folder, name, "model", reads)
    why = f"its model is missing: {reads} (or a folder videos/) is not there"
    return Place(folder, name, "", reads, why, lost=True)


def _check(places: Sequence[Place]) -> None:
    """UserError for a run.json that the report would refuse."""
    from simbench.assemble import build

    said = build({"_target_": CHECK}, paths=[str(place.folder / "run.json") for place in places])
    if said:
        raise UserError(str(said))


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
    known = options(call.folders, "generator")
    films = chosen["_target_"] == known["videos"].content["_target_"]
    if films != (place.generator == "videos"):
        chosen = known[place.generator].content
    if "dir" not in chosen:
        raise UserError(
            f"generator={call.request.name} has no dir=, the folder of a model; use generator=model"
        )
    told = {**chosen, "dir": str(place.reads.resolve())}
    config = {**call.request.config, "generator": told}
    return dataclasses.replace(
        call.request, name=place.name, options=told, load=lambda: load(told), config=config
    )


def _loaded(request: Request) -> tuple[Generator, Mapping[str, Any]]:
    """The generator and its identity. UserError where its files are not what they should be."""
    from simbench.keys import generator_identity

    generator = request.load()
    return generator, generator_identity(generator)


def _learn(request: Request, identity: Mapping[str, Any]) -> None:
    """The same weights in another folder: the store has their videos, and is told whose they are."""
    from simbench.keys import sha

    key = sha(dict(request.options))
    request.store.learn(key, {**request.store.known(key), "identity": dict(identity)})


def _listed(failed: Mapping[str, str]) -> str:
    return "; ".join(f"{name} ({why})" for name, why in failed.items())


def _refuse_older(folder: Path, suites: Sequence[Suite]) -> None:
    """UserError where a call of its own left scores of a suite that the report would find beside ours."""
    path = folder / "summary.json"
    before = read_mapping(path, "move it away and score anew") if path.is_file() else {}
    held = {row.get("suite") for row in before.get("rows", ())}
    for suite in suites:
        if suite.name in held:
            raise UserError(
                f"{folder} holds scores of {suite.name} from a call of its own; move them away (the store"
                f" still has them), or leave {suite.name} out of scaling.suites="
            )


def _say(text: str) -> None:
    from simbench.run import say

    say(text)
