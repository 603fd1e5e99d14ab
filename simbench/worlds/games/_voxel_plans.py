"""What the walker of the game `voxel` is told: a look around, then all that its rules are about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from simbench.errors import UserError
from simbench.worlds.games import BREAKS, _pairs, reached

if TYPE_CHECKING:
    from simbench.worlds.games.voxel import State, Voxel

LOOK_AROUND = ("turn-left", "turn-right", "turn-right", "turn-left")
LEAST = 6
"""Actions that it takes to run into every rule."""
TRIES = 300
OTHER = {"turn-left": "turn-right", "turn-right": "turn-left"}
FURTHER = ("place", "mine", "turn", "turn", "forward", "back", "look-down", "look-up")


def opening(count: int) -> tuple[str, ...]:
    """The first `count` actions, the same in every scene: to the left, back, to the right, back."""
    return tuple(LOOK_AROUND[i] if i < 4 else "wait" for i in range(count))


def pair(
    game: Voxel, start: State, seed: int, frames: int, context: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Two plans after one opening, on the left side for one and the right side for the other.

    Each puts a cube down, turns away from it, runs into something, breaks a cube, and turns back; then goes
    on among views that were given. UserError where the clip is too short.
    """
    head = opening(context - 1)
    least = next(n for n in range(context, 1000) if _pairs.latest(n) - len(head) >= LEAST)
    if context < 3:
        raise UserError(f"context={context} does not show the side of the yard; use 3 or more")
    if frames < least:
        raise UserError(f"frames={frames} with context={context} ends before all has counted; use {least}")
    rng = np.random.default_rng([seed, 7])
    # Fewer given frames show the left side only, and nothing may depend on what was not given.
    sides = ("turn-left", "turn-right") if context >= 5 else ("turn-left", "turn-left")
    first = reached(game, start, head)
    for _ in range(TRIES):
        one, two = (
            (*head, *_plan(game, first, rng, side, frames - len(head), _pairs.latest(frames) - len(head)))
            for side in sides
        )
        decided = _pairs.decisive(game, start, (one, two), context)
        if decided is not None and decided <= _pairs.latest(frames):
            return (one, two) if rng.random() < 0.5 else (two, one)
    raise UserError(f"frames={frames} is too short for the rules of voxel to matter; use {frames + 4}")


def _plan(
    game: Voxel, given: State, rng: np.random.Generator, side: str, frames: int, most: int
) -> tuple[str, ...]:
    """The first draw of at most `most` stations by which each broken rule shows, and a walk from there."""
    for _ in range(TRIES):
        # The stock is as it was until the last of them, so that no clip is decided before the cube that was
        # put down is in view again: until then nobody can tell that it was forgotten.
        stations = ["place", side, "forward", "mine", OTHER[side], str(rng.choice(["place", "mine"]))]
        states = [given] * (1 + len(BREAKS))
        for action in stations:
            states = _stepped(game, states, action)
        if len(stations) <= most and _apart(game, states):
            return (*stations, *_walk(game, states, rng, side, frames - len(stations)))
    raise UserError(f"{most} actions are too few for the rules of voxel to matter; use more frames")


def _stepped(game: Voxel, states: Sequence[State], action: str) -> list[State]:
    """The true state and one for each broken rule, an action later."""
    first = game.step(states[0], action)
    return [first, *(game.broken(rule, s, action) for rule, s in zip(BREAKS, states[1:], strict=True))]


def _apart(game: Voxel, states: Sequence[State]) -> bool:
    """Whether the true state is none of those with a broken rule."""
    truth = game.cells(states[0])
    return all((truth != game.cells(state)).any() for state in states[1:])


def _walk(game: Voxel, states: Sequence[State], rng: np.random.Generator, side: str, count: int) -> list[str]:
    """`count` actions among views that were given, nearby: to the front and to one side. What a broken rule
    would have done makes a difference in all of them."""
    out: list[str] = []
    home, front = states[0], states[0].heading
    for _ in range(TRIES):
        if len(out) >= count:
            break
        action = str(rng.choice(FURTHER))
        if action == "turn":
            action = side if (states[0].heading - front) % 4 == 0 else OTHER[side]
        after = _stepped(game, states, action)
        near = abs(after[0].x - home.x) + abs(after[0].z - home.z) <= 1
        if near and _apart(game, after) and (after[0] != states[0] or rng.random() < 0.3):
            out.append(action)
            states = after
    return [*out, *["wait"] * count][:count]
