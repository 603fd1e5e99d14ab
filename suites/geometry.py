"""geometry: one rigid world seen by a moving camera. Near and far must shift against each other as they do.

A still life is filmed on an even way; the first frames and all cameras are given. Surface points of the
last given frame are found again in every later one, and their distances to the truth are set against
those of the best homography: a flat picture moved as well as it can be is 0 by construction, the truth 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from simbench.case import Case, Condition, Setting, Truth
from simbench.errors import UserError
from simbench.instruments import learned
from simbench.instruments.depth import depths
from simbench.instruments.points import Finder, Found, finder, intrinsics, surface_points
from simbench.metrics.parallax import capped_distance, flattened
from simbench.metrics.tracks import TapVid, tap_vid
from simbench.references import views
from simbench.references.nuisance import nuisances
from simbench.suite import Bound, CaseScore, Damage, Measures, Reference
from simbench.video import Video
from simbench.worlds.scene import Scene
from suites.common import by_scene, damages, means, scaled
from suites.naming import case_name, scene_ids, seed_of

MOVES = {"orbit": 1.0, "truck": 1.6, "crane": 1.5}
"""The camera's ways, and how much longer each is than in the training worlds, for parallax alike."""

LOST_PX = 16.0
"""What a point that is not found costs, and the most that any does; px of an image 256 px wide."""

RASTER = 256.0

FEW, DRAWS = 24, 8
"""A world must show so many of its points in every frame, or few would fix its camera: it is drawn anew, so
often at the most. 4 % of the worlds drawn first show fewer, and in some the truth was not registered."""

OBJECT = 0.12
"""Size of an object as a share of the image's height: nuisances are scaled by it."""


