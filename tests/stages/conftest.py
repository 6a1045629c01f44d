"""A whole project on 40 made pictures: the real stages, DVC and git, in a folder of the test's."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image, ImageDraw

ROOT = Path(__file__).parents[2]
COPIED = (
    "agch",
    "stages",
    ".dvc/config",
    ".dvc/.gitignore",
    ".dvc/plots",
    ".dvcignore",
    ".gitignore",
    "dvc.yaml",
)
COLOURS = ("red", "green", "blue", "black")
SHAPES = ("disc", "box")


@dataclass(frozen=True)
class Project:
    """A git and DVC repository of its own."""

    path: Path

    def run(
        self, *command: str, check: bool = True, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the project with the tests' interpreter first on PATH."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        result = subprocess.run(
            command,
            cwd=self.path,
            env=os.environ | {"PATH": path} | env,
            capture_output=True,
            text=True,
        )
        assert not check or result.returncode == 0, result.stdout + result.stderr
        return result

    def set(self, **sections: dict[str, Any]) -> None:
        """Change values of params.yaml."""
        params = yaml.safe_load((self.path / "params.yaml").read_text())
        for section, values in sections.items():
            params[section] |= values
        (self.path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))

    def lock(self) -> dict[str, Any]:
        """The parsed dvc.lock."""
        return yaml.safe_load((self.path / "dvc.lock").read_text())["stages"]

    def outs(self) -> dict[str, str]:
        """md5 of every out, by path."""
        stages = self.lock().values()
        return {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", [])}

    def json(self, path: str) -> Any:
        """A parsed JSON file."""
        return json.loads((self.path / path).read_text())


def make_archive(path: Path) -> None:
    """40 pictures of a shape in a colour, one of them unlike any other; labels are the shapes."""
    with zipfile.ZipFile(path, "w") as archive:
        lines = []
        for index in range(40):
            colour, shape = COLOURS[index % 4], SHAPES[index // 4 % 2]
            name = f"images/{index:03}.png"
            archive.writestr(zipfile.ZipInfo(name), picture(colour, shape, 8 + index // 4))
            tags = [colour, "round" if shape == "disc" else "square", 3 * "abcde"[index % 5]]
            tags += [3 * "mnopqrs"[index % 7], 3 * "xyz"[index % 3]]
            lines.append(
                {"id": f"{index:03}", "image": name, "title": "made", "tags": tags}
                | {"labels": [f"{shape}_shapes"], "paths": [f"{shape}/{index}.png"]}
            )
        manifest = "".join(json.dumps(line) + "\n" for line in lines)
        archive.writestr(zipfile.ZipInfo("manifest.jsonl"), manifest)


def picture(colour: str, shape: str, radius: int) -> bytes:
    """A 48 x 48 PNG."""
    image = Image.new("RGB", (48, 48), "white")
    box = (24 - radius, 24 - radius, 24 + radius, 24 + radius)
    draw = ImageDraw.Draw(image)
    (draw.ellipse if shape == "disc" else draw.rectangle)(box, fill=colour)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def make_project(path: Path) -> Project:
    """Copy the pipeline, add the made source, shrink the parameters, commit."""
    for name in COPIED:
        source, target = ROOT / name, path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    shutil.copy(ROOT / "params.yaml", path)
    make_archive(path / "made.zip")
    project = Project(path)
    project.set(
        data={"path": "made.zip"},
        split={"query": 8, "train": 1.0, "validation": 8},
        train={
            **{"bits": 8, "epochs": 4, "batch": 8, "lambda": 10.0, "hidden": 32},
            "gcn_hidden": [16, 16],
            "learning_rate": dict.fromkeys(("image", "text", "fusion", "gcn"), 0.01),
        },
        baseline={"components": 64},
        evaluate={"metrics": ["map@5", "map", "p@1", "p@5", "p@radius2"]},
    )
    for command in (
        ["git", "init", "-q", "-b", "main"],
        ["git", "config", "user.name", "test"],
        ["git", "config", "user.email", "test@example.com"],
        ["git", "add", "-A"],
        ["git", "commit", "-qm", "made"],
    ):
        project.run(*command)
    return project


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after one `dvc repro`; tests may look at it and must not change it."""
    project = make_project(tmp_path_factory.mktemp("reproduced") / "project")
    project.run("dvc", "repro")
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "reproduced")
    return project


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """A project in which nothing has run."""
    return make_project(tmp_path / "a place with spaces")
