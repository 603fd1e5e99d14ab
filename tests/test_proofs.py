"""The proofs serve any suite: each demand fails where the toy is at fault; what is optional may be absent."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from proven import ProvenToy
from toys import Still

from simbench import assemble, blocks, engine
from simbench.case import Case, Condition, Setting
from simbench.engine import Inline
from simbench.errors import UserError
from simbench.generator import Invalid
from simbench.references import policies
from simbench.video import Video
from suites import calibrate, card, exploit, ladder, ladder_figure, ladder_page, proof, sheet

CHOSEN = ladder.Options(suite="toy", scenes=3, seed="7")


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers would take longer to start than all of this takes."""
    monkeypatch.setattr(engine, "open_engine", lambda *arguments: nullcontext(Inline()))


def climbed(suite: Any, *parts: str) -> dict[str, Any]:
    """The ladder of a suite."""
    found = ladder.measure(suite, CHOSEN, parts or proof.PARTS)
    return ladder.joined(Path("nowhere"), ladder.head_of(suite, CHOSEN), suite.columns, found)


@pytest.fixture(scope="module")
def toy() -> dict[str, Any]:
    """The ladder of the toy without faults."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "open_engine", lambda *arguments: nullcontext(Inline()))
        return climbed(ProvenToy())


def test_the_toy_holds_every_demand(toy: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert ladder.failures(toy) == []
    assert list(toy["parts"]) == list(proof.PARTS)
    proof.gather(ProvenToy(), ["7-0"], ("oracle",), 1)
    assert "1 scenes, 0.0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fault", "part", "row"),
    [
        ("dim oracle", "anchors", "oracle"),
        ("weak oracle", "anchors", "oracle"),
        ("blind observer", "anchors", "observer"),
        ("strict baseline", "anchors", "frozen"),
        ("idle cheat", "cheats", "cheat_3"),
        ("short cheat", "cheats", "cheat_3"),
        ("rising damage", "damage", "swap 0.2"),
        ("flat damage", "damage", "swap 1"),
        ("costly nuisance", "nuisance", "speck"),
    ],
)
def test_a_fault_of_the_suite_fails_its_row(fault: str, part: str, row: str) -> None:
    wrong = ladder.failures(climbed(ProvenToy(fault=fault), part))
    assert any(line.startswith(f"{part}: {row} scores ") for line in wrong), wrong


def test_open_twins_change_nothing(toy: dict[str, Any]) -> None:
    assert climbed(ProvenToy(twins=True), "anchors", "nuisance")["parts"] == {
        part: toy["parts"][part] for part in ("anchors", "nuisance")
    }


@dataclasses.dataclass
class Answers:
    """A generator that gives, or raises, what it was made with."""

    answer: Any
    capabilities: frozenset[str] = frozenset()

    def __call__(self, conditions: Sequence[Condition], seeds: Sequence[int]) -> Sequence[Any]:
        """See Generator."""
        if isinstance(self.answer, Exception):
            raise self.answer
        return [self.answer]

    def identity(self) -> Mapping[str, Any]:
        """See Generator."""
        return {"class": "Answers"}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ValueError("no poses"), "ValueError: no poses"),
        (Invalid("too short"), "too short"),
        (None, "no video was returned"),
        (Video(np.zeros((5, 8, 8, 3), np.uint8), 8.0), "32x32"),
    ],
)
def test_a_baseline_without_an_answer_counts_as_zero(
    answer: Any, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assemble, "load", lambda options: Answers(answer))
    rows = {row["name"]: row for row in climbed(ProvenToy(), "anchors")["parts"]["anchors"]["rows"]}
    for name in proof.GENERATORS:
        assert rows[name]["score"] == 0.0 and rows[name]["holds"]
        assert "6 of 6 not answered: " in rows[name]["demand"] and reason in rows[name]["demand"]
    assert rows["oracle"]["score"] == 100.0


def test_a_baseline_that_solves_the_suite_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclasses.dataclass
    class Perfect(Still):
        """The toy's observer."""

        def answer(self, c: Condition, batch: int) -> Video:
            """One video."""
            return ProvenToy().observer(c)

    monkeypatch.setattr(assemble, "load", lambda options: Perfect())
    wrong = ladder.failures(climbed(ProvenToy(), "anchors"))
    assert any("flow scores 100.0, demanded below the oracle" in line for line in wrong)


def test_tables_show_the_columns_of_the_suite_and_no_graded_score(toy: dict[str, Any]) -> None:
    text = ladder_page.markdown(toy)
    assert "| anchors | S | fit | demanded | holds |" in text
    assert "| observer | 100.0 ± 0.0 | 1.00 | >= 90 | yes |" in text
    assert "| damage | S by strength | holds |" in text and "(of the mixture)" in text
    assert "| nuisance | S | cost | demanded | holds |" in text
    assert "S_graded" not in text and "kappa" not in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith(("| anch", "| oracle"))}
    assert widths == {6}


def test_a_column_that_is_not_defined_is_a_dash(toy: dict[str, Any]) -> None:
    text = ladder_page.markdown({**toy, "columns": ["depth"]})
    assert "| oracle | 100.0 ± 0.0 | – |" in text


