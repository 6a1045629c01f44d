"""Pictures of every kind become RGB, and the right part of them."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agch.pictures import MAX_PIXELS, decode, fit_on_white, resize_and_crop, thumbnail

WHITE, BLACK, RED = (255, 255, 255), (0, 0, 0), (255, 0, 0)


def encoded(picture, form="PNG", **options):
    data = io.BytesIO()
    picture.save(data, form, **options)
    return data.getvalue()


def one(mode, colour):
    """A picture of one colour."""
    return Image.new(mode, (4, 3), colour)


def palette():
    picture = one("P", 1)
    picture.putpalette([*BLACK, *RED])
    return picture


@pytest.mark.parametrize(
    ("data", "colour"),
    [
        (encoded(one("RGB", RED)), RED),
        (encoded(one("L", 77)), (77, 77, 77)),
        (encoded(one("1", 1)), WHITE),
        (encoded(palette()), RED),
        (encoded(one("CMYK", (255, 0, 0, 0)), "TIFF"), (0, 255, 255)),
        (encoded(one("CMYK", (0, 0, 0, 255)), "JPEG", quality=100), BLACK),
        (encoded(one("RGB", RED), "WEBP", lossless=True), RED),
        (encoded(palette(), "GIF"), RED),
    ],
)
def test_every_kind_of_picture_becomes_rgb(data, colour):
    picture = decode(data)
    assert picture.mode == "RGB"
    assert picture.size == (4, 3)
    assert picture.getcolors() == [(12, colour)]


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("grey", [0, 1000, 0x8000, 0xFFFF])
def test_16_bits_of_grey_keep_their_brightness(grey, form):
    data = encoded(Image.fromarray(np.full((3, 4), grey, np.uint16)), form)
    assert decode(data).getpixel((0, 0)) == pytest.approx((grey / 257,) * 3, abs=1)


@pytest.mark.parametrize(
    ("data", "colour"),
    [
        (encoded(one("RGBA", (*RED, 0))), WHITE),
        (encoded(one("RGBA", (*RED, 255))), RED),
        (encoded(one("RGBA", (*BLACK, 51))), (204, 204, 204)),  # 0.2 of black on white
        (encoded(one("LA", (0, 51))), (204, 204, 204)),
        (encoded(palette(), transparency=1), WHITE),
        (encoded(one("RGB", RED), transparency=RED), WHITE),
    ],
)
def test_transparency_is_laid_over_white(data, colour):
    assert decode(data).getcolors() == [(12, colour)]


def noise(width=64, height=48):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def dds_of_no_known_format():
    data = bytearray(encoded(noise(), "DDS"))
    data[80:84] = bytes(4)  # the flags of the pixel format
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no picture",
        encoded(noise())[:30],
        encoded(noise())[:2000],
        encoded(noise(), "JPEG")[:1000],
        encoded(noise(), "WEBP")[:1000],
        encoded(noise(), "GIF")[:1000],
        encoded(noise())[:1000] + bytes(500) + encoded(noise())[1500:],
        dds_of_no_known_format(),
    ],
)
def test_what_is_no_whole_picture_is_a_value_error(data):
    with pytest.raises(ValueError) as caught:
        decode(data)
    assert str(caught.value)


def test_the_reason_is_the_same_in_every_run():
    reasons = set()
    for _ in range(2):
        with pytest.raises(ValueError) as caught:
            decode(b"no picture")
        reasons.add(str(caught.value))
    (reason,) = reasons
    assert " at 0x" not in reason


def png_that_claims(width, height):
    """A PNG with this size in its header and no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", b""), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        ((8001, 8000), "8001 x 8000 pixels are too many"),
        ((30_000, 30_000), "900000000 pixels"),
        ((8000, 8000), "truncated"),  # 64 million are allowed, so their absence is the problem
    ],
)
def test_a_picture_has_64_million_pixels_at_most(size, reason):
    assert MAX_PIXELS == 64_000_000
    with pytest.raises(ValueError, match=reason):
        decode(png_that_claims(*size))


def halves(width, height, upright=False):
    """Left half black and right half white; upright: upper half and lower half."""
    picture = Image.new("RGB", (width, height), WHITE)
    picture.paste(BLACK, (0, 0, width, height // 2) if upright else (0, 0, width // 2, height))
    return picture


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (500, 50), (20, 30), (256, 256)])
def test_resize_and_crop_cuts_the_middle(size):
    for upright, first, last in ((False, (10, 112), (213, 112)), (True, (112, 10), (112, 213))):
        cut = resize_and_crop(halves(*size, upright), resize=256, crop=224)
        assert cut.size == (224, 224)
        assert (cut.getpixel(first), cut.getpixel(last)) == (BLACK, WHITE)
        turned = cut.rotate(180).point(lambda value: 255 - value)
        np.testing.assert_allclose(np.asarray(cut), np.asarray(turned), atol=1)


