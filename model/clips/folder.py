"""A user's folder of videos and images with captions, as a source of samples.

Captions are `name.txt` beside `name.mp4`, or lines of captions.jsonl at the top of the folder: {"file":
"a/name.mp4", "caption": "..."}, or "short", "long" and "structured" instead of "caption". Where there is
a captions.jsonl, the files that neither it nor a .txt speaks of are counted and left alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.data import Sample
from simbench.decoding import IMAGE_SUFFIXES, read_image
from simbench.errors import UserError
from simbench.progress import progress
from simbench.resample import MODES, cropped, resample, resized
from simbench.video import Video, VideoError, decode
from simbench.worlds.scene import Caption

VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".gif", ".m4v")
NAMED = 5
"""Files that one message names before it says how many more there are."""


@dataclass(frozen=True)
class Options:
    """How files become samples.

    `size` (width, height) in pixels, or None: native, cut to a `multiple` of pixels around the middle.
    `mode` says how to get to `size`: fit stretches, crop takes the largest centred window first. `fps`
    picks the nearest frame in time (None: the file's own rate). `frames` cuts a longer video into clips
    of that many frames, the last one ending at the video's end; a shorter one stays whole. `corrupt`:
    refuse stops at files that cannot be used, skip names and counts them and goes on.
    """

    size: tuple[int, int] | None = None
    mode: str = "crop"
    multiple: int = 1
    frames: int | None = None
    fps: float | None = None
    corrupt: str = "refuse"


@dataclass(frozen=True)
class Media:
    """One file that can be used, with its number of frames after `fps`."""

    path: Path
    frames: int
    caption: Caption


class Folder:
    """Reads a folder and those below it; see `model.data.Source`. Files are in the order of their paths."""

    def __init__(self, folder: Path, options: Options = Options()) -> None:
        """Decode every file once to know what is there.

        UserError for a folder that is missing or has no videos, for files that cannot be used
        (corrupt=refuse), for captions that belong to no file, and for options out of range.
        """
        _check(options)
        self._options = options
        files = _files(folder)
        captions = _captions(folder, files)
        self.unlisted: tuple[str, ...] = ()
        if (folder / "captions.jsonl").exists():
            self.unlisted = tuple(p.name for p in files if p not in captions)
            files = [p for p in files if p in captions]
            if not files:
                raise UserError(f"captions.jsonl in {folder} lists nothing; add a line for each file")
        found, problems = [], []
        with progress("files", len(files)) as bar:
            for path in files:
                try:
                    frames = len(_read(path, options).frames)
                    found.append(Media(path, frames, captions.get(path, Caption())))
                except VideoError as error:
                    problems.append(error.reason)
                bar.step()
        self.problems: tuple[str, ...] = tuple(problems)
        self.media: tuple[Media, ...] = tuple(found)
        if problems and options.corrupt == "refuse":
            raise UserError(
                f"{len(problems)} of {len(files)} files in {folder} cannot be used: {_few(problems, '; ')};"
                " mend or remove them, or add corrupt=skip"
            )
        if not found:
            raise UserError(f"none of {len(files)} files in {folder} can be used: {_few(problems, '; ')}")
        self._clips = [
            (m, start) for m in range(len(found)) for start in _starts(found[m].frames, options.frames)
        ]

    def __len__(self) -> int:
        """Number of clips."""
        return len(self._clips)

    def sample(self, index: int) -> Sample:
        """Clip `index`, decoded now."""
        number, start = self._clips[index]
        media = self.media[number]
        video = _read(media.path, self._options)
        stop = start + (self._options.frames or media.frames)
        facts = {"file": media.path.name, "start": start}
        return Sample(np.ascontiguousarray(video.frames[start:stop]), video.fps, media.caption, facts=facts)

    def report(self) -> str:
        """What was found, what has no words, and what cannot be used, in one line."""
        bare = [m.path.name for m in self.media if m.caption == Caption()]
        images = sum(m.path.suffix.lower() in IMAGE_SUFFIXES for m in self.media)
        text = f"{len(self.media) - images} videos and {images} images, {len(self)} clips"
        if bare:
            text += f"; {len(bare)} without a caption: {_few(bare)}"
        if self.unlisted:
            text += f"; {len(self.unlisted)} not in captions.jsonl: {_few(self.unlisted)}"
        if self.problems:
            text += f"; {len(self.problems)} left out: {_few(self.problems, '; ')}"
        return text


def _check(options: Options) -> None:
    if options.mode not in MODES:
        raise UserError(f"mode={options.mode} is unknown; use {' or '.join(MODES)}")
    if options.corrupt not in ("refuse", "skip"):
        raise UserError(f"corrupt={options.corrupt} is unknown; use refuse or skip")
    for name, value in (("multiple", options.multiple), ("frames", options.frames), ("fps", options.fps)):
        if value is not None and not value > 0:
            raise UserError(f"{name}={value:g} must be above 0")
    if options.size is not None and min(options.size) < 1:
        raise UserError(f"size={options.size[0]}x{options.size[1]} is no size; use for example size=64")


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; name one with videos in it")
    known = (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES)
    files = [
        p
        for p in sorted(folder.rglob("*"))
        if p.suffix.lower() in known and p.is_file() and not p.name.startswith(".")
    ]
    if not files:
        raise UserError(f"{folder} holds no videos or images; put files such as name.mp4 or name.png there")
    return files


def _captions(folder: Path, files: list[Path]) -> dict[Path, Caption]:
    found: dict[Path, Caption] = {}
    for path in files:
        beside = path.with_suffix(".txt")
        if beside.exists():
            text = _text(beside).strip()
            found[path] = Caption(text, text)
    listed = folder / "captions.jsonl"
    if not listed.exists():
        return found
    known = set(files)
    for number, line in enumerate(_text(listed).splitlines(), 1):
        if not line.strip():
            continue
        where = f"{listed.name} line {number}"
        try:
            entry = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{where} is not JSON ({error.msg}); write one object a line") from error
        path, caption = _entry(folder, entry, where)
        if path not in known:
            raise UserError(f"{where} names {entry['file']}, which is no video or image of {folder}")
        found[path] = caption
    return found


def _entry(folder: Path, entry: Any, where: str) -> tuple[Path, Caption]:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("file"), str):
        raise UserError(f'{where} has no "file"; write {{"file": "name.mp4", "caption": "..."}}')
    plain = entry.get("caption", "")
    words = [entry.get("short", plain), entry.get("long", plain), entry.get("structured", "")]
    words[2] = words[2] if isinstance(words[2], str) else json.dumps(words[2], sort_keys=True)
    if not all(isinstance(word, str) for word in words) or not any(words):
        raise UserError(f'{where} has no "caption" of text; write {{"file": "name.mp4", "caption": "..."}}')
    return folder / entry["file"], Caption(*words)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path.name} is not UTF-8 text; save it as UTF-8") from error


def _read(path: Path, options: Options) -> Video:
    """The whole video in the wanted rate and size. Raises VideoError."""
    if path.suffix.lower() in IMAGE_SUFFIXES:
        picture = read_image(path, path.name)
        return Video(_sized(picture[None], options), options.fps or 1.0)
    try:
        video = decode(path, fps=options.fps, resample=options.fps is not None)
    except VideoError as error:
        # The same files are refused when they come back as answers, where the remedy has another name.
        raise VideoError(error.reason.replace("generator.resample=fit or crop", "fps=")) from error
    if options.fps is not None:
        count = int((len(video.frames) - 1) / video.fps * options.fps + 1e-6) + 1
        height, width = video.frames.shape[1:3]
        video = resample(video, "fit", width, height, count, options.fps)
    return Video(_sized(video.frames, options), video.fps)


def _sized(frames: np.ndarray, options: Options) -> np.ndarray:
    if options.size is not None:
        if options.mode == "crop":
            frames = cropped(frames, *options.size)
        return resized(frames, *options.size)
    height, width = (side - side % options.multiple for side in frames.shape[1:3])
    if min(height, width) < 1:
        raise VideoError(f"{frames.shape[2]}x{frames.shape[1]} px is less than {options.multiple} px a side")
    top, left = (frames.shape[1] - height) // 2, (frames.shape[2] - width) // 2
    return frames[:, top : top + height, left : left + width]


def _starts(total: int, frames: int | None) -> list[int]:
    """First frames of the clips of a video of `total` frames."""
    if frames is None or total <= frames:
        return [0]
    starts = list(range(0, total - frames + 1, frames))
    return starts if starts[-1] + frames == total else [*starts, total - frames]


def _few(names: list[str] | tuple[str, ...], between: str = ", ") -> str:
    more = len(names) - NAMED
    return between.join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
