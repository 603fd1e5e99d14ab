"""The diffusion transformer: shapes, causality, context, types, positions."""

from __future__ import annotations

import dataclasses

import pytest

torch = pytest.importorskip("torch")

from torch._dynamo.testing import CompileCounter  # noqa: E402

from model.config import DiTConfig  # noqa: E402
from model.network.attention import attention  # noqa: E402
from model.network.conditions import nearest_context  # noqa: E402
from model.network.dit import DiT, Mode  # noqa: E402
from model.network.tokens import patches, unpatched  # noqa: E402
from simbench.errors import UserError  # noqa: E402

pytestmark = pytest.mark.torch

SMALL = DiTConfig(channels=3, width=32, depth=3, heads=2, pattern="fg", rank=4)


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(**changes: object) -> DiT:
    """A small model with no weight left at zero, so that every path carries signal."""
    model = DiT(dataclasses.replace(SMALL, **changes), random())  # type: ignore[arg-type]
    generator = random(1)
    for weight in model.parameters():
        weight.data += 0.1 * torch.randn(weight.shape, generator=generator)
    return model


def clip(frames: int = 5, side: int = 4, batch: int = 2) -> dict[str, torch.Tensor]:
    generator = random(2)
    return {
        "noised": torch.randn(batch, frames, 3, side, side, generator=generator),
        "level": torch.rand(batch, frames, generator=generator),
        "seconds": torch.arange(frames).expand(batch, -1) / 2,
        "context": torch.arange(frames).expand(batch, -1) < 2,
    }


@pytest.mark.parametrize("patch", [1, 2])
@pytest.mark.parametrize(("frames", "height", "width"), [(1, 4, 4), (3, 2, 8), (7, 6, 4)])
def test_prediction_has_the_shape_of_the_latents(patch: int, frames: int, height: int, width: int) -> None:
    noised = torch.randn(2, frames, 3, height, width, generator=random())
    out = build(patch=patch)(noised, torch.rand(2, frames), torch.arange(frames).expand(2, -1) / 4)
    assert out.shape == noised.shape and out.isfinite().all() and out.std() > 0


def test_patches_are_undone() -> None:
    latent = torch.randn(2, 3, 5, 4, 6, generator=random())
    assert torch.equal(unpatched(patches(latent, 2), 2, 4, 6), latent)
    with pytest.raises(UserError, match="5x6 do not divide into patches of 2"):
        patches(torch.zeros(1, 1, 3, 5, 6), 2)


@pytest.mark.parametrize("context", [[], [0], [0, 3], [4]])
@pytest.mark.parametrize("pattern", ["g", "fg"])
def test_block_causal_output_has_no_gradient_to_later_frames(context: list[int], pattern: str) -> None:
    model, given = build(pattern=pattern), clip()
    noised = given["noised"].requires_grad_()
    mask = torch.zeros(2, 5, dtype=torch.bool)
    mask[:, context] = True
    out = model(noised, given["level"], given["seconds"], mask, mode="block_causal")
    for frame in range(5):
        (grad,) = torch.autograd.grad(out[:, frame].square().sum(), noised, retain_graph=True)
        assert not grad[:, frame + 1 :].any()
        assert (grad[:, : frame + 1].abs().amax((2, 3, 4)) > 0).all()


def test_block_causal_ignores_level_and_context_of_later_frames() -> None:
    model, given = build(), clip()
    before = model(**given, mode="block_causal")
    given["level"][:, 3:] = 0.9
    given["context"] = given["context"].clone()
    given["context"][:, 3:] = True
    assert torch.equal(before[:, :3], model(**given, mode="block_causal")[:, :3])


def test_bidirectional_output_depends_on_every_frame() -> None:
    model, given = build(), clip()
    noised = given["noised"].requires_grad_()
    out = model(**given)
    (grad,) = torch.autograd.grad(out[:, 0].square().sum(), noised)
    assert (grad.abs().amax((2, 3, 4)) > 0).all()
    assert not torch.equal(out, model(**given, mode="block_causal"))


def test_a_block_causal_clip_is_its_own_prefix() -> None:
    model, given = build(), clip()
    start = {key: value[:, :3] for key, value in given.items()}
    whole, part = model(**given, mode="block_causal"), model(**start, mode="block_causal")
    torch.testing.assert_close(whole[:, :3], part)


def test_mistyped_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="mode='causal' must be one of"):
        build()(**clip(), mode="causal")


