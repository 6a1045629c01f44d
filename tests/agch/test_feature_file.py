"""The file of features, row by row: what is computed, what was given, what is left out."""

import io

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from agch import storage
from agch.backbones import Backbone
from agch.errors import InputError
from agch.feature_file import (
    ROWS,
    allocate_images,
    check_ids,
    check_texts,
    copy_rows,
    encode_texts,
    fill,
    put_facts,
)
from agch.features import Block, extract
from agch.images import to_tensor
from agch.text_encoders import TextEncoder, bow

CPU = torch.device("cpu")
BROKEN = b"no picture"


class MeanColour(nn.Module):
    """(b, 3, h, w) -> (b, 3)."""

    def forward(self, pixels):
        return pixels.mean((2, 3))


def pixels_of(picture):
    return to_tensor(picture, (0,) * 3, (1,) * 3)


def picture(red):
    data = io.BytesIO()
    Image.new("RGB", (4, 4), (red, 0, 255)).save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def file():
    """An empty HDF5 file in memory."""
    with h5py.File("features", "w", driver="core", backing_store=False) as file:
        yield file


def dataset(file, name, columns, dtype):
    """200 rows, of which the last may be cut off."""
    return file.create_dataset(name, (200, columns), dtype, maxshape=(None, columns))


ENTRIES = [{"id": f"item{row}"} for row in range(200)]


def test_rows_of_unreadable_pictures_are_left_out_of_the_file(file, capsys):
    rows = [row for row in range(200) if row != 5]
    blocks = [
        Block(rows[:9], np.array([[row, 1] for row in rows[:9]], "f4"), {5: "damaged"}),
        Block(rows[9:], np.array([[row, 2] for row in rows[9:]], "f4"), {}),
    ]
    image = dataset(file, "image", 2, "float32")
    assert fill([image], blocks, ENTRIES) == rows
    assert image[:, 0].tolist() == rows
    assert "item5: damaged" in capsys.readouterr().out


def test_columns_of_a_block_are_split_among_the_datasets_in_order(file):
    # row r has the columns r, r + 1, r + 2, r + 3, r + 4: two for the first, three for the second
    rows = [row for row in range(200) if row != 5]
    columns = [[row + column for column in range(5)] for row in rows]
    blocks = [
        Block(rows[:9], np.array(columns[:9], "f4"), {5: "damaged"}),
        Block(rows[9:], np.array(columns[9:], "f4"), {}),
    ]
    image, pool5 = dataset(file, "image", 2, "float32"), dataset(file, "pool5", 3, "float16")
    fill([image, pool5], blocks, ENTRIES)
    assert image[:].tolist() == [row[:2] for row in columns]
    assert pool5[:].tolist() == [row[2:] for row in columns]
    assert (image.dtype, pool5.dtype) == (np.float32, np.float16)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_block_of_unreadable_pictures_alone_leaves_no_row_in_any_dataset(file, batch):
    # 200 pictures with one unreadable: in batches of one it is a block by itself
    reds = [BROKEN if row == 5 else picture(row) for row in range(200)]
    network = nn.Sequential(MeanColour(), nn.Linear(3, 5))
    backbone = Backbone(network, pixels_of, 2, "digest", pool5=3)
    image, pool5 = dataset(file, "image", 2, "float32"), dataset(file, "pool5", 3, "float16")
    kept = fill([image, pool5], extract(backbone, reds, batch, CPU, workers=2), ENTRIES)
    assert len(kept) == len(image) == len(pool5) == 199
    seen = torch.tensor([[row / 255, 0, 1] for row in range(200) if row != 5])
    expected = network[1](seen).detach().numpy()
    np.testing.assert_allclose(image[:], expected[:, :2], atol=1e-6)
    np.testing.assert_allclose(pool5[:], expected[:, 2:], atol=1e-3)


@pytest.mark.parametrize("pool5", [0, 6])
def test_there_is_a_dataset_for_the_columns_of_pool5_where_there_are_any(file, pool5):
    backbone = Backbone(MeanColour(), pixels_of, 3, "digest", pool5=pool5)
    found = [(each.name, each.shape, each.dtype) for each in allocate_images(file, 5, backbone)]
    assert found[0] == ("/image", (5, 3), "float32")
    assert found[1:] == ([("/image_pool5", (5, 6), "float16")] if pool5 else [])


def test_rows_that_were_kept_are_copied_block_by_block(file):
    given = np.arange(2 * (ROWS + 20), dtype="f4").reshape(-1, 2)
    with h5py.File("given", "w", driver="core", backing_store=False) as other:
        kept = [row for row in range(len(given)) if row % 7]
        copy_rows(other.create_dataset("text", data=given), file, kept)
    np.testing.assert_array_equal(file["text"][:], given[kept])


def test_texts_are_encoded_block_by_block_and_words_name_their_columns(file):
    entries = [{"tags": ["a"] if row % 3 else ["b", "c"]} for row in range(ROWS + 5)]
    encode_texts(file, entries, bow(["a", "b", "c"]))
    assert file["text"].dtype == np.uint8
    expected = [[1, 0, 0] if row % 3 else [0, 1, 1] for row in range(ROWS + 5)]
    assert file["text"][:].tolist() == expected
    assert storage.strings(file["vocabulary"]) == ["a", "b", "c"]


def test_columns_of_embeddings_have_no_names(file):
    encoder = TextEncoder(lambda entries: np.ones((len(entries), 4), "f4"), 4, "float32", None, "")
    encode_texts(file, [{}, {}], encoder)
    assert file["text"][:].tolist() == [[1] * 4] * 2 and "vocabulary" not in file


def test_facts_are_ids_labels_and_the_split_where_there_is_one(file):
    entries = [{"id": "1", "labels": ["y"], "split": ""}, {"id": "ä", "labels": [], "split": ""}]
    put_facts(file, entries, ["x", "y"])
    assert storage.strings(file["id"]) == ["1", "ä"]
    assert file["label"][:].tolist() == [[0, 1], [0, 0]]
    assert storage.strings(file["label_name"]) == ["x", "y"] and "split" not in file
    del file["id"], file["label"], file["label_name"]
    put_facts(file, [entries[0] | {"split": "query"}, entries[1]], ["x", "y"])
    assert storage.strings(file["split"]) == ["query", ""]


def test_without_labels_the_matrix_has_rows_and_no_columns(file):
    put_facts(file, [{"id": "1", "labels": [], "split": ""}], [])
    assert file["label"].shape == (1, 0) and file["label_name"].shape == (0,)


def test_given_features_of_other_items_are_refused(file):
    storage.put(file, "id", ["1", "2"])
    check_ids(file, [{"id": "1"}, {"id": "2"}])
    with pytest.raises(InputError, match="speak of different items; .*`dvc repro prepare`"):
        check_ids(file, [{"id": "2"}, {"id": "1"}])


def test_there_has_to_be_a_text_to_embed():
    nothing = {"caption": "", "tags": []}
    check_texts([nothing, {"caption": "", "tags": ["a"]}])
    check_texts([{"caption": "a", "tags": []}])
    with pytest.raises(InputError, match="no item has a caption or a tag: .*; use bow"):
        check_texts([nothing, nothing])
