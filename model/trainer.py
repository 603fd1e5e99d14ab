"""One training step and all that lives from step to step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from model import distributed, optim, resume
from model.config import to_dict
from model.denoiser import Batch, Denoiser
from model.distributed import Process
from model.ema import EMA
from model.feed import Raw
from model.metrics import Tally
from model.train_config import TrainConfig
from model.vae import VAE
from simbench.errors import UserError

TERA = 10**12


class Trainer:
    """Model, averages, optimizers and counters of a run. `work` is the FLOPs of training on one clip."""

    def __init__(
        self, config: TrainConfig, module: Denoiser, vae: VAE, process: Process, work: int, compiled: bool
    ) -> None:
        self.config, self.process = config, process
        self.module, self.vae = module.to(process.device), vae.to(process.device).eval()
        self.dtype = torch.bfloat16 if config.precision == "bf16" else torch.float32
        self.step = self.flops = self.tokens = 0
        self.seconds = 0.0
        self.limit = optim.Clip()
        self.norm = self.rate = 0.0
        self._work = work
        if compiled:
            for block in module.dit.blocks:
                block.compile(dynamic=False)
        self._called = distributed.spread(module, module.dit.blocks, process, config.shard_above)
        # Names and parameters as they are after sharding.
        self.named: dict[str, nn.Parameter] = dict(module.named_parameters())
        self.optimizers = optim.build(self.named.items(), config.optim, self.dtype)
        self.ema = EMA(self.named.items(), config.ema)
        self.tally = Tally(process.device)

    @property
    def tflop(self) -> float:
        """Work done so far."""
        return self.flops / TERA

    @torch.no_grad()
    def prepare(self, raw: Raw) -> Batch:
        """`raw` on the device, encoded to normalised latents (the posterior's mean)."""

        def moved(tensor: Tensor | None) -> Any:
            return None if tensor is None else tensor.to(self.process.device, non_blocking=True)

        clean = self.vae.normalise(self.vae.encode(moved(raw.video).float() / 127.5 - 1.0).mean)
        return Batch(
            clean=clean,
            noise=moved(raw.noise),
            level=moved(raw.levels.level),
            seconds=moved(raw.seconds),
            context=moved(raw.levels.context),
            pattern=moved(raw.levels.pattern),
            weight=moved(raw.weight),
            ids=moved(raw.ids),
            actions=moved(raw.actions),
            camera=moved(raw.camera),
            mode=raw.mode,
        )

    def train(self, raw: Raw) -> None:
        """One step on this process's share `raw` of a batch. UserError where the loss is no number."""
        config = self.config
        progress = (self.flops + self._work * config.batch / 2) / TERA / config.budget
        self.rate = optim.rate(progress, config.optim.warmup, config.optim.cooldown)
        optim.set_rate(self.optimizers, self.rate)
        with enough_memory(config, self.process):
            frames = self._backward(self.prepare(raw), raw.counted)
        self.norm = float(optim.gradient_norm(self.named.values()))
        if not math.isfinite(self.norm):
            raise UserError(self._no_number(raw, frames))
        if self.norm > self.limit.limit:
            optim.scale_gradients(self.named.values(), self.limit.limit / self.norm)
        self.limit = self.limit.seen(self.norm)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        self.ema.update(self.named.items(), self.step)
        self.flops += self._work * config.batch
        latent = raw.noise.shape
        self.tokens += config.batch * latent[1] * latent[3] * latent[4] // config.model.dit.patch**2

    def _backward(self, batch: Batch, counted: int) -> Tensor:
        """Gradients of the mean over the frames of all processes; returns the loss of each frame [B, F]."""
        count = len(batch.clean)
        micro = self.config.micro or count
        losses = []
        for start in range(0, count, micro):
            part = batch.part(start, start + micro)
            with distributed.synchronised(self._called, last=start + micro >= count):
                loss = self.module.losses(self._called(part, self.dtype), part, self.config.loss.kind)
                # DDP and FSDP take the mean over processes: a sum is wanted, over all that is counted.
                (loss.frames.sum() * (self.process.world / max(counted, 1))).backward()
            losses.append(loss.frames.detach())
        frames = torch.cat(losses)
        self.tally.add(frames, batch.level, batch.context, batch.pattern)
        return frames

    def _no_number(self, raw: Raw, frames: Tensor) -> str:
        bad = [c for c, ok in zip(raw.clips, frames.isfinite().all(1).tolist(), strict=True) if not ok]
        where = f"in clips {bad} of" if bad else "though every loss is finite, for"
        return (
            f"step {self.step}: the gradient is no number (norm {self.norm:g}), {where} clips"
            f" {list(raw.clips)}; lower optim.muon_lr and optim.adam_lr or take precision=fp32, in another"
            " out="
        )

    def state(self) -> resume.State | None:
        """All that the next step depends on; None on all processes but the first."""
        tensors = {}
        for name, tensor in resume.gather(self.named, self.optimizers, self.ema):
            if self.process.first:
                tensors[name] = tensor
        if not self.process.first:
            return None
        facts = {name: getattr(self, name) for name in ("step", "flops", "tokens", "seconds")}
        facts |= {"limit": asdict(self.limit), "config": to_dict(self.config)}
        return resume.State(facts, tensors)

    def restore(self, state: resume.State) -> None:
        """Go on from `state`."""
        for name in ("step", "flops", "tokens", "seconds"):
            setattr(self, name, state.facts[name])
        self.limit = optim.Clip(**state.facts["limit"])
        resume.restore(state.tensors, self.named, self.optimizers, self.ema)

    def averaged(self) -> dict[str, dict[str, Tensor]] | None:
        """State dicts by part, with the first average as weights; None on all processes but the first."""
        average = self.ema.averages[self.config.ema[0]]
        full = {name: resume.whole(tensor) for name, tensor in average.items()}
        if not self.process.first:
            return None
        buffers = {name: tensor.detach().cpu().clone() for name, tensor in self.module.named_buffers()}
        parts: dict[str, dict[str, Tensor]] = {"dit": {}, "vae": self.vae.state_dict()}
        for name, tensor in {**full, **buffers}.items():
            part, _, rest = name.partition(".")
            parts.setdefault(part, {})[rest] = tensor
        return parts

    @torch.no_grad()
    def validate(self, raw: Raw) -> dict[str, Any]:
        """Squared error of clean latents of held-out clips, by pattern and level, with averaged weights."""
        errors = Tally(self.process.device)
        micro = self.config.micro or max(1, self.config.batch // self.process.world)
        batch = self.prepare(raw)
        # A forward pass alone would be compiled once more, for longer than it runs.
        eager = torch.compiler.set_stance("force_eager")
        with eager, self.ema.applied(self.named), enough_memory(self.config, self.process):
            for start in range(0, len(batch.clean), micro):
                part = batch.part(start, start + micro)
                loss = self.module.losses(self.module(part, self.dtype), part, "x")
                errors.add(loss.error, part.level, part.context, part.pattern)
        found = errors.read()
        return {
            "error": found["loss"],
            "by_level": found["loss_by_level"],
            "by_pattern": found["loss_by_pattern"],
        }


@contextmanager
def enough_memory(config: TrainConfig, process: Process) -> Iterator[None]:
    """Turns "out of memory" into one line with the option to change."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # The allocator of the CPU raises a plain RuntimeError.
        full = isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(
            error
        )
        if not full:
            raise
        share = config.batch // process.world
        now = config.micro or share
        remedy = f"micro={max(1, now // 2)}, which changes no result"
        if now == 1:
            remedy = "a smaller model.dit.width or shorter clips: micro is 1 already"
        raise UserError(
            f"out of memory on {process.device} with {now} clips of {share} at once; take {remedy}"
        ) from error


def work_of(module: Denoiser, batch: Batch) -> int:
    """FLOPs (multiply and add are two) of one forward and backward pass on one clip like those of `batch`."""
    from torch.utils.flop_counter import FlopCounterMode

    one = batch.part(0, 1)
    with FlopCounterMode(display=False) as counter:
        module(one).sum().backward()
    module.zero_grad()
    return int(counter.get_total_flops())
