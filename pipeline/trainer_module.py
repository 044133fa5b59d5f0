"""What the TFX Trainer runs: read, build, fit, check, export."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from pipeline.catalogue import read_catalogue
from pipeline.evaluation_inputs import evaluation_inputs
from pipeline.progress import tell
from pipeline.transform_module import raw_name
from pipeline.transformed_examples import (
    TransformedRows,
    feature_names,
    fitted_state,
    read_transformed,
    training_dataset,
)
from recsys_tf.config import RunConfig
from recsys_tf.export import ServedRecommender, export_saved_model
from recsys_tf.features import FeatureState, Preprocessor, label_columns
from recsys_tf.features.tf_example import parse_raw, read_examples
from recsys_tf.models import Recommender
from recsys_tf.preparation import recency_weights
from recsys_tf.schema import Schema
from recsys_tf.training import fit, new_recommender
from recsys_tf.types import FloatArray

_NUM_CHECKED_ROWS = 512


class SkewError(RuntimeError):
    """The served preprocessing differs from what Transform did to the training rows."""


def run_fn(fn_args: Any) -> None:
    """Trains and exports the model; called by the Trainer component.

    Args:
        fn_args: TFX's `FnArgs`. `custom_config` holds `config` and `schema` as plain values,
            `data`, the folder of the written examples, and `checkpoints`, a folder that outlives
            a killed run.
    """
    custom = fn_args.custom_config
    config, schema = RunConfig.from_dict(custom["config"]), Schema.from_dict(custom["schema"])
    data = Path(custom["data"])
    transform = tft.TFTransformOutput(fn_args.transform_output)
    train = read_transformed(fn_args.train_files, transform, schema)
    pieces = FeatureState.load(data / "word_pieces")
    preprocessor = Preprocessor(schema, fitted_state(transform, train, schema, pieces))
    check_no_skew(transform, preprocessor, schema, data / "test")

    num_indices = preprocessor.state.num_indices_by_name
    model = build_recommender(train, schema, config, num_indices)
    size, seed = config.training.batch_size, config.training.seed
    validation = None
    if custom["has_validation"]:
        rows = read_transformed(fn_args.eval_files, transform, schema)
        validation = training_dataset(rows, schema, num_indices, size)
    fit(
        model,
        training_dataset(
            train,
            schema,
            num_indices,
            size,
            shuffle_seed=seed,
            row_weights=row_weights(train, schema, config),
        ),
        validation,
        config.training,
        checkpoint_folder=_checkpoint_folder(fn_args),
        callbacks=[TellEpochs(config.training.epochs)],
        verbose=0,
    )
    catalogue = read_catalogue(data / "catalogue", schema)
    served = ServedRecommender(
        model, preprocessor, catalogue, config.export, config.evaluation.cutoffs
    )
    export_saved_model(
        served,
        fn_args.serving_model_dir,
        example_signatures={"transformed_labels": evaluation_inputs(schema, preprocessor)},
    )


def build_recommender(
    train: TransformedRows, schema: Schema, config: RunConfig, num_indices: dict[str, int]
) -> Recommender:
    """Builds the model over the transformed rows, started as `recsys_tf.training` starts it."""
    labels = {name: train.columns[raw_name(name)] for name in label_columns(schema)}
    model = new_recommender(config, schema, num_indices, labels)
    items, size = train.columns[schema.item_id], num_indices[schema.item_id]
    weights = row_weights(train, schema, config)
    model.set_item_counts(
        np.bincount(items, minlength=size),
        None if weights is None else np.bincount(items, weights, minlength=size),
    )
    return model


def row_weights(train: TransformedRows, schema: Schema, config: RunConfig) -> FloatArray | None:
    """Returns the weight of each training row, None where all weigh alike."""
    half_life = config.training.recency_half_life_days
    if half_life is None:
        return None
    return recency_weights(train.columns[raw_name(schema.timestamp)], half_life)


def check_no_skew(
    transform: tft.TFTransformOutput, preprocessor: Preprocessor, schema: Schema, folder: Path
) -> None:
    """Checks on real rows that the served preprocessing gives the transform graph's bits.

    Args:
        transform: What Transform wrote.
        preprocessor: What goes into the SavedModel.
        schema: Features.
        folder: Written examples to compare on.

    Raises:
        SkewError: If any bit of any feature differs; the text names the features.
    """
    serialized = next(iter(read_examples(folder).batch(_NUM_CHECKED_ROWS)))
    served = preprocessor(parse_raw(serialized, schema))
    raw = tf.io.parse_example(serialized, transform.raw_feature_spec())
    trained = transform.transform_raw_features(raw)
    different = [
        name
        for name in feature_names(schema)
        if trained[name].numpy().tobytes() != served[name].numpy().tobytes()
    ]
    if different:
        raise SkewError(
            f"Transform and the served preprocessing differ in {', '.join(different)}; a model "
            "would be asked in other numbers than it was trained on. Please report this."
        )


class TellEpochs(keras.callbacks.Callback):
    """Tells the caller of the run how far training is.

    Args:
        num_epochs: Epochs at the most.
    """

    def __init__(self, num_epochs: int) -> None:
        super().__init__()
        self._num_epochs = num_epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Tells the losses of an epoch."""
        logs = logs or {}
        loss = ", ".join(
            f"{name.replace('_', ' ')} {logs[name]:.4f}"
            for name in ("loss", "val_loss")
            if name in logs
        )
        tell(f"Trainer: epoch {epoch + 1} of {self._num_epochs}, {loss}")


def _checkpoint_folder(fn_args: Any) -> Path:
    # The same training, started again after a kill, has other output folders but this same key.
    key = json.dumps([fn_args.custom_config, fn_args.transform_output], sort_keys=True)
    name = hashlib.sha256(key.encode()).hexdigest()[:16]
    return Path(fn_args.custom_config["checkpoints"]) / name
