"""A project whose adapter can search three pictures, for tests of pages and API."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from studio import adapters
from studio.adapters.agch_upload import picture_of
from studio.adapters.demo import (
    Answer,
    Choice,
    Demo,
    Description,
    Hit,
    Method,
    Picture,
    Side,
    UnknownItem,
)
from studio.errors import StudioError

from .conftest import Parabola
from .runs_repository import repository

WORDS = ["black cat", "blue sky", "red box"]
HERE = "http://127.0.0.1"


class ThreePictures(Demo):
    """Item n has the words n, and lies n steps from everything that asks."""

    def describe(self) -> Description:
        return Description("made here", "free", "none", len(WORDS), True)

    def choices(self) -> Sequence[Choice]:
        return [Choice("long", "all steps"), Choice("short", "few steps")]

    def methods(self) -> Sequence[Method]:
        return [Method("steps", "steps", "Counts them.")]

    def samples(self) -> Sequence[str]:
        return WORDS[:1]

    def complete(self, prefix: str, limit: int) -> Sequence[str]:
        return [word for word in WORDS if word.startswith(prefix)][:limit]

    def by_words(self, text: str, choice: str, method: str, k: int) -> Answer:
        self._check(choice, method)
        if text not in WORDS:
            raise StudioError(f"no word of '{text}' is known")
        return self._nearest([text], k)

    def by_picture(
        self, data: bytes, choice: str, method: str, k: int, towards: Side = "words"
    ) -> Answer:
        self._check(choice, method)
        picture_of(data)
        return self._nearest([], k)

    def by_item(self, item: int, towards: Side, choice: str, method: str, k: int) -> Answer:
        self._check(choice, method)
        self.thumbnail(item)
        return self._nearest([WORDS[item]], k)

    def thumbnail(self, item: int) -> Picture:
        if not 0 <= item < len(WORDS):
            raise UnknownItem(f"no item {item}")
        return Picture(b"GIF89a", "image/gif")

    def _check(self, choice: str, method: str) -> None:
        if choice not in ("long", "short") or method != "steps":
            raise StudioError(f"no choice '{choice}' with '{method}'")

    def _nearest(self, used: Sequence[str], k: int) -> Answer:
        hits = [
            Hit(n + 1, n, f"no. {n}", [WORDS[n]], n, f"{n} of 3", 1 - n / 3, 0, None)
            for n in range(min(k, len(WORDS)))
        ]
        return Answer(hits, used, [], None, 0.0)


class Searchable(Parabola):
    """Fits the parameters of `runs_repository`."""

    name = "searchable"
    objectives = ("scores.json:deep.score",)
    epochs = "fit.seconds"
    subset = "fit.none"

    def search_ranges(self) -> dict[str, Any]:
        return {"fit.x": {"low": 0.0, "high": 6.0}, "seed": {"low": 0, "high": 5}}

    def demo(self, folder: Path, project: Path) -> Demo | None:
        return ThreePictures()


def project_of(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch, searchable: bool
) -> Path:
    """A copy of the repository, as the current folder; its adapter is the only one, if any."""
    folder = tmp_path / "project"
    shutil.copytree(repository(base), folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(adapters, "entry_points", lambda **group: ())
    if searchable:
        monkeypatch.setitem(adapters._registered, Searchable.name, Searchable())
    return folder
