"""Where the points of a still world are in a generated video, and where its camera is, without SLAM.

The world is known, so a patch is never looked for as it was, but as it must look now: the scene is filmed
again at the camera of the generated frame, and each surface point is sought as its patch of that picture
(normalised cross-correlation, sub-pixel). The camera comes from the points themselves: PnP with
USAC_MAGSAC (Barath et al., MAGSAC++, CVPR 2020) and a robust refinement, twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np

from simbench.case import Setting
from simbench.errors import UserError
from simbench.instruments import pose
from simbench.instruments.patches import (
    HALF,
    LEAST_POINTS,
    LEAST_SHARE,
    Look,
    agreement,
    as_soft_as,
    at,
    framing,
    looks,
    match,
    own_colour,
    soften,
)
from simbench.metrics.reprojection import project, to_camera
from simbench.worlds.scene import Scene

SAMPLES = 2


ALIKE = 0.6
"""Least normalised cross-correlation of a found patch."""


REMEMBERED = 512
"""Pictures whose reading a finder keeps."""

LEAST_AGREEMENT = 0.35
"""Least correlation of a whole picture's details with what a camera other than the commanded one shows."""

SURE = 0.8
"""Share of agreeing points with which no other camera is tried."""

TEXTURE = 15.0
"""Least eigenvalue of the structure tensor (5 x 5, Sobel) at a point; noise of sd 8 gives 5 at the most."""

RIM = 0.03
"""Second difference of inverse depth, as a share of it, from which a surface is thought to end."""

NEAR_PX = 8.0
FAR_PX = 16.0
"""How far from where it is expected a point is sought, px of an image 128 px high."""


@dataclass(frozen=True)
class Filmed:
    """A scene from T cameras: `looks` [T], `poses` float64 [T, 4, 4] world to camera,
    `uv` float64 [T, N, 2] px (pixel centres at +0.5), `depth` float64 [T, N] m, `seen` bool [T, N]: the point
    is in view, not hidden, and its patch lies inside the image."""

    looks: tuple[Look, ...]
    poses: np.ndarray
    uv: np.ndarray
    depth: np.ndarray
    seen: np.ndarray


@dataclass(frozen=True)
class Found:
    """What a video shows of the points. `poses` float64 [T, 4, 4] of its camera, `registered` bool [T],
    `uv` float64 [T, N, 2] px, `found` bool [T, N], `share` float64 [T] of the points in view at that camera
    that agree with it. What is not registered or found holds NaN."""

    poses: np.ndarray
    registered: np.ndarray
    uv: np.ndarray
    found: np.ndarray
    share: np.ndarray


def intrinsics(scene: Scene, setting: Setting) -> np.ndarray:
    """Pinhole matrix float64 [3, 3], px."""
    focal = setting.height / (2.0 * np.tan(np.radians(scene.camera.fov) / 2))
    return np.array([[focal, 0.0, setting.width / 2], [0.0, focal, setting.height / 2], [0.0, 0.0, 1.0]])


def film(scene: Scene, setting: Setting, points: np.ndarray, poses: np.ndarray) -> Filmed:
    """`scene` from `poses` [T, 4, 4], and where its `points` [N, 3] (world, m) are seen. Nothing may move."""
    from simbench.worlds.compile import compile_scene
    from simbench.worlds.render import render, trace

    clip = compile_scene(scene, len(poses), setting.fps, poses)
    rgb = render(clip, setting.width, setting.height, SAMPLES, truth=False).rgb
    camera = intrinsics(scene, setting)
    uv = project(points, poses, np.tile(camera, (len(poses), 1, 1)))
    depth = to_camera(points, poses)[..., 2]
    rays = np.nan_to_num((uv - camera[:2, 2]) / np.array([camera[0, 0], camera[1, 1]])).astype(np.float32)
    met, _ = trace(clip, rays)
    low, high = HALF + 0.5, np.array([setting.width, setting.height]) - HALF - 0.5
    inside = np.nan_to_num((uv >= low) & (uv <= high)).all(axis=-1)
    seen = inside & (depth > 1e-6) & (np.abs(met - depth) <= 1e-3 + 4e-3 * depth)
    return Filmed(looks(rgb), poses, uv, depth, seen)


def rims(depth: np.ndarray) -> np.ndarray:
    """bool [H, W]: pixels whose patch meets the sky or a rim, where one surface ends before another, so that
    what is beside a point may change. On a plane inverse depth is linear in the image; it bends at a rim."""
    import cv2

    near = np.where(depth > 0, 1.0 / np.maximum(depth, 1e-6), 0.0)
    bends = np.zeros_like(near)
    for kernel in (np.array([[1.0, -2.0, 1.0]]), np.array([[1.0], [-2.0], [1.0]])):
        bends = np.maximum(bends, np.abs(cv2.filter2D(near, -1, kernel, borderType=cv2.BORDER_REPLICATE)))
    rim = (depth <= 0) | (bends > RIM * near)
    return cv2.dilate(rim.astype(np.uint8), np.ones((2 * HALF + 1, 2 * HALF + 1), np.uint8)) > 0


