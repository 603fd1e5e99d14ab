"""hidden: the world goes on while unseen, at the rate that was seen.

A scene is four cases of one stage that differ in the rate of one process alone, and have one state at the
moment from which nothing is seen. S = 100 (1 - sum |s^ - s*| / sum |s_hold - s*|) over the frames in which
it is seen again. The state kept still is a median of the four true states at any time, so that no answer
that is blind to the rate comes above 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from simbench.case import Case, Condition, Setting, Truth
from simbench.errors import UserError
from simbench.instruments import state_reader
from simbench.instruments.state_reader import REASONS
from simbench.references import nuisance
from simbench.references import process as references
from simbench.suite import Bound, CaseScore, Damage, Measures, Question, Reference
from simbench.video import Video
from simbench.worlds.families import process
from simbench.worlds.families.process import Layout
from simbench.worlds.film import render_scene
from suites.common import by_sample, damages, scaled
from suites.naming import case_name, scene_ids, seed_of

TWO_WAY_TRIALS = ("back fast", "back slow", "on slow", "on fast")
ONE_WAY_TRIALS = ("still", "still too", "on slow", "on fast")
HEADLINE = {"S": "S", "S_open": "S", "S_return": "S"}
EARLY = 0.15
"""Of a frame: hiding begins this much before the last given frame, so that what will hide it is seen."""


@dataclass(frozen=True)
class Hidden:
    """The suite. `oracle` maps a setting's name to the oracle's raw measures, pinned by calibration."""

    setting: Setting = Setting()
    oracle_raw: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    name: str = "hidden"
    version: int = 1
    preload: ClassVar[tuple[str, ...]] = ("simbench.warm", "suites.hidden")
    columns: ClassVar[tuple[str, ...]] = ("slope", "S_return", "unreadable")

    def __post_init__(self) -> None:
        s = self.setting
        if min(s.width, s.height) < 32:
            raise UserError(f"size={s.width}x{s.height} is below 32 px: states need 16 px; use size=32")
        if s.given != "v2v":
            raise UserError(f"given={s.given} does not show the rate; use given=v2v")
        if s.context < 4:
            raise UserError(f"context={s.context} does not show the rate; use 4 frames or more")
        self._leave()

    def _leave(self) -> float:
        """The share of the clip after which hiding begins."""
        s = self.setting
        leave = max(0.18, (s.context - 1 - EARLY) / max(s.frames - 1, 1))
        if leave > 0.38:
            raise UserError(
                f"context={s.context} of frames={s.frames} leaves nothing to judge; use more frames"
            )
        return leave

    def scenes(self, count: int, seed: str) -> Sequence[str]:
        """Ids of the first `count` scenes of a seed space."""
        return scene_ids(count, seed)

    def cases(self, scene: str) -> Sequence[Case]:
        """Four rates, each hidden and in the open."""
        index = int(scene.rsplit("-", 1)[1])
        seed = seed_of(self.name, scene)
        name = process.PROCESSES[index % len(process.PROCESSES)]
        ways = process.ways(name)
        way = ways[(index + index // len(process.PROCESSES)) % len(ways)]
        return make_cases(self, scene, seed, name, way)

    def layout(self, seed: int, case: int, hidden: bool, name: str, way: str) -> Layout:
        """One layout at this setting."""
        s = self.setting
        return process.sample(
            seed,
            case,
            hidden,
            (s.frames - 1) / s.fps,
            s.look,
            s.difficulty,
            s.width / s.height,
            process=name,
            way=way,
            leave=self._leave(),
        )

    def scorer(self, case: Case) -> Callable[[Video], Measures]:
        """Draw the stage at all states once; the result reads any number of videos of it."""
        layout = process.from_facts(case.truth.facts["layout"])
        book = state_reader.atlas(state_reader.bare(layout), self.setting)
        frames = returned(layout, self.setting)

        def score(video: Video) -> Measures:
            """Measures of one video: sums over the frames in which the thing is seen again."""
            looks = state_reader.read(book, video.frames[frames])
            return measure(layout, frames, looks, self.setting.fps)

        return score

    def score(self, case: Case, video: Video) -> Measures:
        """Raw measures of one video of one case."""
        return self.scorer(case)(video)

    def trace(self, case: Case, video: Video) -> Mapping[str, Sequence[float | None]]:
        """The state read in each frame beside the true one, which is there where it can be seen."""
        layout = process.from_facts(case.truth.facts["layout"])
        book = state_reader.atlas(state_reader.bare(layout), self.setting)
        looks = state_reader.read(book, video.frames)
        times = [t / self.setting.fps for t in range(len(looks))]
        truth = [process.state_at(layout.path, t) for t in times]
        seen = [
            not layout.hidden
            or t <= layout.leave + EARLY / self.setting.fps + 1e-9
            or t >= layout.back - 1e-9
            for t in times
        ]
        read = [
            None if look.state is None else s + process.apart(layout.process, look.state, s)
            for look, s in zip(looks, truth, strict=True)
        ]
        return {"state": read, "truth": [s if v else None for s, v in zip(truth, seen, strict=True)]}

    def question(self, case: Case) -> Question:
        """What a person is asked about a clip of this case."""
        layout = process.from_facts(case.truth.facts["layout"])
        frames = tuple(returned(layout, self.setting))
        text = (
            "Is the thing as far on in every marked frame as the truth has it, to a quarter of what it moved?"
        )
        return Question(text, asks="right", every=True, frames=frames)

    def aggregate(self, rows: Sequence[CaseScore]) -> Mapping[str, Mapping[str, float]]:
        """Per scene: S and its relatives; what is not ok was held still."""
        return by_sample(rows, _scene_values)

    def calibrated(self, metric: str, raw: float) -> float:
        """S = 100 raw / oracle (zero is the state kept still, by construction); shares become points."""
        if metric in HEADLINE:
            return scaled(raw, self.oracle_raw, self.setting.name(), HEADLINE[metric])
        return 100.0 * raw if metric in ("hiding_cost", "right", "unreadable") else raw

    def oracle(self, case: Case) -> Video:
        """The truth, rendered."""
        layout = process.from_facts(case.truth.facts["layout"])
        return Video(references.truth(layout, self.setting), self.setting.fps)

    def observer(self, condition: Condition) -> Video:
        """Reads the condition, fits the rate and rolls it out."""
        from simbench.instruments import process_observer

        return process_observer.roll_out(condition, self.setting)

    def cheats(self) -> Mapping[str, Reference]:
        """Scripted bad generators."""
        return references.cheats(self.setting, self.setting.context)

    def bounds(self) -> Mapping[str, Bound]:
        """Every cheat may score 5 points at the most: zero, and room for luck of the draw."""
        return {name: Bound(5.0) for name in self.cheats()}

    def damages(self) -> Mapping[str, Damage]:
        """The truth, spoilt from the moment of hiding on."""
        return damages(self.oracle, self._spoilt, references.DAMAGES)

    def _spoilt(self, spoil: references.Spoil, strength: float) -> Reference:
        return references.reference(lambda story: spoil(story, strength), self.setting, self.setting.context)

    def nuisances(self, case: Case) -> Mapping[str, nuisance.Nuisance]:
        """All of them, for things of a quarter of the image's height."""
        s = self.setting
        return nuisance.nuisances(0.25 * s.height, min(s.width, s.height), s.fps)

    def baselines(self) -> Mapping[str, Bound]:
        """What stands still may not score; what moves on may, below the observer."""
        still = {name: Bound(5.0) for name in ("copy_last", "frozen")}
        return {
            **still,
            "flow": Bound(None, below="observer"),
            "constant_velocity": Bound(None, below="observer"),
        }


