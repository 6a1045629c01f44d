"""What is measured while training: the scores of held-out rows, and codes that collapse."""

import numpy as np
import pytest
import torch
from made import IMAGE_DIM, PLUS, WORDS, clusters, params

from agch import validation
from agch.codes import pack
from agch.encoders import build
from agch.metrics import evaluate
from agch.validation import Validator, encode, outputs


def model(**changes):
    torch.manual_seed(0)
    return build(params(**changes), IMAGE_DIM, WORDS)


def signs(encoder, features):
    """Packed codes of one row after the other."""
    rows = [encoder(row[None])[1][0].tolist() for row in features]
    return pack(np.array([[1 if value > 0 else -1 for value in row] for row in rows]))


def test_scores_are_those_of_the_codes_by_hand():
    made, database, query = model(), clusters(40), clusters(12, seed=1)
    image = signs(made.image, query.image), signs(made.image, database.image)
    text = signs(made.text, query.text), signs(made.text, database.text)
    labels = query.label.numpy(), database.label.numpy()
    expected = {
        "validation/i2t": evaluate(image[0], text[1], *labels, at=(50,)).means("expected")[
            "map@50"
        ],
        "validation/t2i": evaluate(text[0], image[1], *labels, at=(50,)).means("expected")[
            "map@50"
        ],
    }
    assert expected["validation/i2t"] != expected["validation/t2i"]
    assert Validator(database, query).measure(made) == pytest.approx(expected)


def test_scores_do_not_depend_on_the_order_of_the_database():
    made, database, query = model(), clusters(40), clusters(12, seed=1)
    turned = type(database)(*(part.flip(0) for part in database))
    expected = Validator(database, query).measure(made)
    assert Validator(turned, query).measure(made) == pytest.approx(expected)


def test_encode_packs_the_signs_of_both_encoders():
    made, rows = model(), clusters(10)
    codes = encode(made, rows)
    np.testing.assert_array_equal(codes["image"], signs(made.image, rows.image))
    np.testing.assert_array_equal(codes["text"], signs(made.text, rows.text))


def test_image_codes_are_those_of_what_the_encoder_reads():
    # the frozen features and the inputs of the encoder are two things
    made, rows = model(), clusters(10)
    other = rows._replace(image_input=rows.image.flip(1))
    expected = signs(made.image, other.image_input)
    np.testing.assert_array_equal(encode(made, other)["image"], expected)
    assert (expected != signs(made.image, rows.image)).any()


def test_inputs_in_half_precision_are_encoded_in_single_precision():
    made, rows = model(), clusters(10)
    half = rows._replace(image_input=rows.image.half())
    expected = signs(made.image, rows.image.half().float())
    np.testing.assert_array_equal(encode(made, half)["image"], expected)
    assert outputs(made.image, half.image_input).dtype == torch.float32


def test_codes_are_measured_without_dropout():
    made, rows = model(**PLUS | {"dropout": 0.9}), clusters(10)
    assert made.training
    codes = encode(made, rows)
    assert not made.training
    for name, encoder in (("image", made.image), ("text", made.text)):
        np.testing.assert_array_equal(codes[name], signs(encoder, getattr(rows, name)))


def test_outputs_are_float32_without_gradient_and_in_row_order(monkeypatch):
    made, rows = model(), clusters(10)
    whole = outputs(made.image, rows.image)
    monkeypatch.setattr(validation, "BLOCK", 3)  # 3 + 3 + 3 + 1 rows
    torch.testing.assert_close(outputs(made.image, rows.image), whole)
    assert whole.shape == (10, 8) and whole.dtype == torch.float32 and not whole.requires_grad


def test_measuring_changes_neither_weights_nor_random_state():
    made = model()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    state = torch.get_rng_state()
    Validator(clusters(40), clusters(12, seed=1)).measure(made)
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_without_labels_nothing_is_measured():
    database, query = (clusters(12)._replace(label=torch.zeros(12, 0)) for _ in range(2))
    assert Validator(database, query).measure(model()) == {}
