"""Winograd's convolutions: exact where arithmetic is, and torch's elsewhere, at sizes even, odd and small."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from simbench.features.toom import POINTS, matrices

pytestmark = pytest.mark.torch
SHORT = [(2, 3), (4, 3), (4, 4), (3, 4), (1, 2)]


@pytest.mark.parametrize(("size", "taps"), SHORT)
def test_a_short_convolution_is_exact_in_fractions(size: int, taps: int) -> None:
    """y = A^T ((G g) * (B^T d)) is the correlation, for whole numbers to the last digit."""
    n = size + taps - 1
    points = POINTS.get(n, tuple(Fraction(k * (-1) ** k, 2) for k in range(n - 1)))
    back, weights, into = matrices(size, taps, points)
    rng = np.random.default_rng(size + taps)
    d = np.array([Fraction(int(v)) for v in rng.integers(-9, 10, n)])
    g = np.array([Fraction(int(v)) for v in rng.integers(-9, 10, taps)])
    wanted = [sum(d[i + k] * g[k] for k in range(taps)) for i in range(size)]
    assert (back @ ((weights @ g) * (into @ d))).tolist() == wanted
    assert (back @ ((weights @ g[::-1]) * (into @ d))).tolist() != wanted


def test_the_matrices_are_those_of_lavin_and_gray() -> None:
    """F(2, 3) and F(4, 3) as printed there, but for a sign that B and G share."""
    _, weights, into = matrices(2, 3, [Fraction(v) for v in (0, 1, -1)])
    assert (abs(into) == [[1, 0, 1, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 1, 0, 1]]).all()
    half = Fraction(1, 2)
    assert (abs(weights) == [[1, 0, 0], [half] * 3, [half] * 3, [0, 0, 1]]).all()
    back, _, into = matrices(4, 3, [Fraction(v) for v in (0, 1, -1, 2, -2)])
    assert into[0].tolist() == [4, 0, -5, 0, 1, 0] and into[5].tolist() == [0, 4, 0, -5, 0, 1]
    assert back[3].tolist() == [0, 1, -1, 8, -8, 1]


@pytest.mark.parametrize("points", [[0, 1], [0, 1, 1], [0, 1, -1, 2]])
def test_points_that_are_too_few_equal_or_too_many_are_refused(points: list[int]) -> None:
    with pytest.raises(ValueError, match="2 outputs of 3 taps need 3 different points, not"):
        matrices(2, 3, [Fraction(v) for v in points])


def test_all_constants_of_the_compiled_loops_are_exact_in_float32() -> None:
    for n, taps in ((4, 3), (6, 3), (7, 4)):
        for matrix in matrices(n - taps + 1, taps, POINTS[n])[::2]:
            assert all(Fraction(float(np.float32(float(v)))) == v for v in matrix.ravel())


@pytest.mark.parametrize("rectified", ["", "before", "after"])
@pytest.mark.parametrize(("size", "taps"), SHORT[:3])
def test_products_of_sixteen_channels_are_the_matrices(size: int, taps: int, rectified: str) -> None:
    """Both the square and the wide matrix, with the sums of pairs that they share, and in place."""
    from numba import njit

    from simbench.features.lanes import LANES, multiplied

    rng = np.random.default_rng(0)
    for matrix in matrices(size, taps, POINTS[size + taps - 1])[::2]:
        dense = matrix.astype(np.float64)
        product = multiplied(matrix, rectified)
        after, before = dense.shape
        x = rng.normal(size=(before, 3 * LANES)).astype(np.float32)
        bias = rng.normal(size=2 * LANES).astype(np.float32)
        found = x.copy().ravel()
        if rectified:
            njit(lambda a, b, f=product: f(a, 5, 3 * LANES, a, 5, 3 * LANES, b, 7))(found, bias)
        else:
            njit(lambda a, f=product: f(a, 5, 3 * LANES, a, 5, 3 * LANES))(found)
        seen, added = x[:, 5 : 5 + LANES].astype(np.float64), bias[7 : 7 + LANES]
        if rectified == "before":
            seen = np.maximum(seen + added, 0)
        wanted = dense @ seen
        if rectified == "after":
            wanted = np.maximum(wanted + added, 0)
        left = x.copy()
        left[:after, 5 : 5 + LANES] = wanted
        np.testing.assert_allclose(found.reshape(x.shape), left, atol=1e-4)
        untouched = np.ones(x.shape, bool)
        untouched[:after, 5 : 5 + LANES] = False
        assert np.array_equal(found.reshape(x.shape)[untouched], x[untouched])


def convolved(x: np.ndarray, weights: np.ndarray, bias: np.ndarray, stride: int = 1) -> np.ndarray:
    """The convolution of [N, T, H, W, C] in float64 by torch, padded as TensorFlow does, rectified."""
    import torch

    from simbench.features.inception import same

    size = weights.shape[2]
    seen = torch.from_numpy(x).double().permute(0, 4, 1, 2, 3)
    seen = same(seen, (size,) * 3, (stride,) * 3)
    made = torch.nn.functional.conv3d(
        seen, torch.from_numpy(weights).double(), torch.from_numpy(bias).double(), stride
    )
    found: np.ndarray = torch.relu(made).permute(0, 2, 3, 4, 1).numpy()
    return found


SIZES = [
    ((1, 8, 14, 12), 64, 192),
    ((2, 5, 9, 7), 24, 20),
    ((1, 1, 1, 1), 16, 16),
    ((3, 2, 7, 7), 48, 128),
    ((1, 4, 4, 17), 3, 5),
    ((1, 3, 5, 6), 160, 320),
]


@pytest.mark.parametrize("moments", [2, 4])
@pytest.mark.parametrize(("shape", "before", "after"), SIZES)
def test_a_convolution_is_torchs(
    shape: tuple[int, ...], before: int, after: int, moments: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From channels in the middle of what is seen, to channels in the middle of what is made, in blocks."""
    from simbench.features import winograd

    rng = np.random.default_rng(before)
    wide = winograd.padded(before)
    x = rng.normal(size=(*shape, wide + 7)).astype(np.float32)
    bias = np.zeros(wide, np.float32)
    bias[:before] = rng.normal(size=before)
    weights = (rng.normal(size=(after, before, 3, 3, 3)) / np.sqrt(27 * before)).astype(np.float32)
    added = rng.normal(size=after).astype(np.float32)
    seen = np.maximum(x[..., 3 : 3 + before] + bias[:before], 0)
    wanted = convolved(seen, weights, added)
    one = winograd.Convolution(weights, added, moments)
    each = 4 * sum(one.weights.shape[1:]) * one.weights.shape[0]
    for most in (winograd.ROOM, 3 * each, 1):
        monkeypatch.setattr(winograd.Room.blocks, "__defaults__", (most,))
        y = np.full((*shape, after + 5), 7, np.float32)
        one(x, 3, bias, y, 2, winograd.Room())
        np.testing.assert_allclose(y[..., 2 : 2 + after], wanted, atol=1e-5 * (1 + wanted.max()))
        assert (y[..., :2] == 7).all() and (y[..., 2 + after :] == 7).all()
    wrong = convolved(seen, weights[:, ::-1].copy(), added)
    assert abs(wrong - wanted).max() > 0.1


