"""The data of the plots: columns of numbers, drawn by `dvc plots` and by the report.

Shapes: n rows, c bits, l labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agch.charts import COLOURS, OTHER
from agch.codes import Bytes, bit_shares, unpack
from agch.metrics import Evaluation, precision_recall_by_radius

Columns = dict[str, Sequence[Any]]


def at_cutoffs(found: Mapping[str, Evaluation], metric: str, cutoffs: Sequence[int]) -> Columns:
    """`metric`@k at each k, a column a direction; ties in expectation, so that no order shows."""
    means = {name: evaluation.means("expected") for name, evaluation in found.items()}
    curves = {name: [mean[f"{metric}@{k}"] for k in cutoffs] for name, mean in means.items()}
    return {"k": cutoffs, **curves}


def precision_recall(evaluation: Evaluation, name: str) -> Columns:
    """Mean recall, and mean precision in column `name`, within Hamming radius 0..c."""
    precision, recall = precision_recall_by_radius(evaluation.counts)
    return {"recall": recall.tolist(), name: precision.tolist()}


def hamming_histogram(evaluation: Evaluation) -> Columns:
    """Shares of the relevant and of the irrelevant pairs that lie at each Hamming distance 0..c."""
    total = evaluation.counts.total.sum(axis=0)
    relevant = evaluation.counts.relevant.sum(axis=0)
    irrelevant = total - relevant
    return {
        "distance": range(len(total)),
        "relevant": (relevant / max(1, relevant.sum())).tolist(),
        "irrelevant": (irrelevant / max(1, irrelevant.sum())).tolist(),
    }


def bit_balance(codes: Mapping[str, Bytes]) -> Columns:
    """The share of +1 in each bit, a column a modality."""
    shares = {modality: bit_shares(packed).tolist() for modality, packed in codes.items()}
    return {"bit": range(1, 1 + len(next(iter(shares.values())))), **shares}


def code_map(codes: Mapping[str, Bytes], label: Bytes, names: Sequence[str]) -> Columns:
    """The two principal components of all codes together; a row a code, with one of its labels.

    Args:
        codes: Packed codes by modality, (n, c / 8) each.
        label: (n, l) 0/1. A row is shown under its most frequent label.
        names: (l,) of the labels.
    """
    from sklearn.decomposition import PCA  # slow to import

    signs = np.concatenate([unpack(packed) for packed in codes.values()]).astype(np.float64)
    with np.errstate(invalid="ignore"):  # of collapsed codes no component explains anything
        places = PCA(2, svd_solver="covariance_eigh").fit_transform(signs)
    shown = _shown(label, names)
    return {
        "x": np.round(places[:, 0], 3).tolist(),
        "y": np.round(places[:, 1], 3).tolist(),
        "label": shown * len(codes),
        "modality": [modality for modality in codes for _ in shown],
    }


def _shown(label: Bytes, names: Sequence[str]) -> list[str]:
    """(n,) the most frequent label of each row, if it is among the most frequent of all."""
    frequency = np.count_nonzero(label, axis=0)
    by_frequency: NDArray[np.intp] = np.argsort(-frequency, kind="stable")
    ranks = np.where(label[:, by_frequency] != 0, np.arange(len(names)), len(names))
    ranks = ranks.min(axis=1, initial=len(names))
    told = min(len(COLOURS), len(names))
    return [str(names[by_frequency[rank]]) if rank < told else OTHER for rank in ranks]
