"""The digital suite: what is blind to the actions is at exactly 0, what breaks a rule gains nothing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from conftest import build
from judged import Ready, ready_for, row, rows, score_of

from simbench.errors import UserError
from simbench.export import full_prompt
from simbench.instruments import rules
from simbench.references import digital as references
from simbench.references import nuisance
from simbench.video import Video
from simbench.worlds import games
from suites import squares
from suites.digital import Digital
from suites.naming import seed_of

WORLDS = ("craft", "pong", "sokoban")
CHEATS = sorted(build("suite", "digital").cheats())
GOLDEN_VERSION = 1


def of(world: str) -> Digital:
    """The suite with one game."""
    return dataclasses.replace(build("suite", "digital"), world=world)


@pytest.fixture(scope="module")
def suite() -> Digital:
    """The suite as the configuration gives it; which game a scene plays does not matter for its methods."""
    return build("suite", "digital")


@pytest.fixture(scope="module")
def ready() -> list[Ready]:
    """Both cases of one scene of each game."""
    out = []
    for world in WORLDS:
        one = of(world)
        for case in one.cases(one.scenes(1, "public")[0]):
            # Scenes of several games would have one name otherwise.
            case = dataclasses.replace(case, scene=f"{world}-{case.scene}")
            out.append(ready_for(one, case))
    return out


def test_the_truth_is_read_and_obeys_the_rules(suite: Digital, ready: list[Ready]) -> None:
    scored = rows(ready, suite.oracle)
    for name in ("S", "effect", "rules", "f1_near", "f1_far", "right", "kept"):
        assert score_of(suite, scored, name) == 1.0, name
    assert score_of(suite, scored, "unread") == 0.0


def test_the_observer_knows_what_the_condition_tells(suite: Digital, ready: list[Ready]) -> None:
    for r in ready:
        seen = suite.observer(r.case.condition)
        assert np.array_equal(seen.frames, r.truth.frames), r.case.tags["world"]


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_gains_nothing(suite: Digital, ready: list[Ready], name: str) -> None:
    assert score_of(suite, rows(ready, suite.cheats()[name])) <= 0.05


def test_the_other_future_is_as_far_below_zero_as_the_right_one_is_above(
    suite: Digital, ready: list[Ready]
) -> None:
    scored = rows(ready, suite.cheats()["other_actions"])
    assert score_of(suite, scored) == -1.0 and score_of(suite, scored, "effect") == -1.0


@pytest.mark.parametrize("seed", range(30))
def test_one_answer_to_both_sequences_is_worth_exactly_nothing(seed: int) -> None:
    """The theorem behind zero: any states, shown alike whichever sequence was asked for."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 3, (2, 17, 6))
    b[:5] = a[:5]
    frames = np.flatnonzero((a != b).any(axis=1))
    for answer in (a, b, rng.integers(-1, 3, a.shape), np.where(rng.uniform(size=a.shape) < 0.5, a, b)):
        one, two = (rules.sides(answer, own, other, frames, a[4]) for own, other in ((a, b), (b, a)))
        assert one["own"] + two["own"] == one["other"] + two["other"]
        assert one["own_cells"] + two["own_cells"] == one["other_cells"] + two["other_cells"]


@pytest.mark.parametrize("seed", range(3))
def test_one_video_for_both_cases_scores_exactly_zero(suite: Digital, ready: list[Ready], seed: int) -> None:
    for one, two in zip(ready[::2], ready[1::2], strict=True):
        first = np.random.default_rng(seed).uniform(size=17) < 0.5
        frames = np.where(first[:, None, None, None], one.truth.frames, two.truth.frames)
        scored = [row(r.case, r.score(Video(frames, 8.0))) for r in (one, two)]
        assert score_of(suite, scored) == 0.0
        assert any(r.measures["own"] > 0 for r in scored)


@pytest.mark.parametrize("rule", games.BREAKS)
def test_a_broken_rule_shows_in_the_rules_and_less_in_single_squares(
    suite: Digital, ready: list[Ready], rule: str
) -> None:
    scored = rows(ready, suite.cheats()[rule])
    assert score_of(suite, scored, "rules") < 0.97
    assert score_of(suite, scored, "effect") > 0.1


