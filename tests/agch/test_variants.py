"""Every ablation, switch, extension and peer trains, and does what its name says and no more."""

import math

import pytest
import torch
from made import PLUS, clusters, moved, params, run, same, trainer, weights

from agch.encoders import POOL5, alexnet_fc
from agch.runtime import seeded
from agch.target import Graphs
from agch.training import Trainer
from agch.validation import Validator

SCHEDULES = pytest.mark.parametrize("schedule", ["alternating", "joint"])
METHODS = pytest.mark.parametrize("method", ["djsrh", "jdsh"])
ENCODERS = ("image", "text")


def trained(rows=None, epochs=2, seed=0, **changes):
    """What is recorded of the epochs, the weights of the encoders after them, the trainer."""
    made = trainer(rows, seed, **changes)
    records = run(made, epochs)
    own = {name: value for name, value in weights(made).items() if name.split(".")[0] in ENCODERS}
    return records, own, made


def is_finite(records, state):
    numbers = [value for record in records for value in record.values()]
    return all(map(math.isfinite, numbers)) and all(w.isfinite().all() for w in state.values())


@SCHEDULES
@pytest.mark.parametrize(
    ("changes", "default"),
    [
        ({"similarity": "cosine"}, {}),  # AGCH-1
        ({"similarity": "distance"}, {}),  # AGCH-2
        ({"similarity": "mixed"}, {}),  # AGCH-3
        ({"fusion": False}, {}),  # AGCH-4
        ({"delta": 0.0}, {}),  # AGCH-5
        ({"similarity": "mixed", "mixed_weight": 0.1}, {"similarity": "mixed"}),
        ({"distance": "root"}, {}),
        ({"gamma_power": 2}, {}),
        ({"similarity_image": "encoder"}, {}),
        ({"text_input": "unit"}, {}),
        ({"tanh_scale": "growing"}, {}),
        ({"reduction": "entries", "bits": 16}, {"bits": 16}),
        ({"reduction": "sum", "rate": 1e-4}, {"rate": 1e-4}),
        ({"nested": [8, 16], "bits": 16}, {"bits": 16}),
        ({"target_scale": "calibrated", "variant": "agch+"}, {}),
    ],
    ids=str,
)
def test_every_choice_trains_and_changes_the_encoders(schedule, changes, default):
    records, state, made = trained(schedule=schedule, **changes)
    _, other, _ = trained(schedule=schedule, **default)
    assert is_finite(records, weights(made)) and made.skipped_steps == 0
    assert not same(state, other)


@SCHEDULES
def test_entries_weigh_as_pairs_do_where_bits_are_as_many_as_rows(schedule):
    # both then divide by 8 * 8; only the alignment terms have the bits in their divisor
    (first, *_), (second, *_) = (
        trained(schedule=schedule, reduction=reduction, bits=8, batch=8)
        for reduction in ("pairs", "entries")
    )
    assert first == second


@pytest.mark.parametrize(("schedule", "expected"), [("joint", False), ("alternating", True)])
def test_detaching_changes_nothing_where_the_encoders_have_a_step_of_their_own(schedule, expected):
    # the F-step holds the graph heads fixed, so no gradient passes through them anyway
    (_, plain, _), (_, detached, made) = (
        trained(schedule=schedule, delta=1.0, gcn_detach=detach) for detach in (False, True)
    )
    assert made.model.gcn_detach
    assert same(plain, detached) is expected


@SCHEDULES
@pytest.mark.parametrize(
    ("changes", "expected"),
    [({"fusion": False}, ["gcn"]), ({"delta": 0.0}, ["fusion"]), ({}, ["fusion", "gcn"])],
    ids=str,
)
def test_a_branch_that_is_left_out_leaves_the_others_at_work(schedule, changes, expected):
    made = trainer(schedule=schedule, **changes)
    before = weights(made)
    run(made, 2)
    assert moved(made, before) == {"image", "text", *expected}


def test_joint_training_may_do_without_fusion_and_graph_networks():
    records, _, made = trained(schedule="joint", fusion=False, delta=0.0)
    assert records[1]["loss/total"] < records[0]["loss/total"]
    assert {name.split(".")[0] for name, _ in made.model.named_parameters()} == set(ENCODERS)


