"""`key=value` arguments of the commands in this package."""

from __future__ import annotations

from collections.abc import Sequence

from reports.aggregate import ReportError


def options(
    arguments: Sequence[str], needed: Sequence[str], allowed: Sequence[str], usage: str
) -> dict[str, str]:
    """The values by key. ReportError with the usage for an unknown, doubled, empty or missing key."""
    found: dict[str, str] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or not value or key in found or key not in (*needed, *allowed):
            raise ReportError(f"cannot use {argument!r}; {usage}")
        found[key] = value
    missing = [key for key in needed if key not in found]
    if missing:
        raise ReportError(f"{missing[0]}= is missing; {usage}")
    return found
