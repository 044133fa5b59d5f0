"""A recommendation as a person reads it: titles, and what is known of the user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from recsys_tf.cli.console import plain_table
from recsys_tf.cli.failures import ExitCode, failing_with
from recsys_tf.cli.loading import load_interactions
from recsys_tf.config import RunConfig

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from recsys_tf.datasets import Interactions
    from recsys_tf.schema import Schema
    from serving import Recommendation, RecommenderClient


@dataclass(frozen=True)
class Knowledge:
    """What a data set tells of a user and of the items' names.

    Attributes:
        titles: Title of each item, by id.
        history: Items the user has met, oldest first.
        history_values: The value of each of them, by the input's name: the label that the history
            reads, and what a sequential recommender may read, `times` and `actions`.
        features: The user's features by name.
    """

    titles: Mapping[str, str] = field(default_factory=dict)
    history: tuple[str, ...] = ()
    history_values: Mapping[str, list[Any]] = field(default_factory=dict)
    features: Mapping[str, Any] = field(default_factory=dict)

    def inputs(self, client: RecommenderClient, *, has_history_values: bool) -> dict[str, Any]:
        """Returns those of the user's values that the served model reads, one row each.

        Args:
            client: Connected to the model; it knows the names.
            has_history_values: Whether the history that is sent is this one.
        """
        signatures = client.metadata()
        names = signatures["recommend"].inputs if "recommend" in signatures else {}
        values = {**self.features, **(self.history_values if has_history_values else {})}
        return {name: [value] for name, value in values.items() if name in names}

    def as_dict(self, offer: Recommendation) -> dict[str, Any]:
        """Returns an answer as plain values for JSON."""
        tasks = {name: [float(x) for x in scores] for name, scores in offer.task_scores.items()}
        ids = [str(each) for each in offer.item_ids]
        return {
            "user": offer.user_id,
            "model_version": offer.model_version,
            "items": ids,
            **({"titles": [self.titles.get(each, "") for each in ids]} if self.titles else {}),
            "scores": [float(x) for x in offer.scores],
            "tasks": tasks,
        }


def load_knowledge(run: RunConfig, user: str) -> Knowledge:
    """Reads a data set for the titles and for one user.

    Raises:
        Failure: If the data are refused, or lack a column of the run's own schema.
    """
    column = None if run.sequence is None else run.sequence.action_column
    interactions = load_interactions(run)
    with failing_with(ExitCode.DATA_REJECTED, ValueError):
        return knowledge_of(interactions, user, run.features_and_tasks, column)


def knowledge_of(
    interactions: Interactions,
    user: str,
    schema: Schema | None = None,
    action_column: str | None = None,
) -> Knowledge:
    """Returns the titles, and of a known user the history and the features.

    The history is whole: the model reads its newest events, but leaves all of them out of the
    answer.

    Args:
        interactions: The data set.
        user: Id.
        schema: That of the run that the model was trained by; None for the data set's own.
        action_column: The column with each event's kind, as a run's `sequence` names it.

    Raises:
        ValueError: If the data lack a column of `schema`; the text lists them.
    """
    from recsys_tf.datasets.known_users import features_of_users, histories_of_users

    if schema is not None:
        interactions = replace(interactions, schema=schema)
    schema = interactions.schema
    events, users = interactions.events, interactions.users
    own = events[events[schema.user_id] == user].sort_values(schema.timestamp, kind="stable")
    values = _of_events(own, interactions, action_column)
    if schema.history is not None and len(own):
        lists = histories_of_users(schema, own, [user])
        values |= {name: lists[name][0] for name in lists.keys() - {schema.history.name}}
    features: dict[str, Any] = {}
    if (users[schema.user_id] == user).any():
        of_user = features_of_users(schema, users, [user])
        features = {name: value for name, (value,) in of_user.items()}
    return Knowledge(titles(interactions), tuple(own[schema.item_id]), values, features)


def _of_events(
    own: pd.DataFrame, interactions: Interactions, action_column: str | None
) -> dict[str, list[Any]]:
    """Returns what a sequential recommender may read of a user's events, none where there are none.

    A feature of such a name is another input, of a model that is no sequential recommender.
    """
    schema, values = interactions.schema, dict[str, list[Any]]()
    if len(own) and interactions.is_time_comparable:
        values["times"] = own[schema.timestamp].tolist()
    if len(own) and action_column is not None:
        from recsys_tf.features.frames import FrameColumns

        values["actions"] = FrameColumns(own, "events").names(action_column).tolist()
    taken = {feature.name for feature in schema.features}
    return {name: each for name, each in values.items() if name not in taken}


def titles(interactions: Interactions) -> dict[str, str]:
    """Returns the title of each item by id."""
    items: pd.DataFrame = interactions.items
    ids, names = items[interactions.schema.item_id], items[interactions.title_column]
    return dict(zip(ids, names, strict=True))


def answer_table(offer: Recommendation, titles: Mapping[str, str]) -> Table:
    """Lays an answer out: a row an item, best first, with each task's score."""
    # A server's outputs come in any order.
    tasks = sorted(offer.task_scores)
    table = plain_table()
    table.add_column("", justify="right")
    table.add_column("item")
    if titles:
        table.add_column("title", max_width=40, no_wrap=True, overflow="ellipsis")
    for name in ("score", *tasks):
        table.add_column(name, justify="right")
    for place, item in enumerate(offer.item_ids):
        scores = [offer.scores[place], *(offer.task_scores[name][place] for name in tasks)]
        known = [titles.get(str(item), "")] if titles else []
        table.add_row(str(place + 1), str(item), *known, *(f"{x:.3f}" for x in scores))
    return table
