"""Scenes, seeds and names of cases, alike in all suites."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from simbench.case import Setting


def scene_ids(count: int, seed: str) -> Sequence[str]:
    """Ids of the first `count` scenes of a seed space."""
    return [f"{seed}-{i:04d}" for i in range(count)]


def seed_of(suite: str, scene: str) -> int:
    """The world's seed of a scene, 31 bits."""
    digest = hashlib.sha256(f"{suite}:{scene}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def case_name(suite: str, scene: str, setting: Setting, *what: object) -> str:
    """A name that tells nothing of `what` makes this case differ from the others of its scene."""
    told = ":".join(str(part) for part in what)
    tag = hashlib.sha256(f"{scene}:{told}:{setting.name()}".encode()).hexdigest()[:8]
    return f"{suite}-{scene}-{tag}"
