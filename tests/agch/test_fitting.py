"""A run of epochs: interrupted at any moment and started again it ends as an unbroken one."""

import signal
import sys
from contextlib import suppress

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made import PLUS, clusters, params, same

from agch import checkpoint, validation
from agch.batches import TrainingSet
from agch.checkpoint import Checkpoint
from agch.errors import InputError
from agch.fitting import Fit, follow
from agch.interruption import SIGNALS, Interrupted, Interruption
from agch.ranks import Ranks
from agch.record import best_epoch, in_a_line
from agch.runtime import seeded
from agch.training import Trainer
from agch.validation import Validator

EPOCHS, STEPS = 4, 3
SELECTS = pytest.mark.parametrize("select", ["last", "best"])
SCORES = (0.5, 0.75, 0.25, 0.75)
"""Of the epochs; the second is the best, because the fourth is only as good."""


class Scores(Validator):
    """Validates by a list, notes the steps done at the end of each time, and may be disturbed.

    Attributes:
        during: What happens in the middle of a measurement, by the number of its epoch.
    """

    def __init__(self, trainer):
        self.trainer, self.asked, self.during = trainer, [], {}

    def measure(self, model):
        epoch = self.trainer.epochs
        self.during.pop(epoch, lambda: None)()
        self.asked.append(epoch)
        return dict.fromkeys(("validation/i2t", "validation/t2i"), SCORES[epoch - 1])


class Checks(Interruption):
    """Is interrupted at the n-th time that it is asked, which is after a step or a held part."""

    def __init__(self, stop):
        super().__init__()
        self.left = stop

    def check(self):
        self.left -= 1
        if not self.left:
            raise Interrupted(signal.SIGTERM)
        super().check()


class Signals(TrainingSet):
    """Sends SIGTERM to this process while it is asked for a batch."""

    def select(self, index, own=slice(None)):
        self.left -= 1
        if not self.left:
            signal.raise_signal(signal.SIGTERM)
        return super().select(index, own)


def signals(stop):
    made = Signals(*clusters(8 * STEPS))
    made.left = stop
    return made


ROWS = clusters(8 * STEPS), clusters(20, seed=1)
VALIDATOR = Validator(*ROWS)
"""A real one."""


def trainer(rows=None, seed=0):
    """Three batches an epoch, with everything random that training knows."""
    return Trainer(ROWS[0] if rows is None else rows, params(rate=0.05, **PLUS), seeded(seed))


def fit(
    folder,
    select="last",
    rows=None,
    seed=0,
    key="key",
    validator=None,
    interruption=None,
    shown=None,
):
    """A run as the stage makes it; another seed has other weights, batches and random numbers."""
    made, saved = trainer(rows, seed), Checkpoint(folder, key)
    run = Fit(made, validator or Scores(made), saved, select, interruption or Interruption())
    if shown is not None:
        run.shows.append(lambda epoch, record: shown.append((epoch, record)))
    return run


def finished(run, epochs=EPOCHS):
    """The run after its last epoch."""
    run.run(epochs)
    return run


def assert_equal(run, unbroken):
    """Two finished runs have the same history, weights and state to the last bit."""
    assert run.history == unbroken.history and len(run.history) == EPOCHS
    assert same(run.weights(), unbroken.weights())
    assert bool(run.best) == bool(unbroken.best) and same(run.best, unbroken.best)
    assert same(run.trainer.model.state_dict(), unbroken.trainer.model.state_dict())
    assert torch.equal(run.trainer.codes, unbroken.trainer.codes)
    assert run.trainer.steps_done == unbroken.trainer.steps_done == EPOCHS * STEPS


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """Finished runs by what they select."""
    folder = tmp_path_factory.mktemp("unbroken")
    return {select: finished(fit(folder, select, key=select)) for select in ("last", "best")}


@pytest.fixture
def often(monkeypatch):
    """A checkpoint after every step."""
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN", 0)
    monkeypatch.setattr(checkpoint, "LEAST_BETWEEN", 0)


def test_history_has_what_was_recorded_and_validated_of_each_epoch(tmp_path):
    run, alone = finished(fit(tmp_path)), trainer()
    scores = [{"validation/i2t": score, "validation/t2i": score} for score in SCORES]
    assert run.history == [alone.epoch() | score for score in scores]
    assert same(run.weights(), alone.model.state_dict())


