"""What bit-for-bit reproducibility costs: strict against fast, as ratios in one run.

    python -m benchmarks.pinning

Each round times both modes in processes of their own, because the instruction set is chosen once.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from agch.runtime import RuntimeParams, pin_instruction_set, pin_runtime

ROUNDS = 3
MODES = ("strict", "fast")


def main() -> None:
    """Alternate the modes, print the ratio of their medians for each piece of work."""
    times: dict[str, dict[str, list[float]]] = {}
    for mode in MODES * ROUNDS:
        command = [sys.executable, "-m", "benchmarks.pinning", mode]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for work, seconds in json.loads(output).items():
            times.setdefault(work, {}).setdefault(mode, []).append(seconds)
    for work, by_mode in times.items():
        strict, fast = (statistics.median(by_mode[mode]) for mode in MODES)
        print(f"{work}: strict takes {strict / fast:.2f}x the time of fast")


def measure(mode: str) -> dict[str, float]:
    """Seconds of each piece of work in this process, under `mode`."""
    if mode == "strict":
        pin_instruction_set()
    params = {"reproducibility": mode, "threads": 2, "device": "cpu"}
    pin_runtime(RuntimeParams(**params))  # type: ignore[arg-type]
    import torch

    from agch.backbones import efficientnet_lite0
    from agch.features import forward
    from agch.model import Encoder

    network = efficientnet_lite0(None).network.to(memory_format=torch.channels_last)
    pixels = torch.randn(8, 3, 224, 224)
    hidden = torch.nn.Sequential(torch.nn.Linear(1280, 1024), torch.nn.ReLU())
    encoder = Encoder(1280, hidden, 1024, 64)
    rows = torch.randn(32, 1280)
    return {
        "features of a picture": best(lambda: forward(network, pixels)),
        "forward and backward of an encoder": best(
            lambda: encoder(rows)[1].square().mean().backward()
        ),
    }


def best(work: Callable[[], object]) -> float:
    """The shortest of 20 runs after one to warm up."""
    work()
    seconds = []
    for _ in range(20):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(measure(sys.argv[1])))
    else:
        main()
