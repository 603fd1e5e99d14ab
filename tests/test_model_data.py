"""Training data: order, worlds, variety and pools."""

from __future__ import annotations

import dataclasses
import random
import threading
from pathlib import Path

import numpy as np
import pytest

from model.actions import CHANNELS, channel
from model.clips import shards
from model.clips.pool import Pool, write_pool
from model.clips.variety import LEAN, Variety, vary_layout, vary_scene
from model.clips.worlds import FIRST_SEED, Mix, draw, draw_scene, named, world_seed
from model.data import Sample, batches, chance, order, pick_caption, pixels
from model.training.config import parse
from simbench.case import Setting
from simbench.errors import UserError
from simbench.instruments.teller import LANE
from simbench.worlds import families, palette
from simbench.worlds.families import occluder
from simbench.worlds.scene import Caption, Scene
from suites.geometry import MOVES, Geometry
from suites.revisit import Revisit

ROOT = Path(__file__).resolve().parent.parent
SMALL = dataclasses.replace(named("nano"), width=16, height=16, frames=5, samples=1)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    folder = tmp_path_factory.mktemp("pool")
    write_pool(folder, SMALL, 12, seed=4)
    return Pool(folder)


def same(a: Sample, b: Sample) -> bool:
    pairs = [(a.video, b.video), (a.mask, b.mask), (a.camera, b.camera), (a.actions, b.actions)]
    arrays = all((x is None and y is None) or np.array_equal(x, y) for x, y in pairs)
    return arrays and (a.caption, a.fps, a.facts) == (b.caption, b.fps, b.facts)


def test_order_reads_every_sample_once_an_epoch() -> None:
    total, batch = 10, 4
    read = np.concatenate([order(3, step, batch, total) for step in range(10)])
    epochs = read.reshape(4, total)
    assert all(sorted(e) == list(range(total)) for e in epochs)
    assert not np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(order(3, 0, batch, total), order(4, 0, batch, total))


def test_order_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="empty"):
        order(0, 0, 4, 0)


def test_going_on_reads_what_a_straight_run_reads(pool: Pool) -> None:
    def change(sample: Sample, rng: np.random.Generator) -> Sample:
        noise = rng.integers(0, 2, sample.video.shape, np.uint8)
        return dataclasses.replace(sample, video=sample.video ^ noise)

    straight = [b for b, _ in zip(batches(pool, 7, 5, 0, change), range(6), strict=False)]
    later = [b for b, _ in zip(batches(pool, 7, 5, 4, change), range(2), strict=False)]
    for a, b in zip(straight[4:], later, strict=True):
        assert all(same(x, y) for x, y in zip(a, b, strict=True))


def test_chance_depends_on_all_of_its_arguments() -> None:
    first = [chance(*key).random() for key in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0))]
    assert len(set(first[:4])) == 4 and first[4] == first[0]


def test_captions_are_drawn_with_their_shares() -> None:
    rng = np.random.default_rng(0)
    drawn = [pick_caption(Caption("s", "l", "x"), rng) for _ in range(4000)]
    shares = [drawn.count(c) / 4000 for c in "slx"]
    np.testing.assert_allclose(shares, (0.5, 0.3, 0.2), atol=0.03)
    assert pick_caption(Caption("", "long", ""), rng) == "long" and pick_caption(Caption(), rng) == ""


def test_pixels() -> None:
    video = np.zeros((2, 3, 4, 3), np.uint8)
    video[1, 2, 3] = (255, 0, 255)
    out = pixels([video])
    assert out.shape == (1, 2, 3, 3, 4) and out.dtype == np.float32
    np.testing.assert_allclose(out[0, 1, :, 2, 3], (1, -1, 1))


def test_pool_holds_what_draw_gives(pool: Pool) -> None:
    assert len(pool) == 12 and pool.mix == SMALL and pool.seed == 4
    for i in (0, 11):
        assert same(pool.sample(i), draw(SMALL, 4, i))
    with pytest.raises(IndexError):
        pool.sample(12)


def test_interrupted_pool_goes_on_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.clips.pool.SHARD_CLIPS", 3)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert write_pool(whole, SMALL, 8) == 8
    write_pool(broken, SMALL, 4)
    (broken / "index.json").unlink()
    (broken / "00000.jsonl").unlink()
    with pytest.raises(UserError, match="no finished pool; run the command"):
        Pool(broken)
    assert write_pool(broken, SMALL, 8) == 8
    assert write_pool(broken, SMALL, 8) == 0
    assert sorted(f.name for f in whole.iterdir()) == sorted(f.name for f in broken.iterdir())
    assert all(f.read_bytes() == (broken / f.name).read_bytes() for f in whole.iterdir())


