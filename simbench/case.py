"""A case: what a generator is told (`Condition`) and what only the scorer knows (`Truth`)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simbench.worlds.scene import Scene

GIVEN = ("v2v", "i2v", "t2v", "cam", "act")


@dataclass(frozen=True)
class Setting:
    """How a suite is asked: everything that makes two scores comparable. Part of every key.

    `option` is written by the suite: what it was told to ask besides, as in world=voxel, where that is not
    its default. Scores of another option are of another setting, and never compared.
    """

    width: int = 32
    height: int = 32
    frames: int = 17
    fps: float = 8.0
    given: str = "v2v"
    context: int = 5
    look: str = "plain"
    difficulty: float = 0.25
    prompt: str = "plain"
    option: str = ""

    def name(self) -> str:
        """Short name for tables: `32x32x17@8 plain v2v d0.25`."""
        prompt = "" if self.prompt == "plain" else f" prompt={self.prompt}"
        option = f" {self.option}" if self.option else ""
        return (
            f"{self.width}x{self.height}x{self.frames}@{self.fps:g} {self.look} {self.given}"
            f" d{self.difficulty:g}{prompt}{option}"
        )


@dataclass(frozen=True)
class Condition:
    """All that a generator sees. `name` is opaque: it says nothing about what will happen.

    `given_frames` uint8 [k, H, W, 3] sRGB (k = 0 for t2v, 1 for i2v); the answer has `frames` frames
    of `height` x `width` at `fps`, the given ones included. `poses` float64 [T, 4, 4] world to camera
    (OpenCV) and `intrinsics` float64 [T, 3, 3] for given=cam, and for given=act where the camera moves as
    well; `actions`, a command for each frame, only for given=act.
    """

    name: str
    given: str
    given_frames: np.ndarray
    prompt: str
    width: int
    height: int
    frames: int
    fps: float
    poses: np.ndarray | None = None
    intrinsics: np.ndarray | None = None
    actions: tuple[str, ...] | None = None

    def digest(self) -> str:
        """sha256 of everything in it."""
        h = hashlib.sha256()
        head = {
            "name": self.name,
            "given": self.given,
            "prompt": self.prompt,
            "shape": [self.frames, self.height, self.width, float(self.fps)],
            "given_frames": list(self.given_frames.shape),
            "actions": None if self.actions is None else list(self.actions),
        }
        h.update(json.dumps(head, sort_keys=True).encode())
        h.update(np.ascontiguousarray(self.given_frames).tobytes())
        for array in (self.poses, self.intrinsics):
            h.update(b"-" if array is None else np.ascontiguousarray(array, dtype=np.float64).tobytes())
        return h.hexdigest()


@dataclass(frozen=True)
class Truth:
    """The scene behind a case and the suite's own facts about it (plain JSON-able data)."""

    scene: Scene
    facts: Mapping[str, Any] = field(default_factory=dict)

    def digest(self) -> str:
        """sha256 of the scene and the facts."""
        text = self.scene.to_json() + json.dumps(dict(self.facts), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Case:
    """One condition and one truth. `scene` groups the cases of one world: the unit of every interval."""

    id: str
    scene: str
    world_seed: int
    condition: Condition
    truth: Truth
    tags: Mapping[str, Any] = field(default_factory=dict)
