"""Requests: answered in a graph as eagerly, and refused with their fault."""

import numpy as np
import pytest
import tensorflow as tf

N, D = 30, 16
DIVERSITIES = (0.0, 0.2, 0.5, 0.9, 1.0)


class _Served(tf.Module):
    """A reranker as a SavedModel's signature holds it."""

    def __init__(self, rerank):
        super().__init__()
        self._rerank = rerank

    @tf.function(
        autograph=False,
        input_signature=[
            tf.TensorSpec([None, None], tf.float32),
            tf.TensorSpec([None, None, D], tf.float32),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([None], tf.float32),
            tf.TensorSpec([None, None], tf.int32),
        ],
    )
    def answer(self, relevance, vectors, k, diversity, categories):
        excluded = relevance < -2
        return self._rerank(
            relevance,
            vectors,
            k,
            diversity,
            is_excluded=excluded,
            categories=categories,
            max_per_category=3,
        )


def test_saved_model_answers_as_eager_for_any_sizes(rerank, requests, tmp_path):
    tf.saved_model.save(_Served(rerank), str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    relevance, vectors = requests
    for rows, num, k in ((5, N, 10), (1, 7, 12), (1, 1, 1), (0, 3, 2)):
        inputs = (relevance[:rows, :num], vectors[:rows, :num])
        shares = tf.constant(DIVERSITIES[:rows])
        ids = np.tile(np.arange(num) % 4, (rows, 1)).astype("int32")
        wanted = rerank(
            *inputs, k, shares, is_excluded=inputs[0] < -2, categories=ids, max_per_category=3
        )
        found = loaded.answer(*inputs, tf.constant(k), shares, tf.constant(ids))
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("k", [0, -1])
def test_request_of_no_places_gets_empty_lists_in_a_graph(rerank, requests, k):
    categories = np.zeros((5, N), "int32")
    served = _Served(rerank)
    assert served.answer(*requests, tf.constant(k), DIVERSITIES[:1], categories).shape == (5, 0)


def test_graph_holds_operations_of_plain_tensorflow_only(rerank):
    served = _Served(rerank)
    graph = served.answer.get_concrete_function().graph.as_graph_def()
    nodes = [*graph.node, *(node for each in graph.library.function for node in each.node_def)]
    assert not {node.op for node in nodes} & {"PyFunc", "EagerPyFunc", "PyFuncStateless"}


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_diversity_of_a_request_out_of_range_is_an_error_of_the_request(rerank, share):
    @tf.function(autograph=False)
    def answer(diversity):
        return rerank([[0.1, 0.2]], [[[1.0], [2.0]]], 2, diversity)

    with pytest.raises(tf.errors.InvalidArgumentError, match="must be from 0 .relevance only"):
        answer(tf.constant([share]))


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"diversity": 1.5}, ValueError, "`diversity` must be from 0 .* received 1.5"),
        ({"diversity": float("nan")}, ValueError, "`diversity` must be from 0 .* received nan"),
        ({"diversity": [[0.5]]}, ValueError, r"`diversity` must be one number .* \(1, 1\)"),
        ({"k": 0}, ValueError, "`k` must be an integer of at least 1, received 0"),
        ({"relevance": [0.1, 0.2]}, ValueError, "`relevance` must have rank 2, received rank 1"),
        ({"relevance": [[]]}, ValueError, "at least one candidate, received none"),
        ({"vectors": [[0.1, 0.2]]}, ValueError, "`vectors` must have rank 3, received rank 2"),
        ({"vectors": None}, ValueError, "one of them, received none"),
        ({"similarity": [[[1.0]]]}, ValueError, "one of them, received both"),
        (
            {"is_excluded": [True, False]},
            ValueError,
            "`is_excluded` must have rank 2, received rank 1",
        ),
        ({"max_per_category": None}, ValueError, "must be given together"),
        ({"categories": None}, ValueError, "must be given together"),
        ({"categories": [0, 1]}, ValueError, r"`categories` must be ids \[B, N\] or flags"),
        ({"categories": [[0.0, 1.0]]}, TypeError, "must be integers, received float32"),
        ({"max_per_category": 0}, ValueError, "`max_per_category` must be an integer of at"),
        (
            {"max_per_category": [[1]]},
            ValueError,
            r"`max_per_category` must be one number or one a request, .* \(1, 1\)",
        ),
    ],
)
def test_faulty_arguments_are_named(rerank, changed, error, message):
    arguments = {
        "relevance": [[0.1, 0.2]],
        "vectors": [[[1.0], [2.0]]],
        "k": 2,
        "diversity": 0.5,
        "categories": [[0, 1]],
        "max_per_category": 1,
    }
    with pytest.raises(error, match=message):
        rerank(**{**arguments, **changed})
