"""Which colours a scene has, and what its prompt says of them."""

from __future__ import annotations

import random

from simbench.worlds.games._art import TEST, THEMES

TEST_SHARE = 0.25


def theme_of(seed: int) -> str:
    """The palette of one seed; a quarter of the scenes show one that no training clip shows."""
    rng = random.Random(f"theme:{seed}")
    train = [name for name in THEMES if name not in TEST]
    return rng.choice(TEST if rng.random() < TEST_SHARE else train)


def themes_told(prompt: str) -> tuple[str, ...]:
    """Palettes that the prompt names, then all others."""
    return tuple(sorted(THEMES, key=lambda name: f"colours of {name}" not in prompt))
