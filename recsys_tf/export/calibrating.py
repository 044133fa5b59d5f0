"""Calibrations of a trained model, fitted on rows that it was not trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from recsys_tf.config import ExportConfig
from recsys_tf.export.answer_score import answer_tasks
from recsys_tf.features import make_labels
from recsys_tf.features.dataset import label_values
from recsys_tf.features.fitting import item_rows
from recsys_tf.models import MultitaskModel
from recsys_tf.naming import look_up
from recsys_tf.preparation import PreparedData, PreparedTable
from recsys_tf.schema import FeaturesAndTasks, TaskSpec
from recsys_tf.score_fusion import CALIBRATIONS, Calibration, fit_calibration
from recsys_tf.types import Array, FloatArray, IntArray


def fit_calibrations(
    model: MultitaskModel, data: PreparedData | PreparedTable, config: ExportConfig
) -> dict[str, Calibration]:
    """Fits what `config.calibration` names on the validation rows.

    Args:
        model: The trained model.
        data: What it was trained on.
        config: Names, and whether by scenario.

    Returns:
        The calibration of each named task, for `ServedRecommender` or `ServedRanker`; empty where
        none is named.

    Raises:
        ValueError: If the validation rows were trained on, or as `calibrations_of_batches`.
    """
    if not config.calibration:
        return {}
    if isinstance(data, PreparedData):  # A table's parts share no row.
        check_not_trained(data, "calibration")
    return calibrations_of_batches(model, data.dataset("validation"), config)


def check_not_trained(data: PreparedData, fitted: str) -> None:
    """Checks that there are validation rows to fit to.

    Args:
        data: What a model was trained on.
        fitted: What is to be fitted, for the text.

    Raises:
        ValueError: If the validation rows were trained on.
    """
    if data.is_validation_trained:
        raise ValueError(
            f"`data` must have validation rows that were not trained on to fit `{fitted}`, "
            f"received `is_validation_trained=True`; take the {fitted} of a model that was "
            "trained without them."
        )


def calibrations_of_batches(
    model: MultitaskModel, validation: tf.data.Dataset, config: ExportConfig
) -> dict[str, Calibration]:
    """Fits what `config.calibration` names on batches of rows that were not trained on.

    A row counts once, whatever its weight; rows without the task's label, or with the weight 0,
    are left out. A retrieval task is calibrated from its score to the share of positive rows, so
    it must have a label.

    Args:
        model: The trained model.
        validation: Batches `(features, labels, weights)`, as `make_dataset` gives them, in the
            same order whenever they are read.
        config: Names, and whether by scenario.

    Returns:
        The calibration of each named task; empty where none is named.

    Raises:
        ValueError: If a name is not known, the schema has no scenario to fit by, or the rows do
            not define a curve; the text names the task.
    """
    if not config.calibration:
        return {}
    schema = model.schema
    tasks = [calibrated_task(schema, name) for name in config.calibration]
    check_scenario(config, schema)
    predictions = model.predict(validation.map(lambda features, *_: features), verbose=0)
    labels, scenarios = _labels_and_scenarios(schema, tasks, validation)
    return {
        task.name: _fit(
            task,
            predictions[task.name],
            labels[task.name],
            scenarios if config.calibrate_by_scenario else None,
            config,
        )
        for task in tasks
    }


def validation_labels(
    data: PreparedData | PreparedTable, tasks: Sequence[TaskSpec]
) -> dict[str, FloatArray]:
    """Reads what calibrations would be fitted to, before there is a model.

    Args:
        data: The data; no feature of users and items is preprocessed.
        tasks: Tasks with a label, of one number a row.

    Returns:
        Labels of the validation rows by task, NaN where a row does not count.
    """
    if isinstance(data, PreparedTable):
        return _labels_and_scenarios(data.schema, tasks, data.dataset("validation"))[0]
    labels, weights, _ = labelled_rows(data, tasks)
    return {task.name: counted(task, labels[task.name], weights[task.name]) for task in tasks}


def labelled_rows(
    data: PreparedData, tasks: Sequence[TaskSpec]
) -> tuple[dict[str, FloatArray], dict[str, FloatArray], IntArray]:
    """Reads the labels of the validation rows, and which items they are of.

    Args:
        data: The data; no feature is preprocessed.
        tasks: Tasks of one number a row.

    Returns:
        Labels and weights by task, float32 `[rows]`, as `make_labels` makes them, and each row's
        item as a row of the catalogue, int64 `[rows]`.
    """
    schema = data.schema.model_copy(update={"tasks": tuple(tasks)})
    examples, catalogue = data.examples("validation"), data.catalogue
    rows_of_items = item_rows(schema, examples, catalogue)
    columns = label_values(schema, examples, catalogue, rows_of_items)
    # A task without a label counts the rows by one of the features.
    rows = {schema.item_id: rows_of_items}
    labels, weights = make_labels(columns, rows, schema, {})
    arrays = [{name: np.asarray(each) for name, each in of.items()} for of in (labels, weights)]
    return arrays[0], arrays[1], rows_of_items


def check_calibration_labels(task: TaskSpec, labels: FloatArray, config: ExportConfig) -> None:
    """Checks that a task's labels define the curve that the configuration names.

    Args:
        task: A task of `config.calibration`.
        labels: float `[rows]`; NaN = does not count.
        config: Names the calibration.

    Raises:
        ValueError: If they do not, with the text of `calibrations_of_batches`.
    """
    with _naming(task):
        CALIBRATIONS[config.calibration[task.name]].check_labels(labels)


def calibrated_task(schema: FeaturesAndTasks, name: str) -> TaskSpec:
    """Returns the task of that name, which a calibration can be fitted for.

    Raises:
        ValueError: If an answer has no such task, or it has no label.
    """
    task = look_up(answer_tasks(schema), name, "calibration")
    if task.label is None:
        raise ValueError(
            f"`calibration` of the task {name!r} has no labels to fit to, since every row is a "
            "positive of it; give the task a `label`, or calibrate another one."
        )
    return task


def check_scenario(config: ExportConfig, schema: FeaturesAndTasks) -> None:
    """Checks that there is a scenario where calibrations are fitted by scenario.

    Raises:
        ValueError: If there is none.
    """
    if config.calibrate_by_scenario and schema.scenario is None:
        raise ValueError(
            "`calibrate_by_scenario` must be false, as the schema has no scenario; give it one or "
            "take the option back."
        )


def _labels_and_scenarios(
    schema: FeaturesAndTasks, tasks: Sequence[TaskSpec], validation: tf.data.Dataset
) -> tuple[dict[str, FloatArray], Array | None]:
    """Reads the labels, NaN where a row does not count, and the index of each row's scenario."""
    labels: dict[str, list[Array]] = {task.name: [] for task in tasks}
    scenarios: list[Array] = []
    for features, of_batch, weights in validation.as_numpy_iterator():
        for task in tasks:
            labels[task.name].append(counted(task, of_batch[task.name], weights[task.name]))
        if schema.scenario is not None:
            scenarios.append(features[schema.scenario.feature])
    joined = {name: np.concatenate(parts) for name, parts in labels.items()}
    return joined, np.concatenate(scenarios) if scenarios else None


def counted(task: TaskSpec, labels: FloatArray, weights: FloatArray) -> FloatArray:
    """Returns a task's labels `[rows]`, NaN where a row of its weight does not count."""
    # The weight of a negative of retrieval is 0 in the softmax; here it is what is asked.
    is_row = task.kind == "retrieval" or weights > 0
    return np.where(is_row, labels, np.nan)


@contextmanager
def _naming(task: TaskSpec) -> Iterator[None]:
    """Says of which task a calibration cannot be fitted."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"`calibration` of the task {task.name!r}: {error}") from error


def _fit(
    task: TaskSpec,
    predictions: Array,
    labels: FloatArray,
    scenarios: Array | None,
    config: ExportConfig,
) -> Calibration:
    with _naming(task):
        return fit_calibration(
            config.calibration[task.name],
            predictions,
            labels,
            scenarios,
            min_rows=config.min_calibration_rows,
            # Where it is no probability, it is taken for the log odds.
            is_probability=task.kind == "binary",
        )
