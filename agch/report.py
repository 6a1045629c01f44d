"""One HTML file that shows an experiment: tables, charts, sample searches, parameters.

    Path("report.html").write_text(render(Report(title, summary, tables=[...])), encoding="utf-8")

The file asks no host for anything: pictures, the chart library and all data are inside, and its
content security policy allows nothing else. Its bytes depend on the content alone.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from agch.charts import Chart, Value

VEGA_LITE = "6.4"
"""Version of the library inside the file, of the major version that `charts.SCHEMA` names."""
NONE = "–"
"""A cell without a value."""
NUMBER = re.compile(r"[-−+]?\d[\d.,]*(e[-+]?\d+)?(\s|%|$)|–?$")


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        caption: What it says.
        columns: Header of each column.
        rows: One text per column; the first is the header of its row. A second line in a text is
            a small note, as in "0.659 ± 0.015\\np = 0.000".
        note: A remark below.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def __post_init__(self) -> None:
        if not all(self.columns):
            raise ValueError(f"table '{self.caption}': a column without a header")
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"table '{self.caption}': {len(row)} texts for {len(self.columns)} columns"
                )

    @property
    def numeric(self) -> list[bool]:
        """For each column: all its texts begin with a number, or are a dash or empty."""
        columns = zip(*self.rows, strict=True) if self.rows else [()] * len(self.columns)
        return [all(map(NUMBER.match, column)) for column in columns]


@dataclass(frozen=True)
class Item:
    """A row of the data: its words, its labels, its picture as JPEG (`pictures.thumbnail`).

    Of ready-made features there is no picture, and `picture` is empty.
    """

    words: Sequence[str]
    labels: Sequence[str]
    picture: bytes


@dataclass(frozen=True)
class Result:
    """An item that a query found, the Hamming distance of the codes, whether it is relevant."""

    item: Item
    distance: int
    relevant: bool


@dataclass(frozen=True)
class Search:
    """One query and the first of its results.

    Attributes:
        direction: `i2t`, a picture against texts, or `t2i`, words against pictures.
        standing: Where the query stands among all, such as "best", "median", "worst".
        score: Its average precision as text, such as "AP@50 0.981".
        query: What searches.
        results: What it finds, nearest first.
    """

    direction: str
    standing: str
    score: str
    query: Item
    results: Sequence[Result]

    def __post_init__(self) -> None:
        if self.direction not in ("i2t", "t2i"):
            raise ValueError(f"a search is i2t or t2i, not '{self.direction}'")


@dataclass(frozen=True)
class Report:
    """What the file shows, in this order; what is empty is left out.

    Attributes:
        title: Name of the experiment.
        summary: One line: method, bits, data source.
        warnings: What a reader must know before believing a number.
        tables: Results.
        charts: Curves.
        searches: Samples; they are shown by direction, else in this order.
        parameters: Nested; each mapping at the top becomes a section.
        data: Facts on the data, by name.
    """

    title: str
    summary: str
    warnings: Sequence[str] = ()
    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()
    searches: Sequence[Search] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)


def render(report: Report) -> str:
    """The report as HTML.

    Raises:
        ValueError: A chart holds a number that is not finite.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    environment.filters |= {"hash": _hash, "data_uri": _data_uri}
    return environment.get_template("report.html.j2").render(
        report=report,
        library=Markup(in_script(_library())) if report.charts else "",
        chart_tables=[_chart_table(chart) for chart in report.charts],
        parameter_tables=_parameter_tables(report.parameters),
        data_table=Table("Facts on the data", ["fact", "value"], list(report.data.items())),
    )


def in_script(source: str) -> str:
    """JavaScript that means the same and cannot end, or comment out, the element it stands in."""
    return re.sub(r"<(?=/script|!--)", r"\\x3C", source, flags=re.IGNORECASE)


@cache
def _library() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script, the same bytes each time."""
    import vl_convert  # only a report with charts needs it

    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", VEGA_LITE)


def _hash(source: str) -> str:
    """How a content security policy names an inline script or style."""
    return "sha256-" + b64encode(hashlib.sha256(source.encode()).digest()).decode()


def _data_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + b64encode(jpeg).decode()


def _chart_table(chart: Chart) -> Table:
    rows = [[_cell(value) for value in row] for row in chart.rows]
    return Table(f"Data of “{chart.about.title}”", chart.columns, rows)


def _cell(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return NONE if value is None else str(value)


def _parameter_tables(parameters: Mapping[str, Any]) -> list[tuple[str, Table]]:
    """Name and table of each section; "general" is for values at the top, the rest has dots."""
    sections: dict[str, dict[str, Any]] = {}
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            sections.setdefault(name, {}).update(value)
        else:
            sections.setdefault("general", {})[name] = value
    columns = ["parameter", "value"]
    return [
        (name, Table(f"Parameters of {name}", columns, [(k, _json(v)) for k, v in _flat(values)]))
        for name, values in sections.items()
    ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            pairs += _flat(value, f"{prefix}{name}.")
        else:
            pairs.append((prefix + name, value))
    return pairs


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
