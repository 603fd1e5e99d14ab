"""A run gives the same bytes whatever its order, batch and processes, and resumes where it stopped."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import toy
import toys

from simbench import exits
from simbench.case import Case, Condition
from simbench.engine import Inline
from simbench.errors import UserError
from simbench.keys import sha, suite_identity
from simbench.plan import SceneRequest, Shard, plan_scene, shard_of
from simbench.progress import duration
from simbench.run import UNKNOWN_TIME, Request
from simbench.score import Anchors, ScoreTask, score_scene
from simbench.store import Store
from simbench.suite import Measures, preload
from simbench.video import Video


class Backwards:
    """An engine that answers in reversed order."""

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
        """See Engine."""
        return (function(item) for item in reversed(items))


def test_the_right_answers_score_100_and_stillness_less(tmp_path: Path) -> None:
    assert toy.go(tmp_path) == exits.OK
    rows = {r["generator"]: r for r in json.loads((tmp_path / "out" / "summary.json").read_text())["rows"]}
    assert rows["box"]["score"] == rows["oracle"]["score"] == 100
    assert rows["still"]["score"] == rows["observer"]["score"] == 0
    assert rows["box"]["role"] == "subject"
    assert (rows["box"]["planned"], rows["box"]["ok"], rows["box"]["scenes"]) == (6, 6, 3)
    assert rows["box"]["exposure"] == "zero-shot"


def test_scores_csv_is_long_and_complete(tmp_path: Path) -> None:
    toy.go(tmp_path, samples=2)
    header, *lines = toy.scores(tmp_path).decode().splitlines()
    assert header == (
        "suite,version,setting,given,generator,role,scene,case,world_seed,sample,metric,value,status,reason"
    )
    cases = [line for line in lines if ",hit," in line]
    # 3 scenes x 2 cases x (2 samples of the subject + oracle + observer + one baseline).
    assert len(cases) == 3 * 2 * (2 + 3)
    assert len([line for line in lines if ",S," in line]) == 3 * 4
    assert all(line.endswith(",ok,") for line in lines)


@pytest.mark.parametrize(
    "changes",
    [{"batch": 1}, {"batch": 5}, {"engine": Backwards()}, {"workers": 7}],
    ids=["batch 1", "batch 5", "backwards", "other workers"],
)
@pytest.mark.parametrize("pool", [False, True])
def test_how_it_runs_moves_no_byte(tmp_path: Path, changes: dict[str, Any], pool: bool) -> None:
    box = toy.Box("noise", pool)
    toy.go(tmp_path / "a", box, samples=2)
    toy.go(tmp_path / "b", box, samples=2, **changes)
    assert toy.scores(tmp_path / "a") == toy.scores(tmp_path / "b")


def test_processes_move_no_byte(tmp_path: Path) -> None:
    toy.go(tmp_path / "inline", toy.Box("noise", pool=True), cheats="all")
    with toy.local(2) as engine:
        toy.go(tmp_path / "pool", toy.Box("noise", pool=True), engine, cheats="all")
        toy.go(tmp_path / "parent", toy.Box("noise"), engine, cheats="all")
    assert toy.scores(tmp_path / "inline") == toy.scores(tmp_path / "pool") == toy.scores(tmp_path / "parent")


def test_samples_differ_and_batches_do_not_change_their_seeds(tmp_path: Path) -> None:
    toy.go(tmp_path, toy.Box("noise"), samples=2, scenes=1)
    videos = {p.read_text() for p in (tmp_path / "store").glob("video/*/*/meta.json")}
    assert len({json.loads(text)["digest"] for text in videos}) == 4


def test_the_second_run_asks_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log"
    toy.go(tmp_path, toy.Box(log=str(log)))
    first = toy.scores(tmp_path)
    asked = log.read_text().count("asked")
    toy.go(tmp_path, toy.Box(log=str(log)))
    assert log.read_text().count("asked") == asked > 0
    assert toy.scores(tmp_path) == first


def test_more_scenes_keep_what_is_there(tmp_path: Path) -> None:
    log = tmp_path / "log"
    toy.go(tmp_path, toy.Box(log=str(log)), scenes=2, batch=1)
    toy.go(tmp_path, toy.Box(log=str(log)), scenes=3, batch=1)
    assert log.read_text().count("asked") == 6
    assert len(toy.subject_lines(tmp_path)) == 6


def test_another_model_is_never_served_the_first_ones_videos(tmp_path: Path) -> None:
    toy.go(tmp_path, toy.Box(token="a"))
    log = tmp_path / "log"
    toy.go(tmp_path, toy.Box(token="b", log=str(log)))
    assert "asked" in log.read_text()


def test_shards_over_one_store_make_the_whole(tmp_path: Path) -> None:
    toy.go(tmp_path / "whole", toy.Box("noise"), scenes=5)
    for i in range(3):
        toy.go(tmp_path / "parts", toy.Box("noise"), scenes=5, shard=Shard(i, 3))
    log = tmp_path / "log"
    toy.go(tmp_path / "parts", toy.Box("noise", log=str(log)), scenes=5)
    assert "asked" not in log.read_text()
    assert toy.scores(tmp_path / "parts") == toy.scores(tmp_path / "whole")


@pytest.mark.parametrize(
    ("option", "environment", "expected"),
    [
        (None, {}, Shard(0, 1)),
        ("2/5", {"RANK": "0", "WORLD_SIZE": "9"}, Shard(2, 5)),
        (None, {"RANK": "1", "WORLD_SIZE": "4"}, Shard(1, 4)),
        (None, {"RANK": "0", "WORLD_SIZE": "1"}, Shard(0, 1)),
        (
            None,
            {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "1"},
            Shard(2, 4),
        ),
    ],
)
def test_shards_are_named_or_taken_from_the_launcher(
    option: str | None, environment: dict[str, str], expected: Shard
) -> None:
    assert shard_of(option, environment) == expected


@pytest.mark.parametrize("option", ["3/3", "1", "a/b", "-1/2"])
def test_a_wrong_shard_is_told(option: str) -> None:
    with pytest.raises(UserError, match=r"shard=.* must be i/n"):
        shard_of(option, {})


def test_shards_partition_the_scenes() -> None:
    scenes = [str(i) for i in range(10)]
    parts = [Shard(i, 3).take(scenes) for i in range(3)]
    assert sorted(s for part in parts for s in part) == sorted(scenes)


def test_seed_zero_is_a_seed(tmp_path: Path) -> None:
    for seed in ("0", "1", "public"):
        toy.go(tmp_path / seed, seed=seed, scenes=1)
    assert len({toy.scores(tmp_path / seed) for seed in ("0", "1", "public")}) == 3
    assert toy.subject_lines(tmp_path / "0")[0]["scene"] == "0-0"


def test_modes_generate_then_score(tmp_path: Path) -> None:
    assert toy.go(tmp_path / "whole", toy.Box("noise")) == exits.OK
    assert toy.go(tmp_path, toy.Box("noise"), mode="generate") == exits.OK
    assert not (tmp_path / "out" / "scores.csv").exists()
    assert toy.go(tmp_path, toy.Box("noise"), mode="score") == exits.OK
    assert toy.scores(tmp_path) == toy.scores(tmp_path / "whole")


def test_mode_score_counts_what_was_not_generated(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert toy.go(tmp_path, toy.Box(log=str(log)), mode="score") == exits.INCOMPLETE
    assert "asked" not in log.read_text()
    assert {line["status"] for line in toy.subject_lines(tmp_path)} == {"missing"}


def test_a_plan_builds_no_generator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    recipe = toy.request(tmp_path)
    plan = dataclasses.replace(recipe, mode="plan", load=lambda: toy.Box(log=str(log)))
    assert toy.run(plan, Inline(), toy.table) == exits.OK
    assert not log.exists()
    assert "3 scenes, 6 cases x 1 samples; 0 of 6 videos stored" in capsys.readouterr().err
    toy.go(tmp_path)
    toy.run(plan, Inline(), toy.table)
    said = capsys.readouterr().err
    assert "6 of 6 videos stored" in said
    assert "resume with: python -m simbench" in said


def test_the_time_left_is_that_of_what_the_store_has_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = toy.request(tmp_path)
    plan = dataclasses.replace(recipe, mode="plan")

    def left(asked: Request = plan) -> str:
        capsys.readouterr()
        toy.run(asked, Inline(), toy.table)
        return capsys.readouterr().err.split("time left: ")[1].split("\n")[0]

    assert left() == UNKNOWN_TIME
    toy.go(tmp_path)
    assert left() == "about 0 s"
    key = sha(dict(suite_identity(recipe.suites[0])))
    learnt = recipe.store.known(key)
    # 3 scenes x 2 cases x (the subject + oracle + observer + one baseline).
    assert learnt["readings"] == 24 and learnt["reading_seconds"] > 0
    toy.go(tmp_path)
    assert recipe.store.known(key) == learnt, "nothing was read"
    recipe.store.learn(key, {"reading_seconds": 50.0, "readings": 10})
    assert left(dataclasses.replace(plan, rescore=True)) == f"about {duration(5.0 * 24)}"
    files = sorted((recipe.store.root / "score").rglob("*.json"))
    lost = len(json.loads(files[0].read_text()))
    files[0].unlink()
    assert left() == f"about {duration(5.0 * lost)}"
    assert left(dataclasses.replace(plan, cheats="cheat_1")) == f"about {duration(5.0 * (lost + 6))}"


def test_export_writes_conditions(tmp_path: Path) -> None:
    assert toy.go(tmp_path, mode="export") == exits.OK
    assert len((tmp_path / "out" / "cases.csv").read_text().splitlines()) == 1 + 6


def test_cheats_stand_beside_their_bounds(tmp_path: Path) -> None:
    toy.go(tmp_path, cheats="cheat_3,cheat_1")
    rows = json.loads((tmp_path / "out" / "summary.json").read_text())["rows"]
    assert {r["generator"]: r["bound"] for r in rows if r["role"] == "cheat"} == {
        "cheat_1": 5.0,
        "cheat_3": 5.0,
    }
    with pytest.raises(UserError, match=r"cheats=cheat_33 is not one of .*; did you mean cheat_3"):
        toy.go(tmp_path, cheats="cheat_33")


def test_without_anchors_the_subject_stands_alone(tmp_path: Path) -> None:
    toy.go(tmp_path, anchors=Anchors(False, False, (), None))
    rows = json.loads((tmp_path / "out" / "summary.json").read_text())["rows"]
    assert [r["generator"] for r in rows] == ["box"]


def test_several_suites_stand_in_one_file(tmp_path: Path) -> None:
    suites = (toys.Toy(), toys.Toy(name="other"))
    assert toy.go(tmp_path, suites=suites) == exits.OK
    rows = json.loads((tmp_path / "out" / "summary.json").read_text())["rows"]
    assert [r["suite"] for r in rows if r["role"] == "subject"] == ["toy", "other"]
    with pytest.raises(UserError, match="two suites have one name"):
        toy.go(tmp_path, suites=(toys.Toy(), toys.Toy()))


def test_large_cases_are_made_again_where_they_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy.go(tmp_path / "kept", toy.Box("noise"))
    monkeypatch.setattr("simbench.plan.KEEP_BYTES", 0)
    toy.go(tmp_path / "again", toy.Box("noise"))
    assert toy.scores(tmp_path / "kept") == toy.scores(tmp_path / "again")


@dataclasses.dataclass
class Spy:
    """Keeps every argument it was given, pickled."""

    seen: list[bytes] = dataclasses.field(default_factory=list)
    capabilities: frozenset[str] = frozenset()

    def __call__(self, *arguments: Any, **named: Any) -> list[None]:
        """See Generator."""
        self.seen.append(pickle.dumps((arguments, named)))
        assert all(type(c) is Condition for c in arguments[0])
        return [None] * len(arguments[0])

    def identity(self) -> dict[str, str]:
        """See Generator."""
        return {"class": "spy"}


def test_a_generator_sees_conditions_and_no_truth(tmp_path: Path) -> None:
    spy = Spy()
    toy.go(tmp_path, load=lambda: spy, batch=1)
    cases: list[Case] = [c for s in toys.Toy().scenes(3, "public") for c in toys.Toy().cases(s)]
    assert len(spy.seen) == len(cases)
    for packed, case in zip(spy.seen, cases, strict=True):
        assert b"simbench.worlds" not in packed
        assert b"Truth" not in packed
        future = toys.Toy().oracle(case).frames[3].tobytes()
        assert future not in packed


def test_cached_scores_are_those_of_a_fresh_reading(tmp_path: Path) -> None:
    toy.go(tmp_path)
    first = toy.scores(tmp_path)
    for path in (tmp_path / "store").glob("score/*/*.json"):
        path.write_text(path.read_text().replace('"hit":1.0', '"hit":0.25'))
    toy.go(tmp_path)
    assert b",0.25," in toy.scores(tmp_path), "the store's scores are used"
    toy.go(tmp_path, rescore=True)
    assert toy.scores(tmp_path) == first


def test_a_new_version_of_a_suite_is_scored_afresh(tmp_path: Path) -> None:
    toy.go(tmp_path)
    for path in (tmp_path / "store").glob("score/*/*.json"):
        path.write_text(path.read_text().replace('"hit":1.0', '"hit":0.25'))
    toy.go(tmp_path, suites=(toys.Toy(version=2),))
    assert b",0.25," not in toy.scores(tmp_path)


def test_each_case_is_prepared_once_and_read_before_the_next(tmp_path: Path) -> None:
    """References of one case at a time are in memory, however many videos are read with them."""
    log: list[str] = []

    class Watched(toys.Toy):
        def scorer(self, case: Case) -> Callable[[Video], Measures]:
            log.append(f"prepared {case.id}")
            read = super().scorer(case)

            def score(video: Video) -> Measures:
                log.append(f"read {case.id}")
                return read(video)

            return score

    suite = Watched()
    planned = plan_scene(SceneRequest(suite, suite.scenes(1, "public")[0]))
    anchors = Anchors(True, True, tuple(suite.cheats()))
    rows = score_scene(ScoreTask(planned, None, (), anchors, Store(tmp_path), False)).rows
    each = 2 + len(suite.cheats())
    assert log == [line for c in planned.cases for line in (f"prepared {c.id}", *[f"read {c.id}"] * each)]
    assert len(rows) == len(planned.cases) * each


def test_what_a_suite_preloads_is_in_every_worker() -> None:
    """In a process of its own, since the server that workers are forked from starts once."""
    code = (
        "import toy; from simbench.engine import open_engine\n"
        "with open_engine('local', 2, ('wave',)) as engine:\n"
        "    print(list(engine.map(toy.is_loaded, ['wave', 'wave', 'chunk'])))"
    )
    place = {**os.environ, "PYTHONPATH": os.pathsep.join([str(toy.TESTS), str(toy.TESTS.parent)])}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=place, timeout=120
    )
    assert sorted(done.stdout.strip("[]\n").split(", ")) == ["False", "True", "True"], done.stderr


def test_suites_name_their_modules_once() -> None:
    class Heavy(toys.Toy):
        preload = ("simbench.warm", "toys")

    assert preload([toys.Toy(), Heavy(), Heavy(name="other")]) == ("simbench.warm", "toys")


def test_the_tags_of_every_case_are_written(tmp_path: Path) -> None:
    assert toy.go(tmp_path) == 0
    lines = (tmp_path / "out" / "cases.csv").read_text().splitlines()
    assert lines[:2] == ["suite,scene,case,tag,value", "toy,public-0,public-0-a,trial,left"]
    assert len(lines) == 1 + 6
