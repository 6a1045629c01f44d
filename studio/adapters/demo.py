"""What a search demo answers, whatever the model: words find pictures, and pictures find words.

An adapter makes one for a folder (`Adapter.demo`); pages and API show what it answers. Any number
of threads may ask it at once. What it refuses is a `StudioError` whose message says why.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from studio.errors import NotFound

Side = Literal["pictures", "words"]
"""What an item is looked for by."""


class UnknownItem(NotFound):
    """There is no such item, or nothing to show of it."""


@dataclass(frozen=True)
class Choice:
    """One of the codes that a search may compare."""

    key: str
    label: str


@dataclass(frozen=True)
class Method:
    """One of the ways to measure distance."""

    key: str
    label: str
    explanation: str


@dataclass(frozen=True)
class Hit:
    """An item that was found.

    Attributes:
        rank: From 1.
        item: By which it is asked for again.
        title, words: What it is called; words may be none.
        distance: The smaller the nearer. distance_text: the same as it is read.
        similarity: The greater the nearer, 1 at distance 0.
        tied: How many other items are exactly as far; their order says nothing.
        relevant: Whether it is right; None where nobody knows, and of the item that asked.
    """

    rank: int
    item: int
    title: str
    words: Sequence[str]
    distance: float
    distance_text: str
    similarity: float
    tied: int
    relevant: bool | None


@dataclass(frozen=True)
class Answer:
    """The nearest items, nearest first; at one distance in their own order.

    Attributes:
        used: The words that asked; none when a picture did.
        unknown: Words of the query that the model does not know.
        precision: Share of relevant hits among those of which it is known; None if of none.
        seconds: What the answer took.
    """

    hits: Sequence[Hit]
    used: Sequence[str]
    unknown: Sequence[str]
    precision: float | None
    seconds: float


@dataclass(frozen=True)
class Description:
    """What is searched.

    Attributes:
        source, licence: Where the data come from, and on which terms.
        items: How many there are.
        pictures: Whether there are pictures to show of them.
    """

    source: str
    licence: str
    model: str
    items: int
    pictures: bool


class Picture(NamedTuple):
    """An encoded picture."""

    data: bytes
    media_type: str


class Demo(ABC):
    """Searches of one run.

    `choice` and `method` are keys of `choices` and `methods`; `k` is how many hits are wanted.
    """

    @abstractmethod
    def describe(self) -> Description:
        """What is searched."""

    @abstractmethod
    def choices(self) -> Sequence[Choice]:
        """At least one; the first is the best."""

    @abstractmethod
    def methods(self) -> Sequence[Method]:
        """At least one; the first is the usual one."""

    @abstractmethod
    def samples(self) -> Sequence[str]:
        """Texts to try `by_words` with; none where words cannot ask."""

    @abstractmethod
    def complete(self, prefix: str, limit: int) -> Sequence[str]:
        """Known words that begin like this, in the order of the alphabet."""

    @abstractmethod
    def by_words(self, text: str, choice: str, method: str, k: int) -> Answer:
        """Pictures that fit words.

        Raises:
            StudioError: No word is known, or the choice, method or k cannot be.
        """

    @abstractmethod
    def by_picture(
        self, data: bytes, choice: str, method: str, k: int, towards: Side = "words"
    ) -> Answer:
        """Items whose words, or whose pictures, fit a picture that somebody brings.

        Raises:
            StudioError: It is no picture or too large, or the choice, method or k cannot be.
        """

    @abstractmethod
    def by_item(self, item: int, towards: Side, choice: str, method: str, k: int) -> Answer:
        """From one side of an item to the other: words for its picture, pictures for its words.

        Raises:
            UnknownItem: There is no such item.
            StudioError: The choice, method or k cannot be.
        """

    @abstractmethod
    def thumbnail(self, item: int) -> Picture:
        """A small picture of an item; the same bytes as long as the demo lives.

        Raises:
            UnknownItem: There is no such item, or it has no picture.
        """
