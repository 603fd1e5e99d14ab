"""Blocks of a page that a command writes: what stands between `<!-- name -->` and `<!-- /name -->`."""

from __future__ import annotations

from pathlib import Path

from simbench.errors import UserError


def marks(name: str) -> tuple[str, str]:
    """What stands before and after a block."""
    return f"<!-- {name} -->", f"<!-- /{name} -->"


def replaced(text: str, name: str, content: str) -> str:
    """`text` with `content` in its block `name`, between blank lines. UserError unless it has just one."""
    first, last = marks(name)
    if text.count(first) != 1 or text.count(last) != 1 or text.index(first) > text.index(last):
        raise UserError(f"no single block {first} ... {last} to write to; put these two marks on the page")
    head, _, rest = text.partition(first)
    tail = rest.partition(last)[2]
    return f"{head}{first}\n\n{content.strip()}\n\n{last}{tail}"


def page_with(path: Path, name: str, content: str) -> str:
    """The text of the page at `path` with `content` in its block `name`. UserError where one is missing."""
    if not path.is_file():
        raise UserError(f"{path} is no page; write one with {' and '.join(marks(name))} in it")
    try:
        return replaced(path.read_text(encoding="utf-8"), name, content)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def has_block(path: Path, name: str) -> bool:
    """Is there a page at `path`, and does it mark where the block `name` begins?"""
    return path.is_file() and marks(name)[0] in path.read_text(encoding="utf-8")


def write_block(path: Path, name: str, content: str) -> None:
    """Put `content` into the block `name` of the page at `path`. UserError where either is missing."""
    from simbench.files import write_text

    write_text(path, page_with(path, name, content))
