"""Which of the scored candidates stand in an answer, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from recsys_tf.config import ExportConfig
from recsys_tf.export.raw_spec import check_parameter_names
from recsys_tf.features import Examples
from recsys_tf.layers.shapes import check_rank
from recsys_tf.naming import look_up
from recsys_tf.reranking import RERANKERS
from recsys_tf.reranking.requests import checked_shares
from recsys_tf.retrieval.candidate_index import EXCLUDED_SCORE
from recsys_tf.schema import Schema
from recsys_tf.types import Array, IntArray, Tensor


class ListOrder(tf.Module):
    """Orders candidates by their score, and by their variety where a request wishes it.

    While all requests of a batch have the diversity 0 and no cap, it is the plain list of the
    best; then the reranker is not run, and costs nothing.

    Args:
        config: Its `reranker`, `list_order`, `similarity_feature` and `category_feature`.
        schema: Names the features.
        catalogue: The items.
        vectors: Rows of the catalogue, int32 `[B, C]` -> float32 `[B, C, D]`, whose directions tell
            what is alike where no `similarity_feature` does.

    Raises:
        ValueError: If a name is not known.
    """

    def __init__(
        self,
        config: ExportConfig,
        schema: Schema,
        catalogue: Examples,
        vectors: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__(name="list_order")
        self._rerank: Any = None
        self._categories: tf.Variable | None = None
        self._kinds: tf.Variable | None = None
        self._vectors = vectors
        self._is_sorted = config.list_order == "relevance"
        if config.reranker is not None:
            self._rerank = look_up(RERANKERS, config.reranker, "reranker")
        if config.similarity_feature is not None:
            name = config.similarity_feature
            table = item_categories(name, schema, catalogue, "similarity_feature")
            self._kinds = tf.Variable(table, trainable=False, name="kinds")
        if config.category_feature is not None:
            table = item_categories(config.category_feature, schema, catalogue)
            self._categories = tf.Variable(table, trainable=False, name="categories")

    def specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the inputs that a request may steer it with, by name."""
        specs = {}
        if self._rerank is not None:
            specs["diversity"] = tf.TensorSpec([None], tf.float32, name="diversity")
        if self._categories is not None:
            specs["max_per_category"] = tf.TensorSpec([None], tf.int32, name="max_per_category")
        return specs

    def __call__(
        self,
        scores: Tensor,
        is_item: Tensor,
        rows: Tensor,
        num_places: Tensor,
        diversity: Tensor | None = None,
        max_per_category: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Chooses the candidates of each place.

        Args:
            scores: float32 `[B, N]`; candidates that must not be answered have the lowest.
            is_item: Bool `[B, N]`, False for those.
            rows: int32 `[B, N]`, each candidate's row in the catalogue.
            num_places: int32 scalar `K`, at most `N`.
            diversity: float32 `[B]` or `[1]`, from 0 (exactly the `K` best) to 1; None for 0.
            max_per_category: int32 `[B]` or `[1]`, items of one category in the list; 0 or less
                sets no cap. None for no cap.

        Returns:
            float32 `[B, K]`, the chosen candidates' scores, `EXCLUDED_SCORE` where none is left,
            and int32 `[B, K]`, their positions.

        Raises:
            ValueError: If a wish is given that the configuration has no part for.
            tf.errors.InvalidArgumentError: If a diversity is NaN or outside of `[0, 1]`, or there
                are neither one nor `B` values.
        """
        self._check_wishes(diversity, max_per_category)
        if self._rerank is None:
            best = tf.math.top_k(scores, num_places)
            return best.values, best.indices
        num_requests = tf.shape(scores)[0]
        given = [0.0] if diversity is None else diversity
        # Here, as a NaN asks for no variety, and the reranker would not see it.
        shares = checked_shares(checked_rows("diversity", given, tf.float32, num_requests))
        is_varied, caps = tf.reduce_any(shares > 0), None
        if max_per_category is not None:
            caps = checked_rows("max_per_category", max_per_category, tf.int32, num_requests)
            is_varied |= tf.reduce_any(caps > 0)

        def varied() -> Tensor:
            return self._rerank(
                scores,
                k=num_places,
                diversity=shares,
                **self._likeness(rows),
                is_excluded=~is_item,
                categories=None if caps is None else tf.gather(self._categories, rows),
                max_per_category=caps,
                is_sorted=self._is_sorted,
            )

        places = tf.cond(is_varied, varied, lambda: tf.math.top_k(scores, num_places).indices)
        is_filled, places = places >= 0, tf.maximum(places, 0)
        chosen = tf.gather(scores, places, batch_dims=1)
        return tf.where(is_filled, chosen, EXCLUDED_SCORE), places

    def _likeness(self, rows: Tensor) -> dict[str, Tensor | None]:
        """Returns what a reranker compares candidates by: `vectors`, or their `similarity`."""
        if self._kinds is None:
            return {"vectors": self._vectors(rows)}
        kinds = tf.gather(self._kinds, rows)
        if kinds.shape.rank == 3:
            return {"vectors": tf.cast(kinds, tf.float32)}
        # As of vectors with a direction for each kind: 1 of one kind, else a half.
        is_one = tf.equal(kinds[:, :, tf.newaxis], kinds[:, tf.newaxis]) & (
            kinds[:, tf.newaxis] >= 0
        )
        halves = tf.where(is_one, 1.0, 0.5)
        return {
            "vectors": None,
            "similarity": tf.linalg.set_diag(halves, tf.ones(tf.shape(kinds))),
        }

    def _check_wishes(self, diversity: Tensor | None, max_per_category: Tensor | None) -> None:
        if diversity is not None and self._rerank is None:
            raise ValueError(
                "`diversity` must be None, as the model was exported without a reranker; set "
                "`ExportConfig.reranker`."
            )
        if max_per_category is not None and self._categories is None:
            raise ValueError(
                "`max_per_category` must be None, as the model was exported without categories; "
                "set `ExportConfig.category_feature`."
            )


ORDER_FIELDS = ("reranker", "similarity_feature", "category_feature")
"""Fields of `ExportConfig` whose names are those of a table or of the schema."""


def check_order(config: ExportConfig, schema: Schema, fields: Iterable[str] = ORDER_FIELDS) -> None:
    """Checks the names that a `ListOrder` goes by, without the catalogue that it needs.

    Args:
        config: Holds them.
        schema: Features.
        fields: Which of `ORDER_FIELDS` are checked.

    Raises:
        ValueError: If one is not known.
    """
    for field in fields:
        name = getattr(config, field)
        if name is not None and field == "reranker":
            look_up(RERANKERS, name, field)
        elif name is not None:
            check_category_feature(name, schema, field)


def check_category_feature(name: str, schema: Schema, field: str = "category_feature") -> None:
    """Checks that the item has a feature of that name whose values are categories.

    Args:
        name: The feature.
        schema: Features.
        field: The field of the configuration that names it.

    Raises:
        ValueError: If the item has no such feature; the text names those it has.
    """
    usable = {
        each.name: each
        for each in schema.candidate_features
        if each.kind in ("categorical", "id") and each.name != schema.item_id
    }
    if not usable:
        raise ValueError(
            f"`{field}` {name!r} must be a categorical feature or an id of the item, and "
            "the schema has none; set it to None."
        )
    look_up(usable, name, field)


def check_input_names(config: ExportConfig, schema: Schema) -> None:
    """Checks that every feature can be an input of `recommend` and `rank` by its name.

    Raises:
        ValueError: If one has the name of another input, or is a word of Python's.
    """
    wishes = {"k": True, "diversity": config.reranker, "max_per_category": config.category_feature}
    names = {each.name for each in schema.query_features}
    if schema.history is not None:
        names |= set(schema.history.aligned.values())
    for wish, is_input in wishes.items():
        if is_input and wish in names:
            raise ValueError(
                f"`schema`: the feature {wish!r} has the name of an input of `recommend`; give it "
                "another one."
            )
    check_parameter_names([*(each.name for each in schema.features), *names])


def item_categories(
    name: str, schema: Schema, catalogue: Examples, field: str = "category_feature"
) -> Array:
    """Numbers the categories of each item, by the strings of the catalogue.

    Not by the model's vocabulary: what it has not learned is no single category "unknown".

    Args:
        name: A categorical feature of the item, or an id of it that is not its own.
        schema: Features.
        catalogue: The items.
        field: The field of the configuration that names it.

    Returns:
        int32 `[N]`, -1 for an item without a category; of a multivalent feature bool `[N, C]`,
        True for each of the item's categories.

    Raises:
        ValueError: If the item has no such feature; the text names those it has.
    """
    check_category_feature(name, schema, field)
    if name in catalogue.columns:
        return _codes(catalogue.columns[name])
    windows = catalogue.lists[name]
    codes = _codes(windows.values)
    flags = np.zeros((len(windows), codes.max(initial=-1) + 1), bool)
    for item, (start, end) in enumerate(zip(windows.starts, windows.ends, strict=True)):
        own = codes[start:end]
        flags[item, own[own >= 0]] = True
    return flags


def _codes(values: Array) -> IntArray:
    """Numbers strings from 0 on, in the order of the alphabet; "" is -1."""
    numbers = {name: number for number, name in enumerate(sorted(set(values) - {""}))}
    return np.fromiter((numbers.get(each, -1) for each in values), np.int32, len(values))


def checked_rows(name: str, values: Any, dtype: tf.DType, num_requests: Tensor) -> Tensor:
    """Returns an input of `recommend` as a tensor that has one value, or one a request.

    Raises:
        ValueError: If its rank is not 1.
        tf.errors.InvalidArgumentError: If it has another number of values.
    """
    values = tf.convert_to_tensor(values, dtype)
    check_rank(name, values.shape, 1)
    num = tf.shape(values)[0]
    rule = f"`{name}` must have one value, or one a row, received and rows:"
    check = tf.debugging.Assert((num == 1) | (num == num_requests), [rule, num, num_requests])
    with tf.control_dependencies([check]):
        return tf.identity(values)


def checked_k(k: Any, num_requests: Tensor, max_k: int) -> Tensor:
    """Returns how many items each request wants, int32, at most `max_k`.

    Raises:
        ValueError: If its rank is not 1.
        tf.errors.InvalidArgumentError: If a number is below 1, or there is neither one nor one a
            request.
    """
    k = checked_rows("k", k, tf.int32, num_requests)
    check = tf.debugging.assert_greater(k, 0, "`k` must be 1 or more in every row.")
    with tf.control_dependencies([check] if check is not None else []):
        return tf.minimum(k, max_k)
