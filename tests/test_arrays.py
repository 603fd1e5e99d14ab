"""Reductions of our own against numpy's, bit by bit: scores must not depend on which one is used."""

from __future__ import annotations

import numpy as np
import pytest

from simbench.arrays import channel_mean, channel_sum, gradient, median, squared, weighted_fit

SHAPES = [(17, 32, 32, 3), (1, 9, 40, 3), (5, 7, 2), (300, 3), (1, 3)]


def numbers(shape: tuple[int, ...], kind: type = np.float32) -> np.ndarray:
    """Grey levels with many ties, as differences of rendered frames have."""
    rng = np.random.default_rng(len(shape))
    return (np.rint(rng.normal(0.0, 20.0, shape)) + rng.choice([0.0, 0.25], shape)).astype(kind)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_channels_are_added_as_numpy_adds_them(shape: tuple[int, ...], kind: type) -> None:
    values = numbers(shape, kind)
    np.testing.assert_array_equal(channel_sum(values), values.sum(axis=-1))
    np.testing.assert_array_equal(channel_mean(values), values.mean(axis=-1))
    np.testing.assert_array_equal(squared(values), (values**2).sum(axis=-1))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 2, 3, 1000, 1001])
def test_the_median_is_numpys(count: int, kind: type) -> None:
    values = numbers((4, count), kind)
    for axis in (0, -1):
        found = median(values, axis)
        assert found.dtype == kind
        np.testing.assert_array_equal(found, np.median(values, axis=axis))


@pytest.mark.parametrize("shape", [(2, 2), (3, 8), (32, 17)])
def test_the_gradient_is_numpys(shape: tuple[int, int]) -> None:
    image = numbers(shape)
    np.testing.assert_array_equal(np.stack(gradient(image)), np.stack(np.gradient(image)))


def test_a_weighted_fit_finds_what_made_the_numbers() -> None:
    x = np.linspace(0.0, 1.0, 50)
    design = np.stack([np.ones_like(x), x, x * x], axis=1)
    target = design @ np.array([3.0, -2.0, 5.0])
    target[::7] += 100.0
    weight = np.ones_like(x)
    weight[::7] = 0.0
    found = weighted_fit(design, target, weight, np.zeros((3, 3)))
    np.testing.assert_allclose(found, [3.0, -2.0, 5.0], atol=1e-9)
