"""World families: geometry by signed distances that share nothing with the renderer, looks, splits, seeds."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest

from simbench.errors import UserError
from simbench.worlds import captions, families, palette
from simbench.worlds.compile import compile_scene
from simbench.worlds.render import render
from simbench.worlds.scene import Body, Scene, position_at

SOLID = ("carve", "look-away", "orbit", "paint")
OWN = (*SOLID, "voxels")
SEEDS = range(25)


def turning(vector: tuple[float, float, float]) -> np.ndarray:
    """Rodrigues' rotation of an axis times angle."""
    angle = math.hypot(*vector)
    if angle == 0:
        return np.eye(3)
    x, y, z = (v / angle for v in vector)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross


def pose(body: Body, time: float) -> tuple[np.ndarray, np.ndarray]:
    """Rotation body to world and centre; bodies of these families never spin."""
    active = [s for s in body.motion if s.start <= time] or [body.motion[0]]
    assert active[-1].spin == (0.0, 0.0, 0.0)
    return turning(active[-1].turn), np.array(position_at(body.motion, time))


def distance(body: Body, points: np.ndarray, time: float = 0.0) -> np.ndarray:
    """Signed distance of world points [P, 3] to a body, metres, negative inside."""
    turn, centre = pose(body, time)
    p = (points - centre) @ turn
    size = np.array(body.size.at(time)[:3])
    if body.kind == "plane":
        return p[:, 1]
    if body.kind == "sphere":
        return np.linalg.norm(p, axis=1) - size[0]
    if body.kind == "capsule":
        p[:, 1] -= np.clip(p[:, 1], -size[1], size[1])
        return np.linalg.norm(p, axis=1) - size[0]
    if body.kind == "cylinder":
        gap = np.stack([np.hypot(p[:, 0], p[:, 2]) - size[0], np.abs(p[:, 1]) - size[1]], 1)
    else:
        gap = np.abs(p) - size
    return np.linalg.norm(np.maximum(gap, 0), axis=1) + np.minimum(gap.max(axis=1), 0)


def directions(count: int = 90) -> np.ndarray:
    i = np.arange(count) + 0.5
    y, a = 1 - 2 * i / count, math.pi * (1 + 5**0.5) * i
    ring = np.sqrt(1 - y * y)
    return np.stack([ring * np.cos(a), y, ring * np.sin(a)], 1)


def skin(body: Body, time: float = 0.0) -> np.ndarray:
    """Points on the surface: where rays from the centre leave it, and a box's corners."""
    turn, centre = pose(body, time)
    ways = directions()
    low, high = np.zeros(len(ways)), np.full(len(ways), 2.0 * sum(body.size.at(time)[:3]))
    for _ in range(40):
        middle = (low + high) / 2
        inside = distance(body, centre + ways * middle[:, None], time) < 0
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    points = centre + ways * low[:, None]
    if body.kind == "box":
        corners = np.array(list(itertools.product((-1, 1), repeat=3))) * np.array(body.size.at(time)[:3])
        points = np.concatenate([points, corners @ turn.T + centre])
    return points


def lowest(body: Body) -> float:
    """Height of the lowest point at time 0, exact."""
    turn, centre = pose(body, 0.0)
    a, b, c = body.size.at(0.0)[:3]
    row = np.abs(turn[1])
    if body.kind == "sphere":
        return float(centre[1] - a)
    if body.kind == "capsule":
        return float(centre[1] - row[1] * b - a)
    if body.kind == "cylinder":
        return float(centre[1] - row[1] * b - a * math.sqrt(max(0.0, 1 - row[1] ** 2)))
    return float(centre[1] - row @ (a, b, c))


def built(name: str, seed: int, **more: object) -> Scene:
    difficulty = (seed % 5) / 4
    return families.build(name, seed, 2.0, "plain" if seed % 2 else "rich", difficulty, **more)


@pytest.mark.parametrize("name", SOLID)
def test_nothing_starts_inside_anything_else(name: str) -> None:
    for seed in SEEDS:
        scene = built(name, seed, split="all")
        joined = [set(group) for group in scene.tags.get("joined", [])]
        solids = [b for b in scene.bodies if b.kind != "plane"]
        skins = {b.name: skin(b) for b in solids}
        for a, b in itertools.permutations(scene.bodies, 2):
            if a.kind == "plane" or any({a.name, b.name} <= group for group in joined):
                continue
            assert distance(b, skins[a.name]).min() > -1e-4, (seed, a.name, b.name)


