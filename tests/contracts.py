"""The contracts of a suite and of a generator as functions that raise AssertionError where one is broken."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import pickle
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
from kept import Kept, fresh

from simbench.case import Case, Condition
from simbench.errors import UserError
from simbench.generator import Generator
from simbench.overrides import CONF
from simbench.suite import CaseScore, Proven, Suite
from simbench.summary import HEADLINE
from simbench.video import Video, validate

OUTCOMES = r"exit|exits|stay|stays|swap|swaps|swapped|vanish|vanishes|hidden|reappear|reappears|truth|oracle"
PLAIN = (str, int, float, type(None))


def cases_of(suite: Suite, count: int, seed: str = "public") -> list[Case]:
    """All cases of the first `count` scenes."""
    return [case for scene in suite.scenes(count, seed) for case in suite.cases(scene)]


def fingerprint(suite: Suite, scenes: Sequence[str]) -> list[tuple[str, str, str]]:
    """What a run depends on: id, condition and truth of every case."""
    cases = [case for scene in scenes for case in suite.cases(scene)]
    return [(case.id, case.condition.digest(), case.truth.digest()) for case in cases]


@contextmanager
def another_process() -> Iterator[Callable[..., Any]]:
    """Calls a function in a fresh process, with another hash seed; arguments travel as pickles."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield lambda function, *arguments: pool.submit(function, *arguments).result(timeout=240)


def elsewhere(function: Callable[..., Any], *arguments: object) -> Any:
    """What a function gives in a process of its own."""
    with another_process() as call:
        return call(function, *arguments)


def check_ids(suite: Suite) -> None:
    """Ids are unique and opaque, and every case belongs to the scene it was asked for."""
    cases = cases_of(suite, 3)
    for values in ([c.id for c in cases], [c.condition.name for c in cases]):
        assert len(set(values)) == len(values), "ids repeat"
    for case in cases:
        # The names of files that go out to a model: safe on any file system, silent on the outcome.
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,80}", case.condition.name), case.condition.name
        words = re.split(r"[^a-z]+", case.condition.name.lower())
        told = {str(v).lower() for v in case.tags.values() if isinstance(v, str)} | set(OUTCOMES.split("|"))
        told.discard(suite.name)
        assert not told & set(words), f"{case.condition.name} tells {told & set(words)}"
    for scene in suite.scenes(2, "public"):
        assert {c.scene for c in suite.cases(scene)} == {scene}


def check_seed_spaces(suite: Suite) -> None:
    """`cases=8` is a prefix of `cases=16`; no scene of one seed space is in another."""
    sixteen = list(suite.scenes(16, "public"))
    assert list(suite.scenes(8, "public")) == sixteen[:8]
    assert len(set(sixteen)) == 16
    spaces = [sixteen, *(list(suite.scenes(16, seed)) for seed in ("0", "1", "calibration"))]
    assert len({scene for space in spaces for scene in space}) == 16 * len(spaces), "seed spaces overlap"
    # Two scenes of the first two, so that a space that begins a scene later than another is noticed.
    parts = [space[: 2 if i < 2 else 1] for i, space in enumerate(spaces)]
    seeds = [{c.world_seed for scene in part for c in suite.cases(scene)} for part in parts]
    assert all(not a & b for i, a in enumerate(seeds) for b in seeds[:i]), "seed spaces share a world"


def check_deterministic(suite: Suite, there: Callable[..., Any] = elsewhere) -> None:
    """The same cases again, in another order, and `there`: in another process, after pickling."""
    scenes = list(suite.scenes(2, "public"))
    here, bare = fingerprint(suite, scenes), fresh(suite)
    assert sorted(fingerprint(bare, scenes[::-1])) == sorted(here)
    found = there(fingerprint, bare, scenes[:1])
    assert found and found == here[: len(found)]


