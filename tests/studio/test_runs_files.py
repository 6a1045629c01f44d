"""Files of runs: those of git, of DVC and of the working tree, and no others."""

from __future__ import annotations

import json
import shutil
import string
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.errors import StudioError
from studio.runs.cache import Cache
from studio.runs.files import RunFiles
from studio.runs.git import committed, objects
from studio.runs.locks import kept
from studio.runs.model import Run

from . import runs_repository
from .runs_repository import call, commit, copied, experiment, head, ref

WORKSPACE = Run("workspace", "workspace", "workspace")
OUTSIDE = [
    "",
    ".",
    "/etc/passwd",
    "../project/params.yaml",
    "./params.yaml",
    "curves/../params.yaml",
    "curves//loss.tsv",
    "curves/../../outside",
    "models/parts/../../../outside",
    "models/parts/",
    "models/parts",
    "curves",
    ".git/config",
    ".git/HEAD",
    ".dvc/tmp/lock",
    ".dvc/cache",
    "params.yaml\0",
    "params.yaml\n",
    "PARAMS.YAML",
    "untracked.txt",
    "HEAD:params.yaml",
    "--help",
]


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    return runs_repository.repository(tmp_path_factory.getbasetemp())


@pytest.fixture
def project(repository, tmp_path):
    return copied(repository, tmp_path)


@pytest.fixture(scope="session")
def place(repository):
    """Where DVC has its cache, asked once."""
    return Cache(repository).folder


@pytest.fixture
def files(project):
    found = RunFiles(project)
    found.cache.folder = project / ".dvc" / "cache"
    return found


def main(project):
    return Run(head(project), "main", "branch")


def two(project):
    return Run(call(project, "git", "rev-parse", ref(project, "two")).strip(), "two", "experiment")


def test_a_run_reads_what_git_and_dvc_kept_of_it_and_not_what_lies_on_disk(project, files):
    for path in ("params.yaml", "scores.json", "models/whole.bin", "models/parts/a"):
        (project / path).unlink()
        (project / path).write_text("changed")
    assert b"x: 2.0" in files.read(two(project), "params.yaml")
    assert b'"score": 4.0' in files.read(two(project), "scores.json")
    assert files.read(two(project), "models/whole.bin") == b"whole 2.0"
    assert files.read(two(project), "models/parts/a") == b"part 2.0"
    assert files.read(two(project), "curves/loss.tsv").splitlines()[1] == b"0\t2.0"
    assert files.read(main(project), "models/parts/a") == b"part 1.0"
    assert files.read(WORKSPACE, "models/parts/a") == b"changed"
    assert files.read(WORKSPACE, "scores.json") == b"changed"


def test_all_files_of_a_run_are_listed_folders_of_dvc_too(project, files):
    outs = ["curves/loss.tsv", "models/parts/a", "models/parts/b", "models/whole.bin"]
    tracked = call(project, "git", "ls-files").split()
    for run in (WORKSPACE, main(project), two(project)):
        tree = files.of(run)
        assert tree.under("") == sorted([*outs, *tracked])
        assert tree.under("models") == outs[1:]
        assert tree.under("models/parts") == outs[1:3]
        assert tree.under("model") == tree.under("params.yaml") == []
        assert [*tree.outs] == ["curves", "models/parts", "models/whole.bin", "scores.json"]
        for path in tree.under(""):
            assert tree.read(path) == tree.read(path)


def test_the_commits_of_a_repository_are_read_without_any_write_to_it(project, files):
    def state():
        return call(project, "git", "status", "--porcelain"), call(project, "git", "stash", "list")

    before = state()
    files.read(two(project), "models/parts/a")
    assert state() == before


@pytest.mark.parametrize("path", OUTSIDE)
@pytest.mark.parametrize("run", [lambda _: WORKSPACE, main, two], ids=["workspace", "main", "two"])
def test_no_path_is_read_that_is_not_listed(project, files, run, path):
    (project.parent / "outside").write_text("secret")
    (project / "untracked.txt").write_text("secret")
    with pytest.raises(StudioError, match="has no file"):
        files.read(run(project), path)


