"""The weights of an answer's score, learned for a goal on the validation users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from recsys_tf.config import AnswerGoal, ExportConfig
from recsys_tf.export.answer_lists import success_task, validation_lists
from recsys_tf.export.answer_score import answer_tasks
from recsys_tf.export.calibrating import calibrations_of_batches, counted
from recsys_tf.export.served_recommender import ServedRecommender
from recsys_tf.export.validation_rows import ValidationRows, validation_rows
from recsys_tf.models import Recommender
from recsys_tf.naming import look_up
from recsys_tf.preparation import PreparedData
from recsys_tf.schema import Schema, TaskSpec
from recsys_tf.score_fusion import Calibration, Stacking, fit_fusion


@dataclass(frozen=True, eq=False)
class AnswerFit:
    """What `ServedRecommender` takes.

    Attributes:
        config: The configuration that was given, with the `score_weights` that were learned.
        calibrations: What `fit_calibrations` found.
        goal: What the weights were learned for; None where they were given.
    """

    config: ExportConfig
    calibrations: Mapping[str, Calibration]
    goal: AnswerGoal | None

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values that tell what was learned, and for what."""
        goal = None if self.goal is None else self.goal.to_dict()
        return {"goal": goal, "weights": dict(self.config.score_weights)}


@dataclass(frozen=True, eq=False)
class AnswerSearch(AnswerFit):
    """The same, with the log of the search.

    Attributes:
        trials: One row a trial, see `FusionFit`.
        best_trial: The row of `trials` that `config` has.
    """

    trials: pd.DataFrame
    best_trial: int

    def to_dict(self) -> dict[str, Any]:
        """Returns the same, with all trials."""
        tried = self.trials.to_dict("records")
        return {**super().to_dict(), "best_trial": self.best_trial, "trials": tried}


def fit_answer(
    model: Recommender,
    data: PreparedData | ValidationRows,
    config: ExportConfig,
    *,
    goal: str,
    k: int = 10,
    floors: Mapping[str, float] | None = None,
    num_trials: int = 400,
    max_requests: int = 5000,
    seed: int = 42,
) -> AnswerSearch:
    """Finds the weights whose answers put one task's successes first and keep others' above floors.

    Fits the calibrations that `config` names, retrieves the candidates of the validation users as
    an answer would, and maximises the NDCG@K of the goal among them, with a floor on that of other
    tasks: the order of purchases, say, with a floor on clicks. See `fit_fusion` for the search and
    `validation_lists` for the requests. A reranker is not asked: it changes the order afterwards.

    Args:
        model: The trained model.
        data: What it was trained on, or its validation rows.
        config: Names the fusion, its options and the calibrations. Its `score_weights` say which
            tasks have a weight, and each weight's sign; where they are empty, all tasks of an
            answer have a positive one.
        goal: A binary task or the one of retrieval.
        k: Cut-off `K`.
        floors: Least NDCG@K by other such tasks.
        num_trials: Weights tried.
        max_requests: Users asked for at the most.
        seed: Seed of all draws: the same seed, the same weights.

    Returns:
        The configuration with the weights, the calibrations, and the table of all trials.

    Raises:
        ValueError: If the validation rows were trained on or hold no success, a name is not known,
            or no trial met the floors; the text says what was reached. Else as `fit_calibrations`
            and `ServedRecommender`.
    """
    rows = validation_rows(data, "weights")
    # First, since the catalogue's vectors take their time.
    success_task(rows.schema, goal, "goal")
    for name in floors or {}:
        success_task(rows.schema, name, "floors")
    config = _with_weights(config, rows.schema)
    calibrations = calibrations_of_batches(model, rows.batches(), config)
    served = ServedRecommender(
        model, rows.preprocessor, rows.catalogue, config, calibrations=calibrations
    )
    tasks = tuple(dict.fromkeys((goal, *(floors or {}))))
    lists = validation_lists(served, rows, tasks, max_requests=max_requests, seed=seed)
    fit = fit_fusion(
        served.fusion, lists, goal=goal, k=k, floors=floors, num_trials=num_trials, seed=seed
    )
    found = config.model_copy(update={"score_weights": fit.fusion.weights})
    aim = AnswerGoal(task=goal, k=k, floors=dict(floors or {}))
    return AnswerSearch(found, calibrations, aim, fit.trials, fit.best_trial)


