"""How far a run's clips are from the truth of the same cases: quality.json beside its scores."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from suites.quality_rows import across_halves

if TYPE_CHECKING:
    from simbench.engine import Engine
    from simbench.features.protocols import Preset
    from simbench.features.space import Space
    from simbench.generator import Generator
    from simbench.metrics.distances import Estimate
    from simbench.plan import PlannedScene
    from simbench.run import Request
    from simbench.store import Store
    from simbench.suite import Suite

FILE = "quality.json"
GROUPS = 16
"""Groups of scenes that the jackknife leaves out in turn."""
LEAST = 8
"""Scenes below which nothing is said: four groups of a scene of each half."""


@dataclass(frozen=True)
class Sets:
    """What is compared: clips of `suite`, in the feature spaces `space` names by comma."""

    suite: Suite
    space: str
    weights: str
    sha256: str


def scene_truth(asked: tuple[Suite, str]) -> tuple[str, list[np.ndarray]]:
    """The scene, and the truth uint8 [T, H, W, 3] of each of its cases."""
    suite, scene = asked
    return scene, [suite.oracle(case).frames for case in suite.cases(scene)]


def label(space: str) -> str:
    """`FVD` for I3D alone, else `frechet[SPACE]`."""
    return "FVD" if space == "i3d" else f"frechet[{space}]"


def write_quality(sets: Sets, request: Request, generator: Generator, engine: Engine) -> None:
    """Write quality.json into `request.out`, unless it is there for the same clips, truth and spaces."""
    from simbench.features.protocols import preset_named
    from simbench.files import write_text
    from simbench.keys import generator_identity, sha, suite_identity
    from simbench.run import make_plan
    from suites.distances import opened

    preset = preset_named("simbench")
    wanted = [name.strip() for name in sets.space.split(",") if name.strip()]
    spaces, missing = opened(
        wanted, {"weights": sets.weights, "sha256": sets.sha256, "protocol": preset.name}
    )
    suite = sets.suite
    if suite.setting.frames < preset.span:
        why = f"{suite.name} has clips of {suite.setting.frames} frames, {preset.span} are compared"
        spaces, missing = [], dict.fromkeys(wanted, why)
    if request.scenes < LEAST:
        spaces, missing = [], dict.fromkeys(wanted, f"cases={request.scenes} is below {LEAST} scenes")
    who = generator_identity(generator)
    asked = {
        "suite": suite.name, "version": suite.version, "setting": suite.setting.name(),
        "scenes": request.scenes, "samples": request.samples, "seed": request.seed, "noise": request.noise,
        "protocol": dict(preset.record()), "spaces": {s.name: dict(s.identity()) for s in spaces},
    }  # fmt: skip
    path, key = request.out / FILE, ""
    rows: list[dict[str, Any]] = []
    if spaces:
        plan = make_plan(request, engine) if request.plan is None else request.plan
        scenes = plan.scenes[suite.name]
        # A clip that was missing may have been made since, by the same model.
        clips = [_digests(scene, request, who) for scene in scenes]
        told = {"identity": dict(suite_identity(suite)), "generator": who, "clips": clips}
        key = sha({**json.loads(json.dumps(asked)), **told})
        if _key(path) == key:
            return
        rows = _rows(request, suite, who, scenes, spaces, preset, engine)
    if rows and rows[0]["answered"] == 0:
        rows, missing = [], dict.fromkeys(wanted, f"no case of {suite.name} was answered")
    record = {"schema": 1, "key": key, **asked, "rows": rows, "not_measured": dict(missing)}
    write_text(path, json.dumps(record, indent=1, sort_keys=True, allow_nan=False) + "\n")


def _key(path: Path) -> str:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(found.get("key", "")) if isinstance(found, dict) else ""


def _digests(scene: PlannedScene, request: Request, who: Mapping[str, Any]) -> list[str]:
    """Of the frames of each draw of a scene; empty where the store has none."""
    from simbench.generate import draws_of

    found = [request.store.meta(draw.key) for draw in draws_of(scene, request.samples, who, request.noise)]
    return ["" if meta is None else meta.digest for meta in found]


def _rows(
    request: Request,
    suite: Suite,
    who: Mapping[str, Any],
    scenes: Sequence[PlannedScene],
    spaces: Sequence[Space],
    preset: Preset,
    engine: Engine,
) -> list[dict[str, Any]]:
    """One row for each space: the distance with its interval, and the truth's own."""
    from simbench.progress import progress
    from suites.clip_sets import features

    true = _truth(scenes, suite, spaces, preset, request.store, engine)
    read: list[list[np.ndarray]] = []
    answered = 0
    with progress(f"compare {suite.name}", len(scenes)) as bar:
        for scene in scenes:
            clips, count = _made(scene, request, who)
            answered += count
            read.append(features((preset.taken(clip) for clip in clips), spaces))
            bar.step()
    of = np.repeat(np.arange(len(scenes)), [len(clips[0]) for clips in read])
    rows = []
    for at, space in enumerate(spaces):
        truth = np.concatenate([np.repeat(true[s.scene][at], request.samples, axis=0) for s in scenes])
        made = np.concatenate([clips[at] for clips in read])
        row: dict[str, Any] = {"space": space.name, "label": label(space.name)}
        row |= {"clips": len(of), "answered": answered, "scenes": len(scenes)}
        row |= asdict(interval(truth, made, of, preset.ddof))
        row |= {f"floor_{k}": v for k, v in asdict(interval(truth, truth, of, preset.ddof)).items()}
        rows.append(row)
    return rows


