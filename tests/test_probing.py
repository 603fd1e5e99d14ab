"""suite=probing: states are true, tables line up, features are those of the model, files are read back."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import tiny_model

pytest.importorskip("torch")

from model.generator import ModelGenerator
from reports import probing as report
from simbench import exits
from simbench.case import Setting
from simbench.cli import main
from simbench.errors import UserError
from simbench.generator import Features
from simbench.instruments.balls import positions
from suites.probing import Rows, asked, exchanged, read_all, rows_of
from suites.probing_tables import Shape, Table, by_frame, patches, pooled, regrid, tables, truths
from suites.probing_worlds import LOOKS, PLACED, STATES, WORLDS, clips

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without text or commands."""
    return tiny_model.write(tmp_path_factory.mktemp("model") / "plain")


@pytest.fixture(scope="module")
def made() -> list:
    """The clips of two scenes."""
    return [clip for scene in ("public-0000", "public-0001") for clip in clips(scene, Setting())]


def test_states_are_those_of_the_picture(made: list) -> None:
    for clip in made:
        position = clip.states.get("position")
        if position is None or "open" not in clip.kind:
            continue
        t = int(np.flatnonzero(np.isfinite(position[:, 0]))[0])
        x, y = (int(v * 32) for v in position[t])
        late = clip.video.frames[-1 if clip.kind.startswith("exit") else 0].astype(int)
        # Where the object is said to be, the picture is not what it is when the object is elsewhere.
        assert clip.kind.startswith("stay") or np.abs(clip.video.frames[t, y, x] - late[y, x]).max() > 30


def test_hidden_and_seen_exclude_each_other(made: list) -> None:
    for clip in made:
        if "position" in clip.states:
            seen = np.isfinite(clip.states["position"][:, 0])
            gone = np.isfinite(clip.states["hidden position"][:, 0])
            assert not (seen & gone).any() and seen[:2].all()
            assert not (gone.any() and "open" in clip.kind)
            if clip.kind == "exit":
                assert gone.any()


def test_a_push_has_contact_and_a_miss_has_none(made: list) -> None:
    by_kind = {clip.kind: clip for clip in made}
    assert 0 < by_kind["push"].states["contact"].sum() < 17
    assert by_kind["miss"].states["contact"].sum() == 0
    assert np.abs(by_kind["camera"].states["camera"][0]).max() < 1e-9
    assert np.abs(by_kind["camera"].states["camera"][-1]).max() > 0.05


def test_what_is_hidden_can_be_known_from_what_is_given(made: list) -> None:
    """Exit and stay of a scene differ in the given frames, or no model could tell them apart."""
    by_kind = {clip.kind: clip for clip in made}
    assert not np.array_equal(by_kind["exit"].condition.given_frames, by_kind["stay"].condition.given_frames)


def test_tokens_of_every_source_stand_at_their_place() -> None:
    shape = Shape(5, 4, 4, 2, np.array([5]))
    frames = np.zeros((17, 32, 32, 3), np.uint8)
    frames[9, 8:16, 8:16] = 255
    tokens = patches(frames, shape)
    assert tokens.shape == (5, 4, 4, 4 * 8 * 8 * 3)
    assert tokens[3, 1, 1].sum() == 8 * 8 * 3 and tokens.sum() == 8 * 8 * 3
    latents = np.zeros((5, 8, 8, 2), np.float32)
    latents[2, 3, 5, 1] = 1
    again = regrid(latents, shape)
    assert again.shape == (5, 4, 4, 8) and again[2, 1, 2].sum() == 1 and again.sum() == 1
    assert pooled(tokens).shape == (5, 16 * 768) and pooled(tokens)[3].sum() == pytest.approx(192)


def test_a_frame_of_the_model_has_the_mean_of_its_video_frames() -> None:
    values = np.arange(17.0)[:, None]
    values[5:8] = np.nan
    assert by_frame(values, 5)[:, 0].tolist() == [0.0, 2.5, 8.0, 10.5, 14.5]
    values[9:13] = np.nan
    assert np.isnan(by_frame(values, 5)[3, 0])


