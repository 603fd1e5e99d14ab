"""Scripted cheats and damage for games: other actions, other rules, and pictures of no game.

All begin after the last given frame. Cheats that play follow the true state up to there.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simbench.case import Case, Setting
from simbench.suite import Damage, Reference
from simbench.video import Video
from simbench.worlds import games
from simbench.worlds.games import Game, State


@dataclass(frozen=True)
class Play:
    """A case: the game and its seed, both sequences of actions, the first judged frame."""

    name: str
    seed: int
    difficulty: float
    actions: tuple[str, ...]
    other: tuple[str, ...]
    decided: int
    setting: Setting

    @property
    def game(self) -> Game:
        """The game that is played."""
        return games.find(self.name)

    @property
    def context(self) -> int:
        """Given frames."""
        return self.setting.context

    def states(self, actions: Sequence[str] | None = None, rule: str = "") -> list[State]:
        """The states of all frames, with other `actions` or a broken `rule` from the last given one on."""
        known = _rolled(self.name, self.seed, self.difficulty, self.actions)
        if actions is None and not rule:
            return list(known)
        k = self.context
        later = tuple(self.actions if actions is None else actions)[k - 1 :]
        return [*known[: k - 1], *games.roll(self.game, known[k - 1], later, rule)]

    def shown(self) -> State:
        """The state of the last given frame."""
        return self.states()[self.context - 1]

    def read(self, frames: np.ndarray) -> np.ndarray:
        """Cells int64 [T, N] of a video, read alike whichever sequence was asked for."""
        plans = sorted((self.actions, self.other))
        return self.game.read(frames, self.states()[0], plans, self.setting)

    def drawn(self, states: Sequence[State]) -> np.ndarray:
        """The true given frames, then what `states` [T] look like: uint8 [T, H, W, 3]."""
        out = truth(self)
        out[self.context :] = self.game.draw(states[self.context :], self.setting)
        return out


@lru_cache(maxsize=4)
def _rolled(name: str, seed: int, difficulty: float, actions: tuple[str, ...]) -> tuple[State, ...]:
    game = games.find(name)
    return tuple(games.roll(game, game.start(seed, difficulty), actions))


@lru_cache(maxsize=2)
def _drawn(play: Play) -> np.ndarray:
    out = play.game.draw(play.states(), play.setting)
    out.setflags(write=False)
    return out


def play_of(case: Case, setting: Setting) -> Play:
    """What is played in a case."""
    facts = case.truth.facts
    actions, other = tuple(facts["actions"]), tuple(facts["other"])
    return Play(
        facts["game"], case.world_seed, facts["difficulty"], actions, other, facts["decided"], setting
    )


def truth(play: Play) -> np.ndarray:
    """RGB uint8 [T, H, W, 3] of a case; the last two are kept."""
    return _drawn(play).copy()


Edit = Callable[[Play], np.ndarray]


def blind(play: Play) -> np.ndarray:
    """Plays by the rules and does nothing."""
    return play.drawn(play.states([play.game.actions[0]] * len(play.actions)))


def other_actions(play: Play) -> np.ndarray:
    """Plays the scene's other sequence."""
    return play.drawn(play.states(play.other))


def opposite(play: Play) -> np.ndarray:
    """Does what undoes each action."""
    return play.drawn(play.states([play.game.opposite[action] for action in play.actions]))


def random_actions(play: Play) -> np.ndarray:
    """Any actions."""
    dice = random.Random(f"{play.seed}:{play.actions}")
    return play.drawn(play.states(dice.choices(play.game.actions, k=len(play.actions))))


def backwards(play: Play) -> np.ndarray:
    """The right actions in reverse order."""
    k = play.context - 1
    return play.drawn(play.states([*play.actions[:k], *play.actions[k:][::-1]]))


def one_action(play: Play) -> np.ndarray:
    """The first action that follows the given frames, over and over."""
    k = play.context - 1
    return play.drawn(play.states([play.actions[k]] * len(play.actions)))


