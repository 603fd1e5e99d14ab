"""The suite `camera` on one scene: the truth goes where it is told, to stand still is zero, worse is less.

It has no yaml yet: it is offered once its ladder has been measured.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from simbench.case import Setting
from simbench.errors import UserError
from simbench.suite import CaseScore
from simbench.video import Video
from suites.camera import Camera

SUITE = Camera()


def raw(name: str, scene: str = "public-0000") -> float:
    """Raw S of the oracle, a cheat or `missing` in one scene."""
    rows = []
    for case in SUITE.cases(scene):
        status, found = "missing", {}
        if name != "missing":
            made = SUITE.oracle(case) if name == "oracle" else SUITE.cheats()[name](case)
            status, found = "ok", SUITE.score(case, made)
        rows.append(CaseScore(case.id, scene, case.world_seed, case.tags, 0, status, "", found))
    return SUITE.aggregate(rows)[scene]["S"]


def test_the_truth_goes_where_it_is_told() -> None:
    assert raw("oracle") > 0.95


def test_standing_still_and_missing_are_zero() -> None:
    assert raw("missing") == 0.0
    assert abs(raw("frozen")) < 0.05


@pytest.mark.parametrize("name", ["opposite", "fly_off"])
def test_the_wrong_way_is_worse_than_none(name: str) -> None:
    assert raw(name) < -0.2


def test_a_black_video_is_no_camera() -> None:
    case = SUITE.cases("public-0000")[0]
    black = np.zeros_like(SUITE.oracle(case).frames)
    found = SUITE.score(case, Video(black, SUITE.setting.fps))
    assert found["registered"] == 0.0 and all(np.isfinite(v) for v in found.values())


@pytest.mark.parametrize(
    ("change", "words"), [({"given": "v2v"}, "given=cam"), ({"width": 64, "height": 64}, "size=128")]
)
def test_what_cannot_be_asked_is_refused(change: dict, words: str) -> None:
    setting: Setting = dataclasses.replace(SUITE.setting, **change)
    with pytest.raises(UserError, match=words):
        Camera(setting)
