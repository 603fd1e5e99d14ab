"""`python -m model.train_vae size=tiny data=POOL out=DIR`: fit, train and measure a video VAE."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from simbench.errors import UserError

USAGE = """\
Fit and train a video VAE.

  python -m model.data pool out=pool clips=4000                       clips to learn from
  python -m model.train_vae size=nano data=pool out=vae               linear: seconds, no steps
  python -m model.train_vae size=tiny data=pool out=vae budget=40     PCA, then a network under it
  python -m model.train_vae size=small-f4 vae.channels=32 data=clips.npy out=vae loss.lpips=0.5
  python -m model.train_vae size=small data=videos/ clip_size=128 clip_frames=17 out=vae budget=1000
  python -m model.train_vae init=vae/vae.safetensors decoder_only=true data=large out=sharper

size=nano|tiny|small|base|large, with -f4, -f8 or -f16 behind it for another spatial factor.
It writes DIR/vae.safetensors, DIR/metrics.jsonl and checkpoints; an interrupted run goes on with the same
command. PSNR is printed for frame 0 and for later frames of clips that were held back.

config=FILE.json holds any of these (a.b=value on the command line, {"a": {"b": value}} in the file):
"""


def main(arguments: Sequence[str]) -> int:
    """Run one command line; 0 done, 2 an error of the user, 130 interrupted."""
    if not arguments or any(a in ("-h", "--help", "help") for a in arguments):
        print(USAGE + "\n".join(_options()))
        return 0 if arguments else 2
    from model.codec.options import parse

    try:
        config = parse(arguments)
        from model.codec.trainer import FILE, train

        result = train(config)
    except UserError as error:
        print(f"model.train_vae: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nmodel.train_vae: interrupted; the same command goes on", file=sys.stderr)
        return 130
    if result.quality is not None:
        later = "none" if result.quality.later is None else f"{result.quality.later:.2f} dB"
        print(
            f"{result.steps} steps, {result.tflop:.2f} TFLOP; held-back clips: frame 0"
            f" {result.quality.first:.2f} dB, later frames {later}"
        )
        print(f"wrote {config.out}/{FILE}")
    return 0


def _options() -> list[str]:
    from model.codec.options import VAETrain
    from model.options import leaves

    config = VAETrain()
    lines = []
    for name, _ in leaves(VAETrain):
        value = config
        for part in name.split("."):
            value = getattr(value, part)
        shown = ",".join(map(str, value)) if isinstance(value, tuple) else value
        lines.append(f"  {name}={shown}")
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
