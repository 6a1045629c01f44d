"""SIGINT and SIGTERM while training: finish the step at hand, save, and leave."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):
    """A signal asks this process to end.

    Attributes:
        signal: Which.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.signal = number


class Interruption:
    """Turns the first signal into `Interrupted`, at once or where `holding` ends; drops the rest.

    As a context manager it puts the former handlers back at the end.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.held = False
        self.former: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        self.former = {number: signal.signal(number, self._receive) for number in SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self.former.items():
            signal.signal(number, handler)

    @contextmanager
    def holding(self) -> Iterator[None]:
        """What happens inside is not torn apart; it may let a signal in by calling `check`."""
        self.held = True
        try:
            yield
        finally:
            self.held = False
        self.check()

    def check(self) -> None:
        """Raise `Interrupted` if a signal has come."""
        if self.received is not None:
            raise Interrupted(self.received)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is None:
            self.received = number
            if not self.held:
                raise Interrupted(number)
