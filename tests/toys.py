"""A suite and a generator of a few lines, with faults on demand: the contracts are tested on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from simbench.case import Case, Condition, Setting, Truth
from simbench.errors import UserError
from simbench.suite import Bound, CaseScore, Measures
from simbench.video import Video
from simbench.worlds.scene import Camera, Scene, constant

CHEATS = tuple(f"cheat_{i}" for i in range(16))
SIDES = ("left", "right")
RED, BLUE = (200, 0, 0), (0, 0, 200)


def world(seed: int) -> Scene:
    """A scene without bodies."""
    return Scene("toy", seed, 1.0, Camera(constant(0, 0, 1), constant(0, 0, 0)), ())


@dataclass(frozen=True)
class Toy:
    """Two cases a scene: a square ends up left or right, as its colour in the given frames says, or, for
    given=cam and given=act, as the command does. `twins` adds an open twin to each case."""

    name: str = "toy"
    version: int = 1
    setting: Setting = field(default_factory=lambda: Setting(frames=5, context=2))
    fault: str = ""
    twins: bool = False

    def __post_init__(self) -> None:
        refusals = {
            "polite refusal": "given=t2v does not apply to toy: nothing tells the side; use given=v2v",
            "vague refusal": "given=t2v does not apply to toy",
            "rude refusal": "use something else",
        }
        if self.setting.given == "t2v" and self.fault in refusals:
            raise UserError(refusals[self.fault])

    @property
    def context(self) -> int:
        """Frames that are given."""
        return {"i2v": 1, "t2v": 0}.get(self.setting.given, self.setting.context)

    def scenes(self, count: int, seed: str) -> Sequence[str]:
        """See Suite."""
        first = count if self.fault == "no prefix" else 0
        space = "x" if self.fault == "one space" else seed
        return [f"{space}-{i}" for i in range(first, first + count)]

    def frames(self, index: int, side: str, is_open: bool = False) -> np.ndarray:
        """uint8 [T, H, W, 3]."""
        shape = (self.setting.frames, self.setting.height, self.setting.width, 3)
        frames = np.full(shape, 30 + index, np.uint8)
        silent = self.fault in ("no cue", "prompt knows") or self.setting.given in ("cam", "act")
        frames[:, :8, :8] = RED if side == "left" and not silent else BLUE
        frames[:, 8:12, 8:12] += 100 if is_open else 0
        frames[2:, 20:, :8] += 50 if side == "left" else 0
        frames[2:, 20:, 24:] += 50 if side == "right" else 0
        return frames

    def cases(self, scene: str) -> Sequence[Case]:
        """See Suite."""
        return [
            self.case(scene, side, is_open)
            for side in SIDES
            for is_open in ((False, True) if self.twins else (False,))
        ]

    def case(self, scene: str, side: str, is_open: bool = False) -> Case:
        """One case."""
        space, index = scene.rsplit("-", 1)
        s, k, clip = self.setting, self.context, self.frames(int(index), side, is_open)
        given = clip[:k] if self.fault == "a window" else clip[:k].copy()
        code = {"left": "a", "right": "b"}[side] + ("o" if is_open else "")
        way = "" if s.given == "v2v" or self.fault == "one name" else f"{s.given}-"
        name = {"one id": scene, "telling id": f"{scene}-{side}"}.get(self.fault, f"{scene}-{way}{code}")
        prompt = {"telling prompt": "The square stays.", "prompt knows": f"A square, {side}."}.get(
            self.fault, "A square."
        )
        fps = s.fps + (side == "left") if self.fault == "asked otherwise" else s.fps
        if self.fault == "future inside":
            given = np.concatenate([given, clip[-1:]])
        poses, actions = self.command(side)
        intrinsics = None if poses is None else np.repeat(np.eye(3)[None], s.frames, 0)
        shape = (s.width, s.height, s.frames, fps)
        condition = Condition(name, s.given, given, prompt, *shape, poses, intrinsics, actions)
        seed = int.from_bytes(space.encode(), "big") % 10**9 * 1000 + int(index)
        if self.fault == "process":
            seed = os.getpid()
        facts = {"side": side, "open": is_open}
        return Case(name, scene, seed, condition, Truth(world(seed), facts), self.tags(side, is_open))

    def tags(self, side: str, is_open: bool) -> Mapping[str, object]:
        """What is known of a case before it is answered."""
        if self.fault == "no trial":
            return {}
        hidden = {"half hidden": 0.5, "twin of nothing": side == "left"}.get(self.fault)
        if hidden is None and self.twins:
            hidden = not is_open
        return {"trial": side, **({} if hidden is None else {"hidden": hidden})}

    def command(self, side: str) -> tuple[np.ndarray | None, tuple[str, ...] | None]:
        """Poses float64 [T, 4, 4] of a camera that slides to a side, or actions that say it, where they are
        asked for."""
        count, given = self.setting.frames, self.setting.given
        said = "left" if self.fault == "one command" else side
        if given == "act":
            actions = tuple(["stay"] * 2 + [said] * (count - 2))
            return None, actions[:-1] if self.fault == "short actions" else actions
        if given != "cam" and self.fault != "uncalled poses":
            return None, None
        poses = np.repeat(np.eye(4)[None], count, 0)
        poses[2:, 0, 3] = 1.0 if said == "left" else -1.0
        return poses.astype(np.float32) if self.fault == "coarse poses" else poses, None

    def scorer(self, case: Case) -> Callable[[Video], Measures]:
        """See Suite."""
        k = self.context
        wanted = self.truth(case)[k:].astype(float)

        def read(video: Video) -> Measures:
            if self.fault == "raises" and video.frames.max() == 0:
                raise ValueError("black")
            error = float(np.abs(video.frames[k:] - wanted).mean())
            hit = float("nan") if self.fault == "nan" and error > 50 else float(error < 0.5)
            return {"hit": hit + (float(np.random.default_rng().random()) if self.fault == "moody" else 0.0)}

        return read

    def aggregate(self, rows: Sequence[CaseScore]) -> Mapping[str, Mapping[str, float]]:
        """See Suite."""
        found: dict[str, list[float]] = {}
        for row in rows:
            if row.status == "ok" or self.fault != "dropped":
                found.setdefault(row.scene, []).append(row.measures.get("hit", 0.0))
        return {scene: {"S": float(np.mean(values))} for scene, values in found.items()}

    def calibrated(self, metric: str, raw: float) -> float:
        """See Suite."""
        return raw * (60 if self.fault == "weak oracle" else 100) + (9 if self.fault == "raised zero" else 0)

    def truth(self, case: Case) -> np.ndarray:
        """uint8 [T, H, W, 3]."""
        index = int(case.scene.rsplit("-", 1)[1])
        return self.frames(index, case.truth.facts["side"], case.truth.facts["open"])

    def oracle(self, case: Case) -> Video:
        """See Suite."""
        frames = self.truth(case)
        frames[self.context :] += np.uint8(self.fault == "dim oracle")
        return Video(frames, self.setting.fps)

    def observer(self, condition: Condition) -> Video:
        """See Suite."""
        shape = (condition.frames, condition.height, condition.width, 3)
        return Video(np.zeros(shape, np.uint8), condition.fps)

    def cheats(self) -> Mapping[str, Callable[[Case], Video]]:
        """See Suite."""
        return dict.fromkeys(CHEATS[: 9 if self.fault == "few cheats" else None], self.oracle)

    def bounds(self) -> Mapping[str, Bound]:
        """See Suite."""
        bounds = {name: Bound(5.0) for name in self.cheats()}
        if self.fault == "no bound":
            bounds.pop("cheat_3")
        if self.fault == "open bounds":
            bounds |= {name: Bound(None, "why not") for name in CHEATS[:6]}
        if self.fault == "no reason":
            bounds["cheat_3"] = Bound(None)
        if self.fault == "high bound":
            bounds["cheat_3"] = Bound(40.0)
        if self.fault == "relative bound":
            bounds["cheat_3"] = Bound(5.0, below="oracle")
        return bounds


@dataclass
class Still:
    """A generator that repeats the last given frame, with faults on demand."""

    fault: str = ""
    calls: int = 0
    capabilities: frozenset[str] = frozenset()

    def __call__(self, conditions: Sequence[Condition], seeds: Sequence[int]) -> Sequence[Video | None]:
        """See Generator."""
        self.calls += 1
        return [self.answer(c, len(conditions)) for c in conditions]

    def answer(self, c: Condition, batch: int) -> Video:
        """One video."""
        frames = np.zeros((c.frames, c.height, c.width, 3), np.uint8)
        if len(c.given_frames):
            frames[:] = c.given_frames[-1]
            frames[: len(c.given_frames)] = c.given_frames
        frames[-1] += self.calls if self.fault == "state" else 0
        frames[-1] += batch if self.fault == "batch" else 0
        frames[0] += 1 if self.fault == "given" else 0
        if self.fault == "input":
            c.given_frames[:] += 1
        length = -1 if self.fault == "short" else None
        return Video(frames[:length], c.fps + 1 if self.fault == "rate" else c.fps)

    def identity(self) -> Mapping[str, object]:
        """See Generator."""
        moving = {"calls": self.calls} if self.fault == "identity" else {}
        return {} if self.fault == "anonymous" else {"class": "Still", **moving}