def test_each_epoch_is_validated_with_its_own_weights(tmp_path):
    run, alone = finished(fit(tmp_path, validator=VALIDATOR), 2), trainer()
    for record in run.history:
        assert record == alone.epoch() | VALIDATOR.measure(alone.model)


def test_best_epoch_is_the_first_with_the_highest_score(unbroken, tmp_path):
    best = unbroken["best"]
    assert best_epoch(best.history) == 1
    assert same(best.weights(), finished(fit(tmp_path), 2).weights())
    assert not same(best.weights(), best.trainer.model.state_dict())
    assert best.history == unbroken["last"].history


def test_last_keeps_no_second_copy_of_the_weights(unbroken):
    last = unbroken["last"]
    assert last.best == {} and same(last.weights(), last.trainer.model.state_dict())


@SELECTS
@pytest.mark.parametrize("stop", range(1, EPOCHS * (STEPS + 2) + 1))
def test_interrupted_at_any_check_and_continued_it_ends_as_if_unbroken(
    tmp_path, unbroken, select, stop
):
    # an epoch asks after each step, after its training and after it is recorded
    first = fit(tmp_path, select, interruption=Checks(stop))
    with pytest.raises(Interrupted):
        first.run(EPOCHS)
    second = finished(fit(tmp_path, select, seed=1))
    assert_equal(second, unbroken[select])
    assert first.validator.asked + second.validator.asked == [1, 2, 3, 4]


def test_an_unbroken_run_asks_no_more_often(tmp_path):
    # so that the test above has stopped at every moment there is
    checks = Checks(EPOCHS * (STEPS + 2) + 1)
    finished(fit(tmp_path, interruption=checks))
    assert checks.left == 1


@SELECTS
@pytest.mark.parametrize("epoch", range(1, EPOCHS + 1))
def test_signal_in_the_middle_of_validation_leaves_it_to_the_next_start(
    tmp_path, unbroken, select, epoch
):
    with Interruption() as interruption:
        first = fit(tmp_path, select, interruption=interruption)
        first.validator.during[epoch] = lambda: signal.raise_signal(signal.SIGINT)
        with pytest.raises(Interrupted):
            first.run(EPOCHS)
    second = fit(tmp_path, select, seed=1)
    assert second.pending and len(second.history) == epoch - 1
    assert_equal(finished(second), unbroken[select])
    assert first.validator.asked == list(range(1, epoch))
    assert second.validator.asked == list(range(epoch, EPOCHS + 1))


@pytest.mark.parametrize("direction", [1, 2, 3, 4])
def test_signal_in_the_middle_of_a_search_leaves_the_validation_to_the_next_start(
    tmp_path, monkeypatch, direction
):
    # two directions an epoch
    left, search = [direction], validation.evaluate

    def interrupted(*arguments, **options):
        left[0] -= 1
        if not left[0]:
            signal.raise_signal(signal.SIGTERM)
        return search(*arguments, **options)

    unbroken = finished(fit(tmp_path, "best", key="unbroken", validator=VALIDATOR))
    monkeypatch.setattr(validation, "evaluate", interrupted)
    with Interruption() as interruption:
        first = fit(tmp_path, "best", validator=VALIDATOR, interruption=interruption)
        with pytest.raises(Interrupted):
            first.run(EPOCHS)
    assert len(first.history) == (direction - 1) // 2
    assert_equal(finished(fit(tmp_path, "best", seed=1, validator=VALIDATOR)), unbroken)


@SELECTS
@pytest.mark.parametrize("stop", [1, 2, 3, 4, 9, 12])
def test_signal_in_the_middle_of_a_step_is_answered_after_it(tmp_path, unbroken, select, stop):
    rows = signals(0)
    with Interruption() as interruption:
        first = fit(tmp_path, select, rows, interruption=interruption)
        rows.left = stop
        with pytest.raises(Interrupted) as caught:
            first.run(EPOCHS)
    assert caught.value.signal == signal.SIGTERM
    assert first.trainer.steps_done == stop
    second = fit(tmp_path, select, seed=1)
    assert second.trainer.steps_done == stop
    assert_equal(finished(second), unbroken[select])


