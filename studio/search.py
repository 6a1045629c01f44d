"""The search: ask the engine, run the trial, tell the engine; until there is nothing left to do.

Everything is in the store before it happens and after it has: a search that is killed at any moment
goes on where it was.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from studio.engines.base import BaseSearchEngine
from studio.errors import StudioError
from studio.objective import Read
from studio.process import until_done
from studio.runners import Runner
from studio.space import Values
from studio.stale import fail_stale
from studio.store import owner
from studio.study import Study
from studio.trials import State, Trial, best, complete

HEARTBEAT = 60.0
Show = Callable[[Trial], None]


class Search:
    """Runs the trials of a study that are left.

    Args:
        logs: Folder of the trials' logs.
        show: Told of each trial that has reported, or has ended.

    Attributes:
        cancelled: Set to end all running trials, and the search with them.
    """

    def __init__(
        self, study: Study, runner: Runner, logs: Path, show: Show = lambda trial: None
    ) -> None:
        self.study, self.runner, self.logs, self.show = study, runner, logs, show
        self.cancelled, self.lock = threading.Event(), threading.Lock()
        self.engine: BaseSearchEngine = study.engine()
        self.until = time.monotonic() + (study.settings.timeout or float("inf"))

    def run(self, jobs: int) -> None:
        """So many trials at a time, until all are made, the time is up, or it is cancelled."""
        self.logs.mkdir(parents=True, exist_ok=True)
        fail_stale(self.study, self.runner)
        with ThreadPoolExecutor(jobs) as pool:
            try:
                workers = [pool.submit(self._work) for _ in range(jobs)]
                until_done(workers)
            finally:  # an error of one, or the user's SIGINT, ends all
                self.cancelled.set()
        for worker in workers:
            worker.result()

    def _work(self) -> None:
        while not self.cancelled.is_set() and time.monotonic() < self.until:
            trial = self._claim()
            if trial is None:
                return
            Attempt(self, trial).run()

    def _claim(self) -> Trial | None:
        """The next trial, with the parameters that the engine asks for."""
        store, name = self.study.store, self.study.name
        with self.lock:
            number = store.begin(name, self.study.settings.n_trials)
            if number is None:
                return None
            store.update(name, number, {}, {"owner": owner()})
            others = [trial for trial in self.study.trials() if trial.number != number]
            for other in others:
                self.engine.tell(other)
            values = self._own(number, others) or self.engine.ask(number)
            trial = Trial(number, values, "running")
            store.update(name, number, values, {})
            self.engine.tell(trial)
        return trial

    def _own(self, number: int, others: Sequence[Trial]) -> Values | None:
        """The project's own values, for the first trial that did not come along."""
        if number != sum("from" in trial.notes for trial in others):
            return None
        start = self.study.settings.start
        return start if start not in [trial.values for trial in others] else None

    def ended(self, trial: Trial) -> None:
        """Let everybody know; forget what was run for nothing, or is among the best no more."""
        notes = {**trial.notes, "ended": time.time()}
        store, name = self.study.store, self.study.name
        with self.lock:
            store.finish(name, trial.number, trial.state, trial.scores, notes)
            self.engine.tell(trial)
            self._forget(trial)
        self.show(trial)

    def _forget(self, ended: Trial) -> None:
        if ended.state != "complete":
            self.runner.discard(self.study.experiment(ended.number))
        keep = self.study.settings.keep
        if keep is None:
            return
        done = complete(self.study.trials())
        kept: set[int] = set()
        while done and len(kept) < keep:
            front = best(done, self.study.directions)
            kept |= {trial.number for trial in front}
            done = [trial for trial in done if trial not in front]
        for trial in done:
            self.runner.discard(self.study.experiment(trial.number))


class Attempt:
    """One trial on its way; watches its process."""

    def __init__(self, search: Search, trial: Trial) -> None:
        self.search, self.study, self.trial = search, search.study, trial
        self.pruned, self.seen = False, time.monotonic()
        self.lost: StudioError | None = None  # why the store could not be told

    def run(self) -> None:
        """Run it, and say how it ended; a failure ends this trial alone."""
        name = self.study.experiment(self.trial.number)
        log = self.search.logs / f"{name}.log"
        values: Values = {**self.trial.values, **self.study.reduced()}
        self._note(started_at=time.time(), log=str(log), experiment=name)
        try:
            ended = self.search.runner.run(name, values, log, self)
        except StudioError as error:  # no other trial would do better
            self._end("failed", tail=str(error))
            raise
        if ended.stopped:
            self._end("pruned" if self.pruned else "cancelled")
            if self.lost:
                raise self.lost
        elif ended.status:
            self._end("failed", status=ended.status, tail=ended.tail)
        else:
            self._measure(partial(self.search.runner.read, name))

    def _measure(self, read: Read) -> None:
        try:
            scores = tuple(objective.score(read) for objective in self.study.objectives)
        except StudioError as error:
            self._end("failed", tail=str(error))
        else:
            self._end("complete", scores)

    def _end(self, state: State, scores: tuple[float, ...] = (), **notes: Any) -> None:
        self.search.ended(replace(self.trial, state=state, scores=scores, notes=notes))

    def started(self, group: dict[str, float]) -> None:
        """Keep the process group, for whoever finds the trial stale."""
        with self._told():
            self._note(process=group)

    def stop(self, news: list[tuple[int, float]]) -> bool:
        """Pass reports on; end a trial that the engine gives up, or all when cancelled."""
        with self._told():
            self._pass_on(news)
        if news and not self.pruned:
            with self.search.lock:
                self.pruned = self.search.engine.should_prune(self.trial)
        return self.lost is not None or self.pruned or self.search.cancelled.is_set()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """A store that fails ends the trial as any stop does, when its runner sees fit."""
        try:
            yield
        except StudioError as error:
            self.lost = error

    def _pass_on(self, news: list[tuple[int, float]]) -> None:
        for step, score in news:
            self.trial.reports[step] = score
            self.study.store.report(self.study.name, self.trial.number, step, score)
        if news:
            self.search.show(self.trial)
        if time.monotonic() - self.seen > HEARTBEAT:
            self._note(owner=owner())
            self.seen = time.monotonic()

    def _note(self, **notes: Any) -> None:
        self.study.store.update(self.study.name, self.trial.number, self.trial.values, notes)
