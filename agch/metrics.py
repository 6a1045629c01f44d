"""Retrieval metrics of binary codes, under two rules for items at equal Hamming distance.

The *stable* rule orders ties by database position: the literature's value. The *expected* rule
averages exactly over all orders of the ties, so no permutation of the database changes it.

    found = evaluate(query_codes, database_codes, query_labels, database_labels, at=(10, 50))
    found.means("stable")["map@50"], found.means("expected")["map@50"]

Items are relevant to a query if they share a label with it. Every score is given for each query,
also for those to which nothing is relevant, and its mean is over all queries.

Shapes: q queries, n database rows, c bits, L labels, m cut-offs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agch.codes import Bytes, Floats, pack
from agch.ranked import Counts, Ranked
from agch.ranking import Histogram, Search, search
from agch.ties import expected_average_precision, expected_dcg, expected_hits, ratio

if TYPE_CHECKING:
    from agch.ranking_torch import DeviceSearch

Rule = Literal["stable", "expected"]
SLAB = 512
"""Queries whose possible numbers of hits are held in memory at a time."""


def precision_at(hits: NDArray[Any], k: int) -> Floats:
    """P@k: relevant items among the first k, over k.

    Denominator: k, also where n < k; missing items count as irrelevant, as in trec_eval.
    A query without relevant items scores 0 and counts.
    Ties: `hits` as sorted, or their expected number.
    """
    return hits / k


def recall_at(hits: NDArray[Any], relevant: Counts) -> Floats:
    """recall@k: relevant items among the first k, over all that are relevant.

    Denominator: every relevant item of the database.
    A query without relevant items scores 0 and counts.
    Ties: `hits` as sorted, or their expected number.
    """
    return ratio(hits, relevant)


def average_precision(ranked: Ranked, at: Sequence[int]) -> Floats:
    """AP@k: the sum, over the relevant items among the first k, of precision at their rank.

    Denominator: relevant items *found* among the first k; with k >= n, all relevant ones.
    A query that finds none scores 0 and counts. Ties: as sorted; `ties.expected_average_precision`
    is the mean over all their orders.
    Source: `calculate_top_map` and `calculate_map` of zs-zhong/DJSRH; its mean is map@k, or map.

    Returns:
        (q, m) scores.
    """
    hits = ranked.hits(at)
    return ratio(ranked.precision_sums(at), hits)


def ndcg_at(dcg: Floats, counts: Histogram, k: int) -> Floats:
    """NDCG@k: the sum over the first k of gain / log2(rank + 1); gain: the labels shared.

    Denominator: the same sum for the best order of the whole database.
    A query without relevant items scores 0 and counts.
    Ties: `dcg` as sorted, or expected, each tied rank having the tie's mean gain.
    Source: Järvelin and Kekäläinen (2002); McSherry and Najork (2008) for ties.
    """
    best_first = counts.grades[:, ::-1]
    ideal = expected_dcg(best_first, best_first * np.arange(best_first.shape[1])[::-1], k)
    return np.divide(dcg, ideal, out=np.zeros_like(dcg), where=ideal > 0)


def precision_within(counts: Histogram, radius: int) -> Floats:
    """p@radius: relevant items within the Hamming radius, over all items within it; (q,).

    Denominator: items within the radius. A query that retrieves nothing there scores 0 and counts,
    as in the field's tables of precision within radius 2. Ties: the set has no order.
    """
    within = slice(0, radius + 1)
    return ratio(counts.relevant[:, within].sum(axis=1), counts.total[:, within].sum(axis=1))


def precision_recall_by_radius(counts: Histogram) -> tuple[Floats, Floats]:
    """Mean precision and mean recall, (c + 1,) each, within Hamming radius 0..c; free of order.

    Recall: relevant items within the radius over all relevant; mean over all queries, of which
    one without relevant items scores 0 and counts. Precision: relevant items within the radius
    over all within it; mean over the queries that retrieve anything, 0 where none does.
    Differs from the usual code of the field, which averages both over queries that found
    something relevant and so hides those that found only the irrelevant.
    """
    retrieved, found = counts.total.cumsum(axis=1), counts.relevant.cumsum(axis=1)
    precision = ratio(ratio(found, retrieved).sum(axis=0), (retrieved > 0).sum(axis=0))
    return precision, ratio(found, found[:, -1:]).mean(axis=0)


class Found(NamedTuple):
    """What a rule finds for each query at each cut-off, the last of which is the whole ranking."""

    hits: NDArray[Any]  # (q, m), relevant items among the first k
    precision: Floats  # (q, m), AP@k
    dcg: Floats  # (q, m)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of every query by name (`map@50`, `map`, `p@1`, ...), and the counts behind them."""

    stable: dict[str, Floats]  # (q,) each
    expected: dict[str, Floats]
    counts: Histogram

    def means(self, rule: Rule) -> dict[str, float]:
        """The means over all queries."""
        scores = self.stable if rule == "stable" else self.expected
        return {name: float(values.mean()) for name, values in scores.items()}


