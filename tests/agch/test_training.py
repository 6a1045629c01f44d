"""Training on made data: no labels, the same bits again, each block by its own step."""

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from made import PLUS, clusters, moved, params, run, same, trainer, watched, weights

from agch import checkpoint
from agch.batches import TrainingSet
from agch.encoders import build
from agch.errors import InputError
from agch.model import Encoded
from agch.objective import Objective
from agch.ranks import Ranks
from agch.runtime import INSTRUCTION_SET, seeded
from agch.similarity import aggregated_similarity, normalised_adjacency, weighted_rows
from agch.stepping import MOST_SKIPPED, compute_dtype
from agch.training import Trainer
from agch.validation import Validator

SCHEDULES = pytest.mark.parametrize("schedule", ["alternating", "joint"])
MODULES = ("image", "text", "fusion", "gcn")
CUDA, NAN = torch.device("cuda"), float("nan")


@pytest.mark.parametrize("changes", [{}, {"schedule": "joint"}, {"method": "jdsh"}], ids=str)
def test_each_epoch_takes_batches_in_a_new_order_and_drops_the_incomplete_last_one(changes):
    # 11 rows in batches of 4 are two steps; the last three of the order are left out
    rows = watched(clusters(11))
    made = trainer(rows, batch=4, **changes)
    rows.asked.clear()  # for the first codes
    run(made, 3)
    generator = torch.Generator().manual_seed(0)
    orders = [torch.randperm(11, generator=generator).tolist() for _ in range(3)]
    assert rows.asked == [part for order in orders for part in (order[:4], order[4:8])]
    assert len(set(map(tuple, orders))) == 3


def test_parts_of_a_batch_belong_to_the_same_rows():
    # the image of a batch is what its encoder reads, in single precision, not the frozen features
    number = torch.arange(10)[:, None]
    rows = TrainingSet(number.float(), 10.0 * number, number, (30 * number).half())
    batch = rows.select(torch.tensor([7, 1, 9, 0]))
    assert batch.index.tolist() == [7, 1, 9, 0]
    assert batch.image.tolist() == [[210], [30], [270], [0]]
    assert batch.image.dtype == torch.float32
    assert batch.text.tolist() == [[70], [10], [90], [0]]


def test_a_process_has_inputs_of_its_own_rows_and_the_numbers_of_all():
    number = torch.arange(10.0)[:, None]
    batch = TrainingSet(number, 10 * number, number, number).select(
        torch.tensor([7, 1, 9, 0]), slice(2, 4)
    )
    assert batch.index.tolist() == [7, 1, 9, 0]
    assert (batch.image.tolist(), batch.text.tolist()) == ([[9], [0]], [[90], [0]])


@pytest.mark.parametrize("changes", [{}, {"schedule": "joint"}, {"method": "jdsh"}], ids=str)
def test_fewer_rows_than_a_batch_make_one_batch_of_all(changes):
    small, whole = (trainer(clusters(7), batch=batch, **changes) for batch in (8, 7))
    assert (small.size, small.steps_per_epoch) == (7, 1)
    for made in (small, whole):
        torch.manual_seed(0)
        made.records = run(made, 2)
    assert small.records == whole.records and same(weights(small), weights(whole))


def test_processes_share_the_rows_evenly_or_have_no_batch(monkeypatch):
    monkeypatch.setattr(Ranks, "parallel", lambda ranks, model: model.encode)
    assert Trainer(clusters(7), params(batch=8), seeded(0), ranks=Ranks(1, 3)).own == slice(2, 4)
    with pytest.raises(
        InputError, match="^1 training rows for 2 processes make no batch, .*; raise"
    ):
        Trainer(clusters(1), params(batch=8), seeded(0), ranks=Ranks(0, 2))


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
    # F: encoders against the codes of before; B: new codes, then the helpers, of the same encoders
    rows, settings = clusters(8), params(**PLAIN, **changes)
    made, objective = trainer(rows, **PLAIN, **changes), Objective(settings)
    before = torch.randn(made.codes.shape, generator=torch.Generator().manual_seed(1)).sign()
    made.codes.copy_(before)  # else both would be the same
    record = made.epoch()
    model, order, encoded, adjacency, target = one_batch(rows, settings)
    helped = model.help(Encoded(*(tensor.detach() for tensor in encoded)), adjacency)
    f_terms = objective.encoders(target, encoded, helped, before[order])
    codes = objective.codes(encoded, helped)
    b_terms = objective.helpers(target, encoded, helped, codes)
    descend([model.image, model.text], f_terms, rate=0.1)
    descend([module for module in (model.fusion, model.gcn) if module], b_terms, rate=0.1)
    torch.testing.assert_close(weights(made), model.state_dict())
    assert torch.equal(made.codes[order], codes)
    assert record["loss/encoders"] == pytest.approx(sum(f_terms.values()).item())
    assert record["loss/helpers"] == pytest.approx(sum(b_terms.values()).item())


