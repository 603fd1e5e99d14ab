"""A pool of rendered clips on disk: memory-mapped shards, written by several processes, resumable.

A folder holds `pool.json` (what was asked), for every shard `00000.video.npy` uint8 [N, T, H, W, 3],
`00000.mask.npy` uint8 [N, T, H, W], `00000.camera.npy` float32 [N, T, 3, 4], `00000.actions.npy` float32
[N, T, A] where any clip has some, `00000.depth.npy` float16 [N, T, H, W] where it was asked for, and
`00000.jsonl`, a line of captions and facts for every clip; and
`index.json` when all is there. A shard counts when its .jsonl does, which is written last.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.actions import CHANNELS
from model.clips import shards
from model.clips.worlds import Mix, draw, is_flat
from model.config import from_dict, to_dict
from model.data import Sample
from simbench.errors import UserError
from simbench.files import write_text
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
    depth: bool = False

    def path(self, kind: str) -> Path:
        """File of one kind: video.npy, mask.npy, camera.npy, actions.npy, depth.npy, jsonl."""
        return Path(self.folder) / f"{self.number:05d}.{kind}"


def shard_clips(mix: Mix) -> int:
    """Clips to a shard: SHARD_CLIPS, fewer when they are large."""
    bytes_each = mix.frames * mix.height * mix.width * 4
    return max(1, min(SHARD_CLIPS, SHARD_BYTES // bytes_each))


def write_pool(
    folder: Path, mix: Mix, clips: int, seed: int = 0, workers: int = 1, depth: bool = False
) -> int:
    """Render clips 0 to `clips` - 1 of data set `seed`, perhaps with depth, into `folder`; the number
    rendered now.

    What is there already is kept, so the same command goes on where it was interrupted, and a larger
    `clips` makes the pool longer; none makes it shorter. Of two calls on one folder the second waits for
    the first. UserError where the folder holds another pool, and for depth in two dimensions.
    """
    if clips < 1:
        raise UserError(f"clips={clips} is no pool; use clips=1 or more")
    if depth and is_flat(mix):
        raise UserError(f"depth=true: family={','.join(mix.families)} is of two dimensions; leave depth= out")
    size = shard_clips(mix)
    plan = {"format": FORMAT, "mix": to_dict(mix), "seed": seed, "shard": size}
    # Named only where it is there, so that pools without depth stay the pools that they were.
    plan |= {"depth": True} if depth else {}
    with shards.alone(folder):
        shards.claim(folder, "pool", plan)
        clips = max(clips, _held(folder))
        parts = [
            Shard(str(folder), n, start, min(start + size, clips), mix, seed, depth)
            for n, start in enumerate(range(0, clips, size))
        ]
        missing = [s for s in parts if shards.lines(s.path("jsonl")) != s.stop - s.start]
        made = shards.spread(_write, missing, sum(s.stop - s.start for s in missing), workers, "clips")
        entries = [{"number": s.number, "start": s.start, "stop": s.stop} for s in parts]
        write_text(folder / "index.json", json.dumps({**plan, "clips": clips, "shards": entries}) + "\n")
    return made


def _held(folder: Path) -> int:
    """Clips of a finished pool, 0 where there is none or its index is damaged."""
    try:
        return int(shards.read_index(folder, "pool", FORMAT)["clips"])
    except UserError:
        return 0


def _write(shard: Shard) -> int:
    """Render one shard; runs in a process of its own."""
    made = [draw(shard.mix, shard.seed, i) for i in range(shard.start, shard.stop)]
    shards.save(shard.path("video.npy"), np.stack([s.video for s in made]))
    shards.save(shard.path("mask.npy"), np.stack([s.mask for s in made if s.mask is not None]))
    shards.save(shard.path("camera.npy"), np.stack([s.camera for s in made if s.camera is not None]))
    if shard.depth:
        shards.save(shard.path("depth.npy"), np.stack([s.depth for s in made if s.depth is not None]))
    if any(s.actions is not None for s in made):
        none = np.zeros((shard.mix.frames, len(CHANNELS)), np.float32)
        acts = [none if s.actions is None else s.actions for s in made]
        shards.save(shard.path("actions.npy"), np.stack(acts))
    lines = []
    for s in made:
        words = {"short": s.caption.short, "long": s.caption.long, "structured": s.caption.structured}
        line = {**words, "facts": s.facts, "acts": s.actions is not None}
        lines.append(json.dumps(line, sort_keys=True) + "\n")
    write_text(shard.path("jsonl"), "".join(lines))
    return len(made)


class Pool:
    """Reads a pool; see `model.data.Source`. Pixels stay on disk until they are asked for."""

    def __init__(self, folder: Path) -> None:
        """Open `folder`. UserError where no finished pool is there."""
        index = shards.read_index(folder, "pool", FORMAT)
        self.mix: Mix = from_dict(Mix, index["mix"])
        self.seed: int = index["seed"]
        kinds = ("video", "mask", "camera", "actions", *(("depth",) if index.get("depth") else ()))
        self._size: int = index["shard"]
        self._clips: int = index["clips"]
        parts = [
            Shard(str(folder), s["number"], s["start"], s["stop"], self.mix, self.seed)
            for s in index["shards"]
        ]
        self._arrays = [{kind: _open(s.path(f"{kind}.npy"), s) for kind in kinds} for s in parts]
        self._lines = [s.path("jsonl").read_bytes().splitlines() for s in parts]

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
            depth=found.get("depth"),
            facts=line["facts"],
        )


def _open(path: Path, shard: Shard) -> np.ndarray | None:
    if path.name.endswith("actions.npy") and not path.exists():
        return None
    array = shards.open_array(path)
    # A pool that is being made longer has its last shard longer than its index says, of the same clips.
    if len(array) < shard.stop - shard.start:
        raise UserError(f"{path} holds {len(array)} clips, not {shard.stop - shard.start}; make it once more")
    return array
