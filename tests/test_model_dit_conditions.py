"""What the transformer is told beside the latents: actions, camera, text, rate, size; and named sizes."""

from __future__ import annotations

import dataclasses

import pytest
import tiny_model
from tiny_model import seeded, shaken

torch = pytest.importorskip("torch")

from model.config import DiTConfig, TextConfig  # noqa: E402
from model.network.conditions import facts  # noqa: E402
from model.network.dit import DiT  # noqa: E402
from model.network.rotary import TICKS, positions, rotate, split, turns  # noqa: E402
from model.network.sizes import SIZES, sized  # noqa: E402
from model.network.text import Text, TextEncoder  # noqa: E402
from simbench.errors import UserError  # noqa: E402

pytestmark = pytest.mark.torch

TOLD = DiTConfig(channels=3, width=32, depth=3, heads=2, rank=4, text_width=16, actions=2, camera=True)


def build(**changes: object) -> DiT:
    """A small model that has learned everything it may be told."""
    return shaken(dataclasses.replace(TOLD, **changes))  # type: ignore[arg-type]


def clip(frames: int = 4) -> dict[str, torch.Tensor]:
    return tiny_model.clip(frames)


def text(rows: int = 2) -> Text:
    features = torch.randn(rows, 5, 16, generator=seeded(3))
    return Text(features, torch.arange(5) <= 2 + torch.arange(rows)[:, None])


def commands(frames: int = 4) -> dict[str, torch.Tensor]:
    generator = seeded(4)
    return {
        "actions": torch.randn(2, frames, 4, 2, generator=generator),
        "camera": torch.randn(2, frames, 4, 12, generator=generator),
    }


@pytest.mark.parametrize("name", ["actions", "camera"])
def test_commands_matter_and_nan_is_not_given(name: str) -> None:
    model, given, told = build(), clip(), commands()
    before = model(**given, text=text(), **told)
    moved = model(**given, text=text(), **{**told, name: told[name] + 1})
    assert (moved - before).abs().max() > 1e-3
    nothing = model(**given, text=text(), **{**told, name: torch.full_like(told[name], torch.nan)})
    absent = model(**given, text=text(), **{k: v for k, v in told.items() if k != name})
    torch.testing.assert_close(nothing, absent)
    partly = told[name].clone()
    partly[0] = torch.nan
    mixed = model(**given, text=text(), **{**told, name: partly})
    torch.testing.assert_close(mixed[0], nothing[0])
    torch.testing.assert_close(mixed[1], before[1])


def test_later_commands_do_not_reach_earlier_frames() -> None:
    model, given, told = build(), clip(), commands()
    before = model(**given, text=text(), **told, mode="block_causal")
    told["actions"][:, 2:] += 1
    after = model(**given, text=text(), **told, mode="block_causal")
    assert torch.equal(before[:, :2], after[:, :2]) and not torch.equal(before[:, 2], after[:, 2])


def test_commands_that_nobody_reads_are_refused() -> None:
    model, given, told = build(actions=0, camera=False), clip(), commands()
    for name, value in told.items():
        with pytest.raises(ValueError, match=f"{name} were given to a model without"):
            model(**given, text=text(), **{name: value})
    with pytest.raises(ValueError, match="do not give 8 per frame"):
        build()(**given, text=text(), actions=told["actions"][..., :1])


def test_text_must_be_given_if_and_only_if_it_is_read() -> None:
    with pytest.raises(ValueError, match="text_width=16, but none was given"):
        build()(**clip())
    with pytest.raises(ValueError, match="text_width=0, but text was given"):
        build(text_width=0)(**clip(), text=text())


def test_text_matters_per_row_and_masked_tokens_do_not() -> None:
    model, given, read = build(), clip(), text()
    before = model(**given, text=read)
    other = read.features.clone()
    other[0, 0] += 1
    changed = model(**given, text=Text(other, read.mask))
    assert (changed[0] - before[0]).abs().max() > 1e-3 and torch.equal(changed[1], before[1])
    hidden = torch.where(read.mask[..., None], read.features, 9.0)
    torch.testing.assert_close(model(**given, text=Text(hidden, read.mask)), before)


