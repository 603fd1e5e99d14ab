"""Games with published rules: each module here holds one as `GAME`, found on disk by its file name.

A game is a set of pure functions. Its whole law is `step`; what a frame shows is `draw`; what a reader can
know of a frame is `cells`. An action a_t is taken while frame t is on the screen, and frame t + 1 shows what
it did: s_{t+1} = step(s_t, a_t). The action of a clip's last frame shows nowhere.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from simbench.errors import UserError

if TYPE_CHECKING:
    from simbench.case import Condition, Setting

HERE = Path(__file__).parent
UNREAD = -1
"""What a reader says of a cell that looks like nothing known."""
BREAKS = ("through", "doubled", "forgetful", "bar_still")
"""Rules that `Game.broken` may break: what is solid lets things through; what moves or is taken stays where
it was as well; what was done is undone (placed blocks are gone once they were out of view); the counts in
the bar never change. A game has the meaning of each in its docstring, and must do another thing then."""

State = Any
"""A frozen dataclass of plain values and tuples: hashable, equal where nothing can tell two apart."""


class Game(Protocol):
    """One game. Neither its words nor its rules may use a word of an outcome (stay, hidden, ...)."""

    @property
    def name(self) -> str:
        """What its file is called."""
        ...

    @property
    def actions(self) -> tuple[str, ...]:
        """In plain words; the first one is to do nothing."""
        ...

    @property
    def words(self) -> Mapping[str, str]:
        """What each action does."""
        ...

    @property
    def opposite(self) -> Mapping[str, str]:
        """What undoes each action."""
        ...

    @property
    def rules(self) -> str:
        """The rules in plain English, for the prompt."""
        ...

    def describe(self, start: State) -> str:
        """What is seen in the first frame, the colours' name included, for the prompt."""
        ...

    def start(self, seed: int, difficulty: float) -> State:
        """The state of frame 0. Its look (colours) is part of it."""
        ...

    def pair(
        self, start: State, seed: int, frames: int, context: int, difficulty: float
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Two sequences of `frames` actions with equal first `context` - 1, so that the given frames are the
        same and show all that the rest depends on. By `_pairs.latest` each of them has run into every rule
        of `BREAKS`, for good, and is not what doing nothing or the opposite gives (`_pairs.decisive`).
        UserError where the clip is too short for that, with the length to use.
        """
        ...

    def step(self, state: State, action: str) -> State:
        """The published rules."""
        ...

    def broken(self, rule: str, state: State, action: str) -> State:
        """`step` with one rule of `BREAKS` broken."""
        ...

    def cells(self, state: State) -> np.ndarray:
        """The observable state int64 [N], >= 0: tiles, cells of sprites, counts. One N for all states."""
        ...

    def draw(self, states: Sequence[State], setting: Setting) -> np.ndarray:
        """Frames uint8 [T, H, W, 3] of the states, at any size and either look."""
        ...

    def read(
        self, frames: np.ndarray, start: State, plans: Sequence[Sequence[str]], setting: Setting
    ) -> np.ndarray:
        """Cells int64 [T, N] of frames uint8 [T, H, W, 3], UNREAD where nothing fits.

        `plans` are both sequences of actions of the scene, in an order that does not say which one was asked
        for: one video is read alike in both cases, and an answer blind to the actions is worth exactly 0.
        """
        ...

    def adopt(self, before: State, predicted: State, cells: np.ndarray) -> State | None:
        """The state that `cells` [N] show after `before`; what they do not show (a velocity, another page)
        is taken from `predicted` or from the change. None where they show no possible state."""
        ...

    def observe(self, condition: Condition, setting: Setting) -> State | None:
        """The state of the last given frame, from the condition alone; None where it cannot be read."""
        ...

    def returned(self, states: Sequence[State]) -> np.ndarray:
        """bool [T, N]: cells that the player has changed, in view again after they were out of view."""
        ...


def names() -> tuple[str, ...]:
    """Names of all games on disk, sorted."""
    return tuple(sorted(file.stem for file in HERE.glob("[a-z]*.py")))


def find(name: str) -> Game:
    """The game of one name, or the `GAME` of a module elsewhere (`examples.gym_world`). UserError for an
    unknown one."""
    known = names()
    if name in known:
        return cast("Game", importlib.import_module(f"{__name__}.{name}").GAME)
    close = get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"use one of {', '.join(known)}"
    problem = f"world={name} is unknown; {hint}"
    if "." not in name:
        raise UserError(problem)
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UserError(f"{problem}, or a module that can be imported ({error})") from error
    if not hasattr(module, "GAME"):
        raise UserError(f"world={name} has no GAME; give the module one (simbench/worlds/games/__init__.py)")
    return cast("Game", module.GAME)


def roll(game: Game, start: State, actions: Sequence[str], rule: str = "") -> list[State]:
    """States of the frames of `actions`, the first one `start`; with one rule broken if it is named."""
    states = [start]
    for action in actions[:-1]:
        states.append(game.broken(rule, states[-1], action) if rule else game.step(states[-1], action))
    return states


def table(game: Game, states: Sequence[State]) -> np.ndarray:
    """Cells int64 [T, N] of states."""
    return np.stack([game.cells(state) for state in states])


def reached(game: Game, start: State, actions: Sequence[str]) -> State:
    """The state after all of `actions`."""
    return reduce(game.step, actions, start)
