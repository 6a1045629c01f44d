"""Rebuild openclipart.zip from the Debian packages openclipart-svg and openclipart-png.

    python data/openclipart/build.py openclipart-svg_*.deb openclipart-png_*.deb OUT.zip

Needs Pillow and nothing else; takes about a minute and 600 MB of memory. README.md beside this
file states the rules, the counts and the versions that give the committed archive byte for byte.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import posixpath
import struct
import sys
import tarfile
import xml.etree.ElementTree as ET
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from PIL import Image

SVG_SHA256 = "989712d90d57dfa3230049f553bb43b76c30ee4d4b8c5f6e106e33f7db5cbdc5"
PNG_SHA256 = "f07f1545a2970c2cf3fa339bc2405da1a95cf2b1827bfa05bf73eb1c20291c02"
PUBLIC_DOMAIN = {
    "http://web.resource.org/cc/PublicDomain",
    "http://creativecommons.org/licenses/publicdomain/",
    "Public Domain",
}
EXCLUDED = (
    "computer/icons",
    "recreation/games",
    "shapes/stars",
    "signs_and_symbols/flags",
    "special/gradients",
    "special/patterns",
    "unsorted",
)
MIN_ITEMS = 40  # a folder with fewer items is no label
MAX_PIXELS = 50_000_000  # by the PNG header: a larger picture is dropped and never decoded
LONGEST_SIDE = 256
CC = "{http://web.resource.org/cc/}"
DC = "{http://purl.org/dc/elements/1.1/}"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"

T = TypeVar("T")


class BuildError(ValueError):
    """A package that cannot be used: the message says what was found and what was expected."""


@dataclass(frozen=True)
class Metadata:
    """What one SVG says of itself: title ("" if none), subjects in order, all licence values."""

    title: str
    tags: tuple[str, ...]
    licences: tuple[str, ...]

    def is_public_domain(self) -> bool:
        """Tell whether there is a licence value and every one is the public-domain dedication."""
        return bool(self.licences) and PUBLIC_DOMAIN.issuperset(self.licences)


@dataclass(frozen=True)
class Drawing:
    """One picture under every path that leads to it (no suffix; the file first, then links)."""

    paths: tuple[str, ...]
    metadata: Metadata
    png: bytes

    def folders(self) -> set[str]:
        """Return the folders of all paths, cut to the first level and to the first two."""
        parts = [path.split("/")[:-1] for path in self.paths]
        return {"/".join(part[:depth]) for part in parts for depth in (1, 2) if part}


def data_member(deb: Path, sha256: str) -> bytes:
    """Return the member data.tar.* of a Debian package (an `ar` archive), its digest checked.

    A member is a header of 60 bytes (name in the first 16, decimal size in bytes 48 to 57), its
    content, and a newline where the size is odd.
    """
    content = deb.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise BuildError(
            f"{deb}: sha256 is {found}, expected {sha256}; give the packages of version "
            "1:0.18+dfsg-19, openclipart-svg first, then openclipart-png"
        )
    start = len(b"!<arch>\n")
    while header := content[start : start + 60]:
        start, size = start + 60, int(header[48:58])
        if header.startswith(b"data.tar"):
            return content[start : start + size]
        start += size + size % 2
    raise BuildError(f"{deb}: not a Debian package (no member data.tar)")


def read_package(
    deb: Path, sha256: str, kind: str, load: Callable[[bytes], T]
) -> tuple[dict[str, T], dict[str, str]]:
    """Read the files of one package; nothing is written to disk.

    Args:
        deb: the package; `sha256` is its digest.
        kind: `svg` or `png`: the folder below usr/share/openclipart, and the suffix of its files.
        load: makes the value to keep out of the bytes of a file.
    Returns:
        Files (path -> value) and symbolic links (path -> path), paths without suffix and relative
        to that folder.
    """
    prefix, suffix = f"./usr/share/openclipart/{kind}/", f".{kind}"
    files: dict[str, T] = {}
    links: dict[str, str] = {}
    with tarfile.open(fileobj=io.BytesIO(data_member(deb, sha256))) as tar:
        for member in tar:
            path = member.name.removeprefix(prefix).removesuffix(suffix)
            if member.name != prefix + path + suffix:
                continue
            if member.issym():
                target = posixpath.join(posixpath.dirname(path), member.linkname)
                links[path] = posixpath.normpath(target).removesuffix(suffix)
            elif (content := tar.extractfile(member)) is not None:
                files[path] = load(content.read())
    return files, links


def resolve(path: str, links: dict[str, str]) -> str:
    """Follow symbolic links from `path` to the path of a file (itself where it is no link)."""
    while path in links:
        path = links[path]
    return path


def read_metadata(svg: bytes) -> Metadata:
    """Read dc:title, dc:subject and cc:license of an SVG; several cc:Work blocks are joined."""
    root = ET.fromstring(svg)
    titles, tags = (
        dict.fromkeys(
            " ".join((e.text or "").split()) for e in root.iterfind(f".//{CC}Work/{path}")
        )
        for path in (f"{DC}title", f"{DC}subject//{RDF}li")
    )
    licences = [
        e.get(f"{RDF}resource") or (e.text or "").strip() for e in root.iter(f"{CC}license")
    ]
    return Metadata(
        title=next(filter(None, titles), ""),
        tags=tuple(filter(None, tags)),
        licences=tuple(dict.fromkeys(licences)),
    )


def read_drawings(svg_deb: Path, png_deb: Path, svg_sha256: str, png_sha256: str) -> list[Drawing]:
    """Return every picture of the two packages once, sorted by the path of its file."""
    metadata, svg_links = read_package(svg_deb, svg_sha256, "svg", read_metadata)
    pictures, png_links = read_package(png_deb, png_sha256, "png", bytes)
    paths = {path: [path] for path in sorted(pictures)}
    for link in sorted(png_links):
        paths[resolve(link, png_links)].append(link)
    return [
        Drawing(tuple(paths[path]), metadata[resolve(path, svg_links)], pictures[path])
        for path in paths
    ]


def drop_reason(drawing: Drawing, labels: set[str]) -> str | None:
    """Return the first rule by which a drawing stays out of the archive, or None."""
    if not drawing.metadata.is_public_domain():
        return f"licence: {' '.join(filter(None, drawing.metadata.licences)) or 'none stated'}"
    for folder in EXCLUDED:
        if any(path.startswith(f"{folder}/") for path in drawing.paths):
            return f"folder: {folder}"
    if not labels & drawing.folders():
        return f"label: no folder of at least {MIN_ITEMS} items"
    width, height = struct.unpack(">II", drawing.png[16:24])  # IHDR is always the first chunk
    if width * height > MAX_PIXELS:
        return f"size: more than {MAX_PIXELS // 1_000_000} million pixels"
    return None


def render(png: bytes) -> bytes | None:
    """Shrink a PNG to at most LONGEST_SIDE, put it on white and return it as WebP.

    Nothing is enlarged. A picture of one colour (white lines on white, say) gives None.
    """
    image = Image.open(io.BytesIO(png)).convert("RGBA")
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    picture = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    if picture.getcolors(maxcolors=1):
        return None
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=85, method=6)
    return buffer.getvalue()


def write_archive(out: Path, items: list[tuple[Drawing, bytes]], labels: set[str]) -> None:
    """Write manifest.jsonl and the images; equal items give equal bytes."""
    entries = {"manifest.jsonl": b""}
    for number, (drawing, image) in enumerate(items, start=1):
        name = f"images/{number:04d}.webp"
        record = {
            "id": f"{number:04d}",
            "image": name,
            "title": drawing.metadata.title,
            "tags": drawing.metadata.tags,
            "labels": sorted(labels & drawing.folders()),
            "paths": [f"{path}.png" for path in drawing.paths],
        }
        entries["manifest.jsonl"] += json.dumps(record, ensure_ascii=False).encode() + b"\n"
        entries[name] = image
    write_zip(out, entries)


def write_zip(out: Path, entries: dict[str, bytes]) -> None:
    """Write a zip whole or not at all; equal entries give equal bytes.

    They are stored, with a fixed date and fixed permissions.
    """
    part = out.with_name(out.name + ".part")
    with zipfile.ZipFile(part, "w") as archive:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o100644 << 16  # Unix, -rw-r--r--
            archive.writestr(info, content)
    os.replace(part, out)


def build(
    svg_deb: Path, png_deb: Path, out: Path, svg_sha256: str, png_sha256: str
) -> Counter[str]:
    """Write the archive and return how many drawings were kept and dropped, by reason.

    Raises:
        BuildError: a package has another digest, or is no Debian package.
        OSError: a package cannot be read, or the archive not written.
    """
    drawings = read_drawings(svg_deb, png_deb, svg_sha256, png_sha256)
    licensed = [drawing for drawing in drawings if drawing.metadata.is_public_domain()]
    counts = Counter(folder for drawing in licensed for folder in drawing.folders())
    labels = {folder for folder, count in counts.items() if count >= MIN_ITEMS}
    items, outcomes = [], Counter[str]()
    for drawing in drawings:
        reason = drop_reason(drawing, labels)
        if reason is None and (image := render(drawing.png)) is not None:
            items.append((drawing, image))
            reason = "kept"
        outcomes[reason or "blank: one colour on white"] += 1
    write_archive(out, items, labels)
    return outcomes


def main(arguments: list[str]) -> None:
    """Run from the command line: print the counts, or one line that says what is wrong."""
    if len(arguments) != 3:
        sys.exit("usage: build.py openclipart-svg_*.deb openclipart-png_*.deb OUT.zip")
    svg_deb, png_deb, out = map(Path, arguments)
    try:
        outcomes = build(svg_deb, png_deb, out, SVG_SHA256, PNG_SHA256)
    except (BuildError, OSError) as error:
        sys.exit(f"build.py: {error}")
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:6d}  {outcome}")
    print(
        f"{out}: {out.stat().st_size} bytes, sha256 {hashlib.sha256(out.read_bytes()).hexdigest()}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
