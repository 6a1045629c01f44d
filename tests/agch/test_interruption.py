"""Signals that this process sends to itself: when they are answered, and that one is enough."""

import os
import signal
import threading
import time

import pytest

from agch.interruption import SIGNALS, Interrupted, Interruption

INT, TERM = SIGNALS
EITHER = pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)


def by_raise(number):
    signal.raise_signal(number)


def by_kill(number):
    os.kill(os.getpid(), number)


EACH_WAY = pytest.mark.parametrize("send", [by_raise, by_kill])


@pytest.fixture
def interruption():
    """One that is in force; the former handlers come back at the end of the test."""
    with Interruption() as made:
        yield made


@pytest.fixture
def former():
    """Handlers of the test's own, which note what they are told."""
    told = []
    before = {n: signal.signal(n, lambda number, frame: told.append(number)) for n in SIGNALS}
    yield told
    for number, handler in before.items():
        signal.signal(number, handler)


def test_both_signals_that_ask_a_process_to_end_are_answered():
    assert set(SIGNALS) == {signal.SIGINT, signal.SIGTERM}


@EITHER
@EACH_WAY
def test_a_signal_outside_of_holding_interrupts_at_once(interruption, number, send):
    after = []
    with pytest.raises(Interrupted) as caught:
        send(number)
        after.append("not reached")
    assert caught.value.signal == number and after == []
    assert str(caught.value) == f"interrupted by {number.name}"


@EITHER
@EACH_WAY
def test_a_signal_inside_of_holding_waits_for_its_end(interruption, number, send):
    inside = []
    with pytest.raises(Interrupted) as caught, interruption.holding():
        send(number)
        inside.append("whole")
    assert caught.value.signal == number and inside == ["whole"]


def test_a_signal_inside_of_holding_may_be_let_in_by_check(interruption):
    inside = []
    with pytest.raises(Interrupted) as caught, interruption.holding():
        interruption.check()
        by_raise(TERM)
        inside.append("one step")
        interruption.check()
        inside.append("not reached")
    assert caught.value.signal == TERM and inside == ["one step"]


def test_a_signal_ends_a_call_that_waits(interruption):
    # as validation does in numpy and torch: nobody asks there
    threading.Timer(0.05, by_kill, [TERM]).start()
    start = time.monotonic()
    with pytest.raises(Interrupted):
        time.sleep(20)
    assert time.monotonic() - start < 10


def test_without_a_signal_nothing_happens(interruption):
    with interruption.holding():
        interruption.check()
    interruption.check()
    assert interruption.received is None


@EITHER
def test_signals_after_the_first_are_dropped(interruption, number):
    # so that saving, which follows the first, is not torn apart
    with pytest.raises(Interrupted) as caught:
        by_raise(TERM)
    by_raise(number)
    assert caught.value.signal == interruption.received == TERM


def test_of_several_signals_inside_of_holding_the_first_counts(interruption):
    with pytest.raises(Interrupted) as caught, interruption.holding():
        by_raise(INT)
        by_raise(TERM)
        by_raise(INT)
    assert caught.value.signal == INT


def test_holding_may_be_entered_again(interruption):
    with interruption.holding():
        pass
    with pytest.raises(Interrupted), interruption.holding():
        by_raise(TERM)
    assert not interruption.held


@pytest.mark.parametrize("signalled", [False, True])
def test_an_error_inside_of_holding_is_the_one_that_is_seen(interruption, signalled):
    with pytest.raises(KeyError, match="the body's own"), interruption.holding():
        if signalled:
            by_raise(TERM)
        raise KeyError("the body's own")
    assert not interruption.held


def test_after_an_error_inside_of_holding_a_signal_interrupts_at_once(interruption):
    with pytest.raises(KeyError), interruption.holding():
        raise KeyError
    with pytest.raises(Interrupted):
        by_raise(TERM)


def test_former_handlers_come_back_at_the_end(former):
    with Interruption():
        pass
    for number in SIGNALS:
        by_raise(number)
    assert former == list(SIGNALS)


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, SystemExit])
def test_former_handlers_come_back_after_an_error(former, error):
    with pytest.raises(error), Interruption():
        raise error
    by_raise(TERM)
    assert former == [TERM]


def test_former_handlers_come_back_after_a_signal_and_do_not_see_it(former):
    with pytest.raises(Interrupted), Interruption():
        by_raise(TERM)
    assert former == []
    by_raise(INT)
    assert former == [INT]
