"""A user's own model: any importable class, called once per case. See examples/my_model.py."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from simbench.case import Condition
from simbench.errors import UserError
from simbench.generator import Answer, Generator, Invalid
from simbench.generators.given import Given
from simbench.resample import MODES, prepended, resample
from simbench.video import VideoError, as_video, validate


@dataclass(frozen=True)
class PythonGenerator:
    """Wraps `target`, "pkg.Class" (built with `options`) or "pkg.function".

    The contract: `__call__(frames, prompt, n_frames, fps, seed)` with keywords, `frames` uint8
    [k, H, W, 3] (k = 0 for text only), returns [T, H, W, 3], uint8 or float in [0, 1], numpy or torch:
    the whole clip of `n_frames`, or only what follows `frames` when the attribute `continuation` is
    True. A model that also names `poses` ([T, 4, 4] world to camera, OpenCV), `intrinsics`
    ([T, 3, 3]), `actions`, `height` or `width` in its signature is given them. An optional
    `identity()` returns what else changes the output (a weights digest, say), JSON-able.
    A class that is a whole `simbench.generator.Generator` itself is called as one.
    `fps` and `resample` say the rate of what comes back and how to bring it to what was asked.
    `given` is a model that is there already (`simbench.evaluate`): `target` then only names it.
    """

    target: str
    options: Mapping[str, Any] = field(default_factory=dict)
    fps: float | None = None
    resample: str | None = None
    capabilities: frozenset[str] = frozenset()
    given: Given | None = field(default=None, repr=False)
    model: Callable[..., Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.resample is not None and self.resample not in MODES:
            raise UserError(f"generator.resample={self.resample} is not one of {', '.join(MODES)}")
        model = _load(self.target, self.options) if self.given is None else self.given.model
        object.__setattr__(self, "model", model)

    def __call__(self, conditions: Sequence[Condition], seeds: Sequence[int]) -> list[Answer]:
        """One clip per condition; a wrong shape or NaN is Invalid, an exception in the model is its own."""
        if isinstance(self.model, Generator):
            return list(self.model(conditions, seeds))
        return [self._answer(c, s) for c, s in zip(conditions, seeds, strict=True)]

    def identity(self) -> Mapping[str, Any]:
        """Name, options, the source file's hash and the model's own `identity()`."""
        if self.given is not None:
            source, own = self.given.source, self.given.own
        else:
            tells = getattr(self.model, "identity", None)
            source, own = _source_digest(self.target), None if tells is None else tells()
        return {
            "class": "python",
            "target": self.target,
            "options": dict(self.options),
            "source": source,
            "fps": self.fps,
            "resample": self.resample,
            "own": own,
        }

    def _answer(self, condition: Condition, seed: int) -> Answer:
        try:
            array = _array(self.model(**self._arguments(condition, seed)))
            video = as_video(array, self.fps if self.fps is not None else condition.fps)
            count = len(condition.given_frames) if getattr(self.model, "continuation", False) else 0
            if self.resample is not None:
                asked = (condition.width, condition.height, condition.frames - count, condition.fps)
                video = resample(video, self.resample, *asked)
            video = prepended(video, condition.given_frames[:count])
        except VideoError as error:
            return Invalid(error.reason)
        problem = validate(video, condition)
        return video if problem is None else Invalid(problem)

    def _arguments(self, condition: Condition, seed: int) -> dict[str, Any]:
        basic: dict[str, Any] = {
            "frames": condition.given_frames.copy(),
            "prompt": condition.prompt,
            "n_frames": condition.frames,
            "fps": condition.fps,
            "seed": seed,
        }
        extra = {
            "poses": condition.poses,
            "intrinsics": condition.intrinsics,
            "actions": condition.actions,
            "height": condition.height,
            "width": condition.width,
        }
        parameters = inspect.signature(self.model).parameters
        takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
        return basic | {name: value for name, value in extra.items() if takes_all or name in parameters}


def _load(target: str, options: Mapping[str, Any]) -> Callable[..., Any]:
    """Import `target`; every failure of the user's module is told with its last line and place."""
    module_name, _, attribute = target.rpartition(".")
    if not target:
        raise UserError("generator=python needs generator.target=module.Class, the model to call")
    if not module_name:
        raise UserError(
            f"generator.target={target} must be module.Class, for example examples.my_model.MyModel"
        )
    try:
        found = getattr(importlib.import_module(module_name), attribute)
        model = found(**options) if inspect.isclass(found) else found
    except (ImportError, AttributeError, SyntaxError, TypeError, ValueError, RuntimeError, OSError) as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        raise UserError(
            f"generator.target={target} cannot be loaded: {type(error).__name__}: {error} ({where})"
        ) from error
    if not callable(model):
        raise UserError(f"generator.target={target} is not callable; give it __call__(frames, prompt, ...)")
    if not inspect.isclass(found) and options:
        raise UserError(f"generator.options apply to a class, and generator.target={target} is a function")
    return model


def _source_digest(target: str) -> str | None:
    """sha256 of the module's source file; None when it has none (built in)."""
    path = importlib.import_module(target.rpartition(".")[0]).__file__
    return None if path is None else hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _array(answer: Any) -> np.ndarray:
    """numpy frames of what a model returned: numpy, nested lists, or a torch tensor on any device."""
    if hasattr(answer, "detach"):
        answer = answer.detach().cpu()
        answer = (answer.float() if answer.is_floating_point() else answer).numpy()
    if answer is None:
        raise VideoError("the model returned None; it must return frames [T, H, W, 3]")
    return np.asarray(answer)
