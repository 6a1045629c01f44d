"""The report: all that was given is there, as text, in one file that needs nothing else."""

import base64
import dataclasses
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from agch.charts import About, line_chart
from agch.report import Item, Report, Result, Search, Table, in_script, render

HOSTILE = "</script><script>alert(1)</script><!--<img src=x onerror=alert(2)>'\"&amp;{{ 7 * 7 }}"
JPEG, OTHER_JPEG = b"\xff\xd8 one", b"\xff\xd8 two"
ROOT = Path(__file__).parents[2]
VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """Elements in order, each as (tag, attributes, text inside without scripts)."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.open = [], []
        self.feed(html)
        self.close()
        assert not self.open, "an element is not closed"

    def handle_starttag(self, tag, attributes):
        element = [tag, dict(attributes), ""]
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for element in self.open if self.open and self.open[-1][0] != "script" else self.open[-1:]:
            element[2] += data

    def all(self, tag, **attributes):
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [e for e in self.elements if e[0] == tag and wanted.items() <= e[1].items()]

    def texts(self, tag, **attributes):
        return [" ".join(text.split()) for _, _, text in self.all(tag, **attributes)]


def report(**changes):
    """A report with something in each place."""
    frog = Item(["frog", "green"], ["animals"], JPEG)
    apple = Item(["apple"], ["food", "plants"], OTHER_JPEG)
    results = [Result(frog, 3, True), Result(apple, 17, False)]
    full = Report(
        title="AGCH+ at 64 bits",
        summary="agch, agch+, 64 bits, openclipart",
        warnings=["The text codes have collapsed."],
        tables=[
            Table(
                "Retrieval",
                ["codes", "i2t map", "remark"],
                [["AGCH+", "0.659 ± 0.015\np = 0.010", "12 of 13"], ["random", "–", "floor"]],
                "Over 373 queries.",
            )
        ],
        charts=[
            line_chart(
                About("Precision at k", "The higher, the better.", "k", "precision"),
                [1, 10],
                {"i2t": [0.75, 1 / 3], "t2i": [None, 0.5]},
            )
        ],
        searches=[
            Search("i2t", "best", "AP@50 0.981", frog, results),
            Search("t2i", "worst", "AP@50 0.012", frog, results),
        ],
        parameters={"train": {"rate": {"image": 1e-3}, "nested": [8, 16]}, "seed": 0},
        data={"items": "2,489"},
    )
    return dataclasses.replace(full, **changes)


def hostile():
    """The same with a hostile text in every place."""
    item = Item([HOSTILE], [HOSTILE], JPEG)
    return Report(
        title=HOSTILE,
        summary=HOSTILE,
        warnings=[HOSTILE],
        tables=[Table(HOSTILE, [HOSTILE], [[f"{HOSTILE}\n{HOSTILE}"]], HOSTILE)],
        charts=[line_chart(About(*[HOSTILE] * 4), [1], {HOSTILE: [0.5]})],
        searches=[Search("t2i", HOSTILE, HOSTILE, item, [Result(item, 1, True)])],
        parameters={HOSTILE: {HOSTILE: {HOSTILE: HOSTILE, "list": [HOSTILE]}}},
        data={HOSTILE: HOSTILE},
    )


@pytest.fixture(scope="module")
def html():
    return render(report())


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_hostile_text_stays_text():
    page = Page(render(hostile()))
    assert not page.all("img", src="x")
    assert len(page.all("script")) == 3  # data, library, drawing
    assert page.texts("title") == page.texts("h1") == [HOSTILE]
    assert page.texts("h3")[0] == page.texts("p", class_="summary")[0] == HOSTILE
    assert page.texts("img", alt=HOSTILE)
    for tag in ("caption", "th", "td", "summary", "h4", "p", "li"):
        assert any(HOSTILE in text for text in page.texts(tag)), tag
    assert all("onerror" not in attributes for _, attributes, _ in page.elements)


def test_hostile_text_in_the_data_of_a_chart_stays_data():
    page = Page(render(hostile()))
    (chart,) = hostile().charts
    assert json.loads(page.all("script", type="application/json")[0][2]) == json.loads(
        json.dumps(chart.spec)
    )


@pytest.mark.parametrize(
    ("source", "safe"),
    [
        ('a = "</script>"', 'a = "\\x3C/script>"'),
        ('a = "</SCRIPT>"', 'a = "\\x3C/SCRIPT>"'),
        ('a = "<!-- "', 'a = "\\x3C!-- "'),
        ("a < b; c <= d; '</p>'", "a < b; c <= d; '</p>'"),
    ],
)
def test_a_script_cannot_end_its_element(source, safe):
    assert in_script(source) == safe


def test_the_page_names_nothing_to_load(page):
    for tag, attributes, _ in page.elements:
        assert tag not in {"iframe", "object", "embed", "base", "form", "video", "audio"}
        assert not {"srcset", "action", "poster", "style"} & set(attributes)
        assert all(not name.startswith("on") for name in attributes)
        assert attributes.get("src", "data:image/jpeg;base64,").startswith(
            "data:image/jpeg;base64,"
        )
        assert re.match("#|data:,$", attributes.get("href", "#"))
    (style,) = page.texts("style")
    assert not re.search(r"url\(|@import|image-set", style)


def test_addresses_stand_only_in_the_library_and_as_the_name_of_a_schema(html, page):
    library = max((text for _, _, text in page.all("script")), key=len)
    assert len(library) > 500_000
    addresses = set(re.findall(r"https?://[^\s\"']+", html.replace(library, "")))
    assert addresses == {"https://vega.github.io/schema/vega-lite/v6.json"}


def sha(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_policy_forbids_all_but_what_is_inside(html, page):
    (meta,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    policy = dict(part.split(maxsplit=1) for part in meta[1]["content"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["img-src"] == "data:"
    scripts = [text for _, attributes, text in page.all("script") if "type" not in attributes]
    assert set(policy["script-src"].split()) == {sha(text) for text in scripts}
    (style,) = re.findall("<style>(.*?)</style>", html, flags=re.DOTALL)
    assert policy["style-src"] == sha(style)


def test_bytes_depend_on_the_content_alone(html):
    assert render(report()) == html
    assert render(report(title="another")) != html
    script = (
        "import hashlib, sys; sys.path.append('tests/agch'); "
        "from test_report import render, report; "
        "print(hashlib.sha256(render(report()).encode()).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == hashlib.sha256(html.encode()).hexdigest()


SECTIONS = {
    "results": "tables",
    "charts": "charts",
    "searches": "searches",
    "parameters": "parameters",
    "data": "data",
}


def test_sections_stand_in_order_and_the_top_links_to_each(page):
    assert [e[1]["id"] for e in page.all("h2")] == list(SECTIONS)
    links = [e[1]["href"] for e in page.all("a")]
    assert links == [f"#{name}" for name in SECTIONS]


@pytest.mark.parametrize("section", SECTIONS)
def test_what_is_empty_is_left_out(section):
    field = SECTIONS[section]
    page = Page(render(report(**{field: type(getattr(report(), field))()})))
    assert [e[1]["id"] for e in page.all("h2")] == [name for name in SECTIONS if name != section]
    assert f"#{section}" not in [e[1]["href"] for e in page.all("a")]


def test_a_report_of_a_title_alone_is_small():
    html = render(Report("AGCH", "64 bits"))
    page = Page(html)
    assert (page.texts("h1"), page.texts("p")) == (["AGCH"], ["64 bits"])
    assert not page.all("script") and not page.all("h2") and not page.all("ul", class_="warnings")
    assert len(html) < 20_000


def test_warnings_stand_at_the_top_and_say_so(page):
    assert page.texts("ul", class_="warnings") == ["⚠ Warning: The text codes have collapsed."]
    tags = [(tag, attributes.get("class")) for tag, attributes, _ in page.elements]
    assert tags.index(("ul", "warnings")) < tags.index(("h2", None))


def test_every_table_has_a_caption_and_headers_of_columns_and_rows(html):
    tables = re.findall("^<table>.*?^</table>", html, flags=re.DOTALL | re.MULTILINE)
    assert len(tables) == 5  # one of results, one of a chart, two of parameters, one of data
    for table in tables:
        page = Page(table)
        assert len(page.texts("caption")) == 1 and page.texts("caption")[0]
        head, *rows = page.all("tr")
        assert len(page.all("th", scope="row")) == len(rows) > 0
        columns = len(page.all("th", scope="col"))
        assert len(page.all("td")) == len(rows) * (columns - 1)
        assert len(page.all("th")) == columns + len(rows)


def test_captions_and_ids_are_unique(page):
    ids = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for _, attributes, _ in page.elements:
        assert attributes.get("aria-labelledby", ids[0]) in ids


def test_a_table_shows_its_texts_and_the_second_line_as_a_note(page):
    assert "Retrieval" in page.texts("caption")
    assert page.texts("th", scope="row")[:2] == ["AGCH+", "random"]
    assert page.texts("td")[:4] == ["0.659 ± 0.015p = 0.010", "12 of 13", "–", "floor"]
    assert page.texts("span", class_="note") == ["p = 0.010"]
    assert "Over 373 queries." in page.texts("p", class_="note")


@pytest.mark.parametrize(
    ("texts", "numeric"),
    [
        (["0.659 ± 0.015", "–"], True),
        (["0.5\np = 0.010", ""], True),
        (["-1.5e-05", "+3", "−2", "2,116", "3 %", "5%"], True),
        (["12", "no"], False),
        (["3rd", "4"], False),
        (["-", "1"], False),
    ],
)
def test_columns_of_numbers_are_known_by_their_texts(texts, numeric):
    assert Table("", ["row", "x"], [["a", text] for text in texts]).numeric == [False, numeric]


def test_a_row_of_another_length_is_a_value_error():
    with pytest.raises(ValueError, match="table 'Retrieval': 2 texts for 3 columns"):
        Table("Retrieval", ["codes", "i2t", "t2i"], [["AGCH", "1"]])
    with pytest.raises(ValueError, match="table 'Retrieval': a column without a header"):
        Table("Retrieval", ["", "map"], [])


def test_a_chart_has_words_a_place_a_spec_and_its_data(page):
    assert page.texts("figcaption") == ["Precision at k The higher, the better."]
    assert len(page.all("div", class_="chart")) == 1
    spec = json.loads(page.all("script", type="application/json")[0][2])
    assert spec == json.loads(json.dumps(report().charts[0].spec))
    assert "Data of “Precision at k”" in page.texts("caption")
    (details,) = [text for text in page.texts("details") if text.startswith("Data")]
    assert details.endswith("k i2t t2i 1 0.75 – 10 0.333333 0.5")


def test_a_number_that_json_does_not_know_is_a_value_error():
    chart = report().charts[0]
    chart = dataclasses.replace(chart, spec=chart.spec | {"height": float("nan")})
    with pytest.raises(ValueError):
        render(report(charts=[chart]))


def test_pictures_are_inside_and_have_their_words_as_alternative(page):
    pictures = [(e[1]["src"], e[1]["alt"]) for e in page.all("img")]
    frog, apple = (
        f"data:image/jpeg;base64,{base64.b64encode(data).decode()}" for data in (JPEG, OTHER_JPEG)
    )
    found = [(frog, "frog, green"), (apple, "apple")]
    assert pictures == [(frog, "frog, green"), *found, *found]  # the query of t2i has none


def test_an_item_without_a_picture_is_known_by_its_words():
    item = Item(["frog", "green"], ["animals"], b"")
    search = Search("i2t", "best", "AP@50 0.981", item, [Result(item, 3, True)])
    shown = Page(render(report(searches=[search])))
    assert shown.all("img") == []
    (query,), (hit,) = shown.texts("div", class_="query"), shown.texts("li", class_="hit")
    told = "No picture: the features were given. frog, green Labels: animals"
    assert query == f"Best query AP@50 0.981 {told}"
    assert hit == "1 ✓ hit distance 3 frog, green Labels: animals"


def test_a_picture_queries_texts_and_words_query_pictures(page):
    i2t, t2i = page.texts("div", class_="query")
    assert i2t == "Best query AP@50 0.981 Labels: animals"
    assert t2i == "Worst query AP@50 0.012 frog, green Labels: animals"
    headings = [text for text in page.texts("h3") if "2" in text]
    assert headings == ["i2t: a picture searches among texts", "t2i: words search among pictures"]


def test_results_say_rank_hit_or_miss_distance_words_and_labels(page):
    hits, misses = page.texts("li", class_="hit"), page.texts("li", class_="miss")
    assert hits == ["1 ✓ hit distance 3 frog, green Labels: animals"] * 2
    assert misses == ["2 ✗ miss distance 17 apple Labels: food, plants"] * 2
    assert "animals" in page.texts("strong") and "food" not in page.texts("strong")  # shared


def test_a_search_within_a_modality_is_a_value_error():
    with pytest.raises(ValueError, match="i2t or t2i, not 'i2i'"):
        dataclasses.replace(report().searches[0], direction="i2i")


def test_searches_are_shown_by_direction():
    queries = [dataclasses.replace(s, standing=s.direction) for s in report().searches[::-1]]
    assert Page(render(report(searches=queries * 2))).texts("h4") == [
        "I2t query",
        "I2t query",
        "T2i query",
        "T2i query",
    ]


def test_parameters_are_sections_of_dotted_names(page):
    sections = [text for text in page.texts("details") if "parameter" in text]
    assert sections == [
        "train Parameters of train parameter value rate.image 0.001 nested [8, 16]",
        "general Parameters of general parameter value seed 0",
    ]


def test_the_report_is_imported_without_torch_or_the_library_of_charts():
    check = "import agch.report, sys; assert not {'torch', 'vl_convert'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=True)
