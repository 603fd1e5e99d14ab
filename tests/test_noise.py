"""noise=INT: other seeds for the generator in the same worlds, and 0 is what was before it came."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import toy

from simbench.keys import seed_for


def store_of(folder: Path) -> list[str]:
    """Files of the videos that a run has stored; their folders are named by their keys."""
    return sorted(str(p) for p in (folder / "store" / "video").rglob("*") if p.is_file())


def places(folder: Path) -> list[tuple[str, ...]]:
    """What was asked in a run: scene, case, world seed and sample of every line."""
    with (folder / "out" / "scores.csv").open(newline="") as file:
        rows = [(r["scene"], r["case"], r["world_seed"], r["sample"]) for r in csv.DictReader(file)]
    return sorted(set(rows))


def test_the_same_noise_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert toy.go(tmp_path / name, toy.Box("noise"), noise=3) == 0
    assert toy.scores(tmp_path / "one") == toy.scores(tmp_path / "two")


def test_another_noise_makes_other_videos_of_the_same_worlds(tmp_path: Path) -> None:
    box = toy.Box("noise")
    assert toy.go(tmp_path, box) == 0
    before, asked, scores = store_of(tmp_path), places(tmp_path), toy.scores(tmp_path)
    assert toy.go(tmp_path, box, noise=1) == 0
    after = store_of(tmp_path)
    assert len(after) == 2 * len(before) and set(before) < set(after)
    assert places(tmp_path) == asked
    assert toy.go(tmp_path, box) == 0
    assert store_of(tmp_path) == after and toy.scores(tmp_path) == scores


@pytest.mark.torch
def test_the_model_that_ships_answers_another_noise_otherwise() -> None:
    pytest.importorskip("torch")
    from conftest import build

    case = build("suite", "permanence").cases("public-0000")[0]
    generator = build("generator", "model")

    def clip(noise: int) -> bytes:
        """The pixels of its answer."""
        seed = seed_for(case.world_seed, case.id, 0, noise)
        return generator([case.condition], [seed])[0].frames.tobytes()

    first = clip(0)
    assert clip(0) == first
    assert clip(1) != first and clip(1) == clip(1)
