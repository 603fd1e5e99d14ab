"""The commands that compare sets of videos: what they print, write and refuse; damage; ranked spaces."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simbench.errors import UserError
from simbench.features.protocols import PRESETS
from simbench.features.space import space_named
from simbench.metrics import distances as metric
from simbench.video import Video, encode, encode_preview
from suites import clip_sets, distances, spaces, traps
from suites.clip_sets import BATCH, DAMAGES, Look, damaged, features

pytestmark = pytest.mark.torch
SMALL = ("clips=4", "size=16", "frames=4", "families=push,process")


def clips(count: int, seed: int, frames: int = 6, size: int = 16) -> np.ndarray:
    """uint8 [count, frames, size, size, 3]: a bright square that moves over grey."""
    rng = np.random.default_rng(seed)
    out = np.full((count, frames, size, size, 3), 90, np.uint8)
    for clip in out:
        x, y, step = *rng.integers(0, size - 6, 2), rng.integers(-2, 3)
        colour = rng.integers(120, 256, 3)
        for t, frame in enumerate(clip):
            left = int(np.clip(x + t * step, 0, size - 4))
            frame[y : y + 4, left : left + 4] = colour
    return out


def folder(path: Path, made: np.ndarray, fps: float = 8.0) -> str:
    """The clips as lossless files."""
    for i, clip in enumerate(made):
        encode(Video(clip, fps), path / f"{i:03d}.mkv")
    return str(path)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Two folders of 26 clips each."""
    top = tmp_path_factory.mktemp("sets")
    return {name: folder(top / name, clips(26, seed)) for seed, name in enumerate(("real", "made"))}


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code and what was printed to both streams."""
    code = distances.main(words)
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_two_folders_are_compared(
    sets: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.json"
    words = (
        f"real={sets['real']}",
        f"generated={sets['made']}",
        "space=random,i3d",
        "frames=5",
        f"out={out}",
    )
    code, printed, _ = run(capsys, *words, f"out={out}")
    assert code == 0
    record = json.loads(out.read_text())
    (row,) = record["rows"]
    a, b = (space_named("random").features(clips(26, seed)[:, :5]) for seed in (0, 1))
    assert row["frechet"] == pytest.approx(metric.frechet(a, b), rel=1e-5)
    limit = metric.frechet_infinity(a, b, 1001)
    assert row["limit"]["value"] == pytest.approx(limit.value, rel=1e-3, abs=1e-6)
    assert row["kernel"]["value"] == pytest.approx(metric.kernel_interval(a, b).value, rel=1e-3, abs=1e-7)
    assert row["at"] == 13
    assert row["floor"]["value"] == pytest.approx(metric.floor(a, 13, 1001).value, rel=1e-3)
    assert record["real"]["clips"] == record["generated"]["clips"] == 26
    assert record["protocol"]["frames"] == 5 and record["protocol"]["ddof"] == 1
    assert record["clips_are"][0] == {
        "frames": 5,
        "height": 16,
        "width": 16,
        "rates": [8.0, 8.0],
        "lossy": 0.0,
    }
    assert len(row["identity"]["weights"]) == 64
    assert "i3d: not measured: weights missing; give weights=FILE" in printed
    assert "N = 26 is below 512" in printed and "frames=5 stride=1: 5 frames 1 apart, ddof 1" in printed


def test_a_set_and_itself_are_no_distance_apart(
    sets: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed, _ = run(
        capsys, f"real={sets['real']}", f"generated={sets['real']}", "space=random", "frames=6"
    )
    cells = next(line for line in printed.splitlines() if line.startswith("random")).split()
    assert code == 0 and cells[1] == "112" and float(cells[2]) < 1e-9


def test_ddof_is_the_protocols(sets: dict[str, str], tmp_path: Path) -> None:
    found = {}
    for name in ("simbench", "stylegan-v"):
        chosen = distances.Options(sets["real"], sets["made"], "random", name, frames=6)
        found[name] = distances.measure(chosen)[1]["rows"][0]["frechet"]
    a, b = (space_named("random").features(clips(26, seed)) for seed in (0, 1))
    assert found["stylegan-v"] == pytest.approx(metric.frechet(a, b, ddof=0), rel=1e-5)
    assert found["stylegan-v"] < found["simbench"]


def test_features_that_are_no_numbers_are_refused() -> None:
    class Broken:
        """A space whose second batch is not finite."""

        name, least_frames = "broken", 1

        def identity(self) -> Mapping[str, Any]:
            """Nothing."""
            return {}

        def features(self, made: np.ndarray) -> np.ndarray:
            """Zeros, and NaN for few clips."""
            return np.full((len(made), 2), np.nan if len(made) < BATCH else 0.0, np.float32)

    assert features(clips(2 * BATCH, 0), [Broken()])[0].shape == (2 * BATCH, 2)
    with pytest.raises(UserError, match="space=broken gives features that are no numbers"):
        features(clips(BATCH + 1, 0), [Broken()])


def test_folders_of_frames_are_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    for i, clip in enumerate(clips(3, 0)):
        (tmp_path / "real" / f"{i}").mkdir(parents=True)
        for t, frame in enumerate(clip):
            Image.fromarray(frame).save(tmp_path / "real" / f"{i}" / f"{t:03d}.png")
    made = folder(tmp_path / "made", clips(3, 0))
    words = (f"real={tmp_path / 'real'}", f"generated={made}", "space=random", "frames=6")
    code, printed, _ = run(capsys, *words)
    cells = next(line for line in printed.splitlines() if line.startswith("random")).split()
    assert code == 0 and float(cells[2]) < 1e-9 and "frames a second" not in printed


def test_without_any_space_nothing_is_measured(
    sets: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed, _ = run(capsys, f"real={sets['real']}", f"generated={sets['made']}", "space=i3d")
    assert code == 3 and "i3d: not measured: weights missing" in printed


def test_rates_that_differ_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    real, made = folder(tmp_path / "a", clips(2, 0)), folder(tmp_path / "b", clips(2, 1), 24.0)
    code, printed, _ = run(capsys, f"real={real}", f"generated={made}", "space=random", "frames=6")
    assert code == 0 and "The sets run at 8 and 24 frames a second" in printed
    mixed = folder(tmp_path / "c", clips(2, 1))
    encode(Video(clips(1, 2)[0], 30.0), tmp_path / "c" / "last.mkv")
    code, printed, _ = run(capsys, f"real={real}", f"generated={mixed}", "space=random", "frames=6")
    assert code == 0 and "The sets run at 8 and 8 to 30 frames a second" in printed
    assert "frames a second" not in run(capsys, f"real={mixed}", f"generated={mixed}", "frames=6")[1]


def test_compression_of_one_set_alone_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    real = folder(tmp_path / "a", clips(2, 0))
    for i, clip in enumerate(clips(2, 1)):
        encode_preview(Video(clip, 8.0), tmp_path / "b" / f"{i}.mp4")
    words = (f"real={real}", f"generated={tmp_path / 'b'}", "space=random", "frames=6")
    code, printed, _ = run(capsys, *words)
    assert code == 0 and "0 % and 100 % of the two sets come from lossy files" in printed
    encode(Video(clips(1, 2)[0], 8.0), tmp_path / "b" / "0.mkv")
    assert "0 % and 66.7 % of the two sets" in run(capsys, *words)[1]
    assert "lossy" not in run(capsys, words[0], f"generated={real}", *words[2:])[1]


def test_a_line_that_bends_is_said() -> None:
    limit = metric.Limit(3.0, 2.0, 4.0, False)
    row = distances.Row("x", {}, 4, 5.0, limit, None, 0.1, 8, None, None)
    assert any("bent" in line and "3 [2, 4]" in line for line in distances.table([row], {}))
    assert any(line.startswith("bent:") for line in distances.remarks([row], (600, 600), []))
    straight = distances.Row("x", {}, 4, 5.0, metric.Limit(3.0, 2.0, 4.0, True), None, 0.1, 8, None, None)
    assert distances.remarks([straight], (600, 600), []) == []


def test_few_videos_give_no_limit(tmp_path: Path) -> None:
    a, b = clips(3, 0), clips(2, 1)
    random = space_named("random")
    row = distances.compared(random, random.features(a), random.features(b), 1, 0)
    assert row.limit is None and row.kernel is None and row.floor is None and row.frechet > 0
    json.dumps(row.identity, allow_nan=False)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["real=worlds"], "generated= is missing; give generated=FOLDER or generated=worlds"),
        (["real={real}", "generated={real}", "damage=blur"], "damage=blur is done to worlds"),
        (["real={real}", "generated=nowhere"], "generated=nowhere is no folder"),
        (["real={real}", "generated={one}"], "holds 1 videos, a distance needs 2 or more"),
        (["real={long}", "generated={large}"], "is 24x24 px, the first clip 16x16; bring all to one size"),
        (["real={long}", "generated={longer}"], "has 18 frames, the first clip 16; .* add frames=16"),
        (["real={real}", "generated={real}", "frames=7"], "clip of 6 frames is too short .* need 7"),
        (["real={real}", "generated={real}", "frames=2"], "takes 2 frames, space=random needs 3"),
        (["real={real}", "generated={real}", "space=rondom"], "space=rondom is unknown"),
        (["real={real}", "generated={real}", "protocol=fvd"], "protocol=fvd is unknown"),
        (["real={real}", "generated={real}", "weights=x"], "weights=x are for one space"),
        (["real={real}", "generated={real}", "space=i3d,vjepa2", "weights=x"], "i3d and vjepa2 of"),
        (["real=worlds", "generated=worlds", "clips=1"], "clips=1 is too few"),
        (["real=worlds", "generated=worlds", "size=8"], "size=8 is out of range"),
        (["real=worlds", "generated=worlds", "families=moon"], "family=moon is unknown"),
        (["real={real}", "generated=worlds", "size=32"], "16x16 px, worlds 32; add size=16"),
        (["real=worlds", "generated=worlds", "damage=melt", *SMALL], "damage=melt is unknown"),
        (["real={real}", "generated={real}", "seeds=3"], "unknown option seeds=3"),
        (["real={real}", "generated={real}", "space=,"], "space= names none; use some of random,"),
        (["real={real}", "generated={real}", "sha256=00"], "sha256=00 is of no file; add weights=FILE"),
        (["real={real}", "generated={real}", "out={real}"], "out=.* is a folder; name a file"),
        (["real={real}", "generated={real}", "out={real}/000.mkv/a.json"], "out=.* cannot be written"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    words: Sequence[str], hint: str, sets: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = {"one": (1, 16, 16), "long": (2, 16, 16), "longer": (2, 18, 16), "large": (2, 16, 24)}
    known = dict(sets)
    for name, (count, frames, size) in made.items():
        if any(f"{{{name}}}" in word for word in words):
            known[name] = folder(tmp_path / name, clips(count, 0, frames, size))
    asked = [word.format(**known) for word in words]
    asked += [] if any(word.startswith("space=") for word in words) else ["space=random"]
    asked += ["frames=6"] if "{real}" in words[0] and not words[-1].startswith("frames=") else []
    code, printed, err = run(capsys, *asked)
    assert code == 2 and not printed and re.search(hint, err), err
    assert err.count("\n") <= 1 + err.count("worlds ")


def test_worlds_need_no_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "found.json"
    words = ("real=worlds", "generated=worlds", "damage=swap", "space=random-motion", f"out={out}", *SMALL)
    code, printed, _ = run(capsys, *words)
    assert code == 0 and "generated worlds swap: 4 clips; 16x16 px" in printed
    first = json.loads(out.read_text())
    assert distances.main(words) == 0 and json.loads(out.read_text()) == first
    assert first["generated"]["damage"] == "swap" and first["rows"][0]["frechet"] > 0


def test_the_two_sides_share_no_world() -> None:
    look = Look(size=16, frames=2, families=("push",))
    real, other = (clip_sets.worlds(2, look, 5, side) for side in (0, 1))
    assert not np.array_equal(real, other) and not np.array_equal(real[0], real[1])
    np.testing.assert_array_equal(clip_sets.worlds(1, look, 5, 0)[0], real[0])


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_leaves_the_frames_of_a_set_but_for_blur(kind: str) -> None:
    given = clips(5, 3, 8)
    made = damaged(given, kind, 0, 1)
    assert made.shape == given.shape and made.dtype == np.uint8 and not np.array_equal(made, given)
    before, after = (sorted(f.tobytes() for f in c.reshape(-1, *c.shape[2:])) for c in (given, made))
    assert (before == after) is (kind != "blur")
    np.testing.assert_array_equal(damaged(given, kind, 0, 1), made)
    if kind == "swap":
        np.testing.assert_array_equal(made[:, :4], given[:, :4])
        np.testing.assert_array_equal(made[0, 4:], given[1, 4:])
        several = damaged(clips(6, 3), kind, 0, 3)
        np.testing.assert_array_equal(several[4, 3:], clips(6, 3)[1, 3:])
    if kind == "reverse":
        np.testing.assert_array_equal(made[:, ::-1], given)


def test_swap_needs_another_clip() -> None:
    with pytest.raises(UserError, match=r"damage=swap of 5 clips needs 2 or more of each .* use clips=6"):
        damaged(clips(5, 0), "swap", 0, 3)


def toy(made: Mapping[str, np.ndarray], ordered: bool) -> dict[str, np.ndarray]:
    """Features of each set: the mean colour of the clips, or the mean step from frame to frame."""
    found = {}
    for kind, c in made.items():
        x = c.astype(np.float64)
        steps = np.abs(np.diff(x, axis=1)).mean(axis=(1, 2, 3))
        found[kind] = steps if ordered else np.sort(x.mean(axis=(2, 3)), axis=1).mean(axis=1)
    return found


def test_a_space_that_sees_no_time_ranks_below_one_that_does() -> None:
    real, other = clips(40, 1, 8), clips(40, 2, 8)
    made = {"none": other, **{kind: damaged(other, kind, 0, 1) for kind in DAMAGES}}
    still = spaces.ranked("still", toy({"r": real}, False)["r"], toy(made, False), 0)
    moving = spaces.ranked("moving", toy({"r": real}, True)["r"], toy(made, True), 0)
    for kind in ("shuffle", "reverse"):
        assert still.seen[kind].times == pytest.approx(1.0, abs=1e-9)
    assert moving.seen["shuffle"].times > 2 and moving.seen["swap"].times > 2
    assert moving.seen["shuffle"].kernel > 1 > abs(still.seen["shuffle"].kernel)
    assert moving.in_time() > still.in_time()
    text = spaces.markdown(spaces.Options(scenes=80), [still, moving], {"i3d": "weights missing; give x"})
    order = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ")]
    assert order == ["| space", "| moving", "| still", "| i3d"]
    assert "| i3d | not measured: weights missing |" in text


def test_the_ranking_is_written_to_a_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = tmp_path / "card.md"
    words = ["scenes=24", "size=16", "space=random,i3d", f"card={card}"]
    assert spaces.main(words) == 2 and "is no page" in capsys.readouterr().err
    card.write_text("<!-- spaces -->\n<!-- /spaces -->\n")
    assert spaces.main(words) == 0
    assert "| random | 112 |" in card.read_text() and "| i3d | not measured" in card.read_text()
    assert spaces.main(["scenes=31"]) == 2 and "on each side; use 36" in capsys.readouterr().err


def test_spaces_are_ranked_by_the_protocols_ddof() -> None:
    floors = {}
    for protocol in ("simbench", "stylegan-v"):
        found, _ = spaces.measure(spaces.Options(scenes=24, size=16, space="random", protocol=protocol))
        floors[protocol] = found[0].floor
    # The same clips and features; a covariance over N - 1 of 9 videos is 9/8 of one over N.
    assert 8 / 9 <= floors["stylegan-v"] / floors["simbench"] < 0.999


def test_a_space_that_is_named_twice_is_ranked_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert spaces.main(["scenes=24", "size=16", "space=random,random"]) == 0
    assert capsys.readouterr().out.count("| random | 112 |") == 1


def test_traps_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = tmp_path / "card.md"
    card.write_text("<!-- traps -->\n<!-- /traps -->\n")
    assert traps.main(["sizes=24,64", f"card={card}"]) == 0
    rows = [line.split(" | ") for line in card.read_text().splitlines() if line[:4] in ("| 24", "| 64")]
    assert len(rows) == 2 and float(rows[0][1]) > float(rows[1][1]) > 5 and "bent" in rows[1][4]
    assert float(rows[0][2]) < float(rows[0][1])


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["sizes=8"], "give sizes of 16 or more"),
        (["sizes=²²"], "give sizes of 16 or more"),
        (["decay=0"], "decay above 0 (to 1e6)"),
        (["decay=inf"], "decay above 0 (to 1e6)"),
        (["decay=nan"], "decay=nan is not a number"),
        (["seed=-1"], "seed=-1 is below 0; seeds are whole numbers from 0 on"),
    ],
)
def test_traps_that_cannot_be_set_are_refused(
    words: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert traps.main(["sizes=24", *words]) == 2
    error = capsys.readouterr().err
    assert hint in error and error.count("\n") == 1


def test_the_known_pair_is_one_apart() -> None:
    two = traps.pair(40.0, 1)
    spread = float((two.sd**2).sum()) * (two.scale - 1) ** 2
    assert float(two.shift @ two.shift) == pytest.approx(0.5) and spread == pytest.approx(0.5)
    assert list(PRESETS)[-1] == "simbench"


def test_help_and_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--help")[0] == 0
    assert run(capsys)[0] == 2
