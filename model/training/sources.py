"""What a run reads before its first step: clips, and the VAE that stays as it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from model.clips.depth import NO_DEPTH
from model.clips.latents import Latents, write_latents
from model.codec.vae import VAE
from model.config import VAEConfig, to_dict
from model.data import Source
from model.training.config import DataConfig, TrainConfig
from model.training.tensors import digest
from simbench.errors import UserError

FITTED = 1024
"""Clips that the linear VAE and the statistics of latents are measured on."""
WHOLE = 512
"""Pools are made in whole shards of this many clips."""


def given(config: TrainConfig) -> Source | None:
    """The clips in `data.path`, a pool or a folder of videos; None where a pool is to be rendered. UserError
    where the model is told depth and they have none."""
    data = config.data
    if not data.path:
        return None
    path = Path(data.path)
    if not path.is_dir():
        raise UserError(f"data.path={path} is no folder; make a pool with python -m model.data pool")
    if (path / "pool.json").exists() or (path / "index.json").exists():
        from model.clips.pool import Pool

        pool = Pool(path)
        if config.model.dit.given_depth and pool.sample(0).depth is None:
            raise UserError(f"data.path={path}: {NO_DEPTH}")
        return pool
    if config.model.dit.given_depth:
        raise UserError(f"data.path={path}: {NO_DEPTH}")
    from model.clips.folder import Folder, Options
    from simbench.settings import parse_size

    return Folder(
        path,
        Options(
            size=parse_size(data.size) if data.size else None,
            multiple=config.model.vae.spatial * config.model.dit.patch,
            frames=data.frames or None,
            fps=data.fps or None,
            corrupt=data.corrupt,
        ),
    )


def clip_shape(config: DataConfig, source: Source | None) -> tuple[int, int, int]:
    """(frames, height, width) of the first clip, also before a pool is rendered."""
    if source is not None:
        frames, height, width, _ = source.sample(0).video.shape
        return frames, height, width
    from model.clips.worlds import named

    mix = named(config.mix)
    return mix.frames, mix.height, mix.width


def wanted_clips(config: TrainConfig, source: Source | None, work: int) -> int:
    """Clips that a run uses at most; `work` is FLOPs to a clip. Of a pool to be rendered each is seen once.

    A run that goes on with a larger budget keeps the number it began with: the order of the clips
    depends on it.
    """
    limit = config.data.clips or (1 << 32)
    if source is not None:
        return min(len(source), limit)
    seen = int(config.budget * 1e12 / work) + 1 + config.data.held
    return min(WHOLE * -(-seen // WHOLE), limit)


def rendered(config: DataConfig, wanted: int, depth: bool = False) -> Source:
    """A pool in the user's cache that holds at least `wanted` clips, perhaps with depth, rendered now as far
    as it must be."""
    from model.clips.pool import Pool, write_pool
    from model.clips.worlds import named

    mix, folder = named(config.mix), pool_folder(config, depth)
    if not (folder / "index.json").exists() or len(Pool(folder)) < wanted:
        write_pool(folder, mix, wanted, 0, config.workers, depth)
    return Pool(folder)


def pool_folder(config: DataConfig, depth: bool = False) -> Path:
    """Where the pool of `config.mix`, with or without depth, lies in the user's cache."""
    from model.clips.worlds import named
    from simbench.store import default_store

    name = hashlib.sha256(json.dumps(to_dict(named(config.mix)), sort_keys=True).encode()).hexdigest()[:12]
    return default_store() / "pools" / f"{config.mix}-{name}{'-depth' * depth}"


def cached(folder: Path, source: Source, vae: VAE, file: Path, fill: bool) -> Latents:
    """Latents of `source` in `folder`, encoded now (`fill`) as far as they must be, by the VAE in `file`."""
    name = digest(file)
    if fill:

        @torch.no_grad()
        def encode(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            """Mean and log-variance of the latents of `pixels`."""
            found = vae.encode(torch.from_numpy(pixels).to(vae.mean.device))
            return found.mean.cpu().numpy(), found.logvar.cpu().numpy()

        write_latents(folder, source, encode, name, vae.config.temporal)
    return Latents(folder, name)


def open_vae(config: TrainConfig, source: Source, total: int) -> VAE:
    """The VAE of `config.vae` or `config.init`, or the linear one fitted to the first clips of `source`."""
    path = config.vae or config.init
    if path:
        vae = _read(Path(path))
        _same(vae.config, config.model.vae, path)
        return vae
    if config.model.vae.widths or not config.model.vae.linear:
        raise UserError(
            "model.vae has a network; name its weights with vae=FILE, or take model.vae.widths=[] for the"
            " linear one, which needs no training"
        )
    from model.codec.fit import fit_linear, measure

    vae = VAE(config.model.vae)
    fit_linear(vae, _videos(source, total))
    measure(vae, _videos(source, total))
    return vae.eval()


def _videos(source: Source, total: int) -> Iterator[np.ndarray]:
    for index in range(min(total, FITTED)):
        yield source.sample(index).video


def _read(path: Path) -> VAE:
    from model.checkpoint import fill, read_model
    from model.codec import files as vae_files

    if path.is_file() and path.suffix == ".safetensors":
        return vae_files.load(path)
    found = read_model(path)
    vae = VAE(found.config.vae)
    fill(vae, found.tensors["vae"], f"{path}: vae")
    return vae.eval()


def _same(found: VAEConfig, wanted: VAEConfig, path: str) -> None:
    for key, value in to_dict(wanted).items():
        if getattr(found, key) != value:
            raise UserError(f"{path} has vae.{key}={getattr(found, key)}, model.vae.{key} asks for {value}")