def test_blocks_that_are_forgotten_are_not_kept(suite: Digital, ready: list[Ready]) -> None:
    craft = [r for r in ready if r.case.tags["world"] == "craft"]
    assert score_of(suite, rows(craft, suite.cheats()["forgetful"]), "kept") < 0.7
    assert "kept" not in suite.aggregate(rows(ready[2:4], suite.oracle))[ready[2].case.scene]


@pytest.mark.parametrize("status", ["missing", "invalid", "failed", "refused"])
def test_what_is_lost_counts_as_blind(suite: Digital, ready: list[Ready], status: str) -> None:
    part = ready[:2]
    assert score_of(suite, [row(r.case, {}, status) for r in part]) == 0.0
    good = rows(part, suite.oracle)
    assert score_of(suite, [good[0], row(part[1].case, {}, status)]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("name", "measure"), [("black", "flat"), ("frozen", "held"), ("noise", "unread"), ("negative", "unread")]
)
def test_what_cannot_be_scored_says_why(suite: Digital, ready: list[Ready], name: str, measure: str) -> None:
    scored = rows(ready, suite.cheats()[name])
    assert score_of(suite, scored) == 0.0
    assert score_of(suite, scored, measure) > 0.3
    assert all(np.isfinite(v) for r in scored for v in r.measures.values())


def test_every_damage_ends_low(suite: Digital, ready: list[Ready]) -> None:
    for name, kind in suite.damages().items():
        found = [
            score_of(suite, rows(ready, lambda c, d=kind, k=s: d.make(c, k))) for s in kind.strengths[::5]
        ]
        assert found[0] == 1.0 and found[1] < 0.5, name


def test_prompts_say_the_rules_and_the_actions(ready: list[Ready]) -> None:
    for one, two in zip(ready[::2], ready[1::2], strict=True):
        told = one.case.condition, two.case.condition
        assert told[0].prompt != told[1].prompt and told[0].actions != told[1].actions
        assert told[0].actions[:4] == told[1].actions[:4]
        for condition in told:
            assert games.find(one.case.tags["world"]).rules in condition.prompt
            assert all(action in condition.prompt for action in condition.actions)
            assert "From 0 s to" in full_prompt(condition)


def test_games_take_turns(suite: Digital) -> None:
    seen = [suite.cases(scene)[0].tags["world"] for scene in suite.scenes(4, "public")]
    assert seen == ["craft", "pong", "sokoban", "craft"]
    assert of("any").worlds == games.names() and set(seen) < set(games.names())
    assert of("pong+craft").worlds == ("pong", "craft")
    with pytest.raises(UserError, match="world=crat is unknown; did you mean craft"):
        of("pong+crat")


def test_another_choice_of_games_is_another_setting(suite: Digital) -> None:
    told = [of(world) for world in ("craft+pong+sokoban", "pong", "pong+craft", "craft+pong", "any")]
    assert told[0] == suite and suite.setting.option == ""
    assert of("pong").setting.name() == f"{suite.setting.name()} world=pong"
    assert len({one.setting.name() for one in told}) == len(told)
    # Scene 1 is one of pong in three of them, with the same moves: its cases have other names all the same.
    pong = [one.cases("public-0001")[0] for one in told if one.worlds[1 % len(one.worlds)] == "pong"]
    assert len({case.condition.actions for case in pong}) == 1
    assert len({case.id for case in pong}) == len(pong) == 4
    pinned = dataclasses.replace(suite, oracle_raw={suite.setting.name(): {"S": 0.5}})
    assert pinned.calibrated("S", 0.5) == 100.0
    assert dataclasses.replace(pinned, world="pong").calibrated("S", 0.5) == 50.0
    assert dataclasses.replace(of("pong"), world="craft+pong+sokoban").setting == suite.setting


def test_a_start_in_which_no_rule_can_matter_is_drawn_anew(suite: Digital) -> None:
    scene = "calibration-0029"
    game, first, s = games.find("sokoban"), seed_of(suite.name, scene), suite.setting
    with pytest.raises(UserError, match="too short for every rule of sokoban"):
        game.pair(game.start(first, s.difficulty), first, s.frames, s.context, s.difficulty)
    cases = suite.cases(scene)
    assert {case.world_seed for case in cases} == {first + 1}
    assert score_of(suite, [row(c, suite.score(c, suite.oracle(c))) for c in cases]) == 1.0