def test_to_name_the_world_is_no_knowledge_of_depth_colour_or_edges() -> None:
    """Worlds differ so much that their names alone told half of the depth of a place."""
    every = [clip for i in range(20) for clip in clips(f"public-{i:04d}", Setting())]
    names = np.unique([clip.world for clip in every], return_inverse=True)[1]
    shape = Shape(5, 8, 8, 2, np.array([18, 45]))
    wanted = {k: v for k, v in truths(every, shape).items() if k in PLACED}
    told = np.eye(5, dtype=np.float32)[names][:, None, None]
    table = Table("pixels", 0, 0.0, told[:, :, 0], np.broadcast_to(told, (len(every), 5, 2, 5)))
    found = {r.target: r.found.r2 for r in read_all(iter([table]), every, wanted)}
    assert set(found) == set(PLACED) and max(found.values()) < 0.01


def test_mass_is_told_by_an_impact_alone_and_the_same_in_both_clips_of_a_scene(made: list) -> None:
    for scene in ("public-0000", "public-0001"):
        by_kind = {clip.kind: clip for clip in made if clip.scene == scene}
        early, late = by_kind["balls"].states["mass"], by_kind["balls later"].states["later mass"]
        known = [np.isfinite(values[:, 0]) for values in (early, late)]
        assert not known[0][:2].any() and known[0][3:].all(), "met between the given frames"
        assert not known[1][:6].any() and known[1][-6:].all(), "met after them"
        assert early[-1] == late[-1] and len(set(early[known[0]][:, 0])) == 1
    shape = Shape(5, 8, 8, 2, np.array([5]))
    found = truths(made, shape)
    assert np.isfinite(found["mass"][:, 2:]).sum() == 2 * 3
    assert np.isfinite(found["later mass"][:, 2:, 0]).any(0)[-1]


def test_clips_of_some_worlds_have_what_these_have_and_are_those_of_all(made: list) -> None:
    few = clips("public-0000", Setting(), ("balls", "push"))
    whole = {clip.kind: clip for clip in made if clip.scene == "public-0000"}
    assert {clip.world for clip in few} == {"balls", "push"} and {c.world for c in made} == set(WORLDS)
    assert all(np.array_equal(clip.video.frames, whole[clip.kind].video.frames) for clip in few)
    shape = Shape(5, 8, 8, 2, np.array([5]))
    flat = clips("public-0000", Setting(), ("balls",))
    assert set(truths(flat, shape)) == {"mass", "later mass", *LOOKS}, "nothing without depth has depth"


def test_an_observer_reads_the_mass_from_the_given_pixels_of_an_impact_within_them_alone() -> None:
    """Change of speed against change of speed, from centroids of the first and the last two given frames."""
    told: dict[str, list[tuple[float, float]]] = {"balls": [], "balls later": []}
    for i in range(40):
        for clip in clips(f"public-{i:04d}", Setting(), ("balls",)):
            x = positions(clip.condition.given_frames, 2)[..., 0]
            before, after = (x[1] - x[0]) * 8.0, (x[4] - x[3]) * 8.0
            # Where nothing has happened yet the changes are noise, and so is their ratio.
            gone = np.maximum(np.abs(after - before), 1e-3)
            (values,) = clip.states.values()
            told[clip.kind].append((float(np.log(gone[1] / gone[0])), float(values[-1, 0])))
    r2 = {}
    for kind, pairs in told.items():
        said, true = np.array(pairs).T
        r2[kind] = 1 - ((said - true) ** 2).sum() / ((true - true.mean()) ** 2).sum()
    assert r2["balls"] > 0.95 and r2["balls later"] < 0.05


def test_balls_are_weighed_in_squares_with_time_to_meet() -> None:
    for setting, says in (
        (Setting(width=64), "64x32, 5 of 17 frames"),
        (Setting(context=1), "1 of 17 frames at 8 fps"),
        (Setting(frames=65), "5 of 65 frames at 8 fps"),
    ):
        with pytest.raises(UserError, match=says):
            clips("public-0000", setting)


