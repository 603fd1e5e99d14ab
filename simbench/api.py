"""`simbench.evaluate`: a run from Python. The same path as the command line, so the same keys and scores."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from simbench import exits
from simbench.errors import UserError
from simbench.tables import Table

if TYPE_CHECKING:
    from simbench.generators.given import Given
    from simbench.run import Request

DRAWN = "reports.inline.inline_html"
"""What draws a table in Jupyter. Named by a string, as in conf/config.yaml: reports stand alone."""

MODES = ("all", "score")
"""Modes that end with a table."""

BARE = re.compile(r"[\w./:@+-]+")
"""Values that Hydra takes as they are; all others are quoted."""


def evaluate(generator: Any = "model", suite: str | Sequence[str] = "permanence", **options: Any) -> Table:
    """Ask `generator` a suite and return the table. Videos and scores come from and go to the store.

    `generator` is a name (`"model"`, `"flow"`, ...), a target (`"my_package.MyModel"`), or a model itself: a
    class, an object or a function with the interface of examples/my_model.py, or a whole
    `simbench.generator.Generator`. `options` are those of `python -m simbench --help` with Python values
    (`cases=8, size=64, out="folder"`); those with a dot go in as `**{"generator.steps": 4}`, and
    `config_dir=` is --config-dir. The table and the files are in `out` (default outputs/DATE/TIME).

    Every wrong name or value is a UserError of one line; what the model raises stands in the table.
    """
    mode = options.get("mode", "all")
    if mode not in MODES:
        raise UserError(f"mode={mode} makes no table; use mode=all or score here, or python -m simbench")
    given, words = _chosen(generator, options)
    folder = Path(options.pop("out", None) or datetime.now().strftime("outputs/%Y-%m-%d/%H-%M-%S.%f"))
    call = _call(generator, given, suite, options)
    words |= {"suite": suite, "out": folder}
    arguments = [
        _assignment(key, value) for key, value in {**words, **options}.items() if key != "config_dir"
    ]
    folders = options.get("config_dir")
    return _run(arguments, [] if folders is None else [Path(folders).absolute()], folder, call, given)


def _chosen(generator: Any, options: Mapping[str, Any]) -> tuple[Given | None, dict[str, Any]]:
    """The model itself, if that is what was given, and the options that name the generator."""
    if isinstance(generator, str):
        if "." in generator:
            return None, {"generator": "python", "generator.target": generator}
        return None, {"generator": generator}
    from simbench.generators.given import describe, is_whole

    given = describe(generator)
    own = [key for key in options if key.lstrip("+~").startswith("generator.")]
    if own and is_whole(given.model):
        raise UserError(
            f"{own[0]} has no effect on {given.name}, which is a whole generator; build it with it"
        )
    return given, {"generator": "python", "generator.target": given.target}


def _run(arguments: list[str], folders: list[Path], folder: Path, call: str, given: Given | None) -> Table:
    from simbench.assemble import assemble, build, open_request_engine, reporter
    from simbench.files import require_writable
    from simbench.overrides import rewrite
    from simbench.run import run

    flags = [f"--config-dir={path}" for path in folders]
    overrides = [o for o in rewrite([*flags, *arguments]) if not o.startswith("--")]
    if any(o.startswith("+study@") for o in overrides):
        raise UserError("a study makes no table; run it with python -m simbench suite=NAME")
    require_writable(folder, "out")
    config, choice = _composed(overrides, folders)
    request = assemble(config, choice, folder, call)
    if given is not None:
        request = _with_model(request, given, config.label)
    shown: list[str] = []

    def report(written: Path) -> str:
        """Keeps the table instead of printing it."""
        shown.append(reporter(config)(written))
        return ""

    with open_request_engine(config, request.suites) as engine:
        code = run(request, engine, report)
    rows = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["rows"]
    html = build({"_target_": DRAWN}, folder=str(folder))
    return Table(tuple(map(MappingProxyType, rows)), folder, code == exits.OK, shown[0], html)


def _with_model(request: Request, given: Given, label: str | None) -> Request:
    """The same request with the model that is there already in place of one to be built."""
    from simbench.generators.given import is_importable, is_whole
    from simbench.generators.python import PythonGenerator

    recipe = {key: value for key, value in request.options.items() if not key.startswith("_")}
    model: Any = PythonGenerator(**recipe, given=given)
    # What is defined in a notebook cannot travel to worker processes; wrapped, it stays in this one.
    if is_whole(given.model) and is_importable(given.model):
        model = given.model
    resample = "" if recipe.get("resample") is None else f" resample={recipe['resample']}"
    return dataclasses.replace(
        request,
        name=label or given.name + resample,
        options={**request.options, "given": [given.source, given.own]},
        load=lambda: model,
    )


def _composed(overrides: list[str], folders: list[Path]) -> tuple[Any, str]:
    """The configuration, and the name of the generator's yaml. UserError for what Hydra refuses."""
    from hydra import compose
    from hydra.errors import HydraException
    from omegaconf import open_dict
    from omegaconf.errors import OmegaConfBaseException

    from simbench.config import register

    search = ",".join(f"'file://{path}'" for path in folders)
    try:
        with _hydra():
            register()
            more = [f"hydra.searchpath=[{search}]"] if folders else []
            config = compose("config", [*more, *overrides], return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        reason: BaseException = error
        while reason.__cause__ is not None:
            reason = reason.__cause__
        said = " ".join(f"{error}".split()) if reason is error else " ".join(f"{error} {reason}".split())
        raise UserError(said) from error
    choice = config.hydra.runtime.choices["generator"]
    with open_dict(config):
        del config["hydra"]
    return config, choice


@contextmanager
def _hydra() -> Iterator[None]:
    """Hydra ready to compose, whatever the calling program does with Hydra itself."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    from simbench.overrides import CONF

    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF), "simbench", "1.3"):
            yield
    finally:
        # Asked for again: Hydra's own restoring puts another object in its place.
        GlobalHydra.instance().hydra = before


def _assignment(key: str, value: Any) -> str:
    """`key=value` as on the command line. UserError for values that it has no words for."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif value is None:
        text = "null"
    elif isinstance(value, int | float):
        text = repr(value)
    elif isinstance(value, list | tuple) and key in ("suite", "cheats"):
        text = ",".join(str(part) for part in value)
    elif isinstance(value, str | Path):
        from simbench.overrides import quoted

        text = str(value)
        raw = key in ("suite", "cheats", "out", "store", "generator.dir", "generator")
        if not raw and not BARE.fullmatch(text):
            text = quoted(text)
    else:
        raise UserError(
            f"{key}={value!r} is a {type(value).__name__}; use a number, text, True, False or None"
            " (a model with options of its own: build it and give the object)"
        )
    return f"{key}={text}"


def _call(generator: Any, given: Given | None, suite: Any, options: Mapping[str, Any]) -> str:
    """The call as text, for the report: what to run to have the same again."""
    first = repr(generator) if given is None else given.name
    words = [f"{key}={value!r}" for key, value in options.items() if key.isidentifier()]
    dotted = {key: value for key, value in options.items() if not key.isidentifier()}
    words += [f"**{dotted!r}"] if dotted else []
    return f"simbench.evaluate({', '.join([first, f'suite={suite!r}', *words])})"
