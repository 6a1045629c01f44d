"""What a module imports, directly or not: local modules by reading the source, others by trying."""

import ast
import os
import subprocess
import sys
from pathlib import Path

PACKAGES = ("agch", "stages")


def local_imports(path: str, root: Path) -> set[str]:
    """Files of our packages that importing `path` can execute, imports in functions included."""
    found: set[str] = set()
    todo = [path, *_packages_of(path)]
    while todo:
        file = todo.pop()
        if file not in found:
            found.add(file)
            todo += _direct(root / file, root)
    return found


def loaded(module: str, names: set[str], root: Path) -> set[str]:
    """Those of `names` that are loaded once `module` is imported, in a process of its own."""
    script = f"import {module}, sys; print(*({names} & {{*sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def _direct(file: Path, root: Path) -> list[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{file}: relative imports are not followed"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    files: list[str] = []
    for name in names:
        if name.split(".")[0] in PACKAGES:
            stem = name.replace(".", "/")
            for candidate in (f"{stem}.py", f"{stem}/__init__.py"):
                if (root / candidate).is_file():
                    files += [candidate, *_packages_of(candidate)]
    return files


def _packages_of(file: str) -> list[str]:
    return [f"{parent}/__init__.py" for parent in Path(file).parents if str(parent) != "."]
