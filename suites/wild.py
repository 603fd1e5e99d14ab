"""A folder of videos without truth, real or generated: could one world and one camera have made them?

    python -m suites.wild folder=CLIPS                            # videos, or folders of numbered frames
    python -m suites.wild folder=CLIPS reference=REAL out=wild.json

folder     clips: mp4, mkv, webm, mov, avi, m4v, gif, folders of png or jpg; frames right in it are a clip
reference  clips to compare with, clip by clip where the names are the same
out        a JSON file with every clip; nothing is left out
depth      a depth network, TorchScript, with sha256=; see simbench/instruments/depth_network.py
side       shorter side at which clips are read, px (default 240); frames: how many, from the first (49)
gap, pairs frames between the two of a pair (4), and how many pairs of a clip (12)
span       frames over which points are followed (8)

Each measure is printed with what it is blind to, and gated by motion: a clip that stands still has 0.
No number here is a score; docs/wild.md says what each can tell apart.

Exit codes: 0 measured, 2 bad input, 3 no clip could be read.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from simbench.errors import UserError
from simbench.files import require_file, write_text
from simbench.instruments import depth_network
from simbench.instruments.wild import Depths, Reader
from suites.proof import ended, options
from suites.wild_folder import SMALLEST, Judged, clips_in, common_side, judged, shape_of
from suites.wild_report import as_json, difference, interval_json, lines_of, summary

OK, BAD_INPUT, NOTHING = 0, 2, 3


@dataclass
class Options:
    """Options of the command; see the module."""

    folder: str = ""
    reference: str = ""
    out: str = ""
    depth: str = ""
    sha256: str = ""
    side: int = Reader.side
    frames: int = Reader.frames
    gap: int = Reader.gap
    pairs: int = Reader.pairs
    span: int = Reader.span


def reader_of(chosen: Options) -> Reader:
    """How clips are read. UserError for what is out of range."""
    least = {"side": SMALLEST, "frames": 2, "gap": 1, "pairs": 1, "span": 2}
    for name, low in least.items():
        if getattr(chosen, name) < low:
            raise UserError(
                f"{name}={getattr(chosen, name)} is too small; {low} at least, {getattr(Reader, name)} usual"
            )
    return Reader(chosen.side, chosen.frames, chosen.gap, chosen.pairs, chosen.span)


def _run(chosen: Options) -> int:
    if not chosen.folder:
        raise UserError("folder= is not given; give a folder of videos, see python -m suites.wild --help")
    reader = reader_of(chosen)
    if chosen.out:
        require_file(Path(chosen.out), "out")
    if chosen.sha256 and not chosen.depth:
        raise UserError(f"sha256={chosen.sha256} has no network; add depth=FILE, a TorchScript module")
    depths: Depths | None = depth_network.load(chosen.depth, chosen.sha256) if chosen.depth else None
    paths = clips_in(chosen.folder, "folder")
    known = clips_in(chosen.reference, "reference") if chosen.reference else []
    shapes = [shape for shape in map(shape_of, [*paths, *known]) if shape is not None]
    reader = replace(reader, side=common_side(shapes, reader.side))
    clips: list[Judged] = []
    others: list[Judged] = []
    for i, clip in enumerate(judged([*paths, *known], reader, depths)):
        (clips if i < len(paths) else others).append(clip)
        print(f"{i + 1}/{len(paths) + len(known)}", file=sys.stderr, flush=True)
    print("\n".join(lines_of(clips, others, reader, chosen.folder, chosen.reference)))
    if chosen.out:
        content = _content(clips, others, reader)
        write_text(Path(chosen.out), json.dumps(content, indent=1, allow_nan=False) + "\n")
    return OK if any(c.frames for c in clips) else NOTHING


def _content(clips: Sequence[Judged], others: Sequence[Judged], reader: Reader) -> dict[str, Any]:
    """The JSON file: how clips were read, all clips, and each measure over them."""
    measures = {}
    for name in clips[0].readings:
        found = summary([c.readings[name] for c in clips])
        measures[name] = {
            "value": interval_json(found.value),
            "gated": interval_json(found.gated),
            "defined": found.defined,
            "gate": found.gate,
            **({"difference": interval_json(difference(clips, others, name))} if others else {}),
        }
    out: dict[str, Any] = {
        "schema": 1,
        "reader": asdict(reader),
        "measures": measures,
        "clips": as_json(clips),
    }
    return out | ({"reference": as_json(others)} if others else {})


def main(arguments: Sequence[str]) -> int:
    """The command; prints a report and returns the exit code."""
    if not arguments or {"-h", "--help"} & set(arguments):
        print(__doc__)
        return OK if arguments else BAD_INPUT
    return ended("wild", lambda: _run(options(Options, arguments)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
