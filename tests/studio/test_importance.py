"""Importance: shares from enough complete trials, else a sentence that says why there are none."""

from __future__ import annotations

import json
import os

import pytest

from studio.engines.optuna import OptunaEngine
from studio.engines.random import RandomEngine
from studio.errors import StudioError
from studio.importance import LEAST, importance
from studio.journal import Journal
from studio.process import Ended
from studio.search import Search
from studio.space import parse
from studio.creation import create
from studio.study import Study
from studio.trials import Trial

from .conftest import settings

SPACE = {
    "fit.x": {"low": 0.0, "high": 6.0},
    "fit.y": {"low": 0, "high": 5},
    "fit.mode": ["quick", "slow"],
    "fit.epochs": 3,
}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Nobody cuts the power: Optuna's journal need not wait for the disk."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture
def journal(tmp_path):
    """A store of one kind, where the kind cannot matter."""
    return Journal(tmp_path / "studies")


def by_x(values):
    return -((values["fit.x"] - 3) ** 2) + 0.01 * values["fit.y"]


def made(store, count, score=by_x, state="complete", name="s", **changes):
    """A study whose trials have ended so."""
    study = create(store, name, settings(**{"space": SPACE, "n_trials": 100, **changes}))
    add(study, count, score, state)
    return Study(store, name)


def add(study, count, score=by_x, state="complete"):
    for _ in range(count):
        number = study.store.begin(study.name, 100)
        values = RandomEngine(study.space, study.directions).ask(number)
        study.store.update(study.name, number, values, {})
        scores = [score(values)] * len(study.objectives) if state == "complete" else ()
        study.store.finish(study.name, number, state, scores, {})


def test_over_the_whole_space_a_parameter_that_not_all_trials_have_is_left_out(journal):
    space = SPACE | {"fit.share": {"low": 0.1, "high": 1.0, "when": {"fit.mode": "slow"}}}
    found = importance(made(journal, 30, space=space))
    assert set(found["shares"]["fanova"]) == {"fit.x", "fit.y", "fit.mode"}
    assert set(found["shares"]["ped_anova"]) == {"fit.x", "fit.y", "fit.mode", "fit.share"}


@pytest.mark.parametrize("objective", ["out.json:deep.score", "min:out.json:deep.score"])
def test_the_parameter_that_decides_has_most_of_it(journal, objective):
    sign = -1 if objective.startswith("min:") else 1
    study = made(journal, 30, lambda values: sign * by_x(values), objectives=[objective])
    found = importance(study)
    assert found["trials"] == 30 and set(found["shares"]) == {"fanova", "ped_anova"}
    for shares in found["shares"].values():
        assert set(shares) == {"fit.x", "fit.y", "fit.mode"}, "what is fixed has no share"
        assert shares["fit.x"] > 0.8
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)


def test_which_way_is_better_matters_near_the_top_alone(journal):
    # Above x = 3 the score is x, below it y alone decides: the top is where x is, the bottom y.
    def score(values):
        return values["fit.x"] if values["fit.x"] > 3 else -10.0 - values["fit.y"]

    up = importance(made(journal, 60, score, name="up"))["shares"]
    less = ["min:out.json:deep.score"]
    down = importance(made(journal, 60, score, name="down", objectives=less))["shares"]
    assert up["fanova"] == down["fanova"]
    assert up["ped_anova"]["fit.x"] > 1.5 * down["ped_anova"]["fit.x"]
    assert down["ped_anova"]["fit.y"] > 10 * up["ped_anova"]["fit.y"]


@pytest.mark.parametrize("count", [0, 1, LEAST - 1])
def test_with_too_few_trials_there_is_a_sentence_with_their_count(store, count):
    with pytest.raises(StudioError, match=f"from 25 complete trials on; study 's' has {count}$"):
        importance(made(store, count))
    assert "importance" not in Study(store, "s").notes


def test_from_twenty_five_on_there_are_shares(journal):
    assert importance(made(journal, LEAST))["trials"] == 25


