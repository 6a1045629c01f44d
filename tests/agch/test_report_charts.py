"""The charts of a run hold what its files hold."""

from agch.charts import COLOURS
from agch.report_charts import code_charts, retrieval_charts, training_charts


def terms(*names, epochs=2):
    """Every term has its place in the epoch as loss, and 10 for each epoch before."""
    rows = [(e, name, 10 * e + i) for e in range(epochs) for i, name in enumerate(names)]
    columns = zip(*rows, strict=True)
    return {key: [str(v) for v in c] for key, c in zip(("step", "term", "loss"), columns)}


VALIDATION = {
    "i2t": {"step": ["0", "1"], "i2t": ["0.5", "0.75"]},
    "t2i": {"step": ["0", "1"], "t2i": ["0.25", "0.5"]},
}


def test_each_block_of_the_loss_has_a_chart_of_its_terms_over_the_epochs():
    first = terms("encoders/cross", "encoders/within", "fusion/cross")
    encoders, fusion, _ = training_charts(first, VALIDATION)
    assert (encoders.about.title, fusion.about.title) == ("Loss: encoders", "Loss: fusion")
    assert encoders.columns == ["epoch", "cross", "within"]
    assert encoders.rows == [(1, 0, 1), (2, 10, 11)]
    assert fusion.columns == ["epoch", "cross"]
    assert fusion.rows == [(1, 2), (2, 12)]


def test_the_joint_schedule_has_one_block_and_so_one_chart_of_the_loss():
    charts = list(training_charts(terms("joint/graph", "joint/cross"), VALIDATION))
    assert [chart.about.title for chart in charts] == ["Loss: joint", "Validation"]


def test_the_validation_scores_of_both_directions_are_the_last_chart():
    *_, chart = training_charts(terms("joint/cross"), VALIDATION)
    assert chart.columns == ["epoch", "i2t", "t2i"]
    assert chart.rows == [(1, 0.5, 0.25), (2, 0.75, 0.5)]


CURVES = {
    "precision_at_k": {"k": ["1", "10"], "i2t": ["0.5", "0.25"], "t2i": ["0.75", "0.5"]},
    "map_at_k": {"k": ["1", "10"], "i2t": ["0.4", "0.3"], "t2i": ["0.6", "0.5"]},
    "precision_recall_i2t": {"recall": ["0", "0.5", "1"], "i2t": ["1", "0.5", "0.25"]},
    "precision_recall_t2i": {"recall": ["0.25", "1"], "t2i": ["0.75", "0.25"]},
    "hamming_i2t": {"distance": ["0", "1"], "relevant": ["1", "0"], "irrelevant": ["0", "1"]},
    "hamming_t2i": {"distance": ["0", "1"], "relevant": ["0.5"] * 2, "irrelevant": ["0.5"] * 2},
    "bit_balance": {"bit": ["1", "2"], "image": ["0.5", "1"], "text": ["0.25", "0"]},
    "code_map": {
        "x": ["1", "2", "3", "4"],
        "y": ["5", "6", "7", "8"],
        "label": ["cat", "dog", "cat", "dog"],
        "modality": ["image", "image", "text", "text"],
    },
}


def test_without_labels_there_is_no_chart_of_the_validation():
    (chart,) = training_charts(terms("a/b"), {})
    assert chart.about.title == "Loss: a"


def drawn():
    names = ["a cat", "a dog"]
    charts = [*retrieval_charts(CURVES), *code_charts(CURVES, names)]
    return {chart.about.title: chart for chart in charts}


def test_every_curve_of_the_retrieval_is_a_chart():
    assert list(drawn()) == [
        "Precision at k",
        "map at k",
        "Precision and recall",
        "Hamming distances, i2t",
        "Hamming distances, t2i",
        "Bits of the image codes",
        "Bits of the text codes",
        "Codes of the queries",
    ]


def test_the_charts_hold_the_curves_as_they_were_written():
    charts = drawn()
    assert charts["Precision at k"].rows == [(1, 0.5, 0.75), (10, 0.25, 0.5)]
    assert charts["map at k"].rows == [(1, 0.4, 0.6), (10, 0.3, 0.5)]
    assert charts["map at k"].columns == ["k", "i2t", "t2i"]
    assert charts["Hamming distances, i2t"].rows == [(0, 1, 0), (1, 0, 1)]
    assert charts["Hamming distances, t2i"].rows == [(0, 0.5, 0.5), (1, 0.5, 0.5)]
    assert charts["Bits of the image codes"].rows == [(1, 0.5), (2, 1)]
    assert charts["Bits of the text codes"].rows == [(1, 0.25), (2, 0)]


def test_both_directions_stand_below_each_other_in_the_chart_of_precision_and_recall():
    # each at its own recalls
    chart = drawn()["Precision and recall"]
    assert chart.columns == ["recall", "i2t", "t2i"]
    assert chart.rows == [
        (0, 1, None),
        (0.5, 0.5, None),
        (1, 0.25, None),
        (0.25, None, 0.75),
        (1, None, 0.25),
    ]


def test_k_is_drawn_by_its_logarithm_and_recall_in_the_order_of_the_radius():
    charts = drawn()
    for title in ("Precision at k", "map at k"):
        assert charts[title].spec["encoding"]["x"]["scale"]["type"] == "log"
    assert "order" in charts["Precision and recall"].spec["encoding"]


def test_both_codes_of_a_query_carry_its_name_on_the_map():
    assert drawn()["Codes of the queries"].rows == [
        ("a cat", "cat", "image", 1, 5),
        ("a dog", "dog", "image", 2, 6),
        ("a cat", "cat", "text", 3, 7),
        ("a dog", "dog", "text", 4, 8),
    ]


def test_the_map_colours_as_many_labels_as_curves_keeps():
    count = len(COLOURS)
    columns = {name: [str(i) for i in range(2 * count)] for name in ("x", "y")}
    columns["label"] = 2 * [f"label {i}" for i in range(count)]
    columns["modality"] = count * ["image"] + count * ["text"]
    *_, chart = code_charts(CURVES | {"code_map": columns}, count * [""])
    assert {row["colour"] for row in chart.spec["data"]["values"]} == set(columns["label"])
