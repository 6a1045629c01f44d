"""Engines: what they ask lies inside the space, and follows from what they were told alone."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from studio import engines
from studio.engines import engine_or_random, get_engine, list_engines, register_engine
from studio.engines.base import BaseSearchEngine
from studio.engines.optuna import STARTUP, OptunaEngine
from studio.engines.optuna_pruning import PRUNERS
from studio.engines.random import RandomEngine
from studio.errors import StudioError
from studio.space import parse
from studio.trials import Trial, best

from .conftest import settings

SPACE = {
    "x": {"low": 0.0, "high": 6.0},
    "rate": {"low": 1e-5, "high": 0.1, "log": True},
    "layers": {"low": 1, "high": 4},
    "units": {"low": 8, "high": 512, "log": True},
    "share": {"low": 0.1, "high": 0.7, "step": 0.1},
    "odd": {"low": 1, "high": 9, "step": 2},
    "kind": ["small", "large"],
    "flag": [True, False],
    "width": {"low": 1, "high": 9, "when": {"kind": "large"}},
    "deep": {"low": 0.5, "high": 2.5, "when": {"kind": "large", "flag": True}},
    "seed": 3,
    "note": {"choices": ["wide"], "when": {"kind": "large"}},
}
STATES = ("complete", "complete", "pruned", "failed", "complete", "cancelled")
BOTH = pytest.mark.parametrize("engine", [RandomEngine, OptunaEngine])


def made(engine, seed=0, space=SPACE, directions=("maximize",), **options):
    return engine(parse(space), directions, seed, options)


def outcome(number, values, objectives=1):
    """How a trial of these values ends: near x = 3 it is best, and some end otherwise."""
    state = STATES[number % len(STATES)]
    if state == "pruned" and objectives > 1:  # which no engine does
        state = "failed"
    scores = (-((values["x"] - 3) ** 2), values["rate"])[:objectives]
    reports = {0: scores[0]} if state in ("complete", "pruned") else {}
    return Trial(number, values, state, scores if state == "complete" else (), reports)


def played(engine, count, told=()):
    """The trials of a study that goes on after those that it was told."""
    for trial in told:
        engine.tell(trial)
    for number in range(len(told), count):
        engine.tell(outcome(number, engine.ask(number), len(engine.directions)))
    return [engine.history[number] for number in range(count)]


@BOTH
@pytest.mark.parametrize("directions", [("maximize",), ("maximize", "minimize")])
def test_what_is_asked_lies_inside_the_space_and_heeds_its_conditions(engine, directions):
    trials = played(made(engine, directions=directions), 30)
    space = parse(SPACE)
    for trial in trials:
        assert space.holds(trial.values), trial.values
    asked = [trial.values for trial in trials]
    assert {("width" in v, "deep" in v) for v in asked} == {(0, 0), (1, 0), (1, 1)}
    assert all(("width" in v) == (v["kind"] == "large") == ("note" in v) for v in asked)
    assert all(("deep" in v) == (v["kind"] == "large" and v["flag"]) for v in asked)
    assert all(type(v["layers"]) is int and type(v["flag"]) is bool for v in asked)


@given(
    st.integers(-20, 20),
    st.integers(1, 12),
    st.sampled_from([0.1, 0.3, 0.7, 1, 2, 5, 0.05]),
    st.integers(0, 99),
)
@example(1, 6, 0.1, 5)  # 0.1 + 6 * 0.1 is more than 0.7
def test_steps_end_at_the_high_end_whatever_the_rounding(start, count, step, number):
    low, high = round(start * step, 9), round((start + count) * step, 9)
    space = parse({"x": {"low": low, "high": high, "step": step}})
    for engine in (RandomEngine, OptunaEngine):
        assert space.holds(engine(space, ["maximize"]).ask(number))


def test_random_search_visits_each_choice_and_each_step_equally_often():
    engine = made(RandomEngine)
    asked = [engine.ask(number) for number in range(2000)]
    for name, several in (("kind", 2), ("odd", 5), ("share", 7), ("layers", 4)):
        counts = [sum(v[name] == each for v in asked) for each in {v[name] for v in asked}]
        assert len(counts) == several
        assert min(counts) > 0.8 * 2000 / several, name
    for name, middle in (("x", 3.0), ("rate", 1e-3), ("units", 64)):
        below = sum(v[name] < middle for v in asked)
        assert abs(below - 1000) < 150, name


@BOTH
def test_the_same_seed_gives_the_same_answers_and_another_seed_others(engine):
    first, again, other = (played(made(engine, seed), 16) for seed in (0, 0, 1))
    assert first == again
    assert all(a.values != b.values for a, b in zip(first, other))


RESUMED = """
import json, sys
from tests.studio import test_engines as here
from studio.trials import Trial
name, cuts, trials = json.load(sys.stdin)
engine = {"random": here.RandomEngine, "optuna": here.OptunaEngine}[name]
for trial in trials:
    trial["reports"] = {int(step): score for step, score in trial["reports"].items()}