def test_keys_of_a_text_stand_for_the_text() -> None:
    model, given, read = build(), clip(), text()
    keys = model.text_keys(read)
    assert [k is None for k in keys.blocks] == [False, True, False]
    assert torch.equal(model(**given, text=keys), model(**given, text=read))


def test_new_model_reads_no_text_but_learns_to() -> None:
    model, given = DiT(TOLD, seeded()), clip()
    model.leave.weight.data.normal_(generator=seeded(5))
    encoder = TextEncoder(TextConfig("hash", width=16, depth=1, buckets=64), seeded())
    read = encoder(encoder.tokens(["a red ball", ""]))
    out = model(**given, text=read)
    torch.testing.assert_close(out, model(**given, text=text()))
    out.square().sum().backward()
    gates = [block.cross.gate.grad for block in model.stack if block.cross is not None]
    assert len(gates) == 2 and all(g is not None and g.any() for g in gates)


def test_facts_tell_rates_and_stills_apart() -> None:
    context, size = torch.zeros(2, 3, dtype=torch.bool), torch.tensor([[16, 32]] * 2)
    seconds = torch.tensor([[0.0, 0.5, 1.0], [0.0, 1.0, 2.0]])
    moving, still = facts(seconds, context, size, 4), facts(seconds[:, :1], context[:, :1], size, 4)
    assert moving.shape == (2, 3, 5) and not moving[0, :, 0].any() and (moving[1, :, 0] > 0.6).all()
    assert moving[..., 1].all() and not still[..., :2].any()
    torch.testing.assert_close(moving[0, 0, 3:], torch.tensor([0.0, 0.6931]), rtol=0, atol=1e-4)


def test_size_of_the_whole_picture_can_be_told() -> None:
    model, given = build(), clip()
    same = model(**given, text=text(), size=torch.tensor([[4, 4], [4, 4]]))
    assert torch.equal(same, model(**given, text=text()))
    assert not torch.equal(same, model(**given, text=text(), size=torch.tensor([[8, 8], [8, 8]])))


def test_places_are_centred_and_not_scaled_by_the_grid() -> None:
    small, large = (positions(torch.tensor([[0.0, 0.25]]), side, side) for side in (2, 4))
    assert small[0, 1].tolist() == [[2, y, x] for y in (-0.5, 0.5) for x in (-0.5, 0.5)] and TICKS == 8
    inner = large.view(1, 2, 4, 4, 3)[:, :, 1:3, 1:3].flatten(2, 3)
    assert torch.equal(inner, small)


@pytest.mark.parametrize("head", [6, 16, 32, 64, 96, 128])
def test_rotated_products_depend_on_differences_alone(head: int) -> None:
    assert sum(split(head)) == head // 2 and min(split(head)) > 0
    q, k = (torch.randn(1, 1, head, generator=seeded(seed)) for seed in (0, 1))
    places = torch.tensor([[1.5, -2.0, 3.0], [0.5, 1.0, -1.0]])
    shifted = places + torch.tensor([7.0, -3.0, 11.0])

    def product(at: torch.Tensor) -> torch.Tensor:
        one, other = (turns(place[None], head) for place in at)
        return (rotate(q, *one) * rotate(k, *other)).sum()

    torch.testing.assert_close(product(places), product(shifted), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(rotate(q, *turns(places[:1], head)).norm(), q.norm())


def test_named_sizes_have_the_parameters_that_they_are_known_for() -> None:
    millions = {}
    for name in SIZES:
        with torch.device("meta"):
            model = DiT(sized(name, channels=16))
        millions[name] = sum(p.numel() for p in model.parameters()) / 1e6
    known = {"pico": 0.3, "nano": 1.2, "tiny": 8.5, "S": 27, "B": 104, "M": 354, "L": 930, "XL": 4000}
    assert millions == pytest.approx(known, rel=0.15)


def test_unknown_size_is_refused() -> None:
    with pytest.raises(UserError, match=r"unknown size nanno; did you mean nano\?"):
        sized("nanno")
    with pytest.raises(UserError, match="known are pico, nano"):
        sized("Q")
    assert sized("S", channels=7) == dataclasses.replace(SIZES["S"], channels=7)
