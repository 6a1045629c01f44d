"""Model files whose bytes depend on the content alone, and checkpoints that never mislead."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import agch
from agch import checkpoint
from agch.checkpoint import Checkpoint, load, run_key, save
from agch.errors import InputError

CONTENT = {"weights": {"a": torch.arange(6.0).reshape(2, 3)}, "epoch": 3, "rates": [0.1, 0.2]}
PARAMS = {"bits": 8, "learning_rate": {"image": 0.1}, "device": "cpu"}


def inputs(folder, *contents):
    paths = [folder / f"input{n}" for n in range(len(contents))]
    for path, content in zip(paths, contents):
        path.write_text(content)
    return paths


def clock(monkeypatch):
    """The checkpoint's clock as a list of one number, to be set by hand."""
    now = [1000.0]
    monkeypatch.setattr(checkpoint, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def saves_that_last(seconds, now, monkeypatch):
    """Every save moves the clock on by so many seconds."""

    def slowly(path, content):
        now[0] += seconds
        save(path, content)

    monkeypatch.setattr(checkpoint, "save", slowly)


def test_what_is_saved_is_loaded(tmp_path):
    save(tmp_path / "new" / "model.pt", CONTENT)
    content = load(tmp_path / "new" / "model.pt", "train")
    assert torch.equal(content["weights"]["a"], CONTENT["weights"]["a"])
    assert (content["epoch"], content["rates"]) == (3, [0.1, 0.2])


def test_bytes_do_not_depend_on_the_name_of_the_file(tmp_path):
    save(tmp_path / "a.pt", CONTENT)
    save(tmp_path / "another_name.pt", CONTENT)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "another_name.pt").read_bytes()


def test_save_leaves_no_other_file(tmp_path):
    save(tmp_path / "a.pt", CONTENT)
    save(tmp_path / "a.pt", CONTENT)
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def test_absent_file_is_named_with_the_stage_that_makes_it(tmp_path):
    with pytest.raises(InputError, match=r"model\.pt not found; make it with `dvc repro train`"):
        load(tmp_path / "model.pt", "train")


def whole(tmp_path):
    save(tmp_path / "whole.pt", CONTENT)
    return (tmp_path / "whole.pt").read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"no model at all",
        lambda data: b"\x80\x02.",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: bytes(len(data)),
    ],
    ids=["empty", "text", "pickle", "half", "almost whole", "zeros"],
)
def test_damaged_file_is_named_with_the_remedy(tmp_path, damage):
    path = tmp_path / "model.pt"
    path.write_bytes(damage(whole(tmp_path)))
    with pytest.raises(InputError, match=r"model\.pt cannot be read .*delete it and .*repro train"):
        load(path, "train")


def test_file_with_objects_other_than_data_is_refused(tmp_path):
    # unpickling an arbitrary class may run code
    torch.save({"where": Path("somewhere")}, tmp_path / "model.pt")
    with pytest.raises(InputError, match=r"model\.pt cannot be read"):
        load(tmp_path / "model.pt", "train")


def test_run_key_is_the_same_for_the_same_run(tmp_path):
    paths = inputs(tmp_path, "features", "split")
    reordered = dict(reversed(PARAMS.items()))
    assert run_key(PARAMS, paths) == run_key(reordered, paths)


@pytest.mark.parametrize(
    "changed",
    [
        PARAMS | {"bits": 16},
        PARAMS | {"learning_rate": {"image": 0.2}},
        PARAMS | {"device": "cuda"},
        PARAMS | {"more": 1},
    ],
)
def test_run_key_changes_with_a_parameter(tmp_path, changed):
    paths = inputs(tmp_path, "features", "split")
    assert run_key(changed, paths) != run_key(PARAMS, paths)


def test_run_key_changes_with_the_content_of_any_input(tmp_path):
    paths = inputs(tmp_path, "features", "split")
    keys = {run_key(PARAMS, paths)}
    for path in paths:
        path.write_text(path.read_text() + "!")
        keys.add(run_key(PARAMS, paths))
    assert len(keys) == 3