def test_resize_and_crop_scales_the_shorter_side_and_keeps_the_proportions():
    # 400 x 100 becomes 800 x 200, of which columns 350 to 449 and rows 50 to 149 are cut; the black
    # box becomes columns 380 to 419 and rows 60 to 139, so 30 to 69 and 10 to 89 of the cut
    picture = Image.new("RGB", (400, 100), WHITE)
    picture.paste(BLACK, (190, 30, 210, 70))
    cut = np.asarray(resize_and_crop(picture, resize=200, crop=100))[:, :, 0]
    for line, first, last in ((cut[50], 30, 69), (cut[:, 50], 10, 89)):
        assert set(line[: first - 1]) == set(line[last + 2 :]) == {255}  # one pixel is in between
        assert set(line[first + 1 : last]) == {0}


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((400, 100), (0, 84, 224, 140)),  # 224 x 56 in the middle of the height
        ((100, 400), (84, 0, 140, 224)),
        ((10, 10), (0, 0, 224, 224)),  # small ones grow
        ((1000, 1000), (0, 0, 224, 224)),
        ((1000, 1), (0, 111, 224, 112)),  # at least one pixel
    ],
)
def test_fit_on_white_shows_the_whole_picture(size, box):
    picture = fit_on_white(Image.new("RGB", size, BLACK), 224)
    expected = Image.new("RGB", (224, 224), WHITE)
    expected.paste(BLACK, box)
    np.testing.assert_array_equal(np.asarray(picture), np.asarray(expected))


def test_fit_on_white_keeps_left_and_right():
    picture = fit_on_white(halves(400, 200), 224)
    assert picture.getpixel((10, 112)) == BLACK
    assert picture.getpixel((213, 112)) == WHITE
    assert picture.getpixel((10, 10)) == WHITE


def test_a_picture_too_thin_to_scale_is_refused_before_memory_runs_out():
    with pytest.raises(ValueError, match="10 x 100000 pixels are too thin"):
        resize_and_crop(Image.new("L", (10, 100_000)), 256, 224)


@pytest.mark.parametrize(
    ("size", "small"),
    [
        ((400, 100), (200, 50)),
        ((100, 400), (50, 200)),
        ((201, 201), (200, 200)),
        ((30, 20), (30, 20)),  # never enlarged
        ((1000, 1), (200, 1)),  # at least one pixel
    ],
)
def test_thumbnail_shrinks_the_longer_side_and_keeps_the_proportions(size, small):
    picture = Image.open(io.BytesIO(thumbnail(encoded(Image.new("RGB", size, RED)), 200)))
    assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", small)


def test_thumbnail_shows_the_whole_picture():
    picture = Image.open(io.BytesIO(thumbnail(encoded(halves(400, 200)), 100)))
    for place, colour in (((10, 25), BLACK), ((90, 25), WHITE)):
        assert picture.getpixel(place) == pytest.approx(colour, abs=3)


def test_thumbnail_lays_transparency_over_white():
    picture = Image.open(io.BytesIO(thumbnail(encoded(one("RGBA", (*RED, 0))), 200)))
    assert picture.getpixel((1, 1)) == WHITE


def test_bytes_of_a_thumbnail_depend_on_the_pixels_alone():
    exif = Image.Exif()
    exif[0x010E] = "a description"
    told = {"comment": b"a comment", "exif": exif, "icc_profile": b"profile", "dpi": (300, 300)}
    bare = encoded(noise(), "JPEG")
    assert encoded(noise(), "JPEG", **told) != bare
    assert thumbnail(encoded(noise(), "JPEG", **told), 32) == thumbnail(bare, 32)
    assert thumbnail(encoded(noise()), 32) == thumbnail(encoded(noise(), "TIFF"), 32)
    assert not {"comment", "exif", "icc_profile", "dpi"} & set(
        Image.open(io.BytesIO(thumbnail(encoded(noise(), "JPEG", **told), 32))).info
    )


def test_thumbnail_of_no_picture_is_a_value_error():
    with pytest.raises(ValueError, match="not a picture of a known format"):
        thumbnail(b"no picture", 32)


def test_pictures_are_read_without_torch():
    check = "import agch.pictures, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", check], cwd=Path(__file__).parents[2], check=True)
