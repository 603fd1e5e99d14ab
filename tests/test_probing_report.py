"""reports.probing: the same choice of layers for all, what is drawn beside what, files that are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reports import probing as report


def row(target: str, source: str, layer: int, level: float, control: bool, r2: float) -> dict:
    """One of a file."""
    place = {"target": target, "source": source, "layer": layer, "level": level, "control": control}
    return {**place, "r2": r2, "low": r2 - 0.1, "high": r2 + 0.1, "scenes": 20, "rows": 60}


def file(folder: Path, **changed: object) -> Path:
    """A folder with probes of depth from two layers and of the colour of pixels."""
    rows = [row("depth", "trained", n, level, c, v) for level in (1.0, 0.3) for n, c, v in LAYERS]
    rows += [row("depth", "pixels", 0, level, False, value) for level, value in ((1.0, -0.7), (0.0, 0.6))]
    head = {"schema": 1, "kind": "probing", "setting": "s", "seed": "public", "scenes": 20}
    content = {**head, "high": ["depth"], "low": ["colour"], "rows": rows, **changed}
    folder.mkdir(parents=True)
    (folder / "probing.json").write_text(json.dumps(content))
    return folder


LAYERS = ((0, False, 0.1), (1, False, 0.5), (0, True, 0.07), (1, True, 0.02))


def test_the_control_is_chosen_among_layers_as_the_model_is(tmp_path: Path) -> None:
    probes = report.read(file(tmp_path / "a"), "a")
    lines = report.markdown([probes]).splitlines()
    known, seen = [line for line in lines if line.startswith("| depth")]
    assert known == "| depth | 0.50 | 0.40 to 0.60 | 1 | – | – | -0.70 | 0.07 | 60 |"
    assert "| 0.60 | 0.07 |" in seen
    assert "| colour | not read: too few scenes have it" in report.markdown([probes])


def test_the_figure_sets_given_pixels_beside_what_is_inferred(tmp_path: Path) -> None:
    from reports.figures.style import style

    with style():
        drawn = report.layers(report.read(file(tmp_path / "a"), "a"))
        axis = drawn.figure.axes[0]
        lines = {line.get_label(): line for line in axis.get_lines()}
        assert lines["pixels, given"].get_ydata()[0] == -0.2 and lines["pixels, seen"].get_ydata()[0] == 0.6
        assert lines["pixels, given"].get_color() == lines["trained, level 1"].get_color()
        assert {(r[1], r[3]) for r in drawn.rows} >= {("pixels", 1.0), ("pixels", 0.0)}
        one = report.read(file(tmp_path / "b", rows=[row("depth", "trained", 0, 1.0, False, 0.1)]), "b")
        assert len(report.models([one, one]).figure.axes) == 1
        assert not [t for t in report.layers(one).figure.axes[0].get_lines() if "seen" in str(t.get_label())]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"seed": "7"}, "a has seed public, b 7: they cannot be compared"),
        ({"scenes": 64}, "a has scenes 20, b 64"),
        ({"noise": "same"}, "a has noise own, b same"),
        ({"worlds": ["orbit", "push"]}, "a has worlds None, b orbit, push"),
        ({"low": []}, "a has quantities depth, colour, b depth"),
        ({"rows": [row("depth", "trained", 0, 1.0, False, 0.1)]}, "a has levels 1.0, 0.3, b 1.0"),
    ],
)
def test_models_asked_differently_are_not_compared(
    changed: dict, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = file(tmp_path / "a"), file(tmp_path / "b", **changed)
    assert report.main([f"probes={one},{other}", f"out={tmp_path / 'out'}", "figures=false"]) == 2
    said = capsys.readouterr().err
    assert says in said and said.count("\n") == 1 and not (tmp_path / "out").exists()


def test_a_file_without_its_head_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = file(tmp_path / "a")
    content = json.loads((folder / "probing.json").read_text())
    (folder / "probing.json").write_text(json.dumps({k: v for k, v in content.items() if k != "high"}))
    assert report.main([f"probes={folder}", f"out={tmp_path / 'out'}"]) == 2
    assert "lacks rows, or fields of them" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["probes=nowhere", "out=x"], "cannot be read"),
        (["probes=a,b", "out=x", "names=a"], "names= has 1 and probes= 2"),
        (["out=x"], "probes= is missing"),
        (["probes=a", "out=x", "figures=perhaps"], "neither true nor false"),
    ],
)
def test_the_report_names_what_is_wrong(
    words: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert report.main(words) == 2
    said = capsys.readouterr().err
    assert says in said and said.count("\n") == 1
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "probing.json").write_text('{"schema": 1, "kind": "probing", "rows": [{}]}')
    assert report.main(["probes=bad", "out=y"]) == 2 and "lacks rows" in capsys.readouterr().err
