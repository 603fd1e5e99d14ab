"""A spy in the place of the model: what a whole run hands it holds nothing about what will happen."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import build

from simbench.case import Case

ROOT = Path(__file__).resolve().parent.parent
SPY = '''
import gc, hashlib, pickle, types
from pathlib import Path
import numpy as np
from simbench.video import Video

SKIP = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType)


def reachable(things):
    """Everything that can be reached from `things` by following references, code and modules left out."""
    seen, todo = {}, [things]
    while todo:
        thing = todo.pop()
        if id(thing) in seen or isinstance(thing, SKIP):
            continue
        seen[id(thing)] = thing
        todo += gc.get_referents(thing)
        if isinstance(thing, np.ndarray) and thing.base is not None:
            todo.append(thing.base)
    return list(seen.values())


class Spy:
    capabilities = frozenset()

    def __init__(self, folder):
        self.folder = folder

    def identity(self):
        return {"spy": 1}

    def __call__(self, conditions, seeds):
        found = reachable([conditions, seeds])
        record = {
            "packed": pickle.dumps((list(conditions), list(seeds))),
            "types": sorted({f"{type(t).__module__}.{type(t).__qualname__}" for t in found}),
            "words": sorted({t for t in found if isinstance(t, str)}),
            "bytes": sum(t.nbytes for t in found if isinstance(t, np.ndarray) and t.base is None),
            "given": sum(c.given_frames.nbytes for c in conditions),
            "names": [c.name for c in conditions],
        }
        name = hashlib.sha256(record["packed"]).hexdigest()
        Path(self.folder, name).write_bytes(pickle.dumps(record))
        return [None for c in conditions]
'''


@pytest.fixture(scope="module")
def spied(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """What the spy saw in a run of two scenes."""
    folder = tmp_path_factory.mktemp("spy")
    seen = folder / "seen"
    seen.mkdir()
    (folder / "spying.py").write_text(SPY)
    options = ["suite=permanence", "cases=2", "anchors=none", "generator=python", "clips=0"]
    options += ["generator.target=spying.Spy", f"+generator.options.folder={seen}"]
    options += [f"store={folder / 'store'}", f"out={folder / 'out'}", "max_incomplete=100"]
    command = [sys.executable, "-m", "simbench", *options]
    path = f"{folder}:{ROOT}"
    done = subprocess.run(
        command, cwd=folder, env=environment(path), capture_output=True, text=True, timeout=240
    )
    # Nothing is answered, so nothing is measured: exit code 3.
    assert done.returncode == 3, done.stderr[-3000:]
    return [pickle.loads(p.read_bytes()) for p in sorted(seen.iterdir())]


def environment(path: str) -> dict[str, str]:
    """This process's environment with another module path."""
    import os

    return {**os.environ, "PYTHONPATH": path}


def planned() -> dict[str, Case]:
    """The cases of those two scenes, by the name that goes out."""
    suite = build("suite", "permanence")
    return {c.condition.name: c for s in suite.scenes(2, "public") for c in suite.cases(s)}


def test_every_case_was_asked_once(spied: list[dict]) -> None:
    asked = [name for record in spied for name in record["names"]]
    assert sorted(asked) == sorted(planned())


def test_only_plain_data_arrives(spied: list[dict]) -> None:
    allowed = {"simbench.case.Condition"}
    for record in spied:
        own = {t for t in record["types"] if t.split(".")[0] in ("simbench", "suites", "model", "reports")}
        assert own <= allowed, own - allowed


def test_no_array_is_a_window_on_more(spied: list[dict]) -> None:
    for record in spied:
        assert record["bytes"] <= record["given"]


def test_no_truth_arrives_in_words_or_bytes(spied: list[dict]) -> None:
    suite, cases = build("suite", "permanence"), planned()
    for record in spied:
        for name in record["names"]:
            case = cases[name]
            k = len(case.condition.given_frames)
            given = {frame.tobytes() for frame in case.condition.given_frames}
            future = {frame.tobytes() for frame in suite.oracle(case).frames[k:]} - given
            assert future
            assert not any(frame in record["packed"] for frame in future), "a frame of the future"
            facts = json.dumps(dict(case.truth.facts))
            assert facts.encode() not in record["packed"]
            words = {case.tags["trial"], case.truth.digest(), str(case.world_seed)}
            words |= {event.kind for event in case.truth.scene.events}
            assert not words & set(record["words"]), words & set(record["words"])
            assert str(case.world_seed).encode() not in record["packed"]


def test_the_spy_would_notice(tmp_path: Path) -> None:
    suite = build("suite", "permanence")
    case = suite.cases(suite.scenes(1, "public")[0])[0]
    names: dict = {}
    exec(SPY, names)
    names["Spy"](tmp_path)([case.condition], [0])
    names["Spy"](tmp_path)([LeakyCondition(case)], [0])
    honest, leaky = sorted(
        (pickle.loads(p.read_bytes()) for p in tmp_path.iterdir()), key=lambda r: len(r["types"])
    )
    assert "simbench.case.Truth" in leaky["types"]
    assert "simbench.case.Truth" not in honest["types"]
    assert case.tags["trial"] in leaky["words"]


class LeakyCondition:
    """A condition that still holds on to its case."""

    def __init__(self, case: Case) -> None:
        self.case, self.name, self.given_frames = case, case.condition.name, case.condition.given_frames
