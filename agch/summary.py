"""What a features file holds, and what looks wrong in it.

python -m agch.summary data/features.h5

Pairs are all pairs of two different rows; none is drawn.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from agch.errors import InputError
from agch.storage import FEATURES, reading, strings

BLOCK_ROWS, BLOCK_PAIRS = 1024, 1 << 20
MOST_DUPLICATES = 0.01
LEAST_RELEVANCE, MOST_RELEVANCE = 0.01, 0.9


def main() -> None:
    """Print the summary of the file that was asked for."""
    parser = argparse.ArgumentParser(description="What a features file holds.")
    parser.add_argument("features", type=Path, help="what the stage extract writes")
    try:
        lines = summary(parser.parse_args().features)
    except InputError as error:
        sys.exit(f"error: {error}")
    print("\n".join(lines))


def summary(path: Path) -> list[str]:
    """The lines of a summary: names and values in two columns, then the warnings.

    Raises:
        InputError: The file breaks the contract of features, or it has no pair of rows.
    """
    with reading(path, FEATURES) as file:
        if len(file["id"]) < 2:
            raise InputError(f"{path} has {len(file['id'])} rows; a summary needs 2 or more")
        facts, names, labels = _origin(file), strings(file["label_name"]), file["label"][:] > 0
        image, text = scan(file["image"]), scan(file["text"])
        words = file["text"].dtype == np.uint8
    chance = relevance(labels)
    both = repeats(list(zip(image.digests, text.digests, strict=True)))
    facts |= _features("image", image) | (_words(text) if words else _features("text", text))
    facts |= _labels(labels, names, chance) | {
        "rows that repeat an image": f"{repeats(image.digests):,}",
        "rows that repeat a text": f"{repeats(text.digests):,}",
        "rows that repeat both": f"{both:,}",
    }
    width = max(map(len, facts))
    table = [f"{name:{width}}  {value}" for name, value in facts.items()]
    return table + [f"warning: {each}" for each in warnings(image, both, labels, chance)]


@dataclass(frozen=True)
class Scan:
    """What the rows of an (n, d) matrix are like.

    Attributes:
        dim: d.
        filled: (n,) number of entries of each row that are not 0.
        constant: number of columns with one value throughout.
        digests: of the bytes of each row.
        cosine: mean over all pairs; 0 with a row of zeros; NaN where a number is not finite.
    """

    dim: int
    filled: NDArray[np.int64]
    constant: int
    digests: list[bytes]
    cosine: float


def scan(rows: h5py.Dataset | NDArray[Any]) -> Scan:
    """Go once over an (n, d) matrix, a block of rows at a time; n is at least 2."""
    n, d = rows.shape
    first, varying, total = rows[:1], np.zeros(d, dtype=bool), np.zeros(d)
    filled: list[NDArray[np.int64]] = []
    digests: list[bytes] = []
    for start in range(0, n, BLOCK_ROWS):
        block = rows[start : start + BLOCK_ROWS]
        filled.append(np.count_nonzero(block, axis=1))
        varying |= (block != first).any(axis=0)
        digests += [blake2b(row, digest_size=16).digest() for row in block]
        total += sum_of_units(block)
    counts, constant = np.concatenate(filled), d - int(varying.sum())
    return Scan(d, counts, constant, digests, mean_cosine(total, int((counts > 0).sum()), n))


def sum_of_units(rows: NDArray[Any]) -> NDArray[np.float64]:
    """(n, d) -> (d,) sum of the rows, each scaled to length 1; rows of zeros add nothing."""
    exact = rows.astype(np.float64)
    lengths = np.sqrt(np.einsum("nd,nd->n", exact, exact))
    with np.errstate(invalid="ignore"):  # infinity times 0
        return np.asarray((1 / np.where(lengths == 0, 1, lengths)) @ exact)


def mean_cosine(total: NDArray[np.float64], units: int, n: int) -> float:
    """Mean cosine over all pairs of n rows with this `sum_of_units`; `units` are not zeros.

    |total|^2 is the sum over all pairs and over each of these rows with itself.
    """
    return (float(total @ total) - units) / (n * (n - 1))


def relevance(labels: NDArray[np.bool_]) -> float:
    """Share of the pairs of rows that have a label in common.

    Equal rows are counted as one with a weight: the time grows with the kinds of rows, squared.

    Args:
        labels: (n, l), whether the row has the label; n is at least 2.
    """
    n = len(labels)
    packed, weights = np.unique(np.packbits(labels, axis=1), axis=0, return_counts=True)
    kinds = np.unpackbits(packed, axis=1, count=labels.shape[1]).astype(np.float32)
    sharing = -int(labels.any(axis=1).sum())  # the loop counts a row with itself, too
    step = max(1, BLOCK_PAIRS // len(kinds))
    for start in range(0, len(kinds), step):
        block = slice(start, start + step)
        sharing += int(weights[block] @ ((kinds[block] @ kinds.T > 0) @ weights))
    return sharing / (n * (n - 1))


def repeats(rows: Sequence[object]) -> int:
    """Number of rows that equal one before them."""
    return len(rows) - len(set(rows))


def warnings(image: Scan, both: int, labels: NDArray[np.bool_], chance: float) -> list[str]:
    """What looks wrong: `both` rows repeat both modalities, `chance` is `relevance(labels)`."""
    empty, share = np.count_nonzero(image.filled == 0), both / len(image.filled)
    found = {
        "image features hold numbers that are not finite": math.isnan(image.cosine),
        "all images have the same features": image.constant == image.dim,
        f"images whose features are all zeros: {empty:,}": empty > 0,
        f"{share:.1%} of the rows repeat both modalities": share > MOST_DUPLICATES,
        "no item has a label: retrieval cannot be evaluated": not labels.any(),
        "hardly a pair shares a label": labels.any() and chance < LEAST_RELEVANCE,
        "nearly all pairs share a label: any ranking scores high": chance > MOST_RELEVANCE,
    }
    return [warning for warning, holds in found.items() if holds]


def _origin(file: h5py.File) -> dict[str, str]:
    told = {key: file.attrs[key] for key in ("source", "licence", "backbone", "text_encoder")}
    told["rows"] = f"{len(file['id']):,}"
    if "split" in file:
        sizes = sorted(Counter(strings(file["split"])).items())
        told["official_split"] = ", ".join(f"{name or 'none'} {size:,}" for name, size in sizes)
    return {key.replace("_", " "): value for key, value in told.items()}


def _features(modality: str, found: Scan) -> dict[str, str]:
    return {
        f"{modality} features": f"{found.dim:,}, {found.constant:,} of them constant",
        f"{modality} zeros": f"{1 - found.filled.mean() / max(1, found.dim):.1%}",
        f"{modality} mean cosine": f"{found.cosine:.3f}",
    }


def _words(found: Scan) -> dict[str, str]:
    return {
        "words": f"{found.dim:,}",
        "words an item": _an_item(found.filled),
        "share of ones": f"{found.filled.mean() / max(1, found.dim):.2%}",
    }


def _labels(labels: NDArray[np.bool_], names: list[str], chance: float) -> dict[str, str]:
    told = {"labels": f"{len(names):,}", "labels an item": _an_item(labels.sum(axis=1))}
    if names:
        counts = labels.sum(axis=0)
        for which, label in (("rarest", counts.argmin()), ("most frequent", counts.argmax())):
            told[f"{which} label"] = f"{names[label]}: {counts[label]:,}"
    return told | {"pairs sharing a label": f"{chance:.2%}"}


def _an_item(counts: NDArray[np.int64]) -> str:
    spread = f"mean {counts.mean():.2f}, min {counts.min()}, max {counts.max()}"
    return f"{spread}; without any: {np.count_nonzero(counts == 0):,}"


if __name__ == "__main__":
    main()
