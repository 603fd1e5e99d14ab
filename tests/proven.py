"""The toy suite with all that the proofs ask for, and faults in it on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from toys import CHEATS, RED, Toy

from simbench.case import Case, Condition
from simbench.suite import Bound, CaseScore, Damage, Measures
from simbench.video import Video


@dataclass(frozen=True)
class ProvenToy(Toy):
    """The toy with a continuous S: the share of what holding the last given frame gets wrong that is right.

    Its observer answers; its cheats hold the last frame, each a grey level brighter than the one before.
    """

    columns: ClassVar[tuple[str, ...]] = ("fit",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fault in ("odd column", "text column"):
            object.__setattr__(self, "columns", ("depth",) if self.fault == "odd column" else "fit")

    def scorer(self, case: Case) -> Callable[[Video], Measures]:
        """See Suite."""
        k = self.context
        wanted = self.truth(case)[k:].astype(float)
        still = self.still(case)[k:].astype(float)

        def read(video: Video) -> Measures:
            if self.fault == "raises" and video.frames.max() == 0:
                raise ValueError("black")
            error = float(np.abs(video.frames[k:] - wanted).mean())
            fit = 1.0 - error / float(np.abs(still - wanted).mean())
            fit = float("nan") if self.fault == "nan" and error > 50 else fit
            return {"fit": fit + (float(np.random.default_rng().random()) if self.fault == "moody" else 0.0)}

        return read

    def aggregate(self, rows: Sequence[CaseScore]) -> Mapping[str, Mapping[str, float]]:
        """See Suite."""
        found: dict[str, list[float]] = {}
        for row in rows:
            if row.tags.get("hidden", True) and (row.status == "ok" or self.fault != "dropped"):
                found.setdefault(row.scene, []).append(row.measures.get("fit", 0.0))
        return {s: {"S": float(np.mean(v)), "fit": float(np.mean(v))} for s, v in found.items()}

    def observer(self, condition: Condition) -> Video:
        """Reads the ground and the cue or the command; grey where there is neither."""
        given, is_left = condition.given_frames, False
        if not len(given) or self.fault == "blind observer":
            shape = (condition.frames, condition.height, condition.width, 3)
            return Video(np.full(shape, 128, np.uint8), condition.fps)
        if condition.poses is not None:
            is_left = bool(condition.poses[-1, 0, 3] > 0)
        elif condition.actions is not None:
            is_left = condition.actions[-1] == "left"
        else:
            is_left = tuple(given[0, 0, 0]) == RED
        ground = int(given[0, 0, -1, 0])
        frames = self.frames(ground - 30, "left" if is_left else "right", bool(given[0, 8, 8, 0] > ground))
        return Video(frames, condition.fps)

    def still(self, case: Case) -> np.ndarray:
        """uint8 [T, H, W, 3]: the last given frame held; black without any."""
        frames = self.truth(case)
        frames[self.context :] = frames[self.context - 1] if self.context else 0
        return frames

    def cheats(self) -> Mapping[str, Callable[[Case], Video]]:
        """Nothing moves, and it is brighter by one grey level more in each; see Suite."""

        def cheat(levels: int) -> Callable[[Case], Video]:
            def make(case: Case) -> Video:
                if self.fault == "idle cheat" and levels == 3:
                    return self.oracle(case)
                frames = self.still(case)[: -1 if self.fault == "short cheat" else None]
                frames[0 if self.fault == "cheat given" else self.context :] += np.uint8(levels)
                return Video(frames, self.setting.fps)

            return make

        return {name: cheat(i) for i, name in enumerate(CHEATS[: 9 if self.fault == "few cheats" else None])}

    def damages(self) -> Mapping[str, Damage]:
        """The truth, mixed with what it is not; see simbench.suite.Proven."""
        other = {"left": "right", "right": "left"}
        wrong: dict[str, Callable[[Case], np.ndarray]] = {
            "still": self.still,
            "swap": lambda c: self.frames(int(c.scene.rsplit("-", 1)[1]), other[c.truth.facts["side"]]),
            "black": lambda c: np.zeros_like(self.still(c)),
            "white": lambda c: np.full_like(self.still(c), 255),
        }

        def damage(kind: str) -> Damage:
            def make(case: Case, strength: float) -> Video:
                if self.fault == "idle damage":
                    strength = 0.0
                elif self.fault == "flat damage":
                    strength = min(strength, 0.1)
                elif self.fault == "rising damage":
                    strength = 1.0 - strength if strength else 0.0
                elif self.fault == "harmful zero":
                    strength += 0.1
                k = 0 if self.fault == "damage given" else self.context
                truth = self.truth(case)
                mixed = (1.0 - strength) * truth + strength * wrong[kind](case)
                truth[k:] = np.rint(mixed[k:]).astype(np.uint8)
                return Video(truth, self.setting.fps)

            strengths = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0)[: 5 if self.fault == "five strengths" else None]
            return Damage(make, "" if self.fault == "no unit" else "of the mixture", strengths)

        kinds = list(wrong)[: 3 if self.fault == "few damages" else None]
        return {kind: damage(kind) for kind in kinds}

    def nuisances(self, case: Case) -> Mapping[str, Callable[[np.ndarray], np.ndarray]]:
        """See simbench.suite.Proven."""

        def speck(frames: np.ndarray) -> np.ndarray:
            out = frames if self.fault == "nuisance in place" else frames.copy()
            if self.fault != "idle nuisance":
                out[:, -1, -1] += np.uint8(1)
            return out + np.uint8(20) if self.fault == "costly nuisance" else out

        return {} if self.fault == "no nuisance" else {"speck": speck}

    def baselines(self) -> Mapping[str, Bound]:
        """See simbench.suite.Proven."""
        bounds = {name: Bound(5.0) for name in ("frozen", "copy_last", "constant_velocity")}
        if self.fault == "odd baseline":
            bounds["copy_lats"] = Bound(5.0)
        if self.fault == "open baseline":
            bounds["frozen"] = Bound(None)
        if self.fault == "odd anchor":
            bounds["frozen"] = Bound(None, below="the sky")
        if self.fault == "strict baseline":
            bounds["frozen"] = Bound(-50.0)
        return bounds
