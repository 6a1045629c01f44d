"""Precision rules, optimiser steps by hand, and the guard against what is not finite."""

import pytest
import torch
from made import params

from agch.errors import InputError
from agch.stepping import MOST_SKIPPED, Stepper, compute_dtype

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
NAN, INF = float("nan"), float("inf")
OPTIMIZERS = pytest.mark.parametrize("optimizer", ["adam", "sgd"])


def parameter(*values):
    return torch.nn.Parameter(torch.tensor(values))


def stepper(*parameters, rate=0.1, dtype=torch.float32, **changes):
    settings = params(**({"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0} | changes))
    return Stepper([{"params": list(parameters), "lr": rate}], settings, dtype)


def bad_terms(weight):
    """A finite term, then two that are not."""
    return {"fine": weight.sum(), "first": weight.sum() * NAN, "second": weight.sum() * INF}


def steep_terms(weight):
    """A finite term of an infinite slope: the root of 0."""
    return {"root": (weight - weight.detach()).sqrt().sum()}


def good_terms(weight):
    return {"square": weight.square().sum()}


def descended(made, weight, *steps):
    """The weight after these steps, each a function that makes its terms."""
    for terms in steps:
        made.step(terms(weight))
    return weight.detach().clone()


@pytest.mark.parametrize(
    ("precision", "expected"),
    [("auto", torch.float32), ("fp32", torch.float32), ("bf16", torch.bfloat16)],
)
def test_precision_on_a_cpu(monkeypatch, precision, expected):
    # also where there is a CUDA device that is not used
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert compute_dtype(precision, CPU) == expected


@pytest.mark.parametrize(("has_bf16", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_on_cuda_is_bf16_where_the_device_has_it(monkeypatch, has_bf16, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: has_bf16)
    assert compute_dtype("auto", CUDA) == expected


@pytest.mark.parametrize(
    ("precision", "expected"),
    [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)],
)
def test_precision_asked_for_on_cuda(precision, expected):
    assert compute_dtype(precision, CUDA) == expected


def test_fp16_on_a_cpu_is_refused_with_advice():
    with pytest.raises(InputError, match="'fp16', which needs a CUDA device.*cpu.*fp32, bf16 or"):
        compute_dtype("fp16", CPU)


def test_step_minimises_the_sum_of_the_terms():
    # gradients 1 and 2 at rate 0.1: 1 - 0.1 * 3 = 0.7
    weight = parameter(1.0)
    taken = stepper(weight).step({"one": weight.sum(), "two": 2 * weight.sum()})
    assert weight.tolist() == pytest.approx([0.7])
    assert torch.equal(taken, torch.tensor(True))


def test_momentum_and_weight_decay_of_sgd():
    # gradients 1 + 0.5 * 1 = 1.5, then 1 + 0.5 * 0.85 = 1.425 on a velocity of 0.9 * 1.5
    weight = parameter(1.0)
    made = stepper(weight, momentum=0.9, weight_decay=0.5)
    made.step({"one": weight.sum()})
    assert weight.tolist() == pytest.approx([0.85])
    made.step({"one": weight.sum()})
    assert weight.tolist() == pytest.approx([0.85 - 0.1 * (0.9 * 1.5 + 1.425)])


def test_first_step_of_adam_has_the_length_of_the_rate():
    weight = parameter(1.0, 1.0)
    stepper(weight, optimizer="adam").step({"one": weight[0] + 1000 * weight[1]})
    assert weight.tolist() == pytest.approx([0.9, 0.9])


def test_weight_decay_of_adam_pulls_where_no_term_does():
    weight = parameter(1.0)
    stepper(weight, optimizer="adam", weight_decay=0.5).step({"none": 0 * weight.sum()})
    assert weight.tolist() == pytest.approx([0.9])


def test_parameters_of_another_block_are_left_alone():
    mine, other = parameter(1.0), parameter(1.0)
    stepper(mine).step({"both": (mine * other).sum()})
    assert mine.tolist() == pytest.approx([0.9])
    assert other.tolist() == [1.0] and other.grad is None


@OPTIMIZERS
def test_parameter_that_no_term_reads_is_left_alone(optimizer):
    # also where an earlier step has left it a gradient and a momentum
    read, unread = parameter(1.0), parameter(1.0)
    made = stepper(read, unread, optimizer=optimizer, momentum=0.9, weight_decay=0.5)
    made.step({"both": read.sum() + unread.sum()})
    before = unread.tolist()
    made.step({"one": read.sum()})
    assert unread.tolist() == before != [1.0]


@OPTIMIZERS
@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_loss_that_is_not_finite_changes_no_weight_and_is_counted(optimizer, bad):
    # the gradient is 1, so that only the loss can tell
    weight = parameter(1.0, -2.0)
    made = stepper(weight, optimizer=optimizer)
    taken = made.step({"good": weight.sum(), "bad": torch.tensor(bad)})
    assert weight.tolist() == [1.0, -2.0]
    assert torch.equal(taken, torch.tensor(False)) and made.skipped == 1


@OPTIMIZERS
def test_gradient_that_is_not_finite_changes_no_weight_and_is_counted(optimizer):
    steep, other = parameter(0.0), parameter(1.0)
    made = stepper(steep, other, optimizer=optimizer)
    taken = made.step(steep_terms(steep) | {"other": other.sum()})
    assert steep.tolist() == [0.0] and other.tolist() == [1.0]
    assert torch.equal(taken, torch.tensor(False)) and made.skipped == 1


@pytest.fixture
def unwritten_memory_holds_nan():
    """Else it often holds zeros, which many an optimiser would start from anyway."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(before)


@OPTIMIZERS
@pytest.mark.parametrize("bad", [bad_terms, steep_terms])
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.usefixtures("unwritten_memory_holds_nan")
def test_skipped_step_leaves_no_trace_in_the_next(optimizer, bad, place):
    # neither the first step, before which there is no momentum, nor a later one
    steps = [good_terms] * 3
    steps.insert(place, bad)
    weights = [parameter(1.0, -2.0) for _ in range(3)]
    changes = {"optimizer": optimizer, "momentum": 0.9, "weight_decay": 0.5}
    straight, disturbed, stopped = (stepper(weight, **changes) for weight in weights)
    expected = descended(straight, weights[0], *[good_terms] * 3)
    assert torch.equal(descended(disturbed, weights[1], *steps), expected)
    assert not torch.equal(descended(stopped, weights[2], *[good_terms] * 2), expected)
    assert (straight.skipped, disturbed.skipped) == (0, 1)


def test_skipped_steps_in_a_row_end_the_run_at_the_next_check_and_name_the_first_bad_term():
    weight = parameter(1.0)
    made = stepper(weight)
    descended(made, weight, *[bad_terms] * (MOST_SKIPPED - 1))
    made.check()
    descended(made, weight, bad_terms)
    with pytest.raises(InputError) as caught:
        made.check()
    assert str(caught.value) == (
        f"training stopped: {MOST_SKIPPED} steps in a row were skipped because term 'first' is not "
        "finite; lower train.learning_rate, check the features, or use train.precision=fp32"
    )
    assert weight.tolist() == [1.0] and made.skipped == MOST_SKIPPED


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_bad_gradient_of_good_terms_is_named_as_such(dtype):
    weight = parameter(0.0)
    made = stepper(weight, dtype=dtype)
    descended(made, weight, *[steep_terms] * MOST_SKIPPED)
    with pytest.raises(InputError, match="skipped because a gradient is not finite; lower train"):
        made.check()


def test_good_step_ends_the_run_of_skipped_ones():
    weight = parameter(1.0)
    made = stepper(weight)
    for _ in range(2):
        descended(made, weight, *[bad_terms] * (MOST_SKIPPED - 1), good_terms)
    made.check()
    assert made.skipped == 2 * (MOST_SKIPPED - 1)


def test_a_run_of_skipped_steps_that_has_ended_is_still_told():
    # the steps do not wait for a check, which comes when it comes
    weight = parameter(1.0)
    made = stepper(weight)
    for factor in [NAN] * (MOST_SKIPPED + 1) + [1] * 2:
        made.step({"fine": weight.sum(), "factor": factor * weight.sum()})
    for _ in range(2):
        with pytest.raises(InputError, match="in a row .* because term 'factor' is not finite"):
            made.check()


@OPTIMIZERS
@pytest.mark.parametrize("place", range(3))
def test_restored_stepper_continues_as_the_saved_one(optimizer, place):
    # saved after any of three steps, of which the second is skipped
    steps, weight, changes = [good_terms, bad_terms, good_terms], parameter(3.0), {"momentum": 0.9}
    straight = stepper(weight, optimizer=optimizer, **changes)
    expected = descended(straight, weight, *steps)
    first_weight, second_weight = parameter(3.0), parameter(0.0)
    first, second = (
        stepper(each, optimizer=optimizer, **changes) for each in (first_weight, second_weight)
    )
    second_weight.data = descended(first, first_weight, *steps[:place])
    second.load_state(first.state())
    assert torch.equal(descended(second, second_weight, *steps[place:]), expected)
    assert second.skipped == straight.skipped == 1


@pytest.mark.parametrize("saved_after", [1, MOST_SKIPPED - 1, MOST_SKIPPED])
def test_restored_stepper_remembers_its_run_of_skipped_steps(saved_after):
    weight = parameter(1.0)
    first, second = stepper(weight), stepper(weight)
    descended(first, weight, *[bad_terms] * saved_after)
    second.load_state(first.state())
    descended(second, weight, *[bad_terms] * (MOST_SKIPPED - saved_after))
    with pytest.raises(InputError, match="in a row .* term 'first' is not finite"):
        second.check()


def halved(weight):
    """The terms of `good_terms` through a half-precision copy, as autocast would compute them."""
    return {"square": weight.half().float().square().sum()}


@OPTIMIZERS
def test_step_scaled_for_fp16_is_the_plain_one(optimizer):
    # the scale is a power of two
    plain, scaled = parameter(1.0, -2.0), parameter(1.0, -2.0)
    changes = {"optimizer": optimizer, "momentum": 0.9, "weight_decay": 0.5}
    expected = descended(stepper(plain, **changes), plain, *[good_terms] * 3)
    made = stepper(scaled, dtype=torch.float16, **changes)
    found = descended(made, scaled, *[good_terms] * 3)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)
    assert made.scaler.get_scale() == 65536 and made.skipped == 0


@OPTIMIZERS
def test_gradient_that_overflows_in_fp16_costs_a_step_and_halves_the_scale(optimizer):
    # the slope 1 times 65536 is beyond fp16, whose largest number is 65504; times 32768 it is not
    plain, weight = parameter(0.5), parameter(0.5)
    expected = descended(stepper(plain, optimizer=optimizer), plain, good_terms)
    made = stepper(weight, optimizer=optimizer, dtype=torch.float16)
    taken = made.step(halved(weight))
    assert weight.tolist() == [0.5] and made.scaler.get_scale() == 32768
    assert torch.equal(taken, torch.tensor(False)) and made.skipped == 1
    assert torch.equal(made.step(halved(weight)), torch.tensor(True))
    torch.testing.assert_close(weight.detach(), expected, rtol=1e-6, atol=0)
    assert made.scaler.get_scale() == 32768 and made.skipped == 1


@pytest.mark.parametrize(("steps", "scale"), [(1, 65536), (2, 131072), (3, 131072)])
def test_scale_doubles_after_enough_good_steps(steps, scale):
    # the default is 2,000 steps: 1,998 of them are behind
    weight = parameter(1.0)
    made, shape = (stepper(weight, dtype=torch.float16) for _ in range(2))
    state = shape.state()
    state["scaler"]["_growth_tracker"] = 1998
    made.load_state(state)
    descended(made, weight, *[good_terms] * steps)
    assert made.scaler.get_scale() == scale


def test_skipped_step_starts_the_count_towards_a_larger_scale_anew():
    weight = parameter(1.0)
    made, shape = (stepper(weight, dtype=torch.float16) for _ in range(2))
    state = shape.state()
    state["scaler"]["_growth_tracker"] = 1998
    made.load_state(state)
    descended(made, weight, steep_terms, *[good_terms] * 3)
    assert made.scaler.get_scale() == 32768


@OPTIMIZERS
def test_restored_stepper_keeps_the_scale(optimizer):
    # without it the second one would skip its first step
    weight, other = parameter(0.5), parameter(0.5)
    first, second = (
        stepper(each, optimizer=optimizer, dtype=torch.float16) for each in (weight, other)
    )
    descended(first, weight, halved)
    second.load_state(first.state())
    assert second.scaler.get_scale() == 32768
    assert torch.equal(descended(second, other, halved), descended(first, weight, halved))
    assert second.skipped == first.skipped == 1
