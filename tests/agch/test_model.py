"""The networks against their formulas written out with plain matrices."""

import pytest
import torch
from torch import nn

from agch.model import AGCH, Encoded, Encoder, GraphNetwork, Helped

ROWS, IMAGE_DIM, WORDS, BITS, HIDDEN = 5, 6, 9, 16, 8
GCN_WIDTHS = (7, 3)


def inputs(seed=0):
    """(5, 6) image features, (5, 9) tags, (5, 5) adjacency."""
    generator = torch.Generator().manual_seed(seed)
    image, text, square = (torch.rand(ROWS, n, generator=generator) for n in (6, 9, ROWS))
    return image, text.round(), (square + square.T) / ROWS


def mlp(features, hidden=HIDDEN, **changes):
    layers = nn.Sequential(nn.Linear(features, hidden), nn.ReLU())
    return Encoder(features, layers, hidden, BITS, **changes)


def bare(width, **changes):
    """An encoder whose penultimate features are its prepared inputs."""
    return Encoder(width, nn.Identity(), width, BITS, **changes)


def network(fusion=True, gcn_widths=GCN_WIDTHS, gcn_detach=False):
    torch.manual_seed(0)
    return AGCH(mlp(IMAGE_DIM), mlp(WORDS), fusion, gcn_widths, gcn_detach)


def heads(model):
    """What each head that is there makes of `inputs()`, by name."""
    image, text, adjacency = inputs()
    encoded = model.encode(image, text)
    helped = model.help(encoded, adjacency)
    found = {"image": encoded.image, "text": encoded.text, "fusion": helped.fusion}
    if helped.graphs is not None:
        found["image_graph"], found["text_graph"] = helped.graphs
    return {name: head for name, head in found.items() if head is not None}


def test_shapes_of_all_heads():
    image, text, adjacency = inputs()
    model = network()
    encoded = model.encode(image, text)
    helped = model.help(encoded, adjacency)
    assert [tuple(part.shape) for part in encoded] == [(5, 8), (5, 8), (5, 16), (5, 16)]
    assert [tuple(head.shape) for head in helped] == [(5, 16), (2, 5, 16)]


def test_encoders_may_have_penultimate_features_of_different_widths():
    image, text, adjacency = inputs()
    model = AGCH(mlp(IMAGE_DIM, 4), mlp(WORDS, 10), True, GCN_WIDTHS, False)
    encoded = model.encode(image, text)
    assert [tuple(part.shape) for part in encoded[:2]] == [(5, 4), (5, 10)]
    assert model.fusion.in_features == 14
    helped = model.help(encoded, adjacency)
    assert [tuple(head.shape) for head in helped] == [(5, 16), (2, 5, 16)]


def test_widths_of_the_graph_convolutions_are_those_asked_for():
    # 8 penultimate features -> 7 -> 3 -> 16 bits; no bias in a convolution
    shapes = {name: tuple(value.shape) for name, value in network().gcn["image"].named_parameters()}
    assert shapes == {
        "first.weight": (7, 8),
        "second.weight": (3, 7),
        "hash.weight": (16, 3),
        "hash.bias": (16,),
    }


def test_heads_lie_strictly_between_minus_one_and_one():
    for head in heads(network()).values():
        assert (head.abs() < 1).all()
        assert (head < 0).any() and (head > 0).any()


def test_encoder_is_relu_then_tanh():
    torch.manual_seed(0)
    encoder = mlp(IMAGE_DIM)
    features, layer = inputs()[0], encoder.hidden[0]
    penultimate, outputs = encoder(features)
    hidden = (features @ layer.weight.T + layer.bias).clamp_min(0)
    torch.testing.assert_close(penultimate, hidden)
    expected = (hidden @ encoder.hash.weight.T + encoder.hash.bias).tanh()
    torch.testing.assert_close(outputs, expected)


