"""The similarity of two modalities against the paper's worked example and explicit loops."""

import math

import pytest
import torch
from made import params

from agch.similarity import (
    aggregated_similarity,
    decay,
    idf,
    normalised_adjacency,
    products,
    row_weights,
    weighted_rows,
)

ROWS = 5
# Two rows of about unit length, a.b = 0.95, ||a - b|| = sqrt(0.04 + 0.04 + 0.01 + 0.01) = 0.316.
EXAMPLE = torch.tensor([[0.5, 0.5, 0.5, 0.5, 0.0], [0.3, 0.5, 0.7, 0.4, 0.1]])
NOTHING = torch.zeros(2, 1)


def features(seed=0):
    """Non-negative (5, 6) image features and (5, 9) tags; row 2 has no tag."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(ROWS, 6, generator=generator)
    text = (torch.rand(ROWS, 9, generator=generator) < 0.4).float()
    text[2] = 0
    return image, text


def parts(image=None, text=None, power=1):
    """Both parts of Z with the paper's weights 2 and 0.3."""
    made_image, made_text = features()
    image, text = made_image if image is None else image, made_text if text is None else text
    return weighted_rows(image, 2, power), weighted_rows(text, 0.3, power)


def loop_cosine(matrix, i, j):
    a, b = matrix[i].tolist(), matrix[j].tolist()
    norms = math.hypot(*a) * math.hypot(*b)
    return sum(x * y for x, y in zip(a, b)) / norms if norms else 0.0


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def decayed(a, b):
    return math.exp(-math.dist(a, b) / 4)


# Each similarity of one pair, from the image and text parts of both rows.
LOOPS = {
    "product": lambda v, t, w, u: dot(v + t, w + u) * decayed(v + t, w + u),
    "cosine": lambda v, t, w, u: dot(v + t, w + u),
    "distance": lambda v, t, w, u: decayed(v + t, w + u),
}


def test_worked_example_of_the_paper():
    # D = exp(-0.316 / 4) = 0.924 and S = 0.95 * 0.924 = 0.878
    assert float(decay(products(EXAMPLE), params())[0, 1]) == pytest.approx(0.924, abs=5e-4)
    similarity = aggregated_similarity(EXAMPLE, NOTHING, params())
    assert float(similarity[0, 1]) == pytest.approx(0.878, abs=5e-4)


def test_the_printed_second_root_gives_another_decay():
    # exp(-sqrt(0.316) / 4) = 0.869
    second = decay(products(EXAMPLE), params(distance="root"))
    assert float(second[0, 1]) == pytest.approx(0.869, abs=5e-4)


@pytest.mark.parametrize("distance, expected", [("norm", 5 / 2), ("root", math.sqrt(5) / 2)])
def test_decay_falls_with_the_distance_over_rho(distance, expected):
    # (1, 2) and (4, 6) are 5 apart; their products are 5, 16 and 52; rho is 2
    product = torch.tensor([[5.0, 16.0], [16.0, 52.0]])
    found = decay(product, params(distance=distance, rho=2.0))
    assert -math.log(float(found[0, 1])) == pytest.approx(expected, rel=1e-5)
    assert found.diagonal().tolist() == [1.0, 1.0]


def test_rows_that_rounding_has_put_less_than_nothing_apart_are_equal():
    # 1 + 1 - 2 * 1.0000001 is below 0, which has no root
    product = torch.tensor([[1.0, 1.0000001], [1.0000001, 1.0]])
    assert decay(product, params()).tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_products_are_all_inner_products():
    # (1, 2).(1, 2) = 5, (1, 2).(3, -1) = 1, (3, -1).(3, -1) = 10
    assert products(torch.tensor([[1.0, 2.0], [3.0, -1.0]])).tolist() == [[5.0, 1.0], [1.0, 10.0]]


