"""Videos made elsewhere: one file, or one folder of frames, for each case."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simbench.case import Condition
from simbench.decoding import IMAGE_SUFFIXES
from simbench.errors import UserError
from simbench.generator import Answer, Invalid, Refused
from simbench.resample import MODES, prepended, resample
from simbench.video import Video, VideoError, decode, validate

SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".gif")
REFUSED = ".refused.txt"
REQUEST = "request.json"
"""Marks an exported case: its folder asks for a video and is not one, even beside the answers."""


@dataclass(frozen=True)
class Videos:
    """Answers a condition with `<dir>/<name>.mp4` (mkv, webm, mov, avi, m4v, gif, or frames in `<name>/`).

    Sample k is `<name>_<k>`; sample 0 may also be plain `<name>`. A text file `<name>.refused.txt`
    says that the service declined. `pattern` gives files other names: `{name}` is the case, `{k}` the
    sample. Clips have all frames, the given ones included; `continuation=True` prepends them.
    `resample` ("fit" or "crop", see `simbench.resample`) is the only way in for another size, rate or
    length. `fps` is the rate of folders of frames (default: the asked one).
    """

    dir: str
    resample: str | None = None
    continuation: bool = False
    pattern: str = "{name}"
    fps: float | None = None
    capabilities: frozenset[str] = frozenset({"samples"})
    _digests: dict[tuple[str, int, int], str] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.dir:
            raise UserError("generator=videos needs generator.dir=FOLDER, the one that holds the videos")
        if not Path(self.dir).is_dir():
            raise UserError(f"generator.dir={self.dir} is not a folder; give the one that holds the videos")
        if self.resample is not None and self.resample not in MODES:
            raise UserError(f"generator.resample={self.resample} is not one of {', '.join(MODES)}")
        if "{name}" not in self.pattern:
            raise UserError(
                f"generator.pattern={self.pattern} does not contain {{name}}, the name of the case"
            )

    def __call__(
        self, conditions: Sequence[Condition], seeds: Sequence[int], samples: Sequence[int] | None = None
    ) -> list[Answer]:
        """One answer per condition; a bad file is an Invalid with its reason and spares the others."""
        entries = self.entries()
        asked = [0] * len(conditions) if samples is None else samples
        return [self._answer(c, k, entries) for c, k in zip(conditions, asked, strict=True)]

    def identity(self) -> Mapping[str, Any]:
        """The options and the bytes of every file, so that an edited file is never served from a store."""
        content = hashlib.sha256()
        for path in sorted(self._files()):
            content.update(f"{path.relative_to(self.dir).as_posix()} {self._digest(path)}\n".encode())
        return {
            "class": "videos",
            "content": content.hexdigest(),
            "resample": self.resample,
            "continuation": self.continuation,
            "pattern": self.pattern,
            "fps": self.fps,
        }

    def names(self, name: str, sample: int) -> tuple[str, ...]:
        """The file names, without their ending, that answer sample `sample` of case `name`."""
        if "{k}" in self.pattern:
            return (self.pattern.replace("{name}", name).replace("{k}", str(sample)),)
        stem = self.pattern.replace("{name}", name)
        return (stem, f"{stem}_0") if sample == 0 else (f"{stem}_{sample}",)

    def entries(self) -> dict[str, list[Path]]:
        """Files and folders of frames by their name without the ending."""
        found: dict[str, list[Path]] = {}
        for path in sorted(Path(self.dir).iterdir()):
            if path.name.startswith("."):
                continue
            if path.name.endswith(REFUSED):
                found.setdefault(path.name[: -len(REFUSED)], []).append(path)
            elif path.is_dir() and not (path / REQUEST).exists():
                found.setdefault(path.name, []).append(path)
            elif path.is_file() and path.suffix.lower() in SUFFIXES:
                found.setdefault(path.stem, []).append(path)
        return found

    def _answer(self, condition: Condition, sample: int, entries: Mapping[str, Sequence[Path]]) -> Answer:
        paths = [path for name in self.names(condition.name, sample) for path in entries.get(name, ())]
        if not paths:
            return None
        if len(paths) > 1:
            return Invalid(f"{' and '.join(p.name for p in paths)} answer the same case; keep one")
        if paths[0].name.endswith(REFUSED):
            words = paths[0].read_text(encoding="utf-8", errors="replace").split()
            return Refused(" ".join(words) or "the service declined")
        try:
            video = self.load(paths[0], condition)
        except VideoError as error:
            return Invalid(error.reason)
        problem = validate(video, condition)
        return video if problem is None else Invalid(f"{paths[0].name}: {problem}")

    def load(self, path: Path, condition: Condition) -> Video:
        """The clip in `path`, resampled and prepended as the options say, or VideoError."""
        rate = self.fps if self.fps is not None else condition.fps
        if self.resample is None:
            video = decode(path, fps=rate)
            if self.continuation:
                video = prepended(video, condition.given_frames)
        else:
            video = decode(path, fps=rate if path.is_dir() else condition.fps, resample=True)
            video = self._resampled(video, condition, path.name)
        return video

    def _resampled(self, video: Video, condition: Condition, name: str) -> Video:
        frames = condition.frames - (len(condition.given_frames) if self.continuation else 0)
        try:
            video = resample(
                video, self.resample or "", condition.width, condition.height, frames, condition.fps
            )
        except VideoError as error:
            raise VideoError(f"{name}: {error.reason}") from error
        return prepended(video, condition.given_frames) if self.continuation else video

    def _files(self) -> list[Path]:
        paths = [path for group in self.entries().values() for path in group]
        folders = [path for path in paths if path.is_dir()]
        inside = [f for d in folders for f in d.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES]
        return [path for path in paths if path.is_file()] + inside

    def _digest(self, path: Path) -> str:
        status = path.stat()
        key = (str(path), status.st_size, status.st_mtime_ns)
        if key not in self._digests:
            with path.open("rb") as file:
                self._digests[key] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._digests[key]
