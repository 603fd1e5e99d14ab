"""The game `voxel`: its rules by hand, its plans, its reader on truth and on what is broken, its observer."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from simbench.case import Condition, Setting
from simbench.errors import UserError
from simbench.instruments import voxel_reader
from simbench.references import nuisance
from simbench.worlds import games
from simbench.worlds.compile import compile_scene
from simbench.worlds.games import BREAKS, UNREAD, _pairs, _voxel_film, roll, table
from simbench.worlds.games import _voxel_land as land
from simbench.worlds.games.voxel import GAME, POSE, State

SETTING = Setting(64, 64, given="act")


def yard() -> State:
    """A bare yard with the walker in its middle and three pieces in stock."""
    bare = land.bare()
    return State(bare, land.MIDDLE, land.MIDDLE, 0, 1, 3, bare)


def after(state: State, *actions: str) -> State:
    """The state that actions lead to."""
    return games.reached(GAME, state, actions)


def with_cube(state: State, cell: land.Cell, material: int = land.STONE) -> State:
    """The same with one cube, from the start."""
    made = land.changed(state.yard, cell, material)
    return replace(state, yard=made, first=made)


def clip(seed: int, which: int = 0) -> tuple[State, tuple[tuple[str, ...], tuple[str, ...]], list[State]]:
    """Start, both plans and the states of one of them."""
    start = GAME.start(seed, 0.25)
    plans = GAME.pair(start, seed, 17, 5, 0.25)
    return start, plans, roll(GAME, start, plans[which])


def test_walks_turns_and_nods() -> None:
    start = yard()
    assert (after(start, "forward").x, after(start, "forward").z) == (7, 6)
    left = after(start, "turn-left", "forward", "forward")
    assert (left.x, left.z, left.heading) == (5, 7, 1)
    assert after(start, "turn-right", "back").x == 6
    assert after(start, *["turn-left"] * 4) == start == after(start, "wait")
    assert after(start, "look-up", "look-up").nod == 2 and after(start, *["look-down"] * 3).nod == 0
    for action, undone in GAME.opposite.items():
        assert action == "mine" or after(start, action, undone) == start


def test_cubes_holes_and_walls_stop_a_step() -> None:
    block = with_cube(yard(), (7, 2, 6))
    assert after(block, "forward") == block
    hole = with_cube(yard(), (7, 1, 6), land.AIR)
    assert after(hole, "forward") == hole
    assert after(yard(), *["forward"] * 9).z == 1


def test_what_is_put_down_stands_where_the_view_meets_the_floor() -> None:
    placed = after(yard(), "place")
    assert [p for p in range(len(placed.yard)) if placed.yard[p] != yard().yard[p]] == [land.at((7, 2, 4))]
    assert placed.yard[land.at((7, 2, 4))] == str(land.WOOD) and placed.stock == 2
    assert after(placed, "mine") == yard()
    assert after(yard(), "mine").yard[land.at((7, 1, 4))] == "0" and after(yard(), "mine").stock == 4


def test_stock_and_walls_limit_what_can_be_done() -> None:
    assert after(replace(yard(), stock=0), "place") == replace(yard(), stock=0)
    full = replace(yard(), stock=6)
    assert after(full, "mine") == full
    wall = after(yard(), *["forward"] * 6, "look-up")
    assert after(wall, "mine") == wall and after(wall, "place").yard == wall.yard


def test_each_broken_rule_does_what_it_says() -> None:
    block = with_cube(yard(), (7, 2, 6))
    assert GAME.broken("through", block, "forward").z == 6
    assert GAME.broken("doubled", yard(), "mine") == replace(yard(), stock=4)
    assert GAME.broken("bar_still", yard(), "place").stock == 3
    placed = after(yard(), "place")
    assert GAME.broken("forgetful", placed, "turn-left").yard == yard().yard
    assert GAME.broken("forgetful", placed, "forward") == GAME.step(placed, "forward")
    high = with_cube(with_cube(yard(), (7, 2, 6)), (7, 3, 6))
    assert GAME.broken("through", high, "forward") == high


@pytest.mark.parametrize("seed", range(6))
def test_both_plans_run_into_every_rule_in_time(seed: int) -> None:
    start, plans, states = clip(seed)
    assert plans[0][:4] == plans[1][:4] and plans[0] != plans[1]
    decided = _pairs.decisive(GAME, start, plans, 5)
    assert decided is not None and decided <= _pairs.latest(17)
    assert GAME.returned(states).any()
    given = states[4]
    for rule in BREAKS:
        wrong = table(GAME, roll(GAME, given, plans[0][4:], rule))
        assert (wrong[decided - 4 :] != table(GAME, states)[decided:]).any(axis=1).all(), rule


def test_a_clip_that_is_too_short_is_refused() -> None:
    start = GAME.start(0, 0.25)
    with pytest.raises(UserError, match=r"frames=12 .* use 17"):
        GAME.pair(start, 0, 12, 5, 0.25)
    with pytest.raises(UserError, match=r"context=2 .* use 3"):
        GAME.pair(start, 0, 17, 2, 0.25)


def test_cells_and_states_are_inverse() -> None:
    _, plans, states = clip(3)
    for before, state in pairwise(states):
        assert GAME.adopt(before, before, GAME.cells(state)) == state
    unread = GAME.cells(states[0])
    unread[POSE] = UNREAD
    assert GAME.adopt(states[0], states[0], unread) is None
    assert len(plans[0]) == len(states) and len(set(map(len, table(GAME, states)))) == 1


def test_a_cube_counts_as_returned_only_after_it_was_out_of_view() -> None:
    states = roll(GAME, yard(), ("place", "wait", "turn-left", "turn-right", "wait"))
    where = POSE + land.editable().index((7, 2, 4))
    assert GAME.returned(states)[:, where].tolist() == [False, False, False, False, True]
    assert GAME.returned(states).sum() == 1


@pytest.mark.parametrize("look", ["plain", "rich"])
@pytest.mark.parametrize("seed", range(2))
def test_reads_the_truth_exactly(seed: int, look: str) -> None:
    setting = replace(SETTING, look=look)
    start, plans, states = clip(seed, seed % 2)
    assert (GAME.read(GAME.draw(states, setting), start, plans, setting) == table(GAME, states)).all()


@pytest.mark.parametrize("size", [(96, 64), (128, 128)])
def test_reads_other_sizes(size: tuple[int, int]) -> None:
    setting = replace(SETTING, width=size[0], height=size[1])
    start, plans, states = clip(2)
    assert (GAME.read(GAME.draw(states, setting), start, plans, setting) == table(GAME, states)).all()


@pytest.mark.parametrize("name", ["blur", "noise", "gamma 1.6", "tint", "relight", "zoom 3 %", "shift 2 %"])
def test_reads_through_nuisances(name: str) -> None:
    start, plans, states = clip(1, 1)
    frames = nuisance.nuisances(8.0, 64, 8.0)[name](GAME.draw(states, SETTING))
    read, true = GAME.read(frames, start, plans, SETTING), table(GAME, states)
    misread = ((read != true) & (read != UNREAD)).any(axis=1)
    assert misread.mean() < 0.1 and (read == true).all(axis=1).mean() > 0.9


@pytest.mark.parametrize("look", ["plain", "rich"])
def test_pictures_are_those_of_the_scene_compiled_as_any_other(look: str) -> None:
    _, _, states = clip(3)
    scene = _voxel_film.scene(states, 8.0, look)
    assert _voxel_film.compiled(states, look).digest() == compile_scene(scene, len(states), 8.0).digest()
    one = GAME.draw(states[9:10], replace(SETTING, look=look))
    assert (one == GAME.draw(states, replace(SETTING, look=look))[9:10]).all()


def test_what_is_read_does_not_depend_on_what_was_read_before() -> None:
    start, plans, states = clip(1)
    frames = GAME.draw(states, SETTING)
    once = GAME.read(frames, start, plans, SETTING)
    other, others, later = clip(2)
    GAME.read(GAME.draw(later, SETTING), other, others, SETTING)
    assert (GAME.read(frames, start, plans, SETTING) == once).all()


def test_reads_what_was_done_instead() -> None:
    start, plans, _ = clip(4)
    other = [GAME.opposite[action] for action in plans[0]]
    states = roll(GAME, start, [*plans[0][:4], *other[4:]])
    right = (GAME.read(GAME.draw(states, SETTING), start, plans, SETTING) == table(GAME, states)).all(axis=1)
    assert right.mean() > 0.9


def test_sees_that_a_cube_is_gone_when_it_is_in_view_again() -> None:
    start = yard()
    actions = ("place", "turn-left", "turn-right", "wait")
    true = roll(GAME, start, actions)
    wrong = roll(GAME, start, actions, "forgetful")
    where = POSE + land.editable().index((7, 2, 4))
    kept = GAME.read(GAME.draw(true, SETTING), start, (actions, actions), SETTING)[:, where]
    lost = GAME.read(GAME.draw(wrong, SETTING), start, (actions, actions), SETTING)[:, where]
    # Out of view nothing can be said of it, and it is taken to be where it was.
    assert kept.tolist() == [0, 5, 5, 5] and lost.tolist() == [0, 5, 5, 0]


def test_a_cube_that_is_half_there_is_unread() -> None:
    start = yard()
    frames = GAME.draw(roll(GAME, start, ("place", "wait")), SETTING)
    frames[1] = np.rint(frames.astype(float).mean(axis=0)).astype(np.uint8)
    read = GAME.read(frames, start, (("place", "wait"),) * 2, SETTING)
    assert read[1, POSE + land.editable().index((7, 2, 4))] == UNREAD
    assert (read[1, :4] == GAME.cells(start)[:4]).all()


@pytest.mark.parametrize("kind", ["black", "grey", "noise", "negative", "swapped"])
def test_pictures_of_no_state_are_unread(kind: str) -> None:
    start, plans, states = clip(0)
    frames = GAME.draw(states, SETTING)
    rng = np.random.default_rng(0)
    bad = {
        "black": np.zeros_like(frames),
        "grey": np.full_like(frames, 128),
        "noise": rng.integers(0, 256, frames.shape, dtype=np.uint8),
        "negative": 255 - frames,
        "swapped": frames[..., ::-1],
    }[kind]
    assert (GAME.read(bad, start, plans, SETTING) == UNREAD).all(axis=1).mean() > 0.9


def test_a_frozen_video_is_read_as_frozen() -> None:
    start, plans, states = clip(0)
    frames = np.repeat(GAME.draw(states[:1], SETTING), 17, axis=0)
    assert (GAME.read(frames, start, plans, SETTING) == GAME.cells(start)).all()


def test_the_bar_counts_the_stock() -> None:
    start = yard()
    frames = GAME.draw([replace(start, stock=n) for n in range(7)], SETTING)
    assert voxel_reader.read_bars(frames).tolist() == list(range(7))
    assert (voxel_reader.read_bars(frames * 0) == UNREAD).all()


def test_observer_rebuilds_what_the_plans_show() -> None:
    start, plans, states = clip(5)
    frames = GAME.draw(states, SETTING)
    condition = Condition("x", "act", frames[:5], "", 64, 64, 17, 8.0, actions=plans[0])
    seen = GAME.observe(condition, SETTING)
    assert seen is not None
    rolled = GAME.draw(roll(GAME, seen, plans[0][4:]), SETTING)
    read = GAME.read(np.concatenate([frames[:4], rolled]), start, plans, SETTING)
    assert (read == table(GAME, states)).all(axis=1).mean() > 0.9
    assert GAME.observe(replace(condition, given_frames=frames[:5] * 0), SETTING) is None
    assert GAME.observe(replace(condition, given_frames=frames[:2]), SETTING) is None
