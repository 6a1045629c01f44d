"""The exact search of `agch.search` by faiss, for many rows; `pip install faiss-cpu`."""

from __future__ import annotations

import faiss
import numpy as np

from agch.codes import Bytes
from agch.search import Found, check_codes, check_query


class FaissIndex:
    """Codes in an IndexBinaryFlat.

    faiss may leave out any of those that tie for the last place. So its k nearest only tell how
    far to go; everything within that distance is then put in order.

    Args:
        codes: (n, c / 8) packed codes; they are copied.
    """

    def __init__(self, codes: Bytes) -> None:
        check_codes(codes)
        self._like = codes[:0]
        self._flat = faiss.IndexBinaryFlat(8 * codes.shape[1])
        self._flat.add(np.ascontiguousarray(codes))

    def search(self, query: Bytes, k: int) -> Found:
        """See `agch.search.Index`."""
        check_query(query, self._like, k)
        faiss.omp_set_num_threads(1)  # of this thread; to wait for others takes longer than a query
        wanted = np.ascontiguousarray(query)[None]
        reach = 0
        if self._flat.ntotal:
            nearest, _ = self._flat.search(wanted, min(k, self._flat.ntotal))
            reach = int(nearest[0, -1]) + 1
        _, distance, rows = self._flat.range_search(wanted, reach)  # less than `reach` away
        distance = distance.astype(np.int64)
        order = np.lexsort((rows, distance))[:k]
        counts = np.bincount(distance)
        return Found(rows[order], distance[order], counts[distance[order]] - 1)
