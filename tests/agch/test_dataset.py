"""Items by hand: what is united, what is dropped, and what is counted."""

import numpy as np
import pytest

from agch.dataset import assemble, check_counts, unite
from agch.errors import InputError
from agch.sources import Item, Source


class Made(Source):
    """Items with a picture of their own unless one is given."""

    name, licence, unites_duplicates = "made", "made", True

    def __init__(self, pairs, vocabulary=None, label_names=None, given=()):
        self.pairs, self.vocabulary, self.label_names = list(pairs), vocabulary, label_names
        self.brought = dict.fromkeys(given, np.zeros((len(self.pairs), 2)))

    def items(self):
        return (item for item, _ in self.pairs)

    def pictures(self, ids):
        pictures = {item.id: picture for item, picture in self.pairs}
        return (pictures[each] for each in ids)

    def given(self):
        return self.brought


class Kept(Made):
    """As most benchmarks: duplicates stay."""

    unites_duplicates = False

    def pictures(self, ids):
        raise AssertionError("no picture is needed")


class Wordless(Kept):
    """As a benchmark whose items need no word."""

    needs_words = False


def item(name, tags="", labels="l", image=None, title=""):
    """An item and its picture."""
    made = Item(name, title or name, tuple(tags.split()), tuple(labels.split()))
    return made, (image or name).encode()


def assembled(items, min_items, **options):
    """The data set of a source that unites duplicates."""
    return assemble(Made(items), min_items, **options)


def test_a_word_enters_the_vocabulary_at_enough_items():
    items = [item("1", "red car"), item("2", "red bus"), item("3", "bus red"), item("4", "car")]
    found = assembled(items, min_items=3)
    assert found.vocabulary == ["red"]
    assert [(each.id, each.tags) for each in found.items] == [
        ("1", ("red",)),
        ("2", ("red",)),
        ("3", ("red",)),
    ]
    assert assembled(items, min_items=2).vocabulary == ["bus", "car", "red"]
    assert assembled(items, min_items=2).items[2].tags == ("bus", "red")  # in the item's order


def test_items_without_a_label_do_not_count_for_the_vocabulary():
    items = [item("1", "red blue"), item("2", "red", labels=""), item("3", "blue")]
    assert assembled(items, min_items=2).vocabulary == ["blue"]


def test_a_word_counts_once_for_a_picture_that_comes_twice():
    items = [item("1", "red blue", image="same"), item("2", "red", image="same"), item("3", "blue")]
    assert assembled(items, min_items=2).vocabulary == ["blue"]


def test_duplicates_are_united_under_the_first_ones_name_and_place():
    items = [
        item("1", "red", "b", image="same", title="first"),
        item("2", "blue", "a"),
        item("3", "blue red green", "c a", image="same", title="second"),
    ]
    found = assembled(items, min_items=1)
    assert found.items == [
        Item("1", "first", ("red", "blue", "green"), ("a", "b", "c")),
        Item("2", "2", ("blue",), ("a",)),
    ]


def test_a_duplicate_can_bring_the_label_that_was_lacking():
    items = [item("1", "red", "", image="same"), item("2", "red", "a", image="same")]
    (found,) = assembled(items, min_items=1).items
    assert (found.id, found.labels) == ("1", ("a",))


def test_uniting_keeps_each_tag_and_label_once():
    first = Item("1", "one", ("b", "a"), ("x",), split="train")
    second = Item("2", "two", ("a", "c"), ("x", "w"), caption="a c")
    both = Item("1", "one", ("b", "a", "c"), ("w", "x"), caption="a c", split="train")
    assert unite(first, second) == both


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
    found = assembled(items, min_items=2)
    assert [each.id for each in found.items] == ["1", "4"]
    assert list(found.dropped.items()) == [
        ("duplicates of another picture (tags and labels united)", 2),
        ("items without a label", 2),
        ("items without a word of the vocabulary", 2),
    ]
    assert len(found.items) + sum(found.dropped.values()) == len(items)


def test_label_names_are_those_of_the_items_that_stay():
    items = [item("1", "red", "z b"), item("2", "red", "a"), item("3", "rare", "gone")]
    assert assembled(items, min_items=2).label_names == ["a", "b", "z"]


