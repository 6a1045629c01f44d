"""Several processes that share every batch train as one does, and end together.

This file is also the program that `torchrun` starts: see `main`.
"""

import math
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made import PLUS, clusters, params, same

from agch.checkpoint import Checkpoint
from agch.errors import InputError
from agch.fitting import follow
from agch.model import Encoded
from agch.ranks import ALONE, Ranks, join
from agch.runtime import seeded
from agch.training import Trainer

CPU, BATCH, EPOCHS = torch.device("cpu"), 8, 3
JOINT, SGD = {"schedule": "joint"}, {"optimizer": "sgd", "rate": 0.05}
SETTINGS = {
    "alternating": {},
    "joint": JOINT,
    "agch+": PLUS,
    "agch+ joint": PLUS | JOINT,
    "sgd": SGD,
    "encoder": {"similarity_image": "encoder"} | JOINT,
    "no graphs": {"delta": 0.0},
    "nested": {"nested": [8, 16], "bits": 16},
    "djsrh": {"method": "djsrh"},
    "jdsh": {"method": "jdsh"},
    "bf16": {"precision": "bf16"},
}
NAMES = pytest.mark.parametrize("name", SETTINGS)


def trainer(ranks, rows=None, seed=0, **changes):
    """A trainer of one among several processes.

    It has measured its pace, as the stage does before it restores a checkpoint. From the second
    step on torch adds up the gradients of several processes in another order.
    """
    rows, settings = clusters() if rows is None else rows, params(batch=BATCH, **changes)
    made = Trainer(rows, settings, seeded(seed), None, ranks)
    made.pace()
    return made


def ended(made, records):
    """What is left of a training."""
    return {"records": records, "weights": made.model.state_dict(), "codes": made.codes}


def trained(ranks, **changes):
    """Some epochs."""
    made = trainer(ranks, **changes)
    return ended(made, [made.epoch() for _ in range(EPOCHS)])


def with_a_bad_row(ranks):
    """The last row of the first batch, which is the last process's, is not finite."""
    rows = clusters()
    last = torch.randperm(len(rows.image), generator=torch.Generator().manual_seed(0))[BATCH - 1]
    rows.image[last] = math.nan
    made = trainer(ranks, rows, **SGD)
    made.epoch()
    return {"skipped": made.skipped_steps, "weights": made.model.state_dict()}


def resumed(ranks):
    """`trained` by the settings of AGCH+, stopped after some steps and continued by another."""

    def stop():
        if first.steps_done == 7:
            raise StopIteration

    first, records = trainer(ranks, **PLUS), []
    with suppress(StopIteration):
        records += [first.epoch(stop)]
        first.epoch(stop)
    state = deepcopy(first.state())
    second = trainer(ranks, seed=1, **PLUS)
    second.load_state(state)
    return ended(second, records + [second.epoch() for _ in range(EPOCHS - 1)])


def gathered(ranks):
    """Rows of one number, 10 * rank and one more; what is gathered, and the gradient of a loss."""
    own = 10.0 * ranks.rank + torch.arange(2.0)[:, None]
    own.requires_grad_()
    every = ranks.gather(Encoded(own, own + 100, own, own))
    (every.image.square().sum() + 3 * every.text_features.sum()).backward()
    return {"rows": every.image_features.detach(), "gradient": own.grad}


def everything(ranks):
    """All that the tests compare, by name."""
    return {
        "trained": {name: trained(ranks, **changes) for name, changes in SETTINGS.items()},
        "bad row": with_a_bad_row(ranks),
        "resumed": resumed(ranks),
        "gathered": gathered(ranks),
    }


def die(ranks, folder, who, how):
    """Train for ever as the stage does, until one process dies after some steps."""

    def stop():
        if str(ranks.rank) == who and made.steps_done == 12:
            Path(folder, "died").touch()
            os._exit(3) if how == "exit" else os.kill(os.getpid(), signal.SIGKILL)

    made = trainer(ranks)
    epoch, made.epoch = made.epoch, lambda after_step=None: epoch(stop)
    if not ranks.first:
        follow(made, Checkpoint(folder, "none"), 10**9)
    ranks.agree(made.steps_done)  # as Fit does
    while True:
        made.epoch()


def main():
    """Write what `everything` returns into a folder, by rank; or die there."""
    folder, *death = sys.argv[1:]
    torch.set_num_threads(1)
    ranks, _ = join(CPU, BATCH)
    if death:
        die(ranks, Path(folder), *death)
    torch.save(everything(ranks), Path(folder) / f"{ranks.rank}.pt")


def launch(folder, size, *death, limit=240):
    """Start `main` in several processes; returns the status and what they printed."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={size}", __file__, str(folder), *death]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with (folder / "printed").open("w") as printed:
        process = subprocess.Popen(command, env=environment, stdout=printed, stderr=printed)
        try:
            status = process.wait(limit)
        finally:
            process.terminate()  # it ends the others
            process.wait()
    return status, (folder / "printed").read_text()


@pytest.fixture(scope="module")
def alone():
    """By this process, with as many threads as each of several has."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield everything(ALONE)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=[2, pytest.param(4, marks=pytest.mark.slow)])
