"""Words: how a text becomes words, which forms of a word count as the same, which words are kept.

Pure functions on strings. A word is lower case and has at least three letters.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

MIN_LETTERS = 3
# irregular plurals, only those that a label of one of our sources needs
IRREGULAR = {"people": "person", "smilies": "smiley", "stickmen": "stickman"}


def words(text: str) -> list[str]:
    """Split a text into its words, in order, repeats kept.

    A word is a run of letters of any script (digits, marks, `_` and `'` end it); runs of fewer than
    three letters are left out. Composed and decomposed accents give the same word.
    """
    lower = unicodedata.normalize("NFC", text.lower())
    runs = "".join(letter if letter.isalpha() else " " for letter in lower).split()
    return [run for run in runs if len(run) >= MIN_LETTERS]


def forms(word: str) -> set[str]:
    """Return a word with its English singulars and plurals, by rule and not by dictionary.

    Rules: -s; -es after s, x, z, ch, sh; -ies for -y after a consonant; the table IRREGULAR. The
    set may hold strings that are no words (`bus` gives `bu`). Symmetric: `a in forms(b)` exactly
    when `b in forms(a)`.
    """
    candidates = {word[:-1], word[:-2], word[:-3] + "y", IRREGULAR.get(word, "")} - {""}
    bases = {word} | {base for base in candidates if word in _plurals(base)}
    return bases.union(*(_plurals(base) for base in bases))


def _plurals(word: str) -> set[str]:
    irregular = {plural for plural, singular in IRREGULAR.items() if singular == word}
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return irregular | {word + "es"}
    if word.endswith("y") and word[-2:-1] not in {"a", "e", "i", "o", "u", ""}:
        return irregular | {word[:-1] + "ies"}
    return irregular | {word + "s"}


def label_words(labels: Iterable[str]) -> set[str]:
    """Return every form of every word in the names of labels.

    `signs_and_symbols/map_symbols` gives the forms of signs, and, symbols and map.
    """
    return {form for label in labels for word in words(label) for form in forms(word)}


def without(texts: Iterable[str], unwanted: Collection[str]) -> tuple[str, ...]:
    """Return the words of some texts, each once, in order of first use, minus the unwanted ones."""
    found = (word for text in texts for word in words(text))
    return tuple(dict.fromkeys(word for word in found if word not in unwanted))


def vocabulary(texts: Iterable[Sequence[str]], min_items: int) -> list[str]:
    """Return the words that occur in at least `min_items` items, in alphabetical order.

    Args:
        texts: the words of each item; an item counts a word once, however often it repeats it.
        min_items: at least 1; 1 keeps every word.
    Raises:
        ValueError: min_items is below 1.
    """
    if min_items < 1:
        raise ValueError(f"min_items must be at least 1, found {min_items=}")
    counts = Counter(word for text in texts for word in set(text))
    return sorted(word for word, count in counts.items() if count >= min_items)


def stop_words(which: str | Collection[str]) -> frozenset[str]:
    """Words that carry no meaning: those named, or "english": scikit-learn's list."""
    if which == "english":
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS  # slow to import

        return frozenset(ENGLISH_STOP_WORDS)
    return frozenset(unicodedata.normalize("NFC", word.lower()) for word in which)
