"""Each option changes every key or none, and each is known to be one of both."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import toy
import toys

from simbench import keys
from simbench.config import RunConfig, register
from simbench.engine import Inline
from simbench.errors import UserError
from simbench.generate import draws_of
from simbench.overrides import CONF, rewrite
from simbench.run import Request, make_plan
from simbench.score import Anchors

OTHER = {
    "suites": "toy.fault=wrong",
    "generator": "generator.token=new",
    "given": "given=i2v",
    "size": "size=48x32",
    "frames": "frames=6",
    "fps": "fps=12",
    "context": "context=3",
    "look": "look=rich",
    "difficulty": "difficulty=0.75",
    "prompt": "prompt=telling",
    "seed": "seed=0",
    "noise": "noise=1",
    "cases": "cases=3",
    "samples": "samples=2",
    "mode": "mode=generate",
    "anchors": "anchors=none",
    "cheats": "cheats=all",
    "baselines": "~generator@baselines.frozen",
    "shard": "shard=0/1",
    "batch": "batch=2",
    "workers": "workers=1",
    "device": "device=cuda",
    "engine": "engine=inline",
    "out": "out=elsewhere",
    "store": "store=elsewhere",
    "label": "label=mine",
    "exposure": "exposure=worlds-train",
    "max_incomplete": "max_incomplete=9",
    "rescore": "rescore=true",
    "clips": "clips=0",
    "report": "report._target_=reports.table.table_text",
    "study": "+study.toy=1",
}
VIDEO_STAYS = {"suites", "look", "difficulty", "prompt"}
"""A video is asked by its condition alone, and the toy's pictures and words do not know these options."""


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A function from overrides to the request they mean."""
    from hydra import compose, initialize_config_dir

    from simbench.assemble import assemble

    folder = tmp_path_factory.mktemp("composed")
    conf = toy.write_config(folder)

    def make(*overrides: str) -> Request:
        arguments = rewrite([f"--config-dir={conf}", "suite=toy", "generator=box", "cases=2", *overrides])
        rest = [a for a in arguments if not a.startswith("--")]
        search = f"hydra.searchpath=[file://{conf}]"
        config = compose("config", overrides=[search, *rest])
        choice = next(a.partition("=")[2] for a in reversed(rest) if a.startswith("generator="))
        return assemble(config, choice, folder / "out", "again")

    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield make


@pytest.fixture(scope="module")
def base(composed: Any) -> tuple[dict[str, str], set[str]]:
    """The keys when nothing is changed."""
    return all_keys(composed())


def all_keys(request: Request) -> tuple[dict[str, str], set[str]]:
    """Keys of the videos of the first two scenes by case and sample 0, and of their score files."""
    plan = make_plan(dataclasses.replace(request, scenes=2), Inline())
    identity = keys.generator_identity(request.load())
    draws = [d for scene in plan.scenes["toy"] for d in draws_of(scene, 1, identity, request.noise)]
    suite = keys.suite_identity(request.suites[0])
    files = {keys.score_file_key(suite, s.scene, "anchors") for s in plan.scenes["toy"]}
    return {d.case.id: d.key for d in draws}, files


def test_every_option_is_classified_and_tested() -> None:
    fields = {f.name for f in dataclasses.fields(RunConfig)}
    assert set(keys.IDENTITY) | set(keys.RUNTIME) == fields
    assert not set(keys.IDENTITY) & set(keys.RUNTIME)
    assert set(OTHER) == fields


@pytest.mark.parametrize("option", keys.IDENTITY)
def test_identity_options_change_every_key(composed: Any, base: Any, option: str) -> None:
    videos, scores = base
    other_videos, other_scores = all_keys(composed(OTHER[option]))
    if option not in VIDEO_STAYS:
        assert not set(videos.values()) & set(other_videos.values()), f"{option} serves another's video"
    # A score file belongs to a suite and a scene: who answered, and to which noise, is in its entries.
    belongs = option in ("generator", "noise")
    assert belongs or not scores & other_scores, f"{option} serves another's score"


@pytest.mark.parametrize("option", keys.RUNTIME)
def test_runtime_options_change_no_key(composed: Any, base: Any, option: str) -> None:
    assert all_keys(composed(OTHER[option])) == base


def test_saying_the_default_changes_no_key(composed: Any) -> None:
    said = ["given=v2v", "size=32", "frames=5", "fps=8", "context=2", "look=plain", "difficulty=0.25"]
    assert all_keys(composed(*said, "prompt=plain", "seed=public")) == all_keys(composed())


def test_a_generator_is_its_class_and_its_identity() -> None:
    one = keys.generator_identity(toy.Box())
    assert keys.sha(one) == keys.sha(keys.generator_identity(toy.Box(log="/dev/null")))
    assert keys.sha(one) != keys.sha(keys.generator_identity(toy.Box(token="b")))
    assert keys.sha(one) != keys.sha({**one, "class": "other.Box"})


def test_conditions_and_truths_are_part_of_score_keys() -> None:
    base = ("case", "c" * 64, "t" * 64, "v" * 64)
    changed = [(*base[:i], "x", *base[i + 1 :]) for i in range(4)]
    assert len({keys.score_key(*part) for part in [base, *changed]}) == 5


def test_seeds_of_draws_differ_and_repeat() -> None:
    places = [(w, c, s) for w in (0, 1) for c in ("a", "b") for s in (0, 1, 11)]
    seeds = [keys.seed_for(*place) for place in places]
    assert len(set(seeds)) == len(places)
    assert seeds == [keys.seed_for(*place) for place in places]
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_noise_gives_other_seeds_and_zero_those_of_before() -> None:
    seeds = [keys.seed_for(7, "a", 0, noise) for noise in (0, 1, 2, -1)]
    assert len(set(seeds)) == 4
    # Pinned before noise= came: videos that are stored keep their keys.
    assert seeds[0] == keys.seed_for(7, "a", 0) == 5407280161341069699
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_canonical_json_has_one_form() -> None:
    assert keys.canonical({"b": 1, "a": [0.1, None]}) == '{"a":[0.1,null],"b":1}'
    for value in (float("nan"), {1, 2}, object()):
        with pytest.raises(UserError, match="cannot be part of a key"):
            keys.canonical(value)


def test_suite_parameters_are_part_of_its_identity() -> None:
    one, other = keys.suite_identity(toys.Toy()), keys.suite_identity(toys.Toy(fault="x"))
    assert one != other
    assert one["fields"]["setting"]["width"] == 32


def test_anchors_hold_no_more_than_asked(composed: Any) -> None:
    assert set(composed().anchors.baselines) == {"copy_last", "constant_velocity", "frozen", "flow"}
    assert composed("anchors=none").anchors == Anchors(False, False, (), None)
    assert composed("anchors=oracle").anchors == Anchors(True, False, (), None)
    subject_is_baseline = composed("generator=frozen")
    assert set(subject_is_baseline.anchors.baselines) == {"copy_last", "constant_velocity", "flow"}
