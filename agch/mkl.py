"""MKL's AVX2 branch on CPUs of every maker.

`MKL_CBWR=AVX2` asks MKL, which multiplies torch's matrices on a CPU, for the same bits on every CPU
with AVX2. MKL grants it to Intel's alone; on others it silently takes a branch of its own choice,
whose sums end in other bits. It looks up the CPU's maker once and keeps the answer: here the answer
is given before MKL looks, and what MKL says of its branch afterwards is the proof.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

AVX2 = 10
"""MKL_CBWR_AVX2 of MKL's header."""
READS = b"\x8b\x05"
"""How the function that tells the maker begins: it reads a number, four bytes say how far off."""
ANSWERS = (-1, 0)
"""What that number is where MKL has not looked yet, and where the maker is not Intel; else 1."""


def takes_avx2() -> bool:
    """Have MKL take the branch that `MKL_CBWR=AVX2` asks for; before torch multiplies.

    Returns:
        Whether it does. It does not where it has multiplied in another branch before, where the CPU
        has no AVX2, or where torch multiplies by another library.
    """
    import torch

    try:
        mkl = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        code = ctypes.cast(mkl.mkl_serv_intel_cpu_true, ctypes.c_void_p).value or 0
        if ctypes.string_at(code, 2) == READS:
            away = ctypes.c_int.from_address(code + 2).value
            answer = ctypes.c_int.from_address(code + 6 + away)
            if answer.value in ANSWERS:
                answer.value = 1
        return bool(mkl.mkl_serv_cbwr_get(1) == AVX2)
    except (OSError, AttributeError):
        return False
