"""Scenes as a setting shows them: what conditions, truths, cheats and instruments all draw with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simbench.case import Setting
from simbench.worlds.scene import Scene

SAMPLES = 3
"""Rays per pixel and axis for everything that is shown or compared."""


def render_scene(scene: Scene, setting: Setting, frames: Sequence[int] | None = None) -> np.ndarray:
    """RGB uint8 [T, H, W, 3] of a scene at a setting, or only of some `frames`."""
    from simbench.worlds.compile import compile_scene
    from simbench.worlds.render import render

    compiled = compile_scene(scene, setting.frames, setting.fps)
    return render(compiled, setting.width, setting.height, SAMPLES, only=frames, truth=False).rgb
