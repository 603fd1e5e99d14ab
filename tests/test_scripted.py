"""TorchScript by its hash: one function and one set of messages for trackers, depth networks and I3D."""

from __future__ import annotations

import hashlib
import importlib.util
import warnings
from pathlib import Path

import pytest

from simbench import scripted
from simbench.errors import UserError

USES = (("weights", "sha256"), ("tracker", "tracker_sha256"), ("depth", "sha256"))


@pytest.mark.parametrize(("option", "hashes"), USES)
def test_a_file_is_given_only_with_its_own_hash(option: str, hashes: str, tmp_path: Path) -> None:
    file = tmp_path / "net.pt"
    file.write_bytes(b"a program")
    own = hashlib.sha256(b"a program").hexdigest()
    assert scripted.content(str(file), own.upper(), option, hashes) == b"a program"
    for given in (None, ""):
        with pytest.raises(UserError, match=rf"^{option}=.*without its hash.* add {hashes}={own}$"):
            scripted.content(str(file), given, option, hashes)
    with pytest.raises(UserError, match=rf"^{option}=.* has sha256 {own}, not 000"):
        scripted.content(str(file), "0" * 64, option, hashes)
    for nothing in (tmp_path, tmp_path / "no.pt"):
        with pytest.raises(UserError, match=rf"^{option}=.* is not a file; give a TorchScript"):
            scripted.content(str(nothing), own, option, hashes)


def test_without_torch_a_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "net.pt"
    file.write_bytes(b"a program")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"^depth=.* needs torch.*pip install torch"):
        scripted.module(str(file), hashlib.sha256(b"a program").hexdigest(), "depth")


@pytest.mark.torch
def test_a_module_comes_back_ready_to_be_asked(tmp_path: Path) -> None:
    import torch

    class Net(torch.nn.Module):
        """Drops nearly everything while it is trained."""

        def __init__(self) -> None:
            super().__init__()
            self.drop = torch.nn.Dropout(0.99)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """x again."""
            return self.drop(x)

    file = tmp_path / "net.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Net()).save(str(file))
    own = hashlib.sha256(file.read_bytes()).hexdigest()
    assert bool((scripted.module(str(file), own, "depth")(torch.ones(64)) == 1).all())
    file.write_bytes(b"no program\nat all")
    own = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(UserError, match=r"^depth=.* is no TorchScript module \([^\n]*torch.jit.save$"):
        scripted.module(str(file), own, "depth")
