"""Cheats and damage for a still world seen by a moving camera: each shows one thing as it cannot be.

All take (scene, setting, context, seed, strength) and return uint8 [T, H, W, 3] whose first `context`
frames are the truth. Where `strength` counts, 1 is the cheat, less is damage and 0 the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from simbench.case import Setting
from simbench.references.shots import (
    Shot,
    best_zoom,
    displaced,
    film_poses,
    flat_motion,
    moved_by,
    pushed,
    refilm,
    shot,
    warped,
)
from simbench.worlds.scene import Scene

View = Callable[[Scene, Setting, int, int, float], np.ndarray]
"""(scene, setting, context, seed, strength) -> frames uint8 [T, H, W, 3] with the given ones as they were."""

MELT, WOBBLE = 0.08, 0.05
"""Displacement at strength 1 as a share of the image's height."""

SHAKE_DEGREES, SHAKE_DEPTH = 4.0, 0.05
"""Sd of the shaken camera: turn about each axis, and shift along each as a share of the median depth."""

TILES = 4
"""Tiles along each side of an image that is cut up."""


def frozen(scene: Scene, setting: Setting, context: int, seed: int, strength: float = 1.0) -> np.ndarray:
    """The last given frame for ever."""
    truth = shot(scene, setting)
    return truth.then(
        context, np.repeat(truth.frames[context - 1 : context], setting.frames - context, axis=0)
    )


def postcard(scene: Scene, setting: Setting, context: int, seed: int, strength: float = 1.0) -> np.ndarray:
    """The last given frame as a flat picture, moved by the best homography of each frame's true motion."""
    truth = shot(scene, setting)
    last = truth.frames[context - 1]
    pairs = [truth.matches(context - 1, t) for t in range(context, setting.frames)]
    return truth.then(context, [warped(last, flat_motion(*pair)) for pair in pairs])


def zoom_only(scene: Scene, setting: Setting, context: int, seed: int, strength: float = 1.0) -> np.ndarray:
    """The last given frame zoomed and shifted as well as that can follow each frame's true motion."""
    truth = shot(scene, setting)
    last = truth.frames[context - 1]
    pairs = [truth.matches(context - 1, t) for t in range(context, setting.frames)]
    return truth.then(context, [warped(last, best_zoom(*pair)) for pair in pairs])


def flat(scene: Scene, setting: Setting, context: int, seed: int, strength: float = 1.0) -> np.ndarray:
    """Every pixel of the last given frame at its median depth: a wall that faces the camera."""
    truth = shot(scene, setting)
    start = context - 1
    solid = truth.depth[start][truth.ids[start] >= 0]
    depth = float(np.median(solid)) if solid.size else 1.0
    back = np.linalg.inv(truth.camera)
    out = []
    for t in range(context, setting.frames):
        motion = truth.poses[t] @ np.linalg.inv(truth.poses[start])
        plane = motion[:3, :3] + np.outer(motion[:3, 3], [0.0, 0.0, 1.0 / depth])
        out.append(warped(truth.frames[start], truth.camera @ plane @ back))
    return truth.then(context, out)


def relief(scene: Scene, setting: Setting, context: int, seed: int, strength: float = 1.0) -> np.ndarray:
    """The truth with `strength` of its parallax taken away: all of it moves as the best homography does."""
    truth = shot(scene, setting)
    frames = [
        pushed(truth.frames[t], -strength * _parallax(truth, context, t), truth.depth[t])
        for t in range(context, setting.frames)
    ]
    return truth.then(context, frames)


def inverted(scene: Scene, setting: Setting, context: int, seed: int, strength: float = 1.0) -> np.ndarray:
    """Near and far exchanged: parallax of the opposite sign about the best homography."""
    return relief(scene, setting, context, seed, 2.0 * strength)


