"""The source `features`: any published set comes back row by row, or one error says why not."""

import tracemalloc

import h5py
import numpy as np
import pytest
from array_files import h5, mat, mat73, npz
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agch import storage
from agch.dataset import assemble
from agch.errors import InputError
from agch.features import indicator
from agch.sources.base import Item, SourceError
from agch.sources.features import Features

IMAGE = np.array([[0.5, -1.0], [2.0, 0.0], [3.0, 1.5]], np.float32)
TAGS = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]], np.uint8)
LABEL = np.array([[0, 1], [1, 0], [1, 1]], np.uint8)
ALL = np.arange(3)
GIVEN = {"image": IMAGE, "text": TAGS, "label": LABEL}


def ours(path, image, text, label):
    """As the stage `extract` writes it."""
    values = {
        "id": [f"{row}.jpg" for row in range(len(image))],
        "image": image,
        "text": text,
        "label": label,
        "vocabulary": [f"w{column}" for column in range(text.shape[1])],
        "label_name": [f"l{column}" for column in range(label.shape[1])],
    }
    contract = storage.FEATURES
    with storage.create(path, contract, **dict.fromkeys(contract.attributes, "")) as file:
        for name, value in values.items():
            storage.put(file, name, value)
    return path


WRITERS = [
    pytest.param(npz, "a.npz", id="npz"),
    pytest.param(mat, "a.mat", id="mat"),
    pytest.param(mat73, "a.mat", id="mat73"),
    pytest.param(ours, "a.h5", id="ours"),
]


