"""What read states of a game say: which future they are, whether they obey the rules, and what was kept.

Cells are int64 [T, N], UNREAD (-1) where a frame shows nothing known; it equals no state.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simbench.worlds.games import UNREAD, Game, State

Sums = dict[str, float]


def same(read: np.ndarray, states: np.ndarray) -> np.ndarray:
    """bool [T]: frames whose cells are all those of the state."""
    return (read == states).all(axis=1)


def sides(
    read: np.ndarray, own: np.ndarray, other: np.ndarray, frames: np.ndarray, first: np.ndarray
) -> Sums:
    """Of `frames` [J], in which the two futures differ: how many show all of the `own` state, and how many
    all of the `other`; and of the cells [T, N] that differ there: how many are as in either. What is in both
    as in `first` [N] may be unreadable, but not another. Whatever does not depend on which future was asked
    for has as much of one as of the other over both cases."""
    seen, mine, theirs = read[frames], own[frames], other[frames]
    differ = mine != theirs
    spared = (mine == first) & (theirs == first) & (seen == UNREAD)
    return {
        "own": float(((seen == mine) | spared).all(axis=1).sum()),
        "other": float(((seen == theirs) | spared).all(axis=1).sum()),
        "own_cells": float((differ & (seen == mine)).sum()),
        "other_cells": float((differ & (seen == theirs)).sum()),
        "differing": float(differ.sum()),
    }


def active(read: np.ndarray, truth: np.ndarray, first: np.ndarray) -> Sums:
    """Counts for F1 over cells [T, N] that are not as in `first` [N] in the truth or in what was read: `hits`
    changed in both, to the same, and `changed` is the number in the truth plus that in what was read."""
    true, seen = truth != first, read != first
    return {
        "hits": float((true & seen & (read == truth)).sum()),
        "changed": float(true.sum() + seen.sum()),
    }


def lawful(
    game: Game, start: State, actions: Sequence[str], read: np.ndarray, context: int
) -> tuple[float, float]:
    """Closed loop: of the cells that change from one frame to the next, in what was read or by the rules
    from what was read, how many are as the rules say; and their number. `read` [T, N], `start` the true state
    of frame `context` - 1; what frames do not show is carried on by the rules. A frame that shows no possible
    state has all that should change in it wrong."""
    right = count = 0.0
    state = start
    for t in range(context, len(read)):
        predicted = game.step(state, actions[t - 1])
        before, law = game.cells(state), game.cells(predicted)
        moving = (law != before) | ((read[t] != before) & (read[t] != UNREAD))
        right += float((moving & (read[t] == law)).sum())
        count += float(moving.sum())
        # From an impossible picture nothing follows; the next is judged by what should have been.
        state = game.adopt(state, predicted, read[t]) or predicted
    return right, count


def kept(read: np.ndarray, truth: np.ndarray, returned: np.ndarray) -> Sums:
    """Of the cells [T, N] that were changed, left out of view and seen again, how many are right."""
    return {"kept": float((returned & (read == truth)).sum()), "returned": float(returned.sum())}


def doubts(frames: np.ndarray, read: np.ndarray, first: np.ndarray) -> Sums:
    """Why nothing was scored: shares of frames uint8 [J, H, W, 3] that have no contrast (`flat`), that are
    still as the last given one, `first` [N] (`held`), and of the cells that look like nothing (`unread`)."""
    contrast = frames.reshape(len(frames), -1).astype(np.float32).std(axis=1)
    return {
        "flat": float((contrast < 4.0).mean()),
        "held": float(same(read, np.broadcast_to(first, read.shape)).mean()),
        "unread": float((read == UNREAD).mean()),
    }
