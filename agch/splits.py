"""Query, database, training and validation rows.

Query and database are disjoint and cover all rows; training rows are database rows; validation
rows are cut from them. The database is stored in a seeded order that has nothing to do with the
labels, because the usual evaluation breaks ties by database order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from agch.errors import InputError

Rows = NDArray[np.int64]
STANDARD_SIZES = {"mirflickr25k": (2000, 5000), "nuswide": (2000, 5000), "wikipedia": (693, 2173)}
"""(query, train) of the AGCH paper's protocol, by data source."""


@dataclass(frozen=True)
class Split:
    """Row indices into the features: (q,) (b,) (t,) (e,) int64.

    Raises:
        ValueError: The sets are not disjoint where they must be.
    """

    query: Rows
    database: Rows
    train: Rows
    validation: Rows

    def __post_init__(self) -> None:
        """Assert what the evaluation relies on."""
        for name, rows in vars(self).items():
            if len(np.unique(rows)) != len(rows):
                raise ValueError(f"a row appears twice in '{name}'")
        trained = np.concatenate([self.train, self.validation])
        if np.intersect1d(self.query, self.database).size:
            raise ValueError("a row is in both query and database")
        if np.intersect1d(self.train, self.validation).size:
            raise ValueError("a row is in both train and validation")
        if not np.isin(trained, self.database).all():
            raise ValueError("a training or validation row is not in the database")


def size_of(name: str, wanted: int | float | str, rows: int, standard: int | None) -> int:
    """Resolve one size: a number of rows, a fraction of `rows`, or `standard`.

    Args:
        name: The parameter, for the message.
        wanted: An `int` is rows, a `float` a fraction up to 1, or "standard".
        rows: What a fraction is a fraction of, and the most there can be.
        standard: The data source's standard size, if it has one.

    Raises:
        InputError: No standard size is known, or there are not enough rows.
    """
    if wanted == "standard":
        if standard is None:
            known = ", ".join(STANDARD_SIZES)
            raise InputError(
                f"split.{name} is 'standard', but this data source has no standard sizes "
                f"(known: {known}); give a number of rows or a fraction"
            )
        wanted = standard
    assert not isinstance(wanted, str)
    size = wanted if isinstance(wanted, int) else round(wanted * rows)
    if not 0 < size <= rows:
        raise InputError(
            f"split.{name}: {wanted} asks for {size} of {rows} rows; "
            "give a fraction up to 1.0, or a number of rows that there are"
        )
    return size


def random_split(rows: int, query: int, train: int, validation: int, seed: int) -> Split:
    """All sets drawn at random.

    Args:
        rows: Number of rows in all.
        query, train, validation: Sizes; `train` includes `validation`.
        seed: Of `numpy.random.default_rng`, whose stream is stable across versions and CPUs.
    """
    order = np.random.default_rng(seed).permutation(rows)
    database = order[query:]
    return _finish(order[:query], database, database[:train], validation, seed)


def stratified_split(
    label: NDArray[np.uint8], query: int, train: int, validation: int, seed: int
) -> Split:
    """Sets filled label by label, as the code of DJSRH does; queries then carry more labels.

    For each label in order, rows that carry it and are still free go to the query set and then to
    the training set, up to a quota; what is missing in the end is drawn at random. The first label
    has a double quota where that makes the sum exact (MIRFlickr: 160 and 23 x 80 = 2,000).

    Args:
        label: (n, l) 0/1.
        query, train, validation: Sizes; `train` includes `validation`.
    """
    generator = np.random.default_rng(seed)
    queries, trained = _fill(label, query, train, generator)
    database = np.setdiff1d(np.arange(len(label)), queries)
    return _finish(queries, generator.permutation(database), trained, validation, seed)


def given_split(marks: Sequence[str], validation: int, seed: int) -> Split:
    """The split that the data set prescribes.

    Args:
        marks: (n,) "query", "train", or anything else for a row of the database that never trains.
        validation: Size of the part cut from the training rows.
        seed: Of the order of the database and of the cut.
    """
    array = np.array(marks)
    order = np.random.default_rng(seed).permutation(np.flatnonzero(array != "query"))
    return _finish(
        np.flatnonzero(array == "query"), order, np.flatnonzero(array == "train"), validation, seed
    )


def _fill(
    label: NDArray[np.uint8], query: int, train: int, generator: Generator
) -> tuple[Rows, Rows]:
    """The label-by-label draw of (query, train) rows."""
    free = np.ones(len(label), dtype=bool)
    taken: tuple[list[Rows], list[Rows]] = ([], [])
    for column in range(label.shape[1]):
        for rows, size in zip(taken, (query, train), strict=True):
            candidates = generator.permutation(np.flatnonzero(free & (label[:, column] > 0)))
            chosen = candidates[: _quota(size, label.shape[1], first=column == 0)]
            free[chosen] = False
            rows.append(chosen)
    for rows, size in zip(taken, (query, train), strict=True):
        missing = size - sum(map(len, rows))
        chosen = generator.permutation(np.flatnonzero(free))[:missing]
        free[chosen] = False
        rows.append(chosen)
    return np.concatenate(taken[0]), np.concatenate(taken[1])


def _quota(size: int, labels: int, *, first: bool) -> int:
    if size % (labels + 1) == 0:
        return size // (labels + 1) * (2 if first else 1)
    return size // labels


def _finish(query: Rows, database: Rows, train: Rows, validation: int, seed: int) -> Split:
    """Cut the validation rows from the training rows, at random."""
    shuffled = np.random.default_rng([seed, 1]).permutation(train)
    return Split(query, database, np.sort(shuffled[validation:]), np.sort(shuffled[:validation]))
