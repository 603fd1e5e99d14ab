"""Latents on disk: every sample of a source encoded once, as mean and log-variance, by one known VAE.

A folder holds `latents.json` (what was asked), for every shard `00000.latents.npy` float16, one flat array
in which each sample has its mean [F, C, h, w] and then its log-variance; `00000.tracks.npy` float32, flat,
with actions, cameras and depth; `00000.mask.npy` uint8, flat, with the share [F, h, w] of each latent's
pixels that show a moving object (255 is all); and `00000.jsonl`, which says where each sample's arrays start.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.clips import shards
from model.clips.depth import cells
from model.data import Sample, Source, pixels
from simbench.errors import UserError
from simbench.files import write_text
from simbench.worlds.scene import Caption

FORMAT = 1
SHARD = 256
"""Samples to a shard."""

Encode = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""float32 [B, T, 3, H, W] in [-1, 1] -> mean and log-variance [B, F, C, h, w], not normalised."""


@dataclass(frozen=True)
class Latent:
    """One encoded sample. `mean` and `logvar` float16 [F, C, h, w]; `frames` is the video's true length
    and `size` its (width, height) in pixels; `mask` uint8 [F, h, w]; `depth` float32 [T, h, w]
    (model.clips.depth.cells); the rest as in `model.data.Sample`."""

    mean: np.ndarray
    logvar: np.ndarray
    frames: int
    size: tuple[int, int]
    fps: float
    caption: Caption
    actions: np.ndarray | None
    camera: np.ndarray | None
    mask: np.ndarray | None
    depth: np.ndarray | None
    facts: dict[str, Any]


def write_latents(
    folder: Path, source: Source, encode: Encode, digest: str, temporal: int = 4, batch: int = 16
) -> int:
    """Encode all of `source` in its order; the number encoded now. The same call goes on after a break.

    `digest` names the weights of the VAE; UserError where `folder` holds latents of another VAE or source.
    `temporal` is the number of frames to a latent after the first. Neighbours of one shape are encoded
    together, up to `batch`, never across shards.
    """
    if len(source) < 1:
        raise UserError("there is nothing to encode; give the source at least one sample")
    plan = {"format": FORMAT, "vae": digest, "samples": len(source), "shard": SHARD}
    plan |= {"batch": batch, "temporal": temporal}
    with shards.alone(folder):
        shards.claim(folder, "latents", {**plan, "first": _digest(source.sample(0))})
        count = math.ceil(len(source) / SHARD)
        missing = [
            n for n in range(count) if shards.lines(folder / f"{n:05d}.jsonl") != _held(n, len(source))
        ]

        def work(number: int) -> int:
            """Encode and write one shard."""
            indices = range(number * SHARD, number * SHARD + _held(number, len(source)))
            return _write(folder, number, [source.sample(i) for i in indices], encode, temporal, batch)

        made = shards.spread(work, missing, sum(_held(n, len(source)) for n in missing), 1, "latents")
        write_text(folder / "index.json", json.dumps({**plan, "shards": count}, sort_keys=True) + "\n")
    return made


def _held(number: int, total: int) -> int:
    return min(SHARD, total - number * SHARD)


def _digest(sample: Sample) -> str:
    from simbench.video import Video

    return Video(sample.video, sample.fps).digest()


def _runs(made: Sequence[Sample], batch: int) -> list[list[Sample]]:
    """Neighbours of one shape, at most `batch` together."""
    runs: list[list[Sample]] = []
    for sample in made:
        if runs and len(runs[-1]) < batch and runs[-1][0].video.shape == sample.video.shape:
            runs[-1].append(sample)
        else:
            runs.append([sample])
    return runs


