"""Training on made data: no labels, the same bits again, each block by its own step, resuming."""

import math

import pytest
import torch
from made import PLUS, clusters, moved, params, run, same, trainer, weights

from agch import checkpoint
from agch.batches import TrainingSet
from agch.encoders import build
from agch.errors import InputError
from agch.objective import Objective
from agch.runtime import seeded
from agch.similarity import aggregated_similarity, normalised_adjacency, weighted_rows
from agch.validation import Validator

SCHEDULES = pytest.mark.parametrize("schedule", ["alternating", "joint"])
MODULES = ("image", "text", "fusion", "gcn")


def test_batches_keep_the_order_and_drop_the_incomplete_last_one():
    # rows 6 to 0 by threes: 6 5 4, 3 2 1, and 0 alone is left out
    rows = clusters(7)
    batches = list(rows.batches(torch.arange(7).flip(0), 3))
    assert [batch.index.tolist() for batch in batches] == [[6, 5, 4], [3, 2, 1]]


def test_parts_of_a_batch_belong_to_the_same_rows():
    # the image of a batch is what its encoder reads, in single precision, not the frozen features
    number = torch.arange(10)[:, None]
    label, inputs = (20 * number).to(torch.uint8), (30 * number).half()
    rows = TrainingSet(number.float(), 10.0 * number, label, inputs)
    for batch in rows.batches(torch.tensor([7, 1, 9, 0]), 2):
        index = batch.index.tolist()
        assert batch.image[:, 0].tolist() == [30 * row for row in index]
        assert batch.image.dtype == torch.float32
        assert batch.text[:, 0].tolist() == [10 * row for row in index]
        assert batch.label[:, 0].tolist() == [20 * row for row in index]


def test_fewer_rows_than_a_batch_is_an_error_with_both_numbers():
    with pytest.raises(InputError, match=r"train\.batch is 8, .* only 7 training rows; lower"):
        trainer(clusters(7), batch=8)
    trainer(clusters(8), batch=8).epoch()  # one batch is enough


@SCHEDULES
def test_labels_are_never_used(schedule):
    rows = clusters()
    other = rows._replace(label=1 - rows.label.flip(0))
    first, second = (trainer(each, schedule=schedule) for each in (rows, other))
    assert run(first, 2) == run(second, 2)
    assert same(weights(first), weights(second))


@SCHEDULES
def test_one_seed_gives_one_result(schedule):
    # 40 rows in batches of 8 are 5 iterations an epoch: 100 in 20 epochs
    first, second = (trainer(schedule=schedule) for _ in range(2))
    assert run(first, 20) == run(second, 20)
    assert same(weights(first), weights(second))
    assert torch.equal(first.codes, second.codes)


@SCHEDULES
def test_another_seed_gives_another_result(schedule):
    first, second = (trainer(schedule=schedule, seed=seed) for seed in (0, 1))
    assert run(first, 1) != run(second, 1)


def test_order_of_the_batches_comes_from_the_generator_alone():
    first, second = trainer(), trainer()
    second.generator.manual_seed(1)
    assert run(first, 1) != run(second, 1)
    third = trainer()
    torch.manual_seed(1)  # the global state has done its work with the initial weights
    assert run(third, 1) == run(trainer(), 1)


@SCHEDULES
@pytest.mark.parametrize("module", MODULES)
def test_each_learning_rate_moves_its_module_alone(schedule, module):
    # at a rate of 1e-30 no float32 weight of these networks changes
    rates = {name: 0.01 if name == module else 1e-30 for name in MODULES}
    made = trainer(schedule=schedule, learning_rate=rates)
    before = weights(made)
    made.epoch()
    assert moved(made, before) == {module}


@pytest.mark.parametrize(
    ("stopped", "expected"), [(0, {"fusion", "gcn"}), (1, {"image", "text"}), (None, set(MODULES))]
)
def test_each_step_of_the_alternation_moves_its_block_alone(stopped, expected):
    # stepper 0 is the F-step's, stepper 1 the B-step's
    made = trainer()
    if stopped is not None:
        for group in made.steppers[stopped].optimizer.param_groups:
            group["lr"] = 0.0
    before = weights(made)
    made.epoch()
    assert moved(made, before) == expected


def graph_of(rows, part, settings, image_features=None):
    """Adjacency and target of some rows, from the formulas."""
    image = rows.image[part] if image_features is None else image_features.detach()
    parts = weighted_rows(image, 2, 1), weighted_rows(rows.text[part], 0.3, 1)
    similarity = aggregated_similarity(*parts, settings)
    return normalised_adjacency(similarity), 2 * similarity - 1