def breaking(rule: str) -> Edit:
    """Plays the right actions with one rule broken."""
    return lambda play: play.drawn(play.states(rule=rule))


def frozen(play: Play) -> np.ndarray:
    """The last given frame for ever."""
    out = truth(play)
    out[play.context :] = out[play.context - 1]
    return out


def reset(play: Play) -> np.ndarray:
    """Right until every rule has mattered, then the first frame again."""
    out = truth(play)
    out[play.decided :] = out[0]
    return out


def stops(play: Play) -> np.ndarray:
    """Right until every rule has mattered, then nothing moves but what the first judged frame lacks."""
    out = truth(play)
    out[play.decided :] = out[play.decided - 1]
    return out


def loop(play: Play) -> np.ndarray:
    """The given frames over and over."""
    out = truth(play)
    out[play.context :] = out[np.arange(len(out) - play.context) % play.context]
    return out


def elsewhere(play: Play) -> np.ndarray:
    """The right actions in another level."""
    game = play.game
    start = game.start(play.seed + 1, play.difficulty)
    return play.drawn(games.roll(game, start, play.actions))


def mirrored(play: Play) -> np.ndarray:
    """Left is right."""
    out = truth(play)
    out[play.context :] = out[play.context :, :, ::-1]
    return out


def colours_swapped(play: Play) -> np.ndarray:
    """Red is blue and blue is red."""
    out = truth(play)
    out[play.context :] = out[play.context :, :, :, ::-1]
    return out


def negative(play: Play) -> np.ndarray:
    """Dark is bright and bright is dark."""
    out = truth(play)
    out[play.context :] = 255 - out[play.context :]
    return out


def _mixed(play: Play, share: float, to: np.ndarray) -> np.ndarray:
    """`share` of the truth and the rest of `to`."""
    out = truth(play)
    mixed = share * out.astype(np.float32) + (1.0 - share) * to.astype(np.float32)
    out[play.context :] = np.rint(mixed).astype(np.uint8)[play.context :]
    return out


def ghost(play: Play) -> np.ndarray:
    """Both futures at once, half each."""
    return _mixed(play, 0.5, other_actions(play))


def flicker(play: Play) -> np.ndarray:
    """Both futures in turn."""
    out, other = truth(play), other_actions(play)
    late = np.arange(play.context, len(out))
    turn = (
        late[(late + play.seed) % 2 == 0] if play.actions < play.other else late[(late + play.seed) % 2 == 1]
    )
    out[turn] = other[turn]
    return out


def noise(play: Play) -> np.ndarray:
    """Independent noise."""
    out = truth(play)
    rng = np.random.default_rng(play.seed)
    out[play.context :] = rng.integers(0, 256, out[play.context :].shape, dtype=np.uint8)
    return out


def black(play: Play) -> np.ndarray:
    """Nothing."""
    out = truth(play)
    out[play.context :] = 0
    return out


CHEATS: Mapping[str, Edit] = {
    "blind": blind,
    "other_actions": other_actions,
    "opposite": opposite,
    "random_actions": random_actions,
    "backwards": backwards,
    "one_action": one_action,
    **{rule: breaking(rule) for rule in games.BREAKS},
    "frozen": frozen,
    "reset": reset,
    "stops": stops,
    "loop": loop,
    "elsewhere": elsewhere,
    "mirrored": mirrored,
    "colours_swapped": colours_swapped,
    "negative": negative,
    "ghost": ghost,
    "flicker": flicker,
    "noise": noise,
    "black": black,
}


def cheats(setting: Setting) -> dict[str, Reference]:
    """All cheats by name."""

    def reference(edit: Edit) -> Reference:
        """An edit as a reference of the suite."""
        return lambda case: Video(edit(play_of(case, setting)), setting.fps)

    return {name: reference(edit) for name, edit in CHEATS.items()}


def _dice(play: Play) -> np.random.Generator:
    """The same for every strength, so that what is spoilt at one is spoilt at any larger."""
    return np.random.default_rng([play.seed, len(play.actions), int(play.actions < play.other)])


