"""Two pictures of an unknown world: is there one rigid world and one camera's way that explain both?

The fundamental matrix (or, with intrinsics, the essential one) comes from USAC_MAGSAC (Barath et al.,
CVPR 2020) and a refinement of Sampson's error with all parameters free and no more (rank 2 kept). It means
something only where the pictures hold a baseline and depth, so a homography is fitted beside it, and what
it leaves over must agree with the epipolar lines more often than lines of random direction would.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from simbench.instruments import epipolar_fit as fit
from simbench.instruments.matching import Features, Matches, match
from simbench.metrics.epipolar import sampson_squared, sqrt_median, symmetric_epipolar_squared
from simbench.metrics.reprojection import reprojection_error, triangulate

THRESHOLD_PX = 1.0
"""Sampson distance up to which a match agrees, px."""

STILL_PX = 0.5
"""Median motion below which nothing moved: any epipolar geometry fits then."""

LEAST_MATCHES = 16
LEAST_AGREEING = 0.3
"""Share of matches that must agree; fewer, and no one motion explains the pictures."""

LEAST_OFF = 8
SIGMAS = 4.0
"""Matches off the homography that must agree with the lines beyond what chance gives, in number and in
standard deviations of chance."""

TURN_SHARE = 0.9
"""Share of a homography's matches that a camera which only turns must explain to be called so."""


@dataclass(frozen=True)
class TwoView:
    """What two pictures say of each other. `kind` is

    - parallax: one rigid world from two places; everything below holds;
    - turn: a camera that only turned (told apart from flat only with intrinsics);
    - flat: a homography explains it: a flat picture, a camera that only turned, or too short a way;
    - still: nothing moved;
    - lost: too few matches, or too few that agree.

    `reason` says why in one line, empty for parallax. `matches` [N]; `f` [3, 3] px, None where none was
    found; `agrees` bool [N] with it; `homography` [3, 3] px; `off_px` [N], distance to where the homography
    puts each match, infinite without one; `off` how many matches off the homography agree with `f`, and
    `chance` how many of them would at random. With intrinsics and parallax: `pose` [4, 4] first camera to
    second, the baseline of length 1, `points` [N, 3] in baselines in the first camera's frame (NaN where
    not triangulated) and `reproj_px` [N].
    """

    kind: str
    reason: str
    matches: Matches
    f: np.ndarray | None
    agrees: np.ndarray
    homography: np.ndarray | None
    off_px: np.ndarray
    off: int
    chance: float
    pose: np.ndarray | None = None
    points: np.ndarray | None = None
    reproj_px: np.ndarray | None = None

    @property
    def moved_px(self) -> float:
        """Median motion of the matches, px; NaN without one."""
        return float(np.median(self.matches.moved())) if len(self.agrees) else float("nan")

    @property
    def kept(self) -> float:
        """Share of the matches that agree with `f`: 1 is best, and what a frozen video has."""
        return float(self.agrees.mean()) if len(self.agrees) else 0.0

    def sampson_px(self, kept: bool = True) -> float:
        """Root of the median squared Sampson distance of the agreeing matches, or of all, px; NaN without
        `f`."""
        return self._median(sampson_squared, kept)

    def symmetric_px(self, kept: bool = True) -> float:
        """The same of the sum of both squared distances to the epipolar lines: about twice Sampson's, px."""
        return self._median(symmetric_epipolar_squared, kept)

    def _median(self, error: fit.Error, kept: bool) -> float:
        if self.f is None:
            return float("nan")
        squared = error(self.f, self.matches.first, self.matches.second)
        return sqrt_median(squared[self.agrees] if kept else squared)


def two_view(
    first: Features,
    second: Features,
    cameras: tuple[np.ndarray, np.ndarray] | None = None,
    threshold: float = THRESHOLD_PX,
) -> TwoView:
    """Register two pictures by their features. `cameras` are both intrinsics [3, 3], px, if known."""
    if min(len(first.uv), len(second.uv)) < LEAST_MATCHES:
        which = "first" if len(first.uv) < len(second.uv) else "second"
        count = min(len(first.uv), len(second.uv))
        empty = Matches(np.zeros((0, 2)), np.zeros((0, 2)))
        return _lost(empty, f"{count} features in the {which} picture: black, plain or blurred")
    return register(match(first, second), cameras, threshold)


