"""Stores: what one process says of a study every other one reads, and nothing is claimed twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict

import optuna
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as options
from hypothesis import strategies as st
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from studio.errors import StudioError
from studio.journal import Journal
from studio.optuna_store import OptunaStore
from studio.study import Study
from studio.trials import Trial

from .conftest import settings

SPACE = {
    "rate": {"low": 1e-6, "high": 0.1, "log": True},
    "layers": {"low": 0, "high": 9},
    "flag": [True, False],
    "kind": ["ünïcode", "1e-05", "true"],
    "width": {"low": 1, "high": 9, "when": {"flag": True}},
    "big": 2**53 + 1,
    "share": 0.1 + 0.2,
}
VALUES = {"rate": 1e-05, "layers": 0, "flag": True, "kind": "1e-05", "width": 3} | {
    "big": 2**53 + 1,
    "share": 0.1 + 0.2,
}


def created(store, name="s", **changes):
    made = settings(space=SPACE, **changes)
    store.create(name, asdict(made), ["maximize"] * len(made.objectives))
    return made


def second(store):
    """The same store as another process opens it."""
    return Journal(store.folder) if isinstance(store, Journal) else OptunaStore(file_of(store, ""))


def file_of(store, name):
    """Where the study of that name is."""
    if isinstance(store, Journal):
        return store.folder / f"{name}.jsonl"
    return store.path


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Nobody cuts the power: Optuna's journal need not wait for the disk."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture
def store(store, tmp_path):
    """The store, which knows its file."""
    if isinstance(store, OptunaStore):
        store.path = tmp_path / "studies" / "studies.journal"
    return store


@pytest.fixture(params=["given", "second"])
def reader(request, store):
    """Opens the store that is read: the one that was written to, or another one."""
    return (lambda: store) if request.param == "given" else (lambda: second(store))


def test_a_study_is_created_once_and_found_by_its_name(store, reader):
    assert reader().names() == []
    made, other = created(store, "b.2"), created(store, "a-1", n_trials=3)
    assert reader().names() == ["a-1", "b.2"]
    assert Study(reader(), "b.2").settings == made and Study(reader(), "a-1").settings == other
    with pytest.raises(StudioError, match="there is a study 'a-1' already; take another name"):
        created(reader(), "a-1", n_trials=4)
    assert Study(reader(), "a-1").settings == other and reader().trials("a-1") == []


def test_an_unknown_study_is_refused_with_the_known_ones_whatever_is_done(store):
    created(store, "known")
    for action in (
        lambda: store.settings("s"),
        lambda: store.trials("s"),
        lambda: store.note("s", "key", 1),
        lambda: store.begin("s", 3),
        lambda: store.update("s", 0, {}, {}),
        lambda: store.report("s", 0, 1, 0.5),
        lambda: store.finish("s", 0, "failed", (), {}),
    ):
        with pytest.raises(StudioError, match="no study 's'; known: known"):
            action()
    assert store.names() == ["known"]


def test_values_of_every_type_come_back_as_they_were(store, reader):
    created(store)
    assert store.begin("s", 6) == 0
    assert reader().trials("s") == [Trial(0, {}, "running")]
    store.update("s", 0, VALUES, {})
    (found,) = reader().trials("s")
    assert list(found.values.items()) == list(VALUES.items())
    assert [type(value) for value in found.values.values()] == [type(v) for v in VALUES.values()]


@given(
    st.fixed_dictionaries(
        {
            "rate": st.floats(1e-6, 0.1),
            "layers": st.integers(0, 9),
            "flag": st.booleans(),
            "kind": st.sampled_from(SPACE["kind"]),
        }
    ),
    st.floats(allow_nan=False, allow_infinity=False),
    st.dictionaries(st.integers(0, 999), st.floats(allow_nan=False), max_size=3),
    st.text(max_size=20),
)
@options(
    max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_a_trial_comes_back_to_the_last_digit(store, values, score, reports, text):
    if "s" not in store.names():
        created(store, n_trials=1000)
    number = store.begin("s", 1000)
    store.update("s", number, values, {})
    for step, reported in reports.items():
        store.report("s", number, step, reported)
    store.finish("s", number, "complete", [score], {"tail": text})
    expected = Trial(number, values, "complete", (score,), reports, {"tail": text})
    assert second(store).trials("s")[number] == expected


def test_each_way_to_end_is_told_apart(store, reader):
    created(store, objectives=["out.json:deep.score", "min:out.json:deep.x"])
    ways = ["complete", "pruned", "failed", "cancelled"]
    for number, state in enumerate(ways):
        assert store.begin("s", 6) == number
        scores = (0.5, 1e-05) if state == "complete" else ()
        store.finish("s", number, state, scores, {})
    assert [trial.state for trial in reader().trials("s")] == ways
    assert [trial.scores for trial in reader().trials("s")] == [(0.5, 1e-05), (), (), ()]


def test_notes_are_merged_and_reports_replaced(store, reader):
    created(store)
    store.begin("s", 6)
    store.update("s", 0, {}, {"owner": {"pid": 1}, "log": "a"})
    store.update("s", 0, VALUES, {"log": "b"})
    for step, score in ((3, 0.5), (1, 0.25), (3, 0.75)):
        store.report("s", 0, step, score)
    (trial,) = reader().trials("s")
    assert trial == Trial(
        0, VALUES, "running", (), {1: 0.25, 3: 0.75}, {"owner": {"pid": 1}, "log": "b"}
    )
    store.finish("s", 0, "failed", (), {"tail": "a\nb", "log": "c"})
    (trial,) = reader().trials("s")
    assert trial.notes == {"owner": {"pid": 1}, "log": "c", "tail": "a\nb"}
    assert trial.values == VALUES and trial.reports == {1: 0.25, 3: 0.75}


def test_what_is_said_of_a_trial_after_its_end_does_not_count(store, reader):
    created(store)
    store.begin("s", 6)
    store.finish("s", 0, "failed", (), {"tail": "the search was killed"})
    before = store.trials("s")
    store.finish("s", 0, "complete", [1.0], {"tail": "alive after all"})
    store.update("s", 0, VALUES, {"owner": {}})
    store.report("s", 0, 1, 0.5)
    assert reader().trials("s") == before
    assert [trial.state for trial in before] == ["failed"]


def test_notes_of_a_study_are_kept_beside_its_settings(store, reader):
    made = created(store)
    store.note("s", "promoted", {"trial": 3, "experiment": "s-best"})
    store.note("s", "importance", {"shares": {"a": 0.5}})
    store.note("s", "importance", {"shares": {"a": 0.25}})
    study = Study(reader(), "s")
    assert study.settings == made
    assert study.notes["promoted"] == {"trial": 3, "experiment": "s-best"}
    assert study.notes["importance"] == {"shares": {"a": 0.25}}


def test_numbers_are_claimed_in_order_up_to_the_limit(store):
    created(store, n_trials=5)
    claimed = [each.begin("s", 5) for each in (store, second(store), store, second(store), store)]
    assert claimed == [0, 1, 2, 3, 4]
    assert store.begin("s", 5) is None and second(store).begin("s", 5) is None
    assert [trial.number for trial in store.trials("s")] == [0, 1, 2, 3, 4]


OPEN = """
import importlib, sys, time
from pathlib import Path
module, kind, where = sys.argv[1:4]
store = getattr(importlib.import_module(module), kind)(Path(where))
"""
CLAIM = """
go, limit = sys.argv[4:]
print("ready", flush=True)
while not Path(go).exists():
    time.sleep(0.001)
