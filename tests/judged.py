"""What tests of single suites share: cases ready to be judged, rows of their scores, demands made alike."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from simbench.case import Case
from simbench.cli import main
from simbench.errors import UserError
from simbench.suite import CaseScore, Measures, Proven, Suite
from simbench.video import Video
from simbench.worlds.compile import compile_scene
from simbench.worlds.truth import intrinsics, poses
from suites.proof import once

LOST = ("missing", "invalid", "failed", "refused")
"""What a case may be instead of ok."""


@dataclass(frozen=True)
class Ready:
    """A case, the reader of its videos (equal ones once), and its true clip."""

    case: Case
    score: Callable[[Video], Measures]
    truth: Video


def ready_for(suite: Suite, case: Case) -> Ready:
    """A case of `suite`, ready to be judged."""
    return Ready(case, once(suite.scorer(case)), suite.oracle(case))


def row(case: Case, measures: Measures, status: str = "ok", sample: int = 0) -> CaseScore:
    """What the runner hands to `aggregate`."""
    return CaseScore(case.id, case.scene, case.world_seed, case.tags, sample, status, "", measures)


def rows(ready: Sequence[Ready], make: Callable[[Case], Video]) -> list[CaseScore]:
    """Every case read with the video that `make` gives."""
    return [row(r.case, r.score(make(r.case))) for r in ready]


def scored_once(suite: Suite, ready: Sequence[Ready]) -> Callable[[str], list[CaseScore]]:
    """Name of a cheat, or oracle -> its rows, made and read when first asked for."""

    @cache
    def scored(name: str) -> list[CaseScore]:
        """Rows of a cheat or the oracle."""
        return rows(ready, suite.oracle if name == "oracle" else suite.cheats()[name])

    return scored


def score_of(suite: Suite, scored: Sequence[CaseScore], metric: str = "S") -> float:
    """Mean of a raw metric over the scenes that have it."""
    return float(np.mean([v[metric] for v in suite.aggregate(scored).values() if metric in v]))


def raw(suite: Suite, case: Case, measures: Measures) -> float:
    """S before calibration of the scene that is this one case."""
    return score_of(suite, [row(case, measures)])


def made(suite: Suite, one: Ready, cheat: str) -> Measures:
    """What a cheat's video measures."""
    return one.score(suite.cheats()[cheat](one.case))


def lost(suite: Suite, case: Case, status: str) -> Mapping[str, float]:
    """Raw metrics of the scene that is this one case, of which nothing was read."""
    return suite.aggregate([row(case, {}, status)])[case.scene]


def check_refused(suite: Any, change: Mapping[str, object], *words: str) -> None:
    """The suite's setting, changed, is refused in one line that has all `words`."""
    setting = dataclasses.replace(suite.setting, **change)
    with pytest.raises(UserError) as refused:
        dataclasses.replace(suite, setting=setting)
    said = str(refused.value)
    assert all(word in said for word in words) and "\n" not in said, said


def check_command_refuses(suite: str, asked: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command ends with 2 and says what was asked and what to use; call it in an empty folder."""
    assert main([f"suite={suite}", asked, "mode=plan", "cases=1"]) == 2
    said = capsys.readouterr().err
    assert asked in said and re.search(r"use \S+=", said) and "Traceback" not in said


def check_costs_little(suite: Proven, one: Ready, names: Iterable[str]) -> None:
    """The truth through each nuisance of `names` loses less than 0.05 of raw S."""
    clean = raw(suite, one.case, one.score(one.truth))
    changes = suite.nuisances(one.case)
    for name in names:
        video = Video(changes[name](one.truth.frames), suite.setting.fps)
        assert raw(suite, one.case, one.score(video)) > clean - 0.05, name


def check_damage(suite: Proven, one: Ready, name: str, strengths: Sequence[float]) -> None:
    """Each kind has six strengths, of which 0 is the truth; S falls along `strengths` of the kind `name`, to
    below half."""
    for kind in suite.damages().values():
        assert kind.strengths[0] == 0.0 and len(kind.strengths) == 6
        assert np.array_equal(kind.make(one.case, 0.0).frames, one.truth.frames)
    spoilt = suite.damages()[name]
    values = [raw(suite, one.case, one.score(spoilt.make(one.case, k))) for k in strengths]
    assert all(a > b for a, b in pairwise(values)) and values[-1] < values[0] / 2, values


def check_true_camera(suite: Suite, case: Case) -> None:
    """The condition has the poses and intrinsics of the case's world; its name does not tell the trial."""
    s, condition = suite.setting, case.condition
    compiled = compile_scene(case.truth.scene, s.frames, s.fps)
    assert condition.poses is not None and condition.intrinsics is not None
    np.testing.assert_array_equal(condition.poses, poses(compiled))
    np.testing.assert_allclose(condition.intrinsics, intrinsics(compiled, s.width, s.height), rtol=1e-6)
    assert case.tags["trial"] not in condition.name


def check_keeps_one(suite: Any, caches: Sequence[Any]) -> None:
    """Of two cases that are read one after the other, `caches` and the finder keep the last alone."""
    for scene in suite.scenes(2, "6"):
        (case,) = suite.cases(scene)
        suite.scorer(case)
        for kept in caches:
            assert kept.cache_info().maxsize == 1 and kept.cache_info().currsize == 1
        # What was read of one case is not kept for the next.
        assert len(suite.finder(case).known) == 0
