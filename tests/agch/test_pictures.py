"""Pictures of every kind become RGB, and the right part of them."""

import io
import struct
import subprocess
import sys
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.Image import Resampling

from agch.pictures import MAX_PIXELS, decode, fit_inside, resize_and_crop, thumbnail

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
        (encoded(one("CMYK", (255, 0, 0, 0)), "JPEG", quality=100), (0, 255, 255)),
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


def test_inks_of_an_adobe_jpeg_are_stored_inverted_and_read_aright():
    data = encoded(one("CMYK", (0, 255, 0, 0)), "JPEG", quality=100)
    assert b"Adobe" in data
    assert decode(data).getcolors() == [(12, (255, 0, 255))]


def png_of(width, height, depth, kind, rows):
    """A PNG by its specification: `depth` bits a channel, `kind` 0 grey, 2 RGB, 4 LA, 6 RGBA."""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


@pytest.mark.parametrize(
    ("kind", "channels", "colour"),
    [
        (0, (0x80FF,), (0x80, 0x80, 0x80)),
        (2, (0x80FF, 0x1200, 0xFFFF), (0x80, 0x12, 0xFF)),
        (4, (0x0000, 0x33FF), (204, 204, 204)),  # 51 / 255 of black on white
        (6, (0xFF00, 0x0000, 0x0000, 0x33FF), (255, 204, 204)),
    ],
)
def test_16_bits_of_every_kind_of_png_count_by_their_upper_8(kind, channels, colour):
    row = b"\0" + struct.pack(f">{len(channels)}H", *channels) * 4
    assert decode(png_of(4, 3, 16, kind, 3 * row)).getcolors() == [(12, colour)]


@pytest.mark.parametrize(("most", "value", "grey"), [(65535, 0x80FF, 0x80), (4095, 0x800, 0x80)])
def test_grey_of_a_pgm_is_relative_to_its_greatest_value(most, value, grey):
    data = f"P5 4 3 {most}\n".encode() + struct.pack(">H", value) * 12
    assert decode(data).getcolors() == [(12, (grey,) * 3)]


@pytest.mark.parametrize("dtype", ["float32", "int32", "int16"])
def test_grey_of_no_known_range_is_refused(dtype):
    data = encoded(Image.fromarray(np.full((3, 4), 100, dtype)), "TIFF")
    with pytest.raises(ValueError, match="TIFF with grey values of no known range"):
        decode(data)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_counts(form):
    frames = [Image.new("RGB", (4, 3), colour) for colour in (RED, BLACK, WHITE)]
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:], lossless=True)
    assert Image.open(io.BytesIO(data)).n_frames == 3
    assert decode(data).getcolors() == [(12, RED)]


# Where EXIF says that the first row and the first column of the stored pixels belong
STORED = {
    1: lambda upright: upright,  # top, left
    2: lambda upright: upright[:, ::-1],  # top, right
    3: lambda upright: upright[::-1, ::-1],  # bottom, right
    4: lambda upright: upright[::-1],  # bottom, left
    5: lambda upright: upright.swapaxes(0, 1),  # left, top
    6: lambda upright: upright[:, ::-1].swapaxes(0, 1),  # right, top
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),  # right, bottom
    8: lambda upright: upright[::-1].swapaxes(0, 1),  # left, bottom
}


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "JPEG"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_photo_is_turned_upright(orientation, form):
    upright = np.zeros((32, 64, 3), np.uint8)
    upright[:16, :16] = RED  # the upper left corner
    upright[16:, 48:] = WHITE  # the lower right one
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    data = encoded(stored, form, exif=exif, lossless=True, quality=100, subsampling=0)
    np.testing.assert_allclose(decode(data), upright, atol=20 if form == "JPEG" else 0)


def test_a_photo_is_turned_even_if_the_rest_of_its_exif_cannot_be_written_again():
    # orientation 6 (a short), and a resolution of undefined bytes where a fraction belongs
    entries = struct.pack("<HHII", 0x0112, 3, 1, 6) + struct.pack("<HHI4s", 0x011A, 7, 4, b"oops")
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)
    assert decode(encoded(Image.new("RGB", (4, 2)), "JPEG", exif=exif)).size == (2, 4)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize(
    "exif", [b"Exif\0\0no EXIF", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"]
)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_photo_with_damaged_exif_is_taken_as_it_is(exif, form):
    assert decode(encoded(Image.new("RGB", (4, 2), WHITE), form, exif=exif)).size == (4, 2)


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
        decode(png_of(*size, 8, 2, b""))


TOO_LARGE = "12000 x 12000 pixels are too many"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (png_of(12_000, 12_000, 8, 2, b""), TOO_LARGE),  # Pillow warns from 9,460 x 9,460 on
        (encoded(noise(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"), "(64, 48)"),
    ],
    ids=["too large", "damaged EXIF"],
)
def test_pillows_warnings_are_not_printed(data, told, tmp_path):
    (tmp_path / "picture").write_bytes(data)
    check = (
        "import sys; from pathlib import Path; from agch.pictures import decode\n"
        "try: print(decode(Path(sys.argv[1]).read_bytes()).size)\n"
        "except ValueError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", check, str(tmp_path / "picture")],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == (f"{told}\n", "")


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
def test_fit_inside_shows_the_whole_picture(size, box):
    picture = fit_inside(Image.new("RGB", size, BLACK), 224, margin=255)
    expected = Image.new("RGB", (224, 224), WHITE)
    expected.paste(BLACK, box)
    np.testing.assert_array_equal(np.asarray(picture), np.asarray(expected))


def test_fit_inside_keeps_left_and_right():
    picture = fit_inside(halves(400, 200), 224, margin=255)
    assert picture.getpixel((10, 112)) == BLACK
    assert picture.getpixel((213, 112)) == WHITE
    assert picture.getpixel((10, 10)) == WHITE


def test_margins_have_the_grey_that_is_asked_for():
    picture = fit_inside(Image.new("RGB", (100, 50), RED), 224, margin=7)
    assert (picture.getpixel((112, 5)), picture.getpixel((112, 112))) == ((7, 7, 7), RED)


@pytest.mark.parametrize(
    "scale", [partial(resize_and_crop, resize=32, crop=32), partial(fit_inside, side=32, margin=0)]
)
def test_pictures_are_scaled_as_asked(scale):
    smooth, sharp = (
        np.asarray(scale(noise(48, 48), resampling=resampling)).astype(float)
        for resampling in (Resampling.BILINEAR, Resampling.BICUBIC)
    )
    assert smooth.std() < sharp.std()
    expected = noise(48, 48).resize((32, 32), Resampling.BICUBIC)
    np.testing.assert_array_equal(sharp, np.asarray(expected))


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
