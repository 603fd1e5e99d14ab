"""Noise by place, schedules by property, and the sampler on models whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from scipy import stats  # noqa: E402

from model.diffusion.noise import keyed_noise  # noqa: E402
from model.diffusion.sampler import Given, Guidance, Told, sample  # noqa: E402
from model.diffusion.schedule import after, falling, pyramid, together  # noqa: E402
from simbench.errors import UserError  # noqa: E402

pytestmark = pytest.mark.torch


def test_noise_is_normal_and_not_correlated() -> None:
    noise = keyed_noise(0, (8, 4, 64, 64))
    assert noise.dtype == np.float32 and noise.shape == (8, 4, 64, 64)
    assert stats.kstest(noise.ravel().astype(float), "norm").pvalue > 0.01
    assert abs(stats.kurtosis(noise.ravel())) < 0.05
    for axis in range(4):
        near = np.corrcoef(np.delete(noise, 0, axis).ravel(), np.delete(noise, -1, axis).ravel())[0, 1]
        assert abs(near) < 0.01, f"axis {axis}: {near}"
    for seed in (1, 2**32, -1):
        assert abs(np.corrcoef(noise.ravel(), keyed_noise(seed, noise.shape).ravel())[0, 1]) < 0.01


def test_larger_and_longer_noise_shares_the_crop() -> None:
    small = keyed_noise(7, (3, 4, 5, 6))
    large = keyed_noise(7, (9, 8, 16, 20))
    assert np.array_equal(large[:3, :4, :5, :6], small)
    assert np.array_equal(keyed_noise(7, (2, 4, 5, 6), first=1), small[1:])


def test_noise_takes_any_seed() -> None:
    seeds = (0, 1, -1, 2**63 - 1, 2**64 + 5)
    values = [keyed_noise(seed, (1, 1, 2, 2)).tobytes() for seed in seeds]
    assert len(set(values)) == len(seeds)
    assert values[4] == keyed_noise(5, (1, 1, 2, 2)).tobytes()


@pytest.mark.parametrize(
    "levels",
    [
        together(4, 5, 2.0),
        after(4, 5, 2, 2.0),
        pyramid(4, 5, 1, 2),
        pyramid(4, 5, 2, 1, 1),
        pyramid(1, 1),
        together(3, 2, start=0.5),
    ],
)
def test_schedules_fall_to_zero(levels: np.ndarray) -> None:
    assert (levels[-1] == 0).all() and (np.diff(levels, axis=0) <= 0).all()
    assert levels.min() >= 0 and levels.max() <= 1
    assert (np.diff(levels, axis=1) >= 0).all(), "a later frame is never ahead"


def test_schedules() -> None:
    assert np.allclose(falling(4, 1.0), [1, 0.75, 0.5, 0.25, 0])
    assert np.allclose(falling(2, 3.0), [1, 0.75, 0])
    assert (after(4, 5, 2)[:, :2] == 0).all() and (after(4, 5, 2)[0, 2:] == 1).all()
    chunks = pyramid(4, 5, 1, 2)
    assert chunks.shape == (9, 5)
    assert (chunks[4] == [0, 0, 0, 1, 1]).all(), "one chunk is finished before the next begins"
    assert np.array_equal(pyramid(4, 5, 2, lag=0), after(4, 5, 2))
    flight = pyramid(4, 5, 0, 1, 1)
    assert np.allclose(flight[4], [0, 0.25, 0.5, 0.75, 1])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: falling(0), "steps=0"),
        (lambda: falling(4, 0.0), "shift=0"),
        (lambda: falling(4, 1.0, 1.5), "start=1.5"),
        (lambda: after(4, 3, 3), "leave nothing to make"),
        (lambda: pyramid(4, 3, 3), "leave nothing to make"),
        (lambda: pyramid(4, 3, chunk=0), "chunk=0"),
    ],
)
def test_wrong_schedules(make, says: str) -> None:
    with pytest.raises(UserError, match=says):
        make()


def setting(batch: int = 2, frames: int = 3, seed: int = 0):
    """noise and what is told, for latents of 2 channels, 4 x 4."""
    g = torch.Generator().manual_seed(seed)
    return torch.randn(batch, frames, 2, 4, 4, generator=g), Told(torch.zeros(batch, frames))


def asked(answer):
    """A model that answers `answer(noised, level, text)` and remembers what it was asked."""
    calls = []

    def denoise(noised, level, seconds, context=None, text=None, actions=None, camera=None, mode="", **rest):
        calls.append((noised.clone(), level.clone(), context.clone(), text))
        return answer(noised, level, text)

    return denoise, calls


@pytest.mark.parametrize("order", ["euler", "heun"])
@pytest.mark.parametrize("levels", [together(3, 3, 2.0), after(3, 3, 1), pyramid(3, 3, 0, 1, 1)])
def test_a_model_that_knows_ends_at_what_it_knows(order: str, levels: np.ndarray) -> None:
    noise, told = setting()
    truth = torch.randn(noise.shape, generator=torch.Generator().manual_seed(5))
    denoise, calls = asked(lambda noised, level, text: truth)
    context = torch.as_tensor(levels[0] == 0)
    found = sample(denoise, noise, levels, told, Given(truth, context), order=order)
    torch.testing.assert_close(found, truth)
    for noised, level, _, _ in calls:
        on_line = (1 - level[..., None, None, None]) * truth + level[..., None, None, None] * noise
        torch.testing.assert_close(noised, on_line, atol=1e-5, rtol=1e-5)


def test_velocity_and_clean_predictions_walk_alike() -> None:
    noise, told = setting()
    clean, _ = asked(lambda noised, level, text: torch.tanh(noised))
    velocity, _ = asked(
        lambda noised, level, text: (noised - torch.tanh(noised)) / level[..., None, None, None]
    )
    levels = together(8, 3)
    a = sample(clean, noise, levels, told)
    b = sample(velocity, noise, levels, told, predict="velocity")
    torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_heun_is_of_second_order() -> None:
    noise, told = setting()
    # clean = noised / 2 has the exact flow noised(level) = noise * sqrt(level) away from level 0.
    denoise, _ = asked(lambda noised, level, text: noised / 2)
    errors = {}
    for order in ("euler", "heun"):
        for steps in (16, 32):
            levels = 0.25 + 0.75 * together(steps, 3)
            found = sample(denoise, noise, levels, told, order=order)
            errors[order, steps] = float((found - noise * 0.5).abs().max())
    assert 1.8 < errors["euler", 16] / errors["euler", 32] < 2.2
    assert 3.5 < errors["heun", 16] / errors["heun", 32] < 4.5


def test_context_is_shown_and_comes_back() -> None:
    noise, told = setting()
    given = torch.randn(noise.shape, generator=torch.Generator().manual_seed(9))
    context = torch.tensor([[True, False, False], [True, True, False]])
    denoise, calls = asked(lambda noised, level, text: torch.zeros_like(noised))
    found = sample(denoise, noise, together(3, 3), told, Given(given, context))
    assert torch.equal(found[context], given[context]) and found[~context].eq(0).all()
    for noised, level, seen, _ in calls:
        assert torch.equal(noised[context], given[context]) and level[context].eq(0).all()
        assert torch.equal(seen, context)
    denoise, calls = asked(lambda noised, level, text: torch.zeros_like(noised))
    found = sample(denoise, noise, together(3, 3), told, Given(given, context, level=0.1))
    assert torch.equal(found[context], given[context])
    for noised, level, _, _ in calls:
        torch.testing.assert_close(noised[context], 0.9 * given[context] + 0.1 * noise[context])
        assert (level[context] == 0.1).all()


def test_guidance_goes_beyond_the_text_inside_its_levels() -> None:
    noise, seconds = setting()[0], torch.zeros(2, 3)
    told = Told(seconds, text=torch.tensor(3.0), null=torch.tensor(1.0))
    denoise, calls = asked(lambda noised, level, text: torch.zeros_like(noised) + text)
    everywhere = Guidance(4.0, 0.0, 1.0)
    assert sample(denoise, noise, together(4, 3), told, guidance=everywhere).eq(1 + 4 * 2).all()
    assert len(calls) == 8
    denoise, calls = asked(lambda noised, level, text: torch.zeros_like(noised) + text)
    assert sample(denoise, noise, together(4, 3), told, guidance=Guidance(4.0, 0.3, 0.8)).eq(3).all()
    assert [float(text) for *_, text in calls] == [3, 3, 1, 3, 1, 3], "levels .75 and .5 are asked twice"
    denoise, calls = asked(lambda noised, level, text: torch.zeros_like(noised) + text)
    sample(denoise, noise, together(4, 3), told, guidance=Guidance(1.0))
    assert len(calls) == 4, "no guidance costs nothing"


def test_each_row_is_heard_of() -> None:
    noise, told = setting()
    heard: list[int] = []
    sample(asked(lambda n, level, text: n)[0], noise, together(5, 3), told, stepped=lambda: heard.append(1))
    assert len(heard) == 5


def test_wrong_schedule_or_order() -> None:
    noise, told = setting()
    denoise, _ = asked(lambda noised, level, text: noised)
    with pytest.raises(UserError, match="do not fit 3 latent frames"):
        sample(denoise, noise, together(4, 5), told)
    with pytest.raises(UserError, match="order=rk4"):
        sample(denoise, noise, together(4, 3), told, order="rk4")