def test_run_key_does_not_depend_on_where_the_inputs_lie(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = (inputs(tmp_path / name, "features") for name in "ab")
    assert run_key(PARAMS, first) == run_key(PARAMS, second)


def test_run_key_changes_with_the_source_of_the_library(tmp_path, monkeypatch):
    source = tmp_path / "sources" / "some.py"
    source.parent.mkdir()
    source.write_text("x = 1\n")
    monkeypatch.setattr(agch, "__file__", str(tmp_path / "__init__.py"))
    before = run_key(PARAMS, [])
    source.write_text("x = 2\n")
    assert run_key(PARAMS, []) != before


def test_run_key_changes_with_the_version_of_torch(monkeypatch):
    before = run_key(PARAMS, [])
    monkeypatch.setattr(torch, "__version__", "0.0")
    assert run_key(PARAMS, []) != before


def test_nothing_saved_is_nothing_restored(tmp_path):
    assert Checkpoint(tmp_path, "key").restore() is None


def test_restores_what_another_run_of_the_same_key_saved(tmp_path):
    Checkpoint(tmp_path, "key").save({"epoch": 3})
    assert Checkpoint(tmp_path, "key").restore() == {"epoch": 3}
    assert Checkpoint(tmp_path, "other").restore() is None


def test_a_later_save_takes_the_place_of_an_earlier_one(tmp_path):
    saved = Checkpoint(tmp_path, "key")
    for epoch in (3, 4):
        saved.save({"epoch": epoch})
    assert saved.restore() == {"epoch": 4}
    assert [path.name for path in saved.path.parent.iterdir()] == ["last.pt"]


@pytest.mark.parametrize(
    ("lasts", "apart"),
    [(0.0, 5.0), (0.1, 5.0), (1 / 6, 5.0), (0.5, 15.0), (2.0, 60.0)],
)
def test_saves_are_apart_by_some_seconds_or_thirty_times_as_long_as_one_takes(
    tmp_path, monkeypatch, lasts, apart
):
    # the first is due after 5 s; the next so long after the end of the last
    assert (checkpoint.SECONDS_BETWEEN, checkpoint.LEAST_BETWEEN) == (5, 30)
    now, saved = clock(monkeypatch), Checkpoint(tmp_path, "key")
    saves_that_last(lasts, now, monkeypatch)
    last = None
    for epoch, wait in enumerate([5.0, apart, apart]):
        end = now[0]
        for waited, due in [(0.0, False), (wait - 0.01, False), (wait + 0.01, True)]:
            now[0] = end + waited
            saved.save_if_due(lambda: {"epoch": epoch})
            last = {"epoch": epoch} if due else last
            assert saved.restore() == last


def test_a_save_that_was_asked_for_moves_the_next_one_that_is_due(tmp_path, monkeypatch):
    now, saved = clock(monkeypatch), Checkpoint(tmp_path, "key")
    now[0] += 4
    saved.save({"epoch": 1})
    for seconds, last in [(4.9, 1), (5.1, 2)]:
        now[0] = 1004 + seconds
        saved.save_if_due(lambda: {"epoch": 2})
        assert saved.restore() == {"epoch": last}


def test_a_state_that_is_not_due_is_not_made(tmp_path, monkeypatch):
    now, saved = clock(monkeypatch), Checkpoint(tmp_path, "key")
    made = []
    for _ in range(3):
        saved.save_if_due(lambda: made.append(1) or {})
    now[0] += 5
    saved.save_if_due(lambda: made.append(1) or {})
    assert made == [1]


@pytest.mark.parametrize("content", [b"cut off", b""])
def test_damaged_checkpoint_is_reported_and_ignored(tmp_path, capsys, content):
    saved = Checkpoint(tmp_path, "key")
    saved.path.parent.mkdir()
    saved.path.write_bytes(content)
    assert saved.restore() is None
    warning = capsys.readouterr().out
    assert "warning" in warning and str(saved.path) in warning and "first epoch" in warning


def test_discard_removes_the_folder_of_the_run_alone(tmp_path):
    mine, other = Checkpoint(tmp_path, "key"), Checkpoint(tmp_path, "other")
    for saved in (mine, other):
        saved.save({"epoch": 3})
    mine.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    mine.discard()  # nothing there: no error
