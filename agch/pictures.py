"""Encoded pictures to RGB pixels and small pictures, with Pillow alone.

All arithmetic is Pillow's integer arithmetic, so the pixels do not depend on the CPU.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.Image import Resampling, Transpose

MAX_PIXELS = 64_000_000
TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""What sets a picture upright, by the orientation that its EXIF states."""

# Pillow warns of large pictures, above a limit higher than ours, and of damaged metadata.
warnings.filterwarnings("ignore", module=r"PIL\.")


def decode(data: bytes) -> Image.Image:
    """Decode one picture to RGB, upright as its EXIF states; transparency is laid over white.

    Of an animation the first frame, of 16 bits the upper 8.

    Raises:
        ValueError: Not a picture, damaged, larger than `MAX_PIXELS`, or grey of no known range.
    """
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError(f"{picture.width} x {picture.height} pixels are too many")
            rgb = _on_white(_eight_bit(picture))
            turn = _turn(picture)
    except UnidentifiedImageError:  # its text is an address in memory
        raise ValueError("not a picture of a known format") from None
    except (OSError, SyntaxError, RuntimeError, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from None
    return rgb if turn is None else rgb.transpose(turn)


def _eight_bit(picture: Image.Image) -> Image.Image:
    """16 bits of grey as 8; Pillow's own conversion would cut them off at 255."""
    if picture.mode.startswith("I;16") or (picture.mode, picture.format) == ("I", "PPM"):
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("I", "F"):
        raise ValueError(f"{picture.format} with grey values of no known range")
    return picture


def _on_white(picture: Image.Image) -> Image.Image:
    """RGB without metadata; most photos need no more than that."""
    if picture.mode == "RGB" and "transparency" not in picture.info:
        rgb = picture.convert("RGB")
        rgb.info.clear()
        return rgb
    rgba = picture.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB")


def _turn(picture: Image.Image) -> Transpose | None:
    """What sets a loaded picture upright; nothing where its metadata are damaged.

    Pillow's `exif_transpose` also writes the EXIF anew, which fails on many a photo.
    """
    try:
        return TURNS.get(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # foreign bytes end in any error
        return None


def resize_and_crop(
    picture: Image.Image, resize: int, crop: int, resampling: Resampling = Resampling.BILINEAR
) -> Image.Image:
    """Scale the shorter side to `resize`, then cut the central `crop` x `crop` square.

    torchvision's transforms may round a side or the cut's corner to the neighbouring pixel.

    Raises:
        ValueError: So thin a picture that it would be scaled to more than `MAX_PIXELS`.
    """
    scale = resize / min(picture.size)
    width, height = (max(resize, round(side * scale)) for side in picture.size)
    if width * height > MAX_PIXELS:
        raise ValueError(f"{picture.width} x {picture.height} pixels are too thin")
    scaled = picture.resize((width, height), resampling)
    left, top = (width - crop) // 2, (height - crop) // 2
    return scaled.crop((left, top, left + crop, top + crop))


def fit_inside(
    picture: Image.Image, side: int, margin: int, resampling: Resampling = Resampling.BICUBIC
) -> Image.Image:
    """Scale the whole picture into a `side` x `side` square with margins of grey value `margin`."""
    scale = side / max(picture.size)
    width, height = (max(1, round(length * scale)) for length in picture.size)
    square = Image.new("RGB", (side, side), (margin,) * 3)
    scaled = picture.resize((width, height), resampling)
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
    picture.resize((width, height), Resampling.BICUBIC).save(small, "JPEG", quality=85)
    return small.getvalue()
