"""Training runs of a toy, whose model is a file with a number, and a folder of configuration for them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import toy

from simbench.case import Condition
from simbench.errors import UserError
from simbench.video import Video

LEARNER = "# Right as often as its folder says.\n_target_: toy_runs.Learner\ndir: ''\n"


@dataclass(frozen=True)
class Learner:
    """Answers the toy suite: right in the first `right` of ten scenes, black elsewhere, and nothing at all in
    the scenes that its file calls silent. Each call leaves a line in asked.txt."""

    dir: str = ""

    @property
    def capabilities(self) -> frozenset[str]:
        """See Generator."""
        return frozenset()

    def __call__(self, conditions: Sequence[Condition], seeds: Sequence[int]) -> list[Video | None]:
        """See Generator."""
        with (Path(self.dir) / "asked.txt").open("a") as file:
            file.write(f"{len(conditions)}\n")
        return [self.answer(condition) for condition in conditions]

    def answer(self, c: Condition) -> Video | None:
        """One answer."""
        told = self.identity()
        index = int(c.name.split("-")[1])
        if index in told["silent"]:
            return None
        frames = toy.Box().frames(c)
        if index % 10 >= told["right"]:
            frames[len(c.given_frames) :] = 0
        return Video(np.ascontiguousarray(frames), c.fps)

    def identity(self) -> Mapping[str, Any]:
        """See Generator."""
        path = Path(self.dir) / "model.json"
        try:
            found: dict[str, Any] = json.loads(path.read_text())
        except ValueError as error:
            raise UserError(f"{path} is damaged: {error}") from error
        return found


def trained(folder: Path, flops: float, right: int, silent: Sequence[int] = (), **record: Any) -> Path:
    """A run of `flops` whose model is right in `right` of ten scenes."""
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "model.json").write_text(json.dumps({"right": right, "silent": list(silent)}))
    head = {"schema": 1, "kind": "training", "flops": flops, "loss": [[flops / 9, 1.0], [flops, 1 / right]]}
    (folder / "run.json").write_text(json.dumps({**head, **record}))
    return folder


def ladder(folder: Path) -> Path:
    """Three budgets, right in 3, 6 and 9 of ten scenes."""
    for i, right in enumerate((3, 6, 9)):
        trained(folder / f"r{i}", 4.0**i * 1e12, right)
    return folder


def asked(run: Path) -> int:
    """Conditions that the model of a run was asked."""
    log = run / "model" / "asked.txt"
    return sum(int(line) for line in log.read_text().split()) if log.is_file() else 0


def write_config(folder: Path) -> Path:
    """A --config-dir with suite=toy and generator=learner."""
    conf = toy.write_config(folder)
    (conf / "generator" / "learner.yaml").write_text(LEARNER)
    return conf
