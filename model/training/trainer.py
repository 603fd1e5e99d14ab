"""One training step and all that lives from step to step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor, nn

from model.codec.vae import VAE
from model.config import to_dict
from model.diffusion.denoiser import Batch, Denoiser, split
from model.training import distributed, optim, resume
from model.training.config import TrainConfig
from model.training.distributed import Process
from model.training.ema import EMA
from model.training.feed import Raw, noise
from model.training.metrics import Tally
from simbench.errors import UserError

TERA = 10**12
SHAPES = 64
"""Kinds of blocks times sizes of clips, orders and lengths of text that are compiled."""


class Trainer:
    """Model, averages, optimizers and counters of a run."""

    def __init__(
        self, config: TrainConfig, module: Denoiser, vae: VAE, process: Process, compiled: bool
    ) -> None:
        self.config, self.process = config, process
        self.module, self.vae = module.to(process.device), vae.to(process.device).eval()
        self.dtype = torch.bfloat16 if config.precision == "bf16" else torch.float32
        self.step = self.flops = self.tokens = 0
        self.seconds = 0.0
        self.limit = optim.Clip()
        self.norm = self.rate = 0.0
        self.compiled = compiled
        if compiled:
            # All blocks are one function to torch, which runs as it is, unsaid, after 8 shapes.
            torch._dynamo.config.recompile_limit = SHAPES
            for block in module.dit.blocks:
                block.compile(dynamic=False)
        if process.device.type == "cuda" and self.dtype == torch.bfloat16:
            # What stays in fp32, the modulation of frames, may use TF32: ten bits where the rest has seven.
            torch.set_float32_matmul_precision("high")
        self._called = distributed.spread(module, module.dit.blocks, process, config.shard_above)
        # Names and parameters as they are after sharding.
        self.named: dict[str, nn.Parameter] = {n: p for n, p in module.named_parameters() if p.requires_grad}
        self.optimizers = optim.build(self.named.items(), config.optim, self.dtype)
        self.ema = EMA(self.named.items(), config.ema)
        self.tally = Tally(process.device)

    @property
    def tflop(self) -> float:
        """Work done so far."""
        return self.flops / TERA

    def reached(self, tflop: float) -> bool:
        """Whether that much work is done, in whole FLOPs: a step is not owed for a rounding."""
        return self.flops >= round(tflop * TERA)

    @torch.no_grad()
    def prepare(self, raw: Raw) -> Batch:
        """`raw` on the device, as normalised latents (the posterior's mean)."""

        def moved(tensor: Tensor | None) -> Any:
            """The tensor on the device of this process."""
            return None if tensor is None else tensor.to(self.process.device, non_blocking=True)

        if raw.video is not None:
            pixels = moved(raw.video).movedim(-1, -3).float() / 127.5 - 1.0
            latent = self.vae.encode(pixels).mean
        else:
            latent = moved(raw.latent).float()
        return Batch(
            clean=self.vae.normalise(latent),
            noise=noise(raw, self.process.device),
            level=moved(raw.levels.level),
            seconds=moved(raw.seconds),
            context=moved(raw.levels.context),
            pattern=moved(raw.levels.pattern),
            weight=moved(raw.weight),
            ids=moved(raw.ids),
            actions=moved(raw.actions),
            camera=moved(raw.camera),
            depth=moved(raw.depth),
            mode=raw.mode,
            clips=raw.clips,
        )

    def train(self, raws: Sequence[Raw]) -> None:
        """One step on this process's share of a batch. UserError where the loss is no number."""
        config = self.config
        with enough_memory(config, self.process):
            batches = [self.prepare(raw) for raw in raws]
            counted, work, tokens = self._sums(raws, batches)
            progress = (self.flops + work / 2) / TERA / config.budget
            self.rate = optim.rate(progress, config.optim.warmup, config.optim.cooldown)
            optim.set_rate(self.optimizers, self.rate)
            finite = self._backward(batches, counted)
        self.norm = float(optim.gradient_norm(self.named.values()))
        if not math.isfinite(self.norm):
            raise UserError(self._no_number(batches, finite))
        if self.norm > self.limit.limit:
            optim.scale_gradients(self.named.values(), self.limit.limit / self.norm)
        self.limit = self.limit.seen(self.norm)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        self.flops += work
        self.tokens += tokens
        self.ema.update(self.named.items(), self.step)

    def warm(self, raws: Sequence[Raw]) -> None:
        """Let the compiler do now what it would do in the first steps, so that no clock of theirs holds it.
        The gradients are dropped, and nothing else changes."""
        causal, orders = self.config.loss.causal, ("bidirectional", "block_causal")
        for mode in orders[causal == 1 : 1 + (causal > 0)]:
            with enough_memory(self.config, self.process):
                batches = [replace(self.prepare(raw), mode=mode) for raw in raws]
                self._backward(batches, 1)
            for optimizer in self.optimizers:
                optimizer.zero_grad()
        self.tally = Tally(self.process.device)
        if self.process.device.type == "cuda":
            torch.cuda.synchronize(self.process.device)

    def _sums(self, raws: Sequence[Raw], batches: Sequence[Batch]) -> tuple[int, int, int]:
        """Frames with a loss, FLOPs and tokens of the batches of all processes."""
        pairs = list(zip(raws, batches, strict=True))
        # Counted on the processor: one process needs not wait for its device here.
        mine = [[raw.counted, self.module.work(b), self.module.tokens(b)] for raw, b in pairs]
        counted, work, tokens = (sum(column) for column in zip(*mine, strict=True))
        if self.process.world > 1:
            sums = torch.tensor([counted, work, tokens], device=self.process.device)
            counted, work, tokens = self.process.summed(sums).tolist()
        return counted, work, tokens

    def _backward(self, batches: Sequence[Batch], counted: int) -> list[tuple[Batch, Tensor]]:
        """Gradients of the mean over `counted` frames of all processes; which losses are numbers, by clip."""
        config = self.config
        units = split(batches, config.micro, config.pack, config.model.dit.patch)
        finite: list[tuple[Batch, Tensor]] = []
        for number, unit in enumerate(units):
            with distributed.synchronised(self._called, last=number == len(units) - 1):
                losses = self.module.losses(self._called(unit, self.dtype), unit, config.loss.kind)
                # DDP and FSDP take the mean over processes: a sum is wanted, over all that is counted.
                share = self.process.world / max(counted, 1)
                (torch.stack([loss.frames.sum() for loss in losses]).sum() * share).backward()
            for batch, loss in zip(unit, losses, strict=True):
                self.tally.add(loss.frames.detach(), batch.level, batch.context, batch.pattern)
                finite.append((batch, loss.frames.detach().isfinite().all(1)))
        return finite

    def _no_number(self, batches: Sequence[Batch], finite: Sequence[tuple[Batch, Tensor]]) -> str:
        bad = [c for b, good in finite for c, ok in zip(b.clips, good.tolist(), strict=True) if not ok]
        clips = [c for batch in batches for c in batch.clips]
        where = f"in clips {sorted(bad)} of" if bad else "though every loss is finite, for"
        return (
            f"step {self.step}: the gradient is no number (norm {self.norm:g}), {where} clips {clips};"
            " lower optim.muon_lr and optim.adam_lr or take precision=fp32, in another out="
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
        parts: dict[str, dict[str, Tensor]] = {"dit": {}, "vae": self.vae.state_dict()}
        for name, tensor in self.module.state_dict().items():
            full = resume.whole(average.get(name, tensor))
            part, _, rest = name.partition(".")
            parts.setdefault(part, {})[rest] = full
        return parts if self.process.first else None

    @torch.no_grad()
    def validate(self, raws: Sequence[Raw]) -> dict[str, Any]:
        """Squared error of clean latents of held-out clips, by pattern and level, with averaged weights."""
        config, errors = self.config, Tally(self.process.device)
        micro = config.micro or max(1, config.batch // self.process.world)
        # A forward pass alone would be compiled once more, for longer than it runs.
        eager = torch.compiler.set_stance("force_eager")
        with eager, self.ema.applied(self.named), enough_memory(config, self.process):
            batches = [self.prepare(raw) for raw in raws]
            for unit in split(batches, micro, config.pack, config.model.dit.patch):
                losses = self.module.losses(self.module(unit, self.dtype), unit, "x")
                for batch, loss in zip(unit, losses, strict=True):
                    errors.add(loss.error, batch.level, batch.context, batch.pattern)
        found = errors.read()
        names = {"error": "loss", "by_level": "loss_by_level", "by_pattern": "loss_by_pattern"}
        return {name: found[key] for name, key in names.items()}


@contextmanager
def enough_memory(config: TrainConfig, process: Process) -> Iterator[None]:
    """Turns "out of memory" into one line with the option to change."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # The allocator of the CPU raises a plain RuntimeError.
        known = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not known and "can't allocate memory" not in str(error):
            raise
        share = config.batch // process.world
        now = config.micro or share
        remedy = f"micro={max(1, now // 2)}, which changes no result"
        if config.pack:
            remedy = f"pack={config.pack // 2}, which changes no result"
        elif now == 1:
            remedy = "a smaller model.dit.width or shorter clips: micro is 1 already"
        raise UserError(
            f"out of memory on {process.device} with {now} clips of {share} at once; take {remedy}"
        ) from error
