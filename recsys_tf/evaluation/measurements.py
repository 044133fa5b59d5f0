"""Everything that is measured of a model on a part, from one pass over its rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd

from recsys_tf.evaluation.ranking import model_ranking
from recsys_tf.metrics import (
    ROW_METRICS,
    TASK_METRICS,
    RankingValues,
    Statistic,
    UndefinedMetricWarning,
    auc_of_users,
    bootstrap_interval,
    mean_intervals,
    mean_of_users,
    metric_of_users,
)
from recsys_tf.metrics.bootstrap_rows import error_of_users
from recsys_tf.metrics.rows import has_label
from recsys_tf.models import MultitaskModel, Recommender
from recsys_tf.naming import look_up
from recsys_tf.preparation import EventPairs, Part, PreparedData, PreparedTable
from recsys_tf.schema import FeaturesAndTasks
from recsys_tf.types import NUM_RESERVED_INDICES, Array, IntArray

Metrics = dict[str, float]
"""Values by `<task>/<metric>`, such as `watch/ndcg_at_10` or `rating/rmse`."""

ROW_STATISTICS: dict[str, Callable[..., Statistic]] = {
    "auc": auc_of_users,
    "rmse": partial(error_of_users, power=2),
    "mae": partial(error_of_users, power=1),
}
"""By metric, from `(labels, predictions, users, weights)`: what costs a product a resample."""


def task_rows(
    model: MultitaskModel, data: PreparedData | PreparedTable, part: Part
) -> dict[str, tuple[Array, Array, Array]]:
    """Predicts the rows of a part once, for all tasks with a label.

    Returns:
        Labels, predictions and weights of each task by name; held-out rows in the order of
        `data.rows(part)`.
    """
    tasks = [task for task in data.schema.tasks if task.kind in TASK_METRICS]
    if not tasks:
        return {}
    # In one pass: two passes over training rows come in two orders.
    batches = [
        (labels, model.predict_on_batch(features), weights)
        for features, labels, weights in data.dataset(part)
    ]
    found = {}
    for task in tasks:
        labels, predictions, weights = (
            np.concatenate([each[task.name] for each in of_batches])
            for of_batches in zip(*batches, strict=True)
        )
        if task.kind == "multilabel":
            # Padding and "unknown" are labels that never are true.
            labels, predictions = (each[:, NUM_RESERVED_INDICES:] for each in (labels, predictions))
        found[task.name] = labels, predictions, weights
    return found


def row_metrics(
    schema: FeaturesAndTasks,
    rows: Mapping[str, tuple[Array, Array, Array]],
    chosen: slice | Array = slice(None),
    *,
    further: Iterable[str] = (),
    users: IntArray | None = None,
    has_counts: bool = False,
) -> Metrics:
    """Computes the metrics of the tasks with a label, of these rows.

    Args:
        schema: The tasks.
        rows: Labels, predictions and weights by task, see `task_rows`.
        chosen: Which of them.
        further: Keys of `ROW_METRICS`, for the binary tasks.
        users: Each row's user, whom `further` tells apart; None where that is empty.
        has_counts: Whether to tell `num_rows`, those that have the label and a weight above 0.

    Returns:
        Values by `<task>/<metric>`.
    """
    metrics: Metrics = {}
    for name, columns in rows.items():
        kind = schema.task(name).kind
        labels, predictions, weights = (column[chosen] for column in columns)
        values = {
            each: metric(labels, predictions, weights)
            for each, metric in TASK_METRICS[kind].items()
        }
        if kind == "binary" and users is not None:
            of_rows = labels, predictions, users[chosen], weights
            values |= {each: ROW_METRICS[each](*of_rows) for each in further}
        if has_counts:
            values["num_rows"] = float(np.count_nonzero(has_label(labels) & (weights > 0)))
        metrics |= named(name, values)
    return metrics


@dataclass(frozen=True, eq=False)
class Measurements:
    """What a model made of a held-out part: each user's list and each row's predictions.

    Attributes:
        data: What the model was trained on.
        part: The part.
        ranking: The ranking of each user; None without a retrieval task.
        rows: Labels, predictions and weights by task, see `task_rows`.
    """

    data: PreparedData
    part: Part
    ranking: RankingValues | None
    rows: Mapping[str, tuple[Array, Array, Array]]

    @cached_property
    def metrics(self) -> Metrics:
        """Values by `<task>/<metric>`, of all users and rows."""
        metrics: Metrics = {}
        if self.ranking is not None:
            metrics |= named(self.retrieval_name, self.ranking.means())
        return metrics | self._of_rows()

    @property
    def retrieval_name(self) -> str:
        """By what `<task>` the users' lists are told."""
        # Sequences of a run without `sequence` are ranked as those of a run with it.
        return self.data.ranked_as or "retrieval"

    def slices(self) -> dict[str, Metrics]:
        """Tells the metrics by the values of the features of `evaluation.slices`.

        A user's list belongs to the context in which it was asked for. `<task>/num_users` and
        `<task>/num_rows` say on how few a number may rest.

        Returns:
            By `<feature>=<value>`, values by `<task>/<metric>`; NaN where a slice does not define
            one. A feature that is missing has the value "".
        """
        found: dict[str, Metrics] = {}
        with warnings.catch_warnings():
            # A small slice easily has one class only.
            warnings.simplefilter("ignore", UndefinedMetricWarning)
            for feature in self.data.config.evaluation.slices:
                codes, values = pd.factorize(self._pairs.texts(feature), sort=True)
                of_users, of_rows = codes[self._asked], codes[self.data.rows(self.part)]
                # A list is of many items.
                has_users = self.ranking is not None and self._pairs.side(feature) != "item"
                for code in np.unique(of_rows):
                    name = f"{feature}={values[code]}"
                    found[name] = self._of_users(of_users == code) if has_users else {}
                    found[name] |= self._of_rows(of_rows == code, has_counts=True)
        return found

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Computes bootstrap intervals over users, of level `evaluation.confidence`.

        Users are drawn with all their rows. Of the users' lists, and of `row_statistics`; metrics
        of all lists together have none.

        Returns:
            Lower and upper bound by `<task>/<metric>`; empty where the level is None.
        """
        level = self.data.config.evaluation.confidence
        if level is None:
            return {}
        found: dict[str, tuple[float, float]] = {}
        if self.ranking is not None and len(self.ranking.user_indexes):
            by_user = self.ranking.by_user
            low, high = mean_intervals(
                np.stack(list(by_user.values()), axis=1),
                np.stack([self.ranking.weights(name) for name in by_user], axis=1),
                level,
            )
            for name, *bounds in zip(by_user, low, high, strict=True):
                found[f"{self.retrieval_name}/{name}"] = float(bounds[0]), float(bounds[1])
        for name in self.row_statistics:
            interval = bootstrap_interval(self.statistic(name), level)
            found[name] = interval.low, interval.high
        return found

    @property
    def row_statistics(self) -> list[str]:
        """Names the `<task>/<metric>` that cost a product a resample: AUC, RMSE and MAE."""
        return [
            f"{task}/{metric}"
            for task in self.rows
            for metric in TASK_METRICS[self.data.schema.task(task).kind]
            if metric in ROW_STATISTICS
        ]

    def statistic(self, name: str) -> Statistic:
        """Returns a metric as a function of the users that are drawn.

        Args:
            name: `<task>/<metric>` of a user's list, or of `TASK_METRICS`.

        Raises:
            ValueError: If there is no such task or metric.
        """
        task, _, metric = name.partition("/")
        if self.ranking is not None and task == self.retrieval_name:
            values = look_up(self.ranking.by_user, metric, "metric")
            return mean_of_users(values, self.ranking.weights(metric))
        labels, predictions, weights = look_up(self.rows, task, "task")
        function = look_up(TASK_METRICS[self.data.schema.task(task).kind], metric, "metric")
        make = ROW_STATISTICS.get(metric, partial(metric_of_users, function))
        return make(labels, predictions, self._users, weights)

    @cached_property
    def _pairs(self) -> EventPairs:
        return EventPairs(self.data)

    @cached_property
    def _asked(self) -> IntArray:
        """The event at which each user of the ranking was asked; none without a ranking."""
        if self.ranking is None:
            return np.zeros(0, np.int64)
        positives = self._pairs.positives(self.data.rows(self.part))
        return self._pairs.first_rows(positives)[self.ranking.user_indexes]

    @cached_property
    def _users(self) -> IntArray:
        """Each row's user."""
        if self.part == "train":
            raise ValueError(
                "`part` must be held out where users are told apart, received 'train', whose rows "
                "come in random order."
            )
        return self._pairs.users[self.data.rows(self.part)]

    def _of_users(self, is_user: Array) -> Metrics:
        """Returns the ranking's means of these of its users."""
        assert self.ranking is not None
        means = self.ranking.means(is_user)
        return named(self.retrieval_name, {**means, "num_users": is_user.sum()})

    def _of_rows(self, chosen: slice | Array = slice(None), *, has_counts: bool = False) -> Metrics:
        further = [each for each in self.data.config.evaluation.metrics if each in ROW_METRICS]
        return row_metrics(
            self.data.schema,
            self.rows,
            chosen,
            further=further,
            users=self._users if further else None,
            has_counts=has_counts,
        )


def measure(
    model: Recommender,
    data: PreparedData,
    part: Part = "test",
    *,
    on_users_done: Callable[[int], object] | None = None,
) -> Measurements:
    """Ranks the catalogue for each user of a part and predicts each of its rows, once.

    Args:
        model: A trained model.
        data: What it was trained on; its `evaluation` says what is told.
        part: The part to measure on.
        on_users_done: Called with the number of users after each block that was ranked.

    Returns:
        What metrics, slices and intervals are computed from.

    Raises:
        ValueError: If there is retrieval to be measured and rows of the part were trained on.
    """
    ranking = None
    if data.schema.retrieval_task is not None:
        ranking = model_ranking(model, data, part, on_users_done=on_users_done)
    return Measurements(data, part, ranking, task_rows(model, data, part))


def named(task: str, values: Mapping[str, float]) -> Metrics:
    """Returns values by `<task>/<metric>`."""
    return {f"{task}/{name}": float(value) for name, value in values.items()}
