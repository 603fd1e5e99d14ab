"""Which width and depth a budget gets: parameters grow as C^0.5 and end at the model of the base.

Model and data grow alike with compute, each as about C^0.5 (Hoffmann et al. 2022, arXiv:2203.15556).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from model.config import DiTConfig
from model.training.config import TrainConfig
from simbench.errors import UserError

EXPONENT = 0.5
NEAR = 0.10
"""Sizes whose parameters miss what was asked for by less than this share are as good; shape decides."""


@dataclass(frozen=True)
class Size:
    """A model: its options, its parameters, and FLOPs and tokens of training on one clip."""

    dit: DiTConfig
    params: int
    work: int
    tokens: int

    @property
    def name(self) -> str:
        """WIDTHxDEPTH."""
        return f"{self.dit.width}x{self.dit.depth}"


def sized(config: TrainConfig, shape: tuple[int, int, int], width: int, depth: int) -> Size:
    """The size for clips of `shape` (frames, height, width) pixels. UserError where heads are not whole."""
    import torch

    from model.diffusion.denoiser import Denoiser
    from model.training.loop import example

    base = config.model.dit
    head = base.width // base.heads
    if width % head:
        raise UserError(
            f"sizes={width}x{depth}: width {width} is not whole heads of {head}; take a multiple of {head}"
        )
    dit = dataclasses.replace(base, width=width, depth=depth, heads=width // head)
    changed = dataclasses.replace(config, model=dataclasses.replace(config.model, dit=dit))
    with torch.device("meta"):
        module = Denoiser(changed.model)
    clip = example(changed, module, shape)
    work = module.work(clip)
    if config.loss.causal:
        causal = module.work(dataclasses.replace(clip, mode="block_causal"))
        work = round((1 - config.loss.causal) * work + config.loss.causal * causal)
    params = sum(p.numel() for p in module.parameters() if p.requires_grad)
    return Size(dit, params, work, module.tokens(clip))


def chosen(config: TrainConfig, shape: tuple[int, int, int], budgets: Sequence[float]) -> list[Size]:
    """For each of `budgets` (ascending) the size nearest to the base's parameters times (C / last)^0.5.

    Heads keep the base's width. Of sizes within NEAR of it the one shaped most like the base is taken; none
    has fewer parameters than that of the budget before.
    """
    base = config.model.dit
    head, aspect = base.width // base.heads, base.width / base.depth
    every = [
        sized(config, shape, heads * head, depth)
        for heads in range(1, base.heads + 1)
        for depth in range(1, 2 * base.depth + 1)
    ]
    top = next(size for size in every if size.dit == base)
    found: list[Size] = []
    for budget in budgets:
        wanted = top.params * (budget / budgets[-1]) ** EXPONENT
        if budget == budgets[-1]:
            found.append(top)
            continue
        least = found[-1].params if found else 0
        allowed = [size for size in every if least <= size.params <= top.params]

        def miss(size: Size, wanted: float = wanted) -> tuple[float, float]:
            """How far parameters are beyond NEAR of `wanted`, then how unlike the base the shape is."""
            off = abs(math.log(size.params / wanted))
            return max(off, NEAR), abs(math.log(size.dit.width / size.dit.depth / aspect))

        found.append(min(allowed, key=miss))
    return found


def exponent(budgets: Sequence[float], values: Sequence[float]) -> float | None:
    """Least-squares slope of log value over log budget; None of a single budget."""
    x, y = [math.log(b) for b in budgets], [math.log(v) for v in values]
    centre = sum(x) / len(x)
    spread = sum((a - centre) ** 2 for a in x)
    if spread == 0:
        return None
    return sum((a - centre) * b for a, b in zip(x, y, strict=True)) / spread