trials = [Trial(**trial) for trial in trials]
def asked(cut):
    made = here.made(engine)
    for trial in reversed(trials[:cut]):
        made.tell(trial)
    return list(made.ask(cut).items())
print(json.dumps([asked(cut) for cut in cuts]))
"""


@BOTH
def test_a_new_process_that_is_told_the_trials_asks_what_the_old_one_would_have_asked(engine):
    unbroken = played(made(engine), 24)
    cuts = [0, 1, STARTUP - 1, STARTUP + 1, 17, 23]
    asked = json.dumps([engine.name, cuts, [vars(trial) for trial in unbroken]])
    for words_order in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", RESUMED],
            input=asked,
            env={
                **os.environ,
                "PYTHONHASHSEED": words_order,
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            capture_output=True,
            text=True,
        )
        assert not done.returncode, done.stderr
        expected = [[list(pair) for pair in unbroken[cut].values.items()] for cut in cuts]
        assert json.loads(done.stdout) == expected


@BOTH
def test_a_seed_is_never_used_twice(engine):
    numbers = range(1000)
    assert len({made(engine, s).seed_of(n) for n in numbers for s in (0, 1, 11)}) == 3000
    told_nothing = [made(engine).ask(number) for number in range(40)]
    assert len({values["x"] for values in told_nothing}) == 40


def test_optuna_learns_where_good_trials_are():
    trials = played(made(OptunaEngine), 60)
    distances = [abs(trial.values["x"] - 3) for trial in trials]
    assert sum(distances[-20:]) < 0.5 * sum(distances[:STARTUP]) * 20 / STARTUP


def test_what_is_running_elsewhere_and_what_lies_outside_the_space_does_no_harm():
    engine = made(OptunaEngine)
    played(engine, 15)
    engine.tell(Trial(15, {}, "running"))
    engine.tell(Trial(16, {"x": 99.0, "gone": 1, "kind": "large", "seed": 4}, "complete", (1.0,)))
    assert parse(SPACE).holds(engine.ask(17))
    assert [trial.number for trial in engine.best()] == [16]


@BOTH
def test_the_best_with_one_objective_are_all_that_tie_first_made_first(engine):
    scores = [1.0, 3.0, None, 3.0, 2.0, 3.0]
    for direction, expected in (("maximize", [1, 3, 5]), ("minimize", [0])):
        search = made(engine, directions=[direction])
        assert search.best() == []
        for number, score in reversed(list(enumerate(scores))):
            ended = ("failed", ()) if score is None else ("complete", (score,))
            search.tell(Trial(number, {"x": 1.0}, *ended))
        assert [trial.number for trial in search.best()] == expected


SCORES = st.sampled_from([-1.0, 0.0, 0.5, 2.0])


@given(
    st.lists(st.tuples(SCORES, SCORES, SCORES), max_size=12), st.integers(1, 3), st.integers(0, 7)
)
def test_the_pareto_front_agrees_with_brute_force(rows, count, signs):
    directions = ["minimize" if signs >> k & 1 else "maximize" for k in range(count)]
    trials = [Trial(n, {}, "complete", row[:count]) for n, row in enumerate(rows)]
    trials.insert(0, Trial(99, {}, "pruned", (), {0: 9.0}))

    def at_least(a, b):
        pairs = zip(a.scores, b.scores, directions)
        return [x <= y if d == "minimize" else x >= y for x, y, d in pairs]

    front = []
    for trial in trials[1:]:
        rivals = [o for o in trials[1:] if all(at_least(o, trial)) and not all(at_least(trial, o))]
        if not rivals:
            front.append(trial)
    assert best(trials, directions) == front


def pruning(pruner, sign=1, known=9, steps=28):
    """An engine that knows complete trials: number n has reported the score n at each step."""
    direction = "maximize" if sign == 1 else "minimize"
    engine = made(OptunaEngine, directions=[direction], pruner=pruner)
    for n in range(known):
        scores = {step: float(sign * n) for step in range(steps)}
        engine.tell(Trial(n, {"x": n / 2}, "complete", (scores[0],), scores))
    return engine


def verdict(engine, number, score, steps=28):
    """At which step a trial is given up that always reports this score."""
    trial = Trial(number, {"x": 0.0}, "running")
    for step in range(steps):
        trial.reports[step] = float(score)
        if engine.should_prune(trial):
            return step
    return None


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("pruner", sorted(PRUNERS))
def test_a_pruner_gives_up_the_hopeless_trial_and_keeps_the_best(pruner, sign):
    engine = pruning(pruner, sign)
    assert verdict(engine, 9, sign * 99) is None
    hopeless = [verdict(engine, number, sign * -99) for number in range(10, 16)]
    assert (hopeless == [None] * 6) is (pruner == "none")
    if pruner in ("median", "asha"):
        assert None not in hopeless


def test_the_median_pruner_waits_five_steps_and_then_asks_for_more_than_half():
    assert verdict(pruning("median"), 9, 4) is None  # the median of 0 to 8
    assert verdict(pruning("median"), 9, 3.9) == 5


def test_halving_keeps_the_best_third_of_those_that_came_to_a_rung():
    # The rungs are at steps 5 and 15; at each the others had 0 to 8. With the one asked about that
    # makes ten: three go on.
    assert verdict(pruning("asha"), 9, 6) is None
    assert verdict(pruning("asha"), 9, 5.9) == 5
    late = {step: 99.0 if step < 15 else 0.0 for step in range(28)}
    engine, trial = pruning("asha"), Trial(9, {"x": 0.0}, "running")
    for step, score in late.items():
        trial.reports[step] = score
        assert engine.should_prune(trial) is (step == 15)
        if step == 15:
            break


def test_hyperband_starts_to_halve_at_different_steps():
    at = [verdict(pruning("hyperband", known=40), number, -99) for number in range(40, 60)]
    assert {5, 15} <= set(at) <= {5, 15, None}


@pytest.mark.parametrize("pruner", ["median", "hyperband", "asha"])
def test_a_trial_is_judged_alike_if_its_reports_come_together_or_by_a_new_process(pruner):
    for score in (-99.0, 4.5, 99.0):
        by_step = verdict(pruning(pruner), 9, score)
        together = Trial(9, {"x": 0.0}, "running", (), {step: score for step in range(28)})
        assert pruning(pruner).should_prune(together) is (by_step is not None)


def test_nothing_is_pruned_before_the_first_report():
    assert not pruning("asha").should_prune(Trial(9, {}, "running"))
    assert not made(RandomEngine).should_prune(Trial(9, {}, "running", (), {1: -99.0}))


def test_an_unknown_pruner_is_refused_before_the_study_is_there(store):
    from studio.creation import create

    with pytest.raises(StudioError, match="no pruner 'bonsai'; known: none, median, hyperband"):
        create(store, "s", settings(options={"pruner": "bonsai"}))
    assert store.names() == []


def test_an_engine_of_ones_own_is_known_by_its_name(monkeypatch):
    monkeypatch.setattr(engines, "_registered", dict(engines._registered))

    @register_engine
    class Corner(BaseSearchEngine):
        name = "corner"

        def ask(self, number):
            return {param.name: param.low for param in self.space}

    assert "corner" in list_engines() and get_engine("corner") is Corner
    assert get_engine("corner")(parse({"x": {"low": 1, "high": 2}}), ["maximize"]).ask(0) == {
        "x": 1
    }
    with pytest.raises(StudioError, match="no search engine 'gird'; known: corner, optuna, random"):
        engine_or_random("gird")


def test_without_optuna_random_search_runs_and_has_its_own_name(monkeypatch):
    point = EntryPoint("optuna", "studio.engines.optuna:OptunaEngine", "studio.engines")
    monkeypatch.delitem(engines._registered, "optuna")
    monkeypatch.setattr(
        engines, "entry_points", lambda group, name="optuna": [point] if name == "optuna" else []
    )
    assert get_engine("optuna") is OptunaEngine
    for module in [name for name in sys.modules if name.split(".")[0] == "optuna"]:
        monkeypatch.delitem(sys.modules, module)
    for module in ("studio.engines.optuna", "studio.engines.optuna_pruning"):
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert list_engines() == ["optuna", "random"]
    with pytest.raises(StudioError, match="search engine 'optuna' cannot be loaded: .*optuna"):
        get_engine("optuna")
    assert engine_or_random("optuna") is RandomEngine
    assert engine_or_random("optuna").name == "random"


def test_numbers_are_drawn_from_a_generator_of_the_trials_own():
    random.seed(0)
    first = made(RandomEngine).ask(3)
    random.seed(1)
    state = random.getstate()
    assert made(RandomEngine).ask(3) == first and random.getstate() == state