@pytest.mark.parametrize(("stopped", "left"), [(0, ("fusion", "gcn")), (1, ("image", "text"))])
def test_neither_step_of_the_alternation_sees_what_the_other_has_just_changed(stopped, left):
    # with its rate at 0 the other block's first step and the codes are the same
    made, other = trainer(clusters(8)), trainer(clusters(8))
    for group in other.steppers[stopped].optimizer.param_groups:
        group["lr"] = 0.0
    for each in (made, other):
        each.epoch()
    assert moved(other, weights(made)) == set(MODULES) - set(left)
    assert torch.equal(other.codes, made.codes)


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


def test_first_codes_are_made_without_dropout():
    # which draws no weights, so that the initial networks are the same
    with_dropout, without = (trainer(dropout=share) for share in (0.9, 0.0))
    assert same(weights(with_dropout), weights(without))
    assert torch.equal(with_dropout.codes, without.codes)
    assert run(with_dropout, 1) != run(without, 1)


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


@pytest.fixture
def fp16_on_a_cpu(monkeypatch):
    """Makes a CPU take the precisions of a GPU: it refuses fp16, though torch has it there."""
    monkeypatch.setattr(
        "agch.steps.compute_dtype", lambda precision, _: compute_dtype(precision, CUDA)
    )


class Killed(Exception):
    """Ends a training after a step."""


def train_to(made, step, records):
    """Adds what is recorded of whole epochs, and is killed when so many steps are done in all."""

    def after_step():
        if made.steps_done == step:
            raise Killed

    with pytest.raises(Killed):
        while True:
            records.append(made.epoch(after_step))


def resumed(made, folder, **changes):
    """Another trainer, whose seed was another, after it has loaded what the first one has saved."""
    checkpoint.save(folder / "last.pt", made.state())
    other = trainer(clusters(26), seed=5, **changes)
    other.load_state(checkpoint.load(folder / "last.pt", "train"))
    return other


def assert_same_end(made, records, straight, expected):
    assert records == expected
    assert same(weights(made), weights(straight))
    assert torch.equal(made.codes, straight.codes)
    assert made.skipped_steps == straight.skipped_steps


# 26 rows in batches of 8 are three steps an epoch; killed after each of the first two epochs' steps
# alone, and after every single one of three epochs.
KILLS = [[step] for step in range(1, 7)] + [list(range(1, 10))]
RESUMED = pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "adam"},
        {"optimizer": "sgd", "schedule": "joint"},
        {"optimizer": "sgd"},
        {"dropout": 0.5},  # draws from the global random state, which another seed has moved
        {"dropout": 0.5, "schedule": "joint"},
        {"tanh_scale": "growing"},  # counts the epochs
        {"tanh_scale": "growing", "schedule": "joint"},
        {"precision": "bf16"},
        {"precision": "fp16"},  # skips steps until the gradients' scale fits
        {"precision": "fp16", "optimizer": "sgd", "schedule": "joint"},
        PLUS | {"target_scale": "calibrated"},
        {"method": "djsrh", "optimizer": "sgd"},
        {"method": "jdsh", "tanh_scale": "growing"},
    ],
    ids=str,
)


@RESUMED
@pytest.mark.usefixtures("fp16_on_a_cpu")
def test_training_killed_after_any_step_continues_to_the_last_bit(changes, tmp_path):
    straight = trainer(clusters(26), **changes)
    expected = run(straight, 3)
    for kills in KILLS:
        made, records = trainer(clusters(26), **changes), []
        for step in kills:
            train_to(made, step, records)
            made = resumed(made, tmp_path, **changes)
        records += run(made, 3 - len(records))
        assert_same_end(made, records, straight, expected)


@RESUMED
@pytest.mark.usefixtures("fp16_on_a_cpu")
def test_training_saved_between_two_epochs_continues_to_the_last_bit(changes, tmp_path):
    straight = trainer(clusters(26), **changes)
    expected = run(straight, 3)
    first = trainer(clusters(26), **changes)
    records = run(first, 1)
    second = resumed(first, tmp_path, **changes)
    assert_same_end(second, records + run(second, 2), straight, expected)


