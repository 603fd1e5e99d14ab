"""paint: strokes stay where they were put, and new paint comes only at the brush's tip.

A brush paints on a canvas while the camera moves; a board is carried past, or the camera turns away and
back. The brush's way is commanded, one action a frame, and parts for one of two sides after the given
frames. S = 1 - sum |P^ - P*| / sum |P_hold - P*| over texels and the frames in which all is seen again; paint
that came without the tip counts as wrong wherever it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import ClassVar

from simbench.case import Case, Condition, Setting, Truth
from simbench.errors import UserError
from simbench.instruments import strokes, strokes_judge
from simbench.references import nuisance
from simbench.references import strokes as references
from simbench.suite import Bound, CaseScore, Damage, Measures, Question, Reference
from simbench.video import Video
from simbench.worlds.families import canvas
from simbench.worlds.families.canvas import Layout
from suites.common import by_sample, damages, scaled
from suites.naming import case_name, scene_ids, seed_of

BRANCHES = (0, 1)
SHARES = ("J", "causal", "spill", "kept", "kept_1s", "kept_2s", "unreadable", "right")
LEAST = 3
"""Frames in which all is seen again, at least."""


@dataclass(frozen=True)
class Paint:
    """The suite. `tool`: brush, cursor, or brush+cursor, in turn; `surface`: canvas, wall, or both; what
    is not the default becomes part of the setting's name. `oracle_raw` maps a setting's name to the oracle's
    raw measures, pinned by calibration."""

    setting: Setting = Setting(given="act")
    tool: str = canvas.TOOLS[0]
    surface: str = canvas.SURFACES[0]
    oracle_raw: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    name: str = "paint"
    version: int = 1
    preload: ClassVar[tuple[str, ...]] = ("simbench.warm", "suites.paint")
    columns: ClassVar[tuple[str, ...]] = (
        "J", "half_life", "kept_1s", "kept_2s", "causal", "spill", "kept",
    )  # fmt: skip

    def __post_init__(self) -> None:
        told = (
            f"{name}={value}"
            for name, value, usual in (
                ("tool", self.tool, canvas.TOOLS[0]),
                ("surface", self.surface, canvas.SURFACES[0]),
            )
            if value != usual
        )
        object.__setattr__(self, "setting", replace(self.setting, option=" ".join(told)))
        s = self.setting
        if min(s.width, s.height) < 32:
            raise UserError(f"size={s.width}x{s.height} is below 32 px: strokes need 3 px; use size=32")
        if s.given != "act":
            raise UserError(f"given={s.given} does not say where the brush goes in paint; use given=act")
        if s.context < 2:
            raise UserError(f"context={s.context} shows no brush at work; use context=2 or more")
        for look in self._looks():
            judged = strokes_judge.returned(self.layout(0, "away", 0, look), s)
        if len(judged) < LEAST:
            raise UserError(
                f"frames={s.frames} leave {len(judged)} to judge after the look away, {LEAST} are needed; use"
                " frames=13 or more"
            )

    def _looks(self) -> tuple[tuple[str, str], ...]:
        """Tool and surface of the scenes, in turn."""
        return tuple(product(self.tool.split("+"), self.surface.split("+")))

    def layout(self, seed: int, trial: str, branch: int, look: tuple[str, str]) -> Layout:
        """One layout: the ways part at the last given frame. `look`: tool and surface."""
        s = self.setting
        return canvas.sample(
            seed,
            trial,
            branch,
            duration=(s.frames - 1) / s.fps,
            look=s.look,
            difficulty=s.difficulty,
            aspect=s.width / s.height,
            parts=(s.context - 1) / max(s.frames - 1, 1),
            tool=look[0],
            surface=look[1],
        )

    def scenes(self, count: int, seed: str) -> Sequence[str]:
        """Ids of the first `count` scenes of a seed space."""
        return scene_ids(count, seed)

    def cases(self, scene: str) -> Sequence[Case]:
        """A passer-by and a look away, each with the brush going to either side."""
        looks = self._looks()
        look = looks[int(scene.rsplit("-", 1)[1]) % len(looks)]
        return [self._case(scene, trial, branch, look) for trial in canvas.TRIALS for branch in BRANCHES]

    def _case(self, scene: str, trial: str, branch: int, look: tuple[str, str]) -> Case:
        s, seed = self.setting, seed_of(self.name, scene)
        layout, twin = (self.layout(seed, trial, way, look) for way in (branch, 1 - branch))
        name = case_name(self.name, scene, s, trial, branch)
        poses, intrinsics = strokes_judge.camera(strokes_judge.common(layout), s)
        condition = Condition(
            name=name,
            given=s.given,
            given_frames=strokes.film(layout, s)[: s.context].copy(),
            prompt=canvas.prompt(layout),
            width=s.width,
            height=s.height,
            frames=s.frames,
            fps=s.fps,
            poses=poses.copy(),
            intrinsics=intrinsics.copy(),
            actions=canvas.actions(layout, s.frames, s.fps),
        )
        hold = strokes_judge.holding(strokes_judge.book(layout, twin, s))
        tags = {"trial": trial, "way": branch, "test_look": canvas.test_only(layout), **hold}
        facts = {"layout": canvas.to_facts(layout), "twin": canvas.to_facts(twin)}
        return Case(name, scene, seed, condition, Truth(canvas.stage(layout), facts), tags)

    def scorer(self, case: Case) -> Callable[[Video], Measures]:
        """Draw the canvas as it should be once; the result reads any number of videos of it."""
        ready = self._book(case)

        def score(video: Video) -> Measures:
            """Measures of one video against the prepared canvas."""
            return strokes_judge.judge(ready, video.frames)

        return score

    def _book(self, case: Case) -> strokes_judge.Book:
        layout, twin = (canvas.from_facts(case.truth.facts[k]) for k in ("layout", "twin"))
        return strokes_judge.book(layout, twin, self.setting)

    def score(self, case: Case, video: Video) -> Measures:
        """Raw measures of one video of one case."""
        return self.scorer(case)(video)

    def trace(self, case: Case, video: Video) -> Mapping[str, Sequence[float | None]]:
        """Share of the canvas that is painted, as read and in truth, where all of it can be seen."""
        return strokes_judge.trace(self._book(case), video.frames)

    def question(self, case: Case) -> Question:
        """What a person is asked about a clip of this case."""
        frames = strokes_judge.returned(canvas.from_facts(case.truth.facts["layout"]), self.setting)
        text = "Is all paint on the canvas in every marked frame where the truth has it, and no other paint?"
        return Question(text, asks="right", every=True, frames=frames)

    def aggregate(self, rows: Sequence[CaseScore]) -> Mapping[str, Mapping[str, float]]:
        """Per scene: S and its relatives; a case that is not ok kept the canvas as it was."""
        return by_sample(rows, lambda part: _scene_values(part, self.setting))

    def calibrated(self, metric: str, raw: float) -> float:
        """S = 100 raw / oracle (zero is the canvas kept as it was, by construction); shares become points."""
        if metric == "S":
            return scaled(raw, self.oracle_raw, self.setting.name())
        return 100.0 * raw if metric in SHARES else raw

    def oracle(self, case: Case) -> Video:
        """The truth, rendered."""
        layout = canvas.from_facts(case.truth.facts["layout"])
        return Video(strokes.film(layout, self.setting).copy(), self.setting.fps)

    def observer(self, condition: Condition) -> Video:
        """Reads the older strokes and the commands, and paints."""
        from simbench.instruments import strokes_observer

        return strokes_observer.roll_out(condition, self.setting)

    def cheats(self) -> Mapping[str, Reference]:
        """Scripted bad generators."""
        return {name: self._made(make) for name, make in references.CHEATS.items()}

    def _made(self, make: references.Edit, strength: float = 1.0) -> Reference:
        return lambda case: Video(make(references.story_of(case, self.setting), strength), self.setting.fps)

    def bounds(self) -> Mapping[str, Bound]:
        """Every cheat may score 5 points at the most: zero, and room for luck of the draw."""
        return {name: Bound(5.0) for name in self.cheats()}

    def damages(self) -> Mapping[str, Damage]:
        """The truth, spoilt after the given frames by growing strength."""
        return damages(self.oracle, self._made, references.DAMAGES)

    def nuisances(self, case: Case) -> Mapping[str, nuisance.Nuisance]:
        """All of them, for strokes of their width."""
        s = self.setting
        width = 2 * canvas.RADIUS / canvas.SEEN * min(s.width, s.height)
        return nuisance.nuisances(width, min(s.width, s.height), s.fps)

    def baselines(self) -> Mapping[str, Bound]:
        """What does not read the command may not score."""
        return {name: Bound(5.0) for name in ("copy_last", "frozen", "constant_velocity", "flow")}


def _total(rows: Sequence[CaseScore], name: str, otherwise: str = "") -> float:
    """Sum of a measure over rows; those that are not ok give the tag `otherwise`, or nothing."""
    total = 0.0
    for row in rows:
        if row.status == "ok":
            total += row.measures[name]
        elif otherwise:
            total += float(row.tags[otherwise])
    return total


def _scene_values(rows: Sequence[CaseScore], setting: Setting) -> dict[str, float]:
    """Raw values of one scene and sample; what is not ok shows no paint at all."""
    hold = sum(float(r.tags["hold"]) for r in rows)
    out = {"S": 1.0 - _total(rows, "wrong", "hold") / hold}
    for trial in canvas.TRIALS:
        part = [r for r in rows if r.tags["trial"] == trial]
        if part:
            out[f"S_{trial}"] = 1.0 - _total(part, "wrong", "hold") / sum(float(r.tags["hold"]) for r in part)
    old = sum(float(r.tags["old"]) for r in rows)
    united = _total(rows, "united", "painted")
    out["J"] = _total(rows, "shared") / united if united > 0 else 0.0
    out["kept"] = _total(rows, "kept") / old
    read = [r for r in rows if r.status == "ok"]
    if read:
        out["spill"] = _total(read, "spilt") / _total(read, "white")
        out["unreadable"] = _total(read, "unreadable") / _total(read, "frames")
        out["right"] = _total(read, "right") / len(rows)
        out["half_life"] = _half_life(read, (setting.frames - 1) / setting.fps)
        out |= _by_age(read)
        came = _total(read, "came")
        if came > 0:
            out["causal"] = _total(read, "lawful") / came
    return out


def _by_age(rows: Sequence[CaseScore]) -> dict[str, float]:
    """Shares of the paint of half a second either side of an age that is there: p(1 s) and p(2 s)."""
    out = {}
    for second in (1, 2):
        bins = (2 * second - 1, 2 * second)
        aged = sum(_total(rows, f"aged_{step}") for step in bins)
        if aged > 0:
            out[f"kept_{second}s"] = sum(_total(rows, f"age_{step}") for step in bins) / aged
    return out


def _half_life(rows: Sequence[CaseScore], most: float) -> float:
    """Seconds after which half of the paint is gone: where p(age) first falls below a half, between the
    middles of its bins; `most`, the length of the clip, where it never does."""
    before = (0.0, 1.0)
    for step in range(strokes_judge.AGES):
        aged = _total(rows, f"aged_{step}")
        if aged <= 0:
            continue
        there = _total(rows, f"age_{step}") / aged
        age = 0.5 * step + 0.25
        if there < 0.5:
            (a, p) = before
            return min(most, a + (age - a) * (p - 0.5) / (p - there))
        before = (age, there)
    return most
