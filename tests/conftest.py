"""What tests of the library and of the stages share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision import models

torch.set_num_threads(1)  # the tests are small and run side by side


@pytest.fixture(scope="session")
def alexnet_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AlexNet's state dict in a small file: each row of a matrix is the one above, moved by one."""
    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        shapes = {name: p.shape for name, p in models.alexnet().state_dict().items()}
    weights = {}
    for name, (rows, *rest) in shapes.items():
        columns = torch.Size(rest).numel()
        values = torch.randn(rows + columns, generator=generator) / max(columns, 10) ** 0.5
        weights[name] = values.as_strided((rows, columns), (1, 1))
        weights[name] = weights[name].reshape(rows, *rest) if len(rest) != 1 else weights[name]
    path = tmp_path_factory.mktemp("weights") / "alexnet.pth"
    torch.save(weights, path)
    assert path.stat().st_size < 20e6
    return path
