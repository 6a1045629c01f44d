"""Sections of parameters: what is read, what is refused, and what the refusal says."""

import dataclasses
import datetime
import json
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import params as train_params
from pydantic import Field, TypeAdapter

from agch.hyperparameters import TrainParams
from agch.schema import Bits, Float, ParamsError, parse, section


@section
class Rates:
    """A section inside a section."""

    image: Annotated[Float, Field(gt=0)]
    text: Annotated[Float, Field(gt=0)]


@section
class Example:
    """One field of every kind."""

    count: Annotated[int, Field(ge=1, le=9)]
    share: Annotated[Float, Field(ge=0, lt=1)]
    bits: Bits
    kind: Literal["round", "square"]
    name: str
    note: str | None
    cuts: tuple[int, ...]
    rates: Rates
    lambda_: Annotated[Float, Field(alias="lambda")]

    def __post_init__(self) -> None:
        """Refuse one combination."""
        if self.kind == "round" and self.share == 0:
            raise ValueError("kind 'round' needs share above 0; raise it")


GOOD = {
    "count": 3,
    "share": 0.5,
    "bits": 16,
    "kind": "round",
    "name": "a",
    "note": None,
    "cuts": [1, 2],
    "rates": {"image": 0.1, "text": 0.2},
    "lambda": 10.0,
}
TRAIN = TypeAdapter(TrainParams).dump_python(train_params(), by_alias=True)


def problems(values, cls=Example):
    """The lines below the heading of the refusal."""
    with pytest.raises(ParamsError) as caught:
        parse(cls, values, "example")
    heading, *lines = str(caught.value).splitlines()
    assert heading == "cannot use section 'example' of the parameters:"
    return [line.removeprefix("  ") for line in lines]


def test_a_section_holds_the_values_as_given():
    found = parse(Example, GOOD, "example")
    assert found.rates == Rates(image=0.1, text=0.2)
    assert (found.count, found.cuts, found.note, found.lambda_) == (3, (1, 2), None, 10.0)


@pytest.mark.parametrize(("text", "number"), [("1e-05", 1e-5), ("0.25", 0.25), ("0", 0.0)])
def test_text_that_is_a_number_is_one_where_a_float_is_wanted(text, number):
    changed = GOOD | {"share": text, "kind": "square"}
    assert parse(Example, changed, "example").share == number


def test_a_whole_number_is_a_float_where_a_float_is_wanted():
    found = parse(Example, GOOD | {"lambda": 10}, "example").lambda_
    assert (found, type(found)) == (10.0, float)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), "nan", "-inf"])
def test_a_float_is_finite(value):
    (problem,) = problems(GOOD | {"share": value})
    assert problem.startswith("example.share: Input should be a finite number; got ")


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        *(("share", value, "a valid number") for value in ("word", "", "1e", "0,5", True, None)),
        *(("count", value, "a valid integer") for value in (True, 3.0, 3.5, "3")),
        ("bits", True, "a valid integer"),
        ("name", 3, "a valid string"),
        ("name", None, "a valid string"),
        ("note", False, "a valid string"),
        ("kind", "oval", "'round' or 'square'"),
        ("cuts", 5, "a valid array"),
        ("rates", 0.1, "an object"),
        ("count", 0, "greater than or equal to 1"),
        ("count", 10, "less than or equal to 9"),
        ("share", -0.1, "greater than or equal to 0"),
        ("share", 1.0, "less than 1"),
        ("share", "1e3", "less than 1"),
    ],
)
def test_a_wrong_type_or_size_is_named_with_key_rule_and_value(key, value, rule):
    (problem,) = problems(GOOD | {key: value})
    assert problem == f"example.{key}: Input should be {rule}; got {json.dumps(value)}"


def test_an_element_of_a_list_is_named_by_its_place():
    (problem,) = problems(GOOD | {"cuts": [1, "a"]})
    assert problem == 'example.cuts.1: Input should be a valid integer; got "a"'


@pytest.mark.parametrize("bits", [1, 12, 63])
def test_bits_come_in_bytes(bits):
    (problem,) = problems(GOOD | {"bits": bits})
    assert problem.startswith("example.bits: must be a multiple of 8")
    assert problem.endswith(f"got {bits}")


