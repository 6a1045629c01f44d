"""What a trial costs beside its own work, by runner, and a study beside its trials.

    python -m benchmarks.study

Trials of one epoch of what is committed, in a temporary clone with the data of this folder's cache.
`process` runs the adapter's commands, `dvc` all stages that it finds changed; overhead is what goes
beyond the same commands bare in a copy of the clone, with the same parameters. All take turns, with
another seed in each round, and the least of each counts.
"""

from __future__ import annotations

import re
import resource
import shlex
import shutil
import subprocess
import time
from argparse import ArgumentParser, RawTextHelpFormatter
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from agch.codes import Floats
from benchmarks.clones import clone
from studio.adapters import Adapter
from studio.adapters.agch import AGCHAdapter
from studio.creation import create
from studio.journal import Journal
from studio.optuna_store import OptunaStore
from studio.process import Ended, environment
from studio.runners import Runner
from studio.runners.dvc import DvcRunner
from studio.runners.local import ProcessRunner
from studio.search import Search
from studio.store import FOLDER, Store
from studio.study import Settings

SEEDS = {"train.seed": {"low": 0, "high": 10**6}}
RAN = re.compile(r"^Running stage '[^']+':\n> (.+)$", re.MULTILINE)
EARLIER, COUNTED = 200, 20  # trials that a study has already; trials whose median counts


class Instant(ProcessRunner):
    """Every trial is over at once."""

    def run(self, *told: object) -> Ended:
        """Nothing."""
        return Ended(0, False, "")

    def read(self, name: str, path: str) -> str:
        """A score."""
        return f'{{"score": 1.{name[-4:]}}}'


def main() -> None:
    """Print a line for each command and each runner, and one for each engine."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawTextHelpFormatter)
    parser.add_argument("--repeat", type=int, choices=range(1, 100), default=3, metavar="N")
    repeat, adapter = parser.parse_args().repeat, AGCHAdapter()
    with TemporaryDirectory() as name:
        project, cache = Path(name) / "clone", Path(".dvc/cache").resolve()
        clone("HEAD", project)
        run(f"dvc remote add -q --local cache {shlex.quote(str(cache))}", project)
        run("dvc pull -q --force --remote cache", project)
        print(*trials(adapter, project, repeat), *studies(adapter, project), sep="\n")


def trials(adapter: Adapter, project: Path, repeat: int) -> Iterator[str]:
    """The lines on single trials and on what they run; makes a copy beside the project."""
    copy = shutil.copytree(project, project.with_name("copy"), symlinks=True)
    process, dvc = ProcessRunner(adapter, project), DvcRunner(project)
    settings = Settings(
        adapter.name, SEEDS, [*adapter.objectives], "random", "random", search_epochs=1
    )
    costs: dict[str, list[Floats]] = defaultdict(list)
    ran = {"process": [shlex.join(command) for command in adapter.commands]}
    for seed in range(repeat):
        once = replace(settings, n_trials=1, seed=seed)
        costs["process"].append(trial(replace(once, runner="process"), process, project)[0])
        cost, log = trial(once, dvc, project)
        costs["dvc"].append(cost)
        ran["dvc"] = RAN.findall(log)
        shutil.copy(process.folder / f"process-{seed}-0000" / "params.yaml", copy)
        for command in dict.fromkeys(ran["process"] + ran["dvc"]):
            costs[command].append(run(command, copy))
    least = {name: np.min(each, axis=0) for name, each in costs.items()}
    yield from (f"{name}: {_seconds(cost)}" for name, cost in least.items() if name not in ran)
    yield from (told(kind, least[kind], {c: least[c] for c in ran[kind]}) for kind in ran)


def trial(settings: Settings, runner: Runner, project: Path) -> tuple[Floats, str]:
    """Run a study of one trial; returns what it took, and the log."""
    study = create(Journal(project / FOLDER), f"{settings.runner}-{settings.seed}", settings)
    start = now()
    Search(study, runner, project / FOLDER).run(1)
    cost, (made,) = now() - start, study.trials()
    if made.state != "complete":
        raise SystemExit(f"error: trial by {settings.runner} {made.state}\n{made.notes['tail']}")
    return cost, Path(made.notes["log"]).read_text(encoding="utf-8")


def told(kind: str, whole: Floats, works: Mapping[str, Floats]) -> str:
    """The line on a runner."""
    names = ", ".join(command.split()[-1].removeprefix("stages.") for command in works)
    bare = np.sum([*works.values()], axis=0)
    ours = f"{_seconds(whole)} a trial, {_seconds(bare)} bare ({names})"
    length = max(20 * (whole - bare)[0], 0)
    return f"{kind}: {ours}; overhead {_seconds(whole - bare)}, 5 % of {length:.0f} s"


def studies(adapter: Adapter, project: Path) -> Iterator[str]:
    """The lines on all but the trials: to ask, to tell and to store."""
    folder, space = project / FOLDER, {**adapter.search_ranges()}
    for engine in ("random", "optuna"):
        store: Store = Journal(folder) if engine == "random" else OptunaStore(folder / "journal")
        asked = Settings(
            adapter.name, space, ["a:score"], engine, engine, n_trials=EARLIER + COUNTED
        )
        study, times = create(store, engine, asked), [now()[0]]
        Search(study, Instant(adapter, project), folder, lambda _: times.append(now()[0])).run(1)
        spent = 1000 * np.diff(times)
        first, later = np.median(spent[:COUNTED]), np.median(spent[-COUNTED:])
        both = f"{first:.1f} ms at first, {later:.1f} ms after {EARLIER} trials"
        yield f"to ask, tell and store a trial, {engine} search: {both}"


def run(command: str, folder: Path) -> Floats:
    """Run a command; exits with what it wrote to stderr where it fails."""
    start, words, env = now(), shlex.split(command), environment()
    # in a session, as a trial: Linux deals out the processors by session
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, start_new_session=True)
    if done.returncode:
        raise SystemExit(f"error: `{command}` failed\n{done.stderr.decode().strip()}")
    return now() - start


def now() -> Floats:
    """Seconds on the clock and of the processors, those of processes once they are waited for."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return np.array([time.perf_counter(), sum(each.ru_utime + each.ru_stime for each in used)])


def _seconds(cost: Floats) -> str:
    return f"{cost[0]:.2f} s (CPU {cost[1]:.2f})"


if __name__ == "__main__":
    main()
