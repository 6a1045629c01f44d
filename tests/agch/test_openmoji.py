"""The source `openmoji`: its reader, and the rules of the script that builds its archive."""

import json
import zipfile

import pytest

from agch.sources.openmoji import OpenMoji
from data.openmoji import build


def record(hexcode, group="animals", subgroup="bird", skintone=""):
    return {"hexcode": hexcode, "group": group, "subgroups": subgroup, "skintone": skintone}


def test_an_archive_is_read_under_its_own_name_and_licence(tmp_path):
    line = {"id": "1", "image": "images/1.webp", "title": "duck", "tags": ["pond", "birds"]}
    line |= {"labels": ["animals/bird"], "paths": []}
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("manifest.jsonl", json.dumps(line))
        archive.writestr("images/1.webp", b"picture")
    source = OpenMoji(tmp_path / "a.zip")
    assert (source.name, source.licence) == ("openmoji", "CC BY-SA 4.0 (OpenMoji)")
    (item,) = source.items()
    assert item.tags == ("pond", "duck")  # birds is a form of a label's word


@pytest.mark.parametrize(
    "variant",
    ["1F468-1F3A4", "1F469-1F3A4", "1F9D1-1F3A4", "1F9D1-1F3A4-FE0F", "1F9D1-1F3A4-200D-27A1-FE0F"],
)
def test_variants_by_gender_and_direction_are_one_picture(variant):
    assert build.neutral(variant) == "1F9D1-1F3A4"


def test_the_neutral_variant_stays_whatever_its_place():
    records = [record("1F468-1F3A4"), record("1F9D1-1F3A4"), record("1F469-1F3A4")]
    kept, outcomes = build.select(records, dict.fromkeys((r["hexcode"] for r in records), "svg"))
    assert [each["hexcode"] for each in kept] == ["1F9D1-1F3A4"]
    assert outcomes["variant by gender or direction"] == 2


def test_skin_tones_flags_origins_and_missing_pictures_are_left_out():
    records = [record("A", skintone="1"), record("B", group="flags")]
    records += [record("C", group="extras-openmoji"), record("D"), record("E")]
    kept, outcomes = build.select(records, dict.fromkeys("ABCD", "svg"))
    assert [each["hexcode"] for each in kept] == ["D"]
    assert dict(outcomes) == {
        "skin tone": 1,
        "group flags": 1,
        "group extras-openmoji": 1,
        "no picture": 1,
    }


def test_another_package_is_refused_by_its_digest(tmp_path):
    (tmp_path / "a.tgz").write_bytes(b"other")
    with pytest.raises(build.BuildError, match="give openmoji 17.0.0"):
        build.read_package(tmp_path / "a.tgz")
