"""Means of what an epoch records: what was not finite is left out; they are saved and restored."""

import math
import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agch import checkpoint
from agch.errors import InputError
from agch.means import Means, with_losses

CPU = torch.device("cpu")
NUMBERS = st.one_of(
    st.floats(-100, 100, width=32), st.sampled_from([math.nan, math.inf, -math.inf])
)
STEPS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=20)


def scalars(**values):
    return {name: torch.tensor(value) for name, value in values.items()}


def means(*steps):
    made = Means(CPU)
    for step in steps:
        made.add(scalars(**step))
    return made


def test_each_value_is_averaged_over_the_steps_where_it_was_finite():
    # a: (1 + 3) / 2; b: (2 + 4 + 9) / 3
    steps = ({"a": 1.0, "b": 2.0}, {"a": math.nan, "b": 4.0}, {"a": 3.0, "b": 9.0})
    assert means(*steps, {"a": math.inf, "b": -math.inf}).read() == {"a": 2.0, "b": 5.0}


@given(STEPS)
def test_means_against_loops(steps):
    made, expected = means(*({"a": a, "b": b} for a, b in steps)), {}
    for name, column in zip("ab", zip(*steps)):
        finite = [value for value in column if math.isfinite(value)]
        expected[name] = statistics.fmean(finite) if finite else None
    if None in expected.values():
        with pytest.raises(InputError):
            made.read()
    else:
        assert made.read() == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_names_keep_the_order_of_the_first_step():
    made = means({"b": 1.0, "a": 2.0, "c": 3.0}, {"b": 3.0, "a": 4.0, "c": 5.0})
    assert list(made.read().items()) == [("b", 2.0), ("a", 3.0), ("c", 4.0)]


def test_single_precision_is_added_in_double():
    # 2^24 + 1 is no number of single precision
    assert means({"a": 2.0**24}, {"a": 1.0}).read() == {"a": (2**24 + 1) / 2}


def test_an_epoch_without_a_finite_value_ends_the_training_by_name():
    made = means({"a": 1.0, "joint/cross": math.nan}, {"a": math.nan, "joint/cross": math.inf})
    with pytest.raises(InputError) as caught:
        made.read()
    assert str(caught.value) == (
        "training stopped: 'joint/cross' was finite in no step of an epoch; check the features, "
        "lower train.learning_rate, or use train.precision=fp32"
    )


def test_what_is_added_keeps_no_graph_of_the_step_alive():
    made, weight = Means(CPU), torch.ones(1, requires_grad=True)
    made.add({"loss": weight.sum()})
    assert not made.totals.requires_grad


@pytest.mark.parametrize("place", range(4))
def test_restored_means_continue_as_the_saved_ones(tmp_path, place):
    # saved before the first of three steps, or after any of them
    steps = [{"b": 0.1, "a": math.nan}, {"b": math.inf, "a": 0.7}, {"b": 0.3, "a": 0.2}]
    checkpoint.save(tmp_path / "means.pt", means(*steps[:place]).state())
    made = means({"other": 5.0})
    made.load_state(checkpoint.load(tmp_path / "means.pt", "train"))
    for step in steps[place:]:
        made.add(scalars(**step))
    assert list(made.read().items()) == list(means(*steps).read().items())


def test_losses_are_sums_of_the_terms_of_their_block_and_come_first():
    record = {"encoders/cross": 1.0, "encoders/graph": 2.0, "helpers/graph": 4.0}
    record |= {"target/mean": -0.5, "target/std": 0.25}
    losses = {"loss/total": 7.0, "loss/encoders": 3.0, "loss/helpers": 4.0}
    assert list(with_losses(record).items()) == [*losses.items(), *record.items()]
