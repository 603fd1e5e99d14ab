"""A worker reads thousands of videos: what it holds after a few scenes is what it holds after many."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from simbench.case import Setting
from simbench.generators.baselines import ConstantVelocity
from simbench.generators.flow import Flow
from simbench.suite import Suite
from suites.camera import Camera
from suites.geometry import Geometry
from suites.hidden import Hidden
from suites.revisit import Revisit

MOVING = Setting(width=96, height=96, frames=9, look="rich", given="cam", context=4)
SETTINGS: dict[str, Suite] = {
    "camera": Camera(MOVING),
    "geometry": Geometry(MOVING),
    "hidden": Hidden(Setting(width=32, height=32, frames=13)),
    "revisit": Revisit(Setting(width=64, height=64, frames=13, look="rich", given="cam", context=2)),
}
MOST = 2**20
"""Bytes by which memory may grow over four scenes: their clips alone have more."""


def growth(work: Callable[[str], None], scenes: Sequence[str]) -> int:
    """Bytes held after the last two of six scenes, beyond those held after the first two."""
    held = []
    tracemalloc.start()
    try:
        for scene in scenes:
            work(scene)
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    return max(held[-2:]) - max(held[:2])


def read(suite: Suite, scene: str) -> None:
    """What a run does with the first cases of a scene: makes and reads its anchors."""
    for case in suite.cases(scene)[:2]:
        score = suite.scorer(case)
        videos = [suite.oracle(case), suite.observer(case.condition)]
        for baseline in (ConstantVelocity(), Flow()):
            videos += [v for v in baseline([case.condition], [0]) if v is not None]
        for video in videos:
            score(video)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_reading_more_scenes_takes_no_more_memory(name: str) -> None:
    suite = SETTINGS[name]
    assert growth(lambda scene: read(suite, scene), suite.scenes(6, "public")) < MOST


def test_what_keeps_a_third_of_a_mebibyte_a_scene_is_noticed() -> None:
    kept: list[np.ndarray] = []
    assert (
        growth(lambda scene: kept.append(np.ones(MOST // 3, np.uint8)), ["a", "b", "c", "d", "e", "f"]) > MOST
    )
