"""The command line: help and lists at once, everything else through Hydra, one exit code at the end."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from simbench import exits
from simbench.errors import UserError
from simbench.exits import Terminated


def main(arguments: Sequence[str]) -> int:
    """Run `python -m simbench` with `arguments`; the exit code, which has one meaning each (--help)."""
    from simbench.helptext import help_text, list_text
    from simbench.overrides import rewrite

    try:
        if any(a in ("--help", "-h") for a in arguments):
            print(help_text(arguments))
            return exits.OK
        if "mode=list" in arguments:
            print(list_text(arguments))
            return exits.OK
        rewritten = rewrite(arguments)
        _check_folders(arguments)
    except UserError as error:
        return _trouble(str(error))
    with _terminated_by_signal():
        try:
            return _through_hydra(rewritten, arguments)
        except Terminated:
            return _interrupted(arguments, exits.TERMINATED)
        except KeyboardInterrupt:
            return _interrupted(arguments, exits.INTERRUPTED)


def _through_hydra(rewritten: Sequence[str], arguments: Sequence[str]) -> int:
    import hydra
    from omegaconf import DictConfig

    from simbench.config import register
    from simbench.overrides import CONF

    outcomes: list[int] = []

    # Hydra ignores what a job returns, and a job that exits would end a sweep at its first.
    @hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
    def job(config: DictConfig) -> None:
        """What Hydra runs with the composed configuration."""
        outcomes.append(_job(config, arguments))

    register()
    before = sys.argv
    sys.argv = ["simbench", *rewritten]
    try:
        job()
    except SystemExit as stop:
        # Hydra leaves with 1 for a wrong option and for a crash alike; 1 means "worse" here.
        if stop.code:
            return exits.TROUBLE
    finally:
        sys.argv = before
    if not outcomes and _only_prints(arguments):
        return exits.OK
    return exits.worst(outcomes)


def _job(config: Any, arguments: Sequence[str]) -> int:
    from hydra.core.hydra_config import HydraConfig

    from simbench.assemble import assemble, open_request_engine, reporter
    from simbench.overrides import config_folders
    from simbench.run import run
    from simbench.study import run_study

    runtime = HydraConfig.get().runtime
    resume = "python -m simbench " + shlex.join(x for x in arguments if x != "mode=plan")
    try:
        request = assemble(config, runtime.choices["generator"], Path(runtime.output_dir), resume)
        if config.study:
            return run_study(config, request, config_folders(arguments))
        with open_request_engine(config, request.suites) as engine:
            return run(request, engine, reporter(config))
    except UserError as error:
        return _trouble(str(error))


def _only_prints(arguments: Sequence[str]) -> bool:
    flags = ("--cfg", "-c", "--info", "-i", "--hydra-help", "--version", "--package", "--resolve", "-sc")
    return any(argument.split("=")[0] in flags for argument in arguments)


def _check_folders(arguments: Sequence[str]) -> None:
    """Find out before Hydra does whether results can be written: it would answer with a traceback."""
    from simbench.files import require_writable

    for argument in arguments:
        option, _, value = argument.partition("=")
        if option in ("out", "store") and value and "$" not in value:
            require_writable(Path(value.strip("\"'")), option)


def _trouble(message: str) -> int:
    print(f"simbench: {message}", file=sys.stderr, flush=True)
    return exits.TROUBLE


def _interrupted(arguments: Sequence[str], code: int) -> int:
    word = "interrupted" if code == exits.INTERRUPTED else "terminated"
    command = "python -m simbench " + shlex.join(arguments)
    print(f"\nsimbench: {word}; the work is kept, go on with: {command}", file=sys.stderr, flush=True)
    return code


@contextmanager
def _terminated_by_signal() -> Iterator[None]:
    """SIGTERM raises Terminated in the main thread, so that every `finally` runs."""

    def stop(number: int, frame: FrameType | None) -> None:
        """Signal handler: raises Terminated."""
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
