"""What a run says of its progress where there is no terminal."""

from __future__ import annotations

import io

import pytest

from simbench import progress


def test_the_first_step_has_no_say_in_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((0.0, 70.0, 71.0, 80.0, 85.0, 90.0))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    stream = io.StringIO()
    with progress.progress("generate", 100, stream) as bar:
        for count in (1, 1, 9, 10, 79):
            bar.step(count)
    assert stream.getvalue().splitlines() == [
        "generate 1 of 100",
        "generate 11 of 100, 89 s left",
        "generate 21 of 100, 59 s left",
    ], "loading took 70 s, each of the others 1 s and then half of that; the end is not told"
