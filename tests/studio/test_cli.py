"""The command line: each command for people and as JSON, its exit status, and its interruption."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import uvicorn

from studio import adapters, cli, commands, engines, process, proposal

from . import conftest
from .runs_repository import call, quiet

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def place(project, monkeypatch):
    """We stand in the project; the parabola is the only model there is."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.chdir(project)
    monkeypatch.setattr(adapters, "entry_points", lambda **group: ())
    monkeypatch.setattr(process, "POLL", 0.02)
    yield project
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def studio(capsys):
    """Run a command; gives what it printed, and with `--json` what that means."""

    def run(*words):
        capsys.readouterr()
        cli.main(["study", *map(str, words)])
        printed = capsys.readouterr()
        return json.loads(printed.out) if "--json" in words else printed.out

    return run


@pytest.fixture
def refused(capsys):
    """Run a command that cannot work; gives its exit status and what it says of it."""

    def run(*words):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main(["study", *map(str, words)])
        printed = capsys.readouterr()
        assert printed.out == ""
        if isinstance(ended.value.code, str):  # the interpreter prints it, and ends with 1
            return 1, ended.value.code
        return ended.value.code, printed.err

    return run


CHEAP = ("--runner", "process")


def test_a_name_is_enough_to_create_a_study(studio):
    said = studio("create", "first")
    assert said.splitlines() == [
        "30 trials by dvc, 1 at a time",
        "engine optuna, pruner none, seed 0",
        "objective out.json:deep.score",
        "the first trial tries the project's own values",
        '  fit.x: {"low": 0.0, "high": 6.0}',
        '  fit.y: {"low": 0, "high": 5}',
        "study 'first' is there; run it by `studio study run first`",
    ]
    assert studio("status") == "first: 0 of 30 trials\n"


def test_a_study_from_its_creation_to_its_export(studio):
    studio("create", "s", *CHEAP, "--n-trials", 5, "--seed", 3)
    said = studio("run", "s").splitlines()
    rows = list(csv.DictReader(io.StringIO(studio("export", "s"))))
    assert [row["number"] for row in rows] == list("01234")
    assert {row["state"] for row in rows} == {"complete"}
    scores = [float(row["out.json:deep.score"]) for row in rows]
    for row, score in zip(rows, scores):
        assert score == -((float(row["fit.x"]) - 3) ** 2) - (int(row["fit.y"]) - 2) ** 2
    assert said[:5] == [f"trial {number}: {score:.4f}" for number, score in enumerate(scores)]
    top = scores.index(max(scores))
    stand = f"s: 5 of 5 trials: 5 complete; best {max(scores):.4f} (trial {top})"
    assert said[5:] == [stand] and studio("status", "s").splitlines()[-1] == stand
    assert studio("best", "s").splitlines() == [
        f"trial {top}: {max(scores):.4f}",
        f"  fit.x={rows[top]['fit.x']}",
        f"  fit.y={rows[top]['fit.y']}",
    ]


def test_every_answer_is_json_and_nothing_else(studio, capsys):
    made = studio("create", "s", *CHEAP, "--n-trials", 2, "--json")
    assert (made["name"], made["n_trials"], made["engine_used"]) == ("s", 2, "optuna")
    ran = studio("run", "s", "--json")
    assert ran["states"]["complete"] == 2
    assert studio("status", "s", "--json") == ran
    assert studio("status", "--json") == [ran]
    trials = studio("export", "s", "--json")
    assert [trial["number"] for trial in trials] == [0, 1]
    best = studio("best", "s", "--json")
    assert [trial["scores"][0] for trial in best] == [max(t["scores"][0] for t in trials)]
    assert ran["best"] == [{"trial": t["number"], "scores": t["scores"]} for t in best]


def no_constant(word):
    raise AssertionError(f"{word} is not JSON")


def test_a_report_that_is_no_number_is_null_in_json(studio, project, capsys):
    text = (project / "fit.py").read_text()
    report = 'json.dumps({"step": step, "score": score})'
    (project / "fit.py").write_text(text.replace(report, '\'{"step": 0, "score": NaN}\''))
    studio("create", "s", *CHEAP, "--n-trials", 1)
    studio("run", "s")
    for command in ("best", "export"):
        cli.main(["study", command, "s", "--json"])
        [trial] = json.loads(capsys.readouterr().out, parse_constant=no_constant)
        assert trial["reports"] == {"0": None} and isinstance(trial["scores"][0], float)