@pytest.mark.parametrize(
    ("unknown", "nearest"), [("cout", "count"), ("lambda_", "lambda"), ("lamda", "lambda")]
)
def test_an_unknown_key_is_answered_with_the_nearest_known_one(unknown, nearest):
    (problem,) = problems(GOOD | {unknown: 1})
    assert problem.startswith(f"example.{unknown}: unknown key; did you mean '{nearest}'?")
    assert problem.endswith(f"(known: {', '.join(GOOD)})")


def test_an_unknown_key_inside_a_section_is_answered_from_that_section():
    (problem,) = problems(GOOD | {"rates": GOOD["rates"] | {"imge": 1}})
    assert problem == (
        "example.rates.imge: unknown key; did you mean 'image'? (known: image, text)"
    )


@pytest.mark.parametrize("key", GOOD)
def test_a_missing_key_is_named_as_the_file_spells_it(key):
    rest = {name: value for name, value in GOOD.items() if name != key}
    assert problems(rest) == [f"example.{key}: missing; add it to the section"]


@pytest.mark.parametrize("values", [None, {}])
def test_an_empty_section_lacks_every_key(values):
    assert problems(values) == [f"example.{key}: missing; add it to the section" for key in GOOD]


@pytest.mark.parametrize("values", [[1, 2], "text", 3])
def test_a_section_is_a_mapping(values):
    assert problems(values) == [
        f"example: Input should be an object; got {json.dumps(values)}",
    ]


def test_every_problem_is_reported_at_once():
    found = problems(GOOD | {"count": 0, "share": "x", "nmae": 1, "rates": {"image": 0.1}})
    assert [line.split(":")[0] for line in found] == [
        "example.count",
        "example.share",
        "example.rates.text",
        "example.nmae",
    ]


def test_a_conflict_between_fields_is_reported_in_its_own_words():
    found = problems(GOOD | {"share": 0})
    assert found == ["example: kind 'round' needs share above 0; raise it"]


@pytest.mark.parametrize("key", ["name", "share", "rates"])
def test_a_date_which_yaml_reads_without_quotes_is_never_a_traceback(key):
    date = datetime.date(2020, 1, 1)
    try:
        assert parse(Example, GOOD | {key: date}, "example").name == "2020-01-01"
    except ParamsError as error:
        assert f"example.{key}: " in str(error)
        assert "2020-01-01" in str(error)


texts = st.sampled_from(["", "1e-05", "word", "image", "дом"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*GOOD, "other"]), json_values))
def test_whatever_stands_there_gives_a_section_or_a_refusal(changes):
    try:
        assert isinstance(parse(Example, GOOD | changes, "example"), Example)
    except ParamsError:
        assert changes


def test_a_section_cannot_be_changed():
    found = parse(Example, GOOD, "example")
    for frozen, field in ((found, "count"), (found.rates, "image")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(frozen, field, 1)


def test_training_needs_a_weight_on_the_similarity_target():
    none = dict.fromkeys(("alpha", "beta", "delta"), 0)
    for key in none:
        assert parse(TrainParams, TRAIN | none | {key: 1e-9}, "example")
    (problem,) = problems(TRAIN | none, TrainParams)
    assert problem.startswith("example: alpha, beta and delta are all 0")


def test_the_alternating_schedule_needs_a_weight_on_the_heads():
    assert parse(TrainParams, TRAIN | {"lambda": 0, "schedule": "joint"}, "example")
    (problem,) = problems(TRAIN | {"lambda": 0, "schedule": "alternating"}, TrainParams)
    assert problem.startswith("example: schedule 'alternating' needs lambda above 0")


def test_training_names_its_keys_as_the_file_does():
    (problem,) = problems(TRAIN | {"lambda": -1}, TrainParams)
    assert problem.startswith("example.lambda: ")
    rates = TRAIN["learning_rate"] | {"imge": 1}
    (problem,) = problems(TRAIN | {"learning_rate": rates}, TrainParams)
    assert problem.startswith("example.learning_rate.imge: unknown key; did you mean 'image'?")
