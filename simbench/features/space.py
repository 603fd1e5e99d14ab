"""What a feature space is, and spaces by name: each module is imported when it is asked for."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any, Protocol, cast

import numpy as np

from simbench.errors import UserError

SPACES: Mapping[str, str] = {
    "random": "random3d:Random",
    "random-motion": "random3d:RandomMotion",
    "worlds": "worlds:Worlds",
    "i3d": "i3d:I3D",
    "videomae": "hub:VideoMAE",
    "vjepa2": "hub:VJEPA2",
}
"""Name -> module of this package and class."""


class Space(Protocol):
    """Turns clips into features. `least_frames`: shorter clips are refused."""

    name: str
    least_frames: int

    def identity(self) -> Mapping[str, Any]:
        """Everything that changes a feature, as plain data: weights by sha256, sizes, protocol."""
        ...

    def features(self, clips: np.ndarray) -> np.ndarray:
        """float32 [N, D] of clips uint8 [N, T, H, W, 3] sRGB; UserError where they do not fit."""
        ...


class Missing(UserError):
    """What a space needs is not here. Its row says so, with this text on how to get it; no error."""


def space_named(name: str, **options: Any) -> Space:
    """The space called `name`, made with `options`.

    UserError for an unknown name or option; Missing (one too) where weights or a package are not here.
    """
    from simbench.settings import did_you_mean

    if name not in SPACES:
        known = ", ".join(SPACES)
        raise UserError(f"space={name} is unknown; use one of {known}{did_you_mean(name, list(SPACES))}")
    module_name, class_name = SPACES[name].split(":")
    full = f"{__package__}.{module_name}"
    try:
        module = importlib.import_module(full)
    except ModuleNotFoundError as error:
        if error.name != full:
            raise
        raise Missing(f"space={name} is not part of this installation; install a newer simbench") from error
    make = getattr(module, class_name)
    takes = list(inspect.signature(make).parameters)
    unknown = [key for key in options if key not in takes]
    if unknown:
        raise UserError(f"space={name} takes no {unknown[0]}=; it takes {', '.join(takes) or 'no options'}")
    return cast("Space", make(**options))


def takes(name: str, option: str) -> bool:
    """Does the space called `name` take `option`? False for one that is not here."""
    module_name, class_name = SPACES[name].split(":")
    try:
        module = importlib.import_module(f"{__package__}.{module_name}")
    except ModuleNotFoundError:
        return False
    return option in inspect.signature(getattr(module, class_name)).parameters


def checked(clips: np.ndarray, name: str, least_frames: int) -> np.ndarray:
    """`clips` where they are uint8 [N, T, H, W, 3] and long enough for the space `name`, else UserError."""
    if clips.ndim != 5 or clips.shape[-1] != 3 or 0 in clips.shape or clips.dtype != np.uint8:
        raise UserError(
            f"space={name} takes clips uint8 [N, T, H, W, 3], got {clips.dtype} {list(clips.shape)}"
        )
    if clips.shape[1] < least_frames:
        raise UserError(
            f"clips of {clips.shape[1]} frames are too short for space={name}, which needs {least_frames};"
            f" give clips of {least_frames} frames or more"
        )
    return clips
