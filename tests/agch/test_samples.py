"""Sample searches: the best, the median and the worst query, and what is nearest to them."""

import numpy as np
import pytest

from agch.samples import SHOWN, first_results, standing


@pytest.mark.parametrize(
    ("scores", "best", "median", "worst"),
    [
        (["0.2", "0.9", "0.5"], 1, 2, 0),
        # sorted: 0.9 at 1, 0.9 at 3, 0.5 at 0, 0.1 at 2, 0.1 at 4
        (["0.5", "0.9", "0.1", "0.9", "0.1"], 1, 0, 4),
        # of an even number the worse one of the middle
        (["0.1", "0.2", "0.3", "0.4"], 3, 1, 0),
        (["0.5", "0.5"], 0, 1, 1),
        (["0.3"], 0, 0, 0),
        (["0.9", "1e-05"], 0, 1, 1),  # numbers, not texts
    ],
)
def test_best_median_and_worst_are_places_in_the_order_of_the_scores(scores, best, median, worst):
    assert standing(scores) == {"best": best, "median": median, "worst": worst}


def test_first_results_come_by_distance_then_by_position_each_with_its_relevance():
    query = np.array([0b11110000], np.uint8)
    codes = [0b00001111, 0b11110000, 0b11110001, 0b11110000, 0b11110010]
    labels = np.array([[1, 0], [0, 1], [1, 1], [1, 0], [0, 1]], np.uint8)
    found = first_results(
        query, np.array(codes, np.uint8)[:, None], np.array([1, 0], np.uint8), labels
    )
    # distances 8, 0, 1, 0, 1
    assert found == [(1, 0, False), (3, 0, True), (2, 1, True), (4, 1, False), (0, 8, True)]
    assert [type(value) for value in found[0]] == [int, int, bool]


def test_no_more_results_are_shown_than_fit():
    codes = np.zeros((20, 1), np.uint8)
    labels = np.ones((20, 1), np.uint8)
    found = first_results(codes[0], codes, labels[0], labels)
    assert found == [(row, 0, True) for row in range(SHOWN)]
