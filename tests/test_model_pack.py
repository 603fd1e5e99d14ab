"""Packing: which clips go together, and that a packed clip is predicted as it is alone."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from model.config import DiTConfig  # noqa: E402
from model.network.attention import Layout, Segments, attention  # noqa: E402
from model.network.dit import DiT  # noqa: E402
from model.network.pack import Budget, Clip, Size, histogram, pack, plan  # noqa: E402
from model.network.packed import Flex, Varlen, choose, windowed  # noqa: E402
from model.network.text import Text  # noqa: E402
from simbench.errors import UserError  # noqa: E402

pytestmark = pytest.mark.torch

SMALL = DiTConfig(channels=3, width=32, depth=3, heads=2, pattern="fg", rank=4, text_width=16, actions=2)
MIXES: dict[str, list[Size]] = {
    "images": [(1, 4, 4), (1, 2, 6), (1, 4, 4)],
    "clips": [(5, 4, 4), (3, 6, 2), (3, 6, 2)],
    "all": [(1, 6, 8), (4, 2, 2), (2, 8, 6), (1, 2, 2)],
}


def build(**changes: object) -> DiT:
    """A small model with no weight left at zero, so that every path carries signal."""
    model = DiT(dataclasses.replace(SMALL, **changes), torch.Generator().manual_seed(0))  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(1)
    for weight in model.parameters():
        weight.data += 0.1 * torch.randn(weight.shape, generator=generator)
    return model


def clips(sizes: list[Size]) -> list[Clip]:
    """Clips at different rates; the second has no actions."""
    generator, made = torch.Generator().manual_seed(2), []
    for number, (frames, height, width) in enumerate(sizes):
        actions = torch.randn(frames, 4, 2, generator=generator)
        made.append(
            Clip(
                torch.randn(frames, 3, height, width, generator=generator),
                torch.rand(frames, generator=generator),
                torch.arange(frames) / (2 + number),
                torch.rand(frames, generator=generator) < 0.4,
                None if number == 1 else actions,
            )
        )
    return made


def texts(rows: int) -> Text:
    features = torch.randn(rows, 7, 16, generator=torch.Generator().manual_seed(3))
    return Text(features, torch.arange(7) <= torch.arange(rows)[:, None])


def alone(model: DiT, clip: Clip, text: Text, row: int, mode: str) -> torch.Tensor:
    """Prediction of one clip as a batch of one."""
    assert clip.context is not None
    actions = None if clip.actions is None else clip.actions[None]
    own = Text(text.features[row : row + 1], text.mask[row : row + 1])
    return model(
        clip.noised[None], clip.level[None], clip.seconds[None], clip.context[None], own, actions, mode=mode
    )[0]


@pytest.mark.parametrize("mode", ["bidirectional", "block_causal"])
@pytest.mark.parametrize("changes", [{}, {"patch": 2}, {"window": 2}, {"nearest": False}], ids=str)
@pytest.mark.parametrize("mix", MIXES)
def test_packed_is_unpadded(mix: str, changes: dict[str, object], mode: str) -> None:
    model, given = build(**changes), clips(MIXES[mix])
    row = pack(given, model.config.patch, 4, Budget(170, 16, 6))
    text = texts(len(given))
    with torch.no_grad():
        packed = row.unpack(model.forward_packed(row, text, mode))
        for number, clip in enumerate(given):
            expected = alone(model, clip, text, number, mode)
            torch.testing.assert_close(packed[number], expected, rtol=1e-5, atol=1e-5)


def test_gradients_of_packed_are_those_of_unpadded() -> None:
    model, given = build(), clips(MIXES["all"])
    text = texts(len(given))
    row = pack(given, 1, 4, Budget(200))
    model.forward_packed(row, text)[: row.used].square().sum().backward()
    packed = [p.grad for p in model.parameters()]
    model.zero_grad(set_to_none=True)
    for number, clip in enumerate(given):
        alone(model, clip, text, number, "bidirectional").square().sum().backward()
    for one, other in zip(packed, model.parameters(), strict=True):
        torch.testing.assert_close(one, other.grad, rtol=1e-3, atol=1e-3)


def test_padding_has_fixed_shapes_and_no_say() -> None:
    model = build()
    rows = [pack(clips(MIXES[mix]), 1, 4, Budget(170, 16, 6)) for mix in MIXES]
    assert len({(r.tokens.shape, r.level.shape, r.clips) for r in rows}) == 1
    assert rows[0].tokens.shape == (170, 3) and rows[0].level.shape == (16,)
    tight = pack(clips(MIXES["all"]), 1, 4)
    assert len(tight.tokens) == tight.used == 48 + 16 + 96 + 4
    wide = pack(clips(MIXES["all"]), 1, 4, Budget(tight.used + 9))
    outs = [model.forward_packed(r, texts(4))[: tight.used] for r in (tight, wide)]
    torch.testing.assert_close(*outs)


def test_targets_are_laid_out_as_the_clips() -> None:
    given = clips(MIXES["all"])
    row = pack(given, 2, 4, Budget(60))
    assert torch.equal(row.lay([c.noised for c in given]), row.tokens)
    for clip, back in zip(given, row.unpack(row.tokens), strict=True):
        assert torch.equal(clip.noised, back)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("window", [0, 2])
@pytest.mark.parametrize("causal", [False, True])
def test_flex_attention_is_the_reference(causal: bool, window: int) -> None:
    row = pack(clips(MIXES["all"]), 1, 4, Budget(180))
    generator = torch.Generator().manual_seed(4)
    q, k, v = (torch.randn(180, 2, 16, generator=generator) for _ in range(3))
    layouts: list[Layout] = [
        Segments(row.shapes, row.frame, causal, window),
        Flex.of(row.shapes, row.frame, causal, window, plain=True),
    ]
    for kind in "fg":
        one, other = (layout.attend(q, k, v, kind)[: row.used] for layout in layouts)
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    text_k, text_v = (torch.randn(4, 5, 2, 16, generator=generator) for _ in range(2))
    mask = torch.arange(5) <= torch.arange(4)[:, None]
    one, other = (x.cross(q, text_k, text_v, x.readable(mask))[: row.used] for x in layouts)
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert torch.equal(*(x.spread(torch.arange(len(row.level))[:, None]) for x in layouts))


@pytest.mark.parametrize("budget", [None, Budget(256)], ids=["full", "padded"])
def test_segments_of_a_card_are_the_frames_and_the_clips(
    budget: Budget | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel itself needs a GPU: here each of its segments is attended to by itself."""
    varlen = pytest.importorskip("torch.nn.attention.varlen")

    def each(q, k, v, ends, others, longest, most):
        assert ends.dtype == torch.int32 and torch.equal(ends, others) and ends[-1] == len(q)
        assert longest == most == int(ends.diff().max())
        pairs = pairwise(ends.tolist())
        return torch.cat([attention(*(x[None, a:b] for x in (q, k, v)))[0] for a, b in pairs if b > a])

    monkeypatch.setattr(varlen, "varlen_attn", each)
    row, generator = pack(clips(MIXES["all"]), 1, 4, budget), torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(len(row.tokens), 2, 16, generator=generator) for _ in range(3))
    card, reference = Varlen.of(row.shapes, row.frame), Segments(row.shapes, row.frame)
    for kind in "fg":
        one, two = (layout.attend(q, k, v, kind)[: row.used] for layout in (card, reference))
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-5)
    frames = torch.arange(len(row.level))[:, None]
    assert torch.equal(card.spread(frames), reference.spread(frames))


