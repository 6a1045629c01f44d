"""Retrieval metrics of binary codes, under two rules for items at equal Hamming distance.

The *stable* rule orders ties by database position: the literature's value. The *expected* rule
averages exactly over all orders of the ties, so no permutation of the database changes it.
Either gives (q,) scores, from `relevance_sorted`, (q, n) with the nearest item first, or from
`counts`, the histogram of q queries; k, at least 1, is the length of the list that is scored.

Shapes: q queries, n database rows, c bits, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import numpy as np

from agch.ranking import Bools, Bytes, Counts, Histogram, blocks, histogram, stable_ranking
from agch.ties import Floats, cutoff, hits_inside, ranks_inside, ratio, row_sum, tie_sum


def average_precision(relevance_sorted: Bools, k: int | None = None) -> Floats:
    """AP@k: the sum, over the relevant items among the first k, of precision at their rank.

    Denominator: relevant items *found* among the first k; with k None or >= n, all relevant ones.
    A query that finds none scores 0 and counts. Ties: as sorted.
    Source: `calculate_top_map` and `calculate_map` of zs-zhong/DJSRH.
    """
    top = relevance_sorted[:, : cutoff(relevance_sorted.shape[1] if k is None else k)]
    hits = np.cumsum(top, axis=1, dtype=np.int32)
    precision = hits / np.arange(1, top.shape[1] + 1)
    return ratio((precision * top).sum(axis=1), hits[:, -1])


def precision_at(relevance_sorted: Bools, k: int) -> Floats:
    """P@k: relevant items among the first k, over k.

    Denominator: k, also where n < k; missing items count as irrelevant, as in trec_eval.
    A query without relevant items scores 0 and counts. Ties: as sorted.
    """
    hits: Counts = relevance_sorted[:, : cutoff(k)].sum(axis=1)
    return hits / k


def expected_average_precision(counts: Histogram, k: int | None = None) -> Floats:
    """AP@k, averaged over all orders of items at equal Hamming distance.

    Ties wholly inside the first k add their expected sum of precisions. Of the ties that rank k
    cuts, h relevant items come inside with hypergeometric probability, and given h they are a
    uniform subset of the ranks inside, so that their sum has the same closed form.
    Denominator: relevant items *found* among the first k; with k None or >= n, all relevant ones.
    A query that finds none scores 0 and counts (in an average over orders: an order that does).
    Source: McSherry and Najork (2008) for the whole ranking; the cut is worked out here.
    """
    total, relevant = counts
    inside = total if k is None else ranks_inside(total, k)
    full = inside == total
    cut = (inside > 0) & ~full
    before, found = total.cumsum(axis=1) - total, relevant.cumsum(axis=1) - relevant
    whole = row_sum(full * tie_sum(total, relevant, before, found))
    before, found = row_sum(full * total), row_sum(full * relevant)
    ranks = row_sum(cut * inside)
    hits, chance = hits_inside(row_sum(cut * total), row_sum(cut * relevant), ranks)
    sums = whole + tie_sum(ranks, hits, before, found)
    expected: Floats = (chance * ratio(sums, found + hits)).sum(axis=1)
    return expected


def expected_precision_at(counts: Histogram, k: int) -> Floats:
    """P@k, averaged over all orders of items at equal Hamming distance.

    The ties that rank k cuts give each rank inside their share of relevant items.
    Denominator: k, as in `precision_at`. A query without relevant items scores 0 and counts.
    Source: McSherry and Najork (2008).
    """
    hits = ranks_inside(counts.total, k) * ratio(counts.relevant, counts.total)
    expected: Floats = hits.sum(axis=1) / k
    return expected


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


def unique_codes(codes: Bytes) -> int:
    """Count the distinct rows of (n, c / 8) packed codes; few of them mean a collapse."""
    return len(np.unique(codes, axis=0))


def bit_balance(codes: Bytes) -> float:
    """Mean over the bits of 2 |p - 0.5|, p the share of +1 in (n, c / 8) packed codes.

    0: every bit splits the rows in halves. 1: every bit is constant.
    """
    share = np.unpackbits(codes, axis=1).mean(axis=0)
    return float(np.abs(2 * share - 1).mean())


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Mean scores by name (`map@50`, `map`, `p@1`, ...), and the curve over Hamming radii."""

    stable: dict[str, float]
    expected: dict[str, float]
    radius_precision: Floats  # (c + 1,)
    radius_recall: Floats  # (c + 1,)


def evaluate(
    query_codes: Bytes,
    database_codes: Bytes,
    query_labels: Bytes,
    database_labels: Bytes,
    *,
    map_at: int = 50,
    precision_at: Sequence[int] = (1, 10, 50, 100),
    block: int = 64,
) -> Evaluation:
    """Score the ranking of the database by each query, under both rules for ties.

    Args:
        query_codes: (q, c / 8) packed codes.
        database_codes: (n, c / 8) packed codes.
        query_labels: (q, L), non-zero where the row has the label.
        database_labels: (n, L), likewise.
        map_at: The k of map@k.
        precision_at: Every k of p@k.
        block: Queries held against the database at a time; changes memory, never a score.

    Raises:
        ValueError: Inputs that `ranking.blocks` refuses, or a k below 1.
    """
    stable, expected, counts = [], [], []
    parts = blocks(query_codes, database_codes, query_labels, database_labels, block)
    for distance, relevant in parts:
        ranked = np.take_along_axis(relevant, stable_ranking(distance), axis=1)
        counts.append(histogram(distance, relevant, bits=8 * query_codes.shape[1]))
        stable.append(_stable(ranked, map_at, precision_at))
        expected.append(_expected(counts[-1], map_at, precision_at))
    joined = Histogram(*(np.concatenate(field) for field in zip(*counts, strict=True)))
    return Evaluation(_means(stable), _means(expected), *precision_recall_by_radius(joined))


def _stable(ranked: Bools, map_at: int, ks: Sequence[int]) -> dict[str, Floats]:
    scores = {f"map@{map_at}": average_precision(ranked, map_at), "map": average_precision(ranked)}
    return scores | {f"p@{k}": precision_at(ranked, k) for k in ks}


def _expected(counts: Histogram, map_at: int, ks: Sequence[int]) -> dict[str, Floats]:
    scores = {f"map@{map_at}": expected_average_precision(counts, map_at)}
    scores["map"] = expected_average_precision(counts)
    return scores | {f"p@{k}": expected_precision_at(counts, k) for k in ks}


def _means(parts: list[dict[str, Floats]]) -> dict[str, float]:
    return {key: float(np.concatenate([part[key] for part in parts]).mean()) for key in parts[0]}
