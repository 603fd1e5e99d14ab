"""The text encoder: deterministic, order-aware, kind to unseen words, null for nothing."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from model.config import TextConfig  # noqa: E402
from model.network.text import BYTES, GRAMS, NULL, TextEncoder, Words, hashed, word_ids, word_row, words  # noqa: E402
from simbench.errors import UserError  # noqa: E402

pytestmark = pytest.mark.torch

HASH = TextConfig("hash", width=32, depth=1, buckets=2048)
KINDS = [HASH, TextConfig("bytes", width=32, depth=1)]
ROOT = Path(__file__).resolve().parent.parent
PROMPTS = ["A red ball rolls left.", "", "ein blauer Würfel, 3 cm"]
PRINT_IDS = """
import hashlib, sys
from model.config import TextConfig
from model.network.text import TextEncoder
ids = TextEncoder(TextConfig(sys.argv[1], width=32, depth=1, buckets=2048)).tokens(sys.argv[2:])
print(hashlib.sha256(ids.numpy().tobytes()).hexdigest())
"""


def build(config: TextConfig) -> TextEncoder:
    return TextEncoder(config, torch.Generator().manual_seed(0))


def mean(encoder: TextEncoder, prompt: str) -> torch.Tensor:
    """Features of a prompt over its tokens."""
    text = encoder(encoder.tokens([prompt]))
    return text.features[text.mask].mean(0)


def test_hash_is_fnv_1a_before_the_mixing() -> None:
    value = 0xAF63DC4C8601EC8C  # FNV-1a of "a", from the tables of its authors
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = (value ^ value >> 33) * factor % 2**64
    assert hashed("a") == value ^ value >> 33


def test_words_and_marks() -> None:
    assert words("Two RED balls, one's gone!") == ["two", "red", "balls", ",", "one", "'", "s", "gone", "!"]
    assert words("ﬁne  Straße") == ["fine", "strasse"] and words(" \n") == []


def test_a_word_is_its_n_grams() -> None:
    ids = word_ids("ball", 10**9)
    assert len(ids) == 2 * (4 + 3 + 2 + 1) == len(set(ids)) and min(ids) > 0
    row = word_row("ball", 10**9)
    assert tuple(row[: len(ids)]) == ids and len(row) == GRAMS and not row[len(ids) :].any()
    assert len(word_ids("a" * 60 + "bcdefghijklmnop", 10**9)) <= GRAMS
    assert len(word_ids("abcdefghijklmnopqrstuvwxyz", 10**9)) == GRAMS
    assert word_ids("abcdefghijklmnopqrstuvwxyz", 10**9) != word_ids("abcdefghijklmnopqrstuvwxyy", 10**9)


@pytest.mark.parametrize("config", KINDS, ids=lambda c: c.kind)
def test_ids_are_the_same_in_every_process(config: TextConfig) -> None:
    want = hashlib.sha256(build(config).tokens(PROMPTS).numpy().tobytes()).hexdigest()
    environment = {**os.environ, "PYTHONHASHSEED": "17", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PRINT_IDS, config.kind, *PROMPTS]
    got = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=ROOT)
    assert got.stdout.strip() == want


@pytest.mark.parametrize("config", KINDS, ids=lambda c: c.kind)
def test_empty_prompt_is_the_null_sequence(config: TextConfig) -> None:
    encoder = build(config)
    for prompts in (["", " \n"], ["", "a very long neighbour " * 9]):
        text = encoder(encoder.tokens(prompts))
        assert text.mask[0].sum() == NULL and torch.equal(text.features[0, :NULL], encoder.null)
        assert text.mask.any(1).all() and text.features.isfinite().all()
    text.features[text.mask].square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())


@pytest.mark.parametrize("config", KINDS, ids=lambda c: c.kind)
def test_features_do_not_depend_on_the_neighbours(config: TextConfig) -> None:
    encoder = build(config)
    alone = encoder(encoder.tokens(PROMPTS[:1]))
    beside = encoder(encoder.tokens([*PROMPTS, "word " * 40]))
    count = int(alone.mask.sum())
    assert int(beside.mask[0].sum()) == count
    torch.testing.assert_close(alone.features[0, :count], beside.features[0, :count], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("config", KINDS, ids=lambda c: c.kind)
def test_order_of_the_words_counts(config: TextConfig) -> None:
    encoder = build(config)
    one, other = (mean(encoder, p) for p in ("red ball left of blue box", "blue ball left of red box"))
    assert (one - other).norm() > 0.02 * one.norm()


def test_typos_and_unseen_words_stay_near() -> None:
    encoder = build(HASH)

    def likeness(one: str, other: str) -> float:
        a, b = (encoder.reader(encoder.tokens([w]))[0][0, 0] for w in (one, other))
        return float(torch.cosine_similarity(a, b, dim=0).detach())

    assert likeness("occluder", "occluderr") > 0.6 and likeness("cylinder", "cilinder") > 0.4
    assert abs(likeness("occluder", "ball")) < 0.4
    assert likeness("BALL", "ball") > 0.999


def test_prompts_are_cut_to_the_limit() -> None:
    assert build(HASH).tokens(["w " * 99]).shape == (1, 64, GRAMS)
    assert build(KINDS[1]).tokens(["w" * 999]).shape == (1, BYTES)
    assert build(HASH).tokens([]).shape == (0, 16, GRAMS)


def test_precomputed_features_skip_missing_tokens() -> None:
    encoder = build(TextConfig("precomputed", width=32, depth=1, features=6))
    features = torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(0))
    features[0, 3:] = torch.nan
    features[1] = torch.nan
    text = encoder(features)
    assert text.mask.sum(1).tolist() == [3, NULL] and text.features.isfinite().all()
    assert torch.equal(text.features[1, :NULL], encoder.null)
    assert torch.equal(encoder(encoder.tokens([""])).features[0, :NULL], encoder.null)
    with pytest.raises(UserError, match="reads features, not prompts"):
        encoder.tokens(["a ball"])


def test_weights_are_fp32_and_from_the_generator() -> None:
    one, two = build(HASH), build(HASH)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert {p.dtype for p in one.parameters()} == {torch.float32}
    assert isinstance(one.reader, Words) and one.reader.table.padding_idx == 0


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (TextConfig("none"), "text.kind='none' cannot be read"),
        (TextConfig("hush"), "choose hash, bytes"),
        (TextConfig("hash", width=33), "text.width=33 must be even"),
        (TextConfig("precomputed"), "text.features=0"),
        (TextConfig("hf:/nowhere/t5"), "/nowhere/t5 holds no config.json"),
    ],
)
def test_options_that_cannot_be(config: TextConfig, message: str) -> None:
    with pytest.raises(UserError, match=message):
        TextEncoder(config)


def test_transformers_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match="needs transformers; pip install"):
        TextEncoder(TextConfig(f"hf:{tmp_path}"))


def test_pretrained_encoder_from_a_folder(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "ball"]
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary))
    transformers.BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    config = transformers.BertConfig(
        vocab_size=8, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    transformers.BertModel(config).save_pretrained(tmp_path)
    encoder = TextEncoder(TextConfig(f"hf:{tmp_path}", width=32, depth=1))
    text = encoder(encoder.tokens(["a red ball", ""]))
    assert text.mask.sum(1).tolist() == [5, NULL]
    assert torch.equal(text.features[1, :NULL], encoder.null)
    assert not any("frozen" in name for name in encoder.state_dict())
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(UserError, match="cannot be loaded"):
        TextEncoder(TextConfig(f"hf:{tmp_path}"))
