"""Packed codes, Hamming distances, relevance, histograms and stable rankings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agch.ranking import blocks, hamming, histogram, pack, relevance, stable_ranking, unpack


def signs(rows, bits, seed=0):
    return np.random.default_rng(seed).choice(np.array([-1, 1], np.int8), (rows, bits))


def labels(rows, width, seed=0, share=0.3):
    return (np.random.default_rng(seed).random((rows, width)) < share).astype(np.uint8)


def test_first_bit_of_a_code_is_the_highest_bit_of_its_first_byte():
    codes = np.array([[1, -1, -1, -1, -1, -1, -1, -1, 1, 1, -1, -1, -1, -1, -1, 1]])
    assert pack(codes).tolist() == [[0b10000000, 0b11000001]]


def test_zero_counts_as_minus_one():
    codes = np.array([[0.0, -0.0, 1e-9, -1e-9, 3.0, -3.0, 0.0, 1.0]])
    assert pack(codes).tolist() == [[0b00101001]]


@pytest.mark.parametrize("bits", [8, 16, 24, 64, 72, 128])
def test_unpack_inverts_pack(bits):
    codes = signs(5, bits)
    assert unpack(pack(codes)).dtype == np.int8
    np.testing.assert_array_equal(unpack(pack(codes)), codes)


@pytest.mark.parametrize("shape", [(3, 12), (3, 0), (16,), (2, 2, 8)])
def test_pack_refuses_what_fills_no_bytes_and_names_the_shape(shape):
    with pytest.raises(ValueError, match=r"multiple of 8, got shape \("):
        pack(np.ones(shape))


@pytest.mark.parametrize("bits", [8, 16, 24, 32, 40, 48, 56, 64, 72, 96, 128, 320])
def test_hamming_counts_differing_bits_at_every_width(bits):
    query, database = signs(4, bits, seed=1), signs(9, bits, seed=2)
    distance = hamming(pack(query), pack(database))
    expected = [[sum(a != b for a, b in zip(x, y)) for y in database] for x in query]
    assert distance.dtype == np.uint16
    assert distance.tolist() == expected


def test_hamming_takes_views_that_are_not_contiguous():
    packed = pack(signs(10, 128))
    np.testing.assert_array_equal(hamming(packed[::2], packed), hamming(packed, packed)[::2])
    np.testing.assert_array_equal(
        hamming(packed[:, ::2], packed[:, ::2]),
        hamming(packed[:, ::2].copy(), packed[:, ::2].copy()),
    )


def test_distances_over_255_do_not_wrap():
    ones, zeros = np.full((1, 64), 255, np.uint8), np.zeros((1, 64), np.uint8)
    assert hamming(ones, zeros).tolist() == [[512]]


@pytest.mark.parametrize(
    ("query", "database", "message"),
    [
        (np.zeros((2, 2), np.int64), np.zeros((2, 2), np.uint8), "query .* uint8 .* got int64"),
        (np.zeros((2, 2), np.uint8), np.zeros(2, np.uint8), r"database .* shape \(2,\)"),
        (np.zeros((2, 0), np.uint8), np.zeros((2, 0), np.uint8), "at least one column"),
        (np.zeros((2, 2), np.uint8), np.zeros((2, 4), np.uint8), "got 2 columns .* and 4"),
        (np.zeros((1, 8192), np.uint8), np.zeros((1, 8192), np.uint8), "under 8192"),
    ],
)
def test_hamming_refuses_what_are_not_codes_of_one_width(query, database, message):
    with pytest.raises(ValueError, match=message):
        hamming(query, database)


@pytest.mark.parametrize("width", [1, 8, 10, 24, 81, 300])
def test_a_pair_is_relevant_when_it_shares_a_label(width):
    query, database = labels(6, width, seed=1, share=0.1), labels(11, width, seed=2, share=0.1)
    expected = [[any(a and b for a, b in zip(x, y)) for y in database] for x in query]
    assert relevance(query, database).tolist() == expected


def test_any_non_zero_label_counts_and_no_sum_wraps():
    # 256 shared labels: a sum in uint8 would be 0
    assert relevance(np.full((1, 256), 1, np.uint8), np.full((1, 256), 2, np.uint8)).all()


def test_stable_ranking_orders_ties_by_database_position():
    distance = np.array([[2, 0, 2, 1, 0]], np.uint16)
    assert stable_ranking(distance).tolist() == [[1, 4, 3, 0, 2]]


@given(st.lists(st.integers(0, 300), min_size=1, max_size=60))
def test_stable_ranking_is_the_sort_by_distance_then_position(distance):
    expected = sorted(range(len(distance)), key=lambda i: (distance[i], i))
    assert stable_ranking(np.array([distance], np.uint16)).tolist() == [expected]


def test_histogram_counts_items_and_relevant_items_per_distance():
    distance = np.array([[0, 2, 2, 1], [8, 8, 8, 8]], np.uint16)
    relevant = np.array([[True, False, True, False], [True, True, False, True]])
    counts = histogram(distance, relevant, bits=8)
    assert counts.total.tolist() == [[1, 1, 2, 0, 0, 0, 0, 0, 0], [0] * 8 + [4]]
    assert counts.relevant.tolist() == [[1, 0, 1, 0, 0, 0, 0, 0, 0], [0] * 8 + [3]]


@pytest.mark.parametrize("rows", [1, 3, 7, 100])
def test_blocks_put_together_are_the_whole_comparison(rows):
    query, database = pack(signs(7, 16, seed=1)), pack(signs(20, 16, seed=2))
    query_labels, database_labels = labels(7, 5, seed=1), labels(20, 5, seed=2)
    parts = list(blocks(query, database, query_labels, database_labels, rows))
    assert max(len(part.distance) for part in parts) == min(rows, 7)
    distance = np.concatenate([part.distance for part in parts])
    relevant = np.concatenate([part.relevant for part in parts])
    np.testing.assert_array_equal(distance, hamming(query, database))
    np.testing.assert_array_equal(relevant, relevance(query_labels, database_labels))


GOOD = {
    "query_codes": np.zeros((3, 2), np.uint8),
    "database_codes": np.zeros((5, 2), np.uint8),
    "query_labels": np.ones((3, 4), np.uint8),
    "database_labels": np.ones((5, 4), np.uint8),
}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"query_labels": np.ones((2, 4), np.uint8)}, "query .* got 3 codes and 2 rows"),
        ({"database_labels": np.ones((6, 4), np.uint8)}, "database .* got 5 codes and 6 rows"),
        ({"query_codes": np.zeros((0, 2), np.uint8)}, "query must have at least one row"),
        ({"database_codes": np.zeros((0, 2), np.uint8)}, "database must have at least one row"),
        ({"database_codes": np.zeros((5, 3), np.uint8)}, "codes .* got 2 columns .* and 3"),
        ({"query_labels": np.ones((3, 5), np.uint8)}, "labels .* got 5 columns .* and 4"),
        ({"query_labels": np.ones((3, 4))}, "query labels .* got float64"),
        ({"query_labels": np.zeros((3, 4), np.uint8)}, "no row of the query has a label"),
        ({"database_labels": np.zeros((5, 4), np.uint8)}, "no row of the database has a label"),
        ({"rows": 0}, "at least 1 query, got 0"),
    ],
)
def test_blocks_refuse_inputs_that_do_not_fit_before_any_work(bad, message):
    with pytest.raises(ValueError, match=message):
        blocks(**(GOOD | bad))
