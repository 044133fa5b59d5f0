"""What the TFX Trainer runs: read, build, fit, check, export."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import keras
import tensorflow_transform as tft

from pipeline.catalogue import read_catalogue
from pipeline.evaluation_config import ROWS_SIGNATURE, SLICES_SIGNATURE
from pipeline.measures import columns, measures, row_values, slice_values, write_columns
from pipeline.progress import tell
from pipeline.training_rows import (
    TrainingRows,
    checked_preprocessor,
    num_unknown_items,
    read_rows,
    training_dataset,
)
from pipeline.validation_rows import WrittenValidationRows
from recsys_tf.config import RunConfig
from recsys_tf.export import (
    AnswerFit,
    ServedRecommender,
    export_saved_model,
    fit_configured_answer,
)
from recsys_tf.features import FeatureState, transform_catalogue
from recsys_tf.preparation import history_content, recency_weights
from recsys_tf.schema import Schema
from recsys_tf.training import fit, new_recommender
from recsys_tf.types import FloatArray


def run_fn(fn_args: Any) -> None:
    """Trains and exports the model; called by the Trainer component.

    Args:
        fn_args: TFX's `FnArgs`. `custom_config` holds `config` and `schema` as plain values,
            `data`, the folder of the written examples, and `checkpoints`, a folder that outlives
            a killed run.

    Raises:
        ValueError: If a calibration or a goal is asked for and there are no validation rows to fit
            them on.
    """
    custom = fn_args.custom_config
    config, schema = RunConfig.from_dict(custom["config"]), Schema.from_dict(custom["schema"])
    for field in ("calibration", "goal"):
        if getattr(config.export, field) and not custom["has_validation"]:
            raise ValueError(
                f"`export.{field}` needs validation rows that are not trained on, and this run has "
                f"none; prepare the data with them, or take the {field} back."
            )
    data = Path(custom["data"])
    transform = tft.TFTransformOutput(fn_args.transform_output)
    pieces = FeatureState.load(data / "word_pieces")
    preprocessor = checked_preprocessor(transform, schema, pieces, data / "test")
    train = read_rows(fn_args.train_files, schema, preprocessor)

    num_indices = preprocessor.state.num_indices_by_name
    weights = row_weights(train, config)
    catalogue = read_catalogue(data / "catalogue", schema)
    of_items = None
    if config.retrieval.is_over_catalogue:
        of_items = transform_catalogue(catalogue, preprocessor, schema)
    model = new_recommender(
        config,
        schema,
        num_indices,
        train.features,
        train.labels,
        weights,
        of_items,
        num_unknown_items=num_unknown_items(fn_args.train_files, schema, train),
        history_content=history_content(config.model, schema, catalogue, preprocessor),
    )
    size = config.training.batch_size
    held_out = None
    if custom["has_validation"]:
        rows = read_rows(fn_args.eval_files, schema, preprocessor)
        held_out = WrittenValidationRows(
            fn_args.eval_files, rows, schema, preprocessor, catalogue, size
        )
    checkpoints = _checkpoint_folder(fn_args)
    fit(
        model,
        training_dataset(
            train,
            schema,
            num_indices,
            size,
            shuffle_seed=config.training.seed,
            row_weights=weights,
        ),
        None if held_out is None else held_out.batches(),
        config.training,
        checkpoint_folder=checkpoints,
        callbacks=[TellEpochs(config.training.epochs)],
        tell=lambda line: tell(f"Trainer: {line}"),
        verbose=0,
    )
    found = measures(schema, config)
    answer = AnswerFit(config.export, {}, None)
    if held_out is not None:
        answer = fit_configured_answer(model, held_out, config.export)
    served = ServedRecommender(
        model,
        preprocessor,
        catalogue,
        answer.config,
        config.evaluation.cutoffs,
        answer.calibrations,
    )
    export_saved_model(
        served,
        fn_args.serving_model_dir,
        example_signatures={
            ROWS_SIGNATURE: row_values(served.evaluate_examples, schema, preprocessor, found),
            SLICES_SIGNATURE: slice_values(schema, preprocessor),
        },
        answer_fit=answer,
    )
    # For the run that will compare its model with this one.
    write_columns(Path(fn_args.serving_model_dir).parent, columns(found))
    shutil.rmtree(checkpoints, ignore_errors=True)


def row_weights(train: TrainingRows, config: RunConfig) -> FloatArray | None:
    """Returns the weight of each training row, None where all weigh alike."""
    half_life = config.training.recency_half_life_days
    if half_life is None:
        return None
    return recency_weights(train.timestamps, half_life)


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