def test_importance_is_shown_once_there_are_enough_trials(studio, refused, project):
    (project / "fit.py").write_text(
        "import json, yaml; x = yaml.safe_load(open('params.yaml'))['fit']['x']\n"
        "json.dump({'deep': {'score': x}}, open('out.json', 'w'))\n"
    )
    studio("create", "s", *CHEAP, "--n-trials", 25, "--jobs", 2, "--engine", "optuna")
    status, said = refused("importance", "s")
    assert (status, said[:53]) == (1, "error: importance is shown from 25 complete trials on")
    studio("run", "s")
    found = studio("importance", "s", "--json")
    assert found["trials"] == 25 and set(found["shares"]) == {"fanova", "ped_anova"}
    assert found["shares"]["fanova"]["fit.x"] > 0.8
    said = studio("importance", "s").splitlines()
    assert said[0] == "from 25 completed trials, pruned ones not counted"
    assert said[1] == "fanova:" and said[2].split()[0] == "fit.x" and "####" in said[2]


def test_a_dry_run_says_the_same_and_creates_nothing(studio, refused, project):
    said = studio("create", "s", "--n-trials", 4, "--search-epochs", 2, "--dry-run")
    assert said.splitlines()[0] == "4 trials by dvc, 1 at a time"
    assert "cheaper by search_epochs 2; not when promoted" in said
    assert studio("create", "s", "--dry-run", "--json")["n_trials"] == 30
    assert studio("status") == "no study yet; studio study create NAME\n"
    assert refused("create", "s", "--dry-run", "--set", "fit.x={low: 2, high: 1}")[0] == 1
    assert studio("create", "s").endswith("run it by `studio study run s`\n")


def test_what_is_asked_for_is_kept_with_the_study(studio):
    words = "--n-trials 7 --timeout 3.5 --engine random --jobs 2 --search-epochs 4 --seed 9"
    words += " --subset-ratio 0.25 --keep 3 --adapter parabola"
    more = "--objective a.json:b --objective min:c.json:d,e"
    made = studio("create", "s", *words.split(), *more.split(), *CHEAP, "--json")
    del made["baseline"]
    assert made == {
        **{"name": "s", "reused": 0, "adapter": "parabola", "runner": "process", "n_trials": 7},
        **{
            "timeout": 3.5,
            "search_epochs": 4,
            "subset_ratio": 0.25,
            "jobs": 2,
            "keep": 3,
            "seed": 9,
        },
        **{"engine": "random", "engine_used": "random", "options": {"pruner": "none"}},
        "objectives": ["a.json:b", "min:c.json:d,e"],
        "space": conftest.Parabola().search_ranges(),
        "start": {"fit.x": 1.0, "fit.y": 2},
    }


def test_the_first_trial_is_the_projects_own_unless_it_lies_outside(studio):
    studio("create", "s", *CHEAP, "--n-trials", 1)
    assert studio("run", "s").startswith("trial 0: -4.0000\n")  # x = 1, y = 2
    said = studio("create", "other", *CHEAP, "--set", "fit.x={low: 2, high: 6}")
    assert "the project's own values lie outside the space: no trial tries them" in said
    assert studio("create", "again", "--set", "fit.x={low: 2, high: 6}", "--json")["start"] is None


def test_a_commit_since_the_creation_is_told_before_the_trials(studio, monkeypatch):
    for commit in ("a" * 40, "b" * 40):
        for module in (commands, proposal):
            monkeypatch.setattr(module, "head", lambda project: commit)
        if commit[0] == "a":
            studio("create", "s", *CHEAP, "--n-trials", 1)
    said = studio("run", "s").splitlines()[0]
    assert said.startswith("created at commit aaaaaaa, now at bbbbbbb: compare the trials only if")


def test_ranges_come_from_the_adapter_a_file_and_the_command_line_in_this_order(studio, project):
    (project / "space.yaml").write_text(
        "fit.x: {low: 1e-3, high: 4.5, log: true}\nfit.mode: [quick, slow]\nfit.y: 3\n"
    )
    made = studio("create", "a", "--space", "space.yaml", "--json")
    assert made["space"] == {
        "fit.x": {"low": 0.001, "high": 4.5, "log": True},
        "fit.mode": {"choices": ["quick", "slow"]},
        "fit.y": 3,
    }
    sets = ["--set", "fit.y={low: 0, high: 2}", "fit.mode=null", "--set", "fit.share=[1e-3, 1.0]"]
    made = studio("create", "b", "--space", "space.yaml", *sets, "--json")
    assert made["space"] == {
        "fit.x": {"low": 0.001, "high": 4.5, "log": True},
        "fit.y": {"low": 0, "high": 2},
        "fit.share": {"choices": [0.001, 1.0]},
    }
    made = studio("create", "c", "--set", "fit.x=1e-3", "fit.mode='1e-3'", "--json")
    assert made["space"] == {"fit.x": 0.001, "fit.y": {"low": 0, "high": 5}, "fit.mode": "1e-3"}


