"""The benchmark of studies: what it says a trial has run, and what it calls overhead."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import study
from benchmarks.study import RAN, Instant, run, studies, told, trial, trials
from studio import adapters, process
from studio.journal import Journal
from studio.runners.dvc import DvcRunner
from studio.runners.local import ProcessRunner
from tests.studio.conftest import FIT, PARAMS, Parabola, settings

LOG = """Reproducing experiment 'dvc-0-0000'
Running stage 'fetch':
> python -m stages.fetch
openclipart: 1 file at data/openclipart/openclipart.zip

Stage 'prepare' didn't change, skipping
Running stage 'train':
> python -m stages.train
> no command
Running stage 'nothing'
Stage 'report' is cached - skipping run, checking out outputs
Running stage 'look':
> python look.py --at "a b" > out.txt
Updating lock file 'dvc.lock'
"""
DVC_YAML = """
stages:
  data:
    cmd: python -c "print(7, file=open('data.txt', 'w'))"
    outs: [data.txt]
  fit:
    cmd: python fit.py
    deps: [data.txt, fit.py]
    params: [fit]
    metrics:
      - out.json: {cache: false}
  after:
    cmd: python after.py
    deps: [out.json]
    outs: [after.txt]
"""
AFTER = "import time; time.sleep(0.3); open('after.txt', 'w').write(open('out.json').read())"
TIME = r"-?\d+\.\d\d s \(CPU -?\d+\.\d\d\)"


@pytest.fixture(autouse=True)
def parabola(monkeypatch: pytest.MonkeyPatch) -> Parabola:
    """The model that the platform's own tests have; its data are one of its inputs."""
    made = Parabola()
    monkeypatch.setitem(adapters._registered, made.name, made)
    monkeypatch.setattr(study, "SEEDS", {"fit.x": {"low": 0.0, "high": 6.0}})
    monkeypatch.setattr(process, "POLL", 0.02)
    return made


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "fit.py").write_text(FIT.replace('params["x"]', 'float(params["x"])'))
    (folder / "params.yaml").write_text(PARAMS)
    return folder


@pytest.fixture
def committed(project: Path) -> Path:
    """The model as a repository whose data are in the cache alone."""
    (project / "dvc.yaml").write_text(DVC_YAML)
    (project / "after.py").write_text(AFTER)
    for command in ("git init -q -b main", "dvc init -q", "dvc repro -q", "git add -A"):
        run(command, project)
    run("git -c user.name=test -c user.email=test@example.com commit -qm made", project)
    (project / "data.txt").unlink()
    return project


