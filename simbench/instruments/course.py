"""Where the camera of a generated video went, against where it was told to go: error, amplitude, likeness.

An error is sqrt((theta / theta_max)^2 + (d / l_max)^2), the angle and the distance between the made and the
commanded camera in units of the largest excursion of the whole commanded path (not of its end, so that a path
that returns has one, too). Cameras come from known points of the world by PnP, in metres: nothing is aligned
or scaled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simbench.instruments.points import Found
from simbench.metrics.rotations import rotation_angles
from simbench.metrics.trajectory import (
    excursion_error,
    excursions,
    eyes,
    gain,
    motion_gain,
    path_correlation,
)

MOST = 2.0
"""Largest error of a frame, in excursions: as far off as the opposite end. What is farther is as wrong."""


@dataclass(frozen=True)
class Course:
    """A commanded path: `poses` [T, 4, 4] world to camera, `depth` (m) of the scene, and how many frames are
    `given`."""

    poses: np.ndarray
    depth: float
    given: int

    def held(self) -> np.ndarray:
        """Error [T] of a camera that stands still from the last given frame on, what zero is made of."""
        still = np.repeat(self.poses[self.given - 1 : self.given], len(self.poses), axis=0)
        return excursion_error(still, self.poses, self.depth)

    def errors(self, found: Found) -> np.ndarray:
        """Error [T] of each frame. One in which no camera is found costs what standing still costs there, or
        on average if that is more."""
        off = np.minimum(excursion_error(found.poses, self.poses, self.depth), MOST)
        held = self.held()
        return np.where(found.registered, off, np.maximum(held, held[self.given :].mean()))

    def place(self, found: Found) -> float:
        """1 less the mean error of the frames that are not given, over that of standing still."""
        k = self.given
        return 1.0 - float(self.errors(found)[k:].mean() / self.held()[k:].mean())

    def motion(self, found: Found) -> float:
        """How much of the commanded motion is there, about the mean: standing still is 0 wherever it is."""
        return motion_gain(found.poses[self.given :], self.poses[self.given :], self.depth)


def measures(course: Course, found: Found) -> dict[str, float]:
    """Raw measures of the frames that are not given.

    `course` is the smaller of `place` and `motion`: to be right a camera must be where it was told to be and
    move as it was told to, and one that stands in the middle of its way does not move. `registered` is the
    share of frames whose camera is found; of those: `gain` of the amplitude from the start (1 is right),
    `likeness` of the path whatever its amplitude (-1 to 1), `turn_error` (degrees), `way_error` (of the
    largest excursion), `drift` (error of the last less error of the first). What is undefined is left out.
    """
    k = course.given
    errors = course.errors(found)
    seen = np.flatnonzero(found.registered[k:]) + k
    out = {
        "place": course.place(found),
        "motion": course.motion(found),
        "registered": len(seen) / (len(course.poses) - k),
    }
    out["course"] = min(out["place"], out["motion"])
    if len(seen):
        made, true = found.poses[seen], course.poses[seen]
        turn = rotation_angles(made[:, :3, :3] @ np.swapaxes(true[:, :3, :3], 1, 2))
        way = np.linalg.norm(eyes(made) - eyes(true), axis=1)
        out["turn_error"] = float(turn.mean())
        out["way_error"] = float(way.mean() / excursions(course.poses, course.depth)[1])
        out["drift"] = float(errors[seen[-1]] - errors[seen[0]])
        home = course.poses[:1]
        went, should = (np.concatenate([home, part]) for part in (made, true))
        out["gain"] = gain(went, should, course.depth)
        out["likeness"] = path_correlation(went, should, course.depth)
    return {name: float(value) for name, value in out.items() if np.isfinite(value)}
