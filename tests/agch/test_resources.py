"""What a run needs: counted by hand, growing with everything, near to what a process takes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made import params

from agch.errors import InputError
from agch.resources import (
    GIB,
    LIBRARIES,
    Memory,
    Shapes,
    check_memory,
    facts,
    memory_estimate,
    outline,
    parameters,
)

HERE = Path(__file__).parent
CPU, CUDA = torch.device("cpu"), torch.device("cuda")
SMALL = Shapes(rows=8, validation_rows=2, image=6, text=9, image_input=6, labels=4)
"""Of `made.clusters`; with small parameters the peak is a step."""
MANY = SMALL._replace(rows=2 * 10**5)
PARAMETERS = 816
"""6-8-8 and 9-8-8 units with biases, fusion 16-8, two graph networks 8-8-8-8 with one bias each."""


def estimate(shapes=SMALL, **changes):
    """As published by one schedule without codes, unless changed."""
    return memory_estimate(shapes, params(**({"schedule": "joint"} | changes)))


def test_data_are_all_rows_in_single_precision_and_their_labels():
    # 8 training and 2 validation rows of 6 + 9 numbers and 4 labels
    assert estimate().data == 10 * (4 * 15 + 4)


def test_alternating_schedule_also_keeps_discrete_codes_and_those_of_before():
    assert estimate(schedule="alternating", bits=16).data == 640 + 2 * 4 * 8 * 16


@pytest.mark.parametrize("method", ["djsrh", "jdsh"])
def test_peers_also_keep_the_training_rows_at_unit_length(method):
    assert estimate(method=method, schedule="alternating").data == 640 + 4 * 8 * 15


def test_pool5_is_held_beside_the_features_in_half_precision():
    shapes = SMALL._replace(image_input=9216)
    assert estimate(shapes, image_encoder="alexnet_fc").data == 640 + 2 * 10 * 9216


def test_counting_the_words_of_many_rows_takes_the_text_twice():
    shapes = SMALL._replace(rows=10**7, text=1000)
    assert estimate(shapes).data == (10**7 + 2) * (4 * 1006 + 4) + 2 * 4 * 10**10


def test_trainable_parameters_are_counted_without_making_them():
    state = torch.get_rng_state()
    model = outline(SMALL, params())
    assert parameters(model) == PARAMETERS
    assert all(parameter.is_meta for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), state)  # later weights are those of the seed


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"optimizer": "adam"}, 6),
        ({"optimizer": "sgd"}, 5),
        ({"optimizer": "adam", "select": "best"}, 7),
    ],
)
def test_step_holds_weights_gradients_and_moments_with_two_copies(changes, expected):
    assert estimate(**changes).networks == expected * 4 * PARAMETERS


def test_large_networks_peak_while_weights_and_moments_are_written():
    # weights, gradients, two moments; the next gradients; then weights and moments once more
    large = estimate(batch=2, hidden=10**5)
    count = parameters(outline(SMALL, params(hidden=10**5)))
    assert large == Memory(640, 7 * 4 * count, LIBRARIES)


@pytest.mark.parametrize(
    ("changes", "products"),
    [
        ({}, 7),  # image and text with themselves and with the fusion head; 3 heads with themselves
        ({"schedule": "alternating"}, 7),
        ({"fusion": False}, 6),
        ({"delta": 0.0}, 5),
        ({"contrastive": 0.3}, 9),
        ({"contrastive": 0.3, "variant": "paper"}, 7),
        ({"nested": [8, 16], "bits": 16}, 14),
    ],
    ids=str,
)
def test_pairs_of_a_batch_are_one_matrix_for_each_product_and_ten_more(changes, products):
    # twice the batch: the layers count twice, the pairs four times
    once, twice = (
        estimate(MANY, batch=batch, **changes).batch - LIBRARIES for batch in (10**5, 2 * 10**5)
    )
    assert twice - 2 * once == 2 * 4 * 10**10 * (products + 10)


@pytest.mark.parametrize("method", ["djsrh", "jdsh"])
def test_pairs_of_a_batch_are_eight_matrices_for_a_peer(method):
    once, twice = (estimate(MANY, batch=size, method=method).batch for size in (10**5, 2 * 10**5))
    assert twice - 2 * once == 2 * 4 * 10**10 * 8 - LIBRARIES


@pytest.mark.parametrize("method", ["agch", "jdsh"])
def test_a_batch_is_never_larger_than_the_training_rows(method):
    assert estimate(batch=10**5, method=method) == estimate(batch=8, method=method)


def test_layers_hold_inputs_outputs_and_as_much_for_gradients_where_pairs_are_few():
    # image 60-8-8 and text 9-8-8, 8 rows; a peer has no other layers, and 8 * 8 pairs a row
    widths = (60 + 8) + (8 + 8) + (9 + 8) + (8 + 8)
    shapes = SMALL._replace(image=60, image_input=60)
    assert estimate(shapes, method="djsrh").batch == LIBRARIES + 4 * 8 * 2 * widths


@pytest.mark.parametrize(("rows", "sampled"), [(2000, 2000), (10**5, 2048)])
def test_scale_of_the_target_is_measured_on_a_sample_of_rows(rows, sampled):
    shapes = SMALL._replace(rows=rows, text=1)
    all_rows = (rows + 2) * (4 * 7 + 4)
    assert estimate(shapes) == Memory(
        all_rows + 10 * 4 * sampled**2, 4 * parameters(outline(shapes, params())), LIBRARIES
    )


def test_jdsh_holds_the_similarities_of_all_batches_at_once():
    shapes = SMALL._replace(rows=10**6)
    assert estimate(shapes, method="jdsh", batch=1000).batch == LIBRARIES + 3 * 4 * 10**9


SIZE = st.integers(1, 5000)
SETTINGS = {
    "batch": st.integers(2, 5000),
    "hidden": SIZE,
    "bits": st.integers(1, 32).map(lambda count: 8 * count),
    "gcn_hidden": st.tuples(SIZE, SIZE),
}


@settings(deadline=None, max_examples=50)
@given(
    st.tuples(*[SIZE] * 6).map(Shapes._make),
    st.sampled_from(["agch", "djsrh", "jdsh"]),
    st.fixed_dictionaries(SETTINGS),
    st.sampled_from([*Shapes._fields, "batch", "hidden", "bits", "gcn_hidden"]),
)
def test_more_of_anything_needs_no_less(shapes, method, changes, name):
    larger, more = shapes, dict(changes)
    if name in Shapes._fields:
        larger = shapes._replace(**{name: 2 * getattr(shapes, name)})
    elif name == "gcn_hidden":
        more[name] = (changes[name][0], 2 * changes[name][1])
    else:
        more[name] = 2 * changes[name]
    smaller = estimate(shapes, method=method, schedule="alternating", **changes).total
    assert 0 < smaller <= estimate(larger, method=method, schedule="alternating", **more).total


def refusal(needed, device=CPU, available=GIB, **changes):
    with pytest.raises(InputError) as raised:
        check_memory(needed, available, params(**changes), device)
    return str(raised.value)


def test_run_that_does_not_fit_is_refused_with_both_numbers_and_the_largest_share():
    message = refusal(Memory(GIB // 4, GIB // 4, 3 * GIB // 2))
    assert message == (
        "training needs about 2.00 GiB, but only 1.00 GiB are free on cpu; "
        "75% of the need is the pairs of a batch: lower train.batch (8)"
    )


@pytest.mark.parametrize(
    ("needed", "changes", "advice"),
    [
        (Memory(2 * GIB, 1, 1), {}, "the data: lower split.train"),
        (Memory(1, 2 * GIB, 1), {}, "the networks: lower train.hidden (8)"),
        (
            Memory(1, 2 * GIB, 1),
            {"image_encoder": "alexnet_fc"},
            "the networks: use train.image_encoder=mlp",
        ),
        (Memory(1, 1, 2 * GIB), {"batch": 77}, "the pairs of a batch: lower train.batch (77)"),
    ],
)
def test_advice_fits_what_needs_most(needed, changes, advice):
    assert refusal(needed, **changes).endswith(f"100% of the need is {advice}")


def test_memory_of_a_cuda_device_can_be_escaped():
    message = refusal(Memory(2 * GIB, 1, 1), CUDA)
    assert "1.00 GiB are free on cuda" in message
    assert message.endswith("lower split.train, or use runtime.device=cpu")


@pytest.mark.parametrize("available", [60, 61, None])
def test_run_that_fits_or_of_which_nothing_is_known_is_allowed(available):
    check_memory(Memory(10, 20, 30), available, params(), CPU)


def test_run_that_needs_a_byte_more_is_refused():
    assert refusal(Memory(10, 20, 30), available=59)


def test_facts_say_rows_method_device_and_memory(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    shapes = SMALL._replace(rows=1904)
    assert facts(shapes, params(), CPU, Memory(GIB // 4, GIB // 8, GIB // 8), 23 * GIB) == [
        "1,904 training rows of 6 image and 9 text features, 2 validation rows",
        "AGCH of 8 bits, alternating schedule: 816 parameters, fp32 on cpu, 1 thread",
        "about 0.50 GiB of memory of 23.00 GiB free",
    ]


def test_facts_of_a_peer_name_no_schedule_and_unknown_memory_is_left_out(monkeypatch):
    # the encoders alone: 816 without fusion (136) and graph networks (400)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    _, networks, memory = facts(SMALL, params(method="jdsh"), CPU, Memory(GIB, 0, 0), None)
    assert networks == "JDSH of 8 bits: 280 parameters, fp32 on cpu, 2 threads"
    assert memory == "about 1.00 GiB of memory"


def test_facts_name_the_cuda_device_and_the_precision_in_force(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    line = facts(SMALL, params(precision="auto"), CUDA, Memory(1, 1, 1), None)[1]
    assert "bf16 on NVIDIA H100, " in line


def test_facts_refuse_a_precision_that_the_device_has_not():
    with pytest.raises(InputError, match="'fp16', which needs a CUDA device"):
        facts(SMALL, params(precision="fp16"), CPU, Memory(1, 1, 1), None)


EACH = {
    "data": ((6000, 4000, 500), {"batch": 100, "method": "djsrh"}),
    "networks": ((16, 512, 256), {"hidden": 2048, "gcn_hidden": [512, 512]}),
    "batch": ((2048, 16, 16), {"batch": 2048, "contrastive": 0.3}),
}
"""What outweighs the rest: rows, image and text features, and changes that make it so."""

TRAIN = """
import io, json, os, sys, torch
from made import trainer
from agch.batches import TrainingSet
from agch.runtime import RuntimeParams, pin_runtime

