"""What the commands share that ask several suites, scene by scene, and write a table into a card."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from simbench.errors import UserError
from suites.proof import Asked, build_suite, write_json

if TYPE_CHECKING:
    from simbench.suite import Proven

Task = TypeVar("Task")
Found = TypeVar("Found")


@dataclass
class Carded(Asked):
    """Options of such a command: `card` is a page with a block of the command's name, `out` a JSON file."""

    scenes: int = 16
    seed: str = "public"
    out: str = ""
    card: str = ""


def listed(text: str) -> list[str]:
    """The names between commas, each once, in their order."""
    return [name for name in dict.fromkeys(text.split(",")) if name]


def suites_of(chosen: Carded) -> list[Proven]:
    """Each suite of `suite=` at the setting asked for, with the options of its own. UserError names what is
    unknown, or that none is named."""
    names = listed(chosen.suite)
    if not names:
        raise UserError(f"suite={chosen.suite} names none; use suite=permanence")
    own: dict[str, list[tuple[str, str]]] = {name: [] for name in names}
    for key, value in chosen.own:
        whose = key.partition(".")[0]
        if whose not in own:
            raise UserError(
                f"{key}={value} is of no suite in suite={chosen.suite}; add {whose} or leave it out"
            )
        own[whose].append((key, value))
    return [build_suite(dataclasses.replace(chosen, suite=name, own=tuple(own[name]))) for name in names]


def check_card(chosen: Carded, block: str) -> None:
    """UserError where the card or `out` could not be written: to be called before a long measurement."""
    from simbench.blocks import page_with
    from simbench.files import require_file

    if chosen.card:
        page_with(Path(chosen.card), block, "")
    if chosen.out:
        require_file(Path(chosen.out), "out")


def over_scenes(
    label: str, suite: Proven, work: Callable[[Task], Found], tasks: Mapping[str, Task], workers: int
) -> list[Found]:
    """What `work` makes of the task of each scene, in worker processes; in the order of `tasks`."""
    from simbench.engine import open_engine
    from simbench.progress import progress
    from simbench.suite import preload

    found: dict[str, Found] = {}
    with (
        open_engine("local", workers, preload([suite])) as engine,
        progress(label, len(tasks)) as shown,
    ):
        for scene, made in engine.map(_Named(work), list(tasks.items())):
            found[scene] = made
            shown.step()
    return [found[scene] for scene in tasks]


@dataclass(frozen=True)
class _Named:
    """`work` with the name of the scene beside it: workers answer in any order."""

    work: Callable[[Any], Any]

    def __call__(self, task: tuple[str, Any]) -> tuple[str, Any]:
        """The name and the answer."""
        return task[0], self.work(task[1])


def publish(chosen: Carded, block: str, text: str, record: Mapping[str, Any]) -> None:
    """Print the table, and write it to the card and `record` to `out` where they are asked for."""
    from simbench.blocks import write_block

    print(text)
    if chosen.out:
        write_json(Path(chosen.out), record)
    if chosen.card:
        write_block(Path(chosen.card), block, text)
