"""Every term of the objective against loops; the blocks of the alternation; the discrete codes."""

import itertools
import math

import pytest
import torch
from made import params

from agch.model import AGCH, Encoded, Helped
from agch.objective import (
    alignment,
    discrete_codes,
    encoder_terms,
    graph_terms,
    helper_terms,
    joint_terms,
    reconstruction,
)

ROWS, BITS = 3, 8
WEIGHTS = {"alpha": 2.0, "beta": 3.0, "lambda_": 5.0, "delta": 7.0}


def heads(seed=0, graphs=True):
    """Target, encoded, helped and codes of three rows; no two heads alike."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.randn(ROWS, ROWS, generator=generator)
    image, text, *rest = (2 * torch.rand(5, ROWS, BITS, generator=generator) - 1).unbind()
    nothing = torch.zeros(ROWS, 4)
    helped = Helped(*rest) if graphs else Helped(rest[0], None, None)
    codes = torch.randn(ROWS, BITS, generator=generator).sign()
    return target + target.T, Encoded(nothing, nothing, image, text), helped, codes


def unit(row):
    return [x / math.hypot(*row) for x in row]


def loop_reconstruction(target, a, b):
    """sum_ij (T_ij - cos(a_i, b_j))^2 / m^2"""
    total = 0.0
    for i, x in enumerate(a.tolist()):
        for j, y in enumerate(b.tolist()):
            cosine = sum(p * q for p, q in zip(unit(x), unit(y)))
            total += (float(target[i, j]) - cosine) ** 2
    return total / len(a) ** 2


def loop_alignment(a, b):
    """sum_i ||a_i - b_i||^2 / m^2"""
    pairs = zip(a.tolist(), b.tolist())
    return sum(math.dist(unit(x), unit(y)) ** 2 for x, y in pairs) / len(a) ** 2


def plain(terms):
    return {name: float(value) for name, value in terms.items()}


def test_reconstruction_is_divided_by_the_number_of_pairs():
    # cosines of two orthogonal rows: 1, 0, 0, 1; against T = 0 the squares sum to 2, over 4 pairs
    rows = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    assert float(reconstruction(torch.zeros(2, 2), rows, rows)) == pytest.approx(2 / 4)


def test_reconstruction_is_zero_where_the_cosines_are_the_target():
    rows = torch.tensor([[3.0, 0.0], [0.0, 0.5], [-1.0, 0.0]])
    target = torch.tensor([[1.0, 0.0, -1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 1.0]])
    assert float(reconstruction(target, rows, rows)) == pytest.approx(0, abs=1e-6)


def test_alignment_is_divided_by_the_number_of_pairs():
    # unit rows: (1,0,0) to (0,1,0) has squared distance 2, the others 0; over m^2 = 4, not m c = 6
    a = torch.tensor([[1.0, 0.0, 0.0], [0.0, 5.0, 0.0]])
    b = torch.tensor([[0.0, 3.0, 0.0], [0.0, 1.0, 0.0]])
    assert float(alignment(a, b)) == pytest.approx(2 / 4)


def test_joint_terms_are_those_of_equation_16():
    target, encoded, helped, _ = heads()
    v, t, h, gv, gt = encoded.image, encoded.text, *helped
    l1 = sum(loop_reconstruction(target, head, head) for head in (v, t, h))
    l2 = sum(
        loop_reconstruction(target, g, g) + loop_alignment(g, k) for g, k in ((gv, v), (gt, t))
    )
    cross = loop_reconstruction(target, v, h) + loop_reconstruction(target, t, h)
    close = loop_alignment(v, h) + loop_alignment(t, h)
    expected = {
        "reconstruction": 2 * l1,
        "graph": 7 * l2,
        "cross": 3 * cross,
        "alignment": 5 * close,
    }
    terms = plain(joint_terms(target, encoded, helped, params(**WEIGHTS)))
    assert terms == pytest.approx(expected, rel=1e-4)


def test_encoder_terms_put_the_codes_where_equation_15_has_the_fusion():
    target, encoded, helped, codes = heads()
    v, t = encoded.image, encoded.text
    expected = {
        "reconstruction": 2 * sum(loop_reconstruction(target, head, head) for head in (v, t)),
        "graph": 7 * (loop_alignment(helped.image_gcn, v) + loop_alignment(helped.text_gcn, t)),
        "cross": 3 * sum(loop_reconstruction(target, head, codes) for head in (v, t)),
        "alignment": 5 * sum(loop_alignment(head, codes) for head in (v, t)),
    }
    terms = plain(encoder_terms(target, encoded, helped, codes, params(**WEIGHTS)))
    assert terms == pytest.approx(expected, rel=1e-4)


def test_helper_terms_are_those_of_fusion_and_graph_networks():
    target, encoded, helped, codes = heads()
    h, gv, gt = helped
    graph = loop_reconstruction(target, gv, gv) + loop_alignment(gv, encoded.image)
    graph += loop_reconstruction(target, gt, gt) + loop_alignment(gt, encoded.text)
    expected = {
        "reconstruction": 2 * loop_reconstruction(target, h, h),
        "graph": 7 * graph,
        "alignment": 5 * loop_alignment(h, codes),
    }
    terms = plain(helper_terms(target, encoded, helped, codes, params(**WEIGHTS)))
    assert terms == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("weight", ["alpha", "beta", "lambda_", "delta"])
def test_each_weight_scales_its_own_term(weight):
    ones = dict.fromkeys(WEIGHTS, 1.0)
    target, encoded, helped, _ = heads()
    base = plain(joint_terms(target, encoded, helped, params(**ones)))
    scaled = plain(joint_terms(target, encoded, helped, params(**(ones | {weight: 3.0}))))
    names = {"alpha": "reconstruction", "beta": "cross", "lambda_": "alignment", "delta": "graph"}
    expected = {name: value * (3 if name == names[weight] else 1) for name, value in base.items()}
    assert scaled == pytest.approx(expected, rel=1e-5)


def test_without_graph_heads_the_graph_term_is_zero():
    target, encoded, helped, codes = heads(graphs=False)
    settings = params(**WEIGHTS)
    assert float(graph_terms(target, encoded, helped)) == 0
    assert float(joint_terms(target, encoded, helped, settings)["graph"]) == 0
    assert float(encoder_terms(target, encoded, helped, codes, settings)["graph"]) == 0
    assert float(helper_terms(target, encoded, helped, codes, settings)["graph"]) == 0


def test_delta_of_zero_takes_the_graph_heads_out():
    target, encoded, helped, _ = heads()
    assert float(joint_terms(target, encoded, helped, params(delta=0.0))["graph"]) == 0


def real_model():
    """A model, its inputs and a target; no gradient is there yet."""
    torch.manual_seed(0)
    model = AGCH(image_dim=6, text_dim=9, bits=BITS, hidden=8, gcn_hidden=5)
    inputs = torch.rand(ROWS, 6), torch.rand(ROWS, 9).round()
    target, _, _, codes = heads()
    return model, inputs, target, codes


def reached(model):
    """Names of the modules that a backward pass has given gradients to."""
    return {
        name.split(".")[0]
        for name, parameter in model.named_parameters()
        if parameter.grad is not None and parameter.grad.count_nonzero()
    }


def test_encoder_terms_give_no_gradient_to_the_helpers():
    model, inputs, target, codes = real_model()
    encoded = model.encode(*inputs)
    helped = model.help(encoded, torch.eye(ROWS))
    for head in helped:
        head.retain_grad()
    sum(encoder_terms(target, encoded, helped, codes, params()).values()).backward()
    assert reached(model) == {"image", "text"}
    assert all(head.grad is None for head in helped)
    assert all(p.grad is None for part in (model.fusion, model.gcn) for p in part.parameters())


def test_helper_terms_give_no_gradient_to_the_encoders():
    model, inputs, target, codes = real_model()
    encoded = model.encode(*inputs)
    helped = model.help(Encoded(*(part.detach() for part in encoded)), torch.eye(ROWS))
    sum(helper_terms(target, encoded, helped, codes, params()).values()).backward()
    assert reached(model) == {"fusion", "gcn"}
    encoders = (model.image, model.text)
    assert all(p.grad is None for part in encoders for p in part.parameters())


def test_joint_terms_reach_all_networks():
    model, inputs, target, _ = real_model()
    encoded = model.encode(*inputs)
    helped = model.help(encoded, torch.eye(ROWS))
    sum(joint_terms(target, encoded, helped, params()).values()).backward()
    assert reached(model) == {"image", "text", "fusion", "gcn"}


def test_discrete_codes_are_constants_of_minus_and_plus_one():
    model, inputs, _, _ = real_model()
    encoded = model.encode(*inputs)
    codes = discrete_codes(encoded, model.help(encoded, torch.eye(ROWS)), params())
    assert not codes.requires_grad
    assert codes.shape == (ROWS, BITS) and set(codes.unique().tolist()) == {-1.0, 1.0}


@pytest.mark.parametrize("lambda_, delta", [(10.0, 0.01), (1.0, 1.0), (0.1, 7.0)])
@pytest.mark.parametrize("graphs", [True, False])
def test_discrete_codes_are_the_nearest_of_all(lambda_, delta, graphs):
    # minimise sum_k w_k ||B^k - B / sqrt(c)||^2 over all 2^8 vectors B of -1 and +1
    _, encoded, helped, _ = heads(seed=1, graphs=graphs)
    weighted = [(lambda_, encoded.image), (lambda_, encoded.text), (lambda_, helped.fusion)]
    weighted += [(delta, helped.image_gcn), (delta, helped.text_gcn)] if graphs else []

    def cost(row, code):
        point = [bit / math.sqrt(BITS) for bit in code]
        return sum(w * math.dist(unit(head[row].tolist()), point) ** 2 for w, head in weighted)

    everything = list(itertools.product((-1.0, 1.0), repeat=BITS))
    best = [list(min(everything, key=lambda code: cost(row, code))) for row in range(ROWS)]
    codes = discrete_codes(encoded, helped, params(lambda_=lambda_, delta=delta))
    assert codes.tolist() == best


def test_sign_of_zero_is_minus_one():
    # image and text cancel out in the first row, and the fusion says nothing
    ones, zeros = torch.ones(2, BITS), torch.zeros(2, BITS)
    opposite = torch.cat([-ones[:1], ones[1:]])
    encoded = Encoded(zeros, zeros, ones, opposite)
    codes = discrete_codes(encoded, Helped(zeros, None, None), params())
    assert codes.tolist() == [[-1.0] * BITS, [1.0] * BITS]
