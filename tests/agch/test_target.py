"""The graph of a batch: its adjacency, its target, and what is said about the target's scale."""

import math
import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made import clusters, params

import agch.target
from agch.batches import TrainingSet
from agch.errors import InputError
from agch.similarity import aggregated_similarity, normalised_adjacency, weighted_rows
from agch.target import Graphs, describe

ROWS = 12
ALL = torch.arange(ROWS)
OTHERS = ~torch.eye(ROWS, dtype=torch.bool)
KINDS = ["product", "cosine", "distance", "mixed"]


def made_rows():
    """Twelve rows; one without any tag, so that the similarity's diagonal is not constant."""
    rows = clusters(ROWS)
    rows.text[3] = 0
    return rows


def graph(settings, rows=None, index=ALL, features=None):
    """The graph of a batch whose encoder says `features`; by default they are of no use."""
    rows = made_rows() if rows is None else rows
    features = torch.full((len(index), 2), math.nan) if features is None else features
    return Graphs(rows, settings)(rows.select(index), features)


def similarity(settings, rows=None):
    """S of all rows, from the functions that `test_similarity.py` checks."""
    rows = made_rows() if rows is None else rows
    image = weighted_rows(rows.image, settings.gamma_v, settings.gamma_power)
    return aggregated_similarity(
        image, weighted_rows(rows.text, settings.gamma_t, settings.gamma_power), settings
    )


def calibrated(**changes):
    return params(variant="agch+", target_scale="calibrated", **changes)


@pytest.mark.parametrize("kind", KINDS)
def test_target_of_the_paper_is_twice_the_similarity_less_one(kind):
    settings = params(similarity=kind, gamma_power=2)
    torch.testing.assert_close(graph(settings).target, 2 * similarity(settings) - 1)


@pytest.mark.parametrize("kind", KINDS)
@given(mean=st.floats(-0.95, 0.95))
def test_calibrated_target_has_the_given_mean_off_the_diagonal_and_one_on_it(kind, mean):
    target = graph(calibrated(similarity=kind, target_mean=mean)).target
    assert float(target[OTHERS].mean()) == pytest.approx(mean, abs=1e-5)
    assert float(target.diagonal().mean()) == pytest.approx(1, abs=1e-5)


def test_calibration_keeps_the_order_and_the_relative_distances_of_the_similarities():
    settings = calibrated()
    found, source = graph(settings).target.flatten(), similarity(settings).flatten()
    low, high = source.argmin(), source.argmax()
    slope = (found[high] - found[low]) / (source[high] - source[low])
    assert float(slope) > 0
    torch.testing.assert_close(found - found[low], slope * (source - source[low]))


