"""The source `nuswide`, on files laid out as the owners' and small enough to count."""

import zipfile

import numpy as np
import pytest

from agch.dataset import assemble, check_counts
from agch.errors import InputError
from agch.features import indicator
from agch.sources import SourceError
from agch.sources.nuswide import NUSWide

NAMES = [
    *("actor/0001_2124494179.jpg", "actor/0002_174174086.jpg", "zebra/0010_1.jpg"),
    *("zebra/0009_2.jpg", "bay/0001_3.jpg", "bay/0002_4.jpg", "map/0001_5.jpg", "map/0002_6.jpg"),
]
CONCEPTS = {  # in the order of their list; a mark for each picture
    "water": "11001000",
    "sky": "11110000",
    "person": "00110000",
    "zebra": "00000000",
    "map": "00000010",  # as frequent as lake, but behind it in the alphabet
    "lake": "00000100",
    "grass": "00000100",
    "food": "00001000",
    "dog": "00010000",
    "car": "00100000",
    "bear": "01000000",
    "animal": "10000000",
}
TAGS = ["nature", "sky", "blue", "red", "unused"]
TAGGED = ["11000", "10000", "00110", "00000", "01000", "00010", "10100", "11110"]
COUNTS = {"items": 8, "words": 5, "labels": 10, "pairs": 6}


def layout():
    """Content of the owners' archives by archive and name."""
    images = "".join(name.replace("/", "\\") + "\r\n" for name in NAMES)
    table = "".join("\t".join(row) + "\t\n" for row in TAGGED)
    truth = {f"AllLabels/Labels_{c}.txt": column(marks) for c, marks in CONCEPTS.items()}
    for concept in CONCEPTS:
        truth[f"TrainTestLabels/Labels_{concept}_Train.txt"] = "1\n-1130179\n"
        truth[f"TrainTestLabels/Labels_{concept}_Test.txt"] = "1\n"
    return {
        "ImageList": {"Imagelist.txt": images, "TrainImagelist.txt": "train\\1.jpg\r\n"},
        "ConceptsList": {"Concepts81.txt": "".join(concept + "\n" for concept in CONCEPTS)},
        "Groundtruth": truth,
        "NUS_WID_Tags": {
            "TagList1k.txt": "\n".join(TAGS) + "\n\n",
            "AllTags1k.txt": table,
            "AllTags81.txt": "0\n" * 8,
            "Final_Tag_List.txt": "other\n",
        },
        "Flickr": {name: f"picture {name}" for name in reversed(NAMES)},
    }


def column(marks):
    """A label file: a mark a line."""
    return "\n".join(marks) + "\n"


