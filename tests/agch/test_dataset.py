"""Items by hand: what is united, what is dropped, and what is counted."""

import pytest

from agch.dataset import Entry, assemble, unite
from agch.errors import InputError
from agch.sources import Item


def item(name, tags="", labels="l", image=None, title=""):
    """An item with a picture of its own unless one is given."""
    picture = (image or name).encode()
    return Item(name, picture, title or name, tuple(tags.split()), tuple(labels.split()))


def test_a_word_enters_the_vocabulary_at_enough_items():
    items = [item("1", "red car"), item("2", "red bus"), item("3", "bus red"), item("4", "car")]
    found = assemble(items, min_items=3)
    assert found.vocabulary == ["red"]
    assert [(entry.id, entry.tags) for entry in found.entries] == [
        ("1", ("red",)),
        ("2", ("red",)),
        ("3", ("red",)),
    ]
    assert assemble(items, min_items=2).vocabulary == ["bus", "car", "red"]
    assert assemble(items, min_items=2).entries[2].tags == ("bus", "red")  # in the item's order


def test_items_without_a_label_do_not_count_for_the_vocabulary():
    items = [item("1", "red blue"), item("2", "red", labels=""), item("3", "blue")]
    assert assemble(items, min_items=2).vocabulary == ["blue"]


def test_a_word_counts_once_for_a_picture_that_comes_twice():
    items = [item("1", "red blue", image="same"), item("2", "red", image="same"), item("3", "blue")]
    assert assemble(items, min_items=2).vocabulary == ["blue"]


def test_duplicates_are_united_under_the_first_ones_name_and_place():
    items = [
        item("1", "red", "b", image="same", title="first"),
        item("2", "blue", "a"),
        item("3", "blue red green", "c a", image="same", title="second"),
    ]
    found = assemble(items, min_items=1)
    assert found.entries == [
        Entry("1", "first", ("red", "blue", "green"), ("a", "b", "c")),
        Entry("2", "2", ("blue",), ("a",)),
    ]


def test_a_duplicate_can_bring_the_label_that_was_lacking():
    items = [item("1", "red", "", image="same"), item("2", "red", "a", image="same")]
    (entry,) = assemble(items, min_items=1).entries
    assert (entry.id, entry.labels) == ("1", ("a",))


def test_uniting_keeps_each_tag_and_label_once():
    first = Entry("1", "one", ("b", "a"), ("x",))
    second = Entry("2", "two", ("a", "c"), ("x", "w"))
    assert unite(first, second) == Entry("1", "one", ("b", "a", "c"), ("w", "x"))


def test_what_is_dropped_is_counted_by_reason():
    items = [
        item("1", "red", image="same"),
        item("2", "red", image="same"),
        item("3", "red", image="same"),
        item("4", "red"),
        item("5", "red", labels=""),
        item("6", ""),
        item("7", "rare"),
        item("8", "", labels=""),  # counts as without a label only
    ]
    found = assemble(items, min_items=2)
    assert [entry.id for entry in found.entries] == ["1", "4"]
    assert list(found.dropped.items()) == [
        ("duplicates of another picture (tags and labels united)", 2),
        ("items without a label", 2),
        ("items without a word of the vocabulary", 2),
    ]
    assert len(found.entries) + sum(found.dropped.values()) == len(items)


def test_label_names_are_those_of_the_items_that_stay():
    items = [item("1", "red", "z b"), item("2", "red", "a"), item("3", "rare", "gone")]
    assert assemble(items, min_items=2).label_names == ["a", "b", "z"]


@pytest.mark.parametrize(
    "items",
    [
        [],
        [item("1", "red"), item("2", "blue")],  # no word stands at two items
        [item("1", "red", labels=""), item("2", "red", labels="")],
    ],
)
def test_nothing_left_is_the_users_to_mend(items):
    with pytest.raises(InputError) as caught:
        assemble(items, min_items=2)
    message = str(caught.value)
    assert message.startswith(f"none of the {len(items)} items ")
    assert "stands at 2 or more items; lower data.min_items" in message


def test_items_are_read_one_at_a_time_and_once():
    read = []

    def source():
        for name in "123":
            read.append(name)
            yield item(name, "red")

    assert len(assemble(source(), min_items=1).entries) == 3
    assert read == ["1", "2", "3"]
