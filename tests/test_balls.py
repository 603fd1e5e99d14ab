"""Balls in the plane: exact laws, ranges that never meet, and a reader of pictures that finds velocities."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from simbench.errors import UserError
from simbench.instruments.balls import WORST, colour, judged_pairs, positions, velocity_errors
from simbench.worlds import balls
from simbench.worlds.balls import Ball, World

MANY = 200
FRAMES, FPS = 17, 8.0


def drawn(scenario: str, split: str, count: int = MANY) -> list[World]:
    """Some worlds."""
    return [balls.draw(scenario, split, seed) for seed in range(count)]


@pytest.mark.parametrize("split", balls.SPLITS)
def test_an_impact_keeps_momentum_and_energy(split: str) -> None:
    for world in drawn("collision", split):
        states = balls.states(world, FRAMES, FPS)
        mass = np.array([ball.mass for ball in world.balls])
        momentum = (mass * states.velocity[..., 0]).sum(1)
        energy = (mass * states.velocity[..., 0] ** 2).sum(1) / 2
        assert np.ptp(momentum) <= 1e-12 * mass.sum() * 6 and np.ptp(energy) <= 1e-12 * max(energy.max(), 1)


def test_after_an_impact_balls_part_as_fast_as_they_met_and_never_overlap() -> None:
    for world in drawn("collision", "id"):
        states = balls.states(world, 65, 32.0)
        closing = states.velocity[:, 0, 0] - states.velocity[:, 1, 0]
        assert closing[0] > 0 and closing[-1] == pytest.approx(-closing[0])
        apart = states.position[:, 1, 0] - states.position[:, 0, 0]
        assert apart.min() >= sum(ball.radius for ball in world.balls) - 1e-9
        assert balls.GIVEN < balls.contact(world) <= 2 * balls.CONTACT[1] + 1e-9


def test_equal_balls_exchange_their_speeds_and_a_wall_of_a_ball_sends_the_other_back() -> None:
    first, second = Ball(1.0, (2.0, 5.0), (3.0, 0.0)), Ball(1.0, (7.0, 5.0), (-1.0, 0.0))
    assert balls.bounced(first, second) == pytest.approx((-1.0, 3.0))
    heavy = dataclasses.replace(second, radius=1e6, velocity=(0.0, 0.0))
    assert balls.bounced(first, heavy) == pytest.approx((-3.0, 0.0), abs=1e-9)


def test_a_parabola_is_one() -> None:
    for world in drawn("parabola", "id"):
        ball = world.balls[0]
        states = balls.states(world, FRAMES, FPS)
        t = np.arange(FRAMES) / FPS
        assert np.allclose(states.position[:, 0, 0], ball.position[0] + ball.velocity[0] * t, atol=1e-12)
        fallen = states.position[:, 0, 1] - ball.position[1]
        assert np.allclose(fallen, balls.GRAVITY * t**2 / 2, atol=1e-12)
        # Half the square of the fall's speed is gravity times its height.
        assert np.allclose(states.velocity[:, 0, 1] ** 2 / 2, balls.GRAVITY * fallen, atol=1e-12)


@pytest.mark.parametrize("scenario", balls.SCENARIOS)
def test_velocities_are_the_slope_of_positions(scenario: str) -> None:
    for world in drawn(scenario, "id", 20):
        fine = balls.states(world, 2001, 1000.0)
        slope = np.diff(fine.position, axis=0) * 1000.0
        middle = (fine.velocity[1:] + fine.velocity[:-1]) / 2
        far = np.abs(slope - middle).max(axis=(1, 2))
        assert (far > 1e-6).sum() <= (scenario == "collision")


EARLY, LATE = (0.1875, 0.3125), (0.625, 1.1)


def heavier(world: World, by: float) -> World:
    """The same balls, the first `by` times as heavy."""
    first, second = world.balls
    return dataclasses.replace(world, balls=(dataclasses.replace(first, density=by * first.density), second))


@pytest.mark.parametrize("window", [EARLY, LATE])
def test_an_impact_of_drawn_masses_keeps_momentum_and_energy_and_tells_their_ratio(
    window: tuple[float, float],
) -> None:
    for world in (balls.weighed(seed, window) for seed in range(MANY)):
        mass = np.array([ball.mass for ball in world.balls])
        speed = balls.states(world, FRAMES, FPS).velocity[..., 0]
        assert np.ptp(speed @ mass) < 1e-12 and np.ptp(speed**2 @ mass) < 1e-12
        gone = speed[-1] - speed[0]
        assert balls.mass_ratio(world) == pytest.approx(math.log(-gone[1] / gone[0]), abs=1e-9)
        assert speed[-1, 1] - speed[-1, 0] == pytest.approx(speed[0, 0]), "restitution is 1"
        assert window[0] <= balls.contact(world) <= window[1] + 1e-9


def test_no_picture_before_the_impact_tells_a_mass_and_every_one_after_it_does() -> None:
    for seed in range(20):
        world = balls.weighed(seed, LATE)
        other = heavier(world, 2.5)
        seen, changed = (balls.render(w, FRAMES, FPS, 32)[0].astype(int) for w in (world, other))
        early = np.arange(FRAMES) / FPS <= balls.contact(world)
        assert (seen[early] == changed[early]).all() and early.sum() >= 5
        apart = np.abs(seen - changed).max((1, 2, 3))
        assert (apart[~early][1:] > 0).all() and apart[-1] > 50


def test_masses_are_independent_of_whatever_shows_and_symmetric() -> None:
    worlds = [balls.weighed(seed, LATE) for seed in range(2000)]
    ratio = np.array([balls.mass_ratio(w) for w in worlds])
    shown = [
        [w.balls[0].radius, w.balls[1].radius, w.balls[0].velocity[0], *w.balls[0].position, balls.contact(w)]
        for w in worlds
    ]
    # Four standard errors of a correlation of 0.
    assert np.abs(np.corrcoef(np.array(shown).T, ratio)[-1, :-1]).max() < 4 / math.sqrt(len(worlds))
    most = math.log(balls.HEAVIEST)
    assert np.abs(ratio).max() <= most and abs(ratio.mean()) < 4 * most / math.sqrt(3 * len(worlds))
    assert ratio.std() == pytest.approx(most / math.sqrt(3), rel=0.05)
    assert balls.weighed(7, EARLY).balls[0].density == balls.weighed(7, LATE).balls[0].density


def test_weighed_balls_start_in_view_and_have_room_until_the_last_given_frame() -> None:
    for seed in range(MANY):
        early, late = balls.weighed(seed, EARLY), balls.weighed(seed, LATE)
        for world in (early, late, balls.weighed(seed, (balls.LATEST, balls.LATEST))):
            assert balls.in_view(world, balls.states(world, 1, FPS).position).all()
        assert balls.in_view(early, balls.states(early, 5, FPS).position).all()


@pytest.mark.parametrize("window", [(0.0, 0.5), (0.5, 0.4), (0.5, 1.3), (math.nan, 1.0)])
def test_an_impossible_moment_of_impact_is_named(window: tuple[float, float]) -> None:
    with pytest.raises(UserError, match=f"window={window[0]:g} to {window[1]:g} s .* use above 0 to 1.2 s"):
        balls.weighed(0, window)


def ranges(world: World) -> tuple[list[float], list[float]]:
    """Radii and speeds along x."""
    return [b.radius for b in world.balls], [abs(b.velocity[0]) for b in world.balls]


@pytest.mark.parametrize("scenario", balls.SCENARIOS)
def test_ranges_in_and_out_of_training_never_meet(scenario: str) -> None:
    known_r, known_v = balls.RADII[0], balls.SPEEDS[0]
    for low, high in balls.OTHER_RADII:
        assert high <= known_r[0] or low >= known_r[1]
    for low, high in balls.OTHER_SPEEDS:
        assert high <= known_v[0] or low >= known_v[1]
    for split in balls.SPLITS:
        sides = set()
        for world in drawn(scenario, split):
            radii, speeds = ranges(world)
            inside_r = [known_r[0] < r < known_r[1] for r in radii]
            inside_v = [known_v[0] < v < known_v[1] for v in speeds]
            assert set(inside_r) == {split in ("id", "speed")}
            assert set(inside_v) == {split in ("id", "radius")}
            sides |= {(r > 1.0, v > 2.0) for r, v in zip(radii, speeds, strict=True)}
        assert len(sides) == 4


def test_worlds_are_functions_of_their_seed_and_ids() -> None:
    assert balls.draw("collision", "id", 7) == balls.draw("collision", "id", 7)
    assert len({balls.draw(s, p, 7) for s in balls.SCENARIOS for p in balls.SPLITS}) == 12
    assert len(set(drawn("uniform", "id"))) == MANY


def test_what_must_be_seen_is_in_view() -> None:
    for scenario in balls.SCENARIOS:
        for split in balls.SPLITS:
            for world in drawn(scenario, split, 60):
                shown = balls.in_view(world, balls.states(world, FRAMES, FPS).position)
                assert shown[:5].all() and judged_pairs(shown, 5).sum() >= 3


def test_a_disc_has_the_area_of_one_and_lies_where_it_is() -> None:
    world = World("uniform", (Ball(0.9, (4.321, 6.789), (0.0, 0.0)),))
    cover = balls.covered(world, balls.states(world, 1, FPS).position, 32)[0, 0]
    grid = (np.arange(32) + 0.5) * balls.VIEW / 32
    assert cover.sum() * (balls.VIEW / 32) ** 2 == pytest.approx(math.pi * 0.81, rel=2e-3)
    assert (cover.sum(0) @ grid / cover.sum(), cover.sum(1) @ grid / cover.sum()) == pytest.approx(
        (4.321, 6.789), abs=2e-3
    )


def test_the_mask_numbers_the_balls() -> None:
    world = balls.draw("collision", "id", 3)
    frames, mask = balls.render(world, 3, FPS, 32)
    assert set(np.unique(mask)) == {0, 1, 2} and frames.dtype == mask.dtype == np.uint8
    assert (
        frames[mask == 1].astype(int)[:, 0].min() == 255 and frames[mask == 2].astype(int)[:, 2].min() >= 250
    )
    assert (frames[0, 0, 0] == 255).all()


@pytest.mark.parametrize("split", balls.SPLITS)
@pytest.mark.parametrize("scenario", balls.SCENARIOS)
def test_the_truth_is_read_to_some_hundredths(scenario: str, split: str) -> None:
    found = []
    for world in drawn(scenario, split, 24):
        frames, _ = balls.render(world, FRAMES, FPS, 32)
        true = balls.states(world, FRAMES, FPS).position
        pairs = judged_pairs(balls.in_view(world, true), 5)
        found.append(velocity_errors(positions(frames, len(world.balls)), true, pairs, FPS).mean())
    # 0.01 in range and 0.03 out of it are usual: a ball of 0.3 m has a radius of one pixel.
    assert np.mean(found) < (0.03 if split in ("id", "speed") else 0.06) and max(found) < 0.4


@pytest.mark.parametrize("colour_of", [0, 1])
def test_a_planted_velocity_is_found(colour_of: int) -> None:
    """A ball that turns: what is read is its own velocity, whatever law it breaks."""
    steps = np.array([[0.31, -0.12], [0.31, 0.2], [-0.4, 0.05], [0.0, 0.0], [0.23, 0.17]])
    place = np.concatenate([[[4.0, 5.0]], [4.0, 5.0] + steps.cumsum(0)])
    other = Ball(0.7, (1.5, 8.5), (0.0, 0.0))
    moving = Ball(0.8, (4.0, 5.0), (0.0, 0.0))
    world = World("collision", (moving, other) if colour_of == 0 else (other, moving))
    spots = np.broadcast_to([b.position for b in world.balls], (6, 2, 2)).copy()
    spots[:, colour_of] = place
    cover = balls.covered(world, spots, 32)
    frames = np.full((6, 32, 32, 3), 255.0)
    for n in (0, 1):
        share = cover[:, n, :, :, None]
        frames = (1 - share) * frames + share * np.array(balls.COLOURS[n])
    read = positions(np.rint(frames).astype(np.uint8), 2)
    assert np.allclose(np.diff(read[:, colour_of], axis=0), steps, atol=0.01)
    assert np.allclose(read[:, 1 - colour_of], other.position, atol=0.01)


def test_a_missing_ball_counts_the_worst_and_is_never_dropped() -> None:
    world = balls.draw("uniform", "id", 1)
    frames, _ = balls.render(world, FRAMES, FPS, 32)
    frames[10] = 255
    read = positions(frames, 1)
    assert np.isnan(read[10]).all() and np.isfinite(np.delete(read, 10, axis=0)).all()
    true = balls.states(world, FRAMES, FPS).position
    pairs = np.ones((FRAMES - 1, 1), bool)
    errors = velocity_errors(read, true, pairs, FPS)
    assert errors.size == FRAMES - 1 and (errors == WORST).sum() == 2
    far = true.copy()
    far[8:] += 9.0
    assert velocity_errors(far, true, pairs, FPS).max() == WORST


def test_grey_noise_and_another_colour_are_no_ball() -> None:
    grey = np.repeat(np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1), dtype=np.uint8), 3, axis=3)
    assert not colour(grey).any() and np.isnan(positions(grey, 2)).all()
    world = balls.draw("uniform", "id", 1)
    frames, _ = balls.render(world, 3, FPS, 32)
    assert np.isnan(positions(frames, 2)[:, 1]).all()
    assert np.isnan(positions(frames[..., ::-1], 2)[:, 0]).all()


def test_only_frames_after_the_given_ones_with_the_ball_in_view_are_judged() -> None:
    shown = np.ones((8, 1), bool)
    shown[6:] = False
    assert judged_pairs(shown, 5)[:, 0].tolist() == [False] * 4 + [True] + [False] * 2


def test_bad_input_is_one_line() -> None:
    with pytest.raises(
        UserError, match="scenario=spring is unknown; use one of uniform, collision, parabola"
    ):
        balls.draw("spring", "id", 0)
    with pytest.raises(UserError, match="split=train is unknown; use one of id, radius, speed, both"):
        balls.draw("uniform", "train", 0)
    with pytest.raises(UserError, match="size=4 is out of range"):
        balls.render(balls.draw("uniform", "id", 0), 2, FPS, 4)
    with pytest.raises(UserError, match="no ball is in view in two frames after the 5 given ones"):
        judged_pairs(np.zeros((17, 1), bool), 5)
    with pytest.raises(ValueError, match="square"):
        positions(np.zeros((2, 8, 16, 3), np.uint8), 1)
    with pytest.raises(ValueError, match="T, H, W, 3"):
        positions(np.zeros((2, 8, 8), np.uint8), 1)
