"""sokoban: a player pushes crates on a board of 7 rows and 8 columns with walls; a bar counts the pushes.

Rules of one step. The player moves by one square up, down, left or right. Into a wall it does not move. Into
a crate it moves if the square behind the crate is neither wall nor crate: the crate moves on by one, and the
bar shows one point more, up to 8. Crates are never pulled. Goals are marks on the floor.

Broken rules: `through` (walls and crates stop nobody, and no crate is pushed; only the edge of the board
holds), `doubled` (a crate that is pushed also stays where it was), `forgetful` (crates that have been pushed
jump back to where they were as soon as the player does anything but push), `bar_still`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from simbench.case import Condition, Setting
from simbench.worlds.games import _pairs, _tiles
from simbench.worlds.games._seen import theme_of, themes_told

TILES = ("ground", "wall", "goal", "crate", "crate on goal", "player", "player on goal", "bar", "point")
GROUND, WALL, GOAL, CRATE, CRATE_ON, PLAYER, PLAYER_ON, BAR, POINT = range(9)
ROWS, COLUMNS, MOST = 7, 8, 8
MOVES: Mapping[str, tuple[int, int]] = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}
Square = tuple[int, int]


@dataclass(frozen=True)
class Store:
    """Squares (row, column) of the field: walls and goals stand, crates (sorted) and the player move.
    `first`: where crates were before any push that `forgetful` undoes, None before one."""

    walls: frozenset[Square]
    goals: frozenset[Square]
    crates: tuple[Square, ...]
    player: Square
    points: int
    theme: str
    first: tuple[Square, ...] | None = None


@dataclass(frozen=True)
class Sokoban:
    """The game; see the rules above."""

    name: str = "sokoban"
    actions: tuple[str, ...] = ("wait", "up", "down", "left", "right")
    rules: str = (
        "The player moves by one square in every frame and does not enter walls. It pushes a crate that is in"
        " its way by one square if nothing is behind it, and the bar shows one point more for every push."
    )

    @property
    def words(self) -> Mapping[str, str]:
        """What each action does."""
        ways = {name: f"the player moves {name} by one square" for name in MOVES}
        return {"wait": "the player does not move", **ways}

    @property
    def opposite(self) -> Mapping[str, str]:
        """What undoes an action."""
        return {"wait": "wait", "up": "down", "down": "up", "left": "right", "right": "left"}

    def describe(self, start: Store) -> str:
        """What is seen."""
        return (
            f"A game of sokoban on a board of squares, in colours of {start.theme}: a player,"
            f" {len(start.crates)} crates, walls and goals, seen from above."
        )

    def start(self, seed: int, difficulty: float) -> Store:
        """Walls around and a few inside, more crates with difficulty."""
        rng = random.Random(f"sokoban:{seed}")
        edge = {(r, c) for r in range(ROWS) for c in range(COLUMNS) if r in (0, 6) or c in (0, 7)}
        inside = [(r, c) for r in range(1, ROWS - 1) for c in range(1, COLUMNS - 1)]
        core = [(r, c) for r, c in inside if r not in (1, 5) and c not in (1, 6)]
        crates = sorted(rng.sample(core, 3 + round(2 * difficulty)))
        free = [square for square in inside if square not in crates]
        rng.shuffle(free)
        walls, player, goals = free[:2], free[2], free[3:6]
        return Store(frozenset(edge | set(walls)), frozenset(goals), tuple(crates), player, 0, theme_of(seed))

    def pair(
        self, start: Store, seed: int, frames: int, context: int, difficulty: float
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Random walks that push, and do something else."""
        moves = self.actions[1:]

        def draft(rng: random.Random) -> tuple[tuple[str, ...], tuple[str, ...]]:
            """Walks of a few straight runs."""
            shared = rng.choices(moves, k=context - 1)
            rest = [
                [m for _ in range(frames) for m in rng.choices(moves) * rng.choice((1, 1, 2))] for _ in "ab"
            ]
            return tuple(_pairs.filled(shared + part, frames, "wait") for part in rest)  # type: ignore[return-value]

        return _pairs.search(self, start, random.Random(f"sokoban:{seed}:pair"), frames, context, draft)

    def step(self, state: Store, action: str) -> Store:
        """The published rules."""
        if action not in MOVES:
            return state
        down, right = MOVES[action]
        row, column = state.player
        ahead, behind = (row + down, column + right), (row + 2 * down, column + 2 * right)
        if not _within(ahead) or ahead in state.walls:
            return state
        if ahead not in state.crates:
            return replace(state, player=ahead)
        if not _within(behind) or behind in state.walls or behind in state.crates:
            return state
        crates = tuple(sorted({*state.crates, behind} - {ahead}))
        return replace(state, player=ahead, crates=crates, points=min(state.points + 1, MOST))

    def broken(self, rule: str, state: Store, action: str) -> Store:
        """One rule broken."""
        if rule == "through":
            down, right = MOVES.get(action, (0, 0))
            ahead = (state.player[0] + down, state.player[1] + right)
            return replace(state, player=ahead) if _within(ahead) else state
        after = self.step(state, action)
        pushed = after.crates != state.crates
        if rule == "bar_still":
            return replace(after, points=state.points)
        if rule == "doubled" and pushed:
            return replace(after, crates=tuple(sorted({*after.crates, *state.crates})))
        if rule == "forgetful":
            if pushed:
                return replace(after, first=state.crates if state.first is None else state.first)
            if state.first is not None:
                return replace(after, crates=state.first, first=None)
        return after

    def cells(self, state: Store) -> np.ndarray:
        """Tiles [64]."""
        board = np.full((_tiles.SIDE, _tiles.SIDE), GROUND, dtype=np.int64)
        board[0] = np.where(np.arange(8) < state.points, POINT, BAR)
        field = board[1:]
        for square in state.walls:
            field[square] = WALL
        for square in state.goals:
            field[square] = GOAL
        for square in state.crates:
            field[square] = CRATE_ON if square in state.goals else CRATE
        field[state.player] = PLAYER_ON if state.player in state.goals else PLAYER
        return board.ravel()

    def draw(self, states: Sequence[Store], setting: Setting) -> np.ndarray:
        """Frames uint8 [T, H, W, 3]."""
        return _tiles.draw(np.stack([self.cells(s) for s in states]), states[0].theme, TILES, setting)

    def read(
        self, frames: np.ndarray, start: Store, plans: Sequence[Sequence[str]], setting: Setting
    ) -> np.ndarray:
        """Tiles int64 [T, 64]; the plans are not needed."""
        return _tiles.read(frames, start.theme, TILES, setting)

    def adopt(self, before: Store, predicted: Store, cells: np.ndarray) -> Store | None:
        """The state in sight: nothing of it is ever out of view."""
        board = cells.reshape(_tiles.SIDE, _tiles.SIDE)
        field = board[1:]
        player = _where(field, PLAYER, PLAYER_ON)
        if (cells < 0).any() or len(player) != 1:
            return None
        return Store(
            frozenset(_where(field, WALL)),
            frozenset(_where(field, GOAL, CRATE_ON, PLAYER_ON)),
            tuple(sorted(_where(field, CRATE, CRATE_ON))),
            player[0],
            int((board[0] == POINT).sum()),
            before.theme,
        )

    def observe(self, condition: Condition, setting: Setting) -> Store | None:
        """The last given frame shows all."""
        for theme in themes_told(condition.prompt):
            cells = _tiles.read(condition.given_frames[-1:], theme, TILES, setting)[0]
            blank = Store(frozenset(), frozenset(), (), (0, 0), 0, theme)
            state = self.adopt(blank, blank, cells)
            if state is not None:
                return state
        return None

    def returned(self, states: Sequence[Store]) -> np.ndarray:
        """Nothing is ever out of view."""
        return np.zeros((len(states), _tiles.CELLS), dtype=bool)


def _within(square: Square) -> bool:
    return 0 <= square[0] < ROWS and 0 <= square[1] < COLUMNS


def _where(field: np.ndarray, *kinds: int) -> list[Square]:
    return [(int(row), int(column)) for row, column in np.argwhere(np.isin(field, kinds))]


GAME = Sokoban()
