"""Clips without truth: each measure tells the clip from what it is said to see, and is gated by motion."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from simbench.errors import UserError
from simbench.instruments import depth_network, following, wild_blind
from simbench.instruments.wild import Part, Reader, Reading, cuts_in, pooled, read, reduced
from simbench.instruments.wild_blind import (
    AHEAD,
    BLIND,
    BY_NAME,
    DEEP,
    DEPENDS,
    MEASURES,
    SEES,
    SHALLOW,
    holds,
)
from simbench.instruments.wild_versions import WHAT, versions
from simbench.video import Video, decode, encode
from simbench.worlds.sheet import write_png
from suites import wild, wild_table
from suites.wild_folder import Judged, clips_in, decoded
from suites.wild_report import difference, paired, summary, unpaired

REAL = Path(os.environ.get("SIMBENCH_FOOTAGE", Path(__file__).resolve().parents[2] / "shared" / "data"))
SIDE, FRAMES = 160, 17
READER = Reader(side=SIDE, frames=FRAMES, gap=2, pairs=3)
RELIEF = {("reproj", "wobbled"), ("reproj", "breathing"), ("third", "shuffled"), ("third", "breathing")}


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    """A still life, the camera going around it, uint8 [17, 160, 160, 3]."""
    return next(wild_table.rendered(1, SIDE, FRAMES, 1))


@pytest.fixture
def results() -> dict[str, wild_table.Readings]:
    """Readings of versions exactly as declared."""
    gated = {SEES: 0.0, BLIND: 1.0, DEPENDS: 0.5}

    def reading(name: str, version: str) -> Reading:
        value = 1.0 if version == "original" else gated[BY_NAME[name].declared(version)]
        return Reading(value, value, 1.0)

    names = (*wild_table.JUDGED, "plane")
    return {version: {name: reading(name, version) for name in names} for version in WHAT}


@pytest.mark.slow
def test_each_measure_sees_what_it_is_said_to_see(capsys: pytest.CaptureFixture[str]) -> None:
    assert wild_table.main(["clips=4", "pairs=8", "seed=2001"]) == 0, capsys.readouterr().out


def test_of_shuffle_wobble_zoom_and_noise_all_is_declared() -> None:
    """Four cells of two measures differ by scene: seen in deep ones, not in shallow ones."""
    spoilt = ("shuffled", "wobbled", "breathing", "noisy")
    cells = {(n, v) for n in wild_table.JUDGED for v in spoilt}
    assert {(n, v) for n, v in cells if BY_NAME[n].declared(v) == DEPENDS} == RELIEF
    for name, version in cells:
        deep, shallow = (BY_NAME[name].declared(version, scene) for scene in (DEEP, SHALLOW))
        assert DEPENDS not in (deep, shallow) and (deep != shallow) == ((name, version) in RELIEF)


def test_what_differs_by_scene_can_fail_in_both(capsys: pytest.CaptureFixture[str]) -> None:
    measure = BY_NAME["third"]
    assert holds(measure, "breathing", 0.2, DEEP) and not holds(measure, "breathing", 0.0, DEEP)
    assert holds(measure, "breathing", 0.0, SHALLOW) and not holds(measure, "breathing", 0.2, SHALLOW)
    assert holds(measure, "breathing", 0.2) and holds(measure, "breathing", 0.0)
    assert wild_table.main(["scene=flat"]) == 2
    assert capsys.readouterr().err.rstrip().endswith("scene=flat is not one of deep, shallow, any")


def test_every_version_but_two_is_seen_by_some_measure() -> None:
    """Time turned round and a photograph that is moved are what nothing here can see; that is said."""
    seen = {v for m in MEASURES if m.name in wild_table.JUDGED for v in WHAT if m.declared(v) == SEES}
    assert set(WHAT) - seen - {"original"} == {"backwards", "postcard", "blurred"}
    for measure in MEASURES:
        assert measure.blind_spot and not measure.blind & measure.depends
    declared = [m.declared(v) for m in MEASURES if m.name in wild_table.JUDGED for v in list(WHAT)[1:]]
    assert declared.count(DEPENDS) <= len(declared) / 6, "what depends on the clip tests nothing"


def test_a_declaration_can_fail() -> None:
    measure = BY_NAME["inliers"]
    assert measure.declared("frozen") == SEES and measure.declared("wobbled") == BLIND
    assert holds(measure, "frozen", AHEAD + 0.01) and not holds(measure, "frozen", AHEAD)
    assert holds(measure, "wobbled", AHEAD) and not holds(measure, "wobbled", AHEAD + 0.01)
    with pytest.raises(ValueError, match="forzen"):
        wild_blind.named("forzen")


def test_standing_still_is_never_best(clip: np.ndarray) -> None:
    own, frozen = read(clip, READER).readings(), read(versions(clip)["frozen"], READER).readings()
    assert frozen["inliers"].value == 1.0 > own["inliers"].value, "ungated it would be best"
    assert frozen["loop"].value == 1.0 > own["loop"].value and frozen["flicker"].value == 0.0
    for name, reading in frozen.items():
        assert reading.gated == 0.0 and reading.gate == 0.0 and "nothing moved" in reading.reason, name
    assert all(r.gate == 1.0 and not r.reason for r in own.values())


def test_a_plane_explains_a_postcard_and_not_a_still_life(clip: np.ndarray) -> None:
    deep, flat = (read(made, READER).plane for made in (clip, versions(clip)["postcard"]))
    assert deep.value is not None and flat.value is not None
    assert deep.value < 0.8 and flat.value > 0.97 and deep.gated == flat.gated == 1.0
    readings = [{"original": {"plane": r}} for r in (deep, flat)]
    assert (
        wild_table.flatness(readings) == f"a plane explains {deep.value:.2f} to {flat.value:.2f} of matches"
    )
    assert wild_table.flatness(readings[:1]) == f"a plane explains {deep.value:.2f} of matches"
    nothing = [{"original": {"plane": read(np.zeros_like(clip), READER).plane}}]
    assert wild_table.flatness(nothing) == "a plane explains nothing that is known"


def test_noise_does_not_count_as_motion(clip: np.ndarray) -> None:
    still = np.repeat(clip[:1], 9, axis=0).astype(float)
    noisy = np.clip(np.rint(still + np.random.default_rng(0).normal(0.0, 12.0, still.shape)), 0, 255)
    found = read(noisy.astype(np.uint8), Reader(side=SIDE, gap=2, pairs=1)).readings()
    assert all(reading.gated == 0.0 for reading in found.values())


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((9, 72, 80, 3), np.uint8),
        np.full((9, 72, 80, 3), 255, np.uint8),
        np.random.default_rng(0).integers(0, 256, (9, 72, 80, 3), dtype=np.uint8),
        np.zeros((1, 72, 80, 3), np.uint8),
    ],
    ids=["black", "white", "static", "single"],
)
def test_what_cannot_be_measured_has_a_reason(frames: np.ndarray) -> None:
    found = read(frames, Reader(gap=2)).readings()
    for name in ("sampson", "reproj", "third", "steady", "motion"):
        assert found[name].value is None and found[name].gated == 0.0, name
    for name, reading in found.items():
        assert reading.gated == 0.0 and reading.reason, name
        assert reading.value is None or np.isfinite(reading.value)


def test_a_short_clip_has_what_it_is_long_enough_for(clip: np.ndarray) -> None:
    found = read(clip[:4], Reader(side=SIDE, gap=2)).readings()
    assert found["inliers"].value is not None and found["loop"].value is not None
    assert found["third"].value is None and found["third"].reason == "4 frames, not 5"
    assert found["tracks"].reason == "4 frames, not 9" and found["cuts"].value == 0.0


def test_parts_are_pooled_with_nothing_left_out() -> None:
    parts = [
        Part(0.5, True),
        Part(1.0, False, "still"),
        Part(None, True, "black"),
        Part(None, False, "black"),
    ]
    share = pooled(parts, None, "")
    assert share == Reading(0.5, 0.125, 0.5, "black")
    error = pooled([Part(1.0, True), Part(3.0, True)], 1.0, "")
    assert error.value == 2.0 and error.gated == pytest.approx((0.5 + 0.25) / 2)
    assert pooled([Part(1.0, False, "still")], None, "") == Reading(1.0, 0.0, 0.0, "still")
    assert pooled([], None, "too short") == Reading(None, 0.0, 0.0, "too short")


def test_a_cut_is_found_where_it_is(clip: np.ndarray) -> None:
    spliced = versions(clip)["spliced"]
    pictures = following.grey(following.smoothed(spliced))
    loops = following.loops(pictures)
    assert int(np.argmin([following.home(error) for error in loops])) == FRAMES // 2 - 1
    assert cuts_in(spliced, pictures, loops, 1.0).value == 1.0
    # A single frame of the other shot is a jump there and back, no cut.
    blink = clip.copy()
    blink[8] = spliced[8]
    for frames in (clip, blink):
        pictures = following.grey(following.smoothed(frames))
        assert cuts_in(frames, pictures, following.loops(pictures), 1.0).value == 0.0


def test_a_shuffle_keeps_frames_within_their_stretch() -> None:
    frames = np.repeat(np.arange(17, dtype=np.uint8), 70 * 70 * 3).reshape(17, 70, 70, 3)
    order = versions(frames, 3, 1)["shuffled"][:, 0, 0, 0].astype(int)
    assert sorted(order) == list(range(17)) and list(order) != list(range(17))
    assert (order // 6 == np.arange(17) // 6).all(), "six gaps of one frame"


def test_noise_and_plain_walls_have_no_structure(clip: np.ndarray) -> None:
    plain = np.full((1, 96, 96, 3), 90.0)
    noisy = np.clip(plain + np.random.default_rng(0).normal(0.0, 25.0, plain.shape), 0, 255)
    for wall in (plain, noisy):
        (picture,) = following.grey(following.smoothed(wall.astype(np.uint8)))
        assert not following.structured(picture).any()
    rows = np.broadcast_to(90 + 40 * np.sin(np.arange(96) / 4)[:, None], (96, 96))
    assert not following.structured(rows.astype(np.uint8)).any(), "along a row nothing can be followed"
    assert following.structured((rows / 2 + rows.T / 2).astype(np.uint8))[8:-8, 8:-8].mean() > 0.9
    assert following.structured(following.grey(clip[:1])[0]).mean() > 0.2


def test_what_goes_and_comes_back_has_moved() -> None:
    uv = np.zeros((9, 20, 2))
    uv[4] = 3.0
    seen = np.ones(20, bool)
    assert following.Window(uv, seen, seen).moved and not following.Window(uv * 0.1, seen, seen).moved
    assert not following.Window(uv, np.arange(20) < 1, seen).followed


def test_of_two_later_frames_the_nearer_is_the_second_view(clip: np.ndarray) -> None:
    """Frames 0, 8 and 1 in this order are read nearly as frames 0, 1 and 8."""
    reader = Reader(side=SIDE, gap=1, pairs=1)
    order = [read(clip[list(o)], reader).inliers.value for o in ((0, 1, 8), (0, 8, 1))]
    assert order[0] == order[1] is not None


def test_larger_pictures_are_reduced_and_smaller_ones_left(clip: np.ndarray) -> None:
    assert reduced(clip[:2, :120], 60).shape == (2, 60, 80, 3)
    assert reduced(clip[:2], SIDE) is not None and reduced(clip[:2], 400).shape == clip[:2].shape


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[str, dict[str, np.ndarray]], Path]:
    def write(name: str, clips: dict[str, np.ndarray]) -> Path:
        for stem, frames in clips.items():
            (tmp_path / name).mkdir(exist_ok=True)
            encode(Video(frames, 8.0), tmp_path / name / f"{stem}.mkv")
        return tmp_path / name

    return write


def test_a_clip_of_any_container_counts(clip: np.ndarray, tmp_path: Path) -> None:
    import av

    with av.open(tmp_path / "a.avi", "w") as made:
        stream = made.add_stream("mjpeg", rate=8)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuvj420p"
        for frame in clip[:3]:
            made.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        made.mux(stream.encode())
    (found,) = decoded(clips_in(str(tmp_path), "folder"), 9)
    assert found.frames is not None and found.frames.shape == (3, SIDE, SIDE, 3)


QUICK = ["gap=1", "pairs=1", "span=3", "frames=4"]


def test_the_command(clip: np.ndarray, folder, tmp_path: Path, capsys) -> None:
    frozen = np.repeat(clip[:1], 4, axis=0)
    made = folder("made", {"a": clip[:4], "b": frozen, "c": np.zeros_like(frozen)})
    (made / "broken.mp4").write_bytes(b"no video")
    (made / "notes.txt").write_text("not a clip")
    frames = made / "frames"
    frames.mkdir()
    for t, frame in enumerate(clip[4:8, :70, :100]):
        write_png(frames / f"{t}.png", frame)
    real = folder("real", {"x": clip[4:8, :128], "y": clip[8:12, :128]})
    out = tmp_path / "wild.json"
    assert wild.main([f"folder={made}", f"reference={real}", f"out={out}", *QUICK]) == 0
    printed = capsys.readouterr().out
    for words in (
        "5 clips, read at a shorter side of 70 px",
        "sizes differ",
        "unpaired",
        "frozen video",
        "±",
    ):
        assert words in printed, printed
    assert "lengths differ" not in printed and "rates differ" not in printed
    quick = folder("quick", {"x": clip[4:7]})
    encode(Video(clip[4:7], 24.0), quick / "x.mkv")
    assert wild.main([f"folder={real}", f"reference={quick}", *QUICK]) == 0
    printed = capsys.readouterr().out
    assert "rates differ: 8 against 24" in printed and "lengths differ: 4 against 3 frames" in printed
    for measure in MEASURES:
        assert measure.name == "depth" or measure.blind_spot in " ".join(printed.split())
    content = json.loads(out.read_text())
    assert [c["name"] for c in content["clips"]] == ["a.mkv", "b.mkv", "broken.mp4", "c.mkv", "frames"]
    broken, black = content["clips"][2], content["clips"][3]["measures"]["sampson"]
    assert "cannot be decoded" in broken["reason"] and broken["measures"]["inliers"]["gated"] == 0
    assert "value" not in black and "black, plain or blurred" in black["reason"]
    assert content["measures"]["inliers"]["gated"]["count"] == 5 and content["reader"]["side"] == 70
    assert content["measures"]["sampson"]["defined"] == pytest.approx(3 / 5)
    assert len(content["reference"]) == 2 and "depth" not in content["measures"]


def test_nothing_that_can_be_read_has_its_own_exit_code(tmp_path: Path, capsys) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    assert wild.main([f"folder={tmp_path}"]) == 3
    assert "not defined in 1 of 1 clips" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ""),
        (["reference=there"], "folder= is not given"),
        (["folder=nowhere"], "folder=nowhere is no folder"),
        (["folder={empty}"], "holds no clip; put .mp4"),
        (["folder={clips}", "reference=nowhere"], "reference=nowhere is no folder"),
        (["folder={clips}", "reference={empty}"], "holds no clip"),
        (["folder={clips}", "gap=0"], "gap=0 is too small; 1 at least, 4 usual"),
        (["folder={clips}", "side=32"], "side=32 is too small; 64 at least"),
        (["folder={clips}", "depht=x"], "unknown option depht=x"),
        (["folder={clips}", "out={clips}"], "is a folder; name a file"),
        (["folder={clips}", "out={clips}/a.mp4/found.json"], "cannot be written"),
        (["folder={clips}", "sha256=00"], "sha256=00 has no network"),
        (["folder={clips}", "depth=nowhere.pt"], "depth=nowhere.pt is not a file"),
        (["folder={clips}", "depth={clips}/a.mp4"], "is not loaded without its hash"),
        (["folder={clips}", "depth={clips}/a.mp4", "sha256=00"], "not 00; get the right file"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], words: str, tmp_path: Path, capsys) -> None:
    places = {"empty": tmp_path / "empty", "clips": tmp_path / "clips"}
    for place in places.values():
        place.mkdir()
    (places["clips"] / "a.mp4").write_bytes(b"")
    assert wild.main([a.format(**places) for a in arguments]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") <= 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frames=8"], "frames=8 is too small; 9 at least, 25 usual"),
        (["gap=0"], "gap=0 is too small; 1 at least"),
        (["pairs=0"], "pairs=0 is too small; 1 at least"),
        (["seed=-1"], "seed=-1 is below 0"),
        (["clips=0"], "clips=0 size=192: at least 1 and 64"),
        (["card=nowhere.md"], "nowhere.md is no page"),
    ],
)
def test_a_matrix_that_cannot_be_measured_is_refused(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)

    def never(*rest: object) -> None:
        raise AssertionError("the work began")

    monkeypatch.setattr(wild_table, "rendered", never)
    monkeypatch.setattr(wild_table, "read", never)
    assert wild_table.main(arguments) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


def judged_as(name: str, gated: float) -> Judged:
    return Judged(name, 9, 64, 64, {"loop": Reading(gated, gated, 1.0)})


def test_differences_are_paired_by_name_or_welchs() -> None:
    from scipy.stats import ttest_ind

    rng = np.random.default_rng(0)
    a, b = rng.normal(0.6, 0.1, 6), rng.normal(0.5, 0.2, 9)
    found = unpaired(list(a), list(b))
    want = ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((want.low, want.high))
    base = rng.random(5)
    clips = [judged_as(f"{i}.mp4", v + 0.1) for i, v in enumerate(base)]
    others = [judged_as(f"{i}.mkv", v) for i, v in enumerate(base)][::-1]
    same = difference(clips, others, "loop")
    assert same.mean == pytest.approx(0.1) and same.low == pytest.approx(0.1)
    assert difference(clips, others[1:], "loop").high > 0.3, "names that do not pair are not paired"
    assert paired(["a.mp4"], ["a.mkv"]) and not paired(["a.mp4", "a.mkv"], ["a.mp4", "a.gif"])
    only = summary([Reading(None, 0.0, 0.0, "black")])
    assert only.value is None and only.gated.mean == 0.0 and only.defined == 0.0
    assert unpaired([1.0], [0.0, 0.5]).low is None and unpaired([1.0, 1.0], [0.0, 0.0]).low == 1.0


def test_the_matrix_says_where_it_is_not_as_declared(
    results: dict[str, wild_table.Readings], tmp_path: Path, capsys
) -> None:
    assert wild_table.broken([results]) == []
    swapped = {**results, "frozen": results["original"]}
    assert any("loop: sees frozen" in line for line in wild_table.broken([swapped]))
    assert any("!!" in line for line in wild_table.matrix([swapped]))
    lines = wild_table.matrix([results])
    assert len(lines) == 2 + len(wild_table.JUDGED) and not any("!!" in line for line in lines)
    assert wild_table.main(["clips=0"]) == 2 and "clips=0" in capsys.readouterr().err
    assert wild_table.main([f"folder={tmp_path}"]) == 2
    (tmp_path / "a.mp4").write_bytes(b"")
    assert wild_table.main([f"folder={tmp_path}"]) == 2 and "a.mp4" in capsys.readouterr().err


def test_the_matrix_goes_to_the_card(tmp_path: Path, monkeypatch, results, capsys) -> None:
    monkeypatch.setattr(wild_table, "judged", lambda *_: results)
    card, sheet = tmp_path / "card.md", tmp_path / "sheet.png"
    card.write_text("<!-- matrix -->\n<!-- /matrix -->\n")
    asked = ["clips=1", "size=64", "frames=9", f"card={card}", f"sheet={sheet}"]
    assert wild_table.main(asked) == 0 and "as declared" in capsys.readouterr().out
    assert "| third |" in card.read_text() and sheet.stat().st_size > 1000
    monkeypatch.setattr(wild_table, "judged", lambda *_: {**results, "frozen": results["original"]})
    assert wild_table.main(asked[:3]) == 3


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_depth_network_by_path_and_hash(clip: np.ndarray, folder, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    class Bright(torch.nn.Module):
        """Inverse depth is brightness, in a scale and shift of each frame's own."""

        def forward(self, frames):
            """See simbench.instruments.depth_network."""
            light = frames.mean(1)
            return light * (1 + light[:, :1, :1]) + light[:, 1:2, :1]

    class Odd(torch.nn.Module):
        """One depth everywhere; of dark pictures half the size, or what is not finite."""

        def forward(self, frames):
            """See simbench.instruments.depth_network."""
            if bool(frames.max() == 0.0):
                return frames[:, 0, ::2, ::2]
            return torch.log(frames[:, 0] * 0 + (frames.max() - 0.1))

    def saved(module: torch.nn.Module) -> tuple[str, str]:
        path = tmp_path / f"{type(module).__name__}.pt"
        torch.jit.save(torch.jit.script(module), str(path))
        return str(path), hashlib.sha256(path.read_bytes()).hexdigest()

    path, sha = saved(Bright())
    made, out = folder("made", {"a": clip[:6]}), tmp_path / "wild.json"
    assert wild.main([f"folder={made}", f"depth={path}", f"sha256={sha}", f"out={out}", *QUICK]) == 0
    bright = json.loads(out.read_text())["clips"][0]["measures"]["depth"]
    assert bright["value"] < 0.2 and bright["gated"] > 0.7
    odd = depth_network.load(*saved(Odd()))
    flat = read(clip[:4], Reader(side=SIDE, gap=1, pairs=1, span=3), odd).depth
    assert flat.value is None and flat.gated == 0.0 and "one depth" in flat.reason
    with pytest.raises(UserError, match="it must return"):
        odd(np.zeros((2, 8, 8, 3), np.uint8))
    with pytest.raises(UserError, match="not finite"):
        odd(np.full((2, 8, 8, 3), 20, np.uint8))
    other = tmp_path / "no.pt"
    other.write_bytes(b"nothing")
    with pytest.raises(UserError, match="no TorchScript module"):
        depth_network.load(str(other), hashlib.sha256(b"nothing").hexdigest())


@pytest.mark.slow
def test_a_real_clip_is_told_from_its_versions() -> None:
    path = REAL / "davis_horsejump" / "video"
    if not path.is_dir():
        pytest.skip(f"no {path}: real footage is not part of the repository; set SIMBENCH_FOOTAGE")
    assert wild_table.main([f"folder={path}", "frames=33", "gap=4"]) == 0


def test_a_real_cut_is_found() -> None:
    """A hard cut between two shots of a documentary, from frame 201 to 202."""
    path = REAL / "decode" / "nasa_13013.mp4"
    if not path.is_file():
        pytest.skip(f"no {path}: real footage is not part of the repository; set SIMBENCH_FOOTAGE")
    frames = decode(path, 232).frames[172:, ::2, ::2]
    pictures = following.grey(following.smoothed(frames))
    loops = following.loops(pictures)
    assert cuts_in(frames, pictures, loops, 1.0).value == 1.0
    assert int(np.argmin([following.home(error) for error in loops])) + 172 == 201
    assert cuts_in(frames[:29], pictures[:29], loops[:28], 1.0).value == 0.0
