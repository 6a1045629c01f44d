"""map by cosine against plain loops; ties by position, exact whatever the length of the rows."""

import numpy as np
import pytest
from rankings import loop_ap, retrieval

from agch import ranking
from agch.codes import unpack
from agch.cosine import cosine_map
from agch.metrics import evaluate


def outputs(seed, queries=6, rows=30, bits=16):
    """Real outputs and labels of both sides."""
    rng = np.random.default_rng(seed)
    real = [rng.standard_normal((n, bits)).astype(np.float32) for n in (queries, rows)]
    return *real, *retrieval(seed, queries, rows)[2:]


def placed(places, relevant):
    """A query along the first axis; items at these places in the plane of the first two."""
    database = np.zeros((len(places), 8), np.float32)
    database[:, :2] = places
    labels = np.column_stack((relevant, np.ones(len(places)))).astype(np.uint8)
    return np.eye(1, 8, dtype=np.float32), database, np.array([[1, 0]], np.uint8), labels


@pytest.mark.parametrize("seed", range(3))
def test_cosine_map_equals_plain_loops(seed):
    query, database, query_labels, database_labels = arrays = outputs(seed)
    gains = []
    for row, label in zip(query.astype(float), query_labels, strict=True):
        cosines = [row @ x / (np.linalg.norm(row) * np.linalg.norm(x)) for x in database]
        nearest = sorted(range(30), key=lambda i: -cosines[i])
        gains.append([bool((label & database_labels[i]).any()) for i in nearest])
    found = cosine_map(*arrays, [1, 7, 29])
    assert list(found) == ["map@1", "map@7", "map@29", "map"]
    for name, k in (("map@1", 1), ("map@7", 7), ("map@29", 29), ("map", 30)):
        assert found[name] == pytest.approx(np.mean([loop_ap(gain, k) for gain in gains]))
    assert 0 < found["map"] < 1


def test_items_are_ranked_from_the_same_to_the_opposite_direction():
    # cosines -1, 0, 1 / sqrt 2, 1: the relevant item comes third
    arrays = placed([(-3, 0), (0, 2), (5, 5), (0.1, 0)], [0, 1, 0, 0])
    assert cosine_map(*arrays, [2]) == {"map@2": 0, "map": pytest.approx(1 / 3)}


def test_items_at_one_cosine_are_ranked_by_position():
    places = [(0.3 * length, 0.1 * length) for length in (1, 2, 0.5, 1024)]
    for rank in (1, 2, 3, 4):
        arrays = placed(places, np.arange(1, 5) == rank)
        assert cosine_map(*arrays, [])["map"] == pytest.approx(1 / rank)


def test_sums_of_the_same_products_in_another_order_are_tied():
    rng = np.random.default_rng(0)
    values = rng.standard_normal(64).astype(np.float32)
    database = np.stack([rng.permutation(values) for _ in range(12)])
    query = np.ones((1, 64), np.float32)
    labels = np.eye(12, dtype=np.uint8)
    for rank in range(12):
        found = cosine_map(query, database, labels[rank : rank + 1], labels, [])
        assert found["map"] == pytest.approx(1 / (1 + rank))


def test_zeros_have_a_cosine_of_0():
    # behind the item at an acute angle, tied with the one at a right angle, before the obtuse one
    for relevant, rank in (([1, 0, 0, 0], 4), ([0, 1, 0, 0], 2), ([0, 0, 1, 0], 3)):
        arrays = placed([(-1, 5), (0, 0), (0, 1), (1, 5)], relevant)
        assert cosine_map(*arrays, [])["map"] == pytest.approx(1 / rank)
    # a query of zeros ties all
    query, *rest = placed([(-1, 5), (0, 1), (1, 5)], [0, 1, 0])
    assert cosine_map(0 * query, *rest, [])["map"] == pytest.approx(1 / 2)


@pytest.mark.parametrize("factor", [2.0**-20, 0.5, 1024.0, 3.0, 1e-3, 1e6])
def test_the_length_of_a_row_changes_nothing(factor):
    query, database, *labels = outputs(1)
    before = cosine_map(query, database, *labels, [1, 5])
    some = np.where(np.arange(30)[:, None] % 3, np.float32(factor), np.float32(1))
    assert cosine_map(query * np.float32(factor), database, *labels, [1, 5]) == before
    assert cosine_map(query, database * some, *labels, [1, 5]) == before


def test_a_k_beyond_the_database_is_the_whole_of_it():
    arrays = outputs(2)
    found = cosine_map(*arrays, [30, 31, 500])
    assert found["map@30"] == found["map@31"] == found["map@500"] == found["map"]
    assert found["map"] == cosine_map(*arrays, [3])["map"]


def test_without_cut_offs_there_is_map_alone():
    assert list(cosine_map(*outputs(0), [])) == list(cosine_map(*outputs(0), ())) == ["map"]


@pytest.mark.parametrize("bits", [8, 24, 64, 320])
def test_signs_rank_as_by_hamming_distance_ties_included(bits):
    query, database, *labels = retrieval(3, queries=20, rows=60, bits=bits)
    hamming = evaluate(query, database, *labels, at=(1, 10)).means("stable")
    found = cosine_map(unpack(query), unpack(database), *labels, [1, 10])
    assert found == pytest.approx({name: hamming[name] for name in ("map@1", "map@10", "map")})


@pytest.mark.parametrize("pairs", [1, 61, 10**9])
def test_the_size_of_a_block_changes_no_score(monkeypatch, pairs):
    arrays = outputs(4, queries=11)
    whole = cosine_map(*arrays, [2])
    monkeypatch.setattr(ranking, "PAIRS", pairs)
    assert cosine_map(*arrays, [2]) == whole


def test_sides_that_do_not_fit_are_an_error():
    query, database, *labels = outputs(0)
    with pytest.raises(ValueError, match="one width"):
        cosine_map(query[:, :8], database, *labels, [1])
    with pytest.raises(ValueError, match="got 30 codes and 29 rows of labels"):
        cosine_map(query, database, labels[0], labels[1][:-1], [1])
