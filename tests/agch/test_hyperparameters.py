"""Section `train`: what each variant has in force, and which choices contradict each other."""

from dataclasses import asdict, fields
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import OFF, params

from agch.hyperparameters import Extensions, TrainParams
from agch.schema import ParamsError

# Every extension on, whichever there are; a temperature says nothing without its weight.
ON = {field.name: True if OFF[field.name] is False else 0.5 for field in fields(Extensions)}
NO_SWITCH = {"temperature"}
PLAIN = [("agch", "paper"), ("djsrh", "paper"), ("djsrh", "agch+"), ("jdsh", "agch+")]
CHOICES = {
    name: get_args(kind)
    for name, kind in get_type_hints(TrainParams).items()
    if get_origin(kind) is Literal
}


def everything(**changes):
    """Parameters with all that only agch+ may have."""
    return params(**{"variant": "agch+", "target_scale": "calibrated"} | ON | changes)


def refusal(**changes):
    """The one line that refuses these parameters."""
    with pytest.raises(ParamsError) as caught:
        params(**changes)
    first, *problems = str(caught.value).split("\n")
    assert first == "cannot use section 'train' of the parameters:"
    assert len(problems) == 1, problems
    return problems[0].removeprefix("  ")


@pytest.mark.parametrize("method, variant", PLAIN)
@pytest.mark.parametrize("name", sorted(set(ON) - NO_SWITCH))
def test_no_extension_is_left_on_in_the_papers_variant_or_a_peer(method, variant, name):
    found = everything(method=method, variant=variant).in_force().extensions
    assert getattr(found, name) == OFF[name]
    assert not getattr(found, name)


@pytest.mark.parametrize("method, variant", PLAIN)
def test_the_target_is_not_calibrated_in_the_papers_variant_or_a_peer(method, variant):
    assert everything(method=method, variant=variant).in_force().target_scale == "paper"


@pytest.mark.parametrize("method, variant", PLAIN)
def test_nothing_else_is_switched(method, variant):
    given_ = everything(method=method, variant=variant, lambda_=3.0, gamma_power=2, bits=16)
    switched = {"extensions", "target_scale"}
    before, after = asdict(given_), asdict(given_.in_force())
    assert {k for k in before if before[k] != after[k]} == switched
    assert given_.in_force().extensions.temperature == ON["temperature"]


def test_agch_plus_has_everything_in_force_that_is_given():
    given_ = everything(bits=16, nested=[8, 16])
    assert given_.in_force() == given_
    assert asdict(given_.extensions) == ON and given_.target_scale == "calibrated"


@pytest.mark.parametrize("method, variant", [*PLAIN, ("agch", "agch+")])
def test_what_is_in_force_stays_in_force(method, variant):
    once = everything(method=method, variant=variant).in_force()
    assert once.in_force() == once


def test_lengths_are_the_nested_ones_or_the_whole_code():
    assert params(bits=24).lengths == (24,)
    assert params(bits=24, nested=[8, 24]).lengths == (8, 24)


@given(nested=st.lists(st.sampled_from([8, 16, 24, 32]), max_size=4))
def test_nested_lengths_rise_and_end_in_the_whole_code(nested):
    fits = all(a < b for a, b in zip(nested, nested[1:])) and nested[-1:] in ([], [24])
    if fits:
        assert params(bits=24, nested=nested).nested == tuple(nested)
    else:
        expected = f"train: nested must rise and end in bits (24); got {nested}"
        assert refusal(bits=24, nested=nested) == expected


def test_nested_lengths_come_in_bytes():
    line = refusal(bits=16, nested=[12, 16])
    assert line.startswith("train.nested.0: must be a multiple of 8") and line.endswith("got 12")


@pytest.mark.parametrize("method", ["djsrh", "jdsh"])
def test_nested_lengths_are_not_for_peers(method):
    assert (
        refusal(method=method, nested=[8]) == f"train: nested needs method 'agch'; got '{method}'"
    )
    assert params(method=method, nested=[])


CONTRADICTIONS = {
    "no weight on the target": (
        {"alpha": 0, "beta": 0, "delta": 0},
        "train: alpha, beta and delta are all 0, so ",
        "set at least one of them above 0",
        [{"alpha": 1e-9}, {"beta": 1e-9}, {"delta": 1e-9}],
    ),
    "discrete codes that nothing follows": (
        {"schedule": "alternating", "lambda_": 0},
        "train: schedule 'alternating' needs lambda above 0",
        "raise it, or use schedule 'joint'",
        [{"lambda_": 1e-9}, {"schedule": "joint"}],
    ),
    "a B-step without a network": (
        {"schedule": "alternating", "fusion": False, "delta": 0},
        "train: schedule 'alternating' without fusion and with delta 0 ",
        "use schedule 'joint'",
        [{"schedule": "joint"}, {"fusion": True}, {"delta": 1e-9}],
    ),
    "a calibrated target of features that change": (
        {"variant": "agch+", "target_scale": "calibrated", "similarity_image": "encoder"},
        "train: target_scale 'calibrated' measures the frozen features, ",
        "use target_scale 'paper'",
        [{"target_scale": "paper"}, {"similarity_image": "frozen"}, {"variant": "paper"}],
    ),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_contradicting_choices_are_refused_with_the_way_out(name):
    changes, problem, remedy, ways_out = CONTRADICTIONS[name]
    line = refusal(**changes)
    assert line.startswith(problem) and line.endswith(remedy)
    for way_out in ways_out:
        assert params(**changes | way_out)


@pytest.mark.parametrize("name", CHOICES)
def test_each_choice_is_one_of_its_own(name):
    with pytest.raises(ParamsError, match=f"train.{name}: "):
        params(**{name: 3})


def test_the_choices_are_those_of_the_ambiguities_ablations_and_peers():
    assert CHOICES["method"] == ("agch", "djsrh", "jdsh")
    assert CHOICES["gamma_power"] == (1, 2)
    assert CHOICES["distance"] == ("norm", "root")
    assert CHOICES["similarity"] == ("product", "cosine", "distance", "mixed")
    assert CHOICES["reduction"] == ("pairs", "entries", "sum")
    assert CHOICES["tanh_scale"] == ("one", "growing")
    assert CHOICES["similarity_image"] == ("frozen", "encoder")
    assert CHOICES["text_input"] == ("raw", "unit")


@pytest.mark.parametrize(
    "changes",
    [
        {"target_mean": 1.0},
        {"target_mean": -1.0},
        {"mixed_weight": 1.1},
        {"mixed_weight": -0.1},
        {"rho": 0.0},
        {"gamma_v": 0.0},
        {"gamma_t": -0.3},
        {"bits": 0},
        {"bits": 2048},
        {"gcn_hidden": [8]},
        {"gcn_hidden": [8, 8, 8]},
    ],
)
def test_values_out_of_range_are_refused_by_name(changes):
    (name,) = changes
    assert refusal(**changes).startswith(f"train.{name}: ")


@pytest.mark.parametrize(
    "changes", [{"contrastive": -0.1}, {"temperature": 0.0}, {"dropout": 1.0}, {"dropout": -0.1}]
)
def test_extensions_out_of_range_are_refused_by_name(changes):
    (name,) = changes
    assert refusal(**changes).startswith(f"train.extensions.{name}: ")
