"""`python -m model.train_features data=POOL out=DIR`: train the encoder of frechet[worlds]."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from simbench.errors import UserError

USAGE = """\
Train the encoder of the feature space `worlds`, or rank feature spaces by what damage they see.

  python -m model.data pool out=rich mix=tiny look=rich clips=1280 seed=40
  python -m model.data pool out=held mix=tiny look=rich clips=256 seed=42
  python -m model.train_features data=rich held=held out=features
  python -m model.train_features rank data=rich held=held count=64

data= and held= take several pools, separated by commas. A run writes DIR/worlds.safetensors (2.4 MB),
DIR/metrics.jsonl and checkpoints; an interrupted run goes on with the same command. At its end it prints what
the encoder answers about the clips of held=. `rank` takes weights=DIR/worlds.safetensors (several with
commas), count=64 clips to a side, clips=256 of held=, draws=8 and json=FILE.

config=FILE.json holds any of these (a.b=value on the command line, {"a": {"b": value}} in the file):
"""


def main(arguments: Sequence[str]) -> int:
    """Run one command line; 0 done or part done, 2 an error of the user, 130 interrupted."""
    if not arguments or any(a in ("-h", "--help", "help") for a in arguments):
        from model.features.options import listed

        print(USAGE + "\n".join(f"  {line}" for line in listed()))
        return 0 if arguments else 2
    try:
        if arguments[0] == "rank":
            from model.features import ranking

            print(ranking.command(arguments[1:]))
        else:
            _train(arguments)
    except UserError as error:
        print(f"model.train_features: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nmodel.train_features: interrupted; the same command goes on", file=sys.stderr)
        return 130
    return 0


def _train(arguments: Sequence[str]) -> None:
    from model.features.options import parse
    from model.features.trainer import train

    config = parse(arguments)
    written = train(config)
    if written is not None:
        print(f"wrote {written}, {written.stat().st_size / 1e6:.2f} MB")
        if config.held:
            from model.features.answers import answered

            print(answered(config))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
