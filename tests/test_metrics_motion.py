"""Flicker and motion of clips whose motion, flicker and noise are known, and what both are blind to."""

from __future__ import annotations

import numpy as np
import pytest
from picture_peers import texture

from simbench.metrics import motion

PICTURE = texture(7, 1, 160, 160)[0].astype(np.float64) * 0.6 + 40


def moving(
    speed: tuple[float, float] = (0.0, 0.0),
    flicker: float = 0.0,
    noise: float = 0.0,
    fade: float = 0.0,
    frames: int = 7,
) -> np.ndarray:
    """64 px of the picture that move by `speed` (x, y) px a frame, in float grey levels [T, 64, 64, 3]."""
    import cv2

    rng = np.random.default_rng(0)
    out = []
    for t in range(frames):
        shift = np.array([[1, 0, -40 - speed[0] * t], [0, 1, -40 - speed[1] * t]], np.float64)
        view = cv2.warpAffine(PICTURE, shift, (64, 64), flags=cv2.INTER_CUBIC)
        out.append(view + flicker * (-1) ** t + fade * t + rng.normal(0, noise, view.shape) * (noise > 0))
    return np.clip(np.stack(out), 0, 255)


@pytest.mark.parametrize("speed", [(1.0, 0.0), (0.0, -2.0), (1.5, 0.75), (3.0, 3.0)])
def test_motion_of_a_known_shift(speed: tuple[float, float]) -> None:
    assert motion.flow_magnitude(moving(speed), 255) == pytest.approx(np.hypot(*speed), rel=0.1)


@pytest.mark.parametrize("speed", [(0.0, 0.0), (1.5, 0.75), (-2.0, 1.0)])
@pytest.mark.parametrize("amplitude", [2.0, 10.0, 20.0])
def test_flicker_is_its_amplitude_at_any_motion(speed: tuple[float, float], amplitude: float) -> None:
    got = 255 * motion.flicker(moving(speed, flicker=amplitude), 255)
    assert got == pytest.approx(amplitude, abs=0.4)


def test_motion_and_fades_are_no_flicker_but_change_takes_them_for_it() -> None:
    for clip in (moving((1.5, 0.75)), moving(fade=4.0), moving((1.0, 0.0), fade=3.0)):
        assert 255 * motion.flicker(clip, 255) < 1.0
        assert 255 * motion.change(clip, 255) > 3.0
    assert 255 * motion.change(moving(fade=4.0), 255) == pytest.approx(4.0)


def test_what_is_covered_and_uncovered_is_left_out() -> None:
    clip = moving()
    for t in range(7):
        clip[t, 20:44, 4 + 6 * t : 24 + 6 * t] = 255 - 0.9 * PICTURE[100:124, 100:120]
    # 0.19 of it; 0.29 where what lies behind the passer-by counts.
    assert motion.flicker(clip, 255) < 0.24 * motion.change(clip, 255)


def test_flicker_of_noise() -> None:
    # Of three independent errors: half of sd sqrt(1 + 1/2), and a mean absolute value of sqrt(2 / pi) sd.
    wanted = 5.0 * np.sqrt(1.5) * np.sqrt(2 / np.pi) / 2
    got = 255 * motion.flicker(moving(noise=5.0), 255)
    assert 0.85 * wanted < got < 1.02 * wanted
    # On textures; on a plain wall the flow follows the noise.
    assert motion.flow_magnitude(moving(noise=5.0), 255) < 0.3


def test_a_frozen_clip_reads_perfect_which_is_why_motion_stands_beside() -> None:
    frozen = moving(frames=1).repeat(7, axis=0)
    assert motion.flicker(frozen, 255) == motion.flow_magnitude(frozen, 255) == 0.0
    blurred = np.full_like(frozen, 90.0)
    assert motion.flicker(blurred, 255) == 0.0
    # The other blind spot: what appears once and stays has no way back.
    popped = frozen.copy()
    popped[3:, 20:40, 20:40] = 255 - popped[3:, 20:40, 20:40]
    assert 255 * motion.flicker(popped, 255) < 255 * motion.change(popped, 255)
    # A step of a quarter of the side is lost to the flow, and reads shorter than half of it.
    assert motion.flow_magnitude(moving((16.0, 0.0), frames=4), 255) < 8
    # A jump cut is motion to it, not flicker.
    jumps = moving((1.0, 0.0), frames=9)[[0, 5, 1, 6, 2, 7, 3, 8]]
    assert motion.flow_magnitude(jumps, 255) > 3.0


def test_scale_of_the_range_and_a_mirror_play_no_part() -> None:
    clip = np.rint(moving((1.5, 0.75), flicker=5.0)).astype(np.uint8)
    for measure in (motion.change, motion.flow_magnitude, motion.flicker):
        base = measure(clip, 255)
        assert measure(clip / 255.0, 1.0) == pytest.approx(base, rel=1e-6)
        assert measure(clip[::-1], 255) == pytest.approx(base, rel=0.05)
        assert measure(clip[:, :, ::-1], 255) == pytest.approx(base, rel=0.05)


def test_one_channel_will_do() -> None:
    clip = moving((1.0, 0.0), flicker=5.0)[..., :1]
    assert 255 * motion.flicker(clip, 255) == pytest.approx(5.0, abs=0.4)
    assert motion.flow_magnitude(clip, 255) == pytest.approx(1.0, rel=0.1)


def test_too_few_frames_are_undefined_and_too_few_pixels_refused() -> None:
    clip = moving(frames=2)
    assert np.isnan(motion.flicker(clip, 255)) and motion.flow_magnitude(clip, 255) == 0.0
    assert np.isnan(motion.flow_magnitude(clip[:1], 255)) and np.isnan(motion.change(clip[:1], 255))
    for measure in (motion.flow_magnitude, motion.flicker):
        with pytest.raises(ValueError, match="at least 12 px"):
            measure(clip[:, :11], 255)
        assert np.isfinite(measure(moving()[:, :12, :12], 255))
    # Every frame another noise: nothing returns, or hardly anything.
    rng = np.random.default_rng(1)
    assert not motion.flicker(rng.integers(0, 256, (3, 12, 12, 1), np.uint8), 255) < 0


def test_what_flow_takes_out_of_the_picture_is_left_out() -> None:
    picture = texture(0, 1, 16, 20)[0]
    there = np.zeros((16, 20, 2))
    there[..., 0] = 3.0
    brought, seen = motion._brought(picture, there, -there)
    assert seen[:, :-3].all() and not seen[:, -3:].any()
    np.testing.assert_allclose(brought[:, :-3], picture[:, 3:], atol=1e-6)
    assert not motion._brought(picture, there, -there + 1.5)[1].any(), "what does not return is left out"