def make_cases(suite: Hidden, scene: str, seed: int, name: str, way: str) -> list[Case]:
    """The cases of one scene; their names tell nothing about rate or hiding."""
    s = suite.setting
    layouts = [suite.layout(seed, k, True, name, way) for k in range(process.CASES)]
    rates = [process.rate_of(layout) for layout in layouts]
    trials = ONE_WAY_TRIALS if name in process.ONE_WAY else TWO_WAY_TRIALS
    ranks = np.argsort(np.argsort(rates, kind="stable"), kind="stable").tolist()
    made = []
    for k, rank in enumerate(ranks):
        for hidden in (True, False):
            layout = suite.layout(seed, k, hidden, name, way)
            # Not the suite's own name, which would say of every file that something is hidden.
            case = case_name("unseen", scene, s, trials[rank], hidden)
            condition = Condition(
                name=case,
                given=s.given,
                given_frames=render_scene(process.stage(layout), s, range(s.context)),
                prompt=process.prompt(layout, telling=s.prompt == "telling"),
                width=s.width,
                height=s.height,
                frames=s.frames,
                fps=s.fps,
            )
            facts = {"layout": process.to_facts(layout), "rates": rates, "trial": trials[rank]}
            frames = returned(layout, s)
            held = measure(layout, frames, [state_reader.Look(None)] * len(frames), s.fps)
            tags: dict[str, object] = {
                "trial": trials[rank],
                "hidden": hidden,
                "process": name,
                "way": way,
                "test_look": process.test_only(layout),
                "hold": held["hold"],
                "hold_return": held["hold_return"],
                "spread": held["spread"],
                "returned": float(len(frames)),
            }
            made.append(Case(case, scene, seed, condition, Truth(process.stage(layout), facts), tags))
    return made


