"""Imported once by the process that all workers are forked from: what they share is loaded once.

On the first run of an installation the renderer is compiled here instead of in every worker at the same time.
"""

from __future__ import annotations

import importlib

NEEDED = ("cv2", "scipy.ndimage", "scipy.optimize", "scipy.spatial", "av", "simbench.decoding")


def load() -> None:
    """Import what workers need, and draw one small picture."""
    for name in NEEDED:
        importlib.import_module(name)
    from simbench.worlds.compile import compile_scene
    from simbench.worlds.families import build
    from simbench.worlds.render import render

    render(compile_scene(build("orbit", 0), 1, 8.0), 8, 8, 1)


load()
