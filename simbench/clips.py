"""Clips for the report: the worst cases and random ones, truth and answer, and what they show by frame.

clips/clips.json         one entry for each case; `Drawn` and `_entry` say what stands in it
clips/NAME.png           film strip of the frames `picks`, truth above
clips/NAME.webm          truth left, answer right: small and lossy, for any player
clips/NAME-truth.webp    all frames in one picture, for the page; NAME-made.webp: those of the answer
clips/NAME-truth.mkv     the frames bit by bit (FFV1); NAME-made.mkv: the answer as the store has it
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import pstdev
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.border import Border, Raised, border
from simbench.case import Case
from simbench.files import write_bytes, write_text
from simbench.generate import Outcome
from simbench.pictures import picks, sheet, strip_png, write_webm
from simbench.plan import PlannedScene
from simbench.scores import Measured
from simbench.store import Store
from simbench.suite import asked
from simbench.video import Video, encode

if TYPE_CHECKING:
    from simbench.engine import Engine
    from simbench.score import Row


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
    """One case for a worker; its files go to `folder` and begin with `name`."""

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


@dataclass(frozen=True)
class Drawn:
    """What was drawn of one case, as it stands in clips.json.

    `frames`, `height`, `width` and `fps` are those of the clips, `given` the number of frames that the
    generator was given. `made`: there is an answer to show. `picks` are the frames of the strip. `trace`
    has one number for each frame by name, null where undefined (see Suite); empty without an answer or
    where the suite has none, and `trace_reason` says what it raised. A sheet holds `columns` frames in a
    row, each `sheet_width` x `sheet_height` pixels; `exact`: bit by bit those of the clip. `asked` is what
    people who label the clip are asked (simbench.suite.asked).
    """

    prompt: str
    tags: Mapping[str, Any]
    frames: int
    height: int
    width: int
    fps: float
    given: int
    made: bool
    picks: Sequence[int]
    trace: Mapping[str, Sequence[float | None]]
    trace_reason: str
    columns: int
    sheet_width: int
    sheet_height: int
    exact: bool
    asked: Mapping[str, Any]


def draw_case(task: ClipTask) -> Drawn | None:
    """Write the files of one case. None without truth."""
    choice = task.choice
    case = next(c for c in choice.scene.load() if c.id == choice.case)
    with border() as guard:
        truth = guard.call(choice.scene.suite.oracle, case)
        if isinstance(truth, Raised):
            return None
        made = task.store.get_video(choice.key) if choice.key else None
        trace, reason = _trace(guard, choice, case, made)
        question = guard.call(asked, choice.scene.suite, case)
    shown = picks(len(truth.frames))
    other = np.zeros_like(truth.frames) if made is None else made.frames
    drawn = sheet(truth.frames)
    base = str(task.folder / task.name)
    write_bytes(Path(f"{base}-truth.webp"), drawn.data)
    encode(truth, Path(f"{base}-truth.mkv"))
    if made is not None:
        write_bytes(Path(f"{base}-made.webp"), sheet(other).data)
        stored = task.store.video_folder(choice.key) / "video.mkv"
        write_bytes(Path(f"{base}-made.mkv"), stored.read_bytes())
    write_bytes(Path(f"{base}.png"), strip_png(truth.frames, other, shown))
    write_webm(truth.frames, other, truth.fps, Path(f"{base}.webm"))
    return Drawn(
        prompt=case.condition.prompt,
        tags=dict(case.tags),
        frames=len(truth.frames),
        height=truth.frames.shape[1],
        width=truth.frames.shape[2],
        fps=float(truth.fps),
        given=len(case.condition.given_frames),
        made=made is not None,
        picks=shown,
        trace=trace,
        trace_reason=reason,
        columns=drawn.columns,
        sheet_width=drawn.width,
        sheet_height=drawn.height,
        exact=drawn.exact,
        asked={} if isinstance(question, Raised) else question,
    )


def _trace(
    guard: Border, choice: Choice, case: Case, made: Video | None
) -> tuple[dict[str, list[float | None]], str]:
    """Numbers by frame, and why there are none: a picture without them is still worth showing."""
    method = getattr(choice.scene.suite, "trace", None)
    if method is None or made is None or choice.status != "ok":
        return {}, ""
    found = guard.call(method, case, made)
    if isinstance(found, Raised):
        return {}, found.reason
    count = len(made.frames)
    for name, values in found.items():
        if len(values) != count:
            return {}, f"trace {name!r} has {len(values)} numbers for {count} frames"
    return {str(name): [_finite(v) for v in values] for name, values in found.items()}, ""


def _finite(value: float | None) -> float | None:
    """Six digits are more than a curve shows; JSON has no NaN."""
    return None if value is None or not math.isfinite(value) else float(f"{float(value):.6g}")


def write_clips(
    measured: Sequence[Measured],
    outcomes: Mapping[str, Sequence[Outcome]],
    store: Store,
    out: Path,
    count: int,
    engine: Engine,
) -> None:
    """Write the clips of the chosen cases and clips.json, which says what each shows."""
    choices = [c for part in measured for c in choose(part, outcomes[part.suite.name], count)]
    tasks = [ClipTask(c, store, out / "clips", f"{c.suite}-{i:02d}") for i, c in enumerate(choices)]
    found = dict(engine.map(_draw_named, tasks))
    listing = [_entry(task, found[task.name]) for task in tasks if found[task.name] is not None]
    text = json.dumps({"schema": 1, "clips": listing}, indent=1, allow_nan=False, default=str)
    write_text(out / "clips" / "clips.json", text + "\n")


def _entry(task: ClipTask, drawn: Drawn | None) -> dict[str, Any]:
    """What clips.json says of one case: the choice, then what was drawn."""
    choice = task.choice
    return {
        "suite": choice.suite,
        "scene": choice.scene.scene,
        "case": choice.case,
        "sample": 0,
        "why": choice.why,
        "status": choice.status,
        "reason": choice.reason,
        "distance": choice.distance,
        "name": task.name,
        **({} if drawn is None else dataclasses.asdict(drawn)),
    }


def _draw_named(task: ClipTask) -> tuple[str, Drawn | None]:
    return task.name, draw_case(task)
