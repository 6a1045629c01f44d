"""A real PostgreSQL as the store: several hosts share a study, and each of them may be gone."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import pytest

from studio import search
from studio import store as stores
from studio.errors import StudioError
from studio.optuna_store import OptunaStore
from studio.runners.local import ProcessRunner
from studio.search import Search
from studio.stale import fail_stale
from studio.study import Study
from studio.trials import Trial

from . import test_cli, test_search, test_stores
from .conftest import inside, until
from .test_search import FORK, Formula, made, numbers, states

pytestmark = pytest.mark.slow

psycopg = pytest.importorskip(
    "psycopg", reason="the driver of PostgreSQL is not installed; pip install 'psycopg[binary]'"
)

PASSWORD = "geh@im/w:rt%"
SHARE = {"fit.x": {"low": 0.0, "high": 6.0}, "fit.seconds": 0.1}

place, quick = test_cli.place, test_search.quick
studio, refused, plugins = test_cli.studio, test_cli.refused, test_cli.plugins

test_created_once = test_stores.test_a_study_is_created_once_and_found_by_its_name
test_unknown = test_stores.test_an_unknown_study_is_refused_with_the_known_ones_whatever_is_done
test_types = test_stores.test_values_of_every_type_come_back_as_they_were
test_ways_to_end = test_stores.test_each_way_to_end_is_told_apart
test_notes = test_stores.test_notes_are_merged_and_reports_replaced
test_after_the_end = test_stores.test_what_is_said_of_a_trial_after_its_end_does_not_count
test_study_notes = test_stores.test_notes_of_a_study_are_kept_beside_its_settings
test_numbers = test_stores.test_numbers_are_claimed_in_order_up_to_the_limit
test_half_created = test_stores.test_a_study_whose_creation_was_killed_is_not_there


def programs():
    """Where PostgreSQL's programs are: on the path, or at Debian's place; the newest."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    places = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    found = max(places, key=lambda path: float(path.parts[-3]), default=None)
    if found is None:
        pytest.skip("PostgreSQL is not installed; apt-get install postgresql")
    return found.parent