def write(folder, changes=()):
    """The archives; the changes put entries ARCHIVE/NAME in, or leave them out where None."""
    archives = layout()
    for name, content in dict(changes).items():
        archives[name.split("/")[0]][name.partition("/")[2]] = content
    for archive, entries in archives.items():
        with zipfile.ZipFile(folder / f"{archive}.zip", "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in entries.items():
                if content is not None:
                    file.writestr(f"{archive}/{name}", content)
    return folder


def matrix(rows):
    """A matrix written as rows of 0 and 1."""
    return np.array([[int(mark) for mark in row] for row in rows.split()])


def test_pairs_have_one_of_the_ten_most_frequent_concepts_and_maybe_no_tag(tmp_path):
    source = NUSWide(write(tmp_path))
    dataset = assemble(source, min_items=5)  # the vocabulary is prescribed, however rare its words
    assert dataset.vocabulary == TAGS
    assert [item.id for item in dataset.items] == NAMES[:6]
    text = indicator([item.tags for item in dataset.items], dataset.vocabulary)
    assert (text == matrix("11000 10000 00110 00000 01000 00010")).all()
    assert list(dataset.dropped.values()) == [0, 2, 0]
    names = ["animal", "bear", "car", "dog", "food", "grass", "lake", "person", "sky", "water"]
    assert dataset.label_names == names
    labels = indicator([item.labels for item in dataset.items], names)
    rows = "1000000011 0100000011 0010000110 0001000110 0000100001 0000011000"
    assert (labels == matrix(rows)).all()
    wanted = ["zebra/0009_2.jpg", "actor/0001_2124494179.jpg"]
    assert list(source.pictures(wanted)) == [f"picture {name}".encode() for name in wanted]


def test_items_are_all_pictures_in_the_order_of_the_list(tmp_path):
    source = NUSWide(write(tmp_path))
    items = list(source.items())
    assert [item.id for item in items] == NAMES
    assert [(item.tags, item.labels) for item in items[5:]] == [
        (("red",), ("grass", "lake")),
        (("nature", "blue"), ()),
        (("nature", "sky", "blue", "red"), ()),
    ]
    assert {(item.title, item.caption, item.split) for item in items} == {("", "", "")}
    assert list(source.items()) == items


def test_archives_and_what_was_in_them_are_the_same(tmp_path):
    (tmp_path / "packed").mkdir()
    packed = NUSWide(write(tmp_path / "packed"))
    for archive in sorted((tmp_path / "packed").iterdir()):
        with zipfile.ZipFile(archive) as file:
            file.extractall(tmp_path / "loose")
    (tmp_path / "loose" / "Flickr").rename(tmp_path / "loose" / "images")
    loose = NUSWide(tmp_path / "loose")
    assert list(loose.items()) == list(packed.items())
    assert list(loose.pictures(NAMES)) == list(packed.pictures(NAMES))


def test_the_counts_of_the_literature_are_checked(tmp_path, monkeypatch):
    source = NUSWide(write(tmp_path))
    counts = assemble(source, min_items=1).counts
    monkeypatch.setattr(NUSWide, "published", COUNTS)
    check_counts(source.name, source.published, counts)
    monkeypatch.setattr(NUSWide, "published", COUNTS | {"pairs": 186_577})
    with pytest.raises(InputError, match=r"nuswide .*\n  pairs: found 6, published 186,577\n"):
        check_counts(source.name, source.published, counts)


def test_what_is_published():
    expected = {"items": 269_648, "words": 1000, "labels": 10, "pairs": 186_577}
    assert NUSWide.published == expected
    assert not NUSWide.needs_words and not NUSWide.remotes


def test_the_table_of_tags_is_read_line_by_line(tmp_path):
    table = layout()["NUS_WID_Tags"]["AllTags1k.txt"].replace("1\t1\t1\t1\t0", "1\t1\t1\t2\t0")
    source = NUSWide(write(tmp_path, {"NUS_WID_Tags/AllTags1k.txt": table}))
    items = source.items()
    assert [next(items).id for _ in range(7)] == NAMES[:7]
    message = (
        "AllTags1k.txt line 8: expected 5 times 0 or 1, found 5 fields: 1\t1\t1\t2\t0; put the"
    )
    with pytest.raises(SourceError, match=message):
        next(items)


def test_fields_of_the_table_may_be_separated_by_blanks(tmp_path):
    table = "\ufeff" + "".join(" ".join(row) + " \r\n" for row in TAGGED) + "\r\n"
    source = NUSWide(write(tmp_path, {"NUS_WID_Tags/AllTags1k.txt": table}))
    assert [len(item.tags) for item in source.items()] == [2, 1, 2, 0, 1, 1, 2, 4]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("0 0 0 0 0\n" * 7, "AllTags1k.txt has 7 lines, ImageList/Imagelist.txt 8, expected a li"),
        ("0 0 0 0 0\n" * 10, "AllTags1k.txt has 10 lines, ImageList/Imagelist.txt 8, expected a"),
        ("", "AllTags1k.txt has 0 lines, ImageList/Imagelist.txt 8, expected a line for each"),
        ("0 0 0 0 0\n0 0\n", "AllTags1k.txt line 2: expected 5 times 0 or 1, found 2 fields: 0 0"),
    ],
)
def test_a_table_of_another_shape_is_an_error(tmp_path, table, message):
    source = NUSWide(write(tmp_path, {"NUS_WID_Tags/AllTags1k.txt": table}))
    with pytest.raises(SourceError, match=message):
        list(source.items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"Flickr/zebra/0009_2.jpg": None, "Flickr/actor/0001_2124494179.jpg": None},
            "2 of 8 files are missing; .*\n  Flickr/actor/0001_.*.jpg\n  Flickr/zebra/0009_2.jpg$",
        ),
        (
            {f"Flickr/{name}": None for name in NAMES},
            "8 of 8 files are missing; .* on request.*\n  Flickr/actor/0001_2124494179.jpg\n",
        ),
        (
            {"Flickr/old/actor/0001_2124494179.jpg": "again"},
            "2 files are called actor/0001_2124494179.jpg, expected one",
        ),
        ({"ImageList/Imagelist.txt": None}, "no file is called Imagelist.txt"),
        ({"ImageList/Imagelist.txt": "a\\1.jpg\na/1.jpg"}, "line 2: 'a/1.jpg' is already in "),
        ({"ConceptsList/Concepts81.txt": "sky\nmoon\n"}, "is called AllLabels/Labels_moon.txt"),
        ({"ConceptsList/Concepts81.txt": "\n"}, "Concepts81.txt is empty"),
        (
            {"Groundtruth/AllLabels/Labels_sky.txt": column("1011")},
            "Labels_sky.txt has 4 lines, ImageList/Imagelist.txt 8, expected a line for each pic",
        ),
        (
            {"Groundtruth/AllLabels/Labels_sky.txt": "1\n\n-1130179\n"},
            "AllLabels/Labels_sky.txt line 3: found '-1130179', expected 0 or 1; put the files",
        ),
        ({"NUS_WID_Tags/TagList1k.txt": "sky\nsky\n"}, "line 2: 'sky' is already in NUS_WID"),
    ],
)
def test_what_is_wrong_with_the_files_is_named(tmp_path, changes, message):
    with pytest.raises(SourceError, match=message):
        NUSWide(write(tmp_path, changes))


def test_fewer_than_ten_concepts_are_all_taken(tmp_path):
    source = NUSWide(write(tmp_path, {"ConceptsList/Concepts81.txt": "water\nsky\n"}))
    assert source.label_names == ["sky", "water"]
