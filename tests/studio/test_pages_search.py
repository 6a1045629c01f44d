"""Pages of the search, over three pictures; and which runs can be searched."""

from __future__ import annotations

import io
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from studio.adapters import Adapter
from studio.errors import StudioError
from studio.runs.files import RunFiles
from studio.runs.store import RunStore
from studio.runs.trees import Commit
from studio.web.app import make_app
from studio.web.demos import OPEN, Demos

from .pictures import HERE, Searchable, ThreePictures, project_of
from .runs_repository import call, experiment


@pytest.fixture
def project(tmp_path, tmp_path_factory, monkeypatch):
    return project_of(tmp_path, tmp_path_factory.getbasetemp(), monkeypatch, True)


@pytest.fixture
def client(project):
    return TestClient(make_app(project), base_url=HERE)


def ranks(text):
    return re.findall(r"<strong>(\d+)\. no", text)


def picture():
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    return {"picture": ("../../a.png", file.getvalue(), "image/png")}


def test_without_a_query_the_page_says_what_one_could_ask_for(client):
    text = client.get("/search").text
    assert "Try <a href=" in text and ">black cat</a>" in text and ranks(text) == []
    assert "3 items of made here (free); none" in text
    assert '<option value="blue sky">' in text


def test_words_find_pictures_nearest_first(client):
    text = client.get("/search?words=black cat&k=2").text
    assert ranks(text) == ["1", "2"] and "Searched for: black cat." in text
    assert "0 of 3, similarity 1.00" in text and "1 of 3, similarity 0.67" in text
    assert 'src="/search/pictures/0?run=workspace"' in text


def test_words_that_are_not_known_are_refused_with_the_reason(client):
    for words in ("zebra", ""):
        answer = client.get(f"/search?words={words}")
        assert answer.status_code == 400 and ranks(answer.text) == []
        assert f"no word of &#39;{words}&#39; is known" in answer.text


def test_a_picture_of_ones_own_finds_items_by_their_words(client):
    answer = client.post("/search/picture", files=picture(), data={"k": "1", "choice": "short"})
    assert ranks(answer.text) == ["1"] and '<option value="short" selected>' in answer.text
    wrong = client.post("/search/picture", files={"picture": ("a.png", b"no picture")})
    assert 'role="alert"' in wrong.text and ranks(wrong.text) == []
    assert client.post("/search/picture", data={"k": "1"}).status_code == 422


def test_an_item_finds_others_and_its_picture_is_served_by_number(client):
    text = client.get("/search/items/1?k=3").text
    assert ranks(text) == ["1", "2", "3"] and "words fit the picture of item 1" in text
    assert "towards=pictures" in text
    assert client.get("/search/items/9").status_code == 404
    found = client.get("/search/pictures/2")
    assert (found.content, found.headers["content-type"]) == (b"GIF89a", "image/gif")
    assert "max-age=60" in found.headers["cache-control"]  # the working tree may be built anew
    assert client.get("/search/pictures/3").status_code == 404


@pytest.mark.parametrize("path", ["/search/pictures", "/api/v1/search/pictures"])
def test_a_picture_is_kept_for_long_only_where_its_address_names_a_commit(client, path):
    run = client.app.state.site.runs.run("main").id
    for name, seconds in (("main", 60), ("two", 60), ("workspace", 60), (run, 86400)):
        kept = client.get(f"{path}/2?run={name}").headers["cache-control"]
        assert kept == f"private, max-age={seconds}", name


def test_a_run_that_is_asked_for_by_name_stays_the_one_that_is_searched(client, monkeypatch):
    monkeypatch.setattr(Searchable, "demo_files", ("models/whole.bin",))
    run = client.app.state.site.runs.run("two").id
    data = {"run": "two"}
    for text in (
        client.get("/search?run=two").text,
        client.get("/search?run=two&words=blue sky").text,
        client.get("/search/items/1?run=two").text,
        client.post("/search/picture", files=picture(), data=data).text,
    ):
        assert f'<option value="{run}" selected>two</option>' in text
        assert f'name="run" value="{run}"' in text
        links = re.findall(r"[?;]run=(\w+)", text)
        assert links and {*links} == {run}


def test_what_cannot_be_searched_is_said_in_a_sentence(client, project, monkeypatch):
    answer = client.get("/search?run=none")
    assert answer.status_code == 404 and "no run &#39;none&#39;" in answer.text
    assert "<h1>Search</h1>" in answer.text
    monkeypatch.setattr("studio.web.site.list_adapters", lambda: [])
    text = TestClient(make_app(project), base_url=HERE).get("/search").text
    assert "no adapter knows the model of this project" in text and "Build the index" not in text


