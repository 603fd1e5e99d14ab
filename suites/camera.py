"""camera: does the camera go where it is told, as far as it is told?

A yard is filmed along a commanded path: a turn on one spot, a way through the yard, or one of both out and
back, in turn by scene. The first frames and all cameras are given. The camera of every later frame is found
from known points of the world (PnP, in metres). S is the smaller of two: where the camera is, and how it
moves, each as an error in units of the path's largest excursion over that of standing still. Standing still
is 0 by construction, anywhere and also where the path returns; the truth is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

import numpy as np

from simbench.case import Case, Condition, Setting, Truth
from simbench.errors import UserError
from simbench.instruments.course import Course, measures
from simbench.instruments.points import Finder, finder, intrinsics, surface_points
from simbench.references import camera as references
from simbench.references.nuisance import nuisances
from simbench.suite import Bound, CaseScore, Damage, Measures, Reference
from simbench.video import Video
from simbench.worlds import paths
from simbench.worlds.paths import Path
from simbench.worlds.shoots import TRIALS, Shoot, film, plan
from suites.common import by_scene, damages, means, scaled
from suites.naming import case_name, scene_ids, seed_of

OBJECT = 0.12
"""Size of an object as a share of the image's height: nuisances are scaled by it."""

POINTS = 120
"""Points of each of the two views that are given: the first and the last."""

FRAMING = ("zoom 3 %", "shift 2 %")
"""Nuisances that move the camera, which is what is measured here."""


