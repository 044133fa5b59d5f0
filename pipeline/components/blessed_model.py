"""Finds the model that a new one has to be compared with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfx.dsl.components.common import resolver
from tfx.types import Artifact
from tfx.utils import path_utils

from pipeline.manifests import MANIFEST, Files, holds_files, read_manifest
from pipeline.measures import read_columns
from pipeline.publishing import versions, withdrawn

_MODEL, _BLESSING, _CANDIDATE = "model", "model_blessing", "candidate"


class IncomparableModelError(ValueError):
    """The blessed model and the new one are not measured by the same metrics."""


class BlessedModelInService(resolver.ResolverStrategy):
    """Resolves the blessed model that serves, or did before the candidate itself was published.

    TFX's `LatestBlessedModelStrategy` resolves what was blessed last, which need not serve: an
    operator may have gone back to the version before, or an older model was published once more.
    It also resolves the candidate, once it is blessed: a second run with nothing changed would then
    compare a model with itself, and find nothing in the cache, since its inputs have changed. Takes
    the channels `model`, `model_blessing` and `candidate`.

    Args:
        columns: What the models' vectors have to hold, for the Evaluator to read them.
        folder: The folder of the published versions; their manifests tell which model each is.
        is_wanted: Whether a model is compared at all.
    """

    def __init__(self, columns: list[str], folder: str, is_wanted: bool = True) -> None:
        super().__init__()
        self._columns = tuple(columns)
        self._folder = Path(folder)
        self._is_wanted = is_wanted

    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[Any]]
    ) -> dict[str, list[Any]] | None:
        """Chooses among all models and blessings of the metadata store.

        Args:
            store: The metadata store.
            input_dict: The artifacts of the three channels.

        Returns:
            The model of the newest version that is not the candidate; where no version is a known
            model (the first run, or a folder that was filled by hand), the latest other blessed
            one that nobody has withdrawn. The model and its blessing are empty where there is
            none. And the candidate as it came.

        Raises:
            IncomparableModelError: If that model is measured differently.
        """
        del store
        candidates = input_dict[_CANDIDATE]
        blessings = {
            blessing.get_int_custom_property("current_model_id"): blessing
            for blessing in input_dict[_BLESSING]
            if blessing.get_int_custom_property("blessed") == 1
        }
        own = {candidate.id for candidate in candidates}
        eligible = [
            model
            for model in input_dict[_MODEL]
            if self._is_wanted and model.id in blessings and model.id not in own
        ]
        eligible.sort(key=lambda model: model.id, reverse=True)
        baseline = self._baseline(eligible, candidates)
        if baseline is not None:
            self._check(Path(baseline.uri))
        return {
            _MODEL: [] if baseline is None else [baseline],
            _BLESSING: [] if baseline is None else [blessings[baseline.id]],
            _CANDIDATE: candidates,
        }

    def _baseline(
        self, newest_first: Sequence[Artifact], candidates: Sequence[Artifact]
    ) -> Artifact | None:
        if not newest_first:
            return None
        found = (read_manifest(path / MANIFEST) for path in versions(self._folder).values())
        served = [files for files in found if files is not None]
        of_others = [
            files for files in served if not any(_is_made_of(each, files) for each in candidates)
        ]
        for files in reversed(of_others):
            for model in newest_first:
                if _is_made_of(model, files):
                    return model
        if len(of_others) < len(served):
            # What came after a published candidate was not there when that was judged.
            oldest = min(candidate.id for candidate in candidates)
            newest_first = [model for model in newest_first if model.id < oldest]
        return next((model for model in newest_first if not self._is_withdrawn(model)), None)

    def _is_withdrawn(self, model: Artifact) -> bool:
        manifests = map(read_manifest, withdrawn(self._folder).values())
        return any(_is_made_of(model, files) for files in manifests if files is not None)

    def _check(self, folder: Path) -> None:
        theirs = read_columns(folder)
        if theirs == self._columns:
            return
        differing = sorted(set(theirs) ^ set(self._columns))
        raise IncomparableModelError(
            f"The blessed model in {folder} is measured differently from the new one "
            f"({', '.join(differing) if theirs else 'an older version of the package wrote it'}), "
            "so nothing can say which is better. Undo the change of tasks, of cut-offs or of "
            "`export.is_seen_excluded`, or run once with `pipeline.compare_with_blessed: false`."
        )


def _is_made_of(model: Artifact, files: Files) -> bool:
    """Whether the Trainer's artifact holds these files where the Pusher takes them from."""
    return holds_files(Path(path_utils.serving_model_path(model.uri)), files)
