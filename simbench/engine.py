"""Where work runs: worker processes on this machine, or a Ray cluster. Both map one function over items."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection
from types import ModuleType
from typing import Any, Protocol, TypeVar

from simbench.errors import UserError

Item = TypeVar("Item")
Answer = TypeVar("Answer")

ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
)
PRELOAD = (
    "numpy",
    "simbench.case",
    "simbench.video",
    "simbench.generator",
    "simbench.score",
    "simbench.generate",
)

# A forked copy of a process with threads (torch, numba) can hang; a fork server has none.
METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
BASE: Any = multiprocessing.get_context(METHOD)


class Worker(BASE.Process):  # type: ignore[misc]
    """A process that does not run the user's script again: nothing sent to a worker is defined in a script,
    and one that calls `simbench.evaluate` without a guard would start workers in each worker."""

    def start(self) -> None:
        """Start it while `__main__`, if it is a script, is out of sight."""
        main = sys.modules["__main__"]
        if getattr(main, "__spec__", None) is None:
            sys.modules["__main__"] = ModuleType("__main__")
        try:
            super().start()
        finally:
            sys.modules["__main__"] = main


class WorkerContext(type(BASE)):  # type: ignore[misc]
    """Makes those processes."""

    Process = Worker


class Engine(Protocol):
    """Maps a picklable function over items; answers come as they are ready."""

    def map(self, function: Callable[[Item], Answer], items: Sequence[Item]) -> Iterator[Answer]:
        """`function` of each item, in order of completion. What it raises is raised here."""
        ...


class Inline:
    """Everything in this process, in order: for tests and debuggers."""

    def map(self, function: Callable[[Item], Answer], items: Sequence[Item]) -> Iterator[Answer]:
        """See Engine."""
        return (function(item) for item in items)


class Pool:
    """Worker processes. Each uses one thread, so that N workers are N cores."""

    def __init__(self, executor: ProcessPoolExecutor) -> None:
        self._executor = executor

    def map(self, function: Callable[[Item], Answer], items: Sequence[Item]) -> Iterator[Answer]:
        """See Engine. UserError when a worker is killed, mostly for want of memory."""
        futures: list[Future[Answer]] = [self._executor.submit(function, item) for item in items]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise UserError(
                "a worker process died, most likely for want of memory; use fewer with workers=1, then run"
                " the same command again (what is stored is kept)"
            ) from error
        finally:
            for future in futures:
                future.cancel()


class RayEngine:
    """Ray tasks on the cluster that RAY_ADDRESS names, or on this machine."""

    def __init__(self) -> None:
        if importlib.util.find_spec("ray") is None:
            raise UserError("engine=ray needs Ray, which is not installed: pip install 'ray[default]'")
        import ray

        self._ray: Any = ray
        if not ray.is_initialized():
            ray.init(log_to_driver=False)

    def map(self, function: Callable[[Item], Answer], items: Sequence[Item]) -> Iterator[Answer]:
        """See Engine."""
        remote = self._ray.remote(function)
        waiting = [remote.remote(item) for item in items]
        while waiting:
            ready, waiting = self._ray.wait(waiting, num_returns=1)
            yield self._ray.get(ready[0])


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def open_engine(name: str, workers: int, preload: Sequence[str] = ()) -> Iterator[Engine]:
    """The engine `name` with `workers` processes (0: one per core). Workers end with the block, and when
    this process is killed. The modules in `preload` are imported once, before workers are forked."""
    if name == "ray":
        yield RayEngine()
    elif name == "inline":
        yield Inline()
    elif name == "local":
        with _local(cores() if workers == 0 else workers, preload) as pool:
            yield pool
    else:
        raise UserError(f"engine={name} is not one of local, inline, ray")


@contextmanager
def _local(workers: int, preload: Sequence[str]) -> Iterator[Pool]:
    context = WorkerContext()
    if METHOD == "forkserver":
        context.set_forkserver_preload([*PRELOAD, *preload])
    with _environment(dict.fromkeys(ONE_THREAD, "1")):
        executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)
        # Workers take their environment now, before it is put back for the models in this process.
        for future in [executor.submit(os.getpid) for _ in range(workers)]:
            future.result()
    finished = False
    try:
        yield Pool(executor)
        finished = True
    finally:
        executor.shutdown(wait=finished, cancel_futures=True)
        if not finished:
            for child in multiprocessing.active_children():
                child.terminate()


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it even when it is killed with -9."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
