"""How far apart two sets of videos are, in any feature space, beside what real is from real.

    python -m suites.distances real=FOLDER generated=FOLDER space=random,worlds
    python -m suites.distances real=FOLDER generated=FOLDER space=i3d weights=FILE sha256=... protocol=tf2018
    python -m suites.distances real=worlds generated=worlds damage=shuffle clips=60 size=64 seed=1001

real, generated  folders of videos (files, or folders of frames), or worlds: clips of our own
space     random, random-motion, worlds, i3d, videomae, vjepa2, or several with commas
protocol  simbench, tf2018, stylegan-v, videogpt, cd-fvd: resize, crop, rounding, frames, ddof
weights   of the one space that needs them: a path, file:// or https:// (sha256= then has to be given)
frames, stride   other than the protocol's; the first frames of each clip are taken
clips, size, seed, families, damage   of worlds; damage=shuffle, reverse, swap or blur
out       a JSON file with everything that changes a number

Exit codes: 0 measured, 2 bad input, 3 no space could be measured.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simbench.errors import UserError
from suites.proof import ended, options

if TYPE_CHECKING:
    import numpy as np

    from simbench.features.protocols import Preset
    from simbench.features.space import Space
    from simbench.metrics.distances import Estimate, Limit
    from suites.clip_sets import Kind

OK, BAD_INPUT, NOTHING = 0, 2, 3
SMALL = 512
"""Videos below which a warning is printed; docs/distances.md has the numbers."""
KID: Mapping[str, Any] = {"degree": 3, "coef": 1.0}
JEDI: Mapping[str, Any] = {"degree": 2, "coef": 0.0}
"""Polynomial kernels of the two; gamma is 1/D in both."""


@dataclass
class Options:
    """Options of the command; see the module. 0 frames or stride: the protocol's."""

    real: str = ""
    generated: str = ""
    space: str = "random,random-motion,worlds"
    protocol: str = "simbench"
    weights: str = ""
    sha256: str = ""
    frames: int = 0
    stride: int = 0
    clips: int = 60
    size: int = 64
    seed: int = 1001
    families: str = ""
    damage: str = ""
    out: str = ""


@dataclass(frozen=True)
class Row:
    """Distances of one space. `frechet` at all videos; `frechet_at` and `floor` at `at` videos a side, the
    most that real against real allows; None: too few videos."""

    space: str
    identity: Mapping[str, Any]
    width: int
    frechet: float
    limit: Limit | None
    kernel: Estimate | None
    kernel_jedi_biased: float
    at: int
    frechet_at: float | None
    floor: Estimate | None


