"""Options of a training run: dataclasses, the preset files, and key=value words over them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.clips.augment import Augment
from model.config import ModelConfig, to_dict
from model.diffusion.mixture import Mixture
from model.options import build, leaves, read_json, words_of
from simbench.errors import UserError


@dataclass(frozen=True)
class DataConfig:
    """Where clips come from. The last `held` are never trained on; validation reads them."""

    path: str = ""
    """A pool (python -m model.data pool) or a folder of videos; empty renders a pool into the cache."""
    mix: str = "nano"
    """What such a pool is drawn from: nano, acts, camera, tiny, words, yaw, phyworld or weighed."""
    clips: int = 24576
    """Its size, and the most clips that are used of any source; 0 is all. A short run renders fewer."""
    held: int = 64
    workers: int = 1
    augment: Augment = field(default_factory=Augment)
    """Other colours and mirrors of a clip, drawn anew whenever it is read; not with `cache`."""
    cache: bool = False
    """Encode every clip once, into the run's folder, and train on latents from there."""
    size: str = ""
    """WIDTHxHEIGHT that a user's videos are brought to; empty is each its own, cut to fit the model."""
    frames: int = 0
    """Frames to a clip of such videos; 0 is all of a video."""
    fps: float = 0.0
    """Their rate; 0 is each its own."""
    corrupt: str = "refuse"
    """What is done about files that cannot be read: refuse or skip."""
    ahead: int = 4
    """Batches that are prepared while the model works."""
    threads: int = 1
    """Threads that prepare them; a GPU wants several, and `ahead` no fewer."""


@dataclass(frozen=True)
class OptimConfig:
    """Learning rates are peaks; the schedule scales them. `weight_decay` is decoupled, on matrices only."""

    optimizer: str = "muon"
    """muon (AdamW for what is no matrix of a block) or adamw (for all)."""
    muon_lr: float = 3e-3
    adam_lr: float = 3e-3
    weight_decay: float = 0.01
    momentum: float = 0.95
    warmup: float = 0.02
    """Share of the budget in which the rates rise from 0."""
    cooldown: float = 0.3
    """Share of the budget, at its end, in which they fall to 0."""


@dataclass(frozen=True)
class LossConfig:
    """How errors count: `kind` v, x-ramp or x (model/diffusion/flow.py). `objects` is added to the weight 1
    of places where an object is seen. `text` and `commands` are the shares of clips without them, for
    guidance.
    `causal` is the share of steps in block-causal order."""

    kind: str = "v"
    objects: float = 0.0
    text: float = 0.1
    commands: float = 0.15
    causal: float = 0.0


@dataclass(frozen=True)
class TrainConfig:
    """One run. Amounts of work are in TFLOP of the model's training (forward and backward, VAE apart)."""

    out: str = ""
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    levels: Mixture = field(default_factory=Mixture)
    loss: LossConfig = field(default_factory=LossConfig)
    vae: str = ""
    """Folder of a model whose VAE is used; empty fits the linear one to the data."""
    init: str = ""
    """Folder of a model to go on from (fine-tuning)."""
    batch: int = 16
    """Clips to a step, over all processes."""
    micro: int = 0
    """Clips in memory at once on each process; 0 is all of its share. It changes no result."""
    pack: int = 0
    """Tokens to a row into which clips of all sizes are packed; 0 takes clips of one size at a time."""
    budget: float = 40.0
    part: float = 40.0
    """Work after which one call stops; the same command goes on."""
    checkpoint_every: float = 5.0
    keep: int = 3
    """Checkpoints kept; 0 keeps all."""
    validate_every: float = 5.0
    evaluate: str = ""
    """Options of a suite for `python -m simbench generator=model`, such as "suite=permanence cases=32"."""
    evaluate_every: float = 20.0
    ema: tuple[float, ...] = (0.05,)
    """Widths of the averages of the weights, as shares of the run; the first is exported."""
    precision: str = "auto"
    """Of activations: bf16, fp32, or auto: the faster one where the run begins. Weights, moments and averages
    are fp32."""
    compile: str = "auto"
    """true, false, or auto: from 2 TFLOP on, where it pays for the minute that it takes."""
    device: str = "auto"
    threads: int = 0
    """Cores of the CPU to compute with; 0 is what torch takes."""
    shard_above: float = 1e9
    """Parameters above which several processes share the weights out (FSDP2) instead of repeating them."""
    seed: int = 0
    log_every: int = 20
    """Steps to a line of metrics.jsonl."""
    tensorboard: bool = False


