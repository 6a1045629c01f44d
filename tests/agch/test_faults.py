"""Faults in data, losses and rates: an error with a remedy, or steps that are skipped and counted.

Whatever happens, weights, optimisers and codes hold finite numbers after every step, and so does
every record.
"""

import math

import numpy as np
import pytest
import torch
from made import PLUS, clusters, params, run, same, trainer, weights

from agch import storage
from agch.errors import InputError
from agch.schema import ParamsError
from agch.stepping import MOST_SKIPPED
from agch.training_rows import read_sets
from agch.validation import Validator

NAN, INF = float("nan"), float("inf")
ALTERNATING, JOINT, JDSH = {}, {"schedule": "joint"}, {"method": "jdsh"}
CALIBRATED = PLUS | {"target_scale": "calibrated"}
SETTINGS = {
    "alternating": ALTERNATING,
    "joint": JOINT,
    "agch+": PLUS,
    "agch+ joint": PLUS | JOINT,
    "djsrh": {"method": "djsrh"},
    "jdsh": JDSH,
    "sgd": {"optimizer": "sgd"},
    "sgd joint": {"optimizer": "sgd"} | JOINT,
    "bf16": {"precision": "bf16"},
    "bf16 joint": {"precision": "bf16"} | JOINT,
    "encoder": {"similarity_image": "encoder"},
    "unit": {"text_input": "unit"},
    "nested": {"bits": 16, "nested": [8, 16]},
    "no fusion": {"fusion": False},
}
EACH = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
MAIN = ("alternating", "joint", "agch+", "djsrh", "jdsh", "sgd", "encoder", "unit")
EACH_MAIN = pytest.mark.parametrize("settings", [SETTINGS[name] for name in MAIN], ids=MAIN)
BATCH = torch.randperm(40, generator=torch.Generator().manual_seed(0))[:8]
"""The rows of the first batch."""
ROW = int(BATCH[2])


def spoilt(**values):
    """Rows of which parts are set to a value: by modality, pairs of a place and the value."""
    rows = clusters()
    image, text = rows.image.clone(), rows.text.clone()
    for name, (place, value) in values.items():
        {"image": image, "text": text}[name][place] = value
    return rows._replace(image=image, text=text, image_input=image)


def tensors(state):
    """All tensors in nested containers."""
    if isinstance(state, torch.Tensor):
        return [state]
    values = state.values() if isinstance(state, dict) else state
    nested = isinstance(state, (dict, list, tuple))
    return [tensor for value in values for tensor in tensors(value)] if nested else []


def assert_finite(made):
    """All that the next step depends on."""
    assert all(tensor.isfinite().all() for tensor in tensors(made.state()))


def watched_run(made, epochs, after_step=lambda: None):
    """What is recorded of so many epochs, in which every number is finite after each step."""

    def look():
        assert_finite(made)
        after_step()

    records = [made.epoch(look) for _ in range(epochs)]
    assert all(math.isfinite(value) for record in records for value in record.values())
    return records


BAD_ROWS = {
    "NaN in an image": {"image": ((ROW, 0), NAN)},
    "NaN in a text": {"text": ((ROW, 0), NAN)},
    "Inf in an image": {"image": ((ROW, 0), INF)},
    "-Inf in an image": {"image": ((ROW, 0), -INF)},
    "Inf in a text": {"text": ((ROW, 0), INF)},
    "image of NaN": {"image": (ROW, NAN)},
    "item of NaN": {"image": (ROW, NAN), "text": (ROW, NAN)},
}


