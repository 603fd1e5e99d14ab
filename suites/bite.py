"""bite: what a tool takes out of a solid is gone for good, and nothing goes without contact.

A scene is four cases of one stage: the tool snaps in the solid or just short of it, and a screen or a turn of
the table hides the solid afterwards. S = min(seen, kept) - alarm: of the bites, what is missing before and
after the hiding, 1 - sum |m^ - m*| / sum |m_whole - m*|, less what the near-misses take, in the same measure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from simbench.case import Case, Condition, Setting, Truth
from simbench.errors import UserError
from simbench.instruments import bite_reader
from simbench.instruments.bite_reader import REASONS, Book, Look
from simbench.references import bite as references
from simbench.references import bite_damage, nuisance
from simbench.suite import Bound, CaseScore, Damage, Measures, Question, Reference
from simbench.video import Video
from simbench.worlds.families import bite
from simbench.worlds.families.bite import Layout
from simbench.worlds.film import render_scene
from suites.common import by_sample, scaled
from suites.naming import case_name, scene_ids, seed_of

TRIALS = tuple((way, touch) for way in bite.WAYS for touch in (True, False))
BITE_SIZE = 0.21
"""Diameter of a bite in shares of the image's shorter side."""
REGROWN = 0.02
"""Of the solid: what may come back from one frame to the next and is still the reader's."""


@dataclass(frozen=True)
class Bite:
    """The suite. `oracle` maps a setting's name to the oracle's raw measures, pinned by calibration."""

    setting: Setting = Setting(given="act")
    oracle_raw: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    name: str = "bite"
    version: int = 1
    preload: ClassVar[tuple[str, ...]] = ("simbench.warm", "suites.bite")
    columns: ClassVar[tuple[str, ...]] = ("seen", "kept", "alarm", "regrowth", "count_error", "unreadable")

    def __post_init__(self) -> None:
        s = self.setting
        if min(s.width, s.height) < 32:
            raise UserError(f"size={s.width}x{s.height} is below 32 px: a bite needs 6 px; use size=32")
        if s.given != "act":
            raise UserError(f"given={s.given} leaves the way of the tool open; use given=act")
        if s.context < 1:
            raise UserError(f"context={s.context} does not show the solid; use 1 frame or more")
        self.layout(0, True, bite.WAYS[0])

    def scenes(self, count: int, seed: str) -> Sequence[str]:
        """Ids of the first `count` scenes of a seed space."""
        return scene_ids(count, seed)

    def layout(self, seed: int, touch: bool, way: str, solid: str = "any") -> Layout:
        """One layout at this setting."""
        s = self.setting
        return bite.sample(
            seed,
            touch,
            way,
            (s.frames - 1) / s.fps,
            s.look,
            s.difficulty,
            s.width / s.height,
            solid,
            s.context,
            1.0 / s.fps,
        )

    def cases(self, scene: str) -> Sequence[Case]:
        """Bitten and missed, behind a screen and on a table that turns; solids take turns."""
        seed = seed_of(self.name, scene)
        solid = tuple(bite.SIZES)[int(scene.rsplit("-", 1)[1]) % len(bite.SIZES)]
        return [self._case(scene, seed, self.layout(seed, touch, way, solid)) for way, touch in TRIALS]

    def _case(self, scene: str, seed: int, layout: Layout) -> Case:
        s = self.setting
        trial = f"{'bitten' if layout.touch else 'missed'} {layout.way}"
        # Not the suite's own name, which would say of every file what comes of it.
        name = case_name("tool", scene, s, trial)
        truth = bite.stage(layout)
        condition = Condition(
            name=name,
            given=s.given,
            given_frames=render_scene(truth, s, range(s.context)),
            prompt=bite.prompt(layout, telling=s.prompt == "telling"),
            width=s.width,
            height=s.height,
            frames=s.frames,
            fps=s.fps,
            actions=bite.actions(layout, s.frames, s.fps),
        )
        pages = bite_reader.book(bite_reader.bare(layout), s)
        when = Frames.of(layout, s)
        empty = measure(pages, when, layout.touch, [Look(None)] * len(when.all))
        tags: dict[str, object] = {
            "trial": trial,
            "touch": layout.touch,
            "way": layout.way,
            "solid": layout.solid,
            "test_look": bite.test_only(layout),
            **{k: empty[k] for k in ("whole_seen", "whole_kept", "whole_before")},
            "bites": float(len(layout.times) if layout.touch else 0),
        }
        facts = {"layout": bite.to_facts(layout), "trial": trial}
        return Case(name, scene, seed, condition, Truth(truth, facts), tags)

    def scorer(self, case: Case) -> Callable[[Video], Measures]:
        """Draw the stage once; the result reads any number of videos of it."""
        layout = bite.from_facts(case.truth.facts["layout"])
        pages = bite_reader.book(bite_reader.bare(layout), self.setting)
        when = Frames.of(layout, self.setting)

        def score(video: Video) -> Measures:
            """Measures of one video."""
            return measure(
                pages, when, layout.touch, bite_reader.read(pages, video.frames[when.all], when.all)
            )

        return score

    def score(self, case: Case, video: Video) -> Measures:
        """Raw measures of one video of one case."""
        return self.scorer(case)(video)

    def trace(self, case: Case, video: Video) -> Mapping[str, Sequence[float | None]]:
        """Share of the judged skin left in each frame, beside the truth's; none while it is hidden."""
        layout = bite.from_facts(case.truth.facts["layout"])
        pages = bite_reader.book(bite_reader.bare(layout), self.setting)
        when = Frames.of(layout, self.setting)
        read: list[float | None] = [None] * self.setting.frames
        true = list(read)
        for t, look in zip(when.all, bite_reader.read(pages, video.frames[when.all], when.all), strict=True):
            free = pages.free[t]
            true[t] = float(pages.left[when.eaten(t, layout.touch)][free].mean())
            if look.left is not None:
                read[t] = float(look.left[free].mean())
        return {"skin left": read, "truth": true}

    def question(self, case: Case) -> Question:
        """What a person is asked about a clip of this case."""
        layout = bite.from_facts(case.truth.facts["layout"])
        frames = tuple(Frames.of(layout, self.setting).after)
        text = "Does the solid lack what the tool reached, and nothing else, in every marked frame?"
        return Question(text, asks="right", every=True, frames=frames)

    def aggregate(self, rows: Sequence[CaseScore]) -> Mapping[str, Mapping[str, float]]:
        """Per scene: S and what it is made of; in what is not ok the solid stays whole."""
        return by_sample(rows, _scene_values)

    def calibrated(self, metric: str, raw: float) -> float:
        """S = 100 raw / oracle (zero is the whole solid, by construction); shares become points."""
        if metric == "S":
            return scaled(raw, self.oracle_raw, self.setting.name())
        return 100.0 * raw if metric in ("right", "unreadable") else raw

    def oracle(self, case: Case) -> Video:
        """The truth, rendered."""
        layout = bite.from_facts(case.truth.facts["layout"])
        return Video(references.truth(layout, self.setting), self.setting.fps)

    def observer(self, condition: Condition) -> Video:
        """Reads the condition, follows the tool and takes out what it reaches."""
        from simbench.instruments import bite_observer

        return bite_observer.roll_out(condition, self.setting)

    def cheats(self) -> Mapping[str, Reference]:
        """Scripted bad generators."""
        return references.cheats(self.setting, self.setting.context)

    def bounds(self) -> Mapping[str, Bound]:
        """Every cheat may score 5 points at the most: zero, and room for luck of the draw."""
        return {name: Bound(5.0) for name in self.cheats()}

    def damages(self) -> Mapping[str, Damage]:
        """The truth, spoilt in its bites, its misses or its memory of them."""
        return bite_damage.damages(self.setting, self.setting.context)

    def nuisances(self, case: Case) -> Mapping[str, nuisance.Nuisance]:
        """All of them, for bites of a fifth of the image."""
        s = self.setting
        side = min(s.width, s.height)
        return nuisance.nuisances(BITE_SIZE * side, side, s.fps)

    def baselines(self) -> Mapping[str, Bound]:
        """None of them knows of bites."""
        return {n: Bound(5.0) for n in ("copy_last", "frozen", "flow", "constant_velocity")}


