"""Clips of two-dimensional balls (`simbench.worlds.balls`) as training data: ranges of training alone."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np

from model.data import Sample
from simbench.worlds import balls
from simbench.worlds.scene import Caption

if TYPE_CHECKING:
    from model.clips.worlds import Mix

MEETING = (0.09, 0.55)
"""Shares of a clip within which balls of drawn masses meet: before and after the end of what is given."""


def sample(mix: Mix, world: int) -> Sample:
    """The clip of seed `world`, one of the scenarios that `mix` names, with the camera at rest."""
    rng = random.Random(f"train:{world}")
    scenario = rng.choice(mix.families)
    seconds = max(mix.frames - 1, 1) / mix.fps
    if scenario == balls.WEIGHED:
        made = balls.weighed(world, (MEETING[0] * seconds, min(MEETING[1] * seconds, balls.LATEST)))
    else:
        made = balls.draw(scenario, "id", world, seconds)
    video, mask = balls.render(made, mix.frames, mix.fps, mix.width)
    still = np.broadcast_to(np.eye(4, dtype=np.float32)[:3], (mix.frames, 3, 4)).copy()
    facts = {"family": scenario, "seed": world, "look": "plain", "split": "train"}
    return Sample(video, mix.fps, Caption(balls.words(made)), None, still, mask, facts)
