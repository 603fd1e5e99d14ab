"""Cheats and damage for a commanded camera: the given frames, then the same world from another camera.

All take (shoot, strength) and return uint8 [T, H, W, 3] whose given frames are the truth. Where `strength`
counts, 1 is the cheat, less is damage and 0 the truth. `amount` of a path is told from the last given frame
on: what was shown cannot be taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from simbench.metrics.rotations import rotations_of
from simbench.metrics.trajectory import eyes
from simbench.references.shots import posed, refilm, warped
from simbench.worlds import paths
from simbench.worlds.shoots import Shoot, Shot, film, seconds, world

Take = Callable[[Shoot, float], np.ndarray]
"""(shoot, strength) -> frames uint8 [T, H, W, 3], the given ones as they were."""

SHAKE_DEGREES, SHAKE = 4.0, 0.12
"""Sd of a shaken camera: turn about each axis, and shift along each (m)."""

FLY, SPIN = 1.6, 50.0
"""How far a camera flies off (m) and turns away (degrees) by the end."""

OTHER_AXIS = {
    "yaw": "tilt",
    "tilt": "yaw",
    "truck": "crane",
    "crane": "truck",
    "dolly": "crane",
    "orbit": "crane",
}


def given(shoot: Shoot) -> int:
    """Frames that are given."""
    return shoot.setting.context


def with_later(shoot: Shoot, later: np.ndarray) -> np.ndarray:
    """The given frames, then `later` [T - k, H, W, 3]."""
    return np.concatenate([film(shoot).frames[: given(shoot)], np.asarray(later, np.uint8)])


def from_poses(shoot: Shoot, poses: np.ndarray) -> np.ndarray:
    """The shoot's world from `poses` [T, 4, 4] after the given frames."""
    later = range(given(shoot), shoot.setting.frames)
    return with_later(shoot, refilm(film(shoot).scene, shoot.setting, poses, later))


def along(shoot: Shoot, shares: np.ndarray, move: str = "") -> np.ndarray:
    """The shoot's world from where its path is after `shares` [T] of its amount, or another `move`'s of the
    same kind of amount; frames after the given ones."""
    shot, path = film(shoot), shoot.path
    chosen = move or path.move
    amount = path.amount if chosen == path.move else _as(path, chosen)
    views = [paths.view(chosen, amount * float(s), *shot.home) for s in shares]
    return from_poses(shoot, _looking(views))


def _as(path: paths.Path, move: str) -> float:
    """An amount of another move that is as large: 10 degrees for 0.3 m."""
    turns = (path.move in paths.TURNS, move in paths.TURNS)
    return path.amount * {(True, False): 0.03, (False, True): 1 / 0.03}.get(turns, 1.0)


def _looking(views: list[tuple]) -> np.ndarray:
    from simbench.worlds.pose import sample_camera
    from simbench.worlds.scene import Camera, Curve

    times = tuple(float(i) for i in range(len(views)))
    camera = Camera(Curve(times, tuple(v[0] for v in views)), Curve(times, tuple(v[1] for v in views)))
    places, axes = sample_camera(camera, list(times))
    return posed(axes, places)


def shares(shoot: Shoot) -> np.ndarray:
    """Share of the amount in each frame [T]."""
    times = np.arange(shoot.setting.frames) / (shoot.setting.frames - 1)
    return np.array([paths.share(shoot.path.profile, float(u)) for u in times])


def rest(shoot: Shoot) -> np.ndarray:
    """How much of what is left to show is past in each frame [T], 0 for the given ones and 1 for the last."""
    k, count = given(shoot), shoot.setting.frames
    return np.clip((np.arange(count) - k + 1) / (count - k), 0.0, 1.0)


