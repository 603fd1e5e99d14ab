"""Real pictures through the instruments: is a clip, or a pair, one rigid world seen by one camera?

    python -m suites.footage clip=FRAMES                 # a folder of numbered png or jpg, or a video file
    python -m suites.footage pair=LEFT.png,RIGHT.png     # two pictures

clip      frames; each is set against the one `gap` later. Versions that no camera filmed stand
          below it: what a measure does not tell from the clip, it is blind to
masks     a folder of pictures, not black where something moves by itself, one for each frame
frames    how many frames are read (default 25), from the first on
gap       frames between the two of a pair (default 1)
threshold px that a match which agrees may be off (default 1), and half of what is off a homography; a clean
          clip with a short way needs less
sheet     a PNG with all versions
pair      two pictures; rectified=true says that points keep their row
disparity .npz or .npy with the true disparities [H, W] of the first picture, px; NaN where unknown
focal, x, y, offset, baseline: calibration of a rectified pair, px and m (see simbench.instruments.rectified)

Exit codes: 0 measured, 2 bad input, 3 nothing could be registered.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from simbench.errors import UserError
from simbench.instruments.footage import Measured, agreement_on, measure, pairs, versions
from simbench.instruments.matching import Features, features
from simbench.instruments.twoview import THRESHOLD_PX
from suites.footage_pair import pair_report, share
from suites.proof import options

OK, BAD_INPUT, NOTHING = 0, 2, 3
ALIKE = 0.05
"""Difference of gated below which two versions are called alike."""

NOTES = """registered: pairs with a baseline and depth, of all; only there the rest means something.
kept: share of the matches that agree with one epipolar geometry (within the threshold).
gated: the same, pairs that are still, flat or lost counting 0.
sampson, sym: root-median distance of what agrees, px (Sampson; both squared distances to the lines), and of
  all matches. sym is twice sampson for the same error.