@pytest.mark.parametrize("name", SOLID)
def test_still_bodies_rest_on_the_ground_or_the_table(name: str) -> None:
    for seed in SEEDS:
        scene = built(name, seed, split="all")
        tables = [b for b in scene.bodies if b.name == "table"]
        checked = 0
        for body in scene.bodies:
            if body.kind == "plane" or len(body.motion) > 1:
                continue
            x, _, z = body.motion[0].position
            on_table = [t for t in tables if t is not body and math.hypot(x, z) < t.size.at(0)[0]]
            ground = 2 * on_table[0].size.at(0)[1] if on_table else 0.0
            assert lowest(body) == pytest.approx(ground, abs=1e-9), (seed, body.name)
            checked += 1
        assert checked >= 2


@pytest.mark.parametrize("name", SOLID)
def test_the_camera_stays_out_of_every_body(name: str) -> None:
    for seed in SEEDS:
        scene = built(name, seed)
        for time in np.linspace(0, scene.duration, 41):
            eye = np.array([scene.camera.eye.at(time)])
            for body in scene.bodies:
                assert distance(body, eye, time)[0] > 0.1, (seed, time, body.name)


def cells_at(scene: Scene, time: float) -> np.ndarray:
    cells = np.array(scene.body("land").voxels)
    for edit in scene.voxel_edits:
        if edit.time <= time:
            cells[edit.cell] = edit.value
    return cells


def test_the_walker_stays_in_the_air() -> None:
    for seed in SEEDS:
        scene = built("voxels", seed)
        for time in np.linspace(0, scene.duration, 49):
            cells = cells_at(scene, time)
            eye = np.array(scene.camera.eye.at(time)) + (cells.shape[0] / 2, 0, cells.shape[2] / 2)
            for away in itertools.product((-0.3, 0.3), repeat=3):
                i, j, k = np.floor(eye + away).astype(int)
                assert cells[i, j, k] == 0, (seed, time)


def test_voxel_edits_mine_what_is_solid_and_place_into_air() -> None:
    edits = 0
    for seed in SEEDS:
        scene = built("voxels", seed)
        assert len(scene.events) == len(scene.voxel_edits) == len(scene.tags["edits"])
        for edit, event in zip(scene.voxel_edits, scene.events, strict=True):
            before = cells_at(scene, edit.time - 1e-6)[edit.cell]
            assert (before != 0) == (event.kind == "mine") == (edit.value == 0)
            assert edit.time == event.time
            edits += 1
    assert edits > 2 * len(SEEDS)


def test_voxel_actions_are_obeyed_and_unknown_ones_wait() -> None:
    scene = families.build("voxels", 3, 2.0, actions=("forward", "forward", "turn-left", "hum"))
    assert [command for _, command in scene.tags["actions"]] == ["forward", "forward", "turn-left", "hum"]
    eye, target = scene.camera.eye, scene.camera.target
    walked = np.array(eye.at(1.0)) - np.array(eye.at(0.0))
    assert math.hypot(walked[0], walked[2]) == pytest.approx(1.5)
    headings = [np.array(target.at(t)) - np.array(eye.at(t)) for t in (0.0, 2.0)]
    yaws = [math.degrees(math.atan2(-h[0], -h[2])) for h in headings]
    assert (yaws[1] - yaws[0]) % 360 == pytest.approx(14.0)


def test_the_tool_only_enters_the_solid_where_it_bites() -> None:
    for seed in SEEDS:
        scene = built("carve", seed)
        solid, tool, handle = (scene.body(b) for b in (scene.carves[0].body, "tool", "handle"))
        radius = tool.size.at(0.0)[0]
        starts = [e.time for e in scene.events if e.kind == "contact"]
        deepest = [e.time for e in scene.events if e.kind == "bite"]
        assert len(starts) == len(deepest) == len(scene.carves) >= 2
        rod = skin(handle) - position_at(handle.motion, 0.0)
        for time in np.linspace(0, scene.duration, 241):
            centre = np.array([position_at(tool.motion, time)])
            biting = any(abs(time - b) <= b - a + 1e-9 for a, b in zip(starts, deepest, strict=True))
            if not biting:
                assert distance(solid, centre)[0] > radius - 1e-6, (seed, time)
            assert distance(solid, rod + position_at(handle.motion, time)).min() > 0, (seed, time)
        table = scene.body("table")
        path = np.array([position_at(tool.motion, t) for t in np.linspace(0, scene.duration, 241)])
        assert distance(table, path).min() > radius


