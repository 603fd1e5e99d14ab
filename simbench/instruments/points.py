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

from simbench.arrays import channel_mean
from simbench.case import Setting
from simbench.errors import UserError
from simbench.instruments import pose
from simbench.worlds.scene import Scene

SAMPLES = 2
SOFT_PX = 0.8
"""Blur (sd) of both pictures before they are compared: what finer detail says is aliasing and noise."""

SOFTER_PX = (0.6, 0.9, 1.2, 1.6, 2.0, 2.5)
"""Further blur (sd) that a generated picture may have."""

HALF = 5
"""Half side of a patch: 11 x 11 pixels."""

ALIKE = 0.6
"""Least normalised cross-correlation of a found patch."""

LEAST_POINTS = 12
LEAST_SHARE = 0.5
"""A frame is registered by at least so many points and at least this share of those that should be seen."""

REMEMBERED = 512
"""Pictures whose reading a finder keeps."""

SURE = 0.8
"""Share of agreeing points with which no other camera is tried."""

NEAR_PX = 8.0
FAR_PX = 16.0
"""How far from where it is expected a point is sought, px of an image 128 px high."""


@dataclass(frozen=True)
class Filmed:
    """A scene from T cameras: `grey` float32 [T, H, W] softened, `poses` float64 [T, 4, 4] world to camera,
    `uv` float64 [T, N, 2] px (pixel centres at +0.5), `depth` float64 [T, N] m, `seen` bool [T, N]: the point
    is in view, not hidden, and its patch lies inside the image."""

    grey: np.ndarray
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


