"""The source `openclipart`: its archive, its errors, the committed file and its build script."""

import hashlib
import importlib.util
import io
import json
import re
import struct
import sys
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from agch.sources import Item, SourceError
from agch.sources.openclipart import OpenClipart

FOLDER = Path(__file__).parents[2] / "data" / "openclipart"
README = (FOLDER / "README.md").read_text(encoding="utf-8")

CROW = {
    "id": "0001",
    "image": "images/0001.webp",
    "title": "A Crow on a sign",
    "tags": ["black", "animal", "Crow", "two birds"],
    "labels": ["animals/birds", "animals"],
    "paths": ["animals/birds/crow.png"],
}
STOP = {
    "id": "0002",
    "image": "images/0002.webp",
    "title": "Signs",
    "tags": [],
    "labels": ["signs_and_symbols"],
    "paths": ["signs_and_symbols/stop.png"],
}


def write_archive(path, lines, images=("images/0001.webp", "images/0002.webp")):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.jsonl", "".join(line + "\n" for line in lines))
        for name in images:
            archive.writestr(name, f"picture {name}")
    return path


def opened(path):
    """The archive at `path` as a source."""
    return OpenClipart(path)


def test_items_carry_the_words_that_are_in_no_label(tmp_path):
    path = write_archive(tmp_path / "a.zip", [json.dumps(CROW), json.dumps(STOP)])
    source = opened(path)
    assert (source.name, source.licence.split(" (")[0]) == ("openclipart", "public domain")
    # tags before title; animal(s), bird(s), sign(s) are words of labels, of whichever item
    crow = Item(
        id="0001",
        title="A Crow on a sign",
        tags=("black", "crow", "two"),
        labels=("animals", "animals/birds"),
    )
    stop = Item("0002", "Signs", (), ("signs_and_symbols",))
    assert list(source.items()) == [crow, stop]
    assert list(source.items()) == [crow, stop]  # can be read again


def test_pictures_come_in_the_order_they_are_asked_for(tmp_path):
    path = write_archive(tmp_path / "a.zip", [json.dumps(CROW), json.dumps(STOP)])
    pictures = list(opened(path).pictures(["0002", "0001"]))
    assert pictures == [b"picture images/0002.webp", b"picture images/0001.webp"]


def test_the_archive_of_the_repository_must_have_its_digest(tmp_path, monkeypatch):
    path = write_archive(tmp_path / "a.zip", [])
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(OpenClipart, "place", path)
    with pytest.raises(SourceError, match=f"sha256 is {found}, expected 9cf5a4.*; restore"):
        opened(path)
    monkeypatch.setattr(OpenClipart, "digest", found)
    assert not list(opened(path).items())


def test_a_file_that_is_no_zip(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(b"version https://git-lfs\n")
    with pytest.raises(SourceError, match=r"a\.zip: not a zip archive.*rebuild it with"):
        opened(path)


def test_a_zip_without_a_manifest(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("readme", "")
    with pytest.raises(SourceError, match=r"a\.zip: has no file manifest\.jsonl"):
        opened(tmp_path / "a.zip")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not JSON"),
        ("[]", "line 2: expected a JSON object, found list"),
        ("{}", "line 2: no key 'id', 'image', 'title', 'tags', 'labels', expected id, image,"),
        (json.dumps(STOP | {"title": None}), "line 2: 'title' must be a string, found None"),
        (
            json.dumps(STOP | {"tags": "a b"}),
            "line 2: 'tags' must be a list of strings, found 'a b'",
        ),
        (json.dumps(STOP | {"labels": [1]}), r"line 2: 'labels' must be .*, found \[1\]"),
        (json.dumps(STOP | {"id": "0001"}), "line 2: id '0001' is already taken"),
        (json.dumps(STOP | {"image": "3.webp"}), "line 2: the archive has no entry '3.webp'"),
    ],
)
def test_a_wrong_manifest_line_is_named(tmp_path, line, message):
    path = write_archive(tmp_path / "a.zip", [json.dumps(CROW), line])
    with pytest.raises(SourceError, match=rf"a\.zip: manifest\.jsonl {message}.*; restore"):
        opened(path)