def test_rows_are_shared_where_they_are_the_same_and_left_out_where_few_have_them(made: list) -> None:
    every = [dataclasses.replace(made[0], scene=f"s{i}", world="ab"[i % 2]) for i in range(50)]
    one = np.random.default_rng(0).normal(size=(50, 3, 2))
    few = one[..., :1].copy()
    few[::2][5:, 1] = np.nan
    still = np.broadcast_to(np.arange(3.0)[None, :, None], (50, 3, 1)).copy()
    places = np.zeros((50, 3, 4, 1))
    places[:, :, 2, 0] = one[..., 0]
    wanted = {"a": one, "b": one[..., 1:], "few": few, "still": still, "places": places}
    first, second, third = rows_of(every, wanted)
    assert list(first.targets) == ["a", "b"] and len(first.scenes) == 150 and first.chosen.all()
    # In the second frame 5 scenes of the first world have a value: too few; those of the other stay.
    assert list(second.targets) == ["few"] and second.chosen.sum(0).tolist() == [50, 25, 50]
    assert set(second.worlds[second.strata == 1]) == {1}
    assert list(third.targets) == ["places"] and third.strata.max() == 11, "what never varies is not read"
    assert np.array_equal(first.targets["a"], one.reshape(-1, 2))


def test_names_of_clips_say_nothing_of_their_future(made: list) -> None:
    names = [clip.condition.name for clip in made]
    assert len(set(names)) == len(names)
    words = {word for clip in made for word in clip.kind.split()}
    assert not any(word in name for name in names for word in words)


class Odd:
    """A generator whose activations are `value` everywhere."""

    def __init__(self, value: float) -> None:
        self.value = value
        self.seeds: list[int] = []

    def features(self, conditions: list, videos: list, seeds: list, levels: list) -> list[Features]:
        """One answer, of the shape of a small model."""
        self.seeds.append(*seeds)
        blocks = np.full((len(levels), 2, 5, 4, 4, 3), self.value, np.float32)
        return [Features(blocks, np.zeros((5, 4, 4, 2), np.float32))]


def test_large_activations_are_kept_and_what_is_no_number_is_named(made: list) -> None:
    assert asked(Odd(1e6), made[:1], [3], [1.0])[0].blocks.max() == np.float32(1e6)
    assert asked(Odd(1.0), made[:1], [3], [1.0])[0].blocks.dtype == np.float16
    asked(who := Odd(1.0), made[:3], [0, 1, 5], [1.0])
    assert who.seeds == [0, 1, 5], "each clip has the noise of its seed"
    with pytest.raises(UserError, match="activations are not finite for a clip of kind exit"):
        asked(Odd(float("nan")), made[:1], [3], [1.0])
    with pytest.raises(UserError, match=r"probing\.cells=17 is more than the 16 tokens"):
        Shape.of(asked(Odd(1.0), made[:1], [3], [1.0])[0], made[0], 17)


def test_given_frames_are_not_read_and_exchange_keeps_strata(made: list) -> None:
    shape = Shape(5, 8, 8, 2, np.array([5, 9]))
    found = truths(made, shape)
    assert set(found) == {*STATES, *LOOKS}
    assert all(np.isnan(values[:, :2]).all() for values in found.values())
    assert np.isfinite(found["colour"][:, 2:]).all()
    values = {"depth": np.arange(40.0)[:, None]}
    mixed = exchanged(
        Rows(np.ones((40, 1), bool), values, np.arange(40), np.repeat([0, 1], 20), np.tile([0, 1], 20))
    )["depth"][:, 0]
    assert sorted(mixed[:20:2]) == list(range(0, 20, 2)) and sorted(mixed[1:20:2]) == list(range(1, 20, 2))
    assert mixed.tolist() != list(range(40))


def test_features_are_repeatable_and_know_no_more_than_what_is_given(folder: Path, made: list) -> None:
    generator = ModelGenerator(dir=str(folder))
    clip = made[0]
    ask = ([clip.condition], [clip.video], [7], [1.0, 0.2])
    (first,), (again,) = generator.features(*ask), generator.features(*ask)
    assert isinstance(first, Features) and np.array_equal(first.blocks, again.blocks)
    assert first.blocks.ndim == 6 and first.blocks.shape[0] == 2 and np.isfinite(first.blocks).all()
    # Another future behind the same given frames: nothing changes at level 1, and much at 0.2.
    frames = clip.video.frames.copy()
    frames[5:] = 255 - frames[5:]
    (else_,) = generator.features([clip.condition], [type(clip.video)(frames, 8.0)], [7], [1.0, 0.2])
    assert np.allclose(first.blocks[0], else_.blocks[0]) and not np.allclose(first.blocks[1], else_.blocks[1])


