"""`python -m simbench.worlds family=occluder seed=3 out=clip.mp4`: look at one world, without Hydra."""

from __future__ import annotations

import inspect
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simbench.errors import UserError

if TYPE_CHECKING:
    from simbench.worlds.clip import Clip
    from simbench.worlds.scene import Scene

USAGE = """\
Render one world with its truth.

  python -m simbench.worlds family=orbit seed=3 out=clip.mp4
  python -m simbench.worlds family=carve out=sheet.png columns=8
  python -m simbench.worlds family=all out=all.png depth=false colours=256
  python -m simbench.worlds family=paint out=folder/ size=640x360 frames=49 fps=24

out=NAME.mp4  H.264 with RGB | depth | instances side by side (depth=false: RGB alone)
out=NAME.png  contact sheet: a row of each
out=NAME/     rgb.mkv (FFV1), depth.npz, ids.npz, tracks.npz, scene.json, caption.json

  seed=0 size=256 or WIDTHxHEIGHT, frames=33 fps=16 look=rich|plain difficulty=0.25 samples=3
  backend=numba|torch threads=1 depth=true; for sheets columns=6 colours=0 (2 to 256: smaller file),
  and the options of the family:
"""


@dataclass(frozen=True)
class Order:
    """What one call asks for."""

    family: str
    out: str
    seed: int = 0
    size: str = "256"
    frames: int = 33
    fps: float = 16.0
    look: str = "rich"
    difficulty: float = 0.25
    samples: int = 3
    backend: str = "numba"
    threads: int = 1
    depth: bool = True
    columns: int = 6
    colours: int = 0
    options: dict[str, Any] = field(default_factory=dict)


def main(arguments: Sequence[str]) -> int:
    """Run one command line; 0 when something was written, 2 for an error of the user."""
    if any(a in ("-h", "--help", "help") for a in arguments) or not arguments:
        print(USAGE + _family_lines())
        return 0 if arguments else 2
    try:
        _run(_parse(arguments))
    except UserError as error:
        print(f"simbench.worlds: {error}", file=sys.stderr)
        return 2
    return 0


def _family_lines() -> str:
    from simbench.worlds import families

    return "\n".join(f"  {name:11s} {', '.join(families.options(name))}" for name in families.names())


def _parse(arguments: Sequence[str]) -> Order:
    """key=value words into an order; UserError names the word that is wrong and what to write."""
    from simbench.worlds import families

    words: dict[str, str] = {}
    for argument in arguments:
        key, sign, value = argument.partition("=")
        if not sign:
            raise UserError(f"{argument!r} is not key=value; write for example seed=3")
        if key in words:
            raise UserError(f"{key} is given twice; give it once")
        words[key] = value
    for key in ("family", "out"):
        if not words.get(key):
            known = ", ".join(families.names())
            remedy = f"choose from {known}" if key == "family" else "name a .mp4, a .png or a folder/"
            raise UserError(f"{key}= is missing; {remedy}")
    kinds = {f.name: str(f.type) for f in fields(Order) if f.name != "options"}
    own = _option_kinds(words["family"])
    values: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for key, text in words.items():
        if key in kinds:
            values[key] = _value(key, text, kinds[key])
        elif key in own:
            options[key] = _value(key, text, own[key])
        else:
            close = get_close_matches(key, [*kinds, *own], 1)
            hint = f"did you mean {close[0]}?" if close else f"known: {', '.join([*kinds, *own])}"
            raise UserError(f"{key}= is unknown; {hint}")
    return Order(**values, options=options)


def _option_kinds(family: str) -> dict[str, str]:
    """Option -> its annotation, for the options of one family."""
    from simbench.worlds import families

    if family == "all":
        return {}
    build = families.builder(family)
    sources = [build, vars(sys.modules[build.__module__]).get("sample", build)]
    notes: dict[str, str] = {}
    for source in sources:
        notes |= {p.name: str(p.annotation) for p in inspect.signature(source).parameters.values()}
    return {name: notes[name] for name in families.options(family)}


def _value(key: str, text: str, kind: str) -> Any:
    """`text` as the type that an annotation asks for."""
    readers: tuple[tuple[str, Callable[[str], Any], str], ...] = (
        ("tuple", lambda t: tuple(w for w in t.split(",") if w), "a list such as a,b"),
        ("bool", lambda t: {"true": True, "false": False}[t.lower()], "true or false"),
        ("int", int, "a whole number"),
        ("float", float, "a number"),
    )
    for name, read, wanted in readers:
        if name in kind:
            try:
                return read(text)
            except (ValueError, KeyError) as error:
                raise UserError(f"{key}={text} is not {wanted}") from error
    return text


def _size(text: str) -> tuple[int, int]:
    """(width, height) in pixels of `256` or `640x360`."""
    words = text.lower().split("x")
    if len(words) > 2 or not all(w.isascii() and w.isdigit() for w in words):
        raise UserError(f"size={text} is not a size; write 256 or WIDTHxHEIGHT such as 640x360")
    width, height = int(words[0]), int(words[-1])
    if not (8 <= width <= 4096 and 8 <= height <= 4096):
        raise UserError(f"size={text} is out of range; use 8 to 4096 pixels a side")
    return width, height