@SCHEDULES
def test_skipped_steps_are_neither_lost_nor_repeated_by_a_kill(schedule, tmp_path):
    # one batch of each epoch is spoilt, so its values are missing in the means, too
    def spoilt(step):
        rows = watched(clusters(26))
        made = trainer(rows, schedule=schedule)
        rows.spoilt = {len(rows.asked) + place - step for place in (1, 3)}
        return made

    straight = spoilt(step=0)
    expected = run(straight, 2)
    assert straight.skipped_steps == 2 * len(straight.steppers)
    for step in range(1, 7):
        made, records = spoilt(step=0), []
        train_to(made, step, records)
        checkpoint.save(tmp_path / "last.pt", made.state())
        made = spoilt(step)
        made.load_state(checkpoint.load(tmp_path / "last.pt", "train"))
        records += run(made, 2 - len(records))
        assert_same_end(made, records, straight, expected)


def test_training_ended_by_what_is_called_after_a_step_goes_on_where_it_was():
    # without saving, in the same trainer
    straight, made, records = trainer(clusters(26)), trainer(clusters(26)), []
    for step in range(1, 7):
        train_to(made, step, records)
        assert (made.epochs, made.position) == ((step - 1) // 3, (step - 1) % 3 + 1)
    assert_same_end(made, records + run(made, 1), straight, run(straight, 2))


def test_after_each_step_of_an_epoch_somebody_is_called():
    made, seen = trainer(clusters(26)), []
    for _ in range(2):
        made.epoch(lambda: seen.append((made.epochs, made.position, made.steps_done)))
    assert seen == [(0, 1, 1), (0, 2, 2), (0, 3, 3), (1, 1, 4), (1, 2, 5), (1, 3, 6)]
    assert (made.epochs, made.position, made.steps_done) == (2, 0, 6)


@RESUMED
@pytest.mark.usefixtures("fp16_on_a_cpu")
@pytest.mark.parametrize("step", [None, 1, 3, 4])
def test_trying_the_pace_leaves_no_trace(changes, step):
    # before the first step, in the middle of an epoch, at its end
    straight = trainer(clusters(26), **changes)
    expected = run(straight, 2)
    made, records = trainer(clusters(26), **changes), []
    if step:
        train_to(made, step, records)
    assert made.pace() > 0
    records += run(made, 2 - len(records))
    assert_same_end(made, records, straight, expected)


def test_steps_skipped_while_trying_the_pace_do_not_count():
    rows = clusters(26)
    rows.image[3, 0] = NAN  # it tries the first batch
    made = trainer(rows)
    made.pace()
    assert made.skipped_steps == 0


def test_row_that_is_not_finite_costs_its_batch_and_no_more():
    # its batch is one of five; both steps on it are skipped, and the epoch's means stay readable
    rows = clusters()
    rows.image[3, 0] = NAN
    made = trainer(rows)
    record = made.epoch()
    assert made.skipped_steps == 2
    assert all(torch.isfinite(weight).all() for weight in weights(made).values())
    assert all(math.isfinite(value) for value in record.values())


def test_skipped_step_keeps_the_codes_of_its_batch():
    # a row that is not finite says nothing but -1 to all rows of its graph
    rows = clusters(8)
    made = trainer(rows)
    codes, before = made.codes.clone(), weights(made)
    rows.image[3, 0] = NAN
    with pytest.raises(InputError, match="finite in no step"):
        made.epoch()
    assert torch.equal(made.codes, codes) and same(weights(made), before)
    assert codes.unique().tolist() == [-1, 1]


@pytest.mark.parametrize(("block", "kept"), [("encoders", False), ("helpers", True)])
def test_codes_are_those_of_the_b_step_if_it_was_taken(monkeypatch, block, kept):
    # only one of the two steps has a loss that is not finite
    made = trainer(clusters(8))
    before = torch.randn(made.codes.shape, generator=torch.Generator().manual_seed(1)).sign()
    made.codes.copy_(before)
    terms = getattr(made.objective, block)
    monkeypatch.setattr(
        made.objective, block, lambda *of: {k: NAN * term for k, term in terms(*of).items()}
    )
    with pytest.raises(InputError, match=f"'{block}/.*finite in no step"):
        made.epoch()
    assert made.skipped_steps == 1
    assert torch.equal(made.codes, before) is kept


@SCHEDULES
@pytest.mark.parametrize(
    ("rows", "first", "steps"),
    [(90, 0, 20), (90, 5, 40), (90, 24, 45), (24, 3, 24)],
    ids=["at once", "seen at the next look", "at the end of an epoch", "over two epochs"],
)
def test_too_many_skipped_steps_in_a_row_end_the_training(schedule, rows, first, steps):
    # looked at every 20 steps and at the end of an epoch, which has 45 or 12
    seen = watched(clusters(rows))
    made = trainer(seen, schedule=schedule, batch=2)
    seen.asked.clear()
    seen.spoilt = range(first, first + MOST_SKIPPED)
    with pytest.raises(InputError, match="20 steps in a row .* term 'reconstruction' is not fin"):
        run(made, 2)
    assert made.steps_done == steps


@SCHEDULES
def test_fewer_skipped_steps_in_a_row_do_not(schedule):
    seen = watched(clusters(90))
    made = trainer(seen, schedule=schedule, batch=2)
    seen.asked.clear()
    seen.spoilt = {*range(MOST_SKIPPED - 1), *range(MOST_SKIPPED, 2 * MOST_SKIPPED - 1)}
    made.epoch()
    assert made.skipped_steps == len(made.steppers) * 2 * (MOST_SKIPPED - 1)


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
@pytest.mark.usefixtures("fp16_on_a_cpu")
def test_fp16_trains_close_to_fp32_where_the_scale_fits_from_the_start(schedule):
    half, full = (trainer(schedule=schedule, precision=name) for name in ("fp16", "fp32"))
    for stepper in half.steppers:
        state = stepper.state()
        stepper.load_state(state | {"scaler": state["scaler"] | {"scale": 256.0}})
    records = list(zip(run(half, 3), run(full, 3)))
    for low, high in records:
        assert low["loss/total"] == pytest.approx(high["loss/total"], rel=1e-2)
    assert records[0][0] != records[0][1]  # it was fp16
    assert half.skipped_steps == 0
    assert all(weight.dtype == torch.float32 for weight in weights(half).values())


@SCHEDULES
@pytest.mark.usefixtures("fp16_on_a_cpu")
def test_fp16_finds_the_scale_that_fits(schedule):
    # it starts at 65536; sums over pairs have large gradients
    made = trainer(schedule=schedule, precision="fp16", reduction="sum", rate=1e-3)
    records = run(made, 8)
    for stepper in made.steppers:
        assert 2 <= stepper.skipped <= 12
        assert stepper.scaler.get_scale() == 65536 / 2**stepper.skipped
    assert records[-1]["loss/total"] < records[0]["loss/total"]
    assert all(torch.isfinite(weight).all() for weight in weights(made).values())


@SCHEDULES
def test_bf16_losses_are_computed_in_fp32(schedule):
    # one batch, so the mean is the value itself; rounded to bf16 it would be another number
    record = trainer(clusters(8), schedule=schedule, precision="bf16").epoch()
    terms = [value for name, value in record.items() if not name.startswith("loss/")]
    assert len(terms) >= 4
    for term in terms:
        assert float(torch.tensor(term).float()) == term
        assert float(torch.tensor(term).bfloat16()) != term


@SCHEDULES
def test_delta_of_zero_trains_without_graph_networks(schedule):
    made = trainer(schedule=schedule, delta=0.0)
    before = weights(made)
    record = run(made, 2)[-1]
    assert moved(made, before) == {"image", "text", "fusion"}
    assert all(value == 0 for name, value in record.items() if name.endswith("/graph"))


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("c++"), reason="torch.compile needs a C++ compiler")
def test_compiled_networks_train_as_the_others_do():
    plain, compiled = (run(trainer(compile=each), 2) for each in (False, True))
    assert compiled == [pytest.approx(record, rel=1e-4) for record in plain]


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("c++"), reason="torch.compile needs a C++ compiler")
def test_what_was_compiled_for_other_instructions_is_not_run(tmp_path):
    # torch looks for compiled code by the networks and its options, not by the instruction set
    script = "from made import run, trainer; print(run(trainer(compile=True), 1)[0]['loss/total'])"
    pin = "from agch.runtime import pin_instruction_set; pin_instruction_set(); "
    environment = os.environ | {
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
    }
    environment = {name: x for name, x in environment.items() if name not in INSTRUCTION_SET}
    losses = [
        float(subprocess.check_output([sys.executable, "-c", code], env=environment))
        for code in (pin + script, script, pin + script)
    ]
    assert losses == [pytest.approx(run(trainer(), 1)[0]["loss/total"], rel=1e-4)] * 3