def check_pickles(suite: Suite) -> None:
    """Suite and cases survive the way to a worker."""
    assert pickle.loads(pickle.dumps(fresh(suite))) == fresh(suite)
    case = cases_of(suite, 1)[0]
    back = pickle.loads(pickle.dumps(case))
    assert back.condition.digest() == case.condition.digest()
    assert back.truth.digest() == case.truth.digest()
    json.dumps(dict(case.truth.facts), allow_nan=False)


def check_bounds(suite: Suite) -> None:
    """At least 16 cheats, a bound for each, at most a third not applicable, with reasons."""
    cheats, bounds = suite.cheats(), suite.bounds()
    assert set(cheats) == set(bounds), sorted(set(cheats) ^ set(bounds))
    assert len(cheats) >= 16, f"{len(cheats)} cheats"
    open_ended = [name for name, bound in bounds.items() if bound.at_most is None]
    assert len(open_ended) * 3 <= len(bounds), f"not applicable: {open_ended}"
    for name, bound in bounds.items():
        assert bound.at_most is not None or bound.reason, f"{name} is not applicable for no reason"
        assert bound.at_most is None or bound.at_most <= 5, f"{name} may score {bound.at_most}"
        assert bound.above is None and not bound.below, f"{name} is held to more than a number"


def check_no_truth(suite: Suite) -> None:
    """A condition holds plain values and its own pixels: no future, no scene, no word about the outcome."""
    for case in cases_of(suite, 2):
        condition, k = case.condition, len(case.condition.given_frames)
        clip = suite.oracle(case).frames
        assert k == {"t2v": 0, "i2v": 1}.get(condition.given, suite.setting.context), f"{k} frames are given"
        assert np.array_equal(condition.given_frames, clip[:k]), "the given frames are not the first"
        for field in dataclasses.fields(Condition):
            value = getattr(condition, field.name)
            if isinstance(value, np.ndarray):
                root = value
                while isinstance(root.base, np.ndarray):
                    root = root.base
                assert root.nbytes <= value.nbytes, f"{field.name} is a window on {root.nbytes} bytes"
            elif isinstance(value, tuple):
                assert all(isinstance(v, str) for v in value), field.name
            else:
                assert isinstance(value, PLAIN), f"{field.name} holds a {type(value).__name__}"
        check_command(condition)
        packed = pickle.dumps(condition)
        given = {frame.tobytes() for frame in condition.given_frames}
        for frame in clip[k:]:
            assert frame.tobytes() in given or frame.tobytes() not in packed, "a frame of the future"
        assert not re.search(rf"\b({OUTCOMES})\b", condition.prompt.lower()), condition.prompt
        assert b"simbench.worlds" not in packed, "an object of the scene"


def check_command(condition: Condition) -> None:
    """Poses and intrinsics for given=cam, actions for given=act, one for each frame; with given=act also
    both where the camera moves too; elsewhere nothing."""
    arrays = {"poses": (condition.poses, (4, 4)), "intrinsics": (condition.intrinsics, (3, 3))}
    for name, (value, shape) in arrays.items():
        if condition.given != "act":
            assert (value is not None) is (condition.given == "cam"), f"{name} with given={condition.given}"
        if value is not None:
            assert value.dtype == np.float64 and value.shape == (condition.frames, *shape), name
            assert np.isfinite(value).all(), name
    assert (condition.poses is None) is (condition.intrinsics is None), "poses and intrinsics go together"
    assert (condition.actions is not None) is (condition.given == "act"), f"actions: {condition.given}"
    assert condition.actions is None or len(condition.actions) == condition.frames, "an action for each frame"


