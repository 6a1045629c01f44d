"""The source `mirflickr25k`, on archives laid out as the owners' and small enough to count."""

import re
import zipfile

import numpy as np
import pytest

from agch.dataset import assemble, check_counts
from agch.errors import InputError
from agch.features import indicator
from agch.sources import SourceError
from agch.sources.mirflickr25k import LABELS, MIRFlickr25K

TAGS = {  # as bytes, with what editors leave behind
    1: b"sky\r\nsea\r\n",
    2: b"nikon\n",
    3: b"sea\nsea\n\n  sky \n",
    4: b"",
    5: b"\xef\xbb\xbfdog\n",
    6: b"Dog\n",
    7: b"sunset\nnewyork\nsky",
    8: b"\n",
    9: b"h\xc3\xb6he\nsea\n",
    10: b"sky\n",
    11: b"cat\n",
    12: b"sea\t\n",
}
COMMON_TAGS = b"sky 845\r\nsea\t600\r\nsunset   30\n\ndog 25\ncat 21 \nzebra 20\n"
MARKED = {
    "animals": b"5\n",
    "clouds": b"7\r\n",
    "dog": b"\xef\xbb\xbf5\n6\n",
    "female": b"11\n",
    "lake": b"12 \n",
    "people": b"\n11",
    "sea": b"12\n9\n1\n",
    "sky": b"1\n2\n4\n7\n\n",
    "sunset": b"7\n7\n",
    "water": b"1\n12\n",
}
STRIKING = {"dog_r1": b"5\n", "sky_r1": b"10\n"}
COUNTS = {
    "items": 12,
    "words": 6,
    "labels": 24,
    # animals 1, clouds 1, dog 2, female 1, lake 1, people 1, sea 3, sky 4, sunset 1, water 2
    "label marks": 17,
    # im1 2, im3 2, im5 1, im7 2, im9 1, im10 1, im11 1, im12 1
    "word marks": 11,
    "pairs": 6,
}


def write(folder, photos=(), annotations=(), inside=""):
    """The two archives; entries of the other arguments are put in, or left out where None."""
    order = sorted(range(1, 13), key=str, reverse=True)  # 9, 8, ..., 2, 12, 11, 10, 1
    entries = {f"mirflickr/im{number}.jpg": b"photo %d" % number for number in order}
    for number in order:
        entries[f"mirflickr/meta/tags/tags{number}.txt"] = TAGS[number]
        entries[f"mirflickr/meta/tags_raw/tags{number}.txt"] = b"Not This One\n"
        entries[f"mirflickr/meta/license/license{number}.txt"] = b"1\n"
    entries["mirflickr/doc/common_tags.txt"] = COMMON_TAGS
    entries["mirflickr/doc/bias.txt"] = b"im1.jpg\n"
    write_zip(folder / "mirflickr25k.zip", entries | dict(photos))
    labels = {f"{label}.txt": MARKED.get(label, b"") for label in reversed(LABELS)}
    striking = {f"{label}.txt": content for label, content in STRIKING.items()}
    labels = labels | striking | {"README.txt": b"A label a file.\n"} | dict(annotations)
    labels = {inside + name: content for name, content in labels.items()}
    write_zip(folder / "mirflickr25k_annotations_v080.zip", labels)
    return folder