PARTS = st.sampled_from(
    ["..", ".", "", "models", "parts", "a", "curves", "params.yaml", ".git", "~"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(parts=st.lists(PARTS | st.text(string.printable, max_size=3), max_size=6))
def test_whatever_is_read_is_listed(repository, place, parts):
    files = RunFiles(repository)
    files.cache.folder = place
    path = "/".join(parts)
    for run in (WORKSPACE, main(repository)):
        tree = files.of(run)
        try:
            tree.read(path)
        except StudioError:
            assert path not in tree.under("")
        else:
            assert path in tree.under("")


def test_a_link_in_the_working_tree_or_in_a_commit_is_not_followed(project, files):
    (project.parent / "outside").write_text("secret")
    for name, target in (("away", "../outside"), ("within", ".git/config")):
        (project / name).symlink_to(target)
    commit(project, "links")
    (project / "params.yaml").unlink()
    (project / "params.yaml").symlink_to("../outside")
    for path in ("away", "within", "params.yaml"):
        with pytest.raises(StudioError, match="is a link that leads elsewhere"):
            files.read(WORKSPACE, path)
    for path in ("away", "within"):
        with pytest.raises(StudioError, match="has no file"):
            files.read(main(project), path)


def test_a_folder_of_the_working_tree_that_is_a_link_is_not_followed(project, files):
    outside = project.parent / "elsewhere"
    outside.mkdir()
    (outside / "loss.tsv").write_text("secret")
    shutil.rmtree(project / "curves")
    (project / "curves").symlink_to(outside)
    with pytest.raises(StudioError, match="is a link that leads elsewhere"):
        files.read(WORKSPACE, "curves/loss.tsv")


def test_links_of_dvc_into_its_cache_are_read(project, files):
    call(project, "dvc", "config", "cache.type", "symlink")
    call(project, "dvc", "checkout", "--relink", "-q")
    assert (project / "models" / "whole.bin").is_symlink()
    assert files.read(WORKSPACE, "models/whole.bin") == b"whole 1.0"
    assert files.read(WORKSPACE, "models/parts/a") == b"part 1.0"


@pytest.mark.parametrize(
    "digest", ["../../../outside", "ab/../../../../outside", "/etc/passwd", "a" * 31, "g" * 32, ""]
)
def test_a_lock_file_that_names_no_digest_leads_nowhere(project, files, digest):
    (project.parent / "outside").write_text("secret")
    lock = f"stages: {{fit: {{cmd: x, outs: [{{path: models/whole.bin, md5: '{digest}'}}]}}}}"
    run = Run(experiment(project, "evil", {"dvc.lock": lock}), "evil", "experiment")
    with pytest.raises(StudioError, match="has no file"):
        files.read(run, "models/whole.bin")


def test_a_list_of_a_folder_that_names_no_digest_leads_nowhere(project, files):
    place = files.cache.folder / "files" / "md5" / "aa"
    place.mkdir(exist_ok=True)
    evil = '[{"md5": "../../../../../outside", "relpath": "a"}, {"md5": "%s", "relpath": "c/..b"}]'
    (place / ("a" * 30 + ".dir")).write_text(evil % ("b" * 32))
    (project.parent / "outside").write_text("secret")
    lock = f"stages: {{fit: {{cmd: x, outs: [{{path: models/parts, md5: {'a' * 32}.dir}}]}}}}"
    run = Run(experiment(project, "evil", {"dvc.lock": lock}), "evil", "experiment")
    with pytest.raises(StudioError, match="models/parts/a is not in cache"):
        files.read(run, "models/parts/a")
    with pytest.raises(StudioError, match="has no file"):
        files.read(run, "models/b")


@pytest.mark.parametrize("inside", ["../b", "/b", "c/../../../b", ".."])
def test_a_list_of_a_folder_that_leads_out_of_it_is_refused(project, files, inside):
    digest = files.of(two(project)).outs["models/parts"]
    place = files.cache.place(digest)
    place.chmod(0o644)
    place.write_text(json.dumps([*json.loads(place.read_bytes()), {"md5": "", "relpath": inside}]))
    tree = files.of(two(project))
    for read in (lambda: tree.read("models/parts/a"), lambda: tree.under("models")):
        with pytest.raises(StudioError, match=r"models/parts .* leads out of the folder"):
            read()


def test_what_is_not_in_the_cache_is_said_with_what_to_do(project, files):
    shutil.rmtree(files.cache.folder)
    files.cache.folder.mkdir()
    for path in ("models/whole.bin", "models/parts/a"):
        with pytest.raises(StudioError, match="is not in cache; dvc fetch"):
            files.read(two(project), path)
    assert files.of(two(project)).under("models") == ["models/whole.bin"]
    assert b"x: 2.0" in files.read(two(project), "params.yaml")


def test_what_is_not_checked_out_is_said_with_what_to_do(project, files):
    shutil.rmtree(project / "models")
    with pytest.raises(StudioError, match="cannot read models/whole.bin: No such file.*checkout"):
        files.read(WORKSPACE, "models/whole.bin")
    assert files.of(WORKSPACE).under("models") == []


def test_the_cache_is_where_dvc_is_configured_to_have_it(project, place):
    assert place.name == "cache" and (place / "files" / "md5").is_dir()
    (project / ".dvc" / "cache").rename(project / "elsewhere")
    call(project, "dvc", "config", "--local", "cache.dir", "elsewhere")
    assert RunFiles(project).read(two(project), "models/parts/a") == b"part 2.0"
    assert RunFiles(project).read(WORKSPACE, "models/whole.bin") == b"whole 1.0"


def test_files_where_dvc_2_had_them_are_read(project, files):
    for part in (files.cache.folder / "files" / "md5").iterdir():
        shutil.copytree(part, files.cache.folder / part.name)
    shutil.rmtree(files.cache.folder / "files")
    assert files.read(two(project), "models/parts/a") == b"part 2.0"


def test_a_run_that_is_not_saved_has_no_files(files):
    for state in ("running", "queued", "failed"):
        with pytest.raises(StudioError, match=f"run a is {state}; it has files once it is saved"):
            files.of(Run("0" * 40, "a", "experiment", state=state))


def test_a_project_in_a_folder_of_a_repository_has_its_own_paths(project, tmp_path):
    top = tmp_path / "top"
    top.mkdir()
    call(top, "git", "init", "-q")
    for key, value in (("name", "test"), ("email", "test@example.com")):
        call(top, "git", "config", f"user.{key}", value)
    (top / "secret.txt").write_text("not of the project")
    shutil.copytree(project, top / "inner", ignore=shutil.ignore_patterns(".git"))
    commit(top, "all")
    files = RunFiles(top / "inner")
    files.cache.folder = top / "inner" / ".dvc" / "cache"
    run = Run(head(top), "main", "branch")
    for each in (run, WORKSPACE):
        assert b"fit:" in files.read(each, "params.yaml")
        assert files.read(each, "models/parts/a") == b"part 1.0"
        for path in ("inner/params.yaml", "../secret.txt", "secret.txt"):
            with pytest.raises(StudioError, match="has no file"):
                files.read(each, path)


def test_a_lock_file_that_is_no_yaml_is_one_clear_error(project, files):
    run = Run(
        experiment(project, "torn", {"dvc.lock": "<<<<<<< HEAD\na: [\n"}), "torn", "experiment"
    )
    with pytest.raises(StudioError, match="cannot read dvc.lock"):
        files.of(run)


def test_paths_in_lock_files_count_from_where_their_stage_runs():
    digest = "d" * 32
    out = f"outs: [{{path: ../o, md5: {digest}}}]"
    lock = f"stages: {{a: {{{out}}}, b@1: {{{out}}}}}"
    pipeline = {"stages": {"a": {"wdir": "in/side"}, "b": {"foreach": [1], "do": {"wdir": "w"}}}}
    source = f"wdir: ../data\nouts: [{{path: q, md5: {digest}}}, {{path: /abs, md5: {digest}}}]"
    outside = f"outs: [{{path: ../../x, md5: {digest}}}, {{path: .., md5: {digest}}}]"
    locks = {"sub/dvc.lock": lock, "raw/q.dvc": source, "raw/x.dvc": outside}
    found = kept({path: text.encode() for path, text in locks.items()}, {"sub": pipeline})
    assert {*found} == {"sub/in/o", "sub/o", "data/q"}


@pytest.mark.parametrize("text", ["", "[]", "1", "stages: []", "stages: {a: 1}", "outs: {a: 1}"])
def test_a_lock_file_of_another_shape_keeps_nothing(text):
    assert kept({"dvc.lock": text.encode(), "a.dvc": text.encode()}, {"": None}) == {}


def test_names_that_git_quotes_are_read(project, files):
    names = ["with space", "ünï", 'quo"te', "tab\there", "new\nline", "a\\b"]
    for name in names:
        (project / name).write_text(f"text of {name}")
    commit(project, "names")
    for run in (main(project), WORKSPACE):
        assert {*names} <= {*files.of(run).under("")}
        for name in names:
            assert files.read(run, name).decode() == f"text of {name}"


def test_objects_are_read_whole_in_the_order_they_were_asked_for(project):
    texts = ["", "\n", "a\nb", "x missing\n", "\0" * 70000]
    names = []
    for text in texts:
        words = ["git", "hash-object", "-w", "--stdin"]
        done = subprocess.run(words, cwd=project, input=text.encode(), capture_output=True)
        names.append(done.stdout.decode().strip())
    found = objects(project, [*names, "0" * 40, names[2], "HEAD:./none", "HEAD:./params.yaml"])
    assert found[:5] == [text.encode() for text in texts]
    assert found[5:8] == [None, b"a\nb", None] and found[8].startswith(b"fit:")
    assert objects(project, []) == []


def test_a_part_of_another_repository_is_no_file(project):
    call(project, "git", "update-index", "--add", "--cacheinfo", f"160000,{head(project)},part")
    call(project, "git", "commit", "-q", "-m", "part")
    assert "part" in call(project, "git", "ls-tree", "--name-only", "HEAD").split()
    assert "part" not in committed(project, head(project))