def depth_flicker(
    scene: Scene, setting: Setting, context: int, seed: int, strength: float = 1.0
) -> np.ndarray:
    """Parallax off by a factor per thing and tile, drawn anew in every frame: depth as if redrawn each time.

    The factor is 1 + strength x (-1.75 to -0.75, or 0.75 to 1.75).
    """
    truth = shot(scene, setting)
    rng = np.random.default_rng([seed, 1])
    rows, columns = (np.arange(n) * TILES // n for n in truth.size)
    out = []
    for t in range(context, setting.frames):
        shape = (int(truth.ids.max()) + 2, TILES, TILES)
        draw = rng.uniform(0.75, 1.75, shape) * rng.choice((-1.0, 1.0), shape)
        factor = draw[truth.ids[t] + 1, rows[:, None], columns[None, :]]
        shift = strength * factor[..., None] * _parallax(truth, context, t)
        out.append(pushed(truth.frames[t], shift, truth.depth[t]))
    return truth.then(context, out)


def melt(scene: Scene, setting: Setting, context: int, seed: int, strength: float = 1.0) -> np.ndarray:
    """Rows slide sideways in a sine that grows with time: nothing stays straight."""
    truth = shot(scene, setting)
    height = truth.size[0]
    phase = np.random.default_rng([seed, 2]).uniform(0, 2 * np.pi)
    wave = np.sin(6 * np.pi * np.arange(height) / height + phase)[:, None, None] * np.array([1.0, 0.0])
    out = []
    for t in range(context, setting.frames):
        grown = (t - context + 1) / (setting.frames - context)
        shift = strength * MELT * height * grown * wave
        out.append(displaced(truth.frames[t], np.broadcast_to(shift, (*truth.size, 2))))
    return truth.then(context, out)


def wobble(scene: Scene, setting: Setting, context: int, seed: int, strength: float = 1.0) -> np.ndarray:
    """The picture bobs up and down as a whole, and in a standing wave across."""
    truth = shot(scene, setting)
    height, width = truth.size
    phase = np.random.default_rng([seed, 3]).uniform(0, 2 * np.pi)
    wave = np.sin(4 * np.pi * np.arange(width) / width)[None, :, None] * np.array([0.0, 1.0])
    out = []
    for t in range(context, setting.frames):
        beat = np.sin(1.9 * (t - context + 1) + phase)
        shift = strength * WOBBLE * height * (beat * np.array([0.0, 1.0]) + np.cos(phase + 2.6 * t) * wave)
        out.append(displaced(truth.frames[t], np.broadcast_to(shift, (*truth.size, 2))))
    return truth.then(context, out)


def half_speed(scene: Scene, setting: Setting, context: int, seed: int, strength: float = 1.0) -> np.ndarray:
    """The camera goes its way more slowly: at strength 1 at half the speed, at 2 it stands still."""
    return _paced(scene, setting, context, 1.0 - 0.5 * strength)


def double_speed(
    scene: Scene, setting: Setting, context: int, seed: int, strength: float = 1.0
) -> np.ndarray:
    """The camera goes its way faster, at strength 1 twice as fast, and waits at the end of it."""
    return _paced(scene, setting, context, 1.0 + strength)


def opposite(scene: Scene, setting: Setting, context: int, seed: int, strength: float = 1.0) -> np.ndarray:
    """The camera goes the other way from the last given frame on."""
    truth = shot(scene, setting)
    start, back = truth.poses[context - 1], np.linalg.inv(truth.poses[context - 1])
    # The motion turned round in the last given camera's own frame.
    poses = np.linalg.inv(truth.poses @ back) @ start
    return truth.then(context, refilm(scene, setting, poses, range(context, setting.frames)))


def jitter(scene: Scene, setting: Setting, context: int, seed: int, strength: float = 1.0) -> np.ndarray:
    """The camera shaken about its true pose, anew in every frame."""
    from simbench.metrics.rotations import rotations_of

    truth = shot(scene, setting)
    rng = np.random.default_rng([seed, 4])
    depth = float(np.median(truth.depth[context - 1]))
    shake = np.tile(np.eye(4), (setting.frames, 1, 1))
    angles = np.radians(SHAKE_DEGREES) * strength * rng.standard_normal((setting.frames, 3))
    shake[:, :3, :3] = rotations_of(angles)
    shake[:, :3, 3] = SHAKE_DEPTH * depth * strength * rng.standard_normal((setting.frames, 3))
    later = refilm(scene, setting, shake @ truth.poses, range(context, setting.frames))
    return truth.then(context, later)


def elsewhere(scene: Scene, setting: Setting, context: int, seed: int, strength: float = 1.0) -> np.ndarray:
    """Another world of the same kind, filmed by the same camera."""
    from simbench.worlds.families import build

    truth = shot(scene, setting)
    other = build(scene.family, (seed + 104729) % 2**31, scene.duration, scene.look)
    poses = film_poses(scene, np.arange(setting.frames) / setting.fps)
    return truth.then(context, refilm(other, setting, poses, range(context, setting.frames)))


def reset(scene: Scene, setting: Setting, context: int, seed: int, strength: float = 1.0) -> np.ndarray:
    """Starts again from the first frame after the given ones."""
    truth = shot(scene, setting)
    return truth.then(context, truth.frames[np.arange(setting.frames - context)])


def reversed_time(
    scene: Scene, setting: Setting, context: int, seed: int, strength: float = 1.0
) -> np.ndarray:
    """What follows the given frames, backwards."""
    truth = shot(scene, setting)
    return truth.then(context, truth.frames[context:][::-1])


def stutter(scene: Scene, setting: Setting, context: int, seed: int, strength: float = 1.0) -> np.ndarray:
    """Holds the last given frame, and then every fourth one, until the next (at strength 1)."""
    truth = shot(scene, setting)
    hold = max(1, round(1 + 3 * strength))
    times = np.arange(context, setting.frames)
    return truth.then(context, truth.frames[context - 1 + (times - context + 1) // hold * hold])


def mirrored(scene: Scene, setting: Setting, context: int, seed: int, strength: float = 1.0) -> np.ndarray:
    """Left and right exchanged after the given frames."""
    truth = shot(scene, setting)
    return truth.then(context, truth.frames[context:, :, ::-1])


def shuffled(scene: Scene, setting: Setting, context: int, seed: int, strength: float = 1.0) -> np.ndarray:
    """The picture cut into tiles that change places: everything is there and nothing where it belongs."""
    truth = shot(scene, setting)
    height, width = truth.size
    tall, wide = height // TILES, width // TILES
    order = np.random.default_rng([seed, 5]).permutation(TILES * TILES)
    out = truth.frames[context:].copy()
    for to, source in enumerate(order):
        (y, x), (v, u) = divmod(to, TILES), divmod(int(source), TILES)
        tile = truth.frames[context:, v * tall : (v + 1) * tall, u * wide : (u + 1) * wide]
        out[:, y * tall : (y + 1) * tall, x * wide : (x + 1) * wide] = tile
    return truth.then(context, out)


def blank(scene: Scene, setting: Setting, context: int, seed: int, strength: float = 1.0) -> np.ndarray:
    """Grey after the given frames."""
    truth = shot(scene, setting)
    return truth.then(context, np.full_like(truth.frames[context:], 128))


def noise(scene: Scene, setting: Setting, context: int, seed: int, strength: float = 1.0) -> np.ndarray:
    """Independent noise after the given frames."""
    truth = shot(scene, setting)
    rng = np.random.default_rng([seed, 6])
    return truth.then(context, rng.integers(0, 256, truth.frames[context:].shape, dtype=np.uint8))


def _parallax(truth: Shot, context: int, frame: int) -> np.ndarray:
    """[H, W, 2] px: how far each pixel of a true frame is from where the best homography has its surface.

    At most a quarter of the image: beyond the flat picture's horizon there is no such place.
    """
    start = context - 1
    flat_place = moved_by(flat_motion(*truth.matches(start, frame)), truth.carried(frame, start)[0])
    height, width = truth.size
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    off = np.nan_to_num(np.stack([x, y], axis=-1) - flat_place)
    size = np.hypot(off[..., 0], off[..., 1])[..., None]
    return off * np.minimum(1.0, 0.25 * width / np.maximum(size, 1e-9))


def _paced(scene: Scene, setting: Setting, context: int, speed: float) -> np.ndarray:
    """The scene's own way from the last given frame on, at another speed."""
    truth = shot(scene, setting)
    times = np.arange(setting.frames) / setting.fps
    start = times[context - 1]
    poses = film_poses(scene, np.where(times > start, start + speed * (times - start), times))
    return truth.then(context, refilm(scene, setting, poses, range(context, setting.frames)))


CHEATS: Mapping[str, View] = {
    "frozen": frozen,
    "postcard": postcard,
    "zoom_only": zoom_only,
    "flat": flat,
    "relief": relief,
    "inverted": inverted,
    "depth_flicker": depth_flicker,
    "melt": melt,
    "wobble": wobble,
    "half_speed": half_speed,
    "double_speed": double_speed,
    "opposite": opposite,
    "jitter": jitter,
    "elsewhere": elsewhere,
    "reset": reset,
    "reversed": reversed_time,
    "stutter": stutter,
    "mirrored": mirrored,
    "shuffled": shuffled,
    "blank": blank,
    "noise": noise,
}

DAMAGES: Mapping[str, tuple[View, str, float, float, float, float, float]] = {
    "relief": (relief, "of the parallax lost", 0.1, 0.25, 0.5, 0.75, 1.0),
    "flicker": (depth_flicker, "of the parallax", 0.1, 0.2, 0.4, 0.7, 1.0),
    "melt": (melt, "times 8 % of the height", 0.1, 0.2, 0.4, 0.7, 1.0),
    "slow": (half_speed, "halves of the speed lost", 0.05, 0.1, 0.2, 0.5, 1.0),
    "shake": (jitter, "times 4 degrees and 5 % of the depth", 0.05, 0.1, 0.2, 0.5, 1.0),
}
"""Kinds of damage: what is done, its unit, and five strengths above none."""
