"""Clips and images of any size, length and shape as one row of tokens (Dehghani et al., NaViT, 2307.06304).

Nothing is resized, cropped or padded to a common shape: frames and clips are segments, and attention stays in
them. `plan` decides which clips go together, `pack` lays them out, `DiT.forward_packed` runs them.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from model.network.conditions import facts
from model.network.rotary import positions
from model.network.tokens import patches, unpatched
from simbench.errors import UserError

Size = tuple[int, int, int]
"""Latent frames, height and width of a clip."""


@dataclass(frozen=True)
class Clip:
    """One clip as DiT.forward takes it, without the batch: latents [F, C, h, w], the rest [F, ...]."""

    noised: Tensor
    level: Tensor
    seconds: Tensor
    context: Tensor | None = None
    actions: Tensor | None = None
    camera: Tensor | None = None
    size: tuple[int, int] | None = None
    """Height and width in latents of the whole picture, where `noised` is a crop of it."""
    depth: Tensor | None = None


@dataclass(frozen=True)
class Budget:
    """Room in a pack. Frames and clips are counted where shapes must repeat, as a compiler wants them to."""

    tokens: int
    frames: int = 0
    clips: int = 0

    @property
    def limits(self) -> Size:
        """Room for real tokens, frames and clips: padding takes one frame and one clip."""
        none = 2**62
        return self.tokens, self.frames - 1 if self.frames else none, self.clips - 1 if self.clips else none


@dataclass(frozen=True)
class Pack:
    """N tokens of M frames of several clips; tokens, frames and clips behind the real ones are padding."""

    sizes: tuple[Size, ...]
    patch: int
    tokens: Tensor
    """Patches [N, C * patch * patch]."""
    places: Tensor
    """(t, y, x) [N, 3]."""
    frame: Tensor
    """Frame of each token [N]."""
    clip: Tensor
    """Clip of each frame [M]."""
    start: Tensor
    """First token of each frame [M]."""
    level: Tensor
    context: Tensor
    facts: Tensor
    """Rate, size and context [M, FACTS]."""
    clips: int
    """Clips, padding included: the rows of text."""
    actions: Tensor | None = None
    camera: Tensor | None = None
    depth: Tensor | None = None
    """Of each token [N, temporal * patch * patch]."""

    @property
    def shapes(self) -> tuple[Size, ...]:
        """Frames, rows and columns of tokens of each clip."""
        return tuple((f, h // self.patch, w // self.patch) for f, h, w in self.sizes)

    @property
    def used(self) -> int:
        """Tokens that are not padding."""
        return sum(f * h * w for f, h, w in self.shapes)

    def to(self, device: torch.device | str) -> Pack:
        """The same on a device."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        moved: dict[str, Any] = {k: v.to(device) for k, v in values.items() if isinstance(v, Tensor)}
        return replace(self, **moved)

    def lay(self, latents: Sequence[Tensor]) -> Tensor:
        """Latents [F, C, h, w] of each clip, such as targets of a loss, as tokens [N, P]; padding is 0."""
        rows = torch.cat([patches(latent[None], self.patch).flatten(0, 2) for latent in latents])
        return torch.cat([rows, rows.new_zeros(len(self.tokens) - len(rows), rows.shape[1])])

    def unpack(self, tokens: Tensor) -> list[Tensor]:
        """Latents [F, C, h, w] of each clip from tokens [N, P]."""
        out, start = [], 0
        for (frames, height, width), (_, rows, columns) in zip(self.sizes, self.shapes, strict=True):
            stop = start + frames * rows * columns
            part = tokens[start:stop].view(1, frames, rows * columns, -1)
            out.append(unpatched(part, self.patch, height, width)[0])
            start = stop
        return out


