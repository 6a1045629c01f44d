"""The source `folder`: a user's own pictures with a table, or with captions beside them."""

import io
import os

import pytest
from PIL import Image

from agch.dataset import assemble
from agch.sources.base import SourceError
from agch.sources.columns import make_item
from agch.sources.folder import Folder


def picture(shade):
    """A PNG of one pixel."""
    file = io.BytesIO()
    Image.new("L", (1, 1), shade).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def put(tmp_path):
    """Writes files into a folder: texts as they are, pictures by their shade of grey."""

    def write(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, int):
                content = picture(content)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path

    return write


def refusal(path):
    """The message with which a folder is refused."""
    with pytest.raises(SourceError) as error:
        Folder(path)
    return str(error.value)


# with a table


def test_items_come_in_the_order_of_the_table(put):
    table = "file,tags,labels,split\nsub/b.png,Dog;park,pets,train\na.png,cat,pets;indoor,query\n"
    source = Folder(put({"tags.csv": table, "a.png": 1, "sub/b.png": 2, "not listed.png": 3}))
    items = [
        make_item("sub/b.png", ["dog", "park"], "", ["pets"], "train"),
        make_item("a.png", ["cat"], "", ["indoor", "pets"], "query"),
    ]
    assert list(source.items()) == items
    assert list(source.items()) == items  # can be read again


@pytest.mark.parametrize(
    ("name", "content"),
    [("My.CSV", "file,tags\na.png,dog\n"), ("My.JSONL", '{"file": "a.png", "tags": ["dog"]}\n')],
)
def test_a_table_is_known_by_its_suffix_in_either_case(put, name, content):
    source = Folder(put({name: content, "a.png": 1}))
    assert list(source.items()) == [make_item("a.png", ["dog"])]


@pytest.mark.parametrize("name", ["a b.png", "a,b.png", 'say "hi".png', "犬/é.png", "a;b.png"])
def test_files_may_have_any_name(put, name):
    quoted = name.replace('"', '""')
    source = Folder(put({"tags.csv": f'file,tags\n"{quoted}",dog\n', name: 7}))
    assert [item.id for item in source.items()] == [name]
    assert list(source.pictures([name])) == [picture(7)]


def test_pictures_come_in_the_order_asked(put):
    table = "file,tags\na.png,x\nb.png,x\nc.png,x\n"
    source = Folder(put({"tags.csv": table, "a.png": 1, "b.png": 2, "c.png": 3}))
    asked = ["c.png", "a.png", "c.png"]
    assert list(source.pictures(asked)) == [picture(3), picture(1), picture(3)]


def test_a_picture_that_vanished(put):
    path = put({"tags.csv": "file,tags\na.png,x\nb.png,x\n", "a.png": 1, "b.png": 2})
    pictures = Folder(path).pictures(["a.png", "b.png"])
    assert next(pictures) == picture(1)
    (path / "b.png").unlink()
    with pytest.raises(SourceError, match=r"'b.png' cannot be read any more \(No such file"):
        next(pictures)


def test_pictures_with_the_same_bytes_are_united(put):
    table = "file,tags,labels\na.png,dog;cat,x\nb.png,dog,y\nc.png,cat,x\n"
    source = Folder(put({"tags.csv": table, "a.png": 1, "b.png": 2, "c.png": 2}))
    dataset = assemble(source, min_items=2)
    assert [(item.id, item.tags) for item in dataset.items] == [
        ("a.png", ("dog", "cat")),
        ("b.png", ("dog", "cat")),
    ]


def test_it_is_the_users_own():
    assert (Folder.name, Folder.licence, Folder.yours) == ("folder", "your own", True)
    assert Folder.place is None and not Folder.remotes


# a folder that is none, or has no table, or several


def test_a_path_to_the_table_names_the_folder(put):
    path = put({"tags.csv": "file,tags\n"})
    told = f"tags.csv, expected a folder of pictures; it is a file; name its folder, {path}"
    assert refusal(path / "tags.csv").endswith(told)


