"""World families: each module here is one, found on disk, with the contract of `build` below."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from simbench.errors import UserError
from simbench.worlds.scene import Caption, Scene

LOOKS = ("plain", "rich")
HERE = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Names of all families on disk, sorted; a module `look_away.py` is the family `look-away`."""
    files = HERE.glob("[a-z]*.py")
    return tuple(sorted(file.stem.replace("_", "-") for file in files))


def builder(name: str) -> Callable[..., Scene]:
    """The `build(seed, duration, look, difficulty, **options)` of one family."""
    module_name = name.replace("-", "_")
    if not module_name.isidentifier() or name[:1] == "_" or not (HERE / f"{module_name}.py").exists():
        known = names()
        close = get_close_matches(name, known, 1)
        hint = f"did you mean {close[0]}?" if close else f"use one of {', '.join(known)}"
        raise UserError(f"family={name} is unknown; {hint}")
    module = importlib.import_module(f"{__name__}.{module_name}")
    return cast("Callable[..., Scene]", module.build)


def options(name: str) -> tuple[str, ...]:
    """Names of the options that a family takes beside seed, duration, look and difficulty.

    A `build` with **options passes them on to the `sample` of its module.
    """
    make = builder(name)
    parameters = dict(inspect.signature(make).parameters)
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        sample = vars(importlib.import_module(make.__module__)).get("sample")
        parameters |= dict(inspect.signature(sample).parameters) if sample is not None else {}
    own = [n for n, p in parameters.items() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    return tuple(o for o in own if o not in ("seed", "duration", "look", "difficulty"))


def build(
    name: str,
    seed: int,
    duration: float = 2.0,
    look: str = "rich",
    difficulty: float = 0.25,
    **chosen: Any,
) -> Scene:
    """The scene of one seed, with its caption.

    `duration` is in seconds, `difficulty` in [0, 1]; the decisive moment lies between 30 % and 75 %
    of the clip. Further options are the family's own (`split="test"` shows what training never does).
    Raises UserError for an unknown family or option and for values out of range.
    """
    make = builder(name)
    if look not in LOOKS:
        raise UserError(f"look={look} is unknown; use one of {', '.join(LOOKS)}")
    if not 0.0 <= difficulty <= 1.0:
        raise UserError(f"difficulty={difficulty:g} is out of range; use a number from 0 to 1")
    if not 0.01 <= duration <= 600.0:
        raise UserError(f"duration={duration:g} s is out of range; use 0.01 to 600 seconds")
    takes = options(name) if chosen else ()
    for key in chosen:
        if key not in takes:
            close = get_close_matches(key, takes, 1)
            hint = f"did you mean {close[0]}?" if close else f"it takes {', '.join(takes) or 'none'}"
            raise UserError(f"family {name} has no option {key}; {hint}")
    scene = make(seed=seed, duration=duration, look=look, difficulty=difficulty, **chosen)
    if scene.caption == Caption():
        from simbench.worlds.captions import caption

        scene = dataclasses.replace(scene, caption=caption(scene))
    return scene


def commanded(scene: Scene, name: str, frames: int, fps: float, seed: int, **chosen: Any) -> Scene:
    """`scene`, that `build(name, seed, **chosen)` made, with its commands at `frames` moments in its tags.

    Families whose commands follow from their layout have `drawn` and `actions`; a scene of another one, or
    that has its commands already, comes back as it is.
    """
    module = importlib.import_module(builder(name).__module__)
    if "actions" in scene.tags or not hasattr(module, "drawn"):
        return scene
    told = module.actions(module.drawn(seed, **chosen), frames, fps)
    tags = {**scene.tags, "actions": [[round(t / fps, 9), action] for t, action in enumerate(told)]}
    return dataclasses.replace(scene, tags=tags)