@dataclass(frozen=True)
class Frames:
    """The frames that are judged: `before` the first snap, `seen` from then until hiding begins, `after` it;
    `snaps` are the frames of the snaps."""

    before: list[int]
    seen: list[int]
    after: list[int]
    snaps: tuple[int, ...]

    @staticmethod
    def of(layout: Layout, setting: Setting) -> Frames:
        """Those of a layout at a setting."""
        fps = setting.fps
        snaps = tuple(round(time * fps) for time in layout.times)
        return Frames(
            list(range(setting.context, snaps[0])),
            [t for t in range(snaps[0], setting.frames) if t / fps <= layout.leave + 1e-9],
            [t for t in range(snaps[0], setting.frames) if t / fps >= layout.back - 1e-9],
            snaps,
        )

    @property
    def all(self) -> list[int]:
        """All of them in order."""
        return self.before + self.seen + self.after

    def eaten(self, frame: int, touch: bool) -> int:
        """How many bites are gone in a frame."""
        return sum(snap <= frame for snap in self.snaps) if touch else 0


def measure(pages: Book, when: Frames, touch: bool, looks: Sequence[Look]) -> Measures:
    """Sums over pixels and the frames of each part (`before`, `seen`, `kept`), in pixels of skin.

    `error_*`: |m^ - m*| of the video; a frame that cannot be read counts as the whole solid, and a pixel that
    ever comes back was never gone. `whole_*`: |m_whole - m_bitten|, whether this case is bitten or not; of
    `before`, the bites at the end in as many frames. `regrown` of the solid; `count_error` in bites;
    `right`: to a quarter of the bites in every frame after; `flat`, `unlike`: frames unreadable so.
    """
    out = dict.fromkeys(("error_before", "error_seen", "error_kept"), 0.0)
    out |= dict.fromkeys(("whole_before", "whole_seen", "whole_kept"), 0.0)
    out |= dict.fromkeys(REASONS, 0.0)
    lasting = _lasting(pages, when, looks)
    part = {**dict.fromkeys(when.before, "before"), **dict.fromkeys(when.seen, "seen")}
    last, right = len(pages.left) - 1, True
    for t, left, look in zip(when.all, lasting, looks, strict=True):
        name, free = part.get(t, "kept"), pages.free[t]
        goal = pages.left[last if name == "before" else when.eaten(t, True)]
        error = float(np.abs(left - pages.left[when.eaten(t, touch)])[free].sum())
        whole = float(np.abs(goal - pages.left[0])[free].sum())
        out[f"error_{name}"] += error
        out[f"whole_{name}"] += whole
        if look.reason:
            out[look.reason] += 1.0
        right = right and (name != "kept" or (look.left is not None and error <= 0.25 * whole))
    count = _count(pages, when, lasting)
    return {
        **out,
        "frames": float(len(looks)),
        "right": float(right),
        "regrown": _regrown(pages, when, looks),
        "count_error": abs(count - (last if touch else 0)),
    }


