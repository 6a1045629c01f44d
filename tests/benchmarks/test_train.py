"""The benchmark of training: which products it finds, how it repeats them, what it compares."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from agch.errors import InputError
from agch.runtime import INSTRUCTION_SET
from benchmarks import train
from benchmarks.products import Layout, Product, Recorder, replay
from benchmarks.clones import clone, git
from benchmarks.train import ROUNDS, fastest, linearity, main, speed, tiled
from tests.agch import made

aten = torch.ops.aten
A, B, V = torch.randn(4, 3), torch.randn(3, 5), torch.randn(3)
STAGE = """
import json, os, sys
from pathlib import Path
from stages import SCORE
place = Path(os.environ["AGCH_CHECKPOINTS"])
told = {"checkpoints": str(place), "there": os.listdir(place), "score": SCORE}
told |= {"data": Path("data/features.h5").read_text() + Path("data/split.h5").read_text()}
told |= {"pinned": os.environ.get("MKL_CBWR"), "folder": os.getcwd()}
with open(os.environ["TOLD"], "a") as file:
    print(json.dumps(told), file=file)
(place / "left behind").touch()
if SCORE < 0:
    sys.exit("error: below zero")
Path("metrics").mkdir(exist_ok=True)
directions = {"i2t": {"map@50": SCORE}, "t2i": {"map@50": SCORE / 2}} if SCORE else {}
Path("metrics/train.json").write_text(json.dumps({"validation": directions}))
"""


def recorded(work: Callable[[], object]) -> list[Product]:
    with Recorder() as recorder:
        work()
    return recorder.products


def layouts(products: list[Product]) -> list[Layout]:
    values = [value for product in products for value in (*product.args, *product.kwargs.values())]
    return [value for value in values if isinstance(value, Layout)]


def shapes(product: Product) -> list[tuple[int, ...]]:
    return [tuple(layout.shape) for layout in layouts([product])]


def two_layers(first: Tensor, second: Tensor) -> None:
    """A step over 5 rows, 3 inputs, 4 hidden units and 2 outputs."""
    hidden = F.linear(torch.ones(5, 3), first, torch.zeros(4)).relu()
    loss = F.linear(hidden, second).square().sum()
    torch.autograd.grad(loss, [first, second])


def test_products_of_a_step_are_those_of_its_forward_and_its_backward_pass() -> None:
    first, second = (torch.randn(shape, requires_grad=True) for shape in ((4, 3), (2, 4)))
    products = recorded(lambda: two_layers(first, second))
    forward, backward = products[:2], products[2:]
    assert [product.function for product in forward] == [aten.addmm.default, aten.mm.default]
    assert shapes(forward[0]) == [(4,), (5, 3), (3, 4)]
    assert shapes(forward[1]) == [(5, 4), (4, 2)]
    # of the weights (2, 4) and (4, 3), and of the hidden units (5, 4); no input asks for any
    assert {product.function for product in backward} == {aten.mm.default}
    assert Counter(tuple(shapes(product)) for product in backward) == {
        ((2, 5), (5, 4)): 1,
        ((5, 2), (2, 4)): 1,
        ((4, 5), (5, 3)): 1,
    }


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize(
    "work",
    [
        lambda: A @ B,
        lambda: A @ V,
        lambda: V @ V,
        lambda: A.expand(2, 4, 3) @ B.expand(2, 3, 5),
        lambda: torch.mm(A, B, out=torch.empty(4, 5)),
        lambda: torch.einsum("ij,jk->ik", A, B),
        lambda: F.linear(A, B.T),
        lambda: F.linear(A, B.T, torch.zeros(5)),
        lambda: torch.zeros(4, 5).addmm_(A, B),
        lambda: torch.baddbmm(torch.zeros(2, 4, 5), A.expand(2, 4, 3), B.expand(2, 3, 5)),
        lambda: A.bfloat16() @ B.bfloat16(),
    ],
)
def test_a_product_is_one_however_it_is_written(
    work: Callable[[], Tensor], mode: Callable[[], Any]
) -> None:
    with mode():
        (product,) = recorded(work)
        replay([product])()


def test_what_is_no_product_is_not_recorded() -> None:
    assert recorded(lambda: (A + A).relu().sum() * A.T.contiguous()) == []


def mixed() -> None:
    """Products of what is transposed, cut, expanded, half as wide, and used again."""
    weight = torch.randn(6, 8)
    rows = torch.randn(5, 6)[1:, :3]
    rows @ weight[::2]
    weight.T @ weight
    torch.addmm(torch.randn(1).expand(8), rows, weight[3:], beta=0.5, alpha=2.0)
    rows.bfloat16() @ weight[:3].bfloat16()
    torch.mm(rows, weight[3:], out=torch.empty(8, 4).T)


def test_replayed_products_lie_as_the_recorded_ones_did() -> None:
    products = recorded(mixed)
    again = recorded(replay(products))
    assert [product.function for product in again] == [product.function for product in products]
    plain = {"address": 0}
    assert [lay._replace(**plain) for lay in layouts(again)] == [
        lay._replace(**plain) for lay in layouts(products)
    ]
    scalars = {name: again[2].kwargs[name] for name in ("beta", "alpha")}
    assert scalars == {"beta": 0.5, "alpha": 2.0}
    # by hand: every third operand is neither contiguous nor from the start
    assert layouts(products)[0][2:5] == (6, (4, 3), (6, 1))
    assert layouts(products)[1].stride == (16, 1)
    assert layouts(products)[2].stride == (1, 8)


def test_operands_share_memory_where_they_did_and_only_there() -> None:
    def of(products: list[Product]) -> list[int]:
        addresses = [layout.address for layout in layouts(products)]
        return [addresses.index(address) for address in addresses]

    left, right = torch.randn(3, 3), torch.randn(3, 3)
    products = recorded(lambda: (left @ right, right.T @ left, left @ left[:, :2]))
    assert of(recorded(replay(products))) == of(products) == [0, 1, 1, 0, 0, 0]
    assert left.data_ptr() not in {layout.address for layout in layouts(recorded(replay(products)))}


def test_tiled_rows_begin_again_where_they_end() -> None:
    rows = made.clusters(3)
    found = tiled(rows, 7)
    for side, source in zip(found, rows, strict=True):
        assert torch.equal(side, source[[0, 1, 2, 0, 1, 2, 0]])
    assert torch.equal(tiled(rows, 2).text, rows.text[:2])
    assert found.image_input is found.image  # as the rows have it: it is read once a step


def test_tiled_rows_keep_an_input_of_their_own() -> None:
    rows = made.clusters(3)
    own = rows._replace(image_input=2 * rows.image)
    assert torch.equal(tiled(own, 4).image_input, own.image_input[[0, 1, 2, 0]])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets how long each timed piece of work takes, in turn."""

    def set_to(*seconds: float) -> None:
        times = iter([time for length in seconds for time in (0.0, length)])
        monkeypatch.setattr("benchmarks.train.time.perf_counter", lambda: next(times))

    return set_to