def one_batch(rows, settings, seed=0):
    """Everything that the one batch of the first epoch is made of."""
    generator = seeded(seed)
    model = build(settings, rows.image.shape[1], rows.text.shape[1])
    order = torch.randperm(len(rows.image), generator=generator)
    encoded = model.encode(rows.image[order], rows.text[order])
    learned = encoded.image_features if settings.similarity_image == "encoder" else None
    return model, order, encoded, *graph_of(rows, order, settings, learned)


def descend(modules, terms, rate):
    """Plain gradient descent on the sum of the terms."""
    parameters = [p for module in modules for p in module.parameters()]
    gradients = torch.autograd.grad(sum(terms.values()), parameters)
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients):
            parameter -= rate * gradient


PLAIN = {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0, "rate": 0.1, "delta": 0.5}
EACH = pytest.mark.parametrize(
    "changes",
    [
        {},
        {"fusion": False},
        {"gcn_detach": True},
        {"similarity_image": "encoder"},
        {"similarity": "mixed"},
        {"text_input": "unit"},
        {"nested": [8, 16], "bits": 16},
    ],
    ids=str,
)


@EACH
def test_joint_step_by_hand(changes):
    rows, settings = clusters(8), params(schedule="joint", **PLAIN, **changes)
    made = trainer(rows, schedule="joint", **PLAIN, **changes)
    record = made.epoch()
    model, _, encoded, adjacency, target = one_batch(rows, settings)
    terms = Objective(settings).joint(target, encoded, model.help(encoded, adjacency))
    descend([model], terms, rate=0.1)
    torch.testing.assert_close(weights(made), model.state_dict())
    assert record["loss/joint"] == pytest.approx(sum(terms.values()).item())


@EACH
def test_alternating_step_by_hand(changes):
    # F: encoders against the codes of before; B: codes of the new encoders, then the helpers
    rows, settings = clusters(8), params(**PLAIN, **changes)
    made, objective = trainer(rows, **PLAIN, **changes), Objective(settings)
    before = made.codes.clone()
    record = made.epoch()
    model, order, encoded, adjacency, target = one_batch(rows, settings)
    helped = model.help(encoded, adjacency)
    f_terms = objective.encoders(target, encoded, helped, before[order])
    descend([model.image, model.text], f_terms, rate=0.1)
    encoded = model.encode(rows.image[order], rows.text[order])
    helped = model.help(encoded, adjacency)
    codes = objective.codes(encoded, helped)
    b_terms = objective.helpers(target, encoded, helped, codes)
    descend([module for module in (model.fusion, model.gcn) if module], b_terms, rate=0.1)
    torch.testing.assert_close(weights(made), model.state_dict())
    assert torch.equal(made.codes[order], codes)
    assert record["loss/encoders"] == pytest.approx(sum(f_terms.values()).item())
    assert record["loss/helpers"] == pytest.approx(sum(b_terms.values()).item())


def test_first_codes_are_those_of_the_initial_networks_on_graphs_of_a_batch():
    # 11 rows in batches of 2: the last row makes a graph of its own, so that no row lacks a code
    changes = {"batch": 2, "bits": 64, "lambda_": 0.1, "delta": 100.0}
    rows, settings = clusters(11), params(**changes)
    made = trainer(rows, **changes)

    def codes(part):
        encoded = made.model.encode(rows.image[part], rows.text[part])
        adjacency, _ = graph_of(rows, part, settings)
        return Objective(settings).codes(encoded, made.model.help(encoded, adjacency))

    parts = [codes(slice(start, start + 2)) for start in range(0, 11, 2)]
    assert torch.equal(made.codes, torch.cat(parts))
    assert not torch.equal(made.codes, codes(slice(None)))  # one graph of all rows differs


@SCHEDULES
def test_record_adds_up(schedule):
    record = trainer(schedule=schedule).epoch()
    blocks = {"joint": ["joint"], "alternating": ["encoders", "helpers"]}[schedule]
    total = sum(record[f"loss/{block}"] for block in blocks)
    assert record["loss/total"] == pytest.approx(total, rel=1e-5)
    for block in blocks:
        terms = [value for name, value in record.items() if name.startswith(f"{block}/")]
        assert len(terms) >= 3
        assert record[f"loss/{block}"] == pytest.approx(sum(terms), rel=1e-5)


def test_recorded_target_is_that_off_the_diagonal():
    rows = clusters(8)
    record = trainer(rows).epoch()
    target = one_batch(rows, params())[-1]
    pairs = torch.tensor([float(target[i, j]) for i in range(8) for j in range(8) if i != j])
    assert record["target/mean"] == pytest.approx(float(pairs.mean()), abs=1e-5)
    assert record["target/std"] == pytest.approx(float(pairs.std()), rel=1e-5)


