"""`python -m model.sample dir=CHECKPOINT prompt="..." out=clip.mp4`: a video from words, frames, commands."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from simbench.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from model.sampling.pipeline import How, Pipeline
    from model.sampling.wishes import Wish

USAGE = """\
Make one video with a trained model.

  python -m model.sample prompt="A red ball rolls to the right." out=clip.mp4
  python -m model.sample image=first.png frames=17 out=clip.mp4
  python -m model.sample video=context.mp4 context=5 frames=33 out=clip.mkv
  python -m model.sample dir=runs/tiny prompt="A cube." size=64 frames=1 out=still.png
  python -m model.sample dir=runs/tiny image=first.png actions=actions.json camera=request.json out=frames/

out=NAME.mp4 (H.264), NAME.mkv (lossless), NAME.png (frames=1), or NAME/ for a PNG of each frame

What
  dir=           a folder that python -m model.train wrote; left out: the weights that ship
  prompt=        what is to be seen, where the model has text
  image=         the first frame                video=   the first frames: a video or a folder of PNG files
  context=       how many frames of video= are given; left out: all of them
  actions=       JSON: a name (or a row of numbers) for each frame, or an object with "actions"
  camera=        JSON: a 4x4 matrix for each frame, world to camera (OpenCV), or an object with
                 "poses_world_to_camera", such as the request.json of python -m simbench mode=export
  depth=         NPZ with "depth" [frames, height, width] of the whole video, metres along the axis, 0 is the
                 sky, such as depth/000000.npz of python -m model.data export depth=npz
  frames=17 fps= size=   length, rate and 32 or WIDTHxHEIGHT; left out: those of what is given, else 8 and 32
How
  seed=0 steps=16 shift=1 order=euler|heun       the sampler; shift above 1 spends more steps near noise
  guidance=1     above 1: closer to the words    context_level=0   noise on the given frames as it sees them
  chunk=0 lag=0  latent frames at a time and steps between two chunks (0: all together; 0: one by one)
  mode=bidirectional|block_causal precision=fp32|bf16 device=cpu threads=0
