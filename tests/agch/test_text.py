"""Words, their singular and plural forms, and the vocabulary."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agch.text import forms, label_words, stop_words, vocabulary, without, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Red CAR, red bus!", ["red", "car", "red", "bus"]),
        ("an ox is on it", []),  # two letters are too few
        ("map_symbols/aiga-symbols", ["map", "symbols", "aiga", "symbols"]),
        ("route66 1989 x2y", ["route"]),  # a digit ends a run
        ("don't", ["don"]),
        ("Événement ÖL-Öfen", ["événement", "öfen"]),
        ("cafe\u0301", ["café"]),  # a decomposed accent is composed
        ("Дом ½dom²", ["дом", "dom"]),  # any script; a fraction is no letter
    ],
)
def test_words(text, expected):
    assert words(text) == expected


@given(st.text())
def test_words_of_words_are_the_same_words(text):
    assert words(" ".join(words(text))) == words(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("animal", "animals"),
        ("box", "boxes"),
        ("church", "churches"),
        ("party", "parties"),
        ("movie", "movies"),
        ("toy", "toys"),
        ("person", "people"),
        ("persons", "people"),
        ("smiley", "smilies"),
        ("smileys", "smilies"),
        ("stickman", "stickmen"),
    ],
)
def test_singular_and_plural_are_forms_of_each_other(one, other):
    assert other in forms(one)
    assert one in forms(other)


@pytest.mark.parametrize(
    ("one", "other"), [("dress", "dres"), ("toy", "toies"), ("plant", "planet"), ("led", "ledes")]
)
def test_other_words_are_no_forms(one, other):
    assert other not in forms(one)


ENDINGS = st.sampled_from(["", "s", "es", "y", "ies", "ss", "ch"])
IRREGULARS = st.sampled_from(["people", "peoples", "person", "smilies", "smiley", "stickmen"])


@given(st.builds(str.__add__, st.text("aeiosxy", min_size=3, max_size=5), ENDINGS) | IRREGULARS)
def test_forms_hold_the_word_and_are_symmetric(word):
    assert word in forms(word)
    assert all(word in forms(form) for form in forms(word))


def test_label_words_are_the_forms_of_every_word_in_the_names():
    found = label_words(["signs_and_symbols", "signs_and_symbols/map_symbols"])
    assert {"sign", "signs", "symbol", "symbols", "map", "maps", "and"} <= found
    assert "mapsym" not in found


def test_without_keeps_the_order_of_first_use():
    assert without(["red bird", "Birds", "blue red"], {"bird", "birds"}) == ("red", "blue")
    assert without([], {"bird"}) == ()


def test_vocabulary_counts_items_not_occurrences():
    # red: items 1, 2 and 3; car: items 1 and 3; bus: three times, but in item 2 only
    texts = [["red", "car"], ["red", "bus", "bus", "bus"], ["car", "red"]]
    assert vocabulary(texts, min_items=3) == ["red"]
    assert vocabulary(texts, min_items=2) == ["car", "red"]
    assert vocabulary(iter(texts), min_items=1) == ["bus", "car", "red"]
    assert vocabulary([], min_items=1) == []


def test_vocabulary_rejects_less_than_one_item():
    with pytest.raises(ValueError, match="at least 1, found min_items=0"):
        vocabulary([], min_items=0)


def test_stop_words_are_those_named_or_a_list_of_english_ones():
    assert stop_words([]) == frozenset()
    assert stop_words(["The", "CAFE\u0301"]) == {"the", "caf\u00e9"}
    assert {"the", "of", "and"} <= stop_words("english") and "dog" not in stop_words("english")
