"""Pictures become the right numbers, and threads keep their order."""

import threading

import pytest
import torch
from PIL import Image

from agch.images import Preprocess, map_ahead, to_tensor


def test_to_tensor_is_channel_first_scaled_and_normalised():
    picture = Image.new("RGB", (3, 2), (0, 51, 255))
    picture.putpixel((2, 0), (255, 255, 255))
    pixels = to_tensor(picture, mean=(0.5, 0.2, 0.0), std=(0.5, 1.0, 2.0))
    assert (pixels.shape, pixels.dtype) == ((3, 2, 3), torch.float32)
    # (0 - 0.5) / 0.5, (0.2 - 0.2) / 1, (1 - 0) / 2
    assert pixels[:, 0, 0].tolist() == pytest.approx([-1, 0, 0.5], abs=1e-7)
    assert pixels[:, 0, 2].tolist() == pytest.approx([1, 0.8, 0.5], abs=1e-7)


def test_a_picture_is_fitted_and_then_normalised():
    corner = Preprocess(lambda picture: picture.crop((0, 0, 1, 1)), mean=(0, 0, 0.5), std=(1, 2, 1))
    assert corner(Image.new("RGB", (3, 2), (255, 255, 0))).flatten().tolist() == [1, 0.5, -0.5]


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("ahead", [1, 3, 100])
def test_map_ahead_keeps_the_order_and_stays_so_far_ahead(workers, ahead):
    taken = 0

    def source():
        nonlocal taken
        for item in range(20):
            taken += 1
            yield item

    results = map_ahead(lambda item: torch.tensor(item), source(), workers, ahead)
    for done, result in enumerate(results):
        assert result == done
        assert taken == min(20, done + ahead)
    assert done == 19


def test_map_ahead_works_on_several_items_at_once():
    second_is_done = threading.Event()

    def work(item):
        if item == 0:
            assert second_is_done.wait(timeout=10)
        else:
            second_is_done.set()
        return torch.tensor(item)

    assert [int(result) for result in map_ahead(work, range(2), workers=2, ahead=2)] == [0, 1]


def test_map_ahead_raises_what_the_function_raises_in_its_place():
    results = map_ahead(lambda item: torch.tensor(1 // item), [1, 0, 1], workers=2, ahead=3)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
