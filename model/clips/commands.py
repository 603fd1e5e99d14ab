"""`python -m model.data COMMAND key=value ...`: pools and training sets from the command line."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simbench.errors import UserError
from simbench.files import require_writable

if TYPE_CHECKING:
    from model.clips.worlds import Mix

USAGE = """\
Make training data.

  python -m model.data pool out=pool clips=48000 workers=2          rendered clips for python -m model.train
  python -m model.data pool out=more mix=tiny clips=2000 seed=3 size=64x48
  python -m model.data export out=worlds clips=500 size=256 frames=33 fps=16 look=rich depth=png
  python -m model.data check dir=my_videos size=64 frames=17 fps=8  what a folder of videos would give

pool    out=DIR clips=N: memory-mapped shards of pixels, masks, cameras, actions and captions; depth=true adds
        the depth of every pixel, for model.dit.given_depth=true
export  out=DIR clips=N depth=none|png|npz video=mp4|mkv (lossless): videos, captions.jsonl, cameras,
        actions, masks, README.txt
        Both: seed=0 workers=1 mix=nano|acts|camera|tiny|words|yaw|phyworld|weighed (export: tiny), and over
        the mix size= frames= fps= look= family=NAME[,NAME]|all samples=, still=true for images (a frame
        of each),
        difficulty=0.25 for a share steady=0.5 of the clips, the others from 0 to hardest=0.8, and
        OPTION.OPTION= such as variety.board=0 occluder.hidden=1.
        Interrupted, they go on with the same command. Nothing that is reserved for tests is ever in them.
check   dir=DIR size=WxH mode=crop|fit multiple=1 frames= fps= corrupt=refuse|skip
        Captions are name.txt beside name.mp4, or captions.jsonl.
