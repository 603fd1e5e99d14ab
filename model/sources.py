"""What a run reads before its first step: clips, and the VAE that stays as it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from model.config import VAEConfig, to_dict
from model.data import Source
from model.train_config import DataConfig, TrainConfig
from model.vae import VAE
from simbench.errors import UserError

FITTED = 1024
"""Clips that the linear VAE and the statistics of latents are measured on."""
WHOLE = 512
"""Pools are made in whole shards of this many clips."""


def clip_shape(config: DataConfig) -> tuple[int, int, int]:
    """(frames, height, width) of the clips, before a pool is rendered."""
    if config.path:
        return open_path(Path(config.path)).sample(0).video.shape[:3]
    from model.worlds import named

    mix = named(config.mix)
    return mix.frames, mix.height, mix.width


def open_path(path: Path) -> Source:
    """The clips of a pool."""
    from model.pool import Pool

    if not path.is_dir():
        raise UserError(f"data.path={path} is no folder; make a pool with python -m model.data pool")
    return Pool(path)


def open_source(config: DataConfig, wanted: int) -> Source:
    """The clips of `config.path`, or of a pool in the user's cache, rendered now up to `wanted`."""
    if config.path:
        return open_path(Path(config.path))
    from model.pool import Pool, write_pool
    from model.worlds import named
    from simbench.store import default_store

    mix = named(config.mix)
    name = hashlib.sha256(json.dumps(to_dict(mix), sort_keys=True).encode()).hexdigest()[:12]
    folder = default_store() / "pools" / f"{config.mix}-{name}"
    if not (folder / "index.json").exists() or len(Pool(folder)) < wanted:
        write_pool(folder, mix, wanted, 0, config.workers)
    return Pool(folder)


def wanted_clips(config: TrainConfig, work: int) -> int:
    """Clips that a run uses at most: each is seen once, up to `data.clips`; `work` is FLOPs to a clip.

    A run that goes on with a larger budget keeps the number it began with: the order of the clips
    depends on it.
    """
    limit = config.data.clips or (1 << 32)
    if config.data.path:
        return min(len(open_path(Path(config.data.path))), limit)
    seen = int(config.budget * 1e12 / work) + 1 + config.data.held
    return min(WHOLE * -(-seen // WHOLE), limit)


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
    from model.vae_fit import fit_linear, measure

    vae = VAE(config.model.vae)
    fit_linear(vae, _videos(source, total))
    measure(vae, _videos(source, total))
    return vae.eval()


def _videos(source: Source, total: int) -> Iterator[np.ndarray]:
    for index in range(min(total, FITTED)):
        yield source.sample(index).video


def _read(path: Path) -> VAE:
    from model import vae_files
    from model.checkpoint import fill, read_model

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
