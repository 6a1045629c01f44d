"""What the platform must know of AGCH (`docs/method.md`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studio.adapters import Adapter
from studio.adapters.demo import Demo


class AGCHAdapter(Adapter):
    """Studies of the training; the validation rows decide, never the queries."""

    name = "agch"
    objectives = ("metrics/train.json:validation.i2t.map@50,validation.t2i.map@50",)
    epochs = "train.epochs"
    subset = "split.train"
    commands = (("python", "-m", "stages.split"), ("python", "-m", "stages.train"))
    inputs = ("agch", "stages", "data/features.h5")
    sections = ("train.", "split.train")
    lower = ("bit_balance", "bit_correlation", "collapsed", "skipped_steps")
    demo_files = ("params.yaml", "models/agch.pt", "data/index")

    def search_ranges(self) -> dict[str, Any]:
        """Around the committed values, a factor of two to four each way."""
        return {
            "train.alpha": {"low": 0.3, "high": 3.0, "log": True},
            "train.beta": {"low": 0.3, "high": 3.0, "log": True},
            "train.fusion": [True, False],
            "train.lambda": {
                "low": 50.0,
                "high": 500.0,
                "log": True,
                "when": {"train.fusion": True},
            },
            "train.delta": {"low": 0.003, "high": 0.1, "log": True},
            "train.gamma_v": {"low": 0.2, "high": 1.0},
            "train.gamma_t": {"low": 0.1, "high": 0.8},
            "train.learning_rate.image": {"low": 0.0004, "high": 0.003, "log": True},
            "train.learning_rate.text": {"low": 0.0004, "high": 0.004, "log": True},
            "train.extensions.contrastive": {"low": 0.7, "high": 5.0, "log": True},
            "train.extensions.temperature": {"low": 0.1, "high": 0.5},
            "train.extensions.dropout": {"low": 0.2, "high": 0.6},
        }

    def demo(self, folder: Path, project: Path) -> Demo:
        """By words, pictures, items; networks that `extract` names by a path are the project's."""
        from studio.adapters.agch_demo import AGCHDemo

        return AGCHDemo(folder, project)
