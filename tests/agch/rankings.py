"""Rankings made to measure, and every metric of one query in plain loops."""

import itertools
import math

import numpy as np

from agch.ranking import histogram


def at_distances(distances, bits):
    """Packed codes that differ from the code of zeros in so many bits: its first ones."""
    first = np.arange(bits) < np.array(distances)[:, None]
    return np.packbits(first, axis=1)


def one_query(distance, gain):
    """Arguments of `evaluate`: a query of zeros, items at these distances that share these labels.

    Every item also has one label that the query lacks, so that a gain of 0 everywhere is no error.
    """
    bits, width = 8 * (max(distance) // 8 + 1), max(1, *gain)
    query, database = np.zeros((1, bits // 8), np.uint8), at_distances(distance, bits)
    query_labels = np.arange(width + 1)[None] < width
    shared = np.arange(width) < np.array(gain)[:, None]
    database_labels = np.column_stack((shared, np.ones(len(gain), bool)))
    return query, database, query_labels.astype(np.uint8), database_labels.astype(np.uint8)


def table(distance, gain):
    """Histogram of one query."""
    shared = np.array([gain], np.uint8)
    return histogram(
        np.array([distance], np.uint16), shared, max(distance) + 1, int(shared.max()) + 1
    )


def retrieval(seed, queries=6, rows=30, bits=8, classes=4):
    """Random codes and labels; the first query has no label, so nothing is relevant to it."""
    rng = np.random.default_rng(seed)
    codes = [rng.integers(0, 256, (n, bits // 8), dtype=np.uint8) for n in (queries, rows)]
    labels = [(rng.random((n, classes)) < 0.3).astype(np.uint8) for n in (queries, rows)]
    labels[0][0] = 0
    labels[0][1, 0] = labels[1][0, 0] = 1
    return *codes, *labels


def by_position(distance, gain):
    """Gains from near to far, ties by database position."""
    return [gain[i] for i in sorted(range(len(distance)), key=lambda i: (distance[i], i))]


def tied_orders(distance, gain):
    """Gains in every order that sorts by distance: tied items permuted in all ways."""
    groups = [
        itertools.permutations([g for d, g in zip(distance, gain) if d == value])
        for value in sorted(set(distance))
    ]
    for order in itertools.product(*groups):
        yield list(itertools.chain.from_iterable(order))


def loop_ap(gains, k=None):
    """The mean of the precision at the relevant ranks found among the first k."""
    precisions = []
    for rank, gain in enumerate(gains[:k], start=1):
        if gain:
            precisions.append((len(precisions) + 1) / rank)
    return sum(precisions) / len(precisions) if precisions else 0.0


def loop_precision(gains, k):
    return sum(gain > 0 for gain in gains[:k]) / k


def loop_recall(gains, k):
    return sum(gain > 0 for gain in gains[:k]) / max(1, sum(gain > 0 for gain in gains))


def loop_ndcg(gains, k):
    def dcg(order):
        return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(order[:k], start=1))

    return dcg(gains) / dcg(sorted(gains, reverse=True)) if any(gains) else 0.0


def loop_scores(gains, k):
    """Every metric of a ranking that no order of ties leaves open, by its name."""
    return {
        "map": loop_ap(gains),
        f"map@{k}": loop_ap(gains, k),
        f"p@{k}": loop_precision(gains, k),
        f"recall@{k}": loop_recall(gains, k),
        f"ndcg@{k}": loop_ndcg(gains, k),
    }


def expected_scores(distance, gain, k):
    """What the metrics are on average over all orders of the ties, rank by rank.

    Precision, recall and DCG are sums over ranks, at each of which a tie has its mean gain.
    """
    order = sorted(range(len(distance)), key=lambda i: distance[i])
    tie = [[gain[j] for j in order if distance[j] == distance[i]] for i in order]
    share = [sum(g > 0 for g in gains) / len(gains) for gains in tie]
    mean = [sum(gains) / len(gains) for gains in tie]
    hits, relevant = sum(share[:k]), sum(g > 0 for g in gain)
    ideal = sum(g / math.log2(r + 2) for r, g in enumerate(sorted(gain, reverse=True)[:k]))
    dcg = sum(g / math.log2(r + 2) for r, g in enumerate(mean[:k]))
    return {
        "map": expected_ap(distance, gain, len(gain)),
        f"map@{k}": expected_ap(distance, gain, k),
        f"p@{k}": hits / k,
        f"recall@{k}": hits / relevant if relevant else 0.0,
        f"ndcg@{k}": dcg / ideal if relevant else 0.0,
    }


def expected_ap(distance, gain, k):
    """AP@k averaged over all orders of the ties, by walking down the ranks.

    chance[h]: that h relevant items are found so far. total[h]: their sum of precisions, averaged
    over the orders that found h, times that chance.
    """
    items = sorted(zip(distance, (g > 0 for g in gain)))
    chance, total = np.zeros(k + 2), np.zeros(k + 2)
    chance[0], found, rank = 1.0, 0, 0
    for _, group in itertools.groupby(items, key=lambda item: item[0]):
        hits = [hit for _, hit in group]
        found += sum(hits)
        for left in range(len(hits), 0, -1):
            if rank == k:
                break
            rank += 1
            # of the items left in this tie, those found neither above it nor in it are relevant
            next_hit = np.clip((found - np.arange(k + 2)) / left, 0, 1)
            new, also = chance * next_hit, total * next_hit
            chance, total = chance - new, total - also
            chance[1:] += new[:-1]
            total[1:] += also[:-1] + new[:-1] * np.arange(1, k + 2) / rank
    return float((total[1:] / np.arange(1, k + 2)).sum())