def test_what_is_untrained_has_the_same_shape_and_another_identity(folder: Path, made: list) -> None:
    generator = ModelGenerator(dir=str(folder))
    other = generator.untrained(0)
    ask = ([made[0].condition], [made[0].video], [7], [1.0])
    (a,), (b,) = generator.features(*ask), other.features(*ask)
    assert a.blocks.shape == b.blocks.shape and not np.allclose(a.blocks, b.blocks)
    assert np.array_equal(a.latents, b.latents), "the codec is the same"
    assert generator.identity() != other.identity()
    assert np.array_equal(generator.features(*ask)[0].blocks, a.blocks), "the first is as it was"


def test_a_planted_state_is_read_and_a_control_is_not(made: list) -> None:
    scenes = [f"public-{i:04d}" for i in range(24)]
    every = [clip for scene in scenes for clip in clips(scene, Setting())]
    shape = Shape(5, 2, 2, 2, np.array([0]))
    wanted = {k: v for k, v in truths(every, shape).items() if k in ("contact", "rate")}
    known = np.nan_to_num(wanted["contact"])
    table = Table("trained", 1, 1.0, known + 1e-3, np.zeros((len(every), 5, 1, 1), np.float32))
    found = {(r.target, r.control): r.found.r2 for r in read_all(iter([table]), every, wanted)}
    assert found["contact", False] > 0.99 and found["contact", True] < 0.2 and found["rate", False] < 0.2


def test_the_study_writes_what_its_report_reads(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "probes"
    words = [
        f"generator.dir={folder}",
        "cases=20",
        "probing.worlds=push,balls",
        "probing.levels=1,0.3",
        "probing.cells=1",
        f"out={out}",
    ]
    assert main(["suite=probing", "generator=model", "probing.figures=false", *words]) == exits.OK
    content = json.loads((out / "probing.json").read_text())
    rows = content["rows"]
    assert {r["source"] for r in rows} == {"trained", "untrained", "latents", "pixels"}
    assert {r["level"] for r in rows if r["source"] == "trained"} == {1.0, 0.3}
    assert all(r["low"] <= r["r2"] <= r["high"] for r in rows)
    every = {(r["layer"], r["level"]) for r in rows if r["source"] == "trained"}
    assert {(r["layer"], r["level"]) for r in rows if r["control"]} == every
    colour = max(
        r["r2"] for r in rows if r["target"] == "colour" and r["source"] == "pixels" and r["level"] == 0
    )
    assert colour > 0.8, "pixels know their own colour"
    other = tmp_path / "twice"
    assert report.main([f"probes={out},{out}", f"out={other}", "names=a,b", "figures=true"]) == 0
    assert {p.name for p in other.iterdir()} >= {"probing.md", "layers.png", "models.png", "models.csv"}
    assert "| contact |" in (other / "probing.md").read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["probing.levels=1,x"], "probing.levels=1,x are no numbers"),
        (["probing.levels=1,0.5,1"], "probing.levels=1,0.5,1 names a level twice"),
        (["probing.levels=2"], "must be from 0 (clean) to 1 (noise)"),
        (["probing.worlds=moon"], "probing.worlds=moon must be all, or of occluder, push"),
        (["probing.worlds=push,push"], "each once"),
        (["probing.noise=none"], "probing.noise=none is unknown; use own or same"),
        (["probing.cells=0"], "probing.cells=0 reads nothing"),
        (["cases=8"], "cases=8 is too few to hold scenes out; use 20"),
        (["cases=20", "generator=frozen"], "shows no features"),
    ],
)
def test_wrong_options_are_named(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["suite=probing", *words, f"out={tmp_path / 'out'}"]) == exits.TROUBLE
    said = capsys.readouterr().err
    assert says in said and said.count("\n") == 1


def test_all_tables_have_a_row_for_each_clip(folder: Path, made: list) -> None:
    generator = ModelGenerator(dir=str(folder))
    answers = [[generator.features([c.condition], [c.video], [0], [1.0])[0] for c in made] for _ in range(2)]
    shape = Shape.of(answers[0][0], made[0], 3)
    found = list(tables(answers, made, [1.0], shape))
    layers = answers[0][0].blocks.shape[1]
    assert len(found) == 2 * layers + 4 and shape.context == 2
    for table in found:
        assert table.frames.shape[:2] == (len(made), 5) and table.places.shape[:3] == (len(made), 5, 3)
