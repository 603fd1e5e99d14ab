"""The store: videos and scores under keys of their content, shared by any number of runs.

    video/ab/abcd.../video.mkv   FFV1, lossless
    video/ab/abcd.../meta.json   sha256 of the frames, count, fps, size of the file
    score/12/1234....json        scores of one scene
    known/12/1234....json        what was learnt about a generator: identity, seconds a video
    array/56/5678....npy         numbers that are slow to get, such as features of clips

Nothing is locked: everything is written whole and renamed, and two writers of one key write the same.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simbench.files import disk_errors, replacing, require_writable, sweep, write_text
from simbench.keys import canonical

if TYPE_CHECKING:
    import numpy as np

    from simbench.video import Video

SCHEMA = 1


def default_store() -> Path:
    """The user's cache folder: $XDG_CACHE_HOME/simbench or ~/.cache/simbench."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "simbench"


@dataclass(frozen=True)
class Meta:
    """What is known of a stored video without decoding it. `digest` is Video.digest() of its frames."""

    digest: str
    frames: int
    height: int
    width: int
    fps: float
    lossy: bool
    bytes: int
    seconds: float


@dataclass(frozen=True)
class Store:
    """A folder of videos and scores. Reading never raises for damage: what is damaged is absent."""

    root: Path

    def open(self) -> int:
        """Make the folder (UserError if it cannot be written), sweep strays; how many were swept."""
        require_writable(self.root, "store")
        return sweep(self.root)

    def video_folder(self, key: str) -> Path:
        """Where the video of `key` lies."""
        return self.root / "video" / key[:2] / key

    def put_video(self, key: str, video: Video, seconds: float = 0.0) -> Meta:
        """Store `video` under `key`; if another process was first, its copy stays (it is the same)."""
        from simbench.video import encode

        folder = self.video_folder(key)
        temporary = folder.with_name(f".{key}.{os.getpid()}.tmp")
        with disk_errors(folder, video.frames.nbytes):
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            try:
                encode(video, temporary / "video.mkv")
                size = (temporary / "video.mkv").stat().st_size
                count, height, width = video.frames.shape[:3]
                meta = Meta(
                    video.digest(), count, height, width, float(video.fps), video.lossy, size, seconds
                )
                write_text(temporary / "meta.json", canonical({"schema": SCHEMA, **vars(meta)}))
                self._place(temporary, folder, key)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        return meta

    def _place(self, temporary: Path, folder: Path, key: str) -> None:
        if self.meta(key) is None:
            shutil.rmtree(folder, ignore_errors=True)
        try:
            temporary.rename(folder)
        except OSError:
            if self.meta(key) is None:
                raise

    def meta(self, key: str) -> Meta | None:
        """What is known of the video of `key`; None if there is none, or if the file's size is not the one
        that was written (which is how most damage shows without decoding)."""
        folder = self.video_folder(key)
        read = _read_json(folder / "meta.json")
        try:
            size = (folder / "video.mkv").stat().st_size
        except OSError:
            return None
        if read is None or read.pop("schema", None) != SCHEMA or set(read) != set(Meta.__annotations__):
            return None
        meta = Meta(**read)
        return meta if meta.bytes == size else None

    def get_video(self, key: str) -> Video | None:
        """The video of `key`, its pixels checked against their sha256; None when absent or damaged."""
        from simbench.video import Video, VideoError, decode

        meta = self.meta(key)
        if meta is None:
            return None
        try:
            read = decode(self.video_folder(key) / "video.mkv")
        except VideoError:
            return None
        video = Video(read.frames, meta.fps, meta.lossy)
        return video if video.digest() == meta.digest else None

    def drop_video(self, key: str) -> None:
        """Forget a damaged video."""
        shutil.rmtree(self.video_folder(key), ignore_errors=True)

    def scores(self, key: str) -> dict[str, Any]:
        """All scores in the file of `key`; empty when there is none or it is damaged."""
        return _read_json(self._json("score", key)) or {}

    def put_scores(self, key: str, scores: Mapping[str, Any]) -> None:
        """Replace the scores in the file of `key`."""
        write_text(self._json("score", key), canonical(dict(scores)))

    def known(self, key: str) -> dict[str, Any]:
        """What earlier runs learnt under `key`: a generator's identity, seconds per video."""
        return _read_json(self._json("known", key)) or {}

    def learn(self, key: str, facts: Mapping[str, Any]) -> None:
        """Remember `facts` under `key`."""
        write_text(self._json("known", key), canonical(dict(facts)))

    def array(self, key: str) -> np.ndarray | None:
        """The array of `key`; None when absent or damaged."""
        import numpy as np

        try:
            with self._array(key).open("rb") as file:
                found = np.load(file, allow_pickle=False)
                return found if file.read(1) == b"" else None
        except (OSError, ValueError, EOFError):
            return None

    def put_array(self, key: str, array: np.ndarray) -> None:
        """Store numbers under `key`."""
        import numpy as np

        with replacing(self._array(key), array.nbytes) as temporary, temporary.open("wb") as file:
            np.save(file, array, allow_pickle=False)

    def _array(self, key: str) -> Path:
        return self.root / "array" / key[:2] / f"{key}.npy"

    def _json(self, kind: str, key: str) -> Path:
        return self.root / kind / key[:2] / f"{key}.json"


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return read if isinstance(read, dict) else None
