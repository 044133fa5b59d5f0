"""Everything that is asked of a trained model, as functions of raw values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf

from recsys_tf.config import ExportConfig
from recsys_tf.export.answer_candidates import Candidates, ordered_answer
from recsys_tf.export.answer_score import answer_score, answer_tasks
from recsys_tf.export.answer_source import AnswerSource, checked_retrieval
from recsys_tf.export.list_order import ListOrder, check_input_names, check_order
from recsys_tf.export.place_metrics import ANSWERED, hit_chances, place_among, place_metrics
from recsys_tf.features import Examples, Preprocessor
from recsys_tf.features.tf_example import parse_raw
from recsys_tf.models import Recommender
from recsys_tf.retrieval.candidate_index import EXCLUDED_SCORE
from recsys_tf.schema import Schema
from recsys_tf.score_fusion import Calibration, ScoreFusion
from recsys_tf.types import Tensor, TensorDict


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
        retrieval = checked_retrieval(schema)
        # First, since names may be wrong and the catalogue's vectors take their time.
        check_input_names(config, schema)
        check_order(config, schema)
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
            config.score_weights or retrieval.name in self._fusion.calibrations
        )
        self._source = AnswerSource(model, preprocessor, catalogue)
        self._order = ListOrder(config, schema, catalogue, self._source.likeness_vectors)

    @property
    def answer_tasks(self) -> tuple[str, ...]:
        """Names of the tasks whose scores stand in an answer: those of one number a pair."""
        return self._source.answer_tasks

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
        candidates = self.candidates(self._source.preprocessor(raw), self._source.history(raw))
        return ordered_answer(
            candidates,
            self._source.index.item_ids,
            self._order,
            self._config.max_k,
            k,
            diversity,
            max_per_category,
        )

    def rank(self, raw: TensorDict) -> dict[str, Tensor]:
        """Scores pairs of a query and an item.

        Args:
            raw: Raw features of both sides by name. Item features may be of an item that the
                catalogue does not hold.

        Returns:
            Each task's prediction, float32 `[B]`, by its name.
        """
        return self._source.rank(self._source.preprocessor(raw))

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
        source, index = self._source, self._source.index
        features = source.preprocessor(raw)
        query, seen = source.query(features), self._seen(source.history(raw))
        rows = index.rows(raw[self.schema.item_id])[:, tf.newaxis]
        is_open = ~index.seen_mask(seen)
        is_own = is_open & tf.equal(rows, tf.range(index.num_candidates))
        found = place_among(index.scores(query["embedding"]), is_own, is_open)
        name = self.retrieval_name
        chances = hit_chances(name, is_own, is_open, self.cutoffs)
        if self._is_by_retrieval:
            answered = tf.where(found <= self._num_retrieved, found, float("inf"))
        else:
            of_answer = self._candidates(features, query, seen)
            is_own = of_answer.is_item & tf.equal(of_answer.rows, rows)
            answered = place_among(of_answer.scores, is_own, of_answer.is_item)
        return {
            **source.rank(features),
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
        return self._candidates(features, self._source.query(features), self._seen(history))

    def raw_specs(self, *, has_items: bool) -> dict[str, tf.TensorSpec]:
        """Returns the raw inputs' shapes and dtypes by name.

        Args:
            has_items: Whether the item's features are inputs as well.
        """
        return self._source.raw_specs(has_items=has_items)

    def wish_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the other inputs of `recommend` by name: `k`, and what the configuration adds."""
        return {"k": tf.TensorSpec([None], tf.int32, name="k"), **self._order.specs()}

    def _candidates(self, features: TensorDict, query: TensorDict, seen: Tensor) -> Candidates:
        """Finds what an answer is made of, by the score that orders it."""
        source = self._source
        retrieved, rows = source.index.top(query["embedding"], seen, self._num_retrieved)
        predictions = source.predictions(query, retrieved, rows)
        is_item = retrieved > EXCLUDED_SCORE / 2
        fused = self._fusion(predictions, is_item, source.scenario(features))
        return Candidates(predictions, tf.where(is_item, fused, EXCLUDED_SCORE), is_item, rows)

    def _seen(self, history: Tensor) -> Tensor:
        """Returns what of a history, string `[B, L]`, is left out of the answers."""
        return history if self._config.is_seen_excluded else history[:, :0]
