"""A generator that fails on demand, and runs of the toy suite without the renderer."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import toys

from simbench.case import Condition
from simbench.engine import Engine, Inline
from simbench.generator import Refused
from simbench.plan import Shard
from simbench.run import Request, run
from simbench.score import Anchors
from simbench.store import Store
from simbench.video import Video

TESTS = Path(__file__).resolve().parent
SUITE = "# A square ends up left or right.\n_target_: toys.Toy\nsetting: {frames: 5, context: 2}\nfault: ''\n"
BOX = "# Answers as told.\n_target_: toy.Box\nmode: right\npool: false\ntoken: ''\n"


@dataclass(frozen=True)
class Box:
    """Answers as `mode` says: "right" draws the square where its colour says. `token` is in its identity,
    `log` is a file in which each call leaves a line."""

    mode: str = "right"
    pool: bool = False
    token: str = ""
    log: str = ""
    exposure: str = "zero-shot"
    capabilities: frozenset[str] = field(default=frozenset(), init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "capabilities", frozenset({"pool"} if self.pool else ()))
        if self.log:
            with Path(self.log).open("a") as file:
                file.write("built\n")

    def __call__(self, conditions: Sequence[Condition], seeds: Sequence[int]) -> Any:
        """See Generator."""
        if self.log:
            with Path(self.log).open("a") as file:
                file.write(f"asked {len(conditions)}\n")
        if self.mode == "memory" and len(conditions) > 1:
            raise MemoryError("no room for a batch")
        if self.mode == "no memory at all":
            raise MemoryError("no room")
        if self.mode == "one too few":
            return [self.answer(c, s) for c, s in zip(conditions, seeds, strict=True)][1:]
        if self.mode == "a number":
            return 7
        return [self.answer(c, s) for c, s in zip(conditions, seeds, strict=True)]

    def answer(self, c: Condition, seed: int) -> Any:
        """One answer."""
        frames = self.frames(c)
        if self.mode in ("slow", "very slow"):
            time.sleep(0.05 if self.mode == "slow" else 30)
        if self.mode == "noise":
            frames[2:] = np.random.default_rng(seed).integers(0, 256, frames[2:].shape, dtype=np.uint8)
        if self.mode == "raises" or (self.mode == "raises on a" and c.name.endswith("-0-a")):
            raise ValueError("I cannot")
        if self.mode == "raises by name":
            raise ValueError(f"I cannot {c.name}")
        if self.mode == "leaves":
            sys.exit(3)
        floats = frames.astype(np.float32) / 255
        broken = floats.copy()
        broken[3] = np.nan
        answers = {
            "none": None,
            "refused": Refused("not allowed"),
            "text": "a video",
            "floats": floats,
            "nan": broken,
            "inf": np.where(np.isnan(broken), np.inf, broken),
            "beyond": floats * 2 - 1,
            "short": Video(frames[:-1], c.fps),
            "small": Video(np.ascontiguousarray(frames[:, ::2, ::2]), c.fps),
            "fast": Video(frames, c.fps * 2),
            "float video": Video(floats, c.fps),
        }
        return answers.get(self.mode, Video(frames, c.fps))

    def frames(self, c: Condition) -> np.ndarray:
        """The right answer, uint8 [T, H, W, 3]."""
        frames = np.repeat(c.given_frames[-1:], c.frames, 0)
        left = c.given_frames[0, 0, 0, 0] > 100
        frames[2:, 20:, :8] += 50 if left else 0
        frames[2:, 20:, 24:] += 0 if left else 50
        return frames

    def identity(self) -> Mapping[str, Any]:
        """See Generator."""
        return {"mode": self.mode, "token": self.token}


def request(folder: Path, box: Box | None = None, **changes: Any) -> Request:
    """A run of the toy suite with 3 scenes; results in folder/out, the store in folder/store."""
    generator = Box() if box is None else box
    options = {"mode": generator.mode, "token": generator.token}
    values: dict[str, Any] = {
        "suites": (toys.Toy(),),
        "name": "box",
        "options": options,
        "load": lambda: generator,
        "anchors": Anchors(True, True, (), {"still": toys.Still()}),
        "cheats": "none",
        "out": folder / "out",
        "store": Store(folder / "store"),
        "scenes": 3,
        "samples": 1,
        "seed": "public",
        "noise": 0,
        "shard": Shard(),
        "batch": 4,
        "workers": 1,
        "mode": "all",
        "max_incomplete": 0,
        "rescore": False,
        "clips": 0,
        "exposure": None,
        "resume": "python -m simbench",
        "config": {},
    }
    return Request(**{**values, **changes})


def table(folder: Path) -> str:
    """In place of a report."""
    return (folder / "summary.json").read_text()


def go(folder: Path, box: Box | None = None, engine: Engine | None = None, **changes: Any) -> int:
    """Run `request(...)`; the exit code."""
    return run(request(folder, box, **changes), Inline() if engine is None else engine, table)


def scores(folder: Path) -> bytes:
    """The bytes of a run's scores.csv."""
    return (folder / "out" / "scores.csv").read_bytes()


def subject_lines(folder: Path) -> list[dict[str, str]]:
    """The lines of scores.csv about single videos of the subject."""
    import csv

    with (folder / "out" / "scores.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["role"] == "subject" and row["case"]]


def write_config(folder: Path) -> Path:
    """A --config-dir with suite=toy and generator=box."""
    for group, name, text in (("suite", "toy", SUITE), ("generator", "box", BOX)):
        (folder / "conf" / group).mkdir(parents=True, exist_ok=True)
        (folder / "conf" / group / f"{name}.yaml").write_text(text)
    return folder / "conf"


@contextmanager
def local(workers: int) -> Any:
    """A pool of worker processes."""
    from simbench.engine import open_engine

    with open_engine("local", workers) as engine:
        yield engine


def is_loaded(name: str) -> bool:
    """Whether a module is there before anything asked for it: a job for workers."""
    return name in sys.modules
