"""Options of training the encoder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from model.clips.augment import Augment
from model.options import build, leaves, read_json, words_of
from simbench.errors import UserError


@dataclass(frozen=True)
class FeaturesTrain:
    """One run. A step reads `batch` clips, each once as it is and once damaged."""

    out: str = ""
    data: str = ""
    """Pools (python -m model.data pool), separated by commas."""
    held: str = ""
    """Pools of other seeds, which are only measured on."""
    steps: int = 1000
    part: int = 0
    """Steps after which one call stops; the same command goes on. 0 is no limit."""
    batch: int = 8
    lengths: tuple[int, ...] = (5, 9, 9, 17)
    """Frames of a clip; every step draws one."""
    fit: int = 1024
    """Clips from which the last map is worked out; see model.features.axes."""
    damage: float = 10.0
    """Weight of the damage in the loss; every other task has 1."""
    size: float = 0.001
    """Weight of the mean square of the features, which keeps them from growing."""
    augment: Augment = field(default_factory=lambda: Augment(permute=0.3, hue=8.0))
    lr: float = 2e-3
    weight_decay: float = 0.05
    warmup: float = 0.03
    cooldown: float = 0.5
    precision: str = "bf16"
    """Of convolutions: bf16 or fp32. Weights and moments are fp32."""
    threads: int = 1
    seed: int = 0
    checkpoint_every: int = 200
    keep: int = 2
    log_every: int = 20


FREE = ("out", "fit", "held", "part", "threads", "checkpoint_every", "keep", "log_every")
"""Options that a run may change when it goes on: none of them changes what a step computes."""


def parse(arguments: Sequence[str]) -> FeaturesTrain:
    """`config=FILE.json` and key=value words over it. UserError names the word that is wrong."""
    words = words_of(arguments)
    data = read_json(Path(words.pop("config"))) if "config" in words else {}
    return checked(build(FeaturesTrain, words, data))


def checked(config: FeaturesTrain) -> FeaturesTrain:
    """`config` itself. UserError for a value that no run can have."""
    if not config.out:
        raise UserError("out= is missing; name a folder for the weights and checkpoints")
    if not config.data:
        raise UserError("data= is missing; make a pool with python -m model.data pool mix=tiny")
    for name, value, low in (
        ("steps", config.steps, 1),
        ("part", config.part, 0),
        ("batch", config.batch, 2),
        ("fit", config.fit, 8),
        ("threads", config.threads, 1),
        ("seed", config.seed, 0),
        ("checkpoint_every", config.checkpoint_every, 1),
        ("keep", config.keep, 1),
        ("log_every", config.log_every, 1),
    ):
        if value < low:
            raise UserError(f"{name}={value} must be {low} or more")
    if not config.lengths or min(config.lengths) < 5:
        raise UserError(f"lengths={','.join(map(str, config.lengths))} must be 5 frames or more each")
    if not config.lr > 0:
        raise UserError(f"lr={config.lr:g} must be above 0")
    if not 0 <= config.warmup + config.cooldown <= 1:
        raise UserError("warmup and cooldown are shares of the steps; together at most 1")
    if config.precision not in ("bf16", "fp32"):
        raise UserError(f"precision={config.precision} is not one of bf16, fp32")
    return config


def listed() -> Iterator[str]:
    """`name=default` of every option."""
    for path, _ in leaves(FeaturesTrain):
        value: object = FeaturesTrain()
        for part in path.split("."):
            value = getattr(value, part)
        yield f"{path}={','.join(map(str, value)) if isinstance(value, tuple) else value}"


def without_folders(config: FeaturesTrain) -> dict[str, object]:
    """What decides about the weights, with names of folders alone: a file that ships knows no machine."""
    names = [os.path.basename(path) for path in config.data.split(",")]
    kept = ("steps", "batch", "lengths", "fit", "damage", "size", "lr", "weight_decay", "precision", "seed")
    return {"data": ",".join(names), **{key: getattr(config, key) for key in kept}}
