"""Several runs beside each other."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from studio.runs.compare import MetricRow, ParamRow, table
from studio.runs.curves import Curve
from studio.web.api.here import Here
from studio.web.compare import MOST, picked, shared

router = APIRouter()
Names = Annotated[list[str], Query(min_length=1, max_length=MOST, description="Ids or names.")]


class Column(BaseModel):
    """A run, in whose place the values of all rows stand."""

    id: str
    name: str


class Comparison(BaseModel):
    """What differs, which is best; the curves asked for by id and then by run.

    `known` has the titles of all curves by their ids; outliers and best are places of values.
    """

    runs: list[Column]
    params: list[ParamRow]
    metrics: list[MetricRow]
    known: dict[str, str]
    curves: dict[str, dict[str, Curve]]


@router.get("/compare")
def compare(
    site: Here,
    run: Names,
    curve: Annotated[list[str], Query(description="Ids of curves to add.")] = [],
) -> Comparison:
    """Parameters, metrics and curves of several runs."""
    runs = picked(site, run)
    found, curves = table(runs, site.directions(runs)), shared(site, runs)
    return Comparison(
        runs=[Column(id=each.id, name=each.name) for each in runs],
        params=found.params,
        metrics=found.metrics,
        known={name: next(iter(of.values())).title for name, of in curves.items()},
        curves={name: of for name, of in curves.items() if name in curve},
    )