def signal_at_line(stop):
    """A trace function that sends SIGTERM ahead of the n-th line that the run's own code takes."""
    left = [stop]

    def trace(frame, event, arg):
        if frame.f_globals["__name__"] not in ("agch.fitting", "agch.interruption"):
            return None
        left[0] -= event == "line"
        if not left[0]:
            sys.settrace(None)
            signal.raise_signal(signal.SIGTERM)
        return trace

    return trace


@settings(max_examples=25, deadline=None)
@given(stop=st.integers(1, 150))
def test_signal_at_any_line_of_the_run_changes_nothing(tmp_path_factory, unbroken, stop):
    folder = tmp_path_factory.mktemp("interrupted")
    with suppress(Interrupted), Interruption() as received:
        first, former = fit(folder, "best", interruption=received), sys.gettrace()
        sys.settrace(signal_at_line(stop))
        try:
            first.run(EPOCHS)
        finally:
            sys.settrace(former)
    assert received.received == signal.SIGTERM
    assert_equal(finished(fit(folder, "best")), unbroken["best"])


def test_interrupted_in_every_step_it_still_ends_as_if_unbroken(tmp_path, unbroken):
    # the second time that it is asked, so that every start comes one step further or more
    starts, run = 0, None
    while run is None or len(run.history) < EPOCHS:
        starts, run = starts + 1, fit(tmp_path, "best", seed=starts, interruption=Checks(2))
        with suppress(Interrupted):
            run.run(EPOCHS)
    assert starts >= EPOCHS
    assert_equal(run, unbroken["best"])


@SELECTS
@pytest.mark.parametrize("epoch", range(1, EPOCHS + 1))
def test_killed_without_a_word_it_continues_from_the_last_save(
    tmp_path, unbroken, often, select, epoch
):
    # an error that nobody expects saves nothing, as a kill does
    first = fit(tmp_path, select)
    first.validator.during[epoch] = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        first.run(EPOCHS)
    second = fit(tmp_path, select, seed=1)
    assert second.trainer.steps_done == epoch * STEPS and not second.pending
    assert_equal(finished(second), unbroken[select])


def test_saving_after_every_step_changes_nothing(tmp_path, unbroken, often):
    run = finished(fit(tmp_path, "best"))
    assert run.saved.path.is_file()
    assert_equal(run, unbroken["best"])


def test_a_run_of_a_few_seconds_saves_nothing(unbroken):
    assert not unbroken["last"].saved.path.exists()