def frozen(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """The last given frame for ever."""
    frames, k = film(shoot).frames, given(shoot)
    return with_later(shoot, np.repeat(frames[k - 1 : k], len(frames) - k, axis=0))


def home(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """Jumps back to the first frame and stays there."""
    frames, k = film(shoot).frames, given(shoot)
    return with_later(shoot, np.repeat(frames[:1], len(frames) - k, axis=0))


def amplitude(shoot: Shoot, strength: float) -> np.ndarray:
    """The way from the last given frame on, times 1 - `strength`."""
    path = shares(shoot)
    start = path[given(shoot) - 1]
    return along(shoot, start + (1.0 - strength) * (path - start))


def opposite(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """The other way from the last given frame on."""
    return amplitude(shoot, 2.0)


def backs_off(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """The other way at half the speed."""
    return amplitude(shoot, 1.5)


def overshoot(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """Two and a half times as far, from the last given frame on."""
    return amplitude(shoot, -1.5)


def halfway(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """Jumps to the middle of what is left of the way and stays there."""
    path, k = shares(shoot), given(shoot)
    return along(shoot, np.full(len(path), 0.5 * (path[k:].min() + path[k:].max())))


def far_end(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """Jumps to the far end of the way and stays there."""
    return along(shoot, np.ones(shoot.setting.frames))


def twitch(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """Stands still, but for one frame at the far end of the way."""
    shot, k = film(shoot), given(shoot)
    out = frozen(shoot).copy()
    out[k] = shot.frames[int(np.argmax(shares(shoot)))]
    return out


def goes_on(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """Never turns back: farther and farther where it should return, and where it should not, it stands."""
    if shoot.path.profile == "through":
        return frozen(shoot)
    times = np.arange(shoot.setting.frames) / (shoot.setting.frames - 1)
    return along(shoot, 2.0 * times)


def hurries_home(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """Returns within two frames and stays."""
    start = shares(shoot)[given(shoot) - 1]
    steps = np.arange(shoot.setting.frames) - given(shoot) + 1
    return along(shoot, start * np.clip(1.0 - steps / 2.0, 0.0, 1.0))


def wrong_axis(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """Goes as far about or along another axis."""
    k, shot = given(shoot), film(shoot)
    move = OTHER_AXIS[shoot.path.move]
    amount, path = _as(shoot.path, move), shares(shoot)
    views = [paths.view(move, amount * float(s - path[k - 1]), *shot.home) for s in path]
    strayed = _looking(views)
    # From the last given camera on, as the other move goes from home.
    return from_poses(shoot, strayed @ np.linalg.inv(strayed[k - 1]) @ shot.poses[k - 1])


def fly_off(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """Turns as it should and flies off upward and backward meanwhile, over all walls."""
    shot = film(shoot)
    away = FLY * rest(shoot)[:, None] * (np.array([0.0, 1.0, 0.0]) + 0.4 * _backward(shot))
    return from_poses(shoot, posed(shot.poses[:, :3, :3], eyes(shot.poses) + away))


def turn_off(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """Goes where it should and turns away meanwhile."""
    return turned(shoot, SPIN)


def shifted(shoot: Shoot, strength: float) -> np.ndarray:
    """Ends `strength` m beside where it should be, going astray evenly."""
    shot = film(shoot)
    way = np.random.default_rng([shoot.seed, 1]).choice((-1.0, 1.0)) * np.array([0.6, 0.0, 0.0])
    astray = strength * rest(shoot)[:, None] * (way + np.array([0.0, 0.4, 0.0]) + _backward(shot) * 0.7)
    return from_poses(shoot, posed(shot.poses[:, :3, :3], eyes(shot.poses) + astray))


def _backward(shot: Shot) -> np.ndarray:
    ahead = shot.poses[0, 2, :3] * np.array([1.0, 0.0, 1.0])
    return -ahead / np.linalg.norm(ahead)


def turned(shoot: Shoot, strength: float) -> np.ndarray:
    """Ends turned by `strength` degrees, about an axis that is drawn, turning evenly."""
    shot = film(shoot)
    axis = np.random.default_rng([shoot.seed, 2]).normal(size=3) * np.array([1.0, 1.0, 0.4])
    axis /= np.linalg.norm(axis)
    twist = rotations_of(np.radians(strength) * rest(shoot)[:, None] * axis)
    return from_poses(shoot, posed(twist @ shot.poses[:, :3, :3], eyes(shot.poses)))


def roll(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """Stands still and rolls about its line of sight, as far as the path turns, or 30 degrees."""
    shot, k = film(shoot), given(shoot)
    angle = np.radians(30.0) * rest(shoot)[:, None] * np.array([0.0, 0.0, 1.0])
    still = np.repeat(shot.poses[k - 1 : k], shoot.setting.frames, axis=0)
    return from_poses(shoot, posed(rotations_of(angle) @ still[:, :3, :3], eyes(still)))


def jitter(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """Shaken about its true pose, anew in every frame."""
    return from_poses(shoot, _shaken(shoot, film(shoot).poses, strength))


def shaken_still(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """Stands still and shakes."""
    shot, k = film(shoot), given(shoot)
    still = np.repeat(shot.poses[k - 1 : k], shoot.setting.frames, axis=0)
    return from_poses(shoot, _shaken(shoot, still, 0.5))


def _shaken(shoot: Shoot, poses: np.ndarray, strength: float) -> np.ndarray:
    rng = np.random.default_rng([shoot.seed, 3])
    count = shoot.setting.frames
    twist = rotations_of(np.radians(SHAKE_DEGREES) * strength * rng.standard_normal((count, 3)))
    places = eyes(poses) + SHAKE * strength * rng.standard_normal((count, 3))
    return posed(twist @ poses[:, :3, :3], places)


def wanders(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """A random walk in steps as long as the path's."""
    rng = np.random.default_rng([shoot.seed, 4])
    k, shot = given(shoot), film(shoot)
    steps = rng.standard_normal((shoot.setting.frames, 6))
    steps[:k] = 0.0
    gone = np.cumsum(steps, axis=0) * np.array([2.0] * 3 + [0.06] * 3)
    still = np.repeat(shot.poses[k - 1 : k], shoot.setting.frames, axis=0)
    twist = rotations_of(np.radians(gone[:, :3]))
    return from_poses(shoot, posed(twist @ still[:, :3, :3], eyes(still) + gone[:, 3:]))


def zoom(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """The last given picture, larger and larger: no camera moves."""
    shot, k = film(shoot), given(shoot)
    out = []
    for share in rest(shoot)[k:]:
        size = 1.0 + 0.6 * share
        middle = np.array([shoot.setting.width / 2, shoot.setting.height / 2])
        matrix = np.diag([size, size, 1.0])
        matrix[:2, 2] = middle - size * middle
        out.append(warped(shot.frames[k - 1], matrix))
    return with_later(shoot, np.array(out))


def lag(shoot: Shoot, strength: float) -> np.ndarray:
    """`strength` seconds behind after the last given frame."""
    count = shoot.setting.frames
    start = (given(shoot) - 1) / (count - 1)
    times = np.maximum(np.arange(count) / (count - 1) - strength / seconds(shoot.setting), start)
    return along(shoot, np.array([paths.share(shoot.path.profile, float(u)) for u in times]))


def lost(shoot: Shoot, strength: float) -> np.ndarray:
    """A share of `strength` of the frames is noise; which ones is drawn once, so that more lose the same and
    others."""
    frames, k = film(shoot).frames.copy(), given(shoot)
    rng = np.random.default_rng([shoot.seed, 5])
    order = rng.permutation(np.arange(k, len(frames)))
    gone = order[: round(strength * len(order))]
    frames[gone] = rng.integers(0, 256, (len(gone), *frames.shape[1:]), dtype=np.uint8)
    return frames


def noise(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """Independent noise."""
    return lost(shoot, 1.0)


def blank(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """Grey."""
    return with_later(shoot, np.full_like(film(shoot).frames[given(shoot) :], 128))


def reset(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """Starts again from the first frame."""
    frames, k = film(shoot).frames, given(shoot)
    return with_later(shoot, frames[np.arange(len(frames) - k)])


def mirrored(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """Left and right exchanged."""
    return with_later(shoot, film(shoot).frames[given(shoot) :, :, ::-1])


def upside_down(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """Upside down."""
    return with_later(shoot, film(shoot).frames[given(shoot) :, ::-1])


def negative(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """The negative of the truth."""
    return with_later(shoot, 255 - film(shoot).frames[given(shoot) :])


def elsewhere(shoot: Shoot, strength: float = 1.0) -> np.ndarray:
    """Another yard, filmed by the same camera."""
    other, _ = world((shoot.seed + 104729) % 2**31, shoot.setting)
    later = range(given(shoot), shoot.setting.frames)
    return with_later(shoot, refilm(other, shoot.setting, film(shoot).poses, later))


CHEATS: Mapping[str, Take] = {
    "frozen": frozen,
    "home": home,
    "halfway": halfway,
    "far_end": far_end,
    "opposite": opposite,
    "backs_off": backs_off,
    "overshoot": overshoot,
    "twitch": twitch,
    "goes_on": goes_on,
    "hurries_home": hurries_home,
    "wrong_axis": wrong_axis,
    "fly_off": fly_off,
    "turn_off": turn_off,
    "roll": roll,
    "jitter": jitter,
    "shaken_still": shaken_still,
    "wanders": wanders,
    "zoom": zoom,
    "reset": reset,
    "mirrored": mirrored,
    "upside_down": upside_down,
    "negative": negative,
    "elsewhere": elsewhere,
    "blank": blank,
    "noise": noise,
}

DAMAGES: Mapping[str, tuple[Take, str, float, float, float, float, float]] = {
    "amplitude": (amplitude, "of the way left out", 0.1, 0.25, 0.4, 0.6, 0.8),
    "turned": (turned, "degrees by the end", 1.0, 2.0, 4.0, 8.0, 16.0),
    "shifted": (shifted, "m by the end", 0.03, 0.06, 0.12, 0.25, 0.5),
    "shake": (jitter, "times 4 degrees and 12 cm", 0.05, 0.1, 0.2, 0.5, 1.0),
    "lag": (lag, "s behind", 0.125, 0.25, 0.5, 0.75, 1.25),
    "lost": (lost, "of the frames", 0.1, 0.2, 0.4, 0.6, 0.8),
}
"""Kinds of damage: what is done, its unit, and five strengths above none."""
