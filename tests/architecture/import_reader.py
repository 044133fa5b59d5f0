"""Reads the installed packages' sources: which module imports what, and where."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Import:
    """One import: `module` imports `target`, in a function's body where `is_lazy`."""

    module: str
    target: str
    line: int
    is_lazy: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def package_folder(package: str) -> Path | None:
    """Returns where a package is installed, or None."""
    spec = importlib.util.find_spec(package)
    return Path(next(iter(spec.submodule_search_locations))) if spec else None


def modules(package: str) -> dict[str, Path]:
    """Returns the dotted name of each module of a package, and its file."""
    folder = package_folder(package)
    if folder is None:
        return {}
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(package: str) -> Iterator[Import]:
    """Yields every import that is written in a package."""
    for module, path in modules(package).items():
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        lazy = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            for target in _targets(node, module, is_package=path.stem == "__init__"):
                yield Import(module, target, node.lineno, id(node) in lazy)


def _targets(node: ast.AST, module: str, is_package: bool) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        parents = module.split(".")
        kept = parents[: len(parents) - node.level + is_package]
        base = ".".join([*kept, *([base] if base else [])])
    # `from recsys_tf import heads` names a module, not the package that holds it.
    return [f"{base}.{alias.name}" for alias in node.names]
