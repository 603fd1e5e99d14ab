"""Write the measured blocks of a suite's card anew from the files that the proofs left, without measuring.

    python -m suites.card suite=geometry folder=docs

The tables and the figure of the ladder come from ladder-NAME.json, the number of the search for policies from
exploit-NAME.json, both beside the card NAME.md. What the card has no marks for is left out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simbench.errors import UserError
from suites.command import command
from suites.proof import Asked, block_name, file_name


@dataclass
class Options(Asked):
    """Options of a card. Those of a setting change nothing: the files say what was measured."""

    folder: str = "docs"


def main(arguments: Sequence[str]) -> int:
    """The command. 0: written, 2: it could not be."""
    return command("card", __doc__, Options, arguments, _run)


def _run(chosen: Options) -> None:
    from simbench.blocks import has_block, write_block
    from suites import exploit, ladder_page

    folder = Path(chosen.folder)
    card = folder / f"{chosen.suite}.md"
    ladder, policy = (folder / f"{file_name(chosen, word)}.json" for word in ("ladder", "exploit"))
    written = []
    table, number = (block_name(chosen, word) for word in ("ladder", "exploit"))
    if ladder.exists() and has_block(card, table):
        ladder_page.write(_read(ladder), ladder, card, table)
        written.append(table)
    if policy.exists() and has_block(card, number):
        write_block(card, number, exploit.markdown(_read(policy)))
        written.append(number)
    if not written:
        raise UserError(f"nothing for {card}: it needs marks, and {ladder} or {policy} what they hold")
    print(f"{card}: wrote {' and '.join(written)}")


def _read(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
