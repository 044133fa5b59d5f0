"""A ranker of rows that answers from raw values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from recsys_tf.config import ExportConfig
from recsys_tf.export.answer_score import SCORE, answer_tasks, fitted_calibrations
from recsys_tf.export.config_faults import check_table_export
from recsys_tf.export.raw_spec import raw_specs
from recsys_tf.export.untracked import Untracked
from recsys_tf.export.warm_up import write_warm_up
from recsys_tf.export.writing import (
    examples_signature,
    traced_signature,
    write_saved_model,
    write_told,
)
from recsys_tf.features import Preprocessor
from recsys_tf.features.tf_example import parse_raw
from recsys_tf.models import Ranker, predict_all
from recsys_tf.score_fusion import (
    Calibration,
    ScoreFusion,
    make_score_fusion,
    score_fusion_to_dict,
)
from recsys_tf.score_fusion.calibration import calibration_to_dict
from recsys_tf.types import Tensor, TensorDict


class ServedRanker(tf.Module):
    """The parts of a trained `Ranker` that answer: preprocessing, model, calibrations and fusion.

    Nothing is retrieved: each row that is asked for is judged by itself.

    Args:
        model: The trained model.
        preprocessor: The preprocessing that it was trained with.
        config: Its `score_weights`, `score_fusion` and `fusion_options` say whether rows get a
            `score`, and `calibration` which predictions are calibrated; None answers each task's
            prediction as the model gives it.
        calibrations: By task, what `fit_calibrations` found; needed where the configuration names
            a calibration. Those of other tasks are not read.

    Raises:
        ValueError: If the configuration sets what has no meaning for a table, such as a reranker,
            or a name or option of it is not known; if a calibration is not given, or a feature has
            the name of a Python keyword.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from recsys_tf import ModelConfig, NumericFeature, RunConfig, TableSchema, TaskSpec
        >>> from recsys_tf.datasets import LabelledTable
        >>> from recsys_tf.preparation import PreparedTable
        >>> schema = TableSchema(
        ...     features=(NumericFeature(name="age", side="user"),),
        ...     tasks=(TaskSpec(name="buys", kind="binary", label="buys"),),
        ... )
        >>> rows = pd.DataFrame({"age": [20.0, 40.0, 60.0], "buys": [0.0, 1.0, 0.0]})
        >>> parts = (np.array([row]) for row in range(3))
        >>> data = PreparedTable(RunConfig(), LabelledTable(schema, rows), *parts)
        >>> model = Ranker(schema, data.state.num_indices_by_name, ModelConfig(embedding_dim=4))
        >>> served = ServedRanker(model, data.preprocessor)
        >>> served.rank({"age": tf.constant([30.0, float("nan")])})["buys"].shape
        TensorShape([2])
    """

    def __init__(
        self,
        model: Ranker,
        preprocessor: Preprocessor,
        config: ExportConfig | None = None,
        calibrations: Mapping[str, Calibration] | None = None,
    ) -> None:
        super().__init__(name="served_ranker")
        config = config or ExportConfig()
        self.schema = schema = model.schema
        check_table_export(config, schema)
        given = fitted_calibrations(config, calibrations)
        self._calibrations = {name: given[name] for name in config.calibration}
        # What chooses the calibrations' curves; None where one curve is that of all rows.
        self._curve_feature: str | None = None
        if schema.scenario and any(each.by_scenario for each in self._calibrations.values()):
            self._curve_feature = schema.scenario.feature
        self._fusion: ScoreFusion | None = None
        if config.score_weights:
            self._fusion = make_score_fusion(
                config.score_fusion,
                config.score_weights,
                tuple(answer_tasks(schema)),
                self._calibrations,
                **config.fusion_options,
            )
        # See `Untracked`.
        self._held = Untracked(model)
        self._model_variables = [variable.value for variable in model.core.variables]
        self._preprocessor = preprocessor

    @property
    def calibrations(self) -> Mapping[str, Calibration]:
        """The calibrations that predictions pass, by task."""
        return self._calibrations

    @property
    def fusion(self) -> ScoreFusion | None:
        """What makes `score` of the tasks' predictions, with the calibrations in it, or None."""
        return self._fusion

    def rank(self, raw: TensorDict) -> dict[str, Tensor]:
        """Judges rows.

        Args:
            raw: Raw features by name, as `preprocess` takes them; `raw_specs` tells which.

        Returns:
            Each task's prediction by its name, float32 `[B]`, or `[B, C]` of several classes; of a
            calibrated task what the calibration makes of it, unlike `ServedRecommender`, whose
            calibrations act on its scores alone. Where there are `score_weights`, `score` float32
            `[B]` too: the fusion of the calibrated predictions.

        Raises:
            ValueError: If the scenario is not given, and a calibration is by scenario.
        """
        features = self._preprocessor(raw)
        predictions = predict_all(self.schema.tasks, self._held.model(features, training=False))
        scenarios: Tensor | None = None
        if self._curve_feature is not None:
            if self._curve_feature not in features:
                raise ValueError(
                    f"`raw` must hold {self._curve_feature!r}, as a calibration is by scenario; "
                    'give "" where it is not known.'
                )
            scenarios = features[self._curve_feature]
        answer = {
            name: self._calibrations[name](values, scenarios)
            if name in self._calibrations
            else values
            for name, values in predictions.items()
        }
        if self._fusion is not None:
            answer[SCORE] = self._fusion(predictions, scenario=scenarios)
        return answer

    def rank_examples(self, serialized: Tensor) -> dict[str, Tensor]:
        """Judges serialised `tf.Example`s, string `[B]`; see `rank`. What one lacks is missing."""
        return self.rank(parse_raw(serialized, self.schema))

    def raw_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the shapes and dtypes of the raw inputs that are read, by name."""
        read = set(self._held.model.core.input)
        if self._curve_feature is not None:
            read.add(self._curve_feature)
        return raw_specs(each for each in self.schema.features if each.name in read)

    def describe(self, folder: Path) -> None:
        """Writes the schema, the calibrations and the fusion into a folder."""
        self.schema.to_yaml(folder / "schema.yaml")
        if self._calibrations:
            curves = {name: calibration_to_dict(each) for name, each in self._calibrations.items()}
            write_told(folder, {"calibrations.json": curves})
        if self._fusion is not None:
            write_told(folder, {"score_fusion.json": score_fusion_to_dict(self._fusion)})


def export_ranker(served: ServedRanker, folder: str | Path) -> Path:
    """Writes a SavedModel, whole or not at all.

    Its signatures answer alike: `rank` takes the raw features that the model reads by name, and
    `serving_default` serialised `tf.Example`s (`examples`, string `[B]`). See `ServedRanker.rank`
    for the outputs. It holds operations of TensorFlow alone, so that TensorFlow Serving runs it as
    it is. Beside the graph, `assets.extra` holds `schema.yaml`; `calibrations.json` and
    `score_fusion.json`, which `calibration_from_dict` and `score_fusion_from_dict` read, where
    there are any; and the request that servers warm up with.

    Args:
        served: What is to be answered from.
        folder: Where the SavedModel goes; must not exist or be empty.

    Returns:
        The folder.

    Raises:
        ValueError: If the folder holds something already.
        OSError: If it cannot be written; nothing is left behind.
    """
    specs = served.raw_specs()

    def signatures() -> dict[str, object]:
        return {
            "serving_default": examples_signature(served.rank_examples),
            "rank": traced_signature(served.rank, specs),
        }

    def describe(extra: Path) -> None:
        served.describe(extra)
        write_warm_up(extra, specs, {}, "rank")

    return write_saved_model(served, folder, signatures, describe)
