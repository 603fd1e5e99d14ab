"""A prompt says what can be seen and what is commanded: another future, the same words."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Callable

import numpy as np
import pytest
from conftest import build

from simbench.case import Case, Setting
from simbench.instruments import bench
from simbench.worlds.families import occluder


def cases(trial: str, prompt: str = "plain", scenes: int = 6) -> list[Case]:
    """Cases of one kind of trial of the first scenes."""
    suite = build("suite", "permanence")
    suite = dataclasses.replace(suite, setting=dataclasses.replace(suite.setting, prompt=prompt))
    return [c for s in suite.scenes(scenes, "public") for c in suite.cases(s) if c.tags["trial"] == trial]


def replace(patch: pytest.MonkeyPatch, name: str, function: Callable[..., object]) -> int:
    """Put `function` in the place of the family's `name` in every module that holds it; how many do.

    A clip that is kept obeys the law of its time, so none is.
    """
    patch.setattr(bench, "_whole", getattr(bench._whole, "__wrapped__", bench._whole))
    original = getattr(occluder, name)
    holders = [m for n, m in sys.modules.items() if n.startswith(("simbench.", "suites."))]
    holders = [m for m in holders if vars(m).get(name) is original]
    for module in holders:
        patch.setattr(module, name, function)
    return len(holders)


def test_objects_that_pass_through_the_post_change_no_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = build("suite", "permanence")
    for case in cases("stay", scenes=2):
        before = suite.oracle(case).frames
        with monkeypatch.context() as patch:
            replace(patch, "stop_time", lambda layout, lane: None)
            after = suite.oracle(case).frames
            again = next(c for c in suite.cases(case.scene) if c.id == case.id)
        k = len(case.condition.given_frames)
        if not case.tags["hidden"]:
            assert not np.array_equal(before[k:], after[k:]), "the future did not change"
        assert np.array_equal(before[:k], after[:k])
        assert again.condition.digest() == case.condition.digest()


def test_a_cup_that_lifts_later_changes_no_prompt() -> None:
    suite = build("suite", "permanence")
    seen = 0
    for case in cases("container"):
        layout = occluder.from_facts(case.truth.facts["layout"])
        if layout.cup is None or layout.cup.touch * suite.setting.fps < len(case.condition.given_frames):
            continue
        later = dataclasses.replace(layout.cup, touch=layout.cup.touch + 0.2)
        other = dataclasses.replace(layout, cup=later)
        assert occluder.prompt(other) == case.condition.prompt
        seen += 1
    assert seen


def test_the_future_is_not_even_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = [case for trial in occluder.TRIALS for case in cases(trial, scenes=3)]

    def asked(*arguments: object) -> None:
        raise LookupError("the prompt asked for the future")

    for name in ("stop_time", "centre", "hide_times", "stage"):
        assert replace(monkeypatch, name, asked) > 0
    for case in everything:
        layout = occluder.from_facts(case.truth.facts["layout"])
        assert occluder.prompt(layout) == case.condition.prompt
    with pytest.raises(LookupError):
        occluder.centre(layout, layout.lanes[0], 0.0)


def test_exit_and_stay_differ_by_the_visible_post_alone() -> None:
    for goes, stays in zip(cases("exit"), cases("stay"), strict=True):
        without = re.sub(r"A black post stands[^.]*\. ", "", stays.condition.prompt)
        assert without == goes.condition.prompt
        assert without != stays.condition.prompt


def test_telling_is_another_setting_and_does_tell() -> None:
    (plain, *_), (telling, *_) = cases("stay", scenes=1), cases("stay", "telling", scenes=1)
    assert telling.condition.prompt.startswith(
        plain.condition.prompt.removesuffix("The camera stands still.")
    )
    assert re.search(r"stops it", telling.condition.prompt)
    assert not re.search(r"stops it", plain.condition.prompt)
    assert Setting(prompt="telling").name() != Setting().name()
