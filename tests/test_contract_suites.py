"""Every suite on disk keeps the contract of `simbench.suite`, and every check of it can fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import contracts
import pytest
from conftest import build, names_in
from kept import Kept
from proven import ProvenToy

from simbench.case import GIVEN, Setting

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
    (contracts.check_bounds, "relative bound"),
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
    (contracts.check_tags, "no trial"),
    (contracts.check_tags, "twin of nothing"),
    (contracts.check_tags, "half hidden"),
    (contracts.check_cheats, "cheat given"),
    (contracts.check_cheats, "idle cheat"),
    (contracts.check_cheats, "short cheat"),
    (contracts.check_damages, "few damages"),
    (contracts.check_damages, "five strengths"),
    (contracts.check_damages, "no unit"),
    (contracts.check_damages, "harmful zero"),
    (contracts.check_damages, "damage given"),
    (contracts.check_damages, "idle damage"),
    (contracts.check_nuisances, "no nuisance"),
    (contracts.check_nuisances, "idle nuisance"),
    (contracts.check_nuisances, "nuisance in place"),
    (contracts.check_baselines, "odd baseline"),
    (contracts.check_baselines, "odd anchor"),
    (contracts.check_baselines, "open baseline"),
    (contracts.check_columns, "odd column"),
    (contracts.check_columns, "text column"),
]
COMMAND_FAULTS = [
    (contracts.check_no_truth, "v2v", "uncalled poses"),
    (contracts.check_no_truth, "cam", "coarse poses"),
    (contracts.check_no_truth, "act", "short actions"),
    (contracts.check_crossed, "cam", "one command"),
    (contracts.check_crossed, "act", "one command"),
    (contracts.check_crossed, "cam", "asked otherwise"),
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
    contracts.check_tags,
    contracts.check_cheats,
    contracts.check_damages,
    contracts.check_nuisances,
    contracts.check_baselines,
    contracts.check_columns,
]


def run_check(check: Callable[..., None], suite: Any, there: Callable[..., Any] | None = None) -> None:
    """A check with the tolerance that two scenes allow; `there` calls functions in another process."""
    if check is contracts.check_anchors:
        check(suite, within=10.0)
    elif check is contracts.check_deterministic and there is not None:
        check(suite, there)
    else:
        check(suite)


@pytest.fixture(scope="module")
def there() -> Iterator[Callable[..., Any]]:
    """One other process for all suites: it takes a second or two to start."""
    with contracts.another_process() as call:
        yield call


@pytest.fixture(scope="module", params=names_in("suite"))
def suite(request: pytest.FixtureRequest) -> Any:
    """One suite of the configuration, at its defaults."""
    return Kept(build("suite", request.param))


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
def test_suite(suite: Any, there: Callable[..., Any], check: Callable[..., None]) -> None:
    run_check(check, suite, there)


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
def test_toy_passes(check: Callable[..., None]) -> None:
    run_check(check, ProvenToy())


@pytest.mark.parametrize(("check", "fault"), FAULTS, ids=lambda v: getattr(v, "__name__", v))
def test_check_can_fail(check: Callable[..., None], fault: str) -> None:
    with pytest.raises(AssertionError):
        run_check(check, ProvenToy(fault=fault))


def test_a_scorer_that_raises_is_noticed() -> None:
    with pytest.raises(ValueError, match="black"):
        contracts.check_survives(ProvenToy(fault="raises"))


@pytest.mark.parametrize(
    "check", [contracts.check_no_truth, contracts.check_crossed, contracts.check_anchors]
)
@pytest.mark.parametrize("given", ["cam", "act"])
def test_a_command_may_tell_the_future(check: Callable[..., None], given: str) -> None:
    run_check(check, commanded(given))


@pytest.mark.parametrize(("check", "given", "fault"), COMMAND_FAULTS)
def test_a_command_out_of_form_is_noticed(check: Callable[..., None], given: str, fault: str) -> None:
    with pytest.raises(AssertionError):
        run_check(check, commanded(given, fault))


def commanded(given: str, fault: str = "") -> ProvenToy:
    """The toy, asked by a command."""
    return ProvenToy(setting=Setting(frames=5, context=2, given=given), fault=fault)


@pytest.mark.parametrize("given", GIVEN)
def test_other_ways_of_asking(suite: Any, given: str) -> None:
    if given == suite.setting.given:
        assert contracts.asked_as(suite, given)[0] is not None
    else:
        contracts.check_other_way(suite, given)


@pytest.mark.parametrize("given", GIVEN)
def test_a_refusal_that_says_what_to_use_is_an_answer(given: str) -> None:
    contracts.check_other_way(ProvenToy(fault="polite refusal"), given)


@pytest.mark.parametrize("fault", ["rude refusal", "vague refusal", "one name"])
def test_another_way_of_asking_can_fail(fault: str) -> None:
    with pytest.raises(AssertionError):
        contracts.check_other_way(ProvenToy(fault=fault), "t2v")


def test_open_twins_are_not_part_of_the_score() -> None:
    for check in CHECKS:
        run_check(check, ProvenToy(twins=True))


def test_there_is_a_suite() -> None:
    assert "permanence" in names_in("suite")
