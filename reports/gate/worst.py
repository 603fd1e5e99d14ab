"""The cases that got worst: where to look first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reports.gate.pairing import Pair
from reports.gate.reading import READERS, Place

SHOWN = 3


@dataclass(frozen=True)
class Worst:
    """One case: its scene's difference in the gated metric, and what changed most in the case itself."""

    scene: str
    case: str
    sample: int
    difference: float
    what: str


def worst_cases(pair: Pair, metric: str, lower: tuple[str, ...], count: int = SHOWN) -> list[Worst]:
    """The case that changed most in each of the `count` scenes whose `metric` got worst."""
    assert pair.base is not None and pair.head is not None
    sign = -1.0 if metric in lower else 1.0
    base, head = pair.base.scenes, pair.head.scenes
    drops = sorted(
        (sign * (head[s][metric] - base[s][metric]), s)
        for s in pair.scenes
        if metric in base[s] and metric in head[s]
    )
    spreads = _spreads(pair)
    found = []
    for drop, scene in drops[:count]:
        if drop < 0:
            place, what = _case(pair, scene, spreads, lower)
            found.append(Worst(scene, place[1], place[2], sign * drop, what))
    return found


def _spreads(pair: Pair) -> dict[str, float]:
    """The spread of each metric over all cases of both runs: what makes changes of several comparable."""
    values: dict[str, list[float]] = {}
    for part in (pair.base, pair.head):
        for measures in part.measures.values() if part is not None else ():
            for name, value in measures.items():
                values.setdefault(name, []).append(value)
    return {name: float(np.std(found)) for name, found in values.items()}


def _case(pair: Pair, scene: str, spreads: dict[str, float], lower: tuple[str, ...]) -> tuple[Place, str]:
    assert pair.base is not None and pair.head is not None
    best: tuple[float, Place, str] | None = None
    for place in sorted(p for p in pair.base.videos if p[0] == scene):
        change, what = _change(pair, place, spreads, lower)
        if best is None or change < best[0]:
            best = (change, place, what)
    assert best is not None, "a scene that is paired has cases"
    return best[1], best[2]


def _change(pair: Pair, place: Place, spreads: dict[str, float], lower: tuple[str, ...]) -> tuple[float, str]:
    """The worst change of one case in spreads of its metric, and in words."""
    assert pair.base is not None and pair.head is not None
    (was, _), (now, reason) = pair.base.videos[place], pair.head.videos[place]
    if was == "ok" and now != "ok":
        return -np.inf, f"{was} to {now}: {reason}"
    one, other = pair.base.measures.get(place, {}), pair.head.measures.get(place, {})
    changes = []
    for name in sorted(set(one) & set(other)):
        if name not in READERS and spreads.get(name, 0.0) > 0:
            sign = -1.0 if name in lower else 1.0
            changes.append((sign * (other[name] - one[name]) / spreads[name], name))
    if not changes:
        return 0.0, "no measure of its own changed"
    change, name = min(changes)
    return change, f"{name} {one[name]:.3g} to {other[name]:.3g}"