class Files(Adapter):
    """An adapter that reads two outputs and the parameters, and keeps what it was given."""

    demo_files = ("params.yaml", "models/whole.bin", "models/parts")

    def search_ranges(self):
        return {}

    def demo(self, folder, project):
        self.told = folder, project
        self.given = {
            str(path.relative_to(folder)): path.read_text()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and folder.name != "project"
        }
        return ThreePictures()


def test_a_run_is_searched_in_a_copy_of_its_own_files(project):
    runs, adapter = RunStore(project), Files()
    demos = Demos(project, RunFiles(project))
    found = runs.runs()
    assert [run.name for run in demos.runs(found, adapter)] == ["workspace", "main", "two"]
    demo = demos.of(runs.run("two"), adapter)
    assert adapter.given["models/whole.bin"] == "whole 2.0"
    assert (
        adapter.given["models/parts/a"] == "part 2.0" and "x: 2.0" in adapter.given["params.yaml"]
    )
    assert set(adapter.given) == {"params.yaml", "models/whole.bin"} | {
        f"models/parts/{name}" for name in "ab"
    }
    assert demos.of(runs.run("two"), adapter) is demo
    assert [path.name for path in demos.folder.iterdir()] == [runs.run("two").id]


def test_a_run_of_which_the_cache_lacks_something_is_not_offered(project):
    runs, demos = RunStore(project), Demos(project, RunFiles(project))
    digest = next(out.digest for out in runs.run("two").outs if out.path == "models/whole.bin")
    (project / ".dvc/cache/files/md5" / digest[:2] / digest[2:]).unlink()
    assert [run.name for run in demos.runs(runs.runs(), Files())] == ["workspace", "main"]
    with pytest.raises(StudioError, match="not in cache"):
        demos.of(runs.run("two"), Files())
    assert [*demos.folder.iterdir()] == []


def test_a_run_whose_pipeline_does_not_make_all_that_is_needed_is_not_offered(project):
    (project / "dvc.yaml").write_text(
        (project / "dvc.yaml").read_text().replace("models/whole.bin, ", "")
    )
    lock = (project / "dvc.lock").read_text()
    whole = re.search(r"    - path: models/whole.bin\n(?:      .*\n)+", lock)[0]
    older = {"dvc.yaml": (project / "dvc.yaml").read_text(), "dvc.lock": lock.replace(whole, "")}
    call(project, "git", "checkout", "-q", "--", ".")
    experiment(project, "older", older)
    runs, demos = RunStore(project), Demos(project, RunFiles(project))
    assert runs.run("older").outs
    assert [run.name for run in demos.runs(runs.runs(), Files())] == ["workspace", "main", "two"]


def test_two_servers_that_open_a_run_at_once_both_have_it(project, monkeypatch):
    def slow(tree, path):
        time.sleep(0.05)
        return read(tree, path)

    read = Commit.read
    monkeypatch.setattr(Commit, "read", slow)
    run, adapters = RunStore(project).run("two"), [Files(), Files(), Files()]
    servers = [Demos(project, RunFiles(project)) for _ in adapters]
    with ThreadPoolExecutor() as pool:
        assert all(pool.map(lambda demos, each: demos.of(run, each), servers, adapters))
    assert [len(each.given) for each in adapters] == [4, 4, 4]
    assert [path.name for path in servers[0].folder.iterdir()] == [run.id]


def test_a_demo_of_a_copy_is_told_of_which_project_it_is(project):
    runs, demos, adapter = RunStore(project), Demos(project, RunFiles(project)), Files()
    demos.of(runs.run("workspace"), adapter)
    assert adapter.told == (project, project)
    run = runs.run("two")
    demos.of(run, adapter)
    assert adapter.told == (demos.folder / run.id, project)


def test_only_the_last_demos_stay_open(project):
    runs, demos, adapter = RunStore(project), Demos(project, RunFiles(project)), Files()
    first = demos.of(runs.run("workspace"), adapter)
    for stamp in range(OPEN):
        demos._open[("other", stamp)] = ThreePictures()
    demos.of(runs.run("main"), adapter)
    assert len(demos._open) == OPEN
    assert demos.of(runs.run("workspace"), adapter) is not first
