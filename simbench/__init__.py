"""simbench: how far is a video model a simulator of its world?

`simbench.evaluate(generator, suite="permanence", ...)` measures one in Python; see `simbench.api`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simbench.api import evaluate
    from simbench.errors import UserError
    from simbench.tables import Clip, Table

__version__ = "0.1.0"
__all__ = ["Clip", "Table", "UserError", "evaluate"]


def __getattr__(name: str) -> Any:
    """`evaluate` and its companions, imported when they are first asked for."""
    from importlib import import_module

    places = {
        "evaluate": "simbench.api",
        "UserError": "simbench.errors",
        "Clip": "simbench.tables",
        "Table": "simbench.tables",
    }
    if name not in places:
        raise AttributeError(f"module 'simbench' has no attribute {name!r}")
    return getattr(import_module(places[name]), name)


def __dir__() -> list[str]:
    """Names for completion, those that are not imported yet included."""
    return sorted([*globals(), *__all__])
