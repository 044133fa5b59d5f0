"""Whether the features whose ids have tables or gates of their own can have them."""

from __future__ import annotations

from recsys_tf.config import ModelConfig, RetrievalConfig
from recsys_tf.naming import unknown_name_message
from recsys_tf.schema import FeaturesAndTasks, Schema
from recsys_tf.spec import SpecError, list_faults


def check_id_tables(
    schema: FeaturesAndTasks, config: ModelConfig, retrieval: RetrievalConfig | None = None
) -> None:
    """Checks that `id_tables` and `frequency_gates` are of features that have ids.

    Args:
        schema: Features and tasks.
        config: Names the features.
        retrieval: The loss of retrieval, where there may be one.

    Raises:
        SpecError: If a feature is not known or has no ids, or what an item has is gated though the
            loss of retrieval reads items that no row is of; the text lists every fault.
    """
    known = {each.name for each in schema.features if each.kind in ("id", "categorical")}
    # The ids of a history may be those of no other feature.
    known |= {each.of for each in schema.features if each.kind == "history"}
    faults = [
        f"model.{field}: {unknown_name_message(field, name, known)}"
        for field in ("id_tables", "frequency_gates")
        for name in getattr(config, field)
        if name not in known
    ]
    if isinstance(schema, Schema) and schema.retrieval_task is not None and retrieval is not None:
        faults += [
            f"model.frequency_gates: must not hold {spec.name!r} where `retrieval.loss` is "
            f"{retrieval.loss!r}, which reads items that no row is of, and each reading would "
            "count; take 'in_batch', or `min_count` of the feature"
            for spec in schema.candidate_features
            if retrieval.is_over_catalogue and spec.name in config.frequency_gates
        ]
    if faults:
        raise SpecError(list_faults("The tables of ids", faults))