@SCHEDULES
@pytest.mark.parametrize("optimizer, rate", [("adam", 0.01), ("sgd", 0.05)])
def test_training_learns_what_both_modalities_share(schedule, optimizer, rate):
    # four kinds of rows: a random ranking has a precision of about 1/4
    rows = clusters()
    made = trainer(rows, schedule=schedule, optimizer=optimizer, rate=rate)
    validator = Validator(rows, clusters(20, seed=1))
    record = run(made, 30)
    loss = [epoch["loss/total"] for epoch in record]
    assert loss[-1] < 0.8 * loss[0]
    scores = validator.measure(made.model)
    assert min(scores.values()) > 0.7


@SCHEDULES
def test_measuring_between_two_epochs_changes_nothing(schedule):
    # it switches dropout off, the next epoch on again
    def records(measured):
        made, validator = trainer(schedule=schedule, **PLUS), Validator(clusters(), clusters(20))
        first = made.epoch()
        if measured:
            validator.measure(made.model)
        return first, made.epoch()

    assert records(measured=True) == records(measured=False)


@SCHEDULES
@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "adam"},
        {"optimizer": "sgd"},
        {"dropout": 0.5},  # draws from the global random state, which another seed has moved
        {"tanh_scale": "growing"},  # counts the epochs
        PLUS | {"target_scale": "calibrated"},
    ],
    ids=str,
)
def test_resumed_training_equals_a_straight_run(schedule, changes, tmp_path):
    changes = {"schedule": schedule} | changes
    straight = trainer(**changes)
    records = run(straight, 4)
    first = trainer(**changes)
    assert run(first, 2) == records[:2]
    checkpoint.save(tmp_path / "last.pt", first.state())
    second = trainer(seed=5, **changes)
    second.load_state(checkpoint.load(tmp_path / "last.pt", "train"))
    assert run(second, 2) == records[2:]
    assert same(weights(second), weights(straight))
    assert torch.equal(second.codes, straight.codes)


def test_resumed_training_remembers_the_skipped_steps(tmp_path):
    first = trainer()
    first.steppers[1].step({"bad": first.model.fusion.weight.sum() * float("nan")})
    checkpoint.save(tmp_path / "last.pt", first.state())
    second = trainer()
    second.load_state(checkpoint.load(tmp_path / "last.pt", "train"))
    assert second.skipped_steps == 1


def test_row_that_is_not_finite_costs_its_batch_and_no_more():
    # its batch is one of five; both steps on it are skipped, and the epoch's means stay readable
    rows = clusters()
    rows.image[3, 0] = float("nan")
    made = trainer(rows)
    record = made.epoch()
    assert made.skipped_steps == 2
    assert all(torch.isfinite(weight).all() for weight in weights(made).values())
    assert all(math.isfinite(value) for value in record.values())


def run_with_weights(**changes):
    """Trained at once, because dropout draws from the random state that its seed has set."""
    made = trainer(**changes)
    return run(made, 3), weights(made)


@SCHEDULES
@pytest.mark.parametrize("changes", [{}, PLUS], ids=["paper", "agch+"])
def test_bf16_trains_close_to_fp32(schedule, changes):
    half, full = (
        run_with_weights(schedule=schedule, precision=precision, **changes)
        for precision in ("bf16", "fp32")
    )
    records = list(zip(half[0], full[0]))
    for low, high in records:
        assert low["loss/total"] == pytest.approx(high["loss/total"], rel=5e-2)
        assert all(math.isfinite(value) for value in low.values())
    assert records[0][0] != records[0][1]  # it was bf16
    assert all(weight.dtype == torch.float32 for weight in half[1].values())


@SCHEDULES
def test_bf16_losses_are_computed_in_fp32(schedule):
    # one batch, so the mean is the value itself; rounded to bf16 it would be another number
    record = trainer(clusters(8), schedule=schedule, precision="bf16").epoch()
    losses = [value for name, value in record.items() if name.startswith("loss/")]
    for loss in losses:
        assert float(torch.tensor(loss).float()) == loss
        assert float(torch.tensor(loss).bfloat16()) != loss


@SCHEDULES
def test_delta_of_zero_trains_without_graph_networks(schedule):
    made = trainer(schedule=schedule, delta=0.0)
    before = weights(made)
    record = run(made, 2)[-1]
    assert moved(made, before) == {"image", "text", "fusion"}
    assert all(value == 0 for name, value in record.items() if name.endswith("/graph"))