@pytest.mark.parametrize("power", [1, 2])
def test_weighted_rows_multiply_to_gamma_to_the_power_times_cosine(power):
    image, text = features()
    product = products(torch.cat(parts(power=power), dim=1))
    weight_v, weight_t = {1: (2, 0.3), 2: (4, 0.09)}[power]
    for i in range(ROWS):
        for j in range(ROWS):
            expected = weight_v * loop_cosine(image, i, j) + weight_t * loop_cosine(text, i, j)
            assert float(product[i, j]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("power, length", [(1, math.sqrt(3)), (2, 3)])
def test_weighted_rows_have_length_gamma_or_its_root(power, length):
    rows = weighted_rows(torch.tensor([[3.0, 4.0], [0.0, 0.1]]), 3, power)
    assert rows.norm(dim=1).tolist() == pytest.approx([length, length], rel=1e-6)


@pytest.mark.parametrize("power, expected", [(1, [0.4, 1.0]), (2, [0.8, 2.0])])
def test_weight_of_a_row_is_gamma_or_its_root_over_its_length(power, expected):
    # gamma is 4, the rows are 5 and 2 long
    rows = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    weight = row_weights(rows, 4, power)
    assert weight.shape == (2, 1)
    assert weight.flatten().tolist() == pytest.approx(expected, rel=1e-6)
    torch.testing.assert_close(weighted_rows(rows, 4, power), rows * weight)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("kind", LOOPS)
def test_each_similarity_against_loops(kind, power):
    image, text = parts(power=power)
    similarity = aggregated_similarity(image, text, params(similarity=kind))
    rows = list(zip(image.tolist(), text.tolist()))
    for i in range(ROWS):
        for j in range(ROWS):
            expected = LOOPS[kind](*rows[i], *rows[j])
            assert float(similarity[i, j]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_mixed_similarity_adds_products_of_texts_and_decays_of_images(share):
    image, text = parts()
    settings = params(similarity="mixed", mixed_weight=share)
    similarity = aggregated_similarity(image, text, settings)
    v, t = image.tolist(), text.tolist()
    for i in range(ROWS):
        for j in range(ROWS):
            expected = share * dot(t[i], t[j]) + (1 - share) * decayed(v[i], v[j])
            assert float(similarity[i, j]) == pytest.approx(expected, abs=1e-4)


def test_scale_of_the_features_does_not_matter_but_that_of_gamma_does():
    image, text = features()
    for found, expected in zip(parts(7 * image, text / 5), parts()):
        torch.testing.assert_close(found, expected)
    # a row with itself: cos = 1 in both modalities, so Z.Z = gamma_v + gamma_t
    joint = torch.cat(parts(), dim=1)
    assert float(joint[0] @ joint[0]) == pytest.approx(2.3, abs=1e-5)


@pytest.mark.parametrize("kind", ["product", "cosine", "distance", "mixed"])
def test_similarity_is_symmetric(kind):
    similarity = aggregated_similarity(*parts(), params(similarity=kind))
    torch.testing.assert_close(similarity, similarity.T)


def test_diagonal_of_the_similarity_is_that_of_the_product():
    # a row has distance 0 to itself, also after rounding: exp(0) = 1
    image, text = parts()
    diagonal = aggregated_similarity(image, text, params(rho=1e-3)).diagonal()
    assert torch.equal(diagonal, (products(image) + products(text)).diagonal())


def test_equal_rows_are_as_similar_as_a_row_to_itself():
    twice = parts(*(torch.cat([part, part]) for part in features()))
    similarity = aggregated_similarity(*twice, params())
    torch.testing.assert_close(
        similarity[:ROWS, ROWS:].diagonal(), similarity.diagonal()[:ROWS], atol=1e-3, rtol=1e-3
    )


def test_row_without_tags_stays_zero_in_the_text_part():
    _, text = parts()
    assert torch.equal(text[2], torch.zeros(9))
    assert torch.isfinite(text).all()


def test_idf_is_the_log_of_how_few_rows_have_a_word():
    # 4 rows; the words stand in 4, 2, 1 and 0 of them; the last counts as if one row had it
    text = torch.tensor([[1, 1, 0, 0], [1, 3, 0, 0], [1, 0, 2, 0], [1, 0, 0, 0]]).float()
    expected = [0.0, math.log(2), math.log(4), math.log(4)]
    assert idf(text).tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("value", [0.5, -1.0])
def test_columns_of_a_text_that_counts_no_words_all_weigh_1(value):
    text = torch.tensor([[1.0, 0.0], [1.0, value]])
    assert idf(text).tolist() == [1, 1]


def test_a_negative_similarity_is_no_edge():
    # without it the row sums are 1 and 4
    similarity = torch.tensor([[1.0, -3.0], [-3.0, 4.0]])
    torch.testing.assert_close(normalised_adjacency(similarity), torch.eye(2))


def test_adjacency_divides_by_the_roots_of_both_row_sums():
    # row sums 4 and 9: 3 / (2 * 2) = 0.75, 1 / (2 * 3) = 1/6, 8 / (3 * 3) = 8/9
    adjacency = normalised_adjacency(torch.tensor([[3.0, 1.0], [1.0, 8.0]]))
    torch.testing.assert_close(adjacency, torch.tensor([[3 / 4, 1 / 6], [1 / 6, 8 / 9]]))


@pytest.mark.parametrize("kind", ["product", "cosine", "distance", "mixed"])
def test_adjacency_against_loops(kind):
    similarity = aggregated_similarity(*parts(), params(similarity=kind))
    adjacency, sums = normalised_adjacency(similarity), [sum(row) for row in similarity.tolist()]
    for i in range(ROWS):
        for j in range(ROWS):
            expected = float(similarity[i, j]) / math.sqrt(sums[i] * sums[j])
            assert float(adjacency[i, j]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", ["product", "cosine", "distance", "mixed"])
def test_row_sums_are_positive_where_a_row_has_no_tags(kind):
    similarity = aggregated_similarity(*parts(), params(similarity=kind))
    assert (similarity.sum(1) > 0).all()
    adjacency = normalised_adjacency(similarity)
    assert (adjacency.sum(1) > 0).all() and torch.isfinite(adjacency).all()


def test_row_without_any_feature_is_an_isolated_node():
    image, text = features()
    image[2] = 0
    adjacency = normalised_adjacency(aggregated_similarity(*parts(image, text), params()))
    assert torch.equal(adjacency[2], torch.zeros(ROWS))
    assert torch.equal(adjacency[:, 2], torch.zeros(ROWS))
    assert torch.isfinite(adjacency).all()
