"""The objective: a straight path between a clean latent and noise, learned one frame at a time.

The convention of the whole package, said once:

    noised = (1 - level) * clean + level * noise        level 1 is noise, level 0 is clean
    velocity = d noised / d level = noise - clean        sampling walks from level 1 down to 0

A model is given `noised` and `level` and predicts the clean latent (predict=clean, Li & He 2025,
arXiv 2511.13720) or the velocity (predict=velocity, Liu et al. 2022, arXiv 2209.03003). Either way the error
is measured on the clean latent, where both mean the same: error of clean = level * error of velocity. Levels
are [B, F], one for each latent frame; latents are [B, F, ...].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from simbench.errors import UserError

PREDICT = ("clean", "velocity")
WEIGHTS = ("v", "x-ramp", "x")
LEAST = 0.05
"""Level below which the weight `v` no longer grows: 1 / level^2 has no mean."""


@dataclass(frozen=True)
class Loss:
    """`total` is a scalar to descend. `frames` [B, F] is the weighted loss of each frame, 0 on context, and
    `error` [B, F] the plain squared error of the clean latent, without gradient, comparable between runs."""

    total: Tensor
    frames: Tensor
    error: Tensor


def per_frame(value: Tensor, like: Tensor) -> Tensor:
    """`value` [B, F] with as many axes as `like` [B, F, ...]."""
    return value.reshape(*value.shape, *[1] * (like.ndim - value.ndim))


def noised(clean: Tensor, noise: Tensor, level: Tensor) -> Tensor:
    """The point at `level` [B, F] on the way from `clean` to `noise`, both [B, F, ...]."""
    level = per_frame(level, clean)
    return (1 - level) * clean + level * noise


def clean_from(prediction: Tensor, noised: Tensor, level: Tensor, predict: str) -> Tensor:
    """The clean latent that `prediction` means at the point `noised`, both [B, F, ...]."""
    if one_of_predict(predict) == "clean":
        return prediction
    return noised - per_frame(level, noised) * prediction


def one_of_predict(predict: str) -> str:
    """`predict` itself; UserError when it is not one of PREDICT."""
    if predict not in PREDICT:
        raise UserError(f"predict={predict} is not one of {', '.join(PREDICT)}")
    return predict


def weight(level: Tensor, kind: str) -> Tensor:
    """Weight of the squared error of the clean latent at `level`, of the same shape.

    `v`: 1 / max(level, 0.05)^2, the squared error of the velocity. `x-ramp`: 0.1 + 0.9 (1 - level), for few
    steps (Dreamer 4, arXiv 2509.24527, with level reversed). `x`: 1. UserError for another kind.
    """
    if kind == "v":
        return level.clamp(min=LEAST) ** -2
    if kind == "x-ramp":
        return 0.1 + 0.9 * (1 - level)
    if kind == "x":
        return torch.ones_like(level)
    raise UserError(f"weight={kind} is not one of {', '.join(WEIGHTS)}")


def loss(
    prediction: Tensor,
    clean: Tensor,
    noise: Tensor,
    level: Tensor,
    context: Tensor | None = None,
    predict: str = "clean",
    kind: str = "v",
    mask: Tensor | None = None,
) -> Loss:
    """Weighted squared error of the clean latent, in float32, averaged over the frames that are not given.

    `prediction`, `clean`, `noise` [B, F, ...]; `level` [B, F]; `context` [B, F] bool, frames without loss.
    `mask` [B, F, 1, h, w], at least 1, says how much each place counts (objects are few pixels); it is not
    normalised, so that a place weighs the same whatever else its frame shows.
    """
    level, clean = level.float(), clean.float()
    if one_of_predict(predict) == "clean":
        off = prediction.float() - clean
    else:
        off = per_frame(level, clean) * (prediction.float() - (noise.float() - clean))
    squared = off.square()
    error = squared.detach().flatten(2).mean(2)
    if mask is not None:
        squared = squared * mask.float()
    counted = torch.ones_like(level) if context is None else (~context).float()
    frames = weight(level, kind) * squared.flatten(2).mean(2) * counted
    # A batch of nothing but context has no loss; it must not divide by zero either.
    total = frames.sum() / counted.sum().clamp(min=1)
    return Loss(total, frames, error)
