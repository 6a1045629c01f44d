"""Jobs of real DVC projects: cancelled or killed at any moment, nothing of them is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest

from studio.creation import create
from studio.errors import StudioError
from studio.jobs.kinds import promote_job, reproduce_job, run_job, stage_job, study_job
from studio.optuna_store import OptunaStore
from studio.process import environment
from studio.runners.dvc import DvcRunner
from studio.study import Study

from . import jobs
from . import test_dvc_runner as dvc
from .conftest import settings
from .jobs import gone, plugged, processes, supervisor, until, wait
from .test_dvc_runner import change, experiments, inside, left, listed, names, unchanged

slow = pytest.mark.slow
committed, project, board = dvc.committed, dvc.project, jobs.board
LONG = ["fit.seconds=60.0", "fit.epochs=600"]


@pytest.fixture(autouse=True)
def findable(monkeypatch, tmp_path):
    """The tiny model's adapter, as an installed package would bring it."""
    monkeypatch.setenv("PYTHONPATH", plugged(tmp_path))


@pytest.fixture
def before(project):
    """What the user has not committed."""
    return change(project)


def nothing_left(board, number):
    project = board.project
    assert processes(board, number) == []
    until(lambda: {*inside(project)} <= {os.getpid()}, 5)  # its supervisor ends just behind it
    assert (left(project), experiments(project)) == ([], [])
    assert not listed(project)


def reported(board, number):
    def there():
        board.tick()
        return board.job(number).progress.step is not None

    until(there)


@slow
def test_reproduce_and_a_stage_write_into_the_working_tree(board, project):
    job = wait(board, board.submit(*reproduce_job(project)).id)
    assert job.state == "done", board.log_tail(job.id)
    assert "Running stage 'fit'" in board.log(job.id)[0]
    assert (job.progress.step, job.progress.steps, job.progress.score) == (2, 3, -4.0)
    assert json.loads((project / "out.json").read_text())["deep"]["score"] == -4.0
    job = wait(board, board.submit(*stage_job(project, "fit")).id)
    assert job.state == "done" and "didn't change" in board.log(job.id)[0]
    (project / "params.yaml").write_text(
        (project / "params.yaml").read_text().replace("quick", "fail")
    )
    job = wait(board, board.submit(*stage_job(project, "fit")).id)
    assert (job.state, job.status) == ("failed", 255) and "a reason" in job.error


@slow
def test_a_run_becomes_an_experiment_and_leaves_the_working_tree(board, project, before):
    job = wait(board, board.submit(*run_job(project, "a", ["fit.x=1e-05", "fit.mode='x y'"])).id)
    assert job.state == "done", board.log_tail(job.id)
    found = json.loads(DvcRunner(project).read("a", "out.json"))["deep"]
    assert found == {"score": -((1e-05 - 3) ** 2), "x": 1e-05}
    assert unchanged(project, before) and (left(project), names(project)) == ([], ["a"])


@slow
def test_a_run_that_is_cancelled_while_it_trains_leaves_nothing_twice_in_a_row(
    board, project, before
):
    for _ in range(2):
        number = board.submit(*run_job(project, "a", LONG)).id
        reported(board, number)
        board.cancel(number)
        board.cancel(number)
        job = wait(board, number)
        assert job.state == "cancelled" and job.progress.step >= 0 and job.progress.steps == 600
        nothing_left(board, number)
        assert unchanged(project, before)
    job = wait(board, board.submit(*run_job(project, "a", ["fit.x=2.0"])).id)
    assert job.state == "done" and names(project) == ["a"]


@slow
@pytest.mark.parametrize("after", [0.0, 0.5, 1.5])
def test_a_run_that_is_cancelled_while_dvc_starts_leaves_nothing(board, project, before, after):
    number = board.submit(*run_job(project, "a", LONG)).id
    board.tick()
    time.sleep(after)
    board.cancel(number)
    assert wait(board, number).state == "cancelled"
    assert board.job(number).progress.step is None or after > 0
    nothing_left(board, number)
    assert unchanged(project, before)


