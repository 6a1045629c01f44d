"""Build openmoji.zip from the npm package openmoji, version 17.0.0 (CC BY-SA 4.0).

    python -m data.openmoji.build openmoji-17.0.0.tgz data/openmoji/openmoji.zip

Needs Pillow 13.0.0 and resvg-py 0.5.0: the package has SVGs only. The archive has the layout of
openclipart.zip; README.md beside this file states the rules.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

from data.openclipart.build import LONGEST_SIDE, BuildError, write_zip
from data.openclipart.build import render as to_webp

SHA256 = "55ee7d13485dec86e9f38c1f3a645a13382d33ff97c0cd845ee824b0aef45e68"
DATA = "package/data/openmoji.json"
MIN_ITEMS = 20  # a group or subgroup with fewer items is no label
BY_ORIGIN = {"extras-openmoji", "extras-unicode"}  # groups that say where a picture comes from
VARIANT = re.compile(r"-200D-(?:2640|2642|27A1)(?:-FE0F)?|-FE0F")  # female, male, facing right
NEUTRAL = {"1F468": "1F9D1", "1F469": "1F9D1", "1F466": "1F9D2", "1F467": "1F9D2"} | {
    "1F474": "1F9D3",  # old man and old woman; above: man and woman, boy and girl
    "1F475": "1F9D3",
}

Record = dict[str, Any]


def read_package(tgz: Path) -> tuple[list[Record], dict[str, str]]:
    """Return the records of openmoji.json and the colour SVGs by hexcode, the digest checked."""
    content = tgz.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != SHA256:
        raise BuildError(f"{tgz}: sha256 is {found}, expected {SHA256}; give openmoji 17.0.0")
    records: list[Record] = []
    svgs: dict[str, str] = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for member in tar:
            path = Path(member.name)
            if member.name == DATA and (file := tar.extractfile(member)) is not None:
                records = json.load(file)
            elif str(path.parent) == "package/color/svg" and (file := tar.extractfile(member)):
                svgs[path.stem] = file.read().decode()
    return records, svgs


def neutral(hexcode: str) -> str:
    """Return the hexcode without gender and direction: equal for the variants of one picture."""
    return "-".join(NEUTRAL.get(code, code) for code in VARIANT.sub("", hexcode).split("-"))


def select(records: list[Record], svgs: dict[str, str]) -> tuple[list[Record], Counter[str]]:
    """Return the records to keep, in their order, and how many were dropped, by reason."""
    kept: dict[str, Record] = {}
    outcomes = Counter[str]()
    for record in records:
        code, key = record["hexcode"], neutral(record["hexcode"])
        if record["skintone"] != "":
            outcomes["skin tone"] += 1
        elif record["group"] == "flags" or record["group"] in BY_ORIGIN:
            outcomes[f"group {record['group']}"] += 1
        elif code not in svgs:
            outcomes["no picture"] += 1
        elif key not in kept:
            kept[key] = record
        else:
            outcomes["variant by gender or direction"] += 1
            if VARIANT.sub("", code) == key != VARIANT.sub("", kept[key]["hexcode"]):
                kept[key] = record
    return sorted(kept.values(), key=records.index), outcomes


def names(record: Record) -> set[str]:
    """Return what may be labels of a record: its group, and group/subgroup."""
    return {record["group"], f"{record['group']}/{record['subgroups']}"}


def tags(record: Record) -> list[str]:
    """Return the Unicode tags, then OpenMoji's own, each once."""
    both = f"{record['tags']},{record['openmoji_tags']}".split(",")
    return list(dict.fromkeys(filter(None, (tag.strip() for tag in both))))


def render(svg: str) -> bytes | None:
    """Draw an SVG with LONGEST_SIDE on white, as WebP; a picture of one colour gives None."""
    import resvg_py

    png = resvg_py.svg_to_bytes(svg, width=LONGEST_SIDE, dpi=96, skip_system_fonts=True)
    return to_webp(bytes(png))


def build(tgz: Path, out: Path) -> Counter[str]:
    """Write the archive, the same bytes every time; return how many were kept and dropped."""
    records, svgs = read_package(tgz)
    selected, outcomes = select(records, svgs)
    counts = Counter(name for record in selected for name in names(record))
    labels = {name for name, count in counts.items() if count >= MIN_ITEMS}
    entries = {"manifest.jsonl": b""}
    for record in selected:
        code = record["hexcode"]
        if not (found := sorted(labels & names(record))):
            outcomes[f"label: none of at least {MIN_ITEMS} items"] += 1
        elif (image := render(svgs[code])) is None:
            outcomes["blank: one colour on white"] += 1
        else:
            outcomes["kept"] += 1
            line = {"id": code, "image": f"images/{code}.webp", "title": record["annotation"]}
            line |= {"tags": tags(record), "labels": found, "paths": [f"{code}.svg"]}
            entries["manifest.jsonl"] += json.dumps(line, ensure_ascii=False).encode() + b"\n"
            entries[f"images/{code}.webp"] = image
    write_zip(out, entries)
    return outcomes


def main(arguments: list[str]) -> None:
    """Run from the command line: print the counts, or one line that says what is wrong."""
    if len(arguments) != 3:
        sys.exit("usage: python -m data.openmoji.build openmoji-17.0.0.tgz OUT.zip")
    tgz, out = map(Path, arguments[1:])
    try:
        outcomes = build(tgz, out)
    except (BuildError, OSError) as error:
        sys.exit(f"build.py: {error}")
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:6d}  {outcome}")
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    print(f"{out}: {out.stat().st_size} bytes, sha256 {digest}")


if __name__ == "__main__":
    main(sys.argv)