@pytest.mark.parametrize("method", ["agch", "djsrh", "jdsh"])
def test_growing_scale_of_tanh_is_the_root_of_the_epoch(method):
    # the first epoch has scale 1, as without growing; the second one sqrt(2)
    made = trainer(method=method, tanh_scale="growing")
    for epoch in range(1, 5):
        made.epoch()
        assert made.model.image.tanh_scale == made.model.text.tanh_scale == math.sqrt(epoch)


@SCHEDULES
def test_growing_scale_of_tanh_shows_from_the_second_epoch_on(schedule):
    (plain, *_), (growing, *_) = (
        trained(schedule=schedule, epochs=3, tanh_scale=scale) for scale in ("one", "growing")
    )
    assert plain[0] == growing[0]
    assert plain[1] != growing[1] and plain[2] != growing[2]


@SCHEDULES
@pytest.mark.parametrize(("kind", "moves"), [("frozen", False), ("encoder", True)])
def test_target_moves_with_the_encoder_alone(schedule, kind, moves):
    # one batch of all rows: its mean depends on their order by rounding alone
    records, *_ = trained(clusters(8), schedule=schedule, similarity_image=kind, epochs=3)
    means = [record["target/mean"] for record in records]
    assert (max(means) - min(means) > 1e-3) is moves


@pytest.mark.parametrize("changed", ["image", "image_input"])
def test_target_is_made_of_the_frozen_features(changed):
    # each row takes what the row before it has, which is of another kind
    rows = clusters()
    other = rows._replace(**{changed: rows.image.roll(1, dims=0)})
    first, second = (trained(each, epochs=1)[0][0] for each in (rows, other))
    assert (abs(first["target/mean"] - second["target/mean"]) > 1e-3) is (changed == "image")
    assert first["loss/total"] != second["loss/total"]


WILD = {"contrastive": 9.0, "temperature": 0.1, "dropout": 0.5, "idf": True}
WILD_PAPER = WILD | {"variant": "paper", "target_scale": "calibrated", "target_mean": 0.5}


@SCHEDULES
def test_paper_contains_none_of_the_extensions(schedule):
    plain, wild = (trained(schedule=schedule, **changes) for changes in ({}, WILD_PAPER))
    assert plain[0] == wild[0]
    assert same(weights(plain[2]), weights(wild[2]))


@METHODS
def test_peers_contain_none_of_the_extensions(method):
    plain, wild = (
        trained(method=method, **changes)
        for changes in ({}, WILD | {"variant": "agch+", "target_scale": "calibrated"})
    )
    assert plain[0] == wild[0]
    assert same(weights(plain[2]), weights(wild[2]))


@SCHEDULES
def test_agch_plus_with_every_extension_off_is_the_paper(schedule):
    plain, off = (trained(schedule=schedule, variant=name) for name in ("paper", "agch+"))
    assert plain[0] == off[0]
    assert same(weights(plain[2]), weights(off[2]))


@SCHEDULES
@pytest.mark.parametrize(
    "extension",
    [*({name: value} for name, value in PLUS.items()), {"target_scale": "calibrated"}],
    ids=str,
)
def test_each_extension_alone_changes_agch_plus(schedule, extension):
    records, state, made = trained(schedule=schedule, variant="agch+", **extension)
    _, plain, _ = trained(schedule=schedule, variant="agch+")
    parameters = {name for name, _ in made.model.named_parameters()}
    assert is_finite(records, state)
    assert not any(torch.equal(state[name], plain[name]) for name in parameters & plain.keys())


@SCHEDULES
def test_temperature_changes_agch_plus_with_a_contrastive_term(schedule):
    (_, first, _), (_, second, _) = (
        trained(schedule=schedule, contrastive=0.3, temperature=value) for value in (0.2, 0.5)
    )
    assert not same(first, second)


@SCHEDULES
def test_contrastive_term_is_recorded_under_agch_plus_alone(schedule):
    block = {"joint": "joint", "alternating": "encoders"}[schedule]
    records, *_ = trained(schedule=schedule, **PLUS)
    assert records[0][f"{block}/contrastive"] > 0
    paper, *_ = trained(schedule=schedule, **WILD_PAPER)
    assert not [name for name in paper[0] if name.endswith("/contrastive")]


