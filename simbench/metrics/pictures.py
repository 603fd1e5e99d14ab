"""Likeness of pictures, pixel by pixel: PSNR in its two readings for video, and SSIM of Wang et al.
(2004).

Clips are [T, H, W, C], C of 1 to 4; `data_range` is the distance from black to white (255 for uint8, 1
for floats in [0, 1]) and is always given: taken from the data it moves the number (SSIM .359 or .534 for
one pair).
"""

from __future__ import annotations

import numpy as np

from simbench.metrics._clips import pair

WINDOW, SIGMA = 11, 1.5
"""Side, px, and standard deviation, px, of the Gaussian window of SSIM."""

K1, K2 = 0.01, 0.03
"""The constants of SSIM, as shares of the range: C1 = (K1 L)^2, C2 = (K2 L)^2."""


def squared_errors(made: np.ndarray, true: np.ndarray, data_range: float) -> np.ndarray:
    """Mean squared error of each frame, [T], over pixels and channels of two clips [T, H, W, C], in
    squares of the range: no unit, 0 to 1."""
    a, b = pair(made, true, data_range)
    out = np.empty(len(a))
    for t, (one, two) in enumerate(zip(a, b, strict=True)):
        difference = np.subtract(one, two, dtype=np.float64).ravel()
        out[t] = difference @ difference / difference.size
    return out / float(data_range) ** 2


def psnr_frames(made: np.ndarray, true: np.ndarray, data_range: float) -> np.ndarray:
    """10 log10(L^2 / MSE) of each frame, [T] dB, of two clips [T, H, W, C].

    NaN for a frame that is identical in both: the ratio has no value there, and the 100 dB that some tools
    print is made up.
    """
    return _decibels(squared_errors(made, true, data_range))


def psnr_mean(made: np.ndarray, true: np.ndarray, data_range: float) -> float:
    """Mean of `psnr_frames` over the frames of two clips [T, H, W, C], dB: what most papers on video print.

    Never below `psnr_pooled` (Jensen), and far above it where a few frames are bad. NaN if any frame is
    identical: to leave such frames out would lower the mean of a clip whose frames become perfect.
    """
    return float(psnr_frames(made, true, data_range).mean())


def psnr_pooled(made: np.ndarray, true: np.ndarray, data_range: float) -> float:
    """10 log10(L^2 / MSE), dB, with one MSE over all frames of two clips [T, H, W, C]: what torchmetrics
    prints.

    NaN if all frames are identical.
    """
    return float(_decibels(squared_errors(made, true, data_range).mean(keepdims=True))[0])


def ssim_frames(made: np.ndarray, true: np.ndarray, data_range: float) -> np.ndarray:
    """SSIM of each frame, [T] in [-1, 1] (no unit), of two clips [T, H, W, C] of at least 11 px a side.

    Wang, Bovik, Sheikh, Simoncelli (IEEE TIP 2004), equation 13: local means, variances and covariance
    under a Gaussian window of 11 x 11 px, sigma 1.5 px, population weights, K1 = .01, K2 = .03; the mean
    over the pixels whose window lies inside the picture, then over channels, each for itself. No
    reduction before it, which the authors' own script makes of pictures above 256 px.
    """
    a, b = pair(made, true, data_range)
    if min(a.shape[1:3]) < WINDOW:
        raise ValueError(f"made has shape {list(a.shape)}; SSIM needs at least {WINDOW} px a side")
    limits = ((K1 * data_range) ** 2, (K2 * data_range) ** 2)
    return np.array([_structure(one, two, limits) for one, two in zip(a, b, strict=True)])


def ssim(made: np.ndarray, true: np.ndarray, data_range: float) -> float:
    """Mean of `ssim_frames` over the frames of two clips [T, H, W, C], no unit; 1 if and only if
    identical."""
    return float(ssim_frames(made, true, data_range).mean())


def _decibels(errors: np.ndarray) -> np.ndarray:
    """-10 log10 of errors, NaN where one is 0."""
    return -10.0 * np.log10(np.where(errors > 0, errors, np.nan))


def _structure(one: np.ndarray, two: np.ndarray, limits: tuple[float, float]) -> float:
    """SSIM of one frame [H, W, C].

    From sum p and difference q of the two pictures: four filtered pictures instead of five, and no loss
    of digits where they are nearly equal. mx^2 + my^2 = (mp^2 + mq^2) / 2, mx my = (mp^2 - mq^2) / 4, and
    the same for variances and covariance.
    """
    p = np.add(one, two, dtype=np.float64)
    q = np.subtract(one, two, dtype=np.float64)
    mean_p, mean_q = _windowed(p), _windowed(q)
    square_p, square_q = _windowed(np.square(p, out=p)), _windowed(np.square(q, out=q))
    np.square(mean_p, out=mean_p)
    np.square(mean_q, out=mean_q)
    square_p -= mean_p
    square_q -= mean_q
    c1, c2 = limits
    above = (mean_p - mean_q + 2 * c1) * (square_p - square_q + 2 * c2)
    below = (mean_p + mean_q + 2 * c1) * (square_p + square_q + 2 * c2)
    return float((above / below).mean())


def _windowed(picture: np.ndarray) -> np.ndarray:
    """Gaussian means of a picture [H, W, C], only where the whole window lies inside."""
    import cv2

    margin = WINDOW // 2
    blurred = cv2.GaussianBlur(picture, (WINDOW, WINDOW), SIGMA, borderType=cv2.BORDER_REFLECT_101)
    return blurred.reshape(picture.shape)[margin:-margin, margin:-margin].copy()
