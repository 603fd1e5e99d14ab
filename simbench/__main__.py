"""`python -m simbench`."""

from __future__ import annotations

import os
import sys

from simbench import exits


def main() -> None:
    """Run the command line and leave with its exit code."""
    from simbench.cli import main as command_line

    code = command_line(sys.argv[1:])
    if code in (exits.INTERRUPTED, exits.TERMINATED):
        # A model that still computes in its thread cannot be stopped, and must not be waited for.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
