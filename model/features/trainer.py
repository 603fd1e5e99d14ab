"""Training of the encoder: steps, checkpoints, and what it answers about clips that it never saw.

All chance is keyed by (seed, step), and the state holds weights, statistics and moments, so that a run that
was stopped goes on to the same bits on a CPU.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from model.clips.augment import draw_map, mirrored, recoloured
from model.clips.pool import Pool
from model.config import to_dict
from model.data import chance, order
from model.features import axes, damage
from model.features.network import Encoder, write
from model.features.options import FREE, FeaturesTrain, without_folders
from model.features.tasks import Still, Taught, taught, window_state
from model.training import optim, resume
from simbench.errors import UserError
from simbench.features.worlds import prepared
from simbench.files import require_writable
from simbench.progress import progress

Say = Callable[[str], None]
FILE = "worlds.safetensors"
SCALED = 256
"""Clips from which the numbers of STATE get their scale."""


@dataclass(frozen=True)
class Batch:
    """`clips` uint8 [2 B, T, H, W, 3]: B as they are, then the same B damaged. Targets of the first B:
    `family` int64 [B], `rich` float32 [B, 1], `colours` [B, COLOURS] with `named` [B, 1] 0 where colours
    were exchanged, `state` [B, STATE]; of all: `damage` [2 B, KINDS]."""

    clips: Tensor
    family: Tensor
    rich: Tensor
    colours: Tensor
    named: Tensor
    state: Tensor
    damage: Tensor


@dataclass
class Run:
    """What changes while training; `scale` [2, STATE] holds means and deviations and stays."""

    encoder: Encoder
    optimizer: torch.optim.AdamW
    scale: Tensor
    step: int = 0


def train(config: FeaturesTrain, say: Say = print) -> Path | None:
    """Run or go on with a run; the weights file, or None where steps are left for the next call."""
    out = Path(config.out)
    require_writable(out, "out")
    torch.set_num_threads(config.threads)
    source = taught([Pool(Path(path)) for path in config.data.split(",")])
    run = resumed(config, source, say)
    stop = min(config.steps, run.step + config.part) if config.part else config.steps
    _loop(run, config, source, stop, out)
    if run.step < config.steps:
        say(f"stopped at step {run.step} of {config.steps}; the same command goes on")
        return None
    run.encoder.eval()
    weights = run.encoder.folded()
    weights["out.weight"], weights["out.bias"] = axes.fitted(
        axes.pairs(run.encoder, source, min(config.fit, len(source)), config.seed)
    )
    write(out / FILE, weights, without_folders(config))
    return out / FILE


def resumed(config: FeaturesTrain, source: Taught, say: Say = print) -> Run:
    """The run in `out` as it was left; at step 0 where there is none."""
    run = started(config, source)
    saved = resume.load_state(Path(config.out), say)
    if saved is not None:
        _restore(run, saved, config)
        say(f"going on from step {run.step} of {config.steps}")
    return run


def started(config: FeaturesTrain, source: Taught) -> Run:
    """The encoder and its optimizer at step 0."""
    torch.manual_seed(config.seed)
    encoder = Encoder().train()
    parameters = list(encoder.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, config.lr, (0.9, 0.98))
    for group in optimizer.param_groups:
        group["peak"] = config.lr
    return Run(encoder, optimizer, state_scale(source, max(config.lengths)))


def state_scale(source: Taught, frames: int) -> Tensor:
    """Mean and standard deviation of STATE, float32 [2, STATE], over clips spread over `source`."""
    rows = []
    for index in np.linspace(0, len(source) - 1, min(SCALED, len(source))).astype(int):
        sample = source.sample(int(index))
        rows.append(window_state(source.stills[index], sample, 0, min(frames, len(sample.video))))
    stacked = np.stack(rows)
    return torch.from_numpy(np.stack([stacked.mean(0), stacked.std(0) + 0.05]).astype(np.float32))


def batch(config: FeaturesTrain, source: Taught, step: int, scale: Tensor) -> Batch:
    """Batch `step`, a function of the options, the clips and `step` alone."""
    frames = int(chance(config.seed, step, config.batch).choice(config.lengths))
    picked = order(config.seed, step, config.batch, len(source))
    clean, spoiled, stills, states, named, strengths = [], [], [], [], [], []
    for slot, index in enumerate(picked):
        rng = chance(config.seed, step, slot)
        sample = source.sample(int(index))
        if len(sample.video) < frames:
            raise UserError(f"lengths={frames} is more than the {len(sample.video)} frames of the pools")
        if rng.random() < config.augment.mirror:
            sample = mirrored(sample)
        other = source.sample(int(rng.integers(len(source)))).video
        colours = draw_map(rng, config.augment)
        start = int(rng.integers(0, len(sample.video) - frames + 1))
        made = damage.damaged(sample.video, other, frames, start, rng)
        clean.append(recoloured(damage.window(sample.video, frames, start), colours))
        spoiled.append(recoloured(made.video, colours))
        stills.append(source.stills[int(index)])
        states.append(window_state(stills[-1], sample, start, frames))
        named.append([0.0 if colours.permutes else 1.0])
        strengths.append(made.strengths)
    return _batch(np.stack(clean + spoiled), stills, np.stack(states), named, np.stack(strengths), scale)


def _batch(
    clips: np.ndarray,
    stills: list[Still],
    states: np.ndarray,
    named: list[list[float]],
    strengths: np.ndarray,
    scale: Tensor,
) -> Batch:
    return Batch(
        clips=torch.from_numpy(clips),
        family=torch.tensor([s.family for s in stills]),
        rich=torch.tensor([[s.rich] for s in stills]),
        colours=torch.from_numpy(np.stack([s.colours for s in stills])),
        named=torch.tensor(named),
        state=(torch.from_numpy(states) - scale[0]) / scale[1],
        damage=torch.from_numpy(np.concatenate([np.zeros_like(strengths), strengths])),
    )


def losses(answers: dict[str, Tensor], asked: Batch) -> dict[str, Tensor]:
    """The loss of every task; the world's state is asked of clips as they are, damage of all."""
    count = len(asked.family)
    clean = {name: answer[:count] for name, answer in answers.items()}
    colours = functional.binary_cross_entropy_with_logits(clean["colours"], asked.colours, reduction="none")
    return {
        "family": functional.cross_entropy(clean["family"], asked.family),
        "look": functional.binary_cross_entropy_with_logits(clean["look"], asked.rich),
        "colours": (colours * asked.named).mean(),
        "state": functional.smooth_l1_loss(clean["state"], asked.state),
        "damage": functional.binary_cross_entropy_with_logits(answers["damage"], asked.damage),
    }


