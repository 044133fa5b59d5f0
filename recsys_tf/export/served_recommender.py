"""Everything that is asked of a trained model, as functions of raw values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import tensorflow as tf

from recsys_tf.config import ExportConfig
from recsys_tf.export.answer_score import answer_score, answer_tasks
from recsys_tf.export.list_order import ListOrder, check_input_names, checked_k
from recsys_tf.export.place_metrics import ANSWERED, hit_chances, place_among, place_metrics
from recsys_tf.export.raw_spec import raw_specs
from recsys_tf.export.untracked import Untracked
from recsys_tf.features import Examples, Preprocessor, transform_catalogue
from recsys_tf.features.tf_example import parse_raw
from recsys_tf.models import Recommender, predict_all
from recsys_tf.models.trunk import TRUNK_PARTS, trunk_inputs
from recsys_tf.retrieval import CandidateIndex
from recsys_tf.retrieval.candidate_index import EXCLUDED_SCORE
from recsys_tf.schema import Schema
from recsys_tf.score_fusion import Calibration, ScoreFusion
from recsys_tf.types import Tensor, TensorDict


class Candidates(NamedTuple):
    """The candidates of each request.

    Attributes:
        predictions: float32 `[B, C]` of each answer task, by name.
        scores: float32 `[B, C]`, what orders the answer; `EXCLUDED_SCORE` where nothing is.
        is_item: bool `[B, C]`, False for what must not be answered.
        rows: int32 `[B, C]`, rows of the catalogue.
    """

    predictions: TensorDict
    scores: Tensor
    is_item: Tensor
    rows: Tensor


class ServedRecommender(tf.Module):
    """The parts of a trained model that answer: preprocessing, towers, index, trunk and fusion.

    The candidates' embeddings and features are computed once, here; a request never runs the
    candidate tower, nor its text encoder, over the catalogue.

    Args:
        model: The trained model.
        preprocessor: The preprocessing that it was trained with.
        catalogue: The items that may be recommended, as `catalogue_examples` makes them.
        config: How many candidates are ranked, by which score, and what a request may wish.
        cutoffs: The `K`s of the row metrics of `evaluate`.
        calibrations: By task, what `fit_calibrations` found; needed where the configuration names
            a calibration.

    Raises:
        ValueError: If the schema has no retrieval task, a weight names no task, a name of the
            configuration is not known, a calibration is not given, or a feature has the name of
            another input of `recommend` or of a Python keyword.
    """

    def __init__(
        self,
        model: Recommender,
        preprocessor: Preprocessor,
        catalogue: Examples,
        config: ExportConfig,
        cutoffs: Sequence[int] = (10, 50, 100),
        calibrations: Mapping[str, Calibration] | None = None,
    ) -> None:
        super().__init__(name="served_recommender")
        schema = model.schema
        retrieval = schema.retrieval_task
        if retrieval is None:
            raise ValueError(
                "`model` must have a retrieval task to recommend from the catalogue; add a task "
                "of kind 'retrieval' to the schema."
            )
        # First, since names may be wrong and the catalogue's vectors take their time.
        check_input_names(config, schema)
        self._fusion = answer_score(
            config, tuple(answer_tasks(schema)), retrieval.name, calibrations
        )
        self.schema: Schema = schema
        self.retrieval_name = retrieval.name
        self.cutoffs = tuple(cutoffs)
        self._config = config
        self._num_retrieved = max(config.num_candidates, config.max_k)
        # Then the answer is the head of the retrieval's own ranking.
        self._is_by_retrieval = config.score_fusion == "weighted_sum" and not (
            config.score_weights or config.calibration
        )
        # See `Untracked`.
        self._held = Untracked(model)
        self._model_variables = [variable.value for variable in model.core.variables]
        self._preprocessor = preprocessor
        columns = transform_catalogue(catalogue, preprocessor, schema)
        of_items = model.candidate_tower.predict(columns, batch_size=1024, verbose=0)
        self._index = CandidateIndex(
            of_items["embedding"], catalogue.columns[schema.item_id].tolist()
        )
        # What the trunk takes of each item, once for all requests.
        self._of_items = {
            part: tf.Variable(of_items[part], trainable=False)
            for part in TRUNK_PARTS
            if part in of_items
        }
        self._order = ListOrder(config, schema, catalogue, self._of_items["embedding"])

    @property
    def _model(self) -> Recommender:
        return self._held.model

    @property
    def answer_tasks(self) -> tuple[str, ...]:
        """Names of the tasks whose scores stand in an answer: those of one number a pair."""
        return tuple(answer_tasks(self.schema))

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
            raw: Raw user and context features by name, as `preprocess` takes them. The items of
                the history are left out of the answer where `ExportConfig.is_seen_excluded`.
            k: int32 `[B]` or `[1]`, items wanted by each row; the longest list has `max(k)` places,
                at most `ExportConfig.max_k` and the catalogue's size.
            diversity: float32 `[B]` or `[1]`, from 0 (order by score alone) to 1 (variety alone,
                after the best item); only with `ExportConfig.reranker`. None for 0.
            max_per_category: int32 `[B]` or `[1]`, items of one category in a list, 0 or less for
                any number; only with `ExportConfig.category_feature`. None for any number. An item
                without a category counts in none, one of several in each.

        Returns:
            `item_ids` string `[B, K]`, best first; `scores` float32 `[B, K]`, by which they are
            ordered, but for the exchanges of a diversity above 0; each task's prediction float32
            `[B, K]` by its name, as the model gives it: a calibration acts on `scores`. Places
            that cannot be filled hold `""` and 0.

        Raises:
            ValueError: If a wish is given that the configuration has no part for.
            tf.errors.InvalidArgumentError: If `k` is below 1, `diversity` is NaN or outside of
                `[0, 1]`, or a wish has neither one value nor one a row.
        """
        k = checked_k(k, tf.shape(raw[self.schema.user_id])[0], self._config.max_k)
        features = self._preprocessor(raw)
        candidates = self._candidates(features, self._query(features), self._seen(raw))
        predictions, is_item, rows = candidates.predictions, candidates.is_item, candidates.rows
        num_places = tf.minimum(tf.reduce_max(tf.pad(k, [[0, 1]])), tf.shape(rows)[1])
        scores, places = self._order(
            candidates.scores, is_item, rows, num_places, diversity, max_per_category
        )
        is_wanted = tf.range(tf.shape(places)[1])[tf.newaxis] < k[:, tf.newaxis]
        is_filled = is_wanted & (scores > EXCLUDED_SCORE / 2)
        ids = tf.gather(self._index.item_ids, tf.gather(rows, places, batch_dims=1))
        answer = {
            name: tf.where(is_filled, tf.gather(values, places, batch_dims=1), 0.0)
            for name, values in predictions.items()
        }
        answer["item_ids"] = tf.where(is_filled, ids, "")
        answer["scores"] = tf.where(is_filled, scores, 0.0)
        return answer

    def rank(self, raw: TensorDict) -> dict[str, Tensor]:
        """Scores pairs of a query and an item.

        Args:
            raw: Raw features of both sides by name. Item features may be of an item that the
                catalogue does not hold.

        Returns:
            Each task's prediction, float32 `[B]`, by its name.
        """
        return self._rank(self._preprocessor(raw))

    def rank_examples(self, serialized: Tensor) -> dict[str, Tensor]:
        """Scores serialised `tf.Example`s, string `[B]`; see `rank`."""
        return self.rank(parse_raw(serialized, self.schema))

    def evaluate_examples(self, serialized: Tensor) -> dict[str, Tensor]:
        """Scores serialised `tf.Example`s and ranks each row's item, as a request would meet it.

        Args:
            serialized: string `[B]`.

        Returns:
            What `rank` returns, and for each cut-off, float32 `[B]`:

            - `<retrieval task>_hit_at_K` and `<retrieval task>_ndcg_at_K`: 1 and
              `1 / log2(1 + rank)` where the row's item is among the first `K` of what may be
              answered of the whole catalogue, by the retrieval task alone; else 0.
            - `<retrieval task>_answered_hit_at_K` and `<retrieval task>_answered_ndcg_at_K`: the
              same of the list that `recommend` answers, by the score that orders it.
            - `<retrieval task>_chance_at_K`: how often a drawn list would hit, see `hit_chances`.

            What `ExportConfig.is_seen_excluded` leaves out of answers, the items of the row's own
            history, is no hit and before nothing. Their mean over rows measures retrieval where
            only rows are averaged.
        """
        raw = parse_raw(serialized, self.schema)
        features = self._preprocessor(raw)
        query, seen = self._query(features), self._seen(raw)
        rows = self._index.rows(raw[self.schema.item_id])[:, tf.newaxis]
        is_open = ~self._index.seen_mask(seen)
        is_own = is_open & tf.equal(rows, tf.range(self._index.num_candidates))
        found = place_among(self._index.scores(query["embedding"]), is_own, is_open)
        name = self.retrieval_name
        chances = hit_chances(name, is_own, is_open, self.cutoffs)
        if self._is_by_retrieval:
            answered = tf.where(found <= self._num_retrieved, found, float("inf"))
        else:
            of_answer = self._candidates(features, query, seen)
            is_own = of_answer.is_item & tf.equal(of_answer.rows, rows)
            answered = place_among(of_answer.scores, is_own, of_answer.is_item)
        return {
            **self._rank(features),
            **chances,
            **place_metrics(name, found, self.cutoffs),
            **place_metrics(f"{name}_{ANSWERED}", answered, self.cutoffs),
        }

    def candidates(self, features: TensorDict, history: Tensor) -> Candidates:
        """Finds what answers are made of, before it is ordered and cut.

        Args:
            features: The query's features by name, preprocessed, as batches of a dataset hold them.
            history: string `[B, L]`, ids of the history's items, which are left out where
                `ExportConfig.is_seen_excluded`; `""` is none.

        Returns:
            The candidates of each request, best of retrieval first.
        """
        seen = history if self._config.is_seen_excluded else history[:, :0]
        return self._candidates(features, self._query(features), seen)

    def raw_specs(self, *, has_items: bool) -> dict[str, tf.TensorSpec]:
        """Returns the raw inputs' shapes and dtypes by name.

        Args:
            has_items: Whether the item's features are inputs as well.
        """
        return raw_specs(self.schema.features if has_items else self.schema.query_features)

    def wish_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the other inputs of `recommend` by name: `k`, and what the configuration adds."""
        return {"k": tf.TensorSpec([None], tf.int32, name="k"), **self._order.specs()}

    def _rank(self, features: TensorDict) -> dict[str, Tensor]:
        tasks = (self.schema.task(self.retrieval_name), *self.schema.ranking_tasks)
        return predict_all(tasks, self._model(features, training=False))

    def _query(self, features: TensorDict) -> dict[str, Tensor]:
        tower = self._model.query_tower
        return tower({name: features[name] for name in tower.input}, training=False)

    def _candidates(self, features: TensorDict, query: TensorDict, seen: Tensor) -> Candidates:
        """Finds what an answer is made of, by the score that orders it."""
        retrieved, rows = self._index.top(query["embedding"], seen, self._num_retrieved)
        predictions = self._pair_predictions(query, retrieved, rows)
        is_item = retrieved > EXCLUDED_SCORE / 2
        fused = self._fusion(predictions, is_item, self._scenario(features))
        return Candidates(predictions, tf.where(is_item, fused, EXCLUDED_SCORE), is_item, rows)

    def _pair_predictions(self, query: TensorDict, retrieved: Tensor, rows: Tensor) -> TensorDict:
        """Predicts every answer task for each query with each of its `[B, C]` candidates."""
        predictions = {self.retrieval_name: retrieved / self._model.retrieval.temperature}
        if not self.schema.ranking_tasks:
            return predictions
        num = tf.shape(rows)[1]
        flat = tf.reshape(rows, [-1])
        of_queries = {name: tf.repeat(values, num, axis=0) for name, values in query.items()}
        of_items = {name: tf.gather(values, flat) for name, values in self._of_items.items()}
        given = trunk_inputs(of_queries, of_items, self._model.config)
        logits = self._model.trunk(given, training=False)
        for name, values in predict_all(self.schema.ranking_tasks, logits).items():
            if name in self.answer_tasks:
                predictions[name] = tf.reshape(values, tf.shape(rows))
        return predictions

    def _scenario(self, features: TensorDict) -> Tensor | None:
        scenario = self.schema.scenario
        return None if scenario is None else features[scenario.feature]

    def _seen(self, raw: TensorDict) -> Tensor:
        """Returns what is left out of the answers, string `[B, L]`."""
        history = self.schema.history
        is_excluded = self._config.is_seen_excluded
        if not is_excluded or history is None or history.name not in raw:
            batch = tf.shape(raw[self.schema.user_id])[0]
            return tf.fill([batch, 0], "")
        seen = raw[history.name]
        return seen.to_tensor("") if isinstance(seen, tf.RaggedTensor) else seen
