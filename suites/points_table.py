"""The error of the point finder on the truth itself: clean, and under everything that should not matter.

    python -m suites.points_table suite=geometry scenes=12 seed=1003 card=docs/geometry.md

Any suite with a moving camera and a still world. Of every frame after the given ones: how far points are
from where they are (px of this image; median and 90th percentile), how far the camera is off (median), the
share of visible points that is lost and of frames that show enough points that are registered. Beside it,
what a finder reads that seeks the patches of the last given frame instead of ones drawn anew.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simbench.errors import UserError
from simbench.references import nuisance
from suites.command import command
from suites.geometry import FEW, LOST_PX, RASTER
from suites.proof import Asked, build_suite, len_context

if TYPE_CHECKING:
    from simbench.case import Case
    from simbench.instruments.points import Finder, Found
    from simbench.suite import Suite

LEAST_PARALLAX = 0.5
"""Mean distance of the best homography to the truth, px of 256, below which there is no parallax."""

STALE = "none, patches of the last given frame"

SOFT_PX, CONTRAST = 1.5, 0.8
"""The look of a generated picture that lacks detail: blur (sd, px of an image 128 px high) and contrast."""

Ways = Mapping[str, Callable[[np.ndarray], np.ndarray]]


@dataclass
class Options(Asked):
    """`card` is a page with an `instrument` block to write the table to."""

    suite: str = "geometry"
    scenes: int = 12
    seed: str = "1003"
    card: str = ""


@dataclass(frozen=True)
class Reading:
    """One clip of one case. `off` [K] px of the points found; `camera` [F, 2] degrees and mm of registered
    frames; points `asked` and `lost`; `frames` that show enough of them; summed distances `made` and `flat`,
    px, of the points and of the best homography, over `common` points (times px for one of 256)."""

    off: np.ndarray
    camera: np.ndarray
    asked: int
    lost: int
    frames: int
    common: float
    made: float
    flat: float


def ways(suite: Suite) -> Ways:
    """What is done to the truth, by name: frames to frames, uint8 [T, H, W, 3]."""
    s = suite.setting
    found = nuisance.nuisances(0.12 * s.height, min(s.width, s.height), s.fps)
    kept = {name: change for name, change in found.items() if not name.startswith(("zoom", "shift"))}
    return {
        "none": lambda frames: frames,
        **kept,
        "soft": lambda frames: soft(frames, s.height),
        "grain sd 5": lambda frames: grain(frames, 5.0),
        "grain sd 10": lambda frames: grain(frames, 10.0),
    }


def soft(frames: np.ndarray, height: int) -> np.ndarray:
    """Blurred, and paler about the middle grey."""
    blurred = nuisance.blur(frames, SOFT_PX * height / 128.0).astype(np.float32)
    return np.rint(128.0 + CONTRAST * (blurred - 128.0)).astype(np.uint8)


def grain(frames: np.ndarray, deviation: float) -> np.ndarray:
    """Film grain: grey noise two pixels wide, its sd `deviation` levels, new in every frame."""
    import cv2

    rng = np.random.default_rng(1)
    noise = [cv2.GaussianBlur(n, (0, 0), 1.0) for n in rng.normal(size=frames.shape[:3])]
    scaled = deviation * np.stack(noise) / np.std(noise)
    return np.clip(np.rint(frames + scaled[..., None]), 0, 255).astype(np.uint8)


def finder_of(suite: Suite, case: Case) -> Finder:
    """The finder that the suite reads a case with. UserError where it has none."""
    made: Callable[[Case], Finder] | None = getattr(suite, "finder", None)
    if made is None:
        raise UserError(f"suite={suite.name} finds no points; use for example suite=geometry")
    return made(case)


def stale(find: Finder, frames: np.ndarray, start: int) -> Found:
    """The points as they look in frame `start`, sought in later ones: all that an unknown world allows.

    Each is sought around its true place, with the finder's own reach and least likeness; the camera is solved
    from the true one. What is lost is lost to the look of the patches alone.
    """
    from simbench.instruments import patches, pose
    from simbench.instruments.points import ALIKE, NEAR_PX, Found

    truth, looks = find.truth, patches.looks(frames)
    count, total = truth.seen.shape
    radius = max(3, round(NEAR_PX * find.scale))
    out = Found(
        np.full((count, 4, 4), np.nan),
        np.zeros(count, bool),
        np.full((count, total, 2), np.nan),
        np.zeros((count, total), bool),
        np.zeros(count),
    )
    for t in range(start + 1, count):
        both = np.flatnonzero(truth.seen[t] & truth.seen[start])
        old, new = truth.uv[start, both], truth.uv[t, both]
        jump = np.floor(new).astype(int) - np.floor(old).astype(int)
        spot, alike = old + jump, np.zeros(len(both))
        height, width = looks[t].grey.shape
        wide = np.pad(looks[t].grey, ((height, height), (width, width)), mode="edge")
        for i, (x, y) in enumerate(jump.tolist()):
            part = np.ascontiguousarray(wide[height + y : 2 * height + y, width + x : 2 * width + x])
            moved, alike[i : i + 1] = patches.match(truth.looks[start].grey, part, old[i : i + 1], radius)
            spot[i] = moved[0] + jump[i]
        which = both[alike >= ALIKE]
        out.uv[t, which], out.found[t, which] = spot[alike >= ALIKE], True
        solved = pose.solve(
            find.points[which], out.uv[t, which], find.camera, truth.poses[t], pose.REACH_PX * find.scale
        )
        if solved is not None:
            out.share[t] = solved[1].sum() / max(truth.seen[t].sum(), 1)
            out.registered[t] = out.share[t] >= patches.LEAST_SHARE
            out.poses[t] = solved[0]
    return out


def reading(find: Finder, found: Found, first: int) -> Reading:
    """How far `found` is from the truth, from frame `first` on."""
    from simbench.metrics.parallax import parallax_errors

    truth, frames = find.truth, np.arange(first, len(found.poses))
    frames = frames[truth.seen[frames].sum(axis=1) >= FEW]
    seen, hit = truth.seen[frames], found.found[frames] & truth.seen[frames]
    turned = [_apart(found.poses[t], truth.poses[t]) for t in frames if found.registered[t]]
    cap = LOST_PX * find.setting.width / RASTER
    common = seen & truth.seen[first - 1]
    made, flat = parallax_errors(found.uv[frames], truth.uv[frames], truth.uv[first - 1], common, cap)
    return Reading(
        off=np.hypot(*(found.uv[frames] - truth.uv[frames])[hit].T),
        camera=np.array(turned).reshape(-1, 2),
        asked=int(seen.sum()),
        lost=int((seen & ~hit).sum()),
        frames=len(frames),
        common=int(common.sum()) * find.setting.width / RASTER,
        made=float(made.sum()),
        flat=float(flat.sum()),
    )


def _apart(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Degrees and millimetres between two cameras [4, 4], world to camera, m."""
    from simbench.metrics.rotations import rotation_angles
    from simbench.metrics.trajectory import eyes

    turn = rotation_angles(a[:3, :3] @ b[:3, :3].T)
    first, second = eyes(np.stack([a, b]))
    return float(turn), 1000.0 * float(np.linalg.norm(first - second))


