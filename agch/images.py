"""Encoded pictures to tensors: decode, resize, normalise, in threads beside the network.

All arithmetic up to the float tensor is Pillow's integer arithmetic, so the pixels do not depend
on the CPU.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

T = TypeVar("T")
MAX_PIXELS = 64_000_000


def decode(data: bytes) -> Image.Image:
    """Decode one picture to RGB; transparency is laid over white.

    Raises:
        ValueError: Not a picture, damaged, or larger than `MAX_PIXELS`.
    """
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError(f"{picture.width} x {picture.height} pixels are too many")
            rgba = _eight_bit(picture).convert("RGBA")
    except UnidentifiedImageError:  # its text is an address in memory
        raise ValueError("not a picture of a known format") from None
    except (OSError, SyntaxError, RuntimeError, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from None
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB")


def _eight_bit(picture: Image.Image) -> Image.Image:
    """16 bits of grey as 8; Pillow's own conversion would cut them off at 255."""
    if picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    return picture


def resize_and_crop(picture: Image.Image, resize: int, crop: int) -> Image.Image:
    """Scale the shorter side to `resize`, then cut the central `crop` x `crop` square.

    Raises:
        ValueError: So thin a picture that it would be scaled to more than `MAX_PIXELS`.
    """
    scale = resize / min(picture.size)
    width, height = (max(resize, round(side * scale)) for side in picture.size)
    if width * height > MAX_PIXELS:
        raise ValueError(f"{picture.width} x {picture.height} pixels are too thin")
    scaled = picture.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - crop) // 2, (height - crop) // 2
    return scaled.crop((left, top, left + crop, top + crop))


def fit_on_white(picture: Image.Image, side: int) -> Image.Image:
    """Scale the whole picture into a `side` x `side` square with white margins."""
    scale = side / max(picture.size)
    width, height = (max(1, round(length * scale)) for length in picture.size)
    square = Image.new("RGB", (side, side), "white")
    scaled = picture.resize((width, height), Image.Resampling.BICUBIC)
    square.paste(scaled, ((side - width) // 2, (side - height) // 2))
    return square


def to_tensor(picture: Image.Image, mean: Iterable[float], std: Iterable[float]) -> Tensor:
    """(3, h, w) float32 tensor of `(x - mean) / std`, x in [0, 1], per channel."""
    pixels = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).to(torch.float32)
    means, stds = (torch.tensor(tuple(values)).view(3, 1, 1) for values in (mean, std))
    return (pixels / 255 - means) / stds


def map_ahead(
    function: Callable[[T], Tensor | ValueError], items: Iterable[T], workers: int, ahead: int
) -> Iterator[Tensor | ValueError]:
    """Apply `function` in threads, in order, never more than `ahead` results in advance."""
    source = iter(items)
    with ThreadPoolExecutor(workers) as pool:
        queue: list[Future[Tensor | ValueError]] = [
            pool.submit(function, item) for item in islice(source, ahead)
        ]
        while queue:
            yield queue.pop(0).result()
            queue.extend(pool.submit(function, item) for item in islice(source, 1))