def _lasting(pages: Book, when: Frames, looks: Sequence[Look]) -> list[np.ndarray]:
    """Skin left [N] in each frame, at least what is left in any later one; whole where it cannot be read."""
    least = np.zeros(pages.left.shape[1])
    out: list[np.ndarray] = []
    for t, look in zip(when.all[::-1], looks[::-1], strict=True):
        if look.left is None:
            out.append(pages.left[0])
            continue
        least = np.where(pages.free[t], np.maximum(least, look.left), least)
        out.append(np.maximum(least, look.left))
    return out[::-1]


def _regrown(pages: Book, when: Frames, looks: Sequence[Look]) -> float:
    """Shares of the solid that come back from one readable frame to the next, summed."""
    total, known = 0.0, None
    for t, look in zip(when.all, looks, strict=True):
        if look.left is None:
            continue
        if known is not None:
            both = pages.free[t] & pages.free[known[0]]
            more = float((look.left - known[1])[both].sum()) / max(float(pages.left[0][both].sum()), 1.0)
            total += max(0.0, more - REGROWN)
        known = (t, look.left)
    return total


def _count(pages: Book, when: Frames, lasting: Sequence[np.ndarray]) -> float:
    """Bites after the hiding: places of true ones more than half gone, and other losses of their size."""
    late = [(t, left) for t, left in zip(when.all, lasting, strict=True) if t in when.after]
    gone = 1.0 - np.mean([left for _, left in late], axis=0)
    free = pages.free[late[0][0]]
    areas = [np.clip(a - b, 0.0, 1.0) * free for a, b in zip(pages.left, pages.left[1:], strict=False)]
    hits = sum(float((area * gone).sum()) > 0.5 * float(area.sum()) > 0 for area in areas)
    other = float((np.clip(pages.left[-1], 0.0, 1.0) * gone)[free].sum())
    size = float(np.mean([area.sum() for area in areas]))
    return float(hits + int(other / max(size, 1.0) + 0.5))


def _errors(rows: Sequence[CaseScore], part: str) -> float:
    """Sum of errors over cases; where there is no video the solid stays whole."""
    total = 0.0
    for row in rows:
        if row.status == "ok":
            total += row.measures[f"error_{part}"]
        elif row.tags["touch"] and part != "before":
            total += float(row.tags[f"whole_{part}"])
    return total


def _scene_values(rows: Sequence[CaseScore]) -> dict[str, float]:
    """Raw values of one scene and sample. A part of which no case is there says neither yes nor no."""
    bitten = [r for r in rows if r.tags["touch"]]
    missed = [r for r in rows if not r.tags["touch"]]
    out: dict[str, float] = {}
    whole = {
        part: sum(float(r.tags[f"whole_{part}"]) for r in bitten or missed)
        for part in ("before", "seen", "kept")
    }
    for part in ("seen", "kept"):
        share = 1.0 - _errors(bitten, part) / whole[part] if bitten and whole[part] > 0 else 0.0
        out[part] = share
    alarm = sum(_errors(missed, part) for part in ("seen", "kept")) / max(whole["seen"] + whole["kept"], 1.0)
    if whole["before"] > 0:
        alarm += _errors(rows, "before") / whole["before"]
    out["alarm"] = alarm
    out["S"] = min(out["seen"], out["kept"]) - alarm
    read = [r for r in rows if r.status == "ok"]
    if read:
        for name, measure_name in (("regrowth", "regrown"), ("count_error", "count_error")):
            out[name] = float(np.mean([r.measures[measure_name] for r in read]))
        out["right"] = sum(r.measures["right"] for r in read) / len(rows)
        lost = sum(r.measures[why] for r in read for why in REASONS)
        out["unreadable"] = lost / sum(r.measures["frames"] for r in read)
    return out
