"""The second reader at work on one video: when and where is a re-rendered object the nearest hypothesis?"""

from __future__ import annotations

import dataclasses

import numpy as np

from simbench.instruments import hypotheses
from simbench.instruments.bench import Bench
from simbench.instruments.hypotheses import Field, Placement, Sprite
from simbench.instruments.reading import TOLERANCE_S, Reading, Window

LEFT = 0.45
"""Share of a sprite's energy that may be left around it where the nearest hypothesis says "here"."""
LIKELY, HERE = 0.3, 0.5
"""Share of a sprite's energy that it must explain to be looked at closely, and to be there."""
SOMEWHERE = 0.4
"""What it must explain to be looked at closely where any place will do."""
TWIN = 0.55
"""What a second sprite must explain of what the first leaves over to be a duplicate."""


class NearestReader:
    """Reads `video` against the hypotheses of `bench`.

    What a search needs of plate, sprite and screen is worked out once for all frames that share it, and kept
    for the life of the reader.
    """

    def __init__(self, bench: Bench, video: Reading) -> None:
        self.bench, self.video = bench, video
        self._fields: dict[tuple[int, int, bool], Field] = {}
        self._energies: dict[tuple[int, int], float] = {}
        self._ys, self._xs = np.mgrid[: bench.truth.shape[1], : bench.truth.shape[2]]

    def returns(self, frames: tuple[int, ...], index: int) -> bool:
        """Is "the same object, within one diameter of its place" nearer to the frames than its rivals?

        Place is judged frame by frame, the shape on what all frames leave over together.
        """
        own = self.bench.layout.lanes[index].shape
        need = (2 * len(frames) + 2) // 3
        fits: list[dict[str, Placement]] = []
        for done, t in enumerate(frames):
            if len(fits) + len(frames) - done < need:
                return False
            fit = self._placed(index, t)
            if fit is not None:
                fits.append(fit)
        if len(fits) < need:
            return False
        rest = {name: sum(fit[name].rest for fit in fits) for name in fits[0]}
        return rest[own] <= min(rest.values())

    def first_shown(self, window: Window, index: int) -> int:
        """First frame from hiding on in which the object is somewhere; one past the last otherwise."""
        for t in range(window.hidden[index], window.after[index][-1] + 1):
            if self.anywhere(index, t):
                return t
        return self.bench.setting.frames

    def on_time(self, window: Window, index: int) -> bool:
        """Does it change from "nowhere" to "somewhere" when it does in truth (`expect`)?"""
        if not self.bench.layout.hidden:
            return True
        slack = max(1, round(window.tolerance * self.bench.setting.fps))
        return abs(self.first_shown(window, index) - window.shown[index]) <= slack

    def anywhere(self, index: int, frame: int, beyond: float | None = None) -> bool:
        """Is "the object somewhere, behind or before the screen" nearer to the frame than "nowhere"?

        `beyond`: only places of more than so many pixels from its true one count.
        """
        view, ground, sprites, free = self._view(index, frame)
        name = self.bench.layout.lanes[index].shape
        own = {name: sprites[name]}
        if hypotheses.hopeless(view, ground, self._energy(index, frame), SOMEWHERE):
            return False
        for front in (False, True):
            seen = self._seen(frame, front)
            explained = hypotheses.search(view, ground, seen, self._field(index, frame, front)).explained
            if beyond is not None:
                explained = np.where(self._off(index, frame) > beyond, explained, -np.inf)
            row, column = np.unravel_index(int(np.argmax(explained)), explained.shape)
            if explained[row, column] > SOMEWHERE:
                spot = (seen, free, int(column), int(row), self.video.noise)
                best = hypotheses.refine(view, ground, own, *spot)[name]
                if best.explained > HERE and best.left < LEFT:
                    return True
        return False

    def _placed(self, index: int, frame: int) -> dict[str, Placement] | None:
        """Placements of the object in every shape near its place, or None where it is not there, or twice."""
        view, ground, sprites, free = self._view(index, frame)
        seen = self._seen(frame, front=False)
        own = self.bench.layout.lanes[index].shape
        if hypotheses.hopeless(view, ground, self._energy(index, frame), LIKELY):
            return None
        searched = hypotheses.search(view, ground, seen, self._field(index, frame, front=False))
        likely = self._reach(index, frame) & (searched.explained > LIKELY)
        gain = np.where(likely, np.where(likely, searched.explained, 0.0) * searched.energy, -np.inf)
        y, x = np.unravel_index(int(np.argmax(gain)), gain.shape)
        if not np.isfinite(gain[y, x]):
            return None
        spot = (seen, free, int(x), int(y), self.video.noise)
        itself = hypotheses.refine(view, ground, {own: sprites[own]}, *spot)
        if itself[own].explained <= HERE or itself[own].left >= LEFT:
            return None
        others = {name: sprite for name, sprite in sprites.items() if name != own}
        rivals = {**itself, **hypotheses.refine(view, ground, others, *spot)}
        here = rivals[own].image
        rest = np.where(free[..., None], view, here)
        if hypotheses.hopeless(rest, here, hypotheses.full_energy(sprites[own], here), TWIN):
            return rivals
        field = hypotheses.field(here, sprites[own], seen)
        twin = hypotheses.search(rest, here, seen, field).explained
        taken = np.hypot(self._xs - x, self._ys - y) <= self.bench.diameter
        return None if np.where(taken, -np.inf, twin).max() >= TWIN else rivals

    def _view(self, index: int, frame: int) -> tuple[np.ndarray, np.ndarray, dict[str, Sprite], np.ndarray]:
        """Frame, plate and sprites in one colour space, and the pixels that other objects leave free."""
        video = self.video
        free = video.valid[frame].copy()
        for other in range(len(self.bench.cover)):
            if other != index:
                free &= self.bench.cover[other, frame] < 0.02
        return video.aligned[frame], self.bench.at(video.plate, frame), video.sprites[index], free

    def _seen(self, frame: int, front: bool) -> np.ndarray:
        """Where an object would be seen behind the screen, or in front of it: everywhere."""
        behind = self.bench.at(self.bench.seen, frame)
        return np.ones_like(behind) if front else behind

    def _energy(self, index: int, frame: int) -> float:
        """The full energy of an object's own look on the plate."""
        key = (index, min(frame, len(self.video.plate) - 1))
        if key not in self._energies:
            look = self.video.sprites[index][self.bench.layout.lanes[index].shape]
            self._energies[key] = hypotheses.full_energy(look, self.bench.at(self.video.plate, frame))
        return self._energies[key]

    def _field(self, index: int, frame: int, front: bool) -> Field:
        """The search field of an object's own look, one for all frames of a still stage."""
        stages = max(len(self.video.plate), 1 if front else len(self.bench.seen))
        key = (index, min(frame, stages - 1), front)
        if key not in self._fields:
            look = self.video.sprites[index][self.bench.layout.lanes[index].shape]
            ground = self.bench.at(self.video.plate, frame)
            self._fields[key] = hypotheses.field(ground, look, self._seen(frame, front))
        return self._fields[key]

    def _off(self, index: int, frame: int) -> np.ndarray:
        """Distance [H, W] of every pixel from the object's true centre."""
        x, y = self.bench.centres[index, frame]
        return np.hypot(self._xs - x, self._ys - y)

    def _reach(self, index: int, frame: int) -> np.ndarray:
        """Pixels [H, W] within one diameter of the object's true centre, at about this time."""
        slack = max(1, round(TOLERANCE_S * self.bench.setting.fps))
        times = range(max(0, frame - slack), min(self.bench.setting.frames, frame + slack + 1))
        return np.any([self._off(index, t) <= self.bench.diameter for t in times], axis=0)


def expect(truth: NearestReader, window: Window) -> Window:
    """The window with `shown`: the frame in which the nearest hypothesis first says "there" in truth."""
    if not truth.bench.layout.hidden:
        return window
    shown = tuple(truth.first_shown(window, i) for i in range(len(truth.bench.layout.lanes)))
    return dataclasses.replace(window, shown=shown)
