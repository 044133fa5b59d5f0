"""What a run's `evaluation` names and there is not, told before anything is trained."""

from __future__ import annotations

from recsys_tf.config import EvaluationConfig
from recsys_tf.metrics import FURTHER_METRICS, ROW_METRICS
from recsys_tf.naming import unknown_name_message
from recsys_tf.schema import FeaturesAndTasks
from recsys_tf.spec import SpecError, list_faults


def check_evaluation_config(
    config: EvaluationConfig, schema: FeaturesAndTasks, *, has_rows: bool = True
) -> None:
    """Checks the names of `evaluation` that the schema and the tables of names decide.

    Args:
        config: The `evaluation` of a run.
        schema: The features and tasks of the run.
        has_rows: Whether rows are judged beside the lists, as no sequential recommender does.

    Raises:
        SpecError: If a metric is not known or a slice is by no single-valued categorical feature,
            or either tells nothing but of rows where none are judged; the text lists every fault
            with its field's path.
    """
    faults = [
        f"evaluation.metrics: {unknown_name_message('metrics', name, FURTHER_METRICS)}"
        for name in config.metrics
        if name not in FURTHER_METRICS
    ]
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
        faults += [
            f"evaluation.metrics: must be of lists with `sequence`, received {name!r}, which tells "
            "of judged rows alone; leave it out"
            for name in config.metrics
            if name in ROW_METRICS
        ]
        of_items = [each.name for each in schema.features if each.side == "item"]
        faults += [
            f"evaluation.slices: must name features of users or of the context with `sequence`, "
            f"received {name!r}, an item's, which tells of judged rows alone; leave it out"
            for name in config.slices
            if name in known and name in of_items
        ]
    if faults:
        raise SpecError(list_faults("RunConfig", faults))
