"""pong: a paddle on the left, a ball on a board of 7 rows and 8 columns, and a bar that counts the hits.

Rules of one step. The paddle, two cells high in column 0, moves up or down by a row unless the edge stops it.
The ball moves by a row and a column. It bounces off the upper, lower and right edge: what would leave comes
back by as much. In column 0 it meets the paddle where this now is: it bounces back into column 1 - upwards
from the upper half, downwards from the lower - and the bar shows one point more, up to 8. Where the paddle
is not, the ball is served again from row 3 of column 6, towards the lower left, and the points are lost.

Broken rules: `through` (the paddle returns no ball), `doubled` (a ball that is hit leaves another one lying
where it was), `forgetful` (a point is lost in the step after it was won), `bar_still`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from simbench.case import Condition, Setting
from simbench.worlds import games
from simbench.worlds.games import _pairs, _tiles
from simbench.worlds.games._seen import theme_of, themes_told

TILES = ("ground", "ball", "paddle's upper half", "paddle's lower half", "bar", "point")
GROUND, BALL, UPPER, LOWER, BAR, POINT = range(6)
ROWS, COLUMNS = 7, 8
SERVE = (3, 6)


@dataclass(frozen=True)
class Table:
    """`ball` (row, column) of the field and its `way`; the row of the paddle's upper half; points; balls
    that lie about, which no lawful game has."""

    ball: tuple[int, int]
    way: tuple[int, int]
    paddle: int
    points: int
    theme: str
    lying: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Pong:
    """The game; see the rules above."""

    name: str = "pong"
    actions: tuple[str, ...] = ("wait", "up", "down")
    rules: str = (
        "The ball moves by one row and one column in every frame and bounces off the upper, lower and right"
        " edge. Off the upper half of the paddle it bounces upwards, off the lower half downwards, and the"
        " bar shows one point more. Past the paddle it is served again from the right, and the points are"
        " lost."
    )

    @property
    def words(self) -> Mapping[str, str]:
        """What each action does."""
        return {
            "wait": "the paddle does not move",
            "up": "the paddle moves up by one row",
            "down": "the paddle moves down by one row",
        }

    @property
    def opposite(self) -> Mapping[str, str]:
        """What undoes an action."""
        return {"wait": "wait", "up": "down", "down": "up"}

    def describe(self, start: Table) -> str:
        """What is seen."""
        return f"A game of pong on a board of squares, in colours of {start.theme}: a paddle and a ball."

    def start(self, seed: int, difficulty: float) -> Table:
        """A ball on any way that meets the paddle in time; the paddle is farther off with difficulty."""
        rng = random.Random(f"pong:{seed}")
        right, column = rng.choice(((-1, 6), (-1, 7), (1, 5), (1, 6)))
        rows = list(range(ROWS))
        rng.shuffle(rows)
        way = (rng.choice((-1, 1)), right)
        # In the corner rows only one half of the paddle can meet the ball.
        row = next(row for row in rows if 0 < _meeting((row, column), way)[0] < ROWS - 1)
        far = 1 + round(difficulty) + rng.choice((0, 1))
        paddle = _meeting((row, column), way)[0] + rng.choice((-far, far - 1))
        return Table((row, column), way, min(max(paddle, 0), ROWS - 2), 0, theme_of(seed))

    def pair(
        self, start: Table, seed: int, frames: int, context: int, difficulty: float
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Both sequences return the ball in time, from different halves of the paddle."""

        row, when = _meeting(start.ball, start.way)

        def draft(rng: random.Random) -> tuple[tuple[str, ...], tuple[str, ...]]:
            """The paddle walks to the ball, by its upper half or its lower one, and then anywhere."""
            shared = rng.choices(self.actions, (3, 1, 1), k=context - 1)
            paddle = games.reached(self, start, shared).paddle
            rest = [_towards(rng, row - half - paddle, when - context + 1) for half in rng.sample((0, 1), 2)]
            ends = [rng.choices(self.actions, k=frames) for _ in rest]
            made = [_pairs.filled([*shared, *a, *b], frames, "wait") for a, b in zip(rest, ends, strict=True)]
            return made[0], made[1]

        return _pairs.search(self, start, random.Random(f"pong:{seed}:pair"), frames, context, draft)

    def step(self, state: Table, action: str) -> Table:
        """The published rules."""
        return _step(state, action, solid=True)

    def broken(self, rule: str, state: Table, action: str) -> Table:
        """One rule broken."""
        after = _step(state, action, solid=rule != "through")
        won = after.points > state.points
        if rule == "bar_still":
            return replace(after, points=state.points)
        if rule == "forgetful" and not won:
            return replace(after, points=0)
        if rule == "doubled" and won:
            return replace(after, lying=(*after.lying, state.ball))
        return after

    def cells(self, state: Table) -> np.ndarray:
        """Tiles [64]."""
        board = np.full((_tiles.SIDE, _tiles.SIDE), GROUND, dtype=np.int64)
        board[0] = np.where(np.arange(8) < state.points, POINT, BAR)
        field = board[1:]
        field[state.paddle, 0], field[state.paddle + 1, 0] = UPPER, LOWER
        for row, column in (*state.lying, state.ball):
            field[row, column] = BALL
        return board.ravel()

    def draw(self, states: Sequence[Table], setting: Setting) -> np.ndarray:
        """Frames uint8 [T, H, W, 3]."""
        return _tiles.draw(np.stack([self.cells(s) for s in states]), states[0].theme, TILES, setting)

    def read(
        self, frames: np.ndarray, start: Table, plans: Sequence[Sequence[str]], setting: Setting
    ) -> np.ndarray:
        """Tiles int64 [T, 64]; the plans are not needed."""
        return _tiles.read(frames, start.theme, TILES, setting)

    def adopt(self, before: Table, predicted: Table, cells: np.ndarray) -> Table | None:
        """The state in sight; the ball's way is as predicted if it is where it should be, else its move."""
        board = cells.reshape(_tiles.SIDE, _tiles.SIDE)
        balls, upper = np.argwhere(board[1:] == BALL), np.argwhere(board[1:] == UPPER)
        if (cells < 0).any() or len(balls) != 1 or len(upper) != 1 or upper[0, 1] != 0:
            return None
        row, column = int(balls[0, 0]), int(balls[0, 1])
        paddle = int(upper[0, 0])
        if paddle > ROWS - 2 or board[paddle + 2, 0] != LOWER or (board == LOWER).sum() != 1:
            return None
        way = predicted.way
        if (row, column) != predicted.ball:
            way = (_sign(row - before.ball[0]) or way[0], _sign(column - before.ball[1]) or way[1])
        return Table((row, column), way, paddle, int((board[0] == POINT).sum()), before.theme)

    def observe(self, condition: Condition, setting: Setting) -> Table | None:
        """The way of the ball is what brought it from one given frame to the next."""
        for theme in themes_told(condition.prompt):
            seen = _tiles.read(condition.given_frames, theme, TILES, setting)
            state: Table | None = None
            for k, cells in enumerate(seen):
                before = state or Table((0, 0), (1, 1), 0, 0, theme)
                told = (condition.actions or ("wait",))[max(k - 1, 0)]
                state = self.adopt(before, self.step(before, told) if k else before, cells)
            if state is not None and len(seen) > 1:
                return state
        return None

    def returned(self, states: Sequence[Table]) -> np.ndarray:
        """Nothing is ever out of view."""
        return np.zeros((len(states), _tiles.CELLS), dtype=bool)


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


