"""The charts of a report, from the columns of the plots' CSV files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from agch.charts import About, Chart, Point, bit_chart, histogram, line_chart, scatter
from agch.evaluation import ACROSS

Columns = Mapping[str, Sequence[str]]


def training_charts(terms: Columns, validation: Mapping[str, Columns]) -> Iterator[Chart]:
    """The terms of each block's loss, and the validation scores, over the epochs.

    Args:
        terms: plots/train/loss_terms.csv.
        validation: The recorded curve of each direction; none without labels.
    """
    blocks: dict[str, dict[str, list[float]]] = {}
    for term, loss in zip(terms["term"], terms["loss"], strict=True):
        block, _, name = term.partition("/")
        blocks.setdefault(block, {}).setdefault(name, []).append(float(loss))
    for block, series in blocks.items():
        epochs = range(1, 1 + len(next(iter(series.values()))))
        text = "The weighted terms of the training loss, mean of each epoch."
        yield line_chart(About(f"Loss: {block}", text, "epoch", "loss"), epochs, series)
    if not validation:
        return
    scores = {name: _numbers(curve[name]) for name, curve in validation.items()}
    about = About(
        "Validation", "map@50 on the held-out training rows.", "epoch", "map@50, expected"
    )
    yield line_chart(about, range(1, 1 + len(next(iter(scores.values())))), scores)


def retrieval_charts(curves: Mapping[str, Columns]) -> Iterator[Chart]:
    """The charts of what was measured, by the names of the files in plots/retrieval/."""
    for metric, title in (("precision", "Precision at k"), ("map", "map at k")):
        x, ys = _split(curves[f"{metric}_at_k"])
        about = About(title, "Ties in expectation.", "k", f"{metric}@k")
        yield line_chart(about, x, ys, log_x=True)
    yield _precision_recall(curves)
    for direction in ACROSS:
        x, ys = _split(curves[f"hamming_{direction}"])
        text = "Shares of the relevant and of the irrelevant pairs; the further apart, the better."
        about = About(f"Hamming distances, {direction}", text, "Hamming distance", "share of pairs")
        yield histogram(about, [int(distance) for distance in x], ys)


def code_charts(curves: Mapping[str, Columns], names: Sequence[str]) -> Iterator[Chart]:
    """The charts of the codes themselves, likewise; `names`: of the map's points."""
    _, shares = _split(curves["bit_balance"])
    for modality, share in shares.items():
        text = "A bit that is +1 for half of the rows says the most."
        yield bit_chart(About(f"Bits of the {modality} codes", text, "bit", "share of +1"), share)
    places = curves["code_map"]
    columns = (places[name] for name in ("x", "y", "label", "modality"))
    rows = zip(*columns, [*names, *names], strict=True)
    points = [Point(float(x), float(y), *words) for x, y, *words in rows]
    text = "Both codes of each query on the two principal components of all of them."
    yield scatter(
        About("Codes of the queries", text, "first component", "second component"), points
    )


def _precision_recall(curves: Mapping[str, Columns]) -> Chart:
    recalls: list[float] = []
    lines: dict[str, list[float | None]] = {direction: [] for direction in ACROSS}
    for direction in ACROSS:
        x, ys = _split(curves[f"precision_recall_{direction}"])
        recalls += x
        for name, line in lines.items():
            line += ys[name] if name == direction else [None] * len(x)
    about = About("Precision and recall", "By Hamming radius.", "recall", "precision")
    return line_chart(about, recalls, lines, row_order=True)


def _split(columns: Columns) -> tuple[list[float], dict[str, list[float]]]:
    """The first column, and the others by name."""
    (_, x), *ys = columns.items()
    return _numbers(x), {name: _numbers(y) for name, y in ys}


def _numbers(texts: Sequence[str]) -> list[float]:
    return [float(text) for text in texts]