def check_crossed(suite: Suite) -> None:
    """Cases of a scene are asked alike, differ in pixels, command or prompt where their futures differ, and
    two with the same pixels and the same command have the same prompt."""
    command = ("poses", "intrinsics", "actions")
    free = {"name", "given_frames", "prompt", *command}
    for scene in suite.scenes(2, "public"):
        cases = suite.cases(scene)
        for a, b in ((a, b) for i, a in enumerate(cases) for b in cases[:i]):
            same = {
                field.name: np.array_equal(getattr(a.condition, field.name), getattr(b.condition, field.name))
                for field in dataclasses.fields(Condition)
            }
            differing = [name for name, equal in same.items() if not equal and name not in free]
            assert not differing, f"{', '.join(differing)} differs"
            told_alike = same["given_frames"] and all(same[name] for name in command)
            if told_alike and len(a.condition.given_frames):
                assert same["prompt"], "the prompt knows more than the frames"
            if told_alike and same["prompt"]:
                assert suite.oracle(a).digest() == suite.oracle(b).digest(), "two futures, one condition"


def asked_as(suite: Suite, given: str) -> tuple[Suite | None, str]:
    """The suite asked in another way, or None and why it refuses."""
    setting = dataclasses.replace(suite.setting, given=given)
    try:
        return Kept(dataclasses.replace(fresh(suite), setting=setting)), ""
    except UserError as error:
        return None, str(error)


def check_other_way(suite: Suite, given: str) -> None:
    """Asked in another way a suite keeps the contract, or refuses and says what to use."""
    asked, refusal = asked_as(suite, given)
    if asked is None:
        assert f"given={given}" in refusal, f"the refusal does not name given={given}: {refusal}"
        assert re.search(r"\buse\b", refusal), f"no remedy: {refusal}"
        return
    check_ids(asked)
    check_no_truth(asked)
    here = {case.condition.name for case in cases_of(suite, 2)}
    if given != suite.setting.given:
        assert not here & {c.condition.name for c in cases_of(asked, 2)}, "one name, two questions"


def check_tags(suite: Proven) -> None:
    """Every case says its trial; `hidden` is yes or no, and where it is no there is a hidden case like it."""
    for scene in suite.scenes(2, "public"):
        cases = suite.cases(scene)
        for case in cases:
            assert isinstance(case.tags.get("trial"), str), f"{case.id} has no trial"
            assert isinstance(case.tags.get("hidden", True), bool), f"{case.id}: hidden is no bool"
        asked = {c.tags["trial"] for c in cases if c.tags.get("hidden", True)}
        twins = {c.tags["trial"] for c in cases if not c.tags.get("hidden", True)}
        assert twins <= asked, "an open twin of nothing"


def check_given_kept(suite: Proven, case: Case, video: Video, who: str) -> None:
    """A reference's clip is as long, large and fast as asked, and begins with the given frames."""
    assert validate(video, case.condition) is None, f"{who}: {validate(video, case.condition)}"
    k = len(case.condition.given_frames)
    assert np.array_equal(video.frames[:k], case.condition.given_frames), f"{who} changes the given frames"


def check_cheats(suite: Proven) -> None:
    """Every cheat gives the given frames back, and in some case something else than the truth after them.

    Half of the cases are enough where one of them is spoilt; each cheat begins with another.
    """
    cases = cases_of(suite, 1)
    truths = {case.id: suite.oracle(case).digest() for case in cases}
    for i, (name, cheat) in enumerate(suite.cheats().items()):
        spoilt, first = False, i % len(cases)
        for count, case in enumerate(cases[first:] + cases[:first], 1):
            video = cheat(case)
            check_given_kept(suite, case, video, name)
            spoilt |= video.digest() != truths[case.id]
            if spoilt and 2 * count >= len(cases):
                break
        assert spoilt, f"{name} is the truth"


