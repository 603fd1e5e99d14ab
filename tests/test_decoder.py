"""The state decoder on pixels made by hand, and on what blur and H.264 leave of small objects."""

from __future__ import annotations

import numpy as np
import pytest

from simbench.case import Setting
from simbench.instruments import decoder
from simbench.instruments.decoder import Palette, detect, match_plate, unmix
from simbench.references.nuisance import nuisances
from simbench.video import Video
from suites.permanence import Permanence

PURPLE, LIGHT = np.array([133, 41, 199], np.float32), np.array([224, 224, 219], np.float32)
HALF_HUE = np.array([108, 70, 144], np.float32)
"""A purple pixel of H.264 that has lost half of its hue to a light neighbour, and hardly any light."""


def clip(side: int = 24) -> np.ndarray:
    """An empty stage float32 [1, side, side, 3]."""
    return np.broadcast_to(LIGHT, (1, side, side, 3)).copy()


def covered(frames: np.ndarray) -> np.ndarray:
    """Coverage [H, W] of a purple object in one frame."""
    palette = Palette(PURPLE[None, None], np.array([64.0], np.float32), np.array([True]))
    return unmix(frames, clip(frames.shape[1]), palette, np.ones(frames.shape[:3], bool))[0, 0]


def test_mixtures_with_the_stage_count_by_their_share() -> None:
    frames = clip()
    frames[0, 8:16, 8:16] = PURPLE
    frames[0, 8:16, 16] = 0.5 * PURPLE + 0.5 * LIGHT
    cover = covered(frames)
    assert cover.sum() == pytest.approx(68.0, abs=0.1)
    (found,) = detect(cover, 0, 64.0)
    assert (found.x, found.y) == (pytest.approx(11.5 + 4 * 4.5 / 68, abs=0.05), pytest.approx(11.5, abs=0.01))


def test_a_rim_that_lost_its_hue_belongs_to_what_it_surrounds(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = clip()
    frames[0, 8:16, 8:16] = HALF_HUE
    frames[0, 9:15, 9:15] = PURPLE
    assert covered(frames).sum() > 60.0
    monkeypatch.setattr(decoder, "RIM", 1.0)
    assert covered(frames).sum() == pytest.approx(36.0, abs=0.1)


def test_a_lost_hue_alone_is_no_object() -> None:
    frames = clip()
    frames[0, 8:16, 8:16] = HALF_HUE
    assert covered(frames).sum() == 0.0


def test_a_faint_smear_has_no_rim() -> None:
    frames = clip()
    frames[0, 8:16, 8:16] = HALF_HUE
    frames[0, 9:15, 9:15] = 0.6 * PURPLE + 0.4 * LIGHT
    assert covered(frames).sum() == pytest.approx(0.6 * 36.0, abs=0.1)


def test_a_stage_in_other_colours_stays_in_their_range() -> None:
    rng = np.random.default_rng(0)
    plate = rng.uniform(60.0, 200.0, (1, 24, 24, 3)).astype(np.float32)
    plate[0, :3, :3] = 0.0
    frames = np.repeat(255.0 * (plate / 255.0) ** 1.6, 9, axis=0).astype(np.float32)
    matched = match_plate(frames, plate, np.ones(frames.shape[:3], bool))
    assert matched.min() >= 0.0 and matched.max() <= 255.0
    assert np.abs(matched - frames[:1]).mean() < 3.0


@pytest.mark.parametrize(
    ("look", "scene", "trial", "name"),
    [
        ("plain", "public-0011", "exit", "crf 18"),
        ("rich", "public-0013", "swap", "crf 18"),
        ("rich", "1003-0019", "exit", "blur"),
        ("rich", "1003-0019", "stay", "blur"),
        ("rich", "1003-0019", "stay", "gamma 1.6"),
    ],
)
def test_nuisances_at_64_px_cost_nothing(look: str, scene: str, trial: str, name: str) -> None:
    """Cases in which an object, or the top of the post, was once misread."""
    suite = Permanence(setting=Setting(width=64, height=64, look=look))
    case = next(c for c in suite.cases(scene) if c.tags["trial"] == trial and c.tags["hidden"])
    change = nuisances(case.truth.facts["layout"]["diameter"] * 64, 64, suite.setting.fps)[name]
    found = suite.score(case, Video(change(suite.oracle(case).frames), suite.setting.fps))
    assert found.get("hit", 1.0) == 1.0 and found.get("alarm", 0.0) == 0.0
