"""A picture that somebody brings: what it is, its own bytes say, never a name or a header."""

from __future__ import annotations

import io
from threading import Lock

from PIL import Image, UnidentifiedImageError

from agch.pictures import decode
from studio.errors import StudioError

MOST_BYTES = 10 << 20
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Formats that Pillow decodes by itself; for some others it would start programs."""
_decoding = Lock()
"""One at a time: in between, a picture of few bytes may need a gigabyte."""


def picture_of(data: bytes) -> Image.Image:
    """The RGB picture in these bytes, upright as its EXIF states, as the pipeline decodes it.

    Raises:
        StudioError: It is no picture, damaged, or too large.
    """
    if len(data) > MOST_BYTES:
        raise StudioError(f"the picture has {len(data):,} bytes; at most {MOST_BYTES:,} are taken")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS):
            pass  # the head alone; `decode` checks the number of pixels before it reads them
        with _decoding:
            return decode(data)
    except UnidentifiedImageError:  # its text is an address in memory
        reason = "not a picture of a known format"
    except (ValueError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        reason = str(error)
    raise StudioError(f"this cannot be read: {reason}; bring a {', '.join(FORMATS)}")
