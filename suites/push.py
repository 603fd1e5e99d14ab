"""push: what is pushed moves with the rod and stays where it is left, covered or not; nothing else moves.

A scene is four cases of one table: the rod pushes a block or just misses it, in the open, or with a panel
that slides over the table afterwards. S = 1 - E - A: E is how far the blocks are from where they belong as a
share of how far a block left alone would be, A how far they have moved where nothing touched them as a share
of the same; of each the worst of its parts counts. To push never and to push always are both 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from simbench.case import Case, Condition, Setting, Truth
from simbench.errors import UserError
from simbench.instruments import push_reader
from simbench.instruments.push_reader import Seen
from simbench.references import nuisance
from simbench.references import push as references
from simbench.suite import Bound, CaseScore, Damage, Measures, Question, Reference
from simbench.video import Video
from simbench.worlds.families import push
from simbench.worlds.families.push import Layout
from simbench.worlds.film import render_scene
from suites.common import by_sample, damages, scaled
from suites.naming import case_name, scene_ids, seed_of

NEAR = 0.25
"""Share of the way by which a block may be off and still be right for a person who looks."""


@dataclass(frozen=True)
class Push:
    """The suite. `oracle_raw` maps a setting's name to the oracle's raw measures, pinned by calibration."""

    setting: Setting = Setting(given="act", context=3)
    oracle_raw: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    name: str = "push"
    version: int = 1
    preload: ClassVar[tuple[str, ...]] = ("simbench.warm", "suites.push")
    columns: ClassVar[tuple[str, ...]] = ("kept", "alarm", "lost", "drift")

    def __post_init__(self) -> None:
        s = self.setting
        if min(s.width, s.height) < 32:
            raise UserError(f"size={s.width}x{s.height} is below 32 px: blocks need 8 px; use size=32")
        if s.given != "act":
            raise UserError(f"given={s.given} does not say where the rod goes in push; use given=act")
        if s.context < 1:
            raise UserError(f"context={s.context} does not show the blocks; use context=3")
        self.layout(0, "push", False)

    def layout(self, seed: int, trial: str, covered: bool) -> Layout:
        """One layout at this setting."""
        s = self.setting
        return push.sample(
            seed,
            trial,
            covered,
            (s.frames - 1) / s.fps,
            s.look,
            s.difficulty,
            s.width / s.height,
            steps=s.frames - 1,
            wait=max(1, s.context - 1),
        )

    def scenes(self, count: int, seed: str) -> Sequence[str]:
        """Ids of the first `count` scenes of a seed space."""
        return scene_ids(count, seed)

    def cases(self, scene: str) -> Sequence[Case]:
        """Push and near miss, each in the open and covered afterwards."""
        seed = seed_of(self.name, scene)
        return [self._case(scene, seed, t, c) for c in (False, True) for t in push.TRIALS]

    def _case(self, scene: str, seed: int, trial: str, covered: bool) -> Case:
        s, layout = self.setting, self.layout(seed, trial, covered)
        case = case_name(self.name, scene, s, trial, covered)
        condition = Condition(
            name=case,
            given=s.given,
            given_frames=render_scene(push.stage(layout), s, range(s.context)),
            prompt=push.prompt(layout, telling=s.prompt == "telling"),
            width=s.width,
            height=s.height,
            frames=s.frames,
            fps=s.fps,
            actions=push.actions(layout, s.frames, s.fps),
        )
        tags = {
            "trial": f"{trial}, covered" if covered else trial,
            "touched": trial == "push",
            "covered": covered,
            "test_look": push.test_only(layout),
        }
        facts = {"layout": push.to_facts(layout)}
        return Case(case, scene, seed, condition, Truth(push.stage(layout), facts), tags)

    def scorer(self, case: Case) -> Callable[[Video], Measures]:
        """Draw the empty table once; the result reads any number of videos of it."""
        layout = push.from_facts(case.truth.facts["layout"])
        bench = push_reader.table(push_reader.bare(layout), self.setting)
        context = self.setting.context
        frames = judged(layout, self.setting)

        def score(video: Video) -> Measures:
            """Measures of one video."""
            shown = np.concatenate([video.frames[:context], video.frames[frames]])
            seen = push_reader.read(bench, shown, context)
            later = Seen(seen.places[:, context:], seen.doubled[:, context:], seen.drift)
            return measure(layout, frames, later, self.setting.fps)

        return score

    def score(self, case: Case, video: Video) -> Measures:
        """Raw measures of one video of one case."""
        return self.scorer(case)(video)

    def trace(self, case: Case, video: Video) -> Mapping[str, Sequence[float | None]]:
        """How far the block has gone along the rod's way in each frame, and in truth; in short sides."""
        layout = push.from_facts(case.truth.facts["layout"])
        bench = push_reader.table(push_reader.bare(layout), self.setting)
        seen = push_reader.read(bench, video.frames, self.setting.context)
        block = layout.blocks[0]
        gone = layout.side * (seen.places[0, :, 0] - block.home[0])
        true = [
            layout.side * (push.at(block.path, t / self.setting.fps)[0] - block.home[0])
            for t in range(len(video.frames))
        ]
        return {"pushed": [None if np.isnan(g) else float(g) for g in gone], "truth": true}

    def question(self, case: Case) -> Question:
        """What a person is asked about a clip of this case."""
        layout = push.from_facts(case.truth.facts["layout"])
        text = "Is each block in every marked frame where the truth has it, to half of its size?"
        return Question(text, asks="right", every=True, frames=tuple(judged(layout, self.setting)))

    def aggregate(self, rows: Sequence[CaseScore]) -> Mapping[str, Mapping[str, float]]:
        """Per scene: S and its parts; a pair of which one is not ok was pushed never."""
        return by_sample(rows, _scene_values)

    def calibrated(self, metric: str, raw: float) -> float:
        """S = 100 raw / oracle (never and always are zero by construction); shares become points."""
        if metric == "S":
            return scaled(raw, self.oracle_raw, self.setting.name())
        return 100.0 * raw if metric in ("S_open", "S_covered", "kept", "alarm", "right") else raw

    def oracle(self, case: Case) -> Video:
        """The truth, rendered."""
        layout = push.from_facts(case.truth.facts["layout"])
        return Video(references.truth(layout, self.setting), self.setting.fps)

    def observer(self, condition: Condition) -> Video:
        """Reads where the blocks stand and what the rod does, and rolls the law out."""
        from simbench.instruments import push_observer

        return push_observer.roll_out(condition, self.setting)

    def _made(self, edit: references.Edit, strength: float = 1.0) -> Reference:
        return references.reference(edit, self.setting, strength)

    def cheats(self) -> Mapping[str, Reference]:
        """Scripted bad generators."""
        return {name: self._made(edit) for name, edit in references.CHEATS.items()}

    def bounds(self) -> Mapping[str, Bound]:
        """Every cheat may score 5 points at the most: zero, and room for luck of the draw."""
        return {name: Bound(5.0) for name in self.cheats()}

    def damages(self) -> Mapping[str, Damage]:
        """The truth, spoilt by growing strength."""
        return damages(self.oracle, self._made, references.DAMAGES)

    def nuisances(self, case: Case) -> Mapping[str, nuisance.Nuisance]:
        """All of them, for things of the size of a block."""
        s = self.setting
        unit = min(s.width, s.height)
        return nuisance.nuisances(push.SIZE * unit, unit, s.fps)

    def baselines(self) -> Mapping[str, Bound]:
        """None of them reads actions."""
        return {name: Bound(5.0) for name in ("frozen", "copy_last", "constant_velocity", "flow")}