def surface_points(
    scene: Scene, setting: Setting, pose: np.ndarray, count: int = 160, near_rims: bool = False
) -> np.ndarray:
    """World points [N, 3], N <= `count`, on the surfaces that `pose` [4, 4] sees: the best corner (least
    eigenvalue of the structure tensor, Shi and Tomasi 1994) of each cell of a grid over the image.

    A camera that only turns hides nothing, so that points `near_rims` serve, too."""
    import cv2

    from simbench.worlds.compile import compile_scene
    from simbench.worlds.render import render

    drawn = render(compile_scene(scene, 1, setting.fps, pose[None]), setting.width, setting.height, SAMPLES)
    corners = cv2.cornerMinEigenVal(soften(drawn.rgb)[0], 5)
    depth = drawn.depth[0].astype(np.float64)
    corners[(depth <= 0) if near_rims else rims(depth)] = 0.0
    edge = HALF + 1
    corners[:edge], corners[-edge:], corners[:, :edge], corners[:, -edge:] = 0.0, 0.0, 0.0, 0.0
    cell = max(3, int(np.sqrt(setting.width * setting.height / count)))
    spots = []
    for top in range(0, setting.height, cell):
        for left in range(0, setting.width, cell):
            part = corners[top : top + cell, left : left + cell]
            y, x = np.unravel_index(part.argmax(), part.shape)
            if part[y, x] > TEXTURE:
                spots.append((float(part[y, x]), left + x, top + y))
    spots = sorted(spots, reverse=True)[:count]
    if not spots:
        return np.zeros((0, 3))
    x, y = np.array([s[1] for s in spots]), np.array([s[2] for s in spots])
    camera = intrinsics(scene, setting)
    z = depth[y, x]
    local = np.stack(
        [(x + 0.5 - camera[0, 2]) / camera[0, 0] * z, (y + 0.5 - camera[1, 2]) / camera[1, 1] * z, z], -1
    )
    return (local - pose[:3, 3]) @ pose[:3, :3]


@dataclass(frozen=True)
class Sight:
    """One picture: its camera `pose` [4, 4], `which` points are found [M] at `uv` [M, 2] px, the `share` of
    those expected that agree with the camera, and how far they `moved` (median, px of an image 128 px high)
    from where they were expected."""

    pose: np.ndarray
    which: np.ndarray
    uv: np.ndarray
    share: float
    moved: float


def better(first: Sight | None, second: Sight | None) -> Sight | None:
    """The one on whose camera the larger share of points agrees."""
    if first is None or second is None:
        return second if first is None else first
    return second if second.share > first.share else first


