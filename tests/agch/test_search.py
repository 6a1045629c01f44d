"""Every engine gives the order of the definition: by distance, then by row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agch import search
from agch.codes import pack, unpack
from agch.search import CosineIndex, NumpyIndex, open_index

BITS = (8, 16, 24, 32, 64, 72, 128, 256, 1024)


def faiss_index(codes):
    pytest.importorskip("faiss")
    from agch.search_faiss import FaissIndex

    return FaissIndex(codes)


engines = pytest.mark.parametrize("engine", [NumpyIndex, faiss_index], ids=["numpy", "faiss"])


def naive(codes, query, k):
    """By loops: compare bit by bit, sort pairs of distance and row, count equals."""
    rows = [sum(a != b for a, b in zip(row, unpack(query[None])[0])) for row in unpack(codes)]
    nearest = sorted((distance, row) for row, distance in enumerate(rows))[:k]
    return (
        [row for _, row in nearest],
        [distance for distance, _ in nearest],
        [rows.count(distance) - 1 for distance, _ in nearest],
    )


def lists(found):
    return tuple(part.tolist() for part in found)


def random_codes(n, bits, seed=0, ones=0.5):
    return pack(np.random.default_rng(seed).random((n, bits)) < ones)


@engines
def test_the_nearest_come_first_and_ties_in_the_order_of_the_rows(engine):
    # from 0000 0000 the rows are 2, 0, 2, 8 and 1 bits away
    codes = np.array([[0b11], [0], [0b1100], [0xFF], [0b1]], np.uint8)
    found = engine(codes).search(np.zeros(1, np.uint8), 4)
    assert lists(found) == ([1, 4, 0, 2], [0, 1, 2, 2], [0, 0, 1, 1])


@engines
def test_a_tie_that_does_not_fit_is_cut_by_row_and_still_counted(engine):
    codes = np.array([[0b1], [0b10], [0b100], [0b1000]], np.uint8)
    found = engine(codes).search(np.zeros(1, np.uint8), 2)
    assert lists(found) == ([0, 1], [1, 1], [3, 3])


@engines
@pytest.mark.parametrize("bits", BITS)
def test_each_length_gives_what_a_loop_gives(engine, bits):
    codes = random_codes(60, bits, ones=0.5)
    codes[30:40] = codes[5]
    index = engine(codes)
    for query in (codes[5], codes[59], random_codes(1, bits, seed=1)[0]):
        for k in (1, 7, 60):
            assert lists(index.search(query, k)) == naive(codes, query, k)


@engines
def test_more_than_there_are_gives_all(engine):
    codes = random_codes(5, 64)
    assert lists(engine(codes).search(codes[2], 50)) == naive(codes, codes[2], 5)


@engines
def test_an_empty_index_finds_nothing(engine):
    found = engine(np.empty((0, 8), np.uint8)).search(np.zeros(8, np.uint8), 3)
    assert lists(found) == ([], [], [])


@engines
@pytest.mark.parametrize("bits", [8, 256])
def test_the_opposite_code_is_as_many_bits_away_as_there_are(engine, bits):
    codes = np.full((3, bits // 8), 0xFF, np.uint8)
    found = engine(codes).search(np.zeros(bits // 8, np.uint8), 2)
    assert lists(found) == ([0, 1], [bits, bits], [2, 2])


@engines
def test_blocks_join_to_the_whole(engine, monkeypatch):
    codes = random_codes(100, 16, ones=0.2)
    monkeypatch.setattr(search, "BLOCK", 7)
    for k in (3, 100):
        assert lists(engine(codes).search(codes[50], k)) == naive(codes, codes[50], k)


made = st.tuples(
    st.integers(1, 80), st.sampled_from(BITS[:6]), st.integers(0, 9), st.floats(0.02, 0.5)
)


@given(made, st.integers(1, 90))
def test_numpy_gives_what_a_loop_gives(shape, k):
    n, bits, seed, ones = shape
    codes = random_codes(n, bits, seed, ones)
    query = random_codes(1, bits, seed + 1, ones)[0]
    assert lists(NumpyIndex(codes).search(query, k)) == naive(codes, query, k)


@given(made, st.integers(1, 90))
def test_faiss_gives_what_numpy_gives_even_where_many_tie(shape, k):
    n, bits, seed, ones = shape
    codes = random_codes(n, bits, seed, ones)
    query = random_codes(1, bits, seed + 1, ones)[0]
    assert lists(faiss_index(codes).search(query, k)) == lists(NumpyIndex(codes).search(query, k))


@engines
@given(made, st.integers(1, 90), st.integers(0, 255))
def test_flipping_the_same_bits_everywhere_changes_nothing(engine, shape, k, mask):
    n, bits, seed, ones = shape
    codes, query = random_codes(n, bits, seed, ones), random_codes(1, bits, seed + 1, ones)[0]
    flips = np.uint8(mask)
    plain, flipped = engine(codes).search(query, k), engine(codes ^ flips).search(query ^ flips, k)
    assert lists(plain) == lists(flipped)


@engines
@given(made, st.integers(1, 90))
def test_other_places_of_the_rows_change_only_who_is_first_among_ties(engine, shape, k):
    n, bits, seed, ones = shape
    codes, query = random_codes(n, bits, seed, ones), random_codes(1, bits, seed + 1, ones)[0]
    place = np.random.default_rng(seed).permutation(n)
    here, there = engine(codes).search(query, k), engine(codes[place]).search(query, k)
    assert here.distance.tolist() == there.distance.tolist()
    assert here.tied.tolist() == there.tied.tolist()
    inside = here.distance < here.distance[-1]  # whoever is nearer than the last is in both
    assert sorted(here.rows[inside]) == sorted(place[there.rows[inside]])


@engines
def test_the_codes_may_be_the_first_columns_of_longer_ones_or_lie_in_a_file(engine, tmp_path):
    codes = random_codes(40, 64)
    np.save(tmp_path / "codes.npy", codes)
    mapped = np.load(tmp_path / "codes.npy", mmap_mode="r")
    for width in (1, 3, 8):
        own = np.ascontiguousarray(codes[:, :width])
        found = engine(mapped[:, :width]).search(mapped[3, :width], 10)
        assert lists(found) == naive(own, own[3], 10)


def test_nothing_of_64_bits_is_copied():
    codes = random_codes(40, 64)
    assert np.shares_memory(NumpyIndex(codes)._words, codes)


def test_faiss_answers_for_many_rows_and_numpy_where_it_is_not_installed(monkeypatch):
    codes = random_codes(11, 8)
    monkeypatch.setattr(search, "FAISS_FROM", 10)
    assert isinstance(open_index(codes[:10]), NumpyIndex)
    assert type(open_index(codes)) is type(faiss_index(codes))
    monkeypatch.setattr(search, "find_spec", lambda name: None)
    assert isinstance(open_index(codes), NumpyIndex)


@engines
@pytest.mark.parametrize("codes", [np.zeros((3, 8)), np.zeros(8, np.uint8), np.zeros((3, 0), "u1")])
def test_what_is_no_matrix_of_packed_codes_is_refused(engine, codes):
    with pytest.raises(ValueError, match=r"must be uint8 of shape \(n, c / 8\), got"):
        engine(codes)


@engines
@pytest.mark.parametrize(
    ("query", "k", "message"),
    [
        (np.zeros(3, np.uint8), 1, r"uint8 of shape \(2,\), got uint8 of shape \(3,\)"),
        (np.zeros((1, 2), np.uint8), 1, r"got uint8 of shape \(1, 2\)"),
        (np.zeros(2), 1, r"got float64 of shape \(2,\)"),
        (np.zeros(2, np.uint8), 0, "k must be at least 1, got 0"),
    ],
)
def test_a_query_unlike_the_rows_is_refused(engine, query, k, message):
    with pytest.raises(ValueError, match=message):
        engine(random_codes(4, 16)).search(query, k)


def random_outputs(n, c, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (n, c)).astype(np.float32)


def naive_cosine(outputs, query, k):
    """Pairs of 1 - cosine and row, in float64, nearest first."""
    wanted = query.astype(np.float64)
    cosines = [
        row @ wanted / max(1e-300, np.sqrt((row @ row) * (wanted @ wanted))) for row in outputs
    ]
    return sorted((1 - cosine, row) for row, cosine in enumerate(cosines))[:k]


def test_the_cosine_of_axes_and_diagonals():
    outputs = np.array([[0, 2], [3, 3], [-1, 0], [0, 0], [5, 0]], np.float32)
    found = CosineIndex(outputs).search(np.array([0.5, 0], np.float32), 5)
    assert found.rows.tolist() == [4, 1, 0, 3, 2]
    assert found.distance == pytest.approx([0, 1 - 0.5**0.5, 1, 1, 2])
    assert found.tied.tolist() == [0, 0, 1, 1, 0]  # at a right angle, and nothing at all


@given(st.integers(1, 80), st.sampled_from(BITS[:6]), st.integers(0, 9), st.integers(1, 90))
def test_the_nearest_by_cosine_are_those_of_a_loop(n, c, seed, k):
    outputs, query = random_outputs(n, c, seed), random_outputs(1, c, seed + 100)[0]
    found = CosineIndex(outputs).search(query, k)
    distances, rows = zip(*naive_cosine(outputs.astype(np.float64), query, k))
    assert found.rows.tolist() == list(rows)
    assert found.distance == pytest.approx(distances, abs=1e-12)
    assert not found.tied.any()


def test_equal_rows_tie_wherever_they_stand_and_keep_their_order(monkeypatch):
    monkeypatch.setattr(search, "BLOCK", 13)
    outputs = random_outputs(100, 64)
    twins = [3, 14, 40, 99]
    outputs[twins] = outputs[3]
    for k in (2, 4, 30):
        found = CosineIndex(outputs).search(random_outputs(1, 64, 5)[0] + outputs[3], k)
        assert found.rows[:4].tolist() == twins[:k]
        assert found.tied.tolist() == [3, 3, 3, 3, *[0] * 26][:k]


def test_rows_a_last_digit_apart_are_told_apart():
    outputs = np.ones((50, 64), np.float32)
    outputs[:, 0] += np.arange(50) * np.float32(2**-23)
    query = np.zeros(64, np.float32)
    query[0] = 1
    found = CosineIndex(outputs).search(query, 5)
    assert found.rows.tolist() == [49, 48, 47, 46, 45] and not found.tied.any()


def test_a_query_of_zeros_is_as_far_from_everything():
    found = CosineIndex(random_outputs(4, 8)).search(np.zeros(8, np.float32), 3)
    assert lists(found) == ([0, 1, 2], [1, 1, 1], [3, 3, 3])


def test_nothing_is_nearer_than_itself():
    outputs = random_outputs(500, 64)
    index = CosineIndex(outputs)
    for row in range(0, 500, 50):
        found = index.search(outputs[row], 1)
        assert found.rows.tolist() == [row] and 0 <= found.distance[0] < 1e-15


def test_an_empty_index_of_outputs_finds_nothing():
    index = CosineIndex(np.empty((0, 8), np.float32))
    assert lists(index.search(np.ones(8, np.float32), 3)) == ([], [], [])


def test_a_query_of_another_type_or_length_is_refused_by_cosine():
    index = CosineIndex(random_outputs(4, 8))
    for query in (np.ones(8), np.ones(7, np.float32)):
        with pytest.raises(ValueError, match=r"must be float32 of shape \(8,\)"):
            index.search(query, 1)
