"""What `suites.measure` prints and writes of its rows: a table, means with intervals, and what is absent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from simbench.stats import t_interval

ERROR = "squared_error"
"""Mean squared error of a clip, of the range squared."""

PAIRED = ("psnr_mean", "psnr_pooled", "ssim", "lpips")
ALONE = ("flicker", "motion")
UNITS = {
    "psnr_mean": "dB, mean over frames",
    "psnr_pooled": "dB, one error for all frames",
    ERROR: "mean over all frames, of the range squared",
    "ssim": "11 px Gaussian, valid region",
    "lpips": "0 is identical",
    "flicker": "share of the range",
    "motion": "px a frame",
}
DIGITS = {"psnr_mean": 2, "psnr_pooled": 2, "ssim": 4, "lpips": 4, "flicker": 5, "motion": 3}


@dataclass(frozen=True)
class Row:
    """One clip: its `shape` (frames, height, width), rate (None for a folder of frames), what was measured,
    and why the rest was not. `lossy`: which of the two came from a lossy file."""

    name: str
    shape: tuple[int, int, int]
    fps: float | None
    values: Mapping[str, float]
    missing: Mapping[str, str] = field(default_factory=dict)
    lossy: tuple[str, ...] = ()


def means(rows: Sequence[Row]) -> dict[str, dict[str, float | int | None]]:
    """Mean, 95 % t interval, spread and count over the clips that have a value, by metric."""
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    return {n: asdict(t_interval([row.values[n] for row in rows if n in row.values])) for n in names}


def decibels(error: Mapping[str, float | int | None]) -> dict[str, float | int | None]:
    """PSNR (dB) of the interval of a mean squared error (share of the range squared) over all clips, those
    without any error too: its `low` is of the high error. None for what is without end, and for a limit of
    the error that is 0 or below."""
    ends = {"mean": error["mean"], "low": error["high"], "high": error["low"]}
    limits = {k: None if v is None or v <= 0 else -10 * math.log10(v) for k, v in ends.items()}
    return {**error, **limits, "sd": None}


def table(rows: Sequence[Row]) -> list[str]:
    """Lines for people: a clip each, then mean and interval, then what was not measured."""
    order = [*PAIRED, *(name + suffix for name in ALONE for suffix in ("", "_real"))]
    columns = [n for n in order if any(n in row.values for row in rows)]
    lines = [("", *columns)]
    lines += [(row.name, *(_shown(n, row.values.get(n)) for n in columns)) for row in rows]
    over = means(rows)
    for label, key in (("mean", "mean"), ("low", "low"), ("high", "high")):
        lines.append((label, *(_shown(n, over[n][key]) for n in columns)))
    lines.append(("clips", *(str(over[n]["count"]) for n in columns)))
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns) + 1)]
    out = []
    for line in lines:
        cells = [cell.rjust(width) for cell, width in zip(line, widths, strict=True)]
        out.append("  ".join([line[0].ljust(widths[0]), *cells[1:]]))
    out.insert(len(rows) + 1, "")
    units = [f"{n}: {UNITS[n]}" for n in (*PAIRED, *ALONE) if n in columns]
    return [*out, "", "; ".join(units) + "; low, high: 95 % interval of the mean (Student t) over clips"]


def remarks_on(rows: Sequence[Row]) -> list[str]:
    """What was not measured and why, with how many clips it hit, and which clips are lossy."""
    out = []
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        for item in row.missing.items():
            counts[item] = counts.get(item, 0) + 1
    for (name, why), count in counts.items():
        out.append(f"{name}: {why} ({count} of {len(rows)} clips)")
    over = means(rows)
    if ERROR in over:
        found = decibels(over[ERROR])
        value, low, high = ("without end" if found[k] is None else f"{found[k]:.2f}" for k in _ENDS)
        said = f"{value} dB" + ("" if len(rows) < 2 else f", 95 % interval {low} to {high}")
        out.append(
            f"PSNR of one error over all {len(rows)} clips, those without error too: "
            + ("without end, no clip has any" if found["mean"] is None else said)
        )
    lossy = sum(bool(row.lossy) for row in rows)
    if lossy and any("ssim" in row.values for row in rows):
        out.append(f"{lossy} of {len(rows)} clips come from lossy files, which caps PSNR and SSIM")
    return out


_ENDS = ("mean", "low", "high")


def report(rows: Sequence[Row], remarks: Sequence[str], asked: Mapping[str, object]) -> dict[str, object]:
    """What the JSON file holds; a value that is undefined or not measured is absent, its reason is there."""
    over = means(rows)
    clips = [
        {
            "name": row.name,
            "frames": row.shape[0],
            "height": row.shape[1],
            "width": row.shape[2],
            **({} if row.fps is None else {"fps": row.fps}),
            "lossy": list(row.lossy),
            "values": dict(row.values),
            "missing": dict(row.missing),
        }
        for row in rows
    ]
    return {
        "schema": 1,
        "asked": dict(asked),
        "units": UNITS,
        "mean": over,
        **({"psnr": decibels(over[ERROR])} if ERROR in over else {}),
        "remarks": list(remarks),
        "clips": clips,
    }


def _shown(name: str, value: float | int | None) -> str:
    if value is None:
        return "-"
    return f"{value:.{DIGITS[name.removesuffix('_real')]}f}"