while (number := store.begin("s", int(limit))) is not None:
    store.update("s", number, {"layers": number % 10}, {})
    store.report("s", number, 1, number / 7)
    store.finish("s", number, "complete", [float(number)], {})
    print(number, flush=True)
"""


def process(store, script, *words):
    kind = type(store)
    where = store.folder if isinstance(store, Journal) else store.path
    return subprocess.Popen(
        [sys.executable, "-c", OPEN + script, kind.__module__, kind.__name__, str(where), *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_several_processes_claim_each_number_once_and_none_beyond_the_limit(store, tmp_path):
    created(store, n_trials=30)
    workers = [process(store, CLAIM, str(tmp_path / "go"), "30") for _ in range(3)]
    assert all(worker.stdout.readline() == "ready\n" for worker in workers)
    (tmp_path / "go").touch()
    claimed = [list(map(int, worker.communicate()[0].split())) for worker in workers]
    assert all(worker.returncode == 0 for worker in workers)
    assert sorted(sum(claimed, [])) == list(range(30))
    assert sum(bool(each) for each in claimed) > 1, "they did not run side by side"
    assert store.trials("s") == [
        Trial(n, {"layers": n % 10}, "complete", (float(n),), {1: n / 7}) for n in range(30)
    ]
    assert store.begin("s", 30) is None


WRITE = """
while (number := store.begin("s", 10**6)) is not None:
    store.update("s", number, {"layers": 1}, {"tail": "x" * 6000})
    store.finish("s", number, "complete", [1.0], {})
    print(number, flush=True)
