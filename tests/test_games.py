"""The games of digital: their rules by hand, their boards at any size, and what a reader makes of them."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest

from simbench.case import Setting
from simbench.errors import UserError
from simbench.references import nuisance
from simbench.worlds import games
from simbench.worlds.games import _art, _pairs, _screen, _tiles, craft, pong, sokoban
from simbench.worlds.games.craft import EARTH, SKY, Land
from simbench.worlds.games.pong import Table
from simbench.worlds.games.sokoban import Store

SETTING = Setting(width=64, height=64, given="act")
TILED = ("craft", "pong", "sokoban")


def played(name: str, seed: int, actions: list[str]) -> list[games.State]:
    """The states of a game under some actions."""
    game = games.find(name)
    return games.roll(game, game.start(seed, 0.25), [*actions, game.actions[0]])


def walk(name: str, seed: int, count: int = 16) -> list[games.State]:
    """The states of a game under random actions."""
    return played(name, seed, random.Random(seed).choices(games.find(name).actions, k=count))


def test_games_are_found_by_their_file() -> None:
    assert set(TILED) <= set(games.names())
    for name in games.names():
        assert games.find(name).name == name


@pytest.mark.parametrize(
    ("name", "hint"), [("pnog", "did you mean pong"), ("cow", "craft"), ("a.b", "import")]
)
def test_an_unknown_world_is_refused(name: str, hint: str) -> None:
    with pytest.raises(UserError, match=hint):
        games.find(name)


def test_a_module_without_a_game_is_refused() -> None:
    with pytest.raises(UserError, match="no GAME"):
        games.find("simbench.case")


@pytest.mark.parametrize("name", games.names())
def test_every_action_has_words_and_an_opposite(name: str) -> None:
    game = games.find(name)
    assert set(game.words) == set(game.opposite) == set(game.actions)
    assert set(game.opposite.values()) <= set(game.actions)


@pytest.mark.parametrize("name", games.names())
def test_a_step_is_a_pure_function_and_states_are_hashable(name: str) -> None:
    game = games.find(name)
    for seed in range(3):
        for state in walk(name, seed):
            for action in game.actions:
                after = game.step(state, action)
                assert after == game.step(state, action)
                assert hash(after) == hash(game.step(state, action))
                assert game.cells(after).shape == game.cells(state).shape
                assert game.cells(after).min() >= 0


@pytest.mark.parametrize("name", games.names())
def test_a_pair_begins_alike_and_every_rule_matters_in_both(name: str) -> None:
    game = games.find(name)
    for seed in range(4):
        start = game.start(seed, 0.25)
        pair = game.pair(start, seed, 17, 5, 0.25)
        assert pair == game.pair(start, seed, 17, 5, 0.25)
        assert all(len(actions) == 17 for actions in pair)
        assert pair[0][:4] == pair[1][:4]
        decided = _pairs.decisive(game, start, pair, 5)
        assert decided is not None and 5 <= decided <= _pairs.latest(17)
        truths = [games.table(game, games.roll(game, start, actions)) for actions in pair]
        assert (truths[0] != truths[1]).any(axis=1)[decided:].all()
        shown = games.reached(game, start, pair[0][:4])
        for actions, truth in zip(pair, truths, strict=True):
            for rule in games.BREAKS:
                wrong = games.table(game, games.roll(game, shown, actions[4:], rule))
                assert (wrong != truth[4:]).any(axis=1)[decided - 4 :].all(), rule


def test_a_clip_too_short_says_how_long() -> None:
    game = games.find("sokoban")
    with pytest.raises(UserError, match="use frames=17 or more"):
        game.pair(game.start(0, 0.25), 0, 7, 5, 0.25)


def test_pong_bounces_off_edges_and_either_half_of_the_paddle() -> None:
    table = Table((0, 3), (-1, 1), 2, 0, "day")
    assert pong.GAME.step(table, "wait").ball == (1, 4)
    assert pong.GAME.step(table, "up").paddle == 1
    corner = pong.GAME.step(Table((6, 7), (1, 1), 0, 0, "day"), "wait")
    assert (corner.ball, corner.way) == ((5, 6), (-1, -1))
    coming = Table((3, 1), (-1, -1), 2, 1, "day")
    upper, lower = pong.GAME.step(coming, "wait"), pong.GAME.step(coming, "up")
    assert (upper.ball, upper.way, upper.points) == ((2, 1), (-1, 1), 2)
    assert (lower.ball, lower.way, lower.points) == ((2, 1), (1, 1), 2)
    missed = pong.GAME.step(dataclasses.replace(coming, paddle=5), "wait")
    assert (missed.ball, missed.way, missed.points) == (pong.SERVE, (1, -1), 0)


def test_sokoban_pushes_one_crate_and_no_wall() -> None:
    walls = frozenset({(0, 3)})
    store = Store(walls, frozenset({(3, 5)}), ((3, 4), (5, 1), (6, 1)), (3, 3), 0, "day")
    pushed = sokoban.GAME.step(store, "right")
    assert pushed.player == (3, 4) and pushed.crates == ((3, 5), (5, 1), (6, 1)) and pushed.points == 1
    assert sokoban.GAME.cells(pushed).reshape(8, 8)[4, 5] == sokoban.CRATE_ON
    below = dataclasses.replace(store, player=(4, 1))
    assert sokoban.GAME.step(below, "down") == below
    beside = dataclasses.replace(store, player=(1, 3))
    assert sokoban.GAME.step(beside, "up") == beside
    assert sokoban.GAME.step(store, "left").crates == store.crates
    edge = dataclasses.replace(store, player=(3, 6), crates=((3, 7),))
    assert sokoban.GAME.step(edge, "right") == edge


def flat() -> Land:
    """Level ground, the player in column 7, the last one of the left page."""
    rows = [[SKY] * 16 for _ in range(5)] + [[EARTH] * 16, [craft.BEDROCK] * 16]
    return Land(tuple(map(tuple, rows)), (4, 7), 1, (1, 0), "day")


def test_craft_walks_climbs_falls_takes_and_places() -> None:
    step = craft.GAME.step
    land = flat()
    placed = step(land, "place earth")
    assert placed.world[4][8] == EARTH and placed.held == (0, 0)
    assert step(placed, "place earth") == placed and step(land, "place stone") == land
    climbed = step(placed, "right")
    assert climbed.player == (3, 8) and climbed.page == 1
    assert step(climbed, "right").player == (4, 9)
    dug = step(land, "take")
    assert dug.world[5][8] == SKY and dug.held == (2, 0)
    assert step(dug, "right").player == (5, 8)
    assert step(step(dug, "right"), "take").held == (3, 0)
    assert step(placed, "take").world == land.world
    high = step(dataclasses.replace(climbed, way=1), "wait")
    assert high == climbed
    end = dataclasses.replace(land, player=(4, 15))
    assert step(end, "right") == end and step(end, "take") == end
    full = dataclasses.replace(land, held=(4, 0))
    assert step(full, "take") == full


def test_craft_blocks_remain_where_they_were_put_unless_the_world_forgets() -> None:
    actions = ["left", "right", "place earth", "left", "right", "right", "left", "wait"]
    land = dataclasses.replace(flat(), player=(4, 8))
    states = games.roll(craft.GAME, land, actions)
    assert states[-1].world[4][9] == EARTH
    back = craft.GAME.returned(states)
    assert back.any() and not back[:5].any()
    forgets = games.roll(craft.GAME, land, actions, "forgetful")
    assert forgets[-1].world[4][9] == SKY


@pytest.mark.parametrize("rule", games.BREAKS)
def test_a_broken_rule_shows_in_pong(rule: str) -> None:
    coming = Table((3, 1), (-1, -1), 2, 0, "day")
    right = games.roll(pong.GAME, coming, ["wait"] * 4)
    wrong = games.roll(pong.GAME, coming, ["wait"] * 4, rule)
    assert not np.array_equal(games.table(pong.GAME, right), games.table(pong.GAME, wrong))


@pytest.mark.parametrize(
    ("theme", "size", "look"),
    [
        *((theme, (64, 64), "rich") for theme in _art.THEMES),
        ("day", (96, 64), "plain"),
        ("night", (72, 100), "rich"),
        ("sand", (256, 200), "plain"),
    ],
)
def test_boards_are_read_as_they_were_drawn(theme: str, size: tuple[int, int], look: str) -> None:
    setting = Setting(width=size[0], height=size[1], look=look)
    for name in TILED:
        game = games.find(name)
        states = [dataclasses.replace(state, theme=theme) for state in walk(name, 5, 8)]
        frames = game.draw(states, setting)
        assert frames.shape == (len(states), size[1], size[0], 3)
        read = game.read(frames, states[0], (), setting)
        assert (read == games.table(game, states)).mean() > 0.999, name


@pytest.mark.parametrize("name", TILED)
def test_nuisances_move_no_square(name: str) -> None:
    game = games.find(name)
    for theme in ("night", "mint"):
        states = [dataclasses.replace(state, theme=theme) for state in walk(name, 3, 6)]
        frames, cells = game.draw(states, SETTING), games.table(game, states)
        for kind, change in nuisance.nuisances(8.0, 64, 8.0).items():
            read = game.read(change(frames), states[0], (), SETTING)
            assert (read == cells).mean() > 0.97, (theme, kind)
            assert ((read != cells) & (read >= 0)).mean() < 0.003, (theme, kind)


def test_what_is_no_tile_is_unread() -> None:
    state = games.find("sokoban").start(1, 0.25)
    game = games.find("sokoban")
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    assert (game.read(noise, state, (), SETTING) == games.UNREAD).mean() > 0.9
    drawn = game.draw(walk("sokoban", 1), SETTING)
    ghost = (0.5 * drawn[:1] + 0.5 * drawn[:1, ::-1]).astype(np.uint8)
    read = game.read(ghost, state, (), SETTING)
    differing = (game.cells(state) != game.read(drawn[:1, ::-1].copy(), state, (), SETTING)[0])[None]
    assert (read == games.UNREAD)[differing].mean() > 0.5


@pytest.mark.parametrize("name", TILED)
def test_a_read_state_goes_on_by_the_rules(name: str) -> None:
    game = games.find(name)
    dice = random.Random(4)
    state = game.start(4, 0.25)
    for _ in range(16):
        action = dice.choice(game.actions)
        after = game.step(state, action)
        assert game.adopt(state, after, game.cells(after)) == after
        state = after
    assert game.adopt(state, state, np.full(64, games.UNREAD)) is None


def test_a_game_is_a_clip_like_any_other() -> None:
    game = games.find("craft")
    states = walk("craft", 2)
    clip = _screen.clip(game, states, dataclasses.replace(SETTING, width=96))
    assert clip.rgb.shape == (len(states), 64, 96, 3) and clip.depth.shape == clip.ids.shape == (
        len(states),
        64,
        96,
    )
    inside = clip.ids[:, 4::8, 20:80:8]
    assert np.array_equal(inside.reshape(len(states), -1), games.table(game, states))
    corner = clip.intrinsics[0] @ (clip.poses[0] @ [0.75, 0.5, 0.0, 1.0])[:3]
    assert corner[:2] / corner[2] == pytest.approx([96.0, 0.0])
    scene = _screen.scene("craft", 2, SETTING, ["left", "wait"])
    assert scene.from_json(scene.to_json()).family == "digital-craft"


def test_a_theme_that_no_training_shows_comes_up_in_a_quarter() -> None:
    themes = [games.find("pong").start(seed, 0.25).theme for seed in range(200)]
    assert set(themes) == set(_art.THEMES)
    assert 0.15 < np.mean([theme in _art.TEST for theme in themes]) < 0.35
    assert _tiles.CELLS == 64