class Server:
    """A private one, on a port of its own."""

    def __init__(self, folder):
        self.folder, self.programs = folder, programs()
        self.who, self.process, secret = {}, None, folder / "password"
        secret.write_text(PASSWORD)
        if os.geteuid() == 0:  # whom it does not serve
            known = {user.pw_name: user for user in pwd.getpwall()}
            user = known.get("postgres") or known["nobody"]
            self.who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            for path in (folder, secret):
                os.chown(path, user.pw_uid, user.pw_gid)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        words = "-D data -U studio -A scram-sha-256 --pwfile password -E UTF8 --no-locale --no-sync"
        self.call("initdb", *words.split()).wait()

    def call(self, program, *words):
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [self.programs / program, *words],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self.who,
            )

    def start(self):
        given = "fsync=off", "listen_addresses=127.0.0.1", "unix_socket_directories="
        options = [word for each in given for word in ("-c", each)]
        self.process = self.call("postgres", "-D", "data", "-p", str(self.port), *options)
        until(self.answers)

    def answers(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def execute(self, command):
        url = self.url("postgres").replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(command)

    def stop(self, number=signal.SIGINT):
        """Orderly, and whoever is connected is sent away; with SIGQUIT as if it had crashed."""
        self.process.send_signal(number)
        try:
            self.process.wait(20)
        finally:
            self.process.kill()

    def url(self, database):
        password = quote(PASSWORD, safe="")
        return f"postgresql+psycopg://studio:{password}@127.0.0.1:{self.port}/{database}"


@pytest.fixture(scope="module")
def server():
    """It runs while the tests of this file do."""
    with tempfile.TemporaryDirectory(prefix="studio-postgresql-") as folder:
        made = Server(Path(folder))
        try:
            made.start()
            made.execute("CREATE DATABASE made")
            first = FORK.Process(target=OptunaStore, args=(made.url("made"),))
            first.start()  # who is connected to it while it is copied would be in the way
            first.join()
            yield made
        finally:
            made.stop(signal.SIGQUIT)


@pytest.fixture
def url(server, tmp_path):
    """Of a database without studies."""
    if server.process.poll() is not None:  # a test has stopped it
        server.start()
    name = f"test{time.monotonic_ns()}"
    server.execute(f"CREATE DATABASE {name} TEMPLATE made")
    return server.url(name)


@pytest.fixture
def store(url):
    """An empty store, which knows its URL as others know their file."""
    made = OptunaStore(url)
    made.path = url
    return made


@pytest.fixture
def reader(url):
    """Opens the store that is read: as another process would."""
    return lambda: OptunaStore(url)


@pytest.fixture
def forked():
    """Runs a function in a process of its own, which ends with the test."""
    started = []

    def start(function, *words):
        def main():
            function(*words)
            os._exit(0)

        started.append(FORK.Process(target=main))
        started[-1].start()
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.join()


@pytest.fixture
def host(forked, url, project, parabola, tmp_path):
    """A host of that name, which searches, one trial at a time."""

    def searching(name, kind):
        socket.gethostname = lambda: name
        runner = kind(parabola, project)
        runner.folder = tmp_path / name
        Search(Study(OptunaStore(url), "s"), runner, runner.folder / "logs").run(1)

    yield lambda name, kind=ProcessRunner: forked(searching, name, kind)
    for process in inside(tmp_path / "one") + inside(tmp_path / "two"):
        os.kill(process, signal.SIGKILL)


def hosts(trials):
    return Counter(trial.notes["owner"]["host"] for trial in trials)


def of_their_own(trials):
    """Whether no two trials try the same."""
    return len({trial.values["fit.x"] for trial in trials}) == len(trials)


def test_numbers_come_back_to_the_last_digit(store, reader):
    scores = [0.1 + 0.2, 2 / 3, -1e-05, 5e-324, 1.7976931348623157e308, 123456789.123456789, -7.0]
    test_stores.created(store, n_trials=len(scores))
    for number, score in enumerate(scores):
        assert store.begin("s", len(scores)) == number
        store.update("s", number, {"rate": 1e-05 + number / 1e7, "share": score}, {"was": score})
        store.report("s", number, 2**31 - 1, score)
        store.finish("s", number, "complete", [score], {})
    assert reader().trials("s") == [
        Trial(
            number,
            {"rate": 1e-05 + number / 1e7, "share": score},
            "complete",
            (score,),
            {2**31 - 1: score},
            {"was": score},
        )
        for number, score in enumerate(scores)
    ]


def test_several_processes_claim_each_number_once_and_none_beyond_the_limit(
    store, url, forked, tmp_path
):
    names, together = [f"s{number}" for number in range(5)], FORK.Barrier(3)
    for name in names:
        test_stores.created(store, name, n_trials=4)

    def claim(file):
        mine = OptunaStore(url)
        with file.open("w") as claimed:
            for name in names:
                together.wait(20)
                while (number := mine.begin(name, 4)) is not None:
                    mine.update(name, number, {"layers": number}, {})
                    mine.finish(name, number, "complete", [number / 7], {})
                    print(name, number, file=claimed, flush=True)

    files = [tmp_path / str(number) for number in range(3)]
    for each in [forked(claim, file) for file in files]:
        each.join(30)
        assert each.exitcode == 0
    claimed = [file.read_text().splitlines() for file in files]
    assert sorted(sum(claimed, [])) == [f"{name} {number}" for name in names for number in range(4)]
    assert sum(map(bool, claimed)) > 1, "they did not run side by side"
    for name in names:
        assert store.trials(name) == [
            Trial(number, {"layers": number}, "complete", (number / 7,)) for number in range(4)
        ]


def test_two_hosts_share_the_trials_of_a_study(store, host, tmp_path):
    study = made(store, space=SHARE, n_trials=12)
    for each in [host("one"), host("two")]:
        each.join(60)
        assert each.exitcode == 0
    trials = study.trials()
    assert numbers(study) == list(range(12)) and states(study) == {"complete": 12}
    assert of_their_own(trials)
    assert all(trial.scores == (-((trial.values["fit.x"] - 3) ** 2),) for trial in trials)
    shares = {name: len(list((tmp_path / name / "logs").glob("*.log"))) for name in ("one", "two")}
    assert hosts(trials) == shares and sum(shares.values()) == 12 and min(shares.values()) > 0


class Hanging(ProcessRunner):
    """Its second trial takes long."""

    def run(self, name, values, log, watch):
        return super().run(
            name, values | ({"fit.seconds": 60.0} if name == "s-0001" else {}), log, watch
        )


def test_when_a_host_dies_the_other_one_goes_on_and_misses_it_after_a_long_silence(
    store, host, tmp_path, monkeypatch
):
    study = made(store, space=SHARE, n_trials=7)
    one = host("one", Hanging)
    until(lambda: len(study.trials()) == 2 and "process" in study.trials()[1].notes)
    two = host("two")
    until(lambda: states(study)["complete"] >= 2)
    one.kill()
    one.join()
    os.killpg(study.trials()[1].notes["process"]["group"], signal.SIGKILL)
    assert len(study.trials()) < 7, "the other one was ready before"
    two.join(60)
    assert two.exitcode == 0
    before = study.trials()
    assert [trial.state for trial in before] == ["complete", "running"] + ["complete"] * 5
    assert hosts(before) == {"one": 2, "two": 5}

    runner, logs = Formula(), tmp_path / "logs"
    monkeypatch.setattr(socket, "gethostname", lambda: "two")
    Search(study, runner, logs).run(1)
    silence = time.time() - before[1].notes["owner"]["seen"]
    monkeypatch.setattr(stores, "SILENCE", silence + 60.0)
    assert fail_stale(study, runner) == [] and study.trials() == before
    monkeypatch.setattr(stores, "SILENCE", silence)
    Search(study, runner, logs).run(1)
    after = study.trials()
    assert after[1].state == "failed" and "the search was killed" in after[1].notes["tail"]
    assert [after[0], *after[2:]] == [before[0], *before[2:]] and of_their_own(after)
    assert runner.made == {} and runner.discarded == ["s-0001"]


def test_the_command_line_keeps_its_studies_there(studio, url, project):
    there = ("--storage", url)
    studio("create", "s", *test_cli.CHEAP, "--n-trials", 4, "--seed", 3, *there)
    assert studio("status", *there) == "s: 0 of 4 trials\n"
    said = studio("run", "s", "--jobs", 2, *there).splitlines()
    assert len(said) == 5 and said[4].startswith("s: 4 of 4 trials: 4 complete; best ")
    trials = studio("export", "s", "--json", *there)
    assert [trial["number"] for trial in trials] == [0, 1, 2, 3]
    scores = [-((t["values"]["fit.x"] - 3) ** 2) - (t["values"]["fit.y"] - 2) ** 2 for t in trials]
    assert [trial["scores"] for trial in trials] == [[score] for score in scores]
    [best] = studio("best", "s", "--json", *there)
    assert best["scores"] == [max(scores)]
    assert studio("status", "s", "--json", *there)["states"]["complete"] == 4
    assert studio("status") == "no study yet; studio study create NAME\n"
    assert all(b"geh" not in file.read_bytes() for file in project.rglob("*") if file.is_file())


def test_a_database_that_cannot_be_opened_is_one_sentence_without_the_password(
    server, url, refused
):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = free.getsockname()[1]
    for wrong, reason in (
        (url.replace(f":{server.port}/", f":{closed}/"), "refused"),
        (url.replace("test", "none"), '"none[0-9]+" does not exist'),
        (url.replace("studio:", "studio:x"), 'authentication failed for user "studio"'),
        (url.replace("geh%40im", "geh@im"), "its URL cannot be read; .*'%40' for '@'"),
        (url.replace("geh%40im", "geh@im").replace("%2F", "/"), "its URL cannot be read"),
        ("postgresql+psycopg://studio:geheim", "its URL cannot be read"),
        (url.replace("psycopg", "none"), "Can't load plugin"),
    ):
        status, said = refused("status", "--storage", wrong)
        assert status == 1 and said.startswith("error: cannot open the storage of the studies: ")
        with pytest.raises(StudioError, match=reason):
            stores.open_store(wrong)
        assert "\n" not in said
        assert not any(part in said for part in ("geh", "im/", "w:rt", "w%3Art", "sqlalche.me"))


def test_what_the_database_cannot_take_is_one_sentence(store):
    reason = "the storage of the studies fails: value too long for type character varying.512."
    with pytest.raises(StudioError, match=f"^{reason}$"):
        test_stores.created(store, "s" * 600)
    assert store.names() == []


def test_a_run_whose_server_stops_ends_with_one_sentence_and_goes_on_later(
    request, studio, url, server, plugins, project
):
    there, runs = ("--storage", url), project / ".studio" / "runs"
    slow = ("--set", "fit.seconds=60.0", "fit.epochs=600", "--jobs", "2", "--n-trials", "4")
    studio("create", "s", *test_cli.CHEAP, *slow, *there)
    study = Study(OptunaStore(url), "s")
    run = test_cli.started(plugins, "run", "s", *there)
    request.addfinalizer(run.terminate)
    until(lambda: sum(bool(trial.reports) for trial in study.trials()) == 2)
    assert len(inside(runs)) == 2
    server.stop()
    said, errors = run.communicate(timeout=10)
    assert (run.returncode, said) == (1, "")
    assert errors.startswith("error: the storage of the studies fails: ")
    assert errors.count("\n") == 1 and "geh" not in errors
    assert inside(runs) == []
    server.start()
    assert [trial.state for trial in Study(OptunaStore(url), "s").trials()] == ["running"] * 2
    text = (project / "fit.py").read_text()
    (project / "fit.py").write_text(text.replace('range(params["epochs"])', "()"))
    found = studio("run", "s", "--json", *there)["states"]
    assert (found["failed"], found["complete"], sum(found.values())) == (2, 2, 4)


def test_a_search_whose_trials_report_nothing_misses_the_server_with_its_next_sign_of_life(
    store, server, monkeypatch, tmp_path
):
    monkeypatch.setattr(search, "HEARTBEAT", 0.05)
    study, runner = made(store, n_trials=4), Formula(steps=0)
    runner.wait.clear()

    def crash():
        until(lambda: sum("process" in trial.notes for trial in study.trials()) == 2)
        server.stop(signal.SIGQUIT)

    crashing = Thread(target=crash)
    crashing.start()
    with pytest.raises(StudioError, match="the storage of the studies fails: "):
        Search(study, runner, tmp_path / "logs").run(2)
    crashing.join()
    assert len(runner.made) == 2
