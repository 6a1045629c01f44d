"""Files in folders and archives: found by name, read without unpacking, refused when damaged."""

import errno
import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agch.sources import SourceError, tree
from agch.sources.tree import Tree

FILES = {"a/one.txt": b"first\n", "a/b/two.txt": b"second\n", "three.bin": b"\x00\xff" * 40}


def write_zip(path, files, method=zipfile.ZIP_DEFLATED):
    """An archive with these entries, whatever their names."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return path


def write_folder(path, files):
    """A folder with these files."""
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def opened(path):
    """The tree at `path`; its errors say what to do, namely nothing."""
    return Tree(path, "do nothing")


def listing(tmp_path, content):
    """A tree whose one file is a list."""
    return opened(write_zip(tmp_path / "a.zip", {"a.list": content}))


def test_an_archive_a_folder_and_a_folder_of_archives_hold_the_same_files(tmp_path):
    whole = write_zip(tmp_path / "whole.zip", FILES)
    loose = write_folder(tmp_path / "loose", FILES)
    mixed = write_folder(tmp_path / "mixed", {"three.bin": FILES["three.bin"]})
    write_zip(mixed / "1.zip", {"a/one.txt": FILES["a/one.txt"]})
    write_zip(mixed / "2.zip", {"a/b/two.txt": FILES["a/b/two.txt"]}, zipfile.ZIP_STORED)
    for path in (whole, loose, mixed):
        found = opened(path)
        assert {name: found.read(name) for name in found} == FILES
        assert "a/one.txt" in found and "one.txt" not in found
        assert found.find("b/two.txt") == "a/b/two.txt"
        assert list(found.lines("a/one.txt")) == ["first"]


def test_an_archive_deeper_in_a_folder_is_a_file_like_others(tmp_path):
    write_zip(write_folder(tmp_path, {"a/x": b""}) / "a/inner.zip", FILES)
    assert sorted(opened(tmp_path)) == ["a/inner.zip", "a/x"]


@given(
    st.dictionaries(
        st.lists(st.text("ab.", min_size=1, max_size=3), min_size=1, max_size=3)
        .map("/".join)
        .filter(lambda name: "/." not in f"/{name}" and not name.endswith(".")),
        st.binary(max_size=20),
    )
)
def test_packing_changes_nothing(tmp_path_factory, files):
    names = [name for name in files if not any(n.startswith(f"{name}/") for n in files)]
    files = {name: files[name] for name in names} | {"x": b"always one"}
    path = tmp_path_factory.mktemp("tree")
    packed = opened(write_zip(path / "a.zip", files))
    loose = opened(write_folder(path / "folder", files))
    assert sorted(packed) == sorted(loose) == sorted(files)
    assert all(packed.read(name) == loose.read(name) == files[name] for name in files)


def test_names_with_separators_of_windows_are_names_in_folders(tmp_path):
    found = opened(write_zip(tmp_path / "a.zip", {"a\\b\\c.txt": b"c", "a\\d\\": b"", "e/": b""}))
    assert list(found) == ["a/b/c.txt"]
    assert found.read("a/b/c.txt") == b"c"


def test_hidden_files_are_not_there(tmp_path):
    hidden = {".DS_Store": b"", "__MACOSX/a/._one.txt": b"", ".git/config": b"", "a/.b/c": b""}
    assert list(opened(write_zip(tmp_path / "a.zip", hidden | {"a/one.txt": b""}))) == ["a/one.txt"]
    shown = {"a/one.txt": b"", "._two.zip": b"not an archive"}
    folder = write_folder(tmp_path / ".cache" / "folder", hidden | shown)
    assert list(opened(folder)) == ["a/one.txt"]  # the folder itself may be hidden


def test_links_are_followed(tmp_path):
    elsewhere = write_folder(tmp_path / "elsewhere", {"im1.jpg": b"one", "list.txt": b"two"})
    folder = write_folder(tmp_path / "folder", {"three": b""})
    (folder / "images").symlink_to(elsewhere)
    (folder / "list").symlink_to(elsewhere / "list.txt")
    found = opened(folder)
    assert (found.read("images/im1.jpg"), found.read("list")) == (b"one", b"two")


# what is in a text


def test_lines_survive_what_editors_do_to_them(tmp_path):
    content = "\ufefffirst\r\nsecond \t\n\n  \nthird\rh\u00f6he".encode()
    found = listing(tmp_path, content)
    assert list(found.lines("a.list")) == ["first", "second", "", "", "third", "h\u00f6he"]
    assert list(found.entries("a.list")) == [
        ("a.list line 1", "first"),
        ("a.list line 2", "second"),
        ("a.list line 5", "third"),
        ("a.list line 6", "h\u00f6he"),
    ]


def test_a_text_of_another_encoding_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"a\.list is not UTF-8 \(.*\); do nothing"):
        list(listing(tmp_path, "ok\nh\u00f6he\n".encode("latin-1")).lines("a.list"))


def test_names_keep_the_order_of_their_list(tmp_path):
    found = listing(tmp_path, b"sky 12\n\nsea 9\nair 9\n")
    assert found.names("a.list") == ["sky 12", "sea 9", "air 9"]
    assert found.names("a.list", lambda line: line.split()[0]) == ["sky", "sea", "air"]


def test_a_name_that_comes_twice_is_an_error_with_both_lines(tmp_path):
    found = listing(tmp_path, b"sky 12\nsea 9\nsky 9\n")
    with pytest.raises(SourceError, match="a.list line 3: 'sky' is already in a.list line 1; do n"):
        found.names("a.list", lambda line: line.split()[0])


def test_a_list_without_a_name_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="a.list is empty, expected a name in each line"):
        listing(tmp_path, b"\n \n").names("a.list")


def test_an_ordinal_is_a_number_from_one_to_the_last(tmp_path):
    found = opened(tmp_path)
    assert [found.ordinal("p", text, 12) for text in ("1", "07", "12")] == [1, 7, 12]


@pytest.mark.parametrize("text", ["0", "13", "-1", "+1", "1.0", "one", "1_0", "\u0663", "9" * 5000])
def test_anything_else_is_no_ordinal(tmp_path, text):
    with pytest.raises(SourceError, match="p: found '.{1,40}', expected a number from 1 to 12; do"):
        opened(tmp_path).ordinal("p", text, 12)


# what is asked for and is not there


def test_a_file_is_found_by_the_end_of_its_name(tmp_path):
    names = ["a/b/c.txt", "d/b/c.txt", "a/xc.txt", "c.txt"]
    found = opened(write_zip(tmp_path / "a.zip", dict.fromkeys(names, b"")))
    assert found.find("a/b/c.txt") == "a/b/c.txt"
    assert found.find("xc.txt") == "a/xc.txt"
    assert found.called("b/c.txt") == ["a/b/c.txt", "d/b/c.txt"]
    assert found.called("c.txt") == ["a/b/c.txt", "d/b/c.txt", "c.txt"]
    assert found.called("b") == []
    with pytest.raises(SourceError, match="2 files are called b/c.txt, expected one; do nothing\n"):
        found.find("b/c.txt")
    with pytest.raises(SourceError, match=r"a\.zip: no file is called d/c.txt, expected one; do n"):
        found.find("d/c.txt")


def test_missing_files_are_counted_and_the_first_are_named(tmp_path):
    found = opened(write_zip(tmp_path / "a.zip", {"2": b"", "4": b""}))
    found.require(["4", "2"])
    with pytest.raises(SourceError) as caught:
        found.require([str(number) for number in range(1, 1001)])
    first = "".join(f"\n  {number}" for number in (1, 3, 5, 6, 7))
    told = "998 of 1,000 files are missing; do nothing"
    assert str(caught.value) == f"{tmp_path / 'a.zip'}: {told}{first}"


def test_reading_what_is_not_there_names_it(tmp_path):
    with pytest.raises(SourceError, match="has no file a/one.txt; do nothing"):
        opened(tmp_path).read("a/one.txt")


def test_a_file_that_lies_in_two_places_is_an_error_once_it_is_read(tmp_path):
    folder = write_folder(tmp_path / "folder", {"README": b"of the folder", "a/one.txt": b"one"})
    write_zip(folder / "1.zip", {"README": b"of the archive", "two.txt": b"two"})
    found = opened(folder)
    assert found.read("a/one.txt") + found.read("two.txt") == b"onetwo"
    assert found.called("README") == ["README"]
    with pytest.raises(SourceError) as caught:
        found.read("README")
    told = f"README lies in {folder / '1.zip'} and in {folder}; keep one and move the others away"
    assert str(caught.value) == told


def test_a_path_without_anything_is_named(tmp_path):
    with pytest.raises(SourceError, match="nowhere: no such file or folder; do nothing"):
        opened(tmp_path / "nowhere")


# what must not be trusted


@pytest.mark.parametrize(
    "name",
    [
        "../evil.txt",
        "a/../../evil.txt",
        "..\\evil.txt",
        "/tmp/evil.txt",
        "\\tmp\\evil.txt",
        "C:\\evil.txt",
        "C:evil.txt",
        "\\\\server\\share\\evil.txt",
    ],
)
def test_an_entry_that_leads_out_of_the_archive_is_refused(tmp_path, name):
    path = write_zip(tmp_path / "a.zip", {"good.txt": b"", name: b""})
    with pytest.raises(SourceError, match=r"a\.zip: entry '.*' leads out of the archive; do not"):
        opened(path)


def test_a_file_larger_than_any_picture_is_not_read(tmp_path, monkeypatch):
    found = opened(write_zip(tmp_path / "a.zip", {"small": b"x" * 1000, "large": b"x" * 1001}))
    monkeypatch.setattr(tree, "LARGEST", 1000)
    assert found.read("small") == b"x" * 1000
    with pytest.raises(SourceError, match="large has more than 1,000 bytes; do nothing"):
        found.read("large")
    assert list(found.lines("large")) == ["x" * 1001]  # lists are read line by line


def test_a_file_that_is_no_archive_is_named_even_in_a_folder(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"version https://git-lfs\n")
    for path in (tmp_path, tmp_path / "a.zip"):
        with pytest.raises(SourceError, match=r"a\.zip: not a zip archive, or cut off .*; do noth"):
            opened(path)


def test_a_cut_archive_is_refused_wherever_it_was_cut(tmp_path):
    content = write_zip(tmp_path / "a.zip", {"a/one.txt": b"first\n"}).read_bytes()
    for length in range(len(content)):
        (tmp_path / "a.zip").write_bytes(content[:length])
        with pytest.raises(SourceError, match="not a zip archive, or cut off"):
            opened(tmp_path / "a.zip")


def test_a_wrong_sum_names_archive_and_file(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"im1.jpg": b"picture one"}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"picture one", b"picture two"))
    found = opened(tmp_path)
    with pytest.raises(
        SourceError, match=r"a\.zip: im1\.jpg is damaged or .* \(Bad CRC-32 .*\); d"
    ):
        found.read("im1.jpg")
    with pytest.raises(SourceError, match=r"a\.zip: im1\.jpg is damaged"):
        list(found.lines("im1.jpg"))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_no_wrong_byte_gives_wrong_content_or_another_error(tmp_path, method):
    path = write_zip(tmp_path / "a.zip", {"a/one.txt": b"first line\n" * 3}, method)
    content = path.read_bytes()
    refused = 0
    for place in range(len(content)):
        for change in (0x01, 0xFF):
            wrong = bytearray(content)
            wrong[place] ^= change
            path.write_bytes(wrong)
            try:
                assert opened(path).read("a/one.txt") == b"first line\n" * 3
            except SourceError:
                refused += 1
    assert len(content) < refused < 2 * len(content)  # times and attributes may be wrong


def test_a_file_that_went_away_is_named(tmp_path):
    found = opened(write_folder(tmp_path / "folder", FILES))
    os.remove(tmp_path / "folder" / "a/one.txt")
    with pytest.raises(
        SourceError, match="folder: a/one.txt is damaged or cannot be read .*No suc"
    ):
        found.read("a/one.txt")


def test_a_folder_that_may_not_be_read_is_not_taken_for_empty(tmp_path, monkeypatch):
    folder, scandir = write_folder(tmp_path / "folder", FILES), os.scandir

    def guarded(path):
        if Path(path).name == "b":
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(SourceError, match="folder/a/b: Permission denied; make it readable"):
        opened(folder)
