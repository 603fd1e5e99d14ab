"""Pairs of action sequences in which every rule matters, found by trying."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np

from simbench.errors import UserError
from simbench.worlds.games import BREAKS, Game, State, reached, roll, table

TRIES = 4000
DECIDED = 0.62
"""Share of the clip by which every rule has mattered."""

Actions = tuple[str, ...]


def decisive(game: Game, start: State, pair: Sequence[Actions], context: int) -> int | None:
    """The first frame from which on the two truths differ, and none of them is what a rule broken since the
    last given frame gives, or doing nothing, or the opposite; None where that never comes."""
    truths = [table(game, roll(game, start, actions)) for actions in pair]
    differ = (truths[0] != truths[1]).any(axis=1)
    shown, last = reached(game, start, pair[0][: context - 1]), context - 1
    for actions, truth in zip(pair, truths, strict=True):
        rest = actions[last:]
        idle, undone = [game.actions[0]] * len(rest), [game.opposite[action] for action in rest]
        for rule, taken in (*((rule, rest) for rule in BREAKS), ("", idle), ("", undone)):
            wrong = table(game, roll(game, shown, taken, rule))
            differ[last:] &= (wrong != truth[last:]).any(axis=1)
            if not differ[-1]:
                return None
    first = int(len(differ) - np.argmin(differ[::-1])) if not differ.all() else 0
    return max(first, context)


def latest(frames: int) -> int:
    """The last frame at which a clip may be decided."""
    return int(DECIDED * frames)


def search(
    game: Game,
    start: State,
    rng: random.Random,
    frames: int,
    context: int,
    draft: Callable[[random.Random], tuple[Actions, Actions]],
) -> tuple[Actions, Actions]:
    """The first pair of drafts in which every rule has mattered in time. Drafts give whole sequences.

    UserError where none of many does: the clip is too short.
    """
    for _ in range(TRIES):
        pair = draft(rng)
        decided = decisive(game, start, pair, context)
        if decided is not None and decided <= latest(frames):
            return pair
    raise UserError(
        f"frames={frames} with context={context} is too short for every rule of {game.name} to matter;"
        f" use frames={max(17, 2 * context + 7)} or more"
    )


def filled(actions: Sequence[str], frames: int, idle: str) -> Actions:
    """`frames` actions: those given, then nothing; nothing in the last frame, whose action never shows."""
    return tuple([*actions, *[idle] * frames][: frames - 1]) + (idle,)