def test_a_folder_that_is_not_there(tmp_path):
    told = f"data.path is {tmp_path / 'none'}, expected a folder of pictures; it is not there"
    assert refusal(tmp_path / "none") == told


def test_two_tables(put):
    message = refusal(put({"b.jsonl": "", "a.csv": "", "sub/c.csv": "", ".d.csv": ""}))
    assert "found 2 tables (a.csv, b.jsonl), expected one; keep one and move" in message


@pytest.mark.parametrize(
    ("files", "count"), [({"a.png": 1, "sub/b.JPG": 1, "readme.txt": ""}, 2), ({"a.txt": "x"}, 0)]
)
def test_without_any_text_both_layouts_are_explained(put, files, count):
    message = refusal(put(files))
    assert f"no text beside a picture ({count} pictures); put into it either one table" in message
    assert "file,tags,labels\n" in message and "cats/tom.txt " in message


# a row against the folder


@pytest.fixture
def fault(put):
    """What is wrong with a row for this file, in a folder of some others."""

    def find(file, others=("dogs/Rex 12.png",)):
        path = put(dict.fromkeys(others, 1) | {"tags.csv": f'file,tags\n"{file}",dog\n'})
        head, line = refusal(path).splitlines()
        assert head == f"{path / 'tags.csv'}: 1 problem:"
        return line.removeprefix("  line 2: ")

    return find


@pytest.mark.parametrize(
    "file",
    [
        "DOGS/REX 12.PNG",
        "Rex 12.png",
        "dogs/Rex 12.jpg",
        "dogs\\Rex 12.png",
        "./dogs/Rex 12.png",
        "dogs/Rex 12.png ",
        "dogs/Rexx 12.png",
    ],
)
def test_a_file_that_is_not_there_is_told_with_the_nearest(fault, file):
    assert fault(file) == f"there is no file {file!r}; did you mean 'dogs/Rex 12.png'?"


@pytest.mark.parametrize("file", ["dogs/Rex 13.png", "cats/tom.png", "dogs"])
def test_a_file_with_another_number_or_name_is_not_near(fault, file):
    assert fault(file) == f"there is no file {file!r}; add it, or correct or remove the row"


def test_a_name_that_is_there_in_several_folders_is_not_guessed(fault):
    told = "there is no file 'x.png'; add it, or correct or remove the row"
    assert fault("x.png", others=("dogs/x.png", "cats/x.png")) == told


def test_a_name_that_only_looks_the_same(fault):
    told = r"there is no file 'caf\xe9.png', but 'cafe\u0301.png', which looks the same; copy its"
    assert fault("caf\u00e9.png", others=("cafe\u0301.png",)).startswith(told)


def test_a_name_that_is_not_utf_8(fault):
    other = os.fsdecode("café.png".encode("latin-1"))
    told = r"there is no file 'café.png', but 'caf\udce9.png', whose name is not UTF-8; rename the"
    assert fault("café.png", others=(other,)).startswith(told)


@pytest.mark.parametrize(
    "file", ["/dogs/a.png", "../a.png", "x/../a.png", "..\\a.png", "C:\\a.png"]
)
def test_a_path_that_leads_out_of_the_folder(fault, file):
    told = f"{file!r} leads out of the folder; give its path from the folder on"
    assert fault(file, others=("a.png",)) == told


@pytest.mark.parametrize("file", [".a.png", ".cache/a.png"])
def test_a_hidden_file(fault, file):
    told = f"{file!r} is hidden, or in a hidden folder; rename what begins with a point"
    assert fault(file, others=(file,)) == told


def test_a_picture_without_bytes(put):
    message = refusal(put({"tags.csv": "file,tags\na.png,dog\n", "a.png": ""}))
    assert "line 2: 'a.png' is empty (0 bytes), expected a picture; restore" in message


