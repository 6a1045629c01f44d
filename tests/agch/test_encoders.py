"""The encoders that the parameters ask for, and what is measured on the training rows for them."""

import math

import h5py
import pytest
import torch
from made import IMAGE_DIM, PLUS, WORDS, clusters, params, same, trainer
from torch import nn
from torchvision import models

from agch.dropout import Dropout
from agch.encoders import (
    POOL5,
    alexnet_fc,
    build,
    image_encoder,
    image_inputs,
    text_encoder,
    weigh_words,
)
from agch.errors import InputError


def is_plain(encoder):
    """Whether no input has a weight."""
    return bool((encoder.weight == 1).all())


def test_every_encoder_has_the_inputs_hidden_units_and_bits_asked_for():
    settings = params(bits=16, hidden=5)
    for make, inputs in ((image_encoder, IMAGE_DIM), (text_encoder, WORDS)):
        encoder = make(inputs, settings)
        shapes = [tuple(parameter.shape) for parameter in encoder.parameters()]
        assert shapes == [(5, inputs), (5,), (16, 5), (16,)]
        assert tuple(encoder.weight.shape) == (inputs,) and is_plain(encoder)


def test_all_networks_are_those_asked_for():
    model = build(params(gcn_hidden=[7, 3]), IMAGE_DIM, WORDS)
    assert model.fusion.in_features == 16 and not model.gcn_detach
    for name in ("image", "text"):
        graph = model.gcn[name]
        assert (graph.first.out_features, graph.second.out_features) == (7, 3)
    assert build(params(gcn_detach=True), IMAGE_DIM, WORDS).gcn_detach


def test_delta_of_zero_builds_no_graph_branch():
    assert not build(params(delta=0.0), IMAGE_DIM, WORDS).gcn
    assert set(build(params(delta=0.01), IMAGE_DIM, WORDS).gcn) == {"image", "text"}


def test_without_fusion_no_fusion_layer_is_built():
    assert build(params(fusion=False), IMAGE_DIM, WORDS).fusion is None
    assert isinstance(build(params(fusion=True), IMAGE_DIM, WORDS).fusion, nn.Linear)


@pytest.mark.parametrize("method", ["djsrh", "jdsh"])
def test_peers_have_the_encoders_alone(method):
    model = build(params(method=method), IMAGE_DIM, WORDS)
    assert model.fusion is None and not model.gcn
    assert {name.split(".")[0] for name, _ in model.named_parameters()} == {"image", "text"}


def test_encoders_start_alike_whatever_stands_beside_them():
    # so that an ablation differs from the default in what it leaves out, and in nothing else
    states = []
    for changes in ({}, {"fusion": False}, {"delta": 0.0}, {"method": "djsrh"}):
        torch.manual_seed(0)
        model = build(params(**changes), IMAGE_DIM, WORDS)
        states.append({**model.image.state_dict(prefix="i."), **model.text.state_dict(prefix="t.")})
    assert all(same(states[0], state) for state in states[1:])


@pytest.mark.parametrize(("kind", "image", "text"), [("raw", False, False), ("unit", False, True)])
def test_text_input_scales_the_text_alone(kind, image, text):
    settings = params(text_input=kind)
    assert image_encoder(IMAGE_DIM, settings).unit is image
    assert text_encoder(WORDS, settings).unit is text


def test_unit_text_makes_the_number_of_tags_indifferent():
    # one tag twice as heavy is the same direction
    encoder = text_encoder(WORDS, params(text_input="unit"))
    row = clusters().text[:1]
    torch.testing.assert_close(encoder(2 * row), encoder(row))
    raw = text_encoder(WORDS, params(text_input="raw"))
    assert not torch.allclose(raw(2 * row)[1], raw(row)[1])


@pytest.mark.parametrize("make", [image_encoder, text_encoder])
@pytest.mark.parametrize(
    ("changes", "share"),
    [
        ({"dropout": 0.4}, 0.4),
        ({"dropout": 0.4, "variant": "paper"}, 0.0),
        ({"dropout": 0.4, "method": "djsrh"}, 0.0),
        ({"dropout": 0.4, "method": "jdsh"}, 0.0),
    ],
)
def test_dropout_is_in_force_under_agch_plus_alone(make, changes, share):
    assert make(5, params(**changes)).dropout.share == share


def test_a_word_weighs_the_log_of_rows_to_rows_with_it():
    # four kinds: a kind's word is in 10 of 40 rows, log 4; a word in no row counts as in one
    rows = clusters(40)
    rows.text[:, 0] = 0
    model = build(params(), IMAGE_DIM, WORDS)
    weigh_words(model, rows.text)
    for word in range(WORDS):
        count = sum(float(rows.text[row, word]) > 0 for row in range(40))
        assert float(model.text.weight[word]) == pytest.approx(math.log(40 / max(count, 1)))
    assert float(model.text.weight[1]) == pytest.approx(math.log(4))
    assert is_plain(model.image)


