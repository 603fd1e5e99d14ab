"""Learned trackers by path and hash: the protocol, the refusals, and their columns in geometry."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from simbench.assemble import build_suite  # noqa: E402
from simbench.case import Setting  # noqa: E402
from simbench.config import RunConfig  # noqa: E402
from simbench.errors import UserError  # noqa: E402
from simbench.instruments.learned import track  # noqa: E402
from simbench.suite import CaseScore  # noqa: E402
from suites.geometry import Geometry  # noqa: E402

pytestmark = pytest.mark.torch

# TorchScript is deprecated for new models; files that hold trackers are what it is still read for.
QUIET = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")


class Glide(torch.nn.Module):
    """Each point moves on at (2, -1) pixels a frame, and is seen from its own frame on; x and y are those of
    the brightest red pixel of the first frame where t is below 0."""

    def forward(self, video: torch.Tensor, queries: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See simbench.instruments.learned."""
        steps = torch.arange(video.shape[1], dtype=torch.float32)[None, :, None] - queries[:, None, :, 0]
        way = torch.tensor([2.0, -1.0])
        start = queries[:, None, :, 1:]
        brightest = int(video[0, 0, 0].flatten().argmax())
        width = video.shape[4]
        spot = torch.tensor([float(brightest % width), float(brightest // width)])
        start = torch.where(queries[:, None, :, :1] < 0, spot, start)
        return start + steps[..., None] * way, (steps >= 0).float()


class Narrow(torch.nn.Module):
    """Forgets half of the points."""

    def forward(self, video: torch.Tensor, queries: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See simbench.instruments.learned."""
        tracks = torch.zeros(1, video.shape[1], queries.shape[1] // 2, 2)
        return tracks, tracks[..., 0]


class Crash(torch.nn.Module):
    """Multiplies what does not fit."""

    def forward(self, video: torch.Tensor, queries: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See simbench.instruments.learned."""
        out = torch.matmul(queries[0], queries[0])
        return out, out


def saved(module: torch.nn.Module, path: Path) -> tuple[str, str]:
    torch.jit.save(torch.jit.script(module), str(path))
    return str(path), hashlib.sha256(path.read_bytes()).hexdigest()


@QUIET
def test_tracks_follow_the_protocol(tmp_path: Path) -> None:
    path, sha = saved(Glide(), tmp_path / "glide.pt")
    frames = np.zeros((6, 20, 30, 3), np.uint8)
    frames[0, 7, 11, 0] = 255
    read = track(path, sha, frames, np.array([[2.0, 5.5, 9.5], [0.0, 1.25, 3.75], [-1.0, 0.0, 0.0]]))
    assert read.uv.shape == (6, 3, 2) and read.found.shape == (6, 3) and read.uv.dtype == np.float64
    assert read.found[:, 0].tolist() == [False, False, True, True, True, True] and read.found[:, 1].all()
    assert np.isnan(read.uv[:2, 0]).all()
    # Pixel centres at +0.5 go in and come out, whatever the module counts from.
    assert read.uv[2, 0] == pytest.approx([5.5, 9.5]) and read.uv[5, 0] == pytest.approx([11.5, 6.5])
    assert read.uv[4, 1] == pytest.approx([9.25, -0.25])
    assert read.uv[0, 2] == pytest.approx([11.5 + 2, 7.5 - 1]), "the module saw rows as rows, red as red"
    assert track(path, sha.upper(), frames, np.zeros((0, 3))).uv.shape == (6, 0, 2)


@QUIET
def test_what_breaks_the_protocol_is_named(tmp_path: Path) -> None:
    frames, queries = np.zeros((4, 8, 8, 3), np.uint8), np.zeros((6, 3))
    with pytest.raises(
        UserError, match=r"returned \[\[1, 4, 3, 2\], \[1, 4, 3\]\]; it must return tracks \[1, 4, 6"
    ):
        track(*saved(Narrow(), tmp_path / "narrow.pt"), frames, queries)
    with pytest.raises(UserError, match="failed on"):
        track(*saved(Crash(), tmp_path / "crash.pt"), frames, queries)


@QUIET
def test_only_the_file_with_the_hash_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, sha = saved(Glide(), tmp_path / "glide.pt")
    for options, words in (
        ({"tracker": path}, f"without its hash.*tracker_sha256={sha}"),
        ({"tracker": path, "tracker_sha256": "0" * 64}, f"has sha256 {sha}, not 000"),
        ({"tracker_sha256": sha}, "has no tracker; add tracker=FILE"),
        ({"tracker": str(tmp_path / "no.pt"), "tracker_sha256": sha}, "is not a file"),
        ({"tracker": str(tmp_path), "tracker_sha256": sha}, "is not a file"),
    ):
        with pytest.raises(UserError, match=words):
            Geometry(**options)
    assert Geometry(tracker=path, tracker_sha256=sha).tracker == path
    # The file is swapped after the suite was built: the hash is taken again of what is loaded.
    suite = Geometry(tracker=path, tracker_sha256=sha)
    Path(path).write_bytes(b"another")
    with pytest.raises(UserError, match="has sha256"):
        track(str(suite.tracker), sha, np.zeros((2, 8, 8, 3), np.uint8), np.zeros((1, 3)))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    own = hashlib.sha256(b"another").hexdigest()
    with pytest.raises(UserError, match=r"needs torch.*pip install torch"):
        Geometry(tracker=path, tracker_sha256=own)


@QUIET
def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    class Spy:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.mkdir, (tmp_path / "ran",))

    for name, write in (("zip", True), ("old", False)):
        file = tmp_path / f"{name}.pt"
        torch.save({"a": Spy()}, file, _use_new_zipfile_serialization=write)
        sha = hashlib.sha256(file.read_bytes()).hexdigest()
        with pytest.raises(UserError, match="is no TorchScript module"):
            track(str(file), sha, np.zeros((2, 8, 8, 3), np.uint8), np.zeros((1, 3)))
        assert not (tmp_path / "ran").exists()


@QUIET
def test_geometry_has_its_columns_and_the_same_score(tmp_path: Path) -> None:
    path, sha = saved(Glide(), tmp_path / "glide.pt")
    setting = Setting(width=96, height=96, frames=8, look="rich", given="cam", context=3)
    plain, suite = Geometry(setting), Geometry(setting, tracker=path, tracker_sha256=sha)
    case = plain.cases(plain.scenes(1, "learned")[0])[0]
    video = plain.oracle(case)
    before, after = plain.score(case, video), suite.score(case, video)
    assert set(after) - set(before) == {"aj_learned", "delta_avg_learned"}
    assert {k: after[k] for k in before} == before
    assert 0.0 <= after["aj_learned"] < after["aj"] and after["delta_avg_learned"] < after["delta_avg"]
    row = CaseScore("c", "s", 0, {}, 0, "ok", "", after)
    lost = dataclasses.replace(row, status="missing", measures={})
    assert suite.aggregate([row])["s"]["aj_learned"] == after["aj_learned"]
    assert suite.aggregate([lost])["s"]["aj_learned"] == 0.0 == suite.aggregate([lost])["s"]["S"]
    assert "aj_learned" not in plain.aggregate([lost])["s"]


def test_the_yaml_has_the_options() -> None:
    import yaml

    text = (Path(__file__).resolve().parent.parent / "conf" / "suite" / "geometry.yaml").read_text()
    node = yaml.safe_load(text)
    assert node["tracker"] is None and node["tracker_sha256"] is None and list(node)[-1] == "oracle_raw"
    with pytest.raises(UserError, match="is not a file"):
        build_suite("geometry", {**node, "tracker": "nowhere.pt", "tracker_sha256": "0" * 64}, RunConfig())
