"""Which local modules a module imports, directly or not, found by reading the source."""

import ast
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
