"""The searches of one index: by length of the code and by method, and what they find as hits."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from agch.codes import pack
from agch.index_folder import IndexFolder
from agch.search import CosineIndex, Found, Index, open_index
from studio.adapters.demo import Hit, Method, Side
from studio.errors import StudioError

CODES, OUTPUTS = "codes", "outputs"
METHODS = (
    Method(
        CODES,
        "Hamming distance of the codes",
        "The number of bits in which two codes differ. Often many items are at one distance; then "
        "they come in the order of the database.",
    ),
    Method(
        OUTPUTS,
        "cosine of the outputs before the sign",
        "The angle between the numbers of which a code keeps only the signs: finer, and more work. "
        "Of the codes themselves the cosine would give the order of the Hamming distance.",
    ),
)
MOST_HITS = 1000
MODALITY: dict[Side, str] = {"pictures": "image", "words": "text"}


class Searches:
    """What an index can be searched by; each search is made ready when it is first asked for.

    Attributes:
        lengths: Of the codes that the model was trained for, the longest first.
    """

    def __init__(self, index: IndexFolder) -> None:
        self._index, self._lock = index, Lock()
        manifest = index.manifest
        self.lengths = sorted({*manifest.nested, manifest.bits}, reverse=True)
        self._ready: dict[tuple[str, int, str], Index] = {}

    def check(self, choice: str, method: str, k: int) -> None:
        """Check what was asked for.

        Raises:
            StudioError: There is no such choice or method, or that many hits are not shown.
        """
        choices, methods = [str(length) for length in self.lengths], [each.key for each in METHODS]
        for what, asked, known in (("choice", choice, choices), ("method", method, methods)):
            if asked not in known:
                raise StudioError(f"no {what} '{asked}'; known: {', '.join(known)}")
        if not 1 <= k <= MOST_HITS:
            raise StudioError(f"{k} hits cannot be shown; ask for 1 to {MOST_HITS:,}")

    def hits(
        self,
        output: NDArray[np.float32],
        towards: Side,
        choice: str,
        method: str,
        k: int,
        asking: int | None = None,
    ) -> list[Hit]:
        """The nearest items of a query.

        Args:
            output: (c,) of the query before the sign.
            towards: Which side of the items is searched.
            asking: The item that the query is, if it is one; it is found like any other.
        """
        length = int(choice)
        query = output[:length]
        wanted = pack(query[None])[0] if method == CODES else query
        found = self._search(MODALITY[towards], length, method).search(wanted, k)
        return list(self._shown(found, length if method == CODES else None, asking))

    def _search(self, modality: str, length: int, method: str) -> Index:
        with self._lock:
            key = modality, length, method
            if key not in self._ready:
                self._ready[key] = (
                    open_index(self._index.codes[modality][:, : length // 8])
                    if method == CODES
                    else CosineIndex(self._index.outputs[modality][:, :length])
                )
            return self._ready[key]

    def _shown(self, found: Found, bits: int | None, asking: int | None) -> Iterator[Hit]:
        """Hits of a search among codes of so many bits, or of one by cosine."""
        relevant = self._relevant(found.rows, asking)
        for place, (row, far, tied) in enumerate(zip(*(part.tolist() for part in found))):
            item = self._index.item(row)
            yield Hit(
                rank=place + 1,
                item=row,
                title=item["title"],
                words=item["words"],
                distance=float(far),
                distance_text=f"{far} of {bits}" if bits else f"{far:.4f}",
                similarity=1 - far / (bits or 1),
                tied=tied,
                relevant=relevant[place],
            )

    def _relevant(self, rows: NDArray[np.int64], asking: int | None) -> list[bool | None]:
        """Whether rows share a label with the item that asks; None where that says nothing."""
        label = self._index.label
        if asking is None or not label[asking].any():
            return [None] * len(rows)
        shared = (label[rows] & label[asking]).any(axis=1).tolist()
        return [None if row == asking else hit for row, hit in zip(rows.tolist(), shared)]
