"""What pools and latent caches share: claimed folders, arrays on disk, an index, processes with progress."""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from filelock import FileLock, Timeout

from simbench.errors import UserError
from simbench.files import replacing, write_text
from simbench.progress import progress

T = TypeVar("T")


def claim(folder: Path, kind: str, plan: dict[str, Any]) -> None:
    """Make `folder` and write `plan` to KIND.json. UserError where it holds one of another plan."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}.json"
    text = json.dumps(plan, indent=1, sort_keys=True) + "\n"
    if not path.exists():
        write_text(path, text)
    elif path.read_text(encoding="utf-8") != text:
        raise UserError(
            f"{folder} holds another {kind}, made with other options (see {path.name});"
            " remove it or choose another folder"
        )


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Whoever else would write `folder` waits meanwhile and says so; one that is killed holds nobody back."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        print(f"{folder} is being written by another call: waiting for it", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def lines(path: Path) -> int:
    """Lines of a file, 0 where it is not there."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def save(path: Path, array: np.ndarray) -> None:
    """Write one .npy atomically."""
    with replacing(path, array.nbytes) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def open_array(path: Path) -> np.ndarray:
    """A .npy whose pages stay on disk until they are read. UserError where it is missing or damaged."""
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); make it once more") from error
    return array


def read_index(folder: Path, kind: str, version: int) -> dict[str, Any]:
    """index.json of a finished `kind` (pool, latents). UserError where it is missing, damaged or of old."""
    path = folder / "index.json"
    if not path.exists():
        begun = (folder / f"{kind}.json").exists()
        remedy = "run the command that makes it once more" if begun else "make one first"
        raise UserError(f"{folder} holds no finished {kind}; {remedy}")
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is damaged ({error}); make the {kind} once more") from error
    if not isinstance(index, dict) or index.get("format") != version:
        raise UserError(f"{path} is not of format {version}; make the {kind} once more")
    return index


def spread(work: Callable[[T], int], parts: Sequence[T], total: int, workers: int, what: str) -> int:
    """Do `work` on all `parts`, here or in `workers` fresh processes; the sum of what it returns.

    Progress counts those sums against `total`. Finished parts stay finished when it is interrupted.
    """
    done = 0
    with progress(what, total) as bar:
        if workers <= 1 or len(parts) < 2:
            for part in parts:
                count = work(part)
                done += count
                bar.step(count)
            return done
        # Fresh processes: a fork would copy the threads' locks of whatever the caller has loaded.
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(workers, len(parts)), mp_context=spawn) as pool:
            jobs = [pool.submit(work, part) for part in parts]
            try:
                for job in as_completed(jobs):
                    done += job.result()
                    bar.step(job.result())
            except BrokenProcessPool as error:
                raise UserError(
                    "a worker process died, perhaps for lack of memory; use fewer workers= (the work is kept)"
                ) from error
            finally:
                for job in jobs:
                    job.cancel()
    return done
