"""Dropout: how much is left out, that the expectation stays, where nothing happens."""

import pytest
import torch

from agch.dropout import Dropout

ROWS, COLUMNS = 400, 250
SHARES = pytest.mark.parametrize("share", [0.1, 0.4, 0.5, 0.9])


def dropped(share, inputs, seed=0, rank=0, ranks=1):
    """What dropout in training leaves of the inputs."""
    layer = Dropout(share)
    layer.rank, layer.ranks = rank, ranks
    torch.manual_seed(seed)
    return layer(inputs)


def five_deviations(share, count):
    """Five standard deviations of the share of `count` numbers of which each is left out so."""
    return 5 * (share * (1 - share) / count) ** 0.5


@SHARES
def test_the_share_left_out_is_the_one_asked_for(share):
    # in all, and in every row and column, so that numbers are left out one by one
    gone = (dropped(share, torch.ones(ROWS, COLUMNS)) == 0).double()
    assert float(gone.mean()) == pytest.approx(share, abs=five_deviations(share, gone.numel()))
    assert (gone.mean(0) - share).abs().max() < five_deviations(share, ROWS)
    assert (gone.mean(1) - share).abs().max() < five_deviations(share, COLUMNS)


@SHARES
def test_what_is_left_is_scaled_up_so_that_the_expectation_stays(share):
    inputs = torch.rand(ROWS, COLUMNS, generator=torch.Generator().manual_seed(1)) + 1
    outputs = dropped(share, inputs)
    kept = outputs != 0
    torch.testing.assert_close(outputs[kept], inputs[kept] / (1 - share))
    bound = 2 * five_deviations(share, inputs.numel()) / (1 - share)  # no input is above 2
    assert float(outputs.mean()) == pytest.approx(float(inputs.mean()), abs=bound)


def test_gradient_is_that_of_what_is_left():
    inputs = torch.ones(8, 9, requires_grad=True)
    outputs = dropped(0.25, inputs)
    (gradient,) = torch.autograd.grad(outputs.sum(), inputs)
    assert torch.equal(gradient, outputs)
    assert set(gradient.unique().tolist()) == {0, torch.tensor(4 / 3).item()}


@pytest.mark.parametrize(("share", "training"), [(0.5, False), (0.0, True), (0.0, False)])
def test_nothing_happens_outside_of_training_or_at_a_share_of_0(share, training):
    # not even to the random state, so that measuring between two epochs changes nothing
    inputs, state = torch.rand(8, 9), torch.get_rng_state()
    assert torch.equal(Dropout(share).train(training)(inputs), inputs)
    assert torch.equal(torch.get_rng_state(), state)


def test_one_seed_gives_one_mask_and_another_seed_another():
    inputs = torch.ones(8, 9)
    assert torch.equal(dropped(0.5, inputs), dropped(0.5, inputs))
    assert not torch.equal(dropped(0.5, inputs), dropped(0.5, inputs, seed=1))
    torch.manual_seed(0)
    layer = Dropout(0.5)
    assert not torch.equal(layer(inputs), layer(inputs))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_precision_of_the_inputs_is_kept(dtype):
    # 1 / (1 - 0.5) is a number of every precision, so the mask shows
    outputs = dropped(0.5, torch.ones(8, 9, dtype=dtype))
    assert outputs.dtype == dtype
    assert torch.equal(outputs, dropped(0.5, torch.ones(8, 9)).to(dtype))


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_several_processes_leave_out_together_what_one_does(ranks):
    # each has its own rows of a batch of eight
    inputs = torch.rand(8, 9)
    parts = [
        dropped(0.5, part, rank=rank, ranks=ranks) for rank, part in enumerate(inputs.chunk(ranks))
    ]
    assert torch.equal(torch.cat(parts), dropped(0.5, inputs))
