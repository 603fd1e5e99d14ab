"""A training run from its options to its last export: opens, goes on, logs, checkpoints, validates, stops."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from model.checkpoint import fill, read_model, save_model
from model.clips.items import latent_count
from model.codec import files as vae_files
from model.codec.vae import VAE
from model.config import to_dict
from model.data import Source
from model.diffusion.denoiser import Batch, Denoiser
from model.training import record, resume, sources
from model.training.config import TrainConfig, changed, without_folders
from model.training.distributed import Process
from model.training.evaluate import evaluate
from model.training.feed import Feed, Place, Stream, even_levels
from model.training.metrics import Log, Ticker, memory, peak, ticker
from model.training.precision import settled
from model.training.trainer import Trainer
from simbench.errors import UserError
from simbench.files import require_writable, sweep, write_text
from simbench.provenance import provenance

COMPILE_FROM = 2.0
"""TFLOP of a budget from which compile=auto pays on a CPU."""


class Loop:
    """One call of a run. `stopped` tells after each step whether to end early, with a checkpoint."""

    def __init__(
        self, config: TrainConfig, process: Process, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self.process, self.stopped, self.out = process, stopped, Path(config.out)
        if process.first:
            require_writable(self.out, "out")
            sweep(self.out)
        process.wait()
        state = resume.load_state(self.out, self.say)
        before = None if state is None else state.facts["config"]
        self.config = config = settled(config, before, process)
        if before is not None:
            self._same(before)
        module = Denoiser(config.model, config.seed)
        source = sources.given(config)
        work = module.work(example(config, module, sources.clip_shape(config.data, source)))
        # The clips of a run that has begun stay the same, whatever its budget is now.
        wanted = None if state is None else int(state.facts["wanted"])
        self.wanted = sources.wanted_clips(config, source, work) if wanted is None else wanted
        self.feed, vae = self._open(module, source, fresh=state is None)
        self.before: int | None = None if state is None else state.facts.get("flops_before")
        if config.init and state is None:
            self.before = self._begun(start_from(Path(config.init), module))
        self.trainer = Trainer(config, module, vae, process, self._compiled())
        if state is not None:
            self.trainer.restore(state)
            self.say(f"going on from step {self.trainer.step}, {self.trainer.tflop:.3g} TFLOP")
        self.peak = peak(process.device, self.trainer.dtype) * process.world
        self.held = self.feed.held()
        check_latents([self.trainer.prepare(raw) for raw in self.held])
        self.log: Log | None = None
        if process.first:
            self.log = Log(self.out / "metrics.jsonl", self.trainer.step, config.tensorboard)

    def say(self, line: str) -> None:
        """One line on stderr, from the first process only."""
        if self.process.first:
            print(f"model.train: {line}", file=sys.stderr, flush=True)

    def _begun(self, origin: Mapping[str, Any]) -> int | None:
        """Model FLOPs of the weights to start from; a line where they do not say them."""
        before = record.cost(origin)
        if before is None:
            self.say(
                f"init={self.config.init} does not say what its training took; add flops_before to run.json"
            )
        return before

    def _same(self, before: dict[str, Any]) -> None:
        other = changed(before, self.config)
        if other is not None:
            raise UserError(f"out={self.out} holds a run with {other}; take another out= or the same options")

    def _compiled(self) -> bool:
        if self.config.compile == "auto":
            return self.process.device.type == "cuda" or self.config.budget >= COMPILE_FROM
        return self.config.compile == "true"

    def _open(self, module: Denoiser, source: Source | None, fresh: bool) -> tuple[Feed, VAE]:
        """Clips and VAE; made by the first process where they are not there, then read by all."""
        config, file, first = self.config, self.out / "vae.safetensors", self.process.first
        if source is None:
            depth = config.model.dit.given_depth
            if first:
                sources.rendered(config.data, self.wanted, depth)
            self.process.wait()
            source = sources.rendered(config.data, self.wanted, depth)
        limited = dataclasses.replace(config, data=dataclasses.replace(config.data, clips=self.wanted))
        place = Place(self.process.rank, self.process.world)
        tokens = None if module.text is None else module.text.tokens
        feed = Feed(source, limited, place, tokens)
        if first and fresh:
            vae_files.save(file, sources.open_vae(config, source, feed.total))
            write_text(self.out / "config.json", json.dumps(to_dict(config), indent=2) + "\n")
        self.process.wait()
        vae = vae_files.load(file).to(self.process.device)
        if config.data.cache:
            folder = self.out / "latents"
            latents = sources.cached(folder, source, vae, file, fill=first)
            self.process.wait()
            feed = Feed(latents, limited, place, tokens)
        return feed, vae

    def run(self) -> None:
        """Train until the budget or the part is done, or `stopped` says so."""
        config, trainer = self.config, self.trainer
        target = min(config.budget, trainer.tflop + config.part)
        if trainer.reached(config.budget):
            self.say(f"budget={config.budget:g} TFLOP is done already; raise it to go on")
            return
        stream = self.feed.stream(trainer.step, pin=self.process.device.type == "cuda")
        try:
            with ticker(trainer.tflop, target, silent=not self.process.first) as bar:
                ended = self._steps(stream, target, bar)
        finally:
            stream.close()
        done = f"{trainer.tflop:.3g} of {config.budget:g} TFLOP, step {trainer.step}"
        if not ended:
            self.say(f"stopped at {done}; the same command goes on")
        elif not trainer.reached(config.budget):
            self.say(f"part done, {done}; the same command goes on")
        else:
            self.say(f"done, {done}; the model is in {self.out / 'model'}")

    def _steps(self, stream: Stream, target: float, bar: Ticker) -> bool:
        """Steps up to `target` TFLOP; whether it was reached."""
        config, trainer = self.config, self.trainer
        first = [next(stream)]
        if trainer.compiled:
            trainer.warm(first[0])
        pace = Pace(trainer, stream)
        while True:
            before, began = trainer.tflop, time.perf_counter()
            trainer.train(first.pop() if first else next(stream))
            trainer.seconds += time.perf_counter() - began
            reached = trainer.reached(target)
            halt = reached or self._any_stopped()
            if trainer.step % config.log_every == 0 or halt:
                self._report(pace, bar)
            asked = bool(config.evaluate) and (
                trainer.reached(config.budget) or crossed(before, trainer.tflop, config.evaluate_every)
            )
            if halt or crossed(before, trainer.tflop, config.validate_every):
                self._write({"validation": trainer.validate(self.held)})
            if halt or asked or crossed(before, trainer.tflop, config.checkpoint_every):
                self._checkpoint()
            if asked:
                self._evaluate()
            if halt:
                return reached

    def _any_stopped(self) -> bool:
        """Whether one of the processes was told to stop: they leave together or wait for each other."""
        if self.process.world == 1:
            return self.stopped()
        flag = torch.tensor(float(self.stopped()), device=self.process.device)
        return bool(self.process.summed(flag) > 0)

    def _write(self, entry: dict[str, Any]) -> None:
        if self.log is not None:
            self.log.write({"step": self.trainer.step, "tflop": self.trainer.tflop, **entry})

    def _report(self, pace: Pace, bar: Ticker) -> None:
        trainer = self.trainer
        losses = trainer.tally.read(self.process.summed)
        speed = pace.read(self.config.batch, self.peak)
        self._write(
            {
                **losses,
                "gradient_norm": trainer.norm,
                "clip": trainer.limit.limit if trainer.limit.count >= trainer.limit.TRUSTED else None,
                "rate": trainer.rate,
                **speed,
                "memory_gb": memory(self.process.device),
            }
        )
        bar.at(
            trainer.tflop,
            f"step {trainer.step}, loss {losses['loss']:.4f}, {speed['clips_per_s']:.0f} clips/s,"
            f" MFU {speed['mfu']:.0%}",
        )

    def _checkpoint(self) -> None:
        """The state to go on from, the averaged model beside it, and the accounts of the run."""
        state, parts = self.trainer.state(), self.trainer.averaged()
        if state is not None and parts is not None:
            facts = {**state.facts, "wanted": self.wanted, "flops_before": self.before}
            state = resume.State(facts, state.tensors)
            resume.save_state(self.out, self.trainer.step, state, self.config.keep)
            origin = self._origin()
            save_model(self.out / "model", self.config.model, parts, origin)
            params = sum(parameter.numel() for parameter in self.trainer.named.values())
            log = self.out / "metrics.jsonl"
            accounts = record.record(self.config, origin, self.trainer.flops, params, log)
            write_text(self.out / "run.json", record.text(accounts))
        self.process.wait()

    def _origin(self) -> dict[str, Any]:
        """Where the weights come from."""
        trainer, config = self.trainer, self.config
        device = self.process.device
        return {
            "tflop": trainer.tflop,
            **({} if self.before is None else {"flops_before": self.before}),
            "steps": trainer.step,
            "clips": trainer.step * config.batch,
            "tokens": trainer.tokens,
            "seconds": round(trainer.seconds, 1),
            "mfu": float(f"{trainer.flops / max(trainer.seconds, 1e-9) / self.peak:.3g}"),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            "processes": self.process.world,
            "train": to_dict(without_folders(config)),
            "made": provenance(),
        }

    def _evaluate(self) -> None:
        if self.process.first:
            out = self.out / "evaluation" / f"step-{self.trainer.step:08d}"
            found = evaluate(self.config.evaluate, self.out / "model", out)
            if "failed" in found:
                self.say(f"evaluation failed: {found['failed']}")
            self._write({"evaluation": found})
        self.process.wait()


class Pace:
    """Speed since the last reading."""

    def __init__(self, trainer: Trainer, stream: Stream) -> None:
        self._trainer, self._stream = trainer, stream
        self._before = self._now()

    def _now(self) -> tuple[float, ...]:
        trainer = self._trainer
        return trainer.step, trainer.flops, trainer.tokens, trainer.seconds, self._stream.waited

    def read(self, batch: int, peak: float) -> dict[str, float]:
        """Clips and tokens per second, MFU against `peak` FLOP/s, and the share of time lost to data."""
        now = self._now()
        steps, flops, tokens, seconds, waited = (b - a for a, b in zip(self._before, now, strict=True))
        self._before = now
        return {
            "seconds": self._trainer.seconds,
            "clips_per_s": steps * batch / seconds,
            "tokens_per_s": tokens / seconds,
            "mfu": flops / seconds / peak,
            "data_wait": waited / seconds,
        }


def crossed(before: float, after: float, every: float) -> bool:
    """Whether a multiple of `every` lies in (before, after]."""
    return int(after / every) > int(before / every)


def start_from(folder: Path, module: Denoiser) -> dict[str, Any]:
    """Weights of the model in `folder`, and what it says of where they come from; a channel for depth that it
    lacks stays at 0, which changes nothing. UserError names the tensor that does not fit."""
    found = read_model(folder)
    new = {n: t for n, t in module.dit.state_dict().items() if n.startswith("given_depth.")}
    fill(module.dit, {**new, **found.tensors["dit"]}, f"{folder}: dit")
    if module.text is not None:
        fill(module.text, found.tensors["text"], f"{folder}: text")
    return found.provenance


def example(config: TrainConfig, module: Denoiser, shape: tuple[int, int, int]) -> Batch:
    """A batch of one clip of `shape` (frames, height, width) pixels, of zeros: for counting."""
    vae, (frames, height, width) = config.model.vae, shape
    count = latent_count(frames, vae.temporal)
    zeros = torch.zeros(1, count, vae.channels, -(-height // vae.spatial), -(-width // vae.spatial))
    levels = even_levels(1, count)
    return Batch(
        clean=zeros,
        noise=zeros,
        level=levels.level,
        seconds=levels.level,
        context=levels.context,
        pattern=levels.pattern,
        ids=None if module.text is None else module.text.tokens([""]),
    )


def check_latents(batches: Sequence[Batch]) -> None:
    """UserError when latents are far from deviation 1: the noise that they are mixed with has 1."""
    spread = float(torch.cat([batch.clean.flatten() for batch in batches]).std())
    if not 0.5 < spread < 2.0:
        raise UserError(
            f"normalised latents have deviation {spread:.3g}, not about 1: the VAE was measured on other"
            " clips; give another vae= or data.path="
        )
