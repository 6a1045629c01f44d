"""The source `wikipedia`, on an archive laid out as the owners' and small enough to count."""

import io
import zipfile

import numpy as np
import pytest
from scipy.io import savemat

from agch.dataset import assemble, check_counts
from agch.errors import InputError
from agch.features import indicator
from agch.sources import SourceError
from agch.sources.wikipedia import Wikipedia

CATEGORIES = (
    *("art", "biology", "geography", "history", "literature"),
    *("media", "music", "royalty", "sport", "warfare"),
)
TRAIN = "trainset_txt_img_cat.list"
TEST = "testset_txt_img_cat.list"
TRAINING = ["f0-2.1\tb9\t10", "e1-1\ta8\t1", "d2-3.4\tc7\t2", "c3-1\td6\t10"]
TESTING = ["a5-1\te5\t1", "b4-9\tf4\t7"]
T_TR = [[0.5, 0.5, 0], [0.25, 0, 0.75], [0, 0, 1], [0.125, 0.875, 0]]
T_TE = [[1, 0, 0], [0, 0.25, 0.75]]
COUNTS = {"items": 6, "labels": 10, "pairs": 6}


def section(text, title="Title"):
    """The XML of one section."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<document name="{title}">\n'
        f'<imageset><image id="b9"><name>Not this.jpg</name></image></imageset>\n'
        f"<text>\n{text}\n</text>\n</document>\n"
    )


TEXTS = {
    "f0-2.1": section("The siege of H\u00f6he &amp; the\n<b>siege</b> of Acre.", "Siege of Acre"),
    "e1-1": "<document name='x'><text>AT&T</text></document>",  # broken: & must be &amp;
    "d2-3.4": '<?xml version="1.0" encoding="klingon"?><document><text>a fly</text></document>',
    "c3-1": "<document/>",
    "a5-1": section("Painting"),
    "b4-9": "",
}


def layout():
    """Content of the owners' archive by name."""
    files = {
        "README": "Not this.",
        "categories.list": "".join(f"{category}\n" for category in CATEGORIES),
        TRAIN: "".join(f"{line}\n" for line in TRAINING),
        TEST: "\r\n".join(TESTING),
        "raw_features.mat": mat(T_tr=T_TR, T_te=T_TE),
    }
    for line in TRAINING + TESTING:
        text, image, number = line.split("\t")
        files[f"images/{CATEGORIES[int(number) - 1]}/{image}.jpg"] = f"picture {image}"
        files[f"texts/{text}.xml"] = TEXTS[text]
    return dict(reversed(files.items()))


def mat(**matrices):
    """A MATLAB file with these matrices and those of the pictures, which nobody asks for."""
    file = io.BytesIO()
    savemat(file, {key: np.array(value) for key, value in matrices.items()} | {"I_tr": [[1, 2]]})
    return file.getvalue()


def write(folder, changes=()):
    """The archive; the changes put entries in, or leave them out where None."""
    with zipfile.ZipFile(folder / "wikipedia_dataset.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (layout() | dict(changes)).items():
            if content is not None:
                archive.writestr(f"wikipedia_dataset/{name}", content)
    return folder / "wikipedia_dataset.zip"


def test_items_are_those_of_the_training_list_then_the_queries(tmp_path):
    items = list(Wikipedia(write(tmp_path)).items())
    assert [(item.id, item.split, item.labels) for item in items] == [
        ("f0-2.1/b9", "train", ("warfare",)),
        ("e1-1/a8", "train", ("art",)),
        ("d2-3.4/c7", "train", ("biology",)),
        ("c3-1/d6", "train", ("warfare",)),
        ("a5-1/e5", "query", ("art",)),
        ("b4-9/f4", "query", ("music",)),
    ]


def test_captions_are_the_plain_text_and_tags_its_words(tmp_path):
    source = Wikipedia(write(tmp_path))
    items = list(source.items())
    assert items[0].title == "Siege of Acre"
    assert items[0].caption == "The siege of H\u00f6he & the siege of Acre."
    assert items[0].tags == ("the", "siege", "h\u00f6he", "acre")
    assert (items[4].title, items[4].caption, items[4].tags) == ("Title", "Painting", ("painting",))
    for broken in (1, 2, 3, 5):  # not well formed, of no known encoding, without a text, empty
        assert (items[broken].title, items[broken].caption, items[broken].tags) == ("", "", ())
    assert list(source.items()) == items


def test_every_item_is_a_pair_because_its_text_is_given(tmp_path):
    source = Wikipedia(write(tmp_path))
    dataset = assemble(source, min_items=2)
    assert dataset.vocabulary == []  # no word stands in two texts
    assert dataset.label_names == list(CATEGORIES)
    assert dataset.places == [0, 1, 2, 3, 4, 5]
    labels = indicator([item.labels for item in dataset.items], dataset.label_names)
    assert labels.argmax(axis=1).tolist() == [9, 0, 1, 9, 0, 6]
    assert labels.sum() == 6
    (text,) = source.given().values()
    assert text.dtype == np.float32
    assert (text[np.array(dataset.places)] == np.array(T_TR + T_TE)).all()
    wanted = ["b4-9/f4", "f0-2.1/b9"]
    assert list(source.pictures(wanted)) == [b"picture f4", b"picture b9"]


def test_archive_its_folder_and_its_content_are_the_same(tmp_path):
    archive = write(tmp_path)
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path / "loose")
    found = [Wikipedia(path) for path in (archive, tmp_path / "loose" / "wikipedia_dataset")]
    (tmp_path / "only").mkdir()
    found.append(Wikipedia(archive.rename(tmp_path / "only" / archive.name).parent))
    assert list(found[0].items()) == list(found[1].items()) == list(found[2].items())
    pictures = [list(source.pictures(["a5-1/e5"])) for source in found]
    assert pictures == [[b"picture e5"]] * 3
    assert all((source.given()["text"][:] == np.array(T_TR + T_TE)).all() for source in found)