@slow
def test_a_stage_that_is_cancelled_leaves_nothing_and_runs_in_full_later(board, project):
    path = project / "params.yaml"
    quick = path.read_text()
    path.write_text(quick.replace("seconds: 0.0, epochs: 3", "seconds: 60.0, epochs: 600"))
    number = board.submit(*stage_job(project, "fit")).id
    reported(board, number)
    board.cancel(number)
    assert wait(board, number).state == "cancelled"
    nothing_left(board, number)
    path.write_text(quick)
    job = wait(board, board.submit(*reproduce_job(project)).id)
    assert job.state == "done" and job.progress.step == 2


@slow
def test_a_run_whose_supervisor_was_killed_is_lost_and_leaves_nothing(board, project, before):
    number = board.submit(*run_job(project, "a", LONG)).id
    reported(board, number)
    os.kill(supervisor(board, number), signal.SIGKILL)
    until(lambda: gone(supervisor(board, number)))
    assert inside(project) and left(project)
    assert wait(board, number).state == "lost"
    nothing_left(board, number)
    assert unchanged(project, before)


@slow
def test_a_run_whose_processes_were_all_killed_is_tidied_up(board, project):
    number = board.submit(*run_job(project, "a", LONG)).id
    reported(board, number)
    for each in [supervisor(board, number), *(each.pid for each in processes(board, number))]:
        os.kill(each, signal.SIGKILL)
    until(lambda: not inside(project))
    assert left(project) and listed(project), "DVC tidies up itself now"
    assert wait(board, number).state == "lost"
    nothing_left(board, number)


@pytest.fixture
def study(project, monkeypatch):
    """Of trials of a minute each by DVC."""
    monkeypatch.chdir(project)
    store = OptunaStore(project / ".studio" / "studies.journal")
    space = {"fit.x": {"low": 0.0, "high": 6.0}, "fit.seconds": 60.0, "fit.epochs": 600}
    return create(store, "s", settings(space=space, runner="dvc", n_trials=3, jobs=2))


def trials(study):
    return [trial.state for trial in Study(study.store, "s").trials()]


@slow
def test_a_study_is_run_as_a_job_and_its_best_trial_promoted(board, project, monkeypatch):
    monkeypatch.chdir(project)
    store = OptunaStore(project / ".studio" / "studies.journal")
    create(store, "s", settings(runner="dvc", n_trials=2, search_epochs=1))
    job = wait(board, board.submit(*study_job(store, "s")).id, seconds=120)
    assert job.state == "done", board.log_tail(job.id)
    assert "trial 1: " in board.log(job.id)[0] and names(project) == ["s-0000", "s-0001"]
    made = {}
    for name in ("s-best", "s-best-2"):
        job = wait(board, board.submit(*promote_job(store, "s")).id, seconds=120)
        assert job.state == "done" and name in names(project), board.log_tail(job.id)
        made[f"promoted {name}"] = job.id
    notes = Study(store, "s").notes
    assert {key: notes[key]["job"] for key in made} == made


@slow
def test_a_study_that_is_cancelled_ends_its_trials_and_leaves_nothing(
    board, project, study, before
):
    number = board.submit(*study_job(study.store, "s")).id
    until(lambda: board.tick() or any(trial.reports for trial in study.trials()))
    board.cancel(number)
    job = wait(board, number)
    assert (job.state, job.status) == ("cancelled", 130), board.log_tail(number)
    assert set(trials(study)) == {"cancelled"} and "interrupted" in board.log_tail(number)
    nothing_left(board, number)
    assert unchanged(project, before)


@slow
@pytest.mark.parametrize("after", [0.3, 3.0])
def test_a_study_that_is_cancelled_while_it_starts_leaves_nothing(
    board, project, study, before, after
):
    number = board.submit(*study_job(study.store, "s")).id
    board.tick()
    time.sleep(after)
    board.cancel(number)
    assert wait(board, number).state == "cancelled"
    assert set(trials(study)) <= {"cancelled"}
    nothing_left(board, number)
    assert unchanged(project, before)


@slow
def test_a_study_whose_supervisor_was_killed_ends_its_trials_itself(board, project, study):
    number = board.submit(*study_job(study.store, "s")).id
    until(lambda: board.tick() or any(trial.reports for trial in study.trials()))
    os.kill(supervisor(board, number), signal.SIGKILL)
    until(lambda: gone(supervisor(board, number)))
    assert wait(board, number).state == "lost"
    assert set(trials(study)) == {"cancelled"}
    nothing_left(board, number)


