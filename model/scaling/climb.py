"""Trains the runs of a ladder one after the other, by the trainer's own loop; stopped, it goes on.

Runs of one size and seed share a trunk, because the rate is flat between warm-up and cool-down (Hu et al.
2024, MiniCPM, arXiv:2404.06395): the trunk is trained as far as a run's cool-down begins, the run starts from
a copy of its state, cools down, and the trunk goes on to the next. Its cost is counted to each run.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from model.config import to_dict
from model.scaling.plan import TERA, Chain, Pick, Plan, Run
from model.training import resume, sources
from model.training.config import TrainConfig
from model.training.distributed import Process
from model.training.loop import Loop
from simbench.errors import UserError
from simbench.files import replacing_folder, write_text

TRUNKS = "trunks"
COPIED = ("vae.safetensors", "metrics.jsonl")
"""What a run takes from its trunk beside the state."""
READINGS = 8
"""Validations and checkpoints of a run, at least."""


class Climb:
    """One call. `part` TFLOP and `until`, on the monotonic clock in seconds, end it early, as does `stopped`;
    the same command goes on."""

    def __init__(
        self,
        plan: Plan,
        out: Path,
        process: Process,
        part: float,
        until: float,
        stopped: Callable[[], bool],
    ) -> None:
        self.plan, self.out, self.process = plan, out, process
        self._part, self._until = part * TERA, until
        self._stopped = stopped
        self._before, self._start = 0, 0
        self._loop: Loop | None = None
        self._config = plan.config

    def train(self, picks: Sequence[Pick]) -> bool:
        """Train all runs of `picks`; whether all are done."""
        self._config = self._with_pool()
        return all(self._one(pick.chain, run) for pick in picks for run in pick.runs)

    def over(self) -> bool:
        """Whether this call ends: told to, its time or its work used up."""
        return self._stopped() or time.monotonic() >= self._until or self._work() >= self._part

    def _work(self) -> float:
        """FLOPs of this call so far."""
        now = 0 if self._loop is None else self._loop.trainer.flops - self._start
        return self._before + now

    def _with_pool(self) -> TrainConfig:
        """The options with the pool of all runs, rendered now where none was given."""
        config = self.plan.config
        path = config.data.path
        if not path:
            depth = config.model.dit.given_depth
            sources.rendered(config.data, self.plan.clips, depth)
            path = str(sources.pool_folder(config.data, depth))
        data = dataclasses.replace(config.data, path=path, clips=self.plan.clips)
        return dataclasses.replace(config, data=data)

    def options(self, chain: Chain, run: Run) -> TrainConfig:
        """Those of `run`, as if it were trained by itself."""
        config = self._sized(run)
        share = chain.warm() / run.budget
        optim = dataclasses.replace(config.optim, warmup=share)
        return self._often(dataclasses.replace(config, out=str(self.out / run.name), optim=optim), run.budget)

    def trunk(self, chain: Chain) -> TrainConfig:
        """Those of the trunk: the largest budget, without a cool-down."""
        last = chain.runs[-1]
        config = self._sized(last)
        optim = dataclasses.replace(config.optim, warmup=chain.warm() / last.budget, cooldown=0.0)
        out = str(self.out / TRUNKS / chain.name)
        return self._often(dataclasses.replace(config, out=out, optim=optim), last.budget)

    def _sized(self, run: Run) -> TrainConfig:
        config = self._config
        model = dataclasses.replace(config.model, dit=run.size.dit, name=run.size.name)
        return dataclasses.replace(config, model=model, seed=run.seed, budget=run.budget)

    def _often(self, config: TrainConfig, budget: float) -> TrainConfig:
        """With a part that never ends, and a checkpoint and a validation at least READINGS times."""
        every = budget / READINGS
        return dataclasses.replace(config, part=budget, checkpoint_every=every, validate_every=every)

    def _one(self, chain: Chain, run: Run) -> bool:
        """Train `run`; whether it is done."""
        config = self.options(chain, run)
        if finished(Path(config.out), run):
            return True
        if self.over():
            return False
        if chain.shared:
            # Also the runs before it that nobody asked for: the trunk passes where they leave it.
            for other in chain.runs[: chain.runs.index(run) + 1]:
                if not self._branched(chain, other):
                    return False
        say(f"{run.name}: {run.budget:.4g} TFLOP")
        return self._to(config, run.budget)

    def _branched(self, chain: Chain, run: Run) -> bool:
        """Train the trunk up to where `run` leaves it, and copy its state; whether it got there."""
        config, trunk = self.options(chain, run), self.trunk(chain)
        if (Path(config.out) / resume.LATEST).exists():
            return True
        folder, target = Path(trunk.out), chain.fork(run) * run.step
        say(f"{run.name}: trunk {chain.name} to {target:.4g} TFLOP")
        if not self._to(trunk, target):
            return False
        state = resume.load_state(folder, say)
        if state is None or state.facts["flops"] > round(target * TERA) + run.step * TERA:
            raise UserError(
                f"trunk {folder} is past {target:.4g} TFLOP, where {run.name} leaves it; remove that folder"
                " to train the trunk anew"
            )
        facts = {**state.facts, "config": to_dict(config)}
        with replacing_folder(Path(config.out)) as temporary:
            resume.save_state(temporary, state.facts["step"], resume.State(facts, state.tensors))
            write_text(temporary / "config.json", json.dumps(to_dict(config), indent=2) + "\n")
            for name in COPIED:
                shutil.copyfile(folder / name, temporary / name)
        return True

    def _to(self, config: TrainConfig, target: float) -> bool:
        """Train until `target` TFLOP; whether that much is done."""
        loop = Loop(config, self.process, self.over)
        trainer = loop.trainer
        self._loop, self._start = loop, trainer.flops
        if not trainer.reached(target):
            # Where this call ends is known only now that the state has been read.
            loop.config = dataclasses.replace(loop.config, part=target - trainer.tflop)
            loop.run()
        self._before, self._loop = self._before + trainer.flops - self._start, None
        torch.compiler.reset()
        return trainer.reached(target)


def finished(folder: Path, run: Run) -> bool:
    """Whether `folder` says in its run.json that all of `run` is done."""
    path = folder / "run.json"
    if not path.is_file():
        return False
    return bool(json.loads(path.read_text(encoding="utf-8"))["flops"] >= round(run.budget * TERA))


def say(line: str) -> None:
    """One line on stderr."""
    print(f"model.scale: {line}", file=sys.stderr, flush=True)
