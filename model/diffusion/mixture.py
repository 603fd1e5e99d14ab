"""The options of noise levels: shares of the patterns, and the spread of levels. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from simbench.errors import UserError

PATTERNS = ("whole", "pair", "context", "ramp", "independent")
PLACES = ("prefix", "suffix", "both", "scattered")


@dataclass(frozen=True)
class Mixture:
    """Shares of the patterns and of the places of context (need not sum to 1), and the spread of levels.

    `whole`: one level for all frames. `pair`: two levels, on a random subset of the frames and on the rest.
    `context`: some frames clean, one level for the others. `ramp`: levels that rise with the frame.
    `independent`: a level for each frame. A frame's level follows a logit-normal of `mean` and `sd` (Esser et
    al. 2024, arXiv 2403.03206) with a uniform part `floor`, moved towards noise by `shift`.
    """

    whole: float = 0.4
    pair: float = 0.2
    context: float = 0.25
    ramp: float = 0.1
    independent: float = 0.05
    prefix: float = 0.6
    suffix: float = 0.15
    both: float = 0.15
    scattered: float = 0.1
    sizes: tuple[int, ...] = (1, 1, 2, 3)
    """Given latent frames at an end, drawn with equal chance; a size named twice is drawn twice as often."""
    context_level: float = 0.1
    """Context has a level drawn from 0 to this."""
    mean: float = 0.8
    sd: float = 0.8
    floor: float = 0.1
    shift: float = 1.0

    def __post_init__(self) -> None:
        for name in (*PATTERNS, *PLACES, "sd", "floor", "context_level"):
            if not getattr(self, name) >= 0:
                raise UserError(f"levels.{name}={getattr(self, name):g} must be 0 or more")
        for names in (PATTERNS, PLACES):
            if not sum(getattr(self, name) for name in names) > 0:
                raise UserError(f"one of levels.{', levels.'.join(names)} must be above 0")
        if not self.sizes or min(self.sizes) < 1:
            raise UserError(f"levels.sizes={list(self.sizes)} must name numbers of frames, each 1 or more")
        if not (self.shift > 0 and self.floor <= 1 and self.context_level <= 1):
            raise UserError("levels.shift must be above 0, levels.floor and levels.context_level at most 1")


NANO = Mixture(whole=0.2, pair=0.0, context=0.7, ramp=0.0, prefix=1.0, suffix=0.0, both=0.0, scattered=0.0,
               sizes=(1, 2, 3), independent=0.1, context_level=0.0)  # fmt: skip
"""For the smallest model, which is only asked to go on from 1, 5 or 9 frames."""