def held(kind):
    lines = open("/proc/self/status").read().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(kind))

def growth(rows, image, text, changes):
    start = held("VmRSS")
    features, label = torch.rand(rows, image), torch.zeros(rows, 1, dtype=torch.uint8)
    words = (torch.rand(rows, text) < 0.1).float()
    made = trainer(TrainingSet(features, words, label, features), **changes)
    for _ in range(2):
        made.epoch()
    torch.save(made.state(), io.BytesIO())
    return held("VmHWM") - start

pin_runtime(RuntimeParams(reproducibility="strict", threads=1, device="cpu"))
for shape, changes in json.loads(sys.argv[1]):
    if not (child := os.fork()):
        print(growth(*shape, changes), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.fixture(scope="module")
def growths():
    """Bytes by which processes grew that trained `EACH`, by its names."""
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, json.dumps([*EACH.values()])],
        env=os.environ | {"PYTHONPATH": f"{HERE}:{HERE.parents[1]}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(EACH, map(int, done.stdout.split()), strict=True))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
@pytest.mark.parametrize("name", EACH)
def test_estimate_is_near_to_what_a_process_takes(growths, name):
    (rows, image, text), changes = EACH[name]
    needed = memory_estimate(Shapes(rows, 0, image, text, image, 1), params(**changes))
    assert getattr(needed, name) > needed.total / 2
    assert needed.total / 2 < growths[name] < 2 * needed.total
