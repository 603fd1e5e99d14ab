"""Training of a VAE: the closed-form start, then steps until the budget of operations is spent.

All chance is keyed by (seed, step) and the state holds weights, averages, moments and buffers, so that a run
that was stopped goes on to the same bits on a CPU.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from model.codec import critic as vae_critic
from model.codec import data
from model.codec.files import frames_of, load, pixels, save
from model.codec.fit import fit_linear, measure
from model.codec.flops import flops
from model.codec.layers import Block
from model.codec.losses import reconstruction
from model.codec.options import VAETrain
from model.codec.vae import VAE
from model.config import to_dict
from model.training import optim, resume
from model.training.ema import EMA
from simbench.errors import UserError
from simbench.files import require_writable
from simbench.progress import progress
from simbench.provenance import provenance

Say = Callable[[str], None]
FREE = (
    "out", "budget", "part", "checkpoint_every", "keep", "compile", "device", "threads", "log_every",
)  # fmt: skip
"""Options that a run may change when it goes on: none of them changes what a step computes, but the budget,
whose share sets the learning rate."""
FILE = "vae.safetensors"


@dataclass(frozen=True)
class Quality:
    """PSNR in dB over clips, infinite where nothing is lost; `later` is None without later frames."""

    first: float
    later: float | None


@dataclass(frozen=True)
class Result:
    """What a call of `train` came to. `quality` is None where the run is not finished."""

    vae: VAE
    tflop: float
    steps: int
    quality: Quality | None


@dataclass
class Run:
    """What changes while training. `critic` and `judge` (LPIPS) are None unless asked for."""

    vae: VAE
    critic: nn.Module | None
    judge: Any
    optimizers: list[torch.optim.Optimizer]
    critics: list[torch.optim.Optimizer]
    ema: EMA
    clip: optim.Clip = field(default_factory=optim.Clip)
    step: int = 0
    tflop: float = 0.0

    def named(self) -> dict[str, nn.Parameter]:
        """Parameters that are trained, by name."""
        found = {n: p for n, p in self.vae.named_parameters() if p.requires_grad}
        critic = () if self.critic is None else self.critic.named_parameters()
        return found | {f"critic.{n}": p for n, p in critic}

    def buffers(self) -> dict[str, Tensor]:
        """Buffers, and parameters that are not trained, by name."""
        found = dict(self.vae.named_buffers())
        found |= {n: p for n, p in self.vae.named_parameters() if not p.requires_grad}
        critic = () if self.critic is None else self.critic.named_buffers()
        return found | {f"critic.{n}": b for n, b in critic}


def train(config: VAETrain, say: Say = print) -> Result:
    """Run or go on with a run; writes `out`/vae.safetensors when its budget is spent."""
    opened = data.opened(Path(config.data), config.clip_size, config.clip_frames)
    source, held = data.divided(opened, config.held)
    out = Path(config.out)
    require_writable(out, "out")
    if config.threads:
        torch.set_num_threads(config.threads)
    run = started(config, source)
    saved = resume.load_state(out, say)
    if saved is not None:
        _restore(run, saved, config)
        say(f"going on from step {run.step}, {run.tflop:.2f} of {config.budget:g} TFLOP")
    elif not config.init:
        _fit(run.vae, source, config, say)
    if run.vae.encoder is not None:
        _loop(run, config, source, held, out)
        if run.tflop < config.budget:
            say(f"stopped at {run.tflop:.2f} of {config.budget:g} TFLOP; the same command goes on")
            return Result(run.vae, run.tflop, run.step, None)
    return _finish(run, config, source, held, out)


def started(config: VAETrain, source: data.Part) -> Run:
    """Modules and optimizers at step 0, before anything is fitted."""
    device = torch.device(_device(config.device))
    torch.manual_seed(config.seed)
    vae = load(Path(config.init)) if config.init else VAE(config.vae)
    vae = vae.to(device).train()
    if vae.encoder is None and config.decoder_only:
        raise UserError("decoder_only=true needs a network; this VAE is linear, give vae.widths=")
    if vae.encoder is not None and config.decoder_only:
        vae.encoder.requires_grad_(False)
    if config.compile:
        for block in vae.modules():
            if isinstance(block, Block):
                block.compile(dynamic=False)
    critic = vae_critic.Discriminator().to(device) if config.loss.adversarial else None
    judge = vae_critic.perceptual_net(device) if config.loss.lpips else None
    trained = [(n, p) for n, p in vae.named_parameters() if p.requires_grad]
    options = optim.OptimConfig(optimizer="adamw", adam_lr=config.lr, weight_decay=config.weight_decay)
    critics = [] if critic is None else optim.build(critic.named_parameters(), options)
    return Run(vae, critic, judge, optim.build(trained, options), critics, EMA(trained, (config.ema,)))


def evaluate(vae: VAE, source: data.Part) -> Quality:
    """PSNR after the round trip of every clip of `source`, over frame 0 and over later frames."""
    errors, counts = np.zeros(2), np.zeros(2)
    device = vae.mean.device
    for video in data.videos(source, len(source)):
        with torch.no_grad():
            latent = vae.encode(pixels(video)[None].to(device)).mean
            back = frames_of(vae.decode(latent, len(video), video.shape[1:3])[0])
        squares = np.square((back.astype(np.float64) - video) / 255.0)
        for row, part in enumerate((squares[:1], squares[1:])):
            errors[row] += part.sum()
            counts[row] += part.size
    first, later = (None if n == 0 else _decibel(e / n) for e, n in zip(errors, counts, strict=True))
    assert first is not None
    return Quality(first, later)


def _decibel(error: float) -> float:
    return math.inf if error == 0 else -10.0 * math.log10(error)


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"device={name}: torch sees no CUDA device; use device=cpu")
    return name


def _fit(vae: VAE, source: data.Part, config: VAETrain, say: Say) -> None:
    if vae.linear is not None:
        count = fit_linear(vae, data.videos(source, config.fit))
        say(f"components of {count} clips")
    measure(vae, data.videos(source, config.fit))


def _loop(run: Run, config: VAETrain, source: data.Part, held: data.Part, out: Path) -> None:
    """Steps until the budget or this part of it is spent; a checkpoint now and then and at the end."""
    stop = min(config.budget, run.tflop + config.part)
    saved, began = run.tflop, time.perf_counter()
    with progress("GFLOP", round(1000 * (stop - run.tflop))) as bar, (out / "metrics.jsonl").open("a") as log:
        while run.tflop < stop:
            clips = data.batch(source, config.seed, run.step, config.batch, config.images)
            before = round(1000 * run.tflop)
            found = step(run, config, clips)
            if round(1000 * run.tflop) > before:
                bar.step(round(1000 * run.tflop) - before)
            if run.step % config.log_every == 0:
                line = {"step": run.step, "tflop": run.tflop, "seconds": time.perf_counter() - began, **found}
                log.write(json.dumps(line) + "\n")
                log.flush()
            if run.tflop - saved >= config.checkpoint_every or run.tflop >= stop:
                saved = run.tflop
                _save(run, config, out)


def step(run: Run, config: VAETrain, clips: np.ndarray) -> dict[str, float]:
    """One update on clips uint8 [B, T, H, W, 3]; the parts of the loss, its sum and the gradient's norm.

    UserError names the step where the loss is not a number.
    """
    video = pixels(clips).to(run.vae.mean.device)
    done = run.tflop / config.budget
    optim.set_rate([*run.optimizers, *run.critics], optim.rate(done, config.warmup, config.cooldown))
    scaled = config.loss.scale > 0 and run.step % config.loss.scale_every == 0
    generator = torch.Generator(video.device).manual_seed((config.seed << 40) + run.step)
    with torch.autocast(video.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        parts, made = reconstruction(run.vae, video, config.loss, generator, scaled)
    if run.judge is not None:
        parts["lpips"] = vae_critic.perceptual(run.judge, made, video)
    if run.critic is not None and done >= config.loss.adversarial_from:
        parts["adversarial"] = vae_critic.generator_loss(run.critic, made)
    loss = torch.stack([getattr(config.loss, name) * part for name, part in parts.items()]).sum()
    if not bool(torch.isfinite(loss)):
        raise UserError(
            f"the loss is {loss.item()} at step {run.step} (batch {run.step} of seed={config.seed});"
            " go on from the last checkpoint with a lower lr="
        )
    for optimizer in [*run.optimizers, *run.critics]:
        optimizer.zero_grad()
    loss.backward()
    norm = _update(run)
    if run.critic is not None and done >= config.loss.adversarial_from - 0.1:
        _teach(run, video, made)
    run.step += 1
    run.tflop += _work(run.vae, config, video, scaled)
    run.ema.update([(n, p) for n, p in run.vae.named_parameters() if p.requires_grad], run.step)
    return {"loss": loss.item(), "norm": norm, **{name: part.item() for name, part in parts.items()}}


def _update(run: Run) -> float:
    """Clip the gradient by the run's own norms and step; the norm before."""
    trained = [p for p in run.vae.parameters() if p.requires_grad]
    norm = float(optim.gradient_norm(trained))
    if norm > run.clip.limit:
        optim.scale_gradients(trained, run.clip.limit / norm)
    run.clip = run.clip.seen(norm)
    for optimizer in run.optimizers:
        optimizer.step()
    return norm


