"""Free memory: the least of machine and control groups, from made files; of a CUDA device."""

from pathlib import Path

import pytest
import torch

from agch.free_memory import free_memory

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
MEMINFO = (
    "MemTotal:       9000 kB\nMemFree:        1 kB\nMemAvailable:   4000 kB\nHugePages_Free: 0"
)
NO_LIMIT = 2**63 - 4096  # how version 1 writes it


def write(root: Path, files: dict[str, object]) -> None:
    """Files of one line or more by their paths below `root`."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{content}\n")


def machine(root: Path, groups: str = "0::/") -> None:
    """A machine with 4,000 KiB available and a process in these groups."""
    write(root, {"proc/meminfo": MEMINFO, "proc/self/cgroup": groups})


def group_2(root: Path, name: str, limit: object, used: int, stat: str = "anon 0") -> None:
    """A control group of version 2."""
    files = {"memory.max": limit, "memory.current": used, "memory.stat": stat}
    write(root / f"sys/fs/cgroup{name}", files)


def group_1(root: Path, name: str, limit: int, used: int, stat: str = "rss 0") -> None:
    """A control group of version 1."""
    files = {"limit_in_bytes": limit, "usage_in_bytes": used, "stat": stat}
    folder = root / f"sys/fs/cgroup/memory{name}"
    write(folder, {f"memory.{file}": content for file, content in files.items()})


def test_without_control_groups_it_is_what_the_machine_has_available(tmp_path):
    write(tmp_path, {"proc/meminfo": MEMINFO})
    assert free_memory(CPU, tmp_path) == 4000 * 1024


def test_nothing_is_known_where_there_is_no_proc(tmp_path):
    # macOS and Windows
    assert free_memory(CPU, tmp_path) is None


def test_group_of_version_2_leaves_its_limit_less_what_is_used(tmp_path):
    machine(tmp_path)
    group_2(tmp_path, "", limit=1000, used=300)
    assert free_memory(CPU, tmp_path) == 700


def test_group_of_version_1_leaves_its_limit_less_what_is_used(tmp_path):
    machine(tmp_path, "5:cpu,cpuacct:/\n4:memory:/jobs/one\n0::/")
    group_1(tmp_path, "/jobs/one", limit=1000, used=300)
    assert free_memory(CPU, tmp_path) == 700


def test_group_with_more_room_than_the_machine_does_not_count(tmp_path):
    machine(tmp_path)
    group_2(tmp_path, "", limit=9000 * 1024, used=0)
    assert free_memory(CPU, tmp_path) == 4000 * 1024


def test_group_without_a_limit_does_not_count(tmp_path):
    machine(tmp_path, "4:memory:/\n0::/")
    group_2(tmp_path, "", limit="max", used=5000 * 1024)
    group_1(tmp_path, "", limit=NO_LIMIT, used=5000 * 1024)
    assert free_memory(CPU, tmp_path) == 4000 * 1024


def test_outer_group_limits_an_inner_one(tmp_path):
    # inner 900 left, outer 200, the outermost has no files, as the root of version 2
    machine(tmp_path, "0::/outer/inner")
    group_2(tmp_path, "/outer/inner", limit=1000, used=100)
    group_2(tmp_path, "/outer", limit=500, used=300)
    assert free_memory(CPU, tmp_path) == 200


def test_container_that_sees_its_own_group_as_the_outermost_is_limited(tmp_path):
    # version 1 names the group as the host does, but only its own is mounted
    machine(tmp_path, "4:memory:/docker/12ab")
    group_1(tmp_path, "", limit=1000, used=300)
    assert free_memory(CPU, tmp_path) == 700


def test_groups_beside_that_of_this_process_do_not_count(tmp_path):
    machine(tmp_path, "0::/mine")
    group_2(tmp_path, "/mine", limit=1000, used=300)
    group_2(tmp_path, "/other", limit=10, used=10)
    assert free_memory(CPU, tmp_path) == 700


def test_pages_of_files_are_not_used_memory(tmp_path):
    # 1000 - 900 + 30 + 500; what lies in a tmpfs is counted in `file`, and stays
    machine(tmp_path)
    stat = "anon 170\nfile 730\nshmem 200\ninactive_file 500\nactive_file 30"
    group_2(tmp_path, "", limit=1000, used=900, stat=stat)
    assert free_memory(CPU, tmp_path) == 630


def test_pages_of_files_in_inner_groups_of_version_1_count_as_well(tmp_path):
    machine(tmp_path, "4:memory:/")
    stat = "inactive_file 1\nactive_file 2\ntotal_inactive_file 500\ntotal_active_file 30"
    group_1(tmp_path, "", limit=1000, used=900, stat=stat)
    assert free_memory(CPU, tmp_path) == 630


def test_group_beyond_its_limit_leaves_nothing(tmp_path):
    machine(tmp_path)
    group_2(tmp_path, "", limit=1000, used=1200)
    assert free_memory(CPU, tmp_path) == 0


def test_on_cuda_it_is_what_the_device_has_free(tmp_path, monkeypatch):
    machine(tmp_path)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (123, 456))
    assert free_memory(CUDA, tmp_path) == 123


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="needs Linux")
def test_this_machine_has_some_memory_and_not_more_than_it_has():
    total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    free = free_memory(CPU)
    assert free is not None and 0 < free <= total