@pytest.mark.parametrize("shape", [(1, 16, 40, 36), (2, 9, 23, 31), (1, 10, 7, 64), (1, 1, 1, 1)])
def test_the_first_convolution_is_torchs(shape: tuple[int, ...]) -> None:
    from simbench.features.winograd import Room, Stem

    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (*shape, 3)).astype(np.float32)
    weights = (rng.normal(size=(40, 3, 7, 7, 7)) / np.sqrt(3 * 343)).astype(np.float32)
    bias = rng.normal(size=40).astype(np.float32)
    wanted = convolved(x, weights, bias, 2)
    found = Stem(weights, bias)(x, Room())
    np.testing.assert_allclose(found, wanted, atol=1e-5 * (1 + wanted.max()))


def test_rounding_is_a_few_times_that_of_the_plain_convolution() -> None:
    """The largest layer, by its root mean square, in units of float32's last digit; the usual points fail."""
    from simbench.features.winograd import Convolution, Room

    rng = np.random.default_rng(1)
    x = rng.normal(size=(1, 8, 16, 16, 64)).astype(np.float32)
    weights = (rng.normal(size=(192, 64, 3, 3, 3)) / np.sqrt(27 * 64)).astype(np.float32)
    none = np.zeros(192, np.float32)
    wanted = convolved(np.maximum(x, 0), weights, none)
    y = np.empty(wanted.shape, np.float32)
    for moments, most in ((2, 6e-7), (4, 1e-6)):
        Convolution(weights, none, moments)(x, 0, none[:64], y, 0, Room())
        assert np.sqrt(np.mean((y - wanted) ** 2)) < most * np.sqrt(np.mean(wanted**2)) * 1.6


