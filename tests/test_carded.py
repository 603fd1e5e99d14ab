"""What commands over several suites share: names, suites, scenes in order, the card and the file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import build

from simbench.errors import UserError
from suites.carded import Carded, check_card, listed, over_scenes, publish, suites_of

PAGE = "# a page\n<!-- mine -->\n<!-- /mine -->\n"


def test_names_come_once_and_in_their_order() -> None:
    assert listed("flow,,model,flow,") == ["flow", "model"]
    assert listed("") == [] == listed(",")


def test_suites_are_built_at_the_setting_that_is_asked_for() -> None:
    own = (("digital.world", "pong"),)
    found = suites_of(Carded(suite="digital,permanence,digital", size="64", own=own))
    assert [suite.name for suite in found] == ["digital", "permanence"]
    assert {suite.setting.width for suite in found} == {64}
    assert found[0].world == "pong"
    with pytest.raises(UserError, match=r"digital\.world=pong is of no suite in .*; add digital"):
        suites_of(Carded(own=own))
    with pytest.raises(UserError, match="suite=, names none; use suite=permanence"):
        suites_of(Carded(suite=","))
    with pytest.raises(UserError, match="suite=bit is not one of"):
        suites_of(Carded(suite="permanence,bit"))


def test_scenes_keep_their_order_whatever_is_ready_first(monkeypatch: pytest.MonkeyPatch) -> None:
    class Backwards:
        """Answers the last item first."""

        def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
            """See Engine."""
            return (function(item) for item in reversed(items))

    @contextmanager
    def opened(kind: str, workers: int, names: Sequence[str]) -> Iterator[Backwards]:
        """The engine."""
        assert (kind, workers) == ("local", 3) and "suites.permanence" in names
        yield Backwards()

    monkeypatch.setattr("simbench.engine.open_engine", opened)
    suite = build("suite", "permanence")
    tasks = {"b": 2, "a": 3, "c": 1}
    assert over_scenes("squares", suite, lambda n: n * n, tasks, 3) == [4, 9, 1]


def test_the_card_is_checked_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, out = tmp_path / "a.md", tmp_path / "a.json"
    page.write_text(PAGE)
    check_card(Carded(card=str(page)), "mine")
    assert page.read_text() == PAGE
    check_card(Carded(), "mine")
    with pytest.raises(UserError, match="no single block <!-- other -->"):
        check_card(Carded(card=str(page)), "other")
    (tmp_path / "afile").touch()
    for wrong in (tmp_path, tmp_path / "afile" / "a.json"):
        with pytest.raises(UserError, match=f"out={wrong} "):
            check_card(Carded(out=str(wrong)), "mine")
    check_card(Carded(out=str(out)), "mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.md", "afile"]
    publish(Carded(card=str(page), out=str(out)), "mine", "| 1 |", {"one": 1})
    assert "<!-- mine -->\n\n| 1 |\n\n<!-- /mine -->" in page.read_text()
    assert json.loads(out.read_text()) == {"one": 1}
    assert capsys.readouterr().out == "| 1 |\n"
    publish(Carded(), "mine", "| 2 |", {})
    assert "| 2 |" not in page.read_text()