@pytest.mark.parametrize("power, root", [(1, 0.5), (2, 1.0)])
def test_calibration_takes_a_common_factor_of_the_gammas_away_where_rho_grows_alike(power, root):
    # gammas times 9 lengthen all rows by 9 ** root, and with rho times as much D stays as it is
    first = calibrated(gamma_power=power, gamma_v=0.4, gamma_t=0.3, rho=2.0)
    grown = calibrated(gamma_power=power, gamma_v=3.6, gamma_t=2.7, rho=2.0 * 9**root)
    torch.testing.assert_close(graph(grown).target, graph(first).target, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(similarity(grown), similarity(first))


def test_calibration_and_scale_look_at_evenly_spread_rows_of_a_large_set(monkeypatch):
    monkeypatch.setattr(agch.target, "SAMPLE", 3)
    rows, chosen = clusters(9), [0, 4, 8]  # all three of one kind: more alike than the rest
    settings = calibrated(target_mean=-0.5)
    graphs = Graphs(rows, settings)
    target = graphs(rows.select(torch.arange(9)), rows.image).target
    sampled = [float(target[i, j]) for i in chosen for j in chosen if i != j]
    assert statistics.mean(sampled) == pytest.approx(-0.5, abs=1e-4)
    assert float(target[~torch.eye(9, dtype=torch.bool)].mean()) < -0.6
    mean, deviation = graphs.scale_of_target()
    assert mean == pytest.approx(-0.5, abs=1e-4)
    assert deviation == pytest.approx(statistics.stdev(sampled), rel=1e-4)


@pytest.mark.parametrize("count", [2, 12, 100])
def test_a_set_within_the_sample_is_measured_whole(count):
    rows, settings = clusters(count), params()
    target = 2 * similarity(settings, rows) - 1
    pairs = [float(target[i, j]) for i in range(count) for j in range(count) if i != j]
    mean, deviation = Graphs(rows, settings).scale_of_target()
    assert mean == pytest.approx(statistics.mean(pairs), abs=1e-5)
    assert deviation == pytest.approx(statistics.stdev(pairs), abs=1e-5)


@pytest.mark.parametrize("scale", ["paper", "calibrated"])
@pytest.mark.parametrize("kind", KINDS)
def test_adjacency_is_of_the_similarity_before_scale_and_shift(kind, scale):
    settings = params(variant="agch+", similarity=kind, target_scale=scale)
    expected = normalised_adjacency(similarity(settings))
    torch.testing.assert_close(graph(settings).adjacency, expected)


@pytest.mark.parametrize("scale", ["paper", "calibrated"])
@pytest.mark.parametrize("kind", KINDS)
def test_target_and_adjacency_are_symmetric(kind, scale):
    adjacency, target = graph(params(variant="agch+", similarity=kind, target_scale=scale))
    torch.testing.assert_close(target, target.T)
    torch.testing.assert_close(adjacency, adjacency.T)


def test_graph_of_a_batch_has_the_pairs_of_its_rows_in_its_order():
    index = torch.tensor([7, 0, 3, 11])
    whole, part = graph(params()).target, graph(params(), index=index).target
    torch.testing.assert_close(part, whole[index][:, index])


def test_graph_is_of_the_whole_batch_where_a_process_has_inputs_of_its_own_rows_alone():
    rows, features = made_rows(), torch.zeros(ROWS, 2)
    part = Graphs(rows, params())(rows.select(ALL, slice(4, 8)), features)
    for found, expected in zip(part, graph(params(), rows)):
        assert torch.equal(found, expected)


def test_graph_reads_the_frozen_features_and_neither_the_encoders_inputs_nor_the_labels():
    rows = made_rows()
    other = rows._replace(image_input=torch.rand(ROWS, 3), label=1 - rows.label)
    for found, expected in zip(graph(params(), other), graph(params(), rows)):
        assert torch.equal(found, expected)


def test_features_of_the_encoder_take_the_place_of_the_frozen_ones():
    rows, features = made_rows(), torch.rand(ROWS, 4, generator=torch.Generator().manual_seed(1))
    settings = params(similarity_image="encoder", gamma_power=2)
    expected = similarity(settings, rows._replace(image=features))
    adjacency, target = graph(settings, rows, features=features)
    torch.testing.assert_close(target, 2 * expected - 1)
    torch.testing.assert_close(adjacency, normalised_adjacency(expected))
    assert not torch.allclose(expected, similarity(settings))


def test_no_gradient_runs_through_the_graph_into_the_encoder():
    features = torch.rand(ROWS, 4, requires_grad=True)
    adjacency, target = graph(params(similarity_image="encoder"), features=features)
    assert not target.requires_grad and not adjacency.requires_grad


def test_idf_makes_the_text_part_blind_to_a_word_that_every_row_has():
    # word 0 is everywhere, each other word in two of four rows, so all of these weigh log 2;
    # rows 0 and 1 share word 0 alone, rows 0 and 2 also word 1: cosines 1/2 and 1 become 0 and 1
    text = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    rows = clusters(4)._replace(text=text)
    for use, expected in ((False, [1 / 2, 1.0]), (True, [0.0, 1.0])):
        settings = params(idf=use, similarity="mixed", mixed_weight=1.0, gamma_t=1.0)
        target = graph(settings, rows, torch.arange(4)).target
        found = [(float(target[0, j]) + 1) / 2 for j in (1, 2)]
        assert found == pytest.approx(expected, abs=1e-6)


def test_idf_counts_the_rows_of_the_training_set_and_not_of_the_batch():
    rows, index = made_rows(), torch.tensor(
        [0, 4, 5]
    )  # in these three rows words 4 to 7 are absent
    part = graph(params(idf=True), rows, index).target
    torch.testing.assert_close(part, graph(params(idf=True), rows).target[index][:, index])


def test_idf_leaves_the_image_part_alone():
    settings = {"similarity": "mixed", "mixed_weight": 0.0}
    with_idf, without = graph(params(idf=True, **settings)), graph(params(**settings))
    assert torch.equal(with_idf.target, without.target)


@pytest.mark.parametrize("mean, std", [(-0.5, 0.1), (0.0, 0.03), (-0.999, 2.0)])
def test_a_scale_that_can_teach_is_described_in_one_line_without_warning(mean, std):
    line = f"target off the diagonal: mean {mean:.2f}, standard deviation {std:.2f}"
    assert describe(mean, std) == line


@pytest.mark.parametrize(
    "mean, std, warning",
    [
        (0.01, 0.5, "warning: a mean above 0 drives all codes to one; "),
        (0.4, 0.001, "warning: a mean above 0 drives all codes to one; "),
        (-0.9, 0.029, "warning: with so little spread there is nothing to learn from; "),
    ],
)
def test_a_scale_that_cannot_teach_is_warned_of_with_the_remedy(mean, std, warning):
    first, second = describe(mean, std).split("\n")
    assert first == f"target off the diagonal: mean {mean:.2f}, standard deviation {std:.2f}"
    remedy = "change train.gamma_v and train.gamma_t, or let AGCH+ calibrate (train.target_scale)"
    assert second == warning + remedy


@pytest.mark.parametrize(
    "gammas", [{"gamma_v": 9.0, "gamma_t": 9.0}, {"gamma_v": 0.01, "gamma_t": 0.01}]
)
def test_the_remedy_helps_against_both_warnings(gammas):
    rows = clusters()
    before, after = (
        Graphs(rows, made(**gammas)).scale_of_target() for made in (params, calibrated)
    )
    assert "warning" in describe(*before)
    assert "warning" not in describe(*after)


def test_rows_that_are_all_alike_cannot_be_calibrated():
    rows = TrainingSet(*(torch.ones(4, 3) for _ in range(4)))
    with pytest.raises(InputError, match="finds no training row that differs"):
        Graphs(rows, calibrated())
