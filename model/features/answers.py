"""What a trained encoder answers about clips that it never saw, task by task."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from model.clips.augment import Augment
from model.clips.pool import Pool
from model.features import trainer
from model.features.damage import KINDS
from model.features.options import FeaturesTrain
from model.features.tasks import COLOURS, FAMILIES, STATE, Taught, taught
from model.features.trainer import Batch
from simbench.features.worlds import prepared
from simbench.files import write_text

PLAIN = Augment(permute=0.0, tint=0.0, mirror=0.0)


def answered(config: FeaturesTrain) -> str:
    """Markdown: what the finished run in `out` answers about the pools of `held`; kept as DIR/answers.md.

    Every held clip is read once as it is and once damaged, all its frames. Shares of explained variance (R2)
    of numbers, areas under the curve (AUC) of clips with a damage against those without any.
    """
    source = taught([Pool(Path(path)) for path in config.held.split(",")])
    run = trainer.resumed(config, source)
    run.encoder.eval()
    asked, answers, means = _read(config, source, run)
    lines = ["| task | on held-out clips |", "|---|---|"]
    lines += [f"| loss of {name} | {value:.3f} |" for name, value in means.items()]
    count = len(asked.family)
    right = (answers["family"][:count].argmax(1) == asked.family).float().mean().item()
    lines.append(f"| family right, of {len(FAMILIES)} | {right:.3f} |")
    look = ((answers["look"][:count] > 0).float() == asked.rich).float().mean().item()
    lines.append(f"| look right | {look:.3f} |")
    colours = np.mean([auc(answers["colours"][:count, i], asked.colours[:, i]) for i in range(len(COLOURS))])
    lines.append(f"| colours, mean AUC | {colours:.3f} |")
    for i, name in enumerate(STATE):
        lines.append(f"| {name}, R2 | {_explained(answers['state'][:count, i], asked.state[:, i]):.2f} |")
    for i, name in enumerate(KINDS):
        present = asked.damage[:, i] > 0
        kept = present | (asked.damage.sum(1) == 0)
        # Whole clips are never hurried: there is no frame to leave out.
        if present.any():
            found = auc(answers["damage"][kept, i], present[kept].float())
            lines.append(f"| {name}, AUC | {found:.3f} |")
    text = "\n".join(lines)
    write_text(Path(config.out) / "answers.md", text + "\n")
    return text


def _read(
    config: FeaturesTrain, source: Taught, run: trainer.Run
) -> tuple[Batch, dict[str, Tensor], dict[str, float]]:
    """All held clips in batches: targets, answers, and the mean loss of every task."""
    frames = max(config.lengths)
    # A batch that divides the clips leaves none of them out.
    size = next(n for n in range(min(16, len(source)), 0, -1) if len(source) % n == 0)
    plain = dataclasses.replace(config, augment=PLAIN, lengths=(frames,), batch=size)
    asked, found, losses = [], [], []
    for number in range(len(source) // plain.batch):
        one = trainer.batch(plain, source, number, run.scale)
        with torch.inference_mode():
            answers = run.encoder.answers(run.encoder(prepared(one.clips)))
        asked.append(one)
        found.append(answers)
        losses.append({name: loss.item() for name, loss in trainer.losses(answers, one).items()})
    means = {name: float(np.mean([each[name] for each in losses])) for name in losses[0]}
    damage = [one.damage for one in asked]
    whole = Batch(
        clips=torch.empty(0),
        family=torch.cat([one.family for one in asked]),
        rich=torch.cat([one.rich for one in asked]),
        colours=torch.cat([one.colours for one in asked]),
        named=torch.cat([one.named for one in asked]),
        state=torch.cat([one.state for one in asked]),
        damage=_joined(damage),
    )
    return whole, {name: _joined([answers[name] for answers in found]) for name in found[0]}, means


def _joined(halves: Sequence[Tensor]) -> Tensor:
    """Rows of batches of clips as they are and clips damaged, all of the first before all of the others."""
    parts = [part.chunk(2) for part in halves]
    return torch.cat([clean for clean, _ in parts] + [spoiled for _, spoiled in parts])


def auc(scores: Tensor, positive: Tensor) -> float:
    """Chance that a positive scores above a negative, ties half; `positive` is 0 or 1. NaN without both."""
    yes, no = scores[positive > 0.5], scores[positive <= 0.5]
    if not len(yes) or not len(no):
        return float("nan")
    gap = yes[:, None] - no[None]
    return float(((gap > 0).float() + 0.5 * (gap == 0).float()).mean())


def _explained(answer: Tensor, true: Tensor) -> float:
    return float(1.0 - (answer - true).square().mean() / true.var(correction=0).clamp_min(1e-9))
