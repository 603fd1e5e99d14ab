"""Cases out, for a model that lives elsewhere: everything a condition says, and nothing else."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.case import Condition
from simbench.errors import UserError
from simbench.files import replacing, write_text
from simbench.video import Video, encode_preview

if TYPE_CHECKING:
    from simbench.suite import Suite

COLUMNS = ("case", "file name", "prompt", "image", "seconds", "aspect", "width", "height", "fps", "frames")

README = """Videos to make: {count}, one for each row of cases.csv

For each case there is a folder with
  first.png      the first frame: the image to start from, where the model takes one
  context/       the {context} given frames as exact PNG files
  context.mp4    the same as a clip (H.264, {pixels}, near lossless; the PNG files are exact)
  prompt.txt     what to ask for, in plain words, with the camera move or the action
  request.json   frames, fps, width, height, seconds, aspect, and poses or actions if there are any
Text-only cases have no images.

What to send back
  One file per case, named as in the column "file name": <case>.mp4. Better: lossless <case>.mkv (FFV1).
  webm, mov, gif and folders of numbered png frames <case>/ are read too.
  More than one draw per case: <case>_0.mp4, <case>_1.mp4, ...
  If a service declines a case, send <case>.refused.txt with its message.
  The clip starts with the given frames and is {frames} frames long at {fps:g} frames a second
  ({seconds:.4g} s), {width} x {height} pixels.

Please
  do not cut, fade, loop, slow down or speed up;
  do not add borders, captions, logos or watermarks;
  do not change the prompt, and do not pick the best of several draws.

Then
  python -m simbench.check dir=RETURNED cases=THIS_FOLDER
  python -m simbench generator=videos generator.dir=RETURNED (and the suite and setting of this export)
