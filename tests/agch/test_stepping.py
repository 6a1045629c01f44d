"""Precision rules, one optimiser step by hand, and the guard against what is not finite."""

import pytest
import torch
from made import params

from agch.errors import InputError
from agch.stepping import MOST_SKIPPED, Stepper, compute_dtype

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
NAN, INF = float("nan"), float("inf")


def parameter(*values):
    return torch.nn.Parameter(torch.tensor(values))


def stepper(*parameters, rate=0.1, **changes):
    settings = params(**({"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0} | changes))
    return Stepper([{"params": list(parameters), "lr": rate}], settings, torch.float32)


def bad_terms(weight):
    """A finite term, then two that are not."""
    return {"fine": weight.sum(), "first": weight.sum() * NAN, "second": weight.sum() * INF}


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
    stepper(weight).step({"one": weight.sum(), "two": 2 * weight.sum()})
    assert weight.tolist() == pytest.approx([0.7])


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


def test_parameter_that_no_term_reads_is_left_alone():
    read, unread = parameter(1.0), parameter(1.0)
    stepper(read, unread, weight_decay=0.5).step({"one": read.sum()})
    assert unread.tolist() == [1.0]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_loss_that_is_not_finite_changes_no_weight_and_is_counted(optimizer, bad):
    # the gradient is 1, so that only the loss can tell
    weight = parameter(1.0, -2.0)
    made = stepper(weight, optimizer=optimizer)
    made.step({"good": weight.sum(), "bad": torch.tensor(bad)})
    assert weight.tolist() == [1.0, -2.0]
    assert (made.skipped, made.skipped_in_a_row) == (1, 1)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_gradient_that_is_not_finite_changes_no_weight_and_is_counted(optimizer):
    # the root of 0 is 0, its slope is infinite
    zero, other = parameter(0.0), parameter(1.0)
    made = stepper(zero, other, optimizer=optimizer)
    made.step({"root": zero.sqrt().sum() + other.sum()})
    assert zero.tolist() == [0.0] and other.tolist() == [1.0]
    assert made.skipped == 1


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_skipped_step_leaves_no_trace_in_the_next(optimizer):
    straight, disturbed = parameter(1.0), parameter(1.0)
    for weight, factors in ((straight, (1, 1)), (disturbed, (1, NAN, 1))):
        made = stepper(weight, optimizer=optimizer, momentum=0.9)
        for factor in factors:
            made.step({"square": factor * weight.square().sum()})
    assert torch.equal(straight, disturbed)


def test_too_many_skipped_steps_end_the_run_and_name_the_first_bad_term():
    weight = parameter(1.0)
    made = stepper(weight)
    for _ in range(MOST_SKIPPED - 1):
        made.step(bad_terms(weight))
    with pytest.raises(InputError, match=f"{MOST_SKIPPED} steps in a row.*'first'.*lower train"):
        made.step(bad_terms(weight))
    assert weight.tolist() == [1.0]


def test_bad_gradient_of_good_terms_is_named_as_such():
    weight = parameter(0.0)
    made = stepper(weight)
    with pytest.raises(InputError, match="a gradient is not finite"):
        for _ in range(MOST_SKIPPED):
            made.step({"root": weight.sqrt().sum()})


def test_good_step_ends_the_run_of_skipped_ones():
    weight = parameter(1.0)
    made = stepper(weight)
    for _ in range(2):
        for _ in range(MOST_SKIPPED - 1):
            made.step(bad_terms(weight))
        made.step({"one": weight.sum()})
    assert made.skipped == 2 * (MOST_SKIPPED - 1)
    assert made.skipped_in_a_row == 0


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_restored_stepper_continues_as_the_saved_one(optimizer):
    straight, weight = parameter(3.0), parameter(3.0)
    first = stepper(weight, optimizer=optimizer, momentum=0.9)
    first.step({"square": weight.square().sum()})
    first.step({"bad": weight.sum() * NAN})
    second = stepper(weight, optimizer=optimizer, momentum=0.9)
    second.load_state(first.state())
    second.step({"square": weight.square().sum()})
    made = stepper(straight, optimizer=optimizer, momentum=0.9)
    for _ in range(2):
        made.step({"square": straight.square().sum()})
    assert torch.equal(weight, straight)
    assert (second.skipped, second.skipped_in_a_row) == (1, 0)


def test_restored_stepper_remembers_its_run_of_skipped_steps():
    weight = parameter(1.0)
    first, second = stepper(weight), stepper(weight)
    for _ in range(MOST_SKIPPED - 1):
        first.step(bad_terms(weight))
    second.load_state(first.state())
    with pytest.raises(InputError, match="in a row"):
        second.step(bad_terms(weight))