def fit_stacked_answer(
    model: Recommender,
    data: PreparedData | ValidationRows,
    config: ExportConfig,
    *,
    goal: str,
    l2: float = 1.0,
) -> AnswerFit:
    """Learns a `stacking` that foretells one task's label from the predictions of all.

    On the validation rows, whichever item they are of, and not on lists: its score is a
    probability, or a rating, and orders answers by it. Choose `fit_answer` where the first places
    count, or other tasks have floors.

    Args:
        model: The trained model.
        data: What it was trained on, or its validation rows.
        config: Names the calibrations. Its `score_weights` say which tasks are read; where they are
            empty, all tasks of an answer are.
        goal: A task of an answer, with a label.
        l2: See `Stacking.fit`.

    Returns:
        The configuration with the fusion, its weights and its options, and the calibrations.

    Raises:
        ValueError: If the validation rows were trained on, the goal is no such task, or as
            `fit_calibrations` and `Stacking.fit`.
    """
    rows = validation_rows(data, "weights")
    known, target = answer_tasks(rows.schema), stacked_task(rows.schema, goal)
    config = _with_weights(config, rows.schema)
    calibrations = calibrations_of_batches(model, rows.batches(), config)
    batches = rows.batches()
    predictions = model.predict(batches.map(lambda features, *_: features), verbose=0)
    scenario = rows.schema.scenario
    scenarios = [] if scenario is None else [each[scenario.feature] for each, *_ in batches]
    labels, weights = rows.labels([target])
    fusion = Stacking.fit(
        {name: predictions[name] for name in config.score_weights},
        counted(target, labels[goal], weights[goal]),
        calibrations={n: each for n, each in calibrations.items() if n in config.score_weights},
        scenarios=np.concatenate(scenarios) if scenarios else None,
        probability_tasks=[
            name
            for name in config.score_weights
            # A calibrated score of retrieval is the share of positive rows.
            if known[name].kind == "binary"
            or (known[name].kind == "retrieval" and name in config.calibration)
        ],
        is_logistic=target.kind != "regression",
        l2=l2,
    )
    options = {
        "bias": fusion.bias,
        "probability_tasks": fusion.probability_tasks,
        "is_logistic": fusion.is_logistic,
    }
    learned = {
        "score_fusion": "stacking",
        "score_weights": fusion.weights,
        "fusion_options": options,
    }
    return AnswerFit(config.model_copy(update=learned), calibrations, AnswerGoal(task=goal))


def fit_configured_answer(
    model: Recommender, data: PreparedData | ValidationRows, config: ExportConfig
) -> AnswerFit:
    """Fits what an export's configuration asks for on the validation rows.

    Its calibrations, and the weights of its `goal`: by `fit_stacked_answer` where the fusion is
    `stacking`, by `fit_answer` with any other. What is not asked for reads no row.

    Args:
        model: The trained model.
        data: What it was trained on, or its validation rows.
        config: The `export` of the run.

    Returns:
        What `ServedRecommender` takes, and `export_saved_model` keeps beside the graph. Its
        configuration has no goal any more.

    Raises:
        ValueError: As these and `fit_calibrations`.
    """
    goal = config.goal
    if goal is None:
        calibrations: dict[str, Calibration] = {}
        if config.calibration:
            rows = validation_rows(data, "calibration")
            calibrations = calibrations_of_batches(model, rows.batches(), config)
        return AnswerFit(config, calibrations, None)
    config = config.model_copy(update={"goal": None})
    if config.score_fusion == "stacking":
        return fit_stacked_answer(model, data, config, goal=goal.task)
    return fit_answer(model, data, config, goal=goal.task, k=goal.k, floors=goal.floors)


def stacked_task(schema: Schema, name: str) -> TaskSpec:
    """Returns the task of that name, which a `stacking` can foretell.

    Raises:
        ValueError: If an answer has no such task, or it has no label.
    """
    known = answer_tasks(schema)
    return look_up({name: t for name, t in known.items() if t.label is not None}, name, "goal")


def _with_weights(config: ExportConfig, schema: Schema) -> ExportConfig:
    """Returns the configuration with a weight for each task of an answer, where it has none."""
    weights = config.score_weights or dict.fromkeys(answer_tasks(schema), 1.0)
    return config.model_copy(update={"goal": None, "score_weights": weights})