def check_damages(suite: Proven) -> None:
    """At least four kinds of six rising strengths with a unit; 0 is the truth byte for byte, the most is not,
    and the given frames stay. Of the strengths between, each kind is asked for another, in one case."""
    damages = suite.damages()
    assert len(damages) >= 4, f"{len(damages)} kinds of damage"
    cases = cases_of(suite, 1)
    truths = [suite.oracle(case).digest() for case in cases]
    for i, (name, damage) in enumerate(damages.items()):
        strengths = damage.strengths
        assert len(strengths) == 6 and strengths[0] == 0.0, f"{name}: {strengths}"
        assert all(a < b for a, b in pairwise(strengths)), f"{name}: {strengths}"
        assert damage.unit, f"{name} has no unit"
        case, between = cases[i % len(cases)], strengths[1 + i % 4]
        check_given_kept(suite, case, damage.make(case, between), f"{name} {between:g}")
        for strength in (strengths[0], strengths[-1]):
            made = [damage.make(case, strength) for case in cases]
            for case, video in zip(cases, made, strict=True):
                check_given_kept(suite, case, video, f"{name} {strength:g}")
            same = [video.digest() for video in made] == truths
            assert same is (strength == 0.0), f"{name} {strength:g} is {'' if same else 'not '}the truth"


def check_nuisances(suite: Proven) -> None:
    """There are some; each gives other frames of one shape, twice the same, and leaves its input alone."""
    case = cases_of(suite, 1)[0]
    frames = suite.oracle(case).frames
    before = frames.copy()
    found = suite.nuisances(case)
    assert found, "no nuisance"
    for name, change in found.items():
        made = change(frames)
        assert np.array_equal(frames, before), f"{name} changes its input"
        assert made.dtype == np.uint8 and made.shape == frames.shape, name
        assert not np.array_equal(made, frames), f"{name} changes nothing"
        assert np.array_equal(change(frames), made), f"{name}: twice, two answers"


def check_baselines(suite: Proven) -> None:
    """Bounds of generators on disk: at most, above, or below an anchor; or a reason why there is none."""
    known = {path.stem for path in (CONF / "generator").glob("*.yaml")}
    for name, bound in suite.baselines().items():
        assert name in known, f"{name} is no generator"
        assert bound.below in ("", "oracle", "observer"), f"{name} below {bound.below}"
        some = bound.at_most is not None or bound.above is not None or bound.below
        assert some or bound.reason, f"{name} may score anything for no reason"


def check_columns(suite: Proven) -> None:
    """Names of what aggregate gives for the truth."""
    assert isinstance(suite.columns, tuple), "columns is no tuple"
    cases = cases_of(suite, 1)
    (given,) = suite.aggregate(rows_for(suite, cases, suite.oracle)).values()
    assert set(suite.columns) <= set(given), f"{set(suite.columns) - set(given)} is not given"


def rows_for(suite: Suite, cases: Sequence[Case], make) -> list[CaseScore]:
    """Scores of `make(case)` for all cases; None stands for a missing video."""
    rows = []
    for case in cases:
        video = make(case)
        status = "missing" if video is None else "ok"
        measures = {} if video is None else suite.scorer(case)(video)
        rows.append(CaseScore(case.id, case.scene, case.world_seed, case.tags, 0, status, "", measures))
    return rows


def scores(suite: Suite, rows: Sequence[CaseScore]) -> list[float]:
    """The calibrated score of every scene."""
    found = suite.aggregate(rows)
    assert set(found) == {row.scene for row in rows}, "a scene is missing"
    for values in found.values():
        assert HEADLINE in values, f"no {HEADLINE} among {', '.join(values)}"
        assert all(np.isfinite(v) for v in values.values()), values
    return [suite.calibrated(HEADLINE, values[HEADLINE]) for values in found.values()]


def check_anchors(suite: Suite, within: float) -> None:
    """The truth scores 100 (`within` points on these few scenes), missing videos score exactly zero."""
    cases = cases_of(suite, 2)
    truth = scores(suite, rows_for(suite, cases, suite.oracle))
    assert abs(np.mean(truth) - 100) <= within, f"oracle {truth}"
    nothing = scores(suite, rows_for(suite, cases, lambda case: None))
    assert np.allclose(nothing, 0, atol=1e-9), f"missing {nothing}"