def test_a_damaged_picture_is_named(tmp_path):
    path = write_archive(tmp_path / "a.zip", [json.dumps(CROW)])
    content = path.read_bytes()
    path.write_bytes(content.replace(b"picture images/0001", b"PICTURE images/0001"))
    with pytest.raises(SourceError, match="images/0001.webp is damaged"):
        list(opened(path).pictures(["0001"]))


# the committed archive


def number(row):
    """The number that the README's table states in the row whose first cell is `row`."""
    match = re.search(rf"^\| {re.escape(row)} \| ([\d.,]+) \|$", README, re.MULTILINE)
    assert match, f"README.md has no row '{row}'"
    return float(match[1].replace(",", ""))


@pytest.fixture(scope="module")
def committed():
    """The committed archive, which has the digest that its README and the source state."""
    path = FOLDER / "openclipart.zip"
    digest = re.search(r"SHA-256 of openclipart\.zip: `([0-9a-f]{64})`", README)
    assert digest, "README.md states no digest"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest[1] == OpenClipart.digest
    return OpenClipart(path)


@pytest.fixture(scope="module")
def items(committed):
    """The items of the committed archive."""
    return list(committed.items())


def test_the_committed_archive_has_the_counts_of_its_readme(committed, items):
    labels = Counter(label for item in items for label in item.labels)
    assert len(items) == number("items in the archive")
    assert len(labels) == number("labels")
    assert all(count == number(f"`{label}`") for label, count in labels.items())
    assert all(item.labels for item in items)
    pictures = {hashlib.sha256(data).digest() for data in all_pictures(committed, items)}
    assert len(items) - len(pictures) == number("pictures equal to an earlier one")


def all_pictures(source, items):
    return source.pictures(item.id for item in items)


def test_the_committed_archive_is_small_and_its_pictures_are_webp(committed, items):
    assert (FOLDER / "openclipart.zip").stat().st_size <= 20_000_000
    for data in all_pictures(committed, items[::100]):
        image = Image.open(io.BytesIO(data))
        assert (image.format, image.mode) == ("WEBP", "RGB")
        assert max(image.size) <= 256


def test_no_word_of_a_label_is_left_in_the_committed_texts(items):
    found = {word for item in items for word in item.tags}
    assert not found & {"animal", "animals", "bird", "sign", "person", "people", "smiley", "and"}
    assert {"dog", "apple", "road"} <= found