@EACH
@pytest.mark.parametrize("bad", BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_a_row_that_is_not_finite_costs_the_steps_on_its_batch(settings, bad):
    # the row is in the first batch of the first epoch; the codes of that batch stay what they were
    made = trainer(spoilt(**bad), **settings)
    before, codes, seen = weights(made), made.codes.clone(), []
    blocks = len(made.steppers)

    def look():
        seen.append((made.skipped_steps, weights(made), made.codes[BATCH[: len(codes)]].clone()))

    watched_run(made, 2, look)
    skipped, after, kept = seen[0]
    assert (
        skipped == blocks and same(after, before) and torch.equal(kept, codes[BATCH[: len(codes)]])
    )
    assert seen[4][0] == blocks and not same(seen[1][1], before)
    assert made.skipped_steps == 2 * blocks


@pytest.mark.parametrize("bad", BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_a_row_that_is_not_finite_is_an_error_where_the_target_is_calibrated(bad):
    with pytest.raises(InputError, match="train.target_scale.*check data/features.h5"):
        trainer(spoilt(**bad), **CALIBRATED)


@EACH
@pytest.mark.parametrize("modality", ["image", "text"])
def test_rows_none_of_which_is_finite_are_an_error_after_an_epoch(settings, modality):
    made = trainer(spoilt(**{modality: (slice(None), NAN)}), **settings)
    before, codes = weights(made), made.codes.clone()
    with pytest.raises(InputError, match="finite in no step of an epoch; check the features, low"):
        watched_run(made, 1)
    assert same(weights(made), before) and torch.equal(made.codes, codes)
    assert made.skipped_steps == 5 * len(made.steppers)


@pytest.mark.parametrize("settings", [ALTERNATING, JOINT, PLUS, JDSH], ids=str)
def test_rows_none_of_which_is_finite_are_an_error_after_twenty_steps(settings):
    # two rows a batch, so that an epoch has as many
    made = trainer(spoilt(image=(slice(None), NAN)), batch=2, **settings)
    before = weights(made)
    with pytest.raises(InputError, match="20 steps in a row .* not finite; lower train.learning_"):
        watched_run(made, 1)
    assert same(weights(made), before) and made.steps_done == MOST_SKIPPED


class Slope(torch.autograd.Function):
    """A value as it is; its gradient times `factor`."""

    @staticmethod
    def forward(context, value, factor):
        context.factor = factor
        return value.clone()

    @staticmethod
    def backward(context, gradient):
        return gradient * context.factor, None


SPOILS = {
    "NaN": lambda term: term * NAN,
    "Inf": lambda term: term + INF,
    "-Inf": lambda term: term - INF,
    "a gradient of NaN": lambda term: Slope.apply(term, NAN),
    "a gradient of Inf": lambda term: Slope.apply(term, INF),
}
TERMS = ("reconstruction", "graph", "cross", "alignment", "contrastive")
BLOCKS = [
    *((PLUS, "encoders", 0, term) for term in TERMS),
    *((PLUS, "helpers", 1, term) for term in ("reconstruction", "graph", "alignment")),
    *((PLUS | JOINT, "joint", 0, term) for term in TERMS),
    *(({"method": "djsrh"}, "terms", 0, term) for term in ("cross", "intra")),
    *((JDSH, "terms", 0, term) for term in ("cross", "intra", "pairs")),
]
MODULES = {"encoders": ("image", "text"), "helpers": ("fusion", "gcn")}
EACH_TERM = pytest.mark.parametrize(
    ("settings", "block", "place", "term"),
    BLOCKS,
    ids=[f"{settings.get('method', '')}{block}-{term}" for settings, block, _, term in BLOCKS],
)
EACH_SPOIL = pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS.keys())


def spoil_term(made, block, term, spoil, step):
    """One term of a block comes out spoilt in the n-th step; returns the names of its terms."""
    owner = made.peer if block == "terms" else made.objective
    sound, left, names = getattr(owner, block), [step], set()

    def faulty(*arguments):
        terms = sound(*arguments)
        names.update(terms)
        left[0] -= 1
        return terms if left[0] else terms | {term: spoil(terms[term])}

    setattr(owner, block, faulty)
    return names


def of_block(made, block):
    """A copy of the weights that a block's step moves."""
    modules = MODULES.get(block, ("image", "text", "fusion", "gcn"))
    return {k: v.clone() for k, v in made.model.named_parameters() if k.split(".")[0] in modules}


@EACH_TERM
@EACH_SPOIL
@pytest.mark.parametrize(("optimizer", "step"), [("adam", 1), ("sgd", 1), ("adam", 3)])
def test_a_term_that_is_not_finite_costs_its_block_one_step(
    settings, block, place, term, spoil, optimizer, step
):
    # five steps: the others change the block's weights, as the spoilt one would have
    made = trainer(optimizer=optimizer, **settings)
    names = spoil_term(made, block, term, spoil, step)
    states, codes = [of_block(made, block)], [made.codes.clone()]

    def look():
        states.append(of_block(made, block))
        codes.append(made.codes.clone())

    watched_run(made, 1, look)
    assert term in names
    moved = [not same(before, after) for before, after in zip(states, states[1:])]
    assert moved == [number != step for number in range(1, 6)]
    assert [stepper.skipped for stepper in made.steppers] == [
        int(number == place) for number in range(len(made.steppers))
    ]
    if block == "helpers":
        assert torch.equal(codes[step], codes[step - 1])


def test_the_terms_spoilt_above_are_all_there_are():
    listed, found = set(), set()
    for settings, block, _, term in BLOCKS:
        made = trainer(**settings)
        names = spoil_term(made, block, term, lambda value: value, 1)
        made.epoch()
        listed.add((str(settings), block, term))
        found |= {(str(settings), block, name) for name in names}
    assert found == listed


@pytest.mark.parametrize("block, place", [("encoders", 0), ("helpers", 1)])
@EACH_SPOIL
def test_a_spoilt_step_of_one_block_leaves_the_other_block_alone(block, place, spoil):
    # it takes the same step as without the fault
    straight, made = trainer(), trainer()
    spoil_term(made, block, "graph", spoil, 1)
    for each in (straight, made):
        each.step(each.rows.select(BATCH))
    other = {"encoders": "helpers", "helpers": "encoders"}[block]
    assert same(of_block(made, other), of_block(straight, other))
    assert not same(of_block(made, block), of_block(straight, block))
    assert [stepper.skipped for stepper in made.steppers] == [1 - place, place]


ALL = slice(None)
DEGENERATE = {
    "an image of zeros": {"image": (ROW, 0)},
    "an item without a tag": {"text": (ROW, 0)},
    "an item of zeros": {"image": (ROW, 0), "text": (ROW, 0)},
    "a batch of images of zeros": {"image": (BATCH, 0)},
    "a batch without a tag": {"text": (BATCH, 0)},
    "images of zeros": {"image": (ALL, 0)},
    "no tag at all": {"text": (ALL, 0)},
    "one image for all": {"image": (ALL, 1)},
    "the same tags for all": {"text": (ALL, 1)},
    "a huge image": {"image": (ROW, 1e30)},
    "a huge text": {"text": (ROW, 1e30)},
    "a tiny image": {"image": (ROW, 1e-40)},
    "negative images": {"image": (ALL, -1)},
}
ONE_ITEM = {
    "items of zeros": {"image": (ALL, 0), "text": (ALL, 0)},
    "one item for all": {"image": (ALL, 1), "text": (ALL, 1)},
}


@pytest.mark.parametrize("odd", (DEGENERATE | ONE_ITEM).values(), ids=DEGENERATE | ONE_ITEM)
@EACH_MAIN
def test_rows_that_say_little_train(settings, odd):
    made = trainer(spoilt(**odd), **settings)
    before = weights(made)
    watched_run(made, 2)
    assert made.skipped_steps == 0 and not same(weights(made), before)


@pytest.mark.parametrize("odd", DEGENERATE.values(), ids=DEGENERATE)
def test_rows_that_say_little_train_on_a_calibrated_target(odd):
    made = trainer(spoilt(**odd), **CALIBRATED)
    watched_run(made, 2)
    assert made.skipped_steps == 0


@pytest.mark.parametrize("odd", ONE_ITEM.values(), ids=ONE_ITEM)
def test_rows_that_are_all_one_cannot_calibrate_a_target(odd):
    with pytest.raises(InputError, match="no training row that differs .*target_scale=paper"):
        trainer(spoilt(**odd), **CALIBRATED)


def test_classes_of_one_item_or_none_are_validated_like_any_other():
    # columns: one row alone; one query alone; nobody; and a row and a query without a label
    def labelled(rows, alone):
        extra = torch.zeros(len(rows.label), 3, dtype=torch.uint8)
        extra[0, alone] = 1
        label = torch.cat([rows.label, extra], dim=1)
        label[-1] = 0
        return rows._replace(label=label)

    rows, query = labelled(clusters(), 0), labelled(clusters(20, seed=1), 1)
    made = trainer(rows)
    watched_run(made, 1)
    scores = Validator(rows, query).measure(made.model)
    assert all(0 < score < 1 for score in scores.values()) and len(scores) == 2


def test_classes_that_no_row_shares_with_a_query_score_nothing():
    rows, query = clusters(), clusters(20, seed=1)
    query.label[:] = 0
    query.label[:, 3], rows.label[:, 3] = 1, 0
    scores = Validator(rows, query).measure(trainer(rows).model)
    assert scores == {"validation/i2t": 0, "validation/t2i": 0}


def test_a_batch_of_one_row_is_refused_by_name():
    with pytest.raises(ParamsError, match=r"train\.batch: .*2.*1"):
        params(batch=1)


@pytest.mark.parametrize("settings", [ALTERNATING, JOINT, JDSH], ids=str)
def test_a_single_row_is_refused_and_two_train(settings):
    with pytest.raises(InputError, match="^1 training rows .* make no batch, .* raise split.train"):
        trainer(clusters(1), **settings)
    watched_run(trainer(clusters(2), **settings), 3)


@pytest.mark.parametrize("settings", [ALTERNATING, JOINT], ids=str)
def test_the_smallest_batch_trains(settings):
    made = trainer(clusters(5), batch=2, **settings)
    watched_run(made, 3)
    assert made.skipped_steps == 0


@EACH
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_rate_that_is_far_too_high_leaves_finite_numbers(settings, optimizer):
    watched_run(trainer(rate=1e3, **settings | {"optimizer": optimizer}), 4)


@EACH_MAIN
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("rate", [1e6, 1e30])
def test_an_absurd_rate_ends_in_finite_records_or_advice(settings, optimizer, rate):
    made = trainer(rate=rate, **settings | {"optimizer": optimizer})
    try:
        records = run(made, 4)
    except InputError as error:
        assert "lower train.learning_rate" in str(error)
    else:
        assert all(math.isfinite(value) for record in records for value in record.values())


@pytest.mark.parametrize("settings", [{"method": "djsrh"}, {"delta": 0.0}], ids=str)
def test_weights_that_grow_beyond_all_numbers_never_end_an_epoch_well(settings):
    # a decay of 250 times the weight turns its sign and makes it larger, whatever the gradient
    made = trainer(rate=5e5, optimizer="sgd", **settings)
    with pytest.raises(InputError, match="lower train.learning_rate"):
        for _ in range(20):
            made.epoch()
            assert_finite(made)


def made_files(folder, dtype="float32", **bad):
    """`features.h5` of ten items, of which datasets hold a value at a place, and `split.h5`.

    Rows 2, 3, 5 and 8 train; 5 validates; 0 and 9 are queries.
    """
    rows, names = clusters(10), [f"item-{number}" for number in range(10)]
    arrays = {"image": rows.image.numpy(), "text": rows.text.numpy().astype(dtype)}
    arrays["image_pool5"] = rows.image.numpy().astype("float16")
    for name, (place, value) in bad.items():
        arrays[name][place] = value
    attributes = dict.fromkeys(storage.FEATURES.attributes, "made")
    with storage.create(folder / "features.h5", storage.FEATURES, **attributes) as file:
        for name, values in arrays.items():
            storage.put(file, name, values)
        for name in ("id", "split"):
            storage.put(file, name, names)
        storage.put(file, "label", rows.label.numpy())
        storage.put(file, "label_name", list("abcd"))
    parts = {"query": [0, 9], "database": range(1, 9), "train": [2, 3, 5, 8], "validation": [5]}
    with storage.create(folder / "split.h5", storage.SPLIT) as file:
        storage.put(file, "id", names)
        storage.put(file, "label", rows.label.numpy())
        for name, places in parts.items():
            storage.put(file, name, np.array(places, dtype=np.int64))


def read(folder, **changes):
    with (
        storage.reading(folder / "features.h5", storage.FEATURES) as features,
        storage.reading(folder / "split.h5", storage.SPLIT) as split,
    ):
        return read_sets(features, split, params(**changes), torch.device("cpu"))


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("name", ["image", "text"])
@pytest.mark.parametrize("row", [2, 5, 8])
def test_a_number_that_is_not_finite_is_one_error_with_file_dataset_and_item(
    tmp_path, name, row, value
):
    made_files(tmp_path, **{name: ((row, 1), value)})
    with pytest.raises(InputError) as caught:
        read(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'features.h5'}: '{name}' of item item-{row} has a number that is not finite; "
        "mend the source and run `dvc repro extract`"
    )


def test_inputs_of_alexnets_layers_are_looked_at_where_they_are_read(tmp_path):
    made_files(tmp_path, image_pool5=((3, 0), INF))
    read(tmp_path)
    with pytest.raises(InputError, match="'image_pool5' of item item-3 has a number that is not"):
        read(tmp_path, image_encoder="alexnet_fc")


def test_rows_that_do_not_train_are_not_looked_at(tmp_path):
    made_files(tmp_path, image=([0, 1, 9], NAN), text=([0, 4, 9], INF))
    rows, validation = read(tmp_path)
    assert torch.equal(rows.image, clusters(10).image[[2, 3, 5, 8]])
    assert torch.equal(validation.text, clusters(10).text[[5]])


def test_tags_in_bytes_are_always_finite(tmp_path):
    made_files(tmp_path, dtype="uint8")
    rows, _ = read(tmp_path)
    assert torch.equal(rows.text, clusters(10).text[[2, 3, 5, 8]])
