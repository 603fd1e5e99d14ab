"""A Gymnasium environment as one more world of the suite digital.

`python -m simbench suite=digital suites.digital.world=examples.gym_world generator=copy_last cases=4`

`pip install gymnasium` first. The environment needs discrete actions and `render_mode="rgb_array"`, and must
do the same again after `reset(seed=...)`. Its law is not known here: a state is the history that led to it,
and no rule can be broken but one, an action that is lost. Cells are mean colours of 8 x 8 blocks, in steps.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from simbench.errors import UserError
from simbench.worlds.games import UNREAD, _pairs, roll, table

BLOCKS, STEP, NEAR = 8, 32, 24.0


@dataclass(frozen=True)
class History:
    """A seed, and the numbers of the actions since."""

    seed: int
    taken: tuple[int, ...] = ()


def make(name: str) -> Any:
    """The environment of one name. UserError without Gymnasium."""
    try:
        import gymnasium
    except ImportError as error:
        raise UserError(f"world={name} needs Gymnasium; pip install gymnasium") from error
    return gymnasium.make(name, render_mode="rgb_array")


@dataclass(frozen=True)
class GymWorld:
    """`env` by name, its `actions` in words (the first one does the least), and what builds it."""

    env: str
    actions: tuple[str, ...]
    seen: str
    rules: str = "The next frame shows what an action did."
    name: str = "examples.gym_world"
    build: Callable[[str], Any] = make

    @property
    def words(self) -> dict[str, str]:
        """What each action does."""
        return {action: action for action in self.actions}

    @property
    def opposite(self) -> dict[str, str]:
        """The action that is listed as far from the end as this one from the start."""
        return dict(zip(self.actions, self.actions[::-1], strict=True))

    def describe(self, start: History) -> str:
        """What is seen."""
        return self.seen

    def start(self, seed: int, difficulty: float) -> History:
        """Just reset."""
        return History(seed)

    def pair(self, start, seed, frames, context, difficulty):
        """Two random sequences with one beginning."""

        def draft(rng):
            """Actions without any aim."""
            shared = rng.choices(self.actions, k=context - 1)
            a, b = (rng.choices(self.actions, k=frames) for _ in "ab")
            return tuple(_pairs.filled([*shared, *part], frames, self.actions[0]) for part in (a, b))

        return _pairs.search(self, start, random.Random(seed), frames, context, draft)

    def step(self, state: History, action: str) -> History:
        """One action more."""
        return replace(state, taken=(*state.taken, self.actions.index(action)))

    def broken(self, rule: str, state: History, action: str) -> History:
        """The action is lost."""
        return self.step(state, self.actions[0])

    def draw(self, states, setting) -> np.ndarray:
        """What the environment renders, brought to the size asked for: uint8 [T, H, W, 3]."""
        import cv2

        size = (setting.width, setting.height)
        return np.stack([cv2.resize(picture(self, s), size, interpolation=cv2.INTER_AREA) for s in states])

    def cells(self, state: History) -> np.ndarray:
        """One number for the colour of each block, int64 [64]."""
        steps = np.rint(_blocks(picture(self, state)[None])[0] / STEP).astype(np.int64)
        return steps @ np.array([256, 16, 1])

    def read(self, frames, start, plans, setting) -> np.ndarray:
        """For every block the state of either sequence that it is near to, else UNREAD."""
        futures = [roll(self, start, plan) for plan in plans]
        seen = _blocks(frames)
        drawn = np.stack([_blocks(self.draw(states, setting)) for states in futures])
        off = np.abs(drawn - seen).max(axis=3)
        values = np.stack([table(self, states) for states in futures])
        best = np.take_along_axis(values, off.argmin(axis=0)[None], axis=0)[0]
        return np.where(off.min(axis=0) < NEAR, best, UNREAD)

    def adopt(self, before: History, predicted: History, cells: np.ndarray) -> History | None:
        """A history cannot be seen: only what was predicted can be recognised."""
        return predicted if np.array_equal(cells, self.cells(predicted)) else None

    def observe(self, condition, setting) -> None:
        """The frames do not tell the seed."""

    def returned(self, states) -> np.ndarray:
        """Nothing is known to be out of view."""
        return np.zeros((len(states), BLOCKS * BLOCKS), dtype=bool)


@lru_cache(maxsize=256)
def picture(world: GymWorld, state: History) -> np.ndarray:
    """uint8 [h, w, 3] after a history, played from the start; what has ended stands still."""
    env = world.build(world.env)
    env.reset(seed=state.seed % 2**31)
    for action in state.taken:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            break
    out = np.asarray(env.render(), dtype=np.uint8).copy()
    env.close()
    return out


def _blocks(frames: np.ndarray) -> np.ndarray:
    """Mean colours float32 [T, 64, 3] of blocks of frames uint8 [T, H, W, 3]."""
    import cv2

    small = [cv2.resize(f, (BLOCKS, BLOCKS), interpolation=cv2.INTER_AREA) for f in frames.astype(np.float32)]
    return np.stack(small).reshape(len(frames), BLOCKS * BLOCKS, 3)


GAME = GymWorld("CartPole-v1", ("push left", "push right"), "A cart on a rail with a pole that may fall.")
