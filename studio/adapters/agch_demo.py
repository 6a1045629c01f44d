"""Search of one run of AGCH: its index, its model and its parameters in one folder."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agch.errors import InputError
from agch.index_folder import IndexFolder
from agch.runtime import RuntimeParams, pin_instruction_set
from agch.schema import parse
from studio.adapters.agch_searches import METHODS, Searches
from studio.adapters.agch_upload import picture_of
from studio.adapters.agch_words import Words
from studio.adapters.demo import (
    Answer,
    Choice,
    Demo,
    Description,
    Method,
    Picture,
    Side,
    UnknownItem,
)
from studio.errors import StudioError
from studio.params import read_params

if TYPE_CHECKING:
    from studio.adapters.agch_encoders import Encoders

INDEX = "data/index"
MODEL = "models/agch.pt"


@contextmanager
def told() -> Iterator[None]:
    """What users of the pipeline can mend, users of the platform can mend, too."""
    try:
        yield
    except InputError as error:
        raise StudioError(str(error)) from None


class AGCHDemo(Demo):
    """Searches among the database rows of a run.

    Words and pictures are encoded as the pipeline does it. The networks are loaded when the first
    of them asks; items of the index need none.

    Args:
        folder: Has params.yaml, models/agch.pt and data/index.
        project: From where paths in params.yaml count.

    Raises:
        StudioError: One of them is missing, or the index is of another model.
    """

    def __init__(self, folder: Path, project: Path) -> None:
        self._folder, self._project, self._lock = folder, project, Lock()
        with told():
            self._index = IndexFolder(folder / INDEX)
            self._index.check_model(folder / MODEL)
        self._manifest = self._index.manifest
        self._searches = Searches(self._index)
        self._words = Words(self._index.vocabulary, self._manifest.text_encoder)
        self._encoders: Encoders | None = None

    def describe(self) -> Description:
        """See `Demo`."""
        of = self._manifest
        return Description(
            source=of.source,
            licence=of.licence,
            model=f"{of.model}, {of.bits} bits",
            items=of.rows,
            pictures=self._index.thumbnails.size > 0,
        )

    def choices(self) -> Sequence[Choice]:
        """The lengths that the model was trained for, the longest first."""
        return [Choice(str(length), f"{length} bits") for length in self._searches.lengths]

    def methods(self) -> Sequence[Method]:
        """See `Demo`."""
        return METHODS

    def samples(self) -> Sequence[str]:
        """First words of items that are not in the database."""
        return self._manifest.samples

    def complete(self, prefix: str, limit: int) -> Sequence[str]:
        """See `Demo`."""
        return self._words.complete(prefix, limit)

    def by_words(self, text: str, choice: str, method: str, k: int) -> Answer:
        """See `Demo`; what is between commas may be a word of the vocabulary as a whole."""
        start = time.perf_counter()
        self._searches.check(choice, method, k)
        used, unknown = self._words.known(text)
        with told():
            output = self._networks().words(used)
        hits = self._searches.hits(output, "pictures", choice, method, k)
        return Answer(hits, used, unknown, None, time.perf_counter() - start)

    def by_picture(
        self, data: bytes, choice: str, method: str, k: int, towards: Side = "words"
    ) -> Answer:
        """See `Demo`."""
        start = time.perf_counter()
        self._searches.check(choice, method, k)
        picture = picture_of(data)
        with told():
            output = self._networks().picture(picture)
        hits = self._searches.hits(output, towards, choice, method, k)
        return Answer(hits, [], [], None, time.perf_counter() - start)

    def by_item(self, item: int, towards: Side, choice: str, method: str, k: int) -> Answer:
        """See `Demo`."""
        start = time.perf_counter()
        self._searches.check(choice, method, k)
        self._check_item(item)
        output: NDArray[np.float32]
        if towards == "words":
            output, used = self._index.outputs["image"][item], []
        else:
            output, used = self._index.outputs["text"][item], self._index.item(item)["words"]
        hits = self._searches.hits(output, towards, choice, method, k, item)
        known = [hit.relevant for hit in hits if hit.relevant is not None]
        precision = sum(known) / len(known) if known else None
        return Answer(hits, used, [], precision, time.perf_counter() - start)

    def thumbnail(self, item: int) -> Picture:
        """See `Demo`."""
        self._check_item(item)
        if data := self._index.thumbnails[item]:
            return Picture(data, "image/jpeg")
        raise UnknownItem(f"item {item} has no picture: the data source gave features in its place")

    def _check_item(self, item: int) -> None:
        if not 0 <= item < self._manifest.rows:
            raise UnknownItem(f"no item {item}; there are 0 to {self._manifest.rows - 1}")

    def _networks(self) -> Encoders:
        """The encoders of the run, made once."""
        with self._lock:
            if self._encoders is None:
                self._index.check_model(self._folder / MODEL)  # it may be another one by now
                params = read_params(self._folder) or {}
                runtime = parse(RuntimeParams, params.get("runtime"), "runtime")
                if runtime.reproducibility == "strict":
                    pin_instruction_set()  # before torch is imported
                from studio.adapters.agch_encoders import Encoders

                self._encoders = Encoders(self._folder, self._project, params, runtime, self._index)
            return self._encoders
