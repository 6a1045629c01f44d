"""The file of Optuna's journal, so that a process that is killed blocks no other one."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from optuna.storages.journal import JournalFileSymlinkLock


class Lock(JournalFileSymlinkLock):
    """Optuna's, but gone with the process that holds it: else the next one would wait for 30 s."""

    def acquire(self) -> bool:
        """Wait until nobody else holds it."""
        file = open(self._lock_target_file, "ab")
        fcntl.flock(file, fcntl.LOCK_EX)
        self.file = file
        return True

    def release(self) -> None:
        """Let the next one have it, even if a program that we start now has the file open, too."""
        with self.file as file:
            fcntl.flock(file, fcntl.LOCK_UN)


def cut_half_line(journal: Path) -> None:
    """Remove what a process that was killed has half written: Optuna reads nothing behind it."""
    if not journal.exists() or _whole(journal.read_bytes()):
        return
    lock = Lock(str(journal))
    lock.acquire()
    try:
        text = journal.read_bytes()
        if not _whole(text):
            os.truncate(journal, text.rfind(b"\n") + 1)
    finally:
        lock.release()


def _whole(text: bytes) -> bool:
    return not text or text.endswith(b"\n")
