"""The numerical environment: what has to be fixed so that two runs give the same bytes.

On a CPU the results of torch depend on the instruction set its kernels pick and on the number of
threads. Both are pinned here: the first by environment variables, which torch and its libraries
read once, so they must be set before torch is imported; the second by a call.
On CUDA the deterministic kernels are asked for; bits are then equal per device class.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from agch.errors import InputError
from agch.mkl import takes_avx2
from agch.schema import section

if TYPE_CHECKING:
    import torch

INSTRUCTION_SET = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
}


@section
class RuntimeParams:
    """Section `runtime`: shared by every stage that computes with torch."""

    reproducibility: Literal["strict", "fast"]
    threads: Annotated[int, Field(ge=1, le=256)]
    device: Literal["cpu", "cuda", "auto"]


def pin_instruction_set() -> None:
    """Limit torch's kernels to AVX2, whatever the caller's environment says.

    Has an effect only before the first import of torch in the process.
    """
    os.environ.update(INSTRUCTION_SET)


def pin_runtime(params: RuntimeParams) -> torch.device:
    """Fix threads and algorithms for this process and choose the device.

    `strict` takes exactly `params.threads` threads and deterministic algorithms, with no TF32;
    `fast` leaves the algorithms free. Neither reads or sets a random state: see `seeded`.

    Returns:
        The device to compute on; `auto` is CUDA where there is one.

    Raises:
        InputError: `cuda` was asked for and there is none.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    import torch

    strict = params.reproducibility == "strict"
    if strict and not takes_avx2():
        print("warning: torch's MKL does not take its AVX2 branch here; other bytes may come out")
    torch.set_flush_denormal(True)  # weight decay drives idle weights there; 5 times slower else
    torch.set_num_threads(params.threads)
    torch.use_deterministic_algorithms(strict)
    torch.backends.cudnn.benchmark = not strict
    torch.backends.cudnn.allow_tf32 = not strict
    torch.backends.cuda.matmul.allow_tf32 = not strict
    has_cuda = torch.cuda.is_available()
    if params.device == "cuda" and not has_cuda:
        raise InputError(
            "runtime.device is 'cuda', but torch finds no CUDA device; "
            "use -S runtime.device=cpu, or install a CUDA build of torch and its driver"
        )
    return torch.device("cuda" if has_cuda and params.device != "cpu" else "cpu")


def seeded(seed: int) -> torch.Generator:
    """Seed torch everywhere and return a CPU generator of its own with the same seed.

    The global state feeds parameter initialisation; the generator feeds sampling, so that a
    change of the model does not change the order of the batches.
    """
    import torch

    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)
