"""J and F of DAVIS against what TrackEval's code says, and on masks whose values are known."""

from __future__ import annotations

import json

import mot_peers
import numpy as np
import pytest
from mot_scenes import masks

from simbench.metrics.masks import boundary_f, mask_j

MASKS = masks()
STORED = json.loads(mot_peers.STORED.read_text())["masks"]


@pytest.mark.parametrize("name", MASKS)
def test_as_trackeval_says(name: str) -> None:
    made, true = MASKS[name]
    assert mask_j(made, true).mean() == pytest.approx(STORED[name]["J"], abs=1e-12)
    assert boundary_f(made, true).mean() == pytest.approx(STORED[name]["F"], abs=1e-12)


def test_the_stored_values_are_not_all_alike() -> None:
    assert len({round(row["F"], 3) for row in STORED.values()}) >= 5


def square(left: int, side: int = 40, size: tuple[int, int] = (100, 120)) -> np.ndarray:
    """One frame with a square."""
    out = np.zeros((1, *size), bool)
    out[0, 30 : 30 + side, left : left + side] = True
    return out


def test_known_squares() -> None:
    assert mask_j(square(40), square(40)).tolist() == boundary_f(square(40), square(40)).tolist() == [1.0]
    assert mask_j(square(50), square(40))[0] == pytest.approx(30 / 50)
    # 0.008 of the diagonal of 156 px are 1.25, so 2 px are near enough and 3 are not.
    assert boundary_f(square(42), square(40))[0] == 1.0
    assert boundary_f(square(43), square(40))[0] < 0.7
    assert boundary_f(square(43), square(40), bound=0.02)[0] == 1.0


def test_undefined_is_nan_and_one_empty_is_zero() -> None:
    none, full, some = np.zeros((1, 20, 20), bool), np.ones((1, 20, 20), bool), square(40)[:, 25:45, 35:55]
    assert np.isnan(mask_j(none, none)[0]) and np.isnan(boundary_f(none, none)[0])
    assert mask_j(full, full)[0] == 1.0 and np.isnan(boundary_f(full, full)[0])
    for made, true in ((none, some), (some, none)):
        assert mask_j(made, true)[0] == boundary_f(made, true)[0] == 0.0
    for bound in (0.0, 1.0, 3.0):
        with pytest.raises(ValueError, match="bound="):
            boundary_f(some, some, bound)


def test_near_is_a_disc() -> None:
    """Two single pixels 3 px off in both directions: of their outlines, 2 x 2 px each, one pixel is sqrt(8)
    px from the other outline, the rest more than 3."""
    made, true = (np.zeros((1, 100, 100), bool) for _ in range(2))
    true[0, 50, 50] = made[0, 53, 53] = True
    assert boundary_f(made, true, 2.9 / np.hypot(100, 100)).tolist() == [0.25]


@pytest.mark.parametrize("shape", [(2, 0, 5), (2, 5, 0)])
def test_pictures_without_a_pixel_have_no_outline(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="an outline needs pictures of 1x1 or more"):
        boundary_f(np.zeros(shape, bool), np.zeros(shape, bool))
    assert boundary_f(np.zeros((0, 5, 5), bool), np.zeros((0, 5, 5), bool)).shape == (0,)
