"""Summaries of feature files: each number against loops over all pairs, the lines, the warnings."""

import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import agch
from agch import summary as module
from agch.errors import InputError
from agch.storage import FEATURES, SchemaError, create, put
from agch.summary import mean_cosine, relevance, repeats, scan, sum_of_units, summary
from tests.imports import loaded

ROOT = Path(agch.__file__).parents[1]
IMAGE = np.array([[3, 4, 0], [4, 3, 0], [0, 5, 0], [0, 0, 0]], np.float32)
WORDS = np.array([[1, 1], [0, 1], [0, 0], [0, 1]], np.uint8)
LABEL = np.array([[1, 0, 1], [1, 0, 0], [0, 0, 0], [0, 0, 1]], np.uint8)
ATTRIBUTES = {
    "source": "made",
    "licence": "public domain",
    "backbone": "alexnet",
    "weights_sha256": "0",
    "text_encoder": "bow",
    "text_weights_sha256": "",
}


def write(path, **changed):
    """A file of four rows but for the datasets given; None leaves one out."""
    contents = {
        "id": ["a", "b", "c", "d"],
        "image": IMAGE,
        "text": WORDS,
        "label": LABEL,
        "vocabulary": ["cat", "dog"],
        "label_name": ["animal", "bird", "fish"],
    }
    with create(path, FEATURES, **ATTRIBUTES) as file:
        for name, values in (contents | changed).items():
            if values is not None:
                put(file, name, values)
    return path


def told(lines):
    """The value of each line of the table."""
    table = [line for line in lines if not line.startswith("warning: ")]
    return {line[:27].strip(): line[27:] for line in table}


def warned(lines):
    return [line.removeprefix("warning: ") for line in lines if line.startswith("warning: ")]


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "agch.summary", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def cosine(a, b):
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    return a @ b / lengths if lengths else 0.0


matrices = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=9),
    elements=st.integers(-3, 3).map(float),
)
label_rows = arrays(
    np.bool_, st.tuples(st.integers(2, 12), st.integers(0, 11)), elements=st.booleans()
)


@pytest.fixture(params=[1, 2, 3, 1024])
def block_rows(request, monkeypatch):
    """However many rows a block has."""
    monkeypatch.setattr(module, "BLOCK_ROWS", request.param)


def test_the_mean_cosine_of_two_rows_is_their_cosine():
    found = scan(np.array([[3, 4], [4, 3]], np.float32))
    assert found.cosine == pytest.approx(24 / 25)


@given(matrices)
def test_the_mean_cosine_is_that_of_a_loop_over_all_pairs(matrix):
    exact = matrix.astype(float)
    expected = np.mean([cosine(a, b) for a, b in combinations(exact, 2)])
    units = sum(row.any() for row in matrix)
    assert mean_cosine(sum_of_units(matrix), units, len(matrix)) == pytest.approx(
        expected, abs=1e-12
    )
    assert scan(matrix).cosine == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_mean_cosine_knows_no_scale(scale):
    rows = np.array([[3, 4], [4, 3]]) * np.array([[scale], [1]])
    assert scan(rows.astype(np.float32)).cosine == pytest.approx(24 / 25)


def test_a_scan_counts_what_a_reader_can_count(block_rows):
    found = scan(IMAGE)
    assert found.dim == 3
    assert found.filled.tolist() == [2, 2, 1, 0]
    assert found.constant == 1  # the last column
    assert found.cosine == pytest.approx((0.96 + 0.8 + 0.6) / 6)  # three pairs have the row of 0
    assert len(set(found.digests)) == 4


def test_a_column_that_differs_in_the_last_row_alone_is_not_constant(block_rows):
    matrix = np.ones((5, 2), np.float32)
    matrix[4, 1] = 2
    assert scan(matrix).constant == 1


