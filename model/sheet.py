"""`python -m model.sheet mix=words dir=model/weights/words out=docs/words.png`: truth over generated."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from simbench.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from model.data import Sample
    from model.sampling.pipeline import Pipeline
    from model.sampling.wishes import Wish

USAGE = """\
A picture of what a model makes of clips that it was not trained on: of each clip the truth, below it what
the model makes of the same words, first frames, camera and depth, and where it knows a camera what it
makes of the opposite one.

  python -m model.sheet mix=words dir=model/weights/words given=0 guidance=3 out=docs/words.png
  python -m model.sheet mix=yaw dir=model/weights/yaw given=1 out=docs/yaw.png

  mix=           words, yaw, nano, acts, camera, tiny, phyworld, weighed
  dir=           a folder of python -m model.train or model.halve
  given=1        first frames that are given     out=    a PNG
  cases=6 first=0 seed=1   which clips: data set `seed` of the mix, training reads 0
  steps=16 shift=1 guidance=1 columns=9 scale=3  the sampler; frames to a row; pixels to a pixel
"""


@dataclass(frozen=True)
class Order:
    """What one call asks for; see USAGE."""

    mix: str = ""
    dir: str = ""
    out: str = ""
    given: int = 1
    cases: int = 6
    first: int = 0
    seed: int = 1
    steps: int = 16
    shift: float = 1.0
    guidance: float = 1.0
    columns: int = 9
    scale: int = 3


def main(arguments: Sequence[str]) -> int:
    """Run one command line; 0 when the picture was written, 2 for an error of the user, 130 for Ctrl-C."""
    if not arguments or any(a in ("-h", "--help", "help") for a in arguments):
        print(USAGE)
        return 0 if arguments else 2
    try:
        from model.options import build, words_of

        _run(build(Order, words_of(arguments), {}))
    except UserError as error:
        print(f"model.sheet: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nmodel.sheet: interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0


def _run(order: Order) -> None:
    from model.clips.worlds import draw, named
    from model.generator import opened
    from model.sampling.pipeline import How
    from simbench.files import require_writable
    from simbench.worlds.sheet import write_png

    for name in ("mix", "dir", "out"):
        if not getattr(order, name):
            raise UserError(f"{name}= is missing; see python -m model.sheet --help")
    for name in ("cases", "steps", "columns", "scale"):
        if getattr(order, name) < 1:
            raise UserError(f"{name}={getattr(order, name)} must be 1 or more")
    if Path(order.out).suffix != ".png":
        raise UserError(f"out={order.out} is no picture; end it in .png")
    require_writable(Path(order.out).parent, "out")
    mix = named(order.mix)
    if not 0 <= order.given < mix.frames:
        raise UserError(f"given={order.given} is not 0 to {mix.frames - 1}: clips have {mix.frames} frames")
    how = How(steps=order.steps, shift=order.shift, guidance=order.guidance)
    pipeline = opened(Path(order.dir), how, "cpu")
    samples = [draw(mix, order.seed, order.first + i) for i in range(order.cases)]
    parts = [_case(pipeline, sample, order) for sample in samples]
    write_png(Path(order.out), _joined(parts))
    print(f"wrote {order.out}: {order.cases} clips of mix={order.mix}")


def wish_of(pipeline: Pipeline, sample: Sample, given: int, seed: int) -> Wish:
    """What a clip asks of the model: its first `given` frames, its short words, its camera, actions and depth
    where the model knows them."""
    from model.sampling.wishes import Wish

    dit, frames = pipeline.loaded.config.dit, len(sample.video)
    width, height = sample.size
    return Wish(
        given=sample.video[:given],
        prompt=sample.caption.short,
        width=width,
        height=height,
        frames=frames,
        fps=sample.fps,
        seed=seed,
        actions=sample.actions if dit.actions else None,
        camera=sample.camera.reshape(frames, 12) if dit.camera and sample.camera is not None else None,
        depth=sample.depth if dit.given_depth else None,
    )


def opposite(wish: Wish) -> Wish:
    """The same wish with a camera that turns the other way, and so without depth."""
    from model.clips.augment import mirrored_camera

    if wish.camera is None:
        raise ValueError("the wish has no camera")
    turned = mirrored_camera(wish.camera.reshape(wish.frames, 3, 4))
    return replace(wish, camera=turned.reshape(wish.frames, 12), depth=None)


def _case(pipeline: Pipeline, sample: Sample, order: Order) -> np.ndarray:
    """Rows of one clip under its words, uint8 [.., .., 3]."""
    from simbench.worlds.sheet import contact_sheet

    wish = wish_of(pipeline, sample, order.given, order.seed)
    rows = [sample.video, *pipeline.make([wish])]
    if wish.camera is not None:
        rows += pipeline.make([opposite(wish)])
    shown = [row.repeat(order.scale, axis=1).repeat(order.scale, axis=2) for row in rows]
    sheet = contact_sheet(shown, min(order.columns, wish.frames))
    words = sample.caption.short
    # Who is asked without words is only shown what happens, the last part of a caption.
    return _titled(sheet, words if pipeline.loaded.text is not None else words.partition(". ")[2])


def _titled(sheet: np.ndarray, text: str) -> np.ndarray:
    """The sheet under a few lines of small print."""
    import numpy as np
    from PIL import Image, ImageDraw

    lines = textwrap.wrap(text, max(12, sheet.shape[1] // 6)) or [""]
    paper = Image.new("RGB", (sheet.shape[1], 12 * len(lines) + 4), "white")
    ImageDraw.Draw(paper).multiline_text((4, 2), "\n".join(lines), fill="black", spacing=1)
    return np.concatenate([np.asarray(paper), sheet])


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Two columns of cases, filled up with white."""
    import numpy as np

    half = -(-len(parts) // 2)
    sides = [np.concatenate(side) for side in (parts[:half], parts[half:]) if side]
    tall = max(len(side) for side in sides)
    pads = [((0, tall - len(side)), (8 * (n > 0), 0), (0, 0)) for n, side in enumerate(sides)]
    padded = [np.pad(side, pad, constant_values=255) for side, pad in zip(sides, pads, strict=True)]
    return np.concatenate(padded, axis=1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
