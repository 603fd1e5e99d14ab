"""footprints: a print is left wherever a boot stood, when it stood there, and is still there later.

A scene is two cases of one walk: in the open, and with a panel that slides over the ground afterwards.
S = 1 - E - A: E is the share of new prints that lack, A that of prints that are there too early or where no
boot stood; of each the worst of its parts counts. To keep the prints of the last given frame is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from simbench.case import Case, Condition, Setting, Truth
from simbench.errors import UserError
from simbench.instruments import footprints_reader as reader
from simbench.instruments.footprints_reader import Marks
from simbench.references import footprints as references
from simbench.references import nuisance
from simbench.suite import Bound, CaseScore, Damage, Measures, Question, Reference
from simbench.video import Video
from simbench.worlds.families import footprints
from simbench.worlds.families.footprints import STEPS, Layout
from simbench.worlds.film import render_scene
from suites.common import by_sample, damages, scaled
from suites.naming import case_name, scene_ids, seed_of

FRESH = 2
"""Frames in which a spot is first seen free after a step, and last before it, that say whether prints come in
order."""


@dataclass(frozen=True)
class Footprints:
    """The suite. `oracle_raw` maps a setting's name to the oracle's raw measures, pinned by calibration."""

    setting: Setting = Setting(width=64, height=64, given="act", context=3)
    oracle_raw: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    name: str = "footprints"
    version: int = 1
    preload: ClassVar[tuple[str, ...]] = ("simbench.warm", "suites.footprints")
    columns: ClassVar[tuple[str, ...]] = ("found", "spill", "order", "kept")

    def __post_init__(self) -> None:
        s = self.setting
        if min(s.width, s.height) < 64:
            raise UserError(f"size={s.width}x{s.height} is below 64 px: prints need 6 px; use size=64")
        if s.given != "act":
            raise UserError(f"given={s.given} does not say where the boots step in footprints; use given=act")
        if (s.frames - 1) % STEPS or s.frames < 2:
            raise UserError(
                f"frames={s.frames} does not show the boots where they stand; use frames=17, 33 or 49"
            )
        steps = (s.context - 1) * STEPS / (s.frames - 1)
        if not 2 <= steps <= 4:
            raise UserError(
                f"context={s.context} of frames={s.frames} shows {max(steps, 0):g} steps of {STEPS}, not 2 to"
                f" 4; use context={1 + 2 * (s.frames - 1) // STEPS}"
            )

    def scenes(self, count: int, seed: str) -> Sequence[str]:
        """Ids of the first `count` scenes of a seed space."""
        return scene_ids(count, seed)

    def cases(self, scene: str) -> Sequence[Case]:
        """One walk, in the open and covered afterwards."""
        return [self._case(scene, seed_of(self.name, scene), covered) for covered in (False, True)]

    def _case(self, scene: str, seed: int, covered: bool) -> Case:
        s = self.setting
        duration = (s.frames - 1) / s.fps
        layout = footprints.sample(seed, covered, duration, s.look, s.difficulty, s.width / s.height)
        trial = "covered" if covered else "open"
        case = case_name(self.name, scene, s, trial, covered)
        condition = Condition(
            name=case,
            given=s.given,
            given_frames=render_scene(footprints.stage(layout), s, range(s.context)),
            prompt=footprints.prompt(layout, telling=s.prompt == "telling"),
            width=s.width,
            height=s.height,
            frames=s.frames,
            fps=s.fps,
            actions=footprints.actions(layout, s.frames, s.fps),
        )
        tags = {
            "trial": trial,
            "covered": covered,
            "ground": layout.ground,
            "test_look": footprints.test_only(layout),
        }
        facts = {"layout": footprints.to_facts(layout)}
        return Case(case, scene, seed, condition, Truth(footprints.stage(layout), facts), tags)

    def scorer(self, case: Case) -> Callable[[Video], Measures]:
        """Draw the empty ground once; the result reads any number of videos of it."""
        layout, context = footprints.from_facts(case.truth.facts["layout"]), self.setting.context
        bench = reader.ground(reader.bare(layout), self.setting)
        frames = judged(layout, self.setting)

        def score(video: Video) -> Measures:
            """Measures of one video."""
            at = [*range(context), *frames]
            marks = reader.read(bench, video.frames[at], at, context)
            return measure(layout, frames, _later(marks, context), self.setting)

        return score

    def score(self, case: Case, video: Video) -> Measures:
        """Raw measures of one video of one case."""
        return self.scorer(case)(video)

    def trace(self, case: Case, video: Video) -> Mapping[str, Sequence[float | None]]:
        """How many prints are read where boots stand sooner or later, and how many there are in truth; of
        those that no boot hides."""
        layout = footprints.from_facts(case.truth.facts["layout"])
        bench = reader.ground(reader.bare(layout), self.setting)
        at = list(range(len(video.frames)))
        marks = reader.read(bench, video.frames, at, self.setting.context)
        true = reader.told(layout, at, self.setting)
        return {
            "prints": [float(v) for v in (marks.present & marks.clear).sum(axis=0)],
            "truth": [float(v) for v in (true & marks.clear).sum(axis=0)],
        }

    def question(self, case: Case) -> Question:
        """What a person is asked about a clip of this case."""
        layout = footprints.from_facts(case.truth.facts["layout"])
        text = "Is there in every marked frame a print wherever a boot has stood, and nowhere else?"
        return Question(text, asks="right", every=True, frames=tuple(judged(layout, self.setting)))

    def aggregate(self, rows: Sequence[CaseScore]) -> Mapping[str, Mapping[str, float]]:
        """Per scene: S and its parts; a case that is not ok kept the prints it was given."""
        return by_sample(rows, _scene_values)

    def calibrated(self, metric: str, raw: float) -> float:
        """S = 100 raw / oracle (the prints given, kept, are zero by construction); shares become points."""
        if metric == "S":
            return scaled(raw, self.oracle_raw, self.setting.name())
        return 100.0 * raw if metric in ("found", "spill", "order", "kept", "right") else raw

    def oracle(self, case: Case) -> Video:
        """The truth, rendered."""
        layout = footprints.from_facts(case.truth.facts["layout"])
        return Video(references.truth(layout, self.setting), self.setting.fps)

    def observer(self, condition: Condition) -> Video:
        """Knows that a boot leaves a print, and where the boots step."""
        from simbench.instruments import footprints_observer

        return footprints_observer.roll_out(condition, self.setting)

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
        """All of them, for things of the size of a print."""
        s = self.setting
        unit = min(s.width, s.height)
        return nuisance.nuisances(2 * footprints.PRINT * unit, unit, s.fps)

    def baselines(self) -> Mapping[str, Bound]:
        """None of them knows what a step leaves."""
        return {name: Bound(5.0) for name in ("frozen", "copy_last", "constant_velocity", "flow")}


def judged(layout: Layout, setting: Setting) -> list[int]:
    """The frames that decide: all that are generated, or those in which the panel is away again."""
    return [
        t
        for t in range(setting.context, setting.frames)
        if not layout.covered or t / setting.fps >= layout.back - 1e-9
    ]


def _later(marks: Marks, context: int) -> Marks:
    return Marks(
        marks.present[:, context:],
        marks.stray[:, context:],
        marks.clear[:, context:],
        marks.stray_clear[:, context:],
        marks.level,
        marks.drift,
    )


def measure(layout: Layout, frames: Sequence[int], marks: Marks, setting: Setting) -> Measures:
    """Shares, of spots that no boot hides, over the deciding frames.

    `missed`: of new prints and frames; `old`: of those already given. `late` and `early`: of the first FRESH
    frames after a step, and of all frames before it or the last FRESH (the larger), means over the prints
    that have both; `mixed`: 1 less the order of the new ones. `spill`: strays a frame for each new print.
    `level`: grey levels by which prints are darker.
    """
    true = reader.told(layout, frames, setting)
    new = ~reader.told(layout, [setting.context - 1], setting)[:, 0]
    owed = true & marks.clear
    missed = owed & ~marks.present
    fresh, before = owed & (owed.cumsum(axis=1) <= FRESH), ~true & marks.clear
    ahead = before & (before[:, ::-1].cumsum(axis=1)[:, ::-1] <= FRESH)
    asked = new & fresh.any(axis=1) & before.any(axis=1)
    late = [float(missed[k][fresh[k]].mean()) for k in np.flatnonzero(asked)]
    early = [
        np.mean([marks.present[k][part[k]].mean() for k in np.flatnonzero(asked)]) if asked.any() else 0.0
        for part in (before, ahead)
    ]
    strays = (marks.stray & marks.stray_clear).sum(axis=0) / max(int(new.sum()), 1)
    wrong = missed.any() or (before & marks.present).any() or strays.any()
    return {
        "missed": float(missed[new].sum() / max(int(owed[new].sum()), 1)),
        "old": float(missed[~new].sum() / max(int(owed[~new].sum()), 1)),
        "late": float(np.mean(late)) if late else 0.0,
        "early": float(max(early)),
        "mixed": 1.0 - _order((marks.present & marks.clear)[new], true[new], marks.clear[new]),
        "spill": float(strays.mean()),
        "level": marks.level,
        "unreadable": float(marks.level < reader.FAINT),
        "drift": marks.drift,
        "right": float(not wrong),
    }


def _order(seen: np.ndarray, true: np.ndarray, clear: np.ndarray) -> float:
    """In how many pairs of prints, `seen` and `true` bool [N, T] in the order of their steps, the first of
    the two comes first, less in how many the second does; a share of the pairs of which the truth says so.

    Only frames count in which no boot is on either: an answer in which all come and go together is 0.
    """
    says, own = 0, 0
    for i in range(len(seen)):
        for j in range(i + 1, len(seen)):
            both = clear[i] & clear[j]
            if (both & true[i] & ~true[j]).any():
                ahead, behind = (both & seen[i] & ~seen[j]).any(), (both & seen[j] & ~seen[i]).any()
                own += int(ahead and seen[j].any()) - int(behind)
                says += 1
    return own / max(says, 1)


def _scene_values(rows: Sequence[CaseScore]) -> dict[str, float]:
    """Raw values of one scene and sample. A case without a video, or whose given prints are not seen, kept
    what it was given: E = 1, A = 0."""
    kept_back = {"missed": 1.0, "old": 0.0, "late": 1.0, "early": 0.0, "mixed": 1.0, "spill": 0.0}
    by_cover: dict[bool, Mapping[str, float]] = {False: kept_back, True: kept_back}
    for row in rows:
        if row.status == "ok" and row.measures["unreadable"] == 0.0:
            by_cover[bool(row.tags["covered"])] = row.measures
    seen, back = by_cover[False], by_cover[True]
    lack = max(seen["missed"], seen["late"], seen["mixed"], seen["old"])
    error = max(lack, back["missed"], back["old"])
    spill = max(seen["spill"], back["spill"])
    out = {
        "found": 1.0 - seen["missed"],
        "spill": spill,
        "order": 1.0 - seen["mixed"],
        "kept": 1.0 - max(back["missed"], back["old"]),
        "S": 1.0 - error - max(seen["early"], spill),
    }
    read = [r for r in rows if r.status == "ok"]
    if read:
        for name in ("level", "unreadable", "drift"):
            out[name] = float(np.mean([r.measures[name] for r in read]))
        out["right"] = sum(r.measures["right"] for r in read) / len(rows)
    return out