def test_what_is_not_a_number_is_not_hidden() -> None:
    from simbench.features.winograd import Convolution, Room

    weights = np.ones((16, 16, 3, 3, 3), np.float32)
    x = np.zeros((1, 2, 4, 4, 16), np.float32)
    x[0, 0, 1, 1, 3] = np.nan
    y = np.zeros_like(x)
    none = np.zeros(16, np.float32)
    Convolution(weights, none, 2)(x, 0, none, y, 0, Room())
    assert np.isnan(y[0, 0, 1, 1]).all()


def test_blocks_are_all_tiles_once() -> None:
    from simbench.features.winograd import Room

    room = Room()
    for tiles, each, most in ((392, 55296, 32 << 20), (7, 100, 4000), (5, 9 << 20, 1), (1, 1, 1 << 20)):
        found = room.blocks(tiles, each, most)
        assert [first for first, _ in found] == list(np.cumsum([0, *(n for _, n in found)])[:-1])
        assert sum(n for _, n in found) == tiles
        assert all(n == 1 or n * each * 4 <= most for _, n in found) and len(room.floats) >= each


@pytest.mark.parametrize(("clips", "frames", "side"), [(1, 9, 33), (3, 16, 64), (1, 21, 50), (1, 32, 40)])
def test_the_whole_network_is_the_plain_one(clips: int, frames: int, side: int) -> None:
    """In float64, and no clip depends on those beside it."""
    import torch
    from test_features_i3d import lively

    from simbench.features.folded import FoldedInception

    net: Any = lively()
    folded = FoldedInception(net).eval()
    x = torch.randn(clips, 3, frames, side, side + 6)
    with torch.inference_mode():
        found = folded(x).double()
        alone = torch.cat([folded(x[i : i + 1]) for i in range(clips)])
        wanted = net.double()(x.double())
    most = float(wanted.abs().max())
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5 * most)
    torch.testing.assert_close(found, alone.double(), rtol=0, atol=1e-5 * most)
    assert float((wanted - wanted.roll(1, 1)).abs().max()) > 0.1 * most


def test_the_distance_of_two_sets_stays_the_same() -> None:
    """To 1e-5, where a shift of all colours by a hundredth is seen a hundred times over."""
    import torch
    from test_features_i3d import lively

    from simbench.features.folded import FoldedInception
    from simbench.metrics.distances import frechet

    net: Any = lively()
    torch.manual_seed(0)
    sets = [torch.randn(12, 3, 1, 1, 1) / 3 + s * torch.randn(12, 3, 9, 32, 32) for s in (0.2, 0.3)]
    with torch.inference_mode():
        found = frechet(*(FoldedInception(net)(x).numpy() for x in sets))
        wanted = frechet(*(net(x).numpy() for x in sets))
        other = frechet(*(net(x).numpy() for x in (sets[0], sets[1] + 0.01)))
    assert abs(found - wanted) < 1e-5 * wanted, found / wanted - 1
    assert abs(other - wanted) > 1e-3 * wanted