def compared(space: Space, real: np.ndarray, generated: np.ndarray, ddof: int, seed: int) -> Row:
    """Every distance between features [N, D] and [M, D]."""
    from simbench.metrics import distances as d

    least, at = min(len(real), len(generated)), min(len(real) // 2, len(generated))
    enough = at >= 2
    return Row(
        space=space.name,
        identity=dict(space.identity()),
        width=real.shape[1],
        frechet=d.frechet(real, generated, ddof),
        limit=d.frechet_infinity(real, generated, seed, ddof) if least >= d.LEAST else None,
        kernel=d.kernel_interval(real, generated, **KID) if least >= 3 else None,
        kernel_jedi_biased=d.kernel_distance(real, generated, biased=True, **JEDI),
        at=at,
        frechet_at=d.frechet_at(real, generated, at, seed, ddof=ddof) if enough else None,
        floor=d.floor(real, at, seed, ddof=ddof) if enough else None,
    )


def opened(names: Sequence[str], given: Mapping[str, str]) -> tuple[list[Space], dict[str, str]]:
    """The spaces that are here, and why others are not. `given`: weights, sha256 and protocol, each passed to
    those that take it; UserError where weights could be meant for two."""
    from simbench.features.space import Missing, space_named, takes

    told = {key: value for key, value in given.items() if value}
    if not names:
        raise UserError(f"space= names none; use some of {', '.join(_known())}")
    if "sha256" in told and "weights" not in told:
        raise UserError(f"sha256={told['sha256']} is of no file; add weights=FILE or leave it out")
    spaces: list[Space] = []
    missing: dict[str, str] = {}
    users = [name for name in names if name in _known() and takes(name, "weights") and name != "worlds"]
    if "weights" in told and len(users) != 1:
        raise UserError(
            f"weights={told['weights']} are for one space, and {' and '.join(users) or 'none'} of"
            f" space={','.join(names)} takes them; ask for one of i3d, videomae, vjepa2"
        )
    for name in names:
        mine = {k: v for k, v in told.items() if (name in users and takes(name, k)) or k == "protocol"}
        mine = {k: v for k, v in mine.items() if name in _known() and takes(name, k)}
        try:
            spaces.append(space_named(name, **mine))
        except Missing as error:
            missing[name] = str(error)
    return spaces, missing


def _known() -> Sequence[str]:
    from simbench.features.space import SPACES

    return list(SPACES)


def table(rows: Sequence[Row], missing: Mapping[str, str]) -> list[str]:
    """Lines of the table, one for each space."""
    head = ("space", "D", "Frechet", "without end", "kernel x 1000", "at n", "Frechet", "real/real", "times")
    cells = [head]
    for row in rows:
        limit, kernel, floor = row.limit, row.kernel, row.floor
        end = "-" if limit is None else _span(limit, 1.0) + ("" if limit.straight else " bent")
        times = "-"
        if floor is not None and row.frechet_at is not None and floor.value > 0:
            times = f"{row.frechet_at / floor.value:.2f}"
        cells.append(
            (
                row.space,
                str(row.width),
                f"{row.frechet:.4g}",
                end,
                "-" if kernel is None else _span(kernel, 1000.0),
                str(row.at),
                "-" if row.frechet_at is None else f"{row.frechet_at:.4g}",
                "-" if floor is None else _span(floor, 1.0),
                times,
            )
        )
    sizes = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = [
        "  ".join([row[0].ljust(sizes[0]), *(c.rjust(w) for c, w in zip(row[1:], sizes[1:], strict=True))])
        for row in cells
    ]
    return lines + [f"{name}: not measured: {why}" for name, why in missing.items()]


def _span(estimate: Estimate | Limit, scale: float) -> str:
    value, low, high = (scale * x for x in (estimate.value, estimate.low, estimate.high))
    return f"{value:.4g} [{low:.4g}, {high:.4g}]"


def remarks(rows: Sequence[Row], counts: tuple[int, int], kinds: Sequence[Kind]) -> list[str]:
    """What must be said of these numbers before anybody reads them."""
    lines = []
    if min(counts) < SMALL:
        lines.append(
            f"N = {min(counts)} is below {SMALL}: a Frechet distance of near sets is mostly bias here."
            " Compare it at this N only, against real/real; the kernel distance has no bias."
        )
    if any(row.limit is not None and not row.limit.straight for row in rows):
        lines.append(
            "bent: at this N the bias does not yet fall with 1/N; the value without end is too high, by an"
            " unknown amount."
        )
    speeds = [kind.rates for kind in kinds if kind.rates is not None]
    if speeds and any(max(ends) / min(ends) > 1.01 for ends in zip(*speeds, strict=True)):
        rates = " and ".join(_rates(span) for span in speeds)
        lines.append(f"The sets run at {rates} frames a second: their motion differs for that reason alone.")
    if len({kind.lossy for kind in kinds}) > 1:
        shares = " and ".join(f"{100 * kind.lossy:.3g} %" for kind in kinds)
        lines.append(f"{shares} of the two sets come from lossy files: compression is in the distance.")
    return lines


def _rates(span: tuple[float, float]) -> str:
    low, high = span
    return f"{low:.6g}" if high / low <= 1.01 else f"{low:.6g} to {high:.6g}"


def _clips(chosen: Options, option: str, preset: Preset, seen: list[Kind]) -> Iterable[np.ndarray]:
    """The clips of one side."""
    from suites.clip_sets import Kind, Look, damaged, read, worlds

    source = chosen.real if option == "real" else chosen.generated
    if source != "worlds":
        return read(source, option, preset, chosen.frames > 0, seen)
    if chosen.clips < 2:
        raise UserError(f"clips={chosen.clips} is too few, a distance needs 2 or more")
    look = Look(size=chosen.size, frames=preset.span)
    if chosen.families:
        look = Look(size=chosen.size, frames=preset.span, families=tuple(chosen.families.split(",")))
    if seen and (seen[0].width, seen[0].height) != (chosen.size, chosen.size):
        raise UserError(
            f"real={chosen.real} has clips of {seen[0].width}x{seen[0].height} px, worlds {chosen.size}; add"
            f" size={seen[0].height} to square clips"
        )
    seen.append(Kind(look.frames, look.size, look.size, (look.fps, look.fps)))
    clips = worlds(chosen.clips, look, chosen.seed, 0 if option == "real" else 1)
    if option == "generated" and chosen.damage:
        clips = damaged(clips, chosen.damage, chosen.seed, len(look.families))
    return (preset.taken(clip) for clip in clips)


def measure(chosen: Options) -> tuple[list[str], dict[str, Any]]:
    """The lines to print, and the record for JSON."""
    from simbench.features.protocols import preset_named
    from suites.clip_sets import features

    preset = preset_named(chosen.protocol).changed(chosen.frames or None, chosen.stride or None)
    names = list(dict.fromkeys(name for name in chosen.space.split(",") if name))
    given = {"weights": chosen.weights, "sha256": chosen.sha256, "protocol": chosen.protocol}
    spaces, missing = opened(names, given)
    for space in spaces:
        if space.least_frames > preset.frames:
            raise UserError(
                f"protocol={preset.name} takes {preset.frames} frames, space={space.name} needs"
                f" {space.least_frames}; add frames={space.least_frames}"
            )
    rows: list[Row] = []
    seen: list[Kind] = []
    counts = (0, 0)
    if spaces:
        real = features(_clips(chosen, "real", preset, seen), spaces)
        generated = features(_clips(chosen, "generated", preset, seen), spaces)
        counts = len(real[0]), len(generated[0])
        for space, a, b in zip(spaces, real, generated, strict=True):
            rows.append(compared(space, a, b, preset.ddof, chosen.seed))
    lines = []
    if seen:
        kind = seen[0]
        lines += [
            f"real {chosen.real}: {counts[0]} clips, generated {chosen.generated}"
            f"{' ' + chosen.damage if chosen.damage else ''}: {counts[1]} clips;"
            f" {kind.width}x{kind.height} px, protocol {preset.name}: {preset.frames} frames {preset.stride}"
            f" apart, ddof {preset.ddof}",
            "",
        ]
    lines += table(rows, missing)
    lines += ["", *remarks(rows, counts, seen)] if rows else []
    record = {
        "schema": 2,
        "real": {"source": chosen.real, "clips": counts[0]},
        "generated": {"source": chosen.generated, "clips": counts[1], "damage": chosen.damage},
        "clips_are": [asdict(kind) for kind in seen],
        "seed": chosen.seed,
        "protocol": dict(preset.record()),
        "rows": [asdict(row) for row in rows],
        "not_measured": missing,
    }
    return lines, record


def main(arguments: Sequence[str]) -> int:
    """The command; prints lines and returns the exit code."""
    if not arguments or {"-h", "--help"} & set(arguments):
        print(__doc__)
        return OK if arguments else BAD_INPUT
    return ended("distances", lambda: _run(options(Options, arguments)))


def _run(chosen: Options) -> int:
    from simbench.files import write_text

    _check(chosen)
    lines, record = measure(chosen)
    if chosen.out:
        write_text(Path(chosen.out), json.dumps(record, indent=1, allow_nan=False) + "\n")
    print("\n".join(lines))
    return OK if record["rows"] else NOTHING


def _check(chosen: Options) -> None:
    from simbench.files import require_file
    from suites.clip_sets import DAMAGES

    if chosen.out:
        require_file(Path(chosen.out), "out")
    for option in ("real", "generated"):
        if not getattr(chosen, option):
            raise UserError(f"{option}= is missing; give {option}=FOLDER or {option}=worlds")
    if chosen.damage and chosen.damage not in DAMAGES:
        raise UserError(f"damage={chosen.damage} is unknown; use one of {', '.join(DAMAGES)}")
    if chosen.damage and chosen.generated != "worlds":
        raise UserError(f"damage={chosen.damage} is done to worlds; add generated=worlds or leave it out")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
