"""Training worlds share no seed with any world of any suite, whatever its seed space."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from model.clips.worlds import FIRST_SEED, draw_scene, named, world_seed

CONF = Path(__file__).resolve().parent.parent / "conf" / "suite"
SPACES = ("public", "calibration", "0", "7", "123456789")


def suites() -> list[str]:
    """Suites on disk."""
    return sorted(path.stem for path in CONF.glob("*.yaml"))


def built(name: str) -> Any:
    """A suite as its yaml says."""
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    config = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    return instantiate(OmegaConf.create({k: v for k, v in config.items() if k != "defaults"}))


@pytest.mark.parametrize("name", suites())
def test_suites_draw_below_the_first_training_seed(name: str) -> None:
    suite = built(name)
    seeds = set()
    for space in SPACES:
        (scene,) = suite.scenes(1, space)
        for case in suite.cases(scene):
            seeds |= {case.world_seed, case.truth.scene.seed}
    assert seeds and min(seeds) >= 0 and max(seeds) < 1 << 31 < FIRST_SEED


def test_training_seeds_start_above_and_never_repeat() -> None:
    chosen = [0, 1, 2**20 - 1], [0, 1, 2**32 - 1]
    seeds = [world_seed(seed, index) for seed in chosen[0] for index in chosen[1]]
    assert len(set(seeds)) == len(seeds) and min(seeds) == FIRST_SEED == 1 << 40
    assert draw_scene(named("nano"), 3, 5).seed == world_seed(3, 5)


def test_neighbouring_seeds_give_other_worlds() -> None:
    drawn = [draw_scene(named("nano"), 0, i).to_json() for i in range(50)]
    assert len(set(drawn)) == 50
    assert np.unique([draw_scene(named("nano"), s, 0).to_json() for s in range(5)]).size == 5
