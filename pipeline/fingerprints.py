"""What a cached result depends on beside its inputs: the code, and the installed versions."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Iterator
from pathlib import Path

_PACKAGES = ("recsys_tf", "pipeline")
_LIBRARIES = (
    "keras",
    "keras-nlp",
    "numpy",
    "tensorflow",
    "tensorflow-recommenders",
    "tensorflow-text",
    "tensorflow-transform",
)


def code_fingerprint(module: str) -> str:
    """Hashes a module and everything of this project that it imports, with the libraries' versions.

    TFX's cache knows a component's inputs and parameters, but not the code that it runs; this goes
    into the parameters. Only what Python would execute counts: a comment changes nothing, nor does
    a module that is never imported from here.

    Args:
        module: Dotted name.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name in sorted(_reached(module)):
        path = _source(name)
        if path is not None:
            digest.update(f"{name}\n{ast.dump(_tree(path))}\n".encode())
    for library in _LIBRARIES:
        digest.update(f"{library} {_version(library)}\n".encode())
    return digest.hexdigest()


def _reached(module: str) -> set[str]:
    reached: set[str] = set()
    open_names = [module]
    while open_names:
        name = open_names.pop()
        path = _source(name)
        if name in reached or path is None:
            continue
        reached.add(name)
        # Importing `a.b` executes `a` as well.
        open_names += [name.rpartition(".")[0]] if "." in name else []
        open_names += [each for each in _imports(path, name) if each.split(".")[0] in _PACKAGES]
    return reached


def _imports(path: Path, name: str) -> Iterator[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *([base] if base else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _source(name: str) -> Path | None:
    """Returns a module's file without importing it, None where the name is no module."""
    root = importlib.util.find_spec(name.split(".")[0])
    if root is None or not root.submodule_search_locations:
        return None
    path = Path(next(iter(root.submodule_search_locations))).joinpath(*name.split(".")[1:])
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