def project(points: np.ndarray, poses: np.ndarray, camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels [T, N, 2] and depths [T, N] (m) of world points [N, 3]; NaN pixels behind the eye."""
    local = np.einsum("tij,nj->tni", poses[:, :3, :3], points) + poses[:, None, :3, 3]
    depth = local[..., 2]
    ahead = np.where(depth > 1e-6, depth, np.nan)
    focal = np.array([camera[0, 0], camera[1, 1]])
    return local[..., :2] / ahead[..., None] * focal + camera[:2, 2], depth


def soften(frames: np.ndarray) -> np.ndarray:
    """Grey float32 [T, H, W] of frames [T, H, W, 3], blurred by SOFT_PX."""
    import cv2

    grey = channel_mean(frames.astype(np.float32))
    return np.stack([cv2.GaussianBlur(g, (0, 0), SOFT_PX, borderType=cv2.BORDER_REPLICATE) for g in grey])


def as_soft_as(rendered: np.ndarray, made: np.ndarray) -> np.ndarray:
    """`rendered` [H, W], blurred until its edges are as soft as those of `made`: a generated picture may lack
    detail, and a sharp patch lies off centre on a soft one."""
    import cv2

    wanted, best, nearest = sharpness(made), rendered, np.inf
    for sd in (0.0, *SOFTER_PX):
        tried = (
            rendered if sd == 0 else cv2.GaussianBlur(rendered, (0, 0), sd, borderType=cv2.BORDER_REPLICATE)
        )
        off = abs(np.log(sharpness(tried) / wanted))
        if off >= nearest:
            break
        best, nearest = tried, off
    return best


def sharpness(grey: np.ndarray) -> float:
    """Energy of the differences between neighbours over the variance of [H, W]; contrast changes nothing."""
    change = np.square(np.diff(grey, axis=0)).mean() + np.square(np.diff(grey, axis=1)).mean()
    return float(change + 1e-9) / float(grey.var() + 1e-6)


def film(scene: Scene, setting: Setting, points: np.ndarray, poses: np.ndarray) -> Filmed:
    """`scene` from `poses` [T, 4, 4], and where its `points` [N, 3] (world, m) are seen. Nothing may move."""
    from simbench.worlds.compile import compile_scene
    from simbench.worlds.render import render, trace

    clip = compile_scene(scene, len(poses), setting.fps, poses)
    rgb = render(clip, setting.width, setting.height, SAMPLES, truth=False).rgb
    camera = intrinsics(scene, setting)
    uv, depth = project(points, poses, camera)
    rays = np.nan_to_num((uv - camera[:2, 2]) / np.array([camera[0, 0], camera[1, 1]])).astype(np.float32)
    met, _ = trace(clip, rays)
    low, high = HALF + 0.5, np.array([setting.width, setting.height]) - HALF - 0.5
    inside = np.nan_to_num((uv >= low) & (uv <= high)).all(axis=-1)
    seen = inside & (depth > 1e-6) & (np.abs(met - depth) <= 1e-3 + 4e-3 * depth)
    return Filmed(soften(rgb), poses, uv, depth, seen)


def surface_points(scene: Scene, setting: Setting, pose: np.ndarray, count: int = 160) -> np.ndarray:
    """World points [N, 3], N <= `count`, on the surfaces that `pose` [4, 4] sees: the best corner (least
    eigenvalue of the structure tensor, Shi and Tomasi 1994) of each cell of a grid over the image."""
    import cv2

    from simbench.worlds.compile import compile_scene
    from simbench.worlds.render import render

    drawn = render(compile_scene(scene, 1, setting.fps, pose[None]), setting.width, setting.height, SAMPLES)
    corners = cv2.cornerMinEigenVal(soften(drawn.rgb)[0], 5)
    depth = drawn.depth[0].astype(np.float64)
    corners[(depth <= 0)] = 0.0
    edge = HALF + 1
    corners[:edge], corners[-edge:], corners[:, :edge], corners[:, -edge:] = 0.0, 0.0, 0.0, 0.0
    cell = max(3, int(np.sqrt(setting.width * setting.height / count)))
    spots = []
    for top in range(0, setting.height, cell):
        for left in range(0, setting.width, cell):
            part = corners[top : top + cell, left : left + cell]
            y, x = np.unravel_index(part.argmax(), part.shape)
            if part[y, x] > 1.0:
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


def match(
    rendered: np.ndarray, made: np.ndarray, uv: np.ndarray, radius: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels [M, 2] and correlations [M] in `made` of the patches of `rendered` (both [H, W]) at `uv` [M, 2].

    Sought within `radius` px. Among equal peaks, as in a checker, the nearest is taken.
    """
    import cv2

    edge, side = radius + HALF, 2 * radius + 1
    padded = cv2.copyMakeBorder(made, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
    alike = np.zeros((len(uv), side, side), np.float32)
    for i, (x, y) in enumerate(np.floor(uv).astype(int).tolist()):
        patch = rendered[y - HALF : y + HALF + 1, x - HALF : x + HALF + 1]
        window = padded[y : y + 2 * edge + 1, x : x + 2 * edge + 1]
        cv2.matchTemplate(window, patch, cv2.TM_CCOEFF_NORMED, alike[i])
    alike = np.where(np.isfinite(alike) & (np.abs(alike) <= 1.001), alike, 0.0)
    offsets = np.arange(-radius, radius + 1)
    far = 0.03 * (offsets[:, None] ** 2 + offsets[None, :] ** 2) / radius**2
    best = (alike - far).reshape(len(uv), -1).argmax(axis=1)
    row, column = best // side, best % side
    each = np.arange(len(uv))
    rise = np.pad(alike, ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = rise[each[:, None], row[:, None] + 1, column[:, None] + np.arange(3)]
    above = rise[each[:, None], row[:, None] + np.arange(3), column[:, None] + 1]
    shift = np.stack([column - radius + _top(around), row - radius + _top(above)], axis=-1)
    return uv + shift, alike[each, row, column]


def _top(values: np.ndarray) -> np.ndarray:
    """Where a parabola through three values [M, 3] around a peak is highest, in [-0.5, 0.5]."""
    left, middle, right = values.astype(np.float64).T
    bend = left - 2 * middle + right
    return np.clip(np.where(bend < -1e-9, 0.5 * (left - right) / np.minimum(bend, -1e-9), 0.0), -0.5, 0.5)


def framing(pairs: np.ndarray, width: int, height: int) -> np.ndarray | None:
    """The similarity [2, 3] (pixel centres at integers) that takes the points of a picture to where another
    framing shows them: `pairs` [M, 4] px, pixel centres at +0.5. None: less than 0.15 px, more than 8 % of
    the width, or no agreement."""
    import cv2

    if len(pairs) < LEAST_POINTS:
        return None
    source, target = np.split(pairs.astype(np.float32), 2, axis=1)
    ways, agree = cv2.estimateAffinePartial2D(
        source.copy(), target.copy(), method=cv2.RANSAC, ransacReprojThreshold=height / 128.0
    )
    if ways is None or agree.mean() < LEAST_SHARE:
        return None
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]])
    moved = np.hypot(*(corners @ ways.T - corners[:, :2]).T).mean()
    if not 0.15 < moved < 0.08 * width:
        return None
    centred = 0.5 * (ways[:, 0] + ways[:, 1]) - 0.5
    return np.column_stack([ways[:, :2], ways[:, 2] + centred])


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
        made = soften(self.reframed(frames))
        count, total = len(made), len(self.points)
        out = Found(
            poses=np.full((count, 4, 4), np.nan),
            registered=np.zeros(count, bool),
            uv=np.full((count, total, 2), np.nan),
            found=np.zeros((count, total), bool),
            share=np.zeros(count),
        )
        sight: Sight | None = None
        for t, grey in enumerate(made):
            still = t > 0 and sight is not None and np.array_equal(grey, made[t - 1])
            sight = sight if still else self._remembered(t, grey, None if sight is None else sight.pose)
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
            spot, alike = match(truth.grey[t], grey, uv, max(3, round(NEAR_PX * self.scale)))
            pairs.append(np.concatenate([uv, spot], axis=1)[alike >= ALIKE])
        ways = framing(np.concatenate(pairs), self.setting.width, self.setting.height)
        if ways is None:
            return frames
        size, flags = (self.setting.width, self.setting.height), cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        return np.stack(
            [cv2.warpAffine(f, ways, size, flags=flags, borderMode=cv2.BORDER_REPLICATE) for f in frames]
        )

    def _remembered(self, t: int, grey: np.ndarray, before: np.ndarray | None) -> Sight | None:
        """`_sight`, of an equal picture in an equal place only once."""
        key = sha256(
            grey.tobytes() + (b"" if before is None else before.tobytes()) + bytes([t % 256])
        ).digest()
        if key not in self.known:
            if len(self.known) >= REMEMBERED:
                self.known.clear()
            self.known[key] = self._sight(t, grey, before)
        return self.known[key]

    def _sight(self, t: int, grey: np.ndarray, before: np.ndarray | None) -> Sight | None:
        """What one picture shows: sought from the commanded camera, the one before, and the others; then
        filmed again from where it is and sought once more."""
        best = self._from(self.truth, t, grey, NEAR_PX)
        if before is not None and (best is None or best.share < SURE):
            filmed = self._film(before)
            best = better(best, None if filmed is None else self._from(filmed, 0, grey, NEAR_PX))
        for k in range(len(self.others.poses)):
            if best is None or best.share < LEAST_SHARE:
                best = better(best, self._from(self.others, k, grey, FAR_PX))
        if best is not None and best.moved > 0.3:
            filmed = self._film(best.pose)
            best = None if filmed is None else self._from(filmed, 0, grey, NEAR_PX)
        return None if best is None or best.share < LEAST_SHARE else best

    def _film(self, camera: np.ndarray) -> Filmed | None:
        """The scene from one camera [4, 4]; None where it cannot be filmed from, such as inside a wall."""
        try:
            return film(self.scene, self.setting, self.points, camera[None])
        except UserError:
            return None

    def _from(self, filmed: Filmed, t: int, grey: np.ndarray, radius: float) -> Sight | None:
        """Points and camera of a picture that looks as frame `t` of `filmed` does, but for some motion."""
        seen = np.flatnonzero(filmed.seen[t])[:: 3 if radius > NEAR_PX else 1]
        if len(seen) < LEAST_POINTS:
            return None
        look = as_soft_as(filmed.grey[t], grey)
        uv, alike = match(look, grey, filmed.uv[t, seen], max(3, round(radius * self.scale)))
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
        return Sight(solved[0], which, spot, float(solved[1].sum() / len(seen)), float(moved))


def finder(scene: Scene, setting: Setting, points: np.ndarray, others: Sequence[int] = (0,)) -> Finder:
    """A finder for `scene` at its own camera; lost frames are also looked for at the cameras of `others`."""
    from simbench.worlds.compile import compile_scene
    from simbench.worlds.truth import poses

    own = poses(compile_scene(scene, setting.frames, setting.fps))
    truth = film(scene, setting, points, own)
    chosen = list(others)
    part = Filmed(*(getattr(truth, name)[chosen] for name in ("grey", "poses", "uv", "depth", "seen")))
    return Finder(scene, setting, points, truth, part)
