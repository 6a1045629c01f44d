"""A new study: the form, filled in with what the adapter recommends, and what is sent of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData

from studio.adapters import Adapter
from studio.creation import RUNNERS, create
from studio.engines import list_engines
from studio.errors import StudioError
from studio.objective import MINIMIZE
from studio.params import read_params
from studio.proposal import proposed
from studio.runs import metrics
from studio.space import Param, Space, parse
from studio.study import Settings
from studio.web.forms import Form
from studio.web.pages import page, site_of, to
from studio.web.site import Site
from studio.web.study_jobs import start
from studio.web.study_ranges import rows
from studio.written import read_value

router = APIRouter(include_in_schema=False)
OBJECTIVES = 2
KINDS: dict[str, Any] = {
    **dict.fromkeys(("n_trials", "search_epochs", "jobs", "keep", "seed"), int),
    **dict.fromkeys(("subset_ratio", "timeout"), float),
    **dict.fromkeys(("engine", "runner"), str),
}


@router.get("/studies-new")
def new(request: Request) -> Response:
    """The form, as the adapter recommends it or as an earlier study was."""
    site = site_of(request)
    adapter, name = adapter_of(site), request.query_params.get("earlier", "")
    earlier = site.study(name) if name else None
    usual = Settings(adapter.name, {}, list(adapter.objectives))
    params, more = rows(
        parse(adapter.search_ranges()),
        earlier.space if earlier else None,
        read_params(site.project),
    )
    was = earlier.settings if earlier else usual
    known = dict.fromkeys(
        name for run in site.runs.runs() for name in metrics.names(run.metrics) if ":" in name
    )
    written = [*was.objectives, *[""] * OBJECTIVES][:OBJECTIVES]
    objectives = [(text.removeprefix(MINIMIZE), text.startswith(MINIMIZE)) for text in written]
    return page(
        request,
        "study_new.html",
        was=was,
        earlier=name,
        params=params,
        more=more,
        objectives=objectives,
        metrics=list(known),
        engines=sorted(list_engines(), key=lambda name: name != "optuna"),
        pruners=pruners(),
        runners=RUNNERS,
        studies=site.store.names(),
    )


@router.post("/studies")
def made(request: Request, form: Form) -> Response:
    """Create the study of the form, and run it if that was asked for."""
    site, name = site_of(request), str(form.get("name", "")).strip()
    adapter = adapter_of(site)
    settings = proposed(site.project, adapter, space_of(form, adapter), asked_of(form))
    earlier = str(form.get("earlier") or "")
    create(site.store, name, settings, site.study(earlier) if earlier else None)
    if form.get("start"):
        start(site, name)
    return to(f"/studies/{name}")


def pruners() -> list[str]:
    """The names of those that can be had."""
    try:
        from studio.engines.optuna_pruning import PRUNERS
    except ImportError:
        return ["none"]
    return list(PRUNERS)


def adapter_of(site: Site) -> Adapter:
    """That of the project.

    Raises:
        StudioError: There is none.
    """
    adapter = site.adapter
    if adapter is None:
        raise StudioError(
            "no adapter knows the parameters of this project; one says which ranges to search "
            "(docs/studies.md, plugins)"
        )
    return adapter


def asked_of(form: FormData) -> dict[str, Any]:
    """The settings of a form's fields; an empty one is not asked for.

    Raises:
        StudioError: A number is none.
    """
    found: dict[str, Any] = {"options": {"pruner": str(form.get("pruner") or "none")}}
    for name, kind in KINDS.items():
        text = str(form.get(name) or "").strip()
        try:
            found |= {name: kind(text)} if text else {}
        except ValueError:
            raise StudioError(f"{name} must be a number; got '{text}'") from None
    return found | {"objectives": list(_objectives(form))}


def space_of(form: FormData, adapter: Adapter) -> Space:
    """The adapter's ranges with each parameter searched, fixed, or left alone as the form says.

    Raises:
        StudioError: A value or a range cannot be.
    """
    recommended = parse(adapter.search_ranges())
    changes = {param.name: _changed(form, param) for param in recommended}
    for line in str(form.get("more") or "").splitlines():
        name, equals, given = line.partition("=")
        if not equals and line.strip():
            raise StudioError(f"each line is PARAMETER=RANGE; got '{line}'")
        if equals:
            changes[name.strip()] = read_value(given)
    return recommended.changed(changes)


def _objectives(form: FormData) -> Iterator[str]:
    for place in range(OBJECTIVES):
        if text := str(form.get(f"objective{place}") or "").strip().removeprefix(MINIMIZE):
            yield (MINIMIZE if form.get(f"direction{place}") == "minimize" else "") + text


def _changed(form: FormData, param: Param) -> Any:
    mode = form.get(f"mode:{param.name}", "search")
    if mode == "fix":
        text = str(form.get(f"value:{param.name}") or "")
        if not text.strip():
            raise StudioError(f"{param.name} is to be fixed; give the value, or leave it as it is")
        return read_value(text)
    if mode == "leave":
        return None
    described = param.described()
    for end in ("low", "high"):
        if text := str(form.get(f"{end}:{param.name}") or ""):
            described[end] = read_value(text)
    return described