def test_scores_far_below_zero_stay_on_the_figure(toy: dict[str, Any], tmp_path: Path) -> None:
    from matplotlib import pyplot

    fig, axes = pyplot.subplots(1, 2)
    ladder_figure._draw_ladder(axes[0], toy["parts"])
    ladder_figure._draw_damage(axes[1], toy["parts"])
    assert axes[0].get_xlim()[0] >= ladder_figure.LOWEST - 6
    assert "-260" in {text.get_text() for text in axes[0].texts}
    assert axes[1].get_ylim()[0] >= ladder_figure.LOWEST - 6
    assert any("S to -709" in text.get_text() for text in axes[1].get_legend().get_texts())
    pyplot.close(fig)


def test_a_suite_without_nuisances_is_drawn(tmp_path: Path) -> None:
    found = climbed(ProvenToy(fault="no nuisance"), "nuisance")
    ladder_figure.figure(found, tmp_path / "n.png")
    assert (tmp_path / "n.png").stat().st_size > 1000


def test_the_command_writes_files_named_after_the_suite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ladder, "build_suite", lambda chosen: ProvenToy())
    page = tmp_path / "toy.md"
    arguments = ["suite=toy", "scenes=2", "part=nuisance", f"out={tmp_path}", f"card={page}"]
    assert ladder.main(arguments) == 2 and "is no page" in capsys.readouterr().err
    page.write_text("# toy\n", encoding="utf-8")
    assert ladder.main(arguments) == 2 and "<!-- ladder -->" in capsys.readouterr().err
    assert not (tmp_path / "ladder-toy.json").exists(), "a wrong card is noticed before measuring"
    page.write_text("# toy\n\n<!-- ladder -->\n<!-- /ladder -->\n\nMore.\n", encoding="utf-8")
    assert ladder.main(arguments) == 0
    text = page.read_text(encoding="utf-8")
    assert "| speck | 100.0 ± 0.0 |" in text and text.endswith("<!-- /ladder -->\n\nMore.\n")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ladder-toy.json", "ladder-toy.png", "toy.md"]
    page.write_text(
        "<!-- ladder -->mine<!-- /ladder --><!-- ladder-b --><!-- /ladder-b -->", encoding="utf-8"
    )
    assert ladder.main([*arguments, "toy.world=b"]) == 0
    assert "mine" in page.read_text(encoding="utf-8") and "speck" in page.read_text(encoding="utf-8")
    assert (tmp_path / "ladder-toy-b.json").exists()
    page.write_text("<!-- ladder -->stale<!-- /ladder -->", encoding="utf-8")
    assert card.main(["suite=toy", f"folder={tmp_path}"]) == 0
    assert "stale" not in page.read_text(encoding="utf-8") and "speck" in page.read_text(encoding="utf-8")


def test_a_card_without_marks_or_numbers_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert card.main(["suite=toy", f"folder={tmp_path}"]) == 2
    assert "nothing for" in capsys.readouterr().err


def test_the_default_card_is_what_its_numbers_make(tmp_path: Path) -> None:
    for name in ("permanence.md", "ladder.json", "ladder.png"):
        shutil.copy(ROOT / "docs" / name, tmp_path)
    before = (tmp_path / "permanence.md").read_text(encoding="utf-8")
    assert card.main([f"folder={tmp_path}"]) == 0
    assert (tmp_path / "permanence.md").read_text(encoding="utf-8") == before


def test_a_block_is_replaced_and_nothing_else() -> None:
    text = "a\n<!-- x -->\nold\n<!-- /x -->\nb <!-- y --><!-- /y -->"
    new = blocks.replaced(text, "x", "| t |\n")
    assert new == "a\n<!-- x -->\n\n| t |\n\n<!-- /x -->\nb <!-- y --><!-- /y -->"
    assert blocks.replaced(new, "x", "| t |") == new
    for broken in ("", "<!-- x -->", "<!-- /x --><!-- x -->", text + text):
        with pytest.raises(UserError, match="<!-- x -->"):
            blocks.replaced(broken, "x", "t")


def test_a_suite_that_lacks_what_proofs_ask_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assemble, "build_suite", lambda *arguments: Still())
    with pytest.raises(UserError, match="lacks columns, damages, nuisances, baselines"):
        proof.build_suite(proof.Asked())


def test_calibration_pins_what_the_suite_gives() -> None:
    found = calibrate.calibrate(ProvenToy(), 3, 1)
    assert found == calibrate.Calibration({"S": 1.0}, None, ())
    assert calibrate.refusal(ProvenToy(), found.raw) is None
    text = calibrate.pinned("name: toy\noracle_raw: {}\n", "a setting", found.raw)
    assert text == 'name: toy\noracle_raw:\n  "a setting": {S: 1}\n'
    dim = calibrate.calibrate(ProvenToy(fault="dim oracle"), 1, 1)
    assert len(dim.misses) == 2 and "calibration-0" in dim.misses[0] and "left" in dim.misses[0]
    reason = calibrate.refusal(ProvenToy(), dim.raw)
    assert reason is not None and "S 78.7 %" in reason and "size=" in reason