def test_equal_rows_have_equal_digests_wherever_they_stand(block_rows):
    digests = scan(np.array([[1, 2], [2, 1], [1, 2], [1, 2]], np.float32)).digests
    assert digests[0] == digests[2] == digests[3] != digests[1]
    assert {len(digest) for digest in digests} == {16}
    assert repeats(digests) == 2


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
@pytest.mark.filterwarnings("error")
def test_a_number_that_is_not_finite_makes_the_mean_cosine_nan(odd):
    assert np.isnan(scan(np.array([[1, odd], [1, 1], [0, 1]], np.float32)).cosine)


def test_three_items_of_which_two_share_a_label_have_a_relevance_of_a_third():
    assert relevance(np.array([[1, 1], [0, 1], [0, 0]], bool)) == pytest.approx(1 / 3)


@given(label_rows, st.sampled_from([1, 5, 1 << 20]))
def test_the_relevance_is_that_of_a_loop_over_all_pairs(labels, pairs):
    expected = np.mean([(a & b).any() for a, b in combinations(labels, 2)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_PAIRS", pairs)
        assert relevance(labels) == pytest.approx(expected, abs=1e-12)


def test_the_relevance_of_more_rows_than_can_be_paired_one_by_one():
    labels = np.zeros((200_000, 10), bool)
    labels[:60_000, 0] = labels[50_000:100_000, 9] = True
    # pairs of the first 60,000, plus pairs of the next 40,000 with each other and with 10,000
    pairs = 60_000 * 59_999 / 2 + 40_000 * 39_999 / 2 + 40_000 * 10_000
    assert relevance(labels) == pytest.approx(pairs / (200_000 * 199_999 / 2), rel=1e-12)


def test_the_summary_of_words_has_every_number_in_order(tmp_path):
    assert summary(write(tmp_path / "made.h5")) == [
        "source                     made",
        "licence                    public domain",
        "backbone                   alexnet",
        "text encoder               bow",
        "rows                       4",
        "image features             3, 1 of them constant",
        "image zeros                58.3%",
        "image mean cosine          0.393",
        "words                      2",
        "words an item              mean 1.00, min 0, max 2; without any: 1",
        "share of ones              50.00%",
        "labels                     3",
        "labels an item             mean 1.00, min 0, max 2; without any: 1",
        "rarest label               bird: 0",
        "most frequent label        animal: 2",
        "pairs sharing a label      33.33%",
        "rows that repeat an image  0",
        "rows that repeat a text    1",
        "rows that repeat both      0",
        "warning: images whose features are all zeros: 1",
    ]


def test_embeddings_of_text_are_summed_up_as_those_of_images(tmp_path):
    text = np.array([[3, 4], [4, 3], [0, 5], [3, 4]], np.float32)
    found = told(summary(write(tmp_path / "made.h5", text=text, vocabulary=None)))
    assert found["text features"] == "2, 0 of them constant"
    assert found["text zeros"] == "12.5%"
    assert found["text mean cosine"] == "0.853"  # (2 * 0.96 + 2 * 0.8 + 0.6 + 1) / 6
    assert "words" not in found


def test_the_sizes_of_an_official_split_are_told(tmp_path):
    path = write(tmp_path / "made.h5", split=["train", "query", "train", ""])
    assert told(summary(path))["official split"] == "none 1, query 1, train 2"
    assert "official split" not in told(summary(write(tmp_path / "made.h5")))


def test_pool5_and_columns_of_nothing_are_no_obstacle(tmp_path):
    none = np.zeros((4, 0), np.uint8)
    changed = {"text": none, "label": none, "vocabulary": [], "label_name": []}
    pool5 = np.ones((4, 2), np.float16)
    lines = summary(write(tmp_path / "made.h5", image_pool5=pool5, **changed))
    found = told(lines)
    assert (found["words"], found["labels"], found["share of ones"]) == ("0", "0", "0.00%")
    assert "rarest label" not in found
    assert "no item has a label: retrieval cannot be evaluated" in warned(lines)


RNG = np.random.default_rng(0)
GOOD = {
    "id": [str(row) for row in range(100)],
    "image": RNG.random((100, 3), np.float32),
    "text": np.ones((100, 2), np.uint8),
    "label": np.repeat(np.eye(4, dtype=np.uint8), 25, axis=0),
    "label_name": ["a", "b", "c", "d"],
}
ALONE = np.eye(100, dtype=np.uint8)  # each item has a label of its own
NAMES = GOOD["id"]


def changed_rows(values, **rows):
    """A copy with rows changed, `r7=...` for row 7."""
    copy = values.copy()
    for row, value in rows.items():
        copy[int(row[1:])] = value
    return copy


def test_nothing_is_wrong_with_a_good_file(tmp_path):
    assert warned(summary(write(tmp_path / "made.h5", **GOOD))) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"image": changed_rows(GOOD["image"], r7=np.nan)},
            "image features hold numbers that are not finite",
        ),
        ({"image": changed_rows(GOOD["image"], r7=0)}, "images whose features are all zeros: 1"),
        (
            {"image": changed_rows(GOOD["image"], r7=1, r8=1, r9=1)},
            "2.0% of the rows repeat both modalities",
        ),
        ({"label": 0 * GOOD["label"]}, "no item has a label: retrieval cannot be evaluated"),
        ({"label": ALONE, "label_name": NAMES}, "hardly a pair shares a label"),
        (
            {"label": changed_rows(0 * GOOD["label"] + 1, r7=0)},
            "nearly all pairs share a label: any ranking scores high",
        ),
    ],
    ids=["not finite", "zeros", "repeated", "no label", "irrelevant", "relevant"],
)
def test_what_looks_wrong_is_told_once(tmp_path, changed, expected):
    assert warned(summary(write(tmp_path / "made.h5", **GOOD | changed))) == [expected]