def _truth(
    scenes: Sequence[PlannedScene],
    suite: Suite,
    spaces: Sequence[Space],
    preset: Preset,
    store: Store,
    engine: Engine,
) -> dict[str, list[np.ndarray]]:
    """Features float32 [cases, D] of the truth in each of `spaces`, by scene: read once, then kept in the
    store, because all runs of a study are compared with the same."""
    from simbench.keys import sha, suite_identity
    from simbench.progress import progress
    from suites.clip_sets import features

    def key(scene: PlannedScene, space: Space) -> str:
        """Of the truth of `scene`, as it is rendered and as it is read."""
        cases = [[case.id, case.condition_digest, case.truth_digest] for case in scene.cases]
        whose = {"suite": dict(suite_identity(suite)), "scene": scene.scene, "cases": cases}
        return sha({**whose, "space": dict(space.identity()), "protocol": dict(preset.record())})

    found: dict[str, list[np.ndarray]] = {}
    for scene in scenes:
        kept = [store.array(key(scene, space)) for space in spaces]
        whole = [part for part in kept if part is not None]
        if len(whole) == len(spaces):
            found[scene.scene] = whole
    left = {scene.scene: scene for scene in scenes if scene.scene not in found}
    if left:
        with progress(f"read the truth of {suite.name}", len(left)) as bar:
            for name, clips in engine.map(scene_truth, [(suite, name) for name in left]):
                found[name] = features((preset.taken(clip) for clip in clips), spaces)
                for space, part in zip(spaces, found[name], strict=True):
                    store.put_array(key(left[name], space), part)
                bar.step()
    return found


def _made(scene: PlannedScene, request: Request, who: Mapping[str, Any]) -> tuple[list[np.ndarray], int]:
    """The run's clips of all cases in turn, all samples of each, and how many of them it answered. The held
    last given frame stands in for one that is missing."""
    from simbench.generate import draws_of
    from simbench.generators.rollout import hold

    draws = draws_of(scene, request.samples, who, request.noise)
    videos = [request.store.get_video(draw.key) for draw in draws]
    answered = sum(video is not None for video in videos)
    # Conditions are made again where they are large: only for scenes that want them.
    asked = {} if answered == len(draws) else {case.id: case.condition for case in scene.load()}
    return [
        hold(asked[draw.case.id]) if video is None else video.frames
        for draw, video in zip(draws, videos, strict=True)
    ], answered


def interval(truth: np.ndarray, made: np.ndarray, scene: np.ndarray, ddof: int) -> Estimate:
    """Frechet distance of features [N, D] of the truth and of what was made for the same cases, across two
    halves of the scenes (suites.quality_rows), with a 95 % jackknife interval over groups of scenes.

    `scene` int [N] numbers the scenes of the rows. What a smaller set adds to a Frechet distance is alike in
    all that leave one group out, so that it does not widen the interval.
    """
    from scipy.special import stdtrit

    from simbench.metrics.distances import Estimate

    count = int(scene.max()) + 1
    order = np.random.default_rng(0).permutation(count)
    # The halves are those of suites.quality; groups take turns, so that each holds scenes of both.
    half = order < count // 2
    rank = np.empty(count, int)
    rank[np.argsort(~half, kind="stable")] = np.arange(count)
    groups = min(GROUPS, count // 2)

    def at(kept: np.ndarray) -> float:
        """The distance of the rows `kept`."""
        return across_halves(truth[kept], made[kept], half[scene[kept]], ddof)

    every = np.ones(len(scene), bool)
    value = at(every)
    without = np.array([at(rank[scene] % groups != group) for group in range(groups)])
    error = math.sqrt((groups - 1) / groups * float(((without - without.mean()) ** 2).sum()))
    reach = float(stdtrit(groups - 1, 0.975)) * error
    return Estimate(value, max(0.0, value - reach), value + reach)
