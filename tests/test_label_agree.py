"""Precision, recall, kappa and their intervals are those of the formulas; what is undefined says so."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from labelled import Made, make_run

from reports.label import agreement
from reports.label.agree import ALL, FIRST, RUN, SECOND, SHOWN, Agreement
from reports.label.clips import asked, digest, frames
from reports.label.estimate import Estimate, Table, estimate, kappa, precision, recall
from reports.label.labels import Label, store
from reports.label.words import block, interval, notes


def put(folder: Path, answers: dict[str, str], labeller: str = "Ada") -> None:
    """Store answers by case."""
    clips = {clip.case: clip for clip in asked(folder)}
    made = "2026-01-01T00:00:00+00:00"
    store(
        folder,
        [
            Label(folder.name, "toy", 1, case, 0, digest(frames(clips[case])), word, labeller, made)
            for case, word in answers.items()
        ],
    )


def row(rows: list[Agreement] | None, reader: str, asks: str = ALL, of: str = SHOWN) -> Agreement:
    """The one row of that kind."""
    assert rows is not None
    (found,) = [r for r in rows if (r.reader, r.asks, r.of) == (reader, asks, of)]
    return found


def test_the_formulas() -> None:
    # The table of Cohen's own form: 20 both, 5 and 10 apart, 15 neither. Agreement 0.7, by chance 0.5.
    table = Table(20, 5, 10, 15)
    assert precision(table) == pytest.approx(20 / 25)
    assert recall(table) == pytest.approx(20 / 30)
    assert kappa(table) == pytest.approx((0.7 - 0.5) / (1 - 0.5))
    assert kappa(Table(3, 0, 0, 4)) == 1.0
    assert kappa(Table(0, 3, 3, 0)) == pytest.approx(-1.0)


@pytest.mark.parametrize("table", [Table(), Table(9, 0, 0, 0), Table(9, 0, 1, 0), Table(0, 0, 0, 5)])
def test_kappa_is_undefined_where_a_side_is_constant(table: Table) -> None:
    assert kappa(table) is None


def test_a_constant_side_that_is_often_wrong_has_kappa_zero() -> None:
    assert kappa(Table(5, 5, 0, 0)) == 0.0


def test_shares_of_nothing_are_undefined() -> None:
    assert precision(Table(0, 0, 4, 4)) is None
    assert recall(Table(0, 4, 0, 4)) is None
    assert estimate({"a": Table(0, 0, 1, 1)}, precision) == Estimate(None, None, None)
    assert interval(Estimate(None)) == "undefined"
    assert interval(Estimate(0.5)) == "0.50 [undefined]"


def test_the_interval_is_the_jackknife_over_scenes() -> None:
    scenes = {"a": Table(3, 1, 0, 2), "b": Table(1, 2, 1, 0), "c": Table(4, 0, 1, 3), "d": Table(2, 1, 0, 4)}
    found = estimate(scenes, precision)
    without = [7 / 10, 9 / 11, 6 / 10, 8 / 11]
    mean = sum(without) / 4
    error = math.sqrt(3 / 4 * sum((v - mean) ** 2 for v in without))
    # t(0.975, 3) = 3.182446
    assert found.value == pytest.approx(10 / 14)
    assert found.low == pytest.approx(10 / 14 - 3.182446 * error, abs=1e-6)
    assert found.high == pytest.approx(min(1.0, 10 / 14 + 3.182446 * error), abs=1e-6)


def test_intervals_widen_where_clips_of_a_scene_are_copies() -> None:
    apart = {f"{i}": Table(both=i % 4 != 0, reader=i % 4 == 0) for i in range(40)}
    alike = {f"{i}": Table(both=4.0 * (i % 4 != 0), reader=4.0 * (i % 4 == 0)) for i in range(10)}
    one, other = estimate(apart, precision), estimate(alike, precision)
    assert one.value == 0.75
    assert other.low < one.low < 0.75, "10 scenes of 4 copies know less than 40 scenes"


def test_a_share_of_one_is_bounded_by_the_number_of_scenes() -> None:
    scenes = {str(i): Table(both=3) for i in range(10)}
    assert estimate(scenes, precision) == Estimate(1.0, pytest.approx(0.025**0.1), 1.0)
    none = {str(i): Table(reader=3) for i in range(10)}
    assert estimate(none, precision) == Estimate(0.0, 0.0, pytest.approx(1 - 0.025**0.1))
    assert estimate({"a": Table(1, 1, 1, 1)}, recall) == Estimate(0.5), "one scene has no spread"
    exact = {str(i): Table(2, 0, 0, 2) for i in range(5)}
    assert estimate(exact, kappa) == Estimate(1.0), "no spread is no certainty"


def test_kappa_that_hangs_on_one_scene_has_no_interval() -> None:
    scenes = {"a": Table(2, 0, 0, 0), "b": Table(0, 0, 0, 2)}
    assert estimate(scenes, kappa) == Estimate(1.0, None, None)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Eight clips of four scenes, half about hits and half about alarms, and four that were not shown."""
    rows = [
        Made("s0", "c0", "hit", 1.0, 1.0, worst=True), Made("s0", "c1", "alarm", 0.5, 0.0, worst=True),
        Made("s1", "c2", "hit", 0.5, 1.0), Made("s1", "c3", "alarm", 0.0, 0.0),
        Made("s2", "c4", "hit", 1.0, 0.0), Made("s2", "c5", "alarm", 1.0, 1.0),
        Made("s3", "c6", "hit", 0.0, 0.0), Made("s3", "c7", "alarm", 0.0, 1.0),
        *(Made(f"t{i}", f"d{i}", shown=False) for i in range(4)),
    ]  # fmt: skip
    return make_run(tmp_path / "run", rows)