def test_a_study_from_an_earlier_one_begins_with_its_trials(studio):
    studio("create", "old", *CHEAP, "--n-trials", 6, "--seed", 1)
    studio("run", "old")
    old = studio("export", "old", "--json")
    inside = [t for t in old if t["values"]["fit.x"] >= 3.75]
    assert 0 < len(inside) < 6
    narrower = ("--set", "fit.x={low: 3.75, high: 6.0}", "--from", "old")
    along = f"{len(inside)} trials of 'old' come along"
    for more in ("--dry-run",), ():
        said = studio("create", "next", *CHEAP, "--n-trials", 8, *narrower, *more)
        assert along in said.splitlines()
    taken = studio("export", "next", "--json")
    assert [t["values"] for t in taken] == [t["values"] for t in inside]
    assert [t["scores"] for t in taken] == [t["scores"] for t in inside]
    assert studio("run", "next", "--json")["states"]["complete"] == 8
    assert studio("create", "again", *CHEAP, *narrower, "--json")["reused"] == len(inside)


def test_a_trial_that_failed_is_shown_with_its_reason(studio):
    studio("create", "s", *CHEAP, "--n-trials", 2, "--set", "fit.mode=fail")
    assert studio("run", "s").splitlines() == [
        "trial 0: failed (a reason)",
        "trial 1: failed (a reason)",
        "s: 2 of 2 trials: 2 failed",
    ]


def test_a_study_that_goes_on_runs_what_is_left_with_as_many_jobs_as_asked(studio):
    studio("create", "s", *CHEAP, "--n-trials", 3)
    assert len(studio("run", "s", "--jobs", 2).splitlines()) == 4
    assert studio("run", "s").startswith("s: 3 of 3 trials: 3 complete; best ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "none"], "no study 'none'; known: s"),
        (["best", "s"], "study 's' has no complete trial yet"),
        (["promote", "s"], "study 's' has no complete trial yet"),
        (["promote", "s", "--trial", "7"], "trial 7 of 's' is missing; it has to be complete"),
        (["importance", "s"], "importance is shown from 25 complete trials on; study 's' has 0"),
        (["create", "s"], "there is a study 's' already; take another name"),
        (["create", "a b"], "'a b' is no name for a study"),
        (["create", "n", "--engine", "none"], "no search engine 'none'; known: optuna, random"),
        (["create", "n", "--adapter", "none"], "no adapter 'none'; known: parabola"),
        (["create", "n", "--pruner", "none such"], "no pruner 'none such'; known: "),
        (["create", "n", "--n-trials", "0"], "n_trials must be at least 1; got 0"),
        (["create", "n", "--set", "fit.x"], "--set takes KEY=RANGE; got 'fit.x'"),
        (["create", "n", "--set", "fit.x={low"], "cannot read --set fit.x={low: "),
        (["create", "n", "--space", "none.yaml"], "cannot read none.yaml: "),
        (["create", "n", "--space", "fit.py"], "cannot read fit.py: "),
        (["create", "n", "--space", "list.yaml"], "list.yaml must map names to ranges"),
        (["create", "n", "--from", "none"], "no study 'none'; known: s"),
        (
            ["create", "n", "--from", "s", "--search-epochs", "2", "--dry-run"],
            "study 's' cannot be compared: search_epochs None, not 2",
        ),
        (["create", "n", "--set", "fit.z=[1, 2]"], "params.yaml has no parameter 'fit.z'"),
        (["create", "n", "--engine", "random", "--pruner", "asha"], "the engine random does not"),
        (["create", "n", "--objective", "x"], "cannot read objective 'x'"),
        (["status", "--storage", "nosuch://a/b"], "cannot open the storage of the studies: "),
    ],
)
def test_an_error_is_one_sentence_and_status_1(studio, refused, project, words, message):
    (project / "list.yaml").write_text("[1, 2]")
    (project / "fit.py").write_text("{[")
    studio("create", "s")
    for more in ([], ["--json"]):
        status, said = refused(*words, *more)
        assert status == 1 and said.startswith(f"error: {message}")
    assert [row["name"] for row in studio("status", "--json")] == ["s"]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["none"],
        ["create"],
        ["create", "s", "--runner", "ssh"],
        ["create", "s", "--n-trials", "x"],
        ["run", "s", "--jobs", "0"],
        ["run", "s", "--jobs", "-1"],
        ["best", "s", "--none"],
    ],
)
def test_a_wrong_command_line_is_status_2(refused, words):
    status, said = refused(*words)
    assert status == 2 and said.startswith("usage: studio ")


