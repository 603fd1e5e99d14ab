"""Cut the real clips of tests/data out of the files that tests/data/README.md names.

python -m tests.cut_footage clip=telescope source=nasa_13013.mp4 out=tests/data/wild/telescope.mp4
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from suites.proof import ended, options


class Cut(NamedTuple):
    """Frames `first` to `last` of a stream, `step` apart; the window (x, y, width, height), its size, px."""

    stream: int
    first: int
    last: int
    step: int
    window: tuple[int, int, int, int]
    size: tuple[int, int]


CUTS = {
    "telescope": Cut(3, 242, 370, 4, (0, 0, 480, 270), (320, 180)),
    "tree": Cut(0, 20, 67, 1, (0, 0, 320, 240), (240, 180)),
    "box": Cut(1, 100, 164, 2, (160, 40, 480, 360), (240, 180)),
}
RATE = 15
"""Frames a second that the files say; the telescope goes by at twice its speed."""


@dataclass
class Options:
    """Options of the command; see the module."""

    clip: str = "telescope"
    source: str = ""
    out: str = ""


def cut(chosen: Options) -> int:
    """Write one clip as H.264 without sound."""
    import av

    part = CUTS[chosen.clip]
    x, y, width, height = part.window
    with av.open(chosen.source) as held, av.open(chosen.out, "w") as made:
        video = made.add_stream("libx264", rate=RATE, options={"crf": "24", "preset": "veryslow"})
        video.width, video.height, video.pix_fmt = *part.size, "yuv420p"
        video.time_base = Fraction(1, RATE)
        for i, frame in enumerate(held.decode(held.streams[part.stream])):
            if i < part.first or i > part.last or (i - part.first) % part.step:
                continue
            pixels = frame.to_ndarray(format="rgb24")[y : y + height, x : x + width]
            small = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            small = small.reformat(*part.size, format="yuv420p", interpolation="AREA")
            small.pts, small.time_base = (i - part.first) // part.step, Fraction(1, RATE)
            made.mux(video.encode(small))
        made.mux(video.encode())
    print(f"{chosen.out}: {Path(chosen.out).stat().st_size} bytes")
    return 0


def main(arguments: Sequence[str]) -> int:
    """The command; returns the exit code."""
    return ended("cut_footage", lambda: cut(options(Options, arguments)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
