"""The networks against their formulas written out with plain matrices."""

import torch
from made import params

from agch.model import AGCH, Encoded, Encoder, GraphNetwork, Helped
from agch.training import build

ROWS, IMAGE_DIM, WORDS, BITS, HIDDEN, GCN_HIDDEN = 5, 6, 9, 16, 8, 7


def inputs(seed=0):
    """(5, 6) image features, (5, 9) tags, (5, 5) adjacency."""
    generator = torch.Generator().manual_seed(seed)
    image, text, square = (torch.rand(ROWS, n, generator=generator) for n in (6, 9, ROWS))
    return image, text.round(), (square + square.T) / ROWS


def network(gcn_hidden=GCN_HIDDEN):
    torch.manual_seed(0)
    return AGCH(IMAGE_DIM, WORDS, BITS, HIDDEN, gcn_hidden)


def test_shapes_of_all_heads():
    image, text, adjacency = inputs()
    model = network()
    encoded = model.encode(image, text)
    helped = model.help(encoded, adjacency)
    assert [tuple(part.shape) for part in encoded] == [(5, 8), (5, 8), (5, 16), (5, 16)]
    assert [tuple(head.shape) for head in helped] == [(5, 16)] * 3


def test_heads_lie_strictly_between_minus_one_and_one():
    image, text, adjacency = inputs()
    model = network()
    encoded = model.encode(image, text)
    for head in (encoded.image, encoded.text, *model.help(encoded, adjacency)):
        assert (head.abs() < 1).all()
        assert (head < 0).any() and (head > 0).any()


def test_encoder_is_relu_then_tanh():
    torch.manual_seed(0)
    encoder = Encoder(inputs=IMAGE_DIM, hidden=HIDDEN, bits=BITS)
    features = inputs()[0]
    penultimate, outputs = encoder(features)
    hidden = (features @ encoder.hidden.weight.T + encoder.hidden.bias).clamp_min(0)
    torch.testing.assert_close(penultimate, hidden)
    expected = (hidden @ encoder.hash.weight.T + encoder.hash.bias).tanh()
    torch.testing.assert_close(outputs, expected)


def test_graph_network_is_two_convolutions_and_a_linear_layer():
    # H1 = relu(A X W1), H2 = relu(A H1 W2), output = tanh(H2 W3 + b)
    torch.manual_seed(0)
    graph = GraphNetwork(inputs=IMAGE_DIM, hidden=HIDDEN, bits=BITS)
    features, _, adjacency = inputs()
    first, second, last = (layer.weight.T for layer in (graph.first, graph.second, graph.hash))
    hidden = (adjacency @ features @ first).clamp_min(0)
    hidden = (adjacency @ hidden @ second).clamp_min(0)
    assert hidden.count_nonzero()
    expected = (hidden @ last + graph.hash.bias).tanh()
    torch.testing.assert_close(graph(features, adjacency), expected)


def test_node_without_neighbours_gets_the_bias_alone():
    graph = GraphNetwork(inputs=IMAGE_DIM, hidden=HIDDEN, bits=BITS)
    adjacency = torch.eye(ROWS)
    adjacency[0, 0] = 0
    head = graph(inputs()[0], adjacency)
    torch.testing.assert_close(head[0], graph.hash.bias.tanh())


def test_helpers_read_the_penultimate_features_of_their_modality():
    model = network()
    image, text, adjacency = inputs()
    encoded = model.encode(image, text)
    helped = model.help(encoded, adjacency)
    both = torch.cat([encoded.image_features, encoded.text_features], dim=1)
    fused = (both @ model.fusion.weight.T + model.fusion.bias).tanh()
    torch.testing.assert_close(helped.fusion, fused)
    for name, features in (("image", encoded.image_features), ("text", encoded.text_features)):
        head = getattr(helped, f"{name}_gcn")
        torch.testing.assert_close(head, model.gcn[name](features, adjacency))
    assert not torch.equal(helped.image_gcn, helped.text_gcn)


def test_encoders_see_only_their_own_modality():
    model = network()
    image, text, _ = inputs()
    encoded, other = model.encode(image, text), model.encode(image + 1, text)
    assert torch.equal(encoded.text, other.text)
    assert not torch.equal(encoded.image, other.image)


def test_gcn_hidden_of_zero_leaves_the_graph_branch_out():
    model = network(gcn_hidden=0)
    image, text, adjacency = inputs()
    helped = model.help(model.encode(image, text), adjacency)
    assert helped.image_gcn is None and helped.text_gcn is None
    assert not [name for name, _ in model.named_parameters() if name.startswith("gcn")]


def test_delta_of_zero_builds_no_graph_branch():
    assert not build(params(delta=0.0), IMAGE_DIM, WORDS).gcn
    assert set(build(params(delta=0.01), IMAGE_DIM, WORDS).gcn) == {"image", "text"}


def test_map_applies_to_every_head_that_is_there():
    one, two, three = (torch.full((2, 8), float(n)) for n in (1, 2, 3))
    assert [h.mean() for h in Helped(one, two, three).map(torch.neg)] == [-1, -2, -3]
    mapped = Helped(one, None, None).map(torch.neg)
    assert mapped.fusion.mean() == -1 and mapped.image_gcn is None and mapped.text_gcn is None


def test_all_bits_of_an_encoder_depend_on_its_features():
    model = network()
    image, text, _ = inputs()
    image.requires_grad_(True)
    encoded: Encoded = model.encode(image, text)
    for bit in range(BITS):
        (gradient,) = torch.autograd.grad(encoded.image[:, bit].sum(), image, retain_graph=True)
        assert gradient.count_nonzero()