FREE = (
    "out", "budget", "part", "checkpoint_every", "keep", "validate_every", "evaluate", "evaluate_every",
    "compile", "device", "threads", "shard_above", "log_every", "tensorboard", "micro", "pack",
    "data.ahead", "data.threads", "data.workers",
)  # fmt: skip
"""Options that a run may change when it goes on: none of them changes what a step computes."""


def parse(arguments: Iterable[str], base: Mapping[str, Any] | None = None) -> TrainConfig:
    """`config=FILE.json`, or what was read as `base`, and dotted key=value words over it. UserError names the
    word that is wrong."""
    words = words_of(list(arguments))
    file = words.pop("config", None) if base is None else None
    data = dict(base or {}) if file is None else read_json(Path(file))
    return checked(build(TrainConfig, words, data))


def listed() -> Iterator[str]:
    """`name=default` of every option."""
    for path, _ in leaves(TrainConfig):
        value: Any = TrainConfig()
        for part in path.split("."):
            value = getattr(value, part)
        shown = value if isinstance(value, str) else json.dumps(value).strip("[]").replace(" ", "")
        yield f"{path}={shown}"


def checked(config: TrainConfig) -> TrainConfig:
    """`config` itself. UserError for a value that no run can have."""
    for name, value, low in (
        ("batch", config.batch, 1),
        ("micro", config.micro, 0),
        ("pack", config.pack, 0),
        ("keep", config.keep, 0),
        ("log_every", config.log_every, 1),
        ("threads", config.threads, 0),
        ("data.held", config.data.held, 1),
        ("data.ahead", config.data.ahead, 1),
        ("data.threads", config.data.threads, 1),
        ("seed", config.seed, 0),
    ):
        if value < low:
            raise UserError(f"{name}={value} must be {low} or more")
    for name in ("budget", "part", "checkpoint_every", "validate_every", "evaluate_every"):
        if not getattr(config, name) > 0:
            raise UserError(f"{name}={getattr(config, name):g} must be above 0 TFLOP")
    for name, word, choices in (
        ("precision", config.precision, ("auto", "bf16", "fp32")),
        ("compile", config.compile, ("auto", "true", "false")),
        ("optim.optimizer", config.optim.optimizer, ("muon", "adamw")),
    ):
        if word not in choices:
            raise UserError(f"{name}={word} is not one of {', '.join(choices)}")
    if not 0 <= config.optim.warmup + config.optim.cooldown <= 1:
        raise UserError("optim.warmup and optim.cooldown are shares of the budget; together at most 1")
    if not config.ema:
        raise UserError("ema= names no width; 0.05 is usual")
    return config


def changed(before: Mapping[str, Any], config: TrainConfig) -> str | None:
    """The first option outside FREE in which a run on disk differs, as `key=old, not new`; None if none."""
    now, default, old = _flat(to_dict(config)), _flat(to_dict(TrainConfig())), _flat(before)
    for key, value in now.items():
        if key in FREE:
            continue
        # An option that a run has not heard of stood at its default. A list in JSON is a tuple here.
        a, b = json.dumps(old.get(key, default[key])), json.dumps(value)
        if a != b:
            return f"{key}={a}, not {b}"
    return None


def _flat(data: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{where}{key}.")
        else:
            found[f"{where}{key}"] = value
    return found


def without_folders(config: TrainConfig) -> TrainConfig:
    """The options with the names of files and folders alone: a model that is given away knows no machine."""

    def name(path: str) -> str:
        """The last part of a path."""
        return Path(path).name

    data = dataclasses.replace(config.data, path=name(config.data.path))
    out, vae, init = (name(path) for path in (config.out, config.vae, config.init))
    return dataclasses.replace(config, data=data, out=out, vae=vae, init=init)
