"""What the state decoder sees from frame to frame: for people who look at a clip, never for a score."""

from __future__ import annotations

import numpy as np

from simbench.instruments.bench import Bench
from simbench.instruments.reading import Reading
from simbench.instruments.trial import nearest

SOLID = 0.5
"""Opacity above which a detection counts as seen, as in the trials' own reading of presence."""


def trace(bench: Bench, truth: Reading, video: Reading) -> dict[str, list[float | None]]:
    """Per frame, the mean over the objects of a case.

    `seen` and `seen in truth`: share of an object's full area that is in view, at most 1. `distance`:
    diameters from the place that truth has it in, for the objects that both show; None where there are none.
    """
    objects = range(len(bench.layout.lanes))
    count = min(len(video.found[0]), len(truth.found[0]))
    return {
        "seen": [float(np.mean([_share(video, i, t) for i in objects])) for t in range(count)],
        "seen in truth": [float(np.mean([_share(truth, i, t) for i in objects])) for t in range(count)],
        "distance": [_distance(bench, truth, video, t) for t in range(count)],
    }


def _share(reading: Reading, index: int, frame: int) -> float:
    area = sum(d.area for d in reading.found[index][frame] if d.opacity > SOLID)
    return min(1.0, float(area) / max(1.0, float(reading.size[index])))


def _distance(bench: Bench, truth: Reading, video: Reading, frame: int) -> float | None:
    gaps = []
    for index in range(len(bench.layout.lanes)):
        there = truth.found[index][frame]
        if there:
            found, gap = nearest(video.found[index][frame], there[0].x, there[0].y)
            if found is not None:
                gaps.append(gap / bench.diameter)
    return float(np.mean(gaps)) if gaps else None
