"""digital: games with published rules, played by the actions that are asked for.

A scene is one start and two sequences of actions that begin alike; both cases have the same given frames.
S = 100 (frames that show the whole state of the future asked for - frames that show that of the other) over
the frames in which the futures differ and every rule has mattered. What is blind to the actions shows as
much of one as of the other: it is at 0 whatever it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import groupby
from typing import ClassVar

import numpy as np

from simbench.case import Case, Condition, Setting, Truth
from simbench.errors import UserError
from simbench.instruments import rules
from simbench.references import digital as references
from simbench.references import nuisance
from simbench.suite import Bound, CaseScore, Damage, Measures, Question, Reference
from simbench.video import Video
from simbench.worlds import games
from simbench.worlds.games import Game, _pairs, _screen
from suites.common import by_sample, scaled
from suites.naming import case_name, scene_ids, seed_of

ANY = "any"
DEFAULT = ("craft", "pong", "sokoban")
"""Games that take turns where nothing else is asked for; others are another setting."""
TRIALS = ("first", "second")
STARTS = 8
"""Starts that are tried for a scene: in about one of a hundred of sokoban's no rule can matter in time."""

Pair = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class Digital:
    """The suite. `world`: games that take turns, as in pong+craft, modules with a GAME among them, or any:
    all on disk; what is not the default becomes part of the setting's name. `oracle_raw` maps a setting's
    name to the oracle's raw measures, pinned by calibration."""

    setting: Setting = Setting(width=64, height=64, given="act")
    world: str = "+".join(DEFAULT)
    oracle_raw: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    name: str = "digital"
    version: int = 1
    preload: ClassVar[tuple[str, ...]] = ("simbench.warm", "suites.digital")
    columns: ClassVar[tuple[str, ...]] = (
        "f1_near", "f1_far", "effect", "late", "rules", "kept", "unread",
    )  # fmt: skip

    def __post_init__(self) -> None:
        option = "" if self.worlds == DEFAULT else f"world={'+'.join(self.worlds)}"
        object.__setattr__(self, "setting", replace(self.setting, option=option))
        s = self.setting
        for name in self.worlds:
            games.find(name)
        if min(s.width, s.height) < 64:
            raise UserError(f"size={s.width}x{s.height} is below 64 px: tiles need 8 px; use size=64")
        if s.given != "act":
            raise UserError(f"given={s.given} leaves the actions open in digital; use given=act")
        if s.context < 3:
            raise UserError(f"context={s.context} does not show how things move; use 3 frames or more")
        if s.prompt != "plain":
            raise UserError(f"prompt={s.prompt} would say what a game comes to; use prompt=plain")
        if s.frames < s.context + 12:
            raise UserError(
                f"frames={s.frames} with context={s.context} is too short for every rule to matter;"
                f" use frames={s.context + 12} or more"
            )

    @property
    def worlds(self) -> tuple[str, ...]:
        """Names of the games that take turns."""
        return games.names() if self.world == ANY else tuple(self.world.split("+"))

    def scenes(self, count: int, seed: str) -> Sequence[str]:
        """Ids of the first `count` scenes of a seed space."""
        return scene_ids(count, seed)

    def cases(self, scene: str) -> Sequence[Case]:
        """Two sequences of actions from one start."""
        index, s = int(scene.rsplit("-", 1)[1]), self.setting
        game = games.find(self.worlds[index % len(self.worlds)])
        seed, start, pair = self._opening(game, seed_of(self.name, scene))
        decided = _pairs.decisive(game, start, pair, s.context)
        assert decided is not None, "a pair that never comes apart"
        shown = game.draw(games.roll(game, start, pair[0][: s.context]), s)
        return [
            self._case(scene, seed, game, start, (pair[k], pair[1 - k]), decided, shown, k) for k in (0, 1)
        ]

    def _opening(self, game: Game, first: int) -> tuple[int, games.State, Pair]:
        """The first seed from `first` on with a start in which every rule can matter in time, that start, and
        its two sequences: a crate in a corner is nobody's to push.

        UserError where none of several has one: the clip is too short.
        """
        s = self.setting
        for seed in range(first, first + STARTS):
            start = game.start(seed, s.difficulty)
            try:
                return seed, start, game.pair(start, seed, s.frames, s.context, s.difficulty)
            except UserError as error:
                problem = error
        raise problem

    def _case(
        self,
        scene: str,
        seed: int,
        game: Game,
        start: games.State,
        pair: Pair,
        decided: int,
        shown: np.ndarray,
        which: int,
    ) -> Case:
        s = self.setting
        name = case_name(self.name, scene, s, game.name, TRIALS[which])
        condition = Condition(
            name=name,
            given=s.given,
            given_frames=shown.copy(),
            prompt=prompt(game, start, pair[0]),
            width=s.width,
            height=s.height,
            frames=s.frames,
            fps=s.fps,
            actions=pair[0],
        )
        facts = {
            "game": game.name,
            "difficulty": s.difficulty,
            "actions": list(pair[0]),
            "other": list(pair[1]),
            "decided": decided,
        }
        judged = s.frames - decided
        tags = {"trial": TRIALS[which], "world": game.name, "judged": float(judged)}
        truth = Truth(_screen.scene(game.name, seed, s, pair[0]), facts)
        return Case(name, scene, seed, condition, truth, tags)

    def scorer(self, case: Case) -> Callable[[Video], Measures]:
        """Roll both futures out once; the result reads any number of videos."""
        play = references.play_of(case, self.setting)
        futures = _futures(play)

        def score(video: Video) -> Measures:
            """Sums over the judged frames of one video."""
            return measure(play, futures, video.frames)

        return score

    def score(self, case: Case, video: Video) -> Measures:
        """Raw measures of one video of one case."""
        return self.scorer(case)(video)

    def trace(self, case: Case, video: Video) -> Mapping[str, Sequence[float | None]]:
        """Share of the cells of each frame that are as in the future asked for, and as in the other."""
        play = references.play_of(case, self.setting)
        own, other = _futures(play)
        read = play.read(video.frames)
        return {
            "as asked": [float(v) for v in (read == own).mean(axis=1)],
            "as the other": [float(v) for v in (read == other).mean(axis=1)],
        }

    def question(self, case: Case) -> Question:
        """What a person is asked about a clip of this case."""
        frames = tuple(range(case.truth.facts["decided"], self.setting.frames))
        text = "Is every square of every marked frame as the rules and the actions make it?"
        return Question(text, asks="right", every=True, frames=frames)

    def aggregate(self, rows: Sequence[CaseScore]) -> Mapping[str, Mapping[str, float]]:
        """Per scene: S and its relatives; what is not ok shows neither future."""
        return by_sample(rows, _scene_values)

    def calibrated(self, metric: str, raw: float) -> float:
        """S = 100 raw / oracle: blind to the actions is zero by construction; shares become points."""
        if metric == "S":
            return scaled(raw, self.oracle_raw, self.setting.name())
        return 100.0 * raw

    def oracle(self, case: Case) -> Video:
        """The truth, drawn."""
        return Video(references.truth(references.play_of(case, self.setting)), self.setting.fps)

    def observer(self, condition: Condition) -> Video:
        """Reads the last given state, plays the actions by the rules, and draws what follows."""
        from simbench.generators.rollout import hold

        out, s = hold(condition), self.setting
        given = len(condition.given_frames)
        for name in games.names():
            game = games.find(name)
            if game.rules in condition.prompt and condition.actions is not None:
                state = game.observe(condition, s)
                if state is not None:
                    states = games.roll(game, state, condition.actions[given - 1 :])
                    out[given:] = game.draw(states[1:], s)
        return Video(out, condition.fps)

    def cheats(self) -> Mapping[str, Reference]:
        """Scripted bad generators."""
        return references.cheats(self.setting)

    def bounds(self) -> Mapping[str, Bound]:
        """Every cheat may score 5 points at the most: zero, and room for luck of the draw."""
        return {name: Bound(5.0) for name in self.cheats()}

    def damages(self) -> Mapping[str, Damage]:
        """The truth, spoilt from the last given frame on."""
        found = references.damages(self.setting)
        # A walker turns back and forth: two frames late is right more often (16.3 points) than one (4.2).
        return {name: kind for name, kind in found.items() if name != "late" or "voxel" not in self.worlds}

    def nuisances(self, case: Case) -> Mapping[str, nuisance.Nuisance]:
        """All of them, for things of the size of a tile."""
        s = self.setting
        side = min(s.width, s.height)
        return nuisance.nuisances(side / 8, side, s.fps)

    def baselines(self) -> Mapping[str, Bound]:
        """None of them looks at the actions."""
        names = ("copy_last", "frozen", "flow", "constant_velocity")
        return {name: Bound(5.0) for name in names}


