"""The page of `suites.quality`: for each suite a table of clips as pictures and one of sets, and what is
missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from suites.measure_report import ERROR
from suites.quality_rows import PSNR, SMALLEST, TRUTH

DIGITS = {"psnr_pooled": 1, "ssim": 3, "lpips": 3, "flicker": 4, "motion": 2}
"""Metrics of the table and their decimals. PSNR of a clip has one error for all its frames: the mean over
frames is undefined where one of them is exact, which would leave more clips out."""
PICTURES = ("answered", "PSNR, dB", "PSNR by clip, dB", "SSIM", "LPIPS", "flicker", "motion, px")
SETS = ("frechet[{0}]", "times", "without end", "kernel[{0}] x 1000")
NONE = "–"


def markdown(rows: Sequence[Mapping[str, Any]], missing: Mapping[str, str]) -> str:
    """The tables of every suite, then what was not answered and what was not measured: `missing` spaces, and
    LPIPS without its weights."""
    lines: list[str] = []
    for suite in dict.fromkeys(row["suite"] for row in rows):
        part = [row for row in rows if row["suite"] == suite]
        first = part[0]
        lines += [
            f"**{suite}@{first['version']}**, {first['setting']}, {first['scenes']} scenes,"
            f" {first['count']} clips a row; half of the scenes a side in the Frechet distances.",
            "",
            *_table(PICTURES, [(row["clips"], *_pictures(row)) for row in part]),
            "",
            *_table(
                [head.format(name) for name in first["distances"] for head in SETS],
                [(row["clips"], *_sets(row)) for row in part],
            ),
            "",
            *_unanswered(part),
        ]
    lines += [f"{name}: not measured: {why}" for name, why in missing.items()]
    lines += [
        f"LPIPS: {why}" for why in dict.fromkeys(w for row in rows for w in row["undefined"].get("lpips", ()))
    ]
    return "\n".join(lines)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [("", *heads), *rows]
    return [
        "| " + " | ".join(lines[0]) + " |",
        "|---|" + "---:|" * len(heads),
        *("| " + " | ".join(line) + " |" for line in lines[1:]),
    ]


def _pictures(row: Mapping[str, Any]) -> list[str]:
    metrics = row["metrics"]
    cells = [f"{row['answered']}/{row['count']}", _decibels(metrics.get(PSNR))]
    for name, digits in DIGITS.items():
        found = metrics.get(name)
        if found is None:
            cells.append("exact" if name == "psnr_pooled" and ERROR in metrics else NONE)
            continue
        half = None if found["high"] is None else found["high"] - found["mean"]
        spread = "" if half is None else f" ± {half:.{digits}f}"
        part = "" if found["clips"] == found["of"] else f" ({found['clips']}/{found['of']} clips)"
        cells.append(f"{found['mean']:.{digits}f}{spread}{part}")
    return cells


def _decibels(found: Mapping[str, float | None] | None) -> str:
    """An interval that is not even: half of the error is 3 dB more, none of it is without end."""
    if found is None:
        return NONE
    mean, low, high = found["mean"], found["low"], found["high"]
    if mean is None:
        return "exact"
    return (
        f"{mean:.1f}" if low is None else f"{mean:.1f} [{low:.1f}, {'∞' if high is None else f'{high:.1f}'}]"
    )


def _sets(row: Mapping[str, Any]) -> list[str]:
    cells = []
    for far in row["distances"].values():
        limit, kernel = far["limit"], far["kernel"]
        bent = "" if limit is None or limit["straight"] or abs(limit["value"]) < SMALLEST else " bent"
        cells += [
            _shown(far["frechet"]),
            NONE if far["times"] is None else f"{far['times']:.2f}",
            NONE if limit is None else _span(limit, 1.0) + bent,
            # A set is 0 from itself by definition, but for rounding.
            "0" if row["clips"] == TRUTH else _span(kernel, 1000.0),
        ]
    return cells


def _span(estimate: Mapping[str, float], scale: float) -> str:
    value, low, high = (scale * estimate[key] for key in ("value", "low", "high"))
    return f"{_shown(value)} [{_shown(low)}, {_shown(high)}]"


def _shown(value: float) -> str:
    """Three digits; what is rounding is 0."""
    return "0" if abs(value) < SMALLEST else f"{value:.3g}"


def _unanswered(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        f"{row['clips']}: {row['count'] - row['answered']} of {row['count']} clips not answered, their last"
        f" given frame held instead: {'; '.join(row['reasons'])}"
        for row in rows
        if row["answered"] < row["count"]
    ]
    return [*lines, ""] if lines else []
