"""The rows of `suites.quality`: what each maker's clips are from the truth, one by one and as sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from suites.measure_report import ERROR, decibels
from suites.proof import mean

if TYPE_CHECKING:
    from simbench.features.protocols import Preset
    from simbench.features.space import Space
    from simbench.suite import Proven

TRUTH, STATES = "truth", "states"
SMALLEST = 1e-9
"""A distance of the truth to itself that is rounding."""
PSNR = "psnr"
"""The decibels of the mean squared error over all clips."""


@dataclass(frozen=True)
class Clip:
    """One clip of one case: `who` made it, `frames` uint8 [T, H, W, 3], `values` of it by metric and why
    others are `missing`, why it is the held frame instead of an answer ("" where it is one), and its `states`
    [D] (empty: not asked for)."""

    who: str
    scene: str
    frames: np.ndarray
    values: Mapping[str, float]
    missing: Mapping[str, str]
    why: str
    states: np.ndarray


def averages(clips: Sequence[Clip]) -> dict[str, dict[str, float | int | None]]:
    """Of each metric that any of one maker's clips has: mean and 95 % interval over scenes (means of their
    clips), number of scenes, and `clips` that have a value `of` all.

    PSNR has no value for a clip without any error, so that its mean is of fewer clips than there are.
    `psnr` is of all: the decibels of the mean squared error, with the limits of its interval; None for what
    is without end, and for a lower limit of the error that is 0 or below.
    """
    from simbench.stats import t_interval

    metrics: dict[str, dict[str, list[float]]] = {}
    for clip in clips:
        for metric, value in clip.values.items():
            metrics.setdefault(metric, {}).setdefault(clip.scene, []).append(value)
    found = {m: asdict(t_interval([mean(v) for v in by.values()])) for m, by in metrics.items()}
    for metric, by in metrics.items():
        found[metric] |= {"clips": sum(map(len, by.values())), "of": len(clips)}
    if ERROR in found:
        found[PSNR] = decibels(found[ERROR])
    return found


def across_halves(truth: np.ndarray, made: np.ndarray, first: np.ndarray, ddof: int) -> float:
    """Frechet distance of features [N, D] of the truth and of what was made for the same cases; no unit. The
    truth of each half (`first` bool [N] says which) against what was made in the other, mean of both."""
    from simbench.metrics.distances import frechet

    return mean([frechet(truth[one], made[~one], ddof) for one in (first, ~first)])


def distances(
    truth: np.ndarray, made: np.ndarray, scenes: np.ndarray, first: np.ndarray, ddof: int
) -> dict[str, Any]:
    """Distances of features [N, D] of the truth and of what was made for the same cases; no unit. `scenes`
    int [N]: which is of which scene; `first` bool [N]: which are of the first half of the scenes.

    frechet: across the halves. limit: the same for N without end, its interval the mean of both (None below
    16 clips or 8 scenes a half); both must be straight for it to be. kernel: unbiased (KID's kernel), over
    all pairs of different scenes, with its interval.
    """
    from simbench.metrics import distances as d

    halves = ((first, ~first), (~first, first))
    fewest = min(int(part.sum()) for part in halves[0])
    limit = None
    if fewest >= d.LEAST and min(len(np.unique(scenes[p])) for p in halves[0]) >= d.LEAST_SCENES:
        ends = [
            asdict(d.frechet_infinity(truth[a], made[b], 0, ddof, scenes=(scenes[a], scenes[b])))
            for a, b in halves
        ]
        limit = {key: mean([end[key] for end in ends]) for key in ("value", "low", "high")}
        limit |= {"straight": all(end["straight"] for end in ends)}
    return {
        "frechet": across_halves(truth, made, first, ddof),
        "limit": limit,
        "kernel": asdict(d.kernel_between(truth, made, scenes)),
    }


def scaled_states(clips: Mapping[str, Sequence[Clip]]) -> dict[str, np.ndarray]:
    """The states of every maker's clips, [N, D], each number over its spread in the truth: px and shares then
    weigh alike."""
    spread = np.stack([clip.states for clip in clips[TRUTH]]).std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    return {name: np.stack([clip.states for clip in part]) / scale for name, part in clips.items()}


def rows_of(
    clips: Sequence[Clip], suite: Proven, spaces: Sequence[Space], preset: Preset
) -> list[dict[str, Any]]:
    """One row for each maker of clips: counts, intervals over scenes, and distances to the truth by space,
    with the floor (the truth from itself across the halves) and how many times it that is."""
    from suites.clip_sets import features

    names = list(dict.fromkeys(clip.who for clip in clips))
    sets = {name: [clip for clip in clips if clip.who == name] for name in names}
    labels = [space.name for space in spaces]
    read = {name: features((preset.taken(c.frames) for c in part), spaces) for name, part in sets.items()}
    if len(clips[0].states):
        labels.append(STATES)
        read = {name: [*read[name], states] for name, states in scaled_states(sets).items()}
    known = list(dict.fromkeys(clip.scene for clip in clips))
    scenes = np.array([known.index(clip.scene) for clip in sets[TRUTH]])
    # Kinds of scenes take turns: every other one would be a half of other kinds.
    first = (np.random.default_rng(0).permutation(len(known)) < len(known) // 2)[scenes]
    rows: list[dict[str, Any]] = []
    for name, part in sets.items():
        reasons = Counter(clip.why for clip in part if clip.why)
        sides = zip(labels, read[TRUTH], read[name], strict=True)
        far = {label: distances(a, b, scenes, first, preset.ddof) for label, a, b in sides}
        for label, found in far.items():
            floor = found["frechet"] if name == TRUTH else rows[0]["distances"][label]["frechet"]
            # Where the truth is alike in all scenes, as the steps of footprints are, no number has a floor.
            times = found["frechet"] / floor if floor > SMALLEST else None
            found |= {"floor": floor, "times": times}
        rows.append(
            {
                "suite": suite.name,
                "version": suite.version,
                "setting": suite.setting.name(),
                "clips": name,
                "scenes": len(known),
                "count": len(part),
                "answered": len(part) - reasons.total(),
                "reasons": dict(reasons.most_common(3)),
                "metrics": averages(part),
                "undefined": _undefined(part),
                "distances": far,
            }
        )
    return rows


def _undefined(clips: Sequence[Clip]) -> dict[str, dict[str, int]]:
    """metric -> why some clips have no value -> how many."""
    found: dict[str, Counter[str]] = {}
    for clip in clips:
        for metric, why in clip.missing.items():
            found.setdefault(metric, Counter())[why] += 1
    return {metric: dict(reasons) for metric, reasons in found.items()}
