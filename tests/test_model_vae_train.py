"""Training a VAE: it learns, goes on bit for bit, and says in one line what is wrong."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from model.codec import data as data  # noqa: E402
from model.codec.files import load, psnr, roundtrip  # noqa: E402
from model.codec.fit import fit_linear  # noqa: E402
from model.codec.options import LossConfig, VAETrain, parse  # noqa: E402
from model.codec.presets import preset  # noqa: E402
from model.codec.trainer import evaluate, started, step, train  # noqa: E402
from model.codec.vae import VAE  # noqa: E402
from model.config import VAEConfig  # noqa: E402
from model.data import Sample  # noqa: E402
from model.train_vae import main  # noqa: E402
from simbench.errors import UserError  # noqa: E402
from simbench.video import Video, encode  # noqa: E402
from tests.fake_card import card  # noqa: E402

pytestmark = pytest.mark.torch

SMALL = ("vae.widths=8", "vae.patch=4", "vae.channels=6", "batch=2", "fit=10", "held=4", "log_every=1")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 clips of 5 frames of 16x16 px: a disc that moves, on slopes of two colours."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:16, :16]
    videos = np.zeros((24, 5, 16, 16, 3), np.uint8)
    for video in videos:
        low, high, colour = generator.integers(0, 256, (3, 3))
        x, y, v = generator.uniform(3, 9), generator.uniform(4, 12), generator.uniform(-1, 1.5)
        for t in range(5):
            slope = (columns / 15)[..., None]
            inside = np.clip(3.5 - np.hypot(columns - x - v * t, rows - y), 0, 1)[..., None]
            video[t] = np.rint((1 - inside) * ((1 - slope) * low + slope * high) + inside * colour)
    path = tmp_path_factory.mktemp("clips") / "clips.npy"
    np.save(path, videos)
    return path


def options(clips: Path, out: Path, *words: str) -> VAETrain:
    """Options of a small run, 60 steps to 1e-3 TFLOP; `words` take the place of those of SMALL."""
    given = {w.partition("=")[0] for w in words}
    return parse(
        [f"data={clips}", f"out={out}", *words, *(w for w in SMALL if w.partition("=")[0] not in given)]
    )


def test_the_linear_codec_is_fitted_written_and_measured(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "vae"
    words = ["size=nano", f"data={clips}", f"out={out}", "fit=16", "held=4", "vae.channels=24"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "components of 16 clips" in printed and "0 steps, 0.00 TFLOP" in printed
    vae = load(out / "vae.safetensors")
    assert vae.config.widths == () and vae.config.channels == 24
    videos = np.load(clips)[-4:]
    pairs = [(v, roundtrip(vae, v)) for v in videos]
    first, later = (
        psnr(*(np.stack([p[i][part] for p in pairs]) for i in (0, 1))) for part in (slice(1), slice(1, None))
    )
    assert f"frame 0 {first:.2f} dB, later frames {later:.2f} dB" in printed


def test_a_network_beats_the_linear_path_that_it_starts_as(clips: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "few.npy", np.load(clips)[:6])
    seen = data.opened(tmp_path / "few.npy")
    first, later = [], []
    for widths in ("", "16"):
        plain = ("loss.scale=0", "loss.ssim=0", "loss.kl=0", "images=0.1", "log_every=1000", "held=1")
        words = (f"vae.widths={widths}", "lr=0.004", "budget=0.004", "batch=4", *plain)
        vae = train(options(tmp_path / "few.npy", tmp_path / f"w{widths}", *words), say=lambda _: None).vae
        found = evaluate(vae, data.Part(seen, 0, 5))
        assert found.later is not None
        first.append(found.first)
        later.append(found.later)
    assert later[1] > later[0] + 0.5 and first[1] > first[0] + 0.5, (first, later)


@pytest.mark.parametrize(
    "extra", [(), ("loss.adversarial=0.05", "loss.adversarial_from=0.4"), ("decoder_only=true",)]
)
def test_a_run_in_parts_is_a_run_without_a_break(clips: Path, tmp_path: Path, extra: tuple[str, ...]) -> None:
    said: list[str] = []
    words = ("budget=0.0002", "checkpoint_every=0.00006", *extra)
    whole = train(options(clips, tmp_path / "whole", *words), say=lambda _: None)
    parts = train(options(clips, tmp_path / "parts", *words, "part=0.00012"), said.append)
    assert parts.quality is None and "the same command goes on" in said[-1]
    parts = train(options(clips, tmp_path / "parts", *words, "part=0.00012"), said.append)
    assert parts.quality == whole.quality and parts.steps == whole.steps > 6
    files = [(tmp_path / name / "vae.safetensors") for name in ("whole", "parts")]
    states = [load(file).state_dict() for file in files]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    lines = [json.loads(x) for x in (tmp_path / "parts" / "metrics.jsonl").read_text().splitlines()]
    assert [x["step"] for x in lines] == list(range(1, whole.steps + 1))
    assert all(math.isfinite(x["loss"]) and x["norm"] > 0 for x in lines)
    assert any("adversarial" in x for x in lines) is ("loss.adversarial=0.05" in extra)


def test_training_the_decoder_alone_leaves_latents_as_they_are(clips: Path, tmp_path: Path) -> None:
    first = train(options(clips, tmp_path / "first", "budget=0.0001"), say=lambda _: None).vae
    start = tmp_path / "first" / "vae.safetensors"
    more = ("budget=0.0001", f"init={start}", "decoder_only=true")
    second = train(options(clips, tmp_path / "second", *more), say=lambda _: None).vae
    old, new = first.state_dict(), second.state_dict()
    changed = {name.partition(".")[0] for name in old if not torch.equal(old[name], new[name])}
    assert changed == {"decoder"}


def test_bf16_is_close_to_fp32_and_the_linear_path_stays_exact(clips: Path, tmp_path: Path) -> None:
    batch = np.load(clips)[:2]
    losses = []
    for precision in ("fp32", "bf16"):
        config = options(clips, tmp_path, f"precision={precision}")
        run = started(config, data.divided(data.opened(clips), 4)[0])
        losses.append(step(run, config, batch)["l1"])
    # A fresh network adds nothing, so that the linear path decides alone.
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_a_loss_that_is_no_number_stops_the_run_with_the_step(clips: Path, tmp_path: Path) -> None:
    config = options(clips, tmp_path)
    run = started(config, data.divided(data.opened(clips), 4)[0])
    with torch.no_grad():
        next(run.vae.parameters()).fill_(torch.nan)
    with pytest.raises(UserError, match=r"the loss is nan at step 0 .* lower lr="):
        step(run, config, np.load(clips)[:2])


def test_batches_have_every_length_and_depend_on_seed_and_step_alone(clips: Path) -> None:
    source = data.opened(clips)
    made = [data.batch(source, 3, s, 4, 0.25) for s in range(60)]
    assert {b.shape[1] for b in made} == {1, 2, 3, 4, 5}
    assert 5 <= sum(b.shape[1] == 1 for b in made) <= 30
    assert (data.batch(source, 3, 7, 4, 0.25) == made[7]).all()
    assert all(data.batch(source, 3, s, 4, 1.0).shape[1] == 1 for s in range(5))


def test_a_folder_of_videos_of_any_length_is_learned_from(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for i, frames in enumerate((5, 7, 3, 1)):
        encode(Video(generator.integers(0, 256, (frames, 18, 22, 3), np.uint8), 8.0), folder / f"{i}.mkv")
    words = ("vae.widths=8", "held=1", "budget=0.00003", "clip_size=18x16")
    assert train(options(folder, tmp_path / "o", *words), say=lambda _: None).steps > 0
    with pytest.raises(UserError, match=r"22x18 px holds no square of 32"):
        fit_linear(VAE(VAEConfig(patch=32, widths=())), data.videos(data.opened(folder), 4))


def test_clips_of_several_sizes_are_refused_with_the_option_to_use() -> None:
    class Uneven:
        """Two clips of two sizes."""

        def __len__(self) -> int:
            return 2

        def sample(self, index: int) -> Sample:
            return Sample(np.zeros((3, 8 + 4 * index, 8, 3), np.uint8), 8.0)

    with pytest.raises(UserError, match=r"differ in size; cut them to one with clip_size="):
        data.batch(Uneven(), 0, 0, 2, 0.0)


def test_sizes_files_and_words_are_laid_over_each_other(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"vae": {"channels": 20, "blocks": 2}, "batch": 3}')
    config = parse(["size=tiny-f8", f"config={tmp_path / 'c.json'}", "vae.blocks=3", "out=o", "data=d"])
    assert config.vae.widths == preset("tiny-f8").widths and config.vae.channels == 20
    assert config.vae.blocks == 3 and config.batch == 3 and config.loss == LossConfig()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["bath=3"], "unknown option bath; did you mean batch?"),
        (["l1=3"], "unknown option l1; did you mean loss.l1?"),
        (["batch"], "'batch' is not key=value"),
        (["batch=2", "batch=3"], "batch is given twice"),
        (["batch=0"], "batch=0 must be 1 or more"),
        (["batch=x"], "batch=x must be of type int"),
        (["vae=nano"], "vae is a group of options; set one of vae.patch"),
        (["vae.widths=a"], "vae.widths=a must be of type list"),
        (["images=1.5"], "images=1.5 is a share"),
        (["budget=0"], "budget=0 must be above 0"),
        (["warmup=0.8"], "together at most 1"),
        (["precision=fp8"], "precision=fp8 is not one of bf16, fp32"),
        (["size=huge"], "size=huge is no VAE"),
        (["config=none.json"], "config=none.json does not exist"),
        (["data=gone"], "data=gone is no pool, no folder of videos and no .npy"),
        (["data=gone.npy"], "data=gone.npy cannot be read"),
        (["data="], "data= is missing; make a pool"),
        (["out="], "out= is missing"),
        (["held=24"], "24 clips with held=24 leave none"),
        (["init=gone.safetensors"], "gone.safetensors does not exist"),
        (["size=nano", "decoder_only=true"], "needs a network"),
        (["device=cuda"], "torch sees no CUDA device"),
    ],
)
def test_bad_words_give_one_line_and_code_2(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], line: str
) -> None:
    if words == ["device=cuda"] and torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    given = {w.partition("=")[0] for w in words}
    rest = [w for w in (f"data={clips}", f"out={tmp_path}/o", "held=4") if w.partition("=")[0] not in given]
    assert main([*rest, *words]) == 2
    printed = capsys.readouterr()
    assert (
        line in printed.err and printed.err.count("\n") == 1 and printed.err.startswith("model.train_vae: ")
    )


def test_arrays_that_are_no_clips_and_runs_of_other_options(clips: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.zeros((4, 8), np.float32))
    with pytest.raises(UserError, match=r"is float32 \[4, 8\]; it must be uint8"):
        data.opened(tmp_path / "flat.npy")
    words = ("budget=0.00005",)
    train(options(clips, tmp_path / "o", *words), say=lambda _: None)
    with pytest.raises(UserError, match=r"holds a run with lr=0.001, not 0.01"):
        train(options(clips, tmp_path / "o", *words, "lr=0.01"), say=lambda _: None)


def test_help_lists_every_option_without_importing_torch() -> None:
    code = "import sys; from model.train_vae import main; main(['--help']); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "vae.channels=48" in done.stdout and "loss.lpips=0.0" in done.stdout


def test_a_pretended_card_trains_the_vae_of_the_cpu(clips: Path, tmp_path: Path) -> None:
    few = ("budget=1e-4", "part=1e-4", "loss.adversarial=0.1", "compile=false", "precision=fp32")
    found = []
    for place in ("cpu", "cuda"):
        words = [f"data={clips}", f"out={tmp_path / place}", f"device={place}", *few, *SMALL]
        if place == "cpu":
            assert main(words) == 0
        else:
            with card():
                assert main(words) == 0
        found.append(load(tmp_path / place / "vae.safetensors").state_dict())
    assert all(torch.equal(tensor, found[1][name]) for name, tensor in found[0].items())
