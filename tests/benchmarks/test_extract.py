"""The benchmark's two contenders do the same work, on pictures such as they are said to be."""

from __future__ import annotations

import io
from itertools import islice
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from agch.backbones import Backbone
from agch.images import to_tensor
from benchmarks.extract import ROUNDS, Setting, bare, compare, extraction, make_photos, pictures

SETTING = Setting(torch.device("cpu"), batch=2, threads=1)


class Mean(nn.Module):
    """The mean colour; remembers how many pictures came in."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def forward(self, pixels: Tensor) -> Tensor:
        self.seen.append(len(pixels))
        return pixels.mean((2, 3))


@pytest.fixture
def backbone() -> Backbone:
    def small(picture: Image.Image) -> Tensor:
        return to_tensor(picture.resize((8, 8)), (0.0,) * 3, (1.0,) * 3)

    return Backbone(Mean(), small, 3, "digest")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "photos.zip"
    make_photos(path, 3)
    return path


def test_made_photos_are_as_large_as_photos(photos: Path) -> None:
    with ZipFile(photos) as file:
        sizes = [entry.file_size for entry in file.infolist()]
        contents = {file.read(name) for name in file.namelist()}
        assert Image.open(io.BytesIO(file.read("000.jpg"))).size == (500, 375)
    assert all(100_000 < size < 150_000 for size in sizes)
    assert len(contents) == 3


def test_pictures_begin_again_where_they_end(photos: Path) -> None:
    first, second, third, again = islice(pictures(photos), 4)
    assert first == again
    assert len({first, second, third}) == 3


def test_extraction_counts_every_picture(backbone: Backbone, photos: Path) -> None:
    work = extraction(backbone, photos, 5, SETTING)
    assert (work(), work()) == (5, 5)
    assert backbone.network.seen == [2, 2, 1, 2, 2, 1]


def test_the_bare_forward_pass_runs_in_the_same_batches(
    backbone: Backbone, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.extract.PART", 5)
    work = bare(backbone, photos, SETTING)
    backbone.network.seen.clear()
    assert work() == 5
    assert backbone.network.seen == [2, 2, 1]


def test_a_line_tells_the_ratio(
    backbone: Backbone,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # 4 pictures in every piece of work; bare in 2 seconds, extraction in 4
    clock = iter([0.0, 2.0, 2.0, 6.0] * ROUNDS)
    monkeypatch.setattr("benchmarks.extract.PART", 4)
    monkeypatch.setattr("benchmarks.extract.time.perf_counter", lambda: next(clock))
    compare("mean", backbone, {"photos": photos}, SETTING)
    assert capsys.readouterr().out == (
        "mean on cpu, batch 2, threads 1, photos: 1.0 images/s, 0.50 of the bare forward pass "
        "(2.0)\n"
    )
