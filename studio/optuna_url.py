"""Databases that hold Optuna's storage, whose errors people can read and which tell no password."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, get_storage

from studio.errors import StudioError

TORN = re.compile(r"://[^/:@]*:[^@]*@[^?]*@")
"""A URL whose password ends too early: drivers take the rest for a host, and print it."""


class Remote:
    """A database that may be gone at any moment: what it cannot do is an error of ours."""

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> Callable[..., Any]:
        from sqlalchemy.exc import SQLAlchemyError

        do = getattr(self._storage, name)

        def done(*words: Any, **more: Any) -> Any:
            try:
                return do(*words, **more)
            except (StorageInternalError, SQLAlchemyError) as error:
                raise StudioError(f"the storage of the studies fails: {why(error)}") from error

        return done


def database(url: str) -> BaseStorage:
    """The database that a URL names.

    Raises:
        ValueError: The URL cannot be read. Drivers and databases raise other errors.
    """
    try:
        if TORN.search(url):
            raise ValueError(url)
        return cast(BaseStorage, Remote(get_storage(url)))
    except ValueError:  # which repeats what may belong to the password
        raise ValueError("its URL cannot be read; a password has '%40' for '@'") from None


def place(url: str) -> str:
    """Which database a URL names, without what lets one in; "" if it cannot be read."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        return ""
    return f"{found.drivername}://{found.host or ''}:{found.port or ''}/{found.database or ''}"


def why(error: BaseException) -> str:
    """What lies behind an error, in a line."""
    while error.__cause__:
        error = error.__cause__
    return " ".join(str(error).split())
