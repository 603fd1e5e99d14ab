"""Write the measured blocks of a suite's card anew from the files that the proofs left, without measuring.

    python -m suites.card suite=geometry
    python -m suites.card suite=geometry folder=docs

The ladder's table and figure come from ladder-NAME.json, the number of the search for policies from
exploit-NAME.json, both beside the card NAME.md; what is not there is left as it is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simbench.errors import UserError
from suites.proof import Asked, file_name, options


@dataclass
class Options(Asked):
    """Options of a card; those of the setting change nothing: the files say what was measured."""

    folder: str = "docs"


def main(arguments: Sequence[str]) -> int:
    """The command. 0: written, 2: it could not be."""
    from simbench.blocks import write_block
    from suites import exploit, ladder_page

    try:
        chosen = options(Options, arguments)
        folder = Path(chosen.folder)
        card = folder / f"{chosen.suite}.md"
        ladder, policy = (folder / f"{file_name(chosen, word)}.json" for word in ("ladder", "exploit"))
        if not ladder.exists() and not policy.exists():
            raise UserError(
                f"neither {ladder} nor {policy} is there; run suites.ladder with out={folder} first"
            )
        if ladder.exists():
            ladder_page.write(json.loads(ladder.read_text(encoding="utf-8")), ladder, card)
        if policy.exists():
            write_block(card, "exploit", exploit.markdown(json.loads(policy.read_text(encoding="utf-8"))))
    except UserError as error:
        print(f"suites.card: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
