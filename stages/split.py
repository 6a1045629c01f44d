"""Query, database, training and validation rows; labels travel along for whoever measures.

Reads   data/features.h5
Writes  data/split.h5
Params  split
Run     python -m stages.split
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PlainValidator

from agch import storage
from agch.errors import InputError
from agch.schema import number, section
from agch.splits import STANDARD_SIZES, random_split, size_of, stratified_split
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

    rule: Literal["random", "stratified"]
    query: Size
    train: Size
    validation: RowsOrFraction
    seed: Annotated[int, Field(ge=0, lt=2**63)]


def main() -> None:
    """Resolve the sizes, draw the rows, write them with ids and labels."""
    settings = params.load("split", SplitParams)
    with storage.reading(FEATURES, storage.FEATURES) as features:
        ids, label = storage.strings(features["id"]), features["label"][:]
        standard = STANDARD_SIZES.get(features.attrs["source"], (None, None))
    query = size_of("query", settings.query, len(ids), standard[0])
    if query == len(ids):
        raise InputError(
            f"split.query takes all {query} rows and leaves no database; ask for fewer"
        )
    train = size_of("train", settings.train, len(ids) - query, standard[1])
    validation = size_of("validation", settings.validation, train, None)
    if validation == train:
        raise InputError(
            f"split.validation takes all {train} training rows; give less than split.train"
        )
    if settings.rule == "stratified":
        split = stratified_split(label, query, train, validation, settings.seed)
    else:
        split = random_split(len(ids), query, train, validation, settings.seed)
    with storage.create(SPLIT, storage.SPLIT) as file:
        storage.put(file, "id", ids)
        storage.put(file, "label", label)
        for name, rows in vars(split).items():
            storage.put(file, name, rows)
    print(", ".join(f"{len(rows)} {name}" for name, rows in vars(split).items()), "rows")


if __name__ == "__main__":
    params.run(main)
