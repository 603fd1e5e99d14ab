"""The example that makes a Gymnasium environment a world of digital: with a fake one, and with a real one."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import numpy as np
import pytest
from conftest import build

from examples import gym_world
from simbench.errors import UserError
from simbench.suite import CaseScore
from simbench.worlds import games


class Lamps:
    """A fake environment with Gymnasium's methods: a light that moves over dark squares and paints them."""

    def reset(self, seed: int | None = None) -> tuple[Any, dict[str, Any]]:
        """Back to the start."""
        self.place, self.lit = (seed or 0) % 4, np.zeros(16, bool)
        return None, {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """0 waits, 1 moves on, 2 paints."""
        self.place = (self.place + (action == 1)) % 16
        if action == 2:
            self.lit[self.place] ^= True
        return None, 0.0, False, False, {}

    def render(self) -> np.ndarray:
        """RGB uint8 [32, 32, 3]."""
        out = np.full((4, 4, 3), 40, np.uint8)
        out.reshape(16, 3)[self.lit] = (240, 220, 40)
        out.reshape(16, 3)[self.place] = (220, 30, 30) if self.lit[self.place] else (40, 60, 230)
        return out.repeat(8, 0).repeat(8, 1)

    def close(self) -> None:
        """Nothing to close."""


WORLD = gym_world.GymWorld(
    "lamps", ("wait", "on", "paint"), "A light on squares.", build=lambda name: Lamps()
)


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The suite with the fake environment."""
    monkeypatch.setattr(gym_world, "GAME", WORLD)
    return dataclasses.replace(build("suite", "digital"), world="examples.gym_world")


def score(suite: Any, make: Any) -> float:
    """Raw S of two scenes."""
    rows = []
    for scene in suite.scenes(2, "public"):
        for c in suite.cases(scene):
            rows.append(CaseScore(c.id, c.scene, 0, c.tags, 0, "ok", "", suite.score(c, make(c))))
    return float(np.mean([v["S"] for v in suite.aggregate(rows).values()]))


def test_a_fake_environment_is_a_world(suite: Any) -> None:
    assert score(suite, suite.oracle) == 1.0
    assert score(suite, suite.cheats()["other_actions"]) == -1.0
    for name in ("blind", "frozen", "noise", "through"):
        assert abs(score(suite, suite.cheats()[name])) <= 0.05, name


def test_what_its_frames_do_not_tell_is_not_observed(suite: Any) -> None:
    case = suite.cases(suite.scenes(1, "public")[0])[0]
    assert np.array_equal(
        suite.observer(case.condition).frames[5:9], case.condition.given_frames[-1:].repeat(4, 0)
    )


def test_without_gymnasium_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(UserError, match="pip install gymnasium"):
        gym_world.make("CartPole-v1")


def test_a_real_environment_is_a_world() -> None:
    pytest.importorskip("gymnasium")
    pytest.importorskip("pygame")
    game = gym_world.GAME
    start = game.start(3, 0.25)
    left = games.reached(game, start, ["push left"] * 6)
    right = games.reached(game, start, ["push right"] * 6)
    assert not np.array_equal(game.cells(left), game.cells(right))
    assert np.array_equal(game.cells(left), game.cells(games.reached(game, start, ["push left"] * 6)))
