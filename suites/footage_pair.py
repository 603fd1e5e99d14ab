"""The part of `suites.footage` that is about two pictures: lines on a pair, against its truth if known."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from simbench.errors import UserError
from simbench.instruments import rectified as stereo
from simbench.instruments.matching import features
from simbench.instruments.twoview import TwoView, two_view
from simbench.metrics.epipolar import sampson_squared, sqrt_median, symmetric_epipolar_squared
from simbench.metrics.reprojection import absrel, depth_error_median, depth_within

NEAR_PX = 3.0
"""How far a match may be from the true disparity to be called true, px."""


class Asked(Protocol):
    """What of the options is about a pair; see `suites.footage`."""

    pair: str
    threshold: float
    rectified: str
    disparity: str
    focal: float | None
    x: float | None
    y: float | None
    offset: float
    baseline: float | None


def share(value: float) -> str:
    """`12.3 %`, or `-` for what is not known."""
    return f"{100 * value:.1f} %" if np.isfinite(value) else "-"


def pair_report(chosen: Asked) -> tuple[list[str], bool]:
    """Lines on two pictures, and whether they could be registered."""
    first, second = _pair(chosen.pair)
    rig = _rig(chosen)
    view = two_view(
        features(first), features(second), None if rig is None else rig.cameras(), chosen.threshold
    )
    height, width = first.shape[:2]
    lines = [
        f"{chosen.pair}: {width}x{height}",
        f"kind {view.kind}" + (f": {view.reason}" if view.reason else ": one rigid world from two places"),
        f"matches {len(view.agrees)}, motion {view.moved_px:.1f} px, {share(view.kept)} agree",
    ]
    if view.f is not None:
        lines.append(
            f"fitted geometry: sampson {view.sampson_px():.3f} px of what agrees, "
            f"{view.sampson_px(kept=False):.3f} of all; symmetric {view.symmetric_px():.3f} px; "
            f"{view.off} agree off the homography, {view.chance:.1f} by chance"
        )
    if chosen.rectified == "true":
        lines += _rows(view)
    true = _disparity(chosen.disparity, first.shape[:2])
    if true is not None:
        lines += _against_truth(view, true, first, second, rig)
    if rig is not None and view.pose is not None:
        lines += _camera(view, true, rig)
    return lines, view.kind == "parallax"


def _rows(view: TwoView) -> list[str]:
    a, b = view.matches.first, view.matches.second
    if not len(a):
        return []
    floor = sqrt_median(sampson_squared(stereo.ROWS, a, b))
    both = sqrt_median(symmetric_epipolar_squared(stereo.ROWS, a, b))
    rows = float(np.median(np.abs(a[:, 1] - b[:, 1])))
    return [
        f"true geometry (rows): |dy| median {rows:.3f} px, sampson {floor:.3f} px, symmetric {both:.3f} px "
        "of all matches: the floor of this footage"
    ]


def _against_truth(
    view: TwoView, true: np.ndarray, first: np.ndarray, second: np.ndarray, rig: stereo.Rig | None
) -> list[str]:
    """Disparity of the matches and of a dense matcher against the truth; in metres if calibrated."""
    a, b = view.matches.first, view.matches.second
    want, made = stereo.sampled(true, a), (a - b)[:, 0]
    known = np.isfinite(want)
    good = known & (np.abs(made - want) < NEAR_PX)
    floor = sqrt_median(sampson_squared(stereo.ROWS, a[good], b[good]))
    dense = stereo.dense_disparity(first, second, int(np.nanmax(true)) + 8)
    off = stereo.known_disparity(dense, true)
    lines = [
        f"matches with a true disparity {int(known.sum())}, {share(good.sum() / max(known.sum(), 1))} "
        f"within {NEAR_PX:.0f} px; of these sampson {floor:.3f} px, disparity off by "
        f"{float(np.median(np.abs(made - want)[good])) if good.any() else float('nan'):.3f} px (median)",
        f"dense matcher: off by {off['epe_px']:.3f} px on average, median {off['median_px']:.3f}, "
        f"{share(off['bad'])} by more than 2, on {share(off['coverage'])} of the known pixels",
    ]
    if rig is not None:
        z_true, z = rig.depth(true), rig.depth(dense)
        both = np.isfinite(z_true) & np.isfinite(z)
        low, high = np.nanpercentile(z_true, (1, 99))
        lines.append(f"true depth {low:.2f} to {high:.2f} m; dense matcher {_depths(z[both], z_true[both])}")
    return lines


def _camera(view: TwoView, true: np.ndarray | None, rig: stereo.Rig) -> list[str]:
    """The fitted camera, and depth triangulated by it; only the length of the baseline is taken as given."""
    if view.pose is None or view.points is None or view.reproj_px is None:
        return []
    turn = np.degrees(np.arccos(np.clip((np.trace(view.pose[:3, :3]) - 1) / 2, -1, 1)))
    aside = np.degrees(np.arccos(np.clip(-view.pose[0, 3], -1, 1)))
    known = view.agrees & np.isfinite(view.reproj_px)
    lines = [
        f"fitted camera: turned by {turn:.3f} degrees, its way {aside:.3f} degrees off the rows (both 0 if "
        f"rectified); reprojection {float(np.median(view.reproj_px[known])):.3f} px (median)"
    ]
    if true is not None:
        want = rig.depth(stereo.sampled(true, view.matches.first))
        z = view.points[:, 2] * rig.baseline
        both = known & np.isfinite(want) & np.isfinite(z)
        if both.any():
            lines.append(f"triangulated by it: {_depths(z[both], want[both])}")
    return lines


def _depths(made: np.ndarray, true: np.ndarray) -> str:
    return (
        f"off by {depth_error_median(made, true):.3f} m (median), absrel {absrel(made, true):.3f}, "
        f"{share(depth_within(made, true))} within a factor 1.25"
    )


def _pair(names: str) -> tuple[np.ndarray, np.ndarray]:
    from simbench.decoding import read_image

    paths = [Path(name) for name in names.split(",")]
    if len(paths) != 2:
        raise UserError(f"pair={names} names {len(paths)} pictures; give two, with a comma between")
    for path in paths:
        if not path.is_file():
            raise UserError(f"pair={path} is not a file; give two pictures, png or jpg")
    first, second = (read_image(path, path.name) for path in paths)
    return first, second


def _rig(chosen: Asked) -> stereo.Rig | None:
    given = {name: getattr(chosen, name) for name in ("focal", "x", "y", "baseline")}
    if all(value is None for value in given.values()):
        return None
    lacking = [name for name, value in given.items() if value is None]
    if lacking:
        raise UserError(f"{lacking[0]}= is needed beside the rest of the calibration (focal, x, y, baseline)")
    if given["focal"] <= 0 or given["baseline"] <= 0:
        raise UserError(f"focal={given['focal']:g} and baseline={given['baseline']:g} must be above 0")
    return stereo.Rig(given["focal"], given["x"], given["y"], chosen.offset, given["baseline"])


def _disparity(path: str, shape: tuple[int, ...]) -> np.ndarray | None:
    if not path:
        return None
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"disparity={path} cannot be read ({error}); give a .npz or .npy of px") from error
    array = found if isinstance(found, np.ndarray) else found[found.files[0]]
    if array.shape != shape or array.dtype.kind != "f":
        raise UserError(
            f"disparity={path} is {array.dtype} {array.shape}; give floats {shape} as the picture"
        )
    return np.where(np.isfinite(array), array, np.nan).astype(np.float64)
