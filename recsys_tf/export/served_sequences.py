"""A sequential recommender that answers from ids of items."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from recsys_tf.export.list_order import checked_k
from recsys_tf.export.untracked import Untracked
from recsys_tf.export.warm_up import write_warm_up
from recsys_tf.export.writing import traced_signature, write_saved_model
from recsys_tf.layers.shapes import check_positive, check_rank
from recsys_tf.models import SequenceRecommender
from recsys_tf.preparation import SequenceData
from recsys_tf.retrieval import CandidateIndex
from recsys_tf.retrieval.candidate_index import EXCLUDED_SCORE
from recsys_tf.types import NUM_RESERVED_INDICES, PADDING_INDEX, UNKNOWN_INDEX, Tensor


class ServedSequences(tf.Module):
    """The parts of a trained `SequenceRecommender` that answer: ids, encoder, index, popularity.

    What may be recommended are the catalogue's items that training has met, and those that content
    tells from others. Their vectors, with their content, are computed once, here.

    Args:
        model: The trained model.
        data: What it was trained on; of a later catalogue where `with_content` has put it over one.
        max_k: Longest list that a request may ask for.
        is_seen_excluded: Whether the items of a history are left out of its answer; None does as
            `export.is_seen_excluded` of the run says.

    Raises:
        ValueError: If `max_k` is below 1, or the model's table is not that of the data.

    Example:
        >>> from recsys_tf import RunConfig, SequenceConfig
        >>> from recsys_tf.datasets import load_dataset
        >>> from recsys_tf.preparation import prepare
        >>> interactions = load_dataset("synthetic", num_users=20, num_items=20, num_events=150)
        >>> data = SequenceData(prepare(RunConfig(), interactions), SequenceConfig(max_length=5))
        >>> served = ServedSequences(SequenceRecommender(data.num_indices, data.config), data)
        >>> served.recommend(tf.constant([["i00003", ""]]), tf.constant([4]))["item_ids"].shape
        TensorShape([1, 4])
    """

    def __init__(
        self,
        model: SequenceRecommender,
        data: SequenceData,
        max_k: int = 1000,
        is_seen_excluded: bool | None = None,
    ) -> None:
        super().__init__(name="served_sequences")
        if (model.num_indices, model.num_rows) != (data.num_indices, data.num_rows):
            raise ValueError(
                f"`model` must have a row for each of the {data.num_indices} indices of `data`, "
                f"{data.num_rows} with those of content alone, received {model.num_indices} and "
                f"{model.num_rows}; give the data that it was trained on, or put it over these by "
                "`with_content`."
            )
        self._max_k = check_positive("max_k", max_k)
        self._config = model.config
        of_run = data.data.config.export.is_seen_excluded
        self._is_seen_excluded = of_run if is_seen_excluded is None else is_seen_excluded
        # See `Untracked`.
        self._held = Untracked(model)
        self._model_variables = [variable.value for variable in model.variables]
        indices = data.catalogue_items
        is_known = indices >= NUM_RESERVED_INDICES
        popularity, indices = data.catalogue_popularity[is_known], indices[is_known]
        item_id = data.data.schema.item_id
        ids = data.data.interactions.items[item_id].to_numpy()[is_known].tolist()
        self._index = CandidateIndex(model.item_vectors[indices], ids)
        # One row more than there are candidates: what is no candidate is unknown.
        self._item_indices = tf.Variable(
            np.append(indices, UNKNOWN_INDEX), trainable=False, dtype=tf.int64
        )
        self._popularity = tf.Variable(
            popularity, trainable=False, dtype=tf.float32, name="popularity"
        )
        self._actions = _lookup(self._config.actions)

    def recommend(
        self,
        history: Tensor,
        k: Tensor,
        actions: Tensor | None = None,
        times: Tensor | None = None,
        asked_at: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Recommends items.

        Args:
            history: string `[B, L]`, ids of the items that each user met, oldest first; `""` is
                padding, at any place. The newest `max_length` are read, and all of them are left
                out of the answer where `is_seen_excluded`. An id that training has not met is read
                by its content, or as an unknown item.
            k: int32 `[B]` or `[1]`, items wanted by each row; the longest list has `max(k)`
                places, at most `max_k` and the number of items.
            actions: string `[B, L]`, `[B, 1]` or `[1, 1]`, the kinds of action; only read where
                the model has kinds. `""` and None are missing ones.
            times: int64 of such a shape, seconds; only read where the model has times. Below the
                one before, or none at all, counts as no time between the two.
            asked_at: int64 `[B]` or `[1]`, seconds of the same clock, when the recommendation is
                asked for; only read where the model has the times of requests. 0 and None are
                unknown; give it wherever it is known, as the answer is better for it.

        Returns:
            `item_ids` string `[B, K]`, best first, and `scores` float32 `[B, K]`, the model's own.
            A user without a history gets the items by how often training met them, which then is
            the score. Places that cannot be filled hold `""` and 0.

        Raises:
            tf.errors.InvalidArgumentError: If `k` is below 1 or has neither one value nor one a
                row, or `actions`, `times` or `asked_at` do not fit `history`.
        """
        check_rank("history", history.shape, 2)
        k = checked_k(k, tf.shape(history)[0], self._max_k)
        is_event = tf.not_equal(history, "")
        columns = self._columns(history, actions, times)
        items = columns["items"] = tf.where(is_event, columns["items"], PADDING_INDEX)
        columns = _newest(columns, self._config.max_length)
        if self._config.has_request_times:
            given = tf.zeros([1], tf.int64) if asked_at is None else asked_at
            columns["asked_at"] = tf.broadcast_to(given, tf.shape(history)[:1])
        states = self._held.model.last_states(columns)
        is_empty = tf.reduce_all(items == PADDING_INDEX, axis=1, keepdims=True)
        scores = tf.where(is_empty, self._popularity, self._index.scores(states))
        if self._is_seen_excluded:
            scores = tf.where(self._index.seen_mask(history), EXCLUDED_SCORE, scores)
        num_places = tf.minimum(tf.reduce_max(tf.pad(k, [[0, 1]])), self._index.num_candidates)
        best = tf.math.top_k(scores, num_places)
        is_wanted = tf.range(num_places) < k[:, tf.newaxis]
        is_filled = is_wanted & (best.values > EXCLUDED_SCORE / 2)
        return {
            "item_ids": tf.where(is_filled, tf.gather(self._index.item_ids, best.indices), ""),
            "scores": tf.where(is_filled, best.values, 0.0),
        }

    def input_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the inputs of `recommend` by name; those that may be left out stand last."""
        types = {"actions": tf.string, "times": tf.int64}
        return {
            "history": tf.TensorSpec([None, None], tf.string, name="history"),
            "k": tf.TensorSpec([None], tf.int32, name="k"),
            **{
                name: tf.TensorSpec([None, None], types[name], name=name)
                for name in self._config.step_columns
            },
            **{
                name: tf.TensorSpec([None], tf.int64, name=name)
                for name in self._config.row_columns
            },
        }

    def describe(self, folder: Path) -> None:
        """Writes the model's configuration into a folder."""
        self._config.to_yaml(folder / "sequence.yaml")

    def _columns(
        self, history: Tensor, actions: Tensor | None, times: Tensor | None
    ) -> dict[str, Tensor]:
        columns = {"items": tf.gather(self._item_indices, self._index.rows(history))}
        shape = tf.shape(history)
        if self._config.actions:
            kinds = tf.broadcast_to("" if actions is None else actions, shape)
            columns["actions"] = self._actions.lookup(kinds)
        if self._config.has_times:
            given = tf.zeros([1, 1], tf.int64) if times is None else times
            columns["times"] = tf.broadcast_to(given, shape)
        return columns