def _check(order: Order) -> None:
    for name, value, low, high in (
        ("frames", order.frames, 1, 10_000),
        ("fps", order.fps, 0.1, 1000.0),
        ("samples", order.samples, 1, 16),
        ("threads", order.threads, 1, 256),
        ("columns", order.columns, 1, 64),
    ):
        if not low <= value <= high:
            raise UserError(f"{name}={value:g} is out of range; use {low:g} to {high:g}")
    if order.colours not in (0, *range(2, 257)):
        raise UserError(f"colours={order.colours} is out of range; use 2 to 256, or 0 for all")
    if order.family == "all" and not order.out.endswith(".png"):
        raise UserError(f"family=all makes a contact sheet, out={order.out} is none; end it in .png")
    if not order.out.endswith((".mp4", ".png", "/")):
        raise UserError(f"out={order.out} is not writable here; end it in .mp4, .png or / for a folder")


def _run(order: Order) -> None:
    """Build, render, write, and say what was written."""
    from simbench.worlds import families

    size = _size(order.size)
    _check(order)
    began = time.perf_counter()
    chosen = families.names() if order.family == "all" else (order.family,)
    duration = order.frames / order.fps
    scenes = [
        families.build(name, order.seed, duration, order.look, order.difficulty, **order.options)
        for name in chosen
    ]
    _reserve(order.out)
    clips = [_render(order, scene, size) for scene in scenes]
    rendered = time.perf_counter()
    try:
        written = _write(order, scenes, clips)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"out={order.out} cannot be written ({reason}); choose another place") from error
    print(f"wrote {', '.join(written)}")
    for scene in scenes:
        print(scene.caption.long)
    print(
        f"{order.frames} frames of {size[0]}x{size[1]} at {order.fps:g} fps:"
        f" built and rendered in {rendered - began:.2f} s, written in {time.perf_counter() - rendered:.2f} s"
    )


def _render(order: Order, scene: Scene, size: tuple[int, int]) -> Clip:
    from simbench.worlds.clip import make_clip

    return make_clip(scene, *size, order.frames, order.fps, order.samples, order.backend, order.threads)


def _reserve(out: str) -> None:
    """Fail before the work, not after it, where nothing can be written."""
    folder = Path(out) if out.endswith("/") else Path(out).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"out={out} cannot be written ({error.strerror}); choose another place") from error
    if not os.access(folder, os.W_OK) or (not out.endswith("/") and Path(out).is_dir()):
        raise UserError(f"out={out} cannot be written (no permission, or a folder); choose another place")


def _write(order: Order, scenes: Sequence[Scene], clips: Sequence[Clip]) -> list[str]:
    """Write what `out` asks for; the paths written."""
    from simbench.worlds import sheet

    out = Path(order.out)
    if order.out.endswith("/"):
        return _write_folder(out, scenes[0], clips[0])
    if out.suffix == ".png":
        rows = []
        for clip in clips:
            truth = [sheet.colour_depth(clip.depth), sheet.colour_ids(clip.ids)] if order.depth else []
            rows += [clip.rgb, *truth]
        sheet.write_png(out, sheet.contact_sheet(rows, order.columns), order.colours or None)
        return [str(out)]
    import numpy as np

    from simbench.video import Video, encode_preview

    clip = clips[0]
    view = sheet.panels(clip.rgb, clip.depth, clip.ids) if order.depth else clip.rgb
    even = [(0, 0), (0, view.shape[1] % 2), (0, view.shape[2] % 2), (0, 0)]
    encode_preview(Video(np.pad(view, even, mode="edge"), order.fps), out)
    return [str(out)]


def _write_folder(out: Path, scene: Scene, clip: Clip) -> list[str]:
    """The clip with all its truth, one file each, every file whole or absent."""
    import numpy as np

    from simbench.files import replacing, write_text
    from simbench.video import Video, encode

    encode(Video(clip.rgb, clip.fps), out / "rgb.mkv")
    tracks = {
        name: getattr(clip, name)
        for name in ("points", "uv", "visible", "point_body", "centres", "positions", "intrinsics", "poses")
    }
    for name, arrays in (
        ("depth.npz", {"depth": clip.depth}),
        ("ids.npz", {"ids": clip.ids, "names": np.array(clip.names)}),
        ("tracks.npz", tracks),
    ):
        with replacing(out / name) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)
    write_text(out / "scene.json", scene.to_json())
    words = {"short": scene.caption.short, "long": scene.caption.long}
    structured = json.loads(scene.caption.structured)
    write_text(out / "caption.json", json.dumps({**words, "structured": structured}, indent=2) + "\n")
    names = ("rgb.mkv", "depth.npz", "ids.npz", "tracks.npz", "scene.json", "caption.json")
    return [str(out / name) for name in names]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