@pytest.mark.parametrize(
    ("items", "asked"),
    [
        ([], "a word"),
        ([item("1", "red"), item("2", "blue")], "both a label and a word"),
        ([item("1", "red", labels=""), item("2", "blue", labels="")], "a word"),
    ],
)
def test_nothing_left_is_the_users_to_mend(items, asked):
    with pytest.raises(InputError) as caught:
        assembled(items, min_items=2)
    message = str(caught.value)
    assert message.startswith(f"none of the {len(items)} items has {asked} that stands at 2 or ")
    assert "more items; lower data.min_items" in message


def test_items_without_a_label_stay_where_none_has_one():
    found = assembled([item("1", "red", labels=""), item("2", "red", labels="")], min_items=2)
    assert [each.id for each in found.items] == ["1", "2"]
    assert found.label_names == [] and not any(found.dropped.values())


def test_a_stop_word_never_enters_the_vocabulary():
    items = [item("1", "the red"), item("2", "the red"), item("3", "the")]
    found = assembled(items, min_items=2, stop_words={"the"})
    assert found.vocabulary == ["red"]
    assert [each.id for each in found.items] == ["1", "2"]


def test_a_prescribed_vocabulary_is_taken_in_its_order_whatever_stands_at_the_items():
    items = [item("1", "red rare", "b"), item("2", "other", "b"), item("3", "rare", "")]
    found = assemble(Kept(items, ["rare", "red", "unused"], ["b", "a"]), min_items=99)
    assert found.vocabulary == ["rare", "red", "unused"]
    assert found.label_names == ["b", "a"]
    assert [(each.id, each.tags) for each in found.items] == [("1", ("red", "rare"))]


def test_duplicates_stay_where_the_source_says_so_and_no_picture_is_read():
    items = [item("1", "red", image="same"), item("2", "red", image="same")]
    assert [each.id for each in assemble(Kept(items), 1).items] == ["1", "2"]


def test_an_item_without_a_word_stays_where_the_source_or_given_text_says_so():
    items = [item("1", "red"), item("2", "")]
    assert [each.id for each in assemble(Kept(items), 1).items] == ["1"]
    assert [each.id for each in assemble(Wordless(items), 1).items] == ["1", "2"]
    assert [each.id for each in assemble(Kept(items, given=["image"]), 1).items] == ["1"]
    assert [each.id for each in assemble(Kept(items, given=["text"]), 1).items] == ["1", "2"]


def test_places_point_at_the_items_of_the_source():
    items = [item("1", ""), item("2", "red", image="same"), item("3", "red", image="same")]
    items += [item("4", "red", labels=""), item("5", "red")]
    assert assembled(items, min_items=1).places == [1, 4]


def test_counts_are_of_all_items_and_pairs_of_those_used():
    items = [item("1", "red blue other", "a b"), item("2", "red", ""), item("3", "", "a")]
    found = assemble(Kept(items, ["blue", "red"]), min_items=1)
    assert found.counts == {
        "items": 3,
        "words": 2,
        "labels": 2,
        "word marks": 3,  # of the vocabulary: red, blue; red
        "label marks": 3,
        "pairs": 1,
    }


def test_wrong_counts_are_told_with_both_numbers():
    found = {"items": 24_999, "words": 1386, "pairs": 20_014}
    check_counts("set", {"words": 1386}, found)
    with pytest.raises(InputError) as caught:
        check_counts("set", {"items": 25_000, "words": 1386, "pairs": 20_015}, found)
    assert str(caught.value).splitlines() == [
        "this is not the set that others used:",
        "  items: found 24,999, published 25,000",
        "  pairs: found 20,014, published 20,015",
        "Get the original files; or, if the difference is meant, set data.counts=any",
    ]


def test_the_mark_of_a_split_survives_uniting_and_two_marks_are_one_clear_error():
    plain, train = Item("1", "", (), ()), Item("2", "", (), (), split="train")
    query = Item("3", "", (), (), split="query")
    assert unite(plain, train).split == unite(train, plain).split == "train"
    with pytest.raises(InputError, match="2 and 3 are the same picture, .* 'train' and 'query'"):
        unite(train, query)
