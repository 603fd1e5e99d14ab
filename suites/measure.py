"""What papers print of pairs of clips: PSNR, SSIM, LPIPS, and how much each clip moves and flickers.

    python -m suites.measure generated=FOLDER real=FOLDER out=FILE.json
    python -m suites.measure generated=FOLDER                            # flicker and motion alone

generated a folder of videos (mp4, mkv, webm, mov, avi, m4v, gif) or of folders of png or jpg frames
real      the same of what they should be: clips of one name, of one size, length and rate, frame by frame
out       a JSON file with every clip, the means and what was not measured
frames    how many frames of each are read (default 0: all)
skip      frames at the start that the generator was given: read, and not judged (default 0)
weights   the trunk of LPIPS, a file of torchvision; net=alex, vgg or squeeze; sha256= if the file is your own

Definitions, and what each number is blind to: docs/metrics.md. Likeness to one real clip is no measure of a
world that may go on in many ways; a blurred mean of all of them has the best PSNR.

Exit codes: 0 measured, 2 bad input.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simbench.errors import UserError
from suites.measure_report import ALONE, ERROR, Row, remarks_on, report, table
from suites.proof import ended, options

if TYPE_CHECKING:
    from simbench.video import Video


@dataclass
class Options:
    """Options of the command; see the module."""

    generated: str = ""
    real: str = ""
    out: str = ""
    frames: int = 0
    skip: int = 0
    weights: str = ""
    net: str = "alex"
    sha256: str = ""


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


def read(path: Path, chosen: Options) -> Video:
    """What is judged of a clip. A folder of frames has no rate; it is read at 1 fps."""
    from simbench.video import Video, decode

    clip = decode(path, chosen.frames or None, 1.0 if path.is_dir() else None)
    if chosen.frames > len(clip.frames):
        raise UserError(f"{path.name} has {len(clip.frames)} frames, frames={chosen.frames} asks for more")
    if chosen.skip >= len(clip.frames):
        raise UserError(f"{path.name} has {len(clip.frames)} frames and skip={chosen.skip} leaves none")
    return Video(clip.frames[chosen.skip :], clip.fps, clip.lossy)


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

    errors = pictures.squared_errors(made, true, 255)
    same = int((errors == 0).sum())
    found = {f.__name__: f(made, true, 255) for f in (pictures.psnr_mean, pictures.psnr_pooled)}
    values = {name: value for name, value in found.items() if np.isfinite(value)}
    why = f"undefined: {same} of {len(made)} frames are identical (skip=N leaves given ones out)"
    missing = {name: why for name in found if name not in values}
    values[ERROR] = float(errors.mean())
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
            clip = read(path, chosen)
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
        made, true = read(generated[name], chosen), read(real[name], chosen)
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


def _asked(chosen: Options) -> dict[str, object]:
    """The options that were given, and the hash of the trunk that was used."""
    asked = {name: value for name, value in asdict(chosen).items() if value and name != "out"}
    if chosen.weights and chosen.real:
        asked["sha256"] = sha256(Path(chosen.weights).read_bytes()).hexdigest()
    return asked


def run(chosen: Options) -> None:
    """The command after its options are read."""
    from simbench.files import require_file, write_text

    if chosen.out:
        require_file(Path(chosen.out), "out")
    for name in ("frames", "skip"):
        if getattr(chosen, name) < 0:
            raise UserError(f"{name}={getattr(chosen, name)} must be 0 or more")
    rows, remarks = measured(chosen)
    remarks = [*remarks, *remarks_on(rows)]
    print("\n".join([*table(rows), *remarks]))
    if chosen.out:
        text = json.dumps(report(rows, remarks, _asked(chosen)), indent=1, allow_nan=False)
        write_text(Path(chosen.out), text + "\n")


def main(arguments: Sequence[str]) -> int:
    """The command; prints lines and returns the exit code."""
    if not arguments or {"-h", "--help"} & set(arguments):
        print(__doc__)
        return 0 if arguments else 2
    return ended("measure", lambda: run(options(Options, arguments)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
