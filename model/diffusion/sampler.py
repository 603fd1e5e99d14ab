"""The sampler: one function that follows any schedule `levels` [K + 1, F] from noise to clean latents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from model.diffusion.flow import clean_from, noised, per_frame
from simbench.errors import UserError

if TYPE_CHECKING:
    from model.network.text import Text

ORDERS = ("euler", "heun")


@dataclass(frozen=True)
class Told:
    """What the model is told beside the latents; see DiT.forward for the shapes. `null` is the text that
    stands for none, needed for guidance alone."""

    seconds: Tensor
    text: Text | None = None
    null: Text | None = None
    actions: Tensor | None = None
    camera: Tensor | None = None
    depth: Tensor | None = None
    mode: str = "bidirectional"

    @property
    def commands(self) -> dict[str, Tensor]:
        """Those of actions, camera and depth that are told, by the names that DiT.forward has for them."""
        every = {"actions": self.actions, "camera": self.camera, "depth": self.depth}
        return {name: value for name, value in every.items() if value is not None}


@dataclass(frozen=True)
class Guidance:
    """Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598) where `low` < level <= `high`
    (Kynkaanniemi et al. 2024, arXiv 2404.07724): clean = null + scale (text - null)."""

    scale: float = 1.0
    low: float = 0.1
    high: float = 0.9


@dataclass(frozen=True)
class Given:
    """Latents [B, F, C, h, w] of which `context` (bool [F] or [B, F]) are given; they are shown to the model
    at `level`, 0 for as they are, and come back as they were."""

    latent: Tensor
    context: Tensor
    level: float = 0.0


@torch.no_grad()
def sample(
    denoise: Callable[..., Tensor],
    noise: Tensor,
    levels: np.ndarray,
    told: Told,
    given: Given | None = None,
    guidance: Guidance = Guidance(),
    predict: str = "clean",
    order: str = "euler",
    stepped: Callable[[], None] = lambda: None,
) -> Tensor:
    """Clean latents [B, F, C, h, w], float32, from `noise` of that shape: the latents at row 0, so a video
    noised to that level where the schedule starts below 1.

    `denoise` has the signature of DiT.forward and returns what `predict` says. `levels` [K + 1, F] is a
    schedule (model.diffusion.schedule); each frame goes from its level in row k to that in row k + 1 along
    the straight line to the clean latent predicted there, so that a step to level 0 lands on the prediction.
    order=heun predicts again at the far end and goes along the mean of both directions. `stepped` is called
    after each row. UserError when the schedule does not fit or the order is unknown.
    """
    batch, frames = noise.shape[:2]
    if levels.ndim != 2 or levels.shape[1] != frames or len(levels) < 2:
        raise UserError(
            f"levels {list(levels.shape)} do not fit {frames} latent frames; give [K + 1, {frames}]"
        )
    if order not in ORDERS:
        raise UserError(f"order={order} is not one of {', '.join(ORDERS)}")
    rows = torch.as_tensor(levels, dtype=torch.float32, device=noise.device)[:, None].repeat(1, batch, 1)
    latent, context = noise, torch.zeros_like(rows[0], dtype=torch.bool)
    if given is not None:
        context = given.context.to(noise.device).expand(batch, frames)
        rows = torch.where(context, torch.full_like(rows, given.level), rows)
        shown = noised(given.latent, noise, torch.full_like(rows[0], given.level))
        latent = torch.where(per_frame(context, noise), shown, noise)

    def clean_at(latent: Tensor, level: Tensor, moving: Tensor) -> Tensor:
        """The clean latents as the model sees them at `level`."""
        rest = {**told.commands, "mode": told.mode, "context": context}
        inside = moving & (level > guidance.low) & (level <= guidance.high)
        clean = clean_from(
            denoise(latent, level, told.seconds, text=told.text, **rest).float(), latent, level, predict
        )
        if guidance.scale == 1 or told.null is None or not inside.any():
            return clean
        null = clean_from(
            denoise(latent, level, told.seconds, text=told.null, **rest).float(), latent, level, predict
        )
        return torch.where(per_frame(inside, clean), null + guidance.scale * (clean - null), clean)

    for now, then in pairwise(rows):
        moving = now != then
        clean = clean_at(latent, now, moving)
        latent_then = _towards(latent, clean, now, then, moving)
        again = moving & (then > 0)
        if order == "heun" and again.any():
            far = clean_at(latent_then, then, again)
            velocity = _velocity(latent, clean, now) + _velocity(latent_then, far, then)
            mean = latent + per_frame(then - now, latent) * velocity / 2
            latent_then = torch.where(per_frame(again, mean), mean, latent_then)
        latent = latent_then
        stepped()
    return latent if given is None else torch.where(per_frame(context, latent), given.latent, latent)


def _towards(latent: Tensor, clean: Tensor, now: Tensor, then: Tensor, moving: Tensor) -> Tensor:
    """The point at level `then` on the line through `latent` at `now` and `clean` at 0; still frames stay."""
    ratio = per_frame(then / now.clamp(min=1e-6), latent)
    return torch.where(per_frame(moving, latent), clean + ratio * (latent - clean), latent)


def _velocity(latent: Tensor, clean: Tensor, level: Tensor) -> Tensor:
    return (latent - clean) / per_frame(level.clamp(min=1e-6), latent)
