"""Two-dimensional worlds of one or two balls with exact states: uniform motion, elastic collision, parabola.

The three scenarios of Kang et al. 2024 (PhyWorld, arXiv 2411.02385, section 3): a red ball, in a collision a
blue one as well, on white; a square view of 10 m; radius and speed in the ranges that training sees (`id`),
or outside of them. Metres, seconds, x to the right and y downwards from the upper left corner. All motion is
in closed form; mass is area times density. That of the paper's balls is 1; `weighed` draws masses that no
still picture tells.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np

from simbench.errors import UserError

SCENARIOS = ("uniform", "collision", "parabola")
SPLITS = ("id", "radius", "speed", "both")
"""What is out of the training range: nothing, the radii, the speeds, both; of all balls of a clip."""
VIEW = 10.0
"""Metres to a side of the picture."""
GRAVITY = 2.5
"""m/s^2 downwards, in parabolas."""
RADII = ((0.7, 1.5),)
SPEEDS = ((1.0, 4.0),)
OTHER_RADII = ((0.3, 0.6), (1.5, 2.0))
OTHER_SPEEDS = ((0.0, 0.8), (4.5, 6.0))
"""Ranges of the paper, in m and m/s: of training, and outside of it. The end at 1.5 m is never drawn."""
GIVEN = 0.5
"""Seconds that balls approach each other at least: the five frames at 8 a second that are given."""
CONTACT = (0.3, 0.75)
"""When balls meet, as shares of the clip, as far as GIVEN and the view have room for it."""
COLOURS = ((255, 0, 0), (0, 0, 255))
PAPER = (255, 255, 255)
WEIGHED = "weighed"
"""What training and tests call the worlds of `weighed`."""
WEIGHED_RADII, WEIGHED_SPEEDS = (0.7, 1.2), (2.0, 3.0)
"""m, and m/s of the red ball, where masses are drawn."""
HEAVIEST = 4.0
"""Ratio of two masses at most, either way round."""
ASIDE = 1.5
"""Metres that the blue ball can go before it begins to leave the view, where masses are drawn."""
LATEST = 1.2
"""Seconds at which such balls meet at the latest; the fastest and largest have room for it."""
SUBPIXELS = 4
"""Samples to a pixel and axis: a disc of 1 px radius keeps its centroid to 0.01 px."""
TRIES = 1000


@dataclass(frozen=True)
class Ball:
    """`radius` m; `position` m and `velocity` m/s (x, y) at the start; `density` kg/m^2, not to be seen."""

    radius: float
    position: tuple[float, float]
    velocity: tuple[float, float]
    density: float = 1.0

    @property
    def mass(self) -> float:
        """Its area times its density, kg."""
        return math.pi * self.radius**2 * self.density


@dataclass(frozen=True)
class World:
    """One clip: its scenario and its balls, red first. Balls of a collision are at one height."""

    scenario: str
    balls: tuple[Ball, ...]


@dataclass(frozen=True)
class States:
    """`position` m and `velocity` m/s, float64 [T, N, 2], of N balls at T frames."""

    position: np.ndarray
    velocity: np.ndarray


def draw(scenario: str, split: str, seed: int, seconds: float = 2.0) -> World:
    """The world of `seed`, to be watched for `seconds`. UserError for an unknown scenario or split.

    As far as there is room all balls start wholly in view, and the one ball stays so. Balls of a collision
    meet after GIVEN; radii and speeds that leave no room for that are drawn again.
    """
    for name, value, known in (("scenario", scenario, SCENARIOS), ("split", split, SPLITS)):
        if value not in known:
            raise UserError(f"{name}={value} is unknown; use one of {', '.join(known)}")
    rng = random.Random(f"balls:{scenario}:{split}:{seed}")
    radii = OTHER_RADII if split in ("radius", "both") else RADII
    speeds = OTHER_SPEEDS if split in ("speed", "both") else SPEEDS
    if scenario == "collision":
        return _collision(rng, radii, speeds, seconds)
    radius, speed = _within(rng, radii), _within(rng, speeds)
    room = max(VIEW - 2 * radius - speed * seconds, 0.0)
    x = radius + rng.uniform(0.0, room)
    low, high = radius + 0.05 * VIEW, VIEW - radius - 0.05 * VIEW
    y = rng.uniform(low, min(low + 1.0, high)) if scenario == "parabola" else rng.uniform(low, high)
    return World(scenario, (Ball(radius, (x, y), (speed, 0.0)),))


def _within(rng: random.Random, ranges: tuple[tuple[float, float], ...]) -> float:
    """A number strictly inside one of `ranges`, each as likely."""
    low, high = rng.choice(ranges)
    found = rng.uniform(low, high)
    return min(max(found, math.nextafter(low, high)), math.nextafter(high, low))


def _collision(
    rng: random.Random,
    radii: tuple[tuple[float, float], ...],
    speeds: tuple[tuple[float, float], ...],
    seconds: float,
) -> World:
    for _ in range(TRIES):
        first, second = _within(rng, radii), _within(rng, radii)
        fast, slow = _within(rng, speeds), _within(rng, speeds)
        room = VIEW - 2 * (first + second)
        latest = min(CONTACT[1] * seconds, room / max(fast + slow, 1e-9))
        if latest > GIVEN:
            break
    else:
        raise UserError(f"no collision fits into {VIEW:g} m in {TRIES} draws; use smaller or slower balls")
    earliest = min(max(CONTACT[0] * seconds, GIVEN), (GIVEN + latest) / 2)
    when = rng.uniform(earliest, latest)
    apart = (fast + slow) * when + first + second
    x = first + rng.uniform(0.0, max(VIEW - first - second - apart, 0.0))
    low = max(first, second) + 0.05 * VIEW
    y = rng.uniform(low, VIEW - low)
    balls = (Ball(first, (x, y), (fast, 0.0)), Ball(second, (x + apart, y), (-slow, 0.0)))
    return World("collision", balls)


def weighed(seed: int, window: tuple[float, float]) -> World:
    """The collision of `seed` whose balls have masses that cannot be seen: red meets blue, which is at rest,
    at a moment within `window` (s). UserError for a window that is empty or ends after LATEST.

    The impact is central and elastic (restitution 1), so that red goes on at (m - M) / (m + M) of its speed
    and blue at 2 m / (m + M) of it: the ratio m / M of red's mass to blue's is in either, and in nothing
    before. Its logarithm is uniform within that of HEAVIEST, drawn from a stream of its own: sizes, speed and
    places of a seed are the same for any masses.
    """
    start, end = window
    if not 0.0 < start <= end <= LATEST:
        raise UserError(f"window={start:g} to {end:g} s is no moment of impact; use above 0 to {LATEST:g} s")
    rng = random.Random(f"balls:weighed:{seed}")
    first, second = rng.uniform(*WEIGHED_RADII), rng.uniform(*WEIGHED_RADII)
    speed, when = rng.uniform(*WEIGHED_SPEEDS), rng.uniform(start, end)
    touch = rng.uniform(2 * first + speed * when, VIEW - 2 * second - ASIDE)
    low = max(first, second) + 0.05 * VIEW
    y = rng.uniform(low, VIEW - low)
    most = math.log(HEAVIEST)
    ratio = math.exp(random.Random(f"balls:mass:{seed}").uniform(-most, most))
    # Only the ratio moves anything; the geometric mean of the masses is 1 kg.
    red = Ball(
        first, (touch - first - speed * when, y), (speed, 0.0), math.sqrt(ratio) / (math.pi * first**2)
    )
    blue = Ball(second, (touch + second, y), (0.0, 0.0), 1 / (math.sqrt(ratio) * math.pi * second**2))
    return World("collision", (red, blue))


def mass_ratio(world: World) -> float:
    """Natural logarithm of the first ball's mass over the second's."""
    first, second = world.balls
    return math.log(first.mass / second.mass)


def contact(world: World) -> float:
    """Seconds until the two balls of a collision touch; infinite where they never do."""
    if len(world.balls) < 2:
        return math.inf
    a, b = world.balls
    closing = a.velocity[0] - b.velocity[0]
    gap = b.position[0] - a.position[0] - a.radius - b.radius
    return gap / closing if closing > 0 else math.inf


def bounced(first: Ball, second: Ball) -> tuple[float, float]:
    """Speeds along x, m/s, of two balls after a central elastic impact."""
    total = first.mass + second.mass
    shared = (first.mass * first.velocity[0] + second.mass * second.velocity[0]) / total
    return 2 * shared - first.velocity[0], 2 * shared - second.velocity[0]


def states(world: World, frames: int, fps: float) -> States:
    """Where the balls are at `frames` frames, `fps` a second, the first at 0 s."""
    times = np.arange(frames) / fps
    start = np.array([ball.position for ball in world.balls])
    velocity = np.array([ball.velocity for ball in world.balls])
    moved = start + velocity * times[:, None, None]
    speeds = np.broadcast_to(velocity, moved.shape).copy()
    if world.scenario == "parabola":
        moved[..., 1] += 0.5 * GRAVITY * times[:, None] ** 2
        speeds[..., 1] += GRAVITY * times[:, None]
    when = contact(world)
    if world.scenario == "collision" and math.isfinite(when):
        late = times > when
        after = np.array(bounced(*world.balls))
        moved[late, :, 0] += (after - velocity[:, 0]) * (times[late] - when)[:, None]
        speeds[late, :, 0] = after
    return States(moved, speeds)


def in_view(world: World, position: np.ndarray) -> np.ndarray:
    """bool [T, N]: whether a ball at `position` [T, N, 2] is wholly in the picture."""
    radius = np.array([ball.radius for ball in world.balls])[:, None]
    return np.asarray(((position >= radius) & (position <= VIEW - radius)).all(-1))


def covered(world: World, position: np.ndarray, size: int) -> np.ndarray:
    """Share of each pixel that each ball covers, float64 [T, N, S, S], of `position` [T, N, 2] in m."""
    if not 8 <= size <= 1024:
        raise UserError(f"size={size} is out of range; use 8 to 1024 pixels a side")
    grid = (np.arange(size * SUBPIXELS) + 0.5) / SUBPIXELS
    scale = size / VIEW
    out = np.empty((*position.shape[:2], size, size))
    for n, ball in enumerate(world.balls):
        x, y = (((grid - position[:, n, axis, None] * scale) ** 2).astype(np.float32) for axis in (0, 1))
        # A sample stands for a square of 1 / SUBPIXELS px, which the edge crosses linearly.
        inside = (ball.radius * scale - np.sqrt(y[:, :, None] + x[:, None, :])) * SUBPIXELS + 0.5
        blocks = np.clip(inside, 0.0, 1.0).reshape(len(position), size, SUBPIXELS, size, SUBPIXELS)
        out[:, n] = blocks.sum(4).sum(2) / SUBPIXELS**2
    return out


def render(world: World, frames: int, fps: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    """RGB uint8 [T, S, S, 3], and uint8 [T, S, S]: 1 + the number of the ball that covers half a pixel."""
    cover = covered(world, states(world, frames, fps).position, size)
    picture = np.empty((*cover.shape[:1], size, size, 3))
    picture[:] = PAPER
    mask = np.zeros(picture.shape[:3], np.uint8)
    for n in range(cover.shape[1]):
        share = cover[:, n, :, :, None]
        picture = (1 - share) * picture + share * np.array(COLOURS[n], float)
        mask[cover[:, n] >= 0.5] = n + 1
    return np.rint(picture).astype(np.uint8), mask


def words(world: World) -> str:
    """What happens, in plain English."""
    return {
        "uniform": "A red ball moves to the right at one speed.",
        "collision": "A red ball and a blue ball meet and bounce off each other.",
        "parabola": "A red ball is thrown to the right and falls.",
    }[world.scenario]
