import math

import numpy as np
import pytest
from scipy import sparse

from recsys_tf.metrics import UndefinedMetricWarning, ranking_metrics, ranking_values

CUTOFFS = (1, 5, 10, 60)


def random_case(seed):
    """Scores with ties, seen items, test rows with repeated pairs, users without test rows."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 9, size=(37, 40)).astype(np.float32)
    seen = [set(rng.choice(40, size=rng.integers(0, 15), replace=False).tolist()) for _ in scores]
    rows = [rng.choice(40, size=rng.integers(0, 9)).tolist() for _ in scores]
    relevant = np.zeros(scores.shape)
    for user, items in enumerate(rows):
        np.add.at(relevant[user], items, 1)
    is_seen = [[item in each for item in range(40)] for each in seen]
    return scores, seen, rows, sparse.csr_matrix(is_seen), sparse.csr_matrix(relevant)


@pytest.mark.parametrize("seed", range(5))
def test_all_metrics_equal_the_plain_python_twin(seed, ranking_twin):
    scores, seen, rows, seen_matrix, relevant = random_case(seed)
    expected = ranking_twin.all_metrics(scores.tolist(), seen, rows, CUTOFFS)
    found = ranking_metrics(lambda users: scores[users], None, seen_matrix, relevant, CUTOFFS)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name


def test_size_of_the_blocks_does_not_matter():
    scores, _, _, seen, relevant = random_case(0)
    whole = ranking_metrics(lambda users: scores[users], None, seen, relevant, CUTOFFS)
    for size in (1, 7, 36):
        blocks = ranking_metrics(lambda users: scores[users], None, seen, relevant, CUTOFFS, size)
        assert blocks == whole


def test_blocks_are_no_larger_than_asked_and_reported():
    scores, _, _, seen, relevant = random_case(0)
    asked, reported = [], []

    def scores_fn(users):
        asked.append(len(users))
        return scores[users]

    ranking_values(scores_fn, None, seen, relevant, (5,), 10, reported.append)
    assert asked == reported
    assert max(asked) == 10
    assert sum(asked) == np.count_nonzero(np.diff(relevant.indptr))


def test_hit_weighs_rows_and_recall_weighs_users():
    relevant = sparse.csr_matrix([[3, 0, 0], [0, 1, 0]])  # three test rows of one pair, and one
    scores = np.array([[0.9, 0.1, 0.0], [0.9, 0.1, 0.0]])
    found = ranking_metrics(lambda users: scores[users], None, None, relevant, (1,))
    assert found["hit_at_1"] == 3 / 4
    assert found["recall_at_1"] == 1 / 2


def test_relevant_item_that_was_seen_counts_as_missed():
    both = sparse.csr_matrix([[1, 0]])
    scores = np.array([[0.9, 0.1]])
    assert ranking_metrics(lambda users: scores, None, both, both, (1,))["hit_at_1"] == 0
    assert ranking_metrics(lambda users: scores, None, None, both, (1,))["hit_at_1"] == 1


def test_only_the_given_users_with_relevant_items_are_evaluated():
    scores, _, _, seen, relevant = random_case(1)
    users = np.array([3, 5, 8, 9])
    values = ranking_values(lambda users: scores[users], users, seen, relevant, (5,))
    whole = ranking_values(lambda users: scores[users], None, seen, relevant, (5,))
    assert set(values.user_indexes) == {u for u in users if relevant[u].nnz}
    chosen = np.isin(whole.user_indexes, users)
    for name, by_user in values.by_user.items():
        np.testing.assert_array_equal(by_user, whole.by_user[name][chosen])


def test_slices_of_users_average_to_the_whole():
    scores, _, _, seen, relevant = random_case(2)
    values = ranking_values(lambda users: scores[users], None, seen, relevant, (5,))
    is_even = values.user_indexes % 2 == 0
    parts = [values.means(is_even), values.means(~is_even)]
    users = [is_even.sum(), (~is_even).sum()]
    rows = [values.num_rows[is_even].sum(), values.num_rows[~is_even].sum()]
    whole = values.means()
    assert np.average([p["ndcg_at_5"] for p in parts], weights=users) == pytest.approx(
        whole["ndcg_at_5"], abs=1e-12
    )
    assert np.average([p["hit_at_5"] for p in parts], weights=rows) == pytest.approx(
        whole["hit_at_5"], abs=1e-12
    )
    assert "coverage_at_5" in whole
    assert "coverage_at_5" not in parts[0]


def test_no_user_with_a_relevant_item_gives_nan_and_a_warning():
    empty = sparse.csr_matrix((2, 3))
    with pytest.warns(UndefinedMetricWarning, match="no user has a relevant item"):
        found = ranking_metrics(lambda users: np.ones((len(users), 3)), None, None, empty, (1,))
    assert math.isnan(found["ndcg_at_1"])


def test_explicit_zero_in_relevant_is_not_relevant():
    relevant = sparse.csr_matrix(([0.0, 1.0], ([0, 0], [0, 1])), shape=(1, 2))
    scores = np.array([[0.9, 0.1]])
    assert ranking_metrics(lambda users: scores, None, None, relevant, (1,))["hit_at_1"] == 0
    assert relevant.nnz == 2  # the caller's matrix is not changed


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"cutoffs": (0, 5)}, ValueError, r"`cutoffs` must be numbers of at least 1, received"),
        ({"cutoffs": ()}, ValueError, r"`cutoffs` must be numbers of at least 1"),
        ({"user_batch_size": 0}, ValueError, r"`user_batch_size` must be at least 1, received 0"),
        ({"seen": sparse.csr_matrix((2, 4))}, ValueError, r"`seen` must have the shape of `rel"),
        ({"relevant": sparse.csr_matrix([[-1, 0, 0]])}, ValueError, r"above 0, received -1"),
        ({"scores_fn": lambda users: np.ones((1, 2))}, ValueError, r"`scores_fn` must give shape"),
        ({"user_indexes": np.array([2])}, IndexError, r"rows of `relevant`, 0 to 1, received 2"),
        ({"user_indexes": np.array([-1])}, IndexError, r"0 to 1, received -1"),
        ({"user_indexes": np.array([0.5])}, ValueError, r"`user_indexes` must be integers \[U\]"),
    ],
)
def test_wrong_argument_is_named(change, error, text):
    arguments = {
        "scores_fn": lambda users: np.ones((len(users), 3)),
        "user_indexes": None,
        "seen": None,
        "relevant": sparse.csr_matrix([[1, 0, 0], [0, 1, 0]]),
    }
    with pytest.raises(error, match=text):
        ranking_metrics(**{**arguments, **change})


def test_slice_mask_of_the_wrong_kind_is_an_error():
    values = ranking_values(lambda users: np.ones((1, 2)), None, None, sparse.csr_matrix([[1, 0]]))
    with pytest.raises(ValueError, match=r"`is_user` must be bool of shape \(1,\), received int64"):
        values.means(np.array([0]))
