"""What a job is, for whoever shows one."""

from __future__ import annotations

import calendar
import re
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal

State = Literal["queued", "running", "done", "failed", "cancelled", "lost"]
LIVE = ("queued", "running")
NUMBER = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")
PARTS = 1 << 16
"""Of a second: the last four digits of a number."""


@dataclass(frozen=True)
class Progress:
    """How far a job has come.

    Attributes:
        step, score: What was reported last; `None` before, and for a score that is no number.
        steps: How many there will be, where that is known.
        text: The last line that the command printed.
    """

    step: int | None = None
    steps: int | None = None
    score: float | None = None
    text: str = ""


@dataclass(frozen=True)
class Job:
    """A job as it stands.

    Attributes:
        id: Its number, from the time of its creation; later ones sort behind.
        kind: What it does, and `subject`: to what, such as the name of a study.
        command: The words that are run.
        state: "lost" if whoever watched over it was killed; its command was ended then.
        created, started, ended: ISO 8601, UTC.
        status: The exit status of the command.
        error: Why it failed: a sentence, or the end of what it printed.
        cancelling: Whether it still runs, but was told to end.
    """

    id: str
    kind: str
    subject: str
    title: str
    command: tuple[str, ...]
    state: State
    created: str
    started: str | None
    ended: str | None
    status: int | None
    progress: Progress
    error: str
    cancelling: bool


def now() -> str:
    """This second, as jobs note it."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def number_of(moment: int) -> str:
    """The number of a job that was created then, in parts of a second since 1970."""
    seconds, part = divmod(moment, PARTS)
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(seconds))}-{part:04x}"


def moment_of(number: str) -> int:
    """The other way round."""
    seconds = calendar.timegm(time.strptime(number[:15], "%Y%m%d-%H%M%S"))
    return seconds * PARTS + int(number[16:], 16)