def test_a_file_that_is_listed_twice(put):
    table = "file,tags\na.png,x\nb.png,x\na.png,x\na.png,x\n"
    message = refusal(put({"tags.csv": table, "a.png": 1, "b.png": 2}))
    assert message.splitlines()[1:] == [
        "  line 4: 'a.png' is already in line 2; remove one of them",
        "  line 5: 'a.png' is already in line 2; remove one of them",
    ]


def test_all_problems_are_told_in_the_order_of_lines_and_counted(put):
    lines = ["a.png,x,test", "b.png,x", "none.png,x,", *[f"{n}.png,x," for n in range(9)]]
    message = refusal(put({"tags.csv": "\n".join(["file,tags,split", *lines]), "a.png": 1}))
    head, *listed = message.splitlines()
    assert head.endswith("tags.csv: 12 problems, the first 10:")
    assert [line.split(":")[0] for line in listed] == [f"  line {n}" for n in range(2, 12)]


def test_a_row_tells_all_that_is_wrong_with_it(put):
    message = refusal(put({"tags.csv": "file,tags,split\na.png,dog,test\n"}))
    assert [line[:19] for line in message.splitlines()[1:]] == [
        "  line 2: the split",
        "  line 2: there is ",
    ]


# links


def test_links_are_followed(put, tmp_path_factory):
    away = tmp_path_factory.mktemp("away")
    (away / "a.png").write_bytes(picture(1))
    path = put({"tags.csv": "file,tags\nlink/a.png,dog\n"})
    (path / "link").symlink_to(away)
    assert list(Folder(path).pictures(["link/a.png"])) == [picture(1)]


def test_a_link_without_end(put):
    path = put({"tags.csv": "file,tags\n", "sub/a.png": 1})
    (path / "sub" / "link").symlink_to(path)
    assert "link: a link to a folder it lies in, without end; remove it" in refusal(path)


def test_a_link_to_itself(put):
    path = put({"tags.csv": "file,tags\n"})
    (path / "link").symlink_to("link")
    assert "link: cannot be read (Too many levels of symbolic links); correct" in refusal(path)


# with captions


def test_captions_beside_the_pictures(put):
    files = {"b.PNG": 1, "b.txt": "\ufeffA Dog,\r\nthe dog.\n", "sub/a.jpg": 2, "sub/a.TXT": "Cat"}
    files |= {
        "c.png": 3,
        "readme.txt": "x",
        "readme.pdf": "x",
        ".d.png": 4,
        ".d.txt": "x",
        "sub/.e/f.png": 5,
    }
    source = Folder(put(files))
    assert list(source.items()) == [
        make_item("b.PNG", ["dog", "the"], "A Dog,\r\nthe dog."),
        make_item("c.png"),
        make_item("sub/a.jpg", ["cat"], "Cat"),
    ]
    assert list(source.pictures(["sub/a.jpg"])) == [picture(2)]


def test_pictures_without_a_caption_are_dropped_and_counted(put):
    source = Folder(put({"a.png": 1, "a.txt": "A dog", "b.png": 2}))
    dataset = assemble(source, min_items=1)
    assert [item.id for item in dataset.items] == ["a.png"]
    assert dataset.dropped["items without a word of the vocabulary"] == 1


def test_problems_with_captions_are_gathered(put):
    name = os.fsdecode("é.png".encode("latin-1"))
    files = {"a.png": "", "a.txt": "fine", "b.png": 1, "b.txt": b"fine\n\xff", name: 1}
    assert refusal(put(files)).splitlines()[1:] == [
        "  'a.png' is empty (0 bytes), expected a picture; restore or remove it",
        "  'b.txt': line 2: byte 0xff is not UTF-8; save the file as UTF-8 "
        "(spreadsheets call it 'CSV UTF-8')",
        r"  the name of '\udce9.png' is not UTF-8; rename the file",
    ]
