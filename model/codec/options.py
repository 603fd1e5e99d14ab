"""Options of training a VAE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from model.codec.presets import preset
from model.config import VAEConfig, to_dict
from model.options import build, read_json, words_of
from simbench.errors import UserError


@dataclass(frozen=True)
class LossConfig:
    """Weights of the parts; 0 leaves one out."""

    l1: float = 1.0
    ssim: float = 0.5
    motion: float = 0.5
    """Of the error of differences between frames, without which a blurred standstill is cheap."""
    kl: float = 1e-4
    scale: float = 0.25
    """Of scale equivariance (Skorokhodov et al. 2025): half-size latents decode to the half-size video."""
    scale_every: int = 2
    """Steps to one in which it is worked out."""
    lpips: float = 0.0
    """Needs the package lpips and the weights of its AlexNet on disk."""
    adversarial: float = 0.0
    """Of a patch discriminator, which is trained beside; usual is 0.05."""
    adversarial_from: float = 0.7
    """Share of the budget after which it counts; the discriminator learns from a tenth earlier on."""


@dataclass(frozen=True)
class VAETrain:
    """One run. Work is in TFLOP of training the VAE, forward and backward."""

    out: str = ""
    data: str = ""
    """A pool (python -m model.data pool), a folder of videos, or a .npy of uint8 [N, T, H, W, 3]."""
    clip_size: str = ""
    """What the videos of a folder are cut to, such as 64 or 96x64."""
    clip_frames: int = 0
    """Frames to a clip of a longer video; 0 is all."""
    vae: VAEConfig = field(default_factory=VAEConfig)
    init: str = ""
    """A VAE file to go on from; its options are used."""
    decoder_only: bool = False
    """Leave the encoder as it is, so that latents keep their meaning: sharper pictures, or a larger size."""
    fit: int = 2000
    """Clips that the linear path and the statistics are measured on."""
    held: int = 64
    """Last clips of the data, never trained on; validation reads them."""
    batch: int = 16
    images: float = 0.25
    """Share of steps on single frames."""
    loss: LossConfig = field(default_factory=LossConfig)
    lr: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.02
    cooldown: float = 0.3
    budget: float = 10.0
    """Of the whole run. A VAE without a network needs none."""
    part: float = 40.0
    """Work after which one call stops; the same command goes on."""
    checkpoint_every: float = 5.0
    keep: int = 2
    ema: float = 0.05
    precision: str = "fp32"
    """Of activations: bf16 or fp32. The linear path and all weights are fp32."""
    compile: bool = False
    device: str = "auto"
    threads: int = 0
    """Cores of the CPU to compute with; 0 is what torch takes."""
    seed: int = 0
    log_every: int = 20
    """Steps to a line of metrics.jsonl."""


def parse(arguments: Sequence[str]) -> VAETrain:
    """Options of `size=NAME`, over them those of `config=FILE.json`, over them the other words."""
    words = words_of(arguments)
    named = to_dict(preset(words.pop("size"))) if "size" in words else {}
    data = read_json(Path(words.pop("config"))) if "config" in words else {}
    data["vae"] = named | data.get("vae", {})
    return checked(build(VAETrain, words, data))


def checked(config: VAETrain) -> VAETrain:
    """`config` itself. UserError for a value that no run can have."""
    if not config.out:
        raise UserError("out= is missing; name a folder for the VAE and its checkpoints")
    if not config.data:
        raise UserError("data= is missing; make a pool with python -m model.data pool out=DIR clips=4000")
    for name, value, low in (
        ("batch", config.batch, 1),
        ("fit", config.fit, 1),
        ("held", config.held, 1),
        ("keep", config.keep, 1),
        ("log_every", config.log_every, 1),
        ("loss.scale_every", config.loss.scale_every, 1),
        ("threads", config.threads, 0),
        ("clip_frames", config.clip_frames, 0),
        ("seed", config.seed, 0),
    ):
        if value < low:
            raise UserError(f"{name}={value} must be {low} or more")
    for name in ("budget", "part", "checkpoint_every", "lr"):
        if not getattr(config, name) > 0:
            raise UserError(f"{name}={getattr(config, name):g} must be above 0")
    if not 0 <= config.images <= 1:
        raise UserError(f"images={config.images:g} is a share; use 0 to 1")
    if not 0 <= config.warmup + config.cooldown <= 1:
        raise UserError("warmup and cooldown are shares of the budget; together at most 1")
    if config.precision not in ("bf16", "fp32"):
        raise UserError(f"precision={config.precision} is not one of bf16, fp32")
    return config
