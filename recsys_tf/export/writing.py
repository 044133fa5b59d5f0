"""Writes a SavedModel, whole or not at all."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from recsys_tf.disk import write_names_through, write_through
from recsys_tf.types import Tensor

# Not the publisher's: it deletes its own leftovers, under a lock that no export takes.
_WRITING = ".exporting-"


def write_saved_model(
    module: tf.Module,
    folder: str | Path,
    signatures: Callable[[], Mapping[str, Any]],
    describe: Callable[[Path], None],
) -> Path:
    """Writes a module with its signatures and a description beside the graph.

    A killed process leaves a folder `.exporting-...` beside it, which no server reads.

    Args:
        module: What the signatures read.
        folder: Where the SavedModel goes; must not exist or be empty.
        signatures: Makes the signatures by name, as `traced_signature` does.
        describe: Writes files for people and programs into `assets.extra`, whose path it gets.

    Returns:
        The folder.

    Raises:
        ValueError: If the folder holds something already.
        OSError: If it cannot be written; nothing is left behind. Only where the disk fails to keep
            the folder's name is it there, whole, in spite of the error.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(
            f"`folder` must be new or empty, received {str(folder)!r}; give another, or delete it."
        )
    made = signatures()
    folder.parent.mkdir(parents=True, exist_ok=True)
    # A server that polls the parent must never see a name of digits before the files are whole.
    writing = Path(tempfile.mkdtemp(prefix=_WRITING, dir=folder.parent))
    try:
        tf.saved_model.save(module, str(writing), signatures=made)
        extra = writing / "assets.extra"
        extra.mkdir(exist_ok=True)
        describe(extra)
        if folder.exists():
            folder.rmdir()
        writing.chmod(0o755)
        write_through(writing)
        os.replace(writing, folder)
    except BaseException:
        shutil.rmtree(writing, ignore_errors=True)
        raise
    write_names_through(folder.parent)
    return folder


def write_told(folder: Path, told: Mapping[str, Any]) -> None:
    """Writes what programs and people may read, a JSON file each.

    Args:
        folder: Where the files go.
        told: Plain values by the file's name.
    """
    for name, values in told.items():
        (folder / name).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def traced_signature(
    function: Callable[[dict[str, Tensor]], dict[str, Tensor]],
    specs: dict[str, tf.TensorSpec],
    defaults: Mapping[str, Tensor] | None = None,
) -> Any:
    """Makes a signature with inputs of these names.

    Args:
        function: Takes the tensors by name and gives tensors by name.
        specs: Shapes and types by name; those that have a default stand last.
        defaults: What a request by gRPC that leaves an input out means.

    Returns:
        A `tf.function`.
    """

    def named(*values: Tensor) -> dict[str, Tensor]:
        return function(dict(zip(specs, values, strict=True)))

    # TensorFlow takes the inputs' names and their defaults from the parameters.
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=(defaults or {}).get(name, inspect.Parameter.empty),
        )
        for name in specs
    ]
    named.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return tf.function(named, input_signature=list(specs.values()), autograph=False)


def examples_signature(function: Callable[[Tensor], dict[str, Tensor]]) -> Any:
    """Makes a signature of serialised `tf.Example`s, with the input `examples`, string `[B]`.

    Args:
        function: Takes the serialised examples and gives tensors by name.

    Returns:
        A `tf.function`.
    """
    serialized = {"examples": tf.TensorSpec([None], tf.string, name="examples")}
    return traced_signature(lambda raw: function(raw["examples"]), serialized)


def recommend_signature(
    recommend: Callable[..., dict[str, Tensor]],
    raw: Mapping[str, tf.TensorSpec],
    wishes: Mapping[str, tf.TensorSpec],
) -> Any:
    """Makes a signature of raw features and wishes.

    Args:
        recommend: Takes the raw features by name, and each wish as an argument of its own.
        raw: The raw features' shapes and types by name.
        wishes: Those of the wishes; but for `k`, a request by gRPC may leave them out.

    Returns:
        A `tf.function`.
    """

    def named(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return recommend(
            {name: inputs[name] for name in raw}, **{name: inputs[name] for name in wishes}
        )

    return traced_signature(named, {**raw, **wishes}, no_wishes(wishes))


def no_wishes(wishes: Mapping[str, tf.TensorSpec]) -> dict[str, Tensor]:
    """Returns what leaving a wish out means, by name; `k` must be given."""
    return {name: tf.zeros([1], spec.dtype) for name, spec in wishes.items() if name != "k"}
