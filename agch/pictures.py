"""Encoded pictures to RGB pixels and small pictures, with Pillow alone.

All arithmetic is Pillow's integer arithmetic, so the pixels do not depend on the CPU.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, UnidentifiedImageError

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


def thumbnail(data: bytes, side: int) -> bytes:
    """A small JPEG of one encoded picture: shrunk, never enlarged, its proportions kept.

    The bytes hold no metadata and depend on the pixels alone: the encoder computes with integers,
    while PNG's deflate may differ between CPUs.

    Args:
        data: One picture, as `decode` takes it.
        side: Pixels of the longer side, at most.

    Raises:
        ValueError: As `decode`.
    """
    picture = decode(data)
    scale = min(1, side / max(picture.size))
    width, height = (max(1, round(length * scale)) for length in picture.size)
    small = io.BytesIO()
    picture.resize((width, height), Image.Resampling.BICUBIC).save(small, "JPEG", quality=85)
    return small.getvalue()
