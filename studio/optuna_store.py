"""Studies in a storage of Optuna's: its journal file by default, any database it knows by URL.

Optuna's own tools read them: a trial's parameters, scores and reports are where Optuna has them;
what it has no place for is kept as user attributes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from studio.engines.optuna import distribution
from studio.engines.optuna_pruning import STATES
from studio.errors import NotFound, StudioError
from studio.optuna_file import Lock, cut_half_line
from studio.optuna_url import database, why
from studio.space import Values, parse
from studio.trials import Direction, State, Trial

optuna.logging.set_verbosity(optuna.logging.WARNING)
VALUES, NOTES, STATE = "values", "notes", "state"
CREATED = "created"
"""Attribute of a study that is ours, and whole."""


class OptunaStore:
    """All studies of one storage.

    Args:
        where: The file of a journal, or a URL as SQLAlchemy writes it.

    Raises:
        StudioError: It cannot be opened.
    """

    def __init__(self, where: Path | str) -> None:
        self.storage: BaseStorage
        try:
            if isinstance(where, Path):
                where.parent.mkdir(parents=True, exist_ok=True)
                cut_half_line(where)
                self.storage = JournalStorage(JournalFileBackend(str(where), Lock(str(where))))
            else:
                self.storage = database(where)
        except Exception as error:  # drivers raise what they like
            raise StudioError(f"cannot open the storage of the studies: {why(error)}") from error

    def names(self) -> list[str]:
        """Of all studies of this platform."""
        studies = self.storage.get_all_studies()
        return sorted(study.study_name for study in studies if CREATED in study.user_attrs)

    def create(
        self, name: str, settings: Mapping[str, Any], directions: Sequence[Direction]
    ) -> None:
        """A new study."""
        try:
            study = self.storage.create_new_study(
                [StudyDirection[direction.upper()] for direction in directions], name
            )
        except optuna.exceptions.DuplicatedStudyError:
            raise StudioError(f"there is a study '{name}' already; take another name") from None
        for key, value in {**settings, CREATED: True}.items():
            self.storage.set_study_user_attr(study, key, value)

    def settings(self, name: str) -> dict[str, Any]:
        """Those of its creation, with what was noted since."""
        found = dict(self.storage.get_study_user_attrs(self._study(name)))
        if CREATED not in found:
            raise StudioError(f"'{name}' is a study of Optuna's, but was not created by `studio`")
        return found

    def note(self, name: str, key: str, value: Any) -> None:
        """Keep something with the study."""
        self.storage.set_study_user_attr(self._study(name), key, value)

    def begin(self, name: str, limit: int) -> int | None:
        """The next number below `limit`; numbers are Optuna's, which no two processes share."""
        study = self._study(name)
        if len(self.storage.get_all_trials(study, deepcopy=False)) >= limit:
            return None
        trial = self.storage.create_new_trial(study)
        number = self.storage.get_trial_number_from_id(trial)
        if number < limit:
            return number
        self.storage.set_trial_state_values(trial, TrialState.FAIL)  # two asked for the last one
        return None

    def update(self, name: str, number: int, values: Values, notes: Mapping[str, Any]) -> None:
        """Set the parameters of a running trial, and notes."""
        trial, space = self._trial(name, number), parse(self.settings(name)["space"])
        known = self.storage.get_trial(trial).params
        with suppress(UpdateFinishedTrialError):
            for key, value in values.items():
                param = space.params.get(key)
                if param and not param.fixed and param.holds(value) and key not in known:
                    spread = distribution(param)
                    inside = spread.to_internal_repr(value)
                    self.storage.set_trial_param(trial, key, inside, spread)
            self.storage.set_trial_user_attr(trial, VALUES, values)
            self._note(trial, notes)

    def report(self, name: str, number: int, step: int, score: float) -> None:
        """What a running trial has reached."""
        trial = self._trial(name, number)
        with suppress(UpdateFinishedTrialError):
            self.storage.set_trial_intermediate_value(trial, step, score)

    def finish(
        self,
        name: str,
        number: int,
        state: State,
        scores: Sequence[float],
        notes: Mapping[str, Any],
    ) -> None:
        """End a trial; what is said of it later does not count."""
        trial = self._trial(name, number)
        values = list(scores) if state == "complete" else None
        with suppress(UpdateFinishedTrialError):
            self._note(trial, notes)
            self.storage.set_trial_user_attr(trial, STATE, state)
            self.storage.set_trial_state_values(trial, STATES[state], values)

    def trials(self, name: str) -> list[Trial]:
        """All of them, by number."""
        limit = self.settings(name)["n_trials"]
        found = self.storage.get_all_trials(self._study(name), deepcopy=False)
        return [_trial(each) for each in found if each.number < limit]

    def _note(self, trial: int, notes: Mapping[str, Any]) -> None:
        known = self.storage.get_trial(trial).user_attrs.get(NOTES, {})
        self.storage.set_trial_user_attr(trial, NOTES, known | dict(notes))

    def _study(self, name: str) -> int:
        try:
            return self.storage.get_study_id_from_name(name)
        except KeyError:
            raise NotFound(f"no study '{name}'; known: {', '.join(self.names())}") from None

    def _trial(self, name: str, number: int) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self._study(name), number)


def _trial(found: FrozenTrial) -> Trial:
    names: dict[TrialState, State] = {
        TrialState.RUNNING: "running",
        TrialState.WAITING: "running",
        TrialState.COMPLETE: "complete",
        TrialState.PRUNED: "pruned",
        TrialState.FAIL: found.user_attrs.get(STATE, "failed"),
    }
    return Trial(
        found.number,
        found.user_attrs.get(VALUES, dict(found.params)),
        names[found.state],
        tuple(found.values or ()) if found.state == TrialState.COMPLETE else (),
        dict(found.intermediate_values),
        found.user_attrs.get(NOTES, {}),
    )
