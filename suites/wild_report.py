"""Tables of wild clips: each measure over the clips of a folder, beside a reference, with its blind spot."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simbench.instruments.wild import Reader, Reading
from simbench.instruments.wild_blind import BY_NAME
from simbench.stats import Interval, t_interval
from suites.wild_folder import Judged

WIDTH = 108


@dataclass(frozen=True)
class Summary:
    """A measure over clips. `value` over those where it is defined, None where nowhere; `gated` over all of
    them; `defined` and `gate` are shares of the clips."""

    value: Interval | None
    gated: Interval
    defined: float
    gate: float


def summary(readings: Sequence[Reading]) -> Summary:
    """One measure over all clips."""
    known = [r.value for r in readings if r.value is not None]
    return Summary(
        value=t_interval(known) if known else None,
        gated=t_interval([r.gated for r in readings]),
        defined=len(known) / len(readings),
        gate=sum(r.gate for r in readings) / len(readings),
    )


def paired(names: Sequence[str], others: Sequence[str]) -> bool:
    """Whether each clip has one of the same name, without its ending, in the other folder."""
    first, second = ([n.rsplit(".", 1)[0] for n in each] for each in (names, others))
    return sorted(first) == sorted(second) and len(set(first)) == len(first)


def unpaired(first: Sequence[float], second: Sequence[float]) -> Interval:
    """Difference of two means with Welch's 95 % interval (degrees of freedom by Satterthwaite 1946)."""
    from scipy.special import stdtrit

    a, b = t_interval(first), t_interval(second)
    mean, count = a.mean - b.mean, len(first) + len(second)
    if a.sd is None or b.sd is None:
        return Interval(mean, None, None, None, count)
    one, two = a.sd**2 / a.count, b.sd**2 / b.count
    error = math.sqrt(one + two)
    if error == 0:
        return Interval(mean, mean, mean, 0.0, count)
    freedom = (one + two) ** 2 / (one**2 / (a.count - 1) + two**2 / (b.count - 1))
    half = float(stdtrit(freedom, 0.975)) * error
    return Interval(mean, mean - half, mean + half, None, count)


def difference(clips: Sequence[Judged], others: Sequence[Judged], name: str) -> Interval:
    """`gated` of a measure in `clips` minus that in `others`: clip by clip where the names pair, else of the
    means."""
    first, second = ([c.readings[name].gated for c in each] for each in (clips, others))
    names, known = [c.name for c in clips], [c.name for c in others]
    if not paired(names, known):
        return unpaired(first, second)
    order = {n.rsplit(".", 1)[0]: v for n, v in zip(known, second, strict=True)}
    return t_interval([v - order[n.rsplit(".", 1)[0]] for n, v in zip(names, first, strict=True)])


def plus_minus(found: Interval | None, digits: int = 3) -> str:
    """`0.123 ± 0.045`, without the second where one clip gives no spread, `-` for what is not defined."""
    if found is None:
        return "-"
    if found.high is None:
        return f"{found.mean:.{digits}f}"
    return f"{found.mean:.{digits}f} ± {found.high - found.mean:.{digits}f}"