def test_every_bite_is_the_tool_at_its_deepest() -> None:
    for seed in SEEDS:
        scene = built("carve", seed)
        tool, solid = scene.body("tool"), scene.body(scene.carves[0].body)
        touches = [e for e in scene.events if e.kind == "contact"]
        for carve, touch in zip(scene.carves, touches, strict=True):
            turn, centre = pose(solid, carve.time)
            assert turn @ carve.centre + centre == pytest.approx(position_at(tool.motion, carve.time))
            assert carve.radius == tool.size.at(0.0)[0]
            there = np.array([position_at(tool.motion, touch.time)])
            assert distance(solid, there)[0] == pytest.approx(carve.radius, abs=1e-9)
            gap = np.linalg.norm(there[0] - touch.point)
            assert gap == pytest.approx(carve.radius, abs=1e-9)


def test_the_brush_touches_the_wall_exactly_while_the_stroke_grows() -> None:
    for seed in SEEDS:
        scene = built("paint", seed)
        brush, (paint,) = scene.body("brush"), scene.paints
        depth, wall = brush.size.at(0.0)[2], scene.body("wall")
        begin, end = paint.stroke[0][0], paint.stroke[-1][0]
        for time in np.linspace(0, scene.duration, 121):
            gap = position_at(brush.motion, time)[2] - depth
            assert gap > -1e-9
            if begin <= time <= end:
                assert gap == pytest.approx(0.0, abs=1e-9)
            elif time < begin - 0.1 or time > end + 0.1:
                assert gap > 0.01
        for time, u, v in paint.stroke:
            x, y, _ = position_at(brush.motion, time)
            assert (x, y) == pytest.approx((u, v + wall.motion[0].position[1]), abs=1e-9)
            assert abs(u) + paint.radius < wall.size.at(0)[0]
            assert abs(v) + paint.radius < wall.size.at(0)[1]


@pytest.mark.parametrize("name", OWN)
def test_what_decides_lies_between_30_and_75_percent(name: str) -> None:
    for seed in SEEDS:
        scene = built(name, seed)
        for event in scene.events:
            if event.kind in ("bite", "paint", "away", "back"):
                assert 0.3 * scene.duration - 1e-9 <= event.time <= 0.75 * scene.duration + 1e-9


def test_look_away_leaves_the_first_view_and_returns_to_it() -> None:
    for seed in SEEDS:
        scene = built("look-away", seed)
        away, back = (e.time for e in scene.events)
        first, gone, last = (
            np.array(scene.camera.target.at(t)) - np.array(scene.camera.eye.at(t)) for t in (0.0, away, back)
        )
        flat = [math.atan2(-v[0], -v[2]) for v in (first, gone)]
        turn = math.degrees((flat[1] - flat[0] + math.pi) % (2 * math.pi) - math.pi)
        assert turn == pytest.approx(scene.tags["camera"]["amount"], abs=1e-6)
        assert abs(turn) > scene.camera.fov
        assert last == pytest.approx(first)
        bearings = list(scene.tags["landmarks"].values())
        assert len(bearings) >= 14
        gaps = np.diff(sorted([*bearings, min(bearings) + 360]))
        assert gaps.max() < 60, "a direction without any landmark"


@pytest.mark.parametrize("name", families.names())
@pytest.mark.parametrize("look", families.LOOKS)
def test_every_family_renders_in_every_look(name: str, look: str) -> None:
    for seed in (0, 1, 2):
        scene = families.build(name, seed, 1.0, look)
        again = Scene.from_json(scene.to_json())
        assert again == scene
        compiled = compile_scene(scene, 5, 5.0)
        assert compile_scene(again, 5, 5.0).digest() == compiled.digest()
        frames = render(compiled, 32, 24, 1)
        assert frames.rgb.shape == (5, 24, 32, 3)
        assert np.unique(frames.rgb.reshape(-1, 3), axis=0).shape[0] > 3
        assert (frames.ids >= 0).any()
        assert np.isfinite(frames.depth).all()
        assert ((frames.depth > 0) == (frames.ids >= 0)).all()


