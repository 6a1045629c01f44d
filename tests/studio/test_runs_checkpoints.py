"""Models in the cache: which there are, who has them, and that only unused ones go."""

from __future__ import annotations

import hashlib
import json

import pytest

from studio.errors import StudioError
from studio.runs import store
from studio.runs.cache import Cache
from studio.runs.checkpoints import Checkpoints
from studio.runs.listing import Listing, key
from studio.runs.model import Out, Run
from studio.runs.store import RunStore

from . import runs_repository
from .runs_repository import DVC_YAML, call, commit, copied, head, ref


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    return runs_repository.repository(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def listed(repository):
    return RunStore(repository).runs()


@pytest.fixture
def project(repository, tmp_path):
    return copied(repository, tmp_path)


@pytest.fixture
def runs(listed):
    """What DVC would say; tests change it."""
    return [*listed]


@pytest.fixture
def checkpoints(project, runs, monkeypatch):
    monkeypatch.setattr(
        store, "collect", lambda repo: Listing(key(repo, []), "now", (), tuple(runs))
    )
    cache = Cache(project)
    cache.folder = project / ".dvc" / "cache"
    return Checkpoints(RunStore(project), cache)


def digest(text):
    return hashlib.md5(text.encode()).hexdigest()


def place(project, name):
    return project / ".dvc" / "cache" / "files" / "md5" / name[:2] / name[2:]


def of(checkpoints, path, run):
    """The checkpoint that a run has at a path."""
    return next(
        each
        for each in checkpoints.listed()
        if path in each.paths and run in [user.name for user in each.runs]
    )


def everything(project):
    return {path for path in (project / ".dvc" / "cache").rglob("*") if path.is_file()}


def test_models_are_listed_with_size_place_and_all_that_have_them(project, checkpoints):
    found = {(each.paths, each.runs[-1].name): each for each in checkpoints.listed()}
    assert {*found} == {
        (("models/whole.bin",), "main"),
        (("models/whole.bin",), "two"),
        (("models/parts",), "main"),
        (("models/parts",), "two"),
    }
    whole = found[("models/whole.bin",), "two"]
    assert (whole.id, whole.size, whole.cached) == (digest("whole 2.0"), 9, True)
    assert whole.kept_by == () and [run.name for run in whole.runs] == ["two"]
    base = found[("models/whole.bin",), "main"]
    assert base.id == digest("whole 1.0") and base.kept_by == ("workspace", "main")
    place(project, whole.id).unlink()
    assert not of(checkpoints, "models/whole.bin", "two").cached


def test_artifacts_of_the_type_model_are_listed_wherever_they_are(project, runs, checkpoints):
    assert not any("curves" in each.paths for each in checkpoints.listed())
    artifacts = "artifacts:\n  a: {path: ./curves, type: model}\n  b: {path: fit.py, type: data}\n"
    (project / "dvc.yaml").write_text(DVC_YAML + artifacts)
    found = of(checkpoints, "curves", "workspace")
    assert [run.name for run in found.runs] == ["workspace"]  # others' dvc.yaml does not say so
    assert found.kept_by == ("workspace", "main")
    runs[1] = Run(commit(project, "more"), "main", "branch", outs=runs[1].outs)
    checkpoints.store.fresh()
    assert [run.name for run in of(checkpoints, "curves", "main").runs] == ["workspace", "main"]


def test_what_only_an_experiment_has_is_deleted_and_nothing_else(project, checkpoints):
    before = everything(project)
    model = of(checkpoints, "models/whole.bin", "two")
    assert checkpoints.delete(model.id) == 9
    assert before - everything(project) == {place(project, model.id)}
    assert not of(checkpoints, "models/whole.bin", "two").cached
    with pytest.raises(StudioError, match="models/whole.bin is not in cache; nothing to delete"):
        checkpoints.delete(model.id)


def test_of_a_folder_only_the_files_go_that_nothing_else_has(project, checkpoints):
    before = everything(project)
    model = of(checkpoints, "models/parts", "two")
    freed = checkpoints.delete(model.id)
    gone = before - everything(project)
    assert gone == {place(project, model.id), place(project, digest("part 2.0"))}
    assert place(project, digest("part of all")).exists()
    assert freed > len("part 2.0")
    call(project, "dvc", "status", "-q")


def test_a_file_of_a_folder_that_a_run_has_alone_stays(project, runs, checkpoints):
    alone = Out("elsewhere", digest("part 2.0"), 8, "output")
    runs.append(Run("3" * 40, "three", "experiment", outs=[alone]))
    checkpoints.delete(of(checkpoints, "models/parts", "two").id)
    assert place(project, digest("part 2.0")).exists()


@pytest.mark.parametrize("kind", ["branch", "commit", "workspace"])
def test_what_another_than_an_experiment_has_is_kept_even_if_it_is_no_model_there(
    project, runs, checkpoints, kind
):
    model = Out("data.bin", digest("whole 2.0"), 9, "output")
    runs.append(Run(head(project), "other", kind, outs=[model]))
    before = everything(project)
    with pytest.raises(StudioError, match="models/whole.bin is kept for other"):
        checkpoints.delete(model.digest)
    assert everything(project) == before


def test_what_an_older_commit_of_a_branch_has_is_kept(project, runs, checkpoints):
    call(project, "git", "cherry-pick", "-n", ref(project, "two"))
    older = commit(project, "as two")
    call(project, "git", "revert", "--no-edit", "HEAD")
    assert digest("whole 2.0") not in (project / "dvc.lock").read_text()
    with pytest.raises(StudioError, match="is kept for commit"):
        checkpoints.delete(digest("whole 2.0"))
    call(project, "git", "reset", "-q", "--hard", f"{older}^")
    checkpoints.delete(digest("whole 2.0"))


def test_while_an_experiment_runs_or_waits_nothing_is_deleted(project, runs, checkpoints):
    before = everything(project)
    for state in ("running", "queued"):
        runs.append(Run("3" * 40, "busy", "experiment", state=state))
        with pytest.raises(StudioError, match="busy may need it"):
            checkpoints.delete(digest("whole 2.0"))
        call(project, "git", "commit", "-q", "--allow-empty", "-m", "so that it is listed anew")
        runs.pop()
    assert everything(project) == before


@pytest.mark.parametrize(
    "name",
    ["", "0" * 32, "../../../dvc.yaml", "/etc/passwd", digest("part of all"), "*", ".."],
)
def test_only_what_is_listed_is_deleted(project, checkpoints, name):
    before = everything(project)
    with pytest.raises(StudioError, match="no checkpoint .* is listed; 4 are"):
        checkpoints.delete(name)
    assert everything(project) == before and (project / "dvc.yaml").exists()


def test_an_evil_list_of_a_folder_deletes_nothing_outside_of_the_cache(project, checkpoints):
    model = of(checkpoints, "models/parts", "two")
    evil = place(project, model.id)
    evil.chmod(0o644)
    evil.write_text(json.dumps([{"md5": "../../../../dvc.yaml", "relpath": "a"}]))
    checkpoints.delete(model.id)
    assert (project / "dvc.yaml").exists() and not evil.exists()


def test_where_a_list_of_a_folder_is_damaged_nothing_is_deleted(project, checkpoints):
    damaged = place(project, of(checkpoints, "models/parts", "main").id)
    damaged.chmod(0o644)
    damaged.write_text("[")
    before = everything(project)
    with pytest.raises(StudioError, match="is no list of a folder"):
        checkpoints.delete(digest("whole 2.0"))
    assert everything(project) == before


def test_a_cache_that_others_may_use_is_left_alone(project, checkpoints):
    (project / ".dvc" / "cache").rename(project.parent / "shared")
    (project / ".dvc" / "cache").symlink_to(project.parent / "shared")
    with pytest.raises(StudioError, match="others may use the cache .*; see dvc gc"):
        checkpoints.delete(digest("whole 2.0"))
    assert place(project, digest("whole 2.0")).exists()


def test_a_branch_that_has_just_begun_to_use_it_keeps_it(project, runs, checkpoints):
    model = of(checkpoints, "models/whole.bin", "two")
    call(project, "git", "branch", "new", ref(project, "two"))
    runs[2] = Run(runs[2].id, "new, two", "branch", outs=runs[2].outs)
    with pytest.raises(StudioError, match="is kept for new, two"):
        checkpoints.delete(model.id)


def test_what_the_lock_of_the_working_tree_names_is_kept_though_dvc_cannot_list_it(
    project, runs, checkpoints
):
    call(project, "dvc", "exp", "apply", "two")
    runs[0] = Run("workspace", "workspace", "workspace", error="params.yaml cannot be read")
    with pytest.raises(StudioError, match="models/whole.bin is kept for the working tree"):
        checkpoints.delete(digest("whole 2.0"))


def test_a_file_that_a_folder_of_a_branch_has_is_kept(project, runs, checkpoints):
    folder = project / "pretrained"
    folder.mkdir()
    (folder / "part").write_text("whole 2.0")
    call(project, "dvc", "add", "-q", "pretrained")
    commit(project, "with a folder")
    with pytest.raises(StudioError, match="is kept for a folder that has it, too"):
        checkpoints.delete(digest("whole 2.0"))


def test_a_file_of_a_folder_that_an_older_commit_has_alone_stays(project, runs, checkpoints):
    (project / "a.bin").write_text("part 2.0")
    call(project, "dvc", "add", "-q", "a.bin")
    commit(project, "with a file")
    call(project, "git", "rm", "-q", "a.bin.dvc")
    commit(project, "without")
    checkpoints.delete(of(checkpoints, "models/parts", "two").id)
    assert place(project, digest("part 2.0")).exists()


def test_a_pipeline_that_cannot_be_read_hides_no_models_of_others(project, runs, checkpoints):
    call(project, "git", "checkout", "-q", "-b", "wip")
    (project / "dvc.yaml").write_text("stages: [")
    runs.append(Run(commit(project, "broken"), "wip", "branch"))
    assert of(checkpoints, "models/whole.bin", "two").cached