def lines_of(
    clips: Sequence[Judged], others: Sequence[Judged], reader: Reader, folder: str, reference: str
) -> list[str]:
    """The report for people."""
    out = [f"{folder}: {len(clips)} clips, read at a shorter side of {reader.side} px"]
    if others:
        how = "clip by clip" if paired([c.name for c in clips], [c.name for c in others]) else "unpaired"
        out.append(f"reference {reference}: {len(others)} clips; differences are {how}, folder - reference")
        out += _unlike(clips, others)
    head = ["measure", "value", "unit", "better", "gated", "defined", "gate"]
    rows = [head + (["reference", "difference"] if others else [])]
    names = list(clips[0].readings)
    for name in names:
        s, measure = summary([c.readings[name] for c in clips]), BY_NAME[name]
        row = [name, plus_minus(s.value), measure.unit or "1", measure.better, plus_minus(s.gated)]
        row += [f"{100 * s.defined:.0f} %", f"{100 * s.gate:.0f} %"]
        if others:
            known = summary([c.readings[name] for c in others])
            row += [plus_minus(known.gated), plus_minus(difference(clips, others, name))]
        rows.append(row)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    out += ["", *("  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows)]
    out += ["", *_wrapped(NOTE), "", "Blind spots"]
    for name in names:
        out += _wrapped(f"{name}: {BY_NAME[name].what}. Blind: {BY_NAME[name].blind_spot}.")
    return out + _reasons("folder", clips) + _reasons("reference", others)


NOTE = (
    "value: mean and 95 % t interval over the clips where it is defined. gated: 0 to 1, larger better, over "
    "all clips; what stands still or is not defined counts 0, so that a frozen clip is worst. gate: share of "
    "the clip that moved. None of this is a score: a clip may be above its reference, by moving more gently "
    "or by showing less, and be no better; how far it is from the reference is what can be read."
)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ")


def _unlike(clips: Sequence[Judged], others: Sequence[Judged]) -> list[str]:
    """What should be known before two folders are compared."""
    out = []
    shapes = [
        sorted({f"{c.width}x{c.height}" for c in each if c.frames} or {"none"}) for each in (clips, others)
    ]
    if shapes[0] != shapes[1]:
        out.append(
            f"sizes differ: {', '.join(shapes[0])} against {', '.join(shapes[1])}; all are reduced to one "
            "shorter side"
        )
    lengths = [sorted({c.frames for c in each if c.frames}) for each in (clips, others)]
    if lengths[0] != lengths[1]:
        out.append(
            f"lengths differ: {_range(lengths[0])} against {_range(lengths[1])} frames; all measures are of "
            "single frames, pairs or stretches of one length, but cuts counts over the clip"
        )
    rates = [sorted({round(c.fps, 3) for c in each if c.fps is not None}) for each in (clips, others)]
    if all(rates) and rates[0] != rates[1]:
        out.append(
            f"rates differ: {_range(rates[0])} against {_range(rates[1])} frames a second; gap and span "
            "count frames, so that the faster one has less motion in each"
        )
    return out


def _range(values: Sequence[float]) -> str:
    ends = [f"{v:g}" for v in (values[:1] if len(values) < 2 else (values[0], values[-1]))]
    return " to ".join(ends) or "none"


def _reasons(what: str, clips: Sequence[Judged]) -> list[str]:
    """Why clips lack a measure, the most frequent reason for each."""
    out = []
    for name in clips[0].readings if clips else ():
        lacking = [c.readings[name].reason for c in clips if c.readings[name].value is None]
        if lacking:
            reason = Counter(lacking).most_common(1)[0][0]
            out += _wrapped(
                f"{what}, {name}: not defined in {len(lacking)} of {len(clips)} clips, as: {reason}"
            )
    return ["", *out] if out else []


def as_json(clips: Sequence[Judged]) -> list[dict[str, Any]]:
    """Every clip with all its readings; what is not defined is absent, with its reason."""
    return [
        {
            "name": c.name,
            **({"frames": c.frames, "height": c.height, "width": c.width} if c.frames else {}),
            **({"fps": c.fps} if c.fps is not None else {}),
            **({"reason": c.reason} if c.reason else {}),
            "measures": {name: _reading(r) for name, r in c.readings.items()},
        }
        for c in clips
    ]


def _reading(reading: Reading) -> dict[str, Any]:
    out: dict[str, Any] = {} if reading.value is None else {"value": reading.value}
    out |= {"gated": reading.gated, "gate": reading.gate}
    return out | ({"reason": reading.reason} if reading.reason else {})


def interval_json(found: Interval | None) -> dict[str, Any]:
    """Mean, ends and count; what is not defined is absent."""
    if found is None:
        return {}
    every = {"mean": found.mean, "low": found.low, "high": found.high, "count": found.count}
    return {key: value for key, value in every.items() if value is not None}
