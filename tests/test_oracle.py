"""The truth as a generator: a run of it reads 100, and nobody but the runner can ask it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import build

from simbench.cli import main
from simbench.errors import UserError
from simbench.generate import draws_of
from simbench.generators.baselines import Frozen
from simbench.generators.oracle import Oracle
from simbench.keys import generator_identity
from simbench.plan import SceneRequest, plan_scene

ASKED = ["generator=oracle", "anchors=none", "cases=2", "engine=inline", "clips=0"]


def test_a_run_of_the_truth_reads_100(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    where = [f"store={tmp_path / 'store'}", f"out={tmp_path / 'out'}"]
    assert main(["suite=permanence,footprints", *ASKED, *where]) == 0
    rows = json.loads((tmp_path / "out" / "summary.json").read_text())["rows"]
    assert [(row["suite"], row["role"], row["generator"]) for row in rows] == [
        ("permanence", "subject", "oracle"),
        ("footprints", "subject", "oracle"),
    ]
    assert all(row["score"] == pytest.approx(100.0, abs=1.0) and row["ok"] == row["planned"] for row in rows)
    capsys.readouterr()
    assert main(["suite=permanence,footprints", *ASKED, *where]) == 0
    assert "generated" not in capsys.readouterr().err, "all of it was in the store"


def test_nobody_else_can_ask() -> None:
    suite = build("suite", "permanence")
    cases = suite.cases("public-0000")
    with pytest.raises(UserError, match="within a run only"):
        Oracle()([cases[0].condition], [0])
    told = Oracle().told(suite, cases)([case.condition for case in cases], [0] * len(cases))
    for case, video in zip(cases, told, strict=True):
        assert video is not None and np.array_equal(video.frames, suite.oracle(case).frames)


def test_what_is_stored_of_it_depends_on_the_truth() -> None:
    import dataclasses

    scene = plan_scene(SceneRequest(build("suite", "permanence"), "public-0000"))
    other = dataclasses.replace(
        scene, cases=tuple(dataclasses.replace(case, truth_digest="0" * 64) for case in scene.cases)
    )
    for generator, same in ((Oracle(), False), (Frozen(), True)):
        identity = generator_identity(generator)
        keys, others = ([draw.key for draw in draws_of(s, 1, identity)] for s in (scene, other))
        assert (keys == others) is same and len(set(keys)) == len(keys)
