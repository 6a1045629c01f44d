"""Hamming distances, shared labels, histograms and the order of ties, against plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rankings import retrieval

from agch import ranking
from agch.codes import pack, unpack
from agch.ranking import histogram, search, stable_order

ALL = slice(None)


def signs(rows, bits, seed=0):
    return np.random.default_rng(seed).choice(np.array([-1, 1], np.int8), (rows, bits))


def labels(rows, width, seed=0, share=0.3):
    drawn = (np.random.default_rng(seed).random((rows, width)) < share).astype(np.uint8)
    drawn[0] = 1
    return drawn


def compared(query, database):
    """A search among codes whose labels do not matter."""
    return search(query, database, labels(len(query), 3), labels(len(database), 3))


def related(query, database):
    """A search among labels whose codes do not matter."""
    codes = [np.zeros((len(side), 1), np.uint8) for side in (query, database)]
    return search(*codes, query, database)


def differing(query, database):
    """(q, n) numbers of differing bits, by loops over unpacked codes."""
    return [[sum(a != b for a, b in zip(x, y)) for y in unpack(database)] for x in unpack(query)]


def common(query, database):
    """(q, n) numbers of labels shared, by loops."""
    return [[sum(a and b for a, b in zip(x, y)) for y in database != 0] for x in query != 0]


@pytest.mark.parametrize("bits", range(8, 328, 8))
def test_distance_counts_differing_bits_at_every_width(bits):
    query, database = pack(signs(3, bits, seed=1)), pack(signs(5, bits, seed=2))
    found = compared(query, database)
    assert found.bits == bits
    assert found.distance(ALL).tolist() == differing(query, database)


@pytest.mark.parametrize("bits", [248, 256, 320, 512])
def test_distances_over_255_do_not_wrap(bits):
    ones, zeros = np.full((1, bits // 8), 255, np.uint8), np.zeros((1, bits // 8), np.uint8)
    found = compared(ones, zeros)
    assert found.distance(ALL).tolist() == [[bits]]
    counts, _ = found.rank(ALL)
    assert counts.total.tolist() == [[0] * bits + [1]]


@pytest.mark.parametrize("width", [1, 2, 8, 9, 10, 24, 32, 33, 64, 65, 81, 300])
def test_gain_counts_shared_labels_at_every_width(width):
    query, database = labels(6, width, seed=1, share=0.2), labels(11, width, seed=2, share=0.2)
    assert related(query, database).shared(ALL).tolist() == common(query, database)


@pytest.mark.parametrize("shared", [254, 255, 256, 300])
def test_shared_labels_over_255_do_not_wrap(shared):
    database = (np.arange(300) < np.array([[0], [shared], [1]])).astype(np.uint8)
    found = related(np.ones((1, 300), np.uint8), database)
    assert found.shared(ALL).tolist() == [[0, shared, 1]]
    counts, ranked = found.rank(ALL)
    assert ranked.gain.tolist() == [[0, shared, 1]]
    assert (counts.relevant[0, 0], counts.gain[0, 0]) == (2, shared + 1)
    assert np.flatnonzero(counts.grades[0]).tolist() == [0, 1, shared]


def test_any_non_zero_label_counts():
    # 1 & 2 is 0 and 128 + 128 is 0 in a byte, yet both labels are shared
    query, database = np.array([[1, 128, 0]], np.uint8), np.array([[2, 128, 7]], np.uint8)
    assert related(query, database).shared(ALL).tolist() == [[2]]


def test_grades_are_one_more_than_the_labels_that_a_pair_can_share():
    query, database = np.array([[1, 1, 1, 0]], np.uint8), np.array([[1, 1, 0, 0]] * 2, np.uint8)
    assert related(query, database).grades == related(database, query).grades == 3


@pytest.mark.parametrize(
    "view",
    [
        lambda array: array[::2],
        lambda array: array[::-1],
        lambda array: array[:, ::2],
        lambda array: array[:, 1:],
        np.asfortranarray,
    ],
)
def test_views_that_are_not_contiguous_are_searched_like_copies(view):
    codes, marks = view(pack(signs(10, 192))), view(labels(10, 24))
    assert not codes.flags.c_contiguous and not marks.flags.c_contiguous
    found = search(codes, codes, marks, marks)
    assert found.distance(ALL).tolist() == differing(codes.copy(), codes.copy())
    assert found.shared(ALL).tolist() == common(marks, marks)


def test_what_is_searched_may_be_read_only():
    arrays = retrieval(0)
    for array in arrays:
        array.setflags(write=False)
    assert search(*arrays).rank(ALL)[0].total.sum() == 6 * 30


def test_order_of_ties_is_by_database_position():
    distance = np.array([[2, 0, 2, 1, 0]], np.uint16)
    assert stable_order(distance).tolist() == [[1, 4, 3, 0, 2]]


@given(st.lists(st.integers(0, 300), min_size=1, max_size=60))
def test_stable_order_is_the_sort_by_distance_then_position(distance):
    expected = sorted(range(len(distance)), key=lambda i: (distance[i], i))
    assert stable_order(np.array([distance], np.uint16)).tolist() == [expected]


def test_gains_are_ranked_by_distance_then_position():
    query, database, query_labels, database_labels = retrieval(3, rows=60)
    _, ranked = search(query, database, query_labels, database_labels).rank(ALL)
    distances, gains = differing(query, database), common(query_labels, database_labels)
    for row, distance, gain in zip(ranked.gain.tolist(), distances, gains, strict=True):
        assert row == [gain[i] for i in sorted(range(60), key=lambda i: (distance[i], i))]


def test_histogram_counts_by_hand():
    distance = np.array([[0, 2, 2, 1], [3, 3, 3, 3]], np.uint8)
    shared = np.array([[2, 0, 1, 0], [1, 2, 0, 2]], np.uint8)
    counts = histogram(distance, shared, bits=3, grades=4)
    assert counts.total.tolist() == [[1, 1, 2, 0], [0, 0, 0, 4]]
    assert counts.relevant.tolist() == [[1, 0, 1, 0], [0, 0, 0, 3]]
    assert counts.gain.tolist() == [[2, 0, 1, 0], [0, 0, 0, 5]]
    assert counts.grades.tolist() == [[2, 1, 1, 0], [1, 1, 2, 0]]


@pytest.mark.parametrize("bits", [8, 64, 248, 320])
def test_histogram_has_a_place_for_the_farthest_item_that_shares_most(bits):
    # near the numbers of places, (bits + 1) * grades, at which one byte or two no longer count them
    edges = [size // (bits + below) for size in (1 << 8, 1 << 16) for below in (0, 1)]
    for grades in (edge + near for edge in edges for near in (-1, 0, 1) if edge + near > 1):
        small = np.uint8 if grades < 257 else np.uint16
        counts = histogram(
            np.array([[bits, 0]], np.uint16), np.array([[grades - 1, 0]], small), bits, grades
        )
        assert counts.total.tolist() == [[1] + [0] * (bits - 1) + [1]]
        assert (counts.relevant[0, bits], counts.gain[0, bits]) == (1, grades - 1)
        assert counts.grades.tolist() == [[1] + [0] * (grades - 2) + [1]]


@pytest.mark.parametrize(
    ("bits", "classes"), [(8, 4), (8, 1), (16, 14), (24, 9), (64, 30), (256, 7), (320, 300)]
)
def test_histogram_of_a_search_equals_plain_loops(bits, classes):
    query, database, query_labels, database_labels = retrieval(bits, 5, 40, bits, classes)
    found = search(query, database, query_labels, database_labels)
    counts, _ = found.rank(ALL)
    distances, gains = differing(query, database), common(query_labels, database_labels)
    for i, pairs in enumerate(zip(distances, gains, strict=True)):
        pairs = list(zip(*pairs, strict=True))
        for d in range(bits + 1):
            here = [gain for distance, gain in pairs if distance == d]
            assert counts.total[i, d] == len(here)
            assert counts.relevant[i, d] == sum(gain > 0 for gain in here)
            assert counts.gain[i, d] == sum(here)
        assert counts.grades.shape == (5, found.grades)
        for grade in range(found.grades):
            assert counts.grades[i, grade] == sum(gain == grade for _, gain in pairs)


@pytest.mark.parametrize(("pairs", "rows"), [(1, 1), (59, 1), (60, 2), (119, 3), (10**9, 7)])
def test_parts_hold_about_so_many_pairs_and_cover_the_queries_in_order(monkeypatch, pairs, rows):
    monkeypatch.setattr(ranking, "PAIRS", pairs)
    found = search(*retrieval(1, queries=7, rows=30))
    parts = found.parts()
    assert sum((list(range(7))[part] for part in parts), []) == list(range(7))
    assert max(len(found.distance(part)) for part in parts) == rows
    whole_counts, whole = found.rank(ALL)
    counts, ranked = zip(*map(found.rank, parts), strict=True)
    for field, together in zip(zip(*counts, strict=True), whole_counts, strict=True):
        np.testing.assert_array_equal(np.concatenate(field), together)
    np.testing.assert_array_equal(np.concatenate([part.gain for part in ranked]), whole.gain)


GOOD = {
    "query_codes": np.zeros((3, 2), np.uint8),
    "database_codes": np.zeros((5, 2), np.uint8),
    "query_labels": np.ones((3, 4), np.uint8),
    "database_labels": np.ones((5, 4), np.uint8),
}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("query_codes", np.zeros((3, 2), np.int8), "query packed codes .* got int8 of shape"),
        ("database_codes", np.zeros((5, 2)), "database packed codes .* got float64"),
        ("query_labels", np.ones((3, 4), np.int64), "query labels .* got int64"),
        ("database_labels", np.ones((5, 4), bool), "database labels .* got bool"),
        ("query_codes", np.zeros(3, np.uint8), r"query packed .* got uint8 of shape \(3,\)"),
        ("database_codes", np.zeros((5, 2, 1), np.uint8), r"database .* shape \(5, 2, 1\)"),
        ("query_labels", np.zeros((3, 0), np.uint8), r"at least one column, .* \(3, 0\)"),
        ("database_codes", np.zeros((5, 0), np.uint8), r"at least one column, .* \(5, 0\)"),
        ("database_codes", np.zeros((5, 3), np.uint8), "packed codes must .* 2 columns .* and 3"),
        ("query_labels", np.ones((3, 5), np.uint8), "labels must have one width, got 5 .* and 4"),
        ("query_codes", np.zeros((0, 2), np.uint8), "the query must have at least one row"),
        ("database_codes", np.zeros((0, 2), np.uint8), "the database must have at least one row"),
        ("query_labels", np.ones((2, 4), np.uint8), "the query .* got 3 codes and 2 rows"),
        ("database_labels", np.ones((6, 4), np.uint8), "the database .* got 5 codes and 6 rows"),
        ("query_labels", np.zeros((3, 4), np.uint8), "no row of the query has a label"),
        ("database_labels", np.zeros((5, 4), np.uint8), "no row of the database has a label"),
    ],
)
def test_search_refuses_what_does_not_fit_and_says_what(name, value, message):
    with pytest.raises(ValueError, match=message):
        search(**(GOOD | {name: value}))