def write_zip(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            if content is not None:
                archive.writestr(name, content)


def matrix(rows):
    """A matrix written as rows of 0 and 1."""
    return np.array([[int(mark) for mark in row] for row in rows.split()])


def test_pairs_have_a_word_of_the_vocabulary_and_a_label(tmp_path):
    source = MIRFlickr25K(write(tmp_path))
    dataset = assemble(source, min_items=5)  # the vocabulary is prescribed, however rare its words
    assert dataset.vocabulary == ["sky", "sea", "sunset", "dog", "cat", "zebra"]
    assert [item.id for item in dataset.items] == ["im1", "im5", "im7", "im9", "im11", "im12"]
    text = indicator([item.tags for item in dataset.items], dataset.vocabulary)
    assert (text == matrix("110000 000100 101000 010000 000010 010000")).all()
    assert dataset.dropped == {
        "duplicates of another picture (tags and labels united)": 0,
        "items without a label": 3,  # 3, 8; 10 has only one of those that are striking
        "items without a word of the vocabulary": 3,  # 2, 4, 6
    }
    assert list(source.pictures(item.id for item in dataset.items[3:])) == [
        b"photo 9",
        b"photo 11",
        b"photo 12",
    ]


def test_labels_stand_in_alphabetical_order(tmp_path):
    dataset = assemble(MIRFlickr25K(write(tmp_path)), min_items=1)
    assert dataset.label_names == sorted(dataset.label_names)
    assert " ".join(dataset.label_names) == (
        "animals baby bird car clouds dog female flower food indoor lake male night people "
        "plant_life portrait river sea sky structures sunset transport tree water"
    )
    labels = indicator([item.labels for item in dataset.items], dataset.label_names)
    expected = """
        000000000000000001100001
        100001000000000000000000
        000010000000000000101000
        000000000000000001000000
        000000100000010000000000
        000000000010000001000001
    """
    assert (labels == matrix(expected)).all()


def test_items_are_all_photographs_by_number_with_all_their_tags(tmp_path):
    source = MIRFlickr25K(write(tmp_path))
    items = list(source.items())
    assert [item.id for item in items] == [f"im{number}" for number in range(1, 13)]
    assert [" ".join(item.tags) for item in items] == [
        *(
            "sky sea",
            "nikon",
            "sea sky",
            "",
            "dog",
            "Dog",
            "sunset newyork sky",
            "",
            "h\u00f6he sea",
        ),
        *("sky", "cat", "sea"),
    ]
    assert items[0].labels == ("sea", "sky", "water")
    assert {(item.title, item.caption, item.split) for item in items} == {("", "", "")}
    assert list(source.items()) == items


def test_annotations_may_lie_in_a_folder_of_their_archive(tmp_path):
    (tmp_path / "flat").mkdir()
    flat = MIRFlickr25K(write(tmp_path / "flat"))
    deep = MIRFlickr25K(write(tmp_path, inside="mirflickr25k_annotations_v080/"))
    assert list(deep.items()) == list(flat.items())


def test_the_folder_may_hold_other_things_as_well(tmp_path):
    (tmp_path / "mirflickr" / "doc").mkdir(parents=True)
    (tmp_path / "mirflickr" / "doc" / "common_tags.txt").write_text("unpacked 1\n")
    (tmp_path / "notes.txt").write_text("mine\n")
    (tmp_path / "mirflickr25k.zip.sha256").write_text("0\n")
    source = MIRFlickr25K(write(tmp_path))
    assert len(list(source.items())) == 12
    assert source.vocabulary[0] == "sky"


def test_the_counts_of_the_literature_are_checked(tmp_path, monkeypatch):
    source = MIRFlickr25K(write(tmp_path))
    counts = assemble(source, min_items=1).counts
    monkeypatch.setattr(MIRFlickr25K, "published", COUNTS)
    check_counts(source.name, source.published, counts)
    monkeypatch.setattr(MIRFlickr25K, "published", COUNTS | {"pairs": 20_015})
    with pytest.raises(InputError, match=r"mirflickr25k .*\n  pairs: found 6, published 20,015\n"):
        check_counts(source.name, source.published, counts)


def test_what_is_published_of_the_archives():
    assert MIRFlickr25K.published == {
        "items": 25_000,
        "words": 1386,
        "labels": 24,
        "label marks": 92_902,
        "word marks": 94_281,
        "pairs": 20_015,
    }
    found = [(remote.name, remote.size, remote.digest) for remote in MIRFlickr25K.remotes]
    assert found == [
        ("mirflickr25k.zip", 3_069_184_257, "md5:a23d0a8564ee84cda5622a6c2f947785"),
        ("mirflickr25k_annotations_v080.zip", 207_220, None),
    ]
    assert all(
        remote.url.endswith(f"mirflickr25k.v3b/{name}")
        for remote, (name, _, _) in zip(MIRFlickr25K.remotes, found)
    )


@pytest.mark.parametrize(
    ("photos", "message"),
    [
        ({"im3.jpg": None}, "1 of 11 files are missing; .*\n  mirflickr/im3.jpg$"),
        ({f"im{n}.jpg": None for n in TAGS}, "1 of 1 files are missing; .*\n  mirflickr/im1.jpg$"),
        ({"meta/tags/tags7.txt": None}, "1 of 12 .*\n  mirflickr/meta/tags/tags7.txt$"),
        ({"doc/common_tags.txt": None}, "has no file mirflickr/doc/common_tags.txt; "),
        ({"doc/common_tags.txt": b"a 1\na 2"}, ".*_tags.txt line 2: 'a' is already in .* line 1; "),
        ({"doc/common_tags.txt": b"\n"}, ".*_tags.txt is empty, expected a name in each line; "),
        ({"../im1.jpg": b""}, "entry 'mirflickr/../im1.jpg' leads out of the archive; "),
    ],
)
def test_what_is_wrong_with_the_photographs_is_named(tmp_path, photos, message):
    write(tmp_path, {f"mirflickr/{name}": content for name, content in photos.items()})
    with pytest.raises(SourceError, match=f"/mirflickr25k.zip: {message}") as caught:
        MIRFlickr25K(tmp_path)
    assert "use the archive as its owners publish it" in str(caught.value)


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ({"sky.txt": b"1\n\n13\n"}, "sky.txt line 3: found '13', expected a number from 1 to 12"),
        ({"sky.txt": b"0\n"}, "sky.txt line 1: found '0', expected a number from 1 to 12"),
        ({"sky.txt": b"1\nim2\n"}, "sky.txt line 2: found 'im2', expected a number from 1 to 12"),
        (
            {"sky.txt": None},
            "expected a file for each of 24 labels; missing: sky; unexpected: none",
        ),
        ({"cat.txt": b""}, "expected a file for each .*; missing: none; unexpected: cat"),
        (
            {"sky.txt": None, "sea.txt": None, "Sky.txt": b"", "cat.txt": b""},
            "expected a file for each of 24 labels; missing: sea, sky; unexpected: Sky, cat",
        ),
        ({"old/sky.txt": b"1\n"}, "2 files are called sky.txt, expected one"),
    ],
)
def test_what_is_wrong_with_the_annotations_is_named(tmp_path, annotations, message):
    write(tmp_path, annotations=annotations)
    with pytest.raises(SourceError, match=f"_annotations_v080.zip: {message}; use the archive as "):
        MIRFlickr25K(tmp_path)


