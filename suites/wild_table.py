"""What the measures of wild clips can tell from a clip, and what they cannot: a matrix, measure by version.

    python -m suites.wild_table clips=8 seed=2001 card=docs/wild.md sheet=docs/sheet-wild.png
    python -m suites.wild_table folder=REAL                      # the same of real clips

Clips are rendered by our own worlds (a camera around or past a still life of textured solids), or those of a
folder. Each is spoilt in every way of `simbench.instruments.wild_versions`. A cell is how far `gated` of the
original is above that of the version, the mean over clips: bold where the measure is declared to see the
version, plain where it is declared blind, in brackets where that depends on the clip. A cell that is not as
declared has two exclamation marks, and the exit code is 3.

clips, size, frames, seed   rendered clips (8), side px (192), length (25), first seed
scene                       deep, shallow or any: what the clips show; some cells are declared of deep and of
                            shallow scenes apart. Rendered clips are deep; others any, if it is not said
gap, pairs                  as for suites.wild; rendered clips have 8 frames a second, so gap is 2
card, block                 a page, and the name of the block on it, that gets the matrix
sheet                       a PNG with all versions of the first clip
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from simbench.blocks import page_with, write_block
from simbench.errors import UserError
from simbench.instruments.wild import Reader, Reading, read, reduced
from simbench.instruments.wild_blind import ANY, BLIND, BY_NAME, DEEP, SCENES, SEES, holds
from simbench.instruments.wild_versions import WHAT, versions
from simbench.stats import t_interval
from suites.proof import ended, options
from suites.wild_folder import SMALLEST, clips_in, common_side, decoded

OK, BAD_INPUT, NOT_AS_DECLARED = 0, 2, 3
JUDGED = tuple(name for name, m in BY_NAME.items() if m.better != "neither" and name != "depth")

Readings = Mapping[str, Reading]


@dataclass
class Options:
    """Options of the command; see the module."""

    clips: int = 8
    size: int = 192
    frames: int = 25
    seed: int = 2001
    folder: str = ""
    scene: str = ""
    gap: int = 2
    pairs: int = 12
    card: str = ""
    block: str = "matrix"
    sheet: str = ""


def rendered(count: int, size: int, frames: int, seed: int) -> Iterator[np.ndarray]:
    """Clips uint8 [T, size, size, 3] of still lifes at 8 fps, the camera going around them or past them."""
    from simbench.worlds.clip import make_clip
    from simbench.worlds.families import build

    for i in range(count):
        way = ("orbit", "truck")[i % 2]
        scene = build("orbit", seed + i, (frames - 1) / 8, "rich", 0.25, pace="even", bare=False, camera=way)
        yield make_clip(scene, size, size, frames, 8.0).rgb


def judged(frames: np.ndarray, reader: Reader, seed: int) -> dict[str, Readings]:
    """Name of a version to its readings, of one clip uint8 [T, H, W, 3]."""
    clip = reduced(frames[: reader.frames], reader.side)
    return {name: read(made, reader).readings() for name, made in versions(clip, seed, reader.gap).items()}


def leads(results: Sequence[Mapping[str, Readings]], measure: str, version: str) -> list[float]:
    """How far `gated` of each original is above that of its version."""
    return [each["original"][measure].gated - each[version][measure].gated for each in results]


def broken(results: Sequence[Mapping[str, Readings]], scene: str = ANY) -> list[str]:
    """Cells that are not as declared of such a scene, in words."""
    out = []
    for name in JUDGED:
        for version in list(WHAT)[1:]:
            lead = float(np.mean(leads(results, name, version)))
            if not holds(BY_NAME[name], version, lead, scene):
                said = BY_NAME[name].declared(version, scene)
                out.append(f"{name}: {said} {version} is declared, but the original is ahead by {lead:+.3f}")
    return out


def matrix(results: Sequence[Mapping[str, Readings]], scene: str = ANY) -> list[str]:
    """The matrix in Markdown."""
    names = list(WHAT)[1:]
    out = [f"| measure | original | {' | '.join(names)} |", "|---|" + "---:|" * (len(names) + 1)]
    for name in JUDGED:
        own = t_interval([each["original"][name].gated for each in results])
        cells = [_cell(name, version, leads(results, name, version), scene) for version in names]
        out.append(f"| {name} | {own.mean:.2f} | {' | '.join(cells)} |")
    return out


def _cell(name: str, version: str, values: Sequence[float], scene: str) -> str:
    found, said = t_interval(values), BY_NAME[name].declared(version, scene)
    text = f"{found.mean:+.2f}".replace("-", "−")
    if found.high is not None:
        text += f" ± {found.high - found.mean:.2f}"
    text = f"**{text}**" if said == SEES else text if said == BLIND else f"({text})"
    return text if holds(BY_NAME[name], version, found.mean, scene) else f"{text} !!"


def flatness(results: Sequence[Mapping[str, Readings]]) -> str:
    """What share of the originals' matches a plane explains, in words: how flat what they show is."""
    known = [each["original"]["plane"].value for each in results]
    shares = [value for value in known if value is not None]
    if not shares:
        return "a plane explains nothing that is known"
    low, high = min(shares), max(shares)
    return f"a plane explains {low:.2f}{f' to {high:.2f}' if len(shares) > 1 else ''} of matches"


