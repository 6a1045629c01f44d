"""The gradients of the objective through a real model: which weights they reach, and their size."""

import pytest
import torch
from made import clusters, params

from agch.encoders import build, weigh_words
from agch.objective import Objective
from agch.target import Graphs

ROWS, BITS = 5, 8
MOVED = {
    "joint": {"image", "text", "fusion", "gcn"},
    "encoders": {"image", "text"},
    "helpers": {"fusion", "gcn"},
}
VARIANTS = {
    "paper": {},
    "literal": {"gamma_power": 2, "reduction": "sum", "text_input": "unit"},
    "agch+": {
        "contrastive": 0.3,
        "idf": True,
        "target_scale": "calibrated",
        "bits": 16,
        "nested": [8, 16],
        "reduction": "entries",
    },
    "without fusion": {"fusion": False},
}


def detached(parts):
    return type(parts)(*(None if part is None else part.detach() for part in parts))


def scene(**changes):
    """A model in float64 over one batch, its objective, and the batch's target and adjacency."""
    settings, rows = params(**{"delta": 0.5} | changes).in_force(), clusters(ROWS)
    torch.manual_seed(0)
    model = build(settings, rows.image.shape[1], rows.text.shape[1])
    if settings.extensions.idf:
        weigh_words(model, rows.text)
    batch = rows.select(torch.arange(ROWS))
    adjacency, target = (part.double() for part in Graphs(rows, settings)(batch, batch.image))
    inputs = batch.image.double(), batch.text.double()
    return model.double(), Objective(settings), inputs, adjacency, target


def losses(model, objective, inputs, adjacency, target):
    """The loss of each block as a function of the weights; what the block keeps fixed is fixed."""
    encoded = detached(model.encode(*inputs))
    helped = detached(model.help(encoded, adjacency))
    codes = objective.codes(encoded, helped).double()

    def joint():
        live = model.encode(*inputs)
        return objective.joint(target, live, model.help(live, adjacency))

    def encoders():
        return objective.encoders(target, model.encode(*inputs), helped, codes)

    def helpers():
        return objective.helpers(target, encoded, model.help(encoded, adjacency), codes)

    return {name.__name__: lambda f=name: sum(f().values()) for name in (joint, encoders, helpers)}


def reached(model):
    """Names of the modules that a backward pass has given gradients to."""
    return {
        name.split(".")[0]
        for name, parameter in model.named_parameters()
        if parameter.grad is not None and parameter.grad.count_nonzero()
    }


@torch.no_grad()
def slope(loss, weight, direction, step=1e-5):
    """Central difference of the loss along a direction of one tensor.

    Short, for ReLU has kinks; not shorter, for a sum over pairs near 2,000 is rounded to 2e-13.
    """
    start = weight.clone()
    weight.copy_(start + step * direction)
    up = loss()
    weight.copy_(start - step * direction)
    down = loss()
    weight.copy_(start)
    return float(up - down) / (2 * step)


@pytest.mark.parametrize("block", MOVED)
@pytest.mark.parametrize("variant", VARIANTS)
def test_gradient_is_the_slope_of_the_loss_in_every_tensor_of_weights(variant, block):
    model, *rest = scene(**VARIANTS[variant])
    loss = losses(model, *rest)[block]
    loss().backward()
    assert reached(model) == MOVED[block] - ({"fusion"} if variant == "without fusion" else set())
    generator = torch.Generator().manual_seed(0)
    for name, weight in model.named_parameters():
        if name.split(".")[0] in reached(model):
            for _ in range(3):  # random mixtures of all its weights
                direction = torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
                expected = float((weight.grad * direction).sum())
                assert abs(expected) > 1e-4, f"nothing to compare in {name}"
                close = pytest.approx(expected, rel=1e-5, abs=1e-7)
                assert slope(loss, weight, direction) == close, name


def test_encoder_terms_give_no_gradient_to_the_helpers():
    model, objective, inputs, adjacency, target = scene()
    encoded = model.encode(*inputs)
    helped = model.help(encoded, adjacency)
    for head in helped:
        head.retain_grad()
    codes = objective.codes(encoded, helped).double()
    sum(objective.encoders(target, encoded, helped, codes).values()).backward()
    assert reached(model) == {"image", "text"}
    assert all(head.grad is None for head in helped)
    assert all(p.grad is None for part in (model.fusion, model.gcn) for p in part.parameters())


def test_helper_terms_give_no_gradient_to_the_encoders():
    model, objective, inputs, adjacency, target = scene()
    encoded = model.encode(*inputs)
    helped = model.help(detached(encoded), adjacency)
    codes = objective.codes(encoded, helped).double()
    sum(objective.helpers(target, encoded, helped, codes).values()).backward()
    assert reached(model) == {"fusion", "gcn"}
    encoders = (model.image, model.text)
    assert all(p.grad is None for part in encoders for p in part.parameters())


def test_of_one_forward_pass_each_block_gets_the_gradient_of_its_own_terms():
    model, objective, inputs, adjacency, target = scene()
    encoded = model.encode(*inputs)
    helped = model.help(detached(encoded), adjacency)
    codes = objective.codes(encoded, helped).double()
    first = sum(objective.encoders(target, encoded, helped, codes).values())
    second = sum(objective.helpers(target, encoded, helped, codes).values())
    blocks = {first: (model.image, model.text), second: (model.fusion, model.gcn)}
    for loss, modules in blocks.items():
        own = [weight for module in modules for weight in module.parameters()]
        expected = torch.autograd.grad(loss, own, retain_graph=True)
        found = torch.autograd.grad(first + second, own, retain_graph=True)
        assert all(torch.equal(one, other) for one, other in zip(found, expected))


def test_discrete_codes_are_constants_of_minus_and_plus_one():
    model, objective, inputs, adjacency, _ = scene()
    encoded = model.encode(*inputs)
    codes = objective.codes(encoded, model.help(encoded, adjacency))
    assert not codes.requires_grad
    assert codes.shape == (ROWS, BITS) and set(codes.unique().tolist()) == {-1.0, 1.0}