off: agreeing matches that no homography explains, beside what lines of random direction would give.
jerk: change of the picture's motion from one pair to the next, as a share of that motion.
Blind: every column to backwards, and to what slides along its epipolar line (a thing that moves the way the
  camera does is read as depth); all but jerk to the order of frames where they overlap; kept and sampson to
  a clip that stands still or is flat; registered to bending, which looks like depth. gated is no score: an
  honest clip whose way is too short for the threshold has 0."""


@dataclass
class Options:
    """Options of the command; see the module."""

    clip: str = ""
    masks: str = ""
    frames: int = 25
    gap: int = 1
    threshold: float = THRESHOLD_PX
    sheet: str = ""
    pair: str = ""
    rectified: str = "false"
    disparity: str = ""
    focal: float | None = None
    x: float | None = None
    y: float | None = None
    offset: float = 0.0
    baseline: float | None = None


def clip_report(chosen: Options) -> tuple[list[str], bool]:
    """Lines on a clip and its versions, and whether any pair of the clip itself was registered."""
    frames = _frames(chosen.clip, "clip", chosen.frames)
    if chosen.gap < 1 or len(frames) < chosen.gap + 2:
        raise UserError(f"gap={chosen.gap} needs {chosen.gap + 2} frames, {chosen.clip} gave {len(frames)}")
    known: dict[bytes, Features] = {}

    def read(frame: np.ndarray) -> Features:
        """Features, of the same picture only once: most versions show the same ones."""
        key = sha256(np.ascontiguousarray(frame).tobytes()).digest()
        if key not in known:
            known[key] = features(frame)
        return known[key]

    clips = versions(frames)
    views = {name: pairs(clip, chosen.gap, chosen.threshold, read) for name, clip in clips.items()}
    results = {name: measure(each, frames.shape[1:3]) for name, each in views.items()}
    height, width = frames.shape[1:3]
    lines = [
        f"{chosen.clip}: {len(frames)} frames {width}x{height}, {chosen.gap} apart",
        "",
        *_table(results),
    ]
    if chosen.masks:
        masks = _frames(chosen.masks, "masks", len(frames)).max(axis=-1) > 0
        if masks.shape != frames.shape[:3]:
            raise UserError(f"masks={chosen.masks} are {masks.shape}, not {frames.shape[:3]} as the frames")
        on, elsewhere = agreement_on(views["original"], masks)
        lines.append(
            f"original: {share(on)} of the matches on what moves by itself agree, {share(elsewhere)} "
            "of the others"
        )
    lines += ["", *_remarks(results), "", NOTES]
    if chosen.sheet:
        _sheet(Path(chosen.sheet), clips)
    return lines, results["original"].kinds["parallax"] > 0


def _table(results: dict[str, Measured]) -> list[str]:
    head = (
        "",
        "registered",
        "flat",
        "still",
        "lost",
        "motion",
        "matches",
        "kept",
        "gated",
        "sampson",
        "all",
        "sym",
        "off (chance)",
        "jerk",
    )
    rows: list[tuple[str, ...]] = [head]
    for name, m in results.items():
        count = sum(m.kinds.values())
        kinds = [str(m.kinds[k]) for k in ("flat", "still", "lost")]
        errors = [_number(v, 3) for v in (m.sampson_px, m.sampson_all_px, m.symmetric_px)]
        rows.append(
            (
                name,
                f"{m.kinds['parallax']}/{count}",
                *kinds,
                _number(m.motion_px, 1),
                _number(m.matches, 0),
                share(m.kept),
                share(m.gated),
                *errors,
                f"{m.off:.1f} ({m.chance:.1f})",
                _number(m.jerk, 2),
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return [
        "  ".join(
            c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _remarks(results: dict[str, Measured]) -> list[str]:
    """What must be said of these numbers before anybody reads them."""
    own, frozen = results["original"], results["frozen"]
    lines = []
    if frozen.kept >= own.kept:
        lines.append(
            f"The frozen clip keeps {share(frozen.kept)} of its matches, no less than the original: "
            f"agreement rewards standing still. Gated by motion it is {share(frozen.gated)}."
        )
    alike = [name for name, m in results.items() if m is not own and m.gated > own.gated - ALIKE]
    if alike and own.gated > 0:
        lines.append(f"gated does not tell from the original: {', '.join(alike)}.")
    if own.kinds["flat"] > sum(own.kinds.values()) / 2:
        lines.append(
            "The original is mostly flat: if the camera moves, try a larger gap or a smaller threshold."
        )
    for name, m in results.items():
        if m.kinds["parallax"] == 0 and m.reasons:
            lines.append(f"{name}: nothing registered: {Counter(m.reasons).most_common(1)[0][0]}")
    return lines


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else "-"


def _frames(path: str, option: str, count: int) -> np.ndarray:
    from simbench.video import decode

    if not Path(path).exists():
        raise UserError(f"{option}={path} is not there; give a folder of numbered frames or a video file")
    return decode(Path(path), count, 1.0 if Path(path).is_dir() else None).frames


def _sheet(path: Path, clips: dict[str, np.ndarray]) -> None:
    import cv2

    from simbench.worlds.sheet import write_png
    from suites.sheet import sheet

    height, width = clips["original"].shape[1:3]
    size = (160, max(1, round(160 * height / width)))
    rows = [
        (name, np.stack([cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in clip]))
        for name, clip in clips.items()
    ]
    write_png(path, sheet(rows, 4, 0), colours=96)


def main(arguments: Sequence[str]) -> int:
    """The command; prints lines and returns the exit code."""
    if not arguments or {"-h", "--help"} & set(arguments):
        print(__doc__)
        return OK if arguments else BAD_INPUT
    try:
        chosen = options(Options, arguments)
        if bool(chosen.clip) == bool(chosen.pair):
            raise UserError("give either clip=FRAMES or pair=LEFT,RIGHT; see python -m suites.footage --help")
        if not chosen.threshold > 0:
            raise UserError(f"threshold={chosen.threshold:g} must be above 0 px; 1 is usual")
        if chosen.rectified not in ("true", "false"):
            raise UserError(f"rectified={chosen.rectified} must be true or false")
        lines, registered = clip_report(chosen) if chosen.clip else pair_report(chosen)
    except UserError as error:
        print(f"suites.footage: {error}", file=sys.stderr)
        return BAD_INPUT
    print("\n".join(lines))
    return OK if registered else NOTHING


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