@SCHEDULES
def test_weights_of_the_words_are_not_trained(schedule):
    made = trainer(schedule=schedule, **PLUS)
    before = weights(made)
    run(made, 2)
    for name in ("image.weight", "text.weight"):
        assert torch.equal(before[name], weights(made)[name])
    assert (before["text.weight"] != 1).all()


@SCHEDULES
def test_agch_plus_learns_and_repeats_to_the_last_bit(schedule):
    changes = PLUS | {"schedule": schedule, "target_scale": "calibrated", "epochs": 30}
    (first, one, made), (second, other, _) = (trained(**changes) for _ in range(2))
    assert first == second and same(one, other)
    assert min(Validator(clusters(), clusters(20, seed=1)).measure(made.model).values()) > 0.7


@METHODS
def test_peers_learn_what_both_modalities_share(method):
    # four kinds of rows: a random ranking has a precision of about 1/4
    records, _, made = trained(epochs=30, method=method)
    assert records[-1]["loss/total"] < records[0]["loss/total"]
    scores = Validator(clusters(), clusters(20, seed=1)).measure(made.model)
    assert min(scores.values()) > 0.7


@METHODS
@pytest.mark.parametrize("module", ENCODERS)
def test_peers_move_the_encoders_each_at_its_own_rate(method, module):
    rates = dict.fromkeys(("image", "text", "fusion", "gcn"), 1e-30) | {module: 0.01}
    made = trainer(method=method, learning_rate=rates)
    before = weights(made)
    made.epoch()
    assert moved(made, before) == {module}
    assert {name.split(".")[0] for name in before} == set(ENCODERS)


@METHODS
def test_peers_use_no_labels(method):
    rows = clusters()
    other = rows._replace(label=1 - rows.label.flip(0))
    first, second = (trained(each, method=method) for each in (rows, other))
    assert first[0] == second[0] and same(first[1], second[1])


@METHODS
def test_peers_repeat_to_the_last_bit(method):
    (first, one, _), (second, other, _) = (trained(epochs=20, method=method) for _ in range(2))
    assert first == second and same(one, other)
    assert trained(epochs=1, seed=1, method=method)[0] != first[:1]


@METHODS
def test_peers_know_neither_schedules_nor_weights_of_agch(method):
    agch = {"schedule": "alternating", "alpha": 3.0, "lambda_": 1.0, "gamma_v": 0.5, "delta": 1.0}
    (first, one, _), (second, other, made) = (
        trained(method=method, **changes) for changes in ({"schedule": "joint"}, agch)
    )
    assert first == second and same(one, other)
    assert len(made.steppers) == 1


def test_peers_differ():
    names = ("djsrh", "jdsh", "agch")
    states = [trained(method=name, schedule="joint")[1] for name in names]
    assert not any(same(states[i], states[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


@METHODS
def test_record_of_a_peer_adds_up(method):
    record = trained(method=method)[0][0]
    terms = [value for name, value in record.items() if name.startswith("joint/")]
    assert len(terms) == {"djsrh": 2, "jdsh": 3}[method]
    assert record["loss/total"] == pytest.approx(sum(terms), rel=1e-5)


def pool5_rows(seed=0):
    """Eight rows with 6 frozen features and 9,216 inputs in half precision, as extract writes."""
    generator = torch.Generator().manual_seed(seed)
    return clusters(8)._replace(image_input=torch.rand(8, POOL5, generator=generator).half())


def test_alexnets_layers_start_from_the_weights_given_and_learn():
    torch.manual_seed(3)
    start = alexnet_fc().state_dict()
    settings = params(image_encoder="alexnet_fc", optimizer="sgd", momentum=0.0, rate=1e-3)
    made = Trainer(pool5_rows(), settings, seeded(0), start)
    hidden = made.model.image.hidden
    assert same(hidden.state_dict(), start)
    record = made.epoch()
    assert all(map(math.isfinite, record.values()))
    assert not any(torch.equal(value, start[name]) for name, value in hidden.state_dict().items())
    # the similarity is that of the frozen features, which have nothing to do with pool5
    frozen = Graphs(clusters(8), settings)(clusters(8).select(torch.arange(8)), None).target
    others = frozen[~torch.eye(8, dtype=torch.bool)]
    assert record["target/mean"] == pytest.approx(float(others.mean()), abs=1e-5)
