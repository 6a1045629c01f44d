"""Every term of the objective against loops; its reductions and prefixes; the discrete codes."""

import itertools
import math
from functools import partial

import pytest
import torch
from made import params

from agch.model import Encoded, Helped
from agch.objective import Objective, contrast

ROWS, BITS = 3, 8
WEIGHTS = {"alpha": 2.0, "beta": 3.0, "lambda_": 5.0, "delta": 7.0}
# What a sum over pairs and a sum over the entries of two heads are divided by.
DIVISORS = [("pairs", 9, 9), ("entries", 9, 3 * 8), ("sum", 1, 1)]
REDUCTIONS = [name for name, _, _ in DIVISORS]


def heads(seed=0, bits=BITS, fusion=True, graphs=True):
    """Target (not symmetric), encoded, helped and codes of three rows; no two heads alike."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.randn(ROWS, ROWS, generator=generator)
    image, text, fused, *both = 2 * torch.rand(5, ROWS, bits, generator=generator) - 1
    nothing = torch.zeros(ROWS, 4)
    helped = Helped(fused if fusion else None, torch.stack(both) if graphs else None)
    codes = torch.randn(ROWS, bits, generator=generator).sign()
    return target, Encoded(nothing, nothing, image, text), helped, codes


def objective(**changes):
    return Objective(params(**WEIGHTS | changes))


def unit(row):
    return [x / math.hypot(*row) for x in row]


def off(target, a, b):
    """sum_ij (T_ij - cos(a_i, b_j))^2"""
    total = 0.0
    for i, x in enumerate(a.tolist()):
        for j, y in enumerate(b.tolist()):
            cosine = sum(p * q for p, q in zip(unit(x), unit(y)))
            total += (float(target[i, j]) - cosine) ** 2
    return total


def apart(a, b):
    """sum_i ||a_i - b_i||^2 of unit rows"""
    return sum(math.dist(unit(x), unit(y)) ** 2 for x, y in zip(a.tolist(), b.tolist()))


def plain(terms):
    return {name: float(value) for name, value in terms.items()}


def every_term(chosen, target, encoded, helped, codes):
    """The terms of the joint loss and of both blocks, by block and name."""
    blocks = {
        "joint": chosen.joint(target, encoded, helped),
        "encoders": chosen.encoders(target, encoded, helped, codes),
        "helpers": chosen.helpers(target, encoded, helped, codes),
    }
    return {f"{block}/{k}": float(v) for block, terms in blocks.items() for k, v in terms.items()}


@pytest.mark.parametrize("reduction, expected", [("pairs", 2 / 4), ("entries", 2 / 4), ("sum", 2)])
def test_reconstruction_is_divided_by_the_number_of_pairs_or_nothing(reduction, expected):
    # products of two orthogonal rows: 1, 0, 0, 1; against T = 0 the squares sum to 2, over 4 pairs
    rows, reduced = torch.eye(2, 3), objective(reduction=reduction)
    assert float(reduced.reconstruction(torch.zeros(2, 2), rows, rows)) == pytest.approx(expected)


def test_reconstruction_is_zero_where_the_products_are_the_target():
    rows = torch.tensor([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]])
    target = torch.tensor([[1.0, 0.6, -1.0], [0.6, 1.0, -0.6], [-1.0, -0.6, 1.0]])
    assert float(objective().reconstruction(target, rows, rows)) == pytest.approx(0, abs=1e-6)


def test_rows_of_the_target_belong_to_the_first_head_and_columns_to_the_second():
    # products a_i . b_j are 0.6, 0.8 and 0, 0; the other way round they would be 0.6, 0 and 0.8, 0
    a, b = torch.tensor([[0.6, 0.8, 0.0], [0.0, 0.0, 1.0]]), torch.eye(2, 3)
    target = torch.tensor([[0.6, 0.8], [0.0, 0.0]])
    assert float(objective().reconstruction(target, a, b)) == pytest.approx(0, abs=1e-6)
    assert float(objective().reconstruction(target.T, a, b)) == pytest.approx(2 * 0.64 / 4)


@pytest.mark.parametrize("reduction, expected", [("pairs", 2 / 4), ("entries", 2 / 6), ("sum", 2)])
def test_alignment_is_divided_by_pairs_or_entries_or_nothing(reduction, expected):
    # (1,0,0) to (0,1,0) has squared distance 2, the others 0; m^2 = 4 and m c = 6
    a = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    b = torch.tensor([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    assert float(objective(reduction=reduction).alignment(a, b)) == pytest.approx(expected)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shared", [False, True])
def test_a_stack_of_heads_is_the_sum_of_its_terms(reduction, shared):
    # against a stack as long, head by head, or against one head that all share
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(ROWS, ROWS, generator=generator)
    drawn = torch.randn(2, 4, ROWS, BITS, generator=generator)
    a, b = torch.nn.functional.normalize(drawn, dim=-1)
    b = b[0] if shared else b
    pairs = [(head, b if shared else b[number]) for number, head in enumerate(a)]
    reduced = objective(reduction=reduction)
    for term in (partial(reduced.reconstruction, target), reduced.alignment):
        expected = sum(float(term(*pair)) for pair in pairs)
        assert float(term(a, b)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("reduction, m2, mc", DIVISORS)
def test_joint_terms_are_those_of_equation_16(reduction, m2, mc):
    target, encoded, helped, _ = heads()
    v, t, h, (gv, gt) = encoded.image, encoded.text, *helped
    graph = (off(target, gv, gv) + off(target, gt, gt)) / m2 + (apart(gv, v) + apart(gt, t)) / mc
    expected = {
        "reconstruction": 2 * sum(off(target, head, head) for head in (v, t, h)) / m2,
        "graph": 7 * graph,
        "cross": 3 * (off(target, v, h) + off(target, t, h)) / m2,
        "alignment": 5 * (apart(v, h) + apart(t, h)) / mc,
    }
    terms = plain(objective(reduction=reduction).joint(target, encoded, helped))
    assert terms == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("reduction, m2, mc", DIVISORS)
def test_encoder_terms_put_the_codes_where_equation_15_has_the_fusion(reduction, m2, mc):
    target, encoded, helped, codes = heads()
    v, t = encoded.image, encoded.text
    expected = {
        "reconstruction": 2 * (off(target, v, v) + off(target, t, t)) / m2,
        "graph": 7 * (apart(helped.graphs[0], v) + apart(helped.graphs[1], t)) / mc,
        "cross": 3 * (off(target, v, codes) + off(target, t, codes)) / m2,
        "alignment": 5 * (apart(v, codes) + apart(t, codes)) / mc,
    }
    terms = plain(objective(reduction=reduction).encoders(target, encoded, helped, codes))
    assert terms == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("reduction, m2, mc", DIVISORS)
def test_helper_terms_are_those_of_fusion_and_graph_networks(reduction, m2, mc):
    target, encoded, helped, codes = heads()
    v, t, h, (gv, gt) = encoded.image, encoded.text, *helped
    graph = (off(target, gv, gv) + off(target, gt, gt)) / m2 + (apart(gv, v) + apart(gt, t)) / mc
    expected = {
        "reconstruction": 2 * off(target, h, h) / m2,
        "graph": 7 * graph,
        "alignment": 5 * apart(h, codes) / mc,
    }
    terms = plain(objective(reduction=reduction).helpers(target, encoded, helped, codes))
    assert terms == pytest.approx(expected, rel=1e-4)


def test_sums_are_the_number_of_pairs_times_the_means_over_pairs():
    made = heads()
    summed = every_term(objective(reduction="sum"), *made)
    over_pairs = every_term(objective(reduction="pairs"), *made)
    expected = {name: ROWS**2 * value for name, value in over_pairs.items()}
    assert summed == pytest.approx(expected, rel=1e-5)


def test_dividing_by_entries_changes_alignment_alone():
    # m^2 = 9 becomes m c = 24
    made = heads(graphs=False)  # the graph term mixes both kinds
    over_pairs = every_term(objective(reduction="pairs"), *made)
    over_entries = every_term(objective(reduction="entries"), *made)
    expected = {k: v * (9 / 24 if "alignment" in k else 1) for k, v in over_pairs.items()}
    assert over_entries == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("weight", ["alpha", "beta", "lambda_", "delta"])
def test_each_weight_scales_its_own_term(weight):
    made, ones = heads(), dict.fromkeys(WEIGHTS, 1.0)
    base, scaled = (every_term(Objective(params(**ones | c)), *made) for c in ({}, {weight: 3.0}))
    names = {"alpha": "reconstruction", "beta": "cross", "lambda_": "alignment", "delta": "graph"}
    expected = {k: v * (3 if k.endswith(names[weight]) else 1) for k, v in base.items()}
    assert scaled == pytest.approx(expected, rel=1e-5)


def test_without_graph_heads_the_graph_term_is_zero():
    terms = every_term(objective(), *heads(graphs=False))
    graphs = {name: value for name, value in terms.items() if name.endswith("graph")}
    assert graphs == {"joint/graph": 0, "encoders/graph": 0, "helpers/graph": 0}


def test_delta_of_zero_takes_the_graph_heads_out():
    target, encoded, helped, _ = heads()
    assert float(objective(delta=0.0).joint(target, encoded, helped)["graph"]) == 0


def test_without_fusion_each_modality_follows_the_other_in_both_orders():
    target, encoded, helped, _ = heads(fusion=False)
    v, t, (gv, gt) = encoded.image, encoded.text, helped.graphs
    graph = off(target, gv, gv) + off(target, gt, gt) + apart(gv, v) + apart(gt, t)
    expected = {
        "reconstruction": 2 * (off(target, v, v) + off(target, t, t)) / 9,
        "graph": 7 * graph / 9,
        "cross": 3 * (off(target, v, t) + off(target, t, v)) / 9,
        "alignment": 5 * (apart(v, t) + apart(t, v)) / 9,
    }
    terms = plain(objective(fusion=False).joint(target, encoded, helped))
    assert terms == pytest.approx(expected, rel=1e-4)


def test_without_fusion_the_encoders_follow_the_codes_as_ever_and_helpers_are_graphs_alone():
    whole, without = (
        every_term(objective(fusion=fusion), *heads(fusion=fusion)) for fusion in (True, False)
    )
    gone = {"helpers/reconstruction", "helpers/alignment"}
    kept = {k: v for k, v in whole.items() if not k.startswith("joint") and k not in gone}
    assert {k: v for k, v in without.items() if not k.startswith("joint")} == kept


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_nested_terms_are_the_means_of_the_terms_at_the_prefixes(reduction):
    target, encoded, helped, codes = heads(bits=24)
    changes = {"reduction": reduction, "contrastive": 0.3}
    at_prefixes = [
        every_term(
            objective(bits=p, **changes),
            target,
            Encoded(*encoded[:2], encoded.image[:, :p], encoded.text[:, :p]),
            helped.map(lambda head, p=p: head[..., :p]),
            codes[:, :p],
        )
        for p in (8, 24)
    ]
    expected = {name: (at_prefixes[0][name] + at_prefixes[1][name]) / 2 for name in at_prefixes[0]}
    nested = objective(bits=24, nested=[8, 24], **changes)
    terms = every_term(nested, target, encoded, helped, codes)
    assert terms == pytest.approx(expected, rel=1e-5)
    assert "joint/contrastive" in terms


def test_nesting_the_whole_length_alone_is_no_nesting():
    made = heads()
    assert every_term(objective(nested=[BITS]), *made) == every_term(objective(), *made)


def loop_contrast(a, b, temperature):
    """Mean of -log softmax of the partner, over rows and both directions."""
    total = 0.0
    for one, other in ((a.tolist(), b.tolist()), (b.tolist(), a.tolist())):
        for i, x in enumerate(one):
            scores = [sum(p * q for p, q in zip(x, y)) / temperature for y in other]
            total += math.log(sum(math.exp(score) for score in scores)) - scores[i]
    return total / (2 * len(a))


@pytest.mark.parametrize("temperature", [0.1, 0.25, 2.0])
def test_contrast_is_the_mean_surprise_at_the_partner_in_both_directions(temperature):
    _, encoded, _, _ = heads()
    a, b = (torch.nn.functional.normalize(head) for head in encoded[2:])
    expected = loop_contrast(a, b, temperature)
    assert float(contrast(a, b, temperature)) == pytest.approx(expected, rel=1e-5)
    assert float(contrast(b, a, temperature)) == pytest.approx(expected, rel=1e-5)


def test_contrast_of_rows_that_are_all_equal_is_the_log_of_their_number():
    rows = torch.tensor([[0.6, 0.8]]).repeat(5, 1)
    assert float(contrast(rows, rows, 0.25)) == pytest.approx(math.log(5), rel=1e-6)


def test_contrast_of_orthogonal_rows_is_least_where_partners_match():
    # a partner scores 1 / 0.5 = 2, the two others 0: -log(e^2 / (e^2 + 2)) = log(1 + 2 / e^2)
    rows = torch.eye(3)
    losses = {
        order: float(contrast(rows, rows[list(order)], 0.5))
        for order in itertools.permutations(range(3))
    }
    matched = losses.pop((0, 1, 2))
    assert matched == pytest.approx(math.log(1 + 2 / math.e**2), rel=1e-6)
    assert matched < min(losses.values())


def test_contrastive_joins_the_encoders_at_its_weight_and_the_helpers_never():
    made, chosen = heads(), {"contrastive": 0.3, "temperature": 0.5}
    without, terms = every_term(objective(), *made), every_term(objective(**chosen), *made)
    image, text = (torch.tensor([unit(row) for row in head.tolist()]) for head in made[1][2:])
    added = pytest.approx(0.3 * loop_contrast(image, text, 0.5), rel=1e-4)
    assert terms == without | {"joint/contrastive": added, "encoders/contrastive": added}


def test_the_papers_variant_has_no_extension():
    made, settings = heads(), params(**WEIGHTS, variant="paper", contrastive=0.3)
    terms = every_term(Objective(settings.in_force()), *made)
    assert terms == every_term(objective(), *made)
    assert not [name for name in terms if "contrastive" in name]


def nearest(lengths, weighted):
    """argmin over all B in {-1, 1}^c of sum_p sum_k w_k ||unit(B^k[:p]) - B[:p] / sqrt(p)||^2."""
    bits = weighted[0][1].shape[1]
    everything = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=bits)))
    best = []
    for row in range(ROWS):
        cost = torch.zeros(len(everything))
        for p in lengths:
            for weight, head in weighted:
                point = torch.tensor(unit(head[row, :p].tolist()))
                cost += weight * (point - everything[:, :p] / math.sqrt(p)).square().sum(1)
        best.append(everything[cost.argmin()].tolist())
    return best


def weighted_heads(encoded, helped, lambda_, delta):
    weighted = [(lambda_, encoded.image), (lambda_, encoded.text)]
    if helped.fusion is not None:
        weighted.append((lambda_, helped.fusion))
    if helped.graphs is not None:
        weighted += [(delta, head) for head in helped.graphs]
    return weighted


@pytest.mark.parametrize("lambda_, delta", [(10.0, 0.01), (1.0, 1.0), (0.1, 7.0)])
@pytest.mark.parametrize("left_out", [{}, {"graphs": False}, {"fusion": False}])
def test_discrete_codes_are_the_nearest_of_all(lambda_, delta, left_out):
    _, encoded, helped, _ = heads(seed=1, **left_out)
    codes = objective(lambda_=lambda_, delta=delta).codes(encoded, helped)
    assert codes.tolist() == nearest([BITS], weighted_heads(encoded, helped, lambda_, delta))


@pytest.mark.parametrize("seed", [10, 39, 150])  # here some bit hangs on the root of p
def test_nested_discrete_codes_are_the_nearest_of_all_over_all_prefixes(seed):
    _, encoded, helped, _ = heads(seed, bits=16)
    weights = {"lambda_": 1.0, "delta": 0.7}
    codes = objective(bits=16, nested=[8, 16], **weights).codes(encoded, helped)
    weighted = weighted_heads(encoded, helped, **weights)
    assert codes.tolist() == nearest([8, 16], weighted)


def test_sign_of_zero_is_minus_one():
    # image and text cancel out in the first row, and the fusion says nothing
    ones, zeros = torch.ones(2, BITS), torch.zeros(2, BITS)
    opposite = torch.cat([-ones[:1], ones[1:]])
    encoded = Encoded(zeros, zeros, ones, opposite)
    codes = objective().codes(encoded, Helped(zeros, None))
    assert codes.tolist() == [[-1.0] * BITS, [1.0] * BITS]