def register(
    matches: Matches, cameras: tuple[np.ndarray, np.ndarray] | None = None, threshold: float = THRESHOLD_PX
) -> TwoView:
    """Register two pictures by given matches; see `two_view`."""
    a, b = matches.first, matches.second
    if len(a) < LEAST_MATCHES:
        return _lost(matches, f"{len(a)} matches, not {LEAST_MATCHES}: the pictures have little in common")
    plane = fit.homography(a, b, threshold)
    off_px = fit.homography_error(plane, a, b)
    moved = float(np.median(matches.moved()))
    if moved < STILL_PX:
        f = fit.refined_fundamental(a, b, threshold)
        reason = f"nothing moved ({moved:.2f} px): any epipolar geometry fits"
        return _result("still", reason, matches, f, plane, off_px, threshold)
    f, pose = fit.refined_fundamental(a, b, threshold), None
    if cameras is not None:
        pose = fit.refined_pose(a, b, cameras, threshold, f)
        f = None if pose is None else fit.fundamental_of(pose, cameras)
    found = _result("parallax", "", matches, f, plane, off_px, threshold)
    if off_px.size and (off_px < 2 * threshold).mean() >= LEAST_AGREEING and not _beyond_chance(found):
        return _flat(found, cameras, threshold)
    if f is None:
        return _lost(matches, "no epipolar geometry was found", plane, off_px)
    if found.kept < LEAST_AGREEING:
        why = f"{100 * found.kept:.0f} % of {len(a)} matches agree: no one camera's way explains the pictures"
        return _lost(matches, why, plane, off_px, f, found.agrees)
    return found if cameras is None or pose is None else _solid(found, pose, cameras)


def _lost(
    matches: Matches,
    reason: str,
    plane: np.ndarray | None = None,
    off_px: np.ndarray | None = None,
    f: np.ndarray | None = None,
    agrees: np.ndarray | None = None,
) -> TwoView:
    count = len(matches.first)
    off = np.full(count, np.inf) if off_px is None else off_px
    agreeing = np.zeros(count, bool) if agrees is None else agrees
    return TwoView("lost", reason, matches, f, agreeing, plane, off, 0, 0.0)


def _result(
    kind: str,
    reason: str,
    matches: Matches,
    f: np.ndarray | None,
    plane: np.ndarray | None,
    off_px: np.ndarray,
    threshold: float,
) -> TwoView:
    """Count what agrees, and what of it the homography does not explain."""
    agrees = np.zeros(len(off_px), bool)
    if f is not None:
        agrees = fit.sampson_or_far(f, matches.first, matches.second) < threshold
    far = off_px > 2 * threshold
    # A line of random direction through where the homography puts a point passes its match within the
    # threshold with this probability.
    odds = 2.0 / np.pi * np.arcsin(np.minimum(threshold / np.maximum(off_px[far], threshold), 1.0))
    return TwoView(
        kind, reason, matches, f, agrees, plane, off_px, int((far & agrees).sum()), float(odds.sum())
    )


def _beyond_chance(found: TwoView) -> bool:
    """Whether matches off the homography agree with the epipolar lines more often than chance has it."""
    return found.off - found.chance > max(LEAST_OFF, SIGMAS * np.sqrt(found.chance))


def _flat(found: TwoView, cameras: tuple[np.ndarray, np.ndarray] | None, threshold: float) -> TwoView:
    """`found` as what a homography explains; with intrinsics, a turn of the camera if that is enough."""
    on = found.off_px < 2 * threshold
    what = f"a homography explains {100 * on.mean():.0f} % of the matches, no lines the rest"
    kind, reason = "flat", f"{what}: a flat picture, a camera that only turns, or too short a way"
    if cameras is not None:
        a, b = found.matches.first[on], found.matches.second[on]
        turned = fit.turn_error(a, b, cameras) < 2 * threshold
        kind = "turn" if turned.mean() >= TURN_SHARE else "flat"
        why = "a turn of the camera is enough" if kind == "turn" else "a flat picture, or too short a way"
        reason = f"{what}: {why}"
    return dataclasses.replace(found, kind=kind, reason=reason)


def _solid(found: TwoView, pose: np.ndarray, cameras: tuple[np.ndarray, np.ndarray]) -> TwoView:
    """`found` with its points triangulated from both places."""
    uv = np.stack([found.matches.first, found.matches.second])
    poses, k = np.stack([np.eye(4), pose]), np.stack(cameras)
    seen = np.broadcast_to(found.agrees, uv.shape[:2])
    points = triangulate(uv, seen, poses, k)
    error = reprojection_error(points, uv, poses, k)
    return dataclasses.replace(found, pose=pose, points=points, reproj_px=error.max(axis=0))