@pytest.mark.parametrize("image_encoder", ["mlp", "alexnet_fc"])
def test_words_are_weighed_where_idf_is_in_force(monkeypatch, image_encoder):
    layers = nn.Sequential(nn.Linear(IMAGE_DIM, 4096), nn.ReLU())
    monkeypatch.setattr("agch.encoders.alexnet_fc", lambda: layers)
    made = trainer(idf=True, image_encoder=image_encoder)
    assert (made.model.text.weight != 1).all() and is_plain(made.model.image)
    expected = build(params(), IMAGE_DIM, WORDS)
    weigh_words(expected, made.rows.text)
    assert torch.equal(made.model.text.weight, expected.text.weight)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"idf": False},
        PLUS | {"variant": "paper"},
        PLUS | {"method": "djsrh", "variant": "agch+"},
        PLUS | {"method": "jdsh", "variant": "agch+"},
    ],
    ids=str,
)
def test_words_have_no_weights_elsewhere(changes):
    model = trainer(**changes).model
    assert is_plain(model.image) and is_plain(model.text)


def test_weights_of_the_words_travel_in_the_state_dict():
    model, blank = trainer(**PLUS).model.eval(), build(params(**PLUS), IMAGE_DIM, WORDS).eval()
    blank.load_state_dict(model.state_dict())
    assert not is_plain(blank.text)
    rows = clusters(20, seed=1)
    expected, found = (each.encode(rows.image, rows.text) for each in (model, blank))
    assert all(torch.equal(one, other) for one, other in zip(expected, found))


def test_one_encoder_alone_takes_its_part_of_the_state_dict():
    # so does the stage that encodes
    model, settings = trainer(**PLUS).model.eval(), params(**PLUS)
    rows, state = clusters(20, seed=1), model.state_dict()
    for name, make, features in (
        ("image", image_encoder, rows.image),
        ("text", text_encoder, rows.text),
    ):
        part = {k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(f"{name}.")}
        encoder = make(features.shape[1], settings)
        encoder.load_state_dict(part)
        assert torch.equal(encoder.eval()(features)[1], getattr(model, name)(features)[1])


def test_alexnets_layers_are_torchvisions_up_to_the_relu_of_fc7():
    with torch.device("meta"):  # shapes without 200 MB of numbers
        ours, theirs = alexnet_fc(), models.alexnet().classifier[:6]
    shares = [layer.share if isinstance(layer, Dropout) else None for layer in ours]
    assert shares == [getattr(layer, "p", None) for layer in theirs]
    rest = [(a, b) for a, b, share in zip(ours, theirs, shares) if share is None]
    assert [type(layer) for layer, _ in rest] == [type(layer) for _, layer in rest]
    shapes, expected = ({k: v.shape for k, v in n.state_dict().items()} for n in (ours, theirs))
    assert shapes == expected
    assert ours[1].in_features == POOL5 == 256 * 6 * 6


@pytest.mark.parametrize("changes", [{}, PLUS], ids=["paper", "agch+"])
def test_alexnets_layers_take_their_inputs_as_they_are(changes):
    # AlexNet's own dropout is all it has; hidden is no choice of it
    with torch.device("meta"):
        encoder = image_encoder(POOL5, params(image_encoder="alexnet_fc", hidden=5, **changes))
    assert encoder.dropout.share == 0 and not encoder.unit
    assert tuple(encoder.hash.weight.shape) == (8, 4096)
    assert [layer.share for layer in encoder.hidden if isinstance(layer, Dropout)] == [0.5, 0.5]


@pytest.fixture
def features():
    """A file of features without `image_pool5`, in memory."""
    with h5py.File("features", "w", driver="core", backing_store=False) as file:
        file["image"] = [[1.0, 2.0]]
        yield file


def test_each_image_encoder_reads_its_own_dataset(features):
    assert image_inputs(features, params()).name == "/image"
    features["image_pool5"] = [[3.0]]
    assert image_inputs(features, params()).name == "/image"
    assert image_inputs(features, params(image_encoder="alexnet_fc")).name == "/image_pool5"


def test_absent_pool5_is_an_error_that_names_what_to_run(features):
    with pytest.raises(InputError) as caught:
        image_inputs(features, params(image_encoder="alexnet_fc"))
    assert str(caught.value) == (
        "train.image_encoder is 'alexnet_fc', but features has no 'image_pool5'; "
        "extract it with -S extract.backbone=alexnet -S extract.pool5=true"
    )