"""


@dataclass(frozen=True)
class Order:
    """What pool and export are asked for."""

    out: Path
    clips: int
    seed: int
    workers: int
    mix: Mix


def main(arguments: Sequence[str]) -> int:
    """Run one command line; 0 done, 2 an error of the user, 130 interrupted."""
    if not arguments or any(a in ("-h", "--help", "help") for a in arguments):
        print(USAGE)
        return 0 if arguments else 2
    commands = {"pool": _pool, "export": _export, "check": _inspect}
    try:
        command, *rest = arguments
        if command not in commands:
            raise UserError(f"{command!r} is no command; use {', '.join(commands)}")
        commands[command](_words(rest))
    except UserError as error:
        print(f"model.data: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nmodel.data: interrupted; the same command goes on", file=sys.stderr)
        return 130
    return 0


def _words(arguments: Sequence[str]) -> dict[str, str]:
    words: dict[str, str] = {}
    for argument in arguments:
        key, sign, value = argument.partition("=")
        if not sign:
            raise UserError(f"{argument!r} is not key=value; write for example clips=100")
        if key in words:
            raise UserError(f"{key} is given twice; give it once")
        words[key] = value
    return words


def _pool(words: dict[str, str]) -> None:
    from model.clips.pool import write_pool

    order, depth = _order(words, "nano", ("depth",)), words.get("depth", "false")
    if depth not in ("true", "false"):
        raise UserError(f"depth={depth} is unknown; use true or false")
    began = time.perf_counter()
    made = write_pool(order.out, order.mix, order.clips, order.seed, order.workers, depth == "true")
    _say(order, made, time.perf_counter() - began)


def _export(words: dict[str, str]) -> None:
    from model.clips.export import export

    order = _order(words, "tiny", ("depth", "video"))
    began = time.perf_counter()
    kinds = {"depth": words.get("depth", "none"), "video": words.get("video", "mp4")}
    made = export(order.out, order.mix, order.clips, order.seed, **kinds, workers=order.workers)
    _say(order, made, time.perf_counter() - began)


def _say(order: Order, made: int, seconds: float) -> None:
    rate = f", {made / seconds:.1f} clips/s" if made else ""
    print(f"{order.clips} clips in {order.out}: {made} made now in {seconds:.1f} s{rate}")


def _inspect(words: dict[str, str]) -> None:
    from model.clips.folder import Folder, Options
    from simbench.settings import parse_size

    known = ("dir", "size", "mode", "multiple", "frames", "fps", "corrupt")
    for key in words:
        if key not in known:
            raise UserError(f"{key}= is unknown; {_hint(key, known)}")
    options = Options(
        size=parse_size(words["size"]) if "size" in words else None,
        mode=words.get("mode", "crop"),
        multiple=_whole(words, "multiple", 1, 1, 1024),
        frames=_whole(words, "frames", 0, 1, 100_000) or None,
        fps=_number(words, "fps") if "fps" in words else None,
        corrupt=words.get("corrupt", "refuse"),
    )
    print(Folder(Path(_need(words, "dir", "name a folder of videos")), options).report())


def _order(words: Mapping[str, str], mix: str, more: Sequence[str]) -> Order:
    known = ("out", "clips", "seed", "workers", *more)
    order = Order(
        out=Path(_need(words, "out", "name a folder")),
        clips=_whole(words, "clips", None, 1, (1 << 32) - 1),
        seed=_whole(words, "seed", 0, 0, (1 << 20) - 1),
        workers=_whole(words, "workers", 1, 1, 1024),
        mix=mix_of({"mix": mix, **words}, known),
    )
    require_writable(order.out, "out")
    return order


def mix_of(words: Mapping[str, str], known: Sequence[str]) -> Mix:
    """The mix that the words outside `known` ask for. UserError with the nearest key for an unknown one."""
    from model.clips.worlds import Mix, check_mix, named
    from model.config import from_dict, to_dict
    from simbench.settings import parse_size
    from simbench.worlds import families

    options = to_dict(named(words["mix"]))
    for key, text in words.items():
        if key in known or key == "mix":
            continue
        if key == "size":
            options["width"], options["height"] = parse_size(text)
        elif key == "family":
            names = families.names() if text == "all" else tuple(text.split(","))
            options["families"] = names
        else:
            _put(options, key, text, [*known, "mix", "size", "family"])
    mix: Mix = from_dict(Mix, options)
    check_mix(mix)
    return mix


def _put(options: dict[str, Any], key: str, text: str, others: Sequence[str]) -> None:
    """Set the dotted `key` of nested options to `text`, read as the type of the value it replaces."""
    import json

    *path, last = key.split(".")
    place = options
    for part in path:
        inner = place.get(part)
        place = inner if isinstance(inner, dict) else {}
    if last not in place or isinstance(place[last], dict):
        flat = [k for k, v in options.items() if not isinstance(v, dict)]
        deep = [f"{k}.{n}" for k, v in options.items() if isinstance(v, dict) for n in v]
        raise UserError(f"{key}= is unknown; {_hint(key, [*others, *flat, *deep])}")
    try:
        place[last] = text if isinstance(place[last], str) else json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{key}={text} is not a value such as {place[last]!r}") from error


def _need(words: Mapping[str, str], key: str, remedy: str) -> str:
    if not words.get(key):
        raise UserError(f"{key}= is missing; {remedy}")
    return words[key]


def _whole(words: Mapping[str, str], key: str, default: int | None, low: int, high: int) -> int:
    text = words.get(key)
    if text is None:
        if default is None:
            raise UserError(f"{key}= is missing; write for example {key}=1000")
        return default
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise UserError(f"{key}={text} is not a whole number from {low} to {high}")
    return int(text)


def _number(words: Mapping[str, str], key: str) -> float:
    try:
        return float(words[key])
    except ValueError as error:
        raise UserError(f"{key}={words[key]} is not a number") from error


def _hint(key: str, known: Sequence[str]) -> str:
    close = get_close_matches(key, known, 1)
    return f"did you mean {close[0]}?" if close else "see python -m model.data --help"