"""


def test_a_writer_that_is_killed_loses_at_most_what_it_had_not_said(store):
    created(store, n_trials=10**6)
    said = set()
    for count in (1, 2):
        writer = process(store, WRITE)
        first = writer.stdout.readline()
        time.sleep(0.01 * count)
        writer.send_signal(signal.SIGKILL)
        said |= set(map(int, (first + writer.communicate()[0]).split()))
        trials = second(store).trials("s")
        assert [trial.number for trial in trials] == list(range(len(trials)))
        assert len(trials) <= len(said) + count
        for number in said:
            ended = Trial(number, {"layers": 1}, "complete", (1.0,), {}, {"tail": "x" * 6000})
            assert trials[number] == ended


def test_a_line_that_was_cut_off_anywhere_is_passed_over_and_the_next_ones_are_read(store):
    created(store)
    store.begin("s", 6)
    store.update("s", 0, VALUES, {"log": "a"})
    file = file_of(store, "s")
    before = file.read_bytes()
    store.report("s", 0, 7, 0.5)
    whole = file.read_bytes()
    for end in {*range(len(before), len(whole), 9), len(whole) - 1}:
        file.write_bytes(whole[:end])
        again = second(store)
        reports = again.trials("s")[0].reports
        assert reports == {} or (end == len(whole) - 1 and reports == {7: 0.5})
        again.report("s", 0, 8, 0.75)
        again.finish("s", 0, "complete", [1.0], {})
        assert again.begin("s", 6) == 1
        for each in (again, second(store)):
            assert each.trials("s") == [
                Trial(0, VALUES, "complete", (1.0,), reports | {8: 0.75}, {"log": "a"}),
                Trial(1, {}, "running"),
            ]


def test_a_study_whose_creation_was_killed_is_not_there(store, monkeypatch):
    def killed(*words, **more):
        raise KeyboardInterrupt

    created(store, "whole")
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", killed)
        if isinstance(store, OptunaStore):
            patch.setattr(store.storage, "set_study_user_attr", killed)
        with pytest.raises(KeyboardInterrupt):
            created(store, "half")
    assert second(store).names() == ["whole"]
    with pytest.raises(StudioError, match="'half'"):
        Study(second(store), "half")


def optuna_store(folder):
    store = OptunaStore(folder / "studies.journal")
    store.path = folder / "studies.journal"
    return store


def optunas(store):
    return JournalStorage(JournalFileBackend(str(store.path)))


def test_optunas_own_tools_read_the_trials(tmp_path):
    store = optuna_store(tmp_path)
    created(store, objectives=["min:out.json:deep.score"])
    assert OptunaStore(store.path).trials("s") == []
    for number, (score, flag) in enumerate(((3.0, True), (0.5, False), (None, True))):
        store.begin("s", 6)
        values = VALUES | {"flag": flag, "layers": number}
        store.update("s", number, values if flag else without(values, "width"), {})
        store.report("s", number, 4, number / 4)
        state = "complete" if score is not None else "pruned"
        store.finish("s", number, state, () if score is None else (score,), {})
    store.begin("s", 6)
    found = optuna.load_study(study_name="s", storage=optunas(store))
    assert [trial.state.name for trial in found.trials] == [
        "COMPLETE",
        "COMPLETE",
        "PRUNED",
        "RUNNING",
    ]
    params = {"rate": 1e-05, "layers": 0, "flag": True, "kind": "1e-05", "width": 3}
    assert found.trials[0].params == params
    assert found.trials[1].params == without(params, "width") | {"layers": 1, "flag": False}
    assert [trial.values for trial in found.trials] == [[3.0], [0.5], None, None]
    assert [trial.intermediate_values for trial in found.trials[:3]] == [
        {4: 0},
        {4: 0.25},
        {4: 0.5},
    ]
    assert type(found.trials[0].params["flag"]) is bool and found.user_attrs["runner"] == "process"
    assert found.trials[0].user_attrs["values"] == VALUES


def test_the_directions_are_those_of_the_objectives_for_optuna_too(tmp_path):
    store = optuna_store(tmp_path)
    store.create("s", asdict(settings()), ["minimize", "maximize"])
    found = optuna.load_study(study_name="s", storage=optunas(store))
    assert [direction.name for direction in found.directions] == ["MINIMIZE", "MAXIMIZE"]


def without(values, name):
    return {key: value for key, value in values.items() if key != name}


def test_who_comes_second_for_the_last_number_leaves_no_trial_behind(tmp_path, monkeypatch):
    store = optuna_store(tmp_path)
    created(store, n_trials=2)
    assert [store.begin("s", 2), store.begin("s", 2)] == [0, 1]
    with monkeypatch.context() as patch:  # what it saw before the other one was there
        patch.setattr(store.storage, "get_all_trials", lambda study, deepcopy: [])
        assert store.begin("s", 2) is None
    assert [trial.number for trial in second(store).trials("s")] == [0, 1]


def test_other_studies_of_a_storage_are_left_alone(tmp_path):
    store = optuna_store(tmp_path)
    optuna.create_study(study_name="theirs", storage=optunas(store))
    created(store)
    assert second(store).names() == ["s"]
    with pytest.raises(StudioError, match="'theirs' is a study of Optuna's"):
        Study(store, "theirs")
    with pytest.raises(StudioError, match="there is a study 'theirs' already"):
        created(store, "theirs")


def test_a_database_is_named_by_its_url_and_one_that_cannot_be_opened_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path}/studies.db"
    store = OptunaStore(url)
    made = created(store)
    assert store.begin("s", 6) == 0
    store.update("s", 0, VALUES, {"log": "a"})
    store.report("s", 0, 2, 1e-05)
    store.finish("s", 0, "complete", [0.1 + 0.2], {})
    again = OptunaStore(url)
    assert Study(again, "s").settings == made and again.names() == ["s"]
    assert again.trials("s") == [
        Trial(0, VALUES, "complete", (0.1 + 0.2,), {2: 1e-05}, {"log": "a"})
    ]
    for wrong in (f"sqlite:///{tmp_path}/missing/studies.db", "nonsense://x", "no url"):
        with pytest.raises(StudioError, match="cannot open the storage of the studies"):
            OptunaStore(wrong)


def test_a_study_of_the_journal_is_one_file_of_json_lines(tmp_path):
    store = Journal(tmp_path / "new" / "studies")
    assert store.names() == []
    created(store)
    store.begin("s", 6)
    assert [file.name for file in (tmp_path / "new" / "studies").iterdir()] == ["s.jsonl"]
    lines = (store.folder / "s.jsonl").read_text().splitlines()
    assert [set(json.loads(line)) for line in lines] == [{"study"}, {"trial", "state"}]
