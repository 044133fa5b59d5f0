"""Writes the SavedModel that TensorFlow Serving and the local server answer from."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from recsys_tf.export.served_recommender import ServedRecommender
from recsys_tf.types import Tensor


def export_saved_model(
    served: ServedRecommender,
    folder: str | Path,
    *,
    example_signatures: Mapping[str, Callable[[Tensor], dict[str, Tensor]]] | None = None,
) -> Path:
    """Writes a SavedModel, whole or not at all.

    Its signatures: `serving_default` takes serialised `tf.Example`s (`examples`, string `[B]`)
    and gives each task's prediction; `rank` takes raw features of both sides; `recommend` takes
    raw features of the query and `k`; `evaluate` takes serialised examples and adds the row
    metrics of retrieval. See `ServedRecommender` for shapes.

    Args:
        served: What is to be answered from.
        folder: Where the SavedModel goes; must not exist or be empty.
        example_signatures: Further signatures by name: functions of serialised `tf.Example`s,
            string `[B]`, that give tensors by name.

    Returns:
        The folder.

    Raises:
        ValueError: If the folder holds something already.
        OSError: If it cannot be written; nothing is left behind.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(
            f"`folder` must be new or empty, received {str(folder)!r}; give another, or delete it."
        )
    signatures = _signatures(served)
    for name, function in (example_signatures or {}).items():
        signatures[name] = _of_examples(function)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # A server that polls the parent must never see a name of digits before the files are whole.
    writing = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder.parent))
    try:
        tf.saved_model.save(served, str(writing), signatures=signatures)
        served.schema.to_yaml(_extra_folder(writing) / "schema.yaml")
        if folder.exists():
            folder.rmdir()
        writing.chmod(0o755)
        os.replace(writing, folder)
    except BaseException:
        shutil.rmtree(writing, ignore_errors=True)
        raise
    return folder


def _extra_folder(folder: Path) -> Path:
    extra = folder / "assets.extra"
    extra.mkdir(exist_ok=True)
    return extra


def _signatures(served: ServedRecommender) -> dict[str, Any]:
    query = served.raw_specs(has_items=False)
    wanted = {"k": tf.TensorSpec([None], tf.int32, name="k")}
    return {
        "serving_default": _of_examples(served.rank_examples),
        "rank": _traced(served.rank, served.raw_specs(has_items=True)),
        "recommend": _traced(
            lambda raw: served.recommend({name: raw[name] for name in query}, raw["k"]),
            {**query, **wanted},
        ),
        "evaluate": _of_examples(served.evaluate_examples),
    }


def _of_examples(function: Callable[[Tensor], dict[str, Tensor]]) -> Any:
    serialized = {"examples": tf.TensorSpec([None], tf.string, name="examples")}
    return _traced(lambda raw: function(raw["examples"]), serialized)


def _traced(
    function: Callable[[dict[str, Tensor]], dict[str, Tensor]], specs: dict[str, tf.TensorSpec]
) -> Any:
    """Traces a function of named tensors, so that the signature's inputs have these names."""

    @tf.function(autograph=False)
    def named(**raw: Tensor) -> dict[str, Tensor]:
        return function(raw)

    return named.get_concrete_function(**specs)
