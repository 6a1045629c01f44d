"""The similarity target against the paper's worked example and explicit loops."""

import math

import pytest
import torch

from agch.similarity import aggregated_similarity, joint_features, normalised_adjacency

ROWS = 5


def features(seed=0):
    """Non-negative (5, 6) image features and (5, 9) tags; row 2 has no tag."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(ROWS, 6, generator=generator)
    text = (torch.rand(ROWS, 9, generator=generator) < 0.4).float()
    text[2] = 0
    return image, text


def loop_cosine(matrix, i, j):
    a, b = matrix[i].tolist(), matrix[j].tolist()
    norms = math.hypot(*a) * math.hypot(*b)
    return sum(x * y for x, y in zip(a, b)) / norms if norms else 0.0


def test_worked_example_of_the_paper():
    # ||a - b|| = sqrt(0.04 + 0 + 0.04 + 0.01 + 0.01) = 0.316, so D = exp(-0.316 / 4) = 0.924;
    # a and b are rows of about unit length with a.b = 0.95, so S = 0.95 * 0.924 = 0.878
    joint = torch.tensor([[0.5, 0.5, 0.5, 0.5, 0.0], [0.3, 0.5, 0.7, 0.4, 0.1]])
    cosine, similarity = joint[0] @ joint[1], aggregated_similarity(joint, rho=4)[0, 1]
    assert float(similarity / cosine) == pytest.approx(0.924, abs=5e-4)
    assert float(similarity) == pytest.approx(0.878, abs=5e-4)


@pytest.mark.parametrize("power", [1, 2])
def test_joint_features_multiply_to_gamma_to_the_power_times_cosine(power):
    image, text = features()
    joint = joint_features(image, text, gamma_v=2, gamma_t=0.3, gamma_power=power)
    weight_v, weight_t = {1: (2, 0.3), 2: (4, 0.09)}[power]
    product = joint @ joint.T
    for i in range(ROWS):
        for j in range(ROWS):
            expected = weight_v * loop_cosine(image, i, j) + weight_t * loop_cosine(text, i, j)
            assert float(product[i, j]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("power", [1, 2])
def test_similarity_is_product_times_decayed_distance(power):
    joint = joint_features(*features(), gamma_v=2, gamma_t=0.3, gamma_power=power)
    similarity = aggregated_similarity(joint, rho=4)
    for i in range(ROWS):
        for j in range(ROWS):
            a, b = joint[i].tolist(), joint[j].tolist()
            product = sum(x * y for x, y in zip(a, b))
            expected = product * math.exp(-math.dist(a, b) / 4)
            assert float(similarity[i, j]) == pytest.approx(expected, abs=1e-4)


def test_scale_of_the_features_does_not_matter_but_that_of_gamma_does():
    image, text = features()
    joint = joint_features(image, text, 2, 0.3, 1)
    torch.testing.assert_close(joint_features(7 * image, text / 5, 2, 0.3, 1), joint)
    # the longest possible row: cos = 1 in both modalities, so Z.Z = gamma_v + gamma_t
    assert float(joint[0] @ joint[0]) == pytest.approx(2.3, abs=1e-5)


def test_similarity_is_symmetric():
    similarity = aggregated_similarity(joint_features(*features(), 2, 0.3, 1), rho=4)
    torch.testing.assert_close(similarity, similarity.T)


def test_diagonal_of_the_similarity_is_that_of_the_product():
    # a row has distance 0 to itself, also after rounding: exp(0) = 1
    joint = joint_features(*features(), 2, 0.3, 1)
    diagonal = aggregated_similarity(joint, rho=1e-3).diagonal()
    assert torch.equal(diagonal, (joint @ joint.T).diagonal())


def test_equal_rows_are_as_similar_as_a_row_to_itself():
    joint = joint_features(*(torch.cat([part, part]) for part in features()), 2, 0.3, 1)
    similarity = aggregated_similarity(joint, rho=4)
    torch.testing.assert_close(
        similarity[:ROWS, ROWS:].diagonal(), similarity.diagonal()[:ROWS], atol=1e-3, rtol=1e-3
    )


def test_row_without_tags_stays_zero_in_the_text_part():
    image, text = features()
    joint = joint_features(image, text, 2, 0.3, 1)
    assert torch.equal(joint[2, 6:], torch.zeros(9))
    assert torch.isfinite(joint).all()


def test_adjacency_divides_by_the_roots_of_both_row_sums():
    # row sums 4 and 9: 3 / (2 * 2) = 0.75, 1 / (2 * 3) = 1/6, 8 / (3 * 3) = 8/9
    adjacency = normalised_adjacency(torch.tensor([[3.0, 1.0], [1.0, 8.0]]))
    torch.testing.assert_close(adjacency, torch.tensor([[3 / 4, 1 / 6], [1 / 6, 8 / 9]]))


def test_adjacency_against_loops():
    similarity = aggregated_similarity(joint_features(*features(), 2, 0.3, 1), rho=4)
    adjacency, sums = normalised_adjacency(similarity), [sum(row) for row in similarity.tolist()]
    for i in range(ROWS):
        for j in range(ROWS):
            expected = float(similarity[i, j]) / math.sqrt(sums[i] * sums[j])
            assert float(adjacency[i, j]) == pytest.approx(expected, rel=1e-5)


def test_row_sums_are_positive_where_a_row_has_no_tags():
    similarity = aggregated_similarity(joint_features(*features(), 2, 0.3, 1), rho=4)
    assert (similarity.sum(1) > 0).all()
    adjacency = normalised_adjacency(similarity)
    assert (adjacency.sum(1) > 0).all() and torch.isfinite(adjacency).all()


def test_row_without_any_feature_is_an_isolated_node():
    image, text = features()
    image[2] = 0
    adjacency = normalised_adjacency(
        aggregated_similarity(joint_features(image, text, 2, 0.3, 1), rho=4)
    )
    assert torch.equal(adjacency[2], torch.zeros(ROWS))
    assert torch.equal(adjacency[:, 2], torch.zeros(ROWS))
    assert torch.isfinite(adjacency).all()
