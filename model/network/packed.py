"""Attention over packed clips in one kernel, for machines where a loop over clips would be the bottleneck.

FlexAttention (2412.05496) takes any of our masks. Variable-length flash attention takes segments alone, which
is all that bidirectional attention without a window needs, and is the faster of the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor

from model.network.attention import Layout, Segments

Shapes = tuple[tuple[int, int, int], ...]


def choose(shapes: Shapes, frame: Tensor, causal: bool, window: int, dtype: torch.dtype) -> Layout:
    """The fastest layout that the device, the type of the activations and the masks allow."""
    if frame.device.type != "cuda":
        return Segments(shapes, frame, causal, window)
    plain = not causal and not windowed(shapes, window)
    if plain and dtype in (torch.bfloat16, torch.float16) and has_varlen():
        return Varlen.of(shapes, frame)
    return Flex.of(shapes, frame, causal, window)


def windowed(shapes: Shapes, window: int) -> bool:
    """Whether `window` hides anything in clips of these shapes."""
    return window > 0 and any(max(height, width) - 1 > window for _, height, width in shapes)


def has_varlen() -> bool:
    """Whether this torch has attention over segments of different lengths."""
    try:
        import torch.nn.attention.varlen  # noqa: F401
    except ImportError:
        return False
    return True


def places(shapes: Shapes, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Clip, row and column of each of `length` tokens; padding is one more clip of one row."""
    used = sum(f * h * w for f, h, w in shapes)
    grids = [*shapes, (1, 1, length - used)]
    indices = [torch.arange(f * h * w) for f, h, w in grids]
    pairs = list(zip(indices, grids, strict=True))
    clip = torch.cat([torch.full_like(index, number) for number, index in enumerate(indices)])
    row = torch.cat([index // max(w, 1) % h for index, (_, h, w) in pairs])
    column = torch.cat([index % max(w, 1) for index, (_, h, w) in pairs])
    return clip, row, column


@cache
def compiled_flex() -> Any:
    """FlexAttention as one kernel."""
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, dynamic=False)


@dataclass(frozen=True)
class Flex:
    """FlexAttention with block masks that are made once per pack; tokens [N, ...], frames [M, ...]."""

    frame: Tensor
    clip: Tensor
    clips: int
    inside: Any
    over: Any
    plain: bool = False
    """Run without a compiler, slowly: for tests."""

    @staticmethod
    def of(shapes: Shapes, frame: Tensor, causal: bool, window: int, plain: bool = False) -> Flex:
        """Masks of a pack of clips (frames, rows, columns)."""
        from torch.nn.attention.flex_attention import create_block_mask

        clip, row, column = (x.to(frame.device) for x in places(shapes, len(frame)))
        near = window or max(max(shape[1:]) for shape in shapes)

        def inside(_b: Tensor, _h: Tensor, q: Tensor, k: Tensor) -> Tensor:
            """Whether a query may see a key of its own frame."""
            apart = ((row[q] - row[k]).abs() <= near) & ((column[q] - column[k]).abs() <= near)
            return (frame[q] == frame[k]) & (apart | (clip[q] == len(shapes)))

        def over(_b: Tensor, _h: Tensor, q: Tensor, k: Tensor) -> Tensor:
            """Whether a query may see a key of its clip."""
            same = clip[q] == clip[k]
            return same & (frame[k] <= frame[q]) if causal else same

        length = len(frame)
        made = [create_block_mask(m, None, None, length, length, frame.device) for m in (inside, over)]
        return Flex(frame, clip, len(shapes), made[0], made[1], plain)

    def spread(self, frames: Tensor) -> Tensor:
        """[M, D] to [N, D]."""
        return frames[self.frame]

    def attend(self, q: Tensor, k: Tensor, v: Tensor, kind: str) -> Tensor:
        """See Layout; q, k, v are [N, heads, head]."""
        return self._flex(q, k, v, self.inside if kind == "f" else self.over)

    def readable(self, mask: Tensor) -> Any:
        """Row i of the text belongs to clip i; padding reads row 0, so that no softmax is empty."""
        from torch.nn.attention.flex_attention import create_block_mask

        clip = torch.where(self.clip < self.clips, self.clip, 0)
        length, seen = mask.shape[1], mask.flatten()

        def own(_b: Tensor, _h: Tensor, q: Tensor, k: Tensor) -> Tensor:
            """Whether a query may see a key of its own text."""
            return (clip[q] == k // length) & seen[k]

        return create_block_mask(own, None, None, len(clip), len(seen), clip.device)

    def cross(self, q: Tensor, k: Tensor, v: Tensor, seen: Any) -> Tensor:
        """See Layout; q is [N, heads, head]."""
        return self._flex(q, k.flatten(0, 1), v.flatten(0, 1), seen)

    def _flex(self, q: Tensor, k: Tensor, v: Tensor, block: Any) -> Tensor:
        from torch.nn.attention.flex_attention import flex_attention

        run = flex_attention if self.plain else compiled_flex()
        out = run(*(x.transpose(0, 1)[None] for x in (q, k, v)), block_mask=block)
        return out[0].transpose(0, 1)


@dataclass(frozen=True)
class Varlen:
    """Flash attention over segments: frames or whole clips; text still goes through Flex."""

    flex: Flex
    frames: Tensor
    clips: Tensor
    longest: tuple[int, int]

    @staticmethod
    def of(shapes: Shapes, frame: Tensor) -> Varlen:
        """Segments of a pack of clips (frames, rows, columns); padding is a segment of its own."""
        areas = [height * width for count, height, width in shapes for _ in range(count)]
        lengths = [count * height * width for count, height, width in shapes]
        rest = len(frame) - sum(lengths)
        ends = [torch.tensor([0, *part, rest]).cumsum(0).int().to(frame.device) for part in (areas, lengths)]
        longest = (max(*areas, rest), max(*lengths, rest))
        # Masks over all pairs of tokens, which only text needs here, would fill the memory of a long pack.
        text = Flex(frame, places(shapes, len(frame))[0].to(frame.device), len(shapes), None, None)
        return Varlen(text, ends[0], ends[1], longest)

    def spread(self, frames: Tensor) -> Tensor:
        """[M, D] to [N, D]."""
        return self.flex.spread(frames)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, kind: str) -> Tensor:
        """See Layout; q, k, v are [N, heads, head] in half precision."""
        from torch.nn.attention.varlen import varlen_attn

        ends, longest = (self.frames, self.longest[0]) if kind == "f" else (self.clips, self.longest[1])
        return cast(Tensor, varlen_attn(q, k, v, ends, ends, longest, longest))

    def readable(self, mask: Tensor) -> Any:
        """See Layout."""
        return self.flex.readable(mask)

    def cross(self, q: Tensor, k: Tensor, v: Tensor, seen: Any) -> Tensor:
        """See Layout."""
        return self.flex.cross(q, k, v, seen)