def test_works_take_turns_and_the_shortest_time_counts(clock: Callable[..., None]) -> None:
    order: list[str] = []
    clock(5, 3, 4, 2, *(5, 2) * (ROUNDS - 2))
    assert fastest(lambda: order.append("a"), lambda: order.append("b")) == [4, 2]
    assert order == ["a", "b"] * ROUNDS


def test_a_line_tells_the_speed_and_the_share_of_products(
    clock: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    # 3 steps of 8 rows in 4 seconds, their products in 1
    monkeypatch.setattr(train, "ROWS", 25)
    clock(*(4, 1) * ROUNDS)
    assert speed(made.clusters(10), made.params(batch=8)) == (
        "batch 8: 0.75 steps/s, 6 pairs/s; matrix products 25 % of the time: 4.00 x the bare sum"
    )


def test_a_large_batch_has_several_steps_all_the_same(
    clock: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    # 2 steps of 100 rows
    monkeypatch.setattr(train, "ROWS", 99)
    clock(*(2, 2) * ROUNDS)
    assert speed(made.clusters(), made.params(batch=100)).startswith(
        "batch 100: 1.00 steps/s, 100 pairs/s; matrix products 100 % of the time: 1.00 x"
    )


def test_epochs_grow_with_rows_of_whole_batches(clock: Callable[..., None]) -> None:
    # 10 rows are 2 batches of 8
    clock(*(2, 3, 8) * ROUNDS)
    assert linearity(made.clusters(10), made.params(batch=8)) == (
        "epoch at 16, 32, 64 rows: 1 : 1.50 : 4.00"
    )


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose stage notes how it is run: 0.25 is tagged `old`, HEAD is 0.75."""
    path = tmp_path / "a project"
    for folder in ("stages", "data"):
        (path / folder).mkdir(parents=True)
    monkeypatch.chdir(path)
    monkeypatch.setenv("TOLD", str(tmp_path / "told"))
    Path("stages/train.py").write_text(STAGE)
    Path(".gitignore").write_text("__pycache__/\n/data/\n")
    for name in ("features", "split"):
        Path(f"data/{name}.h5").write_text(name)
    git("init", "--quiet")
    git("config", "user.name", "test")
    git("config", "user.email", "test@example.com")
    commit(0.25)
    git("tag", "old")
    commit(0.75)
    return path


def commit(score: float) -> None:
    Path("stages/__init__.py").write_text(f"SCORE = {score}\n")
    git("add", "--all")
    git("commit", "--quiet", "--message", "score")


def told(project: Path) -> Iterator[dict[str, Any]]:
    for line in (project.parent / "told").read_text().splitlines():
        yield json.loads(line)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["train", *arguments])
    main()


def test_a_comparison_tells_times_and_scores_of_both_revisions(
    project: Path,
    clock: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock(6, 3, 4, 5)
    run(monkeypatch, "--against", "old")
    old, new = (git("rev-parse", "--short", name) for name in ("old", "HEAD"))
    assert capsys.readouterr().out.splitlines() == [
        f"old ({old}): 4.0 s, validation map@50 i2t 0.250000, t2i 0.125000",
        f"HEAD ({new}): 3.0 s, validation map@50 i2t 0.750000, t2i 0.375000",
        "HEAD takes 0.75 x the time of old",
    ]
    assert [line["score"] for line in told(project)] == [0.25, 0.75, 0.25, 0.75]


def test_runs_of_a_comparison_have_nothing_in_common_but_the_data(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGCH_CHECKPOINTS", str(project))
    Path("stages/__init__.py").write_text("SCORE = 9\n")  # is not committed
    run(monkeypatch, "--against", "old", "--repeat", "3")
    lines = list(told(project))
    assert [line["score"] for line in lines] == [0.25, 0.75] * 3
    assert {line["data"] for line in lines} == {"featuressplit"}
    assert len({line["checkpoints"] for line in lines}) == 6
    assert all(line["there"] == [] for line in lines)
    assert len({line["folder"] for line in lines}) == 2
    assert str(project) not in {line["folder"] for line in lines}
    assert not any(Path(line[key]).exists() for line in lines for key in ("checkpoints", "folder"))
    assert git("status", "--porcelain") == "M stages/__init__.py"
    assert not Path("metrics").exists()


def test_a_revision_pins_its_own_instruction_set(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", os.environ | INSTRUCTION_SET)
    run(monkeypatch, "--against", "old", "--repeat", "1")
    assert [line["pinned"] for line in told(project)] == [None, None]


def test_a_comparison_does_without_labels(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(0)
    run(monkeypatch, "--against", "old", "--repeat", "1")
    assert "s, validation map@50 without labels\n" in capsys.readouterr().out


def test_a_run_that_fails_is_one_error_with_its_words(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(-1)
    with pytest.raises(InputError, match="failed at HEAD(?s:.)*error: below zero"):
        run(monkeypatch, "--against", "old")
    assert len(list(told(project))) == 2


def test_a_clone_has_what_was_committed_and_the_data_of_this_folder(
    project: Path, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    (project / "stages/__init__.py").write_text("changed since")
    assert git("rev-parse", "--short", "old") == clone("old", tree)
    assert (tree / "stages/__init__.py").read_text() == "SCORE = 0.25\n"
    assert (tree / "data/split.h5").resolve() == project / "data/split.h5"
    assert git("-C", str(tree), "rev-parse", "HEAD") == git("rev-parse", "old")
    assert git("branch", "--list").count("\n") == 0


@pytest.mark.parametrize("revision", ["nowhere", "old:stages", "0123456789"])
def test_a_revision_that_git_does_not_know_is_an_error_with_its_name(
    project: Path, monkeypatch: pytest.MonkeyPatch, revision: str
) -> None:
    with pytest.raises(InputError, match=f"^git knows no commit '{revision}'; give a branch"):
        run(monkeypatch, "--against", revision)
    assert not (project.parent / "told").exists()


def test_a_git_command_that_fails_is_an_error_with_its_words(project: Path) -> None:
    with pytest.raises(InputError, match="^`git checkout nowhere` failed: error: pathspec"):
        git("checkout", "nowhere")


def test_less_than_one_run_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, "--against", "HEAD", "--repeat", "0")
    assert "--repeat is 0, expected 1 or more" in capsys.readouterr().err
