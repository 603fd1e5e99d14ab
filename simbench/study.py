"""Studies: what `suite=NAME` names beside suites, and takes runs or probes in place of cases.

conf/study/NAME.yaml names a frozen dataclass of options (`_target_`) with a method `run(call) -> int`, so
that this package imports neither suites nor reports.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from simbench.errors import UserError

if TYPE_CHECKING:
    from simbench.engine import Engine
    from simbench.run import Request
    from simbench.suite import Suite

MODES = ("all", "plan")
"""What mode= means to a study: everything, or to say what would be done."""


@dataclass(frozen=True)
class Call:
    """What a command line says beside a study's own options.

    `request` is that of a run without suites: out, store, cases, seeds, anchors, and the generator that was
    chosen, not yet loaded. `folders` hold configuration: this project's and those of --config-dir.
    """

    request: Request
    config: Any
    folders: tuple[Path, ...]

    @property
    def planned(self) -> bool:
        """Whether to say what would be done, and do nothing (mode=plan)."""
        return self.request.mode == "plan"

    def suites(self, names: str, option: str) -> tuple[Suite, ...]:
        """The suites `names` says, by comma, groups and `all` included, at the setting of the command line.
        `option` is what an error calls them by: `scaling.suites`."""
        from simbench.assemble import build_suite
        from simbench.overrides import expand, options

        found = options(self.folders, "suite")
        wanted = expand(names, found, options(self.folders, "group"), option)
        return tuple(build_suite(name, found[name].content, self.config) for name in wanted)

    def engine(self, suites: Sequence[Suite]) -> AbstractContextManager[Engine]:
        """The engine that engine= and workers= ask for."""
        from simbench.assemble import open_request_engine

        return open_request_engine(self.config, suites)

    def table(self, folder: Path) -> str:
        """Write the report of a folder of scores; its table."""
        from simbench.assemble import reporter

        return reporter(self.config)(folder)


@runtime_checkable
class Study(Protocol):
    """A frozen dataclass of options, built by Hydra from its yaml and the command line.

    A comma in an option whose default is a text is part of the text, not a sweep. In mode=plan it says what
    it would do and writes nothing; its defaults alone are a plan, if of nothing.
    """

    def run(self, call: Call) -> int:
        """Do it; an exit code of simbench.exits. UserError for what the user can mend."""
        ...


def build_study(name: str, node: Mapping[str, Any]) -> Study:
    """The study `name` of its options. UserError for a yaml without one or a value that it refuses."""
    from simbench.assemble import build

    if not isinstance(node, dict) or "_target_" not in node:
        raise UserError(f"suite={name} has no _target_; its yaml must name the class to build")
    kind = build({**node, "_partial_": True}).func
    if not dataclasses.is_dataclass(kind) or not hasattr(kind, "run"):
        raise UserError(f"{node['_target_']} is no study: it needs options and run() (simbench/study.py)")
    values = {key: value for key, value in node.items() if not key.startswith("_")}
    for field in dataclasses.fields(kind):
        if field.name in values:
            _check(f"{name}.{field.name}", values[field.name], field.default)
    study: Study = build(node)
    return study


def _check(option: str, value: Any, default: Any) -> None:
    """UserError for a value that is of another kind than the default, where that is a text or a number."""
    kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    wanted = type(default)
    fits = type(value) is wanted or (wanted is float and type(value) is int)
    if wanted in kinds and not fits:
        raise UserError(f"{option}={value} is not {kinds[wanted]}; the default is {default}")


def run_study(config: Any, request: Request, folders: Sequence[Path]) -> int:
    """Run the one study of a composed configuration; its exit code."""
    ((name, node),) = request.config["study"].items()
    if request.mode not in MODES:
        raise UserError(
            f"mode={request.mode} means nothing to suite={name}, a study; use mode=all or mode=plan"
        )
    for option, count in (("cases", request.scenes), ("samples", request.samples)):
        if count < 1:
            raise UserError(f"{option}={count} measures nothing; use {option}=1 or more")
    return build_study(name, node).run(Call(request, config, tuple(folders)))