def returned(layout: Layout, setting: Setting) -> list[int]:
    """The frames that decide: all that is hidden is seen again."""
    return [t for t in range(setting.context, setting.frames) if t / setting.fps >= layout.back - 1e-9]


def measure(
    layout: Layout, frames: Sequence[int], looks: Sequence[state_reader.Look], fps: float
) -> Measures:
    """Sums over the deciding frames, in ranges (or turns) of the state; what is unreadable is held still.

    `error` and `hold`: |s^ - s*| of the video and of the state kept still; `..._return` of the first frame;
    `along` = sum (s^ - s_h)(s* - s_h) and `spread` = sum (s* - s_h)^2 for the slope; `readable` frames with
    their own `readable_error`; `right`: within a quarter of the way in every frame; `dark` and so on: frames
    unreadable for this reason.
    """
    held = process.state_at(layout.path, layout.gone)
    out = dict.fromkeys(("error", "hold", "along", "spread", "readable", "readable_error"), 0.0)
    out |= dict.fromkeys(REASONS, 0.0)
    right = True
    for k, (t, look) in enumerate(zip(frames, looks, strict=True)):
        true = process.apart(layout.process, process.state_at(layout.path, t / fps), held)
        went = 0.0 if look.state is None else process.apart(layout.process, look.state, held)
        error = abs(process.apart(layout.process, went, true))
        out["error"] += error
        out["hold"] += abs(true)
        out["along"] += went * true
        out["spread"] += true * true
        if k == 0:
            out["error_return"], out["hold_return"] = error, abs(true)
        if look.state is None:
            if look.reason:
                out[look.reason] += 1.0
        else:
            out["readable"] += 1.0
            out["readable_error"] += error
        right = right and look.state is not None and error <= max(0.25 * abs(true), 0.03)
    return {**out, "right": float(right)}


def _sum(rows: Sequence[CaseScore], name: str, otherwise: str | None = None) -> float:
    """Sum of a measure over rows; those that are not ok give the tag `otherwise`, or nothing."""
    total = 0.0
    for row in rows:
        if row.status == "ok":
            total += row.measures[name]
        elif otherwise is not None:
            total += float(row.tags[otherwise])
    return total


def _scene_values(rows: Sequence[CaseScore]) -> dict[str, float]:
    """Raw values of one scene and sample."""
    out: dict[str, float] = {}
    for hidden, suffix in ((True, ""), (False, "_open")):
        part = [r for r in rows if bool(r.tags["hidden"]) is hidden]
        if not part:
            continue
        hold = sum(float(r.tags["hold"]) for r in part)
        spread = sum(float(r.tags["spread"]) for r in part)
        # A scene cut down to its still cases has nothing to go by: its rows say neither yes nor no.
        out["S" + suffix] = 1.0 - _sum(part, "error", "hold") / hold if hold > 0 else 0.0
        if hidden:
            out["slope"] = _sum(part, "along") / spread if spread > 0 else 0.0
    if "S" in out and "S_open" in out:
        out["hiding_cost"] = out["S_open"] - out["S"]
    shown = [r for r in rows if r.tags["hidden"]]
    first = sum(float(r.tags["hold_return"]) for r in shown)
    if first > 0:
        out["S_return"] = 1.0 - _sum(shown, "error_return", "hold_return") / first
    read = [r for r in shown if r.status == "ok"]
    if read:
        frames = sum(float(r.tags["returned"]) for r in read)
        readable = _sum(read, "readable")
        out["unreadable"] = 1.0 - readable / frames
        out["right"] = _sum(read, "right") / len(shown)
        if readable > 0:
            out["state_error"] = _sum(read, "readable_error") / readable
    return out