def slips(play: Play, strength: float) -> np.ndarray:
    """`strength` of the actions do nothing."""
    lost = _dice(play).uniform(size=len(play.actions)) < strength
    idle = play.game.actions[0]
    taken = [idle if gone else action for gone, action in zip(lost, play.actions, strict=True)]
    return play.drawn(play.states(taken))


def mistaken(play: Play, strength: float) -> np.ndarray:
    """`strength` of the actions are those of the other sequence."""
    wrong = _dice(play).uniform(size=len(play.actions)) < strength
    pairs = zip(wrong, play.actions, play.other, strict=True)
    return play.drawn(play.states([other if gone else action for gone, action, other in pairs]))


def late(play: Play, strength: float) -> np.ndarray:
    """The truth, `strength` frames behind: the answer to an action comes that much later."""
    out = truth(play)
    behind = np.arange(play.context, len(out)) - round(strength)
    out[play.context :] = truth(play)[np.maximum(behind, play.context - 1)]
    return out


def halts(play: Play, strength: float) -> np.ndarray:
    """Nothing moves in the last `strength` of the judged frames."""
    out = truth(play)
    last = len(out) - round(strength * (len(out) - play.decided))
    out[last:] = out[last - 1] if strength < 1.0 else out[play.context - 1]
    return out


def fading(play: Play, strength: float) -> np.ndarray:
    """`strength` of the last given frame shines through."""
    return _mixed(play, 1.0 - strength, frozen(play))


def dropped(play: Play, strength: float) -> np.ndarray:
    """Frames are noise with probability `strength`."""
    out = truth(play)
    gone = _dice(play).uniform(size=len(out)) < strength
    gone[: play.context] = False
    out[gone] = noise(play)[gone]
    return out


def wrong_squares(play: Play, strength: float) -> np.ndarray:
    """`strength` of the squares, others in every frame, show what another square shows."""
    out = truth(play)
    rng = _dice(play)
    height, width = (side // 8 for side in out.shape[1:3])
    for frame in out[play.context :]:
        from_where = rng.permutation(64)
        for k in np.flatnonzero(rng.uniform(size=64) < strength):
            (y, x), (v, u) = divmod(int(k), 8), divmod(int(from_where[k]), 8)
            part = frame[v * height : (v + 1) * height, u * width : (u + 1) * width]
            frame[y * height : (y + 1) * height, x * width : (x + 1) * width] = part.copy()
    return out


DAMAGES: Mapping[str, tuple[Callable[[Play, float], np.ndarray], str, tuple[float, ...]]] = {
    "slips": (slips, "of the actions lost", (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)),
    "mistaken": (mistaken, "of the actions", (0.0, 0.1, 0.2, 0.4, 0.7, 1.0)),
    "late": (late, "frames behind", (0.0, 1.0, 2.0, 3.0, 4.0, 6.0)),
    "halts": (halts, "of the judged frames", (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)),
    "fading": (fading, "of the last given frame", (0.0, 0.15, 0.3, 0.45, 0.6, 1.0)),
    "dropped": (dropped, "in probability", (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)),
    "squares": (wrong_squares, "of the squares", (0.0, 0.002, 0.005, 0.02, 0.05, 0.2)),
}


def damages(setting: Setting) -> dict[str, Damage]:
    """All damage by name, as a suite hands it to the proofs."""

    def made(spoil: Callable[[Play, float], np.ndarray], unit: str, strengths: tuple[float, ...]) -> Damage:
        """One kind of damage of this setting."""

        def make(case: Case, strength: float) -> Video:
            """The spoilt clip of a case; no strength is the truth byte for byte."""
            play = play_of(case, setting)
            return Video(truth(play) if strength == 0.0 else spoil(play, strength), setting.fps)

        return Damage(make, unit, strengths)

    return {name: made(*parts) for name, parts in DAMAGES.items()}
