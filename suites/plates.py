"""plates: a view pans off a clip and comes back, or a panel slides over it; the clip is the truth.

A scene is two cases of one plate with the same given frames: `pan` and `panel`. Static points that were
given, then out of sight, are sought on return. S = path (shown - stale): the share found again on return,
less the share still in its old place while it should be out of sight, times how well the way is followed
while some points are in view and others not. A picture that never changes shows on return what it showed
before: 0, whatever it shows; one that changes only as a whole follows no way: 0.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from simbench.case import Case, Condition, Setting, Truth
from simbench.errors import UserError
from simbench.instruments import plates_course as course
from simbench.instruments import plates_reader as reader
from simbench.instruments import plates_source as source
from simbench.instruments.plates_course import Layout
from simbench.instruments.plates_movers import moved_on
from simbench.references import plates as references
from simbench.references.nuisance import nuisances
from simbench.suite import Bound, CaseScore, Damage, Measures, Reference
from simbench.video import Video
from suites.common import by_sample, damages, scaled
from suites.naming import case_name, scene_ids, seed_of

TRIES = 16
"""Parts of plates that are tried for a scene."""

FLOOR = {"S": 0.0, "shown": 0.0, "path": 0.0, "stale": 0.0}


@dataclass(frozen=True)
class Plates:
    """The suite. `folder` holds the user's own clips (video files, or folders of pictures at `rate` frames a
    second), which take turns, and each set of clips is a setting of its own by name; empty: plates are
    rendered. `oracle_raw` maps a setting's name to the oracle's raw measures, pinned by calibration."""

    setting: Setting = Setting(width=64, height=64, given="act", context=4, look="rich")
    folder: str = ""
    rate: float = 24.0
    oracle_raw: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    name: str = "plates"
    version: int = 2
    preload: ClassVar[tuple[str, ...]] = ("simbench.warm", "suites.plates")
    columns: ClassVar[tuple[str, ...]] = ("shown", "path", "stale", "moved_on", "drift")

    def __post_init__(self) -> None:
        option = f"footage={source.label(self.folder)}" if self.folder else ""
        object.__setattr__(self, "setting", replace(self.setting, option=option))
        s = self.setting
        if min(s.width, s.height) < 64:
            raise UserError(
                f"size={s.width}x{s.height} is below 64 px: patches of 11 px fill the view; use size=64"
            )
        if s.given != "act":
            raise UserError(f"given={s.given} does not say when what comes in plates; use given=act")
        if s.look != "rich" and not self.folder:
            raise UserError(f"look={s.look} has no texture to know places by in plates; use look=rich")
        if s.frames < 13:
            raise UserError(f"frames={s.frames} is too short to go and come back; use frames=13 or more")
        most = int(course.LEAVE * (s.frames - 1)) + 1
        if not 3 <= s.context <= most:
            raise UserError(
                f"context={s.context} of frames={s.frames} is not 3 to {most}: what moves needs 3 frames, and"
                f" then the view leaves; use context={min(4, most)}"
            )
        if not self.rate > 0:
            raise UserError(f"plates.rate={self.rate:g} must be above 0; use plates.rate=24")

    def scenes(self, count: int, seed: str) -> Sequence[str]:
        """Ids of the first `count` scenes of a seed space."""
        return scene_ids(count, seed)

    def cases(self, scene: str) -> Sequence[Case]:
        """One part of one plate, panned over and covered."""
        seed = seed_of(self.name, scene)
        return [self._case(scene, seed, layout, ready) for layout, ready in self.chosen(scene)]

    def chosen(self, scene: str) -> Sequence[tuple[Layout, reader.Bench]]:
        """The part of a plate that a scene shows: the first of TRIES with plenty of points in both cases and,
        where it is rendered, a thing that moves on; else the one with most points. A part that no frame parts
        counts as one without points. UserError where there are too few."""
        seed, most = seed_of(self.name, scene), -1
        for attempt in range(TRIES):
            dice = random.Random(f"{seed}:{attempt}")
            drawn = self._footage(scene, dice) if self.folder else self._made(dice)
            pair = [(one, self.bench(one)) for one in (replace(drawn, trial=t) for t in course.TRIALS)]
            found = min(len(ready.home) if ready.parting else 0 for _, ready in pair)
            if found > most:
                best, most = pair, found
            if found >= reader.PLENTY and (self.folder or all(len(ready.moving) for _, ready in pair)):
                return pair
        if most < reader.FEWEST:
            raise UserError(
                f"plates.folder={self.folder}: {drawn.clip} has {most} still points with texture that come"
                f" back, {reader.FEWEST} are needed; take it out, or use clips of a camera that stands still"
            )
        return best

    def _made(self, dice: random.Random) -> Layout:
        wide, high = course.least(self.setting, wide=True)
        return self._placed(dice, (high, wide), True, dice.getrandbits(31))

    def _footage(self, scene: str, dice: random.Random) -> Layout:
        known = source.names(self.folder)
        clip = known[int(scene.rsplit("-", 1)[1]) % len(known)]
        found = source.footage(self.folder, clip, self.setting, self.rate)
        high, wide = found.frames.shape[1:3]
        drawn = self._placed(dice, (high, wide), found.wide, dice.getrandbits(31))
        start = dice.randrange(source.starts(found, self.setting))
        return replace(drawn, clip=clip, start=start, digest=found.digest)

    def _placed(self, dice: random.Random, shape: tuple[int, int], wide: bool, seed: int) -> Layout:
        """Where the view rests, and where it goes: from one end of the plate to the other."""
        room = shape[1] - self.setting.width, shape[0] - self.setting.height
        along, across = (0, 1) if wide else (1, 0)
        ends = [[0, 0], [0, 0]]
        for end in ends:
            end[across] = dice.randint(0, room[across])
        ends[dice.randint(0, 1)][along] = room[along]
        home, far = ((x, y) for x, y in ends)
        return Layout(seed, "pan", shape, home, far, dice.choice(course.SIDES))

    def bench(self, layout: Layout) -> reader.Bench:
        """What reads the videos of a case."""
        return reader.bench(layout, self.plate(layout), self.setting, self.setting.context)

    def plate(self, layout: Layout) -> source.Plate:
        """The clip behind a case."""
        return source.load(layout, self.setting, self.folder, self.rate)

    def _case(self, scene: str, seed: int, layout: Layout, ready: reader.Bench) -> Case:
        s = self.setting
        case = case_name(self.name, scene, s, layout.trial, layout.clip, layout.digest)
        poses, lens = course.camera(layout, s)
        condition = Condition(
            name=case,
            given=s.given,
            given_frames=reader.filmed(layout, self.plate(layout), s)[: s.context].copy(),
            prompt=course.prompt(layout, s, telling=s.prompt == "telling"),
            width=s.width,
            height=s.height,
            frames=s.frames,
            fps=s.fps,
            poses=poses,
            intrinsics=lens,
            actions=course.actions(layout, s),
        )
        tags = {"trial": layout.trial, "moves": len(ready.moving) > 0, "test_look": source.test_only(layout)}
        truth = Truth(source.scene_of(layout, s), {"layout": course.to_facts(layout)})
        return Case(case, scene, seed, condition, truth, tags)

    def scorer(self, case: Case) -> Callable[[Video], Measures]:
        """Choose the points once; the result reads any number of videos."""
        ready = self.bench(self._layout(case))
        known: reader.Known = {}

        def score(video: Video) -> Measures:
            """Measures of one video."""
            return measure(ready, reader.shrunk(video.frames), known)

        return score

    def _layout(self, case: Case) -> Layout:
        return course.from_facts(case.truth.facts["layout"])

    def score(self, case: Case, video: Video) -> Measures:
        """Raw measures of one video of one case."""
        return self.scorer(case)(video)

    def trace(self, case: Case, video: Video) -> Mapping[str, Sequence[float | None]]:
        """Points that the video shows in their places and that the truth shows, as shares of all; None in the
        frames that are given."""
        ready = self.bench(self._layout(case))
        found, k = reader.read(ready, reader.shrunk(video.frames)), self.setting.context
        return {
            "points shown": [None] * k + [float(v) for v in found.shown[k:].mean(axis=1)],
            "points in view": [None] * k + [float(v) for v in ready.visible[k:].mean(axis=1)],
        }

    def aggregate(self, rows: Sequence[CaseScore]) -> Mapping[str, Mapping[str, float]]:
        """Per scene: means over its cases; one that is not ok shows nothing, and holds what moves."""
        return by_sample(rows, _scene_values)

    def calibrated(self, metric: str, raw: float) -> float:
        """S = 100 raw / oracle: what never changes is zero by construction; shares become points."""
        if metric == "S":
            return scaled(raw, self.oracle_raw, self.setting.name())
        return 100.0 * raw if metric in ("shown", "path", "stale", "moved_on") else raw

    def oracle(self, case: Case) -> Video:
        """The untouched clip as the view shows it, and the panel before it."""
        layout = self._layout(case)
        return Video(reader.filmed(layout, self.plate(layout), self.setting), self.setting.fps)

    def observer(self, condition: Condition) -> Video:
        """Pastes what was given where the commands put it."""
        from simbench.instruments import plates_observer

        return plates_observer.roll_out(condition)

    def _made_by(self, edit: references.Edit, strength: float = 1.0) -> Reference:
        def make(case: Case) -> Video:
            """The reference's clip of a case."""
            layout = self._layout(case)
            story = references.Story(layout, self.plate(layout), self.setting)
            return Video(edit(story, strength), self.setting.fps)

        return make

    def cheats(self) -> Mapping[str, Reference]:
        """Scripted bad generators."""
        return {name: self._made_by(edit) for name, edit in references.CHEATS.items()}

    def bounds(self) -> Mapping[str, Bound]:
        """Every cheat may score 5 points at the most: zero, and room for luck of the draw."""
        other = {
            "recoloured": "a restyle: what stood still keeps its place and texture",
            "still_world": "it remembers what stood still, which is what S asks; moved_on has it at 0",
        }
        return {n: Bound(None, other[n]) if n in other else Bound(5.0) for n in self.cheats()}

    def damages(self) -> Mapping[str, Damage]:
        """The truth, spoilt on return by growing strength."""
        return damages(self.oracle, self._made_by, references.DAMAGES)

    def nuisances(self, case: Case) -> Mapping[str, Callable[[np.ndarray], np.ndarray]]:
        """All of them, for things of the size of a patch."""
        unit = min(self.setting.width, self.setting.height)
        return nuisances(2 * source.RADIUS * unit, unit, self.setting.fps)

    def baselines(self) -> Mapping[str, Bound]:
        """None of them follows a command."""
        return {name: Bound(5.0) for name in ("frozen", "copy_last", "constant_velocity", "flow")}


