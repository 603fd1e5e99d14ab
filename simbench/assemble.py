"""From the composed configuration to the objects of a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simbench.engine import Engine, open_engine
from simbench.errors import UserError
from simbench.plan import shard_of
from simbench.run import Request
from simbench.score import Anchors
from simbench.settings import setting_for
from simbench.store import Store, default_store
from simbench.suite import preload

if TYPE_CHECKING:
    from simbench.generator import Generator
    from simbench.suite import Suite

OTHERS = ("_target_", "_convert_", "_partial_", "_recursive_", "setting")


def assemble(config: Any, choice: str, out: Path, resume: str) -> Request:
    """Suites, baselines and everything else that `config` (a DictConfig) says; the generator, whose option in
    its group is `choice`, stays a recipe.

    UserError for options that are out of range or files that say nothing to build.
    """
    from omegaconf import OmegaConf

    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    if not isinstance(plain["generator"], dict) or "_target_" not in plain["generator"]:
        raise UserError(f"generator={choice} has no _target_; its yaml must name the class to build")
    options = plain["generator"]
    name = config.label or _generator_name(choice, options)
    anchors = Anchors(False, False, (), None)
    if config.anchors == "oracle":
        anchors = Anchors(True, False, (), None)
    elif config.anchors == "all":
        others = {k: build(v) for k, v in plain["baselines"].items() if v != options}
        anchors = Anchors(True, True, (), others)
    return Request(
        suites=tuple(build_suite(name, node, config) for name, node in plain["suites"].items()),
        name=name,
        options=options,
        load=lambda: load(options),
        anchors=anchors,
        cheats=config.cheats,
        out=out,
        store=Store(default_store() if config.store is None else Path(config.store).absolute()),
        scenes=config.cases,
        samples=config.samples,
        seed=config.seed,
        noise=config.noise,
        shard=shard_of(config.shard, os.environ),
        batch=config.batch,
        workers=config.workers,
        mode=config.mode,
        max_incomplete=config.max_incomplete,
        rescore=config.rescore,
        clips=config.clips,
        exposure=config.exposure,
        resume=resume,
        config={str(key): value for key, value in plain.items()},
    )


def _generator_name(choice: str, options: Mapping[str, Any]) -> str:
    """`videos resample=fit`: the table says when clips were changed to fit what was asked."""
    resample = options.get("resample")
    return choice if resample is None else f"{choice} resample={resample}"


def build(options: Mapping[str, Any], **more: Any) -> Any:
    """The object that a node with a `_target_` stands for. Raises what its import or its class raises."""
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    try:
        return instantiate({"_convert_": "all", **options, **more})
    except InstantiationException as error:
        # Hydra wraps the reason in a page of its own; what was raised first says it in one line.
        reason: BaseException = error
        while reason.__cause__ is not None and not isinstance(reason, UserError):
            reason = reason.__cause__
        raise reason from None


def load(options: Mapping[str, Any]) -> Generator:
    """Build the generator and see that it is one."""
    from simbench.generator import Generator

    found = build(options)
    if not isinstance(found, Generator):
        raise UserError(
            f"{options['_target_']} is no generator: it needs capabilities, __call__ and identity()"
            " (simbench/generator.py)"
        )
    return found


def build_suite(name: str, node: Mapping[str, Any], config: Any) -> Suite:
    """A suite with the setting that its yaml and the command line give."""
    if not isinstance(node, dict) or "_target_" not in node:
        raise UserError(f"suite={name} has no _target_; its yaml must name the class to build")
    setting = setting_for(node.get("setting") or {}, config)
    rest = {key: value for key, value in node.items() if key not in OTHERS}
    make = build({"_target_": node["_target_"], "_partial_": True, **rest})
    suite: Suite = make(setting=setting)
    return suite


def open_request_engine(config: Any, suites: Sequence[Suite]) -> AbstractContextManager[Engine]:
    """The engine that `config` names, its workers with what `suites` want loaded."""
    if config.workers < 0:
        raise UserError(f"workers={config.workers} must be 0 (one per core) or more")
    return open_engine(config.engine, config.workers, preload(suites))


def reporter(config: Any) -> Callable[[Path], str]:
    """Writes the report of a folder and returns the table. It is named by a string: reports stand alone."""
    from hydra.utils import instantiate

    return lambda folder: str(instantiate(config.report, folder=str(folder)))