def test_a_sheet_shows_each_cheat_where_it_spoils() -> None:
    shown = sheet.clips(ProvenToy(twins=True), "7-0", "auto")
    names = [name for name, _ in shown]
    assert names[:3] == ["truth: left", "truth: right", "observer: left"]
    assert names[3] == "cheat 0" and len(names) == 3 + 16
    with pytest.raises(UserError, match="it has left, right"):
        sheet.clips(ProvenToy(), "7-0", "up")


def condition(given: int) -> Condition:
    """A textured picture whose brightness tells the frame; `given` frames of 9."""
    rng = np.random.default_rng(1)
    frames = (rng.integers(0, 100, (1, 16, 16, 3)) + 20 * np.arange(given)[:, None, None, None]).astype(
        np.uint8
    )
    return Condition("c", "v2v", frames, "", 16, 16, 9, 8.0)


def played(given: int, **values: float) -> np.ndarray:
    """What a policy makes that does nothing but `values`."""
    return policies.play(condition(given), {**dict.fromkeys(policies.SPACE, 0.0), **values}, random.Random(3))


def test_playbacks_show_given_frames() -> None:
    given = condition(3).given_frames
    for values, order in (
        ({"hold": 1.0}, [2] * 6),
        ({}, [2] * 6),
        ({"again": 0.4}, [0, 1, 2] * 2),
        ({"back": 1.0}, [1, 0, 1, 2, 1, 0]),
    ):
        assert np.array_equal(played(3, **values), given[[0, 1, 2, *order]]), values
    mixed = played(3, hold=1.0, again=1.0)[3].astype(int)
    assert np.abs(2 * mixed - given[2] - given[0]).max() <= 1
    assert len(np.unique(played(0, again=1.0))) == 1, "grey where nothing is given"
    assert np.array_equal(played(1, back=1.0), np.repeat(condition(1).given_frames, 9, 0))


def test_drift_blur_and_shuffle_do_what_they_say() -> None:
    last = condition(3).given_frames[-1]
    moved = played(3, hold=1.0, pan=0.25)
    assert np.array_equal(moved[4, :, 1:], last[:, :-1]), "0.25 widths in a second are a pixel in 1/4 s"
    assert np.array_equal(played(3, hold=1.0, tilt=-0.25)[4, :-1], last[1:])
    assert not np.array_equal(played(3, hold=1.0, zoom=0.3)[-1], last)
    assert played(3, hold=1.0, blur=0.05)[-1].std() < 0.8 * last.std()
    assert np.array_equal(played(3, hold=1.0, blur=-0.05)[-1], last)
    shuffled = played(3, hold=1.0, shuffle=0.5)[-1]
    assert np.array_equal(np.sort(shuffled, axis=None), np.sort(last, axis=None))
    assert 0.3 < (shuffled != last).any(axis=-1).mean() < 0.6


def test_policies_see_the_condition_alone() -> None:
    here, there = ProvenToy().cases("7-0")
    blind = Case(here.id, here.scene, here.world_seed, here.condition, there.truth)
    values = {name: high for name, (_, high) in policies.SPACE.items()}
    prepare = policies.blind().prepare
    clips = [prepare(case)(values, random.Random(1)).digest() for case in (here, blind)]
    assert clips[0] == clips[1]


@dataclasses.dataclass(frozen=True)
class Generous(ProvenToy):
    """A suite that gives 50 points for nothing."""

    def calibrated(self, metric: str, raw: float) -> float:
        """See Suite."""
        return 50.0 + 50.0 * raw


@pytest.mark.parametrize(("suite", "code"), [(ProvenToy(), 0), (Generous(), 1)])
def test_a_search_finds_what_is_given_for_nothing(
    suite: Any, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exploit, "build_suite", lambda chosen: suite)
    page = tmp_path / "toy.md"
    page.write_text("<!-- exploit -->\n<!-- /exploit -->\n", encoding="utf-8")
    arguments = ["suite=toy", "scenes=2", "generations=1", "population=1", "fresh=2", "workers=1"]
    assert exploit.main([*arguments, f"out={tmp_path}", f"card={page}"]) == code
    found = json.loads((tmp_path / "exploit-toy.json").read_text(encoding="utf-8"))
    assert found["score"] == 50.0 * code and set(found["policy"]) == set(policies.SPACE)
    assert f"**S = {50 * code:.1f} ± 0.0** (standard error) on 2 fresh scenes" in page.read_text("utf-8")


def test_a_search_for_a_metric_that_is_not_given_is_refused() -> None:
    low = np.zeros((1, len(policies.SPACE)))
    with pytest.raises(UserError, match="metric=S_graded is not given by suite=toy"):
        exploit.scores(ProvenToy(), Inline(), ["7-0"], low, dice=1, metric="S_graded")


def test_a_command_is_a_setting_like_any_other() -> None:
    suite = ProvenToy(setting=Setting(frames=5, context=2, given="cam"))
    assert ladder.failures(climbed(suite)) == []
