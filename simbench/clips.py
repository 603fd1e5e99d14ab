"""Pictures for the report: film strips and side-by-side clips of the worst cases and of random ones."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import pstdev
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.border import Raised, border
from simbench.files import write_bytes, write_text
from simbench.generate import Outcome
from simbench.plan import PlannedScene
from simbench.scores import Measured
from simbench.store import Store
from simbench.suite import asked

if TYPE_CHECKING:
    from simbench.engine import Engine
    from simbench.score import Row

STRIP = 9
"""Frames in a film strip, the first and the last included."""

SIDE = 128
"""Smallest side of a picture in the report, px: small clips are enlarged without smoothing."""

PADDING = ((0, 2), (0, 2), (0, 0))
"""Pixels between the frames of a strip."""


@dataclass(frozen=True)
class Choice:
    """One case to show. `distance` is how far its measures are from the oracle's, None where not scored."""

    suite: str
    scene: PlannedScene
    case: str
    why: str
    status: str
    reason: str
    distance: float | None
    key: str


@dataclass(frozen=True)
class ClipTask:
    """One case for a worker; its pictures go to `folder` as `name`.png and `name`.webp."""

    choice: Choice
    store: Store
    folder: Path
    name: str


def distances(measured: Measured) -> dict[tuple[str, int], float]:
    """(case, sample) -> mean distance of the subject's measures from the oracle's, in units of each
    measure's spread over everything that was read. Empty where no oracle was read."""
    rows = [row for part in measured.rows.values() for row in part if row.status == "ok"]
    values: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.measures.items():
            values.setdefault(name, []).append(value)
    spread = {name: pstdev(found) for name, found in values.items()}
    truth = {row.case: row.measures for row in rows if row.role == "oracle"}
    found = {}
    for row in rows:
        if row.role == "subject" and row.case in truth:
            shared = [n for n in row.measures if n in truth[row.case] and spread[n] > 0]
            apart = [abs(row.measures[n] - truth[row.case][n]) / spread[n] for n in shared]
            found[row.case, row.sample] = float(np.mean(apart)) if apart else 0.0
    return found


def choose(measured: Measured, outcomes: Sequence[Outcome], count: int) -> list[Choice]:
    """The `count` worst cases (not scored at all, then farthest from the oracle) and `count` random ones.
    Sample 0 stands for a case; the choice depends on names and scores alone."""
    apart = distances(measured)
    keys = {(o.case, o.sample): o.key for o in outcomes}
    scenes = {case.id: scene for scene in measured.scenes for case in scene.cases}
    rows = [r for part in measured.rows.values() for r in part if r.role == "subject" and r.sample == 0]

    def badness(row: Row) -> tuple[bool, float, str]:
        """Sorts what was not scored first, then what is farthest from the oracle."""
        return (row.status == "ok", -apart.get((row.case, 0), 0.0), row.case)

    worst = sorted(rows, key=badness)[:count]
    rest = [row for row in rows if row not in worst]
    chance = sorted(rest, key=lambda row: hashlib.sha256(row.case.encode()).hexdigest())[:count]
    return [
        Choice(
            measured.suite.name,
            scenes[row.case],
            row.case,
            why,
            row.status,
            row.reason,
            apart.get((row.case, 0)),
            keys.get((row.case, 0), ""),
        )
        for why, part in (("worst", worst), ("random", chance))
        for row in part
    ]


def draw_case(task: ClipTask) -> dict[str, Any] | None:
    """Write the pictures of one case: truth above or left, generator below or right; what a person is asked
    about them. None without truth."""
    choice = task.choice
    case = next(c for c in choice.scene.load() if c.id == choice.case)
    with border() as guard:
        truth = guard.call(choice.scene.suite.oracle, case)
        words = guard.call(asked, choice.scene.suite, case)
    if isinstance(truth, Raised):
        return None
    made = task.store.get_video(choice.key) if choice.key else None
    other = np.zeros_like(truth.frames) if made is None else made.frames
    write_bytes(task.folder / f"{task.name}.png", strip_png(truth.frames, other))
    write_bytes(task.folder / f"{task.name}.webp", clip_webp(truth.frames, other, truth.fps))
    return {} if isinstance(words, Raised) else words


def enlarged(frames: np.ndarray) -> np.ndarray:
    """uint8 [..., H, W, 3] enlarged by a whole number until its shorter side is SIDE px or more."""
    factor = max(1, -(-SIDE // min(frames.shape[-3:-1])))
    return frames.repeat(factor, axis=-3).repeat(factor, axis=-2)


def strip_png(truth: np.ndarray, other: np.ndarray) -> bytes:
    """Two rows of STRIP frames [T, H, W, 3], truth above, as PNG."""
    picks = np.unique(np.linspace(0, len(truth) - 1, STRIP).round().astype(int))
    rows = [np.concatenate([np.pad(f, PADDING) for f in clip[picks]], axis=1) for clip in (truth, other)]
    return _saved(np.concatenate(rows), "PNG")


def clip_webp(truth: np.ndarray, other: np.ndarray, fps: float) -> bytes:
    """Truth and generator side by side, animated, at their own speed and for ever."""
    from PIL import Image

    gap = np.full((*truth.shape[:2], 1, 3), 255, np.uint8)
    pair = enlarged(np.concatenate([truth, gap, other], axis=2))
    pictures = [Image.fromarray(frame) for frame in pair]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=pictures[1:],
        duration=round(1000 / fps),
        loop=0,
        lossless=True,
    )
    return buffer.getvalue()


def _saved(picture: np.ndarray, kind: str) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, kind, optimize=True)
    return buffer.getvalue()


def write_clips(
    measured: Sequence[Measured],
    outcomes: Mapping[str, Sequence[Outcome]],
    store: Store,
    out: Path,
    count: int,
    engine: Engine,
) -> None:
    """Write `out`/clips/*.png and *.webp and clips.json, which says what each shows."""
    choices = [c for part in measured for c in choose(part, outcomes[part.suite.name], count)]
    tasks = [ClipTask(c, store, out / "clips", f"{c.suite}-{i:02d}") for i, c in enumerate(choices)]
    drawn = dict(engine.map(_draw_named, tasks))
    listing: list[dict[str, Any]] = [
        {
            "suite": task.choice.suite,
            "case": task.choice.case,
            "why": task.choice.why,
            "status": task.choice.status,
            "reason": task.choice.reason,
            "distance": task.choice.distance,
            "name": task.name,
            **(drawn[task.name] or {}),
        }
        for task in tasks
        if drawn[task.name] is not None
    ]
    write_text(out / "clips" / "clips.json", json.dumps({"schema": 1, "clips": listing}, indent=1) + "\n")


def _draw_named(task: ClipTask) -> tuple[str, dict[str, Any] | None]:
    return task.name, draw_case(task)
