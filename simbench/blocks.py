"""Blocks of a page that a command writes: what stands between `<!-- name -->` and `<!-- /name -->`."""

from __future__ import annotations

from pathlib import Path

from simbench.errors import UserError


def replaced(text: str, name: str, content: str) -> str:
    """`text` with `content` in its block `name`, between blank lines. UserError unless it has just one."""
    first, last = f"<!-- {name} -->", f"<!-- /{name} -->"
    if text.count(first) != 1 or text.count(last) != 1 or text.index(first) > text.index(last):
        raise UserError(f"no single block {first} ... {last} to write to; put these two marks on the page")
    head, _, rest = text.partition(first)
    tail = rest.partition(last)[2]
    return f"{head}{first}\n\n{content.strip()}\n\n{last}{tail}"


def page_with(path: Path, name: str, content: str) -> str:
    """The text of the page at `path` with `content` in its block `name`. UserError where one is missing."""
    if not path.is_file():
        raise UserError(f"{path} is no page; write one with <!-- {name} --> and <!-- /{name} --> in it")
    try:
        return replaced(path.read_text(encoding="utf-8"), name, content)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def write_block(path: Path, name: str, content: str) -> None:
    """Put `content` into the block `name` of the page at `path`. UserError where either is missing."""
    from simbench.files import write_text

    write_text(path, page_with(path, name, content))