@pytest.mark.parametrize("state", ["pruned", "failed", "cancelled"])
def test_trials_that_did_not_complete_do_not_count(journal, state):
    study = made(journal, 30, state=state)
    with pytest.raises(StudioError, match="study 's' has 0$"):
        importance(study)
    add(study, LEAST)
    mixed = importance(Study(journal, "s"))
    assert mixed["trials"] == LEAST
    alone = Study(journal, "s").engine()
    alone.history = {n: t for n, t in alone.history.items() if t.state == "complete"}
    assert alone.importance() == mixed["shares"]


@pytest.mark.parametrize("scale", [0.0, 1e-17, -1e-20])
def test_if_nothing_changes_the_score_there_is_a_sentence(store, scale):
    study = made(store, 30, lambda values: 0.5 * (scale >= 0) + scale * values["fit.x"])
    with pytest.raises(
        StudioError, match="all 30 .* the same score, (0.5|-0|-.*e-20): no parameter"
    ):
        importance(study)
    assert "importance" not in Study(store, "s").notes


def test_an_engine_that_knows_less_than_two_trials_says_so():
    engine = OptunaEngine(parse(SPACE), ["maximize"])
    for count in (0, 1):
        with pytest.raises(StudioError, match=f"needs several complete trials; there are {count}"):
            engine.importance()
        values = RandomEngine(engine.space, ["maximize"]).ask(count)
        engine.tell(Trial(count, values, "complete", (float(count),)))
    for shares in engine.importance().values():
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)


class Writes:
    """Runs nothing; every trial has this score in its metrics."""

    def __init__(self, score):
        self.text = json.dumps({"deep": {"score": score}})

    def run(self, name, values, log, watch):
        return Ended(0, False, "")

    def read(self, name, path):
        return self.text

    def discard(self, name):
        pass


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_is_no_finite_number_never_gets_so_far(store, tmp_path, score):
    study = made(store, 0, n_trials=LEAST)
    Search(study, Writes(score), tmp_path / "logs").run(1)
    trials = study.trials()
    assert [trial.state for trial in trials] == ["failed"] * LEAST
    assert all(f"'deep.score' is {score}" in trial.notes["tail"] for trial in trials)
    with pytest.raises(StudioError, match="study 's' has 0$"):
        importance(study)


def test_the_same_trials_and_seed_give_the_same_shares_and_another_seed_others(journal):
    first, again = (importance(made(journal, 40, name=name, seed=5)) for name in ("a", "b"))
    other = importance(made(journal, 40, name="c", seed=6))
    assert first == again
    assert first["shares"]["fanova"] != other["shares"]["fanova"]
    assert first["shares"]["ped_anova"] == other["shares"]["ped_anova"], "draws nothing"


def test_it_is_computed_once_and_kept_until_a_trial_more_is_complete(store, monkeypatch):
    study = made(store, 30)
    computed = []
    real = OptunaEngine.importance
    monkeypatch.setattr(OptunaEngine, "importance", lambda self: computed.append(1) or real(self))
    found = importance(study)
    assert importance(study) == importance(Study(store, "s")) == found and len(computed) == 1
    assert Study(store, "s").notes["importance"] == found
    add(study, 1, state="pruned")
    assert importance(Study(store, "s")) == found and len(computed) == 1
    add(study, 1)
    assert importance(Study(store, "s"))["trials"] == 31 and len(computed) == 2


def test_of_several_objectives_the_first_is_explained(journal):
    study = made(journal, 0, objectives=["out.json:deep.score", "out.json:deep.x"])
    for number in range(30):
        assert journal.begin("s", 100) == number
        values = RandomEngine(study.space, study.directions).ask(number)
        journal.update("s", number, values, {})
        journal.finish("s", number, "complete", [float(values["fit.y"]), by_x(values)], {})
    assert importance(Study(journal, "s"))["shares"]["fanova"]["fit.y"] > 0.8


def test_random_search_explains_that_it_has_none(store):
    study = made(store, 30, engine="optuna", engine_used="random")
    with pytest.raises(StudioError, match="needs the engine optuna; study 's' uses random"):
        importance(study)
    assert study.engine().importance() == {}
