"""A pool of rendered clips on disk: memory-mapped shards, written by several processes, resumable.

A folder holds `pool.json` (what was asked), for every shard `00000.video.npy` uint8 [N, T, H, W, 3],
`00000.mask.npy` uint8 [N, T, H, W], `00000.camera.npy` float32 [N, T, 3, 4], `00000.actions.npy` float32
[N, T, A] where any clip has some, and `00000.jsonl`, a line of captions and facts for every clip; and
`index.json` when all is there. A shard counts when its .jsonl does, which is written last.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.config import from_dict, to_dict
from model.data import Sample
from model.worlds import ACTIONS, Mix, draw
from simbench.errors import UserError
from simbench.files import replacing, write_text
from simbench.progress import progress
from simbench.worlds.scene import Caption

FORMAT = 1
SHARD_BYTES = 64 << 20
SHARD_CLIPS = 512


@dataclass(frozen=True)
class Shard:
    """Clips [start, stop) of the data set `seed` of a mix, and where they go."""

    folder: str
    number: int
    start: int
    stop: int
    mix: Mix
    seed: int

    def path(self, kind: str) -> Path:
        """File of one kind: video.npy, mask.npy, camera.npy, actions.npy, jsonl."""
        return Path(self.folder) / f"{self.number:05d}.{kind}"


def shard_clips(mix: Mix) -> int:
    """Clips to a shard: SHARD_CLIPS, fewer when they are large."""
    bytes_each = mix.frames * mix.height * mix.width * 4
    return max(1, min(SHARD_CLIPS, SHARD_BYTES // bytes_each))


def write_pool(folder: Path, mix: Mix, clips: int, seed: int = 0, workers: int = 1) -> int:
    """Render clips 0 to `clips` - 1 of data set `seed` into `folder`; the number rendered now.

    What is there already is kept, so the same command goes on where it was interrupted, and a larger
    `clips` makes the pool longer. UserError where the folder holds another pool.
    """
    if clips < 1:
        raise UserError(f"clips={clips} is no pool; use clips=1 or more")
    folder.mkdir(parents=True, exist_ok=True)
    plan = {"format": FORMAT, "mix": to_dict(mix), "seed": seed, "shard": shard_clips(mix)}
    _claim(folder, plan)
    size = shard_clips(mix)
    shards = [
        Shard(str(folder), n, start, min(start + size, clips), mix, seed)
        for n, start in enumerate(range(0, clips, size))
    ]
    missing = [s for s in shards if _lines(s.path("jsonl")) != s.stop - s.start]
    total = sum(s.stop - s.start for s in missing)
    with progress("clips", total) as bar:
        if workers <= 1:
            for shard in missing:
                bar.step(_write(shard))
        elif missing:
            spawn = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(min(workers, len(missing)), mp_context=spawn) as pool:
                for job in as_completed([pool.submit(_write, shard) for shard in missing]):
                    bar.step(job.result())
    entries = [{"number": s.number, "start": s.start, "stop": s.stop} for s in shards]
    write_text(folder / "index.json", json.dumps({**plan, "clips": clips, "shards": entries}) + "\n")
    return total


def _claim(folder: Path, plan: dict[str, Any]) -> None:
    path = folder / "pool.json"
    text = json.dumps(plan, indent=1, sort_keys=True) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise UserError(f"{folder} holds another pool (other mix or seed); remove it or choose another out=")
    write_text(path, text)


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _write(shard: Shard) -> int:
    """Render one shard; runs in a process of its own."""
    made = [draw(shard.mix, shard.seed, i) for i in range(shard.start, shard.stop)]
    _save(shard.path("video.npy"), [s.video for s in made])
    _save(shard.path("mask.npy"), [s.mask for s in made])
    _save(shard.path("camera.npy"), [s.camera for s in made])
    if any(s.actions is not None for s in made):
        none = np.zeros((shard.mix.frames, len(ACTIONS)), np.float32)
        _save(shard.path("actions.npy"), [none if s.actions is None else s.actions for s in made])
    lines = []
    for s in made:
        words = {"short": s.caption.short, "long": s.caption.long, "structured": s.caption.structured}
        line = {**words, "facts": s.facts, "acts": s.actions is not None}
        lines.append(json.dumps(line, sort_keys=True) + "\n")
    write_text(shard.path("jsonl"), "".join(lines))
    return len(made)


def _save(path: Path, arrays: Sequence[np.ndarray | None]) -> None:
    stacked = np.stack([a for a in arrays if a is not None])
    with replacing(path, stacked.nbytes) as temporary, temporary.open("wb") as file:
        np.save(file, stacked, allow_pickle=False)


class Pool:
    """Reads a pool; see `model.data.Source`. Pixels stay on disk until they are asked for."""

    def __init__(self, folder: Path) -> None:
        """Open `folder`. UserError where no finished pool is there."""
        index = _index(folder)
        self.mix: Mix = from_dict(Mix, index["mix"])
        self.seed: int = index["seed"]
        self._size: int = index["shard"]
        self._clips: int = index["clips"]
        shards = [
            Shard(str(folder), s["number"], s["start"], s["stop"], self.mix, 0) for s in index["shards"]
        ]
        self._arrays = [
            {kind: _open(s.path(f"{kind}.npy"), s) for kind in ("video", "mask", "camera", "actions")}
            for s in shards
        ]
        self._lines = [s.path("jsonl").read_bytes().splitlines() for s in shards]

    def __len__(self) -> int:
        """Number of clips."""
        return self._clips

    def sample(self, index: int) -> Sample:
        """Clip `index`; its arrays are copies that may be changed."""
        if not 0 <= index < self._clips:
            raise IndexError(f"clip {index} of {self._clips}")
        shard, place = divmod(index, self._size)
        line = json.loads(self._lines[shard][place])
        found = {k: None if a is None else np.array(a[place]) for k, a in self._arrays[shard].items()}
        video = found["video"]
        assert video is not None
        return Sample(
            video=video,
            fps=self.mix.fps,
            caption=Caption(line["short"], line["long"], line["structured"]),
            actions=found["actions"] if line["acts"] else None,
            camera=found["camera"],
            mask=found["mask"],
            facts=line["facts"],
        )


def _index(folder: Path) -> dict[str, Any]:
    path = folder / "index.json"
    if not path.exists():
        remedy = "run the command that makes it once more" if (folder / "pool.json").exists() else "make one"
        raise UserError(f"{folder} holds no finished pool; {remedy} (python -m model.data pool out={folder})")
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is damaged ({error}); make the pool once more") from error
    if index.get("format") != FORMAT:
        raise UserError(f"{path} has format {index.get('format')}, not {FORMAT}; make the pool once more")
    return dict(index)


def _open(path: Path, shard: Shard) -> np.ndarray | None:
    if path.name.endswith("actions.npy") and not path.exists():
        return None
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); make the pool once more") from error
    if len(array) != shard.stop - shard.start:
        raise UserError(f"{path} holds {len(array)} clips, not {shard.stop - shard.start}; make it once more")
    return array
