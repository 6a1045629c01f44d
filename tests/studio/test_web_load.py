"""Many readers and writers of one server at once, while experiments come."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient

from studio import adapters
from studio.runs import store
from studio.web.app import make_app
from studio.web.site import Site

from .conftest import Parabola
from .runs_repository import experiment, head, repository, scores

pytestmark = pytest.mark.slow

HERE = "http://127.0.0.1"
THREADS, CHANGES = 8, 5
PAGES = (
    "/runs",
    "/runs?group=1",
    "/runs?starred=1",
    "/runs/two",
    "/runs/export?form=csv",
    "/compare?run=main&run=two",
    "/jobs",
    "/studies",
    "/search",
    "/api/v1/runs",
    "/api/v1/runs/two",
    "/api/v1/jobs",
)


@pytest.fixture
def project(tmp_path, tmp_path_factory, monkeypatch):
    folder = tmp_path / "project"
    shutil.copytree(repository(tmp_path_factory.getbasetemp()), folder)
    for number in range(THREADS):
        experiment(folder, f"own-{number}", scores(score=number))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(adapters, "entry_points", lambda **group: ())
    return folder


def at_once(work: Callable[[int], object]) -> list[object]:
    """What each of the threads gets; they begin together, and the first error is raised."""
    start = Barrier(THREADS)

    def begun(number: int) -> object:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begun, range(THREADS)))


def test_readers_are_answered_while_experiments_come(project):
    with TestClient(make_app(project), base_url=HERE) as client:

        def browse(number: int) -> None:
            for turn, path in enumerate(PAGES[number:] + PAGES[:number]):
                answer = client.get(path)
                assert answer.status_code == 200, f"{path}: {answer.text}"
                if number == 0:
                    experiment(project, f"new-{turn}", scores(score=turn), head(project))

        at_once(browse)
        runs = client.app.state.site.runs
        new = {f"new-{turn}" for turn in range(len(PAGES))}
        assert new <= {run.name for run in runs.fresh()}
        assert runs.stand().problem is None


def test_no_star_and_no_job_is_lost_when_many_come_at_once(project):
    with TestClient(make_app(project), base_url=HERE) as client:
        site = client.app.state.site
        site.board.limit = 0  # jobs wait: what they would do is not asked here
        names = {run.id: run.name for run in site.runs.fresh()}

        def change(number: int) -> list[str]:
            mine = []
            for _ in range(CHANGES):
                answer = client.post(f"/stars/own-{number}", follow_redirects=False)
                assert answer.status_code == 303, answer.text
                mine.append(site.board.submit("run", "nothing", ["true"]).id)
            return mine

        numbers = [each for mine in at_once(change) for each in mine]
        # an odd number of changes leaves each starred
        assert {names[each] for each in site.stars.ids()} == {f"own-{n}" for n in range(THREADS)}
        assert len({*numbers}) == len(numbers) == THREADS * CHANGES
        assert site.board.count() == len(numbers)


def test_the_first_readers_wait_for_one_list_that_is_made_once(project, monkeypatch):
    asked = []

    def collect(repo):
        asked.append(repo)
        return made(repo)

    made = store.collect
    monkeypatch.setattr(store, "collect", collect)
    with TestClient(make_app(project), base_url=HERE) as client:
        texts = at_once(lambda number: client.get("/runs/export?form=csv").text)
        assert len({*texts}) == 1 and len(asked) == 1


def test_a_search_that_is_slow_to_open_is_opened_once_for_all_who_ask(project):
    site, opened = Site(project, None), []

    class Slow(Parabola):
        demo_files = ()

        def demo(self, folder, project):
            opened.append(folder)
            time.sleep(0.2)
            return SimpleNamespace(samples=list)

    run = site.runs.run("workspace")
    found = at_once(lambda number: site.demos.of(run, Slow()))
    assert len({id(each) for each in found}) == 1 and opened == [project]
