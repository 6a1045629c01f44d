"""Training on a CUDA device: every precision, a scale that overflows, resuming, no waiting."""

import math
from copy import deepcopy

import pytest
import torch
from made import PLUS, clusters, same, trainer, weights

from agch import checkpoint
from agch.batches import TrainingSet
from agch.stepping import MOST_SKIPPED
from tests.gpu import needs_cuda

pytestmark = needs_cuda
JOINT = {"schedule": "joint"}
SETTINGS = [PLUS, PLUS | JOINT, {"optimizer": "sgd"}, {"method": "djsrh"}, {"method": "jdsh"}]
EACH = pytest.mark.parametrize("settings", SETTINGS, ids=str)
PRECISIONS = pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])


def on_cuda(rows=40, seed=0, **changes):
    """A trainer whose rows are on the device."""
    return trainer(TrainingSet(*(part.cuda() for part in clusters(rows))), seed, **changes)


def assert_finite(made):
    assert all(weight.isfinite().all() for weight in weights(made).values())


@EACH
@PRECISIONS
def test_every_precision_trains_with_finite_weights(settings, precision):
    made = on_cuda(precision=precision, **settings)
    before = weights(made)
    record = [made.epoch(lambda: assert_finite(made)) for _ in range(3)][-1]
    assert not same(weights(made), before)
    assert all(weight.dtype == torch.float32 for weight in weights(made).values())
    assert all(math.isfinite(value) for value in record.values())
    assert made.skipped_steps < 3 * 5 * len(made.steppers)


@pytest.mark.parametrize("settings", [{}, JOINT], ids=str)
def test_a_device_records_what_the_cpu_does(settings):
    # without dropout, whose numbers are the device's own
    record, expected = on_cuda(**settings).epoch(), trainer(**settings).epoch()
    assert record == pytest.approx(expected, rel=1e-3, abs=1e-3)


@EACH
def test_a_scale_that_overflows_in_fp16_is_lowered_until_steps_are_taken(settings):
    # it is halved at each skipped step; 65536 is what training begins with
    made = on_cuda(precision="fp16", **settings)
    for stepper in made.steppers:
        state = deepcopy(stepper.state())
        state["scaler"]["scale"] = 2.0**26
        stepper.load_state(state)
    before = weights(made)
    for _ in range(MOST_SKIPPED):
        made.epoch(lambda: assert_finite(made))
    assert made.skipped_steps > 0 and not same(weights(made), before)
    for stepper in made.steppers:
        assert stepper.scaler.get_scale() == 2.0**26 / 2**stepper.skipped
        assert stepper.skipped < MOST_SKIPPED


class Stop(Exception):
    """Ends an epoch."""


@EACH
@PRECISIONS
@pytest.mark.parametrize("steps", [3, 5, 7])
def test_resuming_anywhere_in_an_epoch_ends_as_if_unbroken(tmp_path, settings, precision, steps):
    # through a file, from which everything comes to the CPU first
    changes = {"precision": precision} | settings
    straight = on_cuda(**changes)
    expected = [straight.epoch() for _ in range(3)]
    first, records = on_cuda(**changes), []

    def stop():
        if first.steps_done == steps:
            raise Stop

    with pytest.raises(Stop):
        records += [first.epoch(stop)]
        first.epoch(stop)
    checkpoint.save(tmp_path / "state.pt", first.state())
    second = on_cuda(seed=1, **changes)
    second.load_state(checkpoint.load(tmp_path / "state.pt", "train"))
    records += [second.epoch() for _ in range(3 - len(records))]
    assert records == expected
    assert same(weights(second), weights(straight))
    assert torch.equal(second.codes, straight.codes)


@pytest.fixture
def waiting():
    """Sets what happens where the host waits for the device; after the test, nothing."""
    yield torch.cuda.set_sync_debug_mode
    torch.cuda.set_sync_debug_mode("default")


def test_waiting_for_the_device_is_noticed(waiting):
    # so that the next test can fail
    number = torch.ones(1, device="cuda")
    waiting("error")
    with pytest.raises(RuntimeError, match="synchroniz"):
        number.item()


@EACH
@PRECISIONS
def test_a_step_never_waits_for_the_device(waiting, settings, precision):
    # the first one starts libraries and optimisers; after the last one the epoch's means are read
    made = on_cuda(rows=8 * (MOST_SKIPPED - 1), precision=precision, **settings)

    def after_step():
        waiting("default" if made.position == made.steps_per_epoch else "error")

    made.epoch(after_step)
    assert made.steps_done == MOST_SKIPPED - 1