def test_an_answer_that_comes_a_frame_late_is_told_from_a_wrong_one(
    suite: Digital, ready: list[Ready]
) -> None:
    make = suite.damages()["late"].make
    scored = rows(ready, lambda case: make(case, 1.0))
    assert score_of(suite, scored, "late") == 1.0 and score_of(suite, scored) < 0.3
    assert score_of(suite, rows(ready, suite.cheats()["blind"]), "late") == 0.0
    assert score_of(suite, rows(ready, suite.cheats()["other_actions"]), "late") < 0.1
    assert "late" not in of("craft+voxel").damages(), (
        "a walk back and forth is at one place every other frame"
    )
    for r in ready:
        assert np.array_equal(make(r.case, 2.0).frames[7:], r.truth.frames[5:-2])


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"width": 48}, "size=64"),
        ({"given": "v2v"}, "given=act"),
        ({"given": "cam"}, "given=act"),
        ({"context": 2}, "3 frames"),
        ({"frames": 14}, "frames=17"),
        ({"prompt": "telling"}, "prompt=plain"),
    ],
)
def test_settings_that_cannot_be_asked_are_refused(
    suite: Digital, change: dict[str, object], hint: str
) -> None:
    setting = dataclasses.replace(suite.setting, **change)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=hint):
        dataclasses.replace(suite, setting=setting)


def test_a_world_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match="did you mean sokoban"):
        of("sokobon")


@pytest.mark.parametrize("world", WORLDS)
def test_other_lengths_sizes_and_difficulties_are_asked(world: str) -> None:
    setting = dataclasses.replace(
        of(world).setting, width=96, frames=21, context=6, look="rich", difficulty=1.0
    )
    suite = dataclasses.replace(of(world), setting=setting)
    scored = [row(c, suite.score(c, suite.oracle(c))) for c in suite.cases(suite.scenes(1, "public")[0])]
    assert score_of(suite, scored) == 1.0


def test_a_trace_and_a_question_for_people(suite: Digital, ready: list[Ready]) -> None:
    r = ready[0]
    trace = suite.trace(r.case, r.truth)
    assert set(trace["as asked"]) == {1.0} and min(trace["as the other"]) < 1.0
    assert suite.question(r.case).frames[-1] == 16


def test_cheats_keep_what_is_given_and_play_from_there(ready: list[Ready]) -> None:
    play = references.play_of(ready[0].case, build("suite", "digital").setting)
    assert play.states(play.other)[:5] == play.states()[:5]
    assert play.states(rule="doubled")[5:] != play.states()[5:]


def test_the_table_of_squares_counts_what_is_misread(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {"tint": nuisance.nuisances(8.0, 64, 8.0)["tint"], "black": np.zeros_like}
    monkeypatch.setattr(Digital, "nuisances", lambda self, case: few)
    assert squares.main(["scenes=1"]) == 0
    table = capsys.readouterr().out
    assert "| none | 0.00 (0.0) |" in table and "| tint | 0.00 (0.0) |" in table
    black = next(line for line in table.splitlines() if line.startswith("| black"))
    assert "| 0.00 (0.0)" not in black
    assert squares.main(["suite=hidden"]) == 2 and "use suite=digital" in capsys.readouterr().err


GOLDEN = {"random_actions": -0.018518519, "halts 0.5": 0.596440596, "squares 0.02": 0.641414141}
"""Raw S over the scenes of the three games, by reference, of GOLDEN_VERSION."""


def test_scores_are_pinned_by_the_suites_version(suite: Digital, ready: list[Ready]) -> None:
    assert suite.version == GOLDEN_VERSION, "a new version needs new golden scores"
    found = {"random_actions": score_of(suite, rows(ready, suite.cheats()["random_actions"]))}
    for kind, strength in (("halts", 0.5), ("squares", 0.02)):
        made = suite.damages()[kind].make
        scored = rows(ready, lambda c, make=made, s=strength: make(c, s))
        found[f"{kind} {strength:g}"] = score_of(suite, scored)
    assert found == pytest.approx(GOLDEN, abs=1e-6)
