"""The interval, the smallest difference and kappa against closed forms and other implementations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as reference

from simbench.stats import kappa, smallest_difference, t_interval


def test_interval_is_that_of_scipy() -> None:
    values = np.random.default_rng(0).normal(3, 2, 17)
    found = t_interval(list(values))
    low, high = reference.t.interval(0.95, 16, values.mean(), reference.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)
    assert found.count == 17
    assert found.sd == pytest.approx(values.std(ddof=1))


def test_interval_of_two_values_by_hand() -> None:
    # The 97.5 % quantile of Student's t with one degree of freedom is tan(pi * 0.475).
    found = t_interval([0.0, 2.0])
    assert found.mean == 1.0
    assert found.high == pytest.approx(1 + math.tan(math.pi * 0.475), rel=1e-9)


def test_interval_covers_what_it_says() -> None:
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(2000):
        found = t_interval(list(rng.normal(5, 1, 8)))
        inside += found.low <= 5 <= found.high
    assert 0.94 <= inside / 2000 <= 0.96


def test_one_scene_has_no_interval_and_none_is_an_error() -> None:
    assert t_interval([4.0]).low is None
    with pytest.raises(ValueError, match="no values"):
        t_interval([])


@pytest.mark.parametrize(("delta", "scenes"), [(1.0, 10), (0.8, 15), (0.5, 34), (0.35, 67), (0.25, 128)])
def test_smallest_difference_needs_as_many_scenes_as_tables_say(delta: float, scenes: int) -> None:
    assert smallest_difference(1.0, scenes) <= delta < smallest_difference(1.0, scenes - 1)


def test_smallest_difference_is_found_four_times_in_five() -> None:
    rng = np.random.default_rng(2)
    delta = smallest_difference(2.0, 12)
    found = [t_interval(list(rng.normal(delta, 2.0, 12))).low > 0 for _ in range(3000)]
    assert 0.77 <= np.mean(found) <= 0.83


def test_smallest_difference_of_one_scene_is_undefined() -> None:
    assert smallest_difference(1.0, 1) is None


def test_kappa_of_known_tables() -> None:
    # 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: observed 0.7, by chance 0.5.
    assert kappa(20, 5, 10, 15) == pytest.approx(0.4)
    assert kappa(7, 0, 0, 9) == pytest.approx(1.0)
    assert kappa(0, 5, 5, 0) == pytest.approx(-1.0)
    assert kappa(6, 18, 4, 12) == pytest.approx(0.0)


def test_kappa_without_readings_or_variation_is_undefined() -> None:
    assert kappa(0, 0, 0, 0) is None
    assert kappa(12, 0, 0, 0) is None


def test_kappa_says_nothing_about_a_reader_that_never_changes_its_answer() -> None:
    assert kappa(0, 0, 3, 300) is None
    assert kappa(0, 0, 60, 240) == 0.0