class Missing:
    """The entry point of an engine whose package is not installed."""

    name = "optuna"

    def load(self):
        raise ImportError("No module named 'optuna'")


def test_without_optuna_random_search_runs_and_says_so_everywhere(
    studio, refused, project, monkeypatch
):
    monkeypatch.delitem(engines._registered, "optuna")
    monkeypatch.setattr(
        engines, "entry_points", lambda group, name="optuna": [Missing()] * (name == "optuna")
    )
    monkeypatch.setitem(sys.modules, "studio.optuna_store", None)
    note = "random search; optuna is not installed, nothing is pruned"
    said = studio("create", "s", *CHEAP, "--n-trials", 2, "--pruner", "median").splitlines()
    assert note in said
    assert studio("run", "s").splitlines()[0] == note
    assert note in studio("status", "s").splitlines()
    found = studio("status", "s", "--json")
    assert (found["engine"], found["engine_used"]) == ("optuna", "random")
    status, said = refused("importance", "s")
    assert (status, said) == (
        1,
        "error: importance needs the engine optuna; study 's' uses random",
    )
    assert [path.name for path in (project / ".studio").glob("*.jsonl")] == ["s.jsonl"]
    status, said = refused("status", "--storage", "sqlite://")
    assert status == 1 and said.startswith("error: --storage needs Optuna: ")


def test_a_study_whose_engine_is_gone_is_listed_with_its_best_all_the_same(studio, monkeypatch):
    studio("create", "s", *CHEAP, "--n-trials", 1)
    studio("run", "s")
    monkeypatch.delitem(engines._registered, "optuna")
    assert studio("status").startswith("s: 1 of 1 trials: 1 complete; best -4.0000 (trial 0)")


def test_several_models_have_to_be_told_apart(refused, studio, monkeypatch):
    other = conftest.Parabola()
    monkeypatch.setitem(adapters._registered, "other", other)
    status, said = refused("create", "s")
    assert (status, said) == (1, "error: which adapter? name one; known: other, parabola")
    assert studio("create", "s", "--adapter", "parabola", "--json")["adapter"] == "parabola"


@pytest.fixture
def plugins(tmp_path):
    """The environment of a process in which the parabola is an installed plugin."""
    folder = tmp_path / "plugins"
    info = folder / "parabola-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: parabola\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[studio.adapters]\nparabola = parabola:Parabola\n"
        "[studio.engines]\noptuna = studio.engines.optuna:OptunaEngine\n"
    )
    (folder / "parabola.py").write_text(
        "from studio.adapters import Adapter\n"
        "class Parabola(Adapter):\n"
        "    name, objectives = 'parabola', ('out.json:deep.score',)\n"
        "    epochs, subset, sections = 'fit.epochs', 'fit.share', ('fit.',)\n"
        "    commands, inputs = (('python', 'fit.py'),), ('fit.py',)\n"
        "    def search_ranges(self):\n"
        "        return {'fit.x': {'low': 0.0, 'high': 6.0}}\n"
    )
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT), *sys.path])}


def started(plugins, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "studio", "study", *words],
        env=plugins,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_plugin_runs_in_a_process_of_its_own(studio, plugins):
    studio("create", "s", *CHEAP, "--n-trials", 2)
    ran = started(plugins, "run", "s", "--json")
    said, errors = ran.communicate(timeout=60)
    assert (ran.returncode, errors) == (0, "")
    assert json.loads(said)["states"]["complete"] == 2
    wrong = started(plugins, "best", "none")
    said, errors = wrong.communicate(timeout=60)
    assert (wrong.returncode, said) == (1, "")
    assert errors == "error: no study 'none'; known: s\n"