def shared(request, tmp_path_factory):
    """By each of several processes."""
    folder, size = tmp_path_factory.mktemp("ranks"), request.param
    status, printed = launch(folder, size)
    assert status == 0, printed
    return [torch.load(folder / f"{rank}.pt") for rank in range(size)]


@NAMES
def test_processes_that_share_a_batch_train_as_one_does(alone, shared, name):
    one, several = alone["trained"][name], shared[0]["trained"][name]
    rough = 2e-2 if name == "bf16" else 1e-5  # sums over rows are split; adam magnifies that
    for record, expected in zip(several["records"], one["records"], strict=True):
        assert record == pytest.approx(expected, rel=rough, abs=rough)
    torch.testing.assert_close(several["weights"], one["weights"], rtol=rough, atol=rough)
    assert name == "bf16" or torch.equal(several["codes"], one["codes"])


@NAMES
def test_all_processes_end_in_the_same_bits(shared, name):
    first, *others = (each["trained"][name] for each in shared)
    for other in others:
        assert other["records"] == first["records"]
        assert same(other["weights"], first["weights"])
        assert torch.equal(other["codes"], first["codes"])


def test_a_bad_row_of_one_process_is_skipped_by_all(alone, shared):
    first, *others = (each["bad row"] for each in shared)
    assert first["skipped"] == alone["bad row"]["skipped"] == 2
    torch.testing.assert_close(first["weights"], alone["bad row"]["weights"], rtol=1e-5, atol=1e-5)
    for other in others:
        assert other["skipped"] == 2 and same(other["weights"], first["weights"])


def test_processes_that_continue_end_as_if_unbroken(shared):
    for each in shared:
        straight, continued = each["trained"]["agch+"], each["resumed"]
        assert continued["records"] == straight["records"]
        assert same(continued["weights"], straight["weights"])
        assert torch.equal(continued["codes"], straight["codes"])


def test_gathered_rows_are_in_the_order_of_the_batch_and_know_their_gradient(shared):
    # d/dx (x^2 + 3 (x + 100)) = 2 x + 3, times the processes: a mean over them is taken later
    size = len(shared)
    rows = [[10.0 * rank + row] for rank in range(size) for row in range(2)]
    for rank, each in enumerate(found["gathered"] for found in shared):
        assert each["rows"].tolist() == rows
        assert each["gradient"].tolist() == [[size * (2 * x + 3)] for (x,) in rows[2 * rank :][:2]]


def test_one_process_gathers_nothing():
    encoded = Encoded(*(torch.rand(4, 3, requires_grad=True) for _ in range(4)))
    assert all(found is given for found, given in zip(ALONE.gather(encoded), encoded))
    assert gathered(ALONE)["gradient"].tolist() == [[3], [5]]


def test_one_process_runs_the_encoders_as_they_are():
    made = trainer(ALONE)
    assert ALONE.parallel(made.model) == made.model.encode


def test_parts_of_a_batch_by_hand():
    assert [Ranks(rank, 3).part(12) for rank in range(3)] == [
        slice(0, 4),
        slice(4, 8),
        slice(8, 12),
    ]
    assert ALONE.part(12) == slice(0, 12)


@given(st.integers(1, 9), st.integers(1, 9))
def test_parts_make_up_the_batch(size, own):
    batch = list(range(size * own))
    assert sum((batch[Ranks(rank, size).part(len(batch))] for rank in range(size)), []) == batch


def test_the_first_process_is_the_one_of_rank_0():
    assert [Ranks(rank, 3).first for rank in range(3)] == [True, False, False]
    assert ALONE.first


@pytest.mark.parametrize("count", [None, "1"])
def test_without_torchrun_there_is_one_process_of_any_batch(monkeypatch, count):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    if count:
        monkeypatch.setenv("WORLD_SIZE", count)
    assert join(CPU, 7) == (ALONE, CPU)


@pytest.mark.parametrize(("batch", "count"), [(8, 3), (32, 5), (2, 4)])
def test_a_batch_that_cannot_be_shared_evenly_is_refused_by_name(monkeypatch, batch, count):
    monkeypatch.setenv("WORLD_SIZE", str(count))
    with pytest.raises(InputError) as caught:
        join(CPU, batch)
    assert str(caught.value) == (
        f"train.batch is {batch}, which {count} processes cannot share evenly; "
        f"use a multiple of {count}"
    )
    assert not torch.distributed.is_initialized()


@pytest.mark.slow
@pytest.mark.parametrize(("who", "how"), [(1, "exit"), (0, "kill")])
def test_when_one_process_dies_all_end(tmp_path, who, how):
    status, printed = launch(tmp_path, 2, str(who), how, limit=120)
    assert status != 0, printed
    assert time.time() - (tmp_path / "died").stat().st_mtime < 60


if __name__ == "__main__":
    main()
