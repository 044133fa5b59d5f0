"""Finds the model that a new one has to be compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfx.dsl.components.common import resolver

from pipeline.measures import read_columns

_MODEL, _BLESSING, _CANDIDATE = "model", "model_blessing", "candidate"


class IncomparableModelError(ValueError):
    """The blessed model and the new one are not measured by the same metrics."""


class LatestOtherBlessedModel(resolver.ResolverStrategy):
    """Resolves the latest blessed model that is not the candidate itself.

    TFX's `LatestBlessedModelStrategy` also resolves the candidate, once it is blessed: a second
    run with nothing changed would then compare a model with itself, and find nothing in the
    cache, since its inputs have changed. Takes the channels `model`, `model_blessing` and
    `candidate`.

    Args:
        columns: What the models' vectors have to hold, for the Evaluator to read them.
        is_wanted: Whether a model is compared at all.
    """

    def __init__(self, columns: list[str], is_wanted: bool = True) -> None:
        super().__init__()
        self._columns = tuple(columns)
        self._is_wanted = is_wanted

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

        Raises:
            IncomparableModelError: If the latest blessed model is measured differently.
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
            if self._is_wanted and model.id in blessings and model.id not in candidates
        ]
        latest = max(eligible, key=lambda model: model.id, default=None)
        if latest is not None:
            self._check(Path(latest.uri))
        return {
            _MODEL: [] if latest is None else [latest],
            _BLESSING: [] if latest is None else [blessings[latest.id]],
            _CANDIDATE: input_dict[_CANDIDATE],
        }

    def _check(self, folder: Path) -> None:
        theirs = read_columns(folder)
        if theirs == self._columns:
            return
        differing = sorted(set(theirs) ^ set(self._columns))
        raise IncomparableModelError(
            f"The blessed model in {folder} is measured differently from the new one "
            f"({', '.join(differing) if theirs else 'an older version of the package wrote it'}), "
            "so nothing can say which is better. Undo the change of tasks or cut-offs, or run once "
            "with `pipeline.compare_with_blessed: false`."
        )
