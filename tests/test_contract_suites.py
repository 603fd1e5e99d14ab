"""Every suite on disk keeps the contract of `simbench.suite`, and every check of it can fail."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import contracts
import pytest
from conftest import build, names_in
from toys import Toy

FAULTS = [
    (contracts.check_ids, "one id"),
    (contracts.check_ids, "telling id"),
    (contracts.check_seed_spaces, "no prefix"),
    (contracts.check_seed_spaces, "one space"),
    (contracts.check_deterministic, "process"),
    (contracts.check_bounds, "few cheats"),
    (contracts.check_bounds, "no bound"),
    (contracts.check_bounds, "open bounds"),
    (contracts.check_bounds, "no reason"),
    (contracts.check_bounds, "high bound"),
    (contracts.check_no_truth, "a window"),
    (contracts.check_no_truth, "future inside"),
    (contracts.check_no_truth, "telling prompt"),
    (contracts.check_crossed, "no cue"),
    (contracts.check_crossed, "prompt knows"),
    (contracts.check_crossed, "asked otherwise"),
    (contracts.check_anchors, "weak oracle"),
    (contracts.check_anchors, "raised zero"),
    (contracts.check_anchors, "dropped"),
    (contracts.check_survives, "nan"),
    (contracts.check_survives, "moody"),
]
CHECKS = [
    contracts.check_ids,
    contracts.check_seed_spaces,
    contracts.check_deterministic,
    contracts.check_pickles,
    contracts.check_bounds,
    contracts.check_no_truth,
    contracts.check_crossed,
    contracts.check_anchors,
    contracts.check_survives,
]


def run_check(check: Callable[..., None], suite: Any) -> None:
    """A check with the tolerance that two scenes allow."""
    check(suite, within=10.0) if check is contracts.check_anchors else check(suite)


@pytest.fixture(scope="module", params=names_in("suite"))
def suite(request: pytest.FixtureRequest) -> Any:
    """One suite of the configuration, at its defaults."""
    return build("suite", request.param)


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
def test_suite(suite: Any, check: Callable[..., None]) -> None:
    run_check(check, suite)


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
def test_toy_passes(check: Callable[..., None]) -> None:
    run_check(check, Toy())


@pytest.mark.parametrize(("check", "fault"), FAULTS, ids=lambda v: getattr(v, "__name__", v))
def test_check_can_fail(check: Callable[..., None], fault: str) -> None:
    with pytest.raises(AssertionError):
        run_check(check, Toy(fault=fault))


def test_a_scorer_that_raises_is_noticed() -> None:
    with pytest.raises(ValueError, match="black"):
        contracts.check_survives(Toy(fault="raises"))


@pytest.mark.parametrize("given", ["i2v", "t2v"])
@pytest.mark.parametrize("name", names_in("suite"))
def test_other_ways_of_asking(name: str, given: str) -> None:
    suite = build("suite", name)
    asked = dataclasses.replace(suite, setting=dataclasses.replace(suite.setting, given=given))
    contracts.check_ids(asked)
    contracts.check_no_truth(asked)
    here = {case.condition.name for case in contracts.cases_of(suite, 2)}
    assert not here & {case.condition.name for case in contracts.cases_of(asked, 2)}, (
        "one name, two questions"
    )


def test_there_is_a_suite() -> None:
    assert "permanence" in names_in("suite")
