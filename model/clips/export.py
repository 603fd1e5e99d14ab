"""A training set of simulated worlds for other people's trainers: videos, words, cameras, actions, depth."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.clips import shards
from model.clips.worlds import Mix, Rendered, commands, mask, rendered, world_seed
from model.config import to_dict
from simbench.errors import UserError
from simbench.files import replacing, write_text
from simbench.provenance import provenance

FORMAT = 1
DEPTHS = ("none", "png", "npz")
VIDEOS = ("mp4", "mkv")
MILLIMETRES = 1000.0

README = """{clips} clips of simulated worlds, {width} x {height} pixels, {frames} frames at {fps:g} a second

{video}
  captions.jsonl       a line for each clip: file, short, long and structured caption, family, seed, fps,
                       frames, width, height, and the paths of its other files
  cameras/000000.json  intrinsics (pixels) and poses (world to camera, OpenCV, metres), one for each frame
  actions/000000.json  only where a world obeys commands: the command in force at each frame
  masks/000000.npz     mask uint8 [frames, height, width]: 0, or 1 + the number of the moving object
{depth}  provenance.json      options, seeds, versions; the same command makes the same worlds

Reserved for tests and not in here: some colours, textures, shapes and occluders, and every world of the
suites, whose seeds lie below 2^31; these worlds start at 2^40. Results of a model trained on this set
are exposure=worlds-train.

Licence: all of it was computed by simbench from random seeds; nothing was taken from anybody's pictures or
texts. Use it under the Apache License, Version 2.0, as simbench itself.
"""
VIDEO_NOTES = {
    "mp4": "  videos/000000.mp4    H.264, near lossless; all else belongs to its frames one to one",
    "mkv": "  videos/000000.mkv    FFV1, every bit; all else belongs to its frames one to one",
}
DEPTH_NOTES = {
    "none": "",
    "png": "  depth/000000/000.png 16 bit, millimetres along the axis; 0 is the sky, 65535 farther\n",
    "npz": "  depth/000000.npz     float32 [frames, height, width], metres along the axis; 0 is the sky\n",
}


@dataclass(frozen=True)
class Part:
    """Clips [start, stop) of an export, for one process."""

    folder: str
    mix: Mix
    seed: int
    depth: str
    video: str
    start: int
    stop: int


def export(
    folder: Path,
    mix: Mix,
    clips: int,
    seed: int = 0,
    depth: str = "none",
    video: str = "mp4",
    workers: int = 1,
) -> int:
    """Write `clips` clips to `folder`; the number made now. The same call goes on after a break.

    All files but those of H.264 are the same bytes each time. UserError where the folder holds another
    export, for an unknown kind of depth or video, and for no clips.
    """
    if clips < 1:
        raise UserError(f"clips={clips} is no training set; use clips=1 or more")
    if depth not in DEPTHS:
        raise UserError(f"depth={depth} is unknown; use {', '.join(DEPTHS)}")
    if video not in VIDEOS:
        raise UserError(f"video={video} is unknown; use mp4 (H.264) or mkv (lossless FFV1)")
    plan = {"format": FORMAT, "mix": to_dict(mix), "seed": seed, "depth": depth, "video": video}
    shards.claim(folder, "export", plan)
    missing = [i for i in range(clips) if not _entry(folder, i).exists()]
    parts = [Part(str(folder), mix, seed, depth, video, i, i + 1) for i in missing]
    made = shards.spread(_write, parts, len(parts), workers, "clips")
    lines = [_entry(folder, i).read_text(encoding="utf-8") for i in range(clips)]
    write_text(folder / "captions.jsonl", "".join(lines))
    shape = {"width": mix.width, "height": mix.height, "frames": mix.frames, "fps": mix.fps}
    notes = {"depth": DEPTH_NOTES[depth], "video": VIDEO_NOTES[video]}
    write_text(folder / "README.txt", README.format(clips=clips, **shape, **notes))
    facts = {**plan, "clips": clips, "first_world": world_seed(seed, 0), "split": "train"}
    text = json.dumps({**facts, "made_with": provenance()}, indent=1)
    write_text(folder / "provenance.json", text + "\n")
    return made


def _entry(folder: Path, index: int) -> Path:
    """The line of one clip, written when all its files are there."""
    return folder / "lines" / f"{index:06d}.json"


def _write(part: Part) -> int:
    for index in range(part.start, part.stop):
        _clip(Path(part.folder), part, index)
    return part.stop - part.start


def _clip(folder: Path, part: Part, index: int) -> None:
    from simbench.video import Video, encode, encode_preview

    made, mix, name = rendered(part.mix, part.seed, index), part.mix, f"{index:06d}"
    files = {"file": f"videos/{name}.{part.video}"}
    files |= {"camera": f"cameras/{name}.json", "mask": f"masks/{name}.npz"}
    video = Video(made.frames.rgb, mix.fps)
    if part.video == "mkv":
        encode(video, folder / files["file"])
    else:
        encode_preview(video, folder / files["file"], crf=10)
    _json(folder / files["camera"], cameras(made, mix))
    _npz(folder / files["mask"], mask=mask(made.scene, made.frames.ids))
    told = commands(made.scene, mix.frames, mix.fps)
    if told is not None:
        files["actions"] = f"actions/{name}.json"
        _json(folder / files["actions"], {"fps": mix.fps, "actions": told})
    if part.depth == "png":
        files["depth"] = f"depth/{name}"
        _depth_images(folder / files["depth"], made.frames.depth)
    if part.depth == "npz":
        files["depth"] = f"depth/{name}.npz"
        _npz(folder / files["depth"], depth=made.frames.depth)
    words = made.scene.caption
    line = {
        **files,
        "short": words.short,
        "long": words.long,
        "structured": json.loads(words.structured),
        "family": made.scene.family,
        "seed": world_seed(part.seed, index),
        "fps": mix.fps,
        "frames": mix.frames,
        "width": mix.width,
        "height": mix.height,
    }
    _json(_entry(folder, index), line)


def cameras(made: Rendered, mix: Mix) -> dict[str, Any]:
    """Intrinsics [T, 3, 3] in pixels and poses [T, 4, 4] (world to camera, OpenCV, metres) as plain data."""
    from simbench.worlds import truth

    return {
        "convention": "OpenCV: x right, y down, z forward; world to camera; metres; pixel centres at +0.5",
        "intrinsics": truth.intrinsics(made.compiled, mix.width, mix.height).tolist(),
        "poses": truth.poses(made.compiled).tolist(),
    }


def _json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, sort_keys=True) + "\n")


def _npz(path: Path, **arrays: np.ndarray) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def _depth_images(folder: Path, depth: np.ndarray) -> None:
    """One 16-bit PNG for each frame."""
    from PIL import Image

    shutil.rmtree(folder, ignore_errors=True)
    whole = np.clip(np.rint(depth * MILLIMETRES), 0, 65535).astype(np.uint16)
    for t, image in enumerate(whole):
        with replacing(folder / f"{t:03d}.png") as temporary:
            Image.fromarray(image).save(temporary, format="PNG")
