"""The data of the plots, of searches small enough to do in the head."""

import numpy as np
import pytest
from rankings import one_query

from agch.charts import COLOURS, OTHER
from agch.codes import pack, unpack
from agch.curves import at_cutoffs, bit_balance, code_map, hamming_histogram, precision_recall
from agch.metrics import evaluate


def test_curves_over_k_have_a_column_a_direction_and_take_ties_in_expectation():
    # two tied items, then one: the relevant item is the first of the tie, or the last of all
    found = {
        "i2t": evaluate(*one_query([0, 0, 3], [1, 0, 0]), at=(1, 2)),
        "t2i": evaluate(*one_query([0, 0, 3], [0, 0, 1]), at=(1, 2)),
    }
    # i2t: p@1 is 1/2 (in the order of the database 1), p@2 is 1/2, AP@2 (1 + 1/2) / 2
    assert at_cutoffs(found, "p", [1, 2]) == {"k": [1, 2], "i2t": [0.5, 0.5], "t2i": [0, 0]}
    assert at_cutoffs(found, "map", [2, 1]) == {"k": [2, 1], "i2t": [0.75, 0.5], "t2i": [0, 0]}


def test_precision_and_recall_have_a_point_for_each_radius():
    # relevant items at 0 and 2, others at 1 and 2
    found = evaluate(*one_query([0, 1, 2, 2], [1, 0, 0, 1]))
    columns = precision_recall(found, "i2t")
    assert list(columns) == ["recall", "i2t"]
    assert columns["recall"] == [0.5, 0.5] + 7 * [1]
    assert columns["i2t"] == [1] + 8 * [0.5]


def test_shares_of_relevant_and_irrelevant_pairs_each_add_up_to_one():
    # query 0: relevant at 0 and 1, irrelevant at 8; query 1: relevant at 8, irrelevant at 7 and 0
    query = np.array([[0b00000000], [0b11111111]], np.uint8)
    database = np.array([[0b00000000], [0b10000000], [0b11111111]], np.uint8)
    query_labels = np.array([[1, 0, 0], [0, 1, 0]], np.uint8)
    database_labels = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1]], np.uint8)
    columns = hamming_histogram(evaluate(query, database, query_labels, database_labels))
    assert list(columns) == ["distance", "relevant", "irrelevant"]
    assert list(columns["distance"]) == list(range(9))
    third = 1 / 3
    assert columns["relevant"] == pytest.approx([third, third, 0, 0, 0, 0, 0, 0, third])
    assert columns["irrelevant"] == pytest.approx([third, 0, 0, 0, 0, 0, 0, third, third])


@pytest.mark.parametrize(("gain", "missing"), [(1, "irrelevant"), (0, "relevant")])
def test_where_there_are_no_such_pairs_every_share_is_0(gain, missing):
    columns = hamming_histogram(evaluate(*one_query([0, 2], [gain, gain])))
    present = {"relevant", "irrelevant"} - {missing}
    assert columns[missing] == 9 * [0]
    assert columns[present.pop()] == [0.5, 0, 0.5] + 6 * [0]


def test_bit_balance_is_the_share_of_plus_one_in_each_bit_counted_from_1():
    codes = {
        "image": np.array([[0b10000001], [0b10000000], [0b10000000], [0b11000000]], np.uint8),
        "text": np.array([[0b11111111], [0]], np.uint8),
    }
    columns = bit_balance(codes)
    assert list(columns) == ["bit", "image", "text"]
    assert list(columns["bit"]) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert columns["image"] == [1, 0.25, 0, 0, 0, 0, 0, 0.25]
    assert columns["text"] == 8 * [0.5]


def test_the_map_has_the_two_components_in_which_all_codes_differ_the_most():
    # Bits 1 to 4 go together, bits 5 and 6 go together, independent of them; 7 and 8 are constant.
    # So the first component is four signs over root 4, the second two over root 2.
    signs = [[-1] * 4 + [-1] * 2, [-1] * 4 + [1] * 2, [1] * 4 + [-1] * 2, [1] * 4 + [1] * 2]
    codes = pack(np.array([row + [1, -1] for row in signs]))
    columns = code_map(
        {"image": codes[:2], "text": codes[2:]}, np.eye(2, dtype=np.uint8), ["a", "b"]
    )
    assert list(columns) == ["x", "y", "label", "modality"]
    x, y = np.array(columns["x"]), np.array(columns["y"])
    # image: minus, text: plus; what one modality alone says is no axis of the map. Signs are free
    assert (x * np.sign(x[-1])).tolist() == [-2, -2, 2, 2]
    assert (y * np.sign(y[-1])).tolist() == [-1.414, 1.414, -1.414, 1.414]


def test_the_map_is_that_of_the_principal_components_up_to_sign():
    rng = np.random.default_rng(0)
    codes = {name: rng.integers(0, 256, (25, 2), dtype=np.uint8) for name in ("image", "text")}
    columns = code_map(codes, np.ones((25, 1), np.uint8), ["a"])
    signs = np.concatenate([unpack(codes["image"]), unpack(codes["text"])]).astype(float)
    signs -= signs.mean(axis=0)
    left, scale, _ = np.linalg.svd(signs)
    for place, name in enumerate("xy"):
        expected = left[:, place] * scale[place]
        found = np.array(columns[name])
        assert found == pytest.approx(expected * np.sign(found[0] * expected[0]), abs=6e-4)
        assert found.tolist() == np.round(found, 3).tolist()


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_collapsed_codes_lie_at_one_place():
    codes = {name: np.full((3, 1), 7, np.uint8) for name in ("image", "text")}
    columns = code_map(codes, np.ones((3, 1), np.uint8), ["a"])
    assert columns["x"] == columns["y"] == 6 * [0]


def shown(label, names):
    codes = np.arange(2 * len(label), dtype=np.uint8)[:, None]
    sides = {"image": codes[: len(label)], "text": codes[len(label) :]}
    columns = code_map(sides, np.array(label, np.uint8), names)
    assert columns["modality"] == len(label) * ["image"] + len(label) * ["text"]
    first, second = columns["label"][: len(label)], columns["label"][len(label) :]
    assert first == second
    return first


def test_a_code_is_shown_under_the_most_frequent_of_its_labels():
    # a once, b three times, c twice
    label = [[1, 1, 0], [0, 1, 1], [0, 1, 0], [0, 0, 1]]
    assert shown(label, ["a", "b", "c"]) == ["b", "b", "b", "c"]
    # of equally frequent ones, the first
    assert shown([[1, 1], [1, 1]], ["a", "b"]) == ["a", "a"]


def test_a_code_with_rare_labels_alone_is_shown_as_other():
    # names at every place; the last is the most frequent, and one more than there are colours
    names = [f"label {i}" for i in range(len(COLOURS) + 1)]
    label = np.concatenate([np.eye(len(names)), np.eye(len(names))[1:]])
    label[0, 0] = 1  # once, the others twice
    found = shown(label, names)
    assert found == [OTHER, *names[1:], *names[1:]]


def test_a_code_without_a_label_is_shown_as_other():
    names = [f"label {i}" for i in range(len(COLOURS))]
    assert shown([*np.eye(len(names)), np.zeros(len(names))], names) == [*names, OTHER]
    assert shown([[1, 0], [0, 1], [0, 0]], ["a", "b"]) == ["a", "b", OTHER]


def test_without_labels_every_code_is_shown_as_other():
    assert shown(np.zeros((3, 0)), []) == [OTHER] * 3
