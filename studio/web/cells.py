"""What tables of runs show in their cells."""

from __future__ import annotations

import re
from typing import Any

from studio.runs.compare import ParamRow
from studio.web.pages import number

BETTER = {"maximize": "higher", "minimize": "lower"}
LONG = re.compile(r"-?\d+\.\d{5,}(e[+-]?\d+)?")
"""Numbers with digits that nobody reads."""


def param_cells(row: ParamRow) -> dict[str, Any]:
    """A parameter over runs, its numbers short unless they would look the same then."""
    brief = [_brief(value) for value in row.values]
    texts = brief if len({*brief}) == len({*row.values}) else row.values
    found = [
        {"text": text, "exact": value if text != value else "", "odd": n in row.outliers}
        for n, (text, value) in enumerate(zip(texts, row.values))
    ]
    return {"name": row.name, "cells": found}


def _brief(value: str | None) -> str | None:
    """A number without the digits that nobody reads."""
    if value is None or not LONG.fullmatch(value):
        return value
    return number(float(value))
