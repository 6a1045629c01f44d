"""Whether a training that was killed and started again ends in the bytes of an unbroken one.

    python -m benchmarks.kills --times 20 --seed 0

Tests what is committed, in a temporary clone with the working tree's features and split. A run
takes T seconds. In each round the stage gets `--signal` after a time drawn from (0, T), and starts
again unless it ended with status 0. Once it has printed, TERM and INT must end it in 2 seconds.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, RawTextHelpFormatter
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from agch.files import sha256
from benchmarks.clones import clone

WRITTEN = (CHECKPOINTS := ".checkpoints", "models", "metrics", "plots")
CONTINUED, AGAIN, BEFORE = WAYS = ("continued", "started again", "ended before the kill")
SECONDS_TO_END = 2.0


class Stage(NamedTuple):
    """A command that runs in `folder`, writes below `WRITTEN` and prints into a file beside it."""

    command: list[str]
    folder: Path

    def run(self, moment: float | None = None, name: str = "KILL") -> float | None:
        """Run it in a process group of its own, which gets a signal after `moment` seconds.

        Returns the seconds to its end, 0 if unlimited; `None` at status 0. Exits if it fails.
        """
        process = self._start()
        try:
            with suppress(subprocess.TimeoutExpired):
                if status := process.wait(moment):
                    sys.exit("\n".join([*self.printed(), f"error: the stage failed ({status})"]))
                return None
            limited, start = name != "KILL" and self.printed() != [], time.monotonic()
            os.killpg(process.pid, signal.Signals[f"SIG{name}"])
            with suppress(subprocess.TimeoutExpired):
                process.wait(SECONDS_TO_END)
            return None if process.returncode == 0 else limited * (time.monotonic() - start)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        env = os.environ | {"AGCH_CHECKPOINTS": str(self.folder / CHECKPOINTS)}
        with (self.folder.parent / "printed").open("wb") as out:
            return subprocess.Popen(
                self.command, cwd=self.folder, env=env, stdout=out, stderr=out, process_group=0
            )

    def printed(self) -> list[str]:
        """Its lines since the last start."""
        return (self.folder.parent / "printed").read_text("utf-8", "replace").splitlines()

    def written(self) -> dict[str, str]:
        """SHA-256 of every file, by path; of a folder, nothing."""
        paths = (path for name in WRITTEN for path in (self.folder / name).rglob("*"))
        return {str(p.relative_to(self.folder)): "" if p.is_dir() else sha256(p) for p in paths}

    def clear(self) -> None:
        """Remove everything it has written."""
        for path in filter(Path.exists, (self.folder / name for name in WRITTEN)):
            shutil.rmtree(path)


def main() -> None:
    """Print a line per round and one of all; exit status 1 unless every round went well."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawTextHelpFormatter)
    parser.add_argument("--times", type=int, default=20, help="rounds (20)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (0)")
    parser.add_argument("--signal", choices=("KILL", "TERM", "INT"), default="KILL", help="(KILL)")
    asked = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let background jobs ignore it
    with tempfile.TemporaryDirectory() as name:
        stage = Stage([sys.executable, "-u", "-m", "stages.train"], Path(name) / "clone")
        clone("HEAD", stage.folder)
        sys.exit(not proven(stage, asked.times, asked.seed, asked.signal))


def proven(stage: Stage, times: int, seed: int, name: str) -> bool:
    """Run the rounds, print their lines and how many went well; returns whether all did."""
    stage.clear()
    start = time.monotonic()
    stage.run()
    seconds, expected = time.monotonic() - start, stage.written()
    print(f"unbroken: {seconds:.1f} s, {sum(map(bool, expected.values()))} files", flush=True)
    rounds: list[tuple[str, bool]] = []
    for count, moment in enumerate(moments(seed, times, seconds), 1):
        how, wrong = interrupted(stage, moment, name)
        wrong += differences(expected, stage.written())
        rounds.append((how, not wrong))
        told = ", ".join(wrong) or "the same bytes"
        print(f"kill {count} of {times} after {moment:.1f} s ({how}): {told}", flush=True)
    told = ", ".join(f"{n} {way}" for way in WAYS if (n := sum(way in how for how, _ in rounds)))
    print(f"{sum(well for _, well in rounds)} of {times} ended in the same bytes; {told}")
    return all(well for _, well in rounds)


def moments(seed: int, times: int, seconds: float) -> list[float]:
    """When to interrupt: drawn from (0, seconds)."""
    drawn = random.Random(seed)
    return [drawn.uniform(0, seconds) for _ in range(times)]


def interrupted(stage: Stage, moment: float, name: str) -> tuple[str, list[str]]:
    """Start the stage, send a signal, start it again; returns how it went on and what is wrong."""
    stage.clear()
    seconds = stage.run(moment, name)
    if seconds is None:
        return BEFORE, []
    stage.run()
    said = next((line for line in stage.printed() if line.startswith("continuing ")), "")
    how = said.replace("continuing", CONTINUED, 1) or AGAIN
    told = f"ended {seconds:.2f} s after {name}, " if 0 < seconds < SECONDS_TO_END else ""
    return told + how, [f"{name} did not end it"] if seconds >= SECONDS_TO_END else []


def differences(expected: dict[str, str], found: dict[str, str]) -> list[str]:
    """What differs, is missing or is left over; every checkpoint and `.part` file is left over."""
    changed = [f"{n} differs" for n in expected if n in found and found[n] != expected[n]]
    missing = [f"{n} is missing" for n in expected if n not in found]
    left = [n for n in found if n not in expected or CHECKPOINTS in n or n.endswith(".part")]
    return [*changed, *missing, *(f"{n} is left over" for n in left)]


if __name__ == "__main__":
    main()