def judged(layout: Layout, setting: Setting) -> list[int]:
    """The frames that decide: all that are generated, or those in which the panel is away again."""
    return [
        t
        for t in range(setting.context, setting.frames)
        if not layout.covered or t / setting.fps >= layout.back - 1e-9
    ]


def measure(layout: Layout, frames: Sequence[int], seen: Seen, fps: float) -> Measures:
    """Sums over the deciding frames, in short sides.

    `error` from the moment on at which the block is touched in the trial in which it is, `span` how far a
    block left alone is then from one that was pushed; `early` and `early_span` the same before, where
    `early_span` is the whole way in each frame. A block that is lost is as far off as that. `lost` and
    `doubled`: shares of all blocks and frames; `unreadable`: all of them are lost; `right`: every block
    within a quarter of the way in every frame.
    """
    truth = np.array([[push.at(b.path, t / fps) for t in frames] for b in layout.blocks])
    would = np.array([push.at(layout.would, t / fps) for t in frames])
    far = np.linalg.norm(would - np.array(layout.would[0][1:]), axis=1)
    after = np.array([t / fps > layout.contact + 1e-9 for t in frames])
    least = np.where(after, far, layout.way)
    gone = np.isnan(seen.places[..., 0])
    off = np.linalg.norm(np.where(gone[..., None], truth, seen.places) - truth, axis=-1)
    off = np.where(gone, least, off)
    total = off.sum(axis=0)
    return {
        "error": float(total[after].sum()),
        "span": float(far[after].sum()),
        "early": float(total[~after].sum()),
        "early_span": float(layout.way * (~after).sum()),
        "lost": float(gone.mean()),
        "unreadable": float(bool(gone.all())),
        "doubled": float(seen.doubled.mean()),
        "drift": seen.drift,
        "right": float(bool((off <= NEAR * layout.way).all())),
    }


def _scene_values(rows: Sequence[CaseScore]) -> dict[str, float]:
    """Raw values of one scene and sample.

    A pair of which one is not ok, or shows no block at all, was pushed never: E = 1, A = 0. So to answer only
    one of the two gains nothing.
    """
    out: dict[str, float] = {}
    missed, alarms = [], []
    for covered, suffix in ((False, "_open"), (True, "_covered")):
        pair = {bool(r.tags["touched"]): r for r in rows if bool(r.tags["covered"]) is covered}
        if len(pair) == 2 and all(_readable(r) for r in pair.values()):
            push_of, miss_of = pair[True].measures, pair[False].measures
            error = push_of["error"] / push_of["span"]
            alarm = max(miss_of["error"] / miss_of["span"], _early(push_of), _early(miss_of))
        else:
            error, alarm = 1.0, 0.0
        out["S" + suffix] = 1.0 - error - alarm
        missed.append(error)
        alarms.append(alarm)
    out["kept"], out["alarm"] = 1.0 - max(missed), max(alarms)
    out["S"] = out["kept"] - out["alarm"]
    read = [r for r in rows if r.status == "ok"]
    if read:
        for name in ("lost", "doubled", "unreadable", "drift"):
            out[name] = float(np.mean([r.measures[name] for r in read]))
        out["right"] = sum(r.measures["right"] for r in read) / len(rows)
    return out


def _readable(row: CaseScore) -> bool:
    """Is there a video, and a block in it?"""
    return row.status == "ok" and row.measures["unreadable"] == 0.0


def _early(measures: Measures) -> float:
    """What moved before anything was touched, as a share of the way; 0 where no such frame is judged."""
    return measures["early"] / measures["early_span"] if measures["early_span"] > 0 else 0.0