def export_sequence_model(served: ServedSequences, folder: str | Path) -> Path:
    """Writes a SavedModel, whole or not at all.

    Its signature `recommend`, also under `serving_default`, takes what `ServedSequences.recommend`
    takes. A request by gRPC may leave out `actions`, `times` and `asked_at`. It holds operations of
    TensorFlow alone, so that TensorFlow Serving runs it as it is. The model's configuration lies
    beside the graph, in `assets.extra/sequence.yaml`, with the request that servers warm up with.

    Args:
        served: What is to be answered from.
        folder: Where the SavedModel goes; must not exist or be empty.

    Returns:
        The folder.

    Raises:
        ValueError: If the folder holds something already.
        OSError: If it cannot be written; nothing is left behind.
    """
    specs = served.input_specs()
    defaults = {
        name: tf.constant("" if spec.dtype == tf.string else 0, spec.dtype, [1] * spec.shape.rank)
        for name, spec in specs.items()
        if name not in ("history", "k")
    }

    def signatures() -> dict[str, object]:
        recommend = traced_signature(lambda raw: served.recommend(**raw), specs, defaults)
        return {"recommend": recommend, "serving_default": recommend}

    def describe(extra: Path) -> None:
        served.describe(extra)
        write_warm_up(extra, specs, defaults)

    return write_saved_model(served, folder, signatures, describe)


def _lookup(actions: tuple[str, ...]) -> tf.lookup.StaticHashTable:
    """Maps "" to 0, `actions` to 2 on in their order, and any other kind to 1."""
    rows = [PADDING_INDEX, *range(NUM_RESERVED_INDICES, NUM_RESERVED_INDICES + len(actions))]
    keys = tf.constant(["", *actions])
    return tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(keys, tf.constant(rows, tf.int32)), UNKNOWN_INDEX
    )


def _newest(columns: dict[str, Tensor], max_length: int) -> dict[str, Tensor]:
    """Moves the newest `max_length` events of each row to its left, and cuts the rest off."""
    is_event = tf.cast(tf.not_equal(columns["items"], PADDING_INDEX), tf.int32)
    is_kept = (is_event > 0) & (tf.cumsum(is_event, axis=1, reverse=True) <= max_length)
    places = tf.cumsum(tf.cast(is_kept, tf.int32), axis=1) - 1
    kept = tf.cast(tf.where(is_kept), tf.int32)
    places = tf.gather_nd(places, kept)
    # At least one column: a convolution does not take a row of none.
    width = tf.maximum(tf.reduce_max(tf.pad(places, [[0, 1]], constant_values=-1)) + 1, 1)
    shape = tf.stack([tf.shape(is_event)[0], width])
    cells = tf.stack([kept[:, 0], places], axis=1)
    return {
        name: tf.scatter_nd(cells, tf.gather_nd(column, kept), shape)
        for name, column in columns.items()
    }
