"""Query, database, training and validation rows; labels travel along for whoever measures.

Reads   data/features.h5
Writes  data/split.h5
Params  split
Run     python -m stages.split
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from agch import storage
from agch.errors import InputError
from agch.schema import Float, section
from agch.splits import STANDARD_SIZES, random_split, size_of, stratified_split
from stages import params

FEATURES = Path("data/features.h5")
SPLIT = Path("data/split.h5")
RowsOrFraction = Annotated[int, Field(ge=1)] | Annotated[Float, Field(gt=0, le=1)]
Size = RowsOrFraction | Literal["standard"]


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