def test_one_image_may_illustrate_two_texts(tmp_path):
    changes = {
        TRAIN: "\n".join([*TRAINING, "c3-2\td6\t10"]),
        "texts/c3-2.xml": section("Other"),
        "raw_features.mat": mat(T_tr=[*T_TR, [0, 1, 0]], T_te=T_TE),
    }
    ids = [item.id for item in Wikipedia(write(tmp_path, changes)).items()]
    assert ids[3:5] == ["c3-1/d6", "c3-2/d6"]


def test_the_counts_of_the_literature_are_checked(tmp_path, monkeypatch):
    assert Wikipedia.published == {"items": 2866, "labels": 10, "pairs": 2866}
    source = Wikipedia(write(tmp_path))
    counts = assemble(source, min_items=1).counts
    monkeypatch.setattr(Wikipedia, "published", COUNTS)
    check_counts(source.name, source.published, counts)
    monkeypatch.setattr(Wikipedia, "published", COUNTS | {"items": 2866})
    with pytest.raises(InputError, match=r"wikipedia .*\n  items: found 6, published 2,866\n"):
        check_counts(source.name, source.published, counts)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (mat(T_tr=T_TR[1:], T_te=T_TE), f"T_tr has 3 rows, {TRAIN} has 4 lines; expected a row"),
        (mat(T_tr=T_TR, T_te=T_TR), f"T_te has 4 rows, {TEST} has 2 lines; expected a row for"),
        (mat(T_tr=T_TR, T_te=[[1], [1]]), r"equally many columns, found \[1, 3\] columns in T_tr"),
        (mat(T_tr=T_TR, T_te=[[1, 0, np.nan]] * 2), "raw_features.mat: expected finite numbers in"),
        (mat(T_tr=T_TR), r"cannot read T_tr and T_te \(KeyError\('T_te'\)\); use wikipedia_dat"),
        (mat(T_tr=T_TR, T_te=[["text"], ["text"]]), "cannot read T_tr and T_te"),
        (b"no MATLAB", "wikipedia_dataset/raw_features.mat: cannot read T_tr and T_te"),
        (mat(T_tr=T_TR, T_te=T_TE)[:300], "cannot read T_tr and T_te"),
        (b"", "cannot read T_tr and T_te"),
        (None, "no file is called raw_features.mat"),
    ],
)
def test_what_is_wrong_with_the_given_features_is_named(tmp_path, features, message):
    with pytest.raises(SourceError, match=message):
        Wikipedia(write(tmp_path, {"raw_features.mat": features}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({TRAIN: "f0-2.1\tb9\t11"}, f"{TRAIN} line 1: found '11', expected a number from 1 to 10"),
        ({TRAIN: "\nf0-2.1\tb9"}, "line 2: found 'f0-2.1\tb9', expected text, image, category"),
        ({TEST: TRAINING[1]}, f"{TEST} line 1: text and image are in an earlier line, expected o"),
        ({TEST: None}, f"no file is called {TEST}"),
        (
            {"categories.list": "art\n"},
            f"{TRAIN} line 1: found '10', expected a number from 1 to 1",
        ),
        ({"categories.list": "art\nart\n"}, "line 2: 'art' is already in "),
        ({"images/music/f4.jpg": None}, "1 of 6 files are missing; .*/images/music/f4.jpg$"),
        ({"texts/b4-9.xml": None}, "1 of 6 files are missing; .*\n .*/texts/b4-9.xml$"),
    ],
)
def test_what_is_wrong_with_the_lists_is_named(tmp_path, changes, message):
    with pytest.raises(SourceError, match=rf"(?s)wikipedia_dataset\.zip: .*{message}"):
        Wikipedia(write(tmp_path, changes))


def test_a_cut_archive_is_named(tmp_path):
    path = write(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(
        SourceError, match="not a zip archive, or cut off .*; use wikipedia_dataset"
    ):
        Wikipedia(tmp_path)
