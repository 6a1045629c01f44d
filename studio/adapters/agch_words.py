"""The words that a model of AGCH knows, and those of a query among them."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence

from studio.errors import StudioError


class Words:
    """What may be asked in words.

    Args:
        vocabulary: The tags that the model was trained on.
        encoder: As `extract.text_encoder`: of a bag of words each counts by itself; of sentences
            any text will do; with given features there is nothing to encode texts.
    """

    def __init__(self, vocabulary: Sequence[str], encoder: str) -> None:
        self._encoder = encoder
        self._spelt = {_plain(word): word for word in vocabulary}
        self._sorted = sorted(self._spelt)

    def complete(self, prefix: str, limit: int) -> list[str]:
        """The first words of the vocabulary that begin with this, whatever its case."""
        start = _plain(prefix)
        first = bisect_left(self._sorted, start)
        near = self._sorted[first : first + max(0, limit)]
        return [self._spelt[word] for word in near if word.startswith(start)]

    def known(self, text: str) -> tuple[list[str], list[str]]:
        """The words of a text that are in the vocabulary, as it spells them, and the others.

        What stands between commas is looked up as a whole, and else word by word.

        Raises:
            StudioError: There is none that the model knows.
        """
        if self._encoder == "given":
            raise StudioError(
                "words cannot ask: the data source gave features in place of texts, and nothing "
                "makes such of words; search by an item"
            )
        parts = [part for part in map(_plain, re.split(r"[,;\n]", text)) if part]
        if not parts:
            raise StudioError("the query is empty; type words that a picture should fit")
        if self._encoder == "sentence":
            return [text.strip()], []
        words = [
            word for part in parts for word in ([part] if part in self._spelt else part.split())
        ]
        words = list(dict.fromkeys(words))
        used = [self._spelt[word] for word in words if word in self._spelt]
        unknown = [word for word in words if word not in self._spelt]
        if not used:
            raise StudioError(
                f"the model knows none of these words: {', '.join(unknown)}; it knows "
                f"{len(self._sorted):,} words, which the field completes"
            )
        return used, unknown


def _plain(text: str) -> str:
    """In the one spelling in which words are compared."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