def test_images_that_are_all_the_same_are_told(tmp_path):
    changed = GOOD | {"image": np.ones((100, 3), np.float32)}
    lines = summary(write(tmp_path / "made.h5", **changed))
    assert "all images have the same features" in warned(lines)
    assert told(lines)["rows that repeat an image"] == told(lines)["rows that repeat both"] == "99"


def test_1_percent_of_repeated_rows_and_a_relevance_below_90_percent_pass(tmp_path):
    image = changed_rows(GOOD["image"], r7=1, r8=1)
    label = np.ones((100, 4), np.uint8)
    label[:6] = 0  # 94 * 93 / (100 * 99) = 0.883
    lines = summary(write(tmp_path / "made.h5", **GOOD | {"image": image, "label": label}))
    assert warned(lines) == []
    assert told(lines)["rows that repeat both"] == "1"
    assert told(lines)["pairs sharing a label"] == "88.30%"


def test_blocks_of_any_size_give_the_same_summary(tmp_path, block_rows):
    found = told(summary(write(tmp_path / "made.h5", **GOOD)))
    expected = np.mean([cosine(a, b) for a, b in combinations(GOOD["image"], 2)])
    assert found["image mean cosine"] == f"{expected:.3f}"
    assert found["words an item"] == "mean 2.00, min 2, max 2; without any: 0"
    assert found["rows that repeat a text"] == "99"


@pytest.mark.parametrize("rows", [0, 1])
def test_a_file_without_a_pair_of_rows_is_an_error(tmp_path, rows):
    changed = {name: values[:rows] for name, values in GOOD.items() if name != "label_name"}
    path = write(tmp_path / "made.h5", **GOOD | changed)
    with pytest.raises(InputError, match=f"made.h5 has {rows} rows; a summary needs 2 or more"):
        summary(path)


def test_another_file_is_refused(tmp_path):
    (tmp_path / "made.h5").write_bytes(b"anything")
    for name in ("made.h5", "none.h5"):
        with pytest.raises(SchemaError, match=name):
            summary(tmp_path / name)


def test_the_command_prints_the_summary(tmp_path):
    path = write(tmp_path / "made.h5")
    done = command(path)
    assert done.stdout.splitlines() == summary(path)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_the_user_can_mend_is_one_line_and_status_1(tmp_path):
    done = command(tmp_path / "none.h5")
    expected = f"error: {tmp_path / 'none.h5'} not found; make it with `dvc repro extract`\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)


def test_a_summary_needs_no_torch():
    assert loaded("agch.summary", {"torch", "numpy"}, ROOT) == {"numpy"}