def there(folder: Path) -> dict[str, bytes]:
    """Every file; git notes what it looked at."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "index")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def numbers(line: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.\d+", line)]


def test_what_dvc_has_run_are_the_commands_of_the_stages_it_did_not_skip() -> None:
    assert RAN.findall(LOG) == [
        "python -m stages.fetch",
        "python -m stages.train",
        'python look.py --at "a b" > out.txt',
    ]


def test_overhead_is_what_a_trial_takes_beyond_its_own_commands() -> None:
    works = {
        "python -m stages.split": np.array([1.0, 0.5]),
        "python fit.py": np.array([2.0, 3.25]),
    }
    # 1.5 s of 30 s are 5 %
    assert told("dvc", np.array([4.5, 4.0]), works) == (
        "dvc: 4.50 s (CPU 4.00) a trial, 3.00 s (CPU 3.75) bare (split, fit.py); "
        "overhead 1.50 s (CPU 0.25), 5 % of 30 s"
    )


def test_no_trial_is_of_negative_length() -> None:
    line = told("process", np.array([2.0, 2.0]), {"python fit.py": np.array([2.5, 1.0])})
    assert line.endswith("overhead -0.50 s (CPU 1.00), 5 % of 0 s")


def test_the_time_of_a_command_is_on_the_clock_and_its_work_on_the_processor(
    tmp_path: Path,
) -> None:
    wall, cpu = run(f"{sys.executable} -S -c 'import time; time.sleep(0.5)'", tmp_path)
    assert 0.5 <= wall and cpu < 0.4
    wall, cpu = run(f"{sys.executable} -S -c 'for _ in range(5_000_000): pass'", tmp_path)
    assert 0.03 < cpu <= wall + 0.05


def test_a_command_runs_in_its_folder_by_the_interpreter_that_runs_this(tmp_path: Path) -> None:
    run("python -c \"import sys; open('who', 'w').write(sys.prefix)\"", tmp_path)
    assert (tmp_path / "who").read_text() == sys.prefix


def test_a_command_has_a_session_of_its_own_as_trials_have(tmp_path: Path) -> None:
    run("python -c \"import os; open('s', 'w').write(f'{os.getsid(0)} {os.getpid()}')\"", tmp_path)
    session, own = (tmp_path / "s").read_text().split()
    assert session == own


def test_a_command_that_fails_ends_the_benchmark_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="^error: `python -c .*` failed\na reason$"):
        run("python -c \"import sys; sys.exit('a reason')\"", tmp_path)


def test_a_trial_that_fails_ends_the_benchmark_with_its_words(
    project: Path, parabola: Parabola
) -> None:
    asked = settings(space={"fit.x": [1.0, 2.0], "fit.mode": "fail"}, n_trials=1)
    with pytest.raises(SystemExit, match="^error: trial by process failed\na reason"):
        trial(asked, ProcessRunner(parabola, project), project)


def test_a_study_is_timed_without_its_trials_from_the_first_to_those_after_many(
    project: Path, parabola: Parabola, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "EARLIER", 6)
    monkeypatch.setattr(study, "COUNTED", 3)
    # trial n, from 0, takes n^2 ms
    ends = np.cumsum([0, *(0.001 * n * n for n in range(9))]).tolist()
    clock = iter([(end,) for end in ends * 2])
    monkeypatch.setattr(study, "now", lambda: next(clock))
    assert list(studies(parabola, project)) == [
        f"to ask, tell and store a trial, {engine} search: 1.0 ms at first, 49.0 ms after 6 trials"
        for engine in ("random", "optuna")
    ]
    made = Journal(project / ".studio").trials("random")
    assert [each.scores for each in made] == [(1 + n / 10000,) for n in range(9)]
    assert not (project / ".studio" / "runs").exists()


def test_an_instant_trial_has_a_score_and_no_process(project: Path, parabola: Parabola) -> None:
    runner = Instant(parabola, project)
    assert runner.run("a-0000", {}, project / "log", None).status == 0
    assert float(re.findall(r"[\d.]+", runner.read("a-0012", "a"))[0]) == 1.0012
    assert not (project / "log").exists()


@pytest.mark.slow
def test_the_benchmark_runs_in_a_clone_with_the_data_of_the_cache(
    committed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(committed)
    monkeypatch.setattr("sys.argv", ["study", "--repeat", "2"])
    monkeypatch.setattr(study, "AGCHAdapter", Parabola)
    monkeypatch.setattr(study, "EARLIER", 1)
    monkeypatch.setattr(study, "COUNTED", 1)
    before = there(committed)
    study.main()
    assert there(committed) == before
    fit, after, by_process, by_dvc, *others = capsys.readouterr().out.splitlines()
    assert re.fullmatch(f"python fit.py: {TIME}", fit)
    assert re.fullmatch(f"python after.py: {TIME}", after)
    line = rf"KIND: {TIME} a trial, {TIME} bare \(FILES\); overhead {TIME}, 5 % of \d+ s"
    for kind, files, found in (
        ("process", "fit.py", by_process),
        ("dvc", "fit.py, after.py", by_dvc),
    ):
        assert re.fullmatch(line.replace("KIND", kind).replace("FILES", files), found)
    assert numbers(fit) == numbers(by_process)[2:4]
    assert numbers(after)[0] > 0.3
    bare = [sum(each) for each in zip(numbers(fit), numbers(after))]
    assert numbers(by_dvc)[2:4] == pytest.approx(bare, abs=0.011)
    whole, overhead = numbers(by_dvc)[:2], numbers(by_dvc)[4:6]
    assert overhead == pytest.approx(np.subtract(whole, bare), abs=0.021)
    assert overhead[0] > 0.3  # to start DVC alone
    assert [each.split(",")[2].split(":")[0] for each in others] == [
        " random search",
        " optuna search",
    ]


def test_bare_commands_have_the_parameters_of_the_trial(
    committed: Path, parabola: Parabola, monkeypatch: pytest.MonkeyPatch
) -> None:
    (committed / "data.txt").write_text("7\n")
    assert len(list(trials(parabola, committed, 1))) == 4
    copy = committed.with_name("copy")
    found = [
        (committed / ".studio/runs/process-0-0000/out.json").read_text(),
        DvcRunner(committed).read("dvc-0-0000", "out.json"),
        (copy / "out.json").read_text(),
    ]
    assert len({*found}) == 1
    assert (committed / "out.json").read_text() not in found
    assert (copy / "after.txt").read_text() == found[0]
    assert "epochs: 1" in (copy / "params.yaml").read_text()


@pytest.mark.parametrize("words", [["--repeat", "0"], ["--repeat", "two"], ["now"]])
def test_what_cannot_be_asked_for_is_refused(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.study", *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "usage:" in done.stderr
