"""The pinned environment, seen from fresh processes, and the choice of the device."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from agch.errors import InputError
from agch.runtime import INSTRUCTION_SET, RuntimeParams, pin_runtime, seeded

ROOT = Path(__file__).parents[2]
OBSERVE = """
import json, os
import stages
import torch
from agch.mkl import takes_avx2
from agch.runtime import RuntimeParams, pin_runtime
from stages import params
pin_runtime(params.load("runtime", RuntimeParams))
print(json.dumps({
    "kernels": torch.backends.cpu.get_cpu_capability(),
    "threads": torch.get_num_threads(),
    "mkl": (os.environ["MKL_CBWR"], takes_avx2()),
    "onednn": os.environ["ONEDNN_MAX_CPU_ISA"],
    "cublas": os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    "deterministic": torch.are_deterministic_algorithms_enabled(),
    "subnormal": (torch.tensor([1e-38]) / 1000).item(),
}))
"""


def output(folder, reproducibility, script, **caller):
    """What a stage's process prints as JSON, in a folder with its own parameters."""
    (folder / "params.yaml").write_text(
        f"runtime: {{reproducibility: {reproducibility}, threads: 3, device: cpu}}\n"
    )
    outside = {k: v for k, v in os.environ.items() if k != "CUBLAS_WORKSPACE_CONFIG"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=outside | {"PYTHONPATH": str(ROOT)} | caller,
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("kernels", ["avx512", "default"])
def test_strict_pins_kernels_and_threads_whatever_the_caller_has_set(tmp_path, kernels):
    caller = {"MKL_CBWR": "AVX512", "ONEDNN_MAX_CPU_ISA": "SSE41", "OMP_NUM_THREADS": "1"}
    assert output(tmp_path, "strict", OBSERVE, ATEN_CPU_CAPABILITY=kernels, **caller) == {
        "kernels": "AVX2",
        "threads": 3,
        "mkl": ["AVX2", True],
        "onednn": "AVX2",
        "cublas": ":4096:8",
        "deterministic": True,
        "subnormal": 0.0,
    }


def test_strict_says_where_mkl_has_taken_another_branch(torch_settings, monkeypatch, capsys):
    for taken, told in ((True, ""), (False, "warning: torch's MKL")):
        monkeypatch.setattr("agch.runtime.takes_avx2", lambda: taken)
        pin()
        assert capsys.readouterr().out.startswith(told)
        pin(reproducibility="fast")
        assert capsys.readouterr().out == ""


def test_a_branch_that_mkl_has_taken_before_is_noticed(tmp_path):
    script = "import json, torch; torch.eye(9) @ torch.eye(9); from agch.mkl import takes_avx2; "
    script += "print(json.dumps(takes_avx2()))"
    assert output(tmp_path, "strict", script, MKL_CBWR="COMPATIBLE") is False


def test_fast_leaves_the_instruction_set_to_the_caller(tmp_path):
    caller = dict.fromkeys(INSTRUCTION_SET, "the caller's")
    script = "import json, os, stages; print(json.dumps(dict(os.environ)))"
    found = output(tmp_path, "fast", script, **caller)
    assert {key: found[key] for key in INSTRUCTION_SET} == caller


@pytest.fixture
def torch_settings(monkeypatch):
    """Leave this process's torch as it was."""
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    backends = torch.backends
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    flags = backends.cudnn.benchmark, backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32
    yield
    torch.set_flush_denormal(False)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)
    backends.cudnn.benchmark, backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32 = flags


def pin(device="cpu", reproducibility="strict"):
    return pin_runtime(RuntimeParams(reproducibility=reproducibility, threads=1, device=device))


@pytest.mark.parametrize(
    ("asked", "has_cuda", "chosen"),
    [
        ("cpu", False, "cpu"),
        ("cpu", True, "cpu"),
        ("auto", False, "cpu"),
        ("auto", True, "cuda"),
        ("cuda", True, "cuda"),
    ],
)
def test_the_device_is_the_one_asked_for(torch_settings, monkeypatch, asked, has_cuda, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_cuda)
    assert pin(asked) == torch.device(chosen)


def test_cuda_that_is_not_there_is_the_users_to_mend(torch_settings, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="'cuda'.* no CUDA device.*-S runtime.device=cpu"):
        pin("cuda")


@pytest.mark.parametrize("reproducibility", ["strict", "fast"])
def test_strict_takes_no_tf32_and_no_trial_runs_of_kernels(torch_settings, reproducibility):
    pin(reproducibility=reproducibility)
    free = reproducibility == "fast"
    assert torch.backends.cudnn.allow_tf32 is free
    assert torch.backends.cuda.matmul.allow_tf32 is free
    assert torch.backends.cudnn.benchmark is free
    assert torch.are_deterministic_algorithms_enabled() is not free


def test_a_workspace_chosen_by_the_caller_stays(torch_settings, monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    pin()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


@pytest.fixture
def random_state():
    with torch.random.fork_rng(devices=[]):
        yield


def test_a_seed_repeats_both_streams(random_state):
    streams = []
    for _ in range(2):
        generator = seeded(7)
        streams.append([torch.rand(3), torch.rand(3, generator=generator)])
    torch.testing.assert_close(streams[0], streams[1], rtol=0, atol=0)
    generator = seeded(8)
    assert not torch.equal(torch.rand(3), streams[0][0])
    assert not torch.equal(torch.rand(3, generator=generator), streams[0][1])


def test_drawing_from_one_stream_does_not_move_the_other(random_state):
    generator = seeded(7)
    plain, own = torch.rand(3), torch.rand(3, generator=generator)
    generator = seeded(7)
    torch.rand(100, generator=generator)
    assert torch.equal(torch.rand(3), plain)
    generator = seeded(7)
    torch.rand(100)
    assert torch.equal(torch.rand(3, generator=generator), own)