def evaluate(
    query_codes: ArrayLike,
    database_codes: ArrayLike,
    query_labels: ArrayLike,
    database_labels: ArrayLike,
    *,
    at: Sequence[int] = (1, 10, 50, 100),
    device: str = "cpu",
) -> Evaluation:
    """Score the ranking of the database by each query, under both rules for ties.

    Args:
        query_codes: (q, c / 8) packed codes (uint8, see `codes.pack`); or (q, c) of another type,
            real outputs or signs, whose positive entries are 1.
        database_codes: (n, c / 8) or (n, c), likewise.
        query_labels: (q, L), non-zero where the row has the label.
        database_labels: (n, L), likewise.
        at: Every k of map@k, p@k, recall@k and ndcg@k; map and p@radius2 come besides.
        device: `cpu`: numpy, in threads. Another: the pairs are compared and sorted there by torch,
            with the same results.

    Raises:
        ValueError: Arrays that do not fit each other, an empty side, a side on which no row has a
            label, or a k below 1.
    """
    if any(k < 1 for k in at):
        raise ValueError(f"k must be at least 1, got {min(at)}")
    ks = sorted(set(at))
    space = search(
        _packed(query_codes),
        _packed(database_codes),
        _indicator(query_labels),
        _indicator(database_labels),
    )
    cutoffs = [*(ks or [1]), len(space.codes[1])]
    on_device = _on(space, device)

    def work(part: slice) -> tuple[Histogram, Found]:
        counts, ranked = on_device.rank(part)
        return counts, in_order(ranked, cutoffs)

    def expect(start: int) -> Found:
        slab = Histogram(*(values[start : start + SLAB] for values in joined))
        return in_expectation(slab, cutoffs)

    with ThreadPoolExecutor(_cores()) as pool:
        counts, found = zip(*pool.map(work, on_device.parts()), strict=True)
        joined = Histogram(*map(np.concatenate, zip(*counts, strict=True)))
        slabs = pool.map(expect, range(0, len(space.codes[0]), SLAB))
        stable, expected = (
            Found(*map(np.concatenate, zip(*parts, strict=True))) for parts in (found, slabs)
        )
    return Evaluation(scores(stable, joined, ks), scores(expected, joined, ks), joined)


def in_order(ranked: Ranked, at: Sequence[int]) -> Found:
    """What the first k hold, ties by database position; k ascending."""
    return Found(ranked.hits(at), average_precision(ranked, at), ranked.dcg(at[:-1]))


def in_expectation(counts: Histogram, at: Sequence[int]) -> Found:
    """What the first k are expected to hold when the order of ties is random."""
    hits = [expected_hits(counts, k) for k in at]
    dcg = [expected_dcg(counts.total, counts.gain, k) for k in at[:-1]]
    precision = expected_average_precision(counts, at)
    return Found(np.stack(hits, axis=1), precision, np.stack(dcg, axis=1))


def scores(found: Found, counts: Histogram, at: Sequence[int]) -> dict[str, Floats]:
    """Every metric by its name, (q,) each."""
    relevant = counts.relevant.sum(axis=1)
    columns = list(enumerate(at))
    return {
        **{f"map@{k}": found.precision[:, column] for column, k in columns},
        "map": found.precision[:, -1],
        **{f"p@{k}": precision_at(found.hits[:, column], k) for column, k in columns},
        **{f"recall@{k}": recall_at(found.hits[:, column], relevant) for column, k in columns},
        **{f"ndcg@{k}": ndcg_at(found.dcg[:, column], counts, k) for column, k in columns},
        "p@radius2": precision_within(counts, 2),
    }


def calculate_mAP(  # noqa: N802 - the name the field knows
    query_code: ArrayLike,
    retrieval_code: ArrayLike,
    query_label: ArrayLike,
    retrieval_label: ArrayLike,
    topk: int | None = None,
) -> float:
    """Mean `average_precision` under the stable rule: the classic form, of the first `topk` or all.

    The arguments are those of `evaluate`.
    """
    k = len(np.asarray(retrieval_code)) if topk is None else topk
    found = evaluate(query_code, retrieval_code, query_label, retrieval_label, at=(k,))
    return found.means("stable")[f"map@{k}"]


def _on(space: Search, device: str) -> Search | DeviceSearch:
    if device == "cpu":
        return space
    from agch.ranking_torch import DeviceSearch  # imports torch

    return DeviceSearch(space, device)


def _packed(codes: ArrayLike) -> Bytes:
    array = np.asarray(codes)
    return array if array.dtype == np.uint8 else pack(array)


def _indicator(labels: ArrayLike) -> Bytes:
    has: Bytes = (np.asarray(labels) != 0).view(np.uint8)
    return has


def _cores() -> int:
    """Cores this process may use, 8 at most, for each holds a block in memory."""
    allowed = getattr(os, "sched_getaffinity", None)
    return min(8, len(allowed(0)) if allowed else os.cpu_count() or 1)