ANSWERS = {
    "c0": "yes", "c1": "yes", "c2": "no", "c3": "yes", "c4": "no", "c5": "yes", "c6": "cannot tell",
    "c7": "no",
}  # fmt: skip


def test_no_labels_give_no_rows(run: Path) -> None:
    assert agreement(run) is None
    assert notes(None, "toy") == []


def test_all_objects_make_a_hit_and_any_an_alarm(run: Path) -> None:
    put(run, ANSWERS)
    rows = agreement(run)
    first = row(rows, FIRST)
    # Reader: c0 yes, c1 yes (half an alarm is one), c2 no (half a hit is none), c3 no, c4, c5 yes, c7 no.
    assert first.counts == Table(both=3, reader=1, person=1, neither=2)
    assert (first.labels, first.unsure, first.scenes) == (8, 1, 4)
    assert first.precision.value == pytest.approx(3 / 4)
    assert first.recall.value == pytest.approx(3 / 4)
    assert first.kappa.value == pytest.approx((5 / 7 - 25 / 49) / (1 - 25 / 49))
    assert row(rows, FIRST, "hit").counts == Table(1, 1, 0, 1)
    assert row(rows, FIRST, "alarm").counts == Table(2, 0, 1, 1)
    assert row(rows, SECOND).counts == Table(both=2, reader=2, person=2, neither=1)


def test_random_clips_stand_for_what_was_not_shown(run: Path) -> None:
    put(run, ANSWERS)
    whole = row(agreement(run), FIRST, of=RUN)
    # 12 videos, 2 worst ones; the other 10 are stood for by 6 labels, each for 10 / 6.
    w = 10 / 6
    assert whole.counts == row(agreement(run), FIRST).counts, "counts are of clips"
    assert whole.precision.value == pytest.approx((2 + w) / (2 + 2 * w))
    assert whole.recall.value == pytest.approx((2 + w) / (2 + 2 * w))
    total, both, neither = 2 + 5 * w, 2 + w, 2 * w
    yes = (2 + 2 * w) / total
    chance = yes**2 + (1 - yes) ** 2
    assert whole.kappa.value == pytest.approx(((both + neither) / total - chance) / (1 - chance))


def test_two_people_are_held_to_each_other(run: Path) -> None:
    put(run, ANSWERS)
    put(run, {**ANSWERS, "c0": "no", "c6": "yes"}, "Grace Hopper")
    rows = agreement(run)
    between = row(rows, "Grace Hopper")
    assert (between.labeller, between.labels, between.unsure) == ("Ada", 8, 1)
    assert between.counts == Table(both=3, reader=0, person=1, neither=3)
    assert between.kappa.value == pytest.approx((6 / 7 - 24 / 49) / (1 - 24 / 49))
    assert between.precision == Estimate(None)
    said = notes(rows, "toy")
    assert said[0].startswith("readers against 8 labels of Ada: precision 0.75, recall 0.75, kappa 0.42 [")
    assert "; second reader: kappa " in said[0] and said[0].endswith("; cannot tell: 1")
    assert said[2].startswith("Ada and Grace Hopper on 8 clips: kappa 0.72 [")
    assert "nan" not in block("run", rows or []).lower()


def test_labels_of_other_pixels_count_for_nothing(run: Path) -> None:
    put(run, ANSWERS)
    (run / "clips" / "toy-00-made.webp").write_bytes((run / "clips" / "toy-01-made.webp").read_bytes())
    rows = agreement(run)
    first = row(rows, FIRST)
    assert (first.labels, first.stale) == (7, 1)
    assert "1 labels of other pixels left out" in notes(rows, "toy")[0]
    for name in ("truth", "made"):
        for path in (run / "clips").glob(f"*-{name}.webp"):
            path.write_bytes((run / "clips" / f"toy-07-{name}.webp").read_bytes())
    assert row(agreement(run), FIRST).labels == 1


def test_a_suite_with_one_reader_has_one(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "one", [Made("s0", "c0"), Made("s1", "c1", value=0.0)])
    put(folder, {"c0": "yes", "c1": "no"})
    rows = agreement(folder)
    assert {r.reader for r in rows or []} == {FIRST}
    assert notes(rows, "toy") == [
        "readers against 2 labels of Ada: precision 1.00, recall 1.00, kappa 1.00 [undefined]"
    ]
    assert notes(rows, "other") == []