def test_inputs_are_weighted():
    encoder = bare(3)
    encoder.weight.copy_(torch.tensor([5.0, 2.0, 0.5]))
    assert encoder(torch.tensor([[1.0, 2.0, -4.0]]))[0].tolist() == [[5, 4, -2]]


def test_inputs_of_a_new_encoder_are_left_as_they_are():
    features = inputs()[0]
    assert torch.equal(bare(IMAGE_DIM)(features)[0], features)


def test_unit_scales_every_row_after_its_weights():
    # 1 * 3 and 2 * 2 make (3, 4) and so (0.6, 0.8); a row of zeros stays
    encoder = bare(2, unit=True)
    encoder.weight.copy_(torch.tensor([3.0, 2.0]))
    prepared = encoder(torch.tensor([[1.0, 2.0], [0.0, 0.0]]))[0]
    torch.testing.assert_close(prepared, torch.tensor([[0.6, 0.8], [0.0, 0.0]]))


def test_dropout_leaves_out_inputs_in_training_alone():
    # of 10,000 ones a quarter is left out, the others become 1 / (1 - 1/4)
    torch.manual_seed(0)
    encoder, features = bare(1000, dropout=0.25), torch.ones(10, 1000)
    prepared = encoder(features)[0]
    assert set(prepared.unique().tolist()) == {0, torch.tensor(4 / 3).item()}
    assert (prepared == 0).float().mean() == pytest.approx(0.25, abs=0.02)
    assert torch.equal(encoder.eval()(features)[0], features)


def test_dropout_acts_on_inputs_after_they_were_scaled():
    # a unit row of four ones has 1/2 everywhere, kept ones are doubled: 0 or 1, not rescaled to 1
    torch.manual_seed(0)
    encoder = bare(4, dropout=0.5, unit=True)
    prepared = encoder(torch.full((100, 4), 2.0))[0]
    assert set(prepared.unique().tolist()) == {0, 1}
    assert prepared.sum(1).unique().tolist() == [0, 1, 2, 3, 4]


def test_dropout_leaves_penultimate_features_alone():
    # every unit is 1 + the sum of the inputs that are kept: never 0
    encoder = mlp(IMAGE_DIM, dropout=0.5)
    encoder.hidden[0].weight.data.fill_(1.0)
    encoder.hidden[0].bias.data.fill_(1.0)
    penultimate = encoder(torch.ones(100, IMAGE_DIM))[0]
    assert (penultimate >= 1).all() and len(penultimate.unique()) > 1


def test_weights_of_the_inputs_travel_with_the_parameters_and_are_none():
    first, second = mlp(IMAGE_DIM), mlp(IMAGE_DIM)
    first.weight.copy_(torch.arange(6.0) + 2)
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.weight, first.weight)
    assert "weight" not in dict(first.named_parameters())
    torch.testing.assert_close(second(inputs()[0])[1], first(inputs()[0])[1], rtol=0, atol=0)


def test_graph_network_is_two_convolutions_and_a_linear_layer():
    # H1 = relu(A X W1), H2 = relu(A H1 W2), output = H2 W3 + b, before the tanh
    torch.manual_seed(0)
    graph = GraphNetwork(inputs=IMAGE_DIM, widths=(8, 7), bits=BITS)
    features, _, adjacency = inputs()
    first, second, last = (layer.weight.T for layer in (graph.first, graph.second, graph.hash))
    hidden = (adjacency @ features @ first).clamp_min(0)
    hidden = (adjacency @ hidden @ second).clamp_min(0)
    assert hidden.count_nonzero()
    torch.testing.assert_close(graph(features, adjacency), hidden @ last + graph.hash.bias)


def test_node_without_neighbours_gets_the_bias_alone():
    graph = GraphNetwork(inputs=IMAGE_DIM, widths=(8, 8), bits=BITS)
    adjacency = torch.eye(ROWS)
    adjacency[0, 0] = 0
    torch.testing.assert_close(graph(inputs()[0], adjacency)[0], graph.hash.bias)


