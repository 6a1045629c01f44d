"""Model adapters: plugins that tell the platform what it must know of a model.

Packages bring theirs through the entry point group `studio.adapters`; a program registers one with
`register_adapter`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar

from studio.adapters.demo import Demo
from studio.errors import StudioError

GROUP = "studio.adapters"
_registered: dict[str, Adapter] = {}


class Adapter(ABC):
    """What a model says of itself.

    Attributes:
        name: By which it is asked for.
        objectives: What a study improves unless told otherwise, as `studio.objective` reads it.
        epochs, subset: The parameters that make a trial cheaper: the number of epochs, and the
            share of the rows it is trained on.
        commands: What makes the objective anew, run one after the other in a copy of the project.
        inputs: What these read apart from parameters: files and folders, none of which they change.
        sections: The parameters that these commands heed, by the start of their names.
        lower: The last words of those metrics of which less is better, beyond what their names say.
        demo_files: Files and folders of a run that `demo` reads.
    """

    name: ClassVar[str]
    objectives: ClassVar[Sequence[str]]
    epochs: ClassVar[str]
    subset: ClassVar[str]
    commands: ClassVar[Sequence[Sequence[str]]]
    inputs: ClassVar[Sequence[str]]
    sections: ClassVar[Sequence[str]]
    lower: ClassVar[Sequence[str]] = ()
    demo_files: ClassVar[Sequence[str]] = ()

    @abstractmethod
    def search_ranges(self) -> Mapping[str, Any]:
        """The recommended space, as `studio.space` reads it."""

    def demo(self, folder: Path, project: Path) -> Demo | None:
        """Searches of a run; `None`: the model has nothing to search.

        Args:
            folder: The project, or copies of the run's `demo_files` and nothing else.
            project: Has what belongs to no run, such as files of the user that parameters name.

        Raises:
            StudioError: Something of the run is missing, or does not fit the rest of it.
        """
        return None


def register_adapter(adapter: Adapter) -> None:
    """Make an adapter known by its name."""
    _registered[adapter.name] = adapter


def list_adapters() -> list[str]:
    """The names of all adapters."""
    return sorted({*_registered, *(point.name for point in entry_points(group=GROUP))})


def get_adapter(name: str | None) -> Adapter:
    """The adapter of that name; without a name, the only one there is.

    Raises:
        StudioError: There is none, or there are several to choose from.
    """
    known = list_adapters()
    if name is None and len(known) == 1:
        name = known[0]
    if name in _registered:
        return _registered[name]
    for point in entry_points(group=GROUP, name=name or ""):
        adapter: Adapter = point.load()()
        return adapter
    asked = f"no adapter '{name}'" if name else "which adapter? name one"
    raise StudioError(f"{asked}; known: {', '.join(known) or 'none'}")
