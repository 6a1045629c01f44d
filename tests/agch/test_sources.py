"""Where a source is looked for, and what is said when it is not there."""

from pathlib import Path

import pytest

from agch import sources
from agch.errors import InputError
from agch.published_files import Remote
from agch.schema import ParamsError, parse
from agch.sources import SOURCES, DataParams, SourceError, fetch, location, open_source


def data(source="openclipart", path=None, **changes):
    """Section `data`."""
    values = {"min_items": 1, "stop_words": [], "counts": "published"} | changes
    return parse(DataParams, {"source": source, "path": path} | values, "data")


def test_a_path_comes_first_then_the_repository_then_the_folder_of_the_environment(monkeypatch):
    monkeypatch.setenv("AGCH_DATA", "/archives")
    assert location(data(path="~/here.zip")) == Path("~/here.zip").expanduser()
    assert location(data()) == Path("data/openclipart/openclipart.zip")
    assert location(data("mirflickr25k")) == Path("/archives/mirflickr25k")
    monkeypatch.delenv("AGCH_DATA")
    assert location(data("mirflickr25k")) == Path("~/.cache/agch/mirflickr25k").expanduser()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "openclip"}, "unknown 'openclip'; did you mean 'openclipart'?"),
        ({"source": "folder"}, "source 'folder' needs data.path, where your data lies"),
        ({"source": "features"}, "source 'features' needs data.path"),
        ({"path": ""}, "path: String should have at least 1 character"),
        ({"stop_words": "german"}, "must be english, or a list of words, .* got 'german'"),
        ({"stop_words": [1]}, r"must be english, or a list of words, .* got \[1\]"),
    ],
)
def test_wrong_parameters_are_told(changes, message):
    with pytest.raises(ParamsError, match=message):
        data(**changes)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (data(path="/none/a.zip"), "^/none/a.zip: No such .*'openclipart'; correct data.path$"),
        (data(path="a.zip"), "^a.zip: .*; correct data.path; under --temp, .* absolute data.path$"),
        (data("openmoji"), "^data/openmoji/openmoji.zip: .*; restore it, or run the build.py "),
        (data(path="~nobody-here/a.zip"), "^~nobody-here/a.zip: No such file"),
        (data(path="/" + 300 * "a"), "^/a+: File name too long, .*; correct data.path$"),
        (data("nuswide"), "/none/nuswide: No .*put its files there, or name their place in .*path"),
    ],
)
def test_a_source_that_is_not_there_is_told_with_the_remedy(params, message, monkeypatch, tmp_path):
    monkeypatch.setenv("AGCH_DATA", "/none")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=message):
        fetch(params)
    assert issubclass(SourceError, InputError)


def test_what_the_owners_publish_is_obtained_into_the_location(monkeypatch, tmp_path):
    remotes = [Remote(f"http://h/{n}.zip", f"{n}.zip", 1, None, "free") for n in "ab"]
    asked = []
    monkeypatch.setattr(SOURCES["mirflickr25k"], "remotes", remotes)
    monkeypatch.setattr(sources, "obtain", lambda remote, path: asked.append((remote.name, path)))
    assert fetch(data("mirflickr25k", str(tmp_path))) == tmp_path
    assert asked == [("a.zip", tmp_path), ("b.zip", tmp_path)]


def test_what_is_there_is_taken_as_it_is_where_any_counts_do(monkeypatch, tmp_path):
    remotes = [Remote(f"http://h/{n}.zip", f"{n}.zip", 1, None, "free") for n in "ab"]
    asked = []
    monkeypatch.setattr(SOURCES["mirflickr25k"], "remotes", remotes)
    monkeypatch.setattr(sources, "obtain", lambda remote, path: asked.append(remote.name))
    (tmp_path / "a.zip").write_bytes(b"of another release")
    fetch(data("mirflickr25k", str(tmp_path), counts="any"))
    assert asked == ["b.zip"]


def test_the_default_opens_under_its_name():
    if not Path("data/openclipart/openclipart.zip").is_file():
        pytest.skip("the tests run elsewhere than in the repository")
    assert open_source(data()).name == "openclipart"


def test_every_source_is_listed_under_its_name_and_says_its_licence():
    assert all(name == source.name and source.licence for name, source in SOURCES.items())