"""
SUFFIXES = (".mp4", ".mkv", ".png")


@dataclass(frozen=True)
class Order:
    """What one call asks for; see USAGE."""

    out: str = ""
    dir: str = ""
    prompt: str = ""
    image: str = ""
    video: str = ""
    context: int | None = None
    actions: str = ""
    camera: str = ""
    depth: str = ""
    frames: int = 17
    fps: float | None = None
    size: str = ""
    seed: int = 0
    steps: int = 16
    shift: float = 1.0
    guidance: float = 1.0
    order: str = "euler"
    chunk: int = 0
    lag: int = 0
    mode: str = "bidirectional"
    context_level: float = 0.0
    precision: str = "fp32"
    device: str = "cpu"
    threads: int = 0


def main(arguments: Sequence[str]) -> int:
    """Run one command line; 0 when something was written, 2 for an error of the user, 130 for Ctrl-C."""
    if any(a in ("-h", "--help", "help") for a in arguments) or not arguments:
        print(USAGE)
        return 0 if arguments else 2
    try:
        from model.options import build, words_of

        _run(build(Order, words_of(arguments), {}))
    except UserError as error:
        print(f"model.sample: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nmodel.sample: interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0


def _run(order: Order) -> None:
    """Read what is given, make the video, write it, and say what was written."""
    _check(order)
    given, rate = _given(order)
    width, height = _size(order, given)
    if len(given) >= order.frames:
        found = f"frames={order.frames} leaves nothing to make after {len(given)} given; ask for more frames"
        raise UserError(found + (", or give fewer with context=" if len(given) > 1 else ""))
    from model.generator import SHIPPED, opened, threads
    from model.sampling.wishes import context_frames

    pipeline = opened(Path(order.dir) if order.dir else SHIPPED, _how(order), order.device)
    _check_words(order, pipeline)
    wish = _wish(order, given, rate, width, height)
    with threads(order.threads):
        began = time.perf_counter()
        frames = _made(pipeline, wish)
    written = _write(order.out, frames, wish.fps)
    seen = context_frames(len(given), pipeline.loaded.config.vae.temporal)
    if seen < len(given):
        print(f"of {len(given)} given frames the model saw the first {seen}: only these fill whole latents")
    shape = f"{len(frames)} frames of {width}x{height} at {wish.fps:g} fps"
    print(f"wrote {written}: {shape}, made in {time.perf_counter() - began:.1f} s")


def _check(order: Order) -> None:
    """UserError for what can be known before anything is read."""
    from simbench.files import require_writable

    for name, value, low, high in (
        ("frames", order.frames, 1, 100_000),
        ("fps", 8.0 if order.fps is None else order.fps, 0.1, 1000.0),
        ("context", 1 if order.context is None else order.context, 1, 100_000),
        ("threads", order.threads, 0, 1024),
    ):
        if not low <= value <= high:
            raise UserError(f"{name}={value:g} is out of range; use {low:g} to {high:g}")
    if order.image and order.video:
        raise UserError("image= and video= are both given; the first frame of video= is an image already")
    if order.context is not None and not order.video:
        raise UserError("context= says how many frames of video= are given; add video=")
    if not order.out:
        raise UserError("out= is missing; name a .mp4, .mkv, .png or a folder/")
    out = Path(order.out)
    if not order.out.endswith("/") and out.suffix not in SUFFIXES:
        raise UserError(f"out={order.out} must end in {', '.join(SUFFIXES)} or / for a folder")
    if out.suffix == ".png" and order.frames != 1:
        raise UserError(f"out={order.out} holds one frame, frames={order.frames}; add frames=1 or take .mp4")
    if not order.out.endswith("/") and out.is_dir():
        raise UserError(f"out={order.out} is a folder; add / to write a PNG of each frame into it")
    require_writable(out if order.out.endswith("/") else out.parent, "out")


def _given(order: Order) -> tuple[np.ndarray, float]:
    """The given frames uint8 [k, H, W, 3] and the rate of the video."""
    import numpy as np

    from model.sampling.given import read_image
    from simbench.video import decode

    if order.video:
        video = decode(Path(order.video), fps=order.fps)
        count = len(video.frames) if order.context is None else order.context
        if count > len(video.frames):
            raise UserError(f"context={count} is more than the {len(video.frames)} frames of {order.video}")
        return video.frames[:count], video.fps if order.fps is None else order.fps
    rate = 8.0 if order.fps is None else order.fps
    return (read_image(Path(order.image)) if order.image else np.zeros((0, 1, 1, 3), np.uint8)), rate


def _size(order: Order, given: np.ndarray) -> tuple[int, int]:
    """(width, height) in pixels."""
    if not order.size:
        return (32, 32) if len(given) == 0 else (given.shape[2], given.shape[1])
    words = order.size.lower().split("x")
    if len(words) > 2 or not all(w.isascii() and w.isdigit() for w in words):
        raise UserError(f"size={order.size} is not a size; write 32 or WIDTHxHEIGHT such as 64x48")
    width, height = int(words[0]), int(words[-1])
    if not (4 <= width <= 8192 and 4 <= height <= 8192):
        raise UserError(f"size={order.size} is out of range; use 4 to 8192 pixels a side")
    return width, height


def _how(order: Order) -> How:
    from model.sampling.pipeline import How

    return How(**{name: getattr(order, name) for name in How.__dataclass_fields__})


def _check_words(order: Order, pipeline: Pipeline) -> None:
    """UserError where words are given to a model without text."""
    if pipeline.loaded.text is None and (order.prompt or order.guidance != 1):
        option = "prompt=" if order.prompt else "guidance="
        raise UserError(f"{option} needs a model with text, and {pipeline.loaded.config.name} has none")


def _wish(order: Order, given: np.ndarray, rate: float, width: int, height: int) -> Wish:
    import numpy as np

    from model.sampling.given import read_actions, read_camera, read_depth
    from model.sampling.wishes import Wish
    from simbench.resample import resized

    actions = read_actions(Path(order.actions)) if order.actions else None
    camera = read_camera(Path(order.camera)) if order.camera else None
    depth = read_depth(Path(order.depth)) if order.depth else None
    given = resized(given, width, height) if len(given) else np.zeros((0, height, width, 3), np.uint8)
    told = (actions, camera, depth)
    return Wish(given, order.prompt, width, height, order.frames, rate, order.seed, *told)


def _made(pipeline: Pipeline, wish: Wish) -> np.ndarray:
    """The video uint8 [T, H, W, 3], with a bar on the way."""
    from model.sampling.wishes import problem
    from simbench.progress import progress

    reason = problem(pipeline.loaded, wish)
    if reason is not None:
        raise UserError(reason)
    try:
        with progress("sample", pipeline.rows(wish)) as bar:
            return pipeline.make([wish], bar.step)[0]
    except RuntimeError as error:
        # torch has one class for CUDA and none for the CPU; both say "memory".
        if "memory" not in str(error):
            raise
        raise UserError(
            f"out of memory on {pipeline.device} for {wish.frames} frames of {wish.width}x{wish.height}; "
            "use a smaller size=, fewer frames=, or precision=bf16"
        ) from error


def _write(out: str, frames: np.ndarray, fps: float) -> str:
    """Write `frames` as `out` asks; what was written."""
    from simbench.video import Video, encode, encode_preview

    path = Path(out)
    if out.endswith("/"):
        for number, frame in enumerate(frames):
            _write_png(path / f"{number:05d}.png", frame)
        return f"{len(frames)} PNG files in {out}"
    if path.suffix == ".png":
        _write_png(path, frames[0])
    else:
        (encode if path.suffix == ".mkv" else encode_preview)(Video(frames, fps), path)
    return out


def _write_png(path: Path, frame: np.ndarray) -> None:
    import io

    from PIL import Image

    from simbench.files import write_bytes

    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
