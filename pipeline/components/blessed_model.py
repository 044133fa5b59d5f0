"""Finds the model that a new one has to be compared with."""

from __future__ import annotations

from typing import Any

from tfx.dsl.components.common import resolver

_MODEL, _BLESSING, _CANDIDATE = "model", "model_blessing", "candidate"


class LatestOtherBlessedModel(resolver.ResolverStrategy):
    """Resolves the latest blessed model that is not the candidate itself.

    TFX's `LatestBlessedModelStrategy` also resolves the candidate, once it is blessed: a second
    run with nothing changed would then compare a model with itself, and find nothing in the
    cache, since its inputs have changed. Takes the channels `model`, `model_blessing` and
    `candidate`.
    """

    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[Any]]
    ) -> dict[str, list[Any]] | None:
        """Chooses among all models and blessings of the metadata store.

        Args:
            store: The metadata store.
            input_dict: The artifacts of the three channels.

        Returns:
            The model and its blessing, both empty where no other model was blessed; and the
            candidate as it came.
        """
        del store
        candidates = {artifact.id for artifact in input_dict[_CANDIDATE]}
        blessings = {
            blessing.get_int_custom_property("current_model_id"): blessing
            for blessing in input_dict[_BLESSING]
            if blessing.get_int_custom_property("blessed") == 1
        }
        eligible = [
            model
            for model in input_dict[_MODEL]
            if model.id in blessings and model.id not in candidates
        ]
        latest = max(eligible, key=lambda model: model.id, default=None)
        return {
            _MODEL: [] if latest is None else [latest],
            _BLESSING: [] if latest is None else [blessings[latest.id]],
            _CANDIDATE: input_dict[_CANDIDATE],
        }