def measure(ready: reader.Bench, frames: np.ndarray, known: reader.Known | None = None) -> Measures:
    """`shown`: share of points and deciding frames in which they are found in their places; `path`: see
    `followed`; `stale`: share of frames in which a point is found in its old place while it should be out of
    sight, mean over points; `moved_on` where the clip has a lawful motion; `drift` px on return, where enough
    is found. `known`: what was read of the case before."""
    found = reader.read(ready, frames, known)
    shown, path = float(found.shown[list(ready.back)].mean()), followed(ready, found)
    stale = float((found.stale.sum(axis=0) / ready.gone.sum(axis=0)).mean())
    out = {"S": path * (shown - stale), "shown": shown, "path": path, "stale": stale}
    moved = moved_on(ready, frames, found.offset)
    if moved is not None:
        out["moved_on"] = moved
    if found.drift is not None:
        out["drift"] = found.drift
    return out


def followed(ready: reader.Bench, found: reader.Found) -> float:
    """How well a video follows the command until the view is back: the share of points in view that are in
    their places, over all frames on the way, or what `parted` says, the less of both; 0 at least."""
    way = [t for t in range(ready.context, len(found.shown)) if t not in ready.back]
    seen = float(found.shown[way][ready.visible[way]].mean())
    return max(0.0, min(seen, parted(ready, found)))


def parted(ready: reader.Bench, found: reader.Found) -> float:
    """Over the frames that show some points and not others: the share of the former that is in its place less
    the share of the latter that is in its old one, mean over frames.

    In each such frame a picture that was left alone, turned grey or pushed aside as a whole has 0: what it
    shows of one kind it shows of the other.
    """
    return float(
        np.mean(
            [
                found.shown[t, ready.visible[t]].mean() - found.stale[t, ready.gone[t]].mean()
                for t in ready.parting
            ]
        )
    )


def _scene_values(rows: Sequence[CaseScore]) -> dict[str, float]:
    """Raw values of one sample of one scene."""
    values = []
    for row in rows:
        floor = {**FLOOR, "moved_on": 0.0} if row.tags["moves"] else FLOOR
        values.append(row.measures if row.status == "ok" else floor)
    known = sorted({name for each in values for name in each})
    return {name: float(np.mean([v[name] for v in values if name in v])) for name in known}
