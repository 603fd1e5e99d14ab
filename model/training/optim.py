"""Muon for the matrices of the blocks, AdamW for the rest, the schedule, and clipping by the run's own norms.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon) takes the momentum of a matrix and
replaces its singular values by about 1; scaled by 0.2 sqrt(max(rows, columns)) (Liu et al. 2025,
Moonlight, arXiv:2502.16982, section 2.2) its entries have the size of an AdamW update in every shape,
so that one learning rate fits all matrices and carries over from AdamW.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from model.training.config import OptimConfig

QUINTIC = (3.4445, -4.7750, 2.0315)
"""Jordan's coefficients: steepest at 0, and after five rounds every singular value is near 1."""
ROUNDS = 5
RMS = 0.2
"""Moonlight's size of an update; AdamW's lies between 0.2 and 0.4."""


def orthogonal(matrices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """`[..., m, n]`, every singular value moved near 1 (0.7 to 1.2), by Newton-Schulz rounds in `dtype`.

    Jordan 2024; the rounds work on the smaller side. The result has the dtype of `matrices`.
    """
    a, b, c = QUINTIC
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = (matrices.mT if tall else matrices).reshape(-1, *sorted(matrices.shape[-2:]))
    x = (x / x.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-7)).to(dtype).contiguous()
    for _ in range(ROUNDS):
        gram = x @ x.mT
        # a x + (b gram + c gram^2) x; fused, because on small matrices the sums cost more than the products.
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    x = x.view(*matrices.shape[:-2], *x.shape[-2:])
    return (x.mT if tall else x).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Momentum, made orthogonal, for 2-D parameters; those of one shape are worked on in one batch.

    A group may say `pieces`: its matrices are that many stacked ones ([query; key; value]), each made
    orthogonal by itself. Sharded parameters (DTensor) are gathered, one bucket of shapes at a time.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "pieces": 1})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient. `closure` is not supported."""
        if closure is not None:
            raise ValueError("Muon takes no closure")
        for group in self.param_groups:
            buckets: dict[tuple[int, ...], list[Tensor]] = {}
            for param in group["params"]:
                if param.grad is not None:
                    buckets.setdefault(tuple(param.shape), []).append(param)
            for params in buckets.values():
                self._update(params, group)

    def _update(self, params: list[Tensor], group: Mapping[str, Any]) -> None:
        momentum, rate = group["momentum"], group["lr"]
        grads = [p.grad for p in params if p.grad is not None]
        for param in params:
            if "momentum" not in self.state[param]:
                self.state[param]["momentum"] = torch.zeros_like(param)
        moments = [self.state[p]["momentum"] for p in params]
        torch._foreach_lerp_(moments, grads, 1 - momentum)
        # Nesterov's look ahead, as in Jordan's Muon.
        ahead = [_whole(m) for m in torch._foreach_lerp(grads, moments, momentum)]
        rows, columns = ahead[0].shape
        rows //= group["pieces"]
        stack = torch.stack(ahead).view(-1, rows, columns)
        scale = RMS * math.sqrt(max(rows, columns))
        updates = orthogonal(stack, self._dtype).reshape(len(params), -1, columns).unbind()
        parts = [_like(update, param) for update, param in zip(updates, params, strict=True)]
        torch._foreach_mul_(params, 1 - rate * group["weight_decay"])
        torch._foreach_add_(params, parts, alpha=-rate * scale)


def _whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _like(full: Tensor, param: Tensor) -> Tensor:
    """This rank's part of `full`, laid out like `param`."""
    if isinstance(param, DTensor):
        return distribute_tensor(full, param.device_mesh, param.placements, src_data_rank=None)
    return full


STACKED = {"qkv": 3, "kv": 2}
"""Layers whose weight is several maps on top of each other."""


def pieces(name: str, param: Tensor) -> int:
    """How many maps Muon sees in a parameter: 0 is none, and it is AdamW's.

    Muon gets the weights of layers that sit in a part of a block (blocks.N.PART.LAYER.weight). What a block
    holds by itself is its modulation: small, low-rank and partly zero at the start, which suits AdamW.
    """
    found = re.search(r"(?:^|\.)blocks\.\d+\.\w+\.(?:\w+\.)*(\w+)\.weight$", name)
    if found is None or param.ndim != 2:
        return 0
    return STACKED.get(found[1], 1)


def build(
    named: Iterable[tuple[str, nn.Parameter]], config: OptimConfig, dtype: torch.dtype = torch.float32
) -> list[torch.optim.Optimizer]:
    """The optimizers of a run over `(name, parameter)`; each group keeps its peak rate as `peak`."""
    stacks: dict[int, list[nn.Parameter]] = {}
    decayed: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, param in named:
        count = pieces(name, param) if config.optimizer == "muon" else 0
        if count:
            stacks.setdefault(count, []).append(param)
        else:
            (decayed if param.ndim >= 2 else rest).append(param)
    found: list[torch.optim.Optimizer] = []
    groups = [{"params": params, "pieces": count} for count, params in stacks.items()]
    if groups:
        found.append(Muon(groups, config.muon_lr, config.momentum, config.weight_decay, dtype))
    adam = [{"params": p, "weight_decay": w} for p, w in ((decayed, config.weight_decay), (rest, 0.0)) if p]
    if adam:
        fused = all(p.device.type in ("cpu", "cuda") for p in decayed + rest)
        found.append(torch.optim.AdamW(adam, config.adam_lr, (0.9, 0.95), eps=1e-10, fused=fused))
    for optimizer in found:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return found


def rate(progress: float, warmup: float, cooldown: float) -> float:
    """Factor of the peak rate at `progress` (0 to 1) of the budget: warm-up, flat, linear cool-down.

    Runs of different budgets share the flat trunk (Hu et al. 2024, MiniCPM, arXiv:2404.06395).
    """
    up = progress / warmup if warmup > 0 else 1.0
    down = (1 - progress) / cooldown if cooldown > 0 else 1.0
    return max(0.0, min(1.0, up, down))


def set_rate(optimizers: Iterable[torch.optim.Optimizer], factor: float) -> None:
    """Scale every group's learning rate to `factor` of its peak."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * factor


@dataclass(frozen=True)
class Clip:
    """Running mean and square of the gradient norm; the limit is mean + 3 sd (Open-Sora Plan 1.5)."""

    mean: float = 0.0
    square: float = 0.0
    count: int = 0

    DECAY = 0.99
    TRUSTED = 20
    """Steps before the running values are believed."""

    @property
    def limit(self) -> float:
        """The largest norm that passes as it is; infinite at the start."""
        if self.count < self.TRUSTED:
            return math.inf
        return self.mean + 3 * math.sqrt(max(0.0, self.square - self.mean**2))

    def seen(self, norm: float) -> Clip:
        """The state after a step of gradient norm `norm`: an outlier counts as the limit only."""
        norm = min(norm, self.limit)
        keep = min(self.DECAY, self.count / (self.count + 1))
        mean = keep * self.mean + (1 - keep) * norm
        square = keep * self.square + (1 - keep) * norm**2
        return Clip(mean, square, self.count + 1)


def gradient_norm(params: Iterable[nn.Parameter]) -> Tensor:
    """The 2-norm over all gradients, over all ranks where they are sharded."""
    grads = [p.grad for p in params if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(grads, foreach=True)
    return _whole(norm)


def scale_gradients(params: Iterable[nn.Parameter], factor: float) -> None:
    """Multiply every gradient by `factor`, in place."""
    grads = [p.grad for p in params if p.grad is not None]
    torch._foreach_mul_(grads, factor)