# the script that builds it


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("openclipart_build", FOLDER / "build.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def svg(title, licence="http://web.resource.org/cc/PublicDomain"):
    return (
        f"""<svg xmlns:cc="http://web.resource.org/cc/" xmlns:dc="http://purl.org/dc/elements/1.1/"
      xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:RDF><cc:Work>
      <dc:title> {title}\n</dc:title><dc:creator><cc:Agent><dc:title>Ann</dc:title></cc:Agent>
      </dc:creator><dc:subject><rdf:Bag><rdf:li>first tag</rdf:li><rdf:li/><rdf:li>tag</rdf:li>
      <rdf:li>tag</rdf:li></rdf:Bag></dc:subject><cc:license rdf:resource="{licence}"/>
      </cc:Work></rdf:RDF></svg>""".encode()
    )


def png(colour, size=(512, 256)):
    image = Image.new("RGBA", size)  # transparent, so white on paper
    image.paste(colour, (0, 0, size[0] // 2, size[1]))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def write_deb(path, kind, files, links):
    """Write the least that is a Debian package; return its digest."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as tar:
        for name, content in (files | links).items():
            member = tarfile.TarInfo(f"./usr/share/openclipart/{kind}/{name}.{kind}")
            if name in links:
                member.type, member.linkname = tarfile.SYMTYPE, f"{content}.{kind}"
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    package = b"!<arch>\n"
    for name, content in (("debian-binary", b"2.0"), ("data.tar.xz", data.getvalue())):
        header = f"{name:16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n"
        package += header.encode() + content + b"\n" * (len(content) % 2)
    path.write_bytes(package)
    return hashlib.sha256(package).hexdigest()


@pytest.fixture
def packages(tmp_path):
    """Arguments of `build` but the output: six pictures, one of them under two paths."""
    huge = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 8_000, 8_000)
    pictures = {
        "animals/birds/crow": png("black"),
        "animals/owl": png("brown", size=(64, 96)),
        "animals/blank": png("white"),
        "animals/huge": huge,  # nothing after its size: decoding it would fail
        "animals/gpl": png("red"),
        "recreation/games/die": png("red"),
        "plants/rose": png("red"),
    }
    drawings = {name: svg(name.split("/")[-1]) for name in pictures}
    drawings["animals/gpl"] = svg("gpl", licence="http://creativecommons.org/licenses/GPL/2.0/")
    drawings["plants/owl"] = svg("not the SVG of the file")
    links = {"plants/owl": "../animals/owl"}
    paths = tmp_path / "svg.deb", tmp_path / "png.deb"
    return (
        *paths,
        write_deb(paths[0], "svg", drawings, {}),
        write_deb(paths[1], "png", pictures, links),
    )


def test_build_keeps_what_the_rules_keep(build, packages, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "MIN_ITEMS", 2)
    out = tmp_path / "out.zip"
    outcomes = build.build(*packages[:2], out, *packages[2:])
    assert outcomes == {
        "kept": 3,
        "blank: one colour on white": 1,
        "folder: recreation/games": 1,
        "licence: http://creativecommons.org/licenses/GPL/2.0/": 1,
        "size: more than 50 million pixels": 1,
    }
    with zipfile.ZipFile(out) as archive:
        crow, owl, rose = map(json.loads, archive.read("manifest.jsonl").splitlines())
        sizes = [Image.open(archive.open(entry["image"])).size for entry in (crow, owl)]
        corner = Image.open(archive.open(crow["image"])).getpixel((255, 0))
    assert crow == {
        "id": "0001",
        "image": "images/0001.webp",
        "title": "crow",
        "tags": ["first tag", "tag"],
        "labels": ["animals"],  # animals/birds has one item only
        "paths": ["animals/birds/crow.png"],
    }
    # the link brings its folder, and with it plants reaches two items
    assert owl["paths"] == ["animals/owl.png", "plants/owl.png"]
    assert (owl["title"], owl["labels"]) == ("owl", ["animals", "plants"])
    assert (rose["title"], rose["labels"]) == ("rose", ["plants"])
    assert sizes == [(256, 128), (64, 96)]  # shrunk, never enlarged
    assert corner == (255, 255, 255)


def test_build_without_a_large_enough_folder_keeps_nothing(build, packages, tmp_path):
    outcomes = build.build(*packages[:2], tmp_path / "out.zip", *packages[2:])
    assert outcomes["label: no folder of at least 40 items"] == 5
    assert "kept" not in outcomes


def test_build_twice_gives_the_same_bytes(build, packages, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "MIN_ITEMS", 2)
    for name in ("one.zip", "two.zip"):
        build.build(*packages[:2], tmp_path / name, *packages[2:])
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert not list(tmp_path.glob("*.part"))


def test_build_rejects_other_packages(build, packages, tmp_path):
    with pytest.raises(build.BuildError, match=r"svg\.deb: sha256 is .*, expected 0000"):
        build.build(*packages[:2], tmp_path / "out.zip", "0" * 64, packages[3])
    (tmp_path / "text.deb").write_bytes(b"!<arch>\n")
    with pytest.raises(build.BuildError, match=r"text\.deb: not a Debian package"):
        build.data_member(tmp_path / "text.deb", hashlib.sha256(b"!<arch>\n").hexdigest())
    assert not (tmp_path / "out.zip").exists()


def test_build_from_the_command_line_says_what_is_wrong_in_one_line(build, packages, tmp_path):
    with pytest.raises(
        SystemExit, match=r"^build\.py: .*svg\.deb: sha256 is .*, openclipart-svg first,"
    ):
        build.main([str(packages[0]), str(packages[1]), str(tmp_path / "out.zip")])
    with pytest.raises(SystemExit, match=r"^build\.py: .*No such file.*none\.deb"):
        build.main([str(tmp_path / "none.deb"), str(packages[1]), str(tmp_path / "out.zip")])
    with pytest.raises(SystemExit, match="^usage: build.py"):
        build.main([])
