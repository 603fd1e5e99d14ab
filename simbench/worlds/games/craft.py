"""craft: a side view of blocks on two pages, a player who takes and places them, and a bar of what is held.

The world is 7 rows by 16 columns; the view shows the half in which the player is, and turns over like a page
when the player walks across. Rules of one step. `left` and `right` turn the player and move it by one column:
into a free square; onto a block that is one high; not at all where it is higher or the world ends; then it
falls until it stands. `take` removes the block ahead of the player, or if there is none the one below that
square, and the bar shows it as held; bedrock cannot be taken, and nothing is taken where four of a kind are
held. `place earth` and `place stone` put a block that is held into the square ahead if it is free. Blocks
stay where they are, seen or not.

Broken rules: `through` (blocks stop nobody: the player keeps its row, and neither climbs nor falls),
`doubled` (what is taken also stays, what is placed is still held), `forgetful` (when the page turns the world
is again as it was), `bar_still`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from simbench.case import Condition, Setting
from simbench.worlds.games import _pairs, _tiles
from simbench.worlds.games._seen import theme_of, themes_told

TILES = ("sky", "earth", "stone", "bedrock", "left", "right", "bar", "earth held", "stone held")
SKY, EARTH, STONE, BEDROCK, LEFT, RIGHT, BAR, EARTH_HELD, STONE_HELD = range(9)
ROWS, PAGE, COLUMNS, MOST = 7, 8, 16, 4
WAYS: Mapping[str, int] = {"left": -1, "right": 1}
PLACED: Mapping[str, int] = {"place earth": EARTH, "place stone": STONE}
World = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Land:
    """`world` [7][16] of SKY, EARTH, STONE and BEDROCK; the player's (row, column) and way, -1 left or 1
    right; blocks `held` (earth, stone); `first`: the world that `forgetful` goes back to, None before it."""

    world: World
    player: tuple[int, int]
    way: int
    held: tuple[int, int]
    theme: str
    first: World | None = None

    @property
    def page(self) -> int:
        """The half that is in view."""
        return self.player[1] // PAGE


@dataclass(frozen=True)
class Craft:
    """The game; see the rules above."""

    name: str = "craft"
    actions: tuple[str, ...] = ("wait", "left", "right", "take", "place earth", "place stone")
    rules: str = (
        "The player turns and moves by one square in every frame, climbs a block that is one high, and falls"
        " until it stands. It takes the block ahead, or the one below the square ahead, and places blocks"
        " ahead; the bar shows the blocks that are held. The view turns over like a page when the player"
        " walks across its side, and blocks remain where they were put."
    )

    @property
    def words(self) -> Mapping[str, str]:
        """What each action does."""
        return {
            "wait": "the player does nothing",
            "left": "the player turns left and moves left by one square",
            "right": "the player turns right and moves right by one square",
            "take": "the player takes the block ahead, or the one below the square ahead",
            "place earth": "the player places a block of earth ahead",
            "place stone": "the player places a block of stone ahead",
        }

    @property
    def opposite(self) -> Mapping[str, str]:
        """What undoes an action."""
        away = {"take": "place earth", "place earth": "take", "place stone": "take"}
        return {"wait": "wait", "left": "right", "right": "left", **away}

    def describe(self, start: Land) -> str:
        """What is seen."""
        return (
            f"A game of blocks in a side view, in colours of {start.theme}: a player on hilly ground of earth"
            " and stone, and a bar of held blocks at the top."
        )

    def start(self, seed: int, difficulty: float) -> Land:
        """Hills, rougher with difficulty; a player one step from the page's side holds two of each block."""
        rng = random.Random(f"craft:{seed}")
        heights = [rng.choice((2, 3))]
        for column in range(1, COLUMNS):
            rough = 0.25 + 0.4 * difficulty
            step = rng.choice((-1, 1)) if rng.random() < rough and column not in (7, 8, 9) else 0
            heights.append(min(max(heights[-1] + step, 2), 4))
        columns = [_column(height, rng) for height in heights]
        world = tuple(tuple(column[row] for column in columns) for row in range(ROWS))
        side = rng.choice((-1, 1))
        column = 7 if side == 1 else 8
        return Land(world, (_ground(world, column, 0), column), side, (2, 2), theme_of(seed))

    def pair(
        self, start: Land, seed: int, frames: int, context: int, difficulty: float
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Both pages are shown first; then each sequence changes something, leaves it, and comes back."""
        go, back = ("right", "left") if start.way == 1 else ("left", "right")
        edits = ("take", "place earth", "place stone")

        def draft(rng: random.Random) -> tuple[tuple[str, ...], tuple[str, ...]]:
            """Edits around a walk over the side and back, then a walk with more of them."""
            first = (go, *rng.choices(("wait", go), (3, 1), k=context - 2)) if context > 1 else ()
            rest = [self._course(rng, go, back, edits, frames) for _ in "ab"]
            return tuple(_pairs.filled((*first, *part), frames, "wait") for part in rest)  # type: ignore[return-value]

        return _pairs.search(self, start, random.Random(f"craft:{seed}:pair"), frames, context, draft)

    def _course(self, rng: random.Random, go: str, back: str, edits: Sequence[str], frames: int) -> list[str]:
        before = rng.sample(edits, rng.choice((1, 1, 2)))
        away = [back] * rng.choice((1, 1, 2))
        after = rng.choices((go, back, *edits, "wait"), (4, 1, 1, 1, 1, 1), k=frames)
        return [*before, *away, *[go] * len(away), *after]

    def step(self, state: Land, action: str) -> Land:
        """The published rules."""
        if action in WAYS:
            return _walk(state, WAYS[action])
        row, column = state.player
        ahead = column + state.way
        if not 0 <= ahead < COLUMNS:
            return state
        if action == "take":
            below = row + 1 if state.world[row][ahead] == SKY else row
            kind = state.world[below][ahead]
            if kind in (EARTH, STONE) and state.held[kind - EARTH] < MOST:
                return replace(_put(state, below, ahead, SKY), held=_held(state, kind, 1))
        kind = PLACED.get(action, SKY)
        if kind != SKY and state.held[kind - EARTH] > 0 and state.world[row][ahead] == SKY:
            return replace(_put(state, row, ahead, kind), held=_held(state, kind, -1))
        return state

    def broken(self, rule: str, state: Land, action: str) -> Land:
        """One rule broken."""
        if rule == "through" and action in WAYS:
            column = min(max(state.player[1] + WAYS[action], 0), COLUMNS - 1)
            return replace(state, player=(state.player[0], column), way=WAYS[action])
        after = self.step(state, action)
        if rule == "bar_still":
            return replace(after, held=state.held)
        if rule == "doubled" and after.held != state.held:
            return replace(after, world=state.world) if action == "take" else replace(after, held=state.held)
        if rule == "forgetful":
            first = state.world if state.first is None else state.first
            return replace(after, world=first if after.page != state.page else after.world, first=first)
        return after

    def cells(self, state: Land) -> np.ndarray:
        """Tiles [64] of the page in view."""
        board = np.empty((_tiles.SIDE, _tiles.SIDE), dtype=np.int64)
        slots = np.arange(MOST)
        board[0] = (
            np.where(slots < state.held[0], EARTH_HELD, BAR).tolist()
            + np.where(slots < state.held[1], STONE_HELD, BAR).tolist()
        )
        board[1:] = np.array(state.world)[:, state.page * PAGE : (state.page + 1) * PAGE]
        row, column = state.player
        board[1 + row, column % PAGE] = LEFT if state.way < 0 else RIGHT
        return board.ravel()

    def draw(self, states: Sequence[Land], setting: Setting) -> np.ndarray:
        """Frames uint8 [T, H, W, 3]."""
        return _tiles.draw(np.stack([self.cells(s) for s in states]), states[0].theme, TILES, setting)

    def read(
        self, frames: np.ndarray, start: Land, plans: Sequence[Sequence[str]], setting: Setting
    ) -> np.ndarray:
        """Tiles int64 [T, 64]; the plans are not needed."""
        return _tiles.read(frames, start.theme, TILES, setting)

    def adopt(self, before: Land, predicted: Land, cells: np.ndarray) -> Land | None:
        """The page in sight, which is the predicted one; the other page is as predicted."""
        board = cells.reshape(_tiles.SIDE, _tiles.SIDE)
        found = np.argwhere((board[1:] == LEFT) | (board[1:] == RIGHT))
        if (cells < 0).any() or len(found) != 1:
            return None
        row, column = int(found[0, 0]), int(found[0, 1])
        way = -1 if board[1 + row, column] == LEFT else 1
        page = board[1:].copy()
        page[row, column] = SKY
        world = np.array(predicted.world)
        left = predicted.page * PAGE
        world[:, left : left + PAGE] = page
        held = (int((board[0] == EARTH_HELD).sum()), int((board[0] == STONE_HELD).sum()))
        rows = tuple(tuple(int(v) for v in line) for line in world)
        return Land(rows, (row, left + column), way, held, before.theme)

    def observe(self, condition: Condition, setting: Setting) -> Land | None:
        """Both pages are seen in turn; which is the left one, the side says at which the player left it."""
        actions = condition.actions or ("wait",)
        for theme in themes_told(condition.prompt):
            seen = _tiles.read(condition.given_frames, theme, TILES, setting)
            state = None
            for page in (0, 1):
                state = self._followed(seen, actions, theme, page)
                if state is not None:
                    return state
        return None

    def _followed(self, seen: np.ndarray, actions: Sequence[str], theme: str, page: int) -> Land | None:
        """The given frames from a start on `page`; None where the law leads elsewhere than they show."""
        blank = tuple(
            tuple(BEDROCK if row == ROWS - 1 else SKY for _ in range(COLUMNS)) for row in range(ROWS)
        )
        state: Land | None = Land(blank, (ROWS - 2, page * PAGE + PAGE // 2), 1, (0, 0), theme)
        assert state is not None
        state = self.adopt(state, state, seen[0])
        for cells, action in zip(seen[1:], actions[: len(seen) - 1], strict=True):
            if state is None:
                return None
            predicted = self.step(state, action)
            after = self.adopt(state, predicted, cells)
            if after is None or after.player[1] != predicted.player[1]:
                return None
            state = after
        return state

    def returned(self, states: Sequence[Land]) -> np.ndarray:
        """Changed squares whose page was turned away from since, where it is in view again."""
        out = np.zeros((len(states), _tiles.SIDE, _tiles.SIDE), dtype=bool)
        changed, left = np.zeros((ROWS, COLUMNS), dtype=bool), np.zeros((ROWS, COLUMNS), dtype=bool)
        for t in range(1, len(states)):
            now, view = states[t], np.zeros(COLUMNS, dtype=bool)
            view[now.page * PAGE : (now.page + 1) * PAGE] = True
            new = np.array(now.world) != np.array(states[t - 1].world)
            changed |= new
            left = (left | (changed & ~view[None, :])) & ~new
            out[t, 1:] = left[:, view]
        return out.reshape(len(states), -1)


def _column(height: int, rng: random.Random) -> list[int]:
    """One column from the top: sky, earth, stone, and bedrock at the bottom."""
    solid = [EARTH] * 1 + [rng.choice((EARTH, STONE)) for _ in range(height - 2)] + [BEDROCK]
    return [SKY] * (ROWS - len(solid)) + solid


def _ground(world: World, column: int, row: int) -> int:
    """The row in which something stands that falls from `row`."""
    while row + 1 < ROWS and world[row + 1][column] == SKY:
        row += 1
    return row


def _walk(state: Land, way: int) -> Land:
    row, column = state.player
    ahead = column + way
    turned = replace(state, way=way)
    if not 0 <= ahead < COLUMNS:
        return turned
    if state.world[row][ahead] != SKY:
        if row == 0 or state.world[row - 1][ahead] != SKY:
            return turned
        row -= 1
    return replace(turned, player=(_ground(state.world, ahead, row), ahead))


def _put(state: Land, row: int, column: int, kind: int) -> Land:
    lines = [list(line) for line in state.world]
    lines[row][column] = kind
    return replace(state, world=tuple(tuple(line) for line in lines))


def _held(state: Land, kind: int, change: int) -> tuple[int, int]:
    held = list(state.held)
    held[kind - EARTH] += change
    return held[0], held[1]


GAME = Craft()