def _write(
    folder: Path, number: int, made: Sequence[Sample], encode: Encode, temporal: int, batch: int
) -> int:
    flat: dict[str, list[np.ndarray]] = {"latents": [], "tracks": [], "mask": []}
    used = dict.fromkeys(flat, 0)
    lines: list[str] = []

    def put(kind: str, array: np.ndarray | None) -> dict[str, Any] | None:
        """Write one array; its entry in the index."""
        if array is None:
            return None
        at = used[kind]
        flat[kind].append(array.reshape(-1))
        used[kind] += array.size
        return {"at": at, "shape": list(array.shape)}

    for run in _runs(made, batch):
        means, logvars = encode(pixels([s.video for s in run]))
        for sample, mean, logvar in zip(run, means, logvars, strict=True):
            both = half(np.stack([mean, logvar]), number * SHARD + len(lines))
            grid = (mean.shape[-2], mean.shape[-1])
            covered = None if sample.mask is None else covering(sample.mask, *grid, temporal)
            depth = None if sample.depth is None else cells(sample.depth, *grid)
            words = sample.caption
            line = {
                "latents": put("latents", both),
                "mask": put("mask", covered),
                "actions": put("tracks", sample.actions),
                "camera": put("tracks", sample.camera),
                "depth": put("tracks", depth),
                "caption": [words.short, words.long, words.structured],
                "frames": len(sample.video),
                "size": list(sample.size),
                "fps": sample.fps,
                "facts": sample.facts,
            }
            lines.append(json.dumps(line, sort_keys=True) + "\n")
    kinds = {"latents": np.float16, "tracks": np.float32, "mask": np.uint8}
    for kind, dtype in kinds.items():
        joined = np.concatenate([np.zeros(0, dtype), *flat[kind]]).astype(dtype, copy=False)
        shards.save(folder / f"{number:05d}.{kind}.npy", joined)
    write_text(folder / f"{number:05d}.jsonl", "".join(lines))
    return len(made)


def half(values: np.ndarray, index: int) -> np.ndarray:
    """`values` as float16. UserError, with the sample's index, where they are not finite in it."""
    with np.errstate(over="ignore"):
        small = values.astype(np.float16)
    if not np.isfinite(small).all():
        raise UserError(
            f"the VAE gives latents of sample {index} that float16 cannot hold; check its weights"
        )
    return small


def covering(mask: np.ndarray, height: int, width: int, temporal: int) -> np.ndarray:
    """Share of moving pixels (255 is all) of a mask [T, H, W] in each latent's block, uint8 [F, h, w].

    Latent 0 is frame 0 alone, each later one `temporal` frames, the last perhaps fewer.
    """
    moving = mask > 0
    rows = np.linspace(0, mask.shape[1], height + 1).astype(int)
    columns = np.linspace(0, mask.shape[2], width + 1).astype(int)
    area = np.diff(rows)[:, None] * np.diff(columns)[None]
    blocks = [moving[:1], *(moving[t : t + temporal] for t in range(1, len(mask), temporal))]
    out = np.empty((len(blocks), height, width), np.uint8)
    for f, block in enumerate(blocks):
        summed = np.add.reduceat(np.add.reduceat(block.mean(axis=0), rows[:-1], 0), columns[:-1], 1)
        out[f] = np.rint(255.0 * summed / area)
    return out


class Latents:
    """Reads a finished folder of latents; the same index gives the same bytes. Pages stay on disk."""

    def __init__(self, folder: Path, digest: str) -> None:
        """Open `folder`. UserError where it is not finished, or was made with another VAE than `digest`."""
        index = shards.read_index(folder, "latents", FORMAT)
        if index["vae"] != digest:
            raise UserError(
                f"{folder} was encoded by the VAE {index['vae'][:12]}, the model has {digest[:12]};"
                " encode once more into another folder, or use that VAE"
            )
        self._samples: int = index["samples"]
        self._shard: int = index["shard"]
        paths = [folder / f"{n:05d}" for n in range(index["shards"])]
        self._arrays = [
            {kind: shards.open_array(Path(f"{p}.{kind}.npy")) for kind in ("latents", "tracks", "mask")}
            for p in paths
        ]
        self._lines = [Path(f"{p}.jsonl").read_bytes().splitlines() for p in paths]

    def __len__(self) -> int:
        """Number of samples."""
        return self._samples

    def latent(self, index: int) -> Latent:
        """Sample `index`; its arrays are copies."""
        if not 0 <= index < self._samples:
            raise IndexError(f"sample {index} of {self._samples}")
        number, place = divmod(index, self._shard)
        line, arrays = json.loads(self._lines[number][place]), self._arrays[number]
        both = _take(arrays["latents"], line["latents"])
        assert both is not None
        return Latent(
            mean=both[0],
            logvar=both[1],
            frames=line["frames"],
            size=(line["size"][0], line["size"][1]),
            fps=line["fps"],
            caption=Caption(*line["caption"]),
            actions=_take(arrays["tracks"], line["actions"]),
            camera=_take(arrays["tracks"], line["camera"]),
            mask=_take(arrays["mask"], line["mask"]),
            # Folders of older versions have no such entry.
            depth=_take(arrays["tracks"], line.get("depth")),
            facts=line["facts"],
        )


def _take(array: np.ndarray, where: dict[str, Any] | None) -> np.ndarray | None:
    if where is None:
        return None
    count = math.prod(where["shape"])
    return np.array(array[where["at"] : where["at"] + count]).reshape(where["shape"])