def _step(state: Table, action: str, solid: bool) -> Table:
    move = {"up": -1, "down": 1}.get(action, 0)
    paddle = min(max(state.paddle + move, 0), ROWS - 2)
    (row, column), (down, right) = state.ball, state.way
    if not 0 <= row + down < ROWS:
        down = -down
    if column + right >= COLUMNS:
        right = -right
    row, column = row + down, column + right
    if column > 0:
        return replace(state, ball=(row, column), way=(down, right), paddle=paddle)
    if solid and row in (paddle, paddle + 1):
        bounced = (-1 if row == paddle else 1, 1)
        return replace(
            state, ball=(row, 1), way=bounced, paddle=paddle, points=min(state.points + 1, COLUMNS)
        )
    return replace(state, ball=SERVE, way=(1, -1), paddle=paddle, points=0)


def _meeting(ball: tuple[int, int], way: tuple[int, int]) -> tuple[int, int]:
    """The row in which a ball first comes to the paddle's column, and after how many steps."""
    state = Table(ball, way, 0, 0, "")
    for count in range(1, 3 * COLUMNS):
        after = _step(state, "wait", solid=False)
        if state.ball[1] == 1 and after.ball == SERVE:
            row, down = state.ball[0], state.way[0]
            return row + (down if 0 <= row + down < ROWS else -down), count
        state = after
    raise AssertionError("a ball that never comes to the paddle")


def _towards(rng: random.Random, rows: int, steps: int) -> list[str]:
    """`steps` actions that move the paddle down by `rows`, or as far as they go."""
    moves = ["down" if rows > 0 else "up"] * min(abs(rows), max(steps, 0))
    moves += ["wait"] * (max(steps, 0) - len(moves))
    rng.shuffle(moves)
    return moves


GAME = Pong()
