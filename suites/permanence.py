"""permanence: what is hidden is still there, as itself, and comes out where and when the world says.

A scene is a crossed set of trials on one stage. In `exit` the objects pass behind a screen and come
out; in `stay` a post that shows beyond the screen stops them; `two`, `swap` or `container` alternate
over scenes; each is asked hidden and in the open. S = 100 (h - f): hits on exit trials less false
alarms on stay trials (Youden 1950), so that never coming back and always coming back are both 0.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from simbench.case import Case, Condition, Setting, Truth
from simbench.errors import UserError
from simbench.instruments import bench as benches
from simbench.instruments import lawful, tracing
from simbench.instruments import trial as trials
from simbench.instruments.counting import counting
from simbench.instruments.nearest import NearestReader, expect
from simbench.instruments.reading import TOLERANCE_S, Reading, Window, read
from simbench.references import damage, nuisance, occluder_policies, occlusion
from simbench.references.policies import Policies
from simbench.suite import Bound, CaseScore, Damage, Measures, Question, Reference
from simbench.video import Video
from simbench.worlds.families import occluder
from simbench.worlds.families.occluder import Layout
from suites.asking import ask
from suites.common import by_sample, scaled
from suites.naming import case_name, scene_ids, seed_of

EXTRA = ("two", "swap", "container")
HEADLINE = {"S": "S", "S_graded": "S_graded", "S_open": "S"}
COUNTS = ("agree_11", "agree_10", "agree_01", "agree_00", "undecided")


@dataclass(frozen=True)
class Permanence:
    """The suite. `oracle` maps a setting's name to the oracle's raw measures, pinned by calibration."""

    setting: Setting = Setting()
    oracle_raw: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    name: str = "permanence"
    version: int = 3
    preload: ClassVar[tuple[str, ...]] = ("simbench.warm", "suites.permanence")
    columns: ClassVar[tuple[str, ...]] = ("hit", "alarm")

    def __post_init__(self) -> None:
        s = self.setting
        if min(s.width, s.height) < 32:
            raise UserError(f"size={s.width}x{s.height} is below 32 px: objects need 8 px; use size=32")
        if s.given not in ("v2v", "i2v", "t2v"):
            raise UserError(f"given={s.given} does not apply to permanence; use v2v, i2v or t2v")
        if s.given == "v2v" and s.context < 4:
            raise UserError(f"context={s.context} does not show the motion; use 4 frames or more")

    def scenes(self, count: int, seed: str) -> Sequence[str]:
        """Ids of the first `count` scenes of a seed space."""
        return scene_ids(count, seed)

    def cases(self, scene: str) -> Sequence[Case]:
        """The crossed set of one scene: every trial hidden and in the open."""
        index = int(scene.rsplit("-", 1)[1])
        seed = seed_of(self.name, scene)
        made = []
        for kind in ("exit", "stay", EXTRA[index % 3]):
            for hidden in (True, False):
                made.append(self._case(scene, seed, kind, hidden))
        return made

    def _case(self, scene: str, seed: int, kind: str, hidden: bool) -> Case:
        s = self.setting
        layout = occluder.sample(
            seed,
            kind,
            hidden,
            (s.frames - 1) / s.fps,
            s.look,
            s.difficulty,
            s.width / s.height,
            max(0.14, 8.0 / s.height),
        )
        return make_case(self, scene, seed, kind, layout)

    def scorer(self, case: Case) -> Callable[[Video], Measures]:
        """Render the case's references once; the result reads any number of videos of it.

        v2v is judged against the truth; i2v and t2v, which leave the motion open, against the law rolled
        out from the video's own beginning.
        """
        layout = occluder.from_facts(case.truth.facts["layout"])
        measure = _stay if layout.post is not None else _return
        if self.setting.given != "v2v":
            return lambda video: self._lawful(layout, video)
        bench = benches.prepare(layout, self.setting)
        window = deciding(layout, self.setting)
        if window is None:
            raise UserError(
                f"{self.setting.name()}: nothing is left to judge after the exit; use more frames"
            )
        shown = bench.truth.astype(np.uint8)
        truth = NearestReader(bench, read(bench, shown, self.context))
        window = expect(truth, window)

        def score(video: Video) -> Measures:
            """Measures of one video against the prepared references."""
            known = np.array_equal(video.frames, shown)
            second = truth if known else NearestReader(bench, read(bench, video.frames, self.context))
            return {**measure(truth.video, second, window), "drift": second.video.drift}

        return score

    def _lawful(self, asked: Layout, video: Video) -> Measures:
        bench = lawful.staged(video.frames, asked, self.setting)
        window = None if bench is None else deciding(bench.layout, bench.setting)
        if bench is None or window is None:
            return {"undecided": 1.0}
        measure = _stay if bench.layout.post is not None else _return
        context = bench.setting.context
        truth = NearestReader(bench, read(bench, np.rint(bench.truth).astype(np.uint8), context))
        window = expect(truth, window)
        second = NearestReader(bench, read(bench, video.frames, context))
        return {**measure(truth.video, second, window), "drift": second.video.drift, "undecided": 0.0}

    @property
    def context(self) -> int:
        """Frames that are given."""
        return {"v2v": self.setting.context, "i2v": 1, "t2v": 0}[self.setting.given]

    def score(self, case: Case, video: Video) -> Measures:
        """Raw measures of one video of one case."""
        return self.scorer(case)(video)

    def trace(self, case: Case, video: Video) -> Mapping[str, Sequence[float | None]]:
        """What the decoder sees in each frame; empty where a video does not stage what was asked."""
        layout = occluder.from_facts(case.truth.facts["layout"])
        if self.setting.given == "v2v":
            bench: benches.Bench | None = benches.prepare(layout, self.setting)
        else:
            bench = lawful.staged(video.frames, layout, self.setting)
        if bench is None:
            return {}
        context = bench.setting.context
        truth = read(bench, np.rint(bench.truth).astype(np.uint8), context)
        return tracing.trace(bench, truth, read(bench, video.frames, context))

    def question(self, case: Case) -> Question:
        """What a person is asked about a clip of this case."""
        layout = occluder.from_facts(case.truth.facts["layout"])
        return ask(layout, self.setting, deciding(layout, self.setting))

    def aggregate(self, rows: Sequence[CaseScore]) -> Mapping[str, Mapping[str, float]]:
        """Per scene: S and its relatives; a trial that is not ok contrasts with nothing and counts 0."""
        return by_sample(rows, _scene_values, COUNTS)

    def calibrated(self, metric: str, raw: float) -> float:
        """S = 100 raw / oracle (zero is h = f by construction); shares become points."""
        if metric in HEADLINE:
            return scaled(raw, self.oracle_raw, self.setting.name(), HEADLINE[metric])
        return 100.0 * raw if metric in ("hiding_cost", "hit", "alarm", "drift") else raw

    def oracle(self, case: Case) -> Video:
        """The truth, rendered."""
        layout = occluder.from_facts(case.truth.facts["layout"])
        return Video(benches.render_layout(layout, self.setting), self.setting.fps)

    def observer(self, condition: Condition) -> Video:
        """Reads the condition, fits the law's free parameters and rolls it out."""
        from simbench.instruments import observer

        return observer.roll_out(condition, self.setting)

    def cheats(self) -> Mapping[str, Reference]:
        """Scripted bad generators."""
        return occlusion.cheats(self.setting, self.context)

    def bounds(self) -> Mapping[str, Bound]:
        """Every cheat may score 5 points at the most: zero, and room for luck of the draw."""
        return {name: Bound(5.0) for name in self.cheats()}

    def damages(self) -> Mapping[str, Damage]:
        """The truth, spoilt from the moment of hiding on."""
        return damage.damages(self.setting, self.context)

    def nuisances(self, case: Case) -> Mapping[str, nuisance.Nuisance]:
        """All of them, for objects as large as those of the case."""
        s = self.setting
        diameter = occluder.from_facts(case.truth.facts["layout"]).diameter * s.height
        return nuisance.nuisances(diameter, min(s.width, s.height), s.fps)

    def policies(self) -> Policies:
        """What to bring back, when, where and how, without a look at the post."""
        return occluder_policies.policies(self.setting, self.context)

    def baselines(self) -> Mapping[str, Bound]:
        """Only `flow`, which hides what passes behind a screen, may score; it knows no law."""
        simple = {name: Bound(5.0) for name in ("constant_velocity", "copy_last", "frozen")}
        return {"flow": Bound(None, above=5.0, below="observer"), **simple}


