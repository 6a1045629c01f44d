"""Query, database, training and validation rows: sizes, overlaps, order, quotas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agch.errors import InputError
from agch.splits import (
    STANDARD_SIZES,
    Split,
    given_split,
    random_split,
    size_of,
    stratified_split,
)


@st.composite
def sizes(draw):
    """(rows, query, train, validation) that a stage lets through."""
    rows = draw(st.integers(2, 60))
    query = draw(st.integers(1, rows - 1))
    train = draw(st.integers(1, rows - query))
    return rows, query, train, draw(st.integers(0, train - 1))


def labels(rows, seed, count=3, share=0.4):
    return (np.random.default_rng(seed).random((rows, count)) < share).astype(np.uint8)


def one_label_each(count, rows_of_each):
    """Rows of which each carries exactly one label, so that quotas can be counted."""
    return np.eye(count, dtype=np.uint8).repeat(rows_of_each, axis=0)


def either(rule, rows, query, train, validation, seed):
    if rule == "stratified":
        return stratified_split(labels(rows, seed), query, train, validation, seed)
    return random_split(rows, query, train, validation, seed)


def lists(split):
    return {name: rows.tolist() for name, rows in vars(split).items()}


RULES = pytest.mark.parametrize("rule", ["random", "stratified"])


@RULES
@given(size=sizes(), seed=st.integers(0, 1000))
def test_sets_have_their_sizes_and_overlap_only_where_they_may(rule, size, seed):
    rows, query, train, validation = size
    split = either(rule, *size, seed)
    assert len(split.query) == query
    assert len(split.train) == train - validation
    assert len(split.validation) == validation
    assert sorted([*split.query, *split.database]) == list(range(rows))
    trained = {*split.train, *split.validation}
    assert len(trained) == train  # so that the two are disjoint, and no row comes twice
    assert trained <= {*split.database}
    assert all(part.dtype == np.int64 for part in vars(split).values())


@RULES
def test_one_seed_gives_one_split_and_another_seed_another(rule):
    first, again = (lists(either(rule, 100, 20, 50, 10, seed=3)) for _ in range(2))
    assert first == again
    other = lists(either(rule, 100, 20, 50, 10, seed=4))
    assert all(other[name] != first[name] for name in first)


@RULES
def test_database_is_in_a_seeded_order_that_is_not_the_row_order(rule):
    orders = [either(rule, 100, 20, 50, 10, seed).database.tolist() for seed in range(3)]
    for order in orders:
        # of the 79 neighbouring pairs about half go up: 6 standard deviations are 16
        rising = sum(a < b for a, b in zip(order, order[1:]))
        assert 39 - 16 < rising < 39 + 16


def test_validation_rows_are_drawn_from_all_over_the_training_rows():
    # training rows come label by label, 50 and 50: the first 50 drawn all carry the first label
    label = one_label_each(2, 100)
    split = stratified_split(label, 20, 100, 50, seed=0)
    assert 10 < label[split.validation, 0].sum() < 40
    assert (np.diff(split.validation) > 0).all() and (np.diff(split.train) > 0).all()


def test_size_of_the_validation_set_does_not_move_the_other_sets():
    without, some = (random_split(100, 20, 50, validation, seed=0) for validation in (0, 10))
    assert without.query.tolist() == some.query.tolist()
    assert without.database.tolist() == some.database.tolist()
    assert without.train.tolist() == sorted([*some.train, *some.validation])


@pytest.mark.parametrize(
    ("count", "queries", "trained"),
    [
        # MIRFlickr: 160 + 23 * 80 = 2000 and 400 + 23 * 200 = 5000
        (24, [160] + 23 * [80], [400] + 23 * [200]),
        # NUS-WIDE: 10 * 200 = 2000 and 10 * 500 = 5000
        (10, 10 * [200], 10 * [500]),
    ],
)
def test_quotas_of_the_protocol(count, queries, trained):
    label = one_label_each(count, 800)
    split = stratified_split(label, 2000, 5000, 500, seed=0)
    assert label[split.query].sum(axis=0).tolist() == queries
    rows = np.concatenate([split.train, split.validation])
    assert label[rows].sum(axis=0).tolist() == trained


def test_rows_of_a_label_are_drawn_at_random():
    # 10 of the rows 0 to 99 and 10 of the rows 100 to 199 (no double quota: 20 % 3 > 0)
    label = one_label_each(2, 100)
    drawn = [sorted(stratified_split(label, 20, 40, 5, seed).query) for seed in (0, 1)]
    assert drawn[0] != drawn[1]
    assert all(sum(row < 100 for row in rows) == 10 for rows in drawn)


def test_rows_without_a_label_fill_up_only_what_the_labels_leave():
    # 30 rows of each of two labels, and 40 of none
    label = np.concatenate([one_label_each(2, 30), np.zeros((40, 2), np.uint8)])
    split = stratified_split(label, 10, 20, 5, seed=0)
    assert label[[*split.query, *split.train, *split.validation]].any(axis=1).all()
    scarce = stratified_split(label, 20, 60, 5, seed=0)
    assert len(scarce.query) == 20 and len(scarce.train) + len(scarce.validation) == 60
    assert not label[[*scarce.train, *scarce.validation]].any(axis=1).all()


def test_a_row_of_many_labels_is_drawn_once():
    split = stratified_split(np.ones((30, 5), np.uint8), 10, 20, 5, seed=0)
    assert sorted([*split.query, *split.train, *split.validation]) == list(range(30))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [(0.15, 30), (1.0, 200), (1, 1), (200, 200), (0.004, 1), ("standard", 50)],
)
def test_size_of_rows_fractions_and_the_standard(wanted, expected):
    assert size_of("query", wanted, rows=200, standard=50) == expected


@pytest.mark.parametrize("wanted", [201, 1.5, 0, 0.0, 0.001, -1])
def test_size_that_is_not_there_is_an_error(wanted):
    with pytest.raises(InputError, match=rf"split\.query: {wanted} asks for .* of 200 rows; give"):
        size_of("query", wanted, rows=200, standard=None)


def test_standard_size_of_a_larger_data_set_is_an_error():
    with pytest.raises(InputError, match="asks for 5000 of 200 rows"):
        size_of("train", "standard", rows=200, standard=5000)


def test_standard_size_of_an_unknown_source_names_the_known_ones():
    with pytest.raises(
        InputError, match=r"split\.train is 'standard'.*mirflickr25k, nuswide, wiki"
    ):
        size_of("train", "standard", rows=200, standard=None)


def test_standard_sizes_are_those_of_the_paper():
    assert STANDARD_SIZES["mirflickr25k"] == (2000, 5000)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"query": [0, 2]}, "both query and database"),
        ({"train": [3, 5]}, "both train and validation"),
        ({"train": [0, 3]}, "not in the database"),
        ({"validation": [1]}, "not in the database"),
        ({"query": [0, 0]}, "twice in 'query'"),
        ({"database": [2, 3, 4, 5, 5]}, "twice in 'database'"),
        ({"train": [3, 3]}, "twice in 'train'"),
    ],
)
def test_split_refuses_overlaps(changed, message):
    good = {"query": [0, 1], "database": [4, 2, 5, 3], "train": [3, 4], "validation": [5]}
    Split(**{name: np.array(rows) for name, rows in good.items()})
    with pytest.raises(ValueError, match=message):
        Split(**{name: np.array(rows) for name, rows in (good | changed).items()})


def test_a_given_split_has_the_marked_rows_and_the_rest_is_database_too():
    marks = ["train", "query", "database", "train", "", "query", "train"]
    split = given_split(marks, validation=1, seed=0)
    assert split.query.tolist() == [1, 5]
    assert sorted(split.database) == [0, 2, 3, 4, 6]
    assert sorted([*split.train, *split.validation]) == [0, 3, 6] and len(split.validation) == 1


def test_the_database_of_a_given_split_stands_in_a_seeded_order():
    marks = ["query"] + ["train"] * 50
    first, same, other = (given_split(marks, 5, seed).database.tolist() for seed in (0, 0, 1))
    assert first == same != other and first != sorted(first)