def test_a_second_call_on_one_folder_waits_for_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[int] = []
    second = threading.Thread(target=lambda: made.append(write_pool(tmp_path, SMALL, 3)))
    with shards.alone(tmp_path):
        second.start()
        second.join(0.5)
        assert not made and not (tmp_path / "pool.json").exists()
    second.join()
    assert made == [3] and len(Pool(tmp_path)) == 3
    assert "being written by another call" in capsys.readouterr().err
    write_pool(tmp_path, SMALL, 3)
    assert "another call" not in capsys.readouterr().err


def test_a_pool_is_made_longer_and_not_shorter(tmp_path: Path) -> None:
    write_pool(tmp_path, SMALL, 2)
    index = (tmp_path / "index.json").read_bytes()
    write_pool(tmp_path, SMALL, 5)
    assert write_pool(tmp_path, SMALL, 3) == 0 and len(Pool(tmp_path)) == 5
    # As it lies while another call makes it longer: the shard is there, its index is still the former.
    (tmp_path / "index.json").write_bytes(index)
    assert len(Pool(tmp_path)) == 2 and same(Pool(tmp_path).sample(1), draw(SMALL, 0, 1))
    (tmp_path / "index.json").write_text("{")
    assert write_pool(tmp_path, SMALL, 5) == 0 and len(Pool(tmp_path)) == 5


def test_workers_change_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pool(tmp_path / "one", SMALL, 3)
    monkeypatch.setattr("model.clips.pool.SHARD_CLIPS", 2)
    write_pool(tmp_path / "two", SMALL, 3, workers=2)
    a, b = Pool(tmp_path / "one"), Pool(tmp_path / "two")
    assert all(same(a.sample(i), b.sample(i)) for i in range(3))


def test_pools_that_cannot_be_used_are_refused(tmp_path: Path, pool: Pool) -> None:
    with pytest.raises(UserError, match="no finished pool; make one"):
        Pool(tmp_path)
    with pytest.raises(UserError, match="clips=0"):
        write_pool(tmp_path, SMALL, 0)
    write_pool(tmp_path, SMALL, 2)
    with pytest.raises(UserError, match="another pool"):
        write_pool(tmp_path, SMALL, 2, seed=1)
    np.save(tmp_path / "00000.mask.npy", np.zeros((1, 5, 16, 16), np.uint8))
    with pytest.raises(UserError, match="holds 1 clips, not 2"):
        Pool(tmp_path)
    (tmp_path / "00000.mask.npy").write_bytes(b"x")
    with pytest.raises(UserError, match="cannot be read"):
        Pool(tmp_path)
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        Pool(tmp_path)
    (tmp_path / "index.json").write_text('{"format": 0}')
    with pytest.raises(UserError, match="format"):
        Pool(tmp_path)


def scenes(count: int) -> list[Scene]:
    mixes = [named("nano"), named("tiny")]
    mixes += [dataclasses.replace(named("tiny"), families=(name,)) for name in families.names()]
    return [draw_scene(mix, 1, i) for mix in mixes for i in range(count)]


def test_no_look_that_only_tests_show_is_trained_on() -> None:
    held_out = {palette.rgb(n) for n in {**palette.colours("test"), **palette.stage_colours("test")}}
    words = {*palette.colours("test"), "mauve", "dotted", "disc", "capsule", "diamond", "tunnel"}
    for scene in scenes(25):
        for body in scene.bodies:
            shown = {body.material.colour.at(0.0), body.material.other.at(0.0)}
            assert not shown & held_out, body
            assert body.material.texture not in palette.textures("test"), body
            assert body.kind != "capsule", body
            # A diamond is a square on its corner.
            lean = abs(body.motion[0].turn[2])
            assert body.kind != "box" or body.role != "mover" or lean <= LEAN, body
        assert not words & set(scene.caption.long.lower().replace(".", " ").split()), scene.caption


def test_worlds_have_captions_and_their_own_seeds() -> None:
    drawn = scenes(2)
    for scene in drawn:
        assert scene.caption.short and scene.caption.long and scene.caption.structured
        assert scene.seed >= FIRST_SEED
    assert world_seed(1, 0) > world_seed(0, (1 << 32) - 1) >= FIRST_SEED
    for seed, index in ((-1, 0), (1 << 20, 0), (0, 1 << 32), (0, -1)):
        with pytest.raises(UserError, match="out of range"):
            world_seed(seed, index)
    with pytest.raises(UserError, match="mix=huge"):
        named("huge")


