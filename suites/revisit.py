"""revisit: look away and come back. What was seen must be there again, where it was, and only there.

A camera in a yard with painted walls turns away from a view and back (`back`), or once around (`loop`);
with `cut=true` it jumps to other views instead. The landmarks of the first view are sought in every frame.
S = landmark Jaccard on return, less the share of landmarks that show while they should be out of view: a
video that never moves and one that never comes back are both 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from simbench.case import Case, Condition, Setting, Truth
from simbench.errors import UserError
from simbench.instruments import again
from simbench.instruments.points import Finder, Found, intrinsics
from simbench.references import revisit as references
from simbench.references.nuisance import nuisances
from simbench.suite import Bound, CaseScore, Damage, Measures, Reference
from simbench.video import Video
from simbench.worlds import walks
from simbench.worlds.walks import WALKS, Walk, visit
from suites.common import by_scene, damages, means, scaled
from suites.naming import case_name, scene_ids, seed_of

OBJECT = 0.12
"""Size of an object as a share of the image's height: nuisances are scaled by it."""


@dataclass(frozen=True)
class Revisit:
    """The suite. `cut`: hard cuts to the other views and back instead of turning, another setting by name.
    `oracle_raw` maps a setting's name to the oracle's raw measures, pinned by calibration."""

    setting: Setting = Setting(width=128, height=128, look="rich", given="cam", context=4)
    cut: bool = False
    oracle_raw: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    name: str = "revisit"
    version: int = 1
    preload: ClassVar[tuple[str, ...]] = ("simbench.warm", "suites.revisit")
    columns: ClassVar[tuple[str, ...]] = ("aj_return", "away", "aj_path", "return_px", "twice")

    def __post_init__(self) -> None:
        object.__setattr__(self, "setting", replace(self.setting, option="cut=true" if self.cut else ""))
        s = self.setting
        if min(s.width, s.height) < 64:
            raise UserError(
                f"size={s.width}x{s.height} is below 64 px: landmarks are too small; use size=128"
            )
        if s.look != "rich":
            raise UserError(f"look={s.look} has no texture to find points by in revisit; use look=rich")
        if s.given != "cam":
            raise UserError(f"given={s.given} leaves the camera's way open in revisit; use given=cam")
        if s.frames < 13:
            raise UserError(f"frames={s.frames} is too short to leave and come back; use frames=13 or more")
        least = walks.least_turn(s.difficulty)
        if walks.across(s) >= least:
            raise UserError(
                f"size={s.width}x{s.height} shows {walks.across(s):.0f} degrees, and the camera turns"
                f" {least:.0f} at least: the first view never leaves; use size=128 or difficulty=1"
            )
        if s.context > max(1, int(0.2 * (s.frames - 1)) + 1):
            raise UserError(f"context={s.context} shows more than the first view; use context=4 or less")

    def scenes(self, count: int, seed: str) -> Sequence[str]:
        """Ids of the first `count` scenes of a seed space."""
        return scene_ids(count, seed)

    def cases(self, scene: str) -> Sequence[Case]:
        """The one case of a scene: away and back, and once around, take turns."""
        kind = WALKS[int(scene.rsplit("-", 1)[1]) % len(WALKS)]
        return [self._case(scene, Walk(seed_of(self.name, scene), kind, self.cut, self.setting))]

    def _case(self, scene: str, walk: Walk) -> Case:
        s, visited = self.setting, visit(walk)
        name = case_name(self.name, scene, s, walk.kind, walk.cut)
        condition = Condition(
            name=name,
            given=s.given,
            given_frames=visited.frames[: s.context].copy(),
            prompt=visited.prompt,
            width=s.width,
            height=s.height,
            frames=s.frames,
            fps=s.fps,
            poses=visited.poses.copy(),
            intrinsics=np.tile(intrinsics(visited.scene, s), (s.frames, 1, 1)),
        )
        facts = {"seed": walk.seed, "kind": walk.kind, "cut": walk.cut}
        return Case(name, scene, walk.seed, condition, Truth(visited.scene, facts), {"trial": walk.kind})

    def walk(self, case: Case) -> Walk:
        """What the camera of a case does."""
        facts = case.truth.facts
        return Walk(facts["seed"], facts["kind"], facts["cut"], self.setting)

    def finder(self, case: Case) -> Finder:
        """What finds the landmarks of a case. The last one is kept."""
        return again.ask(self.walk(case)).find

    def scorer(self, case: Case) -> Callable[[Video], Measures]:
        """Film the truth and choose its landmarks once; the result reads any number of videos."""
        ask = again.ask(self.walk(case))

        def score(video: Video) -> Measures:
            """Measures of one video against the prepared landmarks."""
            return again.judge(ask, ask.find.follow(video.frames), video.frames)

        return score

    def score(self, case: Case, video: Video) -> Measures:
        """Raw measures of one video of one case."""
        return self.scorer(case)(video)

    def trace(self, case: Case, video: Video) -> Mapping[str, Sequence[float | None]]:
        """Landmarks of the first view that the video shows and that the truth shows, as shares of all."""
        ask = again.ask(self.walk(case))
        found: Found = ask.find.follow(video.frames)
        return {
            "landmarks shown": [float(v) for v in found.found.mean(axis=1)],
            "landmarks in view": [float(v) for v in ask.find.truth.seen.mean(axis=1)],
        }

    def aggregate(self, rows: Sequence[CaseScore]) -> Mapping[str, Mapping[str, float]]:
        """Per scene: S, and the mean of every other measure; a case that is not ok shows nothing anywhere."""
        return {scene: _scene_values(part) for scene, part in by_scene(rows).items()}

    def calibrated(self, metric: str, raw: float) -> float:
        """S = 100 raw / oracle: to stand still and never to return are zero by construction."""
        if metric == "S":
            return scaled(raw, self.oracle_raw, self.setting.name())
        return raw

    def oracle(self, case: Case) -> Video:
        """The truth, rendered."""
        return Video(visit(self.walk(case)).frames.copy(), self.setting.fps)

    def observer(self, condition: Condition) -> Video:
        """The given frames, filmed from the cameras that are asked for."""
        from simbench.generators.plane_sweep import reproject

        return Video(reproject(condition), condition.fps)

    def cheats(self) -> Mapping[str, Reference]:
        """Scripted bad generators."""
        return {name: self._made(make) for name, make in references.CHEATS.items()}

    def _made(self, make: references.View, strength: float = 1.0) -> Reference:
        return lambda case: Video(make(self.walk(case), strength), self.setting.fps)

    def bounds(self) -> Mapping[str, Bound]:
        """Every cheat may score 5 points at the most: zero, and room for luck of the draw."""
        other = {
            "opposite": "to which side the camera turns is asked by camera; here what it comes back to",
            "recoloured": "what is grey keeps its place and texture; only what has a colour is lost",
        }
        if self.cut:
            other["short_turn"] = "a cut to a view close by is a cut all the same"
        return {n: Bound(None, other[n]) if n in other else Bound(5.0) for n in self.cheats()}

    def damages(self) -> Mapping[str, Damage]:
        """The truth, spoilt on return by growing strength."""
        return damages(self.oracle, self._made, references.DAMAGES)

    def nuisances(self, case: Case) -> Mapping[str, Callable[[np.ndarray], np.ndarray]]:
        """What costs a good video next to nothing."""
        s = self.setting
        return nuisances(OBJECT * s.height, min(s.width, s.height), s.fps)

    def baselines(self) -> Mapping[str, Bound]:
        """A picture that stands still shows the first view where it should not be."""
        return {"frozen": Bound(5.0), "copy_last": Bound(5.0)}


def _scene_values(rows: Sequence[CaseScore]) -> dict[str, float]:
    """Raw values of one scene. What is not ok shows no landmark, neither where it should nor elsewhere."""
    floor: dict[str, Any] = {"aj_return": 0.0, "away": 0.0, "aj_path": 0.0, "return_px": again.LOST_PX}
    floor["registered"] = 0.0
    out = means(rows, floor)
    out["S"] = out["aj_return"] - out["away"]
    return out