def refused(folder, **arrays):
    """The message about an .npz with these arrays; those of GIVEN unless one is given, or None."""
    kept = {name: array for name, array in {**GIVEN, **arrays}.items() if array is not None}
    path = npz(folder / "a.npz", **kept)
    with pytest.raises(SourceError) as caught:
        Features(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


def opened(folder, **arrays):
    """The source of an .npz with these arrays; those of GIVEN unless one is given, or None."""
    kept = {name: array for name, array in {**GIVEN, **arrays}.items() if array is not None}
    return Features(npz(folder / "a.npz", **kept))


@st.composite
def published(draw):
    """Features, 0/1 text and labels of a few rows; a row may be without any tag or label."""
    rows = draw(st.integers(1, 5))
    floats = st.floats(-1e9, 1e9, width=32)
    marks = st.integers(0, 1)
    return {
        "image": draw(arrays(np.float32, (rows, draw(st.integers(1, 3))), elements=floats)),
        "text": draw(arrays(np.uint8, (rows, draw(st.integers(1, 12))), elements=marks)),
        "label": draw(arrays(np.uint8, (rows, draw(st.integers(1, 12))), elements=marks)),
    }


@pytest.mark.parametrize(("write", "name"), WRITERS)
@given(values=published())
def test_the_matrices_come_back_from_every_format(tmp_path_factory, write, name, values):
    source = Features(write(tmp_path_factory.mktemp("any") / name, **values))
    dataset = assemble(source, min_items=1)
    labelled = values["label"].any(axis=1)
    if labelled.any():  # else no row is left out
        assert dataset.places == np.flatnonzero(labelled).tolist()
    rows = np.array(dataset.places)
    tags, labels = [[getattr(i, f) for i in dataset.items] for f in ("tags", "labels")]
    np.testing.assert_array_equal(indicator(tags, dataset.vocabulary), values["text"][rows])
    np.testing.assert_array_equal(indicator(labels, dataset.label_names), values["label"][rows])
    assert set(source.given()) == {"image"}
    np.testing.assert_array_equal(source.given()["image"][rows], values["image"][rows])


def test_what_is_not_named_is_numbered_so_that_it_sorts(tmp_path):
    source = opened(tmp_path)
    assert list(source.items()) == [
        Item("row_1", "", ("word_1", "word_3"), ("label_2",)),
        Item("row_2", "", (), ("label_1",)),
        Item("row_3", "", ("word_2",), ("label_1", "label_2")),
    ]
    wide = opened(tmp_path, text=np.ones((3, 1386)), label=np.ones((3, 24)))
    assert wide.vocabulary[:2] + wide.vocabulary[-1:] == ["word_0001", "word_0002", "word_1386"]
    assert wide.label_names[:2] + wide.label_names[-1:] == ["label_01", "label_02", "label_24"]
    assert wide.vocabulary == sorted(wide.vocabulary)


@pytest.mark.parametrize(("write", "name"), [*WRITERS[:3], pytest.param(h5, "a.h5", id="h5")])
def test_what_is_named_is_taken_over(tmp_path, write, name):
    names = {
        "id": ["x", "y", "z"],
        "vocabulary": ["red", "car", "bus"],
        "label_name": ["sky", "sea"],
        "split": ["query", "train", "database"],
    }
    source = Features(write(tmp_path / name, **GIVEN, **names))
    assert list(source.items()) == [
        Item("x", "", ("red", "bus"), ("sea",), split="query"),
        Item("y", "", (), ("sky",), split="train"),
        Item("z", "", ("car",), ("sea", "sky"), split="database"),
    ]
    assert source.vocabulary == ["red", "car", "bus"]
    assert source.label_names == ["sky", "sea"]


def test_our_own_features_are_taken_over_with_ids_and_names(tmp_path):
    source = Features(ours(tmp_path / "features.h5", IMAGE, TAGS, LABEL))
    assert next(source.items()) == Item("0.jpg", "", ("w0", "w2"), ("l1",))
    assert source.label_names == ["l0", "l1"]


def test_our_own_features_may_have_no_labels_and_an_open_split(tmp_path):
    path = ours(tmp_path / "features.h5", IMAGE, TAGS, np.empty((3, 0), np.uint8))
    with h5py.File(path, "r+") as file:
        storage.put(file, "split", ["query", "", "train"])
    assert [(item.labels, item.split) for item in Features(path).items()] == [
        ((), "query"),
        ((), ""),
        ((), "train"),
    ]


@pytest.mark.parametrize(
    "names", [("XAll", "YAll", "LAll"), ("fall", "tags", "lab"), ("IMG", "txt", "labels")]
)
def test_arrays_go_by_the_names_that_are_in_use(tmp_path, names):
    path = mat(tmp_path / "a.mat", **dict(zip(names, GIVEN.values(), strict=True)), other=TAGS)
    source = Features(path)
    assert [item.tags for item in source.items()][0] == ("word_1", "word_3")
    assert [item.labels for item in source.items()][0] == ("label_2",)
    assert source.given()["image"][ALL].tolist() == IMAGE.tolist()


def test_a_folder_with_one_array_a_file_is_one_set(tmp_path):
    mat73(tmp_path / "set-iall.mat", IAll=IMAGE)
    mat(tmp_path / "set-yall.mat", YAll=TAGS)
    mat(tmp_path / "set-lall.mat", LAll=LABEL)
    assert [item.id for item in assemble(Features(tmp_path), min_items=1).items] == [
        "row_1",
        "row_2",
        "row_3",
    ]


def test_rows_without_a_tag_stay(tmp_path):
    dataset = assemble(opened(tmp_path, text=np.zeros((3, 2))), min_items=5)
    assert [item.tags for item in dataset.items] == [(), (), ()]
    assert dataset.vocabulary == ["word_1", "word_2"]


@pytest.mark.parametrize("text", [TAGS * 2, TAGS - 0.5, TAGS.astype(np.int8) * -1])
def test_text_other_than_0_and_1_is_given_as_features(tmp_path, text):
    source = opened(tmp_path, text=text, vocabulary=["red", "car", "bus"])
    assert set(source.given()) == {"image", "text"}
    found = source.given()["text"][np.array([0, 2])]
    assert (found.dtype, found.tolist()) == (np.float32, text[[0, 2]].tolist())
    assert source.given()["text"].shape == (3, 3)
    assert source.vocabulary == []
    assert [item.tags for item in source.items()] == [(), (), ()]
    assert len(assemble(source, min_items=1).items) == 3


@pytest.mark.parametrize("row", [0, 2499])
def test_one_value_in_any_block_makes_text_features(tmp_path, row):
    text = np.zeros((2500, 2))
    values = {"image": np.ones((2500, 1)), "text": text, "label": None}
    assert set(opened(tmp_path, **values).given()) == {"image"}
    text[row, 1] = 0.5
    assert set(opened(tmp_path, **values).given()) == {"image", "text"}


def test_rows_beyond_the_first_block_keep_their_tags_and_labels(tmp_path):
    text, label = np.eye(2500, 3), np.eye(2500, 2)
    text[2400, 1] = label[2400, 0] = 1
    source = opened(tmp_path, image=np.ones((2500, 1)), text=text, label=label)
    items = list(source.items())
    assert len(items) == 2500
    assert items[2400] == Item("row_2401", "", ("word_2",), ("label_1",))
    assert items[2] == Item("row_0003", "", ("word_3",), ())


@pytest.mark.parametrize("kind", [np.float64, np.float16, np.int32, np.bool])
def test_features_of_any_kind_of_number_become_float32(tmp_path, kind):
    found = opened(tmp_path, image=IMAGE.astype(kind)).given()["image"][ALL]
    assert found.dtype == np.float32
    assert found.tolist() == IMAGE.astype(kind).tolist()


def test_labels_may_be_absent(tmp_path):
    source = opened(tmp_path, label=None)
    assert [item.labels for item in source.items()] == [(), (), ()]
    assert assemble(source, min_items=1).label_names == []


@pytest.mark.parametrize("shape", [(3,), (1, 3), (3, 1)])
@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_class_numbers_are_one_label_a_row_in_the_order_of_numbers(tmp_path, shape, kind):
    source = opened(tmp_path, label=np.array([10, 2, 10], kind).reshape(shape))
    assert [item.labels for item in source.items()] == [("class 10",), ("class 2",), ("class 10",)]
    assert source.label_names == ["class 2", "class 10"]


def test_classes_may_be_named_in_the_order_of_numbers(tmp_path):
    source = opened(tmp_path, label=np.array([1, 0, 1]), label_name=["sea", "sky"])
    assert [item.labels for item in source.items()] == [("sky",), ("sea",), ("sky",)]


def test_a_column_of_0_and_1_is_one_label_and_a_row_of_them_two_classes(tmp_path):
    column = np.array([[1], [0], [1]])
    source = opened(tmp_path, label=column)
    assert [item.labels for item in source.items()] == [("label_1",), (), ("label_1",)]
    source = opened(tmp_path, label=column.T)
    assert [item.labels for item in source.items()] == [("class 1",), ("class 0",), ("class 1",)]


def test_a_matrix_goes_before_pixels_of_another_name(tmp_path):
    pixels = np.zeros((3, 3, 8, 8), np.uint8)
    source = opened(tmp_path, image=None, IAll=pixels, XAll=IMAGE)
    assert source.given()["image"].shape == (3, 2)


def test_two_arrays_for_one_part_are_an_error(tmp_path):
    told = refused(tmp_path, XAll=IMAGE)
    assert told == ": image and XAll may each be the image; rename all but one"


def test_arrays_that_are_not_found_are_named_with_what_there_is(tmp_path):
    told = refused(tmp_path, text=None, feats=np.zeros((3, 7), np.float32))
    assert told == (
        " has no array for text; rename yours. Names, in upper or lower case:\n"
        "  text: text, yall, txt, tag, tags\n"
        "It holds:\n"
        "  image: float32 of shape (3, 2)\n"
        "  label: uint8 of shape (3, 2)\n"
        "  feats: float32 of shape (3, 7)"
    )
    told = refused(tmp_path, image=None, text=None, label=None)
    assert told.startswith(" has no array for image and text; ")
    assert told.endswith("It holds: nothing")


def test_what_cannot_be_opened_is_an_error_of_the_source(tmp_path):
    path = npz(tmp_path / "a.npz", **GIVEN)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(SourceError, match=r"a\.npz cannot be read as \.npz"):
        Features(path)
    with pytest.raises(SourceError, match=r"none\.mat not found"):
        Features(tmp_path / "none.mat")
    assert issubclass(SourceError, InputError)


def test_half_a_character_in_a_text_is_an_error(tmp_path):
    told = refused(tmp_path, id=np.array(["a\ud800", "b", "c"]))
    assert "id ('id') has U+D800 in a text, which is no character" in told


def test_pixels_are_no_features(tmp_path):
    told = refused(tmp_path, image=np.zeros((8, 8, 3, 3), np.uint8))  # as MATLAB has them
    head, problem = told.split("\n  ")  # the rows are those of the text
    assert problem.startswith("image ('image') is uint8 of shape (8, 8, 3, 3); these are pixels,")


MATRIX = "expected a matrix of numbers"


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"image": IMAGE[0]}, f"image ('image') is float32 of shape (2,); {MATRIX}"),
        ({"image": IMAGE * 1j}, f"image ('image') is complex64 of shape (3, 2); {MATRIX}"),
        ({"text": ["a", "b", "c"]}, f"text ('text') is <U1 of shape (3,); {MATRIX}"),
        (
            {"label": ["a", "b", "c"]},
            f"label ('label') is <U1 of shape (3,); {MATRIX}, or a class number a row",
        ),
        (
            {"text": TAGS[:2]},
            "text ('text') is uint8 of shape (2, 3); expected 3 rows, as many as the others have",
        ),
        (
            {"label": np.array([1, 2])},
            f"label ('label') is int64 of shape (2,); {MATRIX}, or a class number a row",
        ),
        (
            {"label": np.array([1, 2.5, 3])},
            f"label ('label') is float64 of shape (3,); {MATRIX}, or a class number a row",
        ),
        ({"label": LABEL[:2]}, "label ('label') is uint8 of shape (2, 2); expected 3 rows,"),
        (
            {"label": np.array([[1, 0], [0, 1], [0, 2]])},
            "label ('label') has values other than 0 and 1, the first in row 3",
        ),
        ({"text": np.empty((3, 0))}, "text ('text') is float64 of shape (3, 0); there is nothing"),
        ({"id": ["x", "y", "x"]}, "id ('id') has 'x' more than once, expected once"),
        ({"id": ["x", "y"]}, "id ('id') has 2 entries, expected 3"),
        ({"id": [1, 2, 3]}, "id ('id') holds int64 of shape (3,), expected text"),
        ({"vocabulary": ["a", "b"]}, "vocabulary ('vocabulary') has 2 entries, expected 3"),
        ({"vocabulary": ["a", "b", "a"]}, "vocabulary ('vocabulary') has 'a' more than once"),
        ({"label_name": ["a"]}, "label_name ('label_name') has 1 entries, expected 2"),
        (
            {"label": None, "label_name": ["a", "b"]},
            "label_name ('label_name') has 2 entries, expected 0",
        ),
        (
            {"split": ["query", "test", "train"]},
            "split ('split') has 'test', expected query, train, database or nothing",
        ),
        ({"split": ["query"]}, "split ('split') has 1 entries, expected 3"),
    ],
)
def test_what_does_not_fit_is_an_error(tmp_path, arrays, told):
    message = refused(tmp_path, **arrays)
    head, *problems = message.split("\n  ")
    assert head == " cannot be used; mend its arrays:"
    (problem,) = problems
    assert problem.startswith(told)