def test_helpers_read_the_penultimate_features_of_their_modality():
    model = network()
    image, text, adjacency = inputs()
    encoded = model.encode(image, text)
    helped = model.help(encoded, adjacency)
    both = torch.cat([encoded.image_features, encoded.text_features], dim=1)
    fused = (both @ model.fusion.weight.T + model.fusion.bias).tanh()
    torch.testing.assert_close(helped.fusion, fused)
    for head, name, features in zip(helped.graphs, ("image", "text"), encoded[:2]):
        torch.testing.assert_close(head, model.gcn[name](features, adjacency).tanh())
    assert not torch.equal(*helped.graphs)


def test_encoders_see_only_their_own_modality():
    model = network()
    image, text, _ = inputs()
    encoded, other = model.encode(image, text), model.encode(image + 1, text)
    assert torch.equal(encoded.text, other.text)
    assert not torch.equal(encoded.image, other.image)


def test_no_widths_leave_the_graph_branch_out():
    # variant AGCH-5
    model = network(gcn_widths=())
    assert set(heads(model)) == {"image", "text", "fusion"}
    assert not [name for name, _ in model.named_parameters() if name.startswith("gcn")]


def test_no_fusion_leaves_the_fusion_layer_out():
    # variant AGCH-4
    model = network(fusion=False)
    assert set(heads(model)) == {"image", "text", "image_graph", "text_graph"}
    assert not [name for name, _ in model.named_parameters() if name.startswith("fusion")]


@pytest.mark.parametrize("scale", [0.5, 3.0])
@pytest.mark.parametrize("left_out", [{}, {"fusion": False}, {"gcn_widths": ()}])
def test_scale_of_tanh_multiplies_the_argument_in_every_head(scale, left_out):
    plain, scaled = network(**left_out), network(**left_out)
    scaled.scale_tanh(scale)
    found = heads(plain)
    assert len(found) == 5 - 2 * ("gcn_widths" in left_out) - ("fusion" in left_out)
    for name, head in heads(scaled).items():
        expected = (scale * found[name].double().atanh()).tanh().float()
        torch.testing.assert_close(head, expected)


def reached(model, head):
    """Whether a gradient of the head reaches the hidden layer of each encoder."""
    hidden = [encoder.hidden[0].weight for encoder in (model.image, model.text)]
    gradients = torch.autograd.grad(head.sum(), hidden, retain_graph=True, allow_unused=True)
    return tuple(gradient is not None and bool(gradient.any()) for gradient in gradients)


@pytest.mark.parametrize(("detach", "through"), [(False, True), (True, False)])
def test_detached_graph_networks_send_no_gradient_into_the_encoders(detach, through):
    model = network(gcn_detach=detach)
    found = heads(model)
    assert reached(model, found["fusion"]) == (True, True)
    assert reached(model, found["image_graph"]) == (through, False)
    assert reached(model, found["text_graph"]) == (False, through)


def test_detached_graph_networks_learn_themselves():
    model = network(gcn_detach=True)
    for name in ("image", "text"):
        head, weights = heads(model)[f"{name}_graph"], model.gcn[name].parameters()
        assert all(gradient.any() for gradient in torch.autograd.grad(head.sum(), weights))


def test_map_applies_to_every_head_that_is_there():
    one, two = (torch.full((2, 8), float(n)) for n in (1, 2))
    assert [head.mean() for head in Helped(one, two).map(torch.neg)] == [-1, -2]
    for left in (Helped(one, None), Helped(None, two), Helped(None, None)):
        mapped = left.map(torch.neg)
        assert [head is None for head in mapped] == [head is None for head in left]


def test_all_bits_of_an_encoder_depend_on_its_features():
    model = network()
    image, text, _ = inputs()
    image.requires_grad_(True)
    encoded: Encoded = model.encode(image, text)
    for bit in range(BITS):
        (gradient,) = torch.autograd.grad(encoded.image[:, bit].sum(), image, retain_graph=True)
        assert gradient.count_nonzero()
