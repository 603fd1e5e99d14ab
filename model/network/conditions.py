"""What a frame is told beside its latents: noise level, rate, size, commands, and the nearest given frame."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.config import DiTConfig
from model.network.layers import Linear, waves

TURNS = 8.0
"""Makes a turn of a few degrees a number near 1: as it comes, its sine hides beside the ones of no turn."""

DISTANCES = 4
"""Octaves of the distance to the nearest context frame."""

FACTS = 5
"""Rate, whether there is motion, context, height, width."""

FEATURES = 2 + 2 * DISTANCES
"""Own frame is context, a context frame was found, sines and cosines of the signed distance to it."""


class FrameMLP(nn.Module):
    """Values of the `temporal` video frames of a latent frame to a condition; NaN stands for "not given"."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.up = Linear(channels, width)
        self.down = Linear(width, width)
        self.absent = nn.Parameter(torch.zeros(width))

    def forward(self, values: Tensor | None) -> Tensor:
        """[B, F, temporal, A] or nothing to [B, F, D] or [D]."""
        if values is None:
            return self.absent
        if values.shape[-2] * values.shape[-1] != self.up.in_features:
            raise ValueError(f"commands of {tuple(values.shape)} do not give {self.up.in_features} per frame")
        values = values.float().flatten(-2)
        given = ~values.isnan().any(-1, keepdim=True)
        made = self.down(F.silu(self.up(values.nan_to_num())))
        return torch.where(given, made, self.absent)


def from_still(camera: Tensor) -> Tensor:
    """Cameras [..., 12], rows of a 3x4, as what parts them from one that stands still; turns times TURNS."""
    still = torch.eye(3, 4, device=camera.device).flatten()
    scale = torch.full((3, 4), TURNS, device=camera.device)
    scale[:, 3] = 1.0
    return (camera.float() - still) * scale.flatten()


class Conditions(nn.Module):
    """What is known of a frame beside its latents, as one vector: level, rate, size, context, commands."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        width = config.width
        self.width, self.temporal = width, config.temporal
        self.level_up, self.level_down = Linear(width, width), Linear(width, width)
        self.facts_up, self.facts_down = Linear(FACTS, width), Linear(width, width)
        self.actions = FrameMLP(config.actions * config.temporal, width) if config.actions else None
        self.camera = FrameMLP(12 * config.temporal, width) if config.camera else None

    def forward(
        self, level: Tensor, facts: Tensor, actions: Tensor | None = None, camera: Tensor | None = None
    ) -> Tensor:
        """Condition [..., D] in fp32 of level [...], counted in thousandths, and facts [..., FACTS]."""
        made = self.level_down(F.silu(self.level_up(waves(1000 * level, self.width))))
        made = made + self.facts_down(F.silu(self.facts_up(facts)))
        if camera is not None and self.camera is not None:
            camera = from_still(camera)
        for name, part, values in (("actions", self.actions, actions), ("camera", self.camera, camera)):
            if part is not None:
                made = made + part(values)
            elif values is not None:
                raise ValueError(f"{name} were given to a model without {name}")
        return F.silu(made)


def facts(seconds: Tensor, context: Tensor, size: Tensor, temporal: int) -> Tensor:
    """Rate, size and context [B, F, FACTS] of frames at `seconds` [B, F] of pictures of size [B, 2] latents.

    The rate is the logarithm of eighths of a second per video frame. A still image has none.
    """
    frames = seconds.shape[1]
    if frames > 1:
        steps = seconds.float().diff(dim=1) / temporal
        rate = torch.cat((steps[:, :1], steps), dim=1).mul(8.0).clamp_min(1e-3).log()
    else:
        rate = torch.zeros_like(seconds, dtype=torch.float32)
    moves = torch.full_like(rate, float(frames > 1))
    sides = (size.float() / 16).log()[:, None].expand(-1, frames, -1)
    return torch.cat((torch.stack((rate, moves, context.float()), dim=-1), sides), dim=-1)


def nearest_context(context: Tensor, causal: bool, clip: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Index [B, F] of the context frame nearest to each frame, and whether there is one [B, F].

    Of two at one distance the earlier counts; in causal order only frames up to one's own do, and where
    clip [F] tells clips apart, only frames of one's own clip.
    """
    frames = context.shape[1]
    here = torch.arange(frames, device=context.device)
    ahead = here[None, :] - here[:, None]
    cost = 2 * ahead.abs() + (ahead > 0)
    usable = context[:, None, :] & (ahead <= 0 if causal else torch.ones_like(ahead, dtype=torch.bool))
    if clip is not None:
        usable = usable & (clip[:, None] == clip)
    cost = torch.where(usable, cost, 2 * frames + 2)
    return cost.argmin(-1), usable.any(-1)


def nearest_features(context: Tensor, index: Tensor, found: Tensor) -> Tensor:
    """What goes with the nearest patch, per frame [B, F, FEATURES]."""
    here = torch.arange(context.shape[1], device=context.device)
    octaves = math.pi / 2 ** torch.arange(1, DISTANCES + 1, device=context.device)
    angle = (here - index)[..., None] * octaves
    distance = torch.cat((angle.sin(), angle.cos()), dim=-1) * found[..., None]
    return torch.cat((torch.stack((context, found), dim=-1).float(), distance), dim=-1)