@dataclass(frozen=True)
class Camera:
    """The suite. `oracle_raw` maps a setting's name to the oracle's raw measures, pinned by calibration."""

    setting: Setting = Setting(width=128, height=128, look="rich", given="cam", context=6)
    oracle_raw: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    name: str = "camera"
    version: int = 1
    preload: ClassVar[tuple[str, ...]] = ("simbench.warm", "suites.camera")
    columns: ClassVar[tuple[str, ...]] = ("place", "motion", "gain", "registered", "turn_error", "way_error")

    def __post_init__(self) -> None:
        s = self.setting
        if min(s.width, s.height) < 96:
            raise UserError(f"size={s.width}x{s.height} is below 96 px: points are too few; use size=128")
        if s.look != "rich":
            raise UserError(f"look={s.look} has no texture to find a camera by; use look=rich")
        if s.given != "cam":
            raise UserError(
                f"given={s.given} leaves pace and scale of the path open in camera; use given=cam"
            )
        if s.context < 1 or s.context > s.frames // 2:
            raise UserError(
                f"context={s.context} leaves nothing to follow; use 1 to {s.frames // 2} of {s.frames} frames"
            )

    def scenes(self, count: int, seed: str) -> Sequence[str]:
        """Ids of the first `count` scenes of a seed space."""
        return scene_ids(count, seed)

    def cases(self, scene: str) -> Sequence[Case]:
        """A turn, a way or a return through one yard, in turn by scene."""
        turn, kind = divmod(int(scene.rsplit("-", 1)[1]), len(TRIALS))
        return [self.case(scene, TRIALS[kind], turn)]

    def case(self, scene: str, trial: str, turn: int = 0) -> Case:
        """One trial in the yard of a scene; its move is the one whose `turn` it is."""
        seed = seed_of(self.name, scene)
        return self._case(scene, seed, trial, plan(seed, turn, trial, self.setting.difficulty))

    def _case(self, scene: str, seed: int, trial: str, path: Path) -> Case:
        s = self.setting
        shot = film(Shoot(seed, path, s))
        name = case_name(self.name, scene, s, trial)
        distance = float(np.linalg.norm(np.subtract(*shot.home)))
        condition = Condition(
            name=name,
            given=s.given,
            given_frames=shot.frames[: s.context].copy(),
            prompt=f"A yard with painted walls and objects. {paths.command(path, distance)}",
            width=s.width,
            height=s.height,
            frames=s.frames,
            fps=s.fps,
            poses=shot.poses.copy(),
            intrinsics=np.tile(intrinsics(shot.scene, s), (s.frames, 1, 1)),
        )
        facts = {"seed": seed, "move": path.move, "amount": path.amount, "profile": path.profile}
        return Case(
            name, scene, seed, condition, Truth(shot.scene, facts), {"trial": trial, "move": path.move}
        )

    def shoot(self, case: Case) -> Shoot:
        """What is filmed in a case."""
        facts = case.truth.facts
        return Shoot(facts["seed"], Path(facts["move"], facts["amount"], facts["profile"]), self.setting)

    def finder(self, case: Case) -> Finder:
        """Of the points that a case is judged by."""
        return _asked(self.shoot(case))[0]

    def scorer(self, case: Case) -> Callable[[Video], Measures]:
        """Film the truth and choose its points once; the result reads any number of videos."""
        find, course = _asked(self.shoot(case))
        return lambda video: measures(course, find.follow(video.frames))

    def score(self, case: Case, video: Video) -> Measures:
        """Raw measures of one video of one case."""
        return self.scorer(case)(video)

    def trace(self, case: Case, video: Video) -> Mapping[str, Sequence[float | None]]:
        """Error of each frame, and what standing still costs there, in excursions of the path."""
        find, course = _asked(self.shoot(case))
        found = find.follow(video.frames)
        return {
            "error (excursions)": [
                float(e) if seen else None
                for e, seen in zip(course.errors(found), found.registered, strict=True)
            ],
            "standing still": [float(e) for e in course.held()],
        }

    def aggregate(self, rows: Sequence[CaseScore]) -> Mapping[str, Mapping[str, float]]:
        """Per scene: S, the same by name of its trial, and the mean of every other measure; a case that is
        not ok stands still and is not found."""
        return {scene: _scene_values(part) for scene, part in by_scene(rows).items()}

    def calibrated(self, metric: str, raw: float) -> float:
        """S = 100 raw / oracle: standing still is zero by construction."""
        if metric == "S" or metric in (f"S_{trial}" for trial in TRIALS):
            return scaled(raw, self.oracle_raw, self.setting.name())
        return raw

    def oracle(self, case: Case) -> Video:
        """The truth, rendered."""
        return Video(film(self.shoot(case)).frames.copy(), self.setting.fps)

    def observer(self, condition: Condition) -> Video:
        """The given frames and their depth, filmed from the cameras that are asked for."""
        from simbench.generators.plane_sweep import reproject

        return Video(reproject(condition), condition.fps)

    def cheats(self) -> Mapping[str, Reference]:
        """Scripted bad generators."""
        return {name: self._made(take) for name, take in references.CHEATS.items()}

    def _made(self, take: references.Take, strength: float = 1.0) -> Reference:
        return lambda case: Video(take(self.shoot(case), strength), self.setting.fps)

    def bounds(self) -> Mapping[str, Bound]:
        """Every cheat may score 5 points at the most: zero, and room for what luck finds."""
        return {name: Bound(5.0) for name in self.cheats()}

    def damages(self) -> Mapping[str, Damage]:
        """The truth, spoilt in one way by growing strength."""
        return damages(self.oracle, self._made, references.DAMAGES)

    def nuisances(self, case: Case) -> Mapping[str, Callable[[np.ndarray], np.ndarray]]:
        """What costs a good video next to nothing; another framing is another camera."""
        s = self.setting
        known = nuisances(OBJECT * s.height, min(s.width, s.height), s.fps)
        return {name: change for name, change in known.items() if name not in FRAMING}

    def baselines(self) -> Mapping[str, Bound]:
        """A picture that stands still is zero, one that jumps back to its start below."""
        return {"frozen": Bound(5.0), "copy_last": Bound(5.0)}


@lru_cache(maxsize=1)
def _asked(shoot: Shoot) -> tuple[Finder, Course]:
    """Instrument and commanded path of a shoot. The last one is kept.

    Points are those that the first and the last given frame show; what no given frame shows is nobody's to
    know.
    """
    s, shot = shoot.setting, film(shoot)
    still = shoot.path.move in ("yaw", "tilt")
    views = (0,) if s.context == 1 else (0, s.context - 1)
    points = [surface_points(shot.scene, s, shot.poses[t], POINTS, near_rims=still) for t in views]
    far = int(np.argmax(references.shares(shoot)))
    find = finder(shot.scene, s, np.concatenate(points), sorted({0, s.context - 1, far, s.frames - 1}))
    depth = float(np.median(find.truth.depth[0, find.truth.seen[0]]))
    return find, Course(shot.poses, depth, s.context)


def _scene_values(rows: Sequence[CaseScore]) -> dict[str, float]:
    """Raw values of one scene. Nothing is left out: what is not ok stands still and is not found."""
    floor = {"course": 0.0, "place": 0.0, "motion": 0.0, "registered": 0.0}
    out = means(rows, floor)
    out["S"] = out.pop("course")
    for trial in TRIALS:
        part = [row for row in rows if row.tags["trial"] == trial]
        if part:
            out[f"S_{trial}"] = means(part, floor)["course"]
    return out
