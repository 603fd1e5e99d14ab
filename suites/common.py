"""What suites do alike: rows by scene, what is missing, points on the scale, damage of the truth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from simbench.case import Case
from simbench.suite import CaseScore, Damage
from simbench.video import Video

Values = dict[str, float]
Kind = tuple[Callable[..., np.ndarray], str, float, float, float, float, float]
"""What is done to the truth, the unit of its strength, and five strengths above none."""


def by_scene(rows: Sequence[CaseScore]) -> dict[str, list[CaseScore]]:
    """Rows of each scene, in the order in which scenes first come."""
    scenes: dict[str, list[CaseScore]] = defaultdict(list)
    for row in rows:
        scenes[row.scene].append(row)
    return dict(scenes)


def by_sample(
    rows: Sequence[CaseScore],
    values: Callable[[Sequence[CaseScore]], Mapping[str, float]],
    totals: Iterable[str] = (),
) -> dict[str, Values]:
    """scene -> metric: mean over samples of what `values` makes of the rows of one; `totals` are summed.
    A metric that a sample leaves undefined is taken over the others."""
    out = {}
    for scene, part in by_scene(rows).items():
        samples: dict[int, list[CaseScore]] = defaultdict(list)
        for row in part:
            samples[row.sample].append(row)
        each = [values(group) for group in samples.values()]
        out[scene] = {
            name: float((np.sum if name in totals else np.mean)([v[name] for v in each if name in v]))
            for name in sorted({name for found in each for name in found})
        }
    return out


def means(rows: Sequence[CaseScore], floor: Mapping[str, float]) -> Values:
    """Mean of every measure over rows; what is not ok counts as `floor`, nothing is left out."""
    values = [row.measures if row.status == "ok" else floor for row in rows]
    names = sorted({name for each in values for name in each})
    return {name: float(np.mean([v[name] for v in values if name in v])) for name in names}


def scaled(raw: float, known: Mapping[str, Mapping[str, float]], setting: str, metric: str = "S") -> float:
    """100 raw / oracle, the oracle of `setting` as pinned in `known`; else 100 raw, the scale of theory."""
    return 100.0 * raw / known.get(setting, {}).get(metric, 1.0)


def damages(
    truth: Callable[[Case], Video],
    make: Callable[[Callable[..., np.ndarray], float], Callable[[Case], Video]],
    kinds: Mapping[str, Kind],
) -> dict[str, Damage]:
    """Kinds of damage by name; `make(change, strength)` spoils a case, and strength 0 is the `truth`."""

    def damage(change: Callable[..., np.ndarray], unit: str, *strengths: float) -> Damage:
        """One kind."""
        return Damage(
            lambda case, strength: truth(case) if strength == 0 else make(change, strength)(case),
            unit,
            (0.0, *strengths),
        )

    return {name: damage(*kind) for name, kind in kinds.items()}
