"""A suite and a generator of a few lines, with faults on demand: the contracts are tested on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from simbench.case import Case, Condition, Setting, Truth
from simbench.suite import Bound, CaseScore, Measures
from simbench.video import Video
from simbench.worlds.scene import Camera, Scene, constant

CHEATS = tuple(f"cheat_{i}" for i in range(16))


def world(seed: int) -> Scene:
    """A scene without bodies."""
    return Scene("toy", seed, 1.0, Camera(constant(0, 0, 1), constant(0, 0, 0)), ())


@dataclass(frozen=True)
class Toy:
    """Two cases a scene: a square ends up left or right, as its colour in the given frame says."""

    name: str = "toy"
    version: int = 1
    setting: Setting = field(default_factory=lambda: Setting(frames=5, context=2))
    fault: str = ""

    def scenes(self, count: int, seed: str) -> Sequence[str]:
        """See Suite."""
        first = count if self.fault == "no prefix" else 0
        space = "x" if self.fault == "one space" else seed
        return [f"{space}-{i}" for i in range(first, first + count)]

    def frames(self, scene: str, side: str) -> np.ndarray:
        """uint8 [T, H, W, 3]."""
        index = int(scene.rsplit("-", 1)[1])
        shape = (self.setting.frames, self.setting.height, self.setting.width, 3)
        frames = np.full(shape, 30 + index, np.uint8)
        frames[:, :8, :8] = (
            (200, 0, 0) if side == "left" and self.fault not in ("no cue", "prompt knows") else (0, 0, 200)
        )
        frames[2:, 20:, :8] += 50 if side == "left" else 0
        frames[2:, 20:, 24:] += 50 if side == "right" else 0
        return frames

    def cases(self, scene: str) -> Sequence[Case]:
        """See Suite."""
        return [self.case(scene, side) for side in ("left", "right")]

    def case(self, scene: str, side: str) -> Case:
        """One case."""
        s, clip = self.setting, self.frames(scene, side)
        given = clip[: s.context] if self.fault == "a window" else clip[: s.context].copy()
        code = {"left": "a", "right": "b"}[side]
        name = {"one id": scene, "telling id": f"{scene}-{side}"}.get(self.fault, f"{scene}-{code}")
        prompt = {"telling prompt": "The square stays.", "prompt knows": f"A square, {side}."}.get(
            self.fault, "A square."
        )
        fps = s.fps + (side == "left") if self.fault == "asked otherwise" else s.fps
        if self.fault == "future inside":
            given = np.concatenate([given, clip[-1:]])
        condition = Condition(name, s.given, given, prompt, s.width, s.height, s.frames, fps)
        space, index = scene.rsplit("-", 1)
        seed = int.from_bytes(space.encode(), "big") % 10**9 * 1000 + int(index)
        if self.fault == "process":
            seed = os.getpid()
        tags = {"trial": side}
        return Case(name, scene, seed, condition, Truth(world(seed), {"side": side}), tags)

    def scorer(self, case: Case) -> Callable[[Video], Measures]:
        """See Suite."""
        wanted = self.oracle(case).frames[2:].astype(float)

        def read(video: Video) -> Measures:
            if self.fault == "raises" and video.frames.max() == 0:
                raise ValueError("black")
            error = float(np.abs(video.frames[2:] - wanted).mean())
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

    def oracle(self, case: Case) -> Video:
        """See Suite."""
        return Video(self.frames(case.scene, case.truth.facts["side"]), self.setting.fps)

    def observer(self, condition: Condition) -> Video:
        """See Suite."""
        return Video(
            np.zeros((condition.frames, condition.height, condition.width, 3), np.uint8), condition.fps
        )

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
