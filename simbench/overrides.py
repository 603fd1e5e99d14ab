"""The command line before Hydra sees it: names and keys are checked, suites become parts of the config.

Hydra knows one option per group and says "not in struct" to a typo. Here `suite=a,b` and groups of
suites become several parts, `a.option=` reaches the suite or the study a, and a wrong name is answered with
the right one, before anything heavy is imported.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simbench.config import EXPOSURES, MODES, RunConfig
from simbench.errors import UserError
from simbench.settings import did_you_mean, one_of

CONF = Path(__file__).resolve().parent.parent / "conf"
DEFAULT_SUITE = "permanence"
DEFAULT_GENERATOR = "model"
ASSIGNMENT = re.compile(r"(?P<sign>[+~]{0,2})(?P<key>[\w@/.:-]+)=(?P<value>.*)", re.S)
FLAGS_WITH_VALUE = ("--config-dir", "-cd", "--cfg", "-c", "--info", "-i", "--package", "-p")
"""Hydra's own flags whose value may stand as a word of its own."""
CHOICES = {
    "mode": MODES,
    "anchors": ("all", "oracle", "none"),
    "engine": ("local", "inline", "ray"),
    "exposure": EXPOSURES,
}


@dataclass(frozen=True)
class Found:
    """A yaml of a group: its first comment line and its keys."""

    path: Path
    about: str
    keys: tuple[str, ...]
    content: Mapping[str, Any]


def config_folders(arguments: Sequence[str]) -> tuple[Path, ...]:
    """The configuration folders: this project's, then those named with --config-dir."""
    folders = [CONF]
    for i, argument in enumerate(arguments):
        if argument.startswith("--config-dir="):
            folders.append(Path(argument.partition("=")[2]))
        elif argument in ("--config-dir", "-cd") and i + 1 < len(arguments):
            folders.append(Path(arguments[i + 1]))
    return tuple(folders)


def options(folders: Sequence[Path], group: str) -> dict[str, Found]:
    """The options of a configuration group, by name."""
    import yaml

    found = {}
    for folder in folders:
        for path in sorted((folder / group).glob("*.yaml")):
            text = path.read_text(encoding="utf-8")
            about = text.splitlines()[0].lstrip("# ").strip() if text.startswith("#") else ""
            content = yaml.safe_load(text) or {}
            if not isinstance(content, dict):
                raise UserError(f"{path} is not a mapping of options")
            keys = tuple(key for key in content if not key.startswith("_"))
            found[path.stem] = Found(path, about, keys, content)
    return found


def rewrite(arguments: Sequence[str]) -> list[str]:
    """The arguments as Hydra takes them. Raises UserError with the nearest right name for a wrong one."""
    folders = config_folders(arguments)
    suites, groups = options(folders, "suite"), options(folders, "group")
    generators, studies = options(folders, "generator"), options(folders, "study")
    rest, generator, suite = [], DEFAULT_GENERATOR, None
    assignments = []
    for position, argument in enumerate(arguments):
        match = ASSIGNMENT.fullmatch(argument)
        follows_flag = position > 0 and arguments[position - 1] in FLAGS_WITH_VALUE
        if argument.startswith(("-", "~")) or follows_flag:
            rest.append(argument)
        elif match is None:
            raise UserError(f"{argument!r} is not an option; options are key=value, see --help")
        elif match["key"] == "suite":
            # The last would win, as in Hydra; here both may well be meant.
            if suite not in (None, match["value"]):
                raise UserError(
                    f"suite={suite} and suite={match['value']}: use suite={suite},{match['value']}"
                )
            suite = match["value"]
        else:
            assignments.append(match)
            if match["key"] == "generator":
                generator = match["value"]
    wanted = [DEFAULT_SUITE] if suite is None else named(suite, suites, groups, studies)
    one_of("generator", generator.split(",")[0], sorted(generators))
    for match in assignments:
        check(match, wanted, {**suites, **studies}, generators[generator.split(",")[0]])
        rest.append(spelled(match, wanted, studies))
    return [*rest, *(f"+{_place(name, studies)}={name}" for name in wanted)]


