import numpy as np
import pytest
from scipy import sparse

from recsys_tf.metrics import top_k


def sorted_twin(scores, k, seen):
    rows = []
    for row, left_out in zip(scores, seen, strict=True):
        allowed = [i for i in range(len(row)) if not left_out[i] and row[i] != -np.inf]
        best = sorted(allowed, key=lambda item: (-row[item], item))[:k]
        rows.append(best + [-1] * (k - len(best)))
    return rows


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int64])
@pytest.mark.parametrize("k", [1, 3, 29, 30, 40])
def test_equals_a_full_sort_on_scores_with_many_ties(dtype, k):
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 6, size=(50, 30)).astype(dtype)
    seen = rng.random((50, 30)) < 0.3
    found = top_k(scores, k, sparse.csr_matrix(seen))
    assert found.tolist() == sorted_twin(scores.astype(float), k, seen)


def test_equals_a_full_sort_without_ties():
    scores = np.random.default_rng(1).normal(size=(200, 300)).astype(np.float32)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :20]
    np.testing.assert_array_equal(top_k(scores, 20), expected)


def test_equal_scores_come_in_the_order_of_the_indexes():
    assert top_k(np.zeros((1, 5)), 3).tolist() == [[0, 1, 2]]


def test_minus_infinity_is_never_listed_and_plus_infinity_is_first():
    assert top_k(np.array([[-np.inf, 1.0, np.inf]]), 3).tolist() == [[2, 1, -1]]


def test_user_who_has_seen_everything_gets_an_empty_list():
    assert top_k(np.ones((1, 3)), 2, sparse.csr_matrix(np.ones((1, 3)))).tolist() == [[-1, -1]]


def test_seen_entry_of_value_zero_is_seen():
    seen = sparse.csr_matrix(([0.0], ([0], [0])), shape=(1, 2))
    assert top_k(np.array([[2.0, 1.0]]), 1, seen).tolist() == [[1]]


def test_scores_of_the_caller_are_not_changed():
    scores = np.ones((2, 3))
    top_k(scores, 2, sparse.csr_matrix(np.eye(2, 3)))
    np.testing.assert_array_equal(scores, np.ones((2, 3)))


@pytest.mark.parametrize("shape", [(0, 4), (3, 0)])
def test_empty_block_gives_empty_lists(shape):
    assert top_k(np.zeros(shape), 2).tolist() == [[-1, -1]] * shape[0]


def test_accepts_the_sparse_array_interface():
    assert top_k(np.array([[2.0, 1.0]]), 1, sparse.csr_array([[1, 0]])).tolist() == [[1]]


def test_nan_score_is_an_error():
    with pytest.raises(ValueError, match=r"`scores` must not be NaN, received NaN in 1 of 2 rows"):
        top_k(np.array([[1.0, np.nan], [1.0, 2.0]]), 1)


def test_cut_off_below_one_is_an_error():
    with pytest.raises(ValueError, match=r"`k` must be at least 1, received 0"):
        top_k(np.ones((1, 2)), 0)


def test_scores_of_one_row_without_a_batch_axis_are_an_error():
    with pytest.raises(ValueError, match=r"`scores` must be \[B, N\], received shape \(2,\)"):
        top_k(np.ones(2), 1)


def test_seen_of_another_shape_is_an_error():
    with pytest.raises(ValueError, match=r"`seen` must have the shape of `scores`, \(1, 2\)"):
        top_k(np.ones((1, 2)), 1, sparse.csr_matrix((1, 3)))
