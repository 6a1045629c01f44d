"""Query, database, training and validation rows; labels travel along for whoever measures.

Reads   data/features.h5
Writes  data/split.h5
Params  split
Run     python -m stages.split
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PlainValidator

from agch import storage
from agch.errors import InputError
from agch.schema import number, section
from agch.splits import (
    STANDARD_SIZES,
    Split,
    given_split,
    random_split,
    size_of,
    stratified_split,
)
from stages import params

FEATURES = Path("data/features.h5")
SPLIT = Path("data/split.h5")


def _rows_or_fraction(value: object) -> object:
    """Checked as a whole, because a union would report a problem for each of its members."""
    value = number(value)
    whole = type(value) is int and value >= 1
    if whole or type(value) is float and 0 < value <= 1:
        return value
    raise ValueError(
        f"must be a number of rows from 1 or a fraction above 0 up to 1.0; got {value!r}"
    )


def _size(value: object) -> object:
    return value if value == "standard" else _rows_or_fraction(value)


RowsOrFraction = Annotated[int | float, PlainValidator(_rows_or_fraction)]
Size = Annotated[int | float | Literal["standard"], PlainValidator(_size)]


@section
class SplitParams:
    """Section `split`."""

    rule: Literal["random", "stratified", "given"]
    query: Size
    train: Size
    validation: RowsOrFraction
    seed: Annotated[int, Field(ge=0, lt=2**63)]


def main() -> None:
    """Resolve the sizes, draw the rows, write them with ids and labels."""
    settings = params.load("split", SplitParams)
    with storage.reading(FEATURES, storage.FEATURES) as features:
        ids, label = storage.strings(features["id"]), features["label"][:]
        marks = storage.strings(features["split"]) if "split" in features else None
        source = features.attrs["source"]
    split = (
        prescribed(marks, settings) if settings.rule == "given" else drawn(label, source, settings)
    )
    with storage.create(SPLIT, storage.SPLIT) as file:
        storage.put(file, "id", ids)
        storage.put(file, "label", label)
        for name, rows in vars(split).items():
            storage.put(file, name, rows)
    print(", ".join(f"{len(rows)} {name}" for name, rows in vars(split).items()), "rows")


def prescribed(marks: list[str] | None, settings: SplitParams) -> Split:
    """The rows that the data source marks as query and train.

    Raises:
        InputError: It marks none.
    """
    if marks is None or not {"query", "train"} <= set(marks):
        found = "no row" if marks is None else f"only {', '.join(sorted(set(marks) - {''}))}"
        raise InputError(
            f"split.rule is 'given', but the data source marks {found} as query and train; "
            "use random or stratified"
        )
    return given_split(marks, validation_size(settings, marks.count("train")), settings.seed)


def drawn(label: NDArray[np.uint8], source: str, settings: SplitParams) -> Split:
    """Rows drawn at random or label by label, in the sizes asked for.

    Raises:
        InputError: There are not so many rows, or no labels to go by.
    """
    rows, standard = len(label), STANDARD_SIZES.get(source, (None, None))
    query = size_of("query", settings.query, rows, standard[0])
    if query == rows:
        raise InputError(
            f"split.query takes all {query} rows and leaves no database; ask for fewer"
        )
    train = size_of("train", settings.train, rows - query, standard[1])
    validation = validation_size(settings, train)
    if settings.rule == "random":
        return random_split(rows, query, train, validation, settings.seed)
    if not label.shape[1]:
        raise InputError("split.rule is 'stratified', but there are no labels; use random")
    return stratified_split(label, query, train, validation, settings.seed)


def validation_size(settings: SplitParams, train: int) -> int:
    """Number of validation rows among `train` training rows."""
    validation = size_of("validation", settings.validation, train, None)
    if validation == train:
        raise InputError(
            f"split.validation takes all {train} training rows; give less than split.train"
        )
    return validation


if __name__ == "__main__":
    params.run(main)