def check_survives(suite: Suite) -> None:
    """The scorer reads any picture of the right shape, returns finite plain floats, and twice the same."""
    case = cases_of(suite, 1)[0]
    truth = suite.oracle(case)
    rng = np.random.default_rng(0)
    pictures = {
        "black": np.zeros_like(truth.frames),
        "white": np.full_like(truth.frames, 255),
        "noise": rng.integers(0, 256, truth.frames.shape, dtype=np.uint8),
        "first frame": np.repeat(truth.frames[:1], len(truth.frames), 0),
        "backwards": truth.frames[::-1],
        "upside down": truth.frames[:, ::-1],
        "one object's colour": np.full_like(truth.frames, truth.frames[0].max(axis=(0, 1))),
    }
    score = suite.scorer(case)
    for name, frames in pictures.items():
        video = Video(np.ascontiguousarray(frames), truth.fps)
        measures = score(video)
        for metric, value in measures.items():
            assert isinstance(value, float) and np.isfinite(value), f"{name}: {metric} is {value!r}"
        if name in ("noise", "backwards"):
            assert score(video) == measures, f"{name}: read twice, two answers"


def condition_with(k: int, name: str = "c0", frames: int = 9, side: int = 32) -> Condition:
    """A disc on a textured ground that moves right by a pixel per frame; `k` frames are given."""
    y, x = np.mgrid[:side, :side]
    ground = np.stack([90 + 40 * ((x // 4 + y // 4) % 2), 120 + 0 * x, 80 + 2 * y], -1).astype(np.uint8)
    given = np.repeat(ground[None], k, 0)
    for t in range(k):
        given[t][(x - 8 - t) ** 2 + (y - 16) ** 2 <= 16] = (220, 40, 30)
    words = "A red disc slides to the right in front of a checkered wall."
    given_as = {0: "t2v", 1: "i2v"}.get(k, "v2v")
    return Condition(name, given_as, given, words, side, side, frames, 8.0)


def check_answers(generator: Generator, conditions: Sequence[Condition]) -> None:
    """Answers have the size, length and rate asked and keep the given frames; the input is left alone."""
    before = [c.digest() for c in conditions]
    answers = generator(conditions, list(range(len(conditions))))
    assert [c.digest() for c in conditions] == before, "a condition was changed"
    assert len(answers) == len(conditions)
    for condition, video in zip(conditions, answers, strict=True):
        assert isinstance(video, Video)
        assert video.frames.dtype == np.uint8
        assert video.frames.shape == (condition.frames, condition.height, condition.width, 3)
        assert video.fps == condition.fps
        k = len(condition.given_frames)
        assert np.array_equal(video.frames[:k], condition.given_frames), "the given frames were changed"


def digests(generator: Generator, conditions: Sequence[Condition], seeds: Sequence[int]) -> list[str | None]:
    """What comes out, by content."""
    return [None if v is None else v.digest() for v in generator(conditions, seeds)]


def check_repeats(generator: Generator, conditions: Sequence[Condition]) -> None:
    """One answer for one condition and seed: again, alone, in a batch, backwards."""
    seeds = list(range(len(conditions)))
    together = digests(generator, conditions, seeds)
    assert digests(generator, conditions, seeds) == together, "not deterministic"
    alone = [digests(generator, [c], [s])[0] for c, s in zip(conditions, seeds, strict=True)]
    assert alone == together, "batch 1 and batch 4 differ"
    assert digests(generator, conditions[::-1], seeds[::-1]) == together[::-1], "the order matters"


def check_identity(generator: Generator, again: Generator) -> None:
    """JSON-able, non-empty, equal for an equal instance, unmoved by use."""
    before = json.dumps(dict(generator.identity()), sort_keys=True, allow_nan=False)
    assert before != "{}", "an empty identity lets one model's videos stand for another's"
    generator([condition_with(5)], [0])
    assert json.dumps(dict(generator.identity()), sort_keys=True) == before
    assert json.dumps(dict(again.identity()), sort_keys=True) == before
