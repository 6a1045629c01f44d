"""Features row by row with a backbone that a reader can compute: the mean colour."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from agch.backbones import Backbone
from agch.errors import InputError
from agch.features import check_unreadable, extract, indicator
from agch.images import to_tensor

CPU = torch.device("cpu")
BROKEN = b"no picture"


class MeanColour(nn.Module):
    """(b, 3, h, w) -> (b, 3); remembers what came in."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, pixels):
        self.seen.append(pixels)
        return pixels.mean((2, 3))


def pixels_of(picture):
    return to_tensor(picture, (0,) * 3, (1,) * 3)


@pytest.fixture
def backbone():
    return Backbone(MeanColour(), pixels_of, 3, "digest")


def picture(red):
    data = io.BytesIO()
    Image.new("RGB", (4, 4), (red, 0, 255)).save(data, "PNG")
    return data.getvalue()


def run(backbone, pictures, batch):
    return list(extract(backbone, pictures, batch, CPU, workers=2))


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 8])
def test_features_stand_in_the_order_of_the_pictures_in_batches_of_any_size(backbone, batch):
    reds = [0, 255, 51, 102, 153, 204, 1]
    blocks = run(backbone, [picture(red) for red in reds], batch)
    assert [row for block in blocks for row in block.rows] == list(range(7))
    features = np.concatenate([block.features for block in blocks])
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, [[red / 255, 0, 1] for red in reds], atol=1e-6)
    assert {len(block.rows) for block in blocks[:-1]} <= {batch}
    assert len(blocks) == -(-7 // batch)


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
def test_unreadable_pictures_are_left_out_and_named_by_their_row(backbone, batch):
    blocks = run(backbone, [BROKEN, picture(51), picture(102), BROKEN, picture(153)], batch)
    assert [row for block in blocks for row in block.rows] == [1, 2, 4]
    reds = np.concatenate([block.features for block in blocks])[:, 0]
    np.testing.assert_allclose(reds, [0.2, 0.4, 0.6], atol=1e-6)
    unreadable = {row: why for block in blocks for row, why in block.unreadable.items()}
    assert list(unreadable) == [0, 3]
    assert "cannot identify" in unreadable[0] or "not a picture" in unreadable[0]


def test_a_block_without_a_readable_picture_does_not_reach_the_network(backbone):
    (block,) = run(backbone, [BROKEN, BROKEN], batch=2)
    assert (block.rows, block.features.shape) == ([], (0, 3))
    assert backbone.network.seen == []


def test_the_network_sees_channels_last_and_records_no_gradient(backbone):
    run(backbone, [picture(0), picture(1)], batch=2)
    (pixels,) = backbone.network.seen
    assert pixels.is_contiguous(memory_format=torch.channels_last)
    assert pixels.is_inference()


def test_an_error_that_is_not_of_the_picture_ends_the_run():
    def preprocess(picture):
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        run(Backbone(MeanColour(), preprocess, 3, "digest"), [picture(0)], batch=2)


@pytest.mark.parametrize(("bad", "total"), [(1, 2), (10, 11), (10, 700), (11, 1100), (29, 2900)])
def test_ten_or_one_in_a_hundred_may_be_unreadable_and_are_listed(capsys, bad, total):
    check_unreadable({f"item{i}": f"reason {i}" for i in range(bad)}, total)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"warning: left out {bad} unreadable pictures:"
    assert lines[1:] == [f"  item{i}: reason {i}" for i in range(min(bad, 10))]


@pytest.mark.parametrize(("bad", "total"), [(1, 1), (5, 5), (11, 12), (11, 1099), (30, 2900)])
def test_more_unreadable_pictures_end_the_run_with_the_first_ten(bad, total):
    with pytest.raises(InputError) as caught:
        check_unreadable({f"item{i}": f"reason {i}" for i in range(bad)}, total)
    first, *listing, remedy = str(caught.value).splitlines()
    assert first.startswith(f"{bad} of {total} pictures cannot be read; 10 or 1% may be left")
    assert listing == [f"  item{i}: reason {i}" for i in range(min(bad, 10))]
    assert "`dvc repro prepare`" in remedy


def test_nothing_is_said_where_every_picture_was_read(capsys):
    check_unreadable({}, 100)
    assert capsys.readouterr().out == ""


def test_indicator_has_a_1_where_a_row_has_the_name():
    matrix = indicator([["b", "a"], [], ["c", "c"]], ["a", "b", "c"])
    assert matrix.dtype == np.uint8
    assert matrix.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]


def test_indicator_refuses_a_name_that_has_no_column():
    with pytest.raises(KeyError, match="d"):
        indicator([["a"], ["d"]], ["a", "b"])