def plan(sizes: Sequence[Size], patch: int, budget: Budget, fill: float = 0.0) -> list[list[int]]:
    """Which of `sizes` go into which pack: indices, largest first, each where it leaves the least room.

    Packs that are filled below the share `fill` are left out, so that a trainer may skip a poor last one.
    UserError, with how often each size occurs, for a clip above the budget and where no pack is left.
    """
    needs = [(f * (h // patch) * (w // patch), f, 1) for f, h, w in sizes]
    for size, need in zip(sizes, needs, strict=True):
        if need[0] > budget.limits[0] or need[1] > budget.limits[1]:
            raise UserError(
                f"a clip of {named(size)} latents needs {need[0]} tokens and {need[1]} frames, the budget is"
                f" {budget.limits[0]} and {budget.limits[1]}; raise it or crop; {histogram(sizes)}"
            )
    packs: list[list[int]] = []
    left: list[list[int]] = []
    rooms: list[tuple[int, int]] = []
    for index in sorted(range(len(sizes)), key=lambda i: (-needs[i][0], i)):
        need = needs[index]
        at = bisect_left(rooms, (need[0], -1))
        while at < len(rooms) and any(n > r for n, r in zip(need, left[rooms[at][1]], strict=True)):
            at += 1
        number = rooms.pop(at)[1] if at < len(rooms) else len(packs)
        if number == len(packs):
            packs.append([])
            left.append(list(budget.limits))
        packs[number].append(index)
        left[number] = [r - n for r, n in zip(left[number], need, strict=True)]
        insort(rooms, (left[number][0], number))
    full = [p for p, room in zip(packs, left, strict=True) if budget.tokens - room[0] >= fill * budget.tokens]
    if not full:
        raise UserError(
            f"no pack of {budget.tokens} tokens is filled to {fill:g}; lower the budget or give more clips;"
            f" {histogram(sizes)}"
        )
    return full


def named(size: Size) -> str:
    """Frames x height x width."""
    return "x".join(str(side) for side in size)


def histogram(sizes: Sequence[Size]) -> str:
    """How often each size occurs, the most frequent first."""
    counts = Counter(sizes).most_common(8)
    listed = ", ".join(f"{named(size)}: {count}" for size, count in counts)
    return f"{len(sizes)} clips ({listed or 'none'})"


def pack(clips: Sequence[Clip], patch: int, temporal: int, budget: Budget | None = None) -> Pack:
    """Lay clips one after another, padded to the budget if there is one. UserError as `plan`."""
    if not clips:
        raise UserError("there is no clip to pack; give at least one")
    sizes = tuple((c.noised.shape[0], c.noised.shape[2], c.noised.shape[3]) for c in clips)
    if budget is not None and len(plan(sizes, patch, budget)) > 1:
        raise UserError(f"{histogram(sizes)} do not fit into one pack of {budget}; plan first")
    grids = [(f, h // patch, w // patch) for f, h, w in sizes]
    used = sum(f * h * w for f, h, w in grids)
    frames = sum(f for f, _, _ in grids)
    rest = 0 if budget is None else budget.tokens - used
    # All padding is the first frame of one more clip; frames behind it are empty.
    rest_frames = 0 if budget is None else max(1, budget.frames - frames)
    padding = [rest, *[0] * (rest_frames - 1)] if rest_frames else []
    areas = torch.tensor([h * w for f, h, w in grids for _ in range(f)] + padding)
    lengths = torch.tensor([f for f, _, _ in grids] + [rest_frames])
    contexts = [_context(c) for c in clips]
    spots = [
        positions(c.seconds[None], h, w).flatten(0, 2) for c, (_, h, w) in zip(clips, grids, strict=True)
    ]
    device = clips[0].noised.device
    return Pack(
        sizes,
        patch,
        tokens=_joined([patches(c.noised[None], patch).flatten(0, 2) for c in clips], rest),
        places=_joined(spots, rest),
        frame=_numbers(areas).to(device),
        clip=_numbers(lengths).to(device),
        start=(areas.cumsum(0) - areas).to(device),
        level=_joined([c.level for c in clips], rest_frames),
        context=_joined(contexts, rest_frames),
        facts=_joined([_facts(c, x, temporal) for c, x in zip(clips, contexts, strict=True)], rest_frames),
        clips=len(clips) if budget is None else max(budget.clips, len(clips)),
        actions=_commands([c.actions for c in clips], grids, rest_frames),
        camera=_commands([c.camera for c in clips], grids, rest_frames),
        depth=_commands(
            [None if c.depth is None else patches(c.depth[None], patch).flatten(0, 2) for c in clips],
            [(f * h * w, 1, 1) for f, h, w in grids],
            rest,
        ),
    )


def _numbers(counts: Tensor) -> Tensor:
    """0 counts[0] times, 1 counts[1] times, and so on."""
    return torch.arange(len(counts)).repeat_interleave(counts)


def _joined(parts: Sequence[Tensor], rest: int) -> Tensor:
    """All parts and `rest` rows of zeros."""
    return torch.cat([*parts, parts[0].new_zeros(rest, *parts[0].shape[1:])])


def _context(clip: Clip) -> Tensor:
    return torch.zeros_like(clip.level, dtype=torch.bool) if clip.context is None else clip.context


def _facts(clip: Clip, context: Tensor, temporal: int) -> Tensor:
    size = clip.noised.shape[2:] if clip.size is None else clip.size
    sides = torch.tensor([list(size)], device=clip.level.device)
    return facts(clip.seconds[None], context[None], sides, temporal)[0]


def _commands(parts: Sequence[Tensor | None], sizes: Sequence[Size], rest: int) -> Tensor | None:
    """Values per frame, or per token, of all clips; NaN, "not given", for clips without and for padding."""
    like = next((part for part in parts if part is not None), None)
    if like is None:
        return None
    rows = [
        like.new_full((size[0], *like.shape[1:]), torch.nan) if part is None else part
        for part, size in zip(parts, sizes, strict=True)
    ]
    return torch.cat([*rows, like.new_full((rest, *like.shape[1:]), torch.nan)])
