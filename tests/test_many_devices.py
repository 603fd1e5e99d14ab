"""Lines for several devices on the pages: torchrun and SLURM understand theirs, and so does the trainer."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_readme import PAGES, ROOT, blocks

pytest.importorskip("torch")
pytestmark = pytest.mark.torch

SBATCH = {
    "job-name", "nodes", "ntasks-per-node", "gpus-per-node", "gpus", "cpus-per-task", "time", "requeue",
    "array", "dependency",
}  # fmt: skip
"""Long options of sbatch (slurm.schedmd.com/sbatch.html) that the pages use."""


def lines() -> Iterator[str]:
    """Every line of a shell block of the pages, joined where it goes on, without comments behind it."""
    for page in PAGES:
        for block in blocks(page, "sh"):
            yield from (line.split("  #")[0].strip() for line in block.replace("\\\n", " ").splitlines())


def after(word: str) -> list[str]:
    """What follows `word` on each line that holds it."""
    return sorted({line.partition(word)[2].strip() for line in lines() if word in line})


@pytest.mark.parametrize("command", after("torchrun "))
def test_torchrun_and_the_trainer_understand_the_line(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.distributed.run import parse_args

    from model.training.config import parse

    monkeypatch.chdir(ROOT)
    given = parse_args([re.sub(r"\$\{?\w+\}?", "2", word) for word in shlex.split(command)])
    assert given.module and given.training_script == "model.train"
    found = parse(given.training_script_args)
    ranks = int(given.nproc_per_node) * int(str(given.nnodes).rpartition(":")[2])
    assert found.out and found.batch % ranks == 0, f"{found.batch} clips on {ranks} processes"


@pytest.mark.parametrize("command", after("#SBATCH "))
def test_options_of_slurm_are_options_of_slurm(command: str) -> None:
    words = shlex.split(command)
    assert all(word.startswith("--") for word in words)
    assert {word[2:].partition("=")[0] for word in words} <= SBATCH


def test_the_pages_show_both() -> None:
    assert len(after("torchrun ")) >= 2 and len(after("#SBATCH ")) >= 2
    scripts = [b for page in PAGES for b in blocks(page, "sh") if "#SBATCH" in b]
    assert all(script.startswith("#!/bin/bash\n#SBATCH ") for script in scripts)
    assert [b for b in scripts if "--array" in b and "python -m simbench" in b]


def test_the_parts_of_an_array_are_shards() -> None:
    from simbench.plan import shard_of

    part = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "8", "SLURM_ARRAY_TASK_MIN": "0"}
    assert (shard_of(None, part).index, shard_of(None, part).count) == (3, 8)


def test_help_names_a_line_that_the_trainer_understands(monkeypatch: pytest.MonkeyPatch) -> None:
    from model.train import USAGE
    from model.training.config import parse

    monkeypatch.chdir(ROOT)
    (line,) = re.findall(r"torchrun .*-m model\.train (.*)", USAGE)
    assert parse(shlex.split(line)).batch == 512
    assert Path(ROOT / "conf/model/tiny.json").is_file()
