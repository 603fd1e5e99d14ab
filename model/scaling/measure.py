"""Seconds to a training step of each size, measured before a ladder begins."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import torch

from model.codec.vae import VAE
from model.diffusion.denoiser import Denoiser
from model.scaling.plan import Chain, Plan
from model.training.config import TrainConfig
from model.training.distributed import Process
from model.training.feed import Raw, even_levels
from model.training.loop import COMPILE_FROM, example
from model.training.trainer import Trainer

WARM, TIMED = 2, 3
"""Steps before the clock, and under it; the fastest counts, on a machine that others share."""


def seconds(plan: Plan, process: Process, shape: tuple[int, int, int]) -> dict[str, float]:
    """By name of the size; compiled where the run will be. Without reading clips and encoding them."""
    found: dict[str, float] = {}
    for chain in plan.chains:
        name = chain.runs[0].size.name
        if name not in found:
            found[name] = _seconds(plan.config, chain, process, shape)
    return found


def compiled(config: TrainConfig, process: Process, budget: float) -> bool:
    """Whether a run of `budget` TFLOP compiles its blocks, as the trainer decides it."""
    if config.compile == "auto":
        return process.device.type == "cuda" or budget >= COMPILE_FROM
    return config.compile == "true"


def _seconds(config: TrainConfig, chain: Chain, process: Process, shape: tuple[int, int, int]) -> float:
    last = chain.runs[-1]
    model = dataclasses.replace(config.model, dit=last.size.dit)
    config = dataclasses.replace(config, model=model, budget=last.budget)
    module = Denoiser(model)
    raw = _raw(config, module, shape)
    trainer = Trainer(config, module, VAE(model.vae), process, compiled(config, process, last.budget))
    taken = []
    for _ in range(WARM + TIMED):
        began = time.perf_counter()
        trainer.train([raw])
        if process.device.type == "cuda":
            torch.cuda.synchronize(process.device)
        taken.append(time.perf_counter() - began)
    # Compiled code is kept by kind of block; eight sizes in one process would be compiled no more.
    torch.compiler.reset()
    return min(taken[WARM:])


def _raw(config: TrainConfig, module: Denoiser, shape: tuple[int, int, int]) -> Raw:
    """A batch of random latents, of which nothing is told."""
    clip, dit, batch = example(config, module, shape), config.model.dit, config.batch
    _, frames, channels, height, width = clip.clean.shape
    generator = torch.Generator().manual_seed(0)
    unknown: dict[str, Any] = {
        name: torch.full((batch, frames, dit.temporal, count), float("nan"))
        for name, count in (("actions", dit.actions), ("camera", 12 * dit.camera))
        if count
    }
    if dit.given_depth:
        unknown["depth"] = torch.full((batch, frames, dit.temporal, height, width), float("nan"))
    return Raw(
        video=None,
        latent=torch.randn(batch, frames, channels, height, width, generator=generator),
        keys=tuple((0, 0, 0, slot) for slot in range(batch)),
        shape=(frames, channels, height, width),
        levels=even_levels(batch, frames),
        seconds=torch.zeros(batch, frames),
        clips=tuple(range(batch)),
        ids=None if module.text is None else module.text.tokens([""] * batch),
        **unknown,
    )