@pytest.mark.parametrize("name", [remote.name for remote in MIRFlickr25K.remotes])
def test_a_missing_archive_is_named(tmp_path, name):
    (write(tmp_path) / name).unlink()
    with pytest.raises(SourceError, match=f"{name}: no such file .*; .*downloads it anew"):
        MIRFlickr25K(tmp_path)


def test_a_tag_file_that_is_not_utf8_is_named(tmp_path):
    source = MIRFlickr25K(write(tmp_path, {"mirflickr/meta/tags/tags3.txt": b"h\xf6he\n"}))
    with pytest.raises(SourceError, match="mirflickr/meta/tags/tags3.txt is not UTF-8"):
        list(source.items())


def test_a_damaged_photograph_is_named(tmp_path):
    write(tmp_path)
    path = tmp_path / "mirflickr25k.zip"
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("mirflickr/im4.jpg").header_offset
    content = bytearray(path.read_bytes())
    content[start + 30 + len("mirflickr/im4.jpg") + 1] ^= 0xFF  # within the picture's bytes
    path.write_bytes(content)
    source = MIRFlickr25K(tmp_path)
    assert list(source.pictures(["im3"])) == [b"photo 3"]
    with pytest.raises(SourceError, match=re.escape("mirflickr25k.zip: mirflickr/im4.jpg is dama")):
        list(source.pictures(["im4"]))
