"""Search engines: plugins that say which parameters to try next.

An engine is a class derived from `BaseSearchEngine`. Packages bring their own through the entry
point group `studio.engines`; a program registers one with `register_engine`.
"""

from __future__ import annotations

from importlib.metadata import entry_points

from studio.engines.base import BaseSearchEngine
from studio.engines.random import RandomEngine
from studio.errors import StudioError

GROUP = "studio.engines"
_registered: dict[str, type[BaseSearchEngine]] = {}


def register_engine(engine: type[BaseSearchEngine]) -> type[BaseSearchEngine]:
    """Make an engine known by its name; works as a decorator."""
    _registered[engine.name] = engine
    return engine


def list_engines() -> list[str]:
    """The names of all engines, also of those whose own packages are missing."""
    return sorted({*_registered, *(point.name for point in entry_points(group=GROUP))})


def get_engine(name: str) -> type[BaseSearchEngine]:
    """The engine of that name.

    Raises:
        StudioError: There is none, or what it needs is not installed.
    """
    if name in _registered:
        return _registered[name]
    for point in entry_points(group=GROUP, name=name):
        try:
            engine: type[BaseSearchEngine] = point.load()
        except ImportError as error:
            raise StudioError(f"search engine '{name}' cannot be loaded: {error}") from error
        return engine
    raise StudioError(f"no search engine '{name}'; known: {', '.join(list_engines())}")


def engine_or_random(name: str) -> type[BaseSearchEngine]:
    """The engine of that name, or random search where what it needs is not installed.

    Whoever calls must tell: the engine used has its own name.
    """
    if name not in list_engines():
        return get_engine(name)
    try:
        return get_engine(name)
    except StudioError:
        return RandomEngine


register_engine(RandomEngine)