def _teach(run: Run, video: Tensor, made: Tensor) -> None:
    assert run.critic is not None
    for optimizer in run.critics:
        optimizer.zero_grad()
    vae_critic.critic_loss(run.critic, video, made).backward()
    for optimizer in run.critics:
        optimizer.step()


def _work(vae: VAE, config: VAETrain, video: Tensor, scaled: bool) -> float:
    """TFLOP of one step; the discriminator and LPIPS are not counted."""
    batch, frames, _, height, width = video.shape
    one = flops(vae.config, frames, height, width)
    total = (1 if config.decoder_only else 3) * one.encode + 3 * one.decode
    if scaled:
        total += 3 * flops(vae.config, frames, height // 2, width // 2).decode
    return batch * total / 1e12


def _save(run: Run, config: VAETrain, out: Path) -> None:
    tensors = dict(resume.gather(run.named(), [*run.optimizers, *run.critics], run.ema))
    tensors |= {f"buffers.{name}": resume.whole(b) for name, b in run.buffers().items()}
    clip = {"mean": run.clip.mean, "square": run.clip.square, "count": run.clip.count}
    facts = {"step": run.step, "tflop": run.tflop, "clip": clip, "options": to_dict(config)}
    resume.save_state(out, run.step, resume.State(facts, tensors), config.keep)


def _restore(run: Run, saved: resume.State, config: VAETrain) -> None:
    now = json.loads(json.dumps(to_dict(config)))
    for key, before in saved.facts["options"].items():
        if key not in FREE and now.get(key) != before:
            raise UserError(
                f"out={config.out} holds a run with {key}={json.dumps(before)}, not"
                f" {json.dumps(now.get(key))}; choose another out= or give the same options"
            )
    resume.restore(saved.tensors, run.named(), [*run.optimizers, *run.critics], run.ema)
    for name, buffer in run.buffers().items():
        buffer.detach().copy_(saved.tensors[f"buffers.{name}"])
    run.clip = optim.Clip(**saved.facts["clip"])
    run.step, run.tflop = saved.facts["step"], saved.facts["tflop"]


def _finish(run: Run, config: VAETrain, source: data.Part, held: data.Part, out: Path) -> Result:
    """The averaged weights with their own statistics, written and measured."""
    named = {n: p for n, p in run.vae.named_parameters() if p.requires_grad}
    with run.ema.applied(named):
        run.vae.eval()
        if not config.decoder_only:
            measure(run.vae, data.videos(source, config.fit))
        made = {**provenance(), "options": to_dict(config), "tflop": run.tflop, "steps": run.step}
        save(out / FILE, run.vae, made)
        quality = evaluate(run.vae, held)
    return Result(load(out / FILE), run.tflop, run.step, quality)