def step(run: Run, config: FeaturesTrain, asked: Batch) -> dict[str, float]:
    """One update; the parts of the loss and their weighted sum. UserError where it is not a number."""
    done = run.step / config.steps
    optim.set_rate([run.optimizer], optim.rate(done, config.warmup, config.cooldown))
    inputs = prepared(asked.clips).contiguous(memory_format=torch.channels_last_3d)
    with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bf16"):
        features = run.encoder(inputs)
    features = features.float()
    parts = losses(run.encoder.answers(features), asked)
    total = sum(config.damage * part if name == "damage" else part for name, part in parts.items())
    loss = total + config.size * features.square().mean()
    assert isinstance(loss, Tensor)
    if not bool(torch.isfinite(loss)):
        raise UserError(f"the loss is {loss.item()} at step {run.step}; begin again with a lower lr=")
    run.optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(run.encoder.parameters(), 1.0)
    run.optimizer.step()
    run.step += 1
    return {"loss": loss.item(), **{name: part.item() for name, part in parts.items()}}


def _loop(run: Run, config: FeaturesTrain, source: Taught, stop: int, out: Path) -> None:
    began = time.process_time()
    found: list[dict[str, float]] = []
    with progress("steps", stop - run.step) as bar, (out / "metrics.jsonl").open("a") as log:
        while run.step < stop:
            found.append(step(run, config, batch(config, source, run.step, run.scale)))
            bar.step()
            if run.step % config.log_every == 0:
                means = {name: float(np.mean([f[name] for f in found])) for name in found[0]}
                line = {"step": run.step, "cpu_seconds": time.process_time() - began, **means}
                log.write(json.dumps(line) + "\n")
                log.flush()
                found = []
            if run.step % config.checkpoint_every == 0 or run.step == stop:
                _save(run, config, out)


def _save(run: Run, config: FeaturesTrain, out: Path) -> None:
    tensors = {f"encoder.{name}": t.detach().clone() for name, t in run.encoder.state_dict().items()}
    for number, moments in run.optimizer.state_dict()["state"].items():
        tensors |= {f"optim.{number}.{key}": t.detach().clone() for key, t in moments.items()}
    tensors["scale"] = run.scale.clone()
    facts = {"step": run.step, "options": to_dict(config)}
    resume.save_state(out, run.step, resume.State(facts, tensors), config.keep)


def _restore(run: Run, saved: resume.State, config: FeaturesTrain) -> None:
    now: dict[str, Any] = json.loads(json.dumps(to_dict(config)))
    for key, before in saved.facts["options"].items():
        if key not in FREE and now.get(key) != before:
            raise UserError(
                f"out={config.out} holds a run with {key}={json.dumps(before)}, not"
                f" {json.dumps(now.get(key))}; choose another out= or give the same options"
            )
    named = {n.removeprefix("encoder."): t for n, t in saved.tensors.items() if n.startswith("encoder.")}
    run.encoder.load_state_dict(named)
    state = run.optimizer.state_dict()
    for name, tensor in saved.tensors.items():
        kind, number, key = (*name.split("."), "", "")[:3]
        if kind == "optim":
            state["state"].setdefault(int(number), {})[key] = tensor
    run.optimizer.load_state_dict(state)
    run.step, run.scale = saved.facts["step"], saved.tensors["scale"]
