"""What the demo remembers between two runs, so that the second one need not even load TFX."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_tf.config import RunConfig

if TYPE_CHECKING:
    from recsys_tf.datasets import Interactions

_FILE = "demo.json"
# All that a pipeline makes in its folder; nothing else is ever deleted.
_MADE_HERE = (
    "artifacts", "checkpoints", "data", "logs", "schemas", "serving", "metadata.sqlite", _FILE,
)  # fmt: skip
_LIBRARIES = ("tensorflow", "keras", "keras-nlp", "tensorflow-recommenders", "tfx", "numpy")
# Changing how results are shown does not make them stale.
_DISPLAY = "cli"


@dataclass(frozen=True)
class DemoResult:
    """What the pipeline and the baselines came to.

    Attributes:
        is_published: Whether the model passed, and was not withdrawn.
        reasons: Why not.
        version: The published version's number; None where it did not pass.
        path: The published version's folder.
        metrics: The model's values by slice and `<task>/<metric>`.
        baselines: Values by baseline and `<task>/<metric>`.
    """

    is_published: bool
    reasons: list[str]
    version: int | None
    path: str
    metrics: dict[str, dict[str, float]]
    baselines: dict[str, dict[str, float]]


def demo_key(run: RunConfig, interactions: Interactions) -> str:
    """Returns a digest of everything that decides the result: run, data, code and libraries."""
    from recsys_tf.datasets import interactions_digest

    digest = hashlib.sha256(json.dumps(run.to_dict(), sort_keys=True).encode())
    digest.update(interactions_digest(interactions).encode())
    for path in sorted(_sources()):
        digest.update(path.as_posix().encode() + path.read_bytes())
    for library in _LIBRARIES:
        digest.update(f"{library} {_version(library)}".encode())
    return digest.hexdigest()


def recall(folder: Path, key: str) -> DemoResult | None:
    """Returns what an earlier run with the same key came to, if its model is still there."""
    try:
        values = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        if values.pop("key") != key:
            return None
        result = DemoResult(**values)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return result if (Path(result.path) / "saved_model.pb").is_file() else None


def remember(folder: Path, key: str, result: DemoResult) -> None:
    """Keeps a result for the next run, whole or not at all."""
    writing = folder / f".{_FILE}.writing"
    writing.write_text(json.dumps({"key": key, **asdict(result)}, indent=2), encoding="utf-8")
    os.replace(writing, folder / _FILE)


def forget(folder: Path) -> None:
    """Deletes what earlier runs made, and nothing else that may lie there.

    Raises:
        PipelineError: If a run is at work in the folder.
    """
    from pipeline.root_lock import only_run

    with only_run(folder):
        for name in _MADE_HERE:
            path = folder / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _sources() -> Iterator[Path]:
    package = Path(__file__).parents[1]
    for folder in (package, package.parent / "pipeline"):
        for path in folder.rglob("*.py"):
            if _DISPLAY not in path.relative_to(folder).parts:
                yield path


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
