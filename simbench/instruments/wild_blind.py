"""What each measure of a wild clip sees, and what it is blind to: stated here, tested on versions.

A *version* is a clip spoilt in a known way (see `wild_versions`). For each measure and version one of three
things is declared, of `gated`: the measure sees it (the original is ahead), it is blind to it (the original
is not ahead), or that depends on the clip.
"""

from __future__ import annotations

from dataclasses import dataclass

from simbench.instruments.wild_versions import WHAT

AHEAD = 0.05
"""How far `gated` of the original must be above that of a version to be ahead of it."""

SEES, BLIND, DEPENDS = "sees", "blind", "depends"
DEEP, SHALLOW, ANY = "deep", "shallow", "any"
SCENES = (DEEP, SHALLOW, ANY)
"""What clips show: near and far things in one picture, things at about one distance, or it is not said. Names
given by looking: `plane`, which is measured, does not tell them apart (docs/wild.md)."""


@dataclass(frozen=True)
class Measure:
    """A measure in words. `unit` of its value, empty for a share; `better`: high, low, or neither;
    `blind_spot` one line; `blind` and `depends` names of versions, `relief` of those that it sees in
    a deep scene and is blind to in a shallow one; all others it sees."""

    name: str
    what: str
    unit: str
    better: str
    blind_spot: str
    blind: frozenset[str]
    depends: frozenset[str] = frozenset()
    relief: frozenset[str] = frozenset()

    def declared(self, version: str, scene: str = ANY) -> str:
        """What is declared of a version, in clips of such a scene: sees, blind or depends."""
        if version in self.relief:
            return {DEEP: SEES, SHALLOW: BLIND, ANY: DEPENDS}[scene]
        if version in self.blind:
            return BLIND
        return DEPENDS if version in self.depends else SEES


def named(*names: str) -> frozenset[str]:
    """Names of versions, checked: a misspelt one would count as seen."""
    unknown = set(names) - set(WHAT)
    if unknown:
        raise ValueError(f"no version is called {', '.join(sorted(unknown))}")
    return frozenset(names)


TIME = ("backwards", "postcard")
"""Nothing here knows the arrow of time, and a photograph before a moving camera is a rigid world."""

MEASURES = (
    Measure(
        "inliers",
        "matches that agree with one epipolar geometry",
        "",
        "high",
        "a frozen video scores best here; so does a photograph that is moved. Any homography of any frame, "
        "zoom included, and any order of frames that overlap cost nothing",
        named(*TIME, "shuffled", "wobbled", "breathing"),
        named("blurred"),
    ),
    Measure(
        "sampson",
        "distance of all matches to that geometry",
        "px",
        "low",
        "as inliers; what slides along its epipolar line, as depth made anew in each frame, costs nothing",
        named(*TIME, "shuffled", "wobbled", "breathing"),
        named("blurred"),
    ),
    Measure(
        "reproj",
        "two views, camera and points adjusted together: what is left over",
        "px",
        "low",
        "what slides along its epipolar line costs nothing; a zoom or a homography of each frame little, as "
        "pose and focal length take it up; too short a way fits anything; any order of frames that overlap",
        named(*TIME, "shuffled"),
        named("blurred"),
        named("breathing", "wobbled"),
    ),
    Measure(
        "third",
        "the points of two views seen in a third, whose camera is solved on half of them",
        "px",
        "low",
        "a photograph that is moved, and any order of frames that overlap; a zoom, where it looks like going "
        "forward; few points, or points near a plane, say little",
        named(*TIME),
        named("blurred"),
        named("shuffled", "breathing"),
    ),
    Measure(
        "loop",
        "pixels that flow there and back brings home",
        "",
        "high",
        "a frozen video scores best here, a blurred one better than a sharp one; noise "
        "of single pixels, which is smoothed away",
        named(*TIME, "blurred", "noisy"),
        named("bent"),
    ),
    Measure(
        "tracks",
        "corners that are followed over the stretch and back",
        "",
        "high",
        "a frozen video scores best here; what melts or wobbles smoothly is followed as well",
        named(*TIME, "wobbled", "breathing", "noisy"),
        named("bent", "blurred"),
    ),
    Measure(
        "steady",
        "change of the corners' motion from frame to frame, over the motion",
        "",
        "low",
        "a thing that truly bounces or shakes is punished; a clip that glides through a wrong world is not",
        named(*TIME, "blurred", "noisy"),
    ),
    Measure(
        "flicker",
        "change from frame to frame and back along the flow",
        "levels",
        "low",
        "a frozen or blurred video scores best here; a fade, and what pops up or vanishes, is no flicker",
        named("backwards", "wobbled", "breathing"),
        named("postcard", "bent", "blurred"),
    ),
    Measure(
        "cuts",
        "steps that differ from all others of the clip",
        "",
        "low",
        "a clip that is cut everywhere has no step that differs; a slow dissolve may be one or none",
        named(*TIME, "shuffled", "wobbled", "bent", "breathing", "noisy", "blurred"),
    ),
    Measure(
        "motion",
        "median speed of corners, px a frame; the gate, no measure of quality",
        "px",
        "neither",
        "more is not better",
        named(),
        frozenset(WHAT),
    ),
    Measure(
        "plane",
        "matches that one homography explains within 1 px: 1 where all is flat, or the camera only turns",
        "",
        "neither",
        "flat is not worse than deep; the longer the way between two frames, the less a plane explains",
        named(),
        frozenset(WHAT),
    ),
    Measure(
        "depth",
        "a network's inverse depth against that of the next frame along the flow",
        "",
        "low",
        "a frozen video scores best here; networks make depth of noise and of flat pictures, and smooth what "
        "they do not know",
        named(),
        frozenset(WHAT),
    ),
)
"""In the order of `wild.Wild`."""

BY_NAME = {measure.name: measure for measure in MEASURES}


def holds(measure: Measure, version: str, ahead: float, scene: str = ANY) -> bool:
    """Whether the original being `ahead` in `gated` is as declared of such a scene."""
    said = measure.declared(version, scene)
    return said == DEPENDS or (ahead > AHEAD) == (said == SEES)