@pytest.mark.parametrize("content", [b"", b"cut off", None], ids=["empty", "text", "half"])
def test_damaged_checkpoint_is_reported_and_training_starts_anew(
    tmp_path, unbroken, capsys, content
):
    first = fit(tmp_path, "best", interruption=Checks(8))
    with pytest.raises(Interrupted):
        first.run(EPOCHS)
    data = first.saved.path.read_bytes()
    first.saved.path.write_bytes(data[: len(data) // 2] if content is None else content)
    capsys.readouterr()
    run = fit(tmp_path, "best")
    (warning,) = capsys.readouterr().out.splitlines()
    assert warning.startswith("warning: ") and "starting from the first epoch" in warning
    assert str(first.saved.path) in warning and run.history == []
    assert_equal(finished(run), unbroken["best"])


def test_checkpoint_of_another_key_is_not_used(tmp_path, unbroken, capsys):
    first = fit(tmp_path, seed=1, key="other", interruption=Checks(8))
    with pytest.raises(Interrupted):
        first.run(EPOCHS)
    capsys.readouterr()
    run = fit(tmp_path)
    assert capsys.readouterr().out == ""
    assert (run.history, run.trainer.steps_done) == ([], 0)
    assert_equal(finished(run), unbroken["last"])


@pytest.mark.parametrize(
    ("stop", "epoch", "step"), [(2, 0, 2), (4, 1, 0), (5, 1, 0), (6, 1, 1), (20, 4, 0)]
)
def test_where_it_continues_is_told(tmp_path, capsys, stop, epoch, step):
    with pytest.raises(Interrupted):
        fit(tmp_path, interruption=Checks(stop)).run(EPOCHS)
    capsys.readouterr()
    fit(tmp_path)
    assert capsys.readouterr().out == f"continuing after epoch {epoch}, step {step}\n"


def test_a_finished_run_trains_and_validates_no_more(tmp_path, unbroken, capsys):
    with pytest.raises(Interrupted):
        fit(tmp_path, interruption=Checks(EPOCHS * (STEPS + 2))).run(EPOCHS)
    run = finished(fit(tmp_path, seed=1))
    assert run.validator.asked == []
    assert_equal(run, unbroken["last"])


def lines(printed):
    return [line for line in printed.splitlines() if line.startswith("epoch ")]


def test_each_epoch_prints_a_line(tmp_path, capsys):
    run = finished(fit(tmp_path))
    found = lines(capsys.readouterr().out)
    assert len(found) == EPOCHS
    for number, (line, record) in enumerate(zip(found, run.history), 1):
        assert line.startswith(f"epoch {number}: {in_a_line(record)}, ")
        assert line.endswith(" s")


@pytest.mark.parametrize("stop", range(1, EPOCHS * (STEPS + 2) + 1))
def test_each_epoch_is_told_and_printed_once_also_by_an_interrupted_run(tmp_path, capsys, stop):
    shown = []
    with pytest.raises(Interrupted):
        fit(tmp_path, interruption=Checks(stop), shown=shown).run(EPOCHS)
    run = finished(fit(tmp_path, shown=shown))
    assert shown == list(enumerate(run.history))
    starts = [line.split(":")[0] for line in lines(capsys.readouterr().out)]
    assert starts == [f"epoch {number}" for number in range(1, EPOCHS + 1)]


def test_an_epoch_whose_line_was_interrupted_is_whole(tmp_path, unbroken):
    # the signal comes while it is shown; it counts as done
    shown = []
    with Interruption() as interruption:
        first = fit(tmp_path, "best", interruption=interruption)
        first.shows += [lambda *_: shown.append(1), lambda *_: signal.raise_signal(signal.SIGTERM)]
        with pytest.raises(Interrupted):
            first.run(EPOCHS)
    assert shown == [1] and len(first.history) == 1
    second = fit(tmp_path, "best", seed=1)
    assert second.history == first.history and same(second.best, first.best)
    assert_equal(finished(second), unbroken["best"])


@pytest.fixture
def handlers():
    """Puts back the signal handlers that a test sets for good."""
    former = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in former.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("stop", [None, 2, STEPS, STEPS + 1, STEPS + 2, 9])
def test_a_process_that_follows_takes_the_same_steps_and_writes_nothing(
    tmp_path, unbroken, capsys, handlers, stop
):
    # from the first process's checkpoint on, if there is one, and whatever signals say
    if stop:
        with pytest.raises(Interrupted):
            fit(tmp_path, interruption=Checks(stop)).run(EPOCHS)
    capsys.readouterr()
    saved, rows = Checkpoint(tmp_path, "key"), signals(0)
    follower = trainer(rows, seed=1 if stop else 0)
    before, rows.left = list(tmp_path.rglob("*")), 2
    follow(follower, saved, EPOCHS)
    assert rows.left < 0
    assert same(follower.model.state_dict(), unbroken["last"].trainer.model.state_dict())
    assert torch.equal(follower.codes, unbroken["last"].trainer.codes)
    assert list(tmp_path.rglob("*")) == before and capsys.readouterr().out == ""


class Apart(Ranks):
    """Processes that are never at the same step."""

    def agree(self, value):
        return False


def test_processes_that_continue_from_different_places_say_so_before_a_step(tmp_path, handlers):
    made = Trainer(clusters(), params(), seeded(0), ranks=Apart(0, 1))
    before = made.steps_done
    saved = Checkpoint(tmp_path, "key")
    with pytest.raises(InputError, match="AGCH_CHECKPOINTS"):
        follow(made, saved, 1)
    with Interruption() as interruption, pytest.raises(InputError, match="AGCH_CHECKPOINTS"):
        Fit(made, Validator(clusters(), clusters(20)), saved, "last", interruption).run(1)
    assert made.steps_done == before