def test_a_set_without_rows_is_an_error(tmp_path):
    told = refused(tmp_path, **{name: array[:0] for name, array in GIVEN.items()})
    assert "image ('image') is float32 of shape (0, 2); there is nothing in it" in told


@pytest.mark.parametrize("part", ["image", "text", "label"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
def test_values_that_are_no_numbers_are_counted_and_placed(tmp_path, part, value):
    arrays = {name: np.zeros((3000, 2)) for name in GIVEN}
    arrays[part][2047, 1] = arrays[part][2999, 0] = arrays[part][2999, 1] = value
    told = refused(tmp_path, **arrays).splitlines()[1]
    assert told == (
        f"  {part} ('{part}') has 3 values that are NaN, infinite or too large for float32, "
        "the first in row 2048; replace them or drop such rows"
    )


def test_all_problems_are_told_at_once_by_the_names_of_the_file(tmp_path):
    told = refused(
        tmp_path,
        image=None,
        IMG=IMAGE * np.nan,
        text=TAGS[:2],
        label=LABEL + 1,
        id=["x", "x", "x"],
        vocabulary=["a"],
    )
    assert [line.split()[:2] for line in told.splitlines()[1:]] == [
        ["image", "('IMG')"],
        ["text", "('text')"],
        ["label", "('label')"],
        ["vocabulary", "('vocabulary')"],
        ["id", "('id')"],
    ]


def test_a_large_file_is_checked_and_read_by_blocks_of_rows(tmp_path):
    rows, columns = 50_000, 1024
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("image", (rows, columns), "f4", fillvalue=0.5)  # takes no space
        file.create_dataset("text", (rows, 1386), "u1")
    tracemalloc.start()
    source = Features(tmp_path / "a.h5")
    assert sum(1 for _ in source.items()) == rows
    image, total = source.given()["image"], 0.0
    for start in range(0, rows, 1000):
        total += image[np.arange(start, start + 1000)].sum(dtype=np.float64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == rows * columns / 2
    assert peak < 16 << 20  # all image features are 195 MiB, all text 66; a block 4 and 1.4