def make_case(suite: Permanence, scene: str, seed: int, kind: str, layout: Layout) -> Case:
    """One case of a layout; the name in its condition tells nothing about the trial."""
    s = suite.setting
    name = case_name(suite.name, scene, s, kind, layout.hidden)
    given = benches.render_layout(layout, s, range(suite.context)) if suite.context else None
    condition = Condition(
        name=name,
        given=s.given,
        given_frames=np.zeros((0, s.height, s.width, 3), np.uint8) if given is None else given,
        prompt=occluder.prompt(layout, telling=s.prompt == "telling"),
        width=s.width,
        height=s.height,
        frames=s.frames,
        fps=s.fps,
    )
    facts = {"layout": occluder.to_facts(layout), "trial": kind}
    tags: dict[str, object] = {
        "trial": kind,
        "hidden": layout.hidden,
        "test_look": occluder.test_only(layout),
        **_hiding(layout),
    }
    return Case(name, scene, seed, condition, Truth(occluder.stage(layout), facts), tags)


def _hiding(layout: Layout) -> dict[str, float]:
    """When the objects go and when they come out if nothing stops them, mean over objects, seconds; in the
    open, when they would."""
    times = np.array([occluder.hide_times(layout, lane) for lane in layout.lanes])
    hide, show = times.mean(axis=0).round(6)
    return {"hide_s": float(hide), "show_s": float(show)}