@dataclass(frozen=True)
class Geometry:
    """The suite. `oracle_raw` maps a setting's name to the oracle's raw measures, pinned by calibration.

    `tracker` is a TorchScript file with a learned point tracker, `tracker_sha256` its hash (the protocol is
    in simbench.instruments.learned): they add the columns `aj_learned` and `delta_avg_learned`, no part of S.
    """

    setting: Setting = Setting(width=128, height=128, look="rich", given="cam", context=6)
    oracle_raw: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    tracker: str | None = None
    tracker_sha256: str | None = None
    name: str = "geometry"
    version: int = 2
    preload: ClassVar[tuple[str, ...]] = ("simbench.warm", "suites.geometry")
    columns: ClassVar[tuple[str, ...]] = ("aj", "absrel", "reproj_px", "lost", "registered")

    def __post_init__(self) -> None:
        s = self.setting
        if min(s.width, s.height) < 96:
            raise UserError(f"size={s.width}x{s.height} is below 96 px: parallax is too small; use size=128")
        if s.look != "rich":
            raise UserError(f"look={s.look} has no texture to find points by in geometry; use look=rich")
        if s.given != "cam":
            raise UserError(f"given={s.given} leaves the camera's way open in geometry; use given=cam")
        if s.context < 3:
            raise UserError(f"context={s.context} does not show depth by parallax; use context=3 or more")
        learned.require(self.tracker, self.tracker_sha256)

    def scenes(self, count: int, seed: str) -> Sequence[str]:
        """Ids of the first `count` scenes of a seed space."""
        return scene_ids(count, seed)

    def cases(self, scene: str) -> Sequence[Case]:
        """The one case of a scene: orbit, truck and crane take turns."""
        move = list(MOVES)[int(scene.rsplit("-", 1)[1]) % len(MOVES)]
        seed = self._drawn(seed_of(self.name, scene), move)
        world, frames, poses = filmed(seed, move, self.setting)
        s = self.setting
        name = case_name(self.name, scene, s, move)
        condition = Condition(
            name=name,
            given=s.given,
            given_frames=frames[: s.context].copy(),
            prompt=world.caption.long,
            width=s.width,
            height=s.height,
            frames=s.frames,
            fps=s.fps,
            poses=poses.copy(),
            intrinsics=np.tile(intrinsics(world, s), (s.frames, 1, 1)),
        )
        facts = {"seed": seed, "move": move}
        return [Case(name, scene, seed, condition, Truth(world, facts), {"trial": move})]

    def _drawn(self, first: int, move: str) -> int:
        """The first seed from `first` on whose world shows enough points, else the one that shows most."""
        shown = {}
        for seed in range(first, first + DRAWS):
            shown[seed] = int(_finder(seed, move, self.setting).truth.seen.sum(axis=1).min())
            if shown[seed] >= FEW:
                return seed
        return max(shown, key=lambda seed: shown[seed])

    def finder(self, case: Case) -> Finder:
        """What finds the points of a case. The last one is kept."""
        return _finder(case.truth.facts["seed"], case.truth.facts["move"], self.setting)

    def scorer(self, case: Case) -> Callable[[Video], Measures]:
        """Film the truth and choose its points once; the result reads any number of videos."""
        find = self.finder(case)
        return lambda video: {
            **self._measures(case, find, find.follow(video.frames)),
            **self._learned(find, video.frames),
        }

    def _measures(self, case: Case, find: Finder, found: Found) -> Measures:
        s, truth = self.setting, find.truth
        made, flat = self._errors(case, find, found)
        after = slice(s.context, None)
        tracks = self._tap_vid(find, found.uv, found.found)
        solid = depths(find, found, s.context, case.world_seed)
        asked = truth.seen[after]
        out = {
            # A scene without parallax to show says neither yes nor no.
            "fidelity": 1.0 - float(made.sum() / flat.sum()) if flat.sum() > 0 else 0.0,
            "lost": float((asked & ~found.found[after]).sum() / max(asked.sum(), 1)),
            "registered": float(found.registered[after].mean()),
            "aj": tracks.average_jaccard,
            "delta_avg": tracks.delta_avg,
            "oa": tracks.occlusion_accuracy,
            "absrel": solid.absrel,
        }
        if solid.reproj_px is not None:
            out["reproj_px"] = solid.reproj_px
        if solid.depth_m is not None:
            out["depth_m"] = solid.depth_m
        return {key: float(value) for key, value in out.items() if np.isfinite(value)}

    def _tap_vid(self, find: Finder, uv: np.ndarray, found: np.ndarray) -> TapVid:
        """TAP-Vid's measures of tracks [T, N, 2] px asked for in the last given frame."""
        s, truth = self.setting, find.truth
        asked = np.full(len(find.points), s.context - 1)
        return tap_vid(np.nan_to_num(uv), found, truth.uv, truth.seen, asked, s.width, s.height)

    def _learned(self, find: Finder, frames: np.ndarray) -> Measures:
        """What a learned tracker reads of the same points, if one is given."""
        if self.tracker is None or self.tracker_sha256 is None:
            return {}
        start = self.setting.context - 1
        asked = np.concatenate([np.full((len(find.points), 1), start), find.truth.uv[start]], axis=1)
        read = learned.track(self.tracker, self.tracker_sha256, frames, asked)
        tracks = self._tap_vid(find, read.uv, read.found)
        out = {"aj_learned": tracks.average_jaccard, "delta_avg_learned": tracks.delta_avg}
        return {key: float(value) for key, value in out.items() if np.isfinite(value)}

    def _errors(self, case: Case, find: Finder, found: Found) -> tuple[np.ndarray, np.ndarray]:
        """Per frame after the given ones: summed distances of the video and of the best homography, px."""
        s, truth = self.setting, find.truth
        after = slice(s.context, None)
        cap = LOST_PX * s.width / RASTER
        seen, plane = _plane(case.truth.facts["seed"], case.truth.facts["move"], s)
        made = capped_distance(found.uv[after], truth.uv[after], seen, cap)
        return made, capped_distance(plane, truth.uv[after], seen, cap)

    def score(self, case: Case, video: Video) -> Measures:
        """Raw measures of one video of one case."""
        return self.scorer(case)(video)

    def trace(self, case: Case, video: Video) -> Mapping[str, Sequence[float | None]]:
        """Mean distances to the truth: the points, and the best homography; px of an image 256 px wide."""
        find = self.finder(case)
        made, flat = self._errors(case, find, find.follow(video.frames))
        counts = np.maximum((find.truth.seen & find.truth.seen[self.setting.context - 1]).sum(axis=1), 1)
        head: list[float | None] = [None] * self.setting.context
        scale = RASTER / self.setting.width / counts[self.setting.context :]
        return {
            "distance (px)": head + [float(v) for v in made * scale],
            "best homography (px)": head + [float(v) for v in flat * scale],
        }

    def aggregate(self, rows: Sequence[CaseScore]) -> Mapping[str, Mapping[str, float]]:
        """Per scene: S, and the mean of every other measure; a case that is not ok is worth what zero is."""
        return {
            scene: _scene_values(part, self.tracker is not None) for scene, part in by_scene(rows).items()
        }

    def calibrated(self, metric: str, raw: float) -> float:
        """S = 100 raw / oracle: the best homography is zero by construction."""
        if metric == "S":
            return scaled(raw, self.oracle_raw, self.setting.name())
        return raw

    def oracle(self, case: Case) -> Video:
        """The truth, rendered."""
        facts = case.truth.facts
        return Video(filmed(facts["seed"], facts["move"], self.setting)[1].copy(), self.setting.fps)

    def observer(self, condition: Condition) -> Video:
        """Depth by plane sweep over the given frames, filmed from the cameras that are asked for."""
        from simbench.generators.plane_sweep import reproject

        return Video(reproject(condition), condition.fps)

    def cheats(self) -> Mapping[str, Reference]:
        """Scripted bad generators."""
        return {name: self._view(make) for name, make in views.CHEATS.items()}

    def _view(self, make: views.View, strength: float = 1.0) -> Reference:
        s = self.setting
        return lambda case: Video(make(case.truth.scene, s, s.context, case.world_seed, strength), s.fps)

    def bounds(self) -> Mapping[str, Bound]:
        """Every cheat may score 5 points at the most: zero, and room for what a fit leaves."""
        return {name: Bound(5.0) for name in self.cheats()}

    def damages(self) -> Mapping[str, Damage]:
        """The truth, spoilt in one way by growing strength."""
        return damages(self.oracle, self._view, views.DAMAGES)

    def nuisances(self, case: Case) -> Mapping[str, Callable[[np.ndarray], np.ndarray]]:
        """What costs a good video next to nothing."""
        s = self.setting
        return nuisances(OBJECT * s.height, min(s.width, s.height), s.fps)

    def baselines(self) -> Mapping[str, Bound]:
        """A picture that stands still is worse than the best homography."""
        return {"frozen": Bound(5.0), "copy_last": Bound(5.0)}