If the model only makes other sizes, rates or lengths, add generator.resample=fit or crop.
If the files start after the given frames, add generator.continuation=true.
{lossy}"""

LOSSY_NOTE = "At this size only lossless files are scored: H.264, VP9 and AV1 files will be refused.\n"


@dataclass(frozen=True)
class ExportSummary:
    """What was written: the number of cases, the folder, and the table in it."""

    cases: int
    folder: Path
    table: Path


def export_cases(suite: Suite, scene_ids: Sequence[str], out: Path) -> ExportSummary:
    """Write every case of `scene_ids` under `out` (see the README.txt it writes). Only conditions leave.

    Raises UserError for names that cannot be file names, for two cases of one name, and OSError.
    """
    out = Path(out)
    conditions = [case.condition for scene in scene_ids for case in suite.cases(scene)]
    _check_names(conditions)
    rows = [_export(condition, out / condition.name) for condition in conditions]
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(out / "cases.csv", text.getvalue())
    write_text(out / "README.txt", _readme(conditions))
    return ExportSummary(len(conditions), out, out / "cases.csv")


def _check_names(conditions: Sequence[Condition]) -> None:
    if not conditions:
        raise UserError("nothing to export: the suite gave no case; raise cases=")
    seen: set[str] = set()
    for condition in conditions:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", condition.name):
            raise UserError(
                f"case name {condition.name!r} cannot be a file name; use letters, digits, . _ and -"
            )
        # Two names that differ in case only are one file on macOS and Windows.
        if condition.name.lower() in seen:
            raise UserError(f"two cases are called {condition.name}; names must be unique")
        seen.add(condition.name.lower())


def _export(condition: Condition, folder: Path) -> dict[str, Any]:
    prompt = full_prompt(condition)
    request = _request(condition, prompt)
    folder.mkdir(parents=True, exist_ok=True)
    given = condition.given_frames
    for index, frame in enumerate(given):
        _write_png(folder / "context" / f"{index:03d}.png", frame)
    if len(given):
        _write_png(folder / "first.png", given[0])
    if len(given) > 1:
        encode_preview(Video(given, condition.fps), folder / "context.mp4", crf=4)
    write_text(folder / "prompt.txt", prompt + "\n")
    write_text(folder / "request.json", json.dumps(request, indent=1, sort_keys=True) + "\n")
    return {
        "case": condition.name,
        "file name": f"{condition.name}.mp4",
        "prompt": prompt,
        "image": f"{condition.name}/first.png" if len(given) else "",
        **{key: request[key] for key in ("seconds", "aspect", "width", "height", "fps", "frames")},
    }


def _request(condition: Condition, prompt: str) -> dict[str, Any]:
    """Everything in the condition but the pixels, as plain JSON."""
    request: dict[str, Any] = {
        "case": condition.name,
        "given": condition.given,
        "given_frames": len(condition.given_frames),
        "prompt": prompt,
        "plain_prompt": condition.prompt,
        "frames": condition.frames,
        "fps": condition.fps,
        "width": condition.width,
        "height": condition.height,
        "seconds": round(condition.frames / condition.fps, 6),
        "aspect": aspect_name(condition.width, condition.height),
    }
    if condition.poses is not None:
        request["poses_world_to_camera"] = condition.poses.tolist()
        request["pose_convention"] = "OpenCV: x right, y down, z forward; metres; one 4x4 matrix per frame"
    if condition.intrinsics is not None:
        request["intrinsics"] = condition.intrinsics.tolist()
    if condition.actions is not None:
        request["actions"] = list(condition.actions)
    return request


def load_condition(folder: Path) -> Condition:
    """The condition that `export_cases` wrote to `folder`. Raises UserError when files are missing."""
    from simbench.video import VideoError, decode

    try:
        request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
        height, width, count = request["height"], request["width"], request["given_frames"]
        given = np.zeros((0, height, width, 3), np.uint8)
        if count:
            given = decode(folder / "context", fps=request["fps"]).frames
        poses, intrinsics = request.get("poses_world_to_camera"), request.get("intrinsics")
        actions = request.get("actions")
        return Condition(
            name=request["case"],
            given=request["given"],
            given_frames=given,
            prompt=request["plain_prompt"],
            width=width,
            height=height,
            frames=request["frames"],
            fps=request["fps"],
            poses=None if poses is None else np.array(poses),
            intrinsics=None if intrinsics is None else np.array(intrinsics),
            actions=None if actions is None else tuple(actions),
        )
    except (OSError, ValueError, KeyError, VideoError) as error:
        raise UserError(f"{folder} is not an exported case ({type(error).__name__}: {error})") from error


def aspect_name(width: int, height: int) -> str:
    """`16:9`-style name of a size, within 1 %, else the reduced fraction."""
    for name in ("1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16", "21:9"):
        a, b = map(int, name.split(":"))
        if abs(width * b / (height * a) - 1) < 0.01:
            return name
    divisor = math.gcd(width, height)
    return f"{width // divisor}:{height // divisor}"


def full_prompt(condition: Condition) -> str:
    """The prompt in plain words, with the camera move or the actions where the condition has them."""
    parts = [condition.prompt.strip()]
    if condition.poses is not None:
        parts.append(camera_words(condition.poses, condition.frames / condition.fps))
    if condition.actions is not None:
        parts.append(action_words(condition.actions, condition.fps))
    return " ".join(part for part in parts if part)


def camera_words(poses: np.ndarray, seconds: float) -> str:
    """What a camera path [T, 4, 4] (world to camera, OpenCV) does from its first frame to its last."""
    relative = poses[-1] @ np.linalg.inv(poses[0])
    turn, shift = relative[:3, :3], np.linalg.inv(relative)[:3, 3]
    forward = turn.T @ np.array([0.0, 0.0, 1.0])
    yaw = math.degrees(math.atan2(forward[0], forward[2]))
    pitch = math.degrees(math.atan2(-forward[1], math.hypot(forward[0], forward[2])))
    moves = []
    for value, positive, negative in ((yaw, "right", "left"), (pitch, "up", "down")):
        if abs(value) >= 0.5:
            moves.append(f"turns {abs(value):.0f} degrees {positive if value > 0 else negative}")
    names = (("right", "left"), ("down", "up"), ("forward", "backward"))
    for value, (positive, negative) in zip(shift, names, strict=True):
        if abs(value) >= 0.01:
            moves.append(f"moves {abs(value):.2g} m {positive if value > 0 else negative}")
    if not moves:
        away = np.linalg.norm((poses - poses[0]).reshape(len(poses), -1), axis=1).max()
        if away < 1e-6:
            return "The camera does not move."
        return f"The camera leaves and comes back to where it started ({_path_words(poses)})."
    return (
        f"Over {seconds:.3g} s the camera {', '.join(moves[:-1]) + ' and ' if moves[1:] else ''}{moves[-1]}."
    )


def _path_words(poses: np.ndarray) -> str:
    """The first half of a path that returns: where it is farthest from its start."""
    far = int(np.argmax(np.linalg.norm((poses - poses[0]).reshape(len(poses), -1), axis=1)))
    return (
        camera_words(poses[: far + 1], 0.0).removeprefix("Over 0 s the camera ").rstrip(".") + ", then back"
    )


def action_words(actions: Sequence[str], fps: float) -> str:
    """Runs of equal actions as sentences: `From 0.5 s to 1 s: turn left.`"""
    sentences, start = [], 0
    for action, run in groupby(actions):
        end = start + len(list(run))
        if action:
            sentences.append(f"From {start / fps:.3g} s to {end / fps:.3g} s: {action}.")
        start = end
    return " ".join(sentences)


def _readme(conditions: Sequence[Condition]) -> str:
    from simbench.video import LOSSY_MIN_SIZE

    first = conditions[0]
    small = min(first.width, first.height) < LOSSY_MIN_SIZE
    return README.format(
        count=len(conditions),
        context=len(first.given_frames),
        pixels="yuv444p" if first.width % 2 or first.height % 2 else "yuv420p",
        frames=first.frames,
        fps=first.fps,
        seconds=first.frames / first.fps,
        width=first.width,
        height=first.height,
        lossy=LOSSY_NOTE if small else "",
    )


def _write_png(path: Path, frame: np.ndarray) -> None:
    from PIL import Image

    with replacing(path) as temporary:
        Image.fromarray(np.ascontiguousarray(frame)).save(temporary, format="PNG")
