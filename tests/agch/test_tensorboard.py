"""Curves for TensorBoard: what is read back is what was recorded, once for each epoch."""

import itertools
import sys
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agch.errors import InputError
from agch.tensorboard import TensorBoard

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

NAMES = ("loss/total", "encoders/graph", "target/mean", "validation/i2t")
SECONDS = itertools.count(1_700_000_000)


def record(epoch, factor=1.0):
    """Values with more decimals than are written."""
    values = (11.123456789, 0.0000004, -0.7654321, 1 / 3)
    return {name: factor * value / (epoch + 1) for name, value in zip(NAMES, values)}


def show(folder, epochs, start=0, factor=1.0):
    """A run that begins after `start` epochs and is told of those up to `epochs`.

    Each begins at a later second, because TensorBoard reads files in the order of their seconds.
    """
    with mock.patch("time.time", lambda: float(next(SECONDS))):
        board = TensorBoard(folder, start)
    for epoch in range(start, epochs):
        board.show(epoch, record(epoch, factor))
    board.writer.close()


def points(folder):
    """Steps and values of each curve as TensorBoard shows them."""
    events = accumulator.EventAccumulator(str(folder), purge_orphaned_data=True)
    events.Reload()
    return {
        name: [(point.step, point.value) for point in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


def expected(epochs, factor=lambda epoch: 1.0):
    """Points of so many epochs; TensorBoard has single precision."""
    return {
        name: [
            (epoch, pytest.approx(round(record(epoch, factor(epoch))[name], 6), rel=1e-6, abs=0))
            for epoch in range(epochs)
        ]
        for name in NAMES
    }


def test_curves_are_what_was_recorded_rounded_to_six_decimals(tmp_path):
    show(tmp_path / "new" / "board", 3)
    assert points(tmp_path / "new" / "board") == expected(3)
    assert expected(1)["encoders/graph"] == [(0, 0)]  # 4e-7 is no millionth


def test_an_epoch_can_be_read_as_soon_as_it_is_shown(tmp_path):
    board = TensorBoard(tmp_path, 0)
    for epoch in range(3):
        board.show(epoch, record(epoch))
        assert points(tmp_path) == expected(epoch + 1)


@pytest.mark.parametrize("start", [0, 1, 3, 5])
def test_a_run_that_continues_shows_no_epoch_twice(tmp_path, start):
    # five epochs were shown, but the checkpoint was of an earlier one; the new values count
    show(tmp_path, 5)
    show(tmp_path, 7, start, factor=2.0)
    assert points(tmp_path) == expected(7, lambda epoch: 1.0 + (epoch >= start))


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 4)), max_size=3))
def test_however_often_it_continues_each_epoch_has_one_point(tmp_path_factory, restarts):
    # each start goes back by some epochs and on by some more
    folder, shown, factors = tmp_path_factory.mktemp("board"), 2, [0, 0]
    show(folder, 2, factor=1.0)
    for run, (back, more) in enumerate(restarts, 1):
        start = max(shown - back, 0)
        shown = start + more
        show(folder, shown, start, factor=run + 1.0)
        factors = factors[:start] + [run] * more
    assert points(folder) == expected(shown, lambda epoch: factors[epoch] + 1.0)


@pytest.mark.parametrize("missing", ["tensorboard", "torch.utils.tensorboard.writer"])
def test_a_missing_package_is_one_error_with_the_remedy(tmp_path, monkeypatch, missing):
    for name in [name for name in sys.modules if name.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InputError) as caught:
        TensorBoard(tmp_path / "board", 0)
    assert str(caught.value) == (
        "train.tensorboard is true, but the package tensorboard is not installed; "
        "`make extras` installs it, or use -S train.tensorboard=false"
    )
    assert caught.value.__cause__ is None and not (tmp_path / "board").exists()