def deciding(layout: Layout, setting: Setting) -> Window | None:
    """The frames that decide a trial, from the law alone; None where none is left."""
    fps = setting.fps
    clear = layout.aspect * (0.5 - occluder.MARGIN) - layout.diameter / 2 + 0.02
    free = dataclasses.replace(layout, post=None)
    after, hidden, quiet = [], [], 0.0
    for lane in layout.lanes:
        hide, show = occluder.hide_times(layout, lane)
        frames = [
            t
            for t in range(setting.context, setting.frames)
            if t / fps >= show - 1e-9 and abs(occluder.centre(free, lane, t / fps)[0]) <= clear
        ]
        after.append(tuple(frames))
        hidden.append(int(np.ceil(hide * fps - 1e-9)))
        quiet = max(quiet, hide)
    start = int(np.ceil(max(quiet, (setting.context - 1) / fps) * fps + TOLERANCE_S * fps))
    silent = tuple(range(start, setting.frames)) if layout.hidden else tuple(sorted(set().union(*after)))
    if not all(after) or not silent:
        return None
    # What leaves the speed open is judged by a speed read from a few frames: half a frame more.
    tolerance = max(TOLERANCE_S, (1.0 if setting.given == "v2v" else 1.5) / fps)
    return Window(tuple(after), tuple(hidden), silent, tolerance=tolerance)


def _agreement(pairs: Sequence[tuple[bool, bool]]) -> Measures:
    return {
        f"agree_{int(a)}{int(b)}": float(pairs.count((a, b))) for a in (True, False) for b in (True, False)
    }


def _return(truth: Reading, second: NearestReader, window: Window) -> Measures:
    """Measures of a trial in which the objects come out."""
    count = len(second.bench.layout.lanes)
    came = [trials.judge_return(truth, second, window, i) for i in range(count)]
    out: Measures = {
        "hit": float(np.mean([r.hit for r in came])),
        "hit_nearest": float(np.mean([r.hit_nearest for r in came])),
        "graded": float(np.mean([r.graded for r in came])),
        **_agreement([(r.hit, r.hit_nearest) for r in came]),
        **counting(second.bench, truth, second.video, window),
    }
    distances = [r.distance for r in came if r.distance is not None]
    delays = [abs(r.delay) for r in came if r.delay is not None]
    if distances:
        out["distance"] = float(np.mean(distances))
    if delays:
        out["delay"] = float(np.mean(delays))
    return out


def _stay(truth: Reading, second: NearestReader, window: Window) -> Measures:
    """Measures of a trial in which the objects are stopped."""
    layout = second.bench.layout
    beyond = None if layout.hidden else second.bench.diameter
    seen = [trials.shown_while_hidden(second, window, i, beyond) for i in range(len(layout.lanes))]
    return {
        "alarm": float(np.mean([s[0] for s in seen])),
        "alarm_nearest": float(np.mean([s[1] for s in seen])),
        "presence": float(np.mean([s[2] for s in seen])),
        **_agreement([(s[0], s[1]) for s in seen]),
    }


def _counts(row: CaseScore) -> bool:
    """Was the video read, and did it reach the decisive moment?"""
    return row.status == "ok" and not row.measures.get("undecided")


def _contrast(row: CaseScore, part: Sequence[CaseScore], gain: str, loss: str) -> float:
    """One returning trial against the scene's stay trial.

    Only exit and stay differ in nothing but the post, so a swap, container or pair counts as far as the
    plain exit was answered too: who tells trials apart by their kind alone gains nothing.
    """
    plain = [r for r in part if r.tags["trial"] == "exit"]
    stay = [r for r in part if r.tags["trial"] == "stay"]
    if not stay or not plain or not all(_counts(r) for r in (row, plain[0], stay[0])):
        return 0.0
    value = row.measures[gain]
    if row is not plain[0]:
        value *= plain[0].measures[gain]
    return float(value - stay[0].measures[loss])


def _scene_values(rows: Sequence[CaseScore]) -> dict[str, float]:
    """Raw values of one scene and sample."""
    out: dict[str, float] = {}
    for hidden, suffix in ((True, ""), (False, "_open")):
        part = [r for r in rows if bool(r.tags["hidden"]) is hidden]
        returns = [r for r in part if r.tags["trial"] != "stay"]
        stays = [r for r in part if r.tags["trial"] == "stay"]
        for metric, gain, loss in (("S", "hit", "alarm"), ("S_graded", "graded", "presence")):
            contrast = [_contrast(r, part, gain, loss) for r in returns]
            if contrast and stays:
                out[metric + suffix] = float(np.mean(contrast))
        for source, name in ((returns, "hit"), (stays, "alarm")):
            values = [r.measures[name] if _counts(r) else 0.0 for r in source]
            if values:
                out[name + suffix] = float(np.mean(values))
    out.pop("S_graded_open", None)
    if "S" in out and "S_open" in out:
        out["hiding_cost"] = out["S_open"] - out["S"]
    read = [r for r in rows if r.status == "ok"]
    shown = [r for r in read if r.tags["hidden"]]
    for name in ("distance", "delay", "count_error", "idf1", "drift"):
        values = [r.measures[name] for r in (read if name == "drift" else shown) if name in r.measures]
        if values:
            out[name] = float(np.mean(values))
    for name in COUNTS:
        out[name] = float(sum(r.measures.get(name, 0.0) for r in shown))
    return out
