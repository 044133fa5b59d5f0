"""Several trained models that answer as one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from recsys_tf.config import ExportConfig
from recsys_tf.export.answer_candidates import Candidates, ordered_answer
from recsys_tf.export.answer_score import answer_score, answer_tasks
from recsys_tf.export.answer_source import AnswerSource, checked_retrieval
from recsys_tf.export.ensemble_members import (
    EnsembleMember,
    check_equal_scenarios,
    check_members,
    output_name,
    with_equal_rows,
)
from recsys_tf.export.list_order import ListOrder, check_input_names, check_order
from recsys_tf.export.warm_up import write_warm_up
from recsys_tf.export.writing import (
    no_wishes,
    recommend_signature,
    write_saved_model,
    write_told,
)
from recsys_tf.retrieval.candidate_index import EXCLUDED_SCORE
from recsys_tf.schema import Schema
from recsys_tf.score_fusion import Calibration, ScoreFusion, score_fusion_to_dict
from recsys_tf.types import Tensor, TensorDict


class ServedEnsemble(tf.Module):
    """Two or more trained models over one catalogue, whose predictions one fusion joins.

    Each model retrieves its own candidates; every model predicts all its tasks for the candidates
    of all, so that none is judged by a part of them. The task `click` of the model `a` is
    `a/click` in the configuration, and `a__click` among the outputs. A request is that of all
    models: the union of their inputs. An answer costs what the models cost, each over as many
    candidates as there are models times `num_candidates`.

    `score_weights` that are empty weigh the retrieval task of every model by 1; then the
    configuration's `weighted_sum` becomes `rank_fusion`, since retrieval scores of several models
    have no common unit.

    It answers `recommend` alone, as configured in Python. Weights are not learned for a goal over
    an ensemble, calibrations are those of the single models by `fit_calibrations`, and neither the
    command line nor the pipeline makes one.

    Args:
        members: The models by name, with the same items in their catalogues, in any order.
            Features that are options of `config` are those of the first.
        config: How many candidates each model retrieves, by which score answers are ordered, and
            what a request may wish.
        calibrations: By task (`a/click`); needed where the configuration names a calibration.

    Attributes:
        schemas: The models' schemas by name.

    Raises:
        ValueError: If there are fewer than two models, one has no retrieval task, they cannot
            answer one request (see `check_members`) or have other items than the first, there are
            calibrations without weights or by scenarios that differ, weights are to be learned, or
            as `ServedRecommender`.

    Source: Cormack, Clarke and Buettcher, 2009, "Reciprocal Rank Fusion outperforms Condorcet and
        individual Rank Learning Methods", https://doi.org/10.1145/1571941.1572114, for the fusion
        without weights.
    """

    def __init__(
        self,
        members: Mapping[str, EnsembleMember],
        config: ExportConfig,
        calibrations: Mapping[str, Calibration] | None = None,
    ) -> None:
        super().__init__(name="served_ensemble")
        # First, since names may be wrong and the catalogue's vectors take their time.
        check_members(members)
        self.schemas: dict[str, Schema] = {
            name: member.model.schema for name, member in members.items()
        }
        for schema in self.schemas.values():
            check_input_names(config, schema)
        check_order(config, next(iter(self.schemas.values())))
        self._fusion = _fusion(config, self.schemas, calibrations)
        if any(each.by_scenario for each in self._fusion.calibrations.values()):
            check_equal_scenarios(members)
        self._config = config
        self._num_retrieved = max(config.num_candidates, config.max_k)
        members = with_equal_rows(members)
        self._sources = {name: AnswerSource(*member) for name, member in members.items()}
        self._first: AnswerSource = next(iter(self._sources.values()))
        catalogue = next(iter(members.values())).catalogue
        self._order = ListOrder(config, self._first.schema, catalogue, self._likeness_vectors)

    @property
    def answer_tasks(self) -> tuple[str, ...]:
        """Names of the tasks whose predictions stand in an answer, such as `a/click`."""
        return self._fusion.tasks

    @property
    def fusion(self) -> ScoreFusion:
        """What makes one score of the tasks' predictions, with the calibrations in it."""
        return self._fusion

    def recommend(
        self,
        raw: TensorDict,
        k: Tensor,
        diversity: Tensor | None = None,
        max_per_category: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Recommends items.

        Args:
            raw: Raw user and context features of all models by name.
            k: See `ServedRecommender.recommend`, as for the next two.
            diversity: A wish.
            max_per_category: A wish.

        Returns:
            As `ServedRecommender.recommend`, with each model's predictions under names like
            `a__click`.

        Raises:
            ValueError: As `ServedRecommender.recommend`.
            tf.errors.InvalidArgumentError: As `ServedRecommender.recommend`.
        """
        answer = ordered_answer(
            self._candidates(raw),
            self._first.index.item_ids,
            self._order,
            self._config.max_k,
            k,
            diversity,
            max_per_category,
        )
        return {output_name(name): values for name, values in answer.items()}

    def raw_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the shapes and dtypes of the raw inputs of `recommend` by name."""
        specs: dict[str, tf.TensorSpec] = {}
        for source in self._sources.values():
            specs.update(source.raw_specs(has_items=False))
        return specs

    def wish_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the other inputs of `recommend` by name: `k`, and what the configuration adds."""
        return {"k": tf.TensorSpec([None], tf.int32, name="k"), **self._order.specs()}

    def _likeness_vectors(self, rows: Tensor) -> Tensor:
        """Returns the models' vectors side by side: alike by the mean of the models' cosines."""
        vectors = [each.likeness_vectors(rows) for each in self._sources.values()]
        return tf.concat([tf.math.l2_normalize(each, axis=2) for each in vectors], axis=2)

    def _candidates(self, raw: TensorDict) -> Candidates:
        """Finds what an answer is made of: the candidates of all models, each item once."""
        history = self._first.history(raw)
        seen = history if self._config.is_seen_excluded else history[:, :0]
        is_seen = self._first.index.seen_mask(seen)
        queries: dict[str, TensorDict] = {}
        scores: dict[str, Tensor] = {}
        scenario: Tensor | None = None
        for name, source in self._sources.items():
            # A name of another model's inputs may be an item's feature here.
            own = {each: raw[each] for each in source.raw_specs(has_items=False) if each in raw}
            features = source.preprocessor(own)
            if source is self._first:
                scenario = source.scenario(features)
            queries[name] = source.query(features)
            found = source.index.scores(queries[name]["embedding"])
            scores[name] = tf.where(is_seen, EXCLUDED_SCORE, found)
        num = min(self._num_retrieved, self._first.index.num_candidates)
        rows = tf.concat([tf.math.top_k(each, num).indices for each in scores.values()], axis=1)
        predictions: dict[str, Tensor] = {}
        for name, source in self._sources.items():
            retrieved = tf.gather(scores[name], rows, batch_dims=1)
            of_source = source.predictions(queries[name], retrieved, rows)
            predictions.update({f"{name}/{task}": each for task, each in of_source.items()})
        is_item = ~tf.gather(is_seen, rows, batch_dims=1) & ~_is_repeated(rows)
        fused = self._fusion(predictions, is_item, scenario)
        return Candidates(predictions, tf.where(is_item, fused, EXCLUDED_SCORE), is_item, rows)


def export_ensemble(served: ServedEnsemble, folder: str | Path) -> Path:
    """Writes a SavedModel that holds all models, whole or not at all.

    Its signature `recommend`, also under `serving_default`, takes what `ServedEnsemble.recommend`
    takes; a request by gRPC may leave the wishes out, as of `export_saved_model`. Beside the graph,
    `assets.extra` holds each model's schema as `schema_<name>.yaml`, `score_fusion.json`, and the
    request that servers warm up with.

    Args:
        served: What is to be answered from.
        folder: Where the SavedModel goes; must not exist or be empty.

    Returns:
        The folder.

    Raises:
        ValueError: If the folder holds something already.
        OSError: If it cannot be written; nothing is left behind.
    """
    raw, wishes = served.raw_specs(), served.wish_specs()

    def signatures() -> dict[str, Any]:
        recommend = recommend_signature(served.recommend, raw, wishes)
        return {"recommend": recommend, "serving_default": recommend}

    def describe(extra: Path) -> None:
        for name, schema in served.schemas.items():
            schema.to_yaml(extra / f"schema_{name}.yaml")
        write_told(extra, {"score_fusion.json": score_fusion_to_dict(served.fusion)})
        write_warm_up(extra, {**raw, **wishes}, no_wishes(wishes))

    return write_saved_model(served, folder, signatures, describe)


def _fusion(
    config: ExportConfig,
    schemas: Mapping[str, Schema],
    calibrations: Mapping[str, Calibration] | None,
) -> ScoreFusion:
    """Makes the fusion of all models' tasks; `ServedEnsemble` tells what it is without weights."""
    if config.goal is not None:
        raise ValueError(
            "`ExportConfig.goal` must be None, since weights are not learned over an ensemble, "
            f"received {config.goal.task!r}; give `score_weights`, or none."
        )
    retrieval = [f"{name}/{checked_retrieval(schema).name}" for name, schema in schemas.items()]
    tasks = [f"{name}/{task}" for name, schema in schemas.items() for task in answer_tasks(schema)]
    if not config.score_weights:
        # The retrieval tasks alone count then, and have no labels to calibrate by.
        if config.calibration or calibrations:
            raise ValueError(
                "`ExportConfig.score_weights` must name tasks where there are calibrations, "
                "received none: give the tasks that they are for a weight."
            )
        is_sum = config.score_fusion == "weighted_sum"
        config = config.model_copy(
            update={
                "score_weights": dict.fromkeys(retrieval, 1.0),
                "score_fusion": "rank_fusion" if is_sum else config.score_fusion,
            }
        )
    return answer_score(config, tasks, retrieval[0], calibrations)


def _is_repeated(rows: Tensor) -> Tensor:
    """Tells which candidates `[B, C]` stand further to the left already."""
    order = tf.argsort(rows, axis=1, stable=True)
    ordered = tf.gather(rows, order, batch_dims=1)
    is_same = tf.pad(tf.equal(ordered[:, 1:], ordered[:, :-1]), [[0, 0], [1, 0]])
    return tf.gather(is_same, tf.argsort(order, axis=1), batch_dims=1)