def differing(first: Scene, second: Scene) -> float:
    """Mean difference in grey levels between two scenes at their ends."""
    ends = [render(compile_scene(s, 2, 1 / s.duration), 32, 24, 1).rgb.astype(float) for s in (first, second)]
    return float(np.abs(ends[0] - ends[1]).mean())


@pytest.mark.parametrize("name", families.names())
def test_a_seed_is_a_scene(name: str) -> None:
    scenes = [families.build(name, seed) for seed in (0, 1, 2, 3)]
    assert families.build(name, 0).to_json() == scenes[0].to_json()
    assert len({s.to_json() for s in scenes}) == 4
    assert scenes[0].seed == 0
    assert families.build(name, 0, seed_free := 2.0).duration == seed_free
    assert differing(scenes[0], scenes[1]) > 2.0


@pytest.mark.parametrize("name", ["carve", "paint", "voxels", "occluder"])
def test_something_has_happened_by_the_end(name: str) -> None:
    """Without its edits and motions the last frame would be another."""
    scene = families.build(name, 5, 2.0, "plain")
    stilled = tuple(
        dataclasses.replace(b, motion=b.motion[:1]) if b.role == "mover" else b for b in scene.bodies
    )
    if name == "occluder":
        stilled = tuple(b for b in scene.bodies if b.role != "mover")
    nothing = dataclasses.replace(scene, carves=(), paints=(), voxel_edits=(), bodies=stilled)
    first, second = (render(compile_scene(s, 9, 4.5), 48, 48, 1).rgb.astype(int) for s in (scene, nothing))
    assert (np.abs(first - second).max(axis=-1) > 25).mean() > 0.002


@pytest.mark.parametrize("name", families.names())
def test_the_frame_rate_does_not_bend_the_law(name: str) -> None:
    for seed in (0, 1):
        scene = families.build(name, seed, 2.0)
        slow, fast = compile_scene(scene, 9, 4.0), compile_scene(scene, 17, 8.0)
        assert (slow.positions == fast.positions[::2]).all()
        assert (slow.eyes == fast.eyes[::2]).all()


@pytest.mark.parametrize("name", OWN)
def test_a_longer_clip_is_the_same_world_at_its_own_pace(name: str) -> None:
    short, long = (families.build(name, 4, d) for d in (2.0, 4.0))
    assert [b.name for b in short.bodies] == [b.name for b in long.bodies]
    for a, b in zip(short.events, long.events, strict=True):
        assert (a.kind, 2 * a.time) == (b.kind, pytest.approx(b.time))
    for body in short.bodies:
        assert position_at(body.motion, 0.0) == position_at(long.body(body.name).motion, 0.0)


def shades(scene: Scene) -> set[tuple[float, ...]]:
    return {value for b in scene.bodies for value in b.material.colour.values}


@pytest.mark.parametrize("name", OWN)
def test_training_never_shows_what_is_for_tests_only(name: str) -> None:
    forbidden = {*palette.colours("test").values(), *palette.stage_colours("test").values()}
    hidden = {s.name for s in palette.shapes("test")}
    for seed in SEEDS:
        scene = built(name, seed)
        assert not shades(scene) & forbidden
        assert not {p.colour for p in scene.paints} & forbidden
        assert not {b.material.texture for b in scene.bodies} & set(palette.textures("test"))
        assert not {captions.shape_word(b) for b in scene.bodies} & hidden
        assert not {b.kind for b in scene.bodies} & {"capsule"}


@pytest.mark.parametrize("name", SOLID)
def test_the_test_split_shows_only_objects_that_training_never_has(name: str) -> None:
    colours = set(palette.colours("test").values())
    known = set(palette.colours("train").values())
    textures: set[str] = set()
    for seed in range(10):
        scene = families.build(name, seed, split="test")
        assert shades(scene) & colours
        assert not shades(scene) & known
        textures |= {b.material.texture for b in scene.bodies}
    assert "dots" in textures
    assert not textures & {"checker", "brick", "noise"}