@slow
def test_a_study_that_was_killed_with_its_supervisor_leaves_no_trial(board, project, study):
    number = board.submit(*study_job(study.store, "s")).id
    until(lambda: board.tick() or any(trial.reports for trial in study.trials()))
    search = [each for each in processes(board, number) if "studio" in each.cmdline()]
    assert len(search) == 1
    for each in [supervisor(board, number), search[0].pid]:
        os.kill(each, signal.SIGKILL)
    until(lambda: gone(supervisor(board, number)) and gone(search[0].pid))
    assert processes(board, number)
    assert wait(board, number).state == "lost"
    assert set(trials(study)) == {"failed"}
    nothing_left(board, number)


@slow
def test_a_study_that_was_killed_alone_leaves_no_trial_either(board, project, study):
    number = board.submit(*study_job(study.store, "s")).id
    until(lambda: board.tick() or any(trial.reports for trial in study.trials()))
    [search] = [each for each in processes(board, number) if "studio" in each.cmdline()]
    os.kill(search.pid, signal.SIGKILL)
    job = wait(board, number)
    assert (job.state, job.status) == ("failed", -signal.SIGKILL)
    assert set(trials(study)) == {"failed"}
    nothing_left(board, number)


@slow
@pytest.mark.parametrize("killed", [None, "first", "second"])
def test_promotions_of_one_study_beside_each_other_leave_each_other_alone(
    board, project, study, before, killed
):
    board.limit = 2
    for number, x in enumerate((2.0, 1.0)):
        values = {"fit.x": x, "fit.y": 2, "fit.seconds": 8.0, "fit.epochs": 8}
        study.store.begin("s", 3)
        study.store.update("s", number, values, {})
        study.store.finish("s", number, "complete", [-((x - 3) ** 2)], {})
    both = {}
    for number, name in enumerate(("s-best", "s-best-2")):
        both[name] = board.submit(*promote_job(study.store, "s", number)).id
        until(lambda: board.tick() or DvcRunner(project).traces.begun(name))
    if killed:
        lost = both.pop("s-best" if killed == "first" else "s-best-2")
        [ours] = [each for each in processes(board, lost) if "studio" in each.cmdline()]
        os.kill(ours.pid, signal.SIGKILL)
        assert wait(board, lost).state == "failed"
    for number in both.values():
        assert wait(board, number, seconds=120).state == "done", board.log_tail(number)
    assert sorted(names(project)) == sorted(both) and left(project) == []
    assert unchanged(project, before) and not listed(project)


@slow
def test_the_users_own_run_of_the_name_goes_on_beside_a_job_that_is_refused(board, project, before):
    order = run_job(project, "a", ["fit.x=2.0"])
    words = ["dvc", "exp", "run", "--temp", "-n", "a", "-S", "fit.seconds=12.0", "-S", "fit.x=1.5"]
    user = subprocess.Popen(words, cwd=project, env=environment(), stdout=subprocess.DEVNULL)
    until(lambda: dvc.fits(project))
    with pytest.raises(StudioError, match="there is an experiment 'a' already"):
        run_job(project, "a", ["fit.x=2.0"])
    job = wait(board, board.submit(*order).id)
    assert job.state == "failed" and "there is an experiment 'a' already" in job.error
    assert user.poll() is None and user.wait(60) == 0
    found = json.loads(DvcRunner(project).read("a", "out.json"))["deep"]
    assert found["x"] == 1.5 and unchanged(project, before)


@slow
@pytest.mark.parametrize("killed", [False, True])
def test_a_promotion_that_is_cancelled_or_killed_leaves_nothing(
    board, project, study, before, killed
):
    study.store.begin("s", 3)
    study.store.update("s", 0, {"fit.x": 2.0, "fit.seconds": 60.0, "fit.epochs": 600}, {})
    study.store.finish("s", 0, "complete", [-1.0], {})
    number = board.submit(*promote_job(study.store, "s")).id
    until(lambda: board.tick() or DvcRunner(project).traces.begun("s-best"))
    if killed:
        [ours] = [each for each in processes(board, number) if "studio" in each.cmdline()]
        os.kill(ours.pid, signal.SIGKILL)
    else:
        board.cancel(number)
    assert wait(board, number).state == ("failed" if killed else "cancelled")
    nothing_left(board, number)
    assert unchanged(project, before)