def test_mask_and_camera_and_actions() -> None:
    still = draw(SMALL, 0, 0)
    assert still.mask is not None and still.mask.max() >= 1 and still.actions is None
    assert still.camera is not None and np.allclose(still.camera, np.eye(4)[:3])
    walk = draw(dataclasses.replace(SMALL, families=("voxels",), frames=13, fps=6.0), 0, 0)
    assert walk.actions is not None and walk.actions.shape == (13, len(CHANNELS))
    assert (walk.actions.sum(axis=1) == 1).all()
    assert walk.camera is not None and np.array_equal(walk.camera[0], np.eye(4)[:3].astype(np.float32))
    ahead = walk.actions[:, channel("forward")] > 0
    # The first command of a walk is a step forward, along z of the first camera, so points come nearer.
    assert ahead[0] and walk.camera[1, 2, 3] < -0.1


def test_boards_cover_every_lane_and_leave_the_floor() -> None:
    rng, seen = random.Random(0), 0
    for seed in range(60):
        layout = occluder.sample(seed, "exit", split="train")
        varied = vary_layout(layout, rng, Variety(board=1.0))
        if layout.occluder != "wall":
            assert varied == layout
            continue
        seen += 1
        half = layout.diameter / 2
        assert varied.screen[:2] == layout.screen[:2]
        assert varied.screen[2] <= min(lane.v for lane in layout.lanes) - half - 0.02
        assert max(lane.v for lane in layout.lanes) + half <= varied.screen[3] <= layout.screen[3]
    assert seen > 10
    assert vary_layout(layout, rng, Variety(board=0.0)) == layout


def test_variety_changes_looks_and_no_motion() -> None:
    scene = occluder.stage(occluder.sample(2, "stay", split="train"))
    options = Variety(shapes=1.0, boxes=1.0, balls=1.0)
    varied = vary_scene(scene, random.Random(1), options)
    assert varied != scene
    for a, b in zip(scene.bodies, varied.bodies, strict=True):
        assert [(s.start, s.position, s.velocity) for s in a.motion] == [
            (s.start, s.position, s.velocity) for s in b.motion
        ]
        assert a.material == b.material and (a.role == "mover" or a == b)
    names = {b.name for b in varied.bodies}
    assert all(set(event.bodies) <= names for event in varied.events)
    assert vary_scene(scene, random.Random(1), Variety(shapes=0.0)) == scene


def test_mix_is_plain_data() -> None:
    from model.config import from_dict, to_dict

    assert from_dict(Mix, to_dict(named("tiny"))) == named("tiny")


@pytest.mark.parametrize("index", range(12))
def test_the_mix_words_shows_all_and_is_told_as_a_test_tells_it(index: int) -> None:
    scene = draw_scene(named("words"), 0, index)
    movers = [body for body in scene.bodies if body.role == "mover"]
    assert {body.role for body in scene.bodies} == {"static", "mover"}
    told = LANE.findall(scene.caption.short)
    assert [f"{colour} {shape}" for colour, shape, *_ in told] == [body.name for body in movers]
    sides = ["right" if body.motion[0].velocity[0] > 0 else "left" for body in movers]
    assert [side for *_, side in told] == sides
    assert scene.caption == Caption(scene.caption.short)


def test_the_mix_yaw_turns_both_ways_and_as_far_as_asked() -> None:
    turns = [draw_scene(named("yaw"), 0, i).tags["camera"]["amount"] for i in range(24)]
    assert all(12.0 <= abs(turn) <= 24.0 for turn in turns)
    assert min(turns) < 0 < max(turns)
    assert abs(draw_scene(Mix(("look-away",)), 0, 0).tags["camera"]["amount"]) >= 70.0


def test_cameras_of_training_go_as_far_as_the_easiest_of_the_suites() -> None:
    mix = named("camera")
    seconds = (mix.frames - 1) / mix.fps
    for move, longer in MOVES.items():
        asked = families.build("orbit", 1, seconds, "rich", 0.0, camera=move, pace="even", extent=longer)
        known = families.build("orbit", 1, seconds, "rich", mix.hardest, camera=move)
        assert abs(known.tags["camera"]["amount"]) >= abs(asked.tags["camera"]["amount"]), move
    setting = Setting(mix.width, mix.height, mix.frames, mix.fps, "cam", 9, mix.look, 0.0)
    assert Geometry(setting=setting).setting.frames == 13
    assert Revisit(setting=dataclasses.replace(setting, context=3)).setting.context == 3


def test_clips_of_the_camera_mix_move_and_obey_no_command() -> None:
    small = dataclasses.replace(named("camera"), width=16, height=16, samples=1)
    drawn = [draw(small, 0, i) for i in range(6)]
    assert {sample.facts["family"] for sample in drawn} == {"orbit", "look-away"}
    for sample in drawn:
        assert sample.camera is not None and np.abs(sample.camera[6] - sample.camera[0]).max() > 0.05
        assert sample.actions is None
    recipe = parse([f"config={ROOT / 'conf/model/camera.json'}"])
    assert recipe.data.mix == "camera" and recipe.model.dit.camera and not recipe.model.dit.actions
