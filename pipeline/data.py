"""Writes the named splits as files of `tf.Example`s, under a name made of their content."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.catalogue import write_catalogue
from pipeline.fingerprints import code_fingerprint
from pipeline.progress import tell
from recsys_tf.datasets import interactions_digest
from recsys_tf.features import Examples, FeatureState, check_labels
from recsys_tf.features.dataset import label_values
from recsys_tf.features.fitting import item_rows
from recsys_tf.features.shards import MANIFEST
from recsys_tf.features.tf_example import write_examples
from recsys_tf.preparation import Part, PreparedData
from recsys_tf.schema import Schema

_SUMMARY = "rows.json"
_ROWS_A_SHARD = 50_000
# Items met before that an evaluation leaves out as the server does. A bound, since histories are
# written once a row.
_MAX_MET = 1000
_WRITING = ".writing-"


@dataclass(frozen=True)
class WrittenData:
    """Examples on disk, one folder a split, and beside them the catalogue and the word pieces.

    Attributes:
        folder: Where they are.
        rows: Number of rows by split.
    """

    folder: Path
    rows: dict[str, int]


def write_data(data: PreparedData, root: Path) -> WrittenData:
    """Writes the splits that `data` was cut into, unless equal ones are there already.

    Args:
        data: The prepared data; its split was made before, by time as a rule, never by a hash.
        root: The folder's parent. The folder's name is a hash of everything that is written, so
            that equal data are found again and TFX's cache knows them.

    Returns:
        What was written.

    Raises:
        ValueError: If a split is empty, or its labels or weights cannot be trained on.
        OSError: If the files cannot be written; nothing is left behind.
    """
    parts: list[Part] = ["train", "test"] if data.is_validation_trained else _all_parts()
    empty = [part for part in parts if not len(data.rows(part))]
    if empty:
        raise ValueError(
            f"`data` has no rows in the split {' and '.join(map(repr, empty))}; take another "
            "`data.split`, or larger shares."
        )
    folder = root / _content_key(data)
    if not (folder / _SUMMARY).is_file():
        _write(data, parts, folder)
    summary = json.loads((folder / _SUMMARY).read_text(encoding="utf-8"))
    return WrittenData(folder, summary["rows"])


def remove_leftovers(root: Path) -> None:
    """Deletes what killed runs left half written; nobody else may be writing there."""
    for path in root.glob(f"{_WRITING}*"):
        shutil.rmtree(path, ignore_errors=True)


def _all_parts() -> list[Part]:
    return ["train", "validation", "test"]


def _write(data: PreparedData, parts: list[Part], folder: Path) -> None:
    examples = {part: data.examples(part) for part in parts}
    for rows_of_part in examples.values():
        _check_labels(data, rows_of_part)
    folder.parent.mkdir(parents=True, exist_ok=True)
    writing = Path(tempfile.mkdtemp(prefix=_WRITING, dir=folder.parent))
    try:
        rows = {}
        for part in parts:
            rows[part] = len(examples[part])
            tell(f"Data: writing {rows[part]:,} rows of the split {part!r}")
            write_examples(
                examples[part],
                data.catalogue,
                data.schema,
                writing / part,
                num_shards=1 + rows[part] // _ROWS_A_SHARD,
                **({} if part == "train" else _as_served(data.schema)),
            )
        write_catalogue(data.catalogue, data.schema, writing / "catalogue")
        pieces = FeatureState(
            wordpieces=data.state.wordpieces, is_lower_case=data.state.is_lower_case
        )
        pieces.save(writing / "word_pieces")
        summary = {"rows": rows}
        (writing / _SUMMARY).write_text(json.dumps(summary, indent=2), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(writing, folder)
    except BaseException:
        shutil.rmtree(writing, ignore_errors=True)
        raise


def _as_served(schema: Schema) -> dict[str, Any]:
    """Returns how rows are written that are measured: with the history that a request sends."""
    history = schema.history
    longest = _MAX_MET if history is None else max(_MAX_MET, history.max_length)
    return {"is_target_masked": False, "max_history": longest}


def _check_labels(data: PreparedData, examples: Examples) -> None:
    # As `make_dataset` does, which the pipeline goes without.
    rows_of_items = item_rows(data.schema, examples, data.catalogue)
    columns = label_values(data.schema, examples, data.catalogue, rows_of_items)
    check_labels(columns, data.schema)


def _content_key(data: PreparedData) -> str:
    digest = hashlib.sha256()
    settings: dict[str, Any] = {
        "schema": data.schema.to_dict(),
        "data": data.config.data.to_dict(),
        "text": data.config.model.text.to_dict(),
        "is_validation_trained": data.is_validation_trained,
        "code": code_fingerprint("pipeline.data"),
        "format": MANIFEST,
    }
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for name in ("train", "validation", "test"):
        digest.update(np.ascontiguousarray(getattr(data.split, name), np.int64).tobytes())
    digest.update(interactions_digest(data.interactions).encode())
    return digest.hexdigest()[:20]
