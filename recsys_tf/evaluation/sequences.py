"""Measures a sequential recommender on held-out rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from recsys_tf.evaluation.ranking import ranked, ranking_problem
from recsys_tf.features import Sequences
from recsys_tf.metrics import RankingValues
from recsys_tf.metrics.ranking_evaluation import ScoresFn
from recsys_tf.models import SequenceRecommender
from recsys_tf.preparation import Part, SequenceData
from recsys_tf.types import NUM_RESERVED_INDICES, FloatArray, IntArray


def sequence_ranking(
    model: SequenceRecommender,
    data: SequenceData,
    part: Part = "test",
    *,
    on_users_done: Callable[[int], object] | None = None,
) -> RankingValues:
    """Ranks the whole catalogue for each user with held-out rows.

    A user without a history gets the items by how often training met them.

    Args:
        model: A trained model.
        data: What it was trained on.
        part: The part to measure on; histories are what may be known by then.
        on_users_done: Called with the number of users after each block that was ranked.

    Returns:
        The ranking metrics of each user, and those of the lists that `config.evaluation` names;
        seen items are left out as it says.
    """
    problem = ranking_problem(data.data, part)
    score = sequence_scores(model, data, part)
    vectors = model.item_vectors[data.catalogue_items]
    return ranked(problem, score, None, vectors, data.data.config.evaluation, on_users_done)


def sequence_scores(model: SequenceRecommender, data: SequenceData, part: Part) -> ScoresFn:
    """Computes all users' states, and returns what scores the catalogue for some of them.

    Args:
        model: The model.
        data: The data.
        part: Whose known rows are the histories.

    Returns:
        A function from positions in `users`, int `[B]`, to scores, float32 `[B, N]`; items of which
        nothing is known come last.
    """
    sequences = data.sequences(part)
    times = data.request_times(part) if data.config.has_request_times else None
    states = last_states(model, sequences, asked_at=times)
    vectors = model.item_vectors[data.catalogue_items].T
    is_known = data.catalogue_items >= NUM_RESERVED_INDICES
    popularity = data.catalogue_popularity.astype(np.float32)
    lowest = np.float32(-1e30)

    def score(users: IntArray) -> FloatArray:
        scores = states[users] @ vectors
        is_empty = sequences.lengths[users] == 0
        scores[is_empty] = popularity
        return np.where(is_known, scores, lowest)

    return score


def last_states(
    model: SequenceRecommender,
    sequences: Sequences,
    batch_size: int = 256,
    asked_at: IntArray | None = None,
) -> FloatArray:
    """Computes the state after each sequence's last event.

    Args:
        model: The model; its `max_length` newest events are read.
        sequences: The histories.
        batch_size: Rows at once; rows of like length go together.
        asked_at: int `[U]`, seconds, when what comes next is asked for; None where the model does
            not read it, or it is not known.

    Returns:
        float32 `[U, D]`, in the order of `sequences`; zeros for an empty one.
    """
    cut = sequences.newest(model.config.max_length)
    columns = cut.columns(("items", *model.config.step_columns))
    specs = {name: tf.TensorSpec([None, None], each.dtype) for name, each in columns.items()}
    specs |= {name: tf.TensorSpec([None], tf.int64) for name in model.config.row_columns}
    moments = np.zeros(len(cut), np.int64) if asked_at is None else np.asarray(asked_at, np.int64)
    encode = tf.function(model.last_states, input_signature=[specs], autograph=False)
    order = np.argsort(cut.lengths, kind="stable")
    states = np.zeros((len(cut), model.config.embedding_dim), np.float32)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        lengths = cut.lengths[rows]
        is_event = np.arange(max(1, lengths.max())) < lengths[:, None]
        places = (cut.starts[rows, None] + np.arange(is_event.shape[1]))[is_event]
        batch = {name: np.zeros(is_event.shape, each.dtype) for name, each in columns.items()}
        for name, each in columns.items():
            batch[name][is_event] = each[places]
        batch |= dict.fromkeys(model.config.row_columns, moments[rows])
        states[rows] = encode(batch).numpy()
    return states
