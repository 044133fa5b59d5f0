"""What a run's `evaluation` names and there is not, told before anything is trained."""

from __future__ import annotations

from recsys_tf.config import EvaluationConfig
from recsys_tf.config.unread import table_faults
from recsys_tf.metrics import FURTHER_METRICS, ROW_METRICS
from recsys_tf.naming import unknown_name_message
from recsys_tf.schema import FeaturesAndTasks
from recsys_tf.spec import SpecError, list_faults


def check_evaluation_config(
    config: EvaluationConfig,
    schema: FeaturesAndTasks,
    *,
    has_rows: bool = True,
    has_lists: bool = True,
    is_table: bool = False,
) -> None:
    """Checks the names of `evaluation` that the schema and the tables of names decide.

    Args:
        config: The `evaluation` of a run.
        schema: The features and tasks of the run.
        has_rows: Whether rows are judged beside the lists, as no sequential recommender does.
        has_lists: Whether a list is ranked for each user.
        is_table: Whether rows of a table are measured, of which no further metric is told.

    Raises:
        SpecError: If a metric is not known or a slice is by no single-valued categorical feature,
            or either tells of nothing that there is; the text lists every fault with its field's
            path.
    """
    if is_table:
        faults = table_faults({"evaluation": EvaluationConfig(metrics=config.metrics)})
    else:
        found = (metric_fault(name, schema, has_rows, has_lists) for name in config.metrics)
        faults = [f"evaluation.metrics: {fault}" for fault in found if fault is not None]
    known = [
        each.name
        for each in schema.features
        if each.kind == "categorical" and not each.is_multivalent
    ]
    faults += [
        f"evaluation.slices: {unknown_name_message('slices', name, known)}"
        if known
        else f"evaluation.slices: must be empty, as the schema has no single-valued categorical "
        f"feature, received {name!r}."
        for name in config.slices
        if name not in known
    ]
    if not has_rows:
        of_items = [each.name for each in schema.features if each.side == "item"]
        faults += [
            f"evaluation.slices: must name features of users or of the context with `sequence`, "
            f"received {name!r}, an item's, which tells of judged rows alone; leave it out"
            for name in config.slices
            if name in known and name in of_items
        ]
    if faults:
        raise SpecError(list_faults("RunConfig", faults))


def metric_fault(
    name: str, schema: FeaturesAndTasks, has_rows: bool, has_lists: bool
) -> str | None:
    """Says why a metric of `evaluation.metrics` tells nothing of a run; None where it does.

    Args:
        name: The metric.
        schema: The features and tasks of the run.
        has_rows: See `check_evaluation_config`.
        has_lists: See there.
    """
    if name not in FURTHER_METRICS:
        return unknown_name_message("metrics", name, FURTHER_METRICS)
    if name not in ROW_METRICS:
        if has_lists:
            return None
        return (
            f"must be of judged rows where no lists are ranked, received {name!r}; leave it out, "
            "or give the schema a retrieval task, or the run a `sequence`"
        )
    if not has_rows:
        return (
            f"must be of lists with `sequence`, received {name!r}, which tells of judged rows "
            "alone; leave it out"
        )
    if not any(task.kind == "binary" for task in schema.tasks):
        return f"{name!r} tells of binary tasks, and the schema has none; leave it out"
    return None
