"""The weights of an answer's score, learned for a goal on the validation users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from recsys_tf.config import ExportConfig
from recsys_tf.export.answer_lists import success_task, validation_lists
from recsys_tf.export.answer_score import answer_tasks
from recsys_tf.export.calibrating import check_not_trained, fit_calibrations
from recsys_tf.export.served_recommender import ServedRecommender
from recsys_tf.models import Recommender
from recsys_tf.preparation import PreparedData
from recsys_tf.score_fusion import Calibration, fit_fusion


@dataclass(frozen=True, eq=False)
class AnswerFit:
    """A configuration with the weights that were found, and the log of the search.

    Attributes:
        config: The configuration that was given, with the best `score_weights`.
        calibrations: What `fit_calibrations` found, for `ServedRecommender`.
        trials: One row a trial, see `FusionFit`.
        best_trial: The row of `trials` that `config` has.
    """

    config: ExportConfig
    calibrations: Mapping[str, Calibration]
    trials: pd.DataFrame
    best_trial: int


def fit_answer(
    model: Recommender,
    data: PreparedData,
    config: ExportConfig,
    *,
    goal: str,
    k: int = 10,
    floors: Mapping[str, float] | None = None,
    num_trials: int = 400,
    max_requests: int = 5000,
    seed: int = 42,
) -> AnswerFit:
    """Finds the weights whose answers put one task's successes first and keep others' above floors.

    Fits the calibrations that `config` names, retrieves the candidates of the validation users as
    an answer would, and maximises the NDCG@K of the goal among them, with a floor on that of other
    tasks: the order of purchases, say, with a floor on clicks. See `fit_fusion` for the search and
    `validation_lists` for the requests. A reranker is not asked: it changes the order afterwards.

    Args:
        model: The trained model.
        data: What it was trained on.
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
    check_not_trained(data, "weights")
    # First, since the catalogue's vectors take their time.
    success_task(data.schema, goal, "goal")
    for name in floors or {}:
        success_task(data.schema, name, "floors")
    given = config.score_weights or dict.fromkeys(answer_tasks(data.schema), 1.0)
    config = config.model_copy(update={"score_weights": given})
    calibrations = fit_calibrations(model, data, config)
    served = ServedRecommender(
        model, data.preprocessor, data.catalogue, config, calibrations=calibrations
    )
    tasks = tuple(dict.fromkeys((goal, *(floors or {}))))
    lists = validation_lists(served, data, tasks, max_requests=max_requests, seed=seed)
    fit = fit_fusion(
        served.fusion, lists, goal=goal, k=k, floors=floors, num_trials=num_trials, seed=seed
    )
    found = config.model_copy(update={"score_weights": fit.fusion.weights})
    return AnswerFit(found, calibrations, fit.trials, fit.best_trial)