@lru_cache(maxsize=2)
def _futures(play: references.Play) -> tuple[np.ndarray, np.ndarray]:
    """Cells [T, N] of the future asked for and of the other."""
    return games.table(play.game, play.states()), games.table(play.game, play.states(play.other))


def prompt(game: Game, start: games.State, actions: Sequence[str]) -> str:
    """What is seen, the rules, what each action does, and the actions in plain words."""
    used = [name for name in game.actions if name in actions]
    meaning = "; ".join(f"{name}: {game.words[name]}" for name in used)
    runs = [(action, len(list(run))) for action, run in groupby(actions[:-1])]
    told = ", ".join(action if count == 1 else f"{action} ({count} times)" for action, count in runs)
    return (
        f"{game.describe(start)} {game.rules} There is one action for each frame, and the next frame shows"
        f" what it did. Actions: {meaning}. From the first frame on: {told}."
    )


def measure(play: references.Play, futures: tuple[np.ndarray, np.ndarray], frames: np.ndarray) -> Measures:
    """Measures of one video uint8 [T, H, W, 3]: sums over the judged frames for S, `effect` and `late` (what
    a frame should show, sought in the next), over all frames that are not given for F1 (near: the first half
    of them), rules and what was kept."""
    own, other = futures
    context = play.setting.context
    read = play.read(frames)
    judged = np.arange(play.decided, len(frames))
    first = own[context - 1]
    out = rules.sides(read, own, other, judged, first)
    behind = rules.sides(read[1:], own[:-1], other[:-1], judged[:-1], first)
    out |= {f"late_{name}": behind[name] for name in ("own", "other")}
    middle = (context + len(frames)) // 2
    for word, part in (("near", slice(context, middle)), ("far", slice(middle, None))):
        counts = rules.active(read[part], own[part], first)
        out |= {f"{name}_{word}": value for name, value in counts.items()}
    right, count = rules.lawful(play.game, play.shown(), play.actions, read, context)
    out |= {"lawful": right, "moved": count}
    out |= rules.kept(read[context:], own[context:], play.game.returned(play.states())[context:])
    out |= rules.doubts(frames[judged], read[judged], first)
    return {**out, "right": float(out["own"] == len(judged))}


def _scene_values(rows: Sequence[CaseScore]) -> dict[str, float]:
    """Raw values of one scene and sample. A case that is not ok has no frame of either future."""
    judged = sum(float(row.tags["judged"]) for row in rows)
    read = [row.measures for row in rows if row.status == "ok"]

    def total(name: str) -> float:
        """Sum over the cases that were read."""
        return float(sum(measures[name] for measures in read))

    out = {"S": (total("own") - total("other")) / judged}
    if not read:
        return out
    out["late"] = (total("late_own") - total("late_other")) / (judged - len(rows))
    out["effect"] = (total("own_cells") - total("other_cells")) / total("differing")
    for word in ("near", "far"):
        if total(f"changed_{word}") > 0:
            out[f"f1_{word}"] = 2.0 * total(f"hits_{word}") / total(f"changed_{word}")
    for name, part, whole in (("rules", "lawful", "moved"), ("kept", "kept", "returned")):
        if total(whole) > 0:
            out[name] = total(part) / total(whole)
    for name in ("unread", "held", "flat"):
        out[name] = total(name) / len(read)
    out["right"] = total("right") / len(rows)
    return out