@lru_cache(maxsize=1)
def filmed(seed: int, move: str, setting: Setting) -> tuple[Scene, np.ndarray, np.ndarray]:
    """The scene of a seed, its frames uint8 [T, H, W, 3] and cameras [T, 4, 4]. The last one is kept."""
    from simbench.worlds.compile import compile_scene
    from simbench.worlds.families import build
    from simbench.worlds.film import render_scene
    from simbench.worlds.truth import poses

    scene = build(
        "orbit",
        seed,
        (setting.frames - 1) / setting.fps,
        setting.look,
        setting.difficulty,
        camera=move,
        pace="even",
        extent=MOVES[move],
        bare=False,
    )
    return scene, render_scene(scene, setting), poses(compile_scene(scene, setting.frames, setting.fps))


@lru_cache(maxsize=1)
def _finder(seed: int, move: str, setting: Setting) -> Finder:
    scene, _, poses = filmed(seed, move, setting)
    points = surface_points(scene, setting, poses[setting.context - 1])
    return finder(scene, setting, points, (0,))


@lru_cache(maxsize=1)
def _plane(seed: int, move: str, setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """Points that count, bool [T, N], and where the best homography takes them, px [T, N, 2], in the frames
    after the given ones."""
    truth, last = _finder(seed, move, setting).truth, setting.context - 1
    seen = truth.seen[last + 1 :] & truth.seen[last]
    return seen, flattened(truth.uv[last + 1 :], truth.uv[last], seen)


def _scene_values(rows: Sequence[CaseScore], tracked: bool) -> dict[str, float]:
    """Raw values of one scene. Nothing is left out: what is not ok has no parallax and nothing found."""
    floor: dict[str, Any] = {"fidelity": 0.0, "lost": 1.0, "registered": 0.0, "aj": 0.0, "delta_avg": 0.0}
    floor |= {"oa": 0.0, "absrel": 1.0}
    if tracked:
        floor |= {"aj_learned": 0.0, "delta_avg_learned": 0.0}
    out = means(rows, floor)
    out["S"] = out.pop("fidelity")
    return out
