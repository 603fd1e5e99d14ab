"""Keys: what makes two stored videos or two scores the same thing, and what never does."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from simbench.errors import UserError

if TYPE_CHECKING:
    from simbench.case import Setting
    from simbench.generator import Generator
    from simbench.suite import Suite

GENERATE_VERSION = 1
"""Raised when the runner asks generators differently, so that older videos are not served."""

SCORE_VERSION = 1
"""Raised when the runner reads videos differently, so that older scores are not served."""

IDENTITY = (
    "suites", "generator", "given", "size", "frames", "fps", "context", "look", "difficulty", "prompt",
    "seed", "noise",
)  # fmt: skip
"""Configuration fields that change what is asked or who answers: each of them changes every key."""

RUNTIME = (
    "cases", "samples", "mode", "anchors", "cheats", "baselines", "shard", "batch", "workers", "device",
    "engine", "out", "store", "label", "exposure", "max_incomplete", "rescore", "clips", "report", "study",
)  # fmt: skip
"""Fields that say how much, where and how fast: none of them may change a key."""


def canonical(value: Any) -> str:
    """JSON with sorted keys and floats by repr. Raises UserError for what JSON cannot hold, NaN included."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    except (TypeError, ValueError) as error:
        raise UserError(f"cannot be part of a key: {error}; use numbers, text, lists and mappings") from error


def sha(value: Any) -> str:
    """sha256 of the canonical JSON of `value`."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def seed_for(world_seed: int, case: str, sample: int, noise: int = 0) -> int:
    """The seed of one draw: the same for every generator, in [0, 2**63). Another `noise` gives other seeds
    for the same worlds; 0 is left out, so that it asks for what was asked before there was a choice."""
    place = f"{world_seed}/{case}/{sample}" + (f"/{noise}" if noise != 0 else "")
    digest = hashlib.sha256(place.encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def class_name(thing: object) -> str:
    """`package.module.Class` of an instance."""
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def generator_identity(generator: Generator) -> Mapping[str, Any]:
    """The class of `generator` and its own identity(), as plain data."""
    return {"class": class_name(generator), "identity": json.loads(canonical(dict(generator.identity())))}


def video_key(identity: Mapping[str, Any], setting: Setting, condition_digest: str, seed: int) -> str:
    """Key of the answer of one generator to one condition with one seed."""
    shape = [setting.frames, setting.height, setting.width, float(setting.fps)]
    head = {"generator": dict(identity), "condition": condition_digest, "seed": seed, "shape": shape}
    return sha({**head, "version": GENERATE_VERSION})


def suite_identity(suite: Suite) -> Mapping[str, Any]:
    """Class, version and every parameter of a suite (its setting included), as plain data."""
    fields = {}
    if dataclasses.is_dataclass(suite):
        fields = {f.name: plain(getattr(suite, f.name)) for f in dataclasses.fields(suite)}
    fields["setting"] = plain(suite.setting)
    return {"class": class_name(suite), "name": suite.name, "version": suite.version, "fields": fields}


def plain(value: Any) -> Any:
    """`value` as JSON-able data; what has no JSON form goes in by its repr."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(plain(v) for v in value)
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def score_file_key(suite: Mapping[str, Any], scene: str, who: str) -> str:
    """Key of the file with all scores of one scene for `who` ("anchors" or a generator's identity)."""
    return sha({"suite": dict(suite), "scene": scene, "who": who, "version": SCORE_VERSION})


def score_key(case: str, condition_digest: str, truth_digest: str, subject: str) -> str:
    """Key of one score inside that file. `subject` is a video's digest or a reference's name."""
    return sha({"case": case, "condition": condition_digest, "truth": truth_digest, "subject": subject})
