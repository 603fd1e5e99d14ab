"""The mixture of noise patterns: shares, marginals and what each pattern promises."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from scipy import stats  # noqa: E402

from model.diffusion.levels import (  # noqa: E402
    NANO,
    PATTERNS,
    PLACES,
    Mixture,
    quantile,
    sample_levels,
    shifted,
    stratified,
)
from simbench.errors import UserError  # noqa: E402

pytestmark = pytest.mark.torch
NONE = dict.fromkeys(PATTERNS, 0.0)
NOWHERE = dict.fromkeys(PLACES, 0.0)


def only(pattern: str, **changes) -> Mixture:
    """A mixture of one pattern."""
    return Mixture(**{**NONE, pattern: 1.0, **changes})


def drawn(mixture: Mixture, batch: int = 4096, frames: int = 5, seed: int = 0):
    """One batch."""
    return sample_levels(batch, frames, mixture, torch.Generator().manual_seed(seed))


def test_shares_are_kept_to_within_one_clip() -> None:
    mixture = Mixture()
    for batch in (10, 64, 1000):
        found = np.bincount(drawn(mixture, batch).pattern.numpy(), minlength=5)
        wanted = np.array([getattr(mixture, name) for name in PATTERNS]) * batch
        assert np.abs(found - wanted).max() <= 1 + 1e-9, (batch, found, wanted)


@pytest.mark.parametrize("pattern", ["whole", "pair", "ramp", "independent"])
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_marginal_of_each_pattern_is_the_mixture(pattern: str, shift: float) -> None:
    mixture = only(pattern, shift=shift)
    level = drawn(mixture).level.flatten().double().numpy()

    def cumulated(t: np.ndarray) -> np.ndarray:
        t = t / (shift - (shift - 1) * t)
        with np.errstate(divide="ignore"):
            logit = np.log(t) - np.log1p(-t)
        return 0.9 * stats.norm.cdf((logit - 0.8) / 0.8) + 0.1 * t

    # Frames of a clip are not independent, so this is a distance, not a p-value.
    assert stats.kstest(level, lambda t: mixture_cdf(t, cumulated)).statistic < 0.02


def mixture_cdf(t: np.ndarray, cumulated) -> np.ndarray:
    """`cumulated` inside (0, 1)."""
    return cumulated(np.clip(t, 1e-12, 1 - 1e-12))


def test_levels_are_stratified_over_the_batch() -> None:
    share = stratified(64, 3, torch.Generator().manual_seed(1))
    for column in share.T:
        assert torch.equal((column * 64).long().sort().values, torch.arange(64))
    assert not torch.equal(share[:, 0].argsort(), share[:, 1].argsort())


def test_quantile_and_shift_stay_inside_and_rise() -> None:
    share = torch.linspace(0, 1, 1001, dtype=torch.float64)[:-1]
    for mixture in (Mixture(), Mixture(floor=0.0), Mixture(floor=1.0), Mixture(sd=0.0, floor=0.0)):
        level = quantile(share, mixture)
        assert level.min() >= 0 and level.max() <= 1 and level.isfinite().all()
    assert torch.equal(shifted(share, 1.0), share)
    assert (shifted(share, 3.0)[1:] > share[1:]).all()


def test_whole_has_one_level() -> None:
    found = drawn(only("whole"))
    assert torch.equal(found.level, found.level[:, :1].expand(-1, 5)) and not found.context.any()


def test_pair_has_at_most_two_levels_on_any_subset() -> None:
    found = drawn(only("pair"))
    counts = np.array([len(np.unique(row)) for row in found.level.numpy()])
    assert counts.max() == 2 and 0.4 < (counts == 2).mean() < 0.95
    high = (found.level == found.level.max(1, keepdim=True).values)[torch.as_tensor(counts == 2)]
    assert len(high.unique(dim=0)) == 2**5 - 2, "every subset of frames occurs"


def test_ramp_rises_and_independent_does_not() -> None:
    assert (drawn(only("ramp")).level.diff(dim=1) >= 0).all()
    level = drawn(only("independent")).level.double()
    assert abs(np.corrcoef(level.T.numpy()) - np.eye(5)).max() < 0.06


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("frames", [2, 3, 5, 9])
def test_places_of_context(place: str, frames: int) -> None:
    mixture = only("context", **{**NOWHERE, place: 1.0}, sizes=(1, 2, 3), context_level=0.1)
    found = drawn(mixture, 512, frames)
    count = found.context.sum(1)
    assert count.min() >= 1 and count.max() < frames, "something is given and something is not"
    rows = {tuple(row) for row in found.context.long().tolist()}
    sizes = [n for n in (1, 2, 3) if n < frames]
    if place == "prefix":
        assert rows == {tuple(int(i < n) for i in range(frames)) for n in sizes}
    if place == "suffix":
        assert rows == {tuple(int(i >= frames - n) for i in range(frames)) for n in sizes}
    if place == "both" and frames > 2:
        assert all(row[0] and row[-1] and 0 in row for row in rows)
    if place == "scattered":
        assert len(rows) >= frames
    given, rest = found.level[found.context], found.level[~found.context]
    assert given.max() <= 0.1 and given.std() > 0.02 and rest.mean() > 0.5
    for row, context in zip(found.level, found.context, strict=True):
        assert len(row[context].unique()) == 1 and len(row[~context].unique()) == 1


def test_nano_goes_on_from_one_five_and_nine_frames() -> None:
    found = drawn(NANO, 3000)
    given = found.context.any(1)
    assert abs(given.float().mean() - 0.7) < 0.001
    counts = np.bincount(found.context[given].sum(1).numpy(), minlength=4)
    assert counts[0] == 0 and np.abs(counts[1:] / counts.sum() - 1 / 3).max() < 0.04
    assert found.context[given][:, 0].all() and found.level[found.context].eq(0).all()


def test_sizes_named_twice_come_twice_as_often() -> None:
    found = drawn(only("context", **{**NOWHERE, "prefix": 1.0}, sizes=(1, 1, 2)))
    assert abs((found.context.sum(1) == 1).float().mean() - 2 / 3) < 0.01


def test_an_image_has_no_context() -> None:
    found = drawn(Mixture(), frames=1)
    assert found.level.shape == (4096, 1) and not found.context.any() and found.pattern.eq(0).all()


def test_the_generator_alone_decides() -> None:
    a, b, c = (drawn(Mixture(), 32, seed=s) for s in (3, 3, 4))
    assert torch.equal(a.level, b.level) and torch.equal(a.context, b.context)
    assert not torch.equal(a.level, c.level)
    before = torch.get_rng_state()
    drawn(Mixture(), 32)
    assert torch.equal(before, torch.get_rng_state()), "the global generator was used"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"whole": -0.1}, "levels.whole=-0.1"),
        (NONE, "must be above 0"),
        (NOWHERE, "must be above 0"),
        ({"sizes": ()}, "levels.sizes"),
        ({"sizes": (0,)}, "levels.sizes"),
        ({"shift": 0.0}, "levels.shift"),
        ({"floor": 1.5}, "levels.floor"),
        ({"sd": float("nan")}, "levels.sd"),
    ],
)
def test_wrong_options(changes: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        dataclasses.replace(Mixture(), **changes)
