"""What papers print of pairs of clips: PSNR, SSIM, LPIPS, and how much each clip moves and flickers.

    python -m suites.measure generated=FOLDER real=FOLDER out=FILE.json
    python -m suites.measure generated=FOLDER                            # flicker and motion alone

generated a folder of videos (mp4, mkv, webm, mov, gif) or of folders with numbered png or jpg frames
real      the same of what they should be: clips of one name, of one size, length and rate, frame by frame
out       a JSON file with every clip, the means and what was not measured
frames    how many frames of each are read (default 0: all)
weights   the trunk of LPIPS, a file of torchvision; net=alex, vgg or squeeze; sha256= if the file is your own

Definitions, and what each number is blind to: docs/metrics.md. Likeness to one real clip is no measure of a
world that may go on in many ways; a blurred mean of all of them has the best PSNR.

Exit codes: 0 measured, 2 bad input.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simbench.errors import UserError
from simbench.stats import t_interval
from suites.proof import ended, options

if TYPE_CHECKING:
    from simbench.video import Video

PAIRED = ("psnr_mean", "psnr_pooled", "ssim", "lpips")
ALONE = ("flicker", "motion")
UNITS = {
    "psnr_mean": "dB, mean over frames",
    "psnr_pooled": "dB, one error for all frames",
    "ssim": "11 px Gaussian, valid region",
    "lpips": "0 is identical",
    "flicker": "share of the range",
    "motion": "px a frame",
}
DIGITS = {"psnr_mean": 2, "psnr_pooled": 2, "ssim": 4, "lpips": 4, "flicker": 5, "motion": 3}


@dataclass
class Options:
    """Options of the command; see the module."""

    generated: str = ""
    real: str = ""
    out: str = ""
    frames: int = 0
    weights: str = ""
    net: str = "alex"
    sha256: str = ""


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


def clips_in(folder: str, option: str) -> dict[str, Path]:
    """Videos and folders of frames in `folder`, by name without suffix. UserError if there are none."""
    from simbench.decoding import IMAGE_SUFFIXES
    from simbench.generators.videos import SUFFIXES

    root = Path(folder)
    if not folder or not root.is_dir():
        raise UserError(f"{option}={folder or '(none)'} is not a folder; give the one that holds the videos")
    found: dict[str, Path] = {}
    for path in sorted(root.iterdir()):
        frames = path.is_dir() and any(p.suffix.lower() in IMAGE_SUFFIXES for p in path.iterdir())
        if path.name.startswith(".") or not (frames or path.suffix.lower() in SUFFIXES):
            continue
        name = path.name if frames else path.stem
        if name in found:
            raise UserError(
                f"{option}={folder} holds {name} twice ({found[name].name}, {path.name}); keep one"
            )
        found[name] = path
    if not found:
        raise UserError(f"{option}={folder} holds no video; give files such as a.mp4, or folders of frames")
    return found


def read(path: Path, limit: int) -> Video:
    """A clip, or its first `limit` frames (0: all). A folder of frames has no rate; it is read at 1 fps."""
    from simbench.video import decode

    return decode(path, limit or None, 1.0 if path.is_dir() else None)


def check_alike(name: str, made: Video, true: Video, rated: bool) -> None:
    """UserError unless two clips can be compared frame by frame; rates only where both have one (`rated`)."""
    sizes = [f"{v.frames.shape[2]}x{v.frames.shape[1]}" for v in (made, true)]
    if sizes[0] != sizes[1]:
        raise UserError(f"{name}: generated is {sizes[0]} px, real {sizes[1]}; scale both to one size first")
    if len(made.frames) != len(true.frames):
        got, wanted = len(made.frames), len(true.frames)
        remedy = f"cut both, or add frames={min(got, wanted)}"
        raise UserError(f"{name}: generated has {got} frames, real {wanted}; {remedy}")
    if rated and abs(made.fps / true.fps - 1) > 1e-3:
        raise UserError(
            f"{name}: generated runs at {made.fps:.6g} fps, real at {true.fps:.6g}; bring both to one"
        )


def of_pair(made: np.ndarray, true: np.ndarray, chosen: Options) -> tuple[dict[str, float], dict[str, str]]:
    """Values of two clips uint8 [T, H, W, 3], and why others are absent."""
    from simbench.metrics import perceptual, pictures

    same = int((pictures.squared_errors(made, true, 255) == 0).sum())
    found = {f.__name__: f(made, true, 255) for f in (pictures.psnr_mean, pictures.psnr_pooled)}
    values = {name: value for name, value in found.items() if np.isfinite(value)}
    why = f"undefined: {same} of {len(made)} frames are identical"
    missing = {name: why for name in found if name not in values}
    side = min(made.shape[1:3])
    if side < pictures.WINDOW:
        missing["ssim"] = f"not measured: needs {pictures.WINDOW} px a side"
    else:
        values["ssim"] = pictures.ssim(made, true, 255)
    if not chosen.weights:
        known = perceptual.TRUNKS.get(chosen.net, "a trunk")
        missing["lpips"] = f"not measured: weights missing; add weights={known}, a file of torchvision"
    elif side < perceptual.SMALLEST:
        missing["lpips"] = f"not measured: needs {perceptual.SMALLEST} px a side"
    else:
        measure = perceptual.Lpips(chosen.weights, chosen.net, chosen.sha256 or None)
        values["lpips"] = measure(made, true)
    return values, missing


def of_one(clip: np.ndarray, suffix: str) -> tuple[dict[str, float], dict[str, str]]:
    """Flicker and motion of one clip uint8 [T, H, W, 3], and why one is absent."""
    from simbench.metrics import motion

    if min(clip.shape[1:3]) < motion.SMALLEST:
        reason = f"not measured: needs {motion.SMALLEST} px a side"
        return {}, {name + suffix: reason for name in ALONE}
    found = {"flicker": motion.flicker(clip, 255), "motion": motion.flow_magnitude(clip, 255)}
    least = {"flicker": "three", "motion": "two"}
    values = {name + suffix: value for name, value in found.items() if np.isfinite(value)}
    absent = [name for name in found if name + suffix not in values]
    return values, {
        name + suffix: f"undefined: needs {least[name]} frames that can be followed" for name in absent
    }


def measured(chosen: Options) -> tuple[list[Row], list[str]]:
    """One row for each clip, and remarks on clips without a partner."""
    generated = clips_in(chosen.generated, "generated")
    if not chosen.real:
        rows = []
        for name, path in generated.items():
            clip = read(path, chosen.frames)
            values, missing = of_one(clip.frames, "")
            rows.append(_row(name, clip, None if path.is_dir() else clip.fps, values, missing, (clip.lossy,)))
        return rows, ["without real=FOLDER only flicker and motion are measured"]
    real = clips_in(chosen.real, "real")
    names = [name for name in generated if name in real]
    if not names:
        raise UserError(
            f"no name is in both: generated={chosen.generated} has {_some(generated)}, "
            f"real={chosen.real} has {_some(real)}; give clips of one scene one name"
        )
    rows = []
    for name in names:
        made, true = read(generated[name], chosen.frames), read(real[name], chosen.frames)
        rated = not generated[name].is_dir() and not real[name].is_dir()
        check_alike(name, made, true, rated)
        values, missing = of_pair(made.frames, true.frames, chosen)
        for clip, suffix in ((made, ""), (true, "_real")):
            more, absent = of_one(clip.frames, suffix)
            values, missing = values | more, missing | absent
        rows.append(_row(name, made, made.fps if rated else None, values, missing, (made.lossy, true.lossy)))
    remarks = []
    for option, ours, other in (("generated", generated, real), ("real", real, generated)):
        lone = [name for name in ours if name not in other]
        if lone:
            remarks.append(
                f"{len(lone)} of {len(ours)} in {option} have no partner and are left out: {_some(lone)}"
            )
    return rows, remarks


def _row(
    name: str,
    clip: Video,
    fps: float | None,
    values: Mapping[str, float],
    missing: Mapping[str, str],
    lossy: Sequence[bool],
) -> Row:
    frames, height, width = clip.frames.shape[:3]
    which = tuple(n for n, is_lossy in zip(("generated", "real"), lossy, strict=False) if is_lossy)
    return Row(name, (frames, height, width), fps, values, missing, which)


def _some(names: Sequence[str] | Mapping[str, Path]) -> str:
    """The first three names."""
    first = list(names)
    return ", ".join(first[:3]) + (f" and {len(first) - 3} more" if len(first) > 3 else "")


def means(rows: Sequence[Row]) -> dict[str, dict[str, float | int | None]]:
    """Mean, 95 % t interval, spread and count over the clips that have a value, by metric."""
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    return {n: asdict(t_interval([row.values[n] for row in rows if n in row.values])) for n in names}


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
    lossy = sum(bool(row.lossy) for row in rows)
    if lossy:
        out.append(f"{lossy} of {len(rows)} clips come from lossy files, which caps PSNR and SSIM")
    return out


def report(rows: Sequence[Row], remarks: Sequence[str], chosen: Options) -> dict[str, object]:
    """What the JSON file holds; a value that is undefined or not measured is absent, its reason is there."""
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
    asked = {name: value for name, value in asdict(chosen).items() if value and name != "out"}
    return {
        "schema": 1,
        "asked": asked,
        "units": UNITS,
        "mean": means(rows),
        "remarks": list(remarks),
        "clips": clips,
    }


def _shown(name: str, value: float | int | None) -> str:
    if value is None:
        return "-"
    return f"{value:.{DIGITS[name.removesuffix('_real')]}f}"


def run(chosen: Options) -> None:
    """The command after its options are read."""
    from simbench.files import write_text

    rows, remarks = measured(chosen)
    remarks = [*remarks, *remarks_on(rows)]
    print("\n".join([*table(rows), *remarks]))
    if chosen.out:
        write_text(
            Path(chosen.out), json.dumps(report(rows, remarks, chosen), indent=1, allow_nan=False) + "\n"
        )


def main(arguments: Sequence[str]) -> int:
    """The command; prints lines and returns the exit code."""
    if not arguments or {"-h", "--help"} & set(arguments):
        print(__doc__)
        return 0 if arguments else 2
    return ended("measure", lambda: run(options(Options, arguments)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
