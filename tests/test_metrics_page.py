"""docs/metrics.md names every measure and holds the stored numbers of the peers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import mot_peers
import picture_peers
import pytest
from mot_scenes import clips, masks
from test_contract_metrics import FOUND

from simbench.metrics import pictures

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "metrics.md").read_text()
MODULES = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^## .*$", PAGE, re.M))))
SAID = json.loads(picture_peers.STORED.read_text())


def test_there_is_a_section_for_the_modules() -> None:
    known = {"pictures", "motion", "perceptual", "objects", "masks", "tracks", "epipolar", "trajectory"}
    assert known | {"rotations", "reprojection", "parallax"} <= MODULES


@pytest.mark.parametrize("name", [n for n in FOUND if n.split(".")[0] in MODULES])
def test_every_function_of_them_is_named(name: str) -> None:
    assert re.search(rf"`{name.split('.')[1]}`", PAGE)


def test_the_numbers_of_the_peers_are_the_stored_ones() -> None:
    noise, uneven = SAID["pairs"]["noise"], SAID["pairs"]["uneven"]
    for key in ("skimage gaussian", "skimage default", "torchmetrics", "torchmetrics cropped"):
        assert f"{noise[key]:.4f}" in PAGE, key
    assert f"mean {uneven['skimage psnr']:.2f} dB" in PAGE
    assert f"torchmetrics has it: {uneven['torchmetrics psnr']:.2f} dB" in PAGE
    made, true = picture_peers.pairs()["noise"]
    assert f"| {pictures.ssim(made, true, 255):.4f} |" in PAGE
    assert f"TrackEval {json.loads(mot_peers.STORED.read_text())['trackeval']}" in PAGE
    assert f"on {len(clips())} clips and {len(masks())} pairs of masks" in PAGE