def test_in_frame_pattern_keeps_frames_apart() -> None:
    model, given = build(pattern="f", nearest=False), clip()
    noised = given["noised"].requires_grad_()
    out = model(**given)
    (grad,) = torch.autograd.grad(out[:, 2].square().sum(), noised)
    assert (grad.abs().amax((0, 2, 3, 4)) > 0).tolist() == [False, False, True, False, False]


def reference_nearest(context: list[bool], causal: bool) -> list[int | None]:
    """The same by sorting candidates, one frame at a time."""
    found: list[int | None] = []
    for f in range(len(context)):
        options = [g for g, given in enumerate(context) if given and not (causal and g > f)]
        found.append(min(options, key=lambda g: (abs(g - f), g)) if options else None)
    return found


@pytest.mark.parametrize("causal", [False, True])
def test_nearest_context_is_that_of_a_plain_search(causal: bool) -> None:
    masks = [[bool(bits >> f & 1) for f in range(6)] for bits in range(64)]
    index, found = nearest_context(torch.tensor(masks), causal)
    for row, mask in enumerate(masks):
        got = [int(i) if ok else None for i, ok in zip(index[row], found[row], strict=True)]
        assert got == reference_nearest(mask, causal)


def test_without_context_nothing_is_copied() -> None:
    model, given = build(pattern="f"), clip()
    given["context"] = torch.zeros(2, 5, dtype=torch.bool)
    noised = given["noised"].requires_grad_()
    (grad,) = torch.autograd.grad(model(**given)[:, 2].square().sum(), noised)
    assert not grad[:, [0, 1, 3, 4]].any()


def test_every_weight_is_fp32_whatever_the_activations() -> None:
    model, given = build(), clip()
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    exact = model(**given)
    half = model(**{**given, "noised": given["noised"].bfloat16()})
    assert half.dtype == torch.float32
    assert (half - exact).norm() < 0.03 * exact.norm()
    half.sum().backward()
    grads = [p.grad for p in model.parameters()]
    assert all(g is not None and g.dtype == torch.float32 for g in grads)


def test_levels_are_told_apart() -> None:
    model, given = build(), clip()
    outs = [model(**{**given, "level": torch.full((2, 5), level)}) for level in (0.0, 0.001, 0.5, 1.0)]
    assert min((a - b).abs().max() for i, a in enumerate(outs) for b in outs[:i]) > 1e-4


def test_new_model_predicts_zero_and_learns() -> None:
    model, given = DiT(SMALL, random()), clip()
    assert not model(**given).any()
    target = given["noised"].roll(1, dims=1)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        loss = (model(**given) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    assert all(p.grad is not None for p in model.parameters())


def test_weights_come_from_the_generator() -> None:
    one, two, other = (DiT(SMALL, random(seed)).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not torch.equal(one["enter.weight"], other["enter.weight"])


def test_gate_init_starts_the_gates() -> None:
    for start in (0.0, 1.0):
        block = DiT(dataclasses.replace(SMALL, gate_init=start), random()).blocks[0]
        assert (block.table[[2, 5]] == start).all() and not block.table[[0, 1, 3, 4]].any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": 3}, "width=32 must be an even multiple of heads=3"),
        ({"heads": 8}, "too few"),
        ({"pattern": "fx"}, "pattern='fx'"),
        ({"pattern": ""}, "pattern=''"),
        ({"predict": "noise"}, "predict='noise'"),
    ],
)
def test_options_that_do_not_go_together(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(**changes)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.parametrize("mode", ["bidirectional", "block_causal"])
def test_compiled_blocks_share_graphs_without_breaks(mode: Mode) -> None:
    torch._dynamo.reset()
    model, given = build(depth=6, pattern="fg"), clip()
    expected = model(**given, mode=mode)
    seen = CompileCounter()
    for block in model.stack:
        block.compile(backend=seen, dynamic=False, fullgraph=True)
    for _ in range(2):
        torch.testing.assert_close(model(**given, mode=mode), expected)
    assert seen.frame_count == 2, "one graph for blocks in the frame and one for global ones"


def test_bfloat16_products_are_softmax_attention() -> None:
    q, k, v = (torch.randn(2, 40, 2, 16, generator=random(s)) for s in range(3))
    half = attention(*(x.bfloat16() for x in (q, k, v))).float()
    assert (half - attention(q, k, v)).norm() < 0.02 * attention(q, k, v).norm()