def measured(suite: Suite, scenes: Sequence[str]) -> dict[str, list[Reading]]:
    """Readings of the truth through every way, and last of the clean truth by stale patches."""
    out: dict[str, list[Reading]] = {}
    first = len_context(suite)
    for case in (case for scene in scenes for case in suite.cases(scene)):
        find, clean = finder_of(suite, case), suite.oracle(case).frames
        for name, change in ways(suite).items():
            out.setdefault(name, []).append(reading(find, find.follow(change(clean)), first))
        out.setdefault(STALE, []).append(reading(find, stale(find, clean, first - 1), first))
    return out


def row(name: str, found: Sequence[Reading], parallax: bool) -> str:
    """One line of the table."""
    off = np.concatenate([each.off for each in found])
    camera = np.concatenate([each.camera for each in found])
    asked, frames = sum(each.asked for each in found), sum(each.frames for each in found)
    degrees, mm = np.median(camera, axis=0) if len(camera) else (np.nan, np.nan)
    cells = [f"{np.median(off):.2f}", f"{np.quantile(off, 0.9):.2f}"] if len(off) else ["-", "-"]
    cells.append(f"{100 * sum(each.lost for each in found) / max(asked, 1):.1f}")
    cells += [f"{degrees:.3f}", f"{mm:.1f}"] if len(camera) else ["-", "-"]
    cells.append(f"{100 * len(camera) / max(frames, 1):.1f}")
    if parallax:
        flat = sum(each.flat for each in found)
        cells.append(f"{1 - sum(each.made for each in found) / flat:.3f}")
    return f"| {name} | {' | '.join(cells)} |"


def markdown(suite: Suite, scenes: int, seed: str, found: Mapping[str, Sequence[Reading]]) -> str:
    """The table."""
    clean = found["none"]
    parallax = sum(r.flat for r in clean) > LEAST_PARALLAX * max(sum(r.common for r in clean), 1e-9)
    heads = ["points, px", "90 %", "lost, %", "camera, degrees", "mm", "registered, %"]
    heads += ["parallax fidelity"] if parallax else []
    lines = [
        f"{suite.name} version {suite.version}, {suite.setting.name()}, {scenes} scenes of seed {seed}:"
        f" errors of what is read in the truth, in frames that show {FEW} points or more. Medians, of points"
        " also the 90th percentile; px of this image.",
        "",
        f"| | {' | '.join(heads)} |",
        f"|---|{'---:|' * len(heads)}",
        *(row(name, readings, parallax) for name, readings in found.items()),
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """The command. 0: printed, 2: it could not be."""
    return command("points_table", __doc__, Options, arguments, _run)


def _run(chosen: Options) -> None:
    from simbench.blocks import page_with, write_block

    if chosen.card:
        page_with(Path(chosen.card), "instrument", "")  # before a long measurement
    suite = build_suite(chosen)
    found = measured(suite, suite.scenes(chosen.scenes, chosen.seed))
    text = markdown(suite, chosen.scenes, chosen.seed, found)
    print(text)
    if chosen.card:
        write_block(Path(chosen.card), "instrument", text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