def _clips(chosen: Options) -> tuple[list[np.ndarray], str]:
    """The clips, and what they are in words."""
    if not chosen.folder:
        if chosen.clips < 1 or chosen.size < SMALLEST:
            raise UserError(f"clips={chosen.clips} size={chosen.size}: at least 1 and {SMALLEST}")
        made = list(rendered(chosen.clips, chosen.size, chosen.frames, chosen.seed))
        return made, f"{chosen.clips} clips of {chosen.frames} frames {chosen.size}x{chosen.size}, rendered"
    found = list(decoded(clips_in(chosen.folder, "folder"), chosen.frames))
    bad = [f"{each.name}: {each.reason}" for each in found if each.frames is None]
    if bad:
        raise UserError(f"folder={chosen.folder} holds what cannot be read; {bad[0]}")
    clips = [f.frames for f in found if f.frames is not None]
    return clips, f"{len(clips)} real clip{'s' * (len(clips) > 1)} of up to {chosen.frames} frames"


def _sheet(path: Path, clip: np.ndarray) -> None:
    import cv2

    from simbench.worlds.sheet import write_png
    from suites.sheet import sheet

    height, width = clip.shape[1:3]
    size = (max(1, round(96 * width / height)), 96)
    rows = [
        (name, np.stack([cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in made]))
        for name, made in versions(clip).items()
    ]
    write_png(path, sheet(rows, 6, 0), colours=96)


def _run(chosen: Options) -> int:
    for name, low in {"frames": 9, "gap": 1, "pairs": 1}.items():
        if getattr(chosen, name) < low:
            raise UserError(
                f"{name}={getattr(chosen, name)} is too small; {low} at least, {getattr(Options, name)} usual"
            )
    scene = chosen.scene or (ANY if chosen.folder else DEEP)
    if scene not in SCENES:
        raise UserError(f"scene={scene} is not one of {', '.join(SCENES)}")
    if chosen.card:
        # A page without the block is noticed before the work, not after it.
        page_with(Path(chosen.card), chosen.block, "")
    clips, what = _clips(chosen)
    side = common_side([(c.shape[1], c.shape[2]) for c in clips], Reader.side)
    reader = replace(Reader(), side=side, frames=chosen.frames, gap=chosen.gap, pairs=chosen.pairs)
    if chosen.sheet:
        _sheet(Path(chosen.sheet), reduced(clips[0], side))
    results = []
    for i, clip in enumerate(clips):
        results.append(judged(clip, reader, chosen.seed + i))
        print(f"{i + 1}/{len(clips)}", file=sys.stderr, flush=True)
    lines = [
        f"{what}, read at {side} px, {reader.gap} frames apart, seed {chosen.seed}; scene: {scene};"
        f" {flatness(results)}.",
        "",
        *matrix(results, scene),
    ]
    print("\n".join(lines))
    if chosen.card:
        write_block(Path(chosen.card), chosen.block, "\n".join(lines))
    faults = broken(results, scene)
    print("\n".join(["", *faults] if faults else ["", "Every cell is as declared."]))
    return NOT_AS_DECLARED if faults else OK


def main(arguments: Sequence[str]) -> int:
    """The command; prints the matrix and returns the exit code."""
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return OK
    return ended("wild_table", lambda: _run(options(Options, arguments)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
