"""How much memory is free: on a CUDA device, or for this process under Linux."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch


class ControlGroups(NamedTuple):
    """The files by which one version of Linux's control groups limits the memory of a container.

    Attributes:
        mount: Folder of the outermost group.
        limit, used: Names of the files that hold one number of bytes each.
        prefix: Of the entries in `memory.stat` that count the inner groups, too.
    """

    mount: str
    limit: str
    used: str
    prefix: str

    def left(self, group: Path) -> Iterator[int]:
        """Bytes that one group leaves of its limit; nothing where it has none.

        Pages of files are not counted as used: they go when memory is short.
        """
        limit, used = (_read(group / name).strip() for name in (self.limit, self.used))
        if limit.isdecimal() and used.isdecimal():  # else absent, or "max"
            kinds = _table(group / "memory.stat")
            pages = [kinds.get(f"{self.prefix}{kind}_file", 0) for kind in ("active", "inactive")]
            yield max(0, int(limit) - int(used) + sum(pages))


VERSIONS = {
    "": ControlGroups("sys/fs/cgroup", "memory.max", "memory.current", ""),
    "memory": ControlGroups(
        "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"
    ),
}
"""By what stands between the colons of a line in /proc/self/cgroup: version 2, version 1."""


def free_memory(device: torch.device, root: Path = Path("/")) -> int | None:
    """Bytes free on a CUDA device, or for this process on Linux; `None` where nobody says.

    On Linux it is the least of what the machine has available and what each control group that
    this process is in leaves of its limit.

    Args:
        root: Where `proc` and `sys` are.
    """
    if device.type == "cuda":
        free: int = torch.cuda.mem_get_info(device)[0]
        return free
    kib = _table(root / "proc/meminfo").get("MemAvailable:")
    machine = [] if kib is None else [1024 * kib]
    return min([*machine, *_groups(root)], default=None)


def _groups(root: Path) -> Iterator[int]:
    """Bytes left in each group with a limit, from this process's own to the outermost."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if version := VERSIONS.get(controllers):
            mount = root / version.mount
            own = mount / path.lstrip("/")
            for group in (own, *own.parents):
                if group.is_relative_to(mount):
                    yield from version.left(group)


def _table(path: Path) -> dict[str, int]:
    """First word and number of each line; nothing where there is no such file."""
    lines = (line.split() for line in _read(path).splitlines())
    return {words[0]: int(words[1]) for words in lines}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
