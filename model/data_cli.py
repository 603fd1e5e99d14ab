"""`python -m model.data COMMAND key=value ...`: pools and training sets from the command line."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from simbench.errors import UserError

USAGE = """\
Make training data.

  python -m model.data pool out=pool clips=48000 workers=2            rendered clips to train on
  python -m model.data pool out=more mix=tiny clips=2000 seed=3 size=64x48

pool   out=DIR clips=N seed=0 workers=1 mix=nano|tiny, and over the mix: size= frames= fps= look= samples=
       family=NAME[,NAME]|all difficulty= and MIX.OPTION= such as variety.board=0 occluder.hidden=1
       An interrupted pool goes on with the same command.
"""


def main(arguments: Sequence[str]) -> int:
    """Run one command line; 0 done, 2 an error of the user, 130 interrupted."""
    if not arguments or any(a in ("-h", "--help", "help") for a in arguments):
        print(USAGE)
        return 0 if arguments else 2
    commands = {"pool": _pool}
    try:
        command, *rest = arguments
        if command not in commands:
            raise UserError(f"{command!r} is no command; use {' or '.join(commands)}")
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
    from model.pool import write_pool

    out = Path(_need(words, "out", "name a folder"))
    clips = _whole(words, "clips", None, 1, 1 << 32)
    seed = _whole(words, "seed", 0, 0, (1 << 20) - 1)
    workers = _whole(words, "workers", 1, 1, 1024)
    mix = mix_of(words, ("out", "clips", "seed", "workers"))
    _writable(out)
    began = time.perf_counter()
    made = write_pool(out, mix, clips, seed, workers)
    seconds = time.perf_counter() - began
    print(f"{clips} clips in {out}: {made} rendered now in {seconds:.1f} s, {made / seconds:.1f} clips/s")


def mix_of(words: Mapping[str, str], known: Sequence[str]) -> Any:
    """The mix that the words outside `known` ask for. UserError with the nearest key for an unknown one."""
    from model.config import from_dict, to_dict
    from model.worlds import Mix, named
    from simbench.settings import parse_size
    from simbench.worlds import families

    options = to_dict(named(words.get("mix", "nano")))
    for key, text in words.items():
        if key in known or key == "mix":
            continue
        if key == "size":
            options["width"], options["height"] = parse_size(text)
        elif key == "family":
            names = families.names() if text == "all" else tuple(text.split(","))
            for name in names:
                families.builder(name)
            options["families"] = names
        else:
            _put(options, key, text, [*known, "mix", "size", "family"])
    mix: Mix = from_dict(Mix, options)
    for name, value, low, high in (
        ("frames", mix.frames, 1, 10_000),
        ("fps", mix.fps, 0.1, 1000.0),
        ("samples", mix.samples, 1, 16),
        ("difficulty", mix.difficulty, 0.0, 1.0),
    ):
        if not low <= value <= high:
            raise UserError(f"{name}={value:g} is out of range; use {low:g} to {high:g}")
    if mix.look not in families.LOOKS:
        raise UserError(f"look={mix.look} is unknown; use one of {', '.join(families.LOOKS)}")
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
        close = get_close_matches(key, [*others, *flat, *deep], 1)
        hint = f"did you mean {close[0]}?" if close else "see python -m model.data --help"
        raise UserError(f"{key}= is unknown; {hint}")
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


def _writable(out: Path) -> None:
    from simbench.files import require_writable

    require_writable(out, "out")