@pytest.mark.gpu
@pytest.mark.parametrize("mode", ["bidirectional", "block_causal"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.filterwarnings("default")
def test_cuda_is_cpu(mode: str, dtype: torch.dtype) -> None:
    if not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device")
    model, row, text = build(), pack(clips(MIXES["all"]), 1, 4, Budget(256)), texts(4)
    expected = model.forward_packed(row, text, mode)[: row.used]
    moved = row.to("cuda")
    moved = dataclasses.replace(moved, tokens=moved.tokens.to(dtype))
    on_gpu = Text(text.features.cuda(), text.mask.cuda())
    got = model.cuda().forward_packed(moved, on_gpu, mode)[: row.used]
    assert (got.cpu() - expected).norm() < (0.03 if dtype == torch.bfloat16 else 1e-3) * expected.norm()
    got.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_cpu_takes_the_reference() -> None:
    row = pack(clips(MIXES["all"]), 1, 4)
    assert isinstance(choose(row.shapes, row.frame, True, 0, torch.bfloat16), Segments)
    assert windowed(((1, 9, 2),), 7) and not windowed(((1, 9, 2),), 8) and not windowed(((1, 9, 2),), 0)


sides = st.integers(1, 6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(sides, sides, sides), min_size=1, max_size=30), st.integers(216, 400))
def test_plan_places_each_clip_once_within_the_budget(sizes: list[Size], tokens: int) -> None:
    budget = Budget(tokens, frames=12, clips=5)
    packs = plan(sizes, 1, budget)
    assert sorted(i for p in packs for i in p) == list(range(len(sizes)))
    for p in packs:
        assert sum(f * h * w for f, h, w in (sizes[i] for i in p)) <= tokens
        assert sum(sizes[i][0] for i in p) <= 11 and len(p) <= 4
    for one, other in pairwise(packs):
        load = [sum(f * h * w for f, h, w in (sizes[i] for i in p)) for p in (one, other)]
        counts = [sum(sizes[i][0] for i in p) for p in (one, other)]
        assert sum(load) > tokens or sum(counts) > 11 or len(one) + len(other) > 4
    assert packs == plan(sizes, 1, budget)


def test_plan_takes_the_tightest_room() -> None:
    assert plan([(1, 1, 6), (1, 1, 5), (1, 1, 4), (1, 1, 3)], 1, Budget(9)) == [[0, 3], [1, 2]]


@pytest.mark.parametrize(
    ("sizes", "budget", "fill", "message"),
    [
        (
            [(3, 8, 8), (1, 2, 2)],
            Budget(100),
            0.0,
            r"3x8x8 latents needs 192 .* 2 clips \(3x8x8: 1, 1x2x2: 1\)",
        ),
        ([(9, 1, 1)], Budget(100, frames=9), 0.0, "needs 9 tokens and 9 frames, the budget is 100 and 8"),
        ([], Budget(100), 0.0, r"no pack of 100 tokens .* 0 clips \(none\)"),
        ([(1, 2, 2)] * 3, Budget(100), 0.5, r"is filled to 0.5; .* 3 clips \(1x2x2: 3\)"),
    ],
)
def test_plan_refuses(sizes: list[Size], budget: Budget, fill: float, message: str) -> None:
    with pytest.raises(UserError, match=message):
        plan(sizes, 1, budget, fill)


def test_pack_refuses_nothing_and_too_much() -> None:
    with pytest.raises(UserError, match="no clip to pack"):
        pack([], 1, 4)
    with pytest.raises(UserError, match="do not fit into one pack"):
        pack(clips(MIXES["clips"]), 1, 4, Budget(80))
    with pytest.raises(UserError, match="5x6 do not divide"):
        pack([Clip(torch.zeros(1, 3, 5, 6), torch.zeros(1), torch.zeros(1))], 2, 4)
    with pytest.raises(ValueError, match="pack has patch=2, the model patch=1"):
        build().forward_packed(pack(clips([(1, 4, 4)]), 2, 4))


def test_histogram_starts_with_the_most_frequent() -> None:
    assert histogram([(1, 2, 2), (5, 4, 4), (5, 4, 4)]) == "3 clips (5x4x4: 2, 1x2x2: 1)"