def test_plain_is_flat_and_unshaded() -> None:
    for name in OWN:
        for seed in range(10):
            scene = families.build(name, seed, look="plain")
            assert scene.light.ambient == 1.0
            assert not scene.light.shadow
            assert scene.light.fog == 0.0
            assert {b.material.texture for b in scene.bodies} == {"flat"}
            assert {b.material.specular for b in scene.bodies} == {0.0}


def test_plain_backgrounds_are_the_same_for_every_seed() -> None:
    for name in ("orbit", "paint", "carve"):
        stages = []
        for seed in range(6):
            scene = families.build(name, seed, look="plain")
            kept = [b for b in scene.bodies if b.name in ("floor", "table") or b.name.startswith("wall")]
            stages.append([(b.name, b.material, b.size) for b in kept])
        assert all(stage == stages[0] for stage in stages)


def test_rich_scenes_mix_textures() -> None:
    for name in SOLID:
        for seed in range(20):
            scene = families.build(name, seed)
            assert len({b.material.texture for b in scene.bodies} - {"flat"}) >= 2, (name, seed)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("orbit", lambda s: len(s.tags["objects"])),
        ("look-away", lambda s: abs(s.tags["camera"]["amount"])),
        ("carve", lambda s: len(s.carves)),
        ("paint", lambda s: abs(s.tags["camera"]["amount"])),
        ("voxels", lambda s: len(s.voxel_edits)),
    ],
)
def test_difficulty_is_a_knob(name: str, count: object) -> None:
    levels = [np.mean([count(families.build(name, s, difficulty=d)) for s in range(8)]) for d in (0, 0.5, 1)]  # type: ignore[operator]
    assert levels[0] < levels[1] < levels[2]


def test_orbit_has_8_to_12_objects_and_every_move() -> None:
    for seed in SEEDS:
        assert 8 <= len(built("orbit", seed).tags["objects"]) <= 12
    for move in ("orbit", "truck", "dolly", "crane"):
        scene = families.build("orbit", 0, camera=move)
        assert scene.tags["camera"]["move"] == move
        eyes = np.array(scene.camera.eye.values)
        assert np.ptp(eyes, axis=0).max() > 0.8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "orbitt"}, "did you mean orbit"),
        ({"name": "xyzzy"}, "use one of bite, canvas, carve"),
        ({"look": "fancy"}, "plain, rich"),
        ({"difficulty": 1.5}, "from 0 to 1"),
        ({"difficulty": float("nan")}, "from 0 to 1"),
        ({"duration": 0.0}, "0.01 to 600"),
        ({"cameraa": "orbit"}, "did you mean camera"),
        ({"zz": 1}, "it takes split, camera"),
        ({"camera": "fly"}, "orbit, truck, dolly, crane"),
        ({"split": "dev"}, "train, test, all"),
        ({"name": "paint", "stroke": "blob"}, "wave, zigzag"),
        ({"name": "carve", "solid": "cow"}, "ball, cube, cylinder"),
        ({"name": "carve", "bites": 99}, "1 to 8"),
        ({"name": "look-away", "angle": 400.0}, "-180 to 180"),
    ],
)
def test_wrong_arguments_say_what_is_right(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        families.build(**{"name": "orbit", "seed": 0, **arguments})  # type: ignore[arg-type]


def test_colours_of_movers_stay_apart_from_each_other_and_from_the_stage() -> None:
    colours, stage = palette.colours("all"), palette.stage_colours("all")
    for a, b in itertools.combinations(colours, 2):
        assert palette.distance(colours[a], colours[b]) > 0.12, (a, b)
    for a, b in itertools.product(colours, stage):
        assert palette.distance(colours[a], stage[b]) > 0.12, (a, b)


def test_the_splits_share_nothing() -> None:
    for find in (palette.colours, palette.stage_colours, palette.textures, palette.shapes):
        train, test, both = (list(find(split)) for split in ("train", "test", "all"))  # type: ignore[operator]
        assert test
        assert not set(train) & set(test)
        assert both == train + test


def test_unknown_names_of_the_palette_are_refused() -> None:
    for call in (
        lambda: palette.colours("dev"),
        lambda: palette.shape("cow"),
        lambda: palette.rgb("octarine"),
    ):
        with pytest.raises(UserError, match="is unknown; use one of"):
            call()