@dataclass(frozen=True)
class Finder:
    """Finds `points` [N, 3] of a still `scene` in videos that should show it from `poses` [T, 4, 4].

    `truth` is what the commanded camera sees; `others` [M, 4, 4] are cameras at which a lost frame is looked
    for besides: where a video that froze, turned back or started again would be.
    """

    scene: Scene
    setting: Setting
    points: np.ndarray
    truth: Filmed
    others: Filmed
    known: dict[bytes, Sight | None] = field(default_factory=dict, repr=False, compare=False)
    """Pictures read before: most videos of one case begin alike, and cheats share all but a few frames."""

    @property
    def camera(self) -> np.ndarray:
        """Intrinsics [3, 3], px."""
        return intrinsics(self.scene, self.setting)

    @property
    def scale(self) -> float:
        """Pixels of this image for one of an image 128 px high."""
        return self.setting.height / 128.0

    def follow(self, frames: np.ndarray) -> Found:
        """Find camera and points in every frame of `frames` uint8 [T, H, W, 3]."""
        made = looks(self.reframed(frames))
        count, total = len(made), len(self.points)
        out = Found(
            poses=np.full((count, 4, 4), np.nan),
            registered=np.zeros(count, bool),
            uv=np.full((count, total, 2), np.nan),
            found=np.zeros((count, total), bool),
            share=np.zeros(count),
        )
        sight: Sight | None = None
        for t, look in enumerate(made):
            still = t > 0 and sight is not None and np.array_equal(look.colour, made[t - 1].colour)
            sight = sight if still else self._remembered(t, look, None if sight is None else sight.pose)
            if sight is not None:
                out.poses[t], out.share[t], out.registered[t] = sight.pose, sight.share, True
                out.uv[t, sight.which], out.found[t, sight.which] = sight.uv, True
        return out

    def reframed(self, frames: np.ndarray) -> np.ndarray:
        """The video as it would be if its given frames lay on those that were given: another framing of the
        same picture (zoom and shift) is not another world."""
        import cv2

        made, truth = soften(frames[: self.setting.context]), self.truth
        pairs = [np.zeros((0, 4))]
        for t, grey in enumerate(made):
            uv = truth.uv[t, truth.seen[t]]
            spot, alike = match(truth.looks[t].grey, grey, uv, max(3, round(NEAR_PX * self.scale)))
            pairs.append(np.concatenate([uv, spot], axis=1)[alike >= ALIKE])
        ways = framing(np.concatenate(pairs), self.setting.width, self.setting.height)
        if ways is None:
            return frames
        size, flags = (self.setting.width, self.setting.height), cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        return np.stack(
            [cv2.warpAffine(f, ways, size, flags=flags, borderMode=cv2.BORDER_REPLICATE) for f in frames]
        )

    def _remembered(self, t: int, look: Look, before: np.ndarray | None) -> Sight | None:
        """`_sight`, of an equal picture in an equal place only once."""
        parts = (look.grey, look.colour, np.zeros(0) if before is None else before, np.array(t))
        key = sha256(b"".join(part.tobytes() for part in parts)).digest()
        if key not in self.known:
            if len(self.known) >= REMEMBERED:
                self.known.clear()
            self.known[key] = self._sight(t, look, before)
        return self.known[key]

    def _sight(self, t: int, look: Look, before: np.ndarray | None) -> Sight | None:
        """What one picture shows: sought from the commanded camera, the one before, and the others; then
        filmed again from where it is and sought once more."""
        own = self._from(self.truth, t, look, NEAR_PX)
        best = own
        if before is not None and (best is None or best.share < SURE):
            filmed = self._film(before)
            best = better(best, None if filmed is None else self._from(filmed, 0, look, NEAR_PX))
        for k in range(len(self.others.poses)):
            if best is None or best.share < LEAST_SHARE:
                best = better(best, self._from(self.others, k, look, FAR_PX))
        if best is not None and (best is not own or best.moved > 0.3):
            best = self._again(t, look, best, own)
        return None if best is None or best.share < LEAST_SHARE else best

    def _again(self, t: int, look: Look, best: Sight, own: Sight | None) -> Sight | None:
        """`best`, from the scene filmed at its camera. Bricks and checkers look alike from many places: what
        was not found from the commanded camera (`own`) must also agree as a whole, and better than with what
        that camera shows."""
        filmed = self._film(best.pose)
        if filmed is None:
            return own
        grey = filmed.looks[0].grey
        if best is not own and agreement(grey, look.grey) < max(
            LEAST_AGREEMENT, agreement(self.truth.looks[t].grey, look.grey)
        ):
            return own
        return self._from(filmed, 0, look, NEAR_PX)

    def _film(self, camera: np.ndarray) -> Filmed | None:
        """The scene from one camera [4, 4]; None where it cannot be filmed from, such as inside a wall."""
        try:
            return film(self.scene, self.setting, self.points, camera[None])
        except UserError:
            return None

    def _from(self, filmed: Filmed, t: int, look: Look, radius: float) -> Sight | None:
        """Points and camera of a picture that looks as frame `t` of `filmed` does, but for some motion."""
        seen = np.flatnonzero(filmed.seen[t])[:: 3 if radius > NEAR_PX else 1]
        if len(seen) < LEAST_POINTS:
            return None
        wanted = as_soft_as(filmed.looks[t].grey, look.grey)
        uv, alike = match(wanted, look.grey, filmed.uv[t, seen], max(3, round(radius * self.scale)))
        keep = alike >= ALIKE
        if keep.sum() < LEAST_SHARE * len(seen):
            return None
        which, spot = seen[keep], uv[keep]
        solved = pose.solve(
            self.points[which], spot, self.camera, filmed.poses[t], pose.REACH_PX * self.scale
        )
        if solved is None or solved[1].sum() < LEAST_POINTS:
            return None
        moved = np.median(np.hypot(*(spot - filmed.uv[t, which])[solved[1]].T)) / self.scale
        own = own_colour(at(look.colour, spot), at(filmed.looks[t].colour, filmed.uv[t, which]), spot)
        share = float((solved[1] & own).sum() / len(seen))
        return Sight(solved[0], which[own], spot[own], share, float(moved))


def finder(scene: Scene, setting: Setting, points: np.ndarray, others: Sequence[int] = (0,)) -> Finder:
    """A finder for `scene` at its own camera; lost frames are also looked for at the cameras of `others`."""
    from simbench.worlds.compile import compile_scene
    from simbench.worlds.truth import poses

    own = poses(compile_scene(scene, setting.frames, setting.fps))
    truth = film(scene, setting, points, own)
    chosen = list(others)
    part = Filmed(
        tuple(truth.looks[t] for t in chosen),
        *(getattr(truth, name)[chosen] for name in ("poses", "uv", "depth", "seen")),
    )
    return Finder(scene, setting, points, truth, part)