def _place(name: str, studies: Mapping[str, Found]) -> str:
    return f"study@study.{name}" if name in studies else f"suite@suites.{name}"


def named(
    value: str, suites: Mapping[str, Found], groups: Mapping[str, Found], studies: Mapping[str, Found]
) -> list[str]:
    """What `suite=value` names: suites as `expand` has them, or one study, which stands alone."""
    parts = [part.strip() for part in value.strip("[]").split(",")]
    found = next((part for part in parts if part in studies), None)
    if found is None:
        return expand(value, suites, groups, more=sorted(studies))
    if len(parts) > 1:
        raise UserError(f"suite={value}: {found} is a study and stands alone; use suite={found}")
    return [found]


def expand(
    value: str,
    suites: Mapping[str, Found],
    groups: Mapping[str, Found],
    option: str = "suite",
    more: Sequence[str] = (),
) -> list[str]:
    """The suites that `option=value` names: names and groups, by comma; `all` is every suite. `more` names
    would be right, too."""
    names: list[str] = []
    for part in value.strip("[]").split(","):
        part = part.strip()
        if part == "all":
            names += sorted(suites)
        elif part in groups:
            names += groups[part].content["suites"]
        else:
            names.append(one_of(option, part, [*sorted(suites), *sorted(groups), "all", *more]))
    return list(dict.fromkeys(names))


def check(match: re.Match[str], wanted: Sequence[str], found: Mapping[str, Found], generator: Found) -> None:
    """Raise UserError for a key that does not exist, and for the values that are a short list. `found` are
    suites and studies."""
    key, value = match["key"], match["value"]
    first, _, second = key.partition(".")
    plain = [f.name for f in dataclasses.fields(RunConfig)]
    if (
        first in ("hydra", "suites", "study", "report", "baselines")
        or "@" in key
        or "/" in key
        or match["sign"]
    ):
        return
    if first == "generator" and second:
        _known(key, second.split(".")[0], generator.keys, f"generator {generator.path.stem}")
    elif first in wanted and second:
        _known(key, second.split(".")[0], found[first].keys, f"suite {first}")
    elif second or first not in plain:
        keys = sorted({*plain, "suite"} - {"suites", "study", "baselines", "report"})
        raise UserError(
            f"unknown option {key}{did_you_mean(key, keys)} See python -m simbench --help".strip()
        )
    elif first in CHOICES:
        for part in value.split(","):
            one_of(first, part, CHOICES[first])


def _known(key: str, name: str, keys: Sequence[str], owner: str) -> None:
    if name not in keys:
        has = ", ".join(keys) or "no options"
        raise UserError(f"unknown option {key}: {owner} has {has}{did_you_mean(name, keys)}")


def spelled(match: re.Match[str], wanted: Sequence[str], studies: Mapping[str, Found]) -> str:
    """One assignment as Hydra wants it: suites and studies by their place, lists of cheats as text."""
    key, value = match["key"], match["value"]
    first, _, second = key.partition(".")
    # A comma is a sweep to Hydra, and a path may hold any sign of its grammar.
    path = key in ("out", "store", "generator.dir") or key.endswith(".folder")
    if first in wanted:
        key = f"study.{key}" if first in studies else f"suites.{key}"
        path = path or (first in studies and isinstance(studies[first].content.get(second), str))
    if key == "cheats" or (path and "$" not in value):
        bare = value.strip("\"'")
        value = quoted(bare)
    return f"{match['sign']}{key}={value}"


def quoted(text: str) -> str:
    """`text` in Hydra's single quotes. To Hydra a backslash is special only before a quote."""
    inside = re.sub(r"(\\*)'", r"\1\1\\'", text)
    return "'" + re.sub(r"(\\+)$", r"\1\1", inside) + "'"
