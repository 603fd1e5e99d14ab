"""The contracts of a suite and of a generator as functions that raise AssertionError where one is broken."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import pickle
import re
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from simbench.case import Case, Condition
from simbench.generator import Generator
from simbench.suite import CaseScore, Suite
from simbench.summary import HEADLINE
from simbench.video import Video

OUTCOMES = r"exit|exits|stay|stays|swap|swaps|swapped|vanish|vanishes|hidden|reappear|reappears|truth|oracle"
PLAIN = (str, int, float, type(None))


def cases_of(suite: Suite, count: int, seed: str = "public") -> list[Case]:
    """All cases of the first `count` scenes."""
    return [case for scene in suite.scenes(count, seed) for case in suite.cases(scene)]


def fingerprint(suite: Suite, scenes: Sequence[str]) -> list[tuple[str, str, str]]:
    """What a run depends on: id, condition and truth of every case."""
    cases = [case for scene in scenes for case in suite.cases(scene)]
    return [(case.id, case.condition.digest(), case.truth.digest()) for case in cases]


def elsewhere(function, *arguments):
    """`function(*arguments)` in a fresh process, with another hash seed; arguments travel as pickles."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result(timeout=240)


def check_ids(suite: Suite) -> None:
    """Ids are unique and opaque, and every case belongs to the scene it was asked for."""
    cases = cases_of(suite, 4)
    for values in ([c.id for c in cases], [c.condition.name for c in cases]):
        assert len(set(values)) == len(values), "ids repeat"
    for case in cases:
        # The names of files that go out to a model: safe on any file system, silent on the outcome.
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,80}", case.condition.name), case.condition.name
        words = re.split(r"[^a-z]+", case.condition.name.lower())
        told = {str(v).lower() for v in case.tags.values() if isinstance(v, str)} | set(OUTCOMES.split("|"))
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
    seeds = [{c.world_seed for scene in space[:2] for c in suite.cases(scene)} for space in spaces]
    assert all(not a & b for i, a in enumerate(seeds) for b in seeds[:i]), "seed spaces share a world"


def check_deterministic(suite: Suite) -> None:
    """The same cases again, in another order, in another process, after pickling."""
    scenes = list(suite.scenes(2, "public"))
    here = fingerprint(suite, scenes)
    assert sorted(fingerprint(suite, scenes[::-1])) == sorted(here)
    assert elsewhere(fingerprint, suite, scenes) == here


def check_pickles(suite: Suite) -> None:
    """Suite and cases survive the way to a worker."""
    again = pickle.loads(pickle.dumps(suite))
    assert again == suite
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
        packed = pickle.dumps(condition)
        given = {frame.tobytes() for frame in condition.given_frames}
        for frame in clip[k:]:
            assert frame.tobytes() in given or frame.tobytes() not in packed, "a frame of the future"
        assert not re.search(rf"\b({OUTCOMES})\b", condition.prompt.lower()), condition.prompt
        assert b"simbench.worlds" not in packed, "an object of the scene"


def check_crossed(suite: Suite) -> None:
    """Cases of a scene are asked alike, differ in pixels or prompt where their futures differ, and two
    with the same pixels have the same prompt."""
    free = {"name", "given_frames", "prompt"}
    for scene in suite.scenes(2, "public"):
        cases = suite.cases(scene)
        for a, b in ((a, b) for i, a in enumerate(cases) for b in cases[:i]):
            for field in dataclasses.fields(Condition):
                if field.name not in free:
                    left, right = getattr(a.condition, field.name), getattr(b.condition, field.name)
                    assert np.array_equal(left, right) or left == right, f"{field.name} differs"
            same_given = np.array_equal(a.condition.given_frames, b.condition.given_frames)
            same_prompt = a.condition.prompt == b.condition.prompt
            if same_given and len(a.condition.given_frames):
                assert same_prompt, "the prompt knows more than the frames"
            if same_given and same_prompt:
                assert suite.oracle(a).digest() == suite.oracle(b).digest(), "two futures, one condition"


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
