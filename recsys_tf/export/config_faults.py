"""What a run's `export` cannot mean for its schema, told before a model is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from recsys_tf.config import EvaluationConfig, ExportConfig
from recsys_tf.config.unread import table_faults
from recsys_tf.export.answer_fitting import stacked_task
from recsys_tf.export.answer_lists import success_rows, success_task
from recsys_tf.export.answer_score import SCORE, answer_tasks, fusion_option_faults
from recsys_tf.export.calibrating import (
    calibrated_task,
    check_calibration_labels,
    check_scenario,
    validation_labels,
)
from recsys_tf.export.list_order import ORDER_FIELDS, check_input_names, check_order
from recsys_tf.export.raw_spec import check_parameter_names
from recsys_tf.export.validation_rows import validation_rows
from recsys_tf.naming import look_up
from recsys_tf.preparation import PreparedData, PreparedTable
from recsys_tf.schema import FeaturesAndTasks, Schema
from recsys_tf.score_fusion import CALIBRATIONS, SCORE_FUSIONS, make_score_fusion
from recsys_tf.spec import SpecError, list_faults


def check_export_config(
    config: ExportConfig, schema: Schema, evaluation: EvaluationConfig | None = None
) -> None:
    """Checks the names and options of `export` that the schema and the tables of names decide.

    By the same checks that the export makes, where a fault would cost a training. Whether the
    validation rows define a calibration's curve is `check_export_labels`'s to say.

    Args:
        config: The `export` of a run.
        schema: The features and tasks of the run.
        evaluation: The `evaluation` of the run, which must measure the list that is answered; None
            where nothing is measured.

    Raises:
        SpecError: If anything is wrong; the text lists every fault with its field's path.
    """
    faults = list(_fusion_faults(config, schema))
    if not faults:
        first = dict.fromkeys(list(answer_tasks(schema))[:1], 1.0)
        faults += _made_fusion_faults(config, schema, config.score_weights or first)
    faults += _goal_faults(config, schema)
    faults += _calibration_faults(config, schema)
    faults += _order_faults(config, schema)
    if evaluation is not None and schema.retrieval_task is not None:
        faults += _seen_faults(config, evaluation)
    if faults:
        raise SpecError(list_faults("RunConfig", faults))


def check_seen(config: ExportConfig, evaluation: EvaluationConfig) -> None:
    """Checks that the list is measured that is answered, before a model is trained.

    Args:
        config: The `export` of a run.
        evaluation: Its `evaluation`; of a trained model it may be changed.

    Raises:
        SpecError: If one of them leaves out what the user has met and the other does not.
    """
    faults = _seen_faults(config, evaluation)
    if faults:
        raise SpecError(list_faults("RunConfig", faults))


def check_table_export(config: ExportConfig, schema: FeaturesAndTasks) -> None:
    """Checks what of `export` a ranker of a table answers by, and that nothing else is set.

    Args:
        config: The `export` of a run.
        schema: Features and tasks.

    Raises:
        SpecError: If anything is wrong; the text lists every fault with its field's path.
    """
    faults = [*table_faults({"export": config}), *_fusion_faults(config, schema)]
    fusion = SCORE_FUSIONS.get(config.score_fusion)
    if fusion is not None and fusion.reads_list:
        usable = (name for name, each in SCORE_FUSIONS.items() if not each.reads_list)
        faults.append(
            "export.score_fusion: must be one that reads a row alone for a table, received "
            f"{config.score_fusion!r}, which ranks the candidates of a request; take one of "
            f"{', '.join(usable)}."
        )
    if not faults:
        faults += _made_fusion_faults(config, schema, config.score_weights)
    is_fused = config.score_fusion != "weighted_sum" or config.fusion_options
    if is_fused and not config.score_weights:
        faults.append(
            "export.score_weights: must name the tasks that the fusion of a table joins, received "
            "none; give each its factor, or leave `score_fusion` and `fusion_options` out."
        )
    if config.score_weights and any(task.name == SCORE for task in schema.tasks):
        faults.append(
            f"export.score_weights: must be left out, as the task {SCORE!r} has the name of the "
            "output that they make; or give the task another name."
        )
    faults += _calibration_faults(config, schema)
    faults += _told("", check_parameter_names, [each.name for each in schema.features])
    if faults:
        raise SpecError(list_faults("RunConfig", faults))


def check_export_labels(config: ExportConfig, data: PreparedData) -> None:
    """Checks that the validation rows' labels define the calibrations of `export` and its goal.

    By the same checks that the fitting makes once the model is trained. Rows that are trained on
    fit no calibration; theirs are not looked at. A goal refuses them.

    Args:
        config: The `export` of a run, of known names; see `check_export_config`.
        data: The data of the run.

    Raises:
        SpecError: If there is no label, all are equal, or they are outside of what a calibration
            can give; if the rows of a goal are trained on or hold no success of it. The text lists
            every task with its field's path.
    """
    faults = [] if config.goal is None else _told("goal", _check_goal_rows, config, data)
    if not data.is_validation_trained:
        faults += _calibration_label_faults(config, data)
    if faults:
        raise SpecError(list_faults("RunConfig", faults))


def check_table_labels(config: ExportConfig, data: PreparedTable) -> None:
    """Checks that the validation rows' labels define the calibrations of `export`.

    Args:
        config: The `export` of a run, of known names; see `check_table_export`.
        data: The data of the run.

    Raises:
        SpecError: As of `check_export_labels`.
    """
    faults = _calibration_label_faults(config, data)
    if faults:
        raise SpecError(list_faults("RunConfig", faults))


def _calibration_label_faults(
    config: ExportConfig, data: PreparedData | PreparedTable
) -> list[str]:
    if not config.calibration:
        return []
    tasks = [calibrated_task(data.schema, name) for name in config.calibration]
    labels = validation_labels(data, tasks)
    return [
        fault
        for task in tasks
        for fault in _told(
            f"calibration.{task.name}", check_calibration_labels, task, labels[task.name], config
        )
    ]


def _check_goal_rows(config: ExportConfig, data: PreparedData) -> None:
    goal = config.goal
    assert goal is not None
    rows = validation_rows(data, "weights")
    if config.score_fusion == "stacking":
        task = stacked_task(data.schema, goal.task)
        labels = validation_labels(data, [task])[task.name]
        if len(np.unique(labels[~np.isnan(labels)])) < 2:
            raise ValueError(
                f"the validation rows must hold different labels of {task.name!r}, received none "
                "or one; take more validation rows, or another goal."
            )
        return
    for name, is_success in success_rows(rows, (goal.task, *goal.floors)).items():
        if not is_success.any():
            raise ValueError(
                f"the validation rows must hold a success of {name!r}, received none; take more "
                "validation rows, or another goal."
            )


def _fusion_faults(config: ExportConfig, schema: FeaturesAndTasks) -> Iterator[str]:
    for task in config.score_weights:
        yield from _told(
            f"score_weights.{task}", look_up, answer_tasks(schema), task, "score_weights"
        )
    yield from _told("score_fusion", look_up, SCORE_FUSIONS, config.score_fusion, "score_fusion")
    for option, fault in fusion_option_faults(config).items():
        yield f"export.fusion_options.{option}: {fault}"


def _made_fusion_faults(
    config: ExportConfig, schema: FeaturesAndTasks, weights: Mapping[str, float]
) -> list[str]:
    """Says, of known names, whether the weights and options are what the fusion takes."""
    if not weights:
        return []
    tasks, options = tuple(answer_tasks(schema)), dict[str, Any](config.fusion_options)
    return _told("", make_score_fusion, config.score_fusion, weights, tasks, None, **options)


def _goal_faults(config: ExportConfig, schema: Schema) -> Iterator[str]:
    goal = config.goal
    if goal is None:
        return
    if config.score_fusion == "stacking":
        yield from _told("goal.task", stacked_task, schema, goal.task)
    else:
        yield from _told("goal.task", success_task, schema, goal.task, "goal")
    for name in goal.floors:
        yield from _told(f"goal.floors.{name}", success_task, schema, name, "floors")
    tasks = list(config.score_weights or answer_tasks(schema))
    if len(tasks) < 2:
        yield (
            "export.goal: there must be two weights or more to learn, received the tasks "
            f"{', '.join(map(repr, tasks))}; add a task of kind 'binary' or 'regression', or take "
            "the goal back."
        )


def _calibration_faults(config: ExportConfig, schema: FeaturesAndTasks) -> Iterator[str]:
    for task, name in config.calibration.items():
        yield from _told(f"calibration.{task}", calibrated_task, schema, task)
        yield from _told(f"calibration.{task}", look_up, CALIBRATIONS, name, "calibration")
    yield from _told("calibrate_by_scenario", check_scenario, config, schema)


def _order_faults(config: ExportConfig, schema: Schema) -> Iterator[str]:
    for field in ORDER_FIELDS:
        yield from _told(field, check_order, config, schema, [field])
    yield from _told("", check_input_names, config, schema)


def _seen_faults(config: ExportConfig, evaluation: EvaluationConfig) -> list[str]:
    if config.is_seen_excluded is evaluation.is_seen_excluded:
        return []
    return [
        f"export.is_seen_excluded: must be {evaluation.is_seen_excluded}, as "
        f"`evaluation.is_seen_excluded` is, received {config.is_seen_excluded}: another list would "
        "be answered than is measured. Set both alike."
    ]


def _told(field: str, check: Callable[..., Any], *values: Any, **options: Any) -> list[str]:
    """Returns what a check finds wrong with a field of `export`, or nothing."""
    try:
        check(*values, **options)
    except (ValueError, TypeError) as error:
        return [f"{'.'.join(filter(None, ('export', field)))}: {error}"]
    return []