@pytest.mark.parametrize("words", [["export", "s"], ["status", "s", "--json"]])
def test_a_reader_who_has_had_enough_is_no_error(studio, plugins, words):
    studio("create", "s", *CHEAP)
    ran = started(plugins, *words)
    ran.stdout.close()
    assert (ran.wait(60), ran.stderr.read()) == (1, "")
    ran.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_soon_and_goes_on_later(studio, plugins, project, number):
    hold = project / "hold"
    hold.touch()
    (project / "fit.py").write_text(
        "import json, pathlib, time, yaml; x = yaml.safe_load(open('params.yaml'))['fit']['x']\n"
        f"if x != 1.0 and pathlib.Path({str(hold)!r}).exists(): time.sleep(60)\n"
        "json.dump({'deep': {'score': x}}, open('out.json', 'w'))\n"
    )
    studio("create", "s", *CHEAP, "--jobs", "2", "--n-trials", "5")
    run = started(plugins, "run", "s")
    assert run.stdout.readline() == "trial 0: 1.0000\n"
    while len(studio("export", "s", "--json")) < 3:
        time.sleep(0.01)
    run.send_signal(number)
    start = time.monotonic()
    said, errors = run.communicate(timeout=30)
    assert time.monotonic() - start < 2 * process.PATIENCE
    assert (run.returncode, errors) == (130, "interrupted; the same command goes on from here\n")
    assert sorted(said.splitlines()) == ["trial 1: cancelled", "trial 2: cancelled"]
    states = {"complete": 1, "pruned": 0, "failed": 0, "cancelled": 2, "running": 0}
    assert studio("status", "s", "--json")["states"] == states
    hold.unlink()
    assert studio("run", "s", "--json")["states"] == {**states, "complete": 3}


def test_studies_in_a_database_are_found_by_its_url(studio, tmp_path):
    url = ("--storage", f"sqlite:///{tmp_path}/studies.db")
    studio("create", "s", *CHEAP, "--n-trials", 2, *url)
    assert studio("run", "s", *url, "--json")["states"]["complete"] == 2
    assert studio("status") == "no study yet; studio study create NAME\n"
    assert [row["name"] for row in studio("status", "--json", *url)] == ["s"]


def test_pruned_trials_are_counted_and_shown(studio):
    words = ("--pruner", "median", "--set", "fit.seconds=0.3", "fit.epochs=20", "fit.y=2")
    studio("create", "s", *CHEAP, "--n-trials", 10, "--jobs", 2, "--seed", 4, *words)
    said = studio("run", "s").splitlines()
    states = studio("status", "s", "--json")["states"]
    assert states["pruned"] > 0 and states["pruned"] + states["complete"] == 10
    assert sum(line.endswith(": pruned") for line in said) == states["pruned"]


@pytest.fixture
def served(monkeypatch, capsys):
    """Serve a project until it would answer; gives what is said of it."""

    def run(server, sockets):
        for each in sockets:
            each.close()

    def serve(*words):
        capsys.readouterr()
        cli.main(["serve", "--port", "0", *map(str, words)])
        return capsys.readouterr().out

    monkeypatch.setattr(uvicorn.Server, "run", run)
    return serve


def test_a_project_is_served_at_the_top_of_a_repository_or_in_a_folder(served, project, tmp_path):
    words = "is no git repository with DVC; name one: --repo"
    inner = project / "inner"
    inner.mkdir()
    for folder in (tmp_path / "none", project, inner):
        with pytest.raises(SystemExit, match=words):
            served("--repo", folder)
    (project / ".dvc").mkdir()
    with pytest.raises(SystemExit, match="git rev-parse failed in .* not a git repository"):
        served("--repo", project)
    (project / ".dvc").rmdir()
    call(project, "git", "init", "-q")
    with pytest.raises(SystemExit, match=words):
        served("--repo", project)
    call(inner, "dvc", "init", "-q", "--subdir")
    assert served("--repo", inner).startswith("studio: http://127.0.0.1:")
    os.chdir(project)
    quiet(project)
    assert served().startswith("studio: http://127.0.0.1:")


@pytest.mark.parametrize("port", ["99999", "65536", "-1", "x"])
def test_a_port_that_cannot_be_is_refused(port, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["serve", "--port", port])
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("studio serve: error: argument --port: ") and port in said


@pytest.mark.parametrize("gone", ["fastapi", "starlette", "uvicorn"])
def test_without_what_serves_pages_studies_go_on_and_serve_says_what_to_install(gone):
    script = f"import sys; sys.modules[{gone!r}] = None; from studio import cli; cli.main()"

    def run(*words):
        return subprocess.run(
            [sys.executable, "-P", "-c", script, *words],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
            capture_output=True,
            text=True,
        )

    assert run("study", "status").stdout == "no study yet; studio study create NAME\n"
    done = run("serve")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: the pages need more: ")
    assert done.stderr.endswith("; pip install '.[studio]'\n")
