"""Every video of a run as columns: small enough to be embedded and sorted at 100,000 rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import pstdev
from typing import Any

from reports.aggregate import Line

FIRST = ("hit", "alarm", "graded", "presence", "distance", "delay")
"""Metrics that come first, where a suite has them; counts of agreement come last."""

OFF = "off truth"
"""Distance from the oracle's measures of the same case, in units of each measure's spread."""

Place = tuple[str, str, str, str, int | None]


def suite_columns(lines: Sequence[Line]) -> dict[str, Any]:
    """The lines of one suite as columns: texts as a list of distinct ones and an index for each row."""
    rows: dict[Place, dict[str, float]] = {}
    state: dict[Place, tuple[str, str]] = {}
    for line in lines:
        if line.case:
            place = (line.role, line.generator, line.scene, line.case, line.sample)
            values = rows.setdefault(place, {})
            state[place] = (line.status, line.reason)
            if line.value is not None:
                values[line.metric] = line.value
    metrics = ordered({name for values in rows.values() for name in values})
    spread = {name: _spread(values[name] for values in rows.values() if name in values) for name in metrics}
    truth = {place[3]: values for place, values in rows.items() if place[0] == "oracle"}
    off = [_off(values, truth.get(place[3], {}), spread) for place, values in rows.items()]
    return {
        "rows": len(rows),
        "case": [place[3] for place in rows],
        "sample": [place[4] for place in rows],
        "texts": {
            "generator": coded(place[1] for place in rows),
            "role": coded(place[0] for place in rows),
            "scene": coded(place[2] for place in rows),
            "status": coded(state[place][0] for place in rows),
            "reason": coded(state[place][1] for place in rows),
        },
        "metrics": [OFF, *metrics],
        "values": [off, *([short(values.get(name)) for values in rows.values()] for name in metrics)],
    }


def ordered(names: Iterable[str]) -> list[str]:
    """Metrics in the order in which they are shown."""
    found = set(names)
    last = sorted(n for n in found if n.startswith("agree_"))
    middle = sorted(found - set(FIRST) - set(last))
    return [*(n for n in FIRST if n in found), *middle, *last]


def coded(texts: Iterable[str]) -> dict[str, Any]:
    """Distinct texts in order of appearance, and for each row which."""
    places: dict[str, int] = {}
    index = [places.setdefault(text, len(places)) for text in texts]
    return {"names": list(places), "index": index}


def short(value: float | None) -> float | int | None:
    """Six digits, which is more than a table shows."""
    if value is None:
        return None
    found = float(f"{value:.6g}")
    return int(found) if found == int(found) and abs(found) < 1e15 else found


def _spread(values: Iterable[float]) -> float:
    found = list(values)
    return pstdev(found) if len(set(found)) > 1 else 0.0


def _off(values: dict[str, float], truth: dict[str, float], spread: dict[str, float]) -> float | int | None:
    """None where either was not read; as the run itself chooses its worst cases."""
    shared = [n for n in values if n in truth]
    if not shared:
        return None
    apart = [abs(values[n] - truth[n]) / spread[n] for n in shared if spread[n] > 0]
    return short(sum(apart) / len(apart)) if apart else 0
